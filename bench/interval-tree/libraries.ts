/** What npm has, and what JavaScript has. */
import { IntervalTree as FlattenTree } from "@flatten-js/interval-tree";
import Flatbush from "flatbush";
import { IntervalTree as NodeTree } from "node-interval-tree";
import sortedBtree from "sorted-btree";
import { type Contender, contender, fill, type Peer } from "./contender.js";
import type { Input } from "./inputs.js";

function filledWith<T extends Peer>(peer: T, input: Input, filled: boolean): T {
  if (filled) fill(peer, input.entries());
  return peer;
}

interface Entry {
  readonly low: number;
  readonly high: number;
  readonly i: number;
}

class Node implements Peer {
  private tree = new NodeTree<Entry>();
  private readonly records: Entry[] = [];

  get size(): number {
    return this.tree.count;
  }

  prove(start: number, last: number): number {
    const low = this.tree.search(start, last).reduce((s, r) => Math.min(s, r.low), Infinity);
    return low === Infinity ? 0 : low + 1;
  }

  /** It finds all of them or none. */
  first(start: number, last: number): number {
    return this.tree.search(start, last).length === 0 ? 0 : 1;
  }

  all(start: number, last: number): number {
    return this.tree.search(start, last).length;
  }

  clear(): void {
    this.tree = new NodeTree<Entry>();
  }

  insert(i: number, low: number, high: number): void {
    this.records[i] = { low, high, i };
    this.tree.insert(this.records[i]);
  }

  remove(i: number): void {
    this.tree.remove(this.records[i]);
  }
}

/** Its own declarations do not resolve. */
interface Flatten {
  insert(key: readonly [number, number], value: number): unknown;
  remove(key: readonly [number, number], value: number): unknown;
  search(key: readonly [number, number]): number[];
  readonly size: number;
}

class FlattenPeer implements Peer {
  private tree = this.made();
  private readonly keys: (readonly [number, number])[] = [];

  private made(): Flatten {
    return new (FlattenTree as unknown as new () => Flatten)();
  }

  get size(): number {
    return this.tree.size;
  }

  prove(start: number, last: number): number {
    const found = this.tree.search([start, last]);
    return found.length === 0 ? 0 : Math.min(...found.map((i) => this.keys[i][0])) + 1;
  }

  first(start: number, last: number): number {
    return this.tree.search([start, last]).length === 0 ? 0 : 1;
  }

  all(start: number, last: number): number {
    return this.tree.search([start, last]).length;
  }

  clear(): void {
    this.tree = this.made();
  }

  insert(i: number, start: number, last: number): void {
    this.keys[i] = [start, last];
    this.tree.insert(this.keys[i], i);
  }

  remove(i: number): void {
    this.tree.remove(this.keys[i], i);
  }
}

/** Built once: an index of boxes of no height. */
class Flat implements Peer {
  private readonly index: Flatbush;
  private readonly starts: Float64Array;
  readonly size: number;

  constructor(input: Input) {
    const { starts, lasts } = input.entries();
    this.size = input.n;
    this.starts = starts;
    this.index = new Flatbush(input.n);
    for (let i = 0; i < input.n; i++) this.index.add(starts[i], 0, lasts[i], 0);
    this.index.finish();
  }

  prove(start: number, last: number): number {
    let low = Infinity;
    for (const i of this.index.search(start, 0, last, 0)) low = Math.min(low, this.starts[i]);
    return low === Infinity ? 0 : low + 1;
  }

  first(start: number, last: number): number {
    return this.index.search(start, 0, last, 0).length === 0 ? 0 : 1;
  }

  all(start: number, last: number): number {
    return this.index.search(start, 0, last, 0).length;
  }
}

/** Node wraps this module twice, other loaders once. */
const BTree = sortedBtree.default ?? (sortedBtree as unknown as typeof sortedBtree.default);

/** A sorted map by start: enough where nothing overlaps. */
class Sorted implements Peer {
  private readonly tree = new BTree<number, number>();
  private readonly starts: number[] = [];

  get size(): number {
    return this.tree.size;
  }

  prove(start: number, last: number): number {
    const before = this.tree.getPairOrNextLower(start);
    if (before !== undefined && before[1] >= start) return before[0] + 1;
    const after = this.tree.nextHigherPair(start);
    return after !== undefined && after[0] <= last ? after[0] + 1 : 0;
  }

  first(start: number, last: number): number {
    return Math.min(1, this.prove(start, last));
  }

  clear(): void {
    this.tree.clear();
  }

  insert(i: number, start: number, last: number): void {
    this.starts[i] = start;
    this.tree.set(start, last);
  }

  remove(i: number): void {
    this.tree.delete(this.starts[i]);
  }
}

/**
 * A `Map` from each page to the entry that holds it. It can say at once who holds a page. It cannot
 * hold two entries that overlap, tries every page of a range in turn, cannot say what comes next,
 * and changes page by page; and it has at most 2^24 pages.
 */
class Pages implements Peer {
  private readonly pages = new Map<number, number>();
  private readonly starts: number[] = [];
  private readonly lasts: number[] = [];
  size = 0;

  prove(start: number, last: number): number {
    for (let page = start; page <= last; page++) {
      const i = this.pages.get(page);
      if (i !== undefined) return this.starts[i] + 1;
    }
    return 0;
  }

  first(start: number, last: number): number {
    return Math.min(1, this.prove(start, last));
  }

  /** Of one page: `stab`. */
  all(page: number): number {
    return this.pages.has(page) ? 1 : 0;
  }

  clear(): void {
    this.pages.clear();
    this.size = 0;
  }

  insert(i: number, start: number, last: number): void {
    this.starts[i] = start;
    this.lasts[i] = last;
    for (let page = start; page <= last; page++) this.pages.set(page, i);
    this.size++;
  }

  remove(i: number): void {
    for (let page = this.starts[i]; page <= this.lasts[i]; page++) this.pages.delete(page);
    this.size--;
  }
}

export const libraries: readonly Contender[] = [
  contender(
    {
      name: "node-interval-tree",
      can: ["first", "all", "stab", "insert", "remove", "churn"],
      most: 100_000,
    },
    (input, filled) => filledWith(new Node(), input, filled),
  ),
  contender(
    {
      name: "@flatten-js/interval-tree",
      can: ["first", "all", "stab", "insert", "remove", "churn"],
      most: 100_000,
    },
    (input, filled) => filledWith(new FlattenPeer(), input, filled),
  ),
  contender(
    { name: "flatbush (static)", can: ["first", "all", "stab"], most: 1_000_000 },
    (input) => new Flat(input),
  ),
  contender(
    {
      name: "sorted-btree",
      can: ["first", "insert", "remove", "churn"],
      shapes: ["disjoint"],
      most: 1_000_000,
    },
    (input, filled) => filledWith(new Sorted(), input, filled),
  ),
  contender(
    {
      name: "Map of pages",
      can: ["first", "stab", "insert", "remove", "churn"],
      shapes: ["disjoint"],
      most: 100_000,
    },
    (input, filled) => filledWith(new Pages(), input, filled),
  ),
];
