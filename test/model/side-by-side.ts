/** A core and a model that take the same steps, compared after each of them. */
import type { Run } from "./generate.js";

/** Turns in which somebody is stuck, after which a run is given up. */
const PATIENCE = 20;

/** How long, and what else happens. */
export interface Course {
  readonly steps: number;
  /** The test's own file, for the command that replays a failure. */
  readonly file: string;
  /** Between a step and the comparison. */
  readonly onStep?: (actor: number, status: number | "trap") => void;
}

/** What is wrong with a run, with the command that finds it again; empty: nothing is. */
export function differs(run: Run, { steps, file, onStep }: Course): string {
  let patience = PATIENCE;
  for (let i = 0; i < steps; i++) {
    const { actor, choice } = run.next();
    const status = run.step(actor, choice);
    if (status.core !== status.model) {
      return run.report(`status: core ${status.core}, model ${status.model}`, file);
    }
    if (status.core === "trap") return run.report("both forms trapped", file);
    onStep?.(actor, status.core);
    const difference = run.compare();
    if (difference !== null) {
      const { path, core, model } = difference;
      return run.report(`${path}: core ${core}, model ${model}`, file);
    }
    if (run.stuck.size > 0 && patience-- === 0) break;
  }
  return "";
}
