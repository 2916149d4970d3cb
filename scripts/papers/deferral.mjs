// T5: interrupts of reclaim when the flush waits until the frame is used again.

import { runWorkload } from "../../dist/index.js";
import { SWAP_CLUSTER_MAX } from "./page-lru.mjs";
import { compared } from "./rows.mjs";

/** Of one reclaimer and seven others; each computes so long, on average, before it reads on. */
const PARAMETERS = { cpus: 8, thinkNs: 50_000, pages: SWAP_CLUSTER_MAX, rounds: 640 };

/** Flushes that other CPUs were asked for: Linux's "TLB shootdowns" count these, not interrupts. */
async function received(policy, more = {}) {
  const parameters = { ...PARAMETERS, ...more };
  const { counters } = await runWorkload({ workload: "mapped-reader", policy, parameters });
  return counters.messages;
}

async function saved(more) {
  return 1 - (await received("luf", more)) / (await received("batched", more));
}

/** The gain of threads that read on at once, in step. */
export const savedInStep = () => saved({ thinkNs: 0 });

/** Published: 7,859,322,631 TLB interrupts fall to 219,066,035. */
const PUBLISHED = 100 * (1 - 219_066_035 / 7_859_322_631);

export async function deferralRows() {
  return [
    compared({
      table: "T5",
      id: "T5",
      what: "LUF: TLB interrupts of readers of a mapped file, fewer than in batches by",
      unit: "%",
      kind: "prediction",
      published: PUBLISHED,
      simulated: 100 * (await saved()),
      bar: 0.1,
    }),
  ];
}
