/** Runs a step file in each of its cells, and holds what it gives against what it expects. */
import { ArgumentError, isShootdownError, ShootdownError } from "../errors.js";
import { plain } from "./amounts.js";
import { forCell, type Step, type StepFile } from "./load.js";
import { isRecord, type Mismatch, mismatches, outcomeOf } from "./match.js";
import type { Cell } from "./system.js";

/** What became of one step. */
export interface StepResult {
  /** Counts from 1. */
  readonly step: number;
  readonly text: string;
  readonly note: string;
  /** What it gave, as plain values. */
  readonly got: unknown;
  readonly mismatches: readonly Mismatch[];
}

/** A run in one cell. */
export interface CellResult {
  readonly cell: Cell;
  readonly verdict: string;
  readonly expected: string;
  readonly asExpected: boolean;
  readonly steps: readonly StepResult[];
  /** The state at the end. */
  readonly state: unknown;
}

/** A file's runs. */
export interface StepFileResult {
  readonly scenario: string;
  readonly system: string;
  readonly title: string;
  readonly source: string;
  readonly asExpected: boolean;
  readonly runs: readonly CellResult[];
}

function isLeftOut(step: Step, cell: Cell): boolean {
  return step.in.length > 0 && forCell(Object.fromEntries(step.in.map((k) => [k, 1])), cell) !== 1;
}

function compared(step: Step, cell: Cell, got: unknown, state: () => unknown): Mismatch[] {
  const expected = forCell(step.expectIn, cell) ?? step.expect;
  const wanted = forCell(step.stateIn, cell);
  const found = expected === undefined ? [] : mismatches(outcomeOf(expected), got, "result");
  if (step.state === undefined && wanted === undefined) return found;
  const raw = state();
  const now = plain(raw);
  // What holds for a cell is said beside what holds for all, and instead of it where both speak.
  const both =
    isRecord(step.state) && isRecord(wanted)
      ? { ...step.state, ...wanted }
      : (wanted ?? step.state);
  if (isRecord(both) && isRecord(raw)) checkKeys(step, Object.keys(both), raw);
  return [...found, ...mismatches(both, now, "state")];
}

/** What no state has is a slip of the pen, not something that is null. */
function checkKeys(step: Step, keys: readonly string[], state: Record<string, unknown>): void {
  const wrong = keys.find((key) => !Object.hasOwn(state, key));
  if (wrong === undefined) return;
  const known = Object.keys(state).join(", ");
  const message = `line ${step.line}: state has no ${wrong}; there are ${known}`;
  throw new ArgumentError("E_NOENT", message, { argument: wrong, line: step.line });
}

async function runStep(file: StepFile, world: unknown, step: Step): Promise<unknown> {
  try {
    return plain(await file.system.verbs[step.verb].run(world, step.args));
  } catch (error) {
    if (!isShootdownError(error)) throw error;
    const message = `${file.name}, line ${step.line}: ${step.text}: ${error.message}`;
    const details = { ...error.details, line: step.line, step: step.text };
    throw new ShootdownError(error.code, message, details, { cause: error });
  }
}

async function runIn(file: StepFile, cell: Cell): Promise<CellResult> {
  const { system } = file;
  const world = await system.open(file.setup, cell);
  try {
    const steps: StepResult[] = [];
    for (const step of file.steps) {
      if (isLeftOut(step, cell)) continue;
      const got = await runStep(file, world, step);
      steps.push({
        step: steps.length + 1,
        text: step.text,
        note: step.note,
        got,
        mismatches: compared(step, cell, got, () => system.state(world)),
      });
    }
    const verdict = system.verdict(world);
    const expected = (forCell(file.expect, cell) as string | undefined) ?? system.verdicts[0];
    const asExpected = verdict === expected && steps.every((each) => each.mismatches.length === 0);
    return { cell, verdict, expected, asExpected, steps, state: plain(system.state(world)) };
  } finally {
    system.close(world);
  }
}

/**
 * Runs a file.
 * @param wanted - by axis the values to run it in, of those it has; all by default
 * @throws what its steps throw, with their lines
 */
export async function runSteps(
  file: StepFile,
  wanted: Readonly<Record<string, readonly string[] | undefined>> = {},
): Promise<StepFileResult> {
  const runs: CellResult[] = [];
  for (const cell of file.cells) {
    const isWanted = Object.entries(cell).every(([axis, value]) => {
      return wanted[axis]?.includes(value) ?? true;
    });
    if (isWanted) runs.push(await runIn(file, cell));
  }
  return {
    scenario: file.name,
    system: file.system.name,
    title: file.title,
    source: file.source,
    asExpected: runs.every((run) => run.asExpected),
    runs,
  };
}
