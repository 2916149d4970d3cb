// T7: shootdowns that are saved by knowing who has accessed a page.

import { runWorkload } from "../../dist/index.js";
import { bounded } from "./rows.mjs";

const CPUS = 4;
const ROUNDS = 300;
/** Of user-mode time between two calls of a thread, on average. */
const PAUSES_NS = [0, 10_000, 50_000];
const PAUSE_NS = 50_000;

async function shootdowns(workload, policy, thinkNs) {
  const parameters = { cpus: CPUS, rounds: ROUNDS, thinkNs };
  return (await runWorkload({ workload, policy, parameters })).counters.sends;
}

/** Part of the shootdowns that abis saves. */
async function saved(workload, thinkNs = 0) {
  return (
    1 -
    (await shootdowns(workload, "abis", thinkNs)) /
      (await shootdowns(workload, "concurrent", thinkNs))
  );
}

export async function trackingRows() {
  const row = { table: "T7", unit: "%", kind: "prediction", published: "up to 98" };
  return [
    bounded({
      ...row,
      id: "T7-abis",
      what: `ABIS: shootdowns of private pages, ${CPUS} threads with ${PAUSE_NS / 1000} us of work between calls: fewer by`,
      simulated: 100 * (await saved("madvise-pingpong", PAUSE_NS)),
      least: 90,
      most: 100,
    }),
    bounded({
      ...row,
      id: "T7-abis-munmap",
      what: `ABIS: the same of munmap and mmap, ${CPUS} threads without a pause: fewer by`,
      simulated: 100 * (await saved("mapped-io")),
      least: 90,
      most: 100,
    }),
  ];
}

/** The gain over the pause between calls, and of pages that are moved instead of dropped. */
export async function trackingVariants() {
  const pauses = [];
  for (const ns of PAUSES_NS) pauses.push({ ns, saved: await saved("madvise-pingpong", ns) });
  return { cpus: CPUS, pauses, migrated: await saved("numa-migration") };
}
