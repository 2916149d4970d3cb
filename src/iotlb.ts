/**
 * The vhost IOTLB: for each address space (ASID 0 to 1023) a table of closed intervals of I/O pages
 * and what they translate to. All in whole pages below 2^52, which are all of a 64-bit space at
 * 4 KiB a page.
 *
 * As in the kernel's tables entries may overlap (whoever adds them checks), and the first by start,
 * then insertion, decides. Entries are named by handles, plain numbers that are never 0 and become
 * stale when their entry goes.
 */
import { checkWithin, checkWord, failHandle } from "./arguments.js";
import type { CoreExports } from "./core/exports.js";
import type { WasmSource } from "./core/loader.js";
import { StructureMemory } from "./core/structure-memory.js";
import { ArgumentError, CapacityError, DisposedError, ShootdownError } from "./errors.js";
import { PAGE_LIMIT } from "./pages.js";
import {
  areNumbers,
  ASID_LIMIT,
  checkAsid,
  checkList,
  checkOpaque,
  checkRights,
  failPages,
} from "./iotlb-arguments.js";

/** Names an entry. Stale once its entry is gone. */
export type IotlbHandle = number;

/** What an entry permits, or an access wants: 1 reading (RO), 2 writing (WO), 3 both (RW). */
export type IotlbRights = 1 | 2 | 3;

/** An entry of an {@link Iotlb}. */
export interface IotlbEntry {
  readonly asid: number;
  readonly start: number;
  /** The last page, itself included. */
  readonly last: number;
  /** What `start` translates to; pages behind it count on from there, modulo 2^52. */
  readonly addr: number;
  readonly perm: IotlbRights;
  /** The caller's. */
  readonly opaque: number;
  readonly handle: IotlbHandle;
}

/** What became of an access, and the entry that decided. */
export type IotlbLookup =
  | { readonly outcome: "hit"; readonly page: number; readonly handle: IotlbHandle }
  | { readonly outcome: "denied"; readonly handle: IotlbHandle }
  | { readonly outcome: "miss" };

/** In the order of I/O addresses, or the oldest first. */
export type IotlbOrder = "iova" | "insertion";

/** How large the tables may become. */
export interface IotlbOptions {
  /** Entries of an address space from which on `whenFull` decides; 0, none, by default. */
  readonly limit?: number;
  /**
   * At the limit: `retire` evicts the oldest entry before each insertion, `refuse` throws, `ignore`
   * goes beyond it. By default `ignore`: the kernel looks at a table's limit only if the table was
   * made with the RETIRE flag.
   */
  readonly whenFull?: "retire" | "ignore" | "refuse";
  /** Most entries of all address spaces together, 1 to 2^25; 2^24 by default. */
  readonly maxEntries?: number;
  /** Entries to make room for at once; 64 by default. */
  readonly capacity?: number;
  /** Most bytes of memory; 4 GiB by default. */
  readonly maxBytes?: number;
  readonly wasm?: WasmSource;
}

const ENTRIES_MOST = 2 ** 25;
const SLOTS = 2 ** 26;
/** In the core's order. */
const WHEN_FULL = ["ignore", "retire", "refuse"] as const;
const ORDERS = ["iova", "insertion"] as const;
/** What the core returns instead of a translation. */
const MISS = -1;
const DENIED = -2;
/** What the core returns instead of handles: see assembly/iotlb/exports.ts. */
const NO_ROOM = -2;
const FULL = -3;
const INVALID = -4;
const REFUSED = -5;
const BATCH = 2048;
/** Batches: pages, f64, or handles of a dump; ASIDs, u32; results f64, or records of a dump. */
const IN = 1024;
const ASIDS_AT = IN + BATCH * 8;
const OUT = ASIDS_AT + BATCH * 4;
const RECORD_WORDS = 7;
/** Where the tables are. */
const BASE = OUT + BATCH * RECORD_WORDS * 8;

/** Words of the tree's header: as in assembly/interval-tree/node.ts. */
const H_COUNT = 2;
const H_NODE_CAP = 3;
const H_HANDLE_CAP = 7;
const H_VERSION = 11;

let tables = 0;

/** See the file comment. Made by {@link Iotlb.create}. */
export class Iotlb implements Iterable<IotlbEntry> {
  private readonly id = ++tables;
  private readonly tree: number;
  private x: CoreExports;

  private constructor(
    private readonly memory: StructureMemory,
    /** Entries of an address space from which on {@link whenFull} decides; 0: none. */
    readonly limit: number,
    /** What happens at the limit. */
    readonly whenFull: "retire" | "ignore" | "refuse",
    /** Most entries of all address spaces together. */
    readonly maxEntries: number,
  ) {
    this.x = memory.x;
    this.tree = memory.x.iotlbTree(BASE);
  }

