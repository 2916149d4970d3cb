/** What the commands about step files have in common: `vfio` and `vdpa`. */
import type { Command } from "commander";
import { check, expectedVerdict } from "../drivers/check.js";
import { ArgumentError } from "../errors.js";
import { loadScenario } from "../scenario-files/index.js";
import type { Scenario } from "../scenarios/scenario.js";
import {
  type AnySystem,
  formatSteps,
  loadSteps,
  runSteps,
  shippedStepFile,
  shippedStepFiles,
  type StepFile,
  type StepFileResult,
} from "../step-files/index.js";
import { printCheck } from "./check-report.js";
import { readScenarioText, scenarioFrom } from "./files.js";
import { EXIT_FOUND, EXIT_OK, print, printJson } from "./io.js";
import { formatTable } from "./table.js";

/** Options of such a command; one by axis besides. */
export interface StepOptions {
  readonly list?: boolean;
  readonly verbs?: boolean;
  readonly json?: boolean;
  readonly [axis: string]: unknown;
}

/** Adds an option for each axis of the systems, and --list, --verbs and --json. */
export function withSteps(command: Command, systems: readonly AnySystem[]): Command {
  command
    .option("--list", "list the scenarios that come with the package")
    .option("--verbs", "list what steps can do")
    .option("--json", "print one JSON document");
  for (const axis of new Set(systems.flatMap(({ axes }) => Object.keys(axes)))) {
    const values = valuesOf(systems, axis).join(", ");
    command.option(`--${axis} <names>`, `run in these alone, of ${values}`);
  }
  return command;
}

/** What an axis can be, in any of the systems. */
function valuesOf(systems: readonly AnySystem[], axis: string): string[] {
  return [...new Set(systems.flatMap(({ axes }) => axes[axis] ?? []))];
}

function wantedOf(systems: readonly AnySystem[], options: StepOptions) {
  const axes = [...new Set(systems.flatMap((system) => Object.keys(system.axes)))];
  const wanted = axes.flatMap((axis): [string, string[]][] => {
    const text = options[axis];
    if (typeof text !== "string" || text === "all") return [];
    const names = text.split(",");
    const values = valuesOf(systems, axis);
    const wrong = names.find((name) => !values.includes(name));
    if (wrong === undefined) return [[axis, names]];
    const message = `--${axis}: ${wrong} is none of ${values.join(", ")}`;
    throw new ArgumentError("E_NOENT", message, { argument: `--${axis}`, value: wrong });
  });
  return Object.fromEntries(wanted);
}

/** A step file, or a scenario that is explored, which is a file that names no system. */
async function fileNamed(
  name: string,
  systems: readonly AnySystem[],
): Promise<StepFile | Scenario> {
  if (/\.ya?ml$/.test(name)) {
    const text = await readScenarioText(name);
    const isSteps = /^["']?system["']?\s*:/m.test(text);
    return isSteps ? loadSteps(text, systems, name) : loadScenario(text, { file: name });
  }
  const shipped = await shippedStepFile(systems, name);
  return shipped ?? scenarioFrom(name);
}

/** Every interleaving of it. Exit code 0: the verdict is the one that it expects. */
async function explore(scenario: Scenario, json: boolean): Promise<number> {
  const result = await check(scenario);
  await printCheck(result, scenario, json);
  const expected = expectedVerdict(scenario, result.era, result.consumer);
  return result.verdict === (expected ?? "SAFE") ? EXIT_OK : EXIT_FOUND;
}

async function shippedFiles(systems: readonly AnySystem[]): Promise<StepFile[]> {
  return (await Promise.all(systems.map(shippedStepFiles))).flat();
}

async function list(systems: readonly AnySystem[], json: boolean): Promise<number> {
  const files = await shippedFiles(systems);
  const rows = files.map(({ name, system, title, source }) => ({
    name,
    system: system.name,
    title,
    source,
  }));
  if (json) await printJson({ scenarios: rows });
  else {
    const cells = rows.map(({ name, title, source }) => [name, title, source]);
    await print(`${formatTable(["scenario", "title", "source"], cells, 3)}\n`);
  }
  return EXIT_OK;
}

async function listVerbs(systems: readonly AnySystem[], json: boolean): Promise<number> {
  const rows = systems.flatMap(({ name, verbs }) =>
    Object.entries(verbs).map(([verb, { summary }]) => ({ system: name, verb, summary })),
  );
  if (json) await printJson({ verbs: rows });
  else {
    const cells = rows.map(({ system, verb, summary }) => [system, verb, summary]);
    await print(`${formatTable(["system", "verb", "does"], cells, 3)}\n`);
  }
  return EXIT_OK;
}

function summaryOf(result: StepFileResult): string {
  const verdicts = [...new Set(result.runs.map(({ verdict }) => verdict))].join(", ");
  const steps = result.runs.reduce((sum, run) => sum + run.steps.length, 0);
  const word = result.asExpected ? "as expected" : "NOT as expected";
  return `${result.scenario}: ${result.runs.length} runs, ${steps} steps, ${verdicts}: ${word}\n`;
}

/**
 * Runs a scenario of these systems, by name, from a file, or `all`; a scenario file of `check` is
 * explored. Exit code 0: everything was as expected; 1: something was not.
 */
export async function runStepCommand(
  systems: readonly AnySystem[],
  name: string | undefined,
  options: StepOptions,
): Promise<number> {
  const json = options.json === true;
  if (options.list === true) return list(systems, json);
  if (options.verbs === true) return listVerbs(systems, json);
  if (name === undefined) {
    throw new ArgumentError("E_TYPE", "which scenario? A name from --list, a file, or all", {
      argument: "scenario",
    });
  }
  const wanted = wantedOf(systems, options);
  if (name !== "all") {
    const file = await fileNamed(name, systems);
    if (!("system" in file)) return explore(file, json);
    const result = await runSteps(file, wanted);
    if (result.runs.length === 0) {
      throw new ArgumentError("E_NOENT", `${name} is not run in any of these`, {
        argument: "scenario",
      });
    }
    if (json) await printJson(result);
    else await print(formatSteps(result));
    return result.asExpected ? EXIT_OK : EXIT_FOUND;
  }
  const results: StepFileResult[] = [];
  for (const file of await shippedFiles(systems)) {
    const result = await runSteps(file, wanted);
    if (result.runs.length > 0) results.push(result);
  }
  const asExpected = results.every((result) => result.asExpected);
  if (json) await printJson({ asExpected, scenarios: results });
  else await print(results.map(summaryOf).join(""));
  return asExpected ? EXIT_OK : EXIT_FOUND;
}
