// T11: batched reclaim wins where batches are full, and loses where they hold one page and somebody
// changes the same address space next: whether its flush is over is known per mm only when the
// mm's own counter is settled, so the next mprotect flushes everything once more.

import { machineWith, PAGE } from "./measure.mjs";
import { bounded } from "./rows.mjs";

const THREADS = 4;
const ROUNDS = 50;
const PROFILE = "haswell-2019";
/** Where another page is protected and opened again, in the same page table. */
const OTHER = PAGE + 100;

/** ns a round on CPU 0: `pages` pages are touched and reclaimed, then another one is protected. */
async function roundNs({ policy, pages, protect }) {
  const machine = await machineWith({ policy, profile: PROFILE, geometry: { jobs: 256 } }, THREADS);
  machine.submit(0, "write", { vpn: OTHER });
  machine.advance();
  const before = machine.now(0);
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < pages; i++) machine.submit(0, "write", { vpn: PAGE + i });
    machine.submit(0, "reclaim", { start: PAGE, end: PAGE + pages });
    if (protect) {
      machine.submit(0, "mprotect", { start: OTHER, end: OTHER + 1, prot: 1 });
      machine.submit(0, "mprotect", { start: OTHER, end: OTHER + 1, prot: 3 });
      machine.submit(0, "write", { vpn: OTHER });
    }
    machine.advance();
  }
  return (machine.now(0) - before) / ROUNDS;
}

async function change(options) {
  const batched = await roundNs({ ...options, policy: "batched" });
  return 100 * (batched / (await roundNs({ ...options, policy: "concurrent" })) - 1);
}

/** Of both: what the policy without batches takes is 0 %. */
export async function overFlushRows() {
  const row = { table: "T11", unit: "% of time", kind: "prediction" };
  return [
    bounded({
      ...row,
      id: "T11-full-batches",
      what: "32 pages a batch: batched against concurrent",
      published: "shorter (T4)",
      simulated: await change({ pages: 32, protect: false }),
      least: -100,
      most: -1,
    }),
    bounded({
      ...row,
      id: "T11-over-flush",
      what: "one page a batch, then mprotect: batched against concurrent",
      published: "longer: 5.5 for shell1",
      simulated: await change({ pages: 1, protect: true }),
      least: 1,
      most: 100,
    }),
  ];
}
