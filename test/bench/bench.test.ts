import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

test("every benchmark agrees with its model, and prints its checksum", () => {
  const script = fileURLToPath(new URL("../../scripts/bench.mjs", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "--quick", "--json"], {
    cwd: root,
    encoding: "utf8",
  });
  expect(stderr.replace(/^bench: there is no g\+\+.*\n/gm, "")).toBe("");
  expect(status).toBe(0);
  const rows = stdout.split("\n").filter((line) => line.startsWith("{"));
  expect(rows.length).toBeGreaterThanOrEqual(18);
  for (const row of rows) {
    expect(JSON.parse(row)).toMatchObject({ seed: 1, checksum: expect.any(Number) as number });
  }
}, 120_000);
