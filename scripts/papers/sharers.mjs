// T8: munmap and mprotect of a page that one CPU has used, in a process with threads everywhere.

import { Catalogue, Machine } from "../../dist/index.js";
import { PAGE } from "./measure.mjs";
import { bounded } from "./rows.mjs";

/** The machine is not described in what could be read: assumed. */
export const SOCKETS = 8;
export const CPUS_A_SOCKET = 12;

/** ns of the call on CPU 0, when one thread of the process spins on each of `cpus` CPUs. */
async function callNs({ policy, call, cpus }) {
  const profile = { ...Catalogue.standard.profile("numa-2s"), cpusPerSocket: CPUS_A_SOCKET };
  const geometry = { cpus, tasks: cpus, mms: 1, devices: 0, frames: 64, tables: 64, vmas: 16 };
  const machine = await Machine.create({ policy, profile, geometry, consumers: [] });
  const mm = machine.newMm();
  machine.mapNow(mm, PAGE, PAGE + 2, 3);
  for (let cpu = 0; cpu < cpus; cpu++) machine.place(cpu, machine.newTask(mm));
  // The neighbour keeps the page table.
  for (const vpn of [PAGE, PAGE + 1]) machine.submit(0, "write", { vpn });
  machine.advance();
  const before = machine.now(0);
  const range = { start: PAGE, end: PAGE + 1 };
  machine.submit(0, call, call === "munmap" ? range : { ...range, prot: 1 }, { at: before });
  machine.advance();
  return machine.now(0) - before;
}

const CALLS = ["munmap", "mprotect"];

/** How many times as long a call takes, when threads spin on that many sockets. */
export async function sharerFactors() {
  const list = [];
  for (const sockets of [1, 2, 4, SOCKETS]) {
    const factors = { sockets };
    for (const call of CALLS) {
      const cpus = sockets * CPUS_A_SOCKET;
      const one = await callNs({ policy: "concurrent", call, cpus: 1 });
      const all = await callNs({ policy: "concurrent", call, cpus });
      const near = await callNs({ policy: "replicas", call, cpus: CPUS_A_SOCKET });
      const tracked = await callNs({ policy: "replicas", call, cpus });
      factors[call] = { told: all / one, tracked: tracked / near };
    }
    list.push(factors);
  }
  return list;
}

/** A trend: neither the machine nor what exactly is compared could be read. */
export function sharerRows(factors) {
  const row = { table: "T8", unit: "times", kind: "prediction" };
  return CALLS.flatMap((call) => {
    const { told, tracked } = factors.at(-1)[call];
    return [
      bounded({
        ...row,
        id: `T8-${call}`,
        what: `numaPTE: ${call}, threads on ${SOCKETS} sockets against one thread, all are told`,
        published: "up to 40",
        simulated: told,
        least: 20,
        most: 80,
      }),
      bounded({
        ...row,
        id: `T8-${call}-replicas`,
        what: `numaPTE: ${call}, threads on ${SOCKETS} sockets against on one, replicas`,
        published: "as local",
        simulated: tracked,
        least: 0.9,
        most: 1.1,
      }),
    ];
  });
}
