import type { Command } from "commander";
import { ArgumentError } from "../../errors.js";
import { simulate, type SimulateResult } from "../../simulate.js";
import { gapPrinter } from "../gaps.js";
import { profileFrom } from "../files.js";
import { EXIT_FOUND, EXIT_OK, print, printJson } from "../io.js";
import { type CommonOptions, nameList, seedOf, withCommon, wholeNumber } from "../options.js";
import { type ComparePoliciesOptions, DEFAULT_OPS } from "../../simulation/policies.js";
import { formatTable } from "../table.js";
import { WORKLOADS } from "../../workloads.js";
import { cpuList, listWorkloads, runComparison, shareOf } from "./simulate-policies.js";

interface Options extends CommonOptions {
  readonly driver: string;
  readonly workload?: string;
  readonly cpus: string;
  readonly ops?: string;
  readonly era: string;
  readonly policy: string;
  readonly profile: string;
  readonly workers?: string;
  readonly seeds?: string;
  readonly threads?: string;
  readonly lazy?: string;
  readonly locality?: string;
  readonly pages?: string;
  readonly think?: string;
  readonly rounds?: string;
  readonly verdicts: boolean;
  readonly hlog?: string;
  readonly list?: boolean;
}

/** Options that only a comparison has. */
const COMPARING = [
  "seeds",
  "threads",
  "lazy",
  "locality",
  "pages",
  "think",
  "rounds",
  "hlog",
] as const satisfies readonly (keyof Options)[];

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

/** The parameters that were given. */
function parametersOf(options: Options): ComparePoliciesOptions["parameters"] {
  const given: Record<string, number> = {};
  const whole = (name: string, option: string, text: string | undefined, most: number): void => {
    if (text !== undefined) given[name] = wholeNumber(option, text, 0, most);
  };
  whole("threads", "--threads", options.threads, 1024);
  whole("lazy", "--lazy", options.lazy, 1024);
  whole("pages", "--pages", options.pages, 1e6);
  whole("thinkNs", "--think", options.think, 1e9);
  whole("rounds", "--rounds", options.rounds, 1e9);
  if (options.locality !== undefined) given["locality"] = shareOf("--locality", options.locality);
  return given;
}

const SEEDS = "5";
const OPS = "10000";

/** Seeds from `first` on, wrapping around after 2^64 - 1. */
function seedsFrom(first: bigint, count: number): bigint[] {
  return Array.from({ length: count }, (_, i) => BigInt.asUintN(64, first + BigInt(i)));
}

async function compare(workload: string, options: Options): Promise<number> {
  const { ops, rounds, era, hlog } = options;
  const profile = await profileFrom(options.profile);
  const perRounds = rounds !== undefined && ops === undefined;
  return runComparison(
    {
      workload,
      policies: nameList("--policy", options.policy),
      cpus: cpuList(options.cpus),
      seeds: seedsFrom(seedOf(options), wholeNumber("--seeds", options.seeds ?? SEEDS, 1, 1000)),
      parameters: parametersOf(options),
      ...(perRounds ? {} : { ops: wholeNumber("--ops", ops ?? `${DEFAULT_OPS}`, 1, 1e9) }),
      era,
      profile,
      verdicts: options.verdicts,
    },
    {
      json: options.json === true,
      quiet: options.quiet === true,
      ...(hlog === undefined ? {} : { hlog }),
    },
  );
}

async function runOnce(
  driver: "timed" | "parallel",
  workload: string,
  options: Options,
): Promise<number> {
  const result = await simulate({
    driver,
    workload,
    cpus: wholeNumber("--cpus", options.cpus, 1, 64),
    ops: wholeNumber("--ops", options.ops ?? OPS, 1, 1e9),
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
  return result.violations.length > 0 ? EXIT_FOUND : EXIT_OK;
}

async function run(named: string | undefined, options: Options): Promise<number> {
  if (options.list === true) return listWorkloads(options.json === true);
  const { driver } = options;
  if (driver !== "timed" && driver !== "parallel") {
    throw new ArgumentError("E_TYPE", `--driver is timed or parallel, got ${driver}`, {
      argument: "--driver",
    });
  }
  if (named !== undefined && options.workload !== undefined && named !== options.workload) {
    throw new ArgumentError("E_TYPE", `two workloads: ${named} and ${options.workload}`, {
      argument: "--workload",
    });
  }
  const workload = named ?? options.workload ?? "madvise";
  const only = COMPARING.find((name) => options[name] !== undefined);
  if (driver === "parallel") {
    if (only === undefined) return runOnce(driver, workload, options);
    throw new ArgumentError("E_TYPE", `--${only} is for the timed driver`, {
      argument: `--${only}`,
    });
  }
  const isList = options.policy.includes(",") || /[,.]/.test(options.cpus);
  const isScript = WORKLOADS.some(({ name }) => name === workload);
  const compares = named !== undefined || only !== undefined || isList || !isScript;
  return compares ? compare(workload, options) : runOnce(driver, workload, options);
}

export function addSimulate(program: Command, finish: (code: number) => void): void {
  withCommon(program.command("simulate [workload]"))
    .summary("compare flush policies on a workload, in simulated time; or one run on threads")
    .option("--list", "list the workloads and their parameters")
    .option("--driver <name>", "timed or parallel", "timed")
    .option("--workload <name>", "the same as WORKLOAD")
    .option("--cpus <n>", "CPUs: a number, 2,8,64, or 2..256 (powers of two)", "2")
    .option(
      "--ops <n>",
      `operations a run, all CPUs (default: ${DEFAULT_OPS}; ${OPS} without WORKLOAD)`,
    )
    .option("--era <name>", "notification era", "coupled")
    .option("--policy <names>", "flush policies, separated by commas", "concurrent")
    .option("--profile <name>", "cost profile, or a .json file of one (timed)", "haswell-2019")
    .option("--seeds <n>", `repeat with as many seeds, from --seed on (default: ${SEEDS})`)
    .option("--threads <n>", "CPUs that run the workload (default: all)")
    .option("--lazy <n>", "CPUs in lazy TLB mode")
    .option("--locality <share>", "rounds on a thread's own region, 0 to 1")
    .option("--pages <n>", "pages an operation, 1 to 64")
    .option("--think <ns>", "mean user-mode time before a round, ns")
    .option("--rounds <n>", "rounds of each thread, instead of --ops")
    .option("--no-verdicts", "explore nothing")
    .option("--hlog <file>", "write the latencies as an HdrHistogram log")
    .option("--workers <n>", "threads (parallel)")
    .addHelpText(
      "after",
      `
With WORKLOAD, policies are compared: figures over seeds with 95 % intervals, differences to the
first policy paired by seed, and the verdict of exploring small scenarios of the same kind.
Without, it is one run of a small workload, with all of its counters.
Examples:
  shootdown simulate munmap-storm --policy sync,concurrent --cpus 2..256
  shootdown simulate server-mix --cpus 16 --locality 0.5 --seeds 10 --json
  shootdown simulate madvise-pingpong --pages 33 --hlog latency.hlog
  shootdown simulate --driver parallel --cpus 2 --ops 100000 --json
Exit code: 0, or 1 if an invariant is violated once all is quiet, or a verdict is not SAFE.`,
    )
    .action(async (named: string | undefined, options: Options) => {
      finish(await run(named, options));
    });
}
