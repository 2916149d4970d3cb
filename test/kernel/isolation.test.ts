/** Page-table isolation: which half a flush reaches, and what that costs. */
import { describe, expect, test } from "vitest";
import {
  Catalogue,
  check,
  checkInvariants,
  isolated,
  Machine,
  scenarioNamed,
} from "../../src/index.js";

const PAGES = 64;
const FIRST = 0x1000;

/** One CPU flushes for another that has used `pages` pages in user mode. */
async function dropped(policy: string, pages: number): Promise<Machine> {
  const machine = await Machine.create({ policy, profile: "skylake-2017", geometry: { cpus: 2 } });
  const mm = machine.newMm();
  machine.mapNow(mm, FIRST, FIRST + PAGES, 3);
  for (const cpu of [0, 1]) machine.place(cpu, machine.newTask(mm));
  for (let page = FIRST; page < FIRST + pages; page++) machine.submit(1, "write", { vpn: page });
  machine.advance();
  machine.submit(0, "madvise", { start: FIRST, end: FIRST + pages }, { at: 1e6 });
  machine.advance();
  expect(checkInvariants(machine, { done: true })).toEqual([]);
  return machine;
}

const latency = async (policy: string, pages: number): Promise<number> =>
  (await dropped(policy, pages)).counters().latencyNs;

/** INVPCID a page, and the halves that the target's interrupt loads, under this profile. */
const USER = 87;
const CR3 = 40;

describe("the user half of a range", () => {
  test.each([1, 8, 9, 32])(
    "%i pages: by address under pti, up to 8 under in-context",
    async (n) => {
      const plain = await latency("concurrent", n);
      expect((await latency("pti", n)) - plain).toBe(n * USER + CR3);
      expect((await latency("in-context", n)) - plain).toBe((n > 8 ? 0 : n * USER) + CR3);
    },
  );

  test("is gone before user code runs again", async () => {
    for (const policy of ["pti", "in-context"]) {
      const machine = await dropped(policy, 32);
      const before = machine.counters().tlbMisses;
      for (let page = FIRST; page < FIRST + 32; page++) machine.submit(1, "load", { vpn: page });
      machine.advance();
      expect(machine.counters().tlbMisses - before).toBe(32);
      expect(machine.counters().hazards).toBe(0);
    }
  });
});

describe("two halves", () => {
  test("a page that user code and the kernel have used is walked for twice", async () => {
    const misses = async (policy: string): Promise<number> => {
      const machine = await dropped(policy, 1);
      const before = machine.counters().tlbMisses;
      machine.submit(1, "write", { vpn: FIRST + 1 });
      machine.submit(1, "copy.from.user", { vpn: FIRST + 1 });
      machine.advance();
      return machine.counters().tlbMisses - before;
    };
    expect((await misses("pti")) - (await misses("concurrent"))).toBe(1);
  });

  test("any policy can be isolated, and stays safe", async () => {
    for (const name of ["sync", "early-ack", "batched", "latr", "broadcast", "pv-flush"]) {
      const policy = { ...isolated(Catalogue.standard.policy(name)), name: `${name}-isolated` };
      const catalogue = Catalogue.standard.with({ policies: [policy] });
      for (const scenario of ["user-half", "user-table", "kernel-page", "unmap-and-map"]) {
        const { verdict } = await check(scenario, { policy: policy.name, catalogue });
        expect(`${name} ${scenario} ${verdict}`).toBe(`${name} ${scenario} SAFE`);
      }
    }
  });

  test("machines without isolation do not know of it", async () => {
    const { states } = await check(scenarioNamed("user-in-flight"), { policy: "concurrent" });
    const isolatedStates = (await check("user-in-flight", { policy: "pti" })).states;
    expect(isolatedStates).toBeGreaterThan(states);
    const machine = await Machine.create({ policy: "concurrent" });
    expect([...machine.image.notes.values()].join()).not.toContain("half");
  });
});
