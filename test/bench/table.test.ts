import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const script = fileURLToPath(new URL("../../scripts/bench-table.mjs", import.meta.url));
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "shootdown-table-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function timed(name: string, ns: number): string {
  return JSON.stringify({ suite: "s", name, perSecond: 1e9 / ns });
}

const LINES = [
  "build: core.wasm 1 bytes",
  timed("first, random, 100: a", 4.04),
  timed("insert, random, 100: a", 99.4),
  timed("first, random, 100: b", 1),
  timed("first, random, 100: b", 12_345),
  timed("first, random, 10000: a", 0.96),
  timed("first, disjoint, 100: shootdown, lists", 217.6),
  timed("read trace", 1),
  JSON.stringify({ suite: "s", name: "size, random, 100: a", amount: 24.56, unit: "bytes" }),
  JSON.stringify({ suite: "s", name: "size, random, 100: d", amount: 48, unit: "bytes" }),
];

function tableOf(lines: readonly string[], ...args: string[]) {
  const file = join(folder, "lines.jsonl");
  writeFileSync(file, lines.join("\n"));
  return spawnSync(process.execPath, [script, file, ...args], { encoding: "utf8" });
}

test("a table a suite, and one for what was counted", () => {
  const { status, stdout, stderr } = tableOf(LINES);
  expect([stderr, status]).toEqual(["", 0]);
  expect(stdout).toBe(`s, nanoseconds an operation:

|  |  | entries | shootdown, lists | a | b |
| --- | --- | ---: | ---: | ---: | ---: |
| first | random | 100 | – | 4.0 | 12,300 |
| first | random | 10,000 | – | 1.0 | – |
| first | disjoint | 100 | 218 | – | – |
| insert | random | 100 | – | 99 | – |

s, bytes:

|  |  | entries | a | d |
| --- | --- | ---: | ---: | ---: |
| size | random | 100 | 25 | 48 |
`);
});

test("only some shapes and sizes, and a word when there is none", () => {
  const { stdout } = tableOf(LINES, "--shapes", "random,lone", "--entries", "10000");
  expect(stdout.split("\n").slice(4)).toEqual(["| first | random | 10,000 | 1.0 |", ""]);
  expect(tableOf(LINES, "--shapes", "lone")).toMatchObject({ status: 1 });
  expect(tableOf(['{"name":"read trace","perSecond":1}'])).toMatchObject({ status: 1 });
});
