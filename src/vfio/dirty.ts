/** Which pages were written, a bit each, from START to STOP. */
import { bytesOf, checkBytes, type Bytes, pageOf } from "./addresses.js";
import type { Dma } from "./dma.js";
import type { Type1 } from "./state.js";
import { checkWithin } from "../arguments.js";
import { PAGE_LIMIT } from "../pages.js";
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";

/** Most bits of one bitmap, and of one request: 2^31 - 1, as the kernel's. */
const BITS_MOST = 2 ** 31 - 1;

/** What GET_BITMAP asks for. Bytes; a bit for each page. */
export interface DirtyRequest {
  readonly iova: Bytes;
  readonly size: Bytes;
  /** Bytes a bit stands for: must be the smallest page of the container, and is by default. */
  readonly pageSize?: number;
  /** Bytes of the caller's bitmap; as many as needed by default. */
  readonly bitmapBytes?: number;
}

/** Written pages of a range. */
export interface DirtyPages {
  readonly iova: bigint;
  readonly size: bigint;
  /** Bytes a bit stands for. */
  readonly pageSize: number;
  /** A bit a page from `iova` on, lowest first. */
  readonly bitmap: Uint8Array;
  /** Bits that are set. */
  readonly count: number;
}

/** Sets the bits of [first, last], which the mapping has. */
export function setDirty({ bitmap, first: base }: Dma, first: number, last: number): void {
  if (bitmap === undefined) return;
  for (let page = first; page <= last; page++) {
    const bit = page - base;
    bitmap[Math.floor(bit / 32)] |= 1 << (bit % 32);
  }
}

function isDirty({ bitmap, first }: Dma, page: number): boolean {
  if (bitmap === undefined) return false;
  const bit = page - first;
  return ((bitmap[Math.floor(bit / 32)] >>> (bit % 32)) & 1) === 1;
}

/** A bitmap for a mapping. EINVAL: too many bits; ENOMEM. */
export function allocateBitmap(s: Type1, dma: Dma): Failed | undefined {
  const bits = dma.pages / s.granule;
  if (bits > BITS_MOST) return failed("EINVAL", "bitmap-limit", `${bits} pages in one mapping`);
  const none = failed("ENOMEM", "no-memory", "for a bitmap");
  if (!s.allocations.take("dirty_bitmap")) return none;
  try {
    dma.bitmap = new Uint32Array(Math.ceil(dma.pages / 32));
  } catch {
    return none;
  }
  return undefined;
}

/** Pages that are pinned count as written. */
function seed(s: Type1, dma: Dma): void {
  if (!s.store.anyIn(dma.first, dma.last)) return;
  for (const { page } of s.store.walk(dma.first, dma.last)) setDirty(dma, page, page);
}

function unavailable(s: Type1): Failed | undefined {
  if (!s.knobs.dirtyTracking) return failed("ENOTTY", "no-dirty-tracking", "not in this era");
  if (s.mode === "NO_DRIVER") return failed("EINVAL", "no-driver", "there is no IOMMU driver");
  return s.mode === "V1" ? failed("EACCES", "v1", "a v1 container does not track") : undefined;
}

/** DIRTY_PAGES, START. Once it tracks, another START does nothing. */
export function startTracking(s: Type1): Outcome<null> {
  const failure = unavailable(s);
  if (failure !== undefined) return failure;
  return s.locked("container", () => {
    if (s.tracking) return done(null);
    const mappings = s.dmas.all();
    for (const dma of mappings) {
      const problem = allocateBitmap(s, dma);
      if (problem !== undefined) {
        for (const each of mappings) each.bitmap = undefined;
        return problem;
      }
      seed(s, dma);
    }
    s.tracking = true;
    return done(null);
  });
}

/** DIRTY_PAGES, STOP. */
export function stopTracking(s: Type1): Outcome<null> {
  const failure = unavailable(s);
  if (failure !== undefined) return failure;
  return s.locked("container", () => {
    s.tracking = false;
    for (const dma of s.dmas.all()) dma.bitmap = undefined;
    return done(null);
  });
}

