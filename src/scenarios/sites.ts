/** Call sites whose pages are freed once their bracket has ended (notifiers.md 2.4). */
import { RW } from "./parts.js";
import type { Scenario } from "./scenario.js";

const SHARED = 8;

/** S21, with the bracket and without. */
function collapsed(name: string, operation: string, expect: Scenario["expect"]): Scenario {
  return {
    name,
    title: `khugepaged frees a page table of a file's pages, ${operation}`,
    source: "notifiers.md S21 and 2.4 row 14",
    story: [
      "A is mapped, and cached by the device",
      "T0 clears the entry of A's page table and flushes the CPUs",
      "T0 frees pages and table",
      "the device writes A",
    ],
    geometry: { frames: 3, tables: 3, indexBits: 1, levels: 2, gatherPages: 2 },
    mms: [{ vmas: [{ start: 0, end: 2, prot: RW | SHARED }] }],
    threads: [0],
    devices: [0],
    setup: [
      { name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] },
      { name: "device", device: 0, steps: [{ device: "write", vpn: 0 }] },
    ],
    actors: [
      { name: "T0 collapses", cpu: 0, steps: [{ call: operation, args: { vpn: 0 } }] },
      { name: "device", device: 0, steps: [{ device: "write", vpn: 0 }] },
    ],
    expect,
  };
}

/** S02c: the scanner's reference is what lets the old page live until the bracket has ended. */
function merged(name: string, operation: string, expect: Scenario["expect"]): Scenario {
  return {
    name,
    title: `KSM merges a page that the device has cached into another, ${operation}`,
    source: "notifiers.md S02c and 2.4 rows 15 and 16",
    story: [
      "A and B are equal, B is read-only already; A is cached by the device, writable",
      "T0 makes A read-only and compares; the device reads A, and has it cached again",
      "T0 maps B's page at A, and lets go of A's old page, whose last reference this was",
      "the device, which reads A all the time, reads it again",
    ],
    geometry: { frames: 4, tables: 2, indexBits: 1, levels: 1, gatherPages: 2 },
    mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }],
    threads: [0],
    devices: [0],
    setup: [
      {
        name: "T0",
        cpu: 0,
        steps: [
          { call: "write", args: { vpn: 0 } },
          { call: "write", args: { vpn: 1 } },
          { call: "ksm.protect", args: { vpn: 1 } },
        ],
      },
      { name: "device", device: 0, steps: [{ device: "write", vpn: 0 }] },
    ],
    actors: [
      { name: "T0 merges A", cpu: 0, steps: [{ call: operation, args: { vpn: 0, kept: 1 } }] },
      {
        name: "device",
        device: 0,
        steps: [{ repeat: 12, steps: [{ device: "read", vpn: 0 }] }],
      },
    ],
    expect,
  };
}

const SAFE = { "*": "SAFE" } as const;

export const SITE_SCENARIOS: readonly Scenario[] = [
  collapsed("collapse-file", "collapse.file", {
    sharing: { "only-end-everywhere": "UAF", ...SAFE },
    mirroring: SAFE,
  }),
  // The CPU's flush tells sharing consumers; nobody tells mirroring ones.
  collapsed("collapse-file-unbracketed", "collapse.file-unbracketed", {
    sharing: { coupled: "SAFE", "*": "UAF" },
    mirroring: { "*": "UAF" },
  }),
  merged("ksm-merge", "ksm.merge", {
    sharing: { "only-end-everywhere": "UAF", ...SAFE },
    mirroring: SAFE,
  }),
  merged("ksm-merge-early", "ksm.merge-early", {
    sharing: { deduplicated: "UAF", defer: "UAF", "only-end-everywhere": "UAF", ...SAFE },
    mirroring: SAFE,
  }),
];
