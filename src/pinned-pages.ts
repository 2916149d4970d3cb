/**
 * The pinned pages of one mapping, packed: 8 bytes a page where they are dense, never more than 64.
 * See {@link PinStore} for what its methods do, {@link PinnedPagesTree} for the plain form.
 */
import { checkWithin } from "./arguments.js";
import type { CoreExports } from "./core/exports.js";
import type { WasmSource } from "./core/loader.js";
import { StructureMemory } from "./core/structure-memory.js";
import { DisposedError } from "./errors.js";
import { copyNumbers, type Numbers, PAGE_LIMIT } from "./pages.js";
import * as check from "./pin-arguments.js";
import type { Fault, Frames, PinnedPage, PinOptions, PinStore } from "./pin-store.js";

/** The mapping, and how much memory its pins may take. */
export interface PinnedPagesOptions extends PinOptions {
  /** Most bytes of memory; 4 GiB by default. */
  readonly maxBytes?: number;
  readonly wasm?: WasmSource;
}

/** Pinned pages, ascending; the i-th of each array is of the same page. */
export interface PinnedList {
  readonly pages: Float64Array;
  readonly frames: Float64Array;
  readonly counts: Uint16Array;
}

/** A page can be pinned so often: the count has 12 bits. */
export const PIN_COUNT_MOST = 4095;

const BATCH = 2048;
/** Ranges of so many pages are taken page by page. */
const FEW = 8;
/** Pages, then frames, then results, f64 each; results may be records. */
const IN = 1024;
const FRAMES = IN + BATCH * 8;
const OUT = FRAMES + BATCH * 8;
const OUT_BYTES = BATCH * 32;
/** In front of the header, for the core. */
const SCRATCH = 1280;
const PINS = OUT + OUT_BYTES + SCRATCH;
const RECORD = 3;
const RECORDS = Math.floor((OUT_BYTES - 8) / (RECORD * 8));
const BLOCK = 512;
/** Why a page could not be pinned: as in assembly/pinned-pages/rows.ts. */
const NO_ROOM = -1;
const SATURATED = -2;
/** Fields of the header. */
const P_LOG2 = 4;
const P_VERSION = 28;
const P_PINNED = 72;
const P_REFS = 80;
const P_CHARGED = 88;
const P_USED = 104;
const HEADER = 768;
const GROWTH = 65_536;

type Part = (at: number, count: number) => void;

/** See the file comment. Made by {@link PinnedPages.create}. */
export class PinnedPages implements PinStore {
  private x: CoreExports;
  private mapped: number | undefined;
  private faulting = false;
  private readonly few = new Float64Array(FEW);

  private constructor(
    private readonly memory: StructureMemory,
    private readonly mapping: check.Mapping,
  ) {
    this.x = memory.x;
  }

  /**
   * A mapping without pins.
   * @throws ArgumentError E_TYPE, E_LIMIT, E_INVERTED; CapacityError E_NOMEM
   */
  static async create(options: PinnedPagesOptions = {}): Promise<PinnedPages> {
    const mapping = check.checkMapping(options);
    const maxBytes = checkWithin("maxBytes", options.maxBytes ?? 2 ** 32, 1, 2 ** 32);
    const memory = await StructureMemory.create(PINS + 4096, maxBytes, options.wasm);
    const pins = new PinnedPages(memory, mapping);
    memory.x.pinsInit(PINS, pins.end(), mapping.chargeLimit);
    for (const [first, last] of mapping.reserved) memory.x.pinsReserve(PINS, first, last);
    return pins;
  }

  private end(): number {
    return this.memory.bytes - PINS;
  }

  private field(at: number): number {
    this.x.pinsLeast(); // throws when disposed
    return this.memory.f64[(PINS + at) >> 3];
  }

  /** First page of the mapping. */
  get first(): number {
    return this.mapping.first;
  }

  /** Last page of the mapping. */
  get last(): number {
    return this.mapping.last;
  }

  get size(): number {
    return this.field(P_PINNED);
  }

  get pins(): number {
    return this.field(P_REFS);
  }

