/** One space of ASIDs for all CPUs: what a new generation leaves behind, and takes away. */
import { ANY, brokenAnyway, RW } from "./parts.js";
import type { Scenario } from "./scenario.js";

const load = { call: "load", args: { vpn: 0 } };
const write = { call: "write", args: { vpn: 0 } };
const drop = { call: "madvise", args: { start: 0, end: 1 } };
const use = (mm: number) => ({ call: "use.mm", args: { mm } });

const SOURCE = "Linux arch/arm64/mm/context.c";

/** Policies that do not tell a CPU which comes back, or has. */
const brokenFor = {
  ...brokenAnyway("UAF"),
  "skip-switching": "UAF",
  "cleared-slots-late": "UAF",
  "riscv-loaded-only": "UAF",
} as const;

/**
 * Processes A, B, C, … of one page each. A is the first, both threads' own; the others are used as
 * kernel threads use them. There are as many ASIDs as processes but the last.
 */
const processes = (n: number) => processesOf(n, n - 1);

/** The same with so many ASIDs. */
function processesOf(
  n: number,
  asids: number,
): Pick<Scenario, "geometry" | "mms" | "devices" | "threads"> {
  return {
    geometry: {
      frames: 3,
      tables: n + 1,
      indexBits: 1,
      gatherPages: 2,
      vmas: 1,
      mms: n,
      asids,
    },
    mms: Array.from({ length: n }, () => ({ vmas: [{ start: 0, end: 1, prot: RW }] })),
    devices: [],
    threads: [0, 0],
  };
}

const rollover: Scenario = {
  ...processes(4),
  name: "asid-rollover",
  title: "a process gets the ASID that another one had, with entries of that one still cached",
  source: `${SOURCE}: tlb_flush_pending; shootdown.md I20 and P11`,
  story: [
    "CPU1 has used A, and runs B; CPU0 runs C: A, B and C have ASIDs 1, 2 and 3",
    "CPU0 switches to D: all are taken, a new generation begins, B and C keep theirs, D gets 1",
    "CPU0 switches to A, which gets another one, and drops its page",
    "CPU1 switches to D: its entries of A, under 1, must be gone",
  ],
  setup: [
    { name: "CPU1", cpu: 1, steps: [write, use(2)] },
    { name: "CPU0", cpu: 0, steps: [use(3)] },
  ],
  actors: [
    { name: "CPU0 to D, to A, drops", cpu: 0, steps: [use(4), use(1), drop] },
    { name: "CPU1 to D", cpu: 1, steps: [use(4), load] },
  ],
  expect: ANY,
  expectPolicy: { "*": "SAFE", "no-ipi": "DEADLOCK", "asids-unflushed": "UAF" },
};

const fastPath: Scenario = {
  ...rollover,
  name: "asid-fast-path",
  title: "a process is switched to, without the lock, while its ASID is given away",
  source: `${SOURCE}: cmpxchg of active_asids, which is 0 after a rollover`,
  story: [
    ...rollover.story.slice(0, 1),
    "CPU1 switches to A: its ASID is of this generation, no lock is needed",
    "CPU0 switches to D: a new generation begins; CPU1 is seen to use B's ASID, and D gets A's",
    "CPU1 finds 0 where its active ASID was, and has to take the lock; or goes on with A's",
    "CPU0 switches to A, which gets another ASID, and drops its page; CPU1 reads it",
  ],
  actors: [
    { name: "CPU0 to D, to A, drops", cpu: 0, steps: [use(4), use(1), drop] },
    { name: "CPU1 to A", cpu: 1, steps: [use(1), load] },
  ],
  expectPolicy: {
    "*": "SAFE",
    ...brokenFor,
    "asids-unreserved": "UAF",
    "asids-blind": "UAF",
  },
};

