/**
 * Races of policies that put flushes off until a frame is used again, or leave them out. Ids are
 * those of shootdown.md section 4.
 */
import * as abi from "../core/abi.js";
import type { ScriptStep } from "../kernel/image.js";
import { ANY, brokenAnyway, onCpu, read, RO, RW, write } from "./parts.js";
import type { Scenario } from "./scenario.js";

/** A file's page, mapped read-only: clean, and free when it is unmapped. */
const FILE_RO = RO | abi.VMA_SHARED;

/** What every policy without its wait, its interrupts or its payload gets wrong. */
const BROKEN_ANYWAY = { ...brokenAnyway("UAF"), "latr-everything": "UAF" } as const;

/** One access; a fault is not served. */
const load = (vpn: number): ScriptStep => ({ call: "load", args: { vpn } });
const onRange = (call: string, vpn: number): ScriptStep => ({
  call,
  args: { start: vpn, end: vpn + 1 },
});
const protect = (vpn: number, prot: number): ScriptStep => ({
  call: "mprotect",
  args: { start: vpn, end: vpn + 1, prot },
});

/** A is page 0, B page 1; there are no more frames than pages can be mapped at a time. */
const twoPages = {
  geometry: { frames: 2, tables: 2, indexBits: 2, gatherPages: 2 },
  mms: [
    {
      vmas: [
        { start: 0, end: 1, prot: FILE_RO },
        { start: 1, end: 2, prot: RW },
      ],
    },
  ],
  threads: [0, 0],
  devices: [],
  expect: ANY,
} as const;

/** Also the verdict beside the workload of the same kind. */
export const reclaimedRead: Scenario = {
  ...twoPages,
  name: "reclaimed-read",
  title: "a read-only page is reclaimed and its frame used again",
  source: "shootdown.md P7 and I17",
  story: [
    "CPU1 has read A, a page of a file: cached, read-only",
    "T0 reclaims A: entry cleared, flushed or put off, frame freed",
    "T0 writes B, for which the same frame is taken",
    "T1 reads A: what it was, a fault, or what T0 has written",
  ],
  setup: [onCpu(1, "T1", read(0))],
  actors: [
    onCpu(0, "T0 reclaims A, writes B", onRange("reclaim", 0), write(1)),
    onCpu(1, "T1 reads A", load(0), load(0)),
  ],
  expectPolicy: { "*": "SAFE", ...BROKEN_ANYWAY, "luf-unflushed": "UAF", "luf-wiped": "UAF" },
};

const wroteFile: Scenario = {
  ...twoPages,
  name: "reclaimed-file-written",
  title: "a file is written whose page was reclaimed",
  source: "shootdown.md I17: a kernel write",
  story: [
    "CPU1 has read A, a page of a file: cached, read-only",
    "T0 reclaims A: entry cleared, flushed or put off",
    "T0 writes the file: A is read in again, and changes",
    "T1 is told, and reads A: the page it was before",
  ],
  geometry: { ...twoPages.geometry, frames: 3 },
  watch: [{ mm: 0, vpn: 0 }],
  setup: [onCpu(1, "T1", read(0))],
  actors: [
    onCpu(
      0,
      "T0 reclaims A, writes its file",
      onRange("reclaim", 0),
      { call: "write.file", args: { vpn: 0 } },
      { signal: 0 },
    ),
    onCpu(1, "T1 reads A", { await: 0, count: 1 }, load(0)),
  ],
  expectPolicy: {
    "*": "SAFE",
    ...BROKEN_ANYWAY,
    "luf-written": "STALE",
    "eco-tlb-refault": "STALE",
  },
};

