/** The slow, obvious pinned pages: a Map, put in order when somebody asks. */
import type { PinnedPage } from "../../src/index.js";

export interface ModelOptions {
  readonly first: number;
  readonly last: number;
  readonly chargeLimit?: number | undefined;
  readonly reserved?: readonly (readonly [number, number])[] | undefined;
}

/** Why a request failed: what the library's errors have in common with those of faults. */
export class Refusal extends Error {
  readonly details: { readonly index: number | undefined };

  constructor(
    readonly code: string,
    index?: number,
  ) {
    super(code);
    this.details = { index };
  }
}

/** The frame of page number `i` of a request. */
export type FrameOf = (page: number, i: number) => number;

export class PinModel {
  readonly pages = new Map<number, { readonly pfn: number; count: number }>();
  pins = 0;
  private charged = 0;
  private mapped: number | undefined;

  constructor(readonly options: ModelOptions) {}

  get size(): number {
    return this.pages.size;
  }

  get charge(): number {
    return this.mapped ?? this.charged;
  }

  private costs(pfn: number): number {
    const { reserved = [] } = this.options;
    return reserved.some(([low, high]) => low <= pfn && pfn <= high) ? 0 : 1;
  }

  private isInside(page: number): boolean {
    return page >= this.options.first && page <= this.options.last;
  }

  private pinOne(page: number, frameOf: FrameOf, i: number, index?: number): number {
    if (!this.isInside(page)) throw new Refusal("E_ADDR_RANGE", index);
    const found = this.pages.get(page);
    if (found !== undefined) {
      if (found.count === 4095) throw new Refusal("E_OVERFLOW", index);
      found.count++;
      this.pins++;
      return found.pfn;
    }
    const pfn = frameOf(page, i);
    const { chargeLimit = Infinity } = this.options;
    const cost = this.costs(pfn);
    if (this.mapped === undefined && cost > 0 && this.charged + cost > chargeLimit) {
      throw new Refusal("E_LIMIT", index);
    }
    this.pages.set(page, { pfn, count: 1 });
    this.pins++;
    this.charged += cost;
    return pfn;
  }

  pin(page: number, frameOf: FrameOf): number {
    return this.pinOne(page, frameOf, 0);
  }

  pinMany(pages: readonly number[], frameOf: FrameOf): number[] {
    const frames: number[] = [];
    try {
      pages.forEach((page, i) => frames.push(this.pinOne(page, frameOf, i, i)));
    } catch (error) {
      pages.slice(0, frames.length).forEach((page) => this.unpin(page));
      throw error;
    }
    return frames;
  }

  unpin(page: number, index?: number): number {
    if (!this.isInside(page)) throw new Refusal("E_ADDR_RANGE", index);
    const found = this.pages.get(page);
    if (found === undefined) return -1;
    found.count--;
    this.pins--;
    if (found.count > 0) return found.count;
    this.pages.delete(page);
    this.charged -= this.costs(found.pfn);
    return 0;
  }

  /** How often each is still pinned, up to the first that is outside of the mapping. */
  unpinMany(pages: readonly number[]): number[] {
    const end = pages.findIndex((page) => !this.isInside(page));
    if (end === 0) throw new Refusal("E_ADDR_RANGE", 0);
    return pages.slice(0, end < 0 ? pages.length : end).map((page) => this.unpin(page));
  }

  lookup(page: number): number | undefined {
    return this.pages.get(page)?.pfn;
  }

  count(page: number): number {
    return this.pages.get(page)?.count ?? 0;
  }

  firstIn(first: number, last: number): number | undefined {
    let lowest: number | undefined;
    for (const page of this.pages.keys()) {
      if (page >= first && page <= last && page < (lowest ?? Infinity)) lowest = page;
    }
    return lowest;
  }

  walk(first: number, last: number): PinnedPage[] {
    return [...this.pages]
      .filter(([page]) => page >= first && page <= last)
      .sort(([a], [b]) => a - b)
      .map(([page, { pfn, count }]) => ({ page, pfn, count }));
  }

  drop(first: number, last: number): number {
    const gone = this.walk(first, last);
    for (const { page, pfn, count } of gone) {
      this.pages.delete(page);
      this.pins -= count;
      this.charged -= this.costs(pfn);
    }
    return gone.length;
  }

  mapAll(reserved: number): void {
    const { first, last, chargeLimit = Infinity } = this.options;
    const charge = last - first + 1 - reserved;
    if (charge > chargeLimit) throw new Refusal("E_LIMIT");
    this.mapped = charge;
  }

  unmapAll(): void {
    this.mapped = undefined;
  }
}