const twice: Scenario = {
  ...rollover,
  name: "asid-twice",
  title: "a process is switched to, without the lock, while ASIDs roll over twice",
  source: "Linux a8ffaaa060b8; found with kernel-tla, asidalloc",
  story: [
    ...rollover.story.slice(0, 1),
    "CPU1 switches to A: its ASID is of this generation, no lock is needed",
    "CPU0 switches to D, which gets 1: CPU1 finds 0, and needs the lock; nothing is active, or A",
    "CPU0 switches to E: another generation begins; 1 is reserved for CPU0, and for what is active",
    "CPU1 gets the lock: A has another ASID, or 1 as well; it reads A's page",
    "CPU1 switches to D, which has 1, and reads at the same address: nothing is there",
  ],
  ...processesOf(5, 3),
  actors: [
    { name: "CPU0 to D, to E", cpu: 0, steps: [use(4), use(5)] },
    { name: "CPU1 to A, to D", cpu: 1, steps: [use(1), load, use(4), load] },
  ],
  expectPolicy: {
    "*": "SAFE",
    "asids-unflushed": "STALE",
    "asids-blind": "STALE",
    "asids-xchg": "STALE",
  },
};

const reserved: Scenario = {
  ...rollover,
  name: "asid-reserved",
  title: "a process runs while its ASID is given away",
  source: `${SOURCE}: reserved_asids`,
  story: [
    "CPU1 runs A; CPU0 has used B, and runs C: A, B and C have ASIDs 1, 2 and 3",
    "CPU0 switches to D: a new generation begins; A, which runs, keeps 1",
    "CPU0 switches to A, and drops its page: CPU1 must hear of it",
  ],
  setup: [
    { name: "CPU1", cpu: 1, steps: [write] },
    { name: "CPU0", cpu: 0, steps: [use(2), use(3)] },
  ],
  actors: [
    { name: "CPU0 to D, to A, drops", cpu: 0, steps: [use(4), use(1), drop] },
    { name: "CPU1 in A", cpu: 1, steps: [load] },
  ],
  expectPolicy: { "*": "SAFE", ...brokenAnyway("UAF"), "asids-unreserved": "UAF" },
};

const pinned: Scenario = {
  ...processes(5),
  name: "asid-pinned",
  title: "an ASID that a device shares is given away",
  source: `${SOURCE}: arm64_mm_context_get, pinned_asid_map`,
  story: [
    "A's ASID, 1, is pinned; CPU1 runs B, CPU0 runs D: A, B, C and D have ASIDs 1 to 4",
    "CPU0 switches to E: a new generation begins, and E may have C's ASID, not A's",
    "CPU1 switches to A, whose ASID is still 1, reads its page, and switches to E",
    "CPU1 reads at the same address in E: nothing is there",
  ],
  setup: [
    { name: "CPU1", cpu: 1, steps: [write, { call: "asid.pin" }, use(2)] },
    { name: "CPU0", cpu: 0, steps: [use(3), use(4)] },
  ],
  actors: [
    { name: "CPU0 to E", cpu: 0, steps: [use(5)] },
    { name: "CPU1 to A, to E", cpu: 1, steps: [use(1), load, use(5), load] },
  ],
  expect: ANY,
  expectPolicy: { "*": "SAFE", "asids-unpinned": "STALE" },
};

const named: Scenario = {
  ...rollover,
  name: "asid-named",
  title: "a page is reclaimed by ASID while its process gets another one",
  source: "verification.md B8; kernel-tla asidalloc: try_to_unmap against a rollover",
  story: [
    ...rollover.story.slice(0, 1),
    "CPU0, in C, drops A's page, as reclaim does: a broadcast will name A's ASID",
    "CPU1 switches to D, which gets 1, and to A, which gets another one; it reads the page",
    "CPU0 clears the entry, and names the ASID that A has now; or the one it has read before",
    "CPU1 reads the page",
  ],
  actors: [
    { name: "CPU0 drops A's page", cpu: 0, steps: [drop] },
    { name: "CPU1 to D, to A", cpu: 1, steps: [use(4), use(1), load, load] },
  ],
  expectPolicy: { "*": "SAFE", ...brokenFor, "asids-named": "UAF" },
};

export const ROLLOVER_SCENARIOS: readonly Scenario[] = [
  rollover,
  fastPath,
  twice,
  reserved,
  pinned,
  named,
];
