/** Self-invalidating TLB entries in simulated time: nobody is told, and memory comes back later. */
import { describe, expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { checkInvariants, Machine } from "../../src/index.js";

const TICK_NS = 1_000_000; // of haswell-2019
const FIRST = 0x1000;
const A = { start: FIRST, end: FIRST + 1 };

/** Both CPUs have cached A, shortly after time `at`. */
async function machineOf(policy: string, at: number): Promise<Machine> {
  const machine = await Machine.create({ policy, geometry: { cpus: 2 } });
  const mm = machine.newMm();
  machine.mapNow(mm, FIRST, FIRST + 8, 3);
  for (let cpu = 0; cpu < 2; cpu++) {
    machine.place(cpu, machine.newTask(mm));
    machine.submit(cpu, "write", { vpn: FIRST + 1 }, { at });
    machine.submit(cpu, "write", { vpn: FIRST });
  }
  machine.advance(at + TICK_NS / 2);
  return machine;
}

const parked = (machine: Machine): number => machine.core.header[abi.H_PARKED_PAGES];

describe("munmap under self-invalidating", () => {
  test("interrupts nobody, and its frame is withheld for two ticks", async () => {
    const machine = await machineOf("self-invalidating", 0);
    const { ipis } = machine.counters();
    const freed = machine.core.total(abi.CT_FREED);
    machine.submit(0, "munmap", A, { at: 600_000 });
    machine.advance(0.9 * TICK_NS);
    expect(machine.counters().ipis).toBe(ipis);
    expect(parked(machine)).toBe(1);
    machine.advance(1.9 * TICK_NS);
    expect(parked(machine)).toBe(1);
    expect(machine.core.total(abi.CT_FREED)).toBe(freed);
    machine.advance(2.1 * TICK_NS);
    expect(parked(machine)).toBe(0);
    expect(machine.core.total(abi.CT_FREED)).toBe(freed + 1);
    expect(machine.advance()).toBe("idle");
    expect(checkInvariants(machine, { done: true })).toEqual([]);
  });

  test("withholds the addresses as long: mmap waits", async () => {
    const machine = await machineOf("self-invalidating", 0);
    machine.submit(0, "munmap", A, { at: 600_000 });
    machine.submit(0, "mmap", { ...A, prot: 3 });
    machine.advance();
    expect(machine.now(0)).toBeGreaterThan(2 * TICK_NS);
    expect(machine.now(0)).toBeLessThan(2.1 * TICK_NS);
    expect(machine.hazard).toBeNull();
  });

  test.each([
    ["self-invalidating", null],
    ["self-invalidating-early", abi.HZ_UAF],
    ["self-invalidating-renewed", abi.HZ_UAF],
  ])("%s: a CPU that goes on using the page", async (policy, hazard) => {
    const machine = await machineOf(policy, 100_000);
    machine.submit(0, "munmap", A, { at: 700_000 });
    for (let at = 0.8; at < 3; at += 0.2) {
      machine.submit(1, "load", { vpn: FIRST }, { at: Math.round(at * TICK_NS) });
    }
    machine.advance();
    expect(machine.hazard?.code ?? null).toBe(hazard);
  });
});

test("an entry is a miss when its life is over, whether or not it is in use", async () => {
  const misses = async (policy: string): Promise<number[]> => {
    const machine = await machineOf(policy, 0);
    return [0.7, 1.5, 1.9, 2.1, 2.2, 3.9, 4.1].map((at) => {
      const before = machine.counters().tlbMisses;
      machine.submit(1, "load", { vpn: FIRST }, { at: Math.round(at * TICK_NS) });
      machine.advance();
      return machine.counters().tlbMisses - before;
    });
  };
  expect(await misses("self-invalidating")).toEqual([0, 0, 0, 1, 0, 0, 1]);
  expect(await misses("latr")).toEqual([0, 0, 0, 0, 0, 0, 0]);
});

test("eco-tlb: reclaim interrupts nobody, and who faults waits for the sweep", async () => {
  const run = async (policy: string) => {
    const machine = await machineOf(policy, 0);
    const { ipis } = machine.counters();
    machine.submit(0, "reclaim", A, { at: 600_000 });
    machine.advance(0.9 * TICK_NS);
    const held = parked(machine);
    machine.submit(0, "write", { vpn: FIRST }, { at: 950_000 });
    machine.submit(1, "write", { vpn: FIRST }, { at: 1_500_000 });
    machine.advance();
    expect(machine.hazard).toBeNull();
    expect(checkInvariants(machine, { done: true })).toEqual([]);
    return { ipis: machine.counters().ipis - ipis, held, waited: machine.now(0) > TICK_NS };
  };
  expect(await run("eco-tlb")).toEqual({ ipis: 0, held: 1, waited: true });
  expect(await run("concurrent")).toEqual({ ipis: 1, held: 0, waited: false });
});