  /**
   * Empty tables.
   * @throws ArgumentError E_TYPE, E_LIMIT; CapacityError E_NOMEM
   */
  static async create(options: IotlbOptions = {}): Promise<Iotlb> {
    const whenFull = options.whenFull ?? "ignore";
    const policy = checkWord("whenFull", whenFull, WHEN_FULL);
    const limit = checkWithin("limit", options.limit ?? 0, 0, ENTRIES_MOST);
    const most = checkWithin("maxEntries", options.maxEntries ?? 2 ** 24, 1, ENTRIES_MOST);
    const capacity = checkWithin("capacity", options.capacity ?? Math.min(64, most), 1, most);
    const maxBytes = checkWithin("maxBytes", options.maxBytes ?? 2 ** 32, 1, 2 ** 32);
    const memory = await StructureMemory.create(BASE + 65_536, maxBytes, options.wasm);
    const nodes = memory.x.treeNodesFor(capacity) + 8;
    memory.ensure(BASE + memory.x.iotlbBytes(nodes, capacity));
    memory.x.iotlbInit(BASE, nodes, capacity, most, limit, policy);
    return new Iotlb(memory, limit, whenFull, most);
  }

  /** Entries of all address spaces. */
  get size(): number {
    return this.word(H_COUNT);
  }

  /** Bytes of memory it takes. */
  get bytes(): number {
    return this.memory.bytes;
  }

  private word(index: number): number {
    this.x.iotlbTree(BASE); // throws when disposed
    return this.memory.u32[(this.tree >> 2) + index];
  }

  /** Entries of an address space. @throws ArgumentError E_TYPE, E_LIMIT */
  sizeOf(asid: number): number {
    checkAsid(asid);
    return this.x.iotlbCount(BASE, asid);
  }

  /** The address spaces that have entries, ascending. They come into being with their first. */
  asids(): number[] {
    const { x } = this;
    const all = Array.from({ length: ASID_LIMIT }, (_, asid) => asid);
    return all.filter((asid) => x.iotlbCount(BASE, asid) !== 0);
  }

  /**
   * Adds an entry; its handle. Overlaps are not looked for. The whole space, [0, 2^52 - 1], becomes
   * two entries, its halves, the second of which goes on where the first ends: its size would not
   * fit the kernel's 64 bits. These are two insertions, of which both happen or none; where a table
   * of one entry retires, the second evicts the first, whose handle is stale then.
   *
   * A `last` below `start` is E_INVERTED; in the kernel EFAULT.
   * @throws ArgumentError E_TYPE, E_LIMIT, E_ADDR_RANGE, E_INVERTED; CapacityError E_LIMIT (with
   * `whenFull: "refuse"`, or at `maxEntries`), E_NOMEM
   */
  add(
    asid: number,
    start: number,
    last: number,
    addr: number,
    perm: IotlbRights,
    opaque = 0,
  ): readonly IotlbHandle[] {
    checkAsid(asid);
    checkRights("perm", perm);
    checkOpaque(opaque);
    const pages = areNumbers(start, last) && typeof addr === "number";
    if (!pages) failPages({ start, last, addr });
    let added = this.x.iotlbAdd(BASE, asid, start, last, addr, perm, opaque, OUT);
    if (added === NO_ROOM) {
      this.makeRoom(asid, start === 0 && last === PAGE_LIMIT - 1 ? 2 : 1);
      added = this.x.iotlbAdd(BASE, asid, start, last, addr, perm, opaque, OUT);
    }
    const { f64 } = this.memory;
    if (added === 1) return [f64[OUT >> 3]];
    if (added === 2) return [f64[OUT >> 3], f64[(OUT >> 3) + 1]];
    if (added === FULL) throw full("maxEntries", this.maxEntries, "all tables together");
    if (added === REFUSED) throw full("limit", this.limit, `the table of ASID ${asid}`);
    failPages({ start, last, addr });
  }

  /**
   * Removes every entry that overlaps [start, last], whole: none is split. How many that were.
   *
   * `last` may be `start` - 1, an empty range behind page 0: by the rule for overlaps this removes
   * the entries that hold both pages, as an INVALIDATE of size 0 does in the kernel.
   * @throws ArgumentError E_TYPE, E_LIMIT, E_ADDR_RANGE, E_INVERTED
   */
  delete(asid: number, start: number, last: number): number {
    checkAsid(asid);
    if (!areNumbers(start, last)) failPages({ start, last });
    const removed = this.x.iotlbDelete(BASE, asid, start, last);
    return removed === INVALID ? failPages({ start, last }) : removed;
  }

