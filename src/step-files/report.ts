/** The results of step files as text. */
import type { CellResult, StepFileResult, StepResult } from "./run.js";
import type { Cell } from "./system.js";

/** `7.0 tree`. */
export function cellText(cell: Cell): string {
  return Object.values(cell).join(" ");
}

const TEXT_MOST = 60;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > TEXT_MOST ? `${text.slice(0, TEXT_MOST - 1)}…` : text;
}

/** What a step gave, in a few words: the value, or the errno with what lies behind it. */
export function gotText(got: unknown): string {
  if (typeof got !== "object" || got === null || !("ok" in got)) return shown(got);
  const { ok, value, errno, inner, cause, verdict, message } = got as Record<string, unknown>;
  if (ok === true) return value === undefined || value === null ? "ok" : shown(value);
  if (typeof errno !== "string") {
    const said = [verdict, cause].filter((each) => typeof each === "string").join(", ");
    return said === "" ? shown(got) : `${said}${typeof message === "string" ? `: ${message}` : ""}`;
  }
  const behind = inner === errno ? "" : ` (inside ${String(inner)})`;
  return `${errno}${behind}: ${String(cause)}`;
}

function stepLines({ step, text, note, got, mismatches }: StepResult): string[] {
  const head = `${String(step).padStart(4)} ${text.slice(0, 100)}`;
  const wrong = mismatches.map(
    (each) => `     ✗ ${each.path} is ${shown(each.got)}, expected ${shown(each.expected)}`,
  );
  return [head, `       → ${gotText(got)}`, ...(note === "" ? [] : [`       ${note}`]), ...wrong];
}

function runLines(run: CellResult): string[] {
  const { cell, verdict, expected, asExpected, steps } = run;
  const word = asExpected ? "as expected" : "NOT as expected";
  const more = verdict === expected ? "" : ` (expected ${expected})`;
  return [`${cellText(cell)}: ${verdict}${more}, ${word}`, ...steps.flatMap(stepLines)];
}

/** Every run with its steps; runs that gave the same as one before are named with that. */
export function formatSteps(result: StepFileResult): string {
  const groups = new Map<string, CellResult[]>();
  for (const run of result.runs) {
    const key = JSON.stringify([run.verdict, run.expected, ...runLines(run).slice(1)]);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  const parts = [...groups.values()].map((runs) => {
    const [first, ...others] = runs;
    const lines = runLines(first);
    if (others.length === 0) return lines.join("\n");
    const same = others.map(({ cell }) => cellText(cell)).join(", ");
    return [...lines, `     the same: ${same}`].join("\n");
  });
  return `${result.scenario}: ${result.title}\n${parts.join("\n\n")}\n`;
}
