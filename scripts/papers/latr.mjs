// T7: munmap of one page that sixteen cores share, told to wait for the next tick or not.

import { Machine } from "../../dist/index.js";
import * as abi from "../../dist/core/abi.js";
import { compared } from "./rows.mjs";

const CPUS = 16;
const PAGE = 0x1000;
const ROUNDS = 20;

/** ns of munmap, when everybody has swept before. The neighbour keeps the page table. */
async function munmapNs(policy) {
  const machine = await Machine.create({
    profile: "numa-2s",
    policy,
    consumers: [],
    record: [abi.EV_OP_END],
    geometry: { cpus: CPUS, tasks: CPUS, mms: 1, devices: 0 },
  });
  const mm = machine.newMm();
  machine.mapNow(mm, PAGE, PAGE + 2, 3);
  for (let cpu = 0; cpu < CPUS; cpu++) machine.place(cpu, machine.newTask(mm));
  machine.submit(0, "write", { vpn: PAGE + 1 });
  machine.advance();
  let sum = 0;
  for (let i = 0; i < ROUNDS; i++) {
    machine.submit(0, "write", { vpn: PAGE });
    machine.advance();
    let last = 0;
    machine.submit(0, "munmap", { start: PAGE, end: PAGE + 1 });
    machine.advance(Infinity, (event) => (last = event.a));
    sum += last;
    machine.submit(0, "mmap", { start: PAGE, end: PAGE + 1, prot: 3 });
    machine.advance();
  }
  return sum / ROUNDS;
}

export async function latrRows() {
  const gain = 1 - (await munmapNs("latr")) / (await munmapNs("sync"));
  return [
    compared({
      table: "T7",
      id: "T7-latr",
      what: `LATR: munmap of one page, ${CPUS} cores, 2 sockets: shorter than sync by`,
      unit: "%",
      kind: "prediction",
      published: 70.8,
      simulated: 100 * gain,
      bar: 0.15,
    }),
  ];
}
