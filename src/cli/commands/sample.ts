import type { Command } from "commander";
import { formatSchedule } from "../../drivers/replay-file.js";
import { sample, type SampleResult } from "../../drivers/sample.js";
import { scenarioFrom } from "../files.js";
import { EXIT_FOUND, EXIT_OK, print, printJson } from "../io.js";
import { type CommonOptions, seedOf, withCommon, wholeNumber } from "../options.js";
import { Progress } from "../progress.js";

interface Options extends CommonOptions {
  readonly era: string;
  readonly policy: string;
  readonly consumer: string;
  readonly schedules: string;
}

/** The command that finds the same again. */
function replayCommand(name: string, result: SampleResult, seed: string): string {
  const parts = `--era ${result.era} --policy ${result.policy} --consumer ${result.consumer}`;
  return `npx shootdown sample ${name} ${parts} --schedules 1 --seed ${seed}`;
}

async function run(name: string, options: Options): Promise<number> {
  const scenario = await scenarioFrom(name);
  const progress = new Progress(options.quiet === true);
  const result = await sample(scenario, {
    era: options.era,
    policy: options.policy,
    consumer: options.consumer,
    schedules: wholeNumber("--schedules", options.schedules, 1, 1_000_000),
    seed: seedOf(options),
    onProgress: (schedules) => {
      progress.update(`${schedules.toLocaleString("en-US")} schedules`);
    },
  });
  progress.done();
  const { found } = result;
  const replay = found === null ? "" : replayCommand(name, result, found.seed);
  if (options.json === true) {
    await printJson({
      ...result,
      found: found && { ...found, schedule: formatSchedule(found.schedule), replay },
    });
  } else if (found === null) {
    const tried = result.schedules.toLocaleString("en-US");
    await print(
      `nothing found in ${tried} schedules of ${result.scenario}, which proves nothing\n`,
    );
  } else {
    const schedule = formatSchedule(found.schedule);
    await print(
      `${found.invariant}  ${result.scenario}, schedule ${result.schedules}, seed ${found.seed}\n` +
        `${found.detail}\n` +
        `after ${found.schedule.length} steps: ${schedule}\n` +
        `again: ${replay}\n`,
    );
  }
  return found === null ? EXIT_OK : EXIT_FOUND;
}

export function addSample(program: Command, finish: (code: number) => void): void {
  withCommon(program.command("sample <scenario>"))
    .summary("try random schedules of a scenario, every invariant checked after every step")
    .option("--era <name>", "notification era", "coupled")
    .option("--policy <name>", "flush policy", "concurrent")
    .option("--consumer <name>", "what is behind the secondary MMU", "sharing")
    .option("--schedules <n>", "schedules to try", "1000")
    .addHelpText(
      "after",
      `
SCENARIO is a name from check --list, or a file that ends in .json.
Examples:
  shootdown sample munmap-user --policy no-wait
  shootdown sample my-scenario.json --schedules 100000 --seed 7
Exit code: 0 nothing found (which proves nothing: see check), 1 found, 2 usage or bad input.`,
    )
    .action(async (name: string, options: Options) => {
      finish(await run(name, options));
    });
}
