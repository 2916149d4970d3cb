/**
 * Seeded pages to pin, in several shapes; equal for every contender.
 *
 * A list that is short and always the same teaches the processor's branch predictor its answers:
 * stores are filled from a pool of at least 2^16 pages, cut into stores of the size in question,
 * and at least as many pages are looked up.
 */
import { Random } from "shootdown";
import { later, permutation } from "../lists.js";

/** So much is in the pool, and asked for, at least: by default, and where time is short. */
export const POOL = 2 ** 16;
export const SMALL_POOL = 2 ** 12;
const QUERIES_MOST = 2 ** 20;
/** So that sums over 10^7 of them are exact. */
const FRAMES = 2 ** 28;
const PROBES = 4_096;

/** A function makes the `n` pages of a store, in the order they are pinned. */
interface Shape {
  readonly pages: (n: number, random: Random) => Float64Array;
  /** So many pages in a row stand, are asked for and go together. */
  readonly run: number;
}

/** Distinct pages anywhere in `room` pages a pin. */
function anywhere(room: number): Shape["pages"] {
  return (n, random) => {
    const pages = new Set<number>();
    while (pages.size < n) pages.add(random.below(n * room));
    return Float64Array.from(pages);
  };
}

const CLUSTER = 256;

const SHAPES: Readonly<Record<string, Shape>> = {
  /** The usual yardstick. */
  random: { pages: anywhere(16), run: 1 },
  /** Hardly ever two in 512 pages. */
  lone: { pages: anywhere(4096), run: 1 },
  /** Buffers: runs of 256 pages, each at any page of 512 of its own, in 16 pages a pin. */
  clustered: {
    run: CLUSTER,
    pages: (n, random) => {
      const runs = Math.ceil(n / CLUSTER);
      const places = permutation(8 * runs, random);
      // None touches another; most cross a multiple of 512.
      const starts = Array.from({ length: runs }, (_, i) => places[i] * 512 + random.below(256));
      return Float64Array.from({ length: n }, (_, i) => {
        return starts[Math.floor(i / CLUSTER)] + 300 + (i % CLUSTER);
      });
    },
  },
  /** A guest's whole memory, from its first page on. */
  dense: { pages: (n) => Float64Array.from({ length: n }, (_, i) => i), run: 512 },
};

export const SHAPE_NAMES = Object.keys(SHAPES);
/** Those whose pages come in runs. */
export const RUN_SHAPES = SHAPE_NAMES.filter((name) => SHAPES[name].run > 1);

/** Pages, and the frame of each. */
export interface Pins {
  readonly pages: Float64Array;
  readonly frames: Float64Array;
}

/** What is asked of a contender. Each part has a seed of its own, so it is the same alone. */
export interface Input {
  readonly shape: string;
  readonly n: number;
  /** Stores of `n` pages, one behind the other, `cuts` of them. */
  readonly pool: () => Pins;
  readonly cuts: number;
  /** The pages of each store of the pool in the order in which they go. */
  readonly leaving: () => Float64Array;
  /** Pages of the first store, and frames that are not theirs. */
  readonly queries: () => Pins;
  /** Pages of a store of the pool, and pages beside them. */
  readonly probes: (cut: number) => Float64Array;
}

/** Pages and frames of store `cut` of the pool. */
export function cutOf(input: Input, cut: number): Pins {
  const { pages, frames } = input.pool();
  const [from, to] = [cut * input.n, (cut + 1) * input.n];
  return { pages: pages.subarray(from, to), frames: frames.subarray(from, to) };
}

export function leavingOf(input: Input, cut: number): Float64Array {
  return input.leaving().subarray(cut * input.n, (cut + 1) * input.n);
}

function framesFor(n: number, random: Random): Float64Array {
  return Float64Array.from({ length: n }, () => random.below(FRAMES));
}

export function inputOf(shape: string, n: number, seed: number, least = POOL): Input {
  const { pages: pagesOf, run } = SHAPES[shape];
  const cuts = Math.ceil(least / n);
  const random = (part: number): Random => new Random(seed * 16 + part);
  const pool = later(() => {
    const some = random(0);
    const pages = new Float64Array(n * cuts);
    for (let cut = 0; cut < cuts; cut++) pages.set(pagesOf(n, some), cut * n);
    return { pages, frames: framesFor(n * cuts, random(1)) };
  });
  const input: Input = {
    shape,
    n,
    pool,
    cuts,
    leaving: later(() => {
      const some = random(2);
      const list = new Float64Array(n * cuts);
      let at = 0;
      for (let cut = 0; cut < cuts; cut++) {
        const { pages } = cutOf(input, cut);
        for (const i of permutation(Math.ceil(n / run), some)) {
          const gone = pages.subarray(i * run, (i + 1) * run);
          list.set(gone, at);
          at += gone.length;
        }
      }
      return list;
    }),
    queries: later(() => {
      const some = random(3);
      const { pages: standing } = cutOf(input, 0);
      const pages = new Float64Array(Math.min(Math.max(n, least), QUERIES_MOST));
      for (let at = 0; at < pages.length;) {
        const from = some.below(Math.ceil(n / run)) * run;
        const asked = standing.subarray(from, Math.min(from + run, from + pages.length - at));
        pages.set(asked, at);
        at += asked.length;
      }
      return { pages, frames: framesFor(pages.length, random(4)) };
    }),
    probes: (cut) => {
      const some = random(5);
      const { pages } = cutOf(input, cut);
      return Float64Array.from({ length: PROBES }, () => pages[some.below(n)] + some.below(2));
    },
  };
  return input;
}
