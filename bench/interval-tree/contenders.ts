/**
 * Who is measured. Before anything is timed each proves that it finds what the plain model finds:
 * `proof` is the sum of the starts of first overlaps. Timed calls return how many they found.
 */
import { IntervalTree as FlattenTree } from "@flatten-js/interval-tree";
import Flatbush from "flatbush";
import { IntervalTree as NodeTree } from "node-interval-tree";
import { IntervalTree } from "shootdown";
import sortedBtree from "sorted-btree";
import type { Input } from "./inputs.js";

/** Things to measure. */
export type What = "first" | "all" | "insert" | "churn";

export interface Contender {
  readonly name: string;
  /** What it can do. */
  readonly can: readonly What[];
  /** Where it can take part; everywhere if not given. */
  readonly shapes?: readonly string[];
  /** Above this many entries it takes too long. */
  readonly most?: number;
  open(input: Input): Promise<Work> | Work;
}

export type Work = Partial<Record<What, () => number>> & { proof(): number };

function over(input: Input, ask: (start: number, last: number) => number): () => number {
  return () => {
    let sum = 0;
    for (let i = 0; i < input.queryStarts.length; i++) {
      sum += ask(input.queryStarts[i], input.queryLasts[i]);
    }
    return sum;
  };
}

const ours: Contender = {
  name: "shootdown",
  can: ["first", "all", "insert", "churn"],
  async open(input) {
    const tree = await IntervalTree.create();
    const spare = await IntervalTree.create();
    const handles = tree.load(input.starts, input.lasts);
    return {
      proof: over(input, (start, last) => {
        const handle = tree.first(start, last);
        return handle === undefined ? 0 : tree.get(handle).start + 1;
      }),
      first: over(input, (start, last) => (tree.first(start, last) === undefined ? 0 : 1)),
      all: over(input, (start, last) => tree.count(start, last)),
      insert: () => {
        spare.clear();
        for (let i = 0; i < input.n; i++) spare.insert(input.starts[i], input.lasts[i], i);
        return spare.size;
      },
      churn: () => {
        for (const k of input.picks) {
          tree.remove(handles[k]);
          handles[k] = tree.insert(input.starts[k], input.lasts[k]);
        }
        return tree.size;
      },
    };
  },
};

const batches: Contender = {
  name: "shootdown, batches",
  can: ["first", "all", "insert"],
  async open(input) {
    const tree = await IntervalTree.create();
    const spare = await IntervalTree.create();
    tree.load(input.starts, input.lasts);
    const { queryStarts, queryLasts } = input;
    const firsts = (): Float64Array => tree.firstMany(queryStarts, queryLasts);
    return {
      proof: () => firsts().reduce((sum, h) => sum + (h < 0 ? 0 : tree.get(h).start + 1), 0),
      first: () => firsts().reduce((sum, handle) => sum + (handle < 0 ? 0 : 1), 0),
      all: () => tree.countMany(queryStarts, queryLasts).reduce((sum, n) => sum + n, 0),
      insert: () => {
        spare.clear();
        spare.insertMany(input.starts, input.lasts);
        return spare.size;
      },
    };
  },
};

const node: Contender = {
  name: "node-interval-tree",
  can: ["first", "all", "insert", "churn"],
  most: 100_000,
  open(input) {
    const records = Array.from(input.starts, (low, i) => ({ low, high: input.lasts[i], i }));
    const build = (): NodeTree<(typeof records)[number]> => {
      const tree = new NodeTree<(typeof records)[number]>();
      for (const record of records) tree.insert(record);
      return tree;
    };
    const tree = build();
    return {
      proof: over(input, (start, last) => {
        const low = tree.search(start, last).reduce((s, r) => Math.min(s, r.low), Infinity);
        return low === Infinity ? 0 : low + 1;
      }),
      // It finds all of them or none.
      first: over(input, (start, last) => (tree.search(start, last).length === 0 ? 0 : 1)),
      all: over(input, (start, last) => tree.search(start, last).length),
      insert: () => build().count,
      churn: () => {
        for (const k of input.picks) {
          tree.remove(records[k]);
          tree.insert(records[k]);
        }
        return tree.count;
      },
    };
  },
};

