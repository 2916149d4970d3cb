/**
 * Races that the policy decides: the flush is asked for in time, and what matters is when the
 * initiator may go on. Ids are those of shootdown.md section 4.
 */
import { ANY, brokenAnyway, freedTable, read, RO, RW } from "./parts.js";
import type { Scenario } from "./scenario.js";

/** Nobody waits for an interrupt. */
export const NEVER_INTERRUPTS = {
  asids: "SAFE",
  "asids-blind": "SAFE",
  "asids-named": "SAFE",
  "asids-unflushed": "SAFE",
  "asids-unpinned": "SAFE",
  "asids-unreserved": "SAFE",
  "asids-xchg": "SAFE",
  broadcast: "SAFE",
  "broadcast-batched": "SAFE",
  "broadcast-issued": "SAFE",
  "broadcast-barrier": "SAFE",
  "broadcast-no-sync": "SAFE",
  directory: "SAFE",
  "directory-silent": "SAFE",
  "directory-tables": "SAFE",
  "local-only": "SAFE",
  "riscv-asids": "SAFE",
  "riscv-sbi": "SAFE",
} as const;

const onePage = {
  geometry: { frames: 4, tables: 2, indexBits: 2, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }],
  devices: [],
} as const;

const drop = (start: number, end = start + 1) => ({ call: "madvise", args: { start, end } });

const nmiRecycled: Scenario = {
  ...onePage,
  name: "nmi-recycled",
  title: "an NMI reads user memory on a CPU that is about to flush it",
  source: "shootdown.md I1; the first question to the asynchronous series",
  story: [
    "CPU1 has used A: cached",
    "T0 drops A: entry cleared, csd queued, interrupt sent",
    "CPU1's handler reaches the csd; with an early ack T0 goes on and frees the frame",
    "an NMI on CPU1 reads A through what it has not flushed yet",
  ],
  threads: [0, 0],
  watch: [{ mm: 0, vpn: 0 }],
  setup: [{ name: "T1", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }] }],
  actors: [{ name: "T0 drops A", cpu: 0, steps: [drop(0)] }],
  assume: { nmi: true },
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    "early-ack-unguarded": "UAF",
    ...brokenAnyway("UAF"),
  },
};

/** The same for an unmapping; the neighbour page keeps the page table. */
const nmiUnmapped: Scenario = {
  ...nmiRecycled,
  name: "nmi-unmapped",
  title: "an NMI reads user memory that is being unmapped",
  source: "shootdown.md I1 and P6",
  story: [
    "both CPUs have used A: cached",
    "T0 unmaps A: entry cleared, then flushed or put off",
    "an NMI on either CPU reads A through what is still cached",
  ],
  setup: [
    { name: "T0", cpu: 0, steps: [read(1)] },
    { name: "T1", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }] },
    { name: "T0", cpu: 0, steps: [read(0)] },
  ],
  actors: [
    { name: "T0 unmaps A", cpu: 0, steps: [{ call: "munmap", args: { start: 0, end: 1 } }] },
  ],
  expectPolicy: {
    ...nmiRecycled.expectPolicy,
    "latr-own-late": "UAF",
    "self-invalidating-early": "UAF",
    // CPU0 used the page after CPU1.
    "core-tables-owner": "UAF",
  },
};

const userInFlight: Scenario = {
  ...onePage,
  name: "user-in-flight",
  title: "user code runs on while the interrupt is on its way",
  source: "shootdown.md I2; the second question to the asynchronous series",
  story: [
    "CPU1 has written A: cached, writable",
    "T0 drops A: entry cleared, csd queued, interrupt sent",
    "without a wait T0 returns and the frame is free",
    "CPU1, still in user mode, writes A",
  ],
  threads: [0, 0],
  setup: [{ name: "T1", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }] }],
  actors: [
    { name: "T0 drops A", cpu: 0, steps: [drop(0)] },
    { name: "T1 writes A", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }] },
  ],
  expect: ANY,
  expectPolicy: { "*": "SAFE", ...brokenAnyway("UAF") },
};

/** Somebody else's call, synchronous or not, is in the queue before the flush, or behind it. */
function csdAhead(name: string, async: boolean): Scenario {
  const kind = async ? "an asynchronous" : "a synchronous";
  return {
    ...onePage,
    name,
    title: `${kind} call that reads user memory shares the queue with a flush`,
    source: "shootdown.md I3; the third question to the asynchronous series",
    story: [
      "CPU1 has used A: cached",
      `CPU2 queues ${kind} call on CPU1 that reads A; T0 drops A and queues its flush behind it`,
      "CPU1's handler starts; acknowledged now, T0 goes on and frees the frame",
      "the call runs and reads A through what has not been flushed",
    ],
    threads: [0, 0, null],
    setup: [{ name: "T1", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }] }],
    actors: [
      { name: "T0 drops A", cpu: 0, steps: [drop(0)] },
      {
        name: "CPU2 calls CPU1",
        cpu: 2,
        steps: [{ interrupt: 1, access: "read", vpn: 0, ...(async ? { async } : {}) }],
      },
    ],
    expect: ANY,
    expectPolicy: {
      "*": "SAFE",
      "ack-at-entry": "UAF",
      "early-ack-pointer": "UAF",
      "no-wait": "UAF",
      "local-only": "UAF",
      "broadcast-no-sync": "UAF",
      "no-ipi": "DEADLOCK",
    },
  };
}

