/**
 * The one file that knows benchmark.js. A row's work returns a checksum; it is compared with a
 * plain model's before anything is timed, and again by every timed call. What benchmark.js cannot
 * time (another program; work with something to do before each call) times itself.
 */
import Benchmark from "benchmark";

/** One thing to measure. */
export interface Row {
  readonly name: string;
  /** What is counted per second. */
  readonly unit: string;
  readonly seed: number;
  /** Units of work in one call. */
  readonly perCall: number;
  /** Who is measured: each has a process of its own, unless the run is a short one. */
  readonly contender?: string;
  /** Does the work; may be slow to set up before. */
  readonly work: () => number | Promise<number>;
  /** Does the work and times it, in place of benchmark.js; `work` is not called then. */
  readonly measured?: (quick: boolean) => Promise<Sampled>;
  /** Does the work and counts something that is no time; nothing is timed then. */
  readonly counted?: () => Promise<Counted>;
  /** For how long it is measured; 2 if not given. */
  readonly seconds?: number;
  /** The same result from a plain model. */
  readonly model: () => number | Promise<number>;
}

/** What something that times itself reports. */
export interface Sampled {
  readonly checksum: number;
  /** Nanoseconds a unit of work, one figure a sample. */
  readonly nanoseconds: readonly number[];
}

/** What was counted, in the row's unit. */
export interface Counted {
  readonly checksum: number;
  readonly amount: number;
}

/** A row in which something was counted. */
export interface Tallied {
  readonly name: string;
  readonly unit: string;
  readonly amount: number;
  readonly seed: number;
  readonly checksum: number;
}

/** A measured row. */
export interface Measured {
  readonly name: string;
  readonly unit: string;
  readonly perSecond: number;
  readonly rmePercent: number;
  readonly samples: number;
  readonly seed: number;
  readonly checksum: number;
}

/** Student's t for 95 %, by degrees of freedom; beyond the list it hardly changes. */
const T = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
  2.131, 2.12, 2.11, 2.101, 2.093, 2.086,
];

/** Relative margin of error of the mean of `list`, in percent. */
function rmeOf(list: readonly number[], mean: number): number {
  const free = list.length - 1;
  if (free === 0) return 0;
  const variance = list.reduce((sum, x) => sum + (x - mean) ** 2, 0) / free;
  return ((Math.sqrt(variance / list.length) * (T[free - 1] ?? 1.96)) / mean) * 100;
}

async function check(row: Row, checksum: number): Promise<void> {
  const expected = await row.model();
  if (checksum === expected) return;
  throw new Error(`${row.name}: checksum ${checksum}, the model says ${expected}`);
}

async function sampled(row: Row, { checksum, nanoseconds }: Sampled): Promise<Measured> {
  await check(row, checksum);
  const mean = nanoseconds.reduce((sum, ns) => sum + ns, 0) / nanoseconds.length;
  return {
    name: row.name,
    unit: row.unit,
    perSecond: 1e9 / mean,
    rmePercent: rmeOf(nanoseconds, mean),
    samples: nanoseconds.length,
    seed: row.seed,
    checksum,
  };
}

/** Checks, then times. @throws Error when work and model disagree. */
export async function measure(row: Row, quick: boolean): Promise<Measured | Tallied> {
  if (row.counted !== undefined) {
    const { checksum, amount } = await row.counted();
    await check(row, checksum);
    return { name: row.name, unit: row.unit, amount, seed: row.seed, checksum };
  }
  if (row.measured !== undefined) return sampled(row, await row.measured(quick));
  const checksum = await row.work();
  await check(row, checksum);
  return new Promise((resolve, reject) => {
    const bench = new Benchmark(row.name, {
      defer: true,
      minSamples: quick ? 1 : 5,
      maxTime: quick ? 0.01 : (row.seconds ?? 2),
      fn: (deferred: { resolve(): void }) => {
        void Promise.resolve(row.work()).then((got) => {
          if (got === checksum) deferred.resolve();
          else reject(new Error(`${row.name}: checksum changed to ${got}`));
        }, reject);
      },
    });
    bench.on("complete", () => {
      resolve({
        name: row.name,
        unit: row.unit,
        perSecond: bench.hz * row.perCall,
        rmePercent: bench.stats.rme,
        samples: bench.stats.sample.length,
        seed: row.seed,
        checksum,
      });
    });
    bench.run({ async: true });
  });
}
