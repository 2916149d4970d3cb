/** Seeded intervals and queries of several shapes; equal for every contender. */
import { Random } from "shootdown";

/** What is asked of a contender. All pages are whole numbers, intervals closed. */
export interface Input {
  readonly shape: string;
  readonly n: number;
  readonly starts: Float64Array;
  readonly lasts: Float64Array;
  readonly queryStarts: Float64Array;
  readonly queryLasts: Float64Array;
  /** Entries that are taken out and put back. */
  readonly picks: Uint32Array;
}

const QUERIES = 4_096;
const QUERY_PAGES = 8;

type Place = (i: number, random: Random) => readonly [start: number, last: number];

const SHAPES: Readonly<Record<string, (n: number) => Place>> = {
  /** 1 to 16 pages anywhere in 64 pages an entry: the usual yardstick. */
  random: (n) => (_, random) => {
    const start = random.below(n * 64);
    return [start, start + random.below(16)];
  },
  /** An address space: nothing overlaps. */
  disjoint: () => (i, random) => [i * 64 + random.below(8), i * 64 + 8 + random.below(40)],
  /** Ranges in ranges in ranges. */
  nested: (n) => (i) => {
    const span = 2 ** (i % 12);
    const start = Math.floor((i * 64) / span) * span;
    return [start, Math.min(start + span * 64, n * 64)];
  },
  /** Sixteen crowds with nothing between them. */
  clustered: (n) => (i, random) => {
    const start = (i % 16) * n * 4 + random.below(n);
    return [start, start + random.below(16)];
  },
  /** One entry spans everything: a search that trusts the order alone reads all of it. */
  adversarial: (n) => (i) => (i === 0 ? [0, n * 64] : [i * 64, i * 64]),
};

export const SHAPE_NAMES = Object.keys(SHAPES);

export function inputOf(shape: string, n: number, seed: number): Input {
  const place = SHAPES[shape](n);
  const random = new Random(seed);
  const starts = new Float64Array(n);
  const lasts = new Float64Array(n);
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  for (let i = 0; i < n; i++) [starts[i], lasts[i]] = place(order[i], random);
  const queryStarts = Float64Array.from({ length: QUERIES }, () => random.below(n * 64));
  return {
    shape,
    n,
    starts,
    lasts,
    queryStarts,
    queryLasts: queryStarts.map((start) => start + QUERY_PAGES - 1),
    picks: Uint32Array.from({ length: QUERIES }, () => random.below(n)),
  };
}