const freedTableWalk: Scenario = {
  ...freedTable,
  name: "freed-table-walk",
  title: "a CPU walks a page table that was freed before it flushed",
  source: "shootdown.md I4; the fourth question to the asynchronous series",
  story: [
    "CPU1 has used A: its paging-structure cache holds the table",
    "T0 unmaps A: entry cleared, table unhooked, csd queued",
    "acknowledged early, T0 frees the table; CPU1, in its handler, walks it speculatively",
  ],
};

const twoRequests: Scenario = {
  ...onePage,
  name: "two-requests",
  title: "one CPU asks for two flushes in a row",
  source: "shootdown.md I7: payload reuse",
  story: [
    "CPU1 has used A and B: both cached",
    "T0 drops A; acknowledged when reached, T0 drops B, and its one info is filled anew",
    "CPU1 flushes for the first request with what it finds in the info, and uses A and B",
  ],
  threads: [0, 0],
  setup: [{ name: "T1", cpu: 1, steps: [read(0), { call: "write", args: { vpn: 1 } }] }],
  actors: [
    { name: "T0 drops A, B", cpu: 0, steps: [drop(0), drop(1)] },
    { name: "T1 reads A", cpu: 1, steps: [read(0), read(1)] },
  ],
  expect: ANY,
  expectPolicy: { "*": "SAFE", ...brokenAnyway("UAF"), "invlpgb-no-transition": "UAF" },
};

const writeOut: Scenario = {
  ...onePage,
  name: "write-out",
  title: "a page is written out and freed while another CPU may still write it",
  source: "shootdown.md I5: dirty tracking",
  story: [
    "CPU1 has written A: cached, writable",
    "T0 reclaims A: entry cleared, flushed or put off, then written out and freed",
    "CPU1 writes A after its content was taken: that write is lost",
  ],
  threads: [0, 0],
  setup: [{ name: "T1", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }] }],
  actors: [
    { name: "T0 reclaims A", cpu: 0, steps: [{ call: "reclaim", args: { start: 0, end: 1 } }] },
    { name: "T1 writes A", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }] },
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    "batched-unforced": "LOSTW",
    "eco-tlb-written": "LOSTW",
    "luf-writable": "LOSTW",
    "latr-everything": "UAF",
    ...brokenAnyway("UAF"),
  },
};

const reclaimDowngrade: Scenario = {
  ...onePage,
  name: "reclaim-mprotect",
  title: "mprotect of a page whose flush reclaim has put off",
  source: "shootdown.md I11; Linux 3ea277194daa",
  story: [
    "T1 has written A: cached, writable",
    "T0 reclaims A: entry cleared, flush put off",
    "T1 makes A read-only: there is no entry, so nothing to flush, and returns",
    "T1 writes A through what it has cached",
  ],
  threads: [0, 0],
  setup: [{ name: "T1", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }] }],
  actors: [
    { name: "T0 reclaims A", cpu: 0, steps: [{ call: "reclaim", args: { start: 0, end: 1 } }] },
    {
      name: "T1 mprotect, write",
      cpu: 1,
      steps: [
        { call: "mprotect", args: { start: 0, end: 1, prot: RO } },
        { call: "write", args: { vpn: 0 } },
      ],
    },
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    "batched-unchecked": "STALE",
    "broadcast-barrier": "STALE",
    "eco-tlb-refault": "STALE",
    "luf-writable": "LOSTW",
    "pte-filter-gone": "STALE",
    "latr-everything": "UAF",
    ...brokenAnyway("UAF"),
  },
};

