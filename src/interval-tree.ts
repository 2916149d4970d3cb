/**
 * A dynamic interval tree for address ranges: closed intervals [start, last] of pages in [0, 2^52),
 * each with a 32-bit value. Duplicates are allowed; the order is start, then insertion.
 *
 * Entries are named by handles, plain numbers that are never 0 and become stale when their entry
 * goes. Where many are returned they come as a Float64Array, and -1 stands for none.
 */
import { checkWithin, failHandle } from "./arguments.js";
import type { CoreExports } from "./core/exports.js";
import type { WasmSource } from "./core/loader.js";
import { StructureMemory } from "./core/structure-memory.js";
import { ArgumentError, CapacityError, DisposedError, ShootdownError } from "./errors.js";
import * as win from "./interval-tree-window.js";
import { BATCH, IN, OUT, ROOM, TREE } from "./interval-tree-window.js";
import {
  areNumbers,
  failInterval,
  isInterval,
  type Numbers,
  PAGE_LIMIT,
  checkLength,
} from "./pages.js";

/** Names an entry. Stale once its entry was removed. */
export type IntervalHandle = number;

/** An entry of an {@link IntervalTree}. */
export interface Interval {
  readonly start: number;
  /** The last page, itself included. */
  readonly last: number;
  readonly value: number;
  readonly handle: IntervalHandle;
}

/** How large a tree may become. */
export interface IntervalTreeOptions {
  /** Most entries, 1 to 2^25; 2^24 by default. */
  readonly limit?: number;
  /** Entries to make room for at once; 64 by default. */
  readonly capacity?: number;
  /** Most bytes of memory; 4 GiB by default. */
  readonly maxBytes?: number;
  readonly wasm?: WasmSource;
}

const LIMIT_MOST = 2 ** 25;
const SLOTS = 2 ** 26;
const VALUES = 2 ** 32;
/** What the core returns for no room, for as many entries as there may be, for no interval. */
const NO_ROOM = -2;
const FULL = -3;
const INVALID = -4;
/** So many nodes (16 MiB) are made room for rather than that a tree is copied. */
const NODES_AT_ONCE = 2 ** 15;
const RECORD_WORDS = 4;
const FIRST_OUT = OUT >> 3;

let trees = 0;

/** See the file comment. Made by {@link IntervalTree.create}. */
export class IntervalTree implements Iterable<Interval> {
  private readonly id = ++trees;
  private x: CoreExports;
  private readonly window: win.TreeWindow;

  private constructor(
    private readonly memory: StructureMemory,
    /** Most entries it may hold. */
    readonly limit: number,
  ) {
    this.x = memory.x;
    this.window = new win.TreeWindow(memory);
  }

  /**
   * An empty tree.
   * @throws ArgumentError E_TYPE, E_LIMIT; CapacityError E_NOMEM
   */
  static async create(options: IntervalTreeOptions = {}): Promise<IntervalTree> {
    const limit = checkWithin("limit", options.limit ?? 2 ** 24, 1, LIMIT_MOST);
    const capacity = checkWithin("capacity", options.capacity ?? 64, 1, limit);
    const maxBytes = checkWithin("maxBytes", options.maxBytes ?? 2 ** 32, 1, 2 ** 32);
    const memory = await StructureMemory.create(TREE + 4096, maxBytes, options.wasm);
    const nodes = memory.x.treeNodesFor(capacity) + 8;
    memory.ensure(TREE + memory.x.treeBytes(nodes, capacity));
    memory.x.treeInit(TREE, nodes, capacity, limit);
    return new IntervalTree(memory, limit);
  }

  /** Entries. */
  get size(): number {
    return this.word(win.H_COUNT);
  }

  /** Levels of nodes: what a query reads. */
  get levels(): number {
    return this.word(win.H_LEVELS);
  }

  /** Bytes of memory it takes. */
  get bytes(): number {
    return this.memory.bytes;
  }

