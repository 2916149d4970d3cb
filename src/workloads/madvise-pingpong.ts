/** madvise ping-pong: the loop of the kernel series' own microbenchmark. */
import { madviseUser } from "../scenarios/workloads.js";
import { anyPart, mapBoth, type WorkloadGenerator, writeAll } from "./generator.js";

export const madvisePingpong: WorkloadGenerator = {
  name: "madvise-pingpong",
  title: "write the pages, drop them with MADV_DONTNEED: one shootdown a round",
  standsFor: "an allocator that gives pages back and needs them again at once",
  source: "shootdown.md 3.3 T1: MADV_DONTNEED + touch; T10 for 33 and 34 pages",
  defaults: {},
  scenarios: [madviseUser],
  regionPages: (pages) => pages,
  opsPerRound: ({ threads }) => threads,
  maps: (thread) => mapBoth(madvisePingpong, thread),
  round: (thread) => {
    const { pages } = thread.parameters;
    const start = anyPart(thread);
    return [
      ...writeAll(start, pages),
      { call: "madvise", args: { start, end: start + pages }, ops: 1 },
    ];
  },
};
