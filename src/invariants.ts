/**
 * What is true of every machine, by name. A violation is a bug of the simulator, of an operation or
 * of a policy, never of the simulated program; broken policies and eras are there to violate some.
 */
import * as abi from "./core/abi.js";
import type { Core } from "./core/core.js";
import { CLOCK, CPU } from "./core/layout.js";
import { ASID_INVARIANTS } from "./invariants/asids.js";
import { BRACKET_INVARIANTS } from "./invariants/brackets.js";
import { FLUSH_INVARIANTS } from "./invariants/flush.js";
import { MEMORY_INVARIANTS } from "./invariants/memory.js";
import { PIN_INVARIANTS } from "./invariants/pins.js";
import { SHARER_INVARIANTS } from "./invariants/sharers.js";
import { SUBSCRIBER_INVARIANTS } from "./invariants/subscribers.js";
import { type Invariant, View } from "./invariants/view.js";
import type { Violation } from "./violation.js";
import type { Machine } from "./machine.js";

const ALL: readonly Invariant[] = [
  ...MEMORY_INVARIANTS,
  ...FLUSH_INVARIANTS,
  ...SHARER_INVARIANTS,
  ...ASID_INVARIANTS,
  ...BRACKET_INVARIANTS,
  ...SUBSCRIBER_INVARIANTS,
  ...PIN_INVARIANTS,
];

/** Reports beyond this many are left out: one broken thing breaks many. */
const REPORTS_MAX = 100;

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

/** What a machine that is done must also keep: nothing waits, nothing failed. */
function checkDone(view: View, rest: boolean, report: (v: Violation) => void): void {
  const { core } = view;
  if (!rest) {
    const contexts = view.running().join(", ");
    const detail = contexts === "" ? "an interrupt is pending" : `contexts ${contexts} run`;
    report({ invariant: "AtRest", detail });
  }
  for (let actor = 0; actor < view.header(abi.H_ACTORS); actor++) {
    const clock = core.clock(actor);
    const jobs = core.read(CLOCK, clock, "jobTail") - core.read(CLOCK, clock, "jobHead");
    if (jobs !== 0)
      report({ invariant: "JobsDone", detail: `actor ${actor}: ${jobs} not started` });
  }
  const hazards = core.total(abi.CT_HAZARDS);
  if (hazards !== 0) report({ invariant: "NoHazard", detail: `${hazards} were committed` });
}

/** How strictly to check. */
export interface InvariantOptions {
  /**
   * The machine should be done: that something still runs, that a job waits, or that a hazard was
   * committed are violations too (`AtRest`, `JobsDone`, `NoHazard`).
   */
  readonly done?: boolean;
}

/** As {@link checkInvariants}, for a core. */
export function checkCore(core: Core, options: InvariantOptions = {}): Violation[] {
  const view = new View(core);
  const violations: Violation[] = [];
  const report = (violation: Violation): void => {
    if (violations.length < REPORTS_MAX) violations.push(violation);
  };
  const rest = isAtRest(view);
  if (options.done === true) checkDone(view, rest, report);
  for (const invariant of ALL) {
    if (invariant.atRest && !rest) continue;
    invariant.check(view, (detail) => {
      report({ invariant: invariant.name, detail });
    });
  }
  return violations;
}

/**
 * Checks every invariant that applies to the machine's present state; those about rest are skipped
 * while something runs. Reads the whole state: for tests and debugging.
 * @returns violations, at most 100
 * @throws DisposedError E_DISPOSED
 */
export function checkInvariants(machine: Machine, options: InvariantOptions = {}): Violation[] {
  machine.stateHash(); // throws for a machine that was disposed
  return checkCore(machine.core, options);
}
