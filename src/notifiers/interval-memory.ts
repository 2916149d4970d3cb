/** The core's rows of interval subscribers, behind typed calls; and their memory, which grows. */
import { failHandle } from "../arguments.js";
import type { CoreExports } from "../core/exports.js";
import type { WasmSource } from "../core/loader.js";
import { StructureMemory } from "../core/structure-memory.js";
import { CapacityError } from "../errors.js";
import {
  H_HANDLE_CAP,
  H_NODE_CAP,
  H_VERSION,
  IN,
  OUT,
  TREE,
  TreeWindow,
} from "../interval-tree-window.js";
import { areNumbers, failInterval, type Numbers } from "../pages.js";
import type { SubscriberHandle } from "./types.js";

/** What the core returns: see assembly/notifiers/exports.ts. */
const STALE = -1;
const NO_ROOM = -2;
const INVALID = -4;
const BASE = TREE;
/** A word of the header: as in assembly/notifiers/rows.ts. */
const N_COUNT = 10;

/** Pages, both included. */
export interface ClosedInterval {
  readonly start: number;
  readonly last: number;
}

/** How large it may become. */
export interface IntervalMemoryOptions {
  /** Most interval subscribers, 1 to 2^25; 2^24 by default. */
  readonly limit?: number;
  /** Interval subscribers to make room for at once; 64 by default. */
  readonly capacity?: number;
  /** Most bytes of memory; 4 GiB by default. */
  readonly maxBytes?: number;
  readonly wasm?: WasmSource;
}

/** See the file comment. */
export class IntervalMemory {
  private readonly x: CoreExports;
  private readonly tree: number;

  private constructor(
    private readonly memory: StructureMemory,
    private readonly limit: number,
  ) {
    this.x = memory.x;
    this.tree = memory.x.notifiersTree(BASE);
  }

  /** @throws CapacityError E_NOMEM */
  static async create(
    capacity: number,
    limit: number,
    maxBytes: number,
    wasm: WasmSource | undefined,
  ): Promise<IntervalMemory> {
    const memory = await StructureMemory.create(BASE + 65_536, maxBytes, wasm);
    const nodes = memory.x.treeNodesFor(capacity) + 8;
    memory.ensure(BASE + memory.x.notifiersBytes(nodes, capacity));
    memory.x.notifiersInit(BASE, nodes, capacity, limit);
    return new IntervalMemory(memory, limit);
  }

  get bytes(): number {
    return this.memory.bytes;
  }

  /** The sequence. */
  get seq(): number {
    return this.x.notifiersSeq(BASE, 0) >>> 0;
  }

  /** @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_INVERTED; CapacityError E_LIMIT, E_NOMEM */
  insert(start: number, last: number, ops: number): SubscriberHandle {
    if (!areNumbers(start, last)) failInterval(start, last);
    let handle = this.x.notifiersInsert(BASE, start, last, ops);
    if (handle === NO_ROOM) {
      this.makeRoom(1);
      handle = this.x.notifiersInsert(BASE, start, last, ops);
    }
    if (handle >= 0) return handle;
    if (handle === INVALID) failInterval(start, last);
    throw this.full();
  }

  /** Room for `n` in the place of one. @throws CapacityError E_LIMIT, E_NOMEM; nothing changes */
  reserve(n: number): void {
    if (this.memory.u32[(BASE >> 2) + N_COUNT] - 1 + n > this.limit) throw this.full();
    if (this.x.notifiersHasRoom(BASE, n) === 0) this.makeRoom(n);
  }

  full(): CapacityError {
    const { limit } = this;
    const message = `limit: the mm may have ${limit} interval subscribers, not more`;
    return new CapacityError("E_LIMIT", message, { argument: "limit", limit });
  }

  /**
   * True: it is out; false: it is when the open brackets have ended. With `releases` its release
   * is due then. @throws ArgumentError E_NOENT, E_TYPE
   */
  remove(handle: SubscriberHandle, releases: boolean): boolean {
    this.check(handle);
    const done = this.x.notifiersRemove(BASE, handle, releases ? 1 : 0);
    return done === 0;
  }

  /** Would a removal have to wait? */
  wouldWait(row: number): boolean {
    return this.x.notifiersWouldWait(BASE, row) !== 0;
  }

  /** True: it has the interval; false: it has when the open brackets have ended. */
  update(handle: SubscriberHandle, start: number, last: number, posted: boolean): boolean {
    this.check(handle);
    if (!areNumbers(start, last)) failInterval(start, last);
    const flag = posted ? 1 : 0;
    let done = this.x.notifiersUpdate(BASE, handle, start, last, flag);
    if (done === NO_ROOM) {
      this.makeRoom(1);
      done = this.x.notifiersUpdate(BASE, handle, start, last, flag);
    }
    if (done === INVALID) failInterval(start, last);
    return done === 0;
  }

