import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Catalogue } from "../../src/index.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Every row takes minutes: the whole of it on request. */
const oneIn = process.env.SHOOTDOWN_ALL === undefined ? "7" : "1";

test(`the policy matrix of the README is what its script says, one row in ${oneIn}`, () => {
  const args = [join(root, "scripts/matrix.mjs"), "--check", "--one-in", oneIn];
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
}, 900_000);

test("every policy of the catalogue is in it", () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, matrix] =
    /<!-- policy matrix[^]*?-->([^]*?)<!-- end of the policy matrix/.exec(readme) ?? [];
  for (const { name } of Catalogue.standard.parts.policies) expect(matrix).toContain(`\`${name}\``);
});
