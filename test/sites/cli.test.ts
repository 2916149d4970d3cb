import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

function audit(...args: string[]) {
  const cli = join(root, "dist/cli/main.js");
  return spawnSync(process.execPath, [cli, "audit", ...args], { encoding: "utf8" });
}

test("audit prints the table and the interleaving of what is late, and exits with 1", () => {
  const { status, stdout } = audit("--rows", "7", "--eras", "double", "--consumers", "sharing");
  expect(status).toBe(1);
  expect(stdout).toMatch(/^7 +mremap +free +UAF \(1\)$/m);
  expect(stdout).toContain("row 7, mremap, era double, consumer sharing: UAF");
  expect(stdout).toContain("UAF: device");
});

test("audit --json is by its schema", () => {
  const { status, stdout } = audit("--rows", "11", "--eras", "all", "--json");
  // What no kernel ever was does not count.
  expect(status).toBe(0);
  const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true });
  const schema = readFileSync(join(root, "dist/schemas/audit.json"), "utf8");
  const validate = ajv.compile(JSON.parse(schema) as object);
  const document = JSON.parse(stdout) as { rows: { row: string }[] };
  validate(document);
  expect(validate.errors ?? []).toEqual([]);
  expect(document.rows.map(({ row }) => row)).toEqual(["11a", "11b", "11c"]);
});

test("audit --markdown prints the page of what was asked for", () => {
  const { status, stdout } = audit("--rows", "14", "--eras", "coupled", "--markdown");
  expect(status).toBe(1);
  expect(stdout).toContain("| 14- | collapse.file-unbracketed | free | UAF (0) |");
});

test.each([
  [["--rows", "99"], "E_NOENT"],
  [["--rows", "7;"], "E_PARSE"],
  [["--eras", "none"], "E_NOENT"],
  [["--json", "--markdown"], "E_TYPE"],
])("audit %j is bad input", (args, code) => {
  const { status, stderr } = audit(...args);
  expect(status).toBe(2);
  expect(stderr).toContain(`[${code}]`);
});
