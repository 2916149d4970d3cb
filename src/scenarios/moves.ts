/** Races of a page that moves to another address (shootdown.md I10). */
import { ANY, awaitSignal, brokenAnyway, call, onCpu, range, RW, signal, write } from "./parts.js";
import type { Scenario } from "./scenario.js";

/**
 * The two CPUs of I10; mremap-cpu has all three.
 *
 *   t  CPU0                                            CPU1 (holds A -> P)
 *   1  both page-table locks: clear A, set C to P
 *   2  flush A, drop the locks, return; P is C's now
 *   3                                                  stores to A: P must be out of reach
 *
 * Put off, nothing parks P: it is in use at C.
 */
const movedPage: Scenario = {
  name: "moved-page",
  title: "a page is moved to another address while another CPU holds the old one",
  source: "shootdown.md I10; CVE-2018-18281",
  story: [
    "CPU1 has written A: cached, writable",
    "T0 moves A to C, flushes A before it drops the page-table locks, and tells CPU1",
    "CPU1 stores to A: nothing is mapped there any more",
  ],
  // The neighbour page keeps the old page table: to free it would be one more flush.
  geometry: { frames: 4, tables: 3, indexBits: 1, levels: 2, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }],
  devices: [],
  threads: [0, 0],
  setup: [onCpu(1, "T1", write(0))],
  actors: [
    onCpu(0, "T0 moves A", call("mremap", { ...range(0), target: 2 }), signal),
    onCpu(1, "T1 stores to A", awaitSignal, call("store", { vpn: 0 })),
  ],
  expect: ANY,
  expectPolicy: { "*": "SAFE", ...brokenAnyway("STALE"), "latr-everything": "STALE" },
};

export const MOVE_SCENARIOS: readonly Scenario[] = [movedPage];