/** Its own declarations do not resolve. */
interface Flatten {
  insert(key: readonly [number, number], value: number): unknown;
  search(key: readonly [number, number]): number[];
  readonly size: number;
}

const flatten: Contender = {
  name: "@flatten-js/interval-tree",
  can: ["first", "all", "insert"],
  most: 100_000,
  open(input) {
    const build = (): Flatten => {
      const tree = new (FlattenTree as unknown as new () => Flatten)();
      for (let i = 0; i < input.n; i++) tree.insert([input.starts[i], input.lasts[i]], i);
      return tree;
    };
    const tree = build();
    return {
      proof: over(input, (start, last) => {
        const found = tree.search([start, last]);
        return found.length === 0 ? 0 : Math.min(...found.map((i) => input.starts[i])) + 1;
      }),
      first: over(input, (start, last) => (tree.search([start, last]).length === 0 ? 0 : 1)),
      all: over(input, (start, last) => tree.search([start, last]).length),
      insert: () => build().size,
    };
  },
};

const flatbush: Contender = {
  name: "flatbush (static)",
  can: ["first", "all"],
  open(input) {
    const index = new Flatbush(input.n);
    for (let i = 0; i < input.n; i++) index.add(input.starts[i], 0, input.lasts[i], 0);
    index.finish();
    return {
      proof: over(input, (start, last) => {
        let low = Infinity;
        for (const i of index.search(start, 0, last, 0)) low = Math.min(low, input.starts[i]);
        return low === Infinity ? 0 : low + 1;
      }),
      first: over(input, (start, last) => (index.search(start, 0, last, 0).length === 0 ? 0 : 1)),
      all: over(input, (start, last) => index.search(start, 0, last, 0).length),
    };
  },
};

/** A sorted map by start: enough where nothing overlaps. */
const sorted: Contender = {
  name: "sorted-btree",
  can: ["first", "insert", "churn"],
  shapes: ["disjoint"],
  open(input) {
    const build = () => {
      const tree = new sortedBtree.default<number, number>();
      for (let i = 0; i < input.n; i++) tree.set(input.starts[i], input.lasts[i]);
      return tree;
    };
    const tree = build();
    const first = (start: number, last: number): number => {
      const before = tree.getPairOrNextLower(start);
      if (before !== undefined && before[1] >= start) return before[0] + 1;
      const after = tree.nextHigherPair(start);
      return after !== undefined && after[0] <= last ? after[0] + 1 : 0;
    };
    return {
      proof: over(input, first),
      first: over(input, (start, last) => Math.min(1, first(start, last))),
      insert: () => build().size,
      churn: () => {
        for (const k of input.picks) {
          tree.delete(input.starts[k]);
          tree.set(input.starts[k], input.lasts[k]);
        }
        return tree.size;
      },
    };
  },
};

export const CONTENDERS: readonly Contender[] = [ours, batches, node, flatten, flatbush, sorted];

/** By scanning a list sorted by start: slow, and right. The proof, and the timed answers. */
export function expected(input: Input): { proof: number } & Record<What, number> {
  const order = Array.from(input.starts.keys()).sort((a, b) => input.starts[a] - input.starts[b]);
  const sums = { proof: 0, first: 0, all: 0, insert: input.n, churn: input.n };
  for (let q = 0; q < input.queryStarts.length; q++) {
    let found = 0;
    for (const i of order) {
      if (input.starts[i] > input.queryLasts[q]) break;
      if (input.lasts[i] < input.queryStarts[q]) continue;
      if (found++ === 0) sums.proof += input.starts[i] + 1;
    }
    sums.all += found;
    sums.first += Math.min(1, found);
  }
  return sums;
}
