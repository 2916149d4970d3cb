/**
 * Seeded I/O address spaces, equal for every contender. Nothing overlaps: 8 to 47 pages of each 64
 * are an entry. Tables are filled from a pool of at least 2^16 entries, cut into tables of the size
 * in question, and at least as many pages are looked up: a list that is short and always the same
 * teaches the processor's branch predictor its answers.
 */
import { Random } from "shootdown";
import { later, permutation } from "../lists.js";

/** So much is in the pool, and asked for, at least: by default, and where time is short. */
export const POOL = 2 ** 16;
export const SMALL_POOL = 2 ** 12;
const QUERIES_MOST = 2 ** 20;
const PROBES = 4_096;
const SLOT = 64;
/** From here on no page of a slot is in an entry. */
const GAP = 48;
/** So that sums over 10^6 of them are exact. */
const ADDRS = 2 ** 28;

/** How many address spaces there are, by shape. */
const ASIDS: Readonly<Record<string, number>> = { disjoint: 1, "disjoint in 16 ASIDs": 16 };

export const SHAPE_NAMES = Object.keys(ASIDS);

/** Entries, one behind the other. */
export interface Entries {
  readonly asids: Uint32Array;
  readonly starts: Float64Array;
  readonly lasts: Float64Array;
  readonly addrs: Float64Array;
}

/** Pages that are asked for. */
export interface Queries {
  readonly asids: Uint32Array;
  readonly pages: Float64Array;
}

/** What is asked of a contender. Each part has a seed of its own, so it is the same alone. */
export interface Input {
  readonly shape: string;
  readonly n: number;
  /** Address spaces, 0 to `spaces` - 1. */
  readonly spaces: number;
  /** Tables of `n` entries, one behind the other, `cuts` of them, in the order of insertion. */
  readonly pool: () => Entries;
  readonly cuts: number;
  /** Of each table of the pool, in which order its entries go, 0 to n - 1. */
  readonly removals: () => Uint32Array;
  /** Pages in entries of the first table. */
  readonly hits: () => Queries;
  /** Pages between entries. */
  readonly misses: () => Queries;
  /** Pages on both sides of where entries of a table of the pool begin and end. */
  readonly probes: (cut: number) => Queries;
}

/** Entries of table `cut` of the pool. */
export function cutOf(input: Input, cut: number): Entries {
  const { asids, starts, lasts, addrs } = input.pool();
  const [from, to] = [cut * input.n, (cut + 1) * input.n];
  return {
    asids: asids.subarray(from, to),
    starts: starts.subarray(from, to),
    lasts: lasts.subarray(from, to),
    addrs: addrs.subarray(from, to),
  };
}

/** Entry `id` of any table: its address space, and the first page that may be its. */
function placeOf(id: number, spaces: number): readonly [asid: number, slot: number] {
  return [id % spaces, Math.floor(id / spaces) * SLOT];
}

function entries(n: number, spaces: number, cuts: number, random: Random): Entries {
  const pool = {
    asids: new Uint32Array(n * cuts),
    starts: new Float64Array(n * cuts),
    lasts: new Float64Array(n * cuts),
    addrs: new Float64Array(n * cuts),
  };
  for (let cut = 0, at = 0; cut < cuts; cut++) {
    for (const id of permutation(n, random)) {
      const [asid, slot] = placeOf(id, spaces);
      pool.asids[at] = asid;
      pool.starts[at] = slot + random.below(8);
      pool.lasts[at] = slot + 8 + random.below(40);
      pool.addrs[at] = random.below(ADDRS);
      at++;
    }
  }
  return pool;
}

function queries(n: number, one: () => readonly [asid: number, page: number]): Queries {
  const asids = new Uint32Array(n);
  const pages = new Float64Array(n);
  for (let i = 0; i < n; i++) [asids[i], pages[i]] = one();
  return { asids, pages };
}

export function inputOf(shape: string, n: number, seed: number, least = POOL): Input {
  const spaces = ASIDS[shape];
  const cuts = Math.ceil(least / n);
  const asked = Math.min(Math.max(n, least), QUERIES_MOST);
  const random = (part: number): Random => new Random(seed * 16 + part);
  const pool = later(() => entries(n, spaces, cuts, random(0)));
  const input: Input = {
    shape,
    n,
    spaces,
    pool,
    cuts,
    removals: later(() => {
      const some = random(1);
      const list = new Uint32Array(n * cuts);
      for (let cut = 0; cut < cuts; cut++) list.set(permutation(n, some), cut * n);
      return list;
    }),
    hits: later(() => {
      const some = random(2);
      const { asids, starts, lasts } = cutOf(input, 0);
      return queries(asked, () => {
        const i = some.below(n);
        return [asids[i], starts[i] + some.below(lasts[i] - starts[i] + 1)];
      });
    }),
    misses: later(() => {
      const some = random(3);
      return queries(asked, () => {
        const [asid, slot] = placeOf(some.below(n), spaces);
        return [asid, slot + GAP + some.below(SLOT - GAP)];
      });
    }),
    probes: (cut) => {
      const some = random(4);
      const { asids, starts, lasts } = cutOf(input, cut);
      return queries(PROBES, () => {
        const i = some.below(n);
        const edges = [Math.max(0, starts[i] - 1), starts[i], lasts[i], lasts[i] + 1];
        return [asids[i], edges[some.below(4)]];
      });
    },
  };
  return input;
}
