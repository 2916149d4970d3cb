/**
 * Latencies as HdrHistograms: percentiles, and logs that other tools merge and draw. The only
 * module that needs hdr-histogram-js; the library's main entry does not load it.
 */
import { build, type Histogram, HistogramLogWriter } from "hdr-histogram-js";

/** ns with how often each occurred. */
export type LatencyCounts = readonly (readonly [ns: number, count: number])[];

/** Percentiles of a histogram of three significant digits; max and mean are exact. ns. */
export interface Percentiles {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly mean: number;
}

/** ns to ms, for the largest value that a log line tells. */
const NS_A_MS = 1e6;

/** Three significant digits, from 1 ns up. */
export function histogramOf(latencies: LatencyCounts): Histogram {
  const histogram = build({ numberOfSignificantValueDigits: 3, bitBucketSize: 64 });
  for (const [ns, count] of latencies) histogram.recordValueWithCount(ns, count);
  return histogram;
}

/** Percentiles of latencies; all zero if there are none. */
export function percentilesOf(latencies: LatencyCounts): Percentiles {
  const histogram = histogramOf(latencies);
  let count = 0;
  let total = 0;
  let max = 0;
  for (const [ns, times] of latencies) {
    count += times;
    total += ns * times;
    max = Math.max(max, ns);
  }
  // What a bucket is called is its largest value, which nobody may have taken.
  const at = (percent: number): number =>
    count === 0 ? 0 : Math.min(max, histogram.getValueAtPercentile(percent));
  return {
    count,
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max,
    mean: count === 0 ? 0 : total / count,
  };
}

/** One line of a log. */
export interface LogEntry {
  /** Letters, digits, `.`, `-`, `=`: what it is of. */
  readonly tag: string;
  /** Simulated time it covers. */
  readonly ns: number;
  readonly latencies: LatencyCounts;
}

/**
 * An HdrHistogram log (format 1.3): values in ns, interval maxima in ms, time stamps in seconds of
 * simulated time. Same entries, same bytes.
 */
export function histogramLog(comments: readonly string[], entries: readonly LogEntry[]): string {
  const parts: string[] = [];
  const writer = new HistogramLogWriter((text) => parts.push(text));
  writer.outputLogFormatVersion();
  for (const comment of comments) writer.outputComment(comment);
  writer.outputLegend();
  for (const { tag, ns, latencies } of entries) {
    const histogram = histogramOf(latencies);
    histogram.tag = tag;
    writer.outputIntervalHistogram(histogram, 0, ns / 1e9, NS_A_MS);
  }
  return parts.join("");
}
