/**
 * The pinned pages of one mapping as the kernel keeps them: an ordered tree with a node a page.
 * Slow and plain: what the packed form is held against, and what it is compared with. It differs
 * where a node can hold more than a packed word: counts to 2^32 - 1, frames to 2^53 - 1, and every
 * new page may find no memory.
 */
import { checkWithin } from "./arguments.js";
import { ArgumentError, CapacityError } from "./errors.js";
import { type Numbers, PAGE_LIMIT } from "./pages.js";
import * as check from "./pin-arguments.js";
import type { Fault, Frames, PinnedPage, PinOptions, PinStore } from "./pin-store.js";

/** The mapping, and how many nodes there may be. */
export interface PinnedPagesTreeOptions extends PinOptions {
  /** Most nodes; no limit by default. */
  readonly maxNodes?: number;
}

/** Bytes of the kernel's node (`struct vfio_pfn`, 64-bit): 44, aligned. A slab may round to 64. */
export const PIN_NODE_BYTES = 48;

const COUNT_MOST = 2 ** 32 - 1;
const FRAME_MOST = Number.MAX_SAFE_INTEGER;

interface Node {
  readonly page: number;
  readonly pfn: number;
  /** A heap by priority keeps the tree shallow; a hash of the page, so that runs are repeatable. */
  readonly priority: number;
  count: number;
  left: Node | undefined;
  right: Node | undefined;
}

