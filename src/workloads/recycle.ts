/** Page recycling: the same addresses are mapped, touched and unmapped, over and over. */
import { recycleUser } from "../scenarios/workloads.js";
import { ownPart, READ_WRITE, type WorkloadGenerator, writeAll } from "./generator.js";

export const recycle: WorkloadGenerator = {
  name: "recycle",
  title: "map the pages, write them, unmap them: the same addresses every round",
  standsFor: "large buffers that malloc maps and free unmaps; a server's request buffers",
  source: "shootdown.md 3.3 T7: munmap of one mapping; P6, where the address is used again",
  defaults: { pages: 16 },
  scenarios: [recycleUser],
  regionPages: (pages) => pages,
  opsPerRound: ({ threads }) => 2 * threads,
  maps: () => [],
  round: (thread) => {
    const { pages } = thread.parameters;
    const start = ownPart(thread);
    const end = start + pages;
    return [
      { call: "mmap", args: { start, end, prot: READ_WRITE }, ops: 1 },
      ...writeAll(start, pages),
      { call: "munmap", args: { start, end }, ops: 1 },
    ];
  },
};
