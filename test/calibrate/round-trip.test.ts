import { describe, expect, test } from "vitest";
import { calibrateTrace, type CostProfile } from "../../src/index.js";
import { recording } from "./recorder.js";

const source = "a test";
const at = (ns: number) => ({ ns, source });

/** Prices that a recording shows, unlike those of any profile in the library. */
const SHOWN = {
  csd: 870,
  ipi: 4310,
  deliver: 6140,
  ack: 720,
  flushFixed: 640,
  flushPage: 131,
  flushFull: 2650,
  switchFlush: 2650,
  "mmap.read.lock": 1730,
  "mmap.write.lock": 2210,
} as const;

/** Prices that it does not show. */
const HIDDEN = {
  "csq.take": at(210),
  "gather.begin": at(50),
  "gather.end": at(40),
  "ptl.lock": at(60),
  "pte.clear": at(35),
  "pte.protect": at(30),
  freePage: at(80),
};

const truth: CostProfile = {
  name: "truth",
  title: "known prices",
  source,
  prices: {
    ...HIDDEN,
    ...Object.fromEntries(Object.entries(SHOWN).map(([name, ns]) => [name, at(ns)])),
  },
};

/** Knows nothing but what a recording hides. */
const base: CostProfile = { name: "base", title: "base", source, prices: HIDDEN };

async function fitted(nanoseconds: boolean, seed: number, cpus: number) {
  const bytes = await recording({ profile: truth, rounds: 600, seed, nanoseconds, cpus });
  const result = await calibrateTrace(bytes, { base, name: "again", seed });
  const of = (name: string) => result.prices.find((price) => price.name === name);
  return { result, of };
}

describe("a machine's own log, written as a recording and calibrated", () => {
  for (const cpus of [2, 4]) {
    test(`stamps of 1 ns, ${cpus} CPUs: the prices come back to the ns`, async () => {
      const { result, of } = await fitted(true, 1, cpus);
      expect(result.resolutionNs).toBe(1);
      for (const [name, ns] of Object.entries(SHOWN)) {
        expect(of(name), name).toMatchObject({ ns, from: "recording" });
      }
      expect(result.flushLine?.r2).toBeCloseTo(1, 6);
      expect(result.profile.prices.ipi?.ns).toBe(SHOWN.ipi);
    });
  }

  // A cut stamp is off by up to 1 us. What is left after hundreds of them: an eighth of it on a
  // duration, two such on a difference of two, and an eighth over 33 pages on a slope.
  const TOLERANCE_NS: Partial<Record<keyof typeof SHOWN, number>> = {
    flushPage: 10,
    deliver: 250,
    ack: 250,
    flushFull: 250,
    switchFlush: 250,
    "mmap.read.lock": 250,
    "mmap.write.lock": 250,
  };
  for (const seed of [1, 2, 3]) {
    test(`stamps of 1 us, seed ${seed}: close to the prices`, async () => {
      const { result, of } = await fitted(false, seed, 2);
      expect(result.resolutionNs).toBe(1000);
      for (const [name, ns] of Object.entries(SHOWN)) {
        const off = Math.abs((of(name)?.ns ?? NaN) - ns);
        expect(off, name).toBeLessThanOrEqual(TOLERANCE_NS[name as keyof typeof SHOWN] ?? 125);
        expect(of(name)?.from).toBe("recording");
      }
    });
  }

  test("same recording, same seed: the same bytes", async () => {
    const [first, second] = [await fitted(false, 7, 2), await fitted(false, 7, 2)];
    expect(JSON.stringify(second.result)).toBe(JSON.stringify(first.result));
  });
});
