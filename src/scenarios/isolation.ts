/**
 * Page-table isolation: what a flush leaves of the two halves, and of kernel pages. Under policies
 * without isolation there is one half, and the same must not happen.
 */
import { ANY, brokenAnyway, freedTable, RW } from "./parts.js";
import type { Scenario } from "./scenario.js";

const call = (name: string, vpn: number) => ({ call: name, args: { vpn } });

const twoPages = {
  geometry: { frames: 5, tables: 2, indexBits: 2, gatherPages: 2, tlbWays: 4 },
  mms: [{ vmas: [{ start: 0, end: 3, prot: RW }] }],
  devices: [],
  threads: [0, 0],
} as const;

/** More than one page: an explored machine leaves the user half of such a range to the exit. */
const userHalf: Scenario = {
  ...twoPages,
  name: "user-half",
  title: "user code goes on where an interrupt has flushed the other half",
  source: "shootdown.md P15 and 1.5 E8",
  story: [
    "T1 has written A and B in user mode: both are in the user half of CPU1",
    "T0 drops A and B; CPU1's interrupt flushes the kernel half and marks the user half",
    "T0 goes on and frees both frames",
    "the interrupt returns to user mode, and T1 writes A",
  ],
  setup: [{ name: "T1", cpu: 1, steps: [call("write", 0), call("write", 1)] }],
  actors: [
    { name: "T0 drops A, B", cpu: 0, steps: [{ call: "madvise", args: { start: 0, end: 2 } }] },
    { name: "T1 writes A", cpu: 1, steps: [call("write", 0)] },
  ],
  expect: ANY,
  expectPolicy: { "*": "SAFE", ...brokenAnyway("UAF"), "in-context-blind": "UAF" },
};

const kernelHalf: Scenario = {
  ...twoPages,
  name: "kernel-half",
  title: "a system call reads what user code has written, while it is dropped",
  source: "shootdown.md 1.2 and 1.1 G2: no kernel user-access helper either",
  story: [
    "T1 has used A in user mode, and the kernel has read A for it: A is in both halves",
    "T0 drops A and B",
    "the kernel reads A for T1 again, then T1 does",
  ],
  setup: [
    { name: "T1", cpu: 1, steps: [call("write", 0), call("copy.from.user", 0), call("read", 1)] },
  ],
  actors: [
    { name: "T0 drops A, B", cpu: 0, steps: [{ call: "madvise", args: { start: 0, end: 2 } }] },
    { name: "T1 system call", cpu: 1, steps: [call("copy.from.user", 0), call("read", 0)] },
  ],
  expect: ANY,
  expectPolicy: { "*": "SAFE", ...brokenAnyway("UAF"), "in-context-blind": "UAF" },
};

const userTable: Scenario = {
  ...freedTable,
  name: "user-table",
  title: "an interrupt returns to user mode where a freed page table may be walked",
  source: "shootdown.md P15: no speculation gap before the flush; I4",
  story: [
    "T0 has used B, T1 A: the paging-structure cache of CPU1's user half holds their table",
    "T0 unmaps both, which frees the table; CPU1's interrupt marks the user half, T0 goes on",
    "the interrupt loads the user half; before it is flushed, CPU1 walks speculatively",
  ],
  geometry: { ...freedTable.geometry, frames: 4 },
  setup: [{ name: "T0", cpu: 0, steps: [call("write", 1)] }, ...freedTable.setup],
  expectPolicy: {
    ...freedTable.expectPolicy,
    "in-context-blind": "PT_UAF",
    "in-context-late": "PT_UAF",
  },
};

const KERNEL = { vpn: 2, mm: 3 };

const kernelPage: Scenario = {
  name: "kernel-page",
  title: "a kernel page is freed that two ASIDs of a CPU have cached",
  source: "shootdown.md 1.2 invalidateOther",
  story: [
    "CPU0 has read kernel page K in the ASIDs of two processes",
    "CPU1 frees K: every CPU flushes it, CPU0 in the ASID that is loaded there",
    "CPU0 goes back to the other process, whose ASID is as new as it was",
    "CPU0 looks for K",
  ],
  geometry: { frames: 4, tables: 6, indexBits: 2, gatherPages: 2, tlbWays: 4, mms: 3, asids: 3 },
  mms: [
    { vmas: [{ start: 0, end: 1, prot: RW }] },
    { vmas: [{ start: 0, end: 1, prot: RW }] },
    { vmas: [{ start: 2, end: 3, prot: RW }] },
  ],
  devices: [],
  threads: [0, 2],
  setup: [
    { name: "T1", cpu: 1, steps: [{ call: "populate.write", args: { start: 2, end: 3 } }] },
    {
      name: "CPU0",
      cpu: 0,
      steps: [
        { call: "kernel.read", args: KERNEL },
        { call: "use.mm", args: { mm: 2 } },
        { call: "kernel.read", args: KERNEL },
      ],
    },
  ],
  actors: [
    {
      name: "CPU0 switches",
      cpu: 0,
      steps: [
        { call: "use.mm", args: { mm: 1 } },
        { call: "kernel.read", args: KERNEL },
      ],
    },
    { name: "CPU1 frees K", cpu: 1, steps: [{ call: "kernel.unmap", args: { start: 2, end: 3 } }] },
  ],
  expect: ANY,
  expectPolicy: { "*": "SAFE", "ack-first": "UAF", "pti-trust-others": "UAF" },
};

export const ISOLATION_SCENARIOS: readonly Scenario[] = [
  userHalf,
  kernelHalf,
  userTable,
  kernelPage,
];
