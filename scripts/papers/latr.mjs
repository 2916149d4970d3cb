// T7: munmap of one page that sixteen cores share, told to wait for the next tick or not.

import * as abi from "../../dist/core/abi.js";
import { machineWith, PAGE } from "./measure.mjs";
import { compared } from "./rows.mjs";

const CPUS = 16;
const ROUNDS = 20;

/** ns of munmap, when everybody has swept before. The neighbour keeps the page table. */
async function munmapNs(policy) {
  const machine = await machineWith({ profile: "numa-2s", policy, record: [abi.EV_OP_END] }, CPUS);
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
