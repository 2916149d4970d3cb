/** Pages of one request to pin or unpin: a range of them, or a list. */
import { checkPageAddress, type Bytes } from "./addresses.js";
import type { VfioDevice } from "./device.js";
import { ArgumentError } from "../errors.js";
import { checkList } from "../pin-arguments.js";
import { PAGE_LIMIT } from "../pages.js";
import type { PinStore } from "../pin-store.js";

/** See the file comment. */
export interface Request {
  /** May be 0 or negative for a range: the kernel answers that. */
  readonly count: number;
  /** A range that goes beyond 2^64 bytes. */
  readonly wraps: boolean;
  /** Lowest and highest page; no page is there twice. Undefined: not known. */
  readonly span: readonly [first: number, last: number] | undefined;
  pageAt(i: number): number;
  /** The frame each page is pinned to, or -1, to `into`. */
  lookUp(store: PinStore, into: Float64Array): void;
  pin(store: PinStore, frames: Float64Array, into?: Float64Array): void;
  unpin(store: PinStore, into: Float64Array): void;
  pinInLedger(device: VfioDevice, frames: Float64Array): void;
}

interface ManyLookups {
  lookupRange?(page: number, count: number, into: Float64Array): void;
  lookupMany?(pages: Float64Array, into: Float64Array): void;
}

/** Pages from one on. */
export class RangeRequest implements Request {
  readonly wraps: boolean;

  constructor(
    readonly page: number,
    readonly count: number,
  ) {
    this.wraps = page + count > PAGE_LIMIT;
  }

  get span(): readonly [number, number] {
    return [this.page, this.page + this.count - 1];
  }

  pageAt(i: number): number {
    return this.page + i;
  }

  lookUp(store: PinStore, into: Float64Array): void {
    const many = store as ManyLookups;
    if (many.lookupRange !== undefined) many.lookupRange(this.page, this.count, into);
    else for (let i = 0; i < this.count; i++) into[i] = store.lookup(this.page + i) ?? -1;
  }

  pin(store: PinStore, frames: Float64Array, into?: Float64Array): void {
    store.pinRange(this.page, this.count, frames, into);
  }

  unpin(store: PinStore, into: Float64Array): void {
    store.unpinRange(this.page, this.count, into);
  }

  pinInLedger({ ledger }: VfioDevice, frames: Float64Array): void {
    ledger?.pinRange(this.page, this.count, frames);
  }
}

/** Pages in any order. */
export class ListRequest implements Request {
  readonly wraps = false;
  readonly span: readonly [number, number] | undefined;

  constructor(readonly pages: Float64Array) {
    const sorted = ascends(pages) ? pages : Float64Array.from(pages).sort();
    const isOnce = sorted === pages || ascends(sorted);
    this.span = isOnce && pages.length > 0 ? [sorted[0], sorted[pages.length - 1]] : undefined;
  }

  get count(): number {
    return this.pages.length;
  }

  pageAt(i: number): number {
    return this.pages[i];
  }

  lookUp(store: PinStore, into: Float64Array): void {
    const many = store as ManyLookups;
    const { pages } = this;
    if (many.lookupMany !== undefined) many.lookupMany(pages, into);
    else for (let i = 0; i < pages.length; i++) into[i] = store.lookup(pages[i]) ?? -1;
  }

  pin(store: PinStore, frames: Float64Array, into?: Float64Array): void {
    store.pinMany(this.pages, frames, into);
  }

  unpin(store: PinStore, into: Float64Array): void {
    store.unpinMany(this.pages, into);
  }

  pinInLedger({ ledger }: VfioDevice, frames: Float64Array): void {
    ledger?.pinMany(this.pages, frames);
  }
}

function ascends(pages: Float64Array): boolean {
  for (let i = 1; i < pages.length; i++) if (pages[i] <= pages[i - 1]) return false;
  return true;
}

/** @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_ALIGN */
export function rangeOf(iova: Bytes, count: number): RangeRequest {
  if (!Number.isSafeInteger(count)) {
    throw new ArgumentError("E_TYPE", `npage must be a whole number, got ${String(count)}`, {
      argument: "npage",
    });
  }
  return new RangeRequest(checkPageAddress("iova", iova), count);
}

/** @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_ALIGN */
export function listOf(iovas: ArrayLike<Bytes>): ListRequest {
  checkList("iovas", iovas);
  const pages = new Float64Array(iovas.length);
  for (let i = 0; i < pages.length; i++) pages[i] = checkPageAddress("iovas", iovas[i]);
  return new ListRequest(pages);
}
