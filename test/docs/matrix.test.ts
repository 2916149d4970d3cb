import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Catalogue } from "../../src/index.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("the policy matrix of the README is what its script says", () => {
  const script = join(root, "scripts/matrix.mjs");
  const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
}, 300_000);

test("every policy of the catalogue is in it", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, matrix] =
    /<!-- policy matrix[^]*?-->([^]*?)<!-- end of the policy matrix/.exec(readme) ?? [];
  for (const { name } of Catalogue.standard.parts.policies) expect(matrix).toContain(`\`${name}\``);
});
