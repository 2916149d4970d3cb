import { describe, expect, test } from "vitest";
import { Catalogue, Machine } from "../../src/index.js";

/**
 * shootdown.md 3.3, T1: ns per iteration of madvise(MADV_DONTNEED) + touch of one page, on the
 * initiator, measured on a Haswell server. The other thread runs on its own CPU in user mode.
 */
const T1 = [
  { policy: "sync", threads: 1, ns: 661 },
  { policy: "sync", threads: 2, ns: 1436 },
  { policy: "concurrent", threads: 1, ns: 663 },
  { policy: "concurrent", threads: 2, ns: 1225 },
  { policy: "early-ack", threads: 1, ns: 663 },
] as const;
const TOLERANCE = 0.02;
/** Without the copy of the request the recipe gives 1014 ns, 9 % below what was measured. */
const EARLY_ACK = { ns: 1115, tolerance: 0.1 };
const PAGE = 0x1000;

async function nsPerIteration(policy: string, threads: number, iterations: number) {
  const machine = await Machine.create({ policy, era: "coupled", profile: "haswell-2019" });
  const mm = machine.newMm();
  machine.mapNow(mm, PAGE, PAGE + 16, 3);
  for (let cpu = 0; cpu < threads; cpu++) machine.place(cpu, machine.newTask(mm));
  machine.submit(0, "write", { vpn: PAGE });
  machine.advance();
  const before = machine.now(0);
  for (let i = 0; i < iterations; i++) {
    machine.submit(0, "madvise", { start: PAGE, end: PAGE + 1 });
    machine.submit(0, "write", { vpn: PAGE });
    machine.advance();
  }
  return { ns: (machine.now(0) - before) / iterations, counters: machine.counters() };
}

describe("the published madvise loop", () => {
  for (const { policy, threads, ns } of T1) {
    test(`${policy}, ${threads} thread(s): ${ns} ns within 2 %`, async () => {
      const iterations = 200;
      const { ns: got, counters } = await nsPerIteration(policy, threads, iterations);
      expect(Math.abs(got / ns - 1)).toBeLessThanOrEqual(TOLERANCE);
      // It is a shootdown that was timed: one message an iteration with two threads, none with one.
      expect(counters.messages).toBe(threads === 2 ? iterations : 0);
      expect(counters.flushRemote).toBe(threads === 2 ? iterations : 0);
      expect(counters.flushLocal).toBe(iterations);
      expect(counters.hazards).toBe(0);
    });
  }

  for (const policy of ["early-ack", "early-ack-flush-guard"]) {
    test(`${policy}, 2 threads: ${EARLY_ACK.ns} ns within 10 %`, async () => {
      const iterations = 200;
      const { ns, counters } = await nsPerIteration(policy, 2, iterations);
      expect(Math.abs(ns / EARLY_ACK.ns - 1)).toBeLessThanOrEqual(EARLY_ACK.tolerance);
      expect(counters.messages).toBe(iterations);
      expect(counters.flushRemote).toBe(iterations);
      expect(counters.hazards).toBe(0);
    });
  }

  test("an early ack hides the remote flush and pays for a copy of the request", async () => {
    const { prices } = Catalogue.standard.profile("haswell-2019");
    const concurrent = await nsPerIteration("concurrent", 2, 50);
    const early = await nsPerIteration("early-ack", 2, 50);
    const copy = prices["csd.reach"]?.ns ?? 0;
    expect(copy).toBeGreaterThan(0);
    expect(concurrent.ns - early.ns).toBe(211 - copy);
  });

  test("concurrency hides exactly the local flush, 211 ns", async () => {
    const sequential = await nsPerIteration("sync", 2, 50);
    const concurrent = await nsPerIteration("concurrent", 2, 50);
    expect(sequential.ns - concurrent.ns).toBe(211);
  });
});
