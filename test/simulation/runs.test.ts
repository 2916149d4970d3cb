// Runs repeat to the byte, whatever the host does in between; policies get the same work.

import { describe, expect, test } from "vitest";
import { GENERATORS, runWorkload, type WorkloadRunOptions } from "shootdown";
import { comparePolicies } from "../../src/simulation/index.js";

const NAMES = GENERATORS.map(({ name }) => name);

/** Every share of the shared region, with and without time to think. */
const SHAPES = [
  { locality: 1, thinkNs: 0, pages: 1 },
  { locality: 0, thinkNs: 300, pages: 3 },
  { locality: 0.5, thinkNs: 1000, pages: 64 },
];

describe.each(NAMES)("%s", (workload) => {
  test.each([1, 2, 8])("ends, with nothing violated, on %i CPUs", async (cpus) => {
    for (const policy of ["sync", "concurrent"]) {
      for (const shape of SHAPES) {
        const rounds = shape.pages > 8 ? 10 : 25;
        const parameters = { cpus, rounds, ...shape };
        const run = await runWorkload({ workload, policy, parameters, seed: cpus });
        expect(run.violations).toEqual([]);
        expect(run.counters.hazards).toBe(0);
        expect(run.ops).toBeGreaterThan(0);
        expect(run.ns).toBeGreaterThan(0);
        expect(run.counters.ipis + run.counters.coalesced).toBe(run.counters.messages);
        const requests = run.latencies.reduce((sum, [, count]) => sum + count, 0);
        expect(requests).toBe(run.counters.flushRequests);
        expect(run.counters.sends).toBeLessThanOrEqual(requests);
        if (cpus === 1) expect(run.counters.messages).toBe(0);
        else expect(run.counters.messages).toBeGreaterThan(0);
      }
    }
  });

  test("rings that are filled a little at a time, and a small log, change nothing", async () => {
    const parameters = { cpus: 6, threads: 5, rounds: 60, locality: 0.7, thinkNs: 400 };
    const options = { workload, parameters, seed: 3 };
    const whole = await runWorkload(options);
    expect(await runWorkload(options)).toEqual(whole);
    const small = { jobs: 5, logRecords: 256 };
    expect(await runWorkload({ ...options, geometry: small })).toEqual(whole);
  });

  test("operations are about as many as were asked for", async () => {
    const parameters = { cpus: 4, threads: 4 };
    const run = await runWorkload({ workload, parameters, ops: 800 });
    expect(run.ops / 800).toBeGreaterThan(0.6);
    expect(run.ops / 800).toBeLessThan(1.6);
    if (workload !== "server-mix") expect(run.ops / 800).toBeLessThan(1.1);
  });
});

describe("the machine at its sizes", () => {
  test.each([256, 1024])("%i CPUs, the log drained while it runs", async (cpus) => {
    for (const workload of ["madvise-pingpong", "server-mix"]) {
      const threads = Math.min(cpus, 300);
      const parameters = { cpus, threads, rounds: 3, locality: 0.8 };
      const run = await runWorkload({ workload, parameters, geometry: { logRecords: 256 } });
      expect(run.violations).toEqual([]);
      expect(run.stolenNs).toHaveLength(cpus);
      expect(run.counters.messages).toBeGreaterThan(threads * 200);
    }
  });
});

