// Workloads on worker threads: nothing is lost, nothing is stale, nothing is left over.

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { simulate, type SimulateResult } from "../../src/simulate.js";
import { WORKLOADS } from "../../src/workloads.js";
import { expectThreads, threads } from "./helpers.js";

let before = 0;
beforeEach(() => {
  before = threads();
});
afterEach(async () => {
  await expectThreads(before);
});

function expectConsistent(result: SimulateResult, others: number): void {
  expect(result.violations).toEqual([]);
  expect(result.counters.hazards).toBe(0);
  expect(result.messages).toBe(result.shootdowns * others);
  expect(result.ipis + result.counters.coalesced).toBe(result.messages);
  expect(result.counters.flushRequests).toBeGreaterThanOrEqual(result.shootdowns);
  for (const name of ["sends", "messages", "operations", "framesFreed"] as const) {
    const sum = result.perCpu.reduce((total, counters) => total + counters[name], 0);
    expect(sum, name).toBe(result.counters[name]);
  }
  expect(result.wall?.seconds).toBeGreaterThan(0);
  expect(result.simulated).toBeUndefined();
}

describe.each([2, 4, 8])("%i CPUs", (cpus) => {
  test.each(WORKLOADS.map(({ name }) => name))("%s leaves no violation", async (workload) => {
    const result = await simulate({ driver: "parallel", workload, cpus, ops: 6_000, seed: cpus });
    expect(result.ops.done).toBeGreaterThanOrEqual(6_000);
    expectConsistent(result, cpus - 1);
  });
});

test("each write and drop of a page is two operations, one frame, one shootdown", async () => {
  const result = await simulate({ driver: "parallel", cpus: 2, ops: 100_000 });
  expect(result.ops).toEqual({ asked: 100_000, done: 100_000 });
  expect(result.shootdowns).toBe(100_000);
  expect(result.counters.operations).toBe(200_000);
  expect(result.counters.framesAllocated).toBe(100_000);
  expect(result.counters.framesFreed).toBe(100_000);
  expectConsistent(result, 1);
});

test("both drivers count the same for work whose faults do not depend on timing", async () => {
  for (const workload of ["madvise", "mprotect", "remap"]) {
    const same = { workload, cpus: 3, ops: 600, policy: "sync" } as const;
    const timed = await simulate({ ...same, driver: "timed" });
    const parallel = await simulate({ ...same, driver: "parallel" });
    for (const name of ["operations", "sends", "messages", "framesFreed"] as const) {
      expect(parallel.counters[name], `${workload} ${name}`).toBe(timed.counters[name]);
    }
    expect(timed.violations).toEqual([]);
    expect(timed.wall).toBeUndefined();
  }
});

test.each(["sync", "early-ack", "early-ack-flush-guard"])("policy %s", async (policy) => {
  for (const workload of ["shared", "mixed"]) {
    const result = await simulate({ driver: "parallel", workload, policy, cpus: 4, ops: 6_000 });
    expectConsistent(result, 3);
  }
});

test("more workers than hardware threads still finish", async () => {
  const result = await simulate({
    driver: "parallel",
    workload: "mixed",
    cpus: 6,
    workers: 6,
    ops: 3_000,
  });
  expect(result.wall?.workers).toBe(6);
  expectConsistent(result, 5);
});

test.each(["double", "deduplicated", "coupled"])("era %s", async (era) => {
  const result = await simulate({
    driver: "parallel",
    workload: "mixed",
    cpus: 4,
    ops: 3_000,
    era,
  });
  expectConsistent(result, 3);
});

test("a timed run gives the same result twice", async () => {
  const options = { driver: "timed", workload: "mixed", cpus: 4, ops: 2_000, seed: 9 } as const;
  expect(await simulate(options)).toEqual(await simulate(options));
});