/** A is written before it is made read-only, and after it is made writable again. */
const madeWritable: Scenario = {
  ...twoPages,
  name: "reclaimed-made-writable",
  title: "a reclaimed read-only page becomes writable and is written",
  source: "shootdown.md I17: a writable PTE faulted in",
  story: [
    "T0 writes A, a page of a file, and makes it read-only; T1 reads it: cached",
    "T0 reclaims A: entry cleared, flushed or put off",
    "T0 makes A writable again and writes it: a fresh page",
    "T1 is told, and reads A: the page it was before",
  ],
  geometry: { ...twoPages.geometry, frames: 3 },
  mms: [{ vmas: [{ start: 0, end: 1, prot: RW | abi.VMA_SHARED }] }],
  watch: [{ mm: 0, vpn: 0 }],
  setup: [onCpu(0, "T0", write(0))],
  actors: [
    onCpu(
      0,
      "T0 reclaims, writes A",
      protect(0, FILE_RO),
      { signal: 0 },
      { await: 1, count: 1 },
      onRange("reclaim", 0),
      protect(0, RW | abi.VMA_SHARED),
      write(0),
      { signal: 2 },
    ),
    onCpu(
      1,
      "T1 reads A",
      { await: 0, count: 1 },
      read(0),
      { signal: 1 },
      { await: 2, count: 1 },
      load(0),
    ),
  ],
  expectPolicy: {
    "*": "SAFE",
    ...BROKEN_ANYWAY,
    "luf-made-writable": "STALE",
    "invlpgb-no-transition": "UAF",
    "eco-tlb-refault": "STALE",
  },
};

const unmapped: Scenario = {
  ...twoPages,
  name: "reclaimed-unmapped",
  title: "the address of a reclaimed read-only page is given out again",
  source: "shootdown.md P7 and I9",
  story: [
    "CPU1 has read A, a page of a file: cached, read-only",
    "T0 reclaims A: entry cleared, flushed or put off",
    "T0 unmaps A: there is no entry; T0 maps private memory there and reads zeroes",
    "T1 is told, and reads A: the page of the file",
  ],
  geometry: { ...twoPages.geometry, frames: 3 },
  setup: [onCpu(1, "T1", read(0))],
  actors: [
    onCpu(
      0,
      "T0 reclaims, maps A",
      onRange("reclaim", 0),
      onRange("munmap", 0),
      { call: "mmap", args: { start: 0, end: 1, prot: RW } },
      read(0),
      { signal: 0 },
    ),
    onCpu(1, "T1 reads A", { await: 0, count: 1 }, load(0)),
  ],
  expectPolicy: {
    "*": "SAFE",
    ...BROKEN_ANYWAY,
    "latr-everything": "SAFE",
    "luf-unmapped": "STALE",
  },
};

const meanwhile: Scenario = {
  ...twoPages,
  name: "reclaimed-meanwhile",
  title: "a page is reclaimed while the flush for another one is under way",
  source: "shootdown.md P7: the done check",
  story: [
    "CPU0 has read A and B, pages of a file: both cached",
    "T1 reclaims A and writes C: A's frame is taken, and CPU0 told before",
    "T0, interrupted or not, reads B and reclaims it: flushed or put off",
    "T1 writes D: B's frame is taken; T0 reads B",
  ],
  geometry: { frames: 3, tables: 2, indexBits: 2, gatherPages: 2 },
  mms: [
    {
      vmas: [
        { start: 0, end: 2, prot: FILE_RO },
        { start: 2, end: 4, prot: RW },
      ],
    },
  ],
  setup: [onCpu(0, "T0", read(0), read(1))],
  actors: [
    onCpu(0, "T0 reads, reclaims B", load(1), onRange("reclaim", 1), { signal: 0 }, load(1)),
    onCpu(
      1,
      "T1 writes C, D",
      load(0),
      onRange("reclaim", 0),
      write(2),
      { await: 0, count: 1 },
      write(3),
    ),
  ],
  // Nobody uses what another CPU has reclaimed: whom a policy forgets to tell does not matter.
  expectPolicy: {
    "*": "SAFE",
    "broadcast-no-sync": "UAF",
    "no-ipi": "DEADLOCK",
    "luf-unflushed": "UAF",
    "luf-late-stamp": "UAF",
    "luf-wiped": "UAF",
    "invlpgb-no-transition": "UAF",
  },
};