  /**
   * The first entry that overlaps [start, last], by start, then insertion; undefined: none does.
   * `last` may be `start` - 1, as in {@link delete}.
   * @throws ArgumentError E_TYPE, E_LIMIT, E_ADDR_RANGE, E_INVERTED
   */
  firstIn(asid: number, start: number, last: number): IotlbEntry | undefined {
    checkAsid(asid);
    if (!areNumbers(start, last)) failPages({ start, last });
    const row = this.x.iotlbFirst(BASE, asid, start, last);
    if (row === INVALID) failPages({ start, last });
    return row < 0 ? undefined : this.read(row);
  }

  /** Removes the entries of an address space; how many. @throws ArgumentError E_TYPE, E_LIMIT */
  reset(asid: number): number {
    return this.delete(asid, 0, PAGE_LIMIT - 1);
  }

  /** Removes everything. Every handle becomes stale; memory stays. */
  clear(): void {
    this.x.iotlbClear(BASE);
  }

  /**
   * The page that `page` translates to, or undefined when no entry holds it or the entry that
   * decides does not permit all that `access` wants.
   * @throws ArgumentError E_TYPE, E_LIMIT, E_ADDR_RANGE
   */
  translate(asid: number, page: number, access: IotlbRights): number | undefined {
    const result = this.ask(asid, page, access);
    return result < 0 ? undefined : result;
  }

  /** As {@link translate}, and tells a miss from a permission that is missing. */
  lookup(asid: number, page: number, access: IotlbRights): IotlbLookup {
    const result = this.ask(asid, page, access);
    if (result === MISS) return { outcome: "miss" };
    const { handle } = this.read(this.x.iotlbRowFor(BASE, asid, page) - 1);
    if (result === DENIED) return { outcome: "denied", handle };
    return { outcome: "hit", page: result, handle };
  }

  private ask(asid: number, page: number, access: IotlbRights): number {
    checkAsid(asid);
    checkRights("access", access);
    if (typeof page !== "number") failPages({ page });
    const result = this.x.iotlbTranslate(BASE, asid, page, access);
    return result === INVALID ? failPages({ page }) : result;
  }

  /**
   * The pages that many translate to, each in its own address space or all in one; -1 stands for a
   * miss, -2 for a permission that is missing.
   * @throws ArgumentError as {@link translate}; E_LIMIT when the lists differ in length
   */
  translateMany(
    asids: number | ArrayLike<number>,
    pages: ArrayLike<number>,
    access: IotlbRights,
  ): Float64Array {
    this.word(H_COUNT);
    const n = checkList("pages", pages);
    const one = typeof asids === "number";
    if (one) checkAsid(asids);
    else if (checkList("asids", asids) !== n) {
      const message = `asids must be one number, or as many as pages (${n})`;
      throw new ArgumentError("E_LIMIT", message, { argument: "asids" });
    }
    checkRights("access", access);
    const results = new Float64Array(n);
    for (let at = 0; at < n; at += BATCH) {
      const count = Math.min(BATCH, n - at);
      this.givePages(pages, at, count);
      if (!one) this.giveAsids(asids, at, count);
      const good = this.x.iotlbKeys(IN, count, one ? 0 : ASIDS_AT, one ? asids : 0);
      if (good < count) failPages({ [`pages[${at + good}]`]: pages[at + good] });
      this.x.iotlbTranslateBatch(BASE, IN, count, access, OUT);
      results.set(this.memory.f64.subarray(OUT >> 3, (OUT >> 3) + count), at);
    }
    return results;
  }

  private givePages(pages: ArrayLike<number>, at: number, n: number): void {
    const { f64 } = this.memory;
    const to = IN >> 3;
    if (pages instanceof Float64Array) f64.set(pages.subarray(at, at + n), to);
    // What is no number becomes one that is no page.
    else
      for (let i = 0; i < n; i++) {
        const page = pages[at + i];
        f64[to + i] = typeof page === "number" ? page : NaN;
      }
  }

  private giveAsids(asids: ArrayLike<number>, at: number, n: number): void {
    const { u32 } = this.memory;
    for (let i = 0; i < n; i++) {
      const asid = asids[at + i];
      const isAsid = typeof asid === "number" && asid >>> 0 === asid && asid < ASID_LIMIT;
      if (!isAsid) checkAsid(asid, `asids[${at + i}]`);
      u32[(ASIDS_AT >> 2) + i] = asid;
    }
  }

  /** Is this the handle of an entry? */
  has(handle: IotlbHandle): boolean {
    return typeof handle === "number" && this.x.iotlbRow(BASE, handle) >= 0;
  }

  /** What an entry is. @throws ArgumentError E_NOENT for a stale handle, E_TYPE */
  get(handle: IotlbHandle): IotlbEntry {
    return this.has(handle) ? this.read(handle & (SLOTS - 1)) : failHandle(handle, "table");
  }

  private read(row: number): IotlbEntry {
    this.x.iotlbRead(BASE, row, OUT);
    return entryAt(this.memory.f64, OUT >> 3);
  }

