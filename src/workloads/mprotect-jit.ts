/** mprotect JIT: code pages are writable or executable, never both. */
import * as abi from "../core/abi.js";
import { mprotectUser } from "../scenarios/workloads.js";
import { isOwn, mapBoth, READ_WRITE, type WorkloadGenerator, writeAll } from "./generator.js";

const READ_EXEC = abi.PROT_READ | abi.PROT_EXEC;

export const mprotectJit: WorkloadGenerator = {
  name: "mprotect-jit",
  title: "make the pages writable, write them, make them executable, run some of them",
  standsFor: "a just-in-time compiler under W^X; on the shared region others run the code too",
  source: "shootdown.md 3.3 T10: mprotect of 1, 33 and 34 pages; 1.1 G2, tighten protection",
  defaults: { pages: 4 },
  scenarios: [mprotectUser],
  regionPages: (pages) => pages,
  opsPerRound: ({ threads }) => 2 * threads,
  maps: (thread) => mapBoth(mprotectJit, thread),
  round: (thread) => {
    const { pages, threads } = thread.parameters;
    const own = isOwn(thread);
    const start = own ? thread.own : thread.shared(thread.index);
    const end = start + pages;
    // Everybody compiles into a part of the shared region, and runs anybody's.
    const run = own ? start : thread.shared(thread.random.below(threads));
    const reads = Array.from({ length: pages }, (_, i) => ({
      call: "read",
      args: { vpn: run + i },
    }));
    return [
      { call: "mprotect", args: { start, end, prot: READ_WRITE }, ops: 1 },
      ...writeAll(start, pages),
      { call: "mprotect", args: { start, end, prot: READ_EXEC }, ops: 1 },
      ...reads,
    ];
  },
};
