import type { Command } from "commander";
import { calibrateTrace, type CalibrateResult } from "../../calibrate/calibrate.js";
import type { Estimate } from "../../calibrate/sample.js";
import { profileFrom, save } from "../files.js";
import { EXIT_OK, print, printJson } from "../io.js";
import { type CommonOptions, seedOf, withCommon } from "../options.js";
import { Progress } from "../progress.js";
import { formatTable } from "../table.js";

interface Options extends CommonOptions {
  readonly name: string;
  readonly base: string;
  readonly output?: string;
  readonly lenient?: boolean;
}

const ESTIMATE_HEAD = ["count", "ns", "95 % from", "to", "p10", "median", "p90", "residual"];

function cells(figure: Estimate): number[] {
  const { count, ns, lowNs, highNs, p10Ns, medianNs, p90Ns, residualNs } = figure;
  return [count, ...[ns, lowNs, highNs, p10Ns, medianNs, p90Ns, residualNs].map(Math.round)];
}

function formatLine({ flushLine: line }: CalibrateResult): string[] {
  if (line === null) return ["ranged flushes: all of one size, no line can be fitted"];
  const r2 = line.r2 === null ? "none: two numbers of pages, or all alike" : line.r2.toFixed(3);
  const round = Math.round;
  return [
    `ranged flush, Theil-Sen over ${line.groups.length} numbers of pages, ${line.count} flushes:`,
    `  fixed ${round(line.fixedNs)} ns (95 % ${round(line.fixedLowNs)} to ` +
      `${round(line.fixedHighNs)}), a page ${line.pageNs.toFixed(1)} ns (95 % ` +
      `${line.pageLowNs.toFixed(1)} to ${line.pageHighNs.toFixed(1)})`,
    `  median residual ${round(line.residualNs)} ns, R2 ${r2}`,
  ];
}

function formatCalibration(result: CalibrateResult, trace: string): string {
  const figures = result.figures.map((figure) => [figure.title, ...cells(figure)]);
  const calls = result.calls.map((call) => [
    call.call,
    call.flush,
    call.pages === -1 ? "all" : String(call.pages),
    ...cells(call),
  ]);
  const prices = result.prices.map(({ name, ns, from, source }) => [name, from, ns, source]);
  return [
    `${trace}: ${result.trace.lines.toLocaleString("en-US")} lines, ${result.trace.cpus} CPUs, ` +
      `stamps of ${result.resolutionNs} ns, seed ${result.seed}`,
    "",
    formatTable(["ns between lines", ...ESTIMATE_HEAD], figures, 1),
    "",
    ...formatLine(result),
    "",
    formatTable(["call", "flush", "pages", ...ESTIMATE_HEAD], calls, 3),
    "",
    formatTable(
      ["price", "from", "ns", "how"],
      prices.map(([name, from, ns, source]) => [name, from, String(ns), source]),
      4,
    ),
    "",
    "ns: the median, or from 5 units of resolution down the mean without outliers;",
    "residual: median distance of a value from it. Tracing's own time is in all of them.",
    "",
  ].join("\n");
}

export function addCalibrate(program: Command, finish: (code: number) => void): void {
  withCommon(program.command("calibrate <trace>"))
    .summary("fit a cost profile to the csd, ipi and tlb events of a recording")
    .option("--name <name>", "name of the profile", "calibrated")
    .option("--base <name>", "where prices come from that the recording does not show", "guest-kvm")
    .option("--output <file>", "write the profile, for --profile FILE.json")
    .option("--lenient", "skip and count lines that cannot be read")
    .addHelpText(
      "after",
      `
Examples:
  shootdown calibrate madvise.ftrace.gz --name my-guest --output my-guest.json
  shootdown simulate --profile my-guest.json --policy sync
  shootdown calibrate madvise.ftrace.gz --json
Exit code: 0, or 2 for usage, bad input, or a recording without a flush on another CPU.`,
    )
    .action(async (trace: string, options: Options) => {
      const progress = new Progress(options.quiet === true);
      const result = await calibrateTrace(trace, {
        name: options.name,
        base: await profileFrom(options.base),
        seed: seedOf(options),
        lenient: options.lenient === true,
        onProgress: (lines) => {
          progress.update(`${lines.toLocaleString("en-US")} lines`);
        },
      });
      progress.done();
      if (options.output !== undefined) {
        await save(options.output, `${JSON.stringify(result.profile, null, 2)}\n`);
      }
      if (options.json === true) await printJson(result);
      else await print(formatCalibration(result, trace));
      finish(EXIT_OK);
    });
}
