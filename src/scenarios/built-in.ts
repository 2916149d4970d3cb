/** The scenarios that come with the library. */
import { ASID_SCENARIOS } from "./asids.js";
import { BATCHING_SCENARIOS } from "./batching.js";
import { GATHER_SCENARIOS } from "./gathers.js";
import { GENERATION_SCENARIOS } from "./generations.js";
import { INTERRUPTS_OFF_SCENARIOS } from "./interrupts-off.js";
import { MOVE_SCENARIOS } from "./moves.js";
import { PARKED_SCENARIOS } from "./parked.js";
import type { Scenario, Verdict } from "./scenario.js";
import { IDLE_SCENARIOS } from "./idle.js";
import { ISOLATION_SCENARIOS } from "./isolation.js";
import { DEFERRAL_SCENARIOS } from "./deferral.js";
import { SITE_SCENARIOS } from "./sites.js";
import { TOPOLOGY_SCENARIOS } from "./topology.js";
import { TRANSPORT_SCENARIOS } from "./transports.js";
import { migrateCopyFirstUser, WORKLOAD_SCENARIOS } from "./workloads.js";
import { WRITE_BACK_SCENARIOS } from "./write-back.js";

const READ = 1;
const RW = 3;
const SHARED_FILE = RW | 8 | 16;

/** Every consumer and era that is not named. */
const SAFE = { "*": "SAFE" } as const;

const cowOrder: Scenario = {
  name: "cow-order",
  title: "copy-on-write of two pages, seen by a device that reads both",
  source: "notifiers.md S01; Documentation/mm/mmu_notifier.rst",
  story: [
    "the device has read A and B: both cached, read-only, old content",
    "T0 write-faults A: clear, flush, new page, unlock … and is preempted before range_end",
    "T1 writes A := 1 through the new page, then B := 1 (its own copy-on-write)",
    "the device reads B, then A: old content of A after new content of B is out of order",
  ],
  geometry: { frames: 5, tables: 2, indexBits: 2 },
  mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }],
  threads: [0, 0],
  devices: [0],
  watch: [
    { mm: 0, vpn: 0 },
    { mm: 0, vpn: 1 },
  ],
  setup: [
    {
      name: "T0",
      cpu: 0,
      steps: [
        { call: "read", args: { vpn: 0 } },
        { call: "read", args: { vpn: 1 } },
      ],
    },
    {
      name: "device",
      device: 0,
      steps: [
        { device: "read", vpn: 0 },
        { device: "read", vpn: 1 },
      ],
    },
  ],
  actors: [
    { name: "T0 fault A", cpu: 0, steps: [{ call: "fault.write", args: { vpn: 0 } }] },
    {
      name: "T1 A:=1, B:=1",
      cpu: 1,
      steps: [
        { call: "write", args: { vpn: 0 } },
        { call: "write", args: { vpn: 1 } },
      ],
    },
    {
      name: "device",
      device: 0,
      steps: [
        { device: "read", vpn: 1 },
        { device: "read", vpn: 0 },
      ],
    },
  ],
  expect: { sharing: { defer: "ORDER", ...SAFE }, mirroring: SAFE },
};

