import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import { HistogramLogReader } from "hdr-histogram-js";
import { describe, expect, test } from "vitest";
import { cpuList } from "../../src/cli/commands/simulate-policies.js";
import type { PolicyComparison } from "../../src/simulation/index.js";

const root = fileURLToPath(new URL("../../", import.meta.url));

function run(...args: string[]) {
  const cli = join(root, "dist/cli/main.js");
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, "simulate", ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  return { status, stdout, stderr };
}

function conforms(schema: string, text: string): unknown {
  const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true });
  const file = readFileSync(join(root, `dist/schemas/${schema}.json`), "utf8");
  const validate = ajv.compile(JSON.parse(file) as object);
  const document = JSON.parse(text) as unknown;
  validate(document);
  expect(validate.errors ?? []).toEqual([]);
  return document;
}

describe("simulate WORKLOAD", () => {
  const args = ["munmap-storm", "--policy", "sync,concurrent", "--cpus", "2..8", "--ops", "300"];

  test("compares policies over CPUs, by the schema, the same bytes twice", () => {
    const first = run(...args, "--seeds", "3", "--json", "--quiet");
    expect(first.stderr).toBe("");
    expect(first.status).toBe(0);
    const document = conforms("simulate", first.stdout) as PolicyComparison;
    expect(document.runs.map(({ policy, cpus }) => `${policy} ${cpus}`)).toEqual([
      "sync 2",
      "concurrent 2",
      "sync 4",
      "concurrent 4",
      "sync 8",
      "concurrent 8",
    ]);
    expect(document.differences.map(({ cpus }) => cpus)).toEqual([2, 4, 8]);
    expect(document.seeds).toEqual(["1", "2", "3"]);
    for (const { figures, latencyNs, ops } of document.runs) {
      expect(figures.throughputOpsPerSecond.mean).toBeGreaterThan(1000);
      expect(figures.throughputOpsPerSecond.low).toBeLessThanOrEqual(
        figures.throughputOpsPerSecond.mean,
      );
      expect(latencyNs.p50).toBeLessThanOrEqual(latencyNs.p999);
      expect(latencyNs.p999).toBeLessThanOrEqual(latencyNs.max);
      expect(ops).toBeGreaterThanOrEqual(900);
      expect(figures.deferredPagesMost.mean).toBe(0);
    }
    expect(document.verdicts.map(({ policy, verdict }) => [policy, verdict])).toEqual([
      ["sync", "SAFE"],
      ["concurrent", "SAFE"],
    ]);
    expect(run(...args, "--seeds", "3", "--json").stdout).toBe(first.stdout);
  });

  test("prints a table, the paired differences, and what was explored", () => {
    const { status, stdout } = run(...args, "--seeds", "2");
    expect(status).toBe(0);
    expect(stdout).toMatch(/CPUs +policy +ops\/s +± 95 % +p50 ns/);
    expect(stdout).toMatch(/concurrent - sync +\+[0-9.]+ \[/);
    expect(stdout).toMatch(/sync: SAFE: munmap-other SAFE \([0-9,]+ states\)/);
  });

  test("a broken variant is reported with the scenario that catches it: exit 1", () => {
    const { status, stdout } = run("recycle", "--policy", "no-wait", "--ops", "50", "--seeds", "1");
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /no-wait \(a broken variant\): [A-Z_]+: recycle-user [A-Z_]+ \(.*steps\)/,
    );
  });

  test("--no-verdicts explores nothing; one seed has no interval", () => {
    const { status, stdout } = run(
      "recycle",
      "--ops",
      "50",
      "--seeds",
      "1",
      "--no-verdicts",
      "--json",
    );
    expect(status).toBe(0);
    const document = conforms("simulate", stdout) as PolicyComparison;
    expect(document.verdicts).toEqual([]);
    expect(document.runs[0].figures.ipis).toMatchObject({ low: null, high: null });
  });

  test("--hlog writes a histogram of each run, which others can read", () => {
    const file = join(mkdtempSync(join(tmpdir(), "shootdown-")), "latency.hlog");
    const { stdout } = run(...args, "--seeds", "2", "--json", "--hlog", file);
    const { runs } = conforms("simulate", stdout) as PolicyComparison;
    const reader = new HistogramLogReader(readFileSync(file, "utf8"));
    const counts = new Map<string, number>();
    for (let one = reader.nextIntervalHistogram(); one; one = reader.nextIntervalHistogram()) {
      const [policy, cpus] = one.tag.split(".");
      const key = `${policy} ${cpus}`;
      counts.set(key, (counts.get(key) ?? 0) + one.totalCount);
    }
    expect(counts.size).toBe(6);
    for (const { policy, cpus, latencyNs } of runs) {
      expect(counts.get(`${policy} cpus=${cpus}`)).toBe(latencyNs.count);
    }
  });

  test("--list tells workloads and parameters, by its schema", () => {
    const { workloads } = conforms("workloads", run("--list", "--json").stdout) as {
      workloads: { name: string }[];
    };
    expect(workloads.map(({ name }) => name)).toContain("server-mix");
    expect(run("--list").stdout).toMatch(/thinkNs +ns +0 to 1000000/);
  });

  test("parameters reach the workload; a small workload can be compared too", () => {
    const options = "--threads 2 --lazy 1 --locality 0.5 --pages 3 --think 100 --rounds 5".split(
      " ",
    );
    const { stdout } = run("recycle", "--cpus", "4", "--seeds", "1", "--json", ...options);
    const { parameters, runs } = conforms("simulate", stdout) as PolicyComparison;
    expect(parameters).toEqual({ locality: 0.5, pages: 3, thinkNs: 100, lazy: 1 });
    expect(runs[0]).toMatchObject({ threads: 2, rounds: 5, ops: 20 });
    const small = run("remap", "--cpus", "128", "--ops", "256", "--seeds", "1", "--json");
    expect((conforms("simulate", small.stdout) as PolicyComparison).runs[0].cpus).toBe(128);
  });

  test("without WORKLOAD it is one run with its counters, as --workload alone is", () => {
    const one = conforms("simulate", run("--workload", "remap", "--ops", "40", "--json").stdout);
    expect(one).toMatchObject({ driver: "timed", workload: "remap", ops: { asked: 40 } });
    expect(one).toHaveProperty("perCpu");
    const list = run(
      "--workload",
      "remap",
      "--ops",
      "40",
      "--cpus",
      "2,3",
      "--json",
      "--seeds",
      "1",
    );
    expect(conforms("simulate", list.stdout)).toHaveProperty("runs");
  });

  const bad: readonly (readonly [string, readonly string[], string])[] = [
    ["unknown workload", ["nope"], "E_NOENT"],
    ["unknown policy", ["recycle", "--policy", "sync,nope"], "E_NOENT"],
    ["unknown profile", ["recycle", "--profile", "nope"], "E_NOENT"],
    ["a policy twice", ["recycle", "--policy", "sync,sync"], "E_DUP"],
    ["no CPUs", ["recycle", "--cpus", "0"], "E_LIMIT"],
    ["too many CPUs", ["recycle", "--cpus", "2..2048"], "E_LIMIT"],
    ["an empty range", ["recycle", "--cpus", "5..7"], "E_PARSE"],
    ["no seeds", ["recycle", "--seeds", "0"], "E_LIMIT"],
    ["too local", ["recycle", "--locality", "1.5"], "E_LIMIT"],
    ["no share", ["recycle", "--locality", "half"], "E_PARSE"],
    ["too many pages", ["recycle", "--pages", "65"], "E_LIMIT"],
    ["more threads than CPUs", ["recycle", "--cpus", "8,2", "--threads", "4"], "E_LIMIT"],
    ["two workloads", ["recycle", "--workload", "remap"], "E_TYPE"],
    ["seeds of the parallel driver", ["remap", "--driver", "parallel", "--seeds", "2"], "E_TYPE"],
    ["a parameter it has not", ["remap", "--pages", "2"], "E_TYPE"],
  ];
  for (const [what, given, code] of bad) {
    test(`${what}: exit 2, one line, ${code}`, () => {
      const { status, stdout, stderr } = run(...given, "--json");
      expect(status).toBe(2);
      expect(conforms("error", stdout)).toMatchObject({ error: { code } });
      expect(stderr.trim().split("\n")).toHaveLength(1);
    });
  }
});

test.each([
  ["8", [8]],
  ["2,8,64", [2, 8, 64]],
  ["2..256", [2, 4, 8, 16, 32, 64, 128, 256]],
  ["1..1", [1]],
  ["3..20,24", [4, 8, 16, 24]],
])("--cpus %s", (text, list) => {
  expect(cpuList(text)).toEqual(list);
});
