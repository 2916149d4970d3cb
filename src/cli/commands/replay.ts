import type { Command } from "commander";
import { FLUSH_KINDS } from "../../replay/fidelity.js";
import { replayTrace, type ReplayResult } from "../../replay/replay.js";
import { profileFrom } from "../files.js";
import { EXIT_FOUND, EXIT_OK, print, printJson } from "../io.js";
import { type CommonOptions, seedOf, withCommon, wholeNumber } from "../options.js";
import { Progress } from "../progress.js";
import { formatTable } from "../table.js";

interface Options extends CommonOptions {
  readonly era: string;
  readonly policy: string;
  readonly profile: string;
  readonly lenient?: boolean;
  readonly minF1?: string;
}

function formatReplay(result: ReplayResult, name: string): string {
  const { fidelity } = result;
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
  const skipped = Object.values(result.trace.skipped).reduce((sum, n) => sum + n, 0);
  return [
    `${name}: ${result.trace.lines.toLocaleString("en-US")} lines, ${result.trace.cpus} CPUs, ` +
      `${skipped} skipped`,
    "",
    formatTable(["flushes", "predicted", "observed", "precision", "recall", "f1"], rows, 1),
    "",
    `all: precision ${percent(fidelity.precision)}, recall ${percent(fidelity.recall)}, ` +
      `f1 ${percent(fidelity.f1)}; pages exact in ${percent(fidelity.pagesExact)}`,
    `requests to other CPUs: ${result.predicted.csd} predicted, ${result.observed.csd} observed`,
    `inferred: ${result.inferred.mms} address spaces, ${result.inferred.vmas} mappings, ` +
      `${result.inferred.pages} pages, ${result.inferred.switches} switches`,
    "",
  ].join("\n");
}

export function addReplay(program: Command, finish: (code: number) => void): void {
  withCommon(program.command("replay <trace>"))
    .summary("predict a recording's flushes and hold them against what the kernel did")
    .option("--era <name>", "notification era", "coupled")
    .option("--policy <name>", "flush policy", "concurrent")
    .option("--profile <name>", "cost profile, or a .json file of one", "guest-kvm")
    .option("--min-f1 <percent>", "exit with 1 below this, 0 to 100")
    .option("--lenient", "skip and count lines that cannot be read")
    .addHelpText(
      "after",
      `
Examples:
  shootdown replay redis.ftrace.gz
  shootdown replay redis.ftrace.gz --min-f1 90 --json
A prediction is right if thread, enclosing call or fault, kind and pages agree.`,
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
        lenient: options.lenient === true,
        onProgress: (lines) => {
          progress.update(`${lines.toLocaleString("en-US")} lines`);
        },
      });
      progress.done();
      if (options.json === true) await printJson(result);
      else await print(formatReplay(result, trace));
      const f1 = result.fidelity?.f1 ?? 1;
      finish(f1 * 100 < least ? EXIT_FOUND : EXIT_OK);
    });
}