  find(ops: number, start: number, last: number, posted: boolean): SubscriberHandle | undefined {
    if (!areNumbers(start, last)) failInterval(start, last);
    const handle = this.x.notifiersFind(BASE, ops, start, last, posted ? 1 : 0);
    if (handle === INVALID) failInterval(start, last);
    return handle < 0 ? undefined : handle;
  }

  /** A bracket opens: row + 1 of the first it hits, 0: nobody. */
  start(start: number, last: number): number {
    const hit = this.x.notifiersStart(BASE, start, last);
    return hit === INVALID ? failInterval(start, last) : hit;
  }

  next(after: number, start: number, last: number): number {
    return this.x.notifiersNext(BASE, after, start, last);
  }

  /**
   * Of many brackets, half-open, which hit nobody: calls `hit` with the index of each of the others
   * in turn, which may change the tree.
   */
  eachHit(starts: Numbers, lasts: Numbers, hit: (index: number) => void): void {
    const window = new TreeWindow(this.memory);
    for (let at = 0; at < starts.length;) {
      const count = window.giveIntervals(starts, lasts, at);
      this.x.treeFirstBatch(this.tree, IN, count, OUT);
      const from = OUT >> 3;
      const found = this.memory.f64.slice(from, from + count);
      const version = this.version;
      let i = 0;
      while (i < count && this.version === version) {
        if (found[i] >= 0) hit(at + i);
        i++;
      }
      at += i;
    }
  }

  /** Whole brackets, one after the other, where nobody has callbacks: how many hit how many. */
  pass(starts: Numbers, lasts: Numbers): { hits: number; told: number } {
    const window = new TreeWindow(this.memory);
    let [hits, told] = [0, 0];
    for (let at = 0, count = 0; at < starts.length; at += count) {
      count = window.giveIntervals(starts, lasts, at);
      this.x.notifiersPass(BASE, IN, count, OUT);
      const { f64 } = this.memory;
      hits += f64[(OUT >> 3) + count];
      told += f64[(OUT >> 3) + count + 1];
    }
    return { hits, told };
  }

  private get version(): number {
    return this.memory.u32[(this.tree >> 2) + H_VERSION];
  }

  /** True: whoever waits may go on. */
  end(): boolean {
    return this.x.notifiersEnd(BASE) === 1;
  }

  /** Row of the next subscriber whose release is due. */
  released(): number | undefined {
    const at = this.x.notifiersReleased(BASE);
    return at === 0 ? undefined : at - 1;
  }

  /** A row may be used again. */
  forget(row: number): void {
    this.x.notifiersForget(BASE, row);
  }

  handleOf(row: number): SubscriberHandle {
    return this.x.notifiersHandle(BASE, row);
  }

  has(handle: SubscriberHandle): boolean {
    return typeof handle === "number" && this.x.notifiersRow(BASE, handle, 0) >= 0;
  }

  /** Its row; also of one that is on its way out, with `leaving`. @throws E_NOENT, E_TYPE */
  check(handle: SubscriberHandle, leaving = false): number {
    const isNumber = typeof handle === "number";
    const row = isNumber ? this.x.notifiersRow(BASE, handle, leaving ? 1 : 0) : STALE;
    return row < 0 ? failHandle(handle, "mm") : row;
  }

  /** Number of a row's callbacks. */
  opsOf(row: number): number {
    return this.x.notifiersOps(BASE, row) >>> 0;
  }

  /** Its interval; that which waits does not count yet. */
  read(row: number): ClosedInterval {
    this.x.notifiersRead(BASE, row, OUT);
    const { f64 } = this.memory;
    return { start: f64[OUT >> 3], last: f64[(OUT >> 3) + 1] };
  }

  mustWait(row: number): boolean {
    return this.x.notifiersMustWait(BASE, row) !== 0;
  }

  stamp(row: number): number {
    return this.x.notifiersStamp(BASE, row) >>> 0;
  }

  setStamp(row: number, seq: number): void {
    this.x.notifiersSetStamp(BASE, row, seq);
  }

  /** Memory and places in it, for {@link validateNotifiers}. */
  raw(): { readonly u32: Uint32Array; readonly base: number; readonly tree: number } {
    return { u32: this.memory.u32, base: BASE, tree: this.tree };
  }

  /** Growing by half if there is memory for that. Nothing is changed if there is none. */
  private makeRoom(n: number): void {
    const { u32 } = this.memory;
    const nodes = u32[(this.tree >> 2) + H_NODE_CAP];
    const handles = u32[(this.tree >> 2) + H_HANDLE_CAP];
    const left = this.x.treeNodesLeft(this.tree);
    const missing = Math.max(0, this.x.notifiersNodesToAdd(BASE, n) - left);
    try {
      this.widen(nodes + Math.max(missing, nodes >> 1), handles + Math.max(n, handles >> 1));
    } catch {
      this.widen(nodes + missing, handles + n);
    }
  }

  private widen(nodes: number, handles: number): void {
    this.memory.ensure(BASE + this.x.notifiersBytes(nodes, handles));
    this.x.notifiersWiden(BASE, nodes, handles);
  }
}
