/**
 * Fidelity: predicted flushes held against observed ones.
 *
 * Both sides are multisets of (kind, thread, cause, pages), where the cause is the enclosing system
 * call or fault (or the switch). A predicted flush is right if an observed one equals it in all
 * four; `anyPages` leaves the page count out.
 */
import type { Flush, FlushKind } from "./prediction.js";

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

export const FLUSH_KINDS: readonly FlushKind[] = ["local", "remote", "send", "switch", "wrongCpu"];

function scoreOf(matched: number, predicted: number, observed: number): Score {
  const precision = predicted === 0 ? 1 : matched / predicted;
  const recall = observed === 0 ? 1 : matched / observed;
  const f1 = precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
  return { precision: round(precision), recall: round(recall), f1: round(f1) };
}

function round(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

function matches(
  predicted: readonly Flush[],
  observed: readonly Flush[],
  key: (flush: Flush) => string,
): number {
  const left = new Map<string, number>();
  for (const flush of observed) left.set(key(flush), (left.get(key(flush)) ?? 0) + 1);
  let matched = 0;
  for (const flush of predicted) {
    const n = left.get(key(flush)) ?? 0;
    if (n === 0) continue;
    left.set(key(flush), n - 1);
    matched++;
  }
  return matched;
}

const loose = (flush: Flush): string => `${flush.kind}|${flush.tid}|${flush.cause}`;
const strict = (flush: Flush): string => `${loose(flush)}|${flush.pages}`;

/** Compares two multisets of flushes. */
export function fidelityOf(predicted: readonly Flush[], observed: readonly Flush[]): Fidelity {
  const exact = matches(predicted, observed, strict);
  const any = matches(predicted, observed, loose);
  const byKind = Object.fromEntries(
    FLUSH_KINDS.map((kind) => {
      const p = predicted.filter((flush) => flush.kind === kind);
      const o = observed.filter((flush) => flush.kind === kind);
      const score = scoreOf(matches(p, o, strict), p.length, o.length);
      return [kind, { ...score, predicted: p.length, observed: o.length }];
    }),
  ) as Fidelity["byKind"];
  return {
    ...scoreOf(exact, predicted.length, observed.length),
    anyPages: scoreOf(any, predicted.length, observed.length),
    pagesExact: any === 0 ? 1 : round(exact / any),
    byKind,
  };
}
