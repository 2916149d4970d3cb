import type { Command } from "commander";
import { allNames, checkMatrix, type MatrixResult } from "../../drivers/check-matrix.js";
import { check, checkInterleavings, checkReduction, listScenarios } from "../../drivers/check.js";
import { makeReplayFile, replay, scenarioOf } from "../../drivers/replay-file.js";
import { formatSteps } from "../../drivers/step-table.js";
import { ArgumentError } from "../../errors.js";
import { Catalogue } from "../../kernel/catalogue.js";
import { shippedScenarios, writeScenario } from "../../scenario-files/index.js";
import { printCheck } from "../check-report.js";
import { readJson, save, scenarioFrom } from "../files.js";
import { gapPrinter } from "../gaps.js";
import { EXIT_FOUND, EXIT_OK, print, printJson } from "../io.js";
import { type CommonOptions, nameList, seedOf, withCommon, wholeNumber } from "../options.js";
import { Progress } from "../progress.js";
import { formatTable } from "../table.js";

interface Options extends CommonOptions {
  readonly era: string;
  readonly policy: string;
  readonly consumer: string;
  readonly exact?: boolean;
  readonly maxStates: string;
  readonly reduction: string;
  readonly list?: boolean;
  readonly yaml?: boolean;
  readonly interleavings: string;
  readonly save?: string;
  readonly replay?: string;
}

async function list(options: Options): Promise<number> {
  const all = [...listScenarios(), ...(await shippedScenarios())];
  const scenarios = all.map(({ name, title, source, expect }) => ({
    name,
    title,
    source,
    expect,
  }));
  const policies = Catalogue.standard.parts.policies.map(({ name, title, source, mutant }) => ({
    name,
    kind: mutant ? "broken" : "sound",
    title,
    source,
  }));
  if (options.json === true) await printJson({ scenarios, policies });
  else {
    const rows = scenarios.map(({ name, title, source }) => [name, title, source]);
    const parts = policies.map(({ name, kind, title }) => [name, kind, title]);
    await print(
      `${formatTable(["scenario", "about", "source"], rows, 3)}\n\n` +
        `${formatTable(["policy", "verdict", "about"], parts, 3)}\n`,
    );
  }
  return EXIT_OK;
}

async function replayFile(path: string, options: Options): Promise<number> {
  const { file, steps, verdict } = await replay(await readJson(path));
  if (options.json === true) await printJson({ ...file, verdict, steps });
  else await print(`${verdict}\n\n${formatSteps(scenarioOf(file), steps)}\n`);
  return verdict === "SAFE" ? EXIT_OK : EXIT_FOUND;
}

/** `all`, or a list of names. */
function names(option: string, text: string, kind: "eras" | "policies" | "consumers"): string[] {
  return text === "all" ? allNames(kind) : nameList(option, text);
}

function formatMatrix({ cells, unexpected }: MatrixResult): string {
  const rows = cells.map((cell) => [
    cell.scenario,
    cell.policy,
    cell.era,
    cell.consumer,
    cell.verdict,
    cell.expected === null || cell.expected === cell.verdict ? "" : `expected ${cell.expected}`,
    cell.states,
    cell.steps === 0 ? "" : cell.steps,
  ]);
  const head = ["scenario", "policy", "era", "consumer", "verdict", "", "states", "steps"];
  const sum = `${cells.length} explored, ${unexpected} not as expected`;
  return `${formatTable(head, rows, 6)}\n\n${sum}\n`;
}