/** S03 and its variant differ in which page T1 drops. */
function nestedGather(name: string, title: string, other: number): Scenario {
  return {
    name,
    title,
    source: other === 0 ? "notifiers.md S03', JANN part 1" : "notifiers.md S03, JANN part 1",
    story: [
      "the device has written V: cached, writable",
      "T0 drops V: gather open, entry cleared, not flushed",
      `T1 drops ${other === 0 ? "V too, finds it empty" : "W"}: two gathers are open`,
      "T0 finishes: nested, so its range fields are all-ones when the notifier is told",
      "the device writes V through what it has cached",
    ],
    geometry: { frames: 4, tables: 2, indexBits: 1, gatherPages: 2 },
    mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }],
    threads: [0, 0],
    devices: [0],
    setup: [
      {
        name: "T0",
        cpu: 0,
        steps: [
          { call: "write", args: { vpn: 0 } },
          { call: "write", args: { vpn: 1 } },
        ],
      },
      { name: "device", device: 0, steps: [{ device: "write", vpn: 0 }] },
    ],
    actors: [
      { name: "T0 drops V", cpu: 0, steps: [{ call: "madvise", args: { start: 0, end: 1 } }] },
      {
        name: other === 0 ? "T1 drops V" : "T1 drops W",
        cpu: 1,
        steps: [{ call: "madvise", args: { start: other, end: other + 1 } }, { signal: 0 }],
      },
      {
        name: "device",
        device: 0,
        // In the variant the device writes after T1's call has returned to its caller.
        steps: [...(other === 0 ? [{ await: 0, count: 1 }] : []), { device: "write", vpn: 0 }],
      },
    ],
    expect: { sharing: { "only-end-everywhere": "UAF", ...SAFE }, mirroring: SAFE },
  };
}

const move = {
  geometry: { frames: 3, tables: 3, indexBits: 1, levels: 2, gatherPages: 2 },
  // The neighbour page keeps the old page table alive: freeing it would be one more flush.
  mms: [{ vmas: [{ start: 0, end: 2, prot: SHARED_FILE }] }],
};

const mremap: Scenario = {
  name: "mremap",
  title: "a moved page is truncated while the move's bracket is open",
  source: "notifiers.md S05, JANN part 2",
  story: [
    "the device has written A: cached, writable",
    "T0 moves A to B: both locks, clear A, set B, flush A, unlock … bracket still open",
    "T1 truncates the page at B: clears B, tells B, frees the frame",
    "the device writes A through what it has cached: the frame is somebody else's",
  ],
  ...move,
  threads: [0, 0],
  devices: [0],
  setup: [
    { name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] },
    { name: "device", device: 0, steps: [{ device: "write", vpn: 0 }] },
  ],
  actors: [
    {
      name: "T0 mremap",
      cpu: 0,
      steps: [{ call: "mremap", args: { start: 0, end: 1, target: 2 } }],
    },
    { name: "T1 truncate", cpu: 1, steps: [{ call: "truncate", args: { frame: 1 } }] },
    { name: "device", device: 0, steps: [{ device: "write", vpn: 0 }] },
  ],
  expect: {
    sharing: { coupled: "SAFE", "empty-table": "SAFE", "*": "UAF" },
    mirroring: SAFE,
    "mirroring-late-zap": { "*": "UAF" },
  },
};

const mremapWindow: Scenario = {
  ...mremap,
  name: "mremap-then-truncate",
  title: "the same, but truncation waits until mremap has returned",
  source: "notifiers.md S05: the verdict flips when step 8 precedes step 5",
  story: [...mremap.story.slice(0, 2), "T0 closes the bracket", "only then T1 truncates"],
  actors: [
    {
      name: "T0 mremap",
      cpu: 0,
      steps: [{ call: "mremap", args: { start: 0, end: 1, target: 2 } }, { signal: 0 }],
    },
    {
      name: "T1 truncate",
      cpu: 1,
      steps: [
        { await: 0, count: 1 },
        { call: "truncate", args: { frame: 1 } },
      ],
    },
    { name: "device", device: 0, steps: [{ device: "write", vpn: 0 }] },
  ],
  expect: {
    sharing: { "only-end-everywhere": "UAF", ...SAFE },
    mirroring: SAFE,
  },
};