  /** Removes an entry. @throws ArgumentError E_NOENT for a stale handle, E_TYPE */
  remove(handle: IotlbHandle): void {
    const isNumber = typeof handle === "number";
    if (!isNumber || this.x.iotlbRemove(BASE, handle) === 0) failHandle(handle, "table");
  }

  /**
   * The entries of an address space, or of all of them by ASID; within each by I/O address, equal
   * starts in the order of insertion, or oldest first. The tables must not change meanwhile.
   * @throws ArgumentError E_TYPE, E_LIMIT; ShootdownError E_BUSY from the iterator when they have
   */
  dump(asid?: number, order: IotlbOrder = "iova"): Generator<IotlbEntry, void, undefined> {
    if (asid !== undefined) checkAsid(asid);
    checkWord("order", order, ORDERS);
    const from = asid ?? 0;
    const to = asid ?? ASID_LIMIT - 1;
    if (order === "insertion") return this.oldestFirst(from, to, this.word(H_VERSION));
    return this.records(this.word(H_VERSION), (after) =>
      this.x.iotlbByIova(BASE, from, to, after, IN, OUT, BATCH),
    );
  }

  private *oldestFirst(from: number, to: number, version: number) {
    for (let asid = from; asid <= to; asid++) {
      yield* this.records(version, (after) =>
        this.x.iotlbByInsertion(BASE, asid, after, OUT, BATCH),
      );
    }
  }

  /** Yields what `fetch` writes to OUT, behind row `after` - 1, until that is not a full batch. */
  private *records(version: number, fetch: (after: number) => number) {
    this.checkUnchanged(version);
    let after = 0;
    for (;;) {
      const found = fetch(after);
      const from = OUT >> 3;
      const records = this.memory.f64.slice(from, from + found * RECORD_WORDS);
      for (let i = 0; i < records.length; i += RECORD_WORDS) {
        const entry = entryAt(records, i);
        after = (entry.handle & (SLOTS - 1)) + 1;
        yield entry;
        this.checkUnchanged(version);
      }
      if (found < BATCH) return;
    }
  }

  private checkUnchanged(version: number): void {
    if (this.word(H_VERSION) === version) return;
    throw new ShootdownError("E_BUSY", "the tables were changed while they were iterated over", {
      iotlb: this.id,
    });
  }

  /** As {@link dump} of all address spaces. */
  [Symbol.iterator](): Generator<IotlbEntry, void, undefined> {
    return this.dump();
  }

  /** Tables of their own with the same entries, under the same handles. */
  async clone(): Promise<Iotlb> {
    this.word(H_COUNT);
    return new Iotlb(await this.memory.copy(), this.limit, this.whenFull, this.maxEntries);
  }

  /** Idempotent; every later call throws E_DISPOSED. */
  dispose(): void {
    const { id } = this;
    this.x = new Proxy(this.memory.x, {
      get() {
        throw new DisposedError("E_DISPOSED", `IOTLB ${id} was disposed`, { iotlb: id });
      },
    });
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Room for `n` insertions into a table, growing by half if there is memory for that. Nothing is
   * changed if there is none.
   */
  private makeRoom(asid: number, n: number): void {
    const nodes = this.word(H_NODE_CAP);
    const missing = this.x.iotlbNodesToAdd(BASE, n) - this.x.treeNodesLeft(this.tree);
    const wanted = Math.max(this.x.iotlbSizeAfter(BASE, asid, n), this.word(H_HANDLE_CAP));
    try {
      const more = Math.min(this.maxEntries, wanted + (wanted >> 1));
      this.widen(nodes + Math.max(missing, nodes >> 1), Math.max(wanted, more));
    } catch {
      this.widen(nodes + Math.max(0, missing), wanted);
    }
  }

  private widen(nodes: number, handles: number): void {
    this.memory.ensure(BASE + this.memory.x.iotlbBytes(nodes, handles));
    this.memory.x.iotlbWiden(BASE, nodes, handles);
  }

  /** Memory and the place of the tables in it, for {@link validateIotlb}. */
  raw(): { readonly u32: Uint32Array; readonly base: number; readonly tree: number } {
    this.word(H_COUNT);
    return { u32: this.memory.u32, base: BASE, tree: this.tree };
  }
}

function entryAt(records: Float64Array, at: number): IotlbEntry {
  const [asid, start, last, addr, perm, opaque, handle] = records.subarray(at, at + RECORD_WORDS);
  return { asid, start, last, addr, perm: perm as IotlbRights, opaque, handle };
}

function full(argument: string, limit: number, what: string): CapacityError {
  return new CapacityError("E_LIMIT", `${argument}: ${what} may hold ${limit} entries, not more`, {
    argument,
    limit,
  });
}
