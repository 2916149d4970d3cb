/**
 * Two gathers of one range (shootdown.md I12). The second finds nothing, and has nothing to flush
 * of its own; it must flush all the same if the first one may not have. Asked for too late, the
 * flush is lost under every transport.
 */
import { ANY, brokenAnyway, brokenOperation, call, onCpu, onePage, range, write } from "./parts.js";
import type { Scenario } from "./scenario.js";

/**
 *   t  T0: MADV_FREE A                T1: MADV_FREE A, on CPU1 (A writable, known to be dirty)
 *   1  clean A, not flushed yet
 *   2                                 A is clean: nothing to flush; returns
 *   3                                 stores to A: the TLB knows A to be dirty, no bit is set
 *   4  flush
 *   5  reclaim finds A clean, and drops what was stored
 */
const nestedClean: Scenario = {
  ...onePage,
  name: "nested-clean",
  title: "two calls of MADV_FREE for one page, and a store after the second has returned",
  source: "shootdown.md I12; Linux 99baac21e458",
  story: [
    "CPU1 has written A: its TLB knows the entry to be dirty",
    "T0 marks A clean, and has not flushed yet",
    "T1 finds A clean; another gather is open, so it flushes everything all the same",
    "T1 stores to A: the entry must become dirty, or reclaim drops what was stored",
  ],
  threads: [0, 0],
  setup: [onCpu(1, "T1", write(0))],
  actors: [
    onCpu(0, "T0 frees A", call("madvise.free", range(0))),
    onCpu(1, "T1 frees, writes A", call("madvise.free", range(0)), write(0)),
  ],
  assume: { dirty: true },
  expect: ANY,
  expectPolicy: { "*": "SAFE", ...brokenAnyway("LOSTW"), "latr-everything": "LOSTW" },
};

const nestedCleanUncounted = brokenOperation(nestedClean, {
  name: "nested-clean-uncounted",
  title: "as nested-clean, but gathers are not counted",
  actors: [
    onCpu(0, "T0 frees A", call("madvise.free-uncounted", range(0))),
    onCpu(1, "T1 frees, writes A", call("madvise.free-uncounted", range(0)), write(0)),
  ],
  expectPolicy: { "*": "LOSTW", "no-ipi": "DEADLOCK" },
});

/** The same for pages that are dropped: T1's store goes to a page that is about to be freed. */
const nestedDrop: Scenario = {
  ...onePage,
  name: "nested-drop",
  title: "two calls of MADV_DONTNEED for one page, and a store after the second has returned",
  source: "shootdown.md I12 and 1.7",
  story: [
    "CPU1 has written A: cached, writable",
    "T0 clears A, and has not flushed yet",
    "T1 finds nothing; another gather is open, so it flushes everything all the same",
    "T1 stores to A: it must fault",
  ],
  threads: [0, 0],
  setup: [onCpu(1, "T1", write(0))],
  actors: [
    onCpu(0, "T0 drops A", call("madvise", range(0))),
    onCpu(1, "T1 drops, stores to A", call("madvise", range(0)), call("store", { vpn: 0 })),
  ],
  expect: ANY,
  expectPolicy: { "*": "SAFE", ...brokenAnyway("UAF") },
};

const nestedDropUncounted = brokenOperation(nestedDrop, {
  name: "nested-drop-uncounted",
  title: "as nested-drop, but gathers are not counted",
  actors: [
    onCpu(0, "T0 drops A", call("madvise-uncounted", range(0))),
    onCpu(
      1,
      "T1 drops, stores to A",
      call("madvise-uncounted", range(0)),
      call("store", { vpn: 0 }),
    ),
  ],
  expectPolicy: { "*": "STALE", ...brokenAnyway("UAF") },
});

export const GATHER_SCENARIOS: readonly Scenario[] = [
  nestedClean,
  nestedCleanUncounted,
  nestedDrop,
  nestedDropUncounted,
];
