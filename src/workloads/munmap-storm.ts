/** munmap storm: one large mapping is taken apart piece by piece, page tables included. */
import { munmapUser } from "../scenarios/workloads.js";
import { ownPart, READ_WRITE, type WorkloadGenerator, writeAll } from "./generator.js";

/** Pieces of a mapping: the last one leaves its page table empty. */
const PIECES = 4;

export const munmapStorm: WorkloadGenerator = {
  name: "munmap-storm",
  title: `map ${PIECES} pieces at once, write them, unmap them one after the other`,
  standsFor: "a cache or a garbage collector that gives back many mappings in a row",
  source: "shootdown.md 3.3 T7 and T8: munmap on many cores; 1.7 for freed tables",
  defaults: { pages: 8 },
  scenarios: [munmapUser],
  regionPages: (pages) => PIECES * pages,
  opsPerRound: ({ threads }) => threads * (PIECES + 1),
  maps: () => [],
  round: (thread) => {
    const { pages } = thread.parameters;
    const start = ownPart(thread);
    const end = start + PIECES * pages;
    return [
      { call: "mmap", args: { start, end, prot: READ_WRITE }, ops: 1 },
      ...writeAll(start, PIECES * pages),
      ...Array.from({ length: PIECES }, (_, i) => ({
        call: "munmap",
        args: { start: start + i * pages, end: start + (i + 1) * pages },
        ops: 1,
      })),
    ];
  },
};