  private word(index: number): number {
    this.x.treeNodesLeft(TREE); // throws when disposed
    return this.memory.u32[(TREE >> 2) + index];
  }

  /** Adds an entry. @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_INVERTED; CapacityError */
  insert(start: number, last: number, value = 0): IntervalHandle {
    if (!areNumbers(start, last)) failInterval(start, last);
    if (!isValue(value)) failValue(value);
    const handle = this.x.treeInsert(TREE, start, last, value);
    if (handle >= 0) return handle;
    if (handle === INVALID) failInterval(start, last);
    if (handle === FULL) throw this.full();
    this.makeRoom(1);
    return this.x.treeInsert(TREE, start, last, value);
  }

  /**
   * Adds many, in their order; their handles. All or none.
   * @throws as {@link insert}; E_LIMIT when the lists differ in length
   */
  insertMany(starts: Numbers, lasts: Numbers, values?: Numbers): Float64Array {
    const n = this.checkLists(starts, lasts, values);
    const size = this.word(win.H_COUNT);
    if (size + n > this.limit) throw this.full(n);
    const handles = new Float64Array(n);
    let done = size === 0 && n > 0 ? this.build(starts, lasts, values, handles) : 0;
    try {
      while (done < n) {
        const count = this.give(starts, lasts, values, done);
        const taken = this.x.treeInsertBatch(TREE, IN, count, win.VALUES_AT, OUT, win.BEHIND);
        this.window.take(handles, done, taken);
        done += taken;
        if (taken < count) this.makeRoom(n - done);
      }
    } catch (error) {
      this.removeMany(handles.subarray(0, done));
      throw error;
    }
    return handles;
  }

  /** Builds an empty tree from the first batch; how many there were in it. */
  private build(
    starts: Numbers,
    lasts: Numbers,
    values: Numbers | undefined,
    handles: Float64Array,
  ): number {
    const { x } = this;
    const count = Math.min(BATCH, starts.length);
    this.widen(x.treeNodesFor(count) + 1, count);
    // One batch is still where it was checked.
    if (starts.length > BATCH) this.window.giveIntervals(starts, lasts, 0);
    this.window.giveValues(values, 0, count);
    x.treeBuildBatch(TREE, IN, count, win.VALUES_AT, OUT, win.BEHIND);
    this.window.take(handles, 0, count);
    return count;
  }

  /**
   * Fills an empty tree, densely: several times as fast as inserting. Their handles, in the order
   * given; entries of equal start keep that order.
   * @throws as {@link insertMany}; E_EXISTS when the tree is not empty
   */
  load(starts: Numbers, lasts: Numbers, values?: Numbers): Float64Array {
    const n = this.checkLists(starts, lasts, values);
    if (this.word(win.H_COUNT) !== 0) {
      throw new ArgumentError("E_EXISTS", `the tree has ${this.size} entries, load wants none`, {
        argument: "this",
      });
    }
    if (n > this.limit) throw this.full(n);
    const { x } = this.memory;
    this.widen(x.treeNodesFor(n) + 8, n);
    const order = win.orderOf(starts);
    const pick = (list: Numbers): Numbers => order?.map((i) => list[i]) ?? list;
    const handles = new Float64Array(n);
    x.treeBegin(TREE);
    const sorted = order === null ? handles : new Float64Array(n);
    const lists = [pick(starts), pick(lasts), values && pick(values)] as const;
    inBatches(n, (at) => {
      const count = this.give(...lists, at);
      x.treeAppend(TREE, IN, count, win.VALUES_AT, OUT);
      this.window.take(sorted, at, count);
    });
    x.treeFinish(TREE);
    order?.forEach((from, to) => {
      handles[from] = sorted[to];
    });
    return handles;
  }

  /** Is this the handle of an entry? */
  has(handle: IntervalHandle): boolean {
    return typeof handle === "number" && this.x.treeSlot(TREE, handle) >= 0;
  }

