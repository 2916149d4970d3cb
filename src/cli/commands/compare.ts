import type { Command } from "commander";
import { compareTrace, type CompareResult } from "../../replay/compare.js";
import { formatCallSites } from "../call-site-table.js";
import { gapPrinter } from "../gaps.js";
import { profileFrom } from "../files.js";
import { EXIT_FOUND, EXIT_OK, print, printJson } from "../io.js";
import {
  type CommonOptions,
  nameList,
  seedOf,
  type TraceCliOptions,
  traceOptions,
  withCommon,
  withTrace,
  wholeNumber,
} from "../options.js";
import { Progress } from "../progress.js";
import { formatTable } from "../table.js";

interface Options extends CommonOptions, TraceCliOptions {
  readonly eras: string;
  readonly policies: string;
  readonly consumers: string;
  readonly profile: string;
  readonly deviceRate: string;
}

const HEAD = [
  "era",
  "policy",
  "consumer",
  "start",
  "end",
  "secondary",
  "device us",
  "local",
  "remote",
  "full",
  "IPIs",
  "p50 ns",
  "p99 ns",
  "max ns",
  "stolen ns",
  "hazards",
];

/** The comparison as a table, with what it is about above it. */
export function formatComparison(result: CompareResult, name: string): string {
  const { trace } = result;
  const rows = result.runs.map((run) => [
    run.era,
    run.policy,
    run.consumer,
    run.notifications.start,
    run.notifications.end,
    run.notifications.secondary,
    Math.round(run.device.busyNs / 1000),
    run.flushes.local,
    run.flushes.remote,
    run.flushes.full,
    run.ipis,
    run.latencyNs.p50,
    run.latencyNs.p99,
    run.latencyNs.max,
    run.stolenNs,
    run.hazards.map((hazard) => `${hazard.code} x${hazard.count}`).join(" ") || "none",
  ]);
  return [
    `${name}: ${trace.lines.toLocaleString("en-US")} lines, ${trace.cpus} CPUs; ` +
      `profile ${result.profile}, seed ${result.seed}; simulated time`,
    ...(trace.residency === "inferred" ? ["residency: inferred, CPUs as well"] : []),
    "",
    formatTable(HEAD, rows, 3),
    "",
    "start, end, secondary: notifications; device us: time its invalidations took;",
    "local, remote, full: TLB flushes; p50 … max: what an initiator spent on a flush;",
    "stolen: time interrupt handlers took from other CPUs.",
    "",
    "By call site (row of the site table): what the device was told, and what that cost it.",
    "",
    formatCallSites(result.runs),
  ].join("\n");
}

/** Runs the comparison and prints it; shared with `demo`. */
export async function runCompare(source: string, name: string, options: Options): Promise<number> {
  const progress = new Progress(options.quiet === true);
  const result = await compareTrace(source, {
    eras: nameList("--eras", options.eras),
    policies: nameList("--policies", options.policies),
    consumers: nameList("--consumers", options.consumers),
    profile: await profileFrom(options.profile),
    seed: seedOf(options),
    ...traceOptions(options),
    onGaps: gapPrinter(options.json),
    deviceRate: wholeNumber("--device-rate", options.deviceRate, 0, 16),
    onRun: (done, all) => {
      progress.update(`run ${done + 1} of ${all}`);
    },
  });
  progress.done();
  if (options.json === true) await printJson(result);
  else await print(formatComparison(result, name));
  return result.runs.some((run) => run.hazards.length > 0) ? EXIT_FOUND : EXIT_OK;
}

/** Options of compare and demo, with their defaults. */
export function withCompareOptions(command: Command): Command {
  return withTrace(withCommon(command))
    .option("--eras <names>", "notification eras", "double,deduplicated,coupled")
    .option("--policies <names>", "flush policies", "sync,concurrent")
    .option("--consumers <names>", "what is behind the secondary MMU", "iommuv2,gpu-ats,mirroring")
    .option("--profile <name>", "cost profile, or a .json file of one", "guest-kvm")
    .option("--device-rate <n>", "device accesses per page the process touches", "1");
}

export function addCompare(program: Command, finish: (code: number) => void): void {
  withCompareOptions(program.command("compare <trace>"))
    .summary("what each era and policy costs on a recording, and whether it is safe")
    .addHelpText(
      "after",
      `
Examples:
  shootdown compare redis.ftrace.gz
  shootdown compare redis.ftrace.gz --eras double,deduplicated --policies sync --json
Exit code: 0 no hazard, 1 a hazard was committed, 2 usage or bad input.`,
    )
    .action(async (trace: string, options: Options) => {
      finish(await runCompare(trace, trace, options));
    });
}
