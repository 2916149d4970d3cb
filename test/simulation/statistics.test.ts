import { describe, expect, test } from "vitest";
import { HistogramLogReader } from "hdr-histogram-js";
import {
  estimate,
  histogramLog,
  pairedDifference,
  percentilesOf,
  studentT95,
} from "../../src/simulation/index.js";
import { Random } from "../../src/seed.js";

/** Two-sided 95 %, as printed in tables. */
const TABLE = [
  [1, 12.706],
  [2, 4.303],
  [3, 3.182],
  [4, 2.776],
  [5, 2.571],
  [9, 2.262],
  [10, 2.228],
  [19, 2.093],
  [29, 2.045],
  [30, 2.042],
  [60, 2.0],
  [120, 1.98],
  [1000, 1.962],
] as const;

describe("intervals", () => {
  test.each(TABLE)("t of %i degrees of freedom is %f", (df, t) => {
    expect(studentT95(df)).toBeCloseTo(t, 3);
  });

  test("mean and interval of a sample, by hand", () => {
    // Mean 5, squares 9 + 1 + 1 + 9, variance 20 / 3, error sqrt(20 / 12), t 3.182446.
    const { mean, low, high } = estimate([2, 4, 6, 8]);
    expect(mean).toBe(5);
    expect(high).toBeCloseTo(5 + 3.182446 * Math.sqrt(20 / 12), 5);
    expect(low).toBeCloseTo(5 - 3.182446 * Math.sqrt(20 / 12), 5);
  });

  test("one value has no interval, equal values have one without width", () => {
    expect(estimate([3])).toEqual({ mean: 3, low: null, high: null });
    expect(estimate([3, 3, 3])).toEqual({ mean: 3, low: 3, high: 3 });
  });

  test("what all pairs differ by stands out, however much they vary together", () => {
    const base = [100, 900, 350, 20];
    expect(
      pairedDifference(
        base.map((x) => x + 2),
        base,
      ),
    ).toEqual({ mean: 2, low: 2, high: 2 });
  });

  test("the interval holds the true mean about 95 times in 100", () => {
    const random = new Random(11);
    let held = 0;
    for (let i = 0; i < 1000; i++) {
      // A sum of twelve is close to normal, with mean 6 * 999.
      const sample = Array.from({ length: 5 }, () => {
        let value = 0;
        for (let k = 0; k < 12; k++) value += random.below(1999);
        return value;
      });
      const { low, high } = estimate(sample);
      if ((low ?? 0) <= 12 * 999 && (high ?? 0) >= 12 * 999) held++;
    }
    expect(held).toBeGreaterThan(925);
    expect(held).toBeLessThan(975);
  });
});

describe("histograms", () => {
  const random = new Random(5);
  const values = Array.from({ length: 5000 }, () => 1 + random.below(10 ** (1 + random.below(7))));
  const sorted = [...values].sort((a, b) => a - b);
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const latencies = [...counts];

  test("percentiles are those of the sorted values, to three digits", () => {
    const got = percentilesOf(latencies);
    for (const [name, share] of [
      ["p50", 0.5],
      ["p90", 0.9],
      ["p99", 0.99],
      ["p999", 0.999],
    ] as const) {
      const exact = sorted[Math.ceil(share * sorted.length) - 1];
      expect(Math.abs(got[name] / exact - 1), name).toBeLessThanOrEqual(0.001);
    }
    expect(got.max).toBe(sorted.at(-1));
    expect(got.mean).toBeCloseTo(values.reduce((a, b) => a + b) / values.length, 6);
    expect(got.count).toBe(values.length);
  });

  test("none at all is zero, not an error", () => {
    expect(percentilesOf([])).toEqual({
      count: 0,
      p50: 0,
      p90: 0,
      p99: 0,
      p999: 0,
      max: 0,
      mean: 0,
    });
  });

  test("a log is read back by HdrHistogram's own reader, and is the same bytes twice", () => {
    const entries = [
      { tag: "sync.cpus=2.seed=1", ns: 5e9, latencies },
      { tag: "concurrent.cpus=2.seed=1", ns: 4e9, latencies: [[773, 40]] as const },
    ];
    const text = histogramLog(["a comment"], entries);
    expect(histogramLog(["a comment"], entries)).toBe(text);
    const reader = new HistogramLogReader(text);
    const first = reader.nextIntervalHistogram();
    expect(first?.tag).toBe("sync.cpus=2.seed=1");
    expect(first?.totalCount).toBe(values.length);
    expect(first?.getValueAtPercentile(50)).toBe(percentilesOf(latencies).p50);
    const second = reader.nextIntervalHistogram();
    expect([second?.totalCount, second?.getValueAtPercentile(99)]).toEqual([40, 773]);
    expect(reader.nextIntervalHistogram()).toBeNull();
  });
});
