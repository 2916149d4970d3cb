import { describe, expect, test } from "vitest";
import { fitLine, type Point } from "../../src/calibrate/line-fit.js";
import { Dice, estimateOf, Sample } from "../../src/calibrate/sample.js";
import { weightedMedian } from "../../src/calibrate/weighted.js";
import { random } from "../traces/helpers.js";

/** `n` flushes of each size that take fixed + page * pages, cut to `unit` at both ends. */
function flushes(fixed: number, page: number, sizes: number[], n: number, unit: number): Point[] {
  const below = random(1);
  return sizes.flatMap((pages) =>
    Array.from({ length: n }, () => {
      const start = below(unit * 1000) / 1000;
      const end = start + fixed + page * pages;
      return { pages, ns: (Math.floor(end / unit) - Math.floor(start / unit)) * unit };
    }),
  );
}

describe("a line through flushes", () => {
  test("exact stamps give the exact line", () => {
    const fit = fitLine(flushes(300, 50, [1, 2, 5, 33], 5, 1), 1, new Dice(1));
    expect(fit?.fixedNs).toBeCloseTo(300, 0);
    expect(fit?.pageNs).toBeCloseTo(50, 1);
    expect(fit?.r2).toBeCloseTo(1, 3);
  });

  test("stamps of 1 us hide a flush of less, but not its line", () => {
    const fit = fitLine(flushes(317, 49, [1, 2, 4, 8, 16, 33], 300, 1000), 1000, new Dice(1));
    expect(Math.abs((fit?.fixedNs ?? 0) - 317)).toBeLessThan(60);
    expect(Math.abs((fit?.pageNs ?? 0) - 49)).toBeLessThan(5);
    expect(fit?.fixedLowNs).toBeLessThan(317);
    expect(fit?.fixedHighNs).toBeGreaterThan(317);
    expect(fit?.pageLowNs).toBeLessThan(49);
    expect(fit?.pageHighNs).toBeGreaterThan(49);
  });

  test("a tenth of wild values does not move it", () => {
    const points = flushes(300, 50, [1, 2, 4, 8, 16, 33], 50, 1).map((point, i) =>
      i % 10 === 0 ? { ...point, ns: 90_000 } : point,
    );
    const fit = fitLine(points, 1, new Dice(1));
    expect(Math.abs((fit?.fixedNs ?? 0) - 300)).toBeLessThan(10);
    expect(Math.abs((fit?.pageNs ?? 0) - 50)).toBeLessThan(2);
  });

  test("one size, or too few of another, is no line", () => {
    expect(fitLine(flushes(300, 50, [4], 100, 1), 1, new Dice(1))).toBeNull();
    const few = [...flushes(300, 50, [4], 100, 1), { pages: 9, ns: 750 }];
    expect(fitLine(few, 1, new Dice(1))).toBeNull();
    expect(fitLine([], 1, new Dice(1))).toBeNull();
  });
});

function sampleOf(values: readonly number[]): Sample {
  const sample = new Sample(new Dice(3));
  for (const value of values) sample.add(value);
  return sample;
}

describe("an estimate", () => {
  test("of nothing is nothing", () => {
    expect(estimateOf(sampleOf([]), 1, new Dice(1))).toBeNull();
  });

  test("of one stamp is as wide as its resolution", () => {
    expect(estimateOf(sampleOf([7000]), 1000, new Dice(1))).toMatchObject({
      count: 1,
      ns: 7000,
      lowNs: 6500,
      highNs: 7500,
    });
  });

  for (const ns of [300, 1700, 6400, 18_300]) {
    test(`${ns} ns through stamps of 1 us, a few wild ones among them`, () => {
      const values = flushes(ns, 0, [1], 2000, 1000).map((point) => point.ns);
      for (let i = 0; i < 40; i++) values.push(500_000 + i);
      const found = estimateOf(sampleOf(values), 1000, new Dice(1));
      // A tenth of a unit: the wild ones pull the median by theirs.
      expect(Math.abs((found?.ns ?? 0) - ns)).toBeLessThan(100);
      expect(found?.lowNs).toBeLessThanOrEqual(ns + 100);
      expect(found?.highNs).toBeGreaterThanOrEqual(ns - 100);
    });
  }

  test("of more values than are kept is close to that of all", () => {
    const below = random(9);
    const values = Array.from({ length: 60_000 }, () => 10_000 + below(2001));
    const found = estimateOf(sampleOf(values), 1, new Dice(1));
    expect(found?.count).toBe(60_000);
    expect(Math.abs((found?.ns ?? 0) - 11_000)).toBeLessThan(60);
  });
});

test("a weighted median is where half of the weight is reached", () => {
  const at = (value: number, weight: number) => ({ value, weight });
  expect(weightedMedian([])).toBe(0);
  expect(weightedMedian([at(3, 1)])).toBe(3);
  expect(weightedMedian([at(9, 1), at(1, 1)])).toBe(5);
  expect(weightedMedian([at(9, 1), at(1, 3), at(5, 1)])).toBe(1);
  expect(weightedMedian([at(9, 4), at(1, 1), at(5, 1)])).toBe(9);
});
