/**
 * The algorithm of `IntervalTree` in plain TypeScript: a B+ tree of 16-wide nodes in typed arrays,
 * each child augmented with the largest last below it. What the WebAssembly core has to beat.
 *
 * Entries are named by numbers below `most`, as the caller likes. A node's slot k is element
 * node * 16 + k of the lists; those that are not used hold last -1 and start Infinity.
 */
import { type Peer } from "./contender.js";

const FAN = 16;
/** A node with fewer entries looks for a neighbour to join, if both have at most JOINED. */
const FEW = 5;
const JOINED = 12;

export class PlainTree implements Peer {
  private lasts = new Float64Array();
  private starts = new Float64Array();
  /** Of a leaf: entries. Of an inner node: children. */
  private refs = new Int32Array();
  private counts = new Int32Array();
  /** -1: the root. Of a free node: the next free one, or -1. */
  private parents = new Int32Array();
  private levels = new Uint8Array();
  private used = 0;
  private free = -1;
  private root = 0;
  private readonly leaves: Int32Array;
  private found = new Int32Array(1024);
  size = 0;

  constructor(most: number) {
    this.leaves = new Int32Array(most);
    this.widen(Math.ceil(most / 8) + 16);
    this.clear();
  }

  clear(): void {
    this.used = this.size = 0;
    this.free = -1;
    this.root = this.newNode(0);
  }

  /** Slot of the first overlap, or -1: in the leftmost child that reaches far enough. */
  private find(start: number, last: number): number {
    const { lasts, refs, levels } = this;
    let node = this.root;
    for (;;) {
      const from = node * FAN;
      let at = from;
      while (at < from + FAN && lasts[at] < start) at++;
      if (at === from + FAN) return -1;
      if (levels[node] === 0) return this.starts[at] <= last ? at : -1;
      node = refs[at];
    }
  }

  /** The first overlap, or -1. */
  entry(start: number, last: number): number {
    const at = this.find(start, last);
    return at < 0 ? -1 : this.refs[at];
  }

  prove(start: number, last: number): number {
    const at = this.find(start, last);
    return at < 0 ? 0 : this.starts[at] + 1;
  }

  first(start: number, last: number): number {
    return this.find(start, last) < 0 ? 0 : 1;
  }

  count(start: number, last: number): number {
    return this.walk(this.root, start, last, 0, false);
  }

  all(start: number, last: number): number {
    return this.walk(this.root, start, last, 0, true);
  }

  private walk(node: number, start: number, last: number, before: number, keep: boolean): number {
    const { lasts, starts, refs } = this;
    const isLeaf = this.levels[node] === 0;
    const end = node * FAN + this.counts[node];
    let n = before;
    for (let at = node * FAN; at < end && starts[at] <= last; at++) {
      if (lasts[at] < start) continue;
      if (!isLeaf) n = this.walk(refs[at], start, last, n, keep);
      else {
        if (keep) this.keep(n, refs[at]);
        n++;
      }
    }
    return n;
  }

  private keep(n: number, entry: number): void {
    if (n === this.found.length) {
      const more = new Int32Array(n * 2);
      more.set(this.found);
      this.found = more;
    }
    this.found[n] = entry;
  }

  /** From the top down: full nodes are split before they are entered. */
  insert(entry: number, start: number, last: number): void {
    if (this.counts[this.root] === FAN) this.raise();
    let node = this.root;
    while (this.levels[node] > 0) {
      let at = this.childFor(node, start);
      if (this.counts[this.refs[at]] === FAN) {
        this.split(node, at, start);
        if (start >= this.starts[at + 1]) at++;
      }
      if (this.lasts[at] < last) this.lasts[at] = last;
      if (this.starts[at] > start) this.starts[at] = start;
      node = this.refs[at];
    }
    this.open(node, this.behind(node, start), last, start, entry);
    this.leaves[entry] = node;
    this.size++;
  }

  /** From the leaf up: small nodes join a neighbour, and bounds are narrowed. */
  remove(entry: number): void {
    const leaf = this.leaves[entry];
    const at = this.slotOf(entry, leaf);
    const gone = this.lasts[at];
    this.close(leaf, at);
    this.mend(leaf, gone);
    this.lower();
    this.size--;
  }

  /** Where an entry that starts there goes: behind all that start no later. */
  private behind(node: number, start: number): number {
    const { starts } = this;
    const end = node * FAN + FAN;
    let at = node * FAN;
    while (at < end && starts[at] <= start) at++;
    return at;
  }

  private slotOf(ref: number, node: number): number {
    const { refs } = this;
    let at = node * FAN;
    while (refs[at] !== ref) at++;
    return at;
  }

  private childFor(node: number, start: number): number {
    return Math.max(node * FAN, this.behind(node, start) - 1);
  }

  private open(node: number, at: number, last: number, start: number, ref: number): void {
    const { lasts, starts, refs } = this;
    for (let k = node * FAN + this.counts[node]; k > at; k--) {
      lasts[k] = lasts[k - 1];
      starts[k] = starts[k - 1];
      refs[k] = refs[k - 1];
    }
    lasts[at] = last;
    starts[at] = start;
    refs[at] = ref;
    this.counts[node]++;
  }

