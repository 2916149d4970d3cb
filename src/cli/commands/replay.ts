import type { Command } from "commander";
import { ArgumentError } from "../../errors.js";
import { FLUSH_KINDS } from "../../replay/fidelity.js";
import { replayTrace, type ReplayResult } from "../../replay/replay.js";
import { profileFrom } from "../files.js";
import { EXIT_FOUND, EXIT_OK, print, printJson } from "../io.js";
import {
  type CommonOptions,
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
  readonly era: string;
  readonly policy: string;
  readonly profile: string;
  readonly minF1?: string;
}

function headOf(result: ReplayResult, name: string): string {
  const { trace } = result;
  const skipped = Object.values(trace.skipped).reduce((sum, n) => sum + n, 0);
  return (
    `${name}: ${trace.format}, ${trace.lines.toLocaleString("en-US")} lines, ` +
    `${trace.cpus} CPUs, ${skipped} skipped`
  );
}

/** A recording with holes predicts, and is matched, as if nothing had happened in them. */
function holesOf({ trace }: ReplayResult): string[] {
  const { skipped, lostEvents, lostMarks } = trace;
  const reasons = skipped["unknownReason"] ?? 0;
  return [
    ...(lostMarks === 0
      ? []
      : [`the recording has ${lostMarks} holes (${lostEvents} events): no measure of the replay`]),
    ...(reasons === 0 ? [] : [`${reasons} tlb_flush lines with reasons nobody knows: left out`]),
  ];
}

function causesOf(result: ReplayResult): string {
  const rows = Object.entries(result.byCause).map(([cause, counts]) => [
    cause,
    ...FLUSH_KINDS.map((kind) => counts[kind]),
    counts.csd,
    counts.ipis,
  ]);
  return formatTable(["predicted for", ...FLUSH_KINDS, "requests", "IPIs"], rows, 1);
}

/** A recording that shows no page faults, and therefore no flushes either. */
function formatIntent(result: ReplayResult, name: string): string {
  const { model, predicted, trace } = result;
  return [
    headOf(result, name),
    `residency: ${trace.residency} (at most ${model?.residentPages ?? 0} pages of each mapping ` +
      `are present when a call takes them away; ${model?.touched ?? 0} were)`,
    `placement: inferred (a CPU for each thread, as long as there are some); ` +
      `${model?.guessedThreads ?? 0} threads without a birth`,
    "",
    causesOf(result),
    "",
    `all: ${predicted.local} local flushes, ${predicted.send} shootdowns, ` +
      `${predicted.csd} requests to other CPUs, ${predicted.ipis} IPIs, ` +
      `${predicted.remote} remote flushes`,
    "an estimate: the recording shows no flushes, so there is nothing to compare with",
    "",
  ].join("\n");
}

function formatReplay(result: ReplayResult, name: string): string {
  const { fidelity } = result;
  if (result.trace.residency === "inferred") return formatIntent(result, name);
  if (fidelity === null) {
    return `${name}: no tlb_flush lines, so there is nothing to compare the prediction with\n`;
  }
  const percent = (value: number): string => `${(value * 100).toFixed(2)} %`;
  const rows = FLUSH_KINDS.map((kind) => {
    const score = fidelity.byKind[kind];
    return [
      kind,
      result.predicted[kind],
      result.observed[kind],
      percent(score.precision),
      percent(score.recall),
      percent(score.f1),
    ];
  });
  return [
    headOf(result, name),
    ...holesOf(result),
    "",
    formatTable(["flushes", "predicted", "observed", "precision", "recall", "f1"], rows, 1),
    "",
    `all: precision ${percent(fidelity.precision)}, recall ${percent(fidelity.recall)}, ` +
      `f1 ${percent(fidelity.f1)}; pages exact in ${percent(fidelity.pagesExact)}`,
    `requests to other CPUs: ${result.predicted.csd} predicted, ${result.observed.csd} observed`,
    `inferred: ${result.inferred.mms} address spaces, ${result.inferred.vmas} mappings, ` +
      `${result.inferred.pages} pages, ${result.inferred.switches} switches`,
    "",
    causesOf(result),
    "",
  ].join("\n");
}

export function addReplay(program: Command, finish: (code: number) => void): void {
  withTrace(withCommon(program.command("replay <trace>")))
    .summary("predict a recording's flushes and hold them against what the kernel did")
    .option("--era <name>", "notification era", "coupled")
    .option("--policy <name>", "flush policy", "concurrent")
    .option("--profile <name>", "cost profile, or a .json file of one", "guest-kvm")
    .option("--min-f1 <percent>", "exit with 1 below this, 0 to 100")
    .addHelpText(
      "after",
      `
Examples:
  shootdown replay redis.ftrace.gz
  shootdown replay redis.ftrace.gz --min-f1 90 --json
  strace -f -ttt -T -e trace=%memory,%process,futex -o app.strace ./app
  shootdown replay app.strace --resident-pages 64
TRACE is the text of ftrace, trace-cmd report, perf script or strace, plain or gzip.
A prediction is right if thread, enclosing call or fault, kind and pages agree. strace shows
neither faults nor flushes: its residency is inferred, and the prediction stands alone.
Exit codes: 0 replayed, 1 f1 below --min-f1, 2 usage, a recording that cannot be read, or
--min-f1 with one that has no flushes.`,
    )
    .action(async (trace: string, options: Options) => {
      const least =
        options.minF1 === undefined ? 0 : wholeNumber("--min-f1", options.minF1, 0, 100);
      const progress = new Progress(options.quiet === true);
      const result = await replayTrace(trace, {
        era: options.era,
        policy: options.policy,
        profile: await profileFrom(options.profile),
        seed: seedOf(options),
        ...traceOptions(options),
        onProgress: (lines) => {
          progress.update(`${lines.toLocaleString("en-US")} lines`);
        },
      });
      progress.done();
      if (options.minF1 !== undefined && result.fidelity === null) {
        const message = "--min-f1: the recording shows no flushes to compare with";
        throw new ArgumentError("E_EMPTY", message, { argument: "--min-f1" });
      }
      if (options.json === true) await printJson(result);
      else await print(formatReplay(result, trace));
      const f1 = result.fidelity?.f1 ?? 1;
      finish(f1 * 100 < least ? EXIT_FOUND : EXIT_OK);
    });
}
