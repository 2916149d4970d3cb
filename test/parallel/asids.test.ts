// One ASID space that rolls over all the time, on several threads.

import { expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { checkInvariants } from "../../src/invariants.js";
import { Machine } from "../../src/machine.js";
import { SIMULATED_GEOMETRY } from "../../src/simulate.js";
import { withDriver } from "./helpers.js";

const RW = 3;
const PAGE = 600;
const CPUS = 4;
/** One more than is reserved at most: nearly every process begins a new generation. */
const ASIDS = CPUS + 2;

test.each(["asids", "riscv-asids"])("%s: rollovers on every CPU lose nothing", async (policy) => {
  const machine = await Machine.create({
    policy,
    geometry: {
      ...SIMULATED_GEOMETRY,
      ...{ cpus: CPUS, tasks: CPUS * 3, mms: 1 + CPUS * 2, asids: ASIDS, tables: 2048, jobs: 64 },
    },
    consumers: [],
  });
  machine.core.header[abi.H_ASID_SPACE] = ASIDS;
  const mm = machine.newMm();
  machine.mapNow(mm, PAGE, PAGE + 32, RW);
  const rows = Array.from({ length: CPUS }, (_, cpu) => {
    const [thread, idle, child] = [mm, null, null].map((of) => machine.newTask(of));
    machine.place(cpu, thread);
    return { cpu, thread, idle, child, page: PAGE + cpu * 2 };
  });
  await withDriver(machine, { workers: 2 }, async (driver) => {
    for (let round = 0; round < 40; round++) {
      for (const { cpu, thread, idle, child, page } of rows) {
        const on = (task: number) => ({ task });
        machine.submit(cpu, "write", { vpn: page }, on(thread));
        machine.submit(cpu, "fork", { childTask: child + 1 }, on(thread));
        machine.submit(cpu, "switch", { next: child });
        machine.submit(cpu, "asid.pin", {}, on(child));
        machine.submit(cpu, "read", { vpn: PAGE + 1 }, on(child));
        machine.submit(cpu, "write", { vpn: page }, on(child));
        machine.submit(cpu, "exit", {}, on(child));
        machine.submit(cpu, "switch", { next: idle });
        machine.submit(cpu, "switch", { next: thread });
        machine.submit(cpu, "madvise", { start: page, end: page + 1 }, on(thread));
      }
      expect((await driver.run()).outcome).toBe("idle");
      expect(checkInvariants(machine, { done: true })).toEqual([]);
    }
  });
  const { hazards, ipis, rollovers, switchFlushes } = machine.counters();
  expect(hazards).toBe(0);
  expect(ipis).toBe(0);
  // 160 children and 6 ASIDs; every CPU flushes for its next switch.
  expect(rollovers).toBeGreaterThan(20);
  expect(switchFlushes).toBeGreaterThanOrEqual(rollovers);
});
