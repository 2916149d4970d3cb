import type { Command } from "commander";
import { ArgumentError } from "../../errors.js";
import { simulate, type SimulateResult } from "../../simulate.js";
import { gapPrinter } from "../gaps.js";
import { profileFrom } from "../files.js";
import { EXIT_FOUND, EXIT_OK, print, printJson } from "../io.js";
import { type CommonOptions, seedOf, withCommon, wholeNumber } from "../options.js";
import { formatTable } from "../table.js";

interface Options extends CommonOptions {
  readonly driver: string;
  readonly workload: string;
  readonly cpus: string;
  readonly ops: string;
  readonly era: string;
  readonly policy: string;
  readonly profile: string;
  readonly workers?: string;
}

function formatSimulation(result: SimulateResult): string {
  const rows: [string, string | number][] = [
    ["operations", result.ops.done],
    ["shootdowns", result.shootdowns],
    ["messages", result.messages],
    ["IPIs", result.ipis],
    ["violations", result.violations.length],
  ];
  if (result.simulated) {
    rows.push(["simulated ns", result.simulated.ns]);
    rows.push(["mean ns per flush request", Math.round(result.simulated.latencyNsMean)]);
  }
  if (result.wall) {
    rows.push(["wall seconds", result.wall.seconds.toFixed(3)]);
    rows.push(["shootdowns per second", Math.round(result.wall.shootdownsPerSecond)]);
  }
  const violations = result.violations.map((violation) => `  ${JSON.stringify(violation)}\n`);
  return (
    `${result.driver} driver, ${result.workload}, ${result.cpus} CPUs, ${result.policy}\n\n` +
    `${formatTable(["", ""], rows, 1)}\n${violations.join("")}`
  );
}

export function addSimulate(program: Command, finish: (code: number) => void): void {
  withCommon(program.command("simulate"))
    .summary("run a workload, in simulated time or on worker threads")
    .option("--driver <name>", "timed or parallel", "timed")
    .option("--workload <name>", "what the threads do", "madvise")
    .option("--cpus <n>", "CPUs", "2")
    .option("--ops <n>", "kernel operations, all CPUs together", "10000")
    .option("--era <name>", "notification era", "coupled")
    .option("--policy <name>", "flush policy", "concurrent")
    .option("--profile <name>", "cost profile, or a .json file of one (timed)", "haswell-2019")
    .option("--workers <n>", "threads (parallel)")
    .addHelpText(
      "after",
      `
Examples:
  shootdown simulate --cpus 8 --policy sync
  shootdown simulate --driver parallel --cpus 2 --ops 100000 --json
Exit code: 0, or 1 if an invariant is violated once all is quiet.`,
    )
    .action(async (options: Options) => {
      if (options.driver !== "timed" && options.driver !== "parallel") {
        throw new ArgumentError("E_TYPE", `--driver is timed or parallel, got ${options.driver}`, {
          argument: "--driver",
        });
      }
      const result = await simulate({
        driver: options.driver,
        workload: options.workload,
        cpus: wholeNumber("--cpus", options.cpus, 1, 64),
        ops: wholeNumber("--ops", options.ops, 1, 1e9),
        era: options.era,
        policy: options.policy,
        profile: await profileFrom(options.profile),
        seed: seedOf(options),
        onGaps: gapPrinter(options.json),
        ...(options.workers === undefined
          ? {}
          : { workers: wholeNumber("--workers", options.workers, 1, 64) }),
      });
      if (options.json === true) await printJson(result);
      else await print(formatSimulation(result));
      finish(result.violations.length > 0 ? EXIT_FOUND : EXIT_OK);
    });
}
