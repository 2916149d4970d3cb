/** Files that are mapped, read and unmapped, one after the other, at addresses of their own. */
import { recycledHere } from "../scenarios/deferral.js";
import { ownPart, READ_WRITE, type WorkloadGenerator, writeAll } from "./generator.js";

/** Places for a mapping in a region; they are used in turn. */
const PLACES = 8;

/** First page of place `i`: a page that stays mapped is before each and keeps page tables. */
function placeOf(region: number, pages: number, i: number): number {
  return region + i * (pages + 1) + 1;
}

export const mappedIo: WorkloadGenerator = {
  name: "mapped-io",
  title: `map the pages, write them, unmap them: the next of ${PLACES} places every round`,
  standsFor: "I/O through short-lived mappings: the addresses change, the memory does not",
  source: "shootdown.md P8: unmap and map cycles of one process",
  defaults: { pages: 4 },
  scenarios: [recycledHere],
  regionPages: (pages) => placeOf(0, pages, PLACES),
  opsPerRound: ({ threads }) => 2 * threads,
  maps: (thread) => {
    const { pages, threads } = thread.parameters;
    const size = placeOf(0, pages, PLACES);
    const parts = thread.index === 0 ? Array.from({ length: threads }, (_, i) => i) : [];
    const regions = [thread.own, ...parts.map((i) => thread.shared(0) + i * size)];
    return regions.flatMap((region) =>
      Array.from({ length: PLACES + 1 }, (_, i) => {
        const end = placeOf(region, pages, i);
        return { start: end - 1, end, prot: READ_WRITE };
      }),
    );
  },
  round: (thread, index) => {
    const { pages } = thread.parameters;
    const start = placeOf(ownPart(thread), pages, index % PLACES);
    const end = start + pages;
    return [
      { call: "mmap", args: { start, end, prot: READ_WRITE }, ops: 1 },
      ...writeAll(start, pages),
      { call: "munmap", args: { start, end }, ops: 1 },
    ];
  },
};
