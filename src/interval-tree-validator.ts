/** What is true of every interval tree, by name: for tests, debugging, and embedders in doubt. */
import type { IntervalTree } from "./interval-tree.js";
import type { Violation } from "./violation.js";

/** Words and places, as in assembly/interval-tree/node.ts. */
const HEADER_BYTES = 64;
const NODE_WORDS = 128;
const FAN = 16;
const START = 32;
const REF = 64;
const HANDLE = 80;
const GENERATION = 96;
const COUNT = 112;
const PARENT = 113;
const LEVEL = 114;

interface Header {
  readonly root: number;
  readonly levels: number;
  readonly count: number;
  readonly nodes: number;
  readonly freeNode: number;
  readonly freeNodes: number;
  readonly handles: number;
  readonly freeHandle: number;
  readonly handlesAt: number;
}

/** Names of the invariants, and what they say. */
export const INTERVAL_TREE_INVARIANTS = {
  LeavesAscend: "Entries ascend by start, within a leaf and from leaf to leaf.",
  SubtreeLastIsMaximum: "A child's bound is the largest last below it.",
  StartsBoundChildren:
    "A child's start bound is no later than what is below it, nor earlier than before.",
  NoEmptyLeaf: "No node is empty but the root of an empty tree.",
  EmptySlotsAreEmpty: "Slots behind the count hold last -1, start 2^63 - 1, ref and handle 0.",
  ParentsKnown: "A node knows its parent and its level.",
  HandlesPointHome: "A handle in use names the one leaf that names it; its generation is odd.",
  CountsAddUp: "Entries, nodes and handles are counted, in use or on a free list, once each.",
} as const;

type Name = keyof typeof INTERVAL_TREE_INVARIANTS;

/** An entry as it is met, in order. */
export interface FoundEntry {
  readonly start: bigint;
  readonly last: bigint;
  readonly value: number;
  readonly slot: number;
}

/** Reads one tree. */
class Reader {
  readonly header: Header;
  private readonly violations: Violation[] = [];
  private readonly seen = new Set<number>();
  private readonly homes = new Map<number, number>();
  private entries = 0;
  private before = -1n;

  constructor(
    private readonly u32: Uint32Array,
    private readonly tree: number,
    private readonly found?: (entry: FoundEntry) => void,
    private readonly apart: number = 0,
  ) {
    const word = (i: number): number => u32[(tree >> 2) + i];
    this.header = {
      root: word(0),
      levels: word(1),
      count: word(2),
      nodes: word(4),
      freeNode: word(5),
      freeNodes: word(6),
      handles: word(8),
      freeHandle: word(9),
      handlesAt: (tree + word(10)) >> 2,
    };
  }

  private report(invariant: Name, detail: string): void {
    if (this.violations.length < 100) this.violations.push({ invariant, detail });
  }

  private at(id: number): number {
    return (this.tree + HEADER_BYTES) / 4 + (id - 1) * NODE_WORDS;
  }

  private i64(word: number): bigint {
    return BigInt.asIntN(64, (BigInt(this.u32[word + 1]) << 32n) | BigInt(this.u32[word]));
  }

  check(): Violation[] {
    this.visit(this.header.root, 0, this.header.levels - 1);
    this.counts();
    return this.violations;
  }

  /** Checks a node and all below it; its largest last. */
  private visit(id: number, parent: number, level: number): bigint {
    const n = this.at(id);
    if (this.seen.has(id) || id < 1 || id > this.header.nodes) {
      this.report("CountsAddUp", `node ${id} is named twice, or does not exist`);
      return -1n;
    }
    this.seen.add(id);
    if (this.u32[n + PARENT] !== parent || this.u32[n + LEVEL] !== level) {
      this.report("ParentsKnown", `node ${id} is not at level ${level} under ${parent}`);
    }
    const count = this.u32[n + COUNT];
    if (count === 0 && (parent !== 0 || level !== 0)) this.report("NoEmptyLeaf", `node ${id}`);
    this.emptySlots(id, n, count);
    let largest = -1n;
    for (let i = 0; i < count; i++) {
      const last = this.i64(n + i * 2);
      const start = this.i64(n + START + i * 2);
      if (level === 0) this.entry(id, n, i, start, last);
      else this.child(id, n, i, level, start, last);
      if (last > largest) largest = last;
    }
    return largest;
  }