/** Is the caller's bitmap as large as it must be, and no larger than it may be? */
export function bitmapRefused(
  size: bigint,
  pageSize: number,
  bitmapBytes: number | undefined,
): Failed | undefined {
  if (Number.isInteger(Math.log2(pageSize))) {
    const bits = Number(size / BigInt(pageSize));
    const needed = Math.ceil(bits / 64) * 8;
    const bytes = bitmapBytes ?? needed;
    if (bits > 0 && bytes >= needed && bytes > 0 && bytes <= 2 ** 28) return undefined;
  }
  return failed("EINVAL", "bitmap-size", `a bitmap for ${size} bytes of pages of ${pageSize}`);
}

/** DIRTY_PAGES, GET_BITMAP: clears what it told, but for pages that are pinned. */
export function getDirty(s: Type1, request: DirtyRequest): Outcome<DirtyPages> {
  const iova = checkBytes("iova", request.iova);
  const size = checkBytes("size", request.size);
  const pageSize = checkWithin("pageSize", request.pageSize ?? s.granule * 4096, 1, 2 ** 40);
  const failure = unavailable(s);
  if (failure !== undefined) return failure;
  if (iova + size >= 2n ** 64n) return failed("EINVAL", "wraps", "the range goes beyond 2^64");
  const problem = bitmapRefused(size, pageSize, request.bitmapBytes);
  if (problem !== undefined) return problem;
  return s.locked("container", () => {
    const smallest = s.granule * 4096;
    if (pageSize !== smallest) return failed("EINVAL", "page-size", `must be ${smallest}`);
    if (iova % BigInt(pageSize) !== 0n || size === 0n || size % BigInt(pageSize) !== 0n) {
      return failed("EINVAL", "alignment", `must be multiples of ${pageSize}`);
    }
    if (!s.tracking) return failed("EINVAL", "not-tracking", "START comes first");
    const first = pageOf(iova);
    const last = pageOf(iova + size - 1n);
    const cut = bisected(s, first, last);
    return cut ?? done(report(s, s.dmas.in(first, last), first, last));
  });
}

/** A mapping that begins or ends outside of a range that cuts it. */
export function bisected(s: Type1, first: number, last: number): Failed | undefined {
  const low = s.dmas.find(first);
  const high = s.dmas.find(last);
  const isCut =
    (low !== undefined && low.first !== first) || (high !== undefined && high.last !== last);
  return isCut ? failed("EINVAL", "bisects", "the range cuts a mapping") : undefined;
}

/** The bits of some mappings, which are cleared, and set again for what is pinned. */
export function report(
  s: Type1,
  mappings: readonly Dma[],
  first: number,
  last: number,
): DirtyPages {
  const { granule } = s;
  const bits = (last - first + 1) / granule;
  const bitmap = new Uint8Array(Math.ceil(Math.ceil(bits / 8) / 8) * 8);
  for (const dma of mappings) {
    const isAll = s.nonPinnedGroups > 0 && dma.runs !== undefined;
    for (let page = dma.first; page <= Math.min(dma.last, PAGE_LIMIT - 1); page++) {
      if (!isAll && !isDirty(dma, page)) continue;
      const bit = Math.floor((page - first) / granule);
      bitmap[bit >> 3] |= 1 << (bit % 8);
    }
    dma.bitmap?.fill(0);
    seed(s, dma);
  }
  let count = 0;
  for (const byte of bitmap) for (let rest = byte; rest > 0; rest &= rest - 1) count++;
  const size = bytesOf(last - first + 1);
  return { iova: bytesOf(first), size, pageSize: granule * 4096, bitmap, count };
}

/** Addresses of the pages that are set in a bitmap. */
export function dirtyIovas({ iova, pageSize, bitmap }: DirtyPages): bigint[] {
  const found: bigint[] = [];
  for (let bit = 0; bit < bitmap.length * 8; bit++) {
    if ((bitmap[bit >> 3] >> (bit % 8)) & 1) found.push(iova + BigInt(bit) * BigInt(pageSize));
  }
  return found;
}