describe("what the figures mean", () => {
  const base = { workload: "madvise-pingpong", ops: 400 } as const;
  const at = (more: Partial<WorkloadRunOptions>) => runWorkload({ ...base, ...more });

  test("time to think comes on top, and interrupts lengthen it", async () => {
    const busy = await at({ parameters: { cpus: 2, threads: 1 } });
    const idle = await at({ parameters: { cpus: 2, threads: 1, thinkNs: 5000 } });
    const thought = (idle.ns - busy.ns) / 400;
    expect(thought).toBeGreaterThan(4500);
    expect(thought).toBeLessThan(5500);
    // A victim that thinks takes each interrupt within one load, so nobody waits much longer.
    const both = await at({ parameters: { cpus: 2, threads: 2, thinkNs: 50_000 } });
    const [slowest] = both.latencies.at(-1) ?? [0];
    expect(slowest).toBeLessThan(2 * 773 + 400);
    expect(both.stolenNs.every((ns) => ns > 0)).toBe(true);
  });

  test("a full flush makes threads refill their working set, page flushes do not", async () => {
    const refills = async (pages: number) => {
      const parameters = { cpus: 2, threads: 1, pages, thinkNs: 4000, rounds: 50 };
      const run = await runWorkload({ workload: "madvise-pingpong", parameters });
      // Two misses a page are the loop's own; the rest are of what was flushed beside it.
      return run.counters.tlbMisses - 50 * pages * 2;
    };
    // The first loads of all find the eight pages of the working set not there yet.
    expect(await refills(33)).toBe(8);
    // And after each flush again, but for the rare round that thinks for less than eight loads.
    expect(await refills(34)).toBeGreaterThan(45 * 8);
    expect(await refills(34)).toBeLessThanOrEqual(50 * 8);
  });

  test("threads that share a page table wait for it; apart they do not", async () => {
    const migration = (locality: number) =>
      at({ workload: "numa-migration", parameters: { cpus: 4, locality } });
    const [apart, together] = [await migration(1), await migration(0)];
    expect(together.ops).toBe(apart.ops);
    // Each flush is under the page-table lock: one after the other instead of all at once.
    expect(together.ns).toBeGreaterThan(2 * apart.ns);
  });

  test("a policy that leaves CPUs waiting for ever is a violation", async () => {
    const run = await at({ policy: "no-ipi", parameters: { cpus: 4 } });
    expect(run.violations[0].invariant).toBe("NoDeadlock");
    expect(run.ops).toBeLessThan(400);
  });

  test("a policy that tells nobody is fastest, and is caught", async () => {
    const parameters = { cpus: 4, locality: 0, rounds: 300 };
    const sound = await at({ parameters });
    const broken = await at({ parameters, policy: "local-only" });
    expect(broken.ns).toBeLessThan(sound.ns);
    expect(broken.violations.map(({ invariant }) => invariant)).toContain("SlotsCurrentAtRest");
  });
});

describe("comparing", () => {
  const options = {
    workload: "server-mix",
    policies: ["sync", "concurrent"],
    cpus: [4, 2],
    ops: 300,
    verdicts: false,
  } as const;

  test("the same bytes twice, and in whatever order the seeds are", async () => {
    const text = JSON.stringify(await comparePolicies({ ...options, seeds: [3, 1, 2] }));
    expect(JSON.stringify(await comparePolicies({ ...options, seeds: [3, 1, 2] }))).toBe(text);
    expect(JSON.stringify(await comparePolicies({ ...options, seeds: ["0x2", 3n, 1] }))).toBe(text);
    expect(JSON.stringify(await comparePolicies({ ...options, seeds: [3, 1, 4] }))).not.toBe(text);
  });

  test("differences are those of the runs, seed by seed", async () => {
    const byRun = new Map<string, number>();
    const result = await comparePolicies({
      ...options,
      cpus: [3],
      seeds: [5, 6, 7],
      onResult: ({ policy, seed, ops, ns }) => byRun.set(`${policy} ${seed}`, (ops * 1e9) / ns),
    });
    const seeds = ["5", "6", "7"];
    const pairs = seeds.map((seed) => {
      return (byRun.get(`concurrent ${seed}`) ?? 0) - (byRun.get(`sync ${seed}`) ?? 0);
    });
    const mean = pairs.reduce((a, b) => a + b) / 3;
    const error = Math.sqrt(pairs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 2 / 3);
    const [difference] = result.differences;
    const { throughputOpsPerSecond: got } = difference.figures;
    expect([difference.policy, difference.baseline, difference.cpus]).toEqual([
      "concurrent",
      "sync",
      3,
    ]);
    expect(got.mean).toBeCloseTo(mean, 6);
    expect((got.high ?? 0) - got.mean).toBeCloseTo(4.302653 * error, 2);
  });

  test("one thread, two CPUs: concurrency hides the local flush, in every seed", async () => {
    const { differences, runs } = await comparePolicies({
      workload: "madvise-pingpong",
      parameters: { threads: 1, rounds: 50 },
      seeds: [1, 2, 3],
      verdicts: false,
    });
    expect(differences[0].figures.latencyNsP50).toEqual({ mean: -211, low: -211, high: -211 });
    const [sync, concurrent] = runs.map(({ figures }) => figures.throughputOpsPerSecond.mean);
    expect(concurrent / sync).toBeCloseTo(1433 / 1222, 3);
  });
});
