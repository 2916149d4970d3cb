/** Races of CPUs that take no interrupts for a while (shootdown.md I2, I26), or never (I27). */
import { brokenAnyway, call, onCpu, onePage, range, RW, write, ANY } from "./parts.js";
import type { Scenario } from "./scenario.js";
import { NEVER_INTERRUPTS } from "./transports.js";

const irqsOffUser: Scenario = {
  ...onePage,
  name: "irqs-off-user",
  title: "the kernel touches user memory with interrupts off, on a CPU that is told to flush it",
  source: "shootdown.md I2, the variant",
  story: [
    "CPU1 has written A: cached, writable",
    "T0 drops A: entry cleared, csd queued, interrupt sent",
    "CPU1, with interrupts off, stores to A twice: it cannot acknowledge anything meanwhile",
  ],
  threads: [0, 0],
  setup: [onCpu(1, "T1", write(0))],
  actors: [
    onCpu(0, "T0 drops A", call("madvise", range(0))),
    onCpu(1, "T1, interrupts off", call("store.irqs-off", { vpn: 0 })),
  ],
  expect: ANY,
  expectPolicy: { "*": "SAFE", ...brokenAnyway("UAF") },
};

/** Nobody has to do anything for what these put off. */
const NEVER_SWEEPS = {
  "self-invalidating": "SAFE",
  "self-invalidating-early": "SAFE",
  "self-invalidating-renewed": "SAFE",
  "self-invalidating-reused": "SAFE",
} as const;

/** I26 for what LATR puts off. A third page keeps the page table: its flush cannot be put off. */
const irqsOffUnmap: Scenario = {
  ...onePage,
  name: "irqs-off-unmap",
  title: "two CPUs unmap pages with interrupts off",
  source: "shootdown.md I26, for an operation that lazy coherence puts off",
  story: [
    "T0 and T1 each unmap a page with interrupts off; one gets mmapLock",
    "it waits for the other to take its interrupt, which waits for mmapLock",
    "put off to the next tick, nobody waits",
  ],
  mms: [{ vmas: [{ start: 0, end: 3, prot: RW }] }],
  threads: [0, 0],
  setup: [onCpu(0, "T0", write(0)), onCpu(1, "T1", write(1))],
  actors: [
    onCpu(0, "T0 unmaps A", call("munmap-irqs-off", range(0))),
    onCpu(1, "T1 unmaps B", call("munmap-irqs-off", range(1))),
  ],
  expect: ANY,
  expectPolicy: {
    "*": "DEADLOCK",
    ...NEVER_INTERRUPTS,
    "no-wait": "SAFE",
    latr: "SAFE",
    "eco-tlb": "SAFE",
    "eco-tlb-inactive": "SAFE",
    "eco-tlb-refault": "SAFE",
    "eco-tlb-written": "SAFE",
    ...NEVER_SWEEPS,
    "latr-reused": "SAFE",
    "latr-everything": "SAFE",
    "latr-tickless": "SAFE",
    "latr-own-late": "SAFE",
    // Nobody else has to be told.
    fpr: "SAFE",
    "fpr-leaky": "SAFE",
    "fpr-aba": "SAFE",
    abis: "SAFE",
    "abis-unflushed": "SAFE",
    "abis-flushed-before": "SAFE",
    "core-tables": "SAFE",
    "core-tables-owner": "SAFE",
  },
};

/** I27 for what LATR puts off: a CPU that goes must sweep, or the range is never used again. */
function offlineParked(name: string, operation: string, sweeps: boolean): Scenario {
  return {
    ...onePage,
    name,
    title: `a CPU goes offline ${sweeps ? "" : "and leaves everything undone "}while it is told`,
    source: "shootdown.md I27, for an operation that lazy coherence puts off, and I18 (c)",
    story: [
      "CPU1 has used A: cached",
      "T0 unmaps A: CPU1 is told, or A is parked until CPU1 has swept",
      "CPU1, with interrupts off, goes offline",
      sweeps ? "it does what is left to do, then goes" : "what is left to do is never done",
      "T0 maps the range again",
    ],
    threads: [0, 0],
    setup: [onCpu(1, "T1", write(0))],
    actors: [
      onCpu(
        0,
        "T0 unmaps, maps A",
        call("munmap", range(0)),
        call("mmap", { ...range(0), prot: RW }),
      ),
      onCpu(1, "CPU1 goes", { call: operation }),
    ],
    expect: ANY,
    expectPolicy: sweeps
      ? { "*": "SAFE", "latr-tickless": "DEADLOCK" }
      : {
          "*": "DEADLOCK",
          ...NEVER_INTERRUPTS,
          "no-wait": "SAFE",
          "latr-reused": "SAFE",
          ...NEVER_SWEEPS,
          "fpr-aba": "SAFE",
        },
  };
}

export const INTERRUPTS_OFF_SCENARIOS: readonly Scenario[] = [
  irqsOffUser,
  irqsOffUnmap,
  offlineParked("offline-parked", "cpu-offline", true),
  offlineParked("offline-parked-undrained", "cpu-offline-undrained", false),
];
