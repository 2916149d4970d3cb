/**
 * A robust line through (pages, ns): Theil and Sen's, over one estimate for each number of pages.
 *
 * Most flushes are of one page, and stamps are coarse, so slopes between single points would be
 * mostly 0 or a unit. Each number of pages is therefore estimated first (sample.ts); the slope is
 * the weighted median of the slopes between those, a pair weighing as much as it is precise; the
 * intercept the weighted median of what is left, at least 0.
 */
import { quantileSorted } from "simple-statistics";
import { type Dice, pointEstimate } from "./sample.js";
import { weightedMedian } from "./weighted.js";

/** Fewer values for a number of pages are no estimate. */
const GROUP_LEAST = 3;
const RESAMPLES = 200;

/** One flush. */
export interface Point {
  readonly pages: number;
  readonly ns: number;
}

/** What is known about one number of pages. */
export interface Group {
  readonly pages: number;
  readonly count: number;
  readonly ns: number;
}

/** fixedNs + pageNs * pages. */
export interface Line {
  readonly fixedNs: number;
  readonly pageNs: number;
}

/** A line with its error. */
export interface LineFit extends Line {
  readonly count: number;
  readonly groups: readonly Group[];
  /** Median distance of a flush from the line. */
  readonly residualNs: number;
  /** Of the groups, weighted by their counts; null if there are two, or all are alike. */
  readonly r2: number | null;
  /** 95 % by bootstrap of the flushes. */
  readonly fixedLowNs: number;
  readonly fixedHighNs: number;
  readonly pageLowNs: number;
  readonly pageHighNs: number;
}

/** Estimates by number of pages, ascending. */
export function groupsOf(points: readonly Point[], resolutionNs: number): Group[] {
  const byPages = new Map<number, number[]>();
  for (const { pages, ns } of points) {
    const list = byPages.get(pages);
    if (list === undefined) byPages.set(pages, [ns]);
    else list.push(ns);
  }
  return [...byPages]
    .filter(([, list]) => list.length >= GROUP_LEAST)
    .map(([pages, list]) => ({
      pages,
      count: list.length,
      ns: pointEstimate(list, resolutionNs),
    }))
    .sort((a, b) => a.pages - b.pages);
}

/** Null with fewer than two groups. */
export function lineThrough(groups: readonly Group[]): Line | null {
  if (groups.length < 2) return null;
  const slopes: { value: number; weight: number }[] = [];
  for (const [i, a] of groups.entries()) {
    for (const b of groups.slice(i + 1)) {
      const dx = b.pages - a.pages;
      const weight = dx / Math.sqrt(1 / a.count + 1 / b.count);
      slopes.push({ value: (b.ns - a.ns) / dx, weight });
    }
  }
  const pageNs = Math.max(0, weightedMedian(slopes));
  const rests = groups.map(({ pages, ns, count }) => ({
    value: ns - pageNs * pages,
    weight: Math.sqrt(count),
  }));
  return { fixedNs: Math.max(0, weightedMedian(rests)), pageNs };
}

function r2Of(groups: readonly Group[], line: Line): number | null {
  if (groups.length < 3) return null;
  const n = groups.reduce((sum, { count }) => sum + count, 0);
  const mean = groups.reduce((sum, { count, ns }) => sum + count * ns, 0) / n;
  let left = 0;
  let all = 0;
  for (const { pages, count, ns } of groups) {
    left += count * (ns - line.fixedNs - line.pageNs * pages) ** 2;
    all += count * (ns - mean) ** 2;
  }
  return all === 0 ? null : 1 - left / all;
}

type Interval = readonly [number, number];

/** The middle 95 %, never without what was fitted. */
function middle(values: number[], fitted: number): Interval {
  if (values.length === 0) return [fitted, fitted];
  values.sort((a, b) => a - b);
  const [low, high] = [quantileSorted(values, 0.025), quantileSorted(values, 0.975)];
  return [Math.min(low, fitted), Math.max(high, fitted)];
}

/** Lines through resamples, as far as they have one. */
function resampled(points: readonly Point[], resolutionNs: number, dice: Dice): Line[] {
  const lines: Line[] = [];
  for (let k = 0; k < RESAMPLES; k++) {
    const again = points.map(() => points[dice.below(points.length)]);
    const line = lineThrough(groupsOf(again, resolutionNs));
    if (line !== null) lines.push(line);
  }
  return lines;
}

/** Null with fewer than two numbers of pages that occur three times. */
export function fitLine(
  points: readonly Point[],
  resolutionNs: number,
  dice: Dice,
): LineFit | null {
  const groups = groupsOf(points, resolutionNs);
  const line = lineThrough(groups);
  if (line === null) return null;
  const distances = points.map(({ pages, ns }) => ({
    value: Math.abs(ns - line.fixedNs - line.pageNs * pages),
    weight: 1,
  }));
  const others = resampled(points, resolutionNs, dice);
  const fixed = middle(
    others.map(({ fixedNs }) => fixedNs),
    line.fixedNs,
  );
  const page = middle(
    others.map(({ pageNs }) => pageNs),
    line.pageNs,
  );
  return {
    ...line,
    count: points.length,
    groups,
    residualNs: weightedMedian(distances),
    r2: r2Of(groups, line),
    fixedLowNs: fixed[0],
    fixedHighNs: fixed[1],
    pageLowNs: page[0],
    pageHighNs: page[1],
  };
}