  private entry(id: number, n: number, i: number, start: bigint, last: bigint): void {
    this.entries++;
    if (start < this.before || last < start) {
      this.report("LeavesAscend", `node ${id} slot ${i}: [${start}, ${last}] after ${this.before}`);
    }
    this.before = start;
    const handle = this.u32[n + HANDLE + i];
    if (this.homes.has(handle)) this.report("HandlesPointHome", `handle ${handle} is used twice`);
    this.homes.set(handle, id);
    const generation = this.u32[this.header.handlesAt + handle * 2 + 1];
    if (this.u32[n + GENERATION + i] !== generation) {
      this.report("HandlesPointHome", `handle ${handle} is of another generation in node ${id}`);
    }
    this.found?.({ start, last, value: this.u32[n + REF + i], slot: handle });
  }

  private child(
    id: number,
    n: number,
    i: number,
    level: number,
    start: bigint,
    last: bigint,
  ): void {
    if (start < this.before) {
      this.report("StartsBoundChildren", `node ${id} slot ${i}: ${start} after ${this.before}`);
    }
    const child = this.u32[n + REF + i];
    const first = this.i64(this.at(child) + START);
    if (first < start) {
      this.report("StartsBoundChildren", `node ${id} slot ${i}: ${start}, below it ${first}`);
    }
    const largest = this.visit(child, id, level - 1);
    if (largest !== last) {
      this.report("SubtreeLastIsMaximum", `node ${id} slot ${i}: ${last}, below it ${largest}`);
    }
  }

  private emptySlots(id: number, n: number, count: number): void {
    for (let i = count; i < FAN; i++) {
      const isEmpty =
        this.i64(n + i * 2) === -1n &&
        this.i64(n + START + i * 2) === 2n ** 63n - 1n &&
        this.u32[n + REF + i] === 0 &&
        this.u32[n + HANDLE + i] === 0 &&
        this.u32[n + GENERATION + i] === 0;
      if (!isEmpty) this.report("EmptySlotsAreEmpty", `node ${id} slot ${i}`);
    }
  }

  private counts(): void {
    const { header, u32 } = this;
    if (this.entries !== header.count) {
      this.report("CountsAddUp", `${header.count} entries are counted, ${this.entries} found`);
    }
    let free = 0;
    for (let id = header.freeNode; id !== 0 && free <= header.nodes; free++) {
      if (this.seen.has(id)) this.report("CountsAddUp", `node ${id} is used and free`);
      id = u32[this.at(id) + PARENT];
    }
    if (free !== header.freeNodes || free + this.seen.size !== header.nodes) {
      this.report("CountsAddUp", `${free} nodes free, ${this.seen.size} used, of ${header.nodes}`);
    }
    let freeHandles = 0;
    for (let slot = header.freeHandle; slot !== 0 && freeHandles <= header.handles; freeHandles++) {
      const row = header.handlesAt + (slot - 1) * 2;
      if (u32[row + 1] % 2 !== 0) this.report("HandlesPointHome", `free handle ${slot - 1} is odd`);
      slot = u32[row];
    }
    const used = this.homes.size + this.apart;
    if (freeHandles + used !== header.handles) {
      this.report("CountsAddUp", `${freeHandles} handles free, ${used} used, of ${header.handles}`);
    }
    for (const [slot, leaf] of this.homes) {
      const row = header.handlesAt + slot * 2;
      if (u32[row] !== leaf || u32[row + 1] % 2 !== 1) {
        this.report("HandlesPointHome", `handle ${slot} says node ${u32[row]}, it is in ${leaf}`);
      }
    }
  }
}

/**
 * Checks the tree at `tree`, one that is part of something else; tells `found` of its entries.
 * `apart`: handles in use that are in no leaf.
 */
export function checkTree(
  u32: Uint32Array,
  tree: number,
  found?: (entry: FoundEntry) => void,
  apart = 0,
): Violation[] {
  return new Reader(u32, tree, found, apart).check();
}

/** Checks every invariant of a tree. Reads all of it; at most 100 violations. */
export function validateIntervalTree(tree: IntervalTree): Violation[] {
  const { u32, tree: at } = tree.raw();
  return checkTree(u32, at);
}