  /** Slot of a handle. @throws ArgumentError E_TYPE, E_NOENT */
  private slot(handle: IntervalHandle): number {
    return this.has(handle) ? slotOf(handle) : failHandle(handle, "tree");
  }

  /** Removes an entry. @throws ArgumentError E_NOENT for a stale handle, E_TYPE */
  remove(handle: IntervalHandle): void {
    const isNumber = typeof handle === "number";
    if (!isNumber || this.x.treeRemove(TREE, handle) === 0) failHandle(handle, "tree");
  }

  /** Removes many. All or none. @throws ArgumentError E_NOENT, also for one named twice; E_TYPE */
  removeMany(handles: ArrayLike<IntervalHandle>): void {
    let named = 0;
    for (let good = BATCH; named < handles.length && good === BATCH; named += good) {
      const count = this.window.giveHandles(handles, named);
      good = this.x.treeName(TREE, OUT, count);
    }
    inBatches(named, (at) => {
      const count = Math.min(this.window.giveHandles(handles, at), named - at);
      this.x.treeUnname(TREE, OUT, count);
    });
    if (named < handles.length) {
      if (!this.has(handles[named])) failHandle(handles[named], "tree");
      throw new ArgumentError("E_NOENT", "a handle is named twice", { argument: "handles" });
    }
    inBatches(handles.length, (at) => {
      const count = this.window.giveHandles(handles, at);
      this.x.treeRemoveBatch(TREE, OUT, count, win.BEHIND);
    });
  }

  /** What an entry is. @throws ArgumentError E_NOENT, E_TYPE */
  get(handle: IntervalHandle): Interval {
    this.memory.x.treeRead(TREE, this.slot(handle), OUT);
    const [start, last, value] = this.memory.f64.subarray(FIRST_OUT, FIRST_OUT + 3);
    return { start, last, value, handle };
  }

  /** Gives an entry another value. @throws ArgumentError E_NOENT, E_TYPE, E_LIMIT */
  setValue(handle: IntervalHandle, value: number): void {
    if (!isValue(value)) failValue(value);
    this.memory.x.treeSetValue(TREE, this.slot(handle), value);
  }

  /**
   * Moves an entry: its handle and value stay, among equal starts it becomes the last.
   * @throws ArgumentError E_NOENT, E_TYPE, E_ADDR_RANGE, E_INVERTED; CapacityError
   */
  update(handle: IntervalHandle, start: number, last: number): void {
    if (!areNumbers(start, last)) failInterval(start, last);
    if (typeof handle !== "number") failHandle(handle, "tree");
    let moved = this.x.treeMove(TREE, handle, start, last);
    if (moved === NO_ROOM) {
      this.makeRoom(1);
      moved = this.x.treeMove(TREE, handle, start, last);
    }
    if (moved === 0) failHandle(handle, "tree");
    if (moved === INVALID) failInterval(start, last);
  }

  /**
   * Moves many, one after the other: as {@link update} for each. All or none.
   * @throws as update; E_LIMIT when the lists differ in length
   */
  updateMany(handles: ArrayLike<IntervalHandle>, starts: Numbers, lasts: Numbers): void {
    const n = handles.length;
    checkLength("starts", starts, n);
    checkLength("lasts", lasts, n);
    inBatches(n, (at) => {
      const count = this.window.giveHandles(handles, at);
      const good = this.x.treeCheckHandles(TREE, OUT, count);
      if (good < count) failHandle(handles[at + good], "tree");
      this.window.giveIntervals(starts, lasts, at);
    });
    const undo = this.roomToMove(n);
    try {
      inBatches(n, (at) => {
        // One batch is where it was checked.
        const count = n <= BATCH ? n : this.window.giveHandles(handles, at);
        if (n > BATCH) this.window.giveIntervals(starts, lasts, at);
        this.ensureNodes(this.x.treeNodesForMore(TREE, count));
        this.x.treeMoveBatch(TREE, IN, count, OUT, win.BEHIND);
      });
    } catch (error) {
      if (undo !== undefined) this.memory.u8.set(undo, TREE);
      throw error;
    }
  }

