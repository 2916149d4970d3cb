/** What is right, by sorting: slow to make, and plain. */
import type { Expected } from "../contest.js";
import { CHURNED, cutOf, type Input, type Intervals } from "./inputs.js";
import type { What } from "./contender.js";

/** How many numbers of an ascending list are below `limit`. */
function below(list: Float64Array, limit: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Answers questions about a list of intervals that does not change. */
export class Model {
  private readonly starts: Float64Array;
  private readonly lasts: Float64Array;
  /** Largest last of the entries up to there, in the order of their starts. */
  private readonly reach: Float64Array;

  constructor({ starts, lasts }: Intervals) {
    const n = starts.length;
    // One number for start and index: starts are below 64 n, so it is exact up to 10^7 entries.
    const order = starts.map((start, i) => start * n + i).sort();
    this.starts = order.map((key) => Math.floor(key / n));
    this.lasts = lasts.slice().sort();
    this.reach = order.map((key) => lasts[key % n]);
    for (let i = 1; i < n; i++) this.reach[i] = Math.max(this.reach[i], this.reach[i - 1]);
  }

  /** Start of the first overlap, or -1. */
  first(start: number, last: number): number {
    // The first entry that reaches so far is the one at which the largest last does.
    const i = below(this.reach, start);
    return i < this.starts.length && this.starts[i] <= last ? this.starts[i] : -1;
  }

  /** Those that do not start behind it, without those that end before it. */
  count(start: number, last: number): number {
    return below(this.starts, last + 1) - below(this.lasts, start);
  }

  proof({ starts, lasts }: Intervals): number {
    return starts.reduce((sum, start, i) => sum + this.first(start, lasts[i]) + 1, 0);
  }
}

function afterChurn(input: Input): Intervals {
  const starts = input.entries().starts.slice();
  const lasts = input.entries().lasts.slice();
  for (let i = 0; i < CHURNED; i++) {
    const k = input.picks()[i];
    starts[k] = input.fresh().starts[i];
    lasts[k] = input.fresh().lasts[i];
  }
  return { starts, lasts };
}

function afterRemovals(input: Input): Intervals {
  const cut = cutOf(input, input.cuts - 1);
  const left = input
    .removals()
    .subarray(-input.n)
    .subarray(input.n >> 1);
  return {
    starts: Float64Array.from(left, (i) => cut.starts[i]),
    lasts: Float64Array.from(left, (i) => cut.lasts[i]),
  };
}

/** What contenders have to find. */
export function modelOf(input: Input): (what: What) => Expected {
  let standing: Model | undefined;
  const { n, cuts } = input;
  return (what) => {
    const queries = input.queries();
    const proof = (list: Intervals): number => new Model(list).proof(queries);
    if (what === "insert") return { proof: proof(cutOf(input, cuts - 1)), checksum: n * cuts };
    if (what === "churn") return { proof: proof(afterChurn(input)), checksum: n };
    if (what === "remove") {
      return { proof: proof(afterRemovals(input)), checksum: (n - (n >> 1)) * cuts };
    }
    const model = (standing ??= new Model(input.entries()));
    const { starts, lasts } = queries;
    const found = starts.map((start, i) => model.count(start, what === "stab" ? start : lasts[i]));
    const checksum = found.reduce((sum, m) => sum + (what === "first" ? Math.min(m, 1) : m), 0);
    return { proof: model.proof(queries), checksum };
  };
}
