// Jobs from the rings: fork, copy on write, exec, exit and context switches on several threads.

import { expect, test } from "vitest";
import { checkInvariants } from "../../src/invariants.js";
import { Machine } from "../../src/machine.js";
import { SIMULATED_GEOMETRY } from "../../src/simulate.js";
import { withDriver } from "./helpers.js";

const RW = 3;
const PAGE = 600;

/** Each CPU has a thread of the shared mm, an idle thread, and a task for its children. */
async function processMachine(cpus: number) {
  const machine = await Machine.create({
    geometry: {
      ...SIMULATED_GEOMETRY,
      cpus,
      tasks: cpus * 3,
      mms: 1 + cpus * 2,
      asids: 2,
      tables: 2048,
      jobs: 64,
    },
    consumers: [],
  });
  const mm = machine.newMm();
  machine.mapNow(mm, PAGE, PAGE + 32, RW);
  const rows = Array.from({ length: cpus }, (_, cpu) => {
    const thread = machine.newTask(mm);
    const idle = machine.newTask(null);
    const child = machine.newTask(null);
    machine.place(cpu, thread);
    return { cpu, thread, idle, child, page: PAGE + cpu * 2 };
  });
  return { machine, rows };
}

test("fork, copy on write, exit, lazy CPUs: nothing is lost over many rounds", async () => {
  const { machine, rows } = await processMachine(4);
  await withDriver(machine, { workers: 2 }, async (driver) => {
    for (let round = 0; round < 60; round++) {
      for (const { cpu, thread, idle, child, page } of rows) {
        const on = (task: number) => ({ task });
        machine.submit(cpu, "write", { vpn: page }, on(thread));
        machine.submit(cpu, "fork", { childTask: child + 1 }, on(thread));
        machine.submit(cpu, "write", { vpn: page }, on(thread));
        machine.submit(cpu, "switch", { next: child });
        machine.submit(cpu, "read", { vpn: PAGE + 1 }, on(child));
        machine.submit(cpu, "write", { vpn: page }, on(child));
        if (round % 3 === 0) machine.submit(cpu, "exec", {}, on(child));
        machine.submit(cpu, "exit", {}, on(child));
        machine.submit(cpu, "switch", { next: idle });
        machine.submit(cpu, "switch", { next: thread });
        machine.submit(cpu, "madvise", { start: page, end: page + 1 }, on(thread));
        machine.submit(cpu, "munmap", { start: page, end: page + 1 }, on(thread));
        machine.submit(cpu, "mmap", { start: page, end: page + 1, prot: RW }, on(thread));
      }
      expect((await driver.run()).outcome).toBe("idle");
      expect(checkInvariants(machine, { done: true })).toEqual([]);
    }
    const counters = machine.counters();
    expect(counters.switches).toBeGreaterThan(0);
    expect(counters.filtered + counters.wrongCpu + counters.switchFlushes).toBeGreaterThan(0);
    expect(counters.hazards).toBe(0);
  });
});