  /** Room for `n` moves; or, where that is much, what the tree is now, in case there is not. */
  private roomToMove(n: number): Uint8Array | undefined {
    const most = this.x.treeNodesForMore(TREE, n);
    if (most <= Math.max(NODES_AT_ONCE, this.word(win.H_NODE_CAP))) {
      this.ensureNodes(most);
      return undefined;
    }
    if (most <= this.x.treeNodesLeft(TREE)) return undefined;
    const bytes = this.x.treeBytes(this.word(win.H_NODE_CAP), this.word(win.H_HANDLE_CAP));
    return this.memory.u8.slice(TREE, TREE + bytes);
  }

  private ensureNodes(free: number): void {
    const missing = free - this.x.treeNodesLeft(TREE);
    if (missing <= 0) return;
    const nodes = this.word(win.H_NODE_CAP);
    try {
      this.widen(nodes + Math.max(missing, nodes >> 1), 0);
    } catch {
      this.widen(nodes + missing, 0);
    }
  }

  /** Handle of the first entry that overlaps [start, last], or undefined. */
  first(start: number, last = start): IntervalHandle | undefined {
    if (!areNumbers(start, last)) failInterval(start, last);
    const handle = this.x.treeFirst(TREE, start, last);
    if (handle === INVALID) failInterval(start, last);
    return handle < 0 ? undefined : handle;
  }

  /**
   * Of each interval, the handle of the first entry that overlaps it, or -1: in `into`, which must
   * be as long, or else a new array.
   */
  firstMany(starts: Numbers, lasts: Numbers, into?: Float64Array): Float64Array {
    return this.ask(starts, lasts, into, "treeFirstBatch");
  }

  /** Of each interval, how many entries overlap it; as {@link firstMany}. */
  countMany(starts: Numbers, lasts: Numbers, into?: Float64Array): Float64Array {
    return this.ask(starts, lasts, into, "treeCountBatch");
  }

  private ask(
    starts: Numbers,
    lasts: Numbers,
    into: Float64Array | undefined,
    what: "treeFirstBatch" | "treeCountBatch",
  ): Float64Array {
    const results = into ?? new Float64Array(starts.length);
    if (!(results instanceof Float64Array)) {
      throw new ArgumentError("E_TYPE", "into must be a Float64Array", { argument: "into" });
    }
    checkLength("lasts", lasts, starts.length);
    checkLength("into", into, starts.length);
    inBatches(starts.length, (at) => {
      const count = this.window.giveIntervals(starts, lasts, at);
      this.x[what](TREE, IN, count, OUT);
      this.window.take(results, at, count);
    });
    return results;
  }

  /** Handles of all entries that overlap each interval, ascending. */
  allMany(starts: Numbers, lasts: Numbers): win.Overlaps {
    return this.window.all(starts, lasts, (start, last) => this.all(start, last));
  }

  /** How many entries overlap [start, last]. */
  count(start: number, last = start): number {
    if (!areNumbers(start, last)) failInterval(start, last);
    const count = this.x.treeCount(TREE, start, last);
    if (count < 0) failInterval(start, last);
    return count;
  }

  /** Handles of all entries that overlap [start, last], ascending. */
  all(start: number, last = start): Float64Array {
    const few = this.scan(start, last, 0, ROOM);
    if (few < ROOM) return this.memory.f64.slice(FIRST_OUT, FIRST_OUT + few);
    const all = new Float64Array(this.count(start, last));
    this.allInto(all, start, last);
    return all;
  }

