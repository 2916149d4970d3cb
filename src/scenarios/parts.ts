/** Pieces that the races of shootdown.md section 4 are made of. */
import type { ScriptStep } from "../kernel/image.js";
import type { Scenario, ScenarioActor, Verdict } from "./scenario.js";

export const RO = 1;
export const RW = 3;

/** No secondary MMU is involved. */
export const ANY = { "*": { "*": "SAFE" } } as const;

/** One leaf table of four pages, two of them mapped: what is dropped leaves the table in place. */
export const onePage = {
  geometry: { frames: 4, tables: 2, indexBits: 2, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }],
  devices: [],
} as const;

/** Policies that do not tell every CPU in time, each caught by any race about a flush. */
const NEVER_TELLS = [
  "early-ack-pointer",
  "no-wait",
  "ack-first",
  "local-only",
  "broadcast-no-sync",
] as const;

/** What policies without their wait, interrupts or payload get wrong: `verdict`, or a deadlock. */
export function brokenAnyway(verdict: Verdict): Readonly<Record<string, Verdict>> {
  const each = NEVER_TELLS.map((name) => [name, verdict] as const);
  return { ...Object.fromEntries(each), "no-ipi": "DEADLOCK" };
}

/**
 * A page of a table is unmapped, and with it the table; the caches of CPU1's walker may still hold
 * that, and walk it at any time.
 */
export const freedTable = {
  geometry: { frames: 3, tables: 3, indexBits: 1, levels: 2, gatherPages: 2, pwcEntries: 1 },
  mms: [{ vmas: [{ start: 0, end: 2, prot: RW }] }],
  devices: [],
  threads: [0, 0],
  watch: [{ mm: 0, vpn: 1 }],
  setup: [{ name: "T1", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }] }],
  actors: [{ name: "T0 unmaps", cpu: 0, steps: [{ call: "munmap", args: { start: 0, end: 2 } }] }],
  assume: { speculativeWalks: true },
  expect: ANY,
  expectPolicy: {
    "*": "SAFE",
    "early-ack-tables": "PT_UAF",
    "ack-at-entry": "PT_UAF",
    "no-wait": "PT_UAF",
    "ack-first": "PT_UAF",
    "local-only": "PT_UAF",
    "broadcast-no-sync": "PT_UAF",
    "no-ipi": "DEADLOCK",
  },
} as const;

export function onCpu(cpu: number, name: string, ...steps: ScriptStep[]): ScenarioActor {
  return { name, cpu, steps };
}

export const call = (name: string, args: Readonly<Record<string, number>>): ScriptStep => ({
  call: name,
  args,
});
export const read = (vpn: number): ScriptStep => call("read", { vpn });
export const write = (vpn: number): ScriptStep => call("write", { vpn });
export const range = (start: number, end = start + 1) => ({ start, end });
export const awaitSignal: ScriptStep = { await: 0, count: 1 };
export const signal: ScriptStep = { signal: 0 };

/** The same story with an operation that is broken itself: `*` is what transports make of it. */
export function brokenOperation(
  scenario: Scenario,
  changed: Partial<Scenario> & Pick<Scenario, "name" | "title" | "actors" | "expectPolicy">,
): Scenario {
  return { ...scenario, ...changed };
}
