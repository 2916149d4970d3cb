/** Means with confidence intervals over repeated seeds, and paired differences between policies. */
import { mean, sampleStandardDeviation } from "simple-statistics";

/** A mean with its 95 % confidence interval; without one where there is one value only. */
export interface Estimate {
  readonly mean: number;
  /** Student t, two-sided; null from a single value. */
  readonly low: number | null;
  readonly high: number | null;
}

/** Share of the t distribution with `df` degrees of freedom between -t and t (A&S 26.7.3, .4). */
function shareWithin(t: number, df: number): number {
  const theta = Math.atan(t / Math.sqrt(df));
  const cos = Math.cos(theta);
  const sin = Math.sin(theta);
  const isOdd = df % 2 === 1;
  // Each term is the one before it times cos^2 and the next two factors of the series.
  let term = isOdd ? cos : 1;
  let sum = df === 1 ? 0 : term;
  for (let k = isOdd ? 2 : 1; k < df - 2; k += 2) {
    term *= (cos * cos * k) / (k + 1);
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (theta + sin * sum) : sin * sum;
}

/** Digits that the last bits of a host's sine cannot change. */
const DIGITS = 10;

/**
 * The t that 95 % of the distribution lie within, two-sided. From 1,000 degrees of freedom on it is
 * that of 1,000 (1.9623; the normal distribution's is 1.9600).
 */
export function studentT95(df: number): number {
  const n = Math.min(1000, df);
  let low = 0;
  let high = 16;
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (shareWithin(middle, n) < 0.95) low = middle;
    else high = middle;
  }
  return Number(high.toPrecision(DIGITS));
}

/** Mean and interval of independent values; at least one. */
export function estimate(values: readonly number[]): Estimate {
  const list = [...values];
  const middle = mean(list);
  if (list.length < 2) return { mean: middle, low: null, high: null };
  const error = sampleStandardDeviation(list) / Math.sqrt(list.length);
  const half = studentT95(list.length - 1) * error;
  return { mean: middle, low: middle - half, high: middle + half };
}

/** The same of `values[i] - baseline[i]`: values that belong together come from one seed. */
export function pairedDifference(values: readonly number[], baseline: readonly number[]): Estimate {
  return estimate(values.map((value, i) => value - baseline[i]));
}
