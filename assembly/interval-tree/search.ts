/**
 * Queries. The first overlap with [start, last] lies under the leftmost child whose largest last
 * reaches start: of the entries that do not end before start it is the first, and if even that one
 * starts after last there is none. So a query reads one array a level.
 */
import { toF64 } from "../f64";
import {
  countOf, find32, H_COUNT, H_LEVELS, H_ROOT, handleAt, handleNumber, idOf, largestLast, lastOf,
  maskAbove, maskBelow, nodeAt, O_HANDLE, O_LEVEL, O_REF, O_START, parentOf, refOf, slot32,
  startOf, word,
} from "./node";

/** Every slot of a node. */
export const ALL: u32 = 0xffff;

/** Slots of `n` that may hold, or lead to, overlaps with [x + 1, y - 1]. */
// @ts-ignore: decorator
@inline
function overlapping(n: usize, x: v128, y: v128): u32 {
  return maskAbove(n, x) & maskBelow(n + O_START, y);
}

/** Address of the leaf slot (slot32) of the first entry that overlaps [start, last], or 0. */
// @ts-ignore: decorator
@inline
export function first(t: usize, start: i64, last: i64): usize {
  let n = nodeAt(t, word(t, H_ROOT));
  const x = i64x2.splat(start - 1);
  for (let level = word(t, H_LEVELS); level > 0; level--) {
    const mask = maskAbove(n, x);
    if (mask == 0) return 0;
    const i = ctz<u32>(mask);
    if (level == 1) return startOf(n, i) <= last ? slot32(n, i) : 0;
    n = nodeAt(t, refOf(n, i));
  }
  return 0;
}

/**
 * For each of `n` queries (i64 starts at `at`) the address of the leaf that its first overlap is
 * in, u32 at every eighth byte of `out`; 0: nothing ends that late.
 *
 * Level by level for all of them: the reads of one query wait for each other, those of different
 * queries do not, so the machine has many cache misses under way at once. Only the root can have no
 * child that reaches far enough: bounds are exact.
 */
export function leavesOf(t: usize, at: usize, n: u32, out: usize): void {
  const root = nodeAt(t, word(t, H_ROOT));
  const top = largestLast(root);
  for (let k: u32 = 0; k < n; k++) {
    const reaches = load<i64>(at + ((<usize>k) << 3)) <= top;
    store<u32>(out + ((<usize>k) << 3), reaches ? <u32>root : 0);
  }
  for (let level = word(t, H_LEVELS); level > 1; level--) {
    for (let k: u32 = 0; k < n; k++) {
      const p = out + ((<usize>k) << 3);
      const node = <usize>load<u32>(p);
      if (node == 0) continue;
      const mask = maskAbove(node, i64x2.splat(load<i64>(at + ((<usize>k) << 3)) - 1));
      store<u32>(p, <u32>nodeAt(t, refOf(node, ctz<u32>(mask))));
    }
  }
}

/** Handle of the first entry of `leaf` (see leavesOf) that overlaps [start, last], or -1. */
// @ts-ignore: decorator
@inline
export function firstOf(leaf: usize, start: i64, last: i64): f64 {
  if (leaf == 0) return -1;
  const i = ctz<u32>(maskAbove(leaf, i64x2.splat(start - 1)));
  return startOf(leaf, i) <= last ? handleNumber(leaf, i) : -1;
}

/**
 * Overlaps with [start, last], ascending, behind the entry of handle slot `after` - 1 (0: from the
 * beginning): at most `most` of them to `out`, f64 each: handles, or with `whole` records of start,
 * last, value, handle. Returns how many there were, counting stops at `most`.
 */
export function scan(
  t: usize, start: i64, last: i64, after: u32, out: usize, most: u32, whole: bool,
): u32 {
  if (after == 0) {
    return scanFrom(t, nodeAt(t, word(t, H_ROOT)), ALL, start, last, out, most, whole);
  }
  const n = nodeAt(t, load<u32>(handleAt(t, after - 1)));
  const behind = <u32>0xfffffffe << find32(n + O_HANDLE, after - 1);
  return scanFrom(t, n, behind, start, last, out, most, whole);
}

