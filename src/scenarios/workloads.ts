/**
 * For each kind of workload the smallest scenario of the same kind: two CPUs, a page or two, no
 * device. Their exploration is the verdict that stands beside a policy's figures.
 */
import * as abi from "../core/abi.js";
import type { Scenario, ScenarioActor } from "./scenario.js";
import type { ScriptStep } from "../kernel/image.js";

const READ_WRITE = abi.PROT_READ | abi.PROT_WRITE;
const SOURCE = "a workload of the same kind, as small as it gets";
const SAFE = { "*": { "*": "SAFE" } } as const;
const READ_V: ScriptStep = { call: "read", args: { vpn: 0 } };
const WRITE_V: ScriptStep = { call: "write", args: { vpn: 0 } };

function onCpu(cpu: number, name: string, ...steps: ScriptStep[]): ScenarioActor {
  return { name, cpu, steps };
}

/** Page V is in the TLB of both CPUs, writable, when CPU0 does `deed`. */
function shared(
  name: string,
  title: string,
  deed: readonly ScriptStep[],
  other: readonly ScriptStep[],
  geometry: Scenario["geometry"] = {},
): Scenario {
  return {
    name,
    title,
    source: SOURCE,
    story: ["V is in the TLB of both CPUs, writable", title],
    geometry: { frames: 4, tables: 2, indexBits: 1, gatherPages: 2, ...geometry },
    mms: [{ vmas: [{ start: 0, end: 1, prot: READ_WRITE }] }],
    threads: [0, 0],
    devices: [],
    setup: [onCpu(0, "T0", WRITE_V), onCpu(1, "T1", WRITE_V)],
    actors: [onCpu(0, "T0", ...deed), onCpu(1, "T1", ...other)],
    expect: SAFE,
  };
}

const RANGE = { start: 0, end: 1 };

/** Pages are dropped, touched again, and used by another CPU meanwhile. */
export const madviseUser = shared(
  "madvise-user",
  "T0 drops V and touches it again; T1 uses V at any moment",
  [{ call: "madvise", args: RANGE }, WRITE_V],
  [READ_V, READ_V],
);

/** Pages and their table are freed while another CPU uses them. */
export const munmapUser = shared(
  "munmap-other",
  "T0 unmaps V, which frees its page table; T1 uses V at any moment",
  [{ call: "munmap", args: RANGE }],
  [READ_V],
);

/** The same address means another page while a CPU may hold the old one. */
export const recycleUser = shared(
  "recycle-user",
  "T0 unmaps V, maps it again and writes; T1 uses V at any moment",
  [
    { call: "munmap", args: RANGE },
    { call: "mmap", args: { ...RANGE, prot: READ_WRITE } },
    WRITE_V,
  ],
  [READ_V],
);

/** Write permission goes while another CPU holds it. */
export const mprotectUser = shared(
  "mprotect-user",
  "T0 makes V read-only and goes on; T1 stores to V at any moment",
  [{ call: "mprotect", args: { ...RANGE, prot: abi.PROT_READ } }, { signal: 0 }],
  [
    { call: "store", args: { vpn: 0 } },
    { await: 0, count: 1 },
    { call: "store", args: { vpn: 0 } },
  ],
);

/** A page becomes shared with a child while another CPU may store to it. */
export const forkUser = shared(
  "fork-user",
  "T0 forks, which shares V with the child; T1 stores to V at any moment",
  [{ call: "fork", args: { childTask: 3 } }, { signal: 0 }],
  [
    { call: "store", args: { vpn: 0 } },
    { await: 0, count: 1 },
    { call: "store", args: { vpn: 0 } },
  ],
  { tables: 4, mms: 2, tasks: 3 },
);

/** A page moves to another address while another CPU holds the old one. */
export const mremapUser = shared(
  "mremap-user",
  "T0 moves V to another address and unmaps it there; T1 uses the old address at any moment",
  [
    { call: "mremap", args: { ...RANGE, target: 2 } },
    { call: "munmap", args: { start: 2, end: 3 } },
  ],
  [{ call: "store", args: { vpn: 0 } }],
  { tables: 3, levels: 2 },
);

/** A page moves to another frame while another CPU stores to it, and looks for what it stored. */
export const migrateUser: Scenario = {
  ...shared(
    "migrate-user",
    "T0 moves V to another frame; T1 stores to V and reads it back at any moment",
    [{ call: "migrate", args: RANGE }],
    [WRITE_V, READ_V],
  ),
  watch: [{ mm: 0, vpn: 0 }],
};

/** The same with the mutant: a store between copy and flush is lost. */
export const migrateCopyFirstUser: Scenario = {
  ...migrateUser,
  name: "migrate-copy-first-user",
  title: "as migrate-user, but the page is copied before the old entry is flushed",
  actors: [
    onCpu(0, "T0", { call: "migrate-copy-first", args: RANGE }),
    ...migrateUser.actors.slice(1),
  ],
  expect: { "*": { "*": "ORDER" } },
};

/** Those that stand beside a workload and were made for it. */
export const WORKLOAD_SCENARIOS: readonly Scenario[] = [
  madviseUser,
  munmapUser,
  recycleUser,
  mprotectUser,
  forkUser,
  mremapUser,
  migrateUser,
];
