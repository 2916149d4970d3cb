/**
 * Races of policies that choose who is told, and by which road. Ids are those of shootdown.md
 * section 2.
 */
import { ANY, brokenAnyway, freedTable, read, RW, write } from "./parts.js";
import type { Scenario } from "./scenario.js";

const drop = (start: number, end = start + 1) => ({ call: "madvise", args: { start, end } });

const twoRoads: Scenario = {
  name: "two-roads",
  title: "two requests for one CPU travel by different roads",
  source: "shootdown.md P12 and 1.5",
  story: [
    "CPU1 has used A",
    "T0 drops A with its page table: CPU1 is interrupted, the interrupt is on its way",
    "T2 drops C: CPU1 and CPU0 are told by broadcast, which is faster",
    "CPU1's handler looks at its generation: has it flushed for T0 already?",
    "T0 frees A's frame; CPU1 reads A",
  ],
  geometry: { frames: 4, tables: 3, levels: 2, indexBits: 1, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 3, prot: RW }] }],
  threads: [0, 0, 0],
  devices: [],
  setup: [
    { name: "T2", cpu: 2, steps: [write(2)] },
    { name: "T1", cpu: 1, steps: [write(0)] },
  ],
  actors: [
    {
      name: "T0 drops A",
      cpu: 0,
      steps: [{ call: "madvise.reclaim", args: { start: 0, end: 2 } }],
    },
    { name: "T1 reads A", cpu: 1, steps: [{ call: "load", args: { vpn: 0 } }] },
    { name: "T2 drops C", cpu: 2, steps: [drop(2)] },
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    // Every request is this CPU's first.
    "early-ack-pointer": "SAFE",
    "hybrid-overtaken": "UAF",
    "newest-only": "UAF",
    "invlpgb-no-transition": "UAF",
    "in-context-blind": "UAF",
  },
};

const freedTableOfThree: Scenario = {
  ...freedTable,
  name: "freed-table-of-three",
  title: "a page table is freed that one of two targets has walked",
  source: "shootdown.md P12, 1.1 G4 and I4",
  story: [
    "CPU1 has used A: its paging-structure cache holds the table; CPU2 runs the mm, too",
    "T0 unmaps A: entry cleared, table unhooked, two targets told",
    "T0 frees the table; CPU1 walks it speculatively",
  ],
  threads: [0, 0, 0],
  expectPolicy: {
    ...freedTable.expectPolicy,
    "hybrid-erratum": "PT_UAF",
    "directory-tables": "PT_UAF",
  },
};

const replicaFault: Scenario = {
  name: "replica-fault",
  title: "a CPU copies a translation to its own tables while it is being taken away",
  source: "shootdown.md P20",
  story: [
    "T0 has written A; CPU1 has not used it",
    "T1 reads A: it faults, and copies the entry, and the path to it, to its own tables",
    "CPU1 walks there speculatively: cached",
    "T0 drops A: is CPU1 told? T1 reads A",
  ],
  geometry: { frames: 4, tables: 2, indexBits: 2, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }],
  devices: [],
  threads: [0, 0],
  watch: [{ mm: 0, vpn: 0 }],
  setup: [{ name: "T0", cpu: 0, steps: [write(0)] }],
  actors: [
    { name: "T0 drops A", cpu: 0, steps: [drop(0)] },
    { name: "T1 reads A", cpu: 1, steps: [read(0)] },
  ],
  assume: { speculativeWalks: true },
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "replicas-late": "UAF",
  },
};

const sharedByTwo: Scenario = {
  name: "shared-by-two",
  title: "a page that two other CPUs have used is dropped",
  source: "shootdown.md P18",
  story: [
    "CPU1 has written A, CPU2 has read it",
    "T0, which has not used A, drops it: who is told?",
    "CPU1 and CPU2 use A",
  ],
  geometry: { frames: 4, tables: 2, indexBits: 2, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }],
  devices: [],
  threads: [0, 0, 0],
  setup: [
    { name: "T1", cpu: 1, steps: [write(0)] },
    { name: "T2", cpu: 2, steps: [read(0)] },
  ],
  actors: [
    { name: "T0 drops A", cpu: 0, steps: [drop(0)] },
    { name: "T1 reads A", cpu: 1, steps: [{ call: "load", args: { vpn: 0 } }] },
    { name: "T2 reads A", cpu: 2, steps: [{ call: "load", args: { vpn: 0 } }] },
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "core-tables-owner": "UAF",
  },
};

const directoryFull: Scenario = {
  name: "directory-full",
  title: "a TLB directory of two entries, and three pages",
  source: "shootdown.md P21",
  story: [
    "CPU1 has written A; CPU0 has read B and C: the directory had to make room",
    "T0 drops A: the directory is asked who holds it",
    "CPU1 writes A",
  ],
  geometry: { frames: 4, tables: 2, indexBits: 2, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 3, prot: RW }] }],
  devices: [],
  threads: [0, 0],
  setup: [
    { name: "T1", cpu: 1, steps: [write(0)] },
    { name: "T0", cpu: 0, steps: [read(1), read(2)] },
  ],
  actors: [
    { name: "T0 drops A", cpu: 0, steps: [drop(0)] },
    { name: "T1 writes A", cpu: 1, steps: [write(0)] },
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "directory-silent": "UAF",
  },
};

const twoNodes: Scenario = {
  name: "two-nodes",
  title: "a page is dropped by a CPU of one node, and used by two of another",
  source: "shootdown.md P19",
  story: [
    "CPU1 has written A; CPU0 and CPU1 are one node, CPU2 another",
    "T2 drops A and tells CPU0, which tells CPU1",
    "CPU0 answers: has CPU1?",
    "T2 frees A's frame; CPU1 reads A",
  ],
  geometry: { frames: 4, tables: 2, indexBits: 2, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }],
  devices: [],
  threads: [0, 0, 0],
  setup: [{ name: "T1", cpu: 1, steps: [write(0)] }],
  actors: [
    { name: "T1 reads A", cpu: 1, steps: [{ call: "load", args: { vpn: 0 } }] },
    { name: "T2 drops A", cpu: 2, steps: [drop(0)] },
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("UAF"),
    "messages-early": "UAF",
  },
};

export const TOPOLOGY_SCENARIOS: readonly Scenario[] = [
  twoRoads,
  freedTableOfThree,
  replicaFault,
  sharedByTwo,
  directoryFull,
  twoNodes,
];
