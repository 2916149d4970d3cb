/** CPUs that idle, told by interrupt or by a word that they poll. */
import { ANY, RW } from "./parts.js";
import type { Scenario } from "./scenario.js";

/** Page tables are freed, so that lazy CPUs are told too. */
const idlePoller: Scenario = {
  name: "idle-poller",
  title: "a CPU leaves its idle loop while it is being told",
  source: "shootdown.md 1.4",
  story: [
    "CPU1 has used A and idles, lazily; its idle loop polls",
    "T0 unmaps A, which frees a page table: CPU1 has to be told",
    "T0 queues a request, sees that CPU1 polls, and spares the interrupt",
    "CPU1 leaves its loop and goes on with T1",
  ],
  geometry: { frames: 3, tables: 2, indexBits: 1, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 1, prot: RW }] }],
  devices: [],
  threads: [0, 0],
  setup: [
    { name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] },
    { name: "T1", cpu: 1, steps: [{ call: "read", args: { vpn: 0 } }, { call: "idle" }] },
  ],
  actors: [
    { name: "T0 unmaps A", cpu: 0, steps: [{ call: "munmap", args: { start: 0, end: 1 } }] },
    {
      name: "T1 wakes",
      cpu: 1,
      steps: [
        { call: "use.mm", args: { mm: 1 } },
        { call: "read", args: { vpn: 0 } },
      ],
    },
  ],
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    "no-wait": "UAF",
    "ack-first": "UAF",
    "local-only": "UAF",
    "broadcast-no-sync": "UAF",
    "no-ipi": "DEADLOCK",
    "idle-poll-stale": "DEADLOCK",
  },
};

export const IDLE_SCENARIOS: readonly Scenario[] = [idlePoller];
