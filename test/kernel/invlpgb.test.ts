/** Global ASIDs: who gets one, what it spares, and when it is used again, in simulated time. */
import { describe, expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { checkInvariants, Machine } from "../../src/index.js";

const FIRST = 0x1000;
const RANGE = { start: FIRST, end: FIRST + 1 };

async function machineOf(cpus: number, lazy = 0): Promise<Machine> {
  const machine = await Machine.create({ policy: "invlpgb", geometry: { cpus } });
  const mm = machine.newMm();
  machine.mapNow(mm, FIRST, FIRST + 64, 3);
  for (let cpu = 0; cpu < cpus; cpu++) {
    machine.place(cpu, machine.newTask(mm));
    machine.submit(cpu, "write", { vpn: FIRST + 1 });
    if (cpu >= cpus - lazy) machine.submit(cpu, "idle");
  }
  machine.advance();
  return machine;
}

/** Interrupts of each of `rounds` shootdowns of CPU 0. */
function interrupts(machine: Machine, rounds: number): number[] {
  return Array.from({ length: rounds }, () => {
    const before = machine.counters().ipis;
    machine.submit(0, "write", { vpn: FIRST }, { at: machine.now(0) + 10_000 });
    machine.submit(0, "madvise", RANGE);
    machine.advance();
    return machine.counters().ipis - before;
  });
}

describe("a process that is active on many CPUs", () => {
  test("is interrupted 32 times, once more to change over, and never again", async () => {
    const machine = await machineOf(5);
    const sent = interrupts(machine, 40);
    expect(sent.slice(0, 33)).toEqual(new Array(33).fill(4));
    expect(sent.slice(33)).toEqual(new Array(7).fill(0));
    expect(machine.counters().broadcasts).toBe(8 * 5);
    expect(machine.counters().hazards).toBe(0);
    expect(checkInvariants(machine, { done: true })).toEqual([]);
    // What everybody has cached is flushed where it is: each CPU walks anew for what was dropped.
    const before = machine.counters().tlbMisses;
    for (let cpu = 1; cpu < 5; cpu++) machine.submit(cpu, "load", { vpn: FIRST });
    machine.advance();
    expect(machine.counters().tlbMisses - before).toBe(4);
  });

  test.each([
    ["3 CPUs are not many", 3, 0],
    ["lazy CPUs do not count", 5, 2],
  ])("%s", async (_, cpus, lazy) => {
    const machine = await machineOf(cpus, lazy);
    expect(interrupts(machine, 40)).toEqual(new Array(40).fill(cpus - lazy - 1));
    expect(machine.counters().broadcasts).toBe(0);
  });
});

test("ASIDs that were freed are used again when all are used up", async () => {
  const machine = await machineOf(5);
  const { core } = machine;
  const pool = core.at(abi.H_OFF_GLOBAL) >> 2;
  // As if 62 processes had come and gone: used u64, freed u64.
  core.u32.set([0xffffffff, 0x3fffffff, 0xffffffff, 0x3fffffff], pool);
  const before = machine.counters().tlbMisses;
  interrupts(machine, 32);
  expect([...core.u32.subarray(pool, pool + 4)]).toEqual([1, 0, 0, 0]);
  // Everything that was cached anywhere went with the flush before.
  for (let cpu = 1; cpu < 5; cpu++) machine.submit(cpu, "load", { vpn: FIRST + 1 });
  machine.advance();
  expect(machine.counters().tlbMisses - before).toBeGreaterThanOrEqual(4 + 32);
  expect(checkInvariants(machine, { done: true })).toEqual([]);
});
