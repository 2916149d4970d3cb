/** Server mix: every round is one of another workload, drawn by weight, with time to think. */
import { forkCow } from "./fork-cow.js";
import {
  type WorkloadGenerator,
  type WorkloadParameters,
  type WorkloadThread,
} from "./generator.js";
import { madvisePingpong } from "./madvise-pingpong.js";
import { mprotectJit } from "./mprotect-jit.js";
import { mremapGrowth } from "./mremap-growth.js";
import { munmapStorm } from "./munmap-storm.js";
import { numaMigration } from "./numa-migration.js";
import { reclaim } from "./reclaim.js";
import { recycle } from "./recycle.js";

/** What a round is, and how often of 32: mostly buffers, rarely the dear ones. */
const PARTS: readonly { readonly generator: WorkloadGenerator; readonly weight: number }[] = [
  { generator: recycle, weight: 10 },
  { generator: madvisePingpong, weight: 10 },
  { generator: munmapStorm, weight: 3 },
  { generator: mprotectJit, weight: 3 },
  { generator: mremapGrowth, weight: 2 },
  { generator: numaMigration, weight: 2 },
  { generator: reclaim, weight: 1 },
  { generator: forkCow, weight: 1 },
];
const WEIGHTS = PARTS.reduce((sum, { weight }) => sum + weight, 0);

/** The thread as the part `area` sees it: the same, in a region of its own. */
function within(thread: WorkloadThread, area: number): WorkloadThread {
  return {
    ...thread,
    own: thread.ownOf(thread.index, area),
    ownOf: (other) => thread.ownOf(other, area),
    shared: (other) => thread.shared(other, area),
  };
}

export const serverMix: WorkloadGenerator = {
  name: "server-mix",
  title: "a seeded mixture of all the others, with user-mode time between rounds",
  standsFor: "a busy multi-threaded server that allocates, compiles, saves itself and is balanced",
  source: "weights are ours; shootdown.md 3.3 T2 for mixed work between shootdowns",
  defaults: { pages: 4, locality: 0.9, thinkNs: 5000 },
  scenarios: [...new Set(PARTS.flatMap(({ generator }) => generator.scenarios))],
  forks: true,
  areas: PARTS.length,
  regionPages: (pages) => Math.max(...PARTS.map(({ generator }) => generator.regionPages(pages))),
  opsPerRound: (parameters: WorkloadParameters) =>
    PARTS.reduce(
      (sum, { generator, weight }) => sum + weight * generator.opsPerRound(parameters),
      0,
    ) / WEIGHTS,
  maps: (thread) => PARTS.flatMap(({ generator }, i) => generator.maps(within(thread, i))),
  round: (thread, index) => {
    let draw = thread.random.below(WEIGHTS);
    const area = PARTS.findIndex(({ weight }) => (draw -= weight) < 0);
    return PARTS[area].generator.round(within(thread, area), index);
  },
};