/** Every scenario: the exit code tells whether all came out as they say. */
async function runAll(options: Options): Promise<number> {
  const progress = new Progress(options.quiet === true);
  const result = await checkMatrix({
    scenarios: [...listScenarios(), ...(await shippedScenarios())],
    interleavings: checkInterleavings(options.interleavings),
    eras: names("--era", options.era, "eras"),
    policies: names("--policy", options.policy, "policies"),
    consumers: names("--consumer", options.consumer, "consumers"),
    exact: options.exact === true,
    maxStates: wholeNumber("--max-states", options.maxStates, 1, 2 ** 27),
    seed: seedOf(options),
    reduction: checkReduction(options.reduction),
    onCell: (done, of) => {
      progress.update(`${done} of ${of}`);
    },
  });
  progress.done();
  if (options.json === true) await printJson(result);
  else await print(formatMatrix(result));
  return result.unexpected === 0 ? EXIT_OK : EXIT_FOUND;
}

async function run(name: string | undefined, options: Options): Promise<number> {
  if (options.list === true) return list(options);
  if (options.replay !== undefined) return replayFile(options.replay, options);
  if (name === undefined) {
    throw new ArgumentError("E_TYPE", "check wants a scenario, --list or --replay FILE", {
      argument: "scenario",
    });
  }
  if (name === "all") return runAll(options);
  const scenario = await scenarioFrom(name);
  if (options.yaml === true) {
    await print(writeScenario(scenario));
    return EXIT_OK;
  }
  const progress = new Progress(options.quiet === true);
  const result = await check(scenario, {
    era: options.era,
    policy: options.policy,
    consumer: options.consumer,
    exact: options.exact === true,
    maxStates: wholeNumber("--max-states", options.maxStates, 1, 2 ** 27),
    seed: seedOf(options),
    reduction: checkReduction(options.reduction),
    interleavings: checkInterleavings(options.interleavings),
    onGaps: gapPrinter(options.json),
    onProgress: (states) => {
      progress.update(`${states.toLocaleString("en-US")} states`);
    },
  });
  progress.done();
  if (options.save !== undefined && result.schedule.length > 0 && result.verdict !== "SAFE") {
    const file = await makeReplayFile(result, scenario);
    await save(options.save, `${JSON.stringify(file, null, 2)}\n`);
  }
  await printCheck(result, scenario, options.json === true);
  return result.verdict === "SAFE" ? EXIT_OK : EXIT_FOUND;
}

export function addCheck(program: Command, finish: (code: number) => void): void {
  withCommon(program.command("check [scenario]"))
    .summary("explore every interleaving of a scenario; print the shortest that goes wrong")
    .option("--list", "list the scenarios, and the policies: sound, or broken on purpose")
    .option("--era <name>", "notification era", "coupled")
    .option("--policy <name>", "flush policy", "concurrent")
    .option("--consumer <name>", "what is behind the secondary MMU", "sharing")
    .option("--exact", "compare whole states instead of 64-bit fingerprints")
    .option("--max-states <n>", "give up (inconclusive) after this many", "4000000")
    .option("--reduction <kind>", "none, or partial-order: far fewer states, same verdict", "none")
    .option("--interleavings <which>", "given: only the one a scenario gives, if any; all", "given")
    .option("--yaml", "print the scenario as a file instead of checking it")
    .option("--save <file>", "write the counterexample as a replay file")
    .option("--replay <file>", "run a replay file again, checking every state")
    .addHelpText(
      "after",
      `
SCENARIO is a name from --list, or all (then --era, --policy and --consumer may be lists, or
all, too, and the exit code tells whether every verdict is the expected one), or a file that ends
in .yaml or .yml (docs/scenarios.md, schema: shootdown/schemas/scenario-file) or .json (schema:
shootdown/schemas/scenario).
Examples:
  shootdown check --list
  shootdown check cow-order --era defer
  shootdown check mremap --era double --save trail.json
  shootdown check mremap --yaml > mine.yaml && shootdown check mine.yaml --era double
  shootdown check mremap-cpu --reduction partial-order
  shootdown check --replay trail.json
  shootdown check all --policy all --era double,deduplicated
Exit code: 0 safe, 1 anything else (an inconclusive search is never safe), 2 usage or bad input.`,
    )
    .action(async (name: string | undefined, options: Options) => {
      finish(await run(name, options));
    });
}
