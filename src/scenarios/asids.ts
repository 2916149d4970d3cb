/** ASIDs that are the same on every CPU: who uses them, and when they are used again. */
import { ANY, brokenAnyway, RW } from "./parts.js";
import { ROLLOVER_SCENARIOS } from "./rollover.js";
import type { Scenario } from "./scenario.js";

const on = (name: string, vpn: number) => ({ call: name, args: { vpn } });
const drop = (vpn: number) => ({ call: "madvise", args: { start: vpn, end: vpn + 1 } });
const use = (mm: number) => ({ call: "use.mm", args: { mm } });

const asidReuse: Scenario = {
  name: "asid-reuse",
  title: "a process gets the ASID of one that is gone, with entries of that one still cached",
  source: "shootdown.md I20 and 1.8",
  story: [
    "process B is active on CPU1 and CPU2, and has a global ASID; CPU1 has cached its page",
    "CPU1 goes back to process A, and B exits: its ASID is free, its page too",
    "A, active on CPU0 and CPU1, is flushed and gets an ASID: the same",
    "CPU1 changes over to it, and reads A's page at the address that B's page had",
  ],
  geometry: { frames: 8, tables: 5, indexBits: 2, gatherPages: 2, mms: 2, asids: 3, tlbWays: 8 },
  mms: [{ vmas: [{ start: 0, end: 3, prot: RW }] }, { vmas: [{ start: 0, end: 3, prot: RW }] }],
  devices: [],
  threads: [0, 0, 1],
  setup: [
    { name: "B", cpu: 2, steps: [on("write", 0), on("write", 1)] },
    { name: "CPU1", cpu: 1, steps: [use(2), on("load", 0), on("load", 1)] },
    { name: "A", cpu: 0, steps: [on("write", 0), on("write", 1), on("write", 2)] },
  ],
  actors: [
    {
      name: "B drops 1 twice, exits",
      cpu: 2,
      steps: [
        ...[drop(1), on("write", 1), drop(1), { signal: 0 }],
        ...[{ await: 1, count: 1 }, { call: "exit" }, { signal: 2 }],
      ],
    },
    {
      name: "CPU1 in B, then in A",
      cpu: 1,
      steps: [
        ...[{ await: 0, count: 1 }, on("load", 0), use(1), { signal: 1 }],
        ...[{ await: 2, count: 1 }, { signal: 3 }, on("load", 0)],
      ],
    },
    { name: "A drops 1, 2", cpu: 0, steps: [{ await: 3, count: 1 }, drop(1), drop(2)] },
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    "broadcast-no-sync": "UAF",
    "no-ipi": "DEADLOCK",
    "invlpgb-reuse": "UAF",
  },
};

const asidTransition: Scenario = {
  name: "asid-transition",
  title: "a process is flushed by broadcast while a CPU still runs it under its own ASID",
  source: "shootdown.md 1.8: asidTransition",
  story: [
    "T0 and T1 have used A and B",
    "T0 drops A by interrupt; the process is on two CPUs, and gets a global ASID",
    "T0 drops B by broadcast, which does not reach what CPU1 has under its dynamic ASID",
    "T1 writes B",
  ],
  geometry: { frames: 5, tables: 2, indexBits: 2, gatherPages: 2, tlbWays: 4 },
  mms: [{ vmas: [{ start: 0, end: 3, prot: RW }] }],
  devices: [],
  threads: [0, 0],
  setup: [{ name: "T1", cpu: 1, steps: [on("write", 0), on("write", 1)] }],
  actors: [
    { name: "T0 drops A, B", cpu: 0, steps: [drop(0), drop(1)] },
    { name: "T1 writes B", cpu: 1, steps: [on("write", 1), on("store", 1)] },
  ],
  expect: ANY,
  expectPolicy: { "*": "SAFE", ...brokenAnyway("UAF"), "invlpgb-no-transition": "UAF" },
};

const away: Scenario = {
  name: "hart-away",
  title: "a page is dropped while a CPU that has cached it runs another process",
  source: "shootdown.md 1.8 [K8] and 1.6 F2",
  story: [
    "CPU1 has used A, then switched to another process; its ASID keeps what it has cached",
    "T0 drops A; CPU1 is still in the mask",
    "CPU1 comes back, and reads A: it was told of the flush, or compares generations",
  ],
  geometry: { frames: 4, tables: 4, indexBits: 1, gatherPages: 2, mms: 2, asids: 3 },
  mms: [{ vmas: [{ start: 0, end: 1, prot: RW }] }, { vmas: [{ start: 0, end: 1, prot: RW }] }],
  devices: [],
  threads: [0, 0],
  setup: [
    { name: "T0", cpu: 0, steps: [on("write", 0)] },
    { name: "T1", cpu: 1, steps: [on("read", 0), use(2)] },
  ],
  actors: [
    { name: "T0 drops A", cpu: 0, steps: [drop(0)] },
    { name: "T1 comes back", cpu: 1, steps: [use(1), on("read", 0)] },
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "skip-switching": "UAF",
    "riscv-loaded-only": "UAF",
    "cleared-slots-late": "UAF",
  },
};

export const ASID_SCENARIOS: readonly Scenario[] = [
  asidReuse,
  asidTransition,
  away,
  ...ROLLOVER_SCENARIOS,
];
