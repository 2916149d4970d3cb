/**
 * Pages that are parked: until the lifetime of TLB entries is over (shootdown.md P10), or, by
 * reclaim, until everybody has swept (P23).
 */
import { ANY, brokenAnyway, call, onCpu, onePage, range, read, RO, RW, write } from "./parts.js";
import type { Scenario } from "./scenario.js";

const usedAllAlong: Scenario = {
  ...onePage,
  name: "used-all-along",
  title: "a page is unmapped and its frame used again while a CPU goes on using it",
  source: "shootdown.md P10: use after free at lifetime + e",
  story: [
    "CPU1 has written A: cached",
    "T0 unmaps A: entry cleared, flushed or put off",
    "T1, which should not any more, reads A again and again",
    "T0 writes C, for which the same frame may be taken",
  ],
  geometry: { frames: 3, tables: 2, indexBits: 2, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 3, prot: RW }] }],
  threads: [0, 0],
  setup: [onCpu(1, "T1", write(0))],
  actors: [
    onCpu(0, "T0 unmaps A, writes C", call("munmap", range(0)), write(2)),
    onCpu(1, "T1 reads A", { repeat: 8, steps: [call("load", { vpn: 0 })] }),
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "self-invalidating-early": "UAF",
    "self-invalidating-renewed": "UAF",
  },
};

const swappedBack: Scenario = {
  ...onePage,
  name: "swapped-back",
  title: "a page is reclaimed and faulted in again while another CPU still uses the old one",
  source: "shootdown.md P23 and P6: VA and frames withheld",
  story: [
    "CPU1 has written A: cached, writable",
    "T0 reclaims A: entry cleared, flushed or put off",
    "T0 writes A: a fault, a fresh page",
    "T1 is told, and reads A: what T0 has written, or the old page",
  ],
  threads: [0, 0],
  setup: [onCpu(1, "T1", write(0))],
  actors: [
    onCpu(0, "T0 reclaims, writes A", call("reclaim", range(0)), write(0), { signal: 0 }),
    onCpu(1, "T1 reads A", { await: 0, count: 1 }, read(0)),
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "eco-tlb-refault": "STALE",
    "latr-everything": "UAF",
  },
};

const protectedAfter: Scenario = {
  ...swappedBack,
  name: "swapped-protected",
  title: "a page is reclaimed and made read-only while another CPU may still write it",
  source: "shootdown.md P23, as I11",
  story: [
    "CPU1 has written A: cached, writable",
    "T0 reclaims A: entry cleared, flushed or put off; T0 makes A read-only",
    "T1 is told, and writes A: it must fault",
  ],
  actors: [
    onCpu(
      0,
      "T0 reclaims, protects A",
      call("reclaim", range(0)),
      call("mprotect", { ...range(0), prot: RO }),
      { signal: 0 },
    ),
    onCpu(1, "T1 writes A", { await: 0, count: 1 }, call("store", { vpn: 0 })),
  ],
  expectPolicy: { ...swappedBack.expectPolicy, "luf-writable": "LOSTW" },
};

const sweptAway: Scenario = {
  name: "swept-away",
  title: "a page is reclaimed while a CPU that has cached it runs another process",
  source: "shootdown.md P23: as P6 plus inactive PCIDs",
  story: [
    "CPU1 has used A, then switched to another process; its ASID keeps what it has cached",
    "T0 reclaims A; CPU1 is in the mask, and sweeps, or compares generations when it comes back",
    "CPU1 comes back, and reads A",
  ],
  geometry: { frames: 4, tables: 4, indexBits: 2, gatherPages: 2, mms: 2, asids: 3 },
  mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }, { vmas: [{ start: 0, end: 1, prot: RW }] }],
  devices: [],
  threads: [0, 0],
  setup: [onCpu(0, "T0", write(0)), onCpu(1, "T1", read(0), call("use.mm", { mm: 2 }))],
  actors: [
    onCpu(0, "T0 reclaims A", call("reclaim", range(0))),
    onCpu(1, "T1 comes back", call("use.mm", { mm: 1 }), read(0)),
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "eco-tlb-inactive": "UAF",
    "latr-everything": "UAF",
    "skip-switching": "UAF",
    "riscv-loaded-only": "UAF",
    "cleared-slots-late": "UAF",
  },
};

export const PARKED_SCENARIOS: readonly Scenario[] = [
  usedAllAlong,
  swappedBack,
  protectedAfter,
  sweptAway,
];
