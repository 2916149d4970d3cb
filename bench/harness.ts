/**
 * The one file that knows benchmark.js. A row's work returns a checksum; it is compared with a
 * plain model's before anything is timed, and again by every timed call.
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
  /** Does the work; may be slow to set up before. */
  readonly work: () => number | Promise<number>;
  /** The same result from a plain model. */
  readonly model: () => number | Promise<number>;
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

/** Checks, then times. @throws Error when work and model disagree. */
export async function measure(row: Row, quick: boolean): Promise<Measured> {
  const checksum = await row.work();
  const expected = await row.model();
  if (checksum !== expected) {
    throw new Error(`${row.name}: checksum ${checksum}, the model says ${expected}`);
  }
  return new Promise((resolve, reject) => {
    const bench = new Benchmark(row.name, {
      defer: true,
      minSamples: quick ? 1 : 5,
      maxTime: quick ? 0.01 : 2,
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