function priorityOf(page: number): number {
  let h = (page ^ (page / 2 ** 32)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Pages below `page`, and the others. */
function split(node: Node | undefined, page: number): [Node | undefined, Node | undefined] {
  if (node === undefined) return [undefined, undefined];
  if (node.page < page) {
    const [low, high] = split(node.right, page);
    node.right = low;
    return [node, high];
  }
  const [low, high] = split(node.left, page);
  node.left = high;
  return [low, node];
}

/** Joins two trees, all of the first below all of the second. */
function join(low: Node | undefined, high: Node | undefined): Node | undefined {
  if (low === undefined) return high;
  if (high === undefined) return low;
  if (low.priority > high.priority) {
    low.right = join(low.right, high);
    return low;
  }
  high.left = join(low, high.left);
  return high;
}

/** See the file comment. */
export class PinnedPagesTree implements PinStore {
  private readonly mapping: check.Mapping;
  private readonly maxNodes: number;
  private root: Node | undefined;
  private nodes = 0;
  private refs = 0;
  private charged = 0;
  private mapped: number | undefined;
  private version = 0;
  private faulting = false;

  /** @throws ArgumentError E_TYPE, E_LIMIT, E_INVERTED */
  constructor(options: PinnedPagesTreeOptions = {}) {
    this.mapping = check.checkMapping(options);
    const { maxNodes } = options;
    this.maxNodes =
      maxNodes === undefined ? Infinity : checkWithin("maxNodes", maxNodes, 0, PAGE_LIMIT);
  }

  get size(): number {
    return this.nodes;
  }

  get pins(): number {
    return this.refs;
  }

  get charge(): number {
    return this.mapped ?? this.charged;
  }

  /** Bytes that the kernel's nodes would take. */
  get bytesUsed(): number {
    return this.nodes * PIN_NODE_BYTES;
  }

  private find(page: number): Node | undefined {
    let node = this.root;
    while (node !== undefined && node.page !== page) {
      node = page < node.page ? node.left : node.right;
    }
    return node;
  }

  private isReserved(pfn: number): boolean {
    return this.mapping.reserved.some(([first, last]) => pfn >= first && pfn <= last);
  }

  private refuseInFault(): void {
    if (this.faulting) throw check.busy();
  }

  private fault(page: number, fault: Fault): number {
    this.faulting = true;
    try {
      return checkWithin("frame", fault(page), 0, FRAME_MOST);
    } finally {
      this.faulting = false;
    }
  }

  private pinOne(page: number, frame: number | Fault, index?: number): number {
    const found = this.find(page);
    if (found !== undefined) {
      if (found.count === COUNT_MOST) throw check.saturated(page, COUNT_MOST, index);
      found.count++;
      this.refs++;
      this.version++;
      return found.pfn;
    }
    const pfn = typeof frame === "function" ? this.fault(page, frame) : frame;
    const charges = !this.isReserved(pfn);
    const { chargeLimit } = this.mapping;
    if (charges && this.mapped === undefined && this.charged >= chargeLimit) {
      throw check.overLimit(chargeLimit, index);
    }
    if (this.nodes >= this.maxNodes) {
      const message = `there may be ${this.maxNodes} nodes`;
      throw new CapacityError("E_NOMEM", message, { limit: this.maxNodes, index });
    }
    this.insert({
      page,
      pfn,
      count: 1,
      priority: priorityOf(page),
      left: undefined,
      right: undefined,
    });
    this.nodes++;
    this.refs++;
    if (charges) this.charged++;
    this.version++;
    return pfn;
  }

  private insert(node: Node): void {
    const [low, high] = split(this.root, node.page);
    this.root = join(join(low, node), high);
  }

  private removeNode({ page, pfn, count }: Node): void {
    const [low, rest] = split(this.root, page);
    const [, high] = split(rest, page + 1);
    this.root = join(low, high);
    this.nodes--;
    this.refs -= count;
    if (!this.isReserved(pfn)) this.charged--;
    this.version++;
  }

  pin(page: number, frame: number | Fault): number {
    check.checkMapped(this.mapping, page);
    this.refuseInFault();
    if (typeof frame !== "function") checkWithin("frame", frame, 0, FRAME_MOST);
    return this.pinOne(page, frame);
  }

  pinMany(pages: Numbers, frames: Frames, into?: Float64Array): Float64Array {
    checkWhole(pages);
    const kept = check.keep(pages, frames);
    return this.pinAll(kept.length, (i) => kept[i], frames, into);
  }

  pinRange(page: number, count: number, frames: Frames, into?: Float64Array): Float64Array {
    checkWithin("count", count, 1, PAGE_LIMIT);
    checkWhole([page]);
    return this.pinAll(count, (i) => page + i, frames, into);
  }

  private pinAll(
    n: number,
    pageOf: (i: number) => number,
    frames: Frames,
    into: Float64Array | undefined,
  ): Float64Array {
    this.refuseInFault();
    check.checkInto(into, n);
    check.checkFrameList(frames, n);
    if (typeof frames !== "function") {
      for (let i = 0; i < n; i++) checkWithin("frame", frames[i], 0, FRAME_MOST);
    }
    const out = check.results(n);
    let done = 0;
    try {
      for (; done < n; done++) {
        const page = pageOf(done);
        check.checkMapped(this.mapping, page, "page", done);
        const frame = typeof frames === "function" ? frames : frames[done];
        out[done] = this.pinOne(page, frame, done);
      }
    } catch (error) {
      while (done > 0) this.unpinOne(pageOf(--done));
      throw error;
    }
    if (into === undefined) return out;
    into.set(out);
    return into;
  }

  private unpinOne(page: number): number {
    const node = this.find(page);
    if (node === undefined) return -1;
    if (node.count === 1) {
      this.removeNode(node);
      return 0;
    }
    this.refs--;
    this.version++;
    return --node.count;
  }

  unpin(page: number): number {
    check.checkMapped(this.mapping, page);
    this.refuseInFault();
    return this.unpinOne(page);
  }

  unpinMany(pages: Numbers, into?: Float64Array): number {
    checkWhole(pages);
    return this.unpinAll(pages.length, (i) => pages[i], into);
  }

  unpinRange(page: number, count: number, into?: Float64Array): number {
    checkWithin("count", count, 1, PAGE_LIMIT);
    checkWhole([page]);
    return this.unpinAll(count, (i) => page + i, into);
  }

  private unpinAll(n: number, pageOf: (i: number) => number, into?: Float64Array): number {
    check.checkInto(into, n);
    const { first, last } = this.mapping;
    if (n > 0) check.checkMapped(this.mapping, pageOf(0), "page", 0);
    this.refuseInFault();
    for (let i = 0; i < n; i++) {
      const page = pageOf(i);
      if (page < first || page > last) return i;
      const left = this.unpinOne(page);
      if (into !== undefined) into[i] = left;
    }
    return n;
  }

  lookup(page: number): number | undefined {
    check.checkMapped(this.mapping, page);
    return this.find(page)?.pfn;
  }

  count(page: number): number {
    check.checkMapped(this.mapping, page);
    return this.find(page)?.count ?? 0;
  }

  anyIn(first: number, last: number): boolean {
    check.checkPart(this.mapping, first, last);
    let node = this.root;
    while (node !== undefined && (node.page < first || node.page > last)) {
      node = node.page < first ? node.right : node.left;
    }
    return node !== undefined;
  }

  walk(
    first = this.mapping.first,
    last = this.mapping.last,
  ): Generator<PinnedPage, void, undefined> {
    check.checkPart(this.mapping, first, last);
    return this.nodesIn(first, last);
  }

  private *nodesIn(first: number, last: number): Generator<PinnedPage, void, undefined> {
    const { version } = this;
    for (const { page, pfn, count } of inOrder(this.root, first, last)) {
      yield { page, pfn, count };
      if (this.version !== version) throw check.changed();
    }
  }

  [Symbol.iterator](): Generator<PinnedPage, void, undefined> {
    return this.walk();
  }

  drop(first = this.mapping.first, last = this.mapping.last): number {
    check.checkPart(this.mapping, first, last);
    this.refuseInFault();
    const gone = [...inOrder(this.root, first, last)];
    for (const node of gone) this.removeNode(node);
    return gone.length;
  }

  mapAll(reserved = 0): void {
    this.refuseInFault();
    const { first, last, chargeLimit } = this.mapping;
    const pages = last - first + 1;
    const charge = pages - checkWithin("reserved", reserved, 0, pages);
    if (charge > chargeLimit) throw check.overLimit(chargeLimit);
    this.mapped = charge;
  }

  unmapAll(): void {
    this.refuseInFault();
    this.mapped = undefined;
  }
}

function* inOrder(node: Node | undefined, first: number, last: number): Generator<Node> {
  if (node === undefined) return;
  if (node.page >= first) yield* inOrder(node.left, first, last);
  if (node.page >= first && node.page <= last) yield node;
  if (node.page <= last) yield* inOrder(node.right, first, last);
}

function checkWhole(pages: Numbers): void {
  check.checkList("pages", pages);
  for (let i = 0; i < pages.length; i++) {
    const page: unknown = pages[i];
    if (typeof page !== "number" || !Number.isInteger(page)) {
      const message = `page must be a whole page number, got ${String(page)}`;
      throw new ArgumentError("E_TYPE", message, { argument: "page", index: i });
    }
  }
}
