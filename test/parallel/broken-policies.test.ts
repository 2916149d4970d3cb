// The checks can fail: broken policies are caught on worker threads too.

import { expect, test } from "vitest";
import { simulate } from "../../src/simulate.js";
import { expectThreads, failure, threads } from "./helpers.js";

/** Violations of up to `tries` runs, until there is one: which interleaving happens is luck. */
async function violationsOf(policy: string, workload: string, tries: number): Promise<string[]> {
  for (let seed = 1; seed <= tries; seed++) {
    const result = await simulate({
      driver: "parallel",
      workload,
      policy,
      cpus: 2,
      ops: 20_000,
      seed,
    });
    if (result.violations.length > 0) return result.violations.map(({ invariant }) => invariant);
  }
  return [];
}

test("local-only: a CPU is left behind", async () => {
  expect(await violationsOf("local-only", "shared", 20)).toContain("SlotsCurrentAtRest");
});

test("no-wait: a frame is used after it was freed", async () => {
  expect(await violationsOf("no-wait", "shared", 20)).toContain("NoHazard");
});

test("ack-first: the acknowledged flush never happens", async () => {
  expect(await violationsOf("ack-first", "shared", 20)).toContain("SlotsCurrentAtRest");
});

test("no-ipi: the deadlock is reported, with what everybody waits for", async () => {
  const before = threads();
  const run = simulate({ driver: "parallel", policy: "no-ipi", ops: 100 });
  const { error, ms } = await failure(run);
  expect(error.code).toBe("E_WORKER_STUCK");
  expect(error.message).toMatch(/deadlock.*CPU 0: at csd\.wait.*not acknowledged/);
  expect(ms).toBeLessThan(2_500);
  await expectThreads(before);
});