  get charge(): number {
    const charged = this.field(P_CHARGED);
    return this.mapped ?? charged;
  }

  /** Bytes of memory it takes. */
  get bytes(): number {
    return this.memory.bytes;
  }

  /** Bytes that are in use: header, table and leaves. The rest is free, or never was used. */
  get bytesUsed(): number {
    return this.field(P_USED) + HEADER;
  }

  pin(page: number, frame: number | Fault): number {
    check.checkMapped(this.mapping, page);
    this.refuseInFault();
    if (typeof frame === "function") return this.fault(page, frame);
    check.checkFrame(frame);
    return this.pinKnown(page, frame);
  }

  private pinKnown(page: number, frame: number, index?: number): number {
    for (;;) {
      const got = this.x.pinsPin(PINS, page, frame);
      if (got >= 0) return got;
      this.relieve(got, page, index);
    }
  }

  /** Makes room, or throws why a page could not be pinned. */
  private relieve(why: number, page: number, index?: number): void {
    if (why === NO_ROOM) this.grow();
    else if (why === SATURATED) throw check.saturated(page, PIN_COUNT_MOST, index);
    else throw check.overLimit(this.mapping.chargeLimit, index);
  }

  private fault(page: number, fault: Fault, index?: number): number {
    if (this.x.pinsCount(PINS, page) > 0) return this.pinKnown(page, 0, index);
    this.faulting = true;
    let frame: number;
    try {
      frame = check.checkFrame(fault(page));
    } finally {
      this.faulting = false;
    }
    return this.pinKnown(page, frame, index);
  }

  private refuseInFault(): void {
    if (this.faulting) throw check.busy();
  }

  pinMany(pages: Numbers, frames: Frames, into?: Float64Array): Float64Array {
    const inside = this.checkPages(pages);
    const n = pages.length;
    const kept = check.keep(pages, frames);
    return this.pinAll(
      n,
      inside,
      frames,
      into,
      (i) => kept[i],
      (at, count) => {
        // What fits one part is where it was checked.
        if (n > BATCH || at > 0) copyNumbers(this.memory.f64, IN >> 3, kept, at, count);
        return this.x.pinsPinBatch(PINS, IN, count, FRAMES, OUT);
      },
      (count) => this.giveBack(kept, count),
    );
  }

  pinRange(page: number, count: number, frames: Frames, into?: Float64Array): Float64Array {
    const inside = this.checkRange(page, count);
    if (count <= FEW && inside === count && typeof frames !== "function") {
      return this.pinFew(page, count, frames, into);
    }
    return this.pinAll(
      count,
      inside,
      frames,
      into,
      (i) => page + i,
      (at, part) => this.x.pinsPinRange(PINS, page + at, part, FRAMES, OUT),
      (done) => {
        inParts(done, (at, part) => this.x.pinsUnpinRange(PINS, page + at, part, OUT));
      },
    );
  }

  /** As a whole range; for so few a call a page is cheaper than views of the windows. */
  private pinFew(page: number, count: number, frames: Numbers, into?: Float64Array): Float64Array {
    this.refuseInFault();
    check.checkInto(into, count);
    check.checkFrameList(frames, count);
    for (let i = 0; i < count; i++) check.checkFrame(frames[i]);
    const { few } = this;
    let done = 0;
    try {
      for (; done < count; done++) few[done] = this.pinKnown(page + done, frames[done], done);
    } catch (error) {
      while (done > 0) this.x.pinsUnpin(PINS, page + --done);
      throw error;
    }
    const out = into ?? check.results(count);
    for (let i = 0; i < count; i++) out[i] = few[i];
    return out;
  }

  /** Gives the first `count` pages of a list back, the last of them first. */
  private giveBack(pages: Numbers, count: number): void {
    for (let i = count - 1; i >= 0; i--) this.x.pinsUnpin(PINS, pages[i]);
  }