const widened: Scenario = {
  ...twoPages,
  name: "widen",
  title: "a page is made writable while another CPU holds it read-only",
  source: "shootdown.md P17: spurious faults",
  story: [
    "CPU1 has read A: cached, read-only",
    "T0 makes A writable; flushed or not, T0 tells T1 so",
    "T1 writes A: its walk finds the new right; T0 reads what T1 has written",
  ],
  mms: [{ vmas: [{ start: 0, end: 1, prot: FILE_RO }] }],
  watch: [{ mm: 0, vpn: 0 }],
  setup: [onCpu(0, "T0", read(0)), onCpu(1, "T1", read(0))],
  actors: [
    onCpu(
      0,
      "T0 makes A writable",
      protect(0, RW | abi.VMA_SHARED),
      { signal: 0 },
      { await: 1, count: 1 },
      load(0),
    ),
    onCpu(1, "T1 writes A", { await: 0, count: 1 }, write(0), { signal: 1 }),
  ],
  expectPolicy: { "*": "SAFE", "no-ipi": "DEADLOCK" },
};

const neighbours = {
  ...twoPages,
  mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }],
  setup: [onCpu(1, "T1", write(0))],
} as const;

/** A page of the process's own is not given out again, and its frame is used at another address. */
export const recycledHere: Scenario = {
  ...neighbours,
  name: "recycled-here",
  title: "a page is unmapped and its frame used by the same process",
  source: "shootdown.md P8",
  story: [
    "CPU1 has written A: cached, writable",
    "T0 unmaps A: entry cleared, flushed or put off",
    "T0 writes C, for which the same frame may be taken",
    "T1, which should not any more, writes A",
  ],
  geometry: { ...twoPages.geometry, frames: 3, indexBits: 2 },
  mms: [{ vmas: [{ start: 0, end: 3, prot: RW }] }],
  actors: [
    onCpu(0, "T0 unmaps A, writes C", onRange("munmap", 0), write(2)),
    onCpu(1, "T1 uses A", load(0), { call: "store", args: { vpn: 0 } }),
  ],
  expectPolicy: {
    "*": "SAFE",
    ...BROKEN_ANYWAY,
    "latr-everything": "SAFE",
    "self-invalidating-early": "UAF",
    "self-invalidating-renewed": "UAF",
  },
};

const recycledBack: Scenario = {
  ...neighbours,
  name: "recycled-back",
  title: "a page is unmapped, its frame used elsewhere, and the address mapped again",
  source: "shootdown.md P8: ABA",
  story: [
    "CPU1 has written A: cached, writable",
    "T0 unmaps A: entry cleared, flushed or put off; T0 writes C, which takes the frame",
    "T0 maps A again and writes it: another frame",
    "T1 is told, and reads A: what T0 has written, or C",
  ],
  geometry: { ...twoPages.geometry, frames: 4, indexBits: 2 },
  mms: [{ vmas: [{ start: 0, end: 3, prot: RW }] }],
  actors: [
    onCpu(
      0,
      "T0 unmaps A, writes C, A",
      onRange("munmap", 0),
      write(2),
      { call: "mmap", args: { start: 0, end: 1, prot: RW } },
      write(0),
      { signal: 0 },
    ),
    onCpu(1, "T1 reads A", { await: 0, count: 1 }, load(0)),
  ],
  expectPolicy: {
    "*": "SAFE",
    ...BROKEN_ANYWAY,
    "latr-everything": "SAFE",
    "latr-reused": "STALE",
    "latr-tickless": "DEADLOCK",
    "self-invalidating-early": "UAF",
    "self-invalidating-reused": "STALE",
    "fpr-aba": "STALE",
  },
};

const recycledElsewhere: Scenario = {
  ...neighbours,
  name: "recycled-elsewhere",
  title: "a page is unmapped and its frame used by another process",
  source: "shootdown.md P8: cross-process leak",
  story: [
    "CPU1 has written A: cached, writable",
    "T0 unmaps A: entry cleared, flushed or put off; T0 becomes another process (exec)",
    "T0 writes, for which the same frame is taken",
    "T1 reads A: what the other process has written",
  ],
  geometry: { ...twoPages.geometry, tables: 4, mms: 2 },
  actors: [
    onCpu(
      0,
      "T0 unmaps A, exec, writes",
      onRange("munmap", 0),
      { call: "exec" },
      { call: "mmap", args: { start: 0, end: 1, prot: RW } },
      { await: 0, count: 1 },
      write(0),
    ),
    onCpu(1, "T1 reads A", load(0), { signal: 0 }, load(0)),
  ],
  expectPolicy: {
    "*": "SAFE",
    ...BROKEN_ANYWAY,
    "latr-everything": "SAFE",
    "latr-tickless": "DEADLOCK",
    "self-invalidating-early": "UAF",
    "self-invalidating-renewed": "UAF",
    "fpr-leaky": "UAF",
  },
};

