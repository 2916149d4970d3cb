/**
 * calibrateTrace(): a cost profile from the csd, ipi and tlb lines of a recording, and from the
 * durations of its system calls.
 *
 * Tracing itself takes time on the CPU that is traced, a few hundred ns a line, so figures are
 * those of a traced kernel: upper bounds of an untraced one's.
 */
import { ArgumentError, TraceError } from "../errors.js";
import { Catalogue } from "../kernel/catalogue.js";
import { checkProfile } from "../kernel/profile-file.js";
import type { CostProfile, Price } from "../kernel/profile.js";
import { canonicalSeed } from "../seed.js";
import { readTrace } from "../traces/read-trace.js";
import type { TraceSource } from "../traces/open.js";
import { CallTimings, type CallFlush, type CallSample, type MeasuredCall } from "./calls.js";
import { fitLine, type LineFit } from "./line-fit.js";
import { fitPrices, type FittedPrice, type Measured } from "./prices.js";
import { RequestTimings } from "./requests.js";
import { Dice, type Estimate, estimateOf, type Sample } from "./sample.js";

/** How to calibrate; everything has a default. */
export interface CalibrateOptions {
  /** Of the profile: lower case, digits, dashes; `calibrated` by default. */
  readonly name?: string;
  /** Where prices come from that the recording does not show; `guest-kvm` by default. */
  readonly base?: string | CostProfile;
  readonly seed?: string | number | bigint;
  /** Pass over and count lines that cannot be read. */
  readonly lenient?: boolean;
  readonly onProgress?: (lines: number) => void;
}

/** One measured duration. */
export interface CalibrateFigure extends Estimate {
  readonly name: string;
  readonly title: string;
}

/** Durations of a call that did the same about TLBs. */
export interface CalibrateCall extends Estimate {
  readonly call: MeasuredCall;
  readonly flush: CallFlush;
  /** Pages its own CPU flushed; -1 everything. */
  readonly pages: number;
}

/** See {@link calibrateTrace}. Same recording, same seed: the same bytes. */
export interface CalibrateResult {
  readonly seed: string;
  readonly trace: {
    readonly lines: number;
    readonly events: number;
    readonly lostEvents: number;
    readonly lostMarks: number;
    readonly skipped: Readonly<Record<string, number>>;
    readonly cpus: number;
    readonly durationNs: number;
  };
  /** Greatest unit that all stamps are multiples of, at most 1 ms. */
  readonly resolutionNs: number;
  readonly figures: readonly CalibrateFigure[];
  /** ns of a ranged flush over its pages, on initiators and targets; null if all had one size. */
  readonly flushLine: LineFit | null;
  readonly calls: readonly CalibrateCall[];
  readonly prices: readonly FittedPrice[];
  /** Ready to be used. */
  readonly profile: CostProfile;
}

const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;
const RESOLUTION_MOST = 1_000_000;

const TITLES = {
  enqueueToIpi: "first csd queued to ipi_send",
  csd: "the same, a target",
  ipiToOwn: "ipi_send to own flush start",
  enqueueToOwn: "first csd queued to own flush start",
  ipiToRemote: "ipi_send to csd entry on a target",
  enqueueToRemote: "csd queued to its entry on the target",
  remoteHalf: "csd entry to exit on a target",
  emptyHalf: "the same or own half, nothing left to flush",
  fullHalf: "the same or own half, full flush",
  exitToNext: "last target's exit to the initiator's next line",
} as const;

type FigureName = keyof typeof TITLES;

function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/** Facts that need every line. */
class Facts {
  resolutionNs = RESOLUTION_MOST;
  firstNs = Infinity;
  lastNs = 0;
  cpus = 1;

  see(timeNs: number, cpu: number): void {
    if (this.resolutionNs > 1) this.resolutionNs = gcd(timeNs, this.resolutionNs);
    this.firstNs = Math.min(this.firstNs, timeNs);
    this.lastNs = Math.max(this.lastNs, timeNs);
    this.cpus = Math.max(this.cpus, cpu + 1);
  }
}

function callOf(
  samples: readonly CallSample[],
  call: MeasuredCall,
  estimate: (sample: Sample) => Estimate | null,
): { pages: number; estimate: Estimate } | null {
  const own = samples.filter((s) => s.call === call && s.flush === "local" && s.pages > 0);
  const most = own.reduce<CallSample | null>(
    (best, s) => (best === null || s.sample.count > best.sample.count ? s : best),
    null,
  );
  const found = most === null ? null : estimate(most.sample);
  return most === null || found === null ? null : { pages: most.pages, estimate: found };
}

