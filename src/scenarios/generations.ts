/** Races about how a CPU learns that its translations are old (shootdown.md I13, I15, I16). */
import { ANY, brokenAnyway, call, onCpu, range, read, RW, write } from "./parts.js";
import type { Scenario } from "./scenario.js";

/**
 * I15. The slot of CPU1 is at generation 1.
 *
 *   t  CPU0                                   CPU1 (holds A and C)
 *   1  clear A, B; generation 2, everything
 *   2                                         clear C; generation 3, one page
 *   3                                         own flush, for 3: it has missed 2
 *   4  send                                   takes the request of generation 2
 *   5                                         reads A
 */
const reordered: Scenario = {
  name: "reordered-generations",
  title: "a CPU flushes for a newer request before an older one reaches it",
  source: "shootdown.md I15 and 1.5 E8",
  story: [
    "CPU1 has written A and C: both cached",
    "T0 drops A and B: the flush of everything is generation 2",
    "T1, on CPU1, drops C: the flush of C alone is generation 3, and CPU1 does it first",
    "the request of generation 2 arrives: if CPU1 thinks it is at 3, A stays cached",
    "T1 reads A",
  ],
  // A ceiling of one page: two are everything. Tables of two pages: A and C have their own locks.
  geometry: {
    frames: 4,
    tables: 4,
    indexBits: 1,
    levels: 2,
    gatherPages: 2,
    ceiling: 1,
  },
  mms: [{ vmas: [{ start: 0, end: 3, prot: RW }] }],
  devices: [],
  threads: [0, 0],
  setup: [onCpu(1, "T1", write(0), write(2))],
  actors: [
    onCpu(0, "T0 drops A, B", call("madvise", range(0, 2))),
    onCpu(1, "T1 drops C, reads A", call("discard", range(2)), read(0)),
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "newest-only": "UAF",
    "invlpgb-no-transition": "UAF",
  },
};

/**
 * I13 and I16. CPU1 still holds A under an ASID slot that is not loaded.
 *
 *   t  CPU0                                     CPU1, switching to the mm
 *   1                                           SWITCHING, join the cpumask
 *   2                                           read the generation: the slot is as new
 *   3  clear A, newer generation
 *   4  whom to tell? one that is SWITCHING, too
 *   5                                           load CR3, done; reads A
 *
 * With r362031 of FreeBSD steps 3 and 4 change places: CPU1 is not told, because it does not run
 * the mm yet, and then finds its slot as it was.
 */
const switchIn: Scenario = {
  name: "switch-in",
  title: "a CPU switches to an mm while it is decided whom to tell",
  source: "shootdown.md I13 and I16; CVE-2025-37964; FreeBSD r368649",
  story: [
    "CPU1 ran this mm before: A is in its TLB, under an ASID slot that is not loaded",
    "T0 drops A: what CPU1 compares when it switches in changes, then who runs the mm is told",
    "CPU1 switches to it: SWITCHING, join the cpumask, compare, load CR3",
    "CPU1 reads A",
  ],
  geometry: { frames: 3, tables: 3, mms: 2, indexBits: 1, asids: 2, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 1, prot: RW }] }, { vmas: [] }],
  threads: [0, 0],
  devices: [],
  setup: [onCpu(0, "T0", write(0)), onCpu(1, "T1", read(0), call("use.mm", { mm: 2 }))],
  actors: [
    onCpu(0, "T0 drops A", call("madvise", range(0))),
    onCpu(1, "T1 switches in", call("use.mm", { mm: 1 }), read(0)),
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "skip-switching": "UAF",
    "cleared-slots-late": "UAF",
    "riscv-loaded-only": "UAF",
  },
};

export const GENERATION_SCENARIOS: readonly Scenario[] = [reordered, switchIn];