  /** Pins all of `n` pages, of which the first `inside` are in the mapping, or none. */
  private pinAll(
    n: number,
    inside: number,
    frames: Frames,
    into: Float64Array | undefined,
    pageOf: (i: number) => number,
    pinPart: (at: number, count: number) => number,
    unpinFirst: (count: number) => void,
  ): Float64Array {
    this.refuseInFault();
    check.checkInto(into, n);
    const known = typeof frames !== "function";
    if (known) this.checkFrames(frames, n);
    let out: Float64Array | undefined;
    let done = 0;
    try {
      while (done < inside) {
        if (!known) {
          out ??= check.results(n);
          out[done] = this.fault(pageOf(done), frames, done);
          done++;
          continue;
        }
        const count = Math.min(BATCH, inside - done);
        if (n > BATCH || done > 0) copyNumbers(this.memory.f64, FRAMES >> 3, frames, done, count);
        const pinned = pinPart(done, count);
        const { f64 } = this.memory;
        const from = done;
        done += pinned;
        // Only a whole request may be written to where the caller wants it.
        out ??= pinned === n && into !== undefined ? into : check.results(n);
        out.set(f64.subarray(OUT >> 3, (OUT >> 3) + pinned), from);
        if (pinned < count) this.relieve(f64[(OUT >> 3) + pinned], pageOf(done), done);
      }
      if (inside < n) throw check.outside(this.mapping, pageOf(inside), "page", inside);
    } catch (error) {
      unpinFirst(done);
      throw error;
    }
    out ??= check.results(n);
    if (into === undefined || into === out) return out;
    into.set(out);
    return into;
  }

  unpin(page: number): number {
    check.checkMapped(this.mapping, page);
    this.refuseInFault();
    return this.x.pinsUnpin(PINS, page);
  }

  unpinMany(pages: Numbers, into?: Float64Array): number {
    const inside = this.checkPages(pages);
    check.checkInto(into, pages.length);
    if (inside === 0 && pages.length > 0) throw check.outside(this.mapping, pages[0], "page", 0);
    this.refuseInFault();
    inParts(inside, (at, count) => {
      if (pages.length > BATCH) copyNumbers(this.memory.f64, IN >> 3, pages, at, count);
      this.x.pinsUnpinBatch(PINS, IN, count, OUT);
      this.take(into, at, count);
    });
    return inside;
  }

  unpinRange(page: number, count: number, into?: Float64Array): number {
    const inside = this.checkRange(page, count);
    check.checkInto(into, count);
    if (inside === 0) throw check.outside(this.mapping, page, "page", 0);
    this.refuseInFault();
    if (inside <= FEW) {
      for (let i = 0; i < inside; i++) {
        const left = this.x.pinsUnpin(PINS, page + i);
        if (into !== undefined) into[i] = left;
      }
      return inside;
    }
    inParts(inside, (at, part) => {
      this.x.pinsUnpinRange(PINS, page + at, part, OUT);
      this.take(into, at, part);
    });
    return inside;
  }

  lookup(page: number): number | undefined {
    check.checkMapped(this.mapping, page);
    const frame = this.x.pinsLookup(PINS, page);
    return frame < 0 ? undefined : frame;
  }

  /** The frame of each page, or -1, in `into` or a new array. @throws E_TYPE, E_ADDR_RANGE */
  lookupMany(pages: Numbers, into?: Float64Array): Float64Array {
    const inside = this.checkPages(pages);
    const n = pages.length;
    check.checkInto(into, n);
    if (inside < n) throw check.outside(this.mapping, pages[inside], "page", inside);
    const out = into ?? check.results(n);
    inParts(n, (at, count) => {
      if (n > BATCH) copyNumbers(this.memory.f64, IN >> 3, pages, at, count);
      this.x.pinsLookupBatch(PINS, IN, count, OUT);
      this.take(out, at, count);
    });
    return out;
  }

  /** As {@link lookupMany} for `count` pages from `page` on. */
  lookupRange(page: number, count: number, into?: Float64Array): Float64Array {
    const inside = this.checkRange(page, count);
    check.checkInto(into, count);
    if (inside < count) throw check.outside(this.mapping, page + inside, "page", inside);
    const out = into ?? check.results(count);
    if (count <= FEW) {
      for (let i = 0; i < count; i++) out[i] = this.x.pinsLookup(PINS, page + i);
      return out;
    }
    inParts(count, (at, part) => {
      this.x.pinsLookupRange(PINS, page + at, part, OUT);
      this.take(out, at, part);
    });
    return out;
  }

