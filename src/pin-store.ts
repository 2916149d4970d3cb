/** What keeps the pinned pages of one mapping: the packed form and the plain one agree on it. */
import type { Numbers } from "./pages.js";

/** A pinned page. */
export interface PinnedPage {
  /** Its iova, in pages. */
  readonly page: number;
  /** The page frame it was pinned to when its first pin was taken. */
  readonly pfn: number;
  /** Pins that have not been given back. */
  readonly count: number;
}

/**
 * Finds the frame of a page that is pinned for the first time (the kernel faults it in). What it
 * throws fails the request, which is then taken back.
 */
export type Fault = (page: number) => number;

/** Frames, one a page of the request; those of pages that are pinned already are not looked at. */
export type Frames = Numbers | Fault;

/** The mapping, and what its pins may cost. */
export interface PinOptions {
  /** First page of the mapping; 0 by default. */
  readonly first?: number;
  /** Last page of the mapping, itself included; 2^52 - 1 by default. */
  readonly last?: number;
  /** Most pages that may be charged (RLIMIT_MEMLOCK in pages); no limit by default. */
  readonly chargeLimit?: number;
  /** Closed ranges of reserved frames, at most 16: kept like others, never charged. */
  readonly reserved?: readonly (readonly [first: number, last: number])[];
}

/**
 * Pins of one mapping by iova, never by frame: a second pin of a page raises its count and gives
 * the frame of the first, whatever frame comes with it. Requests are carried out whole or not at
 * all.
 */
export interface PinStore extends Iterable<PinnedPage> {
  /** Pinned pages, each counted once. */
  readonly size: number;
  /** Pins that have not been given back. */
  readonly pins: number;
  /** What is charged: a union by iova of mapped and pinned pages, reserved frames left out. */
  readonly charge: number;
  /** Pins a page; its frame. @throws as {@link PinStore.pinMany} */
  pin(page: number, frame: number | Fault): number;
  /**
   * Pins pages in their order; their frames.
   * @throws ArgumentError E_ADDR_RANGE a page is outside of the mapping (the kernel: EINVAL),
   * E_TYPE, E_LIMIT; CapacityError E_OVERFLOW a page is pinned as often as can be, E_LIMIT too many
   * pages would be charged (the kernel: ENOMEM), E_NOMEM; ShootdownError E_BUSY from within a
   * fault; and what a fault throws. Then none of the pages is pinned; `details.index` tells at
   * which it failed.
   */
  pinMany(pages: Numbers, frames: Frames, into?: Float64Array): Float64Array;
  /** As {@link PinStore.pinMany} for `count` pages from `page` on. */
  pinRange(page: number, count: number, frames: Frames, into?: Float64Array): Float64Array;
  /** Gives one pin back; how many are left; -1: it was not pinned. @throws E_ADDR_RANGE */
  unpin(page: number): number;
  /**
   * Gives one pin of each page back, up to the first that is outside of the mapping: how many pages
   * that were. Those that were not pinned count, too. `into`: what {@link PinStore.unpin} tells.
   * @throws ArgumentError E_ADDR_RANGE the first page is outside already; E_TYPE
   */
  unpinMany(pages: Numbers, into?: Float64Array): number;
  /** As {@link PinStore.unpinMany} for `count` pages from `page` on. */
  unpinRange(page: number, count: number, into?: Float64Array): number;
  /** The frame a page is pinned to. */
  lookup(page: number): number | undefined;
  /** How often a page is pinned. */
  count(page: number): number;
  /** Is any page in [first, last] pinned? */
  anyIn(first: number, last: number): boolean;
  /** The pinned pages in [first, last], ascending. E_BUSY when the store changes meanwhile. */
  walk(first?: number, last?: number): Iterable<PinnedPage>;
  /** Takes the pages in [first, last] away, whatever their counts: how many that were. */
  drop(first?: number, last?: number): number;
  /**
   * A real IOMMU domain maps and charges all pages of the mapping, but `reserved` of them: from now
   * on pins cost nothing. @throws CapacityError E_LIMIT, and nothing is mapped
   */
  mapAll(reserved?: number): void;
  /** The last real domain is gone: what is still pinned is charged. */
  unmapAll(): void;
}
