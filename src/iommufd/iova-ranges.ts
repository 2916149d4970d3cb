/** Which I/O addresses may be used: reserved ranges, allowed ranges, and finding a free one. */
import { PAGE_BYTES, roundUpToPowerOfTwo, TOP } from "./addresses.js";
import type { IovaRange } from "./iommu-domain.js";

/** A range that must not be used, and for whose sake. */
export interface ReservedRange extends IovaRange {
  readonly owner: object;
}

/** The first of some ranges that overlaps [first, last]. */
export function overlapping<T extends IovaRange>(
  ranges: Iterable<T>,
  first: bigint,
  last: bigint,
): T | undefined {
  for (const range of ranges) if (range.start <= last && range.last >= first) return range;
  return undefined;
}

/** Ranges in [first, last], ascending, those that overlap or touch joined. */
export function joined(ranges: Iterable<IovaRange>, first: bigint, last: bigint): IovaRange[] {
  const sorted = [...ranges].filter((range) => range.start <= last && range.last >= first);
  sorted.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
  const found: { start: bigint; last: bigint }[] = [];
  for (const range of sorted) {
    const start = range.start < first ? first : range.start;
    const end = range.last > last ? last : range.last;
    const before = found.at(-1);
    if (before === undefined || start > before.last + 1n) found.push({ start, last: end });
    else if (end > before.last) before.last = end;
  }
  return found;
}

/** What is left of [first, last] without the ranges, ascending. */
export function holes(ranges: Iterable<IovaRange>, first: bigint, last: bigint): IovaRange[] {
  const left: IovaRange[] = [];
  let from = first;
  for (const { start, last: end } of joined(ranges, first, last)) {
    if (start > from) left.push({ start: from, last: start - 1n });
    from = end + 1n;
  }
  if (from <= last) left.push({ start: from, last });
  return left;
}

/** What a free range is looked for with. */
export interface Wanted {
  /** Bytes. */
  readonly length: bigint;
  /** Where the memory is, whose alignment the range gets as far as its length makes sense. */
  readonly at: bigint;
  /** Least alignment of the table. */
  readonly alignment: bigint;
}

/**
 * The lowest free range that fits, never at 0 nor in the last page: where it starts.
 * @param allowed - none: everything is
 */
export function findFree(
  wanted: Wanted,
  allowed: readonly IovaRange[],
  used: readonly IovaRange[],
): bigint | "EOVERFLOW" | "EINVAL" | "ENOSPC" {
  const { length, at } = wanted;
  if (length === 0n || length >= TOP / 2n) return "EOVERFLOW";
  const natural = roundUpToPowerOfTwo(length);
  const own = at & -at;
  const alignment = at === 0n || natural < own ? natural : own;
  if (alignment < wanted.alignment) return "EINVAL";
  const fit = ({ start, last }: IovaRange): bigint | undefined => {
    const aligned = (((start + alignment - 1n) / alignment) * alignment) | (at % PAGE_BYTES);
    return aligned <= last && last - aligned >= length - 1n ? aligned : undefined;
  };
  const everywhere = [{ start: PAGE_BYTES, last: TOP - PAGE_BYTES }];
  const spans = allowed.length === 0 ? everywhere : joined(allowed, PAGE_BYTES, TOP - PAGE_BYTES);
  for (const span of spans) {
    const start = fit(span);
    if (start === undefined) continue;
    for (const hole of holes(used, start, span.last)) {
      const found = fit(hole);
      if (found !== undefined) return found;
    }
  }
  return "ENOSPC";
}