  count(page: number): number {
    check.checkMapped(this.mapping, page);
    return this.x.pinsCount(PINS, page);
  }

  anyIn(first: number, last: number): boolean {
    check.checkPart(this.mapping, first, last);
    return this.x.pinsFind(PINS, first, last, 1) >= 0;
  }

  /** The lowest pinned page in [first, last], or undefined. */
  firstIn(first: number, last: number): number | undefined {
    check.checkPart(this.mapping, first, last);
    const page = this.x.pinsFind(PINS, first, last, 0);
    return page < 0 ? undefined : page;
  }

  walk(first = this.first, last = this.last): Generator<PinnedPage, void, undefined> {
    check.checkPart(this.mapping, first, last);
    this.version();
    return this.inOrder(first, last);
  }

  private *inOrder(first: number, last: number): Generator<PinnedPage, void, undefined> {
    const version = this.version();
    for (const records of this.records(first, last)) {
      for (let i = 0; i < records.length; i += RECORD) {
        yield { page: records[i], pfn: records[i + 1], count: records[i + 2] };
        if (this.version() !== version) throw check.changed();
      }
    }
  }

  [Symbol.iterator](): Generator<PinnedPage, void, undefined> {
    return this.walk();
  }

  /** What {@link walk} tells, in arrays: several times as fast. */
  list(first = this.first, last = this.last): PinnedList {
    check.checkPart(this.mapping, first, last);
    const parts = [...this.records(first, last)];
    const n = parts.reduce((sum, { length }) => sum + length, 0) / RECORD;
    const list = {
      pages: new Float64Array(n),
      frames: new Float64Array(n),
      counts: new Uint16Array(n),
    };
    let at = 0;
    for (const records of parts) {
      for (let i = 0; i < records.length; i += RECORD, at++) {
        list.pages[at] = records[i];
        list.frames[at] = records[i + 1];
        list.counts[at] = records[i + 2];
      }
    }
    return list;
  }

  private version(): number {
    this.x.pinsLeast(); // throws when disposed
    return this.memory.u32[(PINS + P_VERSION) >> 2];
  }

  /** Blocks with pins that have pages in [first, last], ascending. */
  private blocks(first: number, last: number): Float64Array {
    const low = Math.floor(first / BLOCK);
    const high = Math.floor(last / BLOCK);
    const parts: number[] = [];
    let cursor = 0;
    do {
      const n = this.x.pinsBlocks(PINS, low, high, cursor, OUT, BATCH);
      const { f64 } = this.memory;
      for (let i = 1; i <= n; i++) parts.push(f64[(OUT >> 3) + i]);
      cursor = f64[OUT >> 3];
    } while (cursor >= 0);
    return Float64Array.from(parts).sort();
  }

  /** Page, pfn and count of the pinned pages in [first, last], ascending, in pieces. */
  private *records(first: number, last: number): Generator<Float64Array, void, undefined> {
    const blocks = this.blocks(first, last);
    for (let at = 0; at < blocks.length;) {
      const count = Math.min(BATCH, blocks.length - at);
      copyNumbers(this.memory.f64, IN >> 3, blocks, at, count);
      const n = this.x.pinsRead(PINS, IN, count, first, last, OUT, RECORDS, FRAMES);
      const { f64 } = this.memory;
      at += f64[OUT >> 3];
      yield f64.slice((OUT >> 3) + 1, (OUT >> 3) + 1 + n * RECORD);
    }
  }

  drop(first = this.first, last = this.last): number {
    check.checkPart(this.mapping, first, last);
    this.refuseInFault();
    const before = this.size;
    for (const records of this.records(first, last)) {
      this.memory.f64.set(records, OUT >> 3);
      this.x.pinsDrop(PINS, OUT, records.length / RECORD);
    }
    return before - this.size;
  }

