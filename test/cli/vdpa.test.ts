/** `shootdown vdpa`: step files, the truth table and downtimes. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";

const root = fileURLToPath(new URL("../../", import.meta.url));
const cli = join(root, "dist/cli/main.js");
const folder = mkdtempSync(join(tmpdir(), "shootdown-"));

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, "vdpa", ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  return { status, stdout, stderr };
}

function conforms(schema: string, document: unknown): void {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, strictTuples: false });
  const file = readFileSync(join(root, `dist/schemas/${schema}.json`), "utf8");
  const validate = ajv.compile(JSON.parse(file) as object);
  validate(document);
  expect(validate.errors ?? []).toEqual([]);
}

describe("scenarios", () => {
  test("all are as expected", () => {
    const { status, stdout } = run("all");
    expect(status).toBe(0);
    expect(stdout).toContain("v1-unpin-before-unmap: 6 runs");
    expect(stdout).not.toContain("NOT as expected");
  });

  test("one that is not is exit code 1, with the step and what it gave", () => {
    const path = join(root, "scenarios/vdpa/v5-overlap.yaml");
    const text = readFileSync(path, "utf8");
    conforms("vdpa-file", parse(text));
    const mine = join(folder, "mine.yaml");
    writeFileSync(mine, text.replace("inner: EEXIST", "inner: EINVAL"));
    const { status, stdout } = run(mine, "--parent", "P");
    expect(status).toBe(1);
    expect(stdout).toContain('result.inner is "EEXIST", expected "EINVAL"');
  });

  test("a wrong setup is exit code 2, with its place", () => {
    const mine = join(folder, "wrong.yaml");
    const text = readFileSync(join(root, "scenarios/vdpa/headers.yaml"), "utf8");
    writeFileSync(mine, text.replace("parent: P", "parent: Q"));
    const { status, stderr } = run(mine);
    expect(status).toBe(2);
    expect(stderr).toMatch(/wrong\.yaml:\d+:\d+: /);
  });

  test.each([["all"], ["v9-unknown-asid"], ["--list"], ["--verbs"]])("%s --json", (what) => {
    const { status, stdout } = run(what, "--json");
    expect(status).toBe(0);
    const document = JSON.parse(stdout) as object;
    conforms("vdpa", document);
    expect(() => {
      conforms("vdpa", { ...document, more: 1 });
    }).toThrow();
  });

  test("--verbs lists what steps can do", () => {
    const { status, stdout } = run("--verbs");
    expect(status).toBe(0);
    for (const verb of ["update", "batchBegin", "dma", "program"]) expect(stdout).toContain(verb);
  });
});

test("table", () => {
  const json = run("table", "--json");
  expect(json.status).toBe(0);
  const document = JSON.parse(json.stdout) as { reset: unknown[]; cycle: unknown[] };
  conforms("vdpa-table", document);
  expect(document.reset).toHaveLength(12);
  const { status, stdout } = run("table");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^S1 +offered +kept +1:1 +no +1 clear$/m);
});

describe("downtime", () => {
  test("of a small guest, by each strategy", () => {
    const args = ["--guest", "64M", "--devices", "3", "--strategy", "unmap-map,unbatched,persist"];
    const json = run("downtime", ...args, "--json");
    expect(json.status).toBe(0);
    const document = JSON.parse(json.stdout) as {
      rows: { strategy: string; counts: Record<string, number>; ms: { total: number } }[];
    };
    conforms("vdpa-downtime", document);
    const [whole, unbatched, persist] = document.rows;
    // 3 devices of 64 MiB; runs of 2 MiB; a table each way, or one a region and one a run.
    expect(whole.counts).toMatchObject({ unpins: 3 * 16_384, pins: 3 * 16_384, setMaps: 3 * 2 });
    expect(unbatched.counts).toMatchObject({ setMaps: 3 * (2 + 32) });
    expect(persist.counts).toMatchObject({ unpins: 0, pins: 0, setMaps: 0 });
    expect(persist.ms.total).toBeLessThan(whole.ms.total);
    const text = run("downtime", ...args);
    expect(text.stdout).toContain("Times by profile published");
  });

  test.each([
    ["--parent", "nope", "E_NOENT"],
    ["--strategy", "nope", "E_NOENT"],
    ["--guest", "many", "E_TYPE"],
    ["--pages", "giant", "E_TYPE"],
    ["--devices", "0", "E_LIMIT"],
  ])("%s %s: %s", (option, value, code) => {
    const { status, stderr } = run("downtime", "--guest", "4M", option, value);
    expect(status).toBe(2);
    expect(stderr).toContain(code);
  });
});
