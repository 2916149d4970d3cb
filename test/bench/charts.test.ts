import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const script = fileURLToPath(new URL("../../scripts/charts.mjs", import.meta.url));
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "shootdown-charts-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const CACHES = ["--l1d", "48K", "--l2", "2M", "--l3", "32M"];

function line(suite: string, what: string, shape: string, n: number, contender: string): string {
  const perSecond = 1e9 / (contender.length + Math.log2(n) * what.length);
  return JSON.stringify({ suite, name: `${what}, ${shape}, ${n}: ${contender}`, perSecond });
}

function linesOf(suite: string): string[] {
  const contenders = Array.from({ length: 10 }, (_, i) => `contender number ${i}`);
  return ["first", "insert"].flatMap((what) =>
    ["random", "disjoint"].flatMap((shape) =>
      [100, 1e3, 1e4, 1e5, 1e6].flatMap((n) =>
        contenders.map((contender) => line(suite, what, shape, n, contender)),
      ),
    ),
  );
}

function draw(lines: readonly string[], out: string, ...args: string[]) {
  const file = join(folder, "lines.jsonl");
  writeFileSync(file, lines.join("\n"));
  const all = [script, file, "--out", join(folder, out), ...CACHES, ...args];
  return spawnSync(process.execPath, all, { encoding: "utf8" });
}

function read(out: string, name: string): string {
  return readFileSync(join(folder, out, name), "utf8");
}

test("one small chart an operation, the same each time", () => {
  const lines = ["build: core.wasm 1 bytes", ...linesOf("interval-tree"), '{"name":"read trace"}'];
  const { status, stderr } = draw(lines, "a");
  expect([stderr, status]).toEqual(["", 0]);
  const names = readdirSync(join(folder, "a")).sort();
  expect(names).toEqual(["interval-tree-first-random.svg", "interval-tree-insert-random.svg"]);
  draw(lines, "b");
  for (const name of names) {
    expect(statSync(join(folder, "a", name)).size).toBeLessThan(100_000);
    expect(read("b", name)).toBe(read("a", name));
  }
  const svg = read("a", names[0]);
  expect(svg).toMatch(/^<svg [^]*<\/svg>\n$/);
  expect(svg).toContain("L1d 48 KiB = 1,037 entries · L2 2 MiB = 44,258 entries");
  for (const rule of ["L1d", "L2", "L3"]) expect(svg).toContain(`>${rule}</text>`);
  for (let i = 0; i < 10; i++) expect(svg).toContain(`contender number ${i}`);
});

test("other suites, shapes and sizes of entries", () => {
  draw(linesOf("other"), "c", "--shapes", "all");
  expect(readdirSync(join(folder, "c"))).toHaveLength(4);
  expect(read("c", "other-first-disjoint.svg")).not.toContain("L1d");
  draw(linesOf("other"), "c", "--shapes", "disjoint", "--bytes", "64");
  expect(read("c", "other-first-disjoint.svg")).toContain("L1d 48 KiB = 768 entries");
});

test("every suite that is known has its own shapes and bytes", () => {
  const lines = [
    ...linesOf("iotlb"),
    ...["random", "lone", "dense"].map((shape) => line("pinned-pages", "pin", shape, 1e4, "a")),
    ...["random", "dense"].map((shape) => line("pinned-pages", "pin", shape, 1e3, "a")),
    '{"suite":"pinned-pages","name":"bytes, random, 1000: a","amount":25,"unit":"bytes a page"}',
  ];
  draw(lines, "e");
  expect(readdirSync(join(folder, "e")).sort()).toEqual([
    "iotlb-first-disjoint.svg",
    "iotlb-insert-disjoint.svg",
    "pinned-pages-pin-random.svg",
  ]);
  expect(read("e", "iotlb-first-disjoint.svg")).toContain("at 83 bytes an entry");
  draw(lines, "e", "--shapes", "dense,random");
  expect(read("e", "pinned-pages-pin-random.svg")).toContain("at 25 bytes an entry");
  expect(read("e", "pinned-pages-pin-dense.svg")).toContain("L1d 48 KiB = 6,144 entries");
});

test("says when there is nothing to draw, or a size is none", () => {
  expect(draw(['{"name":"read trace","perSecond":1}'], "d")).toMatchObject({ status: 1 });
  expect(draw(linesOf("x"), "d", "--bytes", "many").stderr).toContain("many is no size");
});
