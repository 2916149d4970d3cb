/** fork and copy on write: one thread forks now and then, the others go on writing. */
import { switchRace } from "../scenarios/built-in.js";
import { forkUser } from "../scenarios/workloads.js";
import {
  anyPart,
  mapBoth,
  type WorkloadCall,
  type WorkloadGenerator,
  type WorkloadThread,
} from "./generator.js";

/** The forking thread does so once in as many of its rounds. */
const ROUNDS_A_FORK = 8;

/** Stores, each of which breaks a shared page if the child is still there. */
function stores(thread: WorkloadThread): WorkloadCall[] {
  const { pages } = thread.parameters;
  const start = anyPart(thread);
  return Array.from({ length: pages }, (_, i) => ({
    call: "write",
    args: { vpn: start + i },
    ops: 1,
  }));
}

export const forkCow: WorkloadGenerator = {
  name: "fork-cow",
  title: `thread 0 forks every ${ROUNDS_A_FORK} rounds, the child reads and exits; all write`,
  standsFor: "a store that saves itself in the background while it serves (redis BGSAVE)",
  source: "notifiers.md 2.4 rows 8 and 9; shootdown.md 1.1 G2, copy-on-write protect",
  defaults: { pages: 8 },
  scenarios: [forkUser, switchRace],
  forks: true,
  regionPages: (pages) => pages,
  opsPerRound: ({ threads, pages }) => threads * pages,
  maps: (thread) => mapBoth(forkCow, thread),
  round: (thread, index) => {
    if (thread.index !== 0 || index % ROUNDS_A_FORK !== 0) return stores(thread);
    const childTask = thread.childTask + 1;
    return [
      { call: "fork", args: { childTask } },
      ...stores(thread),
      { call: "run.child", args: { childTask, vpn: thread.own } },
    ];
  },
};