/** S05c: a CPU in place of the device, and the order of the CPU's own flush. */
function mremapCpu(name: string, operation: string, verdict: "SAFE" | "UAF"): Scenario {
  const broken: Record<string, Verdict> = {
    "early-ack-unguarded": verdict,
    "ack-at-entry": verdict,
    "no-wait": "UAF",
  };
  return {
    name,
    title: `a second CPU in place of the device, ${operation}`,
    source: "notifiers.md S05c; CVE-2018-18281, fixed by eb66ae030829",
    story: [
      "CPU2 has written A: in its TLB",
      "T0 moves A to B and flushes A before (or, in the mutant, after) the locks drop",
      "T1 truncates the page at B and frees the frame",
      "CPU2 writes A",
    ],
    ...move,
    threads: [0, 0, 0],
    devices: [],
    setup: [
      { name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] },
      { name: "T2", cpu: 2, steps: [{ call: "write", args: { vpn: 0 } }] },
    ],
    actors: [
      {
        name: `T0 ${operation}`,
        cpu: 0,
        steps: [{ call: operation, args: { start: 0, end: 1, target: 2 } }],
      },
      { name: "T1 truncate", cpu: 1, steps: [{ call: "truncate", args: { frame: 1 } }] },
      { name: "T2 writes A", cpu: 2, steps: [{ call: "store", args: { vpn: 0 } }] },
    ],
    expect: { "*": { "*": verdict } },
    // A full flush of the new place takes the old one with it.
    expectPolicy: { ...broken, ...(verdict === "SAFE" ? {} : { "full-only": "STALE" }) },
  };
}

const faultRace: Scenario = {
  name: "fault-race",
  title: "a device fault races an operation that drops the page",
  source: "notifiers.md S06",
  story: [
    "V is mapped; the device has nothing cached",
    "the device faults: snapshot, resolve the frame",
    "T0 drops V: range_start, clear, flush, range_end, free",
    "the device installs what it resolved, and uses it",
  ],
  geometry: { frames: 3, tables: 2, indexBits: 1, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 1, prot: RW }] }],
  threads: [0],
  devices: [0],
  setup: [{ name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] }],
  actors: [
    { name: "T0 drops V", cpu: 0, steps: [{ call: "madvise", args: { start: 0, end: 1 } }] },
    {
      name: "device",
      device: 0,
      steps: [
        { device: "write", vpn: 0 },
        { device: "write", vpn: 0 },
      ],
    },
  ],
  expect: {
    mirroring: SAFE,
    "mirroring-no-retry": { "*": "UAF" },
    "mirroring-late-snapshot": { "*": "UAF" },
    // Freed after range_end, so a late zap is in time here; the mremap scenario catches it.
    "mirroring-late-zap": SAFE,
    sharing: SAFE,
  },
};

const munmapUser: Scenario = {
  name: "munmap-user",
  title: "a thread uses a page while another unmaps it",
  source: "shootdown.md I2 and 1.3",
  story: [
    "CPU1 has V in its TLB",
    "CPU0 unmaps V: clear, flush by shootdown, free",
    "CPU1 reads V at any moment",
  ],
  geometry: { frames: 3, tables: 2, indexBits: 1, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 1, prot: RW }] }],
  threads: [0, 0],
  devices: [],
  setup: [
    { name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] },
    { name: "T1", cpu: 1, steps: [{ call: "read", args: { vpn: 0 } }] },
  ],
  actors: [
    { name: "T0 munmap", cpu: 0, steps: [{ call: "munmap", args: { start: 0, end: 1 } }] },
    { name: "T1 reads V", cpu: 1, steps: [{ call: "read", args: { vpn: 0 } }] },
  ],
  expect: { "*": SAFE },
};

const downgrade: Scenario = {
  name: "downgrade",
  title: "mprotect takes write permission away from a page a device writes",
  source: "notifiers.md S02a",
  story: [
    "the device has written V: cached, writable",
    "T0 makes V read-only and returns",
    "the device writes V through what it has cached",
  ],
  geometry: { frames: 3, tables: 2, indexBits: 1, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 1, prot: RW }] }],
  threads: [0],
  devices: [0],
  setup: [
    { name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] },
    { name: "device", device: 0, steps: [{ device: "write", vpn: 0 }] },
  ],
  actors: [
    {
      name: "T0 mprotect",
      cpu: 0,
      steps: [{ call: "mprotect", args: { start: 0, end: 1, prot: READ } }],
    },
    { name: "device", device: 0, steps: [{ device: "write", vpn: 0 }] },
  ],
  expect: { sharing: { "only-end-everywhere": "STALE", ...SAFE }, mirroring: SAFE },
};

