// Fewer cache lines: prices change, and nothing else.

import { describe, expect, test } from "vitest";
import { Catalogue, check, listScenarios, runWorkload } from "../../src/index.js";

const PAIRS = [
  ["concurrent", "consolidated"],
  ["early-ack", "early-ack-consolidated"],
] as const;

describe.each(PAIRS)("%s and %s", (plain, packed) => {
  test("reach the same verdicts over the same states", async () => {
    const small = ["nmi-recycled", "user-in-flight", "freed-table-walk", "two-requests", "tighten"];
    for (const scenario of listScenarios().filter(({ name }) => small.includes(name))) {
      const results = [plain, packed].map(async (policy) => {
        const { verdict, states, transitions } = await check(scenario, { policy });
        return { verdict, states, transitions };
      });
      const [a, b] = await Promise.all(results);
      expect(b).toEqual(a);
    }
  });

  test.each([
    ["haswell-2019", 2],
    ["numa-2s", 48],
  ] as const)("%s, %i CPUs: a request is cheaper by the lines it saves", async (profile, cpus) => {
    const { prices } = Catalogue.standard.profile(profile);
    const ns = (name: keyof typeof prices): number => prices[name]?.ns ?? 0;
    // One thread drops pages; the others only take its interrupts.
    const run = async (policy: string) => {
      const parameters = { cpus, threads: 1, thinkNs: 0, pages: 1, rounds: 20 };
      const workload = "madvise-pingpong";
      const result = await runWorkload({ workload, policy, profile, parameters, seed: 1 });
      expect(result.violations).toEqual([]);
      return result;
    };
    const [a, b] = [await run(plain), await run(packed)];
    expect(b.counters).toEqual(a.counters);
    const targets = cpus - 1;
    const isFar = cpus > 24;
    const saved = targets * ns("lazyLine") + ns("infoLine") + (isFar ? ns("infoLineRemote") : 0);
    expect(saved).toBeGreaterThan(0);
    const [[before]] = a.latencies;
    const [[after]] = b.latencies;
    expect(before - after).toBe(saved);
    // A target's handler is shorter by the line it does not fetch.
    const stolen = (result: typeof a) => result.stolenNs[1] / result.counters.sends;
    expect(stolen(a) - stolen(b)).toBeCloseTo(ns("infoLine"), 6);
  });
});
