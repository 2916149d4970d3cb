/**
 * Seeded intervals and questions of several shapes; equal for every contender.
 *
 * A list that is small and always the same teaches the processor's branch predictor its answers.
 * What is inserted, moved and taken out comes from pools of at least 2^16 intervals, and there are
 * as many queries.
 */
import { Random } from "shootdown";
import { later, permutation } from "../lists.js";

/** Closed intervals of whole pages, as two lists. */
export interface Intervals {
  readonly starts: Float64Array;
  readonly lasts: Float64Array;
}

const POOL = 2 ** 16;
const QUERY_PAGES = 8;
/** Entries that one call of a churn benchmark takes out and puts back; divides POOL. */
export const CHURNED = 2_048;

type Place = (i: number, random: Random) => readonly [start: number, last: number];

interface Shape {
  /** Where entry `i` of `n` is. */
  readonly place: (n: number) => Place;
  /** Where it goes when it moves, if `place` always says the same. */
  readonly move?: (n: number) => Place;
}

const nested =
  (n: number): Place =>
  (i) => {
    const span = 2 ** (i % 12);
    const start = Math.floor((i * 64) / span) * span;
    return [start, Math.min(start + span * 64, n * 64)];
  };

const SHAPES: Readonly<Record<string, Shape>> = {
  /** 1 to 16 pages anywhere in 64 pages an entry: the usual yardstick. */
  random: {
    place: (n) => (_, random) => {
      const start = random.below(n * 64);
      return [start, start + random.below(16)];
    },
  },
  /** An address space: nothing overlaps. */
  disjoint: {
    place: () => (i, random) => [i * 64 + random.below(8), i * 64 + 8 + random.below(40)],
  },
  /** Ranges in ranges in ranges. */
  nested: { place: nested, move: (n) => (_, random) => nested(n)(random.below(n), random) },
  /** Sixteen crowds with nothing between them. */
  clustered: {
    place: (n) => (i, random) => {
      const start = (i % 16) * n * 4 + random.below(n);
      return [start, start + random.below(16)];
    },
  },
  /** One entry spans everything: a search that trusts the order alone reads all of it. */
  adversarial: {
    place: (n) => (i) => (i === 0 ? [0, n * 64] : [i * 64, i * 64]),
    move: (n) => (i, random) => {
      const start = i * 64 + random.below(64);
      return [start, i === 0 ? n * 64 : start];
    },
  },
};

export const SHAPE_NAMES = Object.keys(SHAPES);

function intervals(n: number, place: (i: number) => readonly [number, number]): Intervals {
  const starts = new Float64Array(n);
  const lasts = new Float64Array(n);
  for (let i = 0; i < n; i++) [starts[i], lasts[i]] = place(i);
  return { starts, lasts };
}

/** What is asked of a contender. Each part has a seed of its own, so it is the same alone. */
export interface Input {
  readonly shape: string;
  readonly n: number;
  /** The entries that are there. */
  readonly entries: () => Intervals;
  readonly queries: () => Intervals;
  /** Trees of `n` entries, one behind the other, `cuts` of them: what is inserted. */
  readonly pool: () => Intervals;
  readonly cuts: number;
  /** Of each tree of the pool, in which order its entries are taken out, 0 to n - 1. */
  readonly removals: () => Uint32Array;
  /** Entries that move, {@link CHURNED} a call, and where each goes. */
  readonly picks: () => Uint32Array;
  readonly fresh: () => Intervals;
}

/** Entries of tree `cut` of the pool. */
export function cutOf(input: Input, cut: number): Intervals {
  const { starts, lasts } = input.pool();
  const from = cut * input.n;
  return {
    starts: starts.subarray(from, from + input.n),
    lasts: lasts.subarray(from, from + input.n),
  };
}

export function inputOf(shape: string, n: number, seed: number): Input {
  const { place, move } = SHAPES[shape];
  const placed = place(n);
  const moved = (move ?? place)(n);
  const random = (part: number): Random => new Random(seed * 16 + part);
  const cuts = Math.ceil(POOL / n);

  const order = later(() => permutation(n, random(0)));
  const halfPicks = later(() => {
    const some = random(4);
    return Uint32Array.from({ length: POOL }, () => some.below(n));
  });
  // Twice the same entries, but not the same places: none is put back where it was taken from.
  const picks = later(() => Uint32Array.from([...halfPicks(), ...halfPicks()]));
  return {
    shape,
    n,
    cuts,
    entries: later(() => {
      const some = random(1);
      return intervals(n, (i) => placed(order()[i], some));
    }),
    queries: later(() => {
      const some = random(2);
      return intervals(POOL, () => {
        const start = some.below(n * 64);
        return [start, start + QUERY_PAGES - 1];
      });
    }),
    pool: later(() => {
      const some = random(3);
      let ids: Uint32Array = new Uint32Array();
      return intervals(n * cuts, (i) => {
        if (i % n === 0) ids = permutation(n, some);
        return placed(ids[i % n], some);
      });
    }),
    removals: later(() => {
      const some = random(5);
      const list = new Uint32Array(n * cuts);
      for (let cut = 0; cut < cuts; cut++) list.set(permutation(n, some), cut * n);
      return list;
    }),
    picks,
    fresh: later(() => {
      const some = random(6);
      return intervals(picks().length, (i) => moved(order()[picks()[i]], some));
    }),
  };
}
