// `npm run mutants` takes an hour: here only that its list still fits the core.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("each mutant of the core has exactly one place", () => {
  const script = fileURLToPath(new URL("../../scripts/mutants.mjs", import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
});