const forkWrite: Scenario = {
  name: "fork-write",
  title: "a device writes a page after fork shared it with the child",
  source: "notifiers.md S31",
  story: [
    "the device has written V: cached, writable",
    "T0 forks: V is read-only and shared with the child now",
    "the device writes V through what it has cached: the child sees it",
  ],
  geometry: { frames: 3, tables: 4, mms: 2, tasks: 2, indexBits: 1, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 1, prot: RW }] }],
  threads: [0],
  devices: [0],
  setup: [
    { name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] },
    { name: "device", device: 0, steps: [{ device: "write", vpn: 0 }] },
  ],
  actors: [
    { name: "T0 fork", cpu: 0, steps: [{ call: "fork", args: { childTask: 2 } }] },
    { name: "device", device: 0, steps: [{ device: "write", vpn: 0 }] },
  ],
  expect: { sharing: { "only-end-everywhere": "LOSTW", ...SAFE }, mirroring: SAFE },
};

export const switchRace: Scenario = {
  name: "switch-race",
  title: "a CPU switches to an mm while another unmaps a page of it",
  source: "shootdown.md I13; CVE-2025-37964",
  story: [
    "CPU1 ran this mm before: V is in its TLB, under an ASID slot that is not loaded",
    "CPU1 switches to it: SWITCHING, join the cpumask, read the generation, write CR3",
    "CPU0 unmaps V meanwhile; its filter must not skip CPU1",
    "CPU1 reads V",
  ],
  geometry: { frames: 3, tables: 3, mms: 2, indexBits: 1, asids: 2, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 1, prot: RW }] }, { vmas: [] }],
  threads: [0, 0],
  devices: [],
  setup: [
    { name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] },
    {
      name: "T1",
      cpu: 1,
      steps: [
        { call: "read", args: { vpn: 0 } },
        { call: "use.mm", args: { mm: 2 } },
      ],
    },
  ],
  actors: [
    { name: "T0 drops V", cpu: 0, steps: [{ call: "madvise", args: { start: 0, end: 1 } }] },
    {
      name: "T1 switches in",
      cpu: 1,
      steps: [
        { call: "use.mm", args: { mm: 1 } },
        { call: "read", args: { vpn: 0 } },
      ],
    },
  ],
  expect: { "*": SAFE },
};

const lazyWake: Scenario = {
  name: "lazy-wake",
  title: "a lazy CPU is not interrupted and comes back while a page is dropped",
  source: "shootdown.md I14 and 1.6 F1",
  story: [
    "CPU1 has V in its TLB and runs a kernel thread, lazily",
    "CPU0 drops V: the lazy CPU is filtered from the shootdown",
    "CPU1 comes back: it must compare generations before user code runs",
    "CPU1 reads V",
  ],
  geometry: { frames: 3, tables: 2, indexBits: 1, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 1, prot: RW }] }],
  threads: [0, 0],
  devices: [],
  setup: [
    { name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] },
    { name: "T1", cpu: 1, steps: [{ call: "read", args: { vpn: 0 } }, { call: "idle" }] },
  ],
  actors: [
    { name: "T0 drops V", cpu: 0, steps: [{ call: "madvise", args: { start: 0, end: 1 } }] },
    {
      name: "T1 wakes",
      cpu: 1,
      steps: [
        { call: "use.mm", args: { mm: 1 } },
        { call: "read", args: { vpn: 0 } },
      ],
    },
  ],
  expect: { "*": SAFE },
};