/** Of the calls that occur often both with and without a shootdown, the most frequent one. */
function restsOf(
  samples: readonly CallSample[],
  estimate: (sample: Sample) => Estimate | null,
): Measured["rests"] {
  let best: readonly [CallSample, CallSample] | null = null;
  let most = 0;
  for (const shootdown of samples.filter(({ flush }) => flush === "shootdown")) {
    const { call, pages } = shootdown;
    const local = samples.find((s) => s.flush === "local" && s.call === call && s.pages === pages);
    const count = Math.min(shootdown.rest.count, local?.rest.count ?? 0);
    if (local === undefined || count <= most) continue;
    best = [shootdown, local];
    most = count;
  }
  const [shootdown, local] = [best && estimate(best[0].rest), best && estimate(best[1].rest)];
  return shootdown === null || local === null ? null : { shootdown, local };
}

function profileOf(
  name: string,
  base: CostProfile,
  prices: readonly FittedPrice[],
  facts: string,
): CostProfile {
  const list = prices.map(({ name, ns, source }): [string, Price] => [name, { ns, source }]);
  return checkProfile({
    name,
    title: `fitted to a recording, the rest as ${base.name}`,
    source: facts,
    ...(base.cpusPerSocket === undefined ? {} : { cpusPerSocket: base.cpusPerSocket }),
    prices: Object.fromEntries(list),
  });
}

/**
 * Fits a cost profile to a recording.
 * @param source - ftrace text, plain or gzip, with the csd, ipi and tlb events
 * @throws TraceError for a recording that cannot be read, E_PARSE for one that shows no shootdown;
 * ArgumentError E_TYPE for a bad name, E_NOENT for an unknown base profile.
 */
export async function calibrateTrace(
  source: TraceSource,
  options: CalibrateOptions = {},
): Promise<CalibrateResult> {
  const seed = canonicalSeed(options.seed ?? 1);
  const name = options.name ?? "calibrated";
  if (!NAME.test(name)) {
    const message = `name must be lower-case letters, digits and dashes, got ${name}`;
    throw new ArgumentError("E_TYPE", message, { argument: "name", value: name });
  }
  const base =
    typeof options.base === "object"
      ? options.base
      : Catalogue.standard.profile(options.base ?? "guest-kvm");
  const dice = new Dice(Number(BigInt.asIntN(32, seed)));
  const requests = new RequestTimings(dice);
  const calls = new CallTimings(dice);
  const facts = new Facts();
  const reader = readTrace(source, { lenient: options.lenient === true });
  for await (const batch of reader) {
    for (const event of batch) {
      facts.see(event.timeNs, event.cpu);
      requests.event(event);
      calls.event(event);
    }
    options.onProgress?.(reader.stats.lines);
  }
  if (requests.remoteHalf.count === 0) {
    throw new TraceError("E_PARSE", "the recording shows no flush_tlb_func on another CPU", {
      needs: "csd_queue_cpu, csd_function_entry, csd_function_exit, ipi_send_cpu, tlb_flush",
    });
  }
  const { resolutionNs } = facts;
  const estimate = (sample: Sample): Estimate | null => estimateOf(sample, resolutionNs, dice);
  const found = new Map<FigureName, Estimate | null>();
  for (const figure of Object.keys(TITLES) as FigureName[]) {
    found.set(figure, estimate(requests[figure]));
  }
  const of = (figure: FigureName): Estimate | null => found.get(figure) ?? null;
  const flushLine = fitLine(requests.ranged, resolutionNs, dice);
  const samples = calls.list();
  const measured: Measured = {
    csd: of("csd"),
    ipiToOwn: of("ipiToOwn"),
    ipiToRemote: of("ipiToRemote"),
    exitToNext: of("exitToNext"),
    rests: restsOf(samples, estimate),
    fullHalf: of("fullHalf"),
    flush: flushLine,
    readCall: callOf(samples, "madvise", estimate),
    writeCall: callOf(samples, "mprotect", estimate),
  };
  const prices = fitPrices(measured, base);
  const { stats } = reader;
  const summary =
    `${stats.events} events, ${requests.remoteHalf.count} calls on targets, ` +
    `stamps of ${resolutionNs} ns, tracing included`;
  return {
    seed: `${seed}`,
    trace: {
      lines: stats.lines,
      events: stats.events,
      lostEvents: stats.lostEvents,
      lostMarks: stats.lostMarks,
      skipped: { ...stats.skipped },
      cpus: Math.max(stats.cpus, facts.cpus),
      durationNs: facts.lastNs - facts.firstNs,
    },
    resolutionNs,
    figures: (Object.keys(TITLES) as FigureName[]).flatMap((figure) => {
      const value = of(figure);
      return value === null ? [] : [{ name: figure, title: TITLES[figure], ...value }];
    }),
    flushLine,
    calls: samples.flatMap(({ call, flush, pages, sample }) => {
      const value = estimate(sample);
      return value === null ? [] : [{ call, flush, pages, ...value }];
    }),
    prices,
    profile: profileOf(name, base, prices, summary),
  };
}
