/**
 * How well a replay predicts a recording. A predicted flush is right if an observed one has the
 * same kind, thread, cause (the enclosing system call, fault, exit or switch) and pages; each is
 * matched once. Then
 *
 *   precision = right / predicted    recall = right / observed    f1 = their harmonic mean
 *
 * The headline is over all five kinds of `tlb_flush` lines together; `anyPages` leaves the page
 * count out.
 */
import { type Flush, FLUSH_KINDS, type FlushKind } from "./flushes.js";

export { FLUSH_KINDS };

/** Precision, recall and their harmonic mean, 0 to 1; 1 where there was nothing to predict. */
export interface Score {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** How a prediction compares. */
export interface Fidelity extends Score {
  /** The same without comparing page counts. */
  readonly anyPages: Score;
  /** Share of flushes matched without their pages whose pages agree as well. */
  readonly pagesExact: number;
  readonly byKind: Readonly<Record<FlushKind, Score & { predicted: number; observed: number }>>;
}

interface Tally {
  predicted: number;
  observed: number;
  matched: number;
  exact: number;
}

interface Group {
  readonly kind: FlushKind;
  readonly predicted: number[];
  readonly observed: number[];
  /** Flushes seen when it last grew. */
  at: number;
}

/** A group that has not grown for so many flushes is closed: memory stays bounded. */
const PATIENCE = 1 << 15;

function round(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

function scoreOf(right: number, predicted: number, observed: number): Score {
  const precision = predicted === 0 ? 1 : right / predicted;
  const recall = observed === 0 ? 1 : right / observed;
  const sum = precision + recall;
  const f1 = sum === 0 ? 0 : (2 * precision * recall) / sum;
  return { precision: round(precision), recall: round(recall), f1: round(f1) };
}

/** Matches flushes as they come. */
export class Matcher {
  private readonly groups = new Map<string, Group>();
  private readonly tallies = new Map<FlushKind, Tally>();
  private seen = 0;

  /** @param onMiss - hears of every flush that stands alone, for those who look for the reason */
  constructor(private readonly onMiss?: (flush: Flush, side: "predicted" | "observed") => void) {
    for (const kind of FLUSH_KINDS) {
      this.tallies.set(kind, { predicted: 0, observed: 0, matched: 0, exact: 0 });
    }
  }

  predicted(flush: Flush): void {
    this.group(flush).predicted.push(flush.pages);
  }

  observed(flush: Flush): void {
    this.group(flush).observed.push(flush.pages);
  }

  private group(flush: Flush): Group {
    const key = `${flush.kind}|${flush.tid}|${flush.cause}`;
    let group = this.groups.get(key);
    if (group === undefined) {
      group = { kind: flush.kind, predicted: [], observed: [], at: 0 };
      this.groups.set(key, group);
    }
    group.at = ++this.seen;
    if (this.seen % PATIENCE === 0) this.sweep(this.seen - PATIENCE);
    return group;
  }

  private sweep(before: number): void {
    for (const [key, group] of this.groups) {
      if (group.at > before) continue;
      this.close(key, group);
      this.groups.delete(key);
    }
  }

  private close(key: string, group: Group): void {
    const tally = this.tallies.get(group.kind);
    if (tally === undefined) return;
    tally.predicted += group.predicted.length;
    tally.observed += group.observed.length;
    const left = [...group.observed];
    const others: number[] = [];
    for (const pages of group.predicted) {
      const same = left.indexOf(pages);
      if (same < 0) {
        others.push(pages);
        continue;
      }
      left.splice(same, 1);
      tally.exact++;
      tally.matched++;
    }
    const loose = Math.min(left.length, others.length);
    tally.matched += loose;
    if (this.onMiss === undefined) return;
    const [, tid, ...cause] = key.split("|");
    const base = { kind: group.kind, tid: Number(tid), cause: cause.join("|") };
    for (const pages of others.slice(loose)) this.onMiss({ ...base, pages }, "predicted");
    for (const pages of left.slice(loose)) this.onMiss({ ...base, pages }, "observed");
  }

  /** The result; nothing may be added afterwards. */
  finish(): Fidelity {
    this.sweep(Infinity);
    const all: Tally = { predicted: 0, observed: 0, matched: 0, exact: 0 };
    const byKind = {} as Record<FlushKind, Score & { predicted: number; observed: number }>;
    for (const [kind, { predicted, observed, matched, exact }] of this.tallies) {
      byKind[kind] = { ...scoreOf(exact, predicted, observed), predicted, observed };
      all.predicted += predicted;
      all.observed += observed;
      all.matched += matched;
      all.exact += exact;
    }
    return {
      ...scoreOf(all.exact, all.predicted, all.observed),
      anyPages: scoreOf(all.matched, all.predicted, all.observed),
      pagesExact: all.matched === 0 ? 1 : round(all.exact / all.matched),
      byKind,
    };
  }
}

/** Compares two lists of flushes at once. */
export function fidelityOf(predicted: readonly Flush[], observed: readonly Flush[]): Fidelity {
  const matcher = new Matcher();
  for (const flush of predicted) matcher.predicted(flush);
  for (const flush of observed) matcher.observed(flush);
  return matcher.finish();
}
