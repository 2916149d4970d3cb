/** The result of exploring one scenario, on stdout. */
import type { CheckResult } from "../drivers/check.js";
import { formatSchedule, stepsOf } from "../drivers/replay-file.js";
import { formatSteps, switchesOf } from "../drivers/step-table.js";
import type { Scenario } from "../scenarios/scenario.js";
import { print, printJson } from "./io.js";

function reductionOf({ reduction }: CheckResult): string {
  if (reduction === null) return "";
  const { states, transitions, runs } = reduction;
  return (
    `\npartial-order reduction: ${states.toLocaleString("en-US")} states kept, ` +
    `${transitions.toLocaleString("en-US")} steps taken, run ${runs} times`
  );
}

async function formatCheck(result: CheckResult, scenario: Scenario): Promise<string> {
  const head =
    `${result.verdict}  ${result.scenario}: ${result.title}\n` +
    `era ${result.era}, policy ${result.policy}, consumer ${result.consumer}; ` +
    `${result.states.toLocaleString("en-US")} states, ` +
    `${result.transitions.toLocaleString("en-US")} transitions, depth ${result.depth}`;
  const reduced = reductionOf(result);
  const assumes = result.assumptions.map((assumption) => `  ${assumption}`).join("\n");
  if (result.schedule.length === 0) return `${head}${reduced}\nassumes:\n${assumes}\n`;
  const steps = await stepsOf(result, scenario);
  const found = result.isShortest ? "shortest interleaving" : "an interleaving, not the shortest";
  const which = result.interleavings === "given" ? "the interleaving it gives" : found;
  return (
    `${head}${reduced}\n${which}: ${steps.length} steps, ${switchesOf(steps)} switches\n\n` +
    `${formatSteps(scenario, steps)}\n\nassumes:\n${assumes}\n`
  );
}

/** Prints it as text, or as one JSON document. */
export async function printCheck(
  result: CheckResult,
  scenario: Scenario,
  json: boolean,
): Promise<void> {
  if (!json) return print(await formatCheck(result, scenario));
  const steps = await stepsOf(result, scenario);
  return printJson({
    ...result,
    schedule: formatSchedule(result.schedule),
    steps,
    switches: switchesOf(steps),
  });
}
