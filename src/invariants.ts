/**
 * What is true of every machine, by name. A violation is a bug of the simulator, of an operation or
 * of a policy, never of the simulated program; broken policies and eras are there to violate some.
 */
import * as abi from "./core/abi.js";
import type { Core } from "./core/core.js";
import { CPU } from "./core/layout.js";
import { BRACKET_INVARIANTS } from "./invariants/brackets.js";
import { FLUSH_INVARIANTS } from "./invariants/flush.js";
import { MEMORY_INVARIANTS } from "./invariants/memory.js";
import { type Invariant, View, type Violation } from "./invariants/view.js";
import type { Machine } from "./machine.js";

export type { Violation } from "./invariants/view.js";

const ALL: readonly Invariant[] = [
  ...MEMORY_INVARIANTS,
  ...FLUSH_INVARIANTS,
  ...BRACKET_INVARIANTS,
];

/** Names of the invariants, what they say, and whether they are checked only when nothing runs. */
export const INVARIANTS: readonly {
  readonly name: string;
  readonly says: string;
  readonly atRest: boolean;
}[] = ALL;

/** Does nothing run, and is nothing on its way? */
function isAtRest(view: View): boolean {
  if (view.running().length > 0) return false;
  for (let cpu = 0; cpu < view.header(abi.H_CPUS); cpu++) {
    const row = view.core.cpu(cpu);
    if (view.core.read(CPU, row, "ipiPending") !== 0) return false;
    if (view.core.read(CPU, row, "queue") !== 0) return false;
  }
  return true;
}

/** As {@link checkInvariants}, for a core. */
export function checkCore(core: Core): Violation[] {
  const view = new View(core);
  const violations: Violation[] = [];
  const rest = isAtRest(view);
  for (const invariant of ALL) {
    if (invariant.atRest && !rest) continue;
    invariant.check(view, (detail) => violations.push({ invariant: invariant.name, detail }));
  }
  return violations;
}

/**
 * Checks every invariant that applies to the machine's present state; those about rest are skipped
 * while something runs. Reads the whole state: for tests and debugging.
 * @throws DisposedError E_DISPOSED
 */
export function checkInvariants(machine: Machine): Violation[] {
  machine.stateHash(); // throws for a machine that was disposed
  return checkCore(machine.core);
}
