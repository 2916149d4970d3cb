/** Reclaim: memory runs short; one thread takes pages back, the others touch theirs again. */
import { madviseUser } from "../scenarios/workloads.js";
import {
  isOwn,
  mapBoth,
  type WorkloadCall,
  type WorkloadGenerator,
  type WorkloadThread,
  writeAll,
} from "./generator.js";

/** Parts of a region: a thread touches one a round, oldest first, and so are they reclaimed. */
const PARTS = 8;

/**
 * The operation that takes back [start, end). With one in the catalogue that batches its flushes
 * (shootdown.md 1.7), that one does it, a part at a time. Without, every page is dropped by a call
 * of its own, with a flush of its own: what reclaim did before it had batches.
 */
const BATCHED = "reclaim";

function takeBack(thread: WorkloadThread, start: number): WorkloadCall[] {
  const { pages } = thread.parameters;
  if (thread.has(BATCHED)) {
    return [{ call: BATCHED, args: { start, end: start + pages }, ops: pages }];
  }
  return Array.from({ length: pages }, (_, i) => ({
    call: "madvise",
    args: { start: start + i, end: start + i + 1 },
    ops: 1,
  }));
}

export const reclaim: WorkloadGenerator = {
  name: "reclaim",
  title: "thread 0 takes pages of all threads back, page by page; the others touch theirs",
  standsFor: "a mapped reader larger than memory, and the kernel's reclaim beside it",
  source: "shootdown.md 3.3 T4: linear mapped reader; 1.7 for batching",
  defaults: { pages: 8 },
  scenarios: [madviseUser],
  regionPages: (pages) => PARTS * pages,
  opsPerRound: ({ pages }) => pages,
  maps: (thread) => mapBoth(reclaim, thread),
  round: (thread, index) => {
    const { pages, threads } = thread.parameters;
    if (thread.index !== 0) {
      const region = isOwn(thread) ? thread.own : thread.shared(thread.index);
      return writeAll(region + (index % PARTS) * pages, pages);
    }
    // Victims in turn, each one's parts from the oldest on.
    const victim = index % threads;
    const part = Math.floor(index / threads) % PARTS;
    const start = (isOwn(thread) ? thread.ownOf(victim) : thread.shared(victim)) + part * pages;
    const own = victim === 0 ? writeAll(start, pages) : [];
    return [...own, ...takeBack(thread, start)];
  },
};
