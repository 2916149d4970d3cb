/** A range of I/O addresses over bytes of a `pages` object, and the way from one to the other. */
import { PAGE_BYTES } from "./addresses.js";
import type { IommuDomain } from "./iommu-domain.js";

/** See the file comment. Half a page may be at either end. */
export interface PagesSlice {
  readonly iova: bigint;
  /** Its last address, itself included. */
  readonly last: bigint;
  /** First byte in the `pages` object. */
  readonly startByte: bigint;
  /** The domain its frames can be read back from. */
  storage: IommuDomain | undefined;
}

export function lengthOf(area: PagesSlice): bigint {
  return area.last - area.iova + 1n;
}

/** Byte of the `pages` object behind an address of the area. */
export function byteAt(area: PagesSlice, iova: bigint): bigint {
  return area.startByte + (iova - area.iova);
}

/** Page of the `pages` object behind an address of the area. */
export function indexAt(area: PagesSlice, iova: bigint): number {
  return Number(byteAt(area, iova) / PAGE_BYTES);
}

export function firstIndex(area: PagesSlice): number {
  return indexAt(area, area.iova);
}

export function lastIndex(area: PagesSlice): number {
  return indexAt(area, area.last);
}

/** First address of the area on a page of its `pages` object. */
export function iovaOf(area: PagesSlice, index: number): bigint {
  const iova = area.iova + BigInt(index) * PAGE_BYTES - area.startByte;
  return iova < area.iova ? area.iova : iova;
}
