/**
 * Races of flushes that are put off and done together (shootdown.md I9, I22, I24, and the variant
 * of I11 that unmaps). When a flush is asked for is the operation's, or reclaim's, business: no
 * transport mends a request that comes too late.
 */
import {
  ANY,
  awaitSignal,
  brokenAnyway,
  brokenOperation,
  call,
  onCpu,
  onePage,
  range,
  read,
  signal,
  write,
} from "./parts.js";
import type { Scenario, ScenarioActor } from "./scenario.js";

/**
 * I9. A translates to P; the batching call has dropped the page-table lock.
 *
 *   t  CPU0 (batching call)            CPU1 (holds A -> P)      CPU2
 *   1  clear A under the lock, unlock
 *   2                                                           faults on A: maps Q, stores
 *   3                                  loads A: still P
 *   4  end of the call: flush
 */
function lockDrop(batching: string, fault: string): ScenarioActor[] {
  return [
    onCpu(0, `T0 ${batching}`, call(batching, range(0))),
    onCpu(1, "T1 reads A", awaitSignal, read(0)),
    onCpu(2, "T2 faults on A", call(fault, { vpn: 0 }), call("store", { vpn: 0 }), signal),
  ];
}

const lockDropped: Scenario = {
  ...onePage,
  name: "lock-drop",
  title: "a page is dropped, and mapped anew by a third CPU",
  source: "shootdown.md I9",
  story: [
    "CPU1 has written A: its TLB holds P",
    "T0 drops A, and flushes before it drops the page-table lock",
    "CPU2 faults on A, maps a fresh page there, stores, and tells CPU1",
    "CPU1 reads A: what CPU2 has stored, not P",
  ],
  threads: [0, 0, 0],
  setup: [onCpu(1, "T1", write(0))],
  actors: lockDrop("discard", "fault.fresh"),
  expect: ANY,
  expectPolicy: { "*": "SAFE", ...brokenAnyway("UAF"), "latr-everything": "UAF" },
};

const lockDropLate = brokenOperation(lockDropped, {
  name: "lock-drop-late",
  title: "as lock-drop, but the flush is put off to the end of the call",
  story: [
    ...lockDropped.story.slice(0, 1),
    "T0 drops A and puts the flush off, with no lock held that keeps others out",
    ...lockDropped.story.slice(2),
  ],
  actors: lockDrop("discard-late", "fault.fresh"),
  expectPolicy: { "*": "STALE", ...brokenAnyway("UAF") },
});

const lockDropMarked: Scenario = {
  ...lockDropped,
  name: "lock-drop-marked",
  title: "as lock-drop-late, but a mark says that a flush is pending, and the fault looks",
  story: [
    ...lockDropped.story.slice(0, 1),
    "T0 drops A, marks the mm, and puts the flush off",
    "CPU2 faults on A, finds the mark under the page-table lock, and flushes before it maps",
    ...lockDropped.story.slice(3),
  ],
  actors: lockDrop("discard.marked", "fault.checked"),
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "latr-everything": "STALE",
    "batched-unchecked": "STALE",
    "broadcast-barrier": "STALE",
    "in-context-blind": "UAF",
    "messages-early": "STALE",
  },
};

const lockDropUnseen = brokenOperation(lockDropMarked, {
  name: "lock-drop-unseen",
  title: "as lock-drop-marked, but the fault does not look for the mark",
  actors: lockDrop("discard.marked", "fault.fresh"),
  expectPolicy: { "*": "STALE", ...brokenAnyway("UAF") },
});

const lockDropHeld: Scenario = {
  ...lockDropped,
  name: "lock-drop-held",
  title: "as lock-drop-late, but mmapLock is held for writing until the flush is over",
  story: [
    ...lockDropped.story.slice(0, 1),
    "T0 drops A and puts the flush off; nobody can fault meanwhile",
    ...lockDropped.story.slice(2),
  ],
  actors: lockDrop("discard.held", "fault.fresh"),
  expectPolicy: { "*": "SAFE", ...brokenAnyway("UAF"), "latr-everything": "STALE" },
};

const lockDropReclaim: Scenario = {
  ...lockDropped,
  name: "lock-drop-reclaim",
  title: "a page whose flush reclaim has put off is mapped anew by a third CPU",
  source: "shootdown.md I9 and P3: every reader of entries checks",
  story: [
    ...lockDropped.story.slice(0, 1),
    "T0 reclaims A: entry cleared; flushed, or put off and counted in the mm",
    "CPU2 faults on A, sees that a flush is pending, and flushes before it maps",
    ...lockDropped.story.slice(3),
  ],
  actors: lockDrop("reclaim", "fault.checked"),
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "latr-everything": "UAF",
    "batched-unchecked": "STALE",
    "broadcast-barrier": "STALE",
    "luf-writable": "STALE",
    "eco-tlb-refault": "STALE",
  },
};

/**
 * I11, the read variant, and I24.
 *
 *   t  CPU0 (reclaim)                          CPU1 (holds A -> P)
 *   1  clear A, count it as pending, defer
 *   2                                          munmap A: no entry, nothing gathered; returns
 *   3                                          loads A: still P
 *   4  flush, write out, free
 */
const reclaimUnmap: Scenario = {
  ...onePage,
  name: "reclaim-munmap",
  title: "munmap of a page whose flush reclaim has put off",
  source: "shootdown.md I11, the read variant, and I24",
  story: [
    "CPU1 has written A: cached",
    "T0 reclaims A: entry cleared, flush put off (or broadcast and not waited for)",
    "T1 unmaps A: there is no entry; it must see that a flush is pending, and flush itself",
    "T1 reads A through what it has cached",
  ],
  threads: [0, 0],
  setup: [onCpu(1, "T1", write(0))],
  actors: [
    onCpu(0, "T0 reclaims A", call("reclaim", range(0))),
    onCpu(1, "T1 munmap, read", call("munmap", range(0)), call("load", { vpn: 0 })),
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "latr-everything": "UAF",
    "batched-unchecked": "STALE",
    "broadcast-barrier": "STALE",
  },
};

/**
 * I22.
 *
 *   t  CPU0                                          CPU1 (holds A -> P, writable)
 *   1  outer reclaim: clear A, flush required
 *   2  inner reclaim begins: flush not required (wrong), finds no page
 *   3  both think there is nothing to flush: write P out, free it
 *   4                                                stores to A
 */
const reclaimNested: Scenario = {
  ...onePage,
  name: "reclaim-nested",
  title: "a task that has put a flush off reclaims inside of its own reclaim",
  source: "shootdown.md I22",
  story: [
    "CPU1 has written A: cached, writable",
    "T0 reclaims A: entry cleared, flush put off",
    "T0, still reclaiming, begins another reclaim, which finds no page, and ends it",
    "T0 flushes what it has put off, writes A out and frees it",
    "CPU1 writes A",
  ],
  threads: [0, 0],
  setup: [onCpu(1, "T1", write(0))],
  actors: [
    onCpu(0, "T0 reclaims", call("reclaim.nested", { start: 0, inner: 1, end: 2 })),
    onCpu(1, "T1 writes A", write(0)),
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "latr-everything": "UAF",
    "batched-reset": "UAF",
    "luf-writable": "LOSTW",
    "eco-tlb-written": "LOSTW",
  },
};

export const BATCHING_SCENARIOS: readonly Scenario[] = [
  lockDropped,
  lockDropLate,
  lockDropMarked,
  lockDropUnseen,
  lockDropHeld,
  lockDropReclaim,
  reclaimUnmap,
  reclaimNested,
];