  private close(node: number, at: number): void {
    const { lasts, starts, refs } = this;
    const end = node * FAN + --this.counts[node];
    for (let k = at; k < end; k++) {
      lasts[k] = lasts[k + 1];
      starts[k] = starts[k + 1];
      refs[k] = refs[k + 1];
    }
    lasts[end] = -1;
    starts[end] = Infinity;
    refs[end] = -1;
  }

  private empty(from: number, to: number): void {
    this.lasts.fill(-1, from, to);
    this.starts.fill(Infinity, from, to);
    this.refs.fill(-1, from, to);
  }

  private reach(node: number): number {
    const { lasts } = this;
    const end = node * FAN + this.counts[node];
    let most = -1;
    for (let at = node * FAN; at < end; at++) if (lasts[at] > most) most = lasts[at];
    return most;
  }

  private newNode(level: number): number {
    let node = this.free;
    if (node >= 0) this.free = this.parents[node];
    else {
      if (this.used === this.levels.length) this.widen(this.used + (this.used >> 1));
      node = this.used++;
    }
    this.empty(node * FAN, node * FAN + FAN);
    this.counts[node] = 0;
    this.parents[node] = -1;
    this.levels[node] = level;
    return node;
  }

  private freeNode(node: number): void {
    this.parents[node] = this.free;
    this.free = node;
  }

  private widen(nodes: number): void {
    const wider = <T extends Float64Array | Int32Array | Uint8Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.lasts = wider(new Float64Array(nodes * FAN), this.lasts);
    this.starts = wider(new Float64Array(nodes * FAN), this.starts);
    this.refs = wider(new Int32Array(nodes * FAN), this.refs);
    this.counts = wider(new Int32Array(nodes), this.counts);
    this.parents = wider(new Int32Array(nodes), this.parents);
    this.levels = wider(new Uint8Array(nodes), this.levels);
  }

  /** Tells what is in slots [from, to) that it is in `node` now. */
  private adopt(node: number, from: number, to: number): void {
    const homes = this.levels[node] === 0 ? this.leaves : this.parents;
    for (let at = from; at < to; at++) homes[this.refs[at]] = node;
  }

  /** Moves slots [from, to) behind those of another node. */
  private move(from: number, to: number, node: number): void {
    const at = node * FAN + this.counts[node];
    this.lasts.copyWithin(at, from, to);
    this.starts.copyWithin(at, from, to);
    this.refs.copyWithin(at, from, to);
    this.counts[node] += to - from;
    this.adopt(node, at, at + to - from);
    this.empty(from, to);
  }

  private raise(): void {
    const old = this.root;
    this.root = this.newNode(this.levels[old] + 1);
    this.open(this.root, this.root * FAN, this.reach(old), this.starts[old * FAN], old);
    this.parents[old] = this.root;
  }

  /** Splits the full child in slot `at`; ascending insertion leaves the left one nearly full. */
  private split(node: number, at: number, start: number): void {
    const child = this.refs[at];
    const right = this.newNode(this.levels[child]);
    const isLast = at === node * FAN + this.counts[node] - 1;
    const ascends = isLast && start >= this.starts[child * FAN + FAN - 1];
    const keep = ascends ? FAN - 2 : FAN / 2;
    this.move(child * FAN + keep, child * FAN + FAN, right);
    this.counts[child] = keep;
    this.lasts[at] = this.reach(child);
    this.open(node, at + 1, this.reach(right), this.starts[right * FAN], right);
    this.parents[right] = node;
  }

  /** Moves everything of the child in slot `at + 1` to the one in slot `at`, if it fits. */
  private join(node: number, at: number): boolean {
    const left = this.refs[at];
    const right = this.refs[at + 1];
    const more = this.counts[right];
    if (this.counts[left] + more > JOINED) return false;
    this.move(right * FAN, right * FAN + more, left);
    this.freeNode(right);
    this.close(node, at + 1);
    this.lasts[at] = this.reach(left);
    return true;
  }

  /** Mends what is above a node that lost something that ended at `gone`. */
  private mend(leaf: number, gone: number): void {
    for (let node = leaf; this.parents[node] >= 0;) {
      const parent = this.parents[node];
      const at = this.slotOf(node, parent);
      const first = parent * FAN;
      const count = this.counts[node];
      if (count === 0) {
        this.freeNode(node);
        this.close(parent, at);
      } else if (
        count >= FEW ||
        !(
          (at + 1 < first + this.counts[parent] && this.join(parent, at)) ||
          (at > first && this.join(parent, at - 1))
        )
      ) {
        if (this.lasts[at] !== gone) return;
        const reach = this.reach(node);
        if (reach === gone) return;
        this.lasts[at] = reach;
      }
      node = parent;
    }
  }

  /** An inner root with one child is not needed; one with none becomes a leaf. */
  private lower(): void {
    while (this.levels[this.root] > 0 && this.counts[this.root] < 2) {
      if (this.counts[this.root] === 0) {
        this.levels[this.root] = 0;
        return;
      }
      const child = this.refs[this.root * FAN];
      this.freeNode(this.root);
      this.root = child;
      this.parents[child] = -1;
    }
  }
}
