/**
 * Robust estimates of a duration from stamps of limited resolution, with an interval by bootstrap.
 *
 * A stamp is cut to its resolution, so one difference is wrong by up to a whole unit either way,
 * and their mean is not. A duration of several units is estimated by the median of grouped data: a
 * value stands for the unit around it, and the median is where in its unit half of them are below.
 * A shorter one has a median that says little (0 or 1 unit): it is the mean of what is no outlier.
 */
import { quantileSorted } from "simple-statistics";

/** Most values that are kept of one figure; beyond, a uniform sample of them. */
const KEPT = 8192;
const RESAMPLES = 200;
/** Below so many units of resolution a median is too coarse. */
const COARSE_UNITS = 5;
/** Scaled median absolute deviations around the median; farther is an outlier. */
const OUTLIER_MADS = 3;
/** Makes the median absolute deviation of normal noise its standard deviation. */
const MAD_SCALE = 1.4826;

/** Numbers that follow from a seed (mulberry32); fast, for resampling only. */
export class Dice {
  constructor(private state: number) {}

  /** A whole number in [0, below). */
  below(below: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  }
}

/** How a figure was estimated: the median is that of grouped data. */
export type Method = "median" | "mean without outliers";

/** A figure of a recording, ns. */
export interface Estimate {
  readonly count: number;
  readonly ns: number;
  readonly method: Method;
  readonly p10Ns: number;
  readonly medianNs: number;
  readonly p90Ns: number;
  /** Median distance of a value from the estimate. */
  readonly residualNs: number;
  /** 95 % of bootstrap resamples give an estimate in [lowNs, highNs]. */
  readonly lowNs: number;
  readonly highNs: number;
}

/** Values of one figure: all of them, or a uniform sample. */
export class Sample {
  count = 0;
  readonly values: number[] = [];

  constructor(private readonly dice: Dice) {}

  add(value: number): void {
    this.count++;
    if (this.values.length < KEPT) {
      this.values.push(value);
      return;
    }
    const at = this.dice.below(this.count);
    if (at < KEPT) this.values[at] = value;
  }
}

function methodFor(median: number, resolutionNs: number): Method {
  return median >= COARSE_UNITS * resolutionNs ? "median" : "mean without outliers";
}

/** The median of ascending values, each of which stands for the unit of resolution around it. */
function groupedMedian(sorted: Float64Array, median: number, resolutionNs: number): number {
  let below = 0;
  while (sorted[below] < median) below++;
  let equal = 0;
  while (below + equal < sorted.length && sorted[below + equal] === median) equal++;
  if (equal === 0) return median;
  return median + resolutionNs * ((sorted.length / 2 - below) / equal - 0.5);
}

/** The mean of ascending values near their median. */
function trimmedMean(sorted: Float64Array, median: number, resolutionNs: number): number {
  const away = Float64Array.from(sorted, (value) => Math.abs(value - median)).sort();
  const spread = quantile(away, 0.5) * MAD_SCALE * OUTLIER_MADS;
  // One unit either way is no deviation at all.
  const bound = Math.max(spread, 2 * resolutionNs);
  let sum = 0;
  let n = 0;
  for (let i = 0; i < sorted.length; i++) {
    if (Math.abs(sorted[i] - median) > bound) continue;
    sum += sorted[i];
    n++;
  }
  return sum / n;
}

function quantile(sorted: Float64Array, p: number): number {
  return quantileSorted(sorted as unknown as number[], p);
}

/** The estimate alone, of values in any order; there must be some. */
export function pointEstimate(values: ArrayLike<number>, resolutionNs: number): number {
  const sorted = Float64Array.from(values).sort();
  const median = quantile(sorted, 0.5);
  const method = methodFor(median, resolutionNs);
  const estimate = method === "median" ? groupedMedian : trimmedMean;
  return estimate(sorted, median, resolutionNs);
}

/** The middle 95 % of what `estimate` says of resamples. */
export function bootstrap(
  values: readonly number[],
  dice: Dice,
  estimate: (values: Float64Array) => number,
): readonly [number, number] {
  const again = new Float64Array(values.length);
  const found = new Float64Array(RESAMPLES);
  for (let k = 0; k < RESAMPLES; k++) {
    for (let i = 0; i < again.length; i++) again[i] = values[dice.below(values.length)];
    found[k] = estimate(again);
  }
  found.sort();
  return [quantile(found, 0.025), quantile(found, 0.975)];
}

/** Null without values. */
export function estimateOf(sample: Sample, resolutionNs: number, dice: Dice): Estimate | null {
  const { count, values } = sample;
  if (count === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const medianNs = quantile(sorted, 0.5);
  const method = methodFor(medianNs, resolutionNs);
  const ns = pointEstimate(values, resolutionNs);
  const away = Float64Array.from(values, (value) => Math.abs(value - ns)).sort();
  const [low, high] = bootstrap(values, dice, (again) => pointEstimate(again, resolutionNs));
  // All values may be the same stamp: it is still cut to its resolution.
  const slack = low === high ? resolutionNs / 2 : 0;
  return {
    count,
    ns,
    method,
    p10Ns: quantile(sorted, 0.1),
    medianNs,
    p90Ns: quantile(sorted, 0.9),
    residualNs: quantile(away, 0.5),
    lowNs: Math.min(low, ns - slack),
    highNs: Math.max(high, ns + slack),
  };
}