  /** Takes every page away; memory stays. */
  clear(): void {
    this.drop();
  }

  mapAll(reserved = 0): void {
    this.refuseInFault();
    const pages = this.last - this.first + 1;
    const charge = pages - checkWithin("reserved", reserved, 0, pages);
    const { chargeLimit } = this.mapping;
    if (charge > chargeLimit) throw check.overLimit(chargeLimit);
    this.x.pinsSetLimit(PINS, Infinity);
    this.mapped = charge;
  }

  unmapAll(): void {
    this.refuseInFault();
    this.x.pinsSetLimit(PINS, this.mapping.chargeLimit);
    this.mapped = undefined;
  }

  /** A copy of its own. */
  async clone(): Promise<PinnedPages> {
    this.field(P_PINNED);
    const { mapped } = this;
    const copy = new PinnedPages(await this.memory.copy(), this.mapping);
    copy.mapped = mapped;
    return copy;
  }

  /** Idempotent; every later call throws E_DISPOSED. */
  dispose(): void {
    this.x = new Proxy(this.memory.x, {
      get() {
        throw new DisposedError("E_DISPOSED", "the pinned pages were disposed");
      },
    });
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Memory and the place of the header in it, for {@link validatePinnedPages}. */
  raw(): { readonly u8: Uint8Array; readonly at: number } {
    this.version();
    return { u8: this.memory.u8, at: PINS };
  }

  /** How many of the pages are in the mapping before the first that is not. @throws E_TYPE */
  private checkPages(pages: Numbers): number {
    check.checkList("pages", pages);
    if (pages.length === 0) this.version();
    let inside = pages.length;
    inParts(pages.length, (at, count) => {
      const good = this.scan(IN, pages, at, count, this.first, this.last);
      for (let i = at + good; i < at + count; i++) {
        const page: unknown = pages[i];
        if (typeof page !== "number" || !Number.isInteger(page)) {
          check.checkMapped(this.mapping, page, "page", i);
        }
        if (pages[i] < this.first || pages[i] > this.last) inside = Math.min(inside, i);
      }
    });
    return inside;
  }

  /** Copies part of a list to `to`; how many are whole, and in [low, high], before one is not. */
  private scan(
    to: number,
    list: Numbers,
    at: number,
    count: number,
    low: number,
    high: number,
  ): number {
    copyNumbers(this.memory.f64, to >> 3, list, at, count);
    return this.x.pinsCheck(to, count, low, high);
  }

  private checkFrames(frames: Numbers, n: number): void {
    check.checkFrameList(frames, n);
    inParts(n, (at, count) => {
      const good = this.scan(FRAMES, frames, at, count, 0, PAGE_LIMIT - 1);
      if (good < count) check.checkFrame(frames[at + good]);
    });
  }

  /** How many of a range of pages are in the mapping. @throws ArgumentError E_TYPE, E_LIMIT */
  private checkRange(page: number, count: number): number {
    checkWithin("count", count, 1, PAGE_LIMIT);
    if (!Number.isInteger(page)) check.checkMapped(this.mapping, page);
    if (page < this.first || page > this.last) return 0;
    return Math.min(count, this.last - page + 1);
  }

  private take(into: Float64Array | undefined, at: number, count: number): void {
    into?.set(this.memory.f64.subarray(OUT >> 3, (OUT >> 3) + count), at);
  }

  /** More memory, by half if there is as much. @throws CapacityError E_NOMEM */
  private grow(): void {
    const { memory } = this;
    const table = 2 ** (memory.u32[(PINS + P_LOG2) >> 2] + 5);
    try {
      memory.ensure(memory.bytes + Math.max(GROWTH, Math.floor(memory.bytes / 2), table));
    } catch {
      memory.ensure(memory.bytes + GROWTH);
    }
    this.x.pinsWiden(PINS, this.end());
  }
}

function inParts(n: number, run: Part): void {
  for (let at = 0; at < n; at += BATCH) run(at, Math.min(BATCH, n - at));
}