  /**
   * Writes the handles of all entries that overlap [start, last] into `into`, ascending, as many as
   * fit; how many that were.
   */
  allInto(into: Float64Array, start: number, last = start): number {
    let after = 0;
    let written = 0;
    for (;;) {
      const most = Math.min(ROOM, into.length - written);
      const found = this.scan(start, last, after, most);
      const { f64 } = this.memory;
      for (let i = 0; i < found; i++) into[written + i] = f64[FIRST_OUT + i];
      written += found;
      if (found < most || written === into.length) return written;
      after = slotOf(into[written - 1]) + 1;
    }
  }

  private scan(start: number, last: number, after: number, most: number): number {
    if (!areNumbers(start, last)) failInterval(start, last);
    const found = this.x.treeScan(TREE, start, last, after, OUT, most, 0);
    if (found < 0) failInterval(start, last);
    return found;
  }

  /** Handles of all entries that hold page `page`, ascending. */
  stab(page: number): Float64Array {
    return this.all(page, page);
  }

  /**
   * The entries that overlap [start, last], ascending. The tree must not change meanwhile.
   * @throws ShootdownError E_BUSY from the iterator when it has
   */
  *overlaps(start = 0, last = PAGE_LIMIT - 1): Generator<Interval, void, undefined> {
    if (!isInterval(start, last)) failInterval(start, last);
    const version = this.word(win.H_VERSION);
    let after = 0;
    for (;;) {
      const found = this.x.treeScan(TREE, start, last, after, OUT, BATCH, 1);
      const end = FIRST_OUT + found * RECORD_WORDS;
      const records = this.memory.f64.slice(FIRST_OUT, end);
      for (let i = 0; i < records.length; i += RECORD_WORDS) {
        const [first, end, value, handle] = records.subarray(i, i + RECORD_WORDS);
        yield { start: first, last: end, value, handle };
        if (this.word(win.H_VERSION) !== version) {
          throw new ShootdownError("E_BUSY", "the tree was changed while it was iterated over", {
            tree: this.id,
          });
        }
      }
      if (found < BATCH) return;
      after = slotOf(records[records.length - 1]) + 1;
    }
  }

  /** All entries, ascending. The tree must not change meanwhile. */
  [Symbol.iterator](): Generator<Interval, void, undefined> {
    return this.overlaps();
  }

  /** The first entry in order, or undefined. */
  min(): Interval | undefined {
    const handle = this.x.treeLowest(TREE);
    return handle < 0 ? undefined : this.get(handle);
  }

  /** The last entry in order (the one that starts last), or undefined. */
  max(): Interval | undefined {
    const handle = this.x.treeHighest(TREE);
    return handle < 0 ? undefined : this.get(handle);
  }

  /** The largest `last` of all entries, or undefined. */
  maxLast(): number | undefined {
    const last = this.x.treeLargest(TREE);
    return last < 0 ? undefined : last;
  }

  /**
   * The lowest page in [from, to] at which `length` pages are free, all below 2^52, or undefined.
   * Costs a search for every 8 to 16 entries that leave no room on the way.
   */
  firstGap(length: number, from = 0, to = PAGE_LIMIT - 1): number | undefined {
    checkWithin("length", length, 1, PAGE_LIMIT);
    if (!isInterval(from, to)) failInterval(from, to);
    const top = Math.min(to, PAGE_LIMIT - length);
    const gap = from > top ? -1 : this.x.treeFirstGap(TREE, length, from, top);
    return gap < 0 ? undefined : gap;
  }

  /** Removes everything. Every handle becomes stale; memory stays. */
  clear(): void {
    this.x.treeClear(TREE);
  }

  /** A tree of its own with the same entries, under the same handles. */
  async clone(): Promise<IntervalTree> {
    this.word(win.H_COUNT);
    return new IntervalTree(await this.memory.copy(), this.limit);
  }

