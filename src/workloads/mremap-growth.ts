/** mremap growth: a buffer that doubles, and moves each time it does. */
import { mremapUser } from "../scenarios/workloads.js";
import {
  ownPart,
  READ_WRITE,
  type WorkloadCall,
  type WorkloadGenerator,
  writeAll,
} from "./generator.js";

/** How often a buffer doubles before it is given back. */
const DOUBLINGS = 3;
const MOST = 2 ** DOUBLINGS;

export const mremapGrowth: WorkloadGenerator = {
  name: "mremap-growth",
  title: `a buffer of \`pages\` doubles ${DOUBLINGS} times, moving each time, and is unmapped`,
  standsFor: "realloc of a large array, a growing hash table",
  source: "shootdown.md I10 and 1.1: a move is flushed before the page-table locks drop",
  defaults: { pages: 4 },
  scenarios: [mremapUser],
  // Two places that do not overlap, each as large as the largest buffer.
  regionPages: (pages) => 2 * MOST * pages,
  opsPerRound: ({ threads }) => threads * (2 + 2 * DOUBLINGS),
  maps: () => [],
  round: (thread) => {
    const { pages } = thread.parameters;
    let start = ownPart(thread);
    let other = start + MOST * pages;
    const map = (from: number, to: number): WorkloadCall[] => [
      { call: "mmap", args: { start: from, end: to, prot: READ_WRITE }, ops: 1 },
      ...writeAll(from, to - from),
    ];
    const calls = map(start, start + pages);
    for (let size = pages; size < MOST * pages; size *= 2) {
      calls.push({ call: "mremap", args: { start, end: start + size, target: other }, ops: 1 });
      calls.push(...map(other + size, other + 2 * size));
      [start, other] = [other, start];
    }
    const whole = { start, end: start + MOST * pages };
    return [...calls, { call: "munmap", args: whole, ops: 1 }];
  },
};
