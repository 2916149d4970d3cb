/** Areas: ranges of I/O addresses, each a slice of a `pages` object, kept in order. */
import type { IoptPages } from "./iopt-pages.js";
import type { PagesSlice } from "./slice.js";

/** Which accesses a mapping allows. */
export interface IommuProt {
  readonly read: boolean;
  readonly write: boolean;
}

/** See the file comment. */
export interface Area extends PagesSlice {
  readonly prot: IommuProt;
  /** Undefined while it is being made: nobody can use it, and nobody remove it. */
  pages: IoptPages | undefined;
  /** Pins that were taken through it and not given back. */
  accesses: number;
  /** Set by the first unmap that met accesses, and never cleared: no more pins, no rw. */
  preventAccess: boolean;
  /** Internal users that keep it from being unmapped. */
  locks: number;
}

export function newArea(
  iova: bigint,
  length: bigint,
  startByte: bigint,
  prot: IommuProt,
  pages?: IoptPages,
): Area {
  const last = iova + length - 1n;
  const none = { accesses: 0, preventAccess: false, locks: 0, storage: undefined };
  return { iova, last, startByte, prot, pages, ...none };
}

/** The areas of one table, ascending, without overlaps. */
export class Areas implements Iterable<Area> {
  private readonly list: Area[] = [];

  get size(): number {
    return this.list.length;
  }

  [Symbol.iterator](): IterableIterator<Area> {
    return this.list[Symbol.iterator]();
  }

  /** Place of the first area that ends at `iova` or behind. */
  private place(iova: bigint): number {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.list[mid].last < iova) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** The lowest area that overlaps [first, last]. */
  first(first: bigint, last: bigint): Area | undefined {
    const area = this.list[this.place(first)] as Area | undefined;
    return area !== undefined && area.iova <= last ? area : undefined;
  }

  add(area: Area): void {
    this.list.splice(this.place(area.iova), 0, area);
  }

  remove(area: Area): void {
    const at = this.place(area.iova);
    if (this.list[at] === area) this.list.splice(at, 1);
  }

  /**
   * Areas from `first` to `last` one behind the other, each with the part of it that is meant, up
   * to the first hole or area that is still being made. @returns was all of it there?
   */
  *contiguous(first: bigint, last: bigint): Generator<AreaPart, boolean, undefined> {
    for (let at = first; ;) {
      const area = this.first(at, at);
      if (area?.pages === undefined) return false;
      const end = area.last < last ? area.last : last;
      yield { area, pages: area.pages, from: at, to: end, whole: end === last };
      if (end === last) return true;
      at = end + 1n;
    }
  }
}

/** A part of an area: addresses, both included. */
export interface AreaPart {
  readonly area: Area;
  readonly pages: IoptPages;
  readonly from: bigint;
  readonly to: bigint;
  /** Does the range end here? */
  readonly whole: boolean;
}
