/** From figures of a recording to prices of the micro-ops they are made of. */
import type { CostName, OpName } from "../program/ops.js";
import type { CostProfile, Price } from "../kernel/profile.js";
import type { LineFit } from "./line-fit.js";
import type { Estimate } from "./sample.js";

/** Fewer observations are not trusted: the price stays that of the base profile. */
export const OBSERVATIONS_LEAST = 10;

/** A price of the fitted profile. */
export interface FittedPrice {
  readonly name: OpName | CostName;
  readonly ns: number;
  /** `recording`, or `base`: not seen, or not often enough. */
  readonly from: "recording" | "base";
  readonly source: string;
}

/** What was measured; null where the recording does not show it. */
export interface Measured {
  readonly csd: Estimate | null;
  readonly ipiToOwn: Estimate | null;
  readonly ipiToRemote: Estimate | null;
  readonly exitToNext: Estimate | null;
  /** From the last flush to the return of one kind of call, with and without other CPUs. */
  readonly rests: { readonly shootdown: Estimate; readonly local: Estimate } | null;
  readonly fullHalf: Estimate | null;
  readonly flush: LineFit | null;
  /** Calls that flushed their own CPU only, once, in the number of pages seen most. */
  readonly readCall: { readonly pages: number; readonly estimate: Estimate } | null;
  readonly writeCall: { readonly pages: number; readonly estimate: Estimate } | null;
}

function seen<T extends { readonly count: number }>(figure: T | null): figure is T {
  return figure !== null && figure.count >= OBSERVATIONS_LEAST;
}

const ns = (value: number): string => `${Math.round(value)} ns`;

function interval(figure: Estimate): string {
  return `n = ${figure.count}, 95 % ${Math.round(figure.lowNs)} to ${ns(figure.highNs)}`;
}

class Fitter {
  readonly fitted = new Map<OpName | CostName, Price>();

  constructor(private readonly base: CostProfile) {}

  set(name: OpName | CostName, value: number, source: string): void {
    this.fitted.set(name, { ns: Math.max(0, Math.round(value)), source });
  }

  price(name: OpName | CostName): number {
    return this.fitted.get(name)?.ns ?? this.base.prices[name]?.ns ?? 0;
  }

  send(measured: Measured): void {
    const { csd, ipiToOwn, ipiToRemote } = measured;
    if (seen(csd)) {
      this.set("csd", csd.ns, `first csd queued to IPI sent, a target: ${interval(csd)}`);
    }
    if (seen(ipiToOwn)) {
      this.set("ipi", ipiToOwn.ns, `IPI sent to own flush start: ${interval(ipiToOwn)}`);
    }
    if (!seen(ipiToRemote)) return;
    const less = this.price("ipi") + this.price("csq.take");
    const what = `IPI sent to entry on the target, ${ns(ipiToRemote.ns)}, less ipi and csq.take`;
    this.set("deliver", ipiToRemote.ns - less, `${what}: ${interval(ipiToRemote)}`);
  }

  flush(measured: Measured): void {
    const { flush, fullHalf } = measured;
    if (seen(flush)) {
      const { count, groups } = flush;
      const what = `entry to exit of ${count} ranged flushes, ${groups.length} numbers of pages`;
      const fixed = `95 % ${Math.round(flush.fixedLowNs)} to ${ns(flush.fixedHighNs)}`;
      const page = `95 % ${Math.round(flush.pageLowNs)} to ${ns(flush.pageHighNs)}`;
      this.set("flushFixed", flush.fixedNs, `${what}: intercept, ${fixed}`);
      this.set("flushPage", flush.pageNs, `${what}: slope, ${page}`);
    }
    if (!seen(fullHalf)) return;
    const rest = fullHalf.ns - this.price("flushFixed");
    const what = `entry to exit of a full flush, ${ns(fullHalf.ns)}, less flushFixed`;
    this.set("flushFull", rest, `${what}: ${interval(fullHalf)}`);
    this.set("switchFlush", rest, `as flushFull, the same instruction: ${interval(fullHalf)}`);
  }

  ack({ exitToNext, rests }: Measured): void {
    if (rests !== null && seen(rests.shootdown) && seen(rests.local)) {
      const { shootdown, local } = rests;
      const what =
        `last target's exit to the return of a call, ${ns(shootdown.ns)}, less own flush to ` +
        `return without other CPUs, ${ns(local.ns)}, and csd.unlock`;
      const rest = shootdown.ns - local.ns - this.price("csd.unlock");
      this.set("ack", rest, `${what}: ${interval(shootdown)}`);
      return;
    }
    if (!seen(exitToNext)) return;
    const most = exitToNext.ns - this.price("csd.unlock");
    if (most >= this.price("ack")) return;
    const what = `at most: last target's exit to the initiator's next line, less csd.unlock`;
    this.set("ack", most, `${what}: ${interval(exitToNext)}`);
  }

  /** What is left of a call is what the profile puts on taking mmapLock: entry, exit, VMA. */
  calls({ readCall, writeCall }: Measured): void {
    const around = this.price("gather.begin") + this.price("gather.end") + this.price("ptl.lock");
    const flush = (pages: number): number =>
      this.price("flushFixed") + pages * this.price("flushPage");
    if (readCall !== null && seen(readCall.estimate)) {
      const { pages, estimate } = readCall;
      const page = this.price("pte.clear") + this.price("freePage");
      const rest = estimate.ns - around - flush(pages) - pages * page;
      const what = `madvise of ${pages} pages, ${ns(estimate.ns)}, less what else is priced`;
      this.set("mmap.read.lock", rest, `${what}: ${interval(estimate)}`);
    }
    if (writeCall === null || !seen(writeCall.estimate)) return;
    const { pages, estimate } = writeCall;
    const rest = estimate.ns - around - flush(pages) - pages * this.price("pte.protect");
    const what = `mprotect of ${pages} pages, ${ns(estimate.ns)}, less what else is priced`;
    this.set("mmap.write.lock", rest, `${what}: ${interval(estimate)}`);
  }
}

/** All prices of the base profile, those that were measured replaced, and those only measured. */
export function fitPrices(measured: Measured, base: CostProfile): FittedPrice[] {
  const fitter = new Fitter(base);
  fitter.send(measured);
  fitter.flush(measured);
  fitter.ack(measured);
  fitter.calls(measured);
  const names = new Set([...fitter.fitted.keys(), ...Object.keys(base.prices)]) as Set<
    OpName | CostName
  >;
  return [...names].map((name) => {
    const fitted = fitter.fitted.get(name);
    if (fitted !== undefined) {
      return { name, ...fitted, source: `recording: ${fitted.source}`, from: "recording" };
    }
    const old = base.prices[name];
    const source = `not in the recording, as ${base.name}: ${old?.source ?? ""}`;
    return { name, ns: old?.ns ?? 0, source, from: "base" };
  });
}