/** A page-table page is freed while walkers hold a pointer to it. */
function freedTable(name: string, operation: string, verdict: "SAFE" | "PT_UAF"): Scenario {
  return {
    name,
    title: `a page table is freed while a CPU caches a pointer to it, ${operation}`,
    source: "shootdown.md I4 and 1.1 (G4)",
    story: [
      "CPU1 has walked through table T: its paging-structure cache points there",
      "CPU0 unmaps everything T maps, and frees T",
      "CPU1 may walk at any moment, also speculatively",
    ],
    geometry: { frames: 3, tables: 2, indexBits: 1, pwcEntries: 1, gatherPages: 2 },
    mms: [{ vmas: [{ start: 0, end: 1, prot: RW }] }],
    threads: [0, 0],
    devices: [],
    watch: [{ mm: 0, vpn: 1 }],
    setup: [
      { name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] },
      { name: "T1", cpu: 1, steps: [{ call: "read", args: { vpn: 0 } }] },
    ],
    actors: [
      { name: `T0 ${operation}`, cpu: 0, steps: [{ call: operation, args: { start: 0, end: 1 } }] },
      { name: "T1 reads V", cpu: 1, steps: [{ call: "read", args: { vpn: 0 } }] },
    ],
    assume: { speculativeWalks: true },
    expect: { "*": { "*": verdict } },
  };
}

const hugeEntry: Scenario = {
  name: "huge-entry",
  title: "part of a 2 MiB page is dropped while a device caches the whole of it",
  source: "notifiers.md 2.4 rows 11b and 11c, 7 (an overlapping larger entry must go)",
  story: [
    "the device has written inside a huge page: one large entry is cached",
    "T0 drops one small page of it: split, clear, flush, notify that page",
    "the device writes that page through what it has cached",
  ],
  geometry: { frames: 3, tables: 3, indexBits: 1, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }],
  threads: [0],
  devices: [0],
  setup: [
    { name: "T0", cpu: 0, steps: [{ call: "fault.huge", args: { vpn: 0 } }] },
    { name: "device", device: 0, steps: [{ device: "write", vpn: 1 }] },
  ],
  actors: [
    { name: "T0 drops half", cpu: 0, steps: [{ call: "madvise", args: { start: 1, end: 2 } }] },
    { name: "device", device: 0, steps: [{ device: "write", vpn: 1 }] },
  ],
  expect: { sharing: SAFE, mirroring: SAFE },
};

export const SCENARIOS: readonly Scenario[] = [
  cowOrder,
  nestedGather("nested-gather", "two gathers of one mm, different pages", 1),
  nestedGather("nested-gather-return", "two gathers of one mm, the same page", 0),
  mremap,
  mremapWindow,
  mremapCpu("mremap-cpu", "mremap", "SAFE"),
  mremapCpu("mremap-cpu-late-flush", "mremap-late-flush", "UAF"),
  faultRace,
  munmapUser,
  downgrade,
  forkWrite,
  switchRace,
  lazyWake,
  freedTable("freed-table", "munmap", "SAFE"),
  freedTable("freed-table-early", "munmap-tables-first", "PT_UAF"),
  hugeEntry,
  ...TRANSPORT_SCENARIOS,
  ...WRITE_BACK_SCENARIOS,
  ...BATCHING_SCENARIOS,
  ...GATHER_SCENARIOS,
  ...GENERATION_SCENARIOS,
  ...INTERRUPTS_OFF_SCENARIOS,
  ...MOVE_SCENARIOS,
  ...ISOLATION_SCENARIOS,
  ...IDLE_SCENARIOS,
  ...DEFERRAL_SCENARIOS,
  ...TOPOLOGY_SCENARIOS,
  ...ASID_SCENARIOS,
  ...PARKED_SCENARIOS,
  ...SITE_SCENARIOS,
  ...WORKLOAD_SCENARIOS,
  migrateCopyFirstUser,
];