  /**
   * Rebuilds the tree with dense nodes; handles stay valid.
   * @throws CapacityError E_NOMEM, with nothing changed: it needs room for a second tree meanwhile
   */
  compact(): void {
    const { x } = this.memory;
    const nodes = x.treeNodesFor(this.word(win.H_COUNT)) + 8;
    const handles = this.word(win.H_HANDLE_CAP);
    const old = x.treeBytes(this.word(win.H_NODE_CAP), handles);
    const bytes = x.treeBytes(nodes, handles);
    const to = Math.ceil((TREE + old) / 64) * 64;
    this.memory.ensure(to + bytes);
    x.treeCompact(TREE, to, nodes);
    this.memory.u8.copyWithin(TREE, to, to + bytes);
  }

  /** Idempotent; every later call throws E_DISPOSED. */
  dispose(): void {
    const { id } = this;
    this.x = new Proxy(this.memory.x, {
      get() {
        throw new DisposedError("E_DISPOSED", `interval tree ${id} was disposed`, { tree: id });
      },
    });
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private full(more = 1): CapacityError {
    return new CapacityError(
      "E_LIMIT",
      `the tree may hold ${this.limit} entries, not ${more} more`,
      {
        argument: "limit",
        limit: this.limit,
      },
    );
  }

  /**
   * Room for at least one insertion, and likely for `more`, growing by half if there is memory for
   * that. Nothing is changed if there is none.
   */
  private makeRoom(more: number): void {
    const wanted = Math.max(this.word(win.H_COUNT) + more, this.word(win.H_HANDLE_CAP));
    const nodes = this.word(win.H_NODE_CAP);
    const missing = this.word(win.H_LEVELS) + 2 - this.x.treeNodesLeft(TREE);
    const many = Math.max(missing, Math.ceil(more / 8), nodes >> 1);
    try {
      const handles = Math.max(wanted, Math.min(this.limit, wanted + (wanted >> 1)));
      this.widen(nodes + many, handles);
    } catch {
      this.widen(nodes + Math.max(0, missing), wanted);
    }
  }

  private widen(nodes: number, handles: number): void {
    const most = Math.max(nodes, this.word(win.H_NODE_CAP));
    const slots = Math.max(handles, this.word(win.H_HANDLE_CAP));
    if (most === this.word(win.H_NODE_CAP) && slots === this.word(win.H_HANDLE_CAP)) return;
    this.memory.ensure(TREE + this.memory.x.treeBytes(most, slots));
    this.memory.x.treeWiden(TREE, most, slots);
  }

  private give(starts: Numbers, lasts: Numbers, values: Numbers | undefined, at: number): number {
    const count = this.window.giveIntervals(starts, lasts, at);
    this.window.giveValues(values, at, count);
    return count;
  }

  /** Checks lists before anything is changed; their length. */
  private checkLists(starts: Numbers, lasts: Numbers, values?: Numbers): number {
    const n = starts.length;
    checkLength("lasts", lasts, n);
    checkLength("values", values, n);
    for (let i = 0; values !== undefined && i < n; i++) {
      if (!isValue(values[i])) failValue(values[i]);
    }
    inBatches(n, (at) => this.window.giveIntervals(starts, lasts, at));
    return n;
  }

  /** Memory and the place of the tree in it, for {@link validateIntervalTree}. */
  raw(): { readonly u32: Uint32Array; readonly tree: number } {
    this.word(win.H_HANDLES);
    return { u32: this.memory.u32, tree: TREE };
  }
}

function slotOf(handle: IntervalHandle): number {
  return handle & (SLOTS - 1);
}

function isValue(value: unknown): boolean {
  return typeof value === "number" && value >>> 0 === value;
}

function failValue(value: unknown): never {
  checkWithin("value", value, 0, VALUES - 1);
  throw new ArgumentError("E_TYPE", "value must not be negative zero", { argument: "value" });
}

function inBatches(n: number, run: (at: number) => void): void {
  for (let at = 0; at < n; at += BATCH) run(at);
}
