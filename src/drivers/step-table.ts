/** Counterexamples as tables: one numbered line a step, one column an actor. */
import type { Scenario } from "../scenarios/scenario.js";
import { actorNames } from "./explored-machine.js";
import type { ReplayedStep } from "./replay-file.js";

const COLUMN_MOST = 44;

function clip(text: string): string {
  return text.length <= COLUMN_MOST ? text : `${text.slice(0, COLUMN_MOST - 1)}…`;
}

/** How often the schedule goes from one actor to another. */
export function switchesOf(steps: readonly { readonly actor: number }[]): number {
  return steps.filter((step, i) => i > 0 && step.actor !== steps[i - 1]?.actor).length;
}

/** The table; the hazard stands below the step that committed it. */
export function formatSteps(scenario: Scenario, steps: readonly ReplayedStep[]): string {
  const names = actorNames(scenario);
  const used = names.map((_, i) => i).filter((i) => steps.some((step) => step.actor === i));
  const width = (actor: number): number =>
    Math.max(
      (names[actor] ?? "").length,
      ...steps.filter((step) => step.actor === actor).map((step) => clip(step.text).length),
    );
  const widths = used.map(width);
  const line = (head: string, cells: readonly string[]): string => {
    const padded = cells.map((cell, i) => cell.padEnd(widths[i] ?? 0));
    return `${head.padStart(4)}  ${padded.join("  ")}`.trimEnd();
  };
  const lines = [
    line(
      "",
      used.map((actor) => names[actor] ?? ""),
    ),
  ];
  steps.forEach((step, i) => {
    lines.push(
      line(
        `${i + 1}`,
        used.map((actor) => (actor === step.actor ? clip(step.text) : "")),
      ),
    );
    if (step.hazard !== undefined) lines.push(`      ${step.hazard}`);
  });
  return lines.join("\n");
}