/** As scan, from the slots `slots` of node `from` on. */
export function scanFrom(
  t: usize, from: usize, slots: u32, start: i64, last: i64, out: usize, most: u32, whole: bool,
): u32 {
  const x = i64x2.splat(start - 1);
  const y = i64x2.splat(last + 1);
  let n = from;
  let mask = overlapping(n, x, y) & slots;
  let found: u32 = 0;
  let p = out;
  for (;;) {
    if (load<u32>(n, O_LEVEL) == 0) {
      if (out == 0) {
        found += popcnt<u32>(mask);
        mask = 0;
      }
      for (; mask != 0; mask &= mask - 1) {
        if (found == most) return found;
        const i = ctz<u32>(mask);
        if (whole) {
          store<f64>(p, toF64(startOf(n, i)));
          store<f64>(p, toF64(lastOf(n, i)), 8);
          store<f64>(p, <f64>refOf(n, i), 16);
          p += 24;
        }
        store<f64>(p, handleNumber(n, i));
        p += 8;
        found++;
      }
      // Entries start in order: one behind `last` ends the search.
      const entries = countOf(n);
      if (entries != 0 && startOf(n, entries - 1) > last) return found;
    }
    while (mask == 0) {
      const parent = parentOf(n);
      if (parent == 0) return found;
      const up = nodeAt(t, parent);
      const at = find32(up + O_REF, idOf(t, n));
      mask = overlapping(up, x, y) & (<u32>0xfffffffe << at);
      n = up;
    }
    n = nodeAt(t, refOf(n, ctz<u32>(mask)));
    mask = overlapping(n, x, y);
  }
  return found;
}

/**
 * Address of the leaf slot (slot32) of the next entry that overlaps [start, last], ascending,
 * behind that of handle slot `after`; 0: none. One at a time, while the tree does not change.
 */
export function nextAfter(t: usize, after: u32, start: i64, last: i64): usize {
  const x = i64x2.splat(start - 1);
  const y = i64x2.splat(last + 1);
  let n = nodeAt(t, load<u32>(handleAt(t, after)));
  let mask = overlapping(n, x, y) & (<u32>0xfffffffe << find32(n + O_HANDLE, after));
  for (;;) {
    if (load<u32>(n, O_LEVEL) == 0) {
      if (mask != 0) return slot32(n, ctz<u32>(mask));
      // Entries start in order: one behind `last` ends the search.
      if (startOf(n, countOf(n) - 1) > last) return 0;
    }
    while (mask == 0) {
      const parent = parentOf(n);
      if (parent == 0) return 0;
      const up = nodeAt(t, parent);
      mask = overlapping(up, x, y) & (<u32>0xfffffffe << find32(up + O_REF, idOf(t, n)));
      n = up;
    }
    n = nodeAt(t, refOf(n, ctz<u32>(mask)));
    mask = overlapping(n, x, y);
  }
  return 0;
}

/** Entries that overlap [start, last]. */
export function count(t: usize, start: i64, last: i64): u32 {
  return scan(t, start, last, 0, 0, 0xffffffff, false);
}

/** Handle of the first entry in order, or -1. */
export function lowest(t: usize): f64 {
  let n = nodeAt(t, word(t, H_ROOT));
  while (load<u32>(n, O_LEVEL) != 0) n = nodeAt(t, refOf(n, 0));
  return countOf(n) == 0 ? -1 : handleNumber(n, 0);
}

/** Handle of the last entry in order, or -1. */
export function highest(t: usize): f64 {
  let n = nodeAt(t, word(t, H_ROOT));
  while (load<u32>(n, O_LEVEL) != 0) n = nodeAt(t, refOf(n, countOf(n) - 1));
  const i = countOf(n);
  return i == 0 ? -1 : handleNumber(n, i - 1);
}

/** Largest last of all entries, -1 if there is none. */
export function largest(t: usize): i64 {
  return largestLast(nodeAt(t, word(t, H_ROOT)));
}

/** Lowest page g in [from, to] such that no entry overlaps [g, g + length - 1], or -1. */
export function firstGap(t: usize, length: i64, from: i64, to: i64): i64 {
  let g = from;
  if (word(t, H_COUNT) == 0) return g <= to ? g : -1;
  while (g <= to) {
    // Runs of entries that leave no room are passed leaf by leaf.
    const hit = first(t, g, g + length - 1);
    if (hit == 0) return g;
    const slot = load<u32>(hit, O_HANDLE);
    const n = nodeAt(t, load<u32>(handleAt(t, slot)));
    const entries = countOf(n);
    for (let i = find32(n + O_HANDLE, slot); i < entries; i++) {
      if (startOf(n, i) >= g + length) break;
      if (lastOf(n, i) >= g) g = lastOf(n, i) + 1;
    }
  }
  return -1;
}