const aged: Scenario = {
  ...twoPages,
  name: "aged-dropped",
  title: "a page's accessed bit is cleared, then the page is dropped",
  source: "shootdown.md I19",
  story: [
    "CPU1 has written A: cached, its accessed bit set",
    "T0 clears the accessed bit, flushing or not",
    "T0 drops A: nobody seems to have accessed it; the frame is free",
    "T1 uses A at any moment",
  ],
  geometry: { ...twoPages.geometry, frames: 3 },
  mms: [{ vmas: [{ start: 0, end: 1, prot: RW }] }],
  setup: [onCpu(1, "T1", write(0))],
  actors: [
    onCpu(0, "T0 ages, drops A", onRange("age", 0), onRange("madvise", 0)),
    onCpu(1, "T1 uses A", load(0), load(0)),
  ],
  expectPolicy: {
    "*": "SAFE",
    ...BROKEN_ANYWAY,
    "latr-everything": "SAFE",
    "abis-unflushed": "UAF",
    "abis-flushed-before": "UAF",
  },
};

/** A is CPU1's alone, B nobody's, C everybody's. */
const ownPages: Scenario = {
  ...twoPages,
  name: "own-pages",
  title: "pages are dropped that one CPU, none, or all have accessed",
  source: "shootdown.md P9",
  story: [
    "CPU1 has written A, CPU0 has written B, both have read C",
    "T0 drops A, then B, then C; whoever has not accessed a page need not be told",
    "T1 uses A and C at any moment",
  ],
  geometry: { ...twoPages.geometry, frames: 5 },
  mms: [{ vmas: [{ start: 0, end: 3, prot: RW }] }],
  setup: [onCpu(1, "T1", write(0), write(2)), onCpu(0, "T0", write(1), read(2))],
  actors: [
    onCpu(
      0,
      "T0 drops A, B, C",
      onRange("madvise", 0),
      onRange("madvise", 1),
      onRange("madvise", 2),
    ),
    onCpu(1, "T1 uses A, C", load(0), load(2)),
  ],
  expectPolicy: {
    "*": "SAFE",
    ...BROKEN_ANYWAY,
    "latr-everything": "SAFE",
    "directory-silent": "UAF",
    "core-tables-owner": "UAF",
    "invlpgb-no-transition": "UAF",
  },
};

const copied: Scenario = {
  ...twoPages,
  name: "copied-for-kernel",
  title: "a page is copied for a write that user mode does not make",
  source: "shootdown.md P16",
  story: [
    "both CPUs have read A, a page of a file that is mapped privately: cached, read-only",
    "a write fault of T0 that the kernel makes copies A",
    "T0 reads A, tells T1, and T1 reads A: the copy",
  ],
  geometry: { ...twoPages.geometry, frames: 3 },
  mms: [{ vmas: [{ start: 0, end: 1, prot: RW | abi.VMA_FILE }] }],
  setup: [onCpu(0, "T0", read(0)), onCpu(1, "T1", read(0))],
  actors: [
    onCpu(0, "T0 copies A", { call: "fault.write", args: { vpn: 0 } }, load(0), { signal: 0 }),
    onCpu(1, "T1 reads A", { await: 0, count: 1 }, load(0)),
  ],
  // The page copied is the page cache's: it stays, and is read.
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("STALE"),
    "latr-everything": "STALE",
    "cow-unwritten": "STALE",
  },
};

export const DEFERRAL_SCENARIOS: readonly Scenario[] = [
  reclaimedRead,
  wroteFile,
  madeWritable,
  unmapped,
  meanwhile,
  widened,
  recycledHere,
  recycledBack,
  recycledElsewhere,
  aged,
  ownPages,
  copied,
];
