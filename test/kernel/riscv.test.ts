/** RISC-V's remote fences in simulated time: who is told, how, and when all is flushed. */
import { expect, test } from "vitest";
import { type Counters, checkInvariants, Machine } from "../../src/index.js";

const FIRST = 0x1000;

/** Hart 0 drops `pages` pages that all four have used; hart 2 is away, hart 3 is lazy. */
async function run(policy: string, pages: number, ceiling?: number): Promise<Counters> {
  const geometry = { cpus: 4, ...(ceiling === undefined ? {} : { ceiling }) };
  const machine = await Machine.create({ policy, profile: "riscv-hart", geometry });
  const [mm, other] = [machine.newMm(), machine.newMm()];
  machine.mapNow(mm, FIRST, FIRST + 128, 3);
  for (let cpu = 0; cpu < 4; cpu++) {
    machine.place(cpu, machine.newTask(mm));
    machine.submit(cpu, "populate.write", { start: FIRST, end: FIRST + pages });
    machine.submit(cpu, "load", { vpn: FIRST });
  }
  machine.submit(2, "use.mm", { mm: other + 1 });
  machine.submit(3, "idle");
  machine.advance();
  const before = machine.counters();
  machine.submit(0, "madvise", { start: FIRST, end: FIRST + pages }, { at: 1e6 });
  machine.advance();
  const after = machine.counters();
  for (const cpu of [2, 3]) machine.submit(cpu, "use.mm", { mm: mm + 1 }, { at: 2e6 });
  for (let cpu = 0; cpu < 4; cpu++) machine.submit(cpu, "load", { vpn: FIRST }, { at: 3e6 });
  machine.advance();
  expect(machine.counters().hazards).toBe(0);
  expect(checkInvariants(machine, { done: true })).toEqual([]);
  const entries = Object.entries(after).map(([k, n]) => [k, n - before[k as keyof Counters]]);
  return Object.fromEntries(entries) as Counters;
}

test("firmware tells every hart of the mask, and no interrupt is sent", async () => {
  const counters = await run("riscv-sbi", 4);
  expect(counters).toMatchObject({ ipis: 0, messages: 0, broadcasts: 4, stolenNs: 3 * 300 });
  // An ecall, and the answer of all.
  expect(counters.latencyNs).toBe(300 + 700);
});

test("interrupts go to lazy harts and to harts that are away, too", async () => {
  expect(await run("riscv-ipi", 4)).toMatchObject({ ipis: 3, flushLocal: 1, flushRemote: 3 });
  expect(await run("concurrent", 4)).toMatchObject({ ipis: 1, filtered: 2 });
});

test("up to 64 entries are fenced one by one, more all at once", async () => {
  expect(await run("riscv-ipi", 64)).toMatchObject({ flushPages: 4 * 64, flushFull: 0 });
  expect(await run("riscv-ipi", 65)).toMatchObject({ flushPages: 0, flushFull: 4 });
  expect(await run("riscv-ipi", 9, 8)).toMatchObject({ flushPages: 0, flushFull: 4 });
});
