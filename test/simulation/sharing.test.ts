// Who else runs the process, and who has used the page: what that costs the initiator where
// everybody in the cpumask is told, and where only those are who may hold the translation. The
// shape of shootdown.md T8: munmap and mprotect are up to 40 times as dear with threads that spin
// on many sockets, although they share nothing.

import { describe, expect, test } from "vitest";
import { Catalogue, type CostProfile, Machine } from "../../src/index.js";

const CPUS_A_SOCKET = 12;
const PAGE = 0x1000;

/** Sockets of the machine of numa-2s, as many as there are CPUs. */
const profile: CostProfile = {
  ...Catalogue.standard.profile("numa-2s"),
  name: "numa-many",
  cpusPerSocket: CPUS_A_SOCKET,
};

interface Case {
  readonly policy: string;
  readonly operation: "munmap" | "mprotect";
  /** A thread of the process spins on every other CPU of that many sockets. */
  readonly sockets: number;
  /** CPUs that have used the page, beside CPU 0. */
  readonly users?: readonly number[];
}

/** ns that one call takes CPU 0, and the interrupts it sends. */
async function costOf({ policy, operation, sockets, users = [] }: Case) {
  const cpus = sockets * CPUS_A_SOCKET;
  const geometry = { cpus, tasks: cpus, mms: 1, devices: 0, frames: 64, tables: 64, vmas: 16 };
  using machine = await Machine.create({ policy, profile, geometry, consumers: [] });
  const mm = machine.newMm();
  machine.mapNow(mm, PAGE, PAGE + 1, 3);
  for (let cpu = 0; cpu < cpus; cpu++) machine.place(cpu, machine.newTask(mm));
  for (const cpu of [0, ...users]) machine.submit(cpu, "write", { vpn: PAGE });
  machine.advance();
  const since = Math.max(...Array.from({ length: cpus }, (_, cpu) => machine.now(cpu)));
  const range = { start: PAGE, end: PAGE + 1 };
  const args = operation === "munmap" ? range : { ...range, prot: 1 };
  const before = machine.counters().ipis;
  machine.submit(0, operation, args, { at: since });
  machine.advance();
  expect(machine.hazard).toBeNull();
  return { ns: machine.now(0) - since, ipis: machine.counters().ipis - before };
}

const TRACKING = ["replicas", "core-tables", "directory"];

describe.each(["munmap", "mprotect"] as const)(
  "%s of a page that nobody else uses",
  (operation) => {
    test("is the dearer the more sockets threads spin on, up to tens of times", async () => {
      const [{ ns: alone }] = [await costOf({ policy: "concurrent", operation, sockets: 1 })];
      const factors: number[] = [];
      for (const sockets of [2, 4, 8]) {
        const { ns, ipis } = await costOf({ policy: "concurrent", operation, sockets });
        expect(ipis).toBe(sockets * CPUS_A_SOCKET - 1);
        factors.push(ns / alone);
      }
      console.log(`${operation}: ${factors.map((f) => f.toFixed(1)).join(", ")} times one socket`);
      expect(factors[0]).toBeGreaterThan(1.5);
      expect(factors[1]).toBeGreaterThan(1.8 * factors[0]);
      expect(factors[2]).toBeGreaterThan(1.8 * factors[1]);
    });

    test("of the process itself, against one that has a single thread", async () => {
      // What T8 compares with: no other CPU is told at all.
      const { ns: single, ipis } = await costOf({ policy: "core-tables", operation, sockets: 8 });
      expect(ipis).toBe(0);
      const { ns } = await costOf({ policy: "concurrent", operation, sockets: 8 });
      console.log(`${operation}: ${(ns / single).toFixed(1)} times as dear with remote sharers`);
      expect(ns / single).toBeGreaterThan(20);
      expect(ns / single).toBeLessThan(80);
    });

    test.each(TRACKING)("costs the same with any number of sockets under %s", async (policy) => {
      const { ns: one, ipis: near } = await costOf({ policy, operation, sockets: 1 });
      const { ns: many, ipis } = await costOf({ policy, operation, sockets: 8 });
      // A node is told as a whole; a CPU, where CPUs are tracked, is not told at all.
      expect(ipis).toBe(policy === "replicas" ? CPUS_A_SOCKET - 1 : 0);
      expect(ipis).toBe(near);
      // The directory knows nothing of freed tables: those go to everybody, if not by interrupt.
      const isForAll = policy === "directory" && operation === "munmap";
      const forwards = isForAll ? 7 * CPUS_A_SOCKET * profile.prices.directoryForward!.ns : 0;
      expect(many - one).toBe(forwards);
    });
  },
);

test("those who have used the page are told, and nobody else", async () => {
  const users = [3, CPUS_A_SOCKET + 1, 5 * CPUS_A_SOCKET + 2];
  const told = async (policy: string) =>
    (await costOf({ policy, operation: "mprotect", sockets: 8, users })).ipis;
  expect(await told("concurrent")).toBe(8 * CPUS_A_SOCKET - 1);
  expect(await told("replicas")).toBe(3 * CPUS_A_SOCKET - 1);
  expect(await told("core-tables")).toBe(3);
  expect(await told("directory")).toBe(0);
});