const unmapAndMap: Scenario = {
  ...onePage,
  name: "unmap-and-map",
  title: "an address range is unmapped and given out again",
  source: "shootdown.md I18 (b) and (c)",
  story: [
    "T1 has written A: cached, writable",
    "T0 unmaps A; put off, T1 still reaches the frame, which is parked",
    "T0 maps the range again and writes A: a fresh frame",
    "T1 reads A: what T0 has written, or the parked frame",
  ],
  // The neighbour page keeps the page table: freeing it would be flushed at once.
  mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }],
  threads: [0, 0],
  setup: [{ name: "T1", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }, read(1)] }],
  actors: [
    {
      name: "T0 unmaps, maps A",
      cpu: 0,
      steps: [
        { call: "munmap", args: { start: 0, end: 1 } },
        { call: "mmap", args: { start: 0, end: 1, prot: RW } },
        { call: "write", args: { vpn: 0 } },
        { signal: 0 },
      ],
    },
    {
      name: "T1 reads A",
      cpu: 1,
      steps: [{ await: 0, count: 1 }, read(0)],
    },
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "latr-reused": "STALE",
    "latr-tickless": "DEADLOCK",
    "self-invalidating-early": "UAF",
    "self-invalidating-reused": "STALE",
  },
};

const tighten: Scenario = {
  ...onePage,
  name: "tighten",
  title: "a page is made read-only while another CPU may write it",
  source: "shootdown.md I18 (a)",
  story: [
    "T1 has written A: cached, writable",
    "T0 makes A read-only and tells T1 so",
    "T1 writes A: it must fault",
  ],
  threads: [0, 0],
  setup: [{ name: "T1", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }] }],
  actors: [
    {
      name: "T0 mprotect A",
      cpu: 0,
      steps: [{ call: "mprotect", args: { start: 0, end: 1, prot: RO } }, { signal: 0 }],
    },
    {
      name: "T1 writes A",
      cpu: 1,
      steps: [
        { await: 0, count: 1 },
        { call: "write", args: { vpn: 0 } },
      ],
    },
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("STALE"),
    "latr-everything": "STALE",
    "pte-filter-gone": "STALE",
  },
};

const preempted: Scenario = {
  ...userInFlight,
  name: "vcpu-preempted",
  title: "a vCPU is preempted and resumed while it is being told",
  source: "shootdown.md P22 and I21",
  story: [
    "CPU1 has written A: cached, writable; the hypervisor may preempt it at any time",
    "T0 drops A: CPU1, if preempted, is marked, not told",
    "CPU1 is resumed, and writes A",
  ],
  assume: { preempt: true },
  expectPolicy: {
    ...userInFlight.expectPolicy,
    "pv-flush-blind": "UAF",
    "pv-flush-lost": "UAF",
  },
};

const irqsOff: Scenario = {
  ...onePage,
  name: "irqs-off",
  title: "two CPUs flush each other with interrupts off",
  source: "shootdown.md I26: the deadlock rule",
  story: [
    "T0 and T1 each drop a page with interrupts off",
    "each waits for the other to take its interrupt",
  ],
  threads: [0, 0],
  setup: [
    { name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] },
    { name: "T1", cpu: 1, steps: [{ call: "write", args: { vpn: 1 } }] },
  ],
  actors: [0, 1].map((cpu) => ({
    name: `T${cpu} drops ${cpu === 0 ? "A" : "B"}`,
    cpu,
    steps: [{ call: "madvise-irqs-off", args: { start: cpu, end: cpu + 1 } }],
  })),
  expect: ANY,
  expectPolicy: {
    "*": "DEADLOCK",
    ...NEVER_INTERRUPTS,
    "no-wait": "SAFE",
  },
};

/** `drained`: what is queued when the CPU goes is still carried out. */
function offline(name: string, operation: string, drained: boolean): Scenario {
  return {
    ...onePage,
    name,
    title: `a CPU goes offline ${drained ? "" : "with its queue full "}while it is being told`,
    source: "shootdown.md I27",
    story: [
      "CPU1 has used A: cached",
      "T0 drops A and queues a request on CPU1",
      "CPU1, with interrupts off, goes offline",
      drained ? "it carries out what is queued, then goes" : "its queue is never looked at again",
    ],
    threads: [0, 0],
    setup: [{ name: "T1", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }] }],
    actors: [
      { name: "T0 drops A", cpu: 0, steps: [drop(0)] },
      { name: "CPU1 goes", cpu: 1, steps: [{ call: operation }] },
    ],
    expect: ANY,
    expectPolicy: drained
      ? { "*": "SAFE" }
      : {
          "*": "DEADLOCK",
          ...NEVER_INTERRUPTS,
          "no-wait": "SAFE",
          "latr-everything": "SAFE",
        },
  };
}

export const TRANSPORT_SCENARIOS: readonly Scenario[] = [
  nmiRecycled,
  nmiUnmapped,
  userInFlight,
  csdAhead("csd-ahead", false),
  csdAhead("csd-ahead-async", true),
  freedTableWalk,
  twoRequests,
  writeOut,
  reclaimDowngrade,
  unmapAndMap,
  tighten,
  preempted,
  irqsOff,
  offline("cpu-offline", "cpu-offline", true),
  offline("cpu-offline-undrained", "cpu-offline-undrained", false),
];
