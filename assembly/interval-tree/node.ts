/**
 * Rows of an interval tree: a B+ tree of 16-wide nodes over closed intervals [start, last] of pages
 * in [0, 2^52), each node augmented with the largest `last` below it.
 *
 *   at t: header (u32 words), then nodes, then handles
 *   node: last i64[16] · start i64[16] · ref, handle, generation u32[16] · count, parent, level,
 *         stamp (of the shape that it was split in last, or began or ended in)
 *         leaf: an entry's last, start, value, handle slot and that slot's generation
 *         inner: a child's largest last, lower bound of its starts, id
 *   handle: {leaf u32, generation u32}; a free one holds the next free slot + 1
 *
 * Ids and slots stored in fields are + 1 where 0 must mean "none". Slots behind `count` hold last
 * -1, start 2^63 - 1 and ref 0, so that comparisons of all sixteen need no mask. Everything is
 * relative to t: a tree can be copied, and can live inside a machine.
 *
 * Order: start, then insertion. Invariants by name: see validate.ts.
 */

import { fromF64, toF64 } from "../f64";

export const H_ROOT: i32 = 0; // node id
export const H_LEVELS: i32 = 1;
export const H_COUNT: i32 = 2; // entries
export const H_NODE_CAP: i32 = 3;
export const H_NODES: i32 = 4; // nodes used so far, the free ones included
export const H_FREE_NODE: i32 = 5; // list through `parent`
export const H_FREE_NODES: i32 = 6;
export const H_HANDLE_CAP: i32 = 7;
export const H_HANDLES: i32 = 8;
export const H_FREE_HANDLE: i32 = 9;
export const H_OFF_HANDLES: i32 = 10;
export const H_VERSION: i32 = 11; // + 1 with every change
export const H_LIMIT: i32 = 12; // most entries
export const H_SHAPE: i32 = 13; // + 1 whenever a node begins, ends or is split
export const H_BYTES: usize = 64;

export const FAN: u32 = 16;
export const NODE_BYTES: usize = 512;
export const O_START: usize = 128;
export const O_REF: usize = 256;
export const O_HANDLE: usize = 320;
export const O_GENERATION: usize = 384;
export const O_COUNT: usize = 448;
export const O_PARENT: usize = 452;
export const O_LEVEL: usize = 456;
export const O_STAMP: usize = 460;
export const HANDLE_BYTES: usize = 8;
/** Batches: bytes from a start to its last. */
export const LASTS: usize = 16384;
/** Pages are below this. */
export const PAGES: i64 = 1 << 52;
/** A handle is generation << SLOT_BITS | slot. */
export const SLOT_BITS: i64 = 26;
export const SLOT_MASK: u32 = 0x3ffffff;
/** Bits of a generation that are told: odd while the slot is in use. */
export const GENERATIONS: u32 = 0x3ffffff;

/** `last` of an empty slot: below every page. */
export const EMPTY_LAST: i64 = -1;
/** `start` of an empty slot: above every page. */
export const EMPTY_START: i64 = i64.MAX_VALUE;

// @ts-ignore: decorator
@inline
export function word(t: usize, w: i32): u32 {
  return load<u32>(t + ((<usize>w) << 2));
}

// @ts-ignore: decorator
@inline
export function setWord(t: usize, w: i32, value: u32): void {
  store<u32>(t + ((<usize>w) << 2), value);
}

// @ts-ignore: decorator
@inline
export function nodeAt(t: usize, id: u32): usize {
  return t + H_BYTES + (<usize>(id - 1)) * NODE_BYTES;
}

// @ts-ignore: decorator
@inline
export function idOf(t: usize, n: usize): u32 {
  return <u32>((n - t - H_BYTES) / NODE_BYTES) + 1;
}

// @ts-ignore: decorator
@inline
export function handleAt(t: usize, slot: u32): usize {
  return t + word(t, H_OFF_HANDLES) + (<usize>slot) * HANDLE_BYTES;
}

/** Address of `last` of slot i; its `start` is O_START behind. */
// @ts-ignore: decorator
@inline
export function slot64(n: usize, i: u32): usize {
  return n + ((<usize>i) << 3);
}

/** Address that `ref` (O_REF) and `handle` (O_HANDLE) of slot i are behind. */
// @ts-ignore: decorator
@inline
export function slot32(n: usize, i: u32): usize {
  return n + ((<usize>i) << 2);
}

/** Slot of a node that has its slot32 at `p`. */
// @ts-ignore: decorator
@inline
export function slotOf(t: usize, p: usize): u32 {
  return <u32>((p - t - H_BYTES) & (NODE_BYTES - 1)) >> 2;
}

// @ts-ignore: decorator
@inline
export function lastOf(n: usize, i: u32): i64 {
  return load<i64>(slot64(n, i));
}

// @ts-ignore: decorator
@inline
export function startOf(n: usize, i: u32): i64 {
  return load<i64>(slot64(n, i), O_START);
}

// @ts-ignore: decorator
@inline
export function refOf(n: usize, i: u32): u32 {
  return load<u32>(slot32(n, i), O_REF);
}

// @ts-ignore: decorator
@inline
export function handleOf(n: usize, i: u32): u32 {
  return load<u32>(slot32(n, i), O_HANDLE);
}

/** Is it a closed interval of whole pages below 2^52? */
// @ts-ignore: decorator
@inline
export function isInterval(start: f64, last: f64): bool {
  const s = fromF64(start);
  const l = fromF64(last);
  return <u64>l < <u64>PAGES && <u64>s <= <u64>l && toF64(s) == start && toF64(l) == last;
}

/** A handle as the host sees it: generation * 2^26 + slot, exact in a double. */
// @ts-ignore: decorator
@inline
export function handleNumber(n: usize, i: u32): f64 {
  return handleOfSlot(load<u32>(slot32(n, i), O_GENERATION), handleOf(n, i));
}

// @ts-ignore: decorator
@inline
export function handleOfSlot(generation: u32, slot: u32): f64 {
  return toF64(((<i64>(generation & GENERATIONS)) << SLOT_BITS) | <i64>slot);
}

// @ts-ignore: decorator
@inline
export function countOf(n: usize): u32 {
  return load<u32>(n, O_COUNT);
}

// @ts-ignore: decorator
@inline
export function parentOf(n: usize): u32 {
  return load<u32>(n, O_PARENT);
}

/** Sixteen 64-bit comparison results, four v128 of four after narrowing, as sixteen bits. */
// @ts-ignore: decorator
@inline
function bits(a: v128, b: v128, c: v128, d: v128): u32 {
  const low = i16x8.narrow_i32x4_s(a, b);
  const high = i16x8.narrow_i32x4_s(c, d);
  return <u32>i8x16.bitmask(i8x16.narrow_i16x8_s(low, high));
}

// @ts-ignore: decorator
@inline
function four(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 0, 2, 4, 6);
}

/**
 * Slots of the i64[16] at `p` that are > x. Strictly: one instruction where >= takes three, so
 * callers ask for what is above `x - 1`.
 */
// @ts-ignore: decorator
@inline
export function maskAbove(p: usize, x: v128): u32 {
  return bits(
    four(i64x2.gt_s(v128.load(p), x), i64x2.gt_s(v128.load(p, 16), x)),
    four(i64x2.gt_s(v128.load(p, 32), x), i64x2.gt_s(v128.load(p, 48), x)),
    four(i64x2.gt_s(v128.load(p, 64), x), i64x2.gt_s(v128.load(p, 80), x)),
    four(i64x2.gt_s(v128.load(p, 96), x), i64x2.gt_s(v128.load(p, 112), x)),
  );
}

/** Slots of the i64[16] at `p` that are < x. */
// @ts-ignore: decorator
@inline
export function maskBelow(p: usize, x: v128): u32 {
  return bits(
    four(i64x2.gt_s(x, v128.load(p)), i64x2.gt_s(x, v128.load(p, 16))),
    four(i64x2.gt_s(x, v128.load(p, 32)), i64x2.gt_s(x, v128.load(p, 48))),
    four(i64x2.gt_s(x, v128.load(p, 64)), i64x2.gt_s(x, v128.load(p, 80))),
    four(i64x2.gt_s(x, v128.load(p, 96)), i64x2.gt_s(x, v128.load(p, 112))),
  );
}

/** Slot of the u32[16] at `p` that holds x; it must be there once. */
// @ts-ignore: decorator
@inline
export function find32(p: usize, x: u32): u32 {
  const v = i32x4.splat(x);
  return ctz<u32>(bits(
    i32x4.eq(v128.load(p), v), i32x4.eq(v128.load(p, 16), v),
    i32x4.eq(v128.load(p, 32), v), i32x4.eq(v128.load(p, 48), v),
  ));
}

// @ts-ignore: decorator
@inline
function larger(a: v128, b: v128): v128 {
  return v128.bitselect(a, b, i64x2.gt_s(a, b));
}

/** Largest `last` of a node, -1 if it is empty. */
// @ts-ignore: decorator
@inline
export function largestLast(n: usize): i64 {
  const a = larger(larger(v128.load(n), v128.load(n, 16)),
    larger(v128.load(n, 32), v128.load(n, 48)));
  const b = larger(larger(v128.load(n, 64), v128.load(n, 80)),
    larger(v128.load(n, 96), v128.load(n, 112)));
  const c = larger(a, b);
  return max<i64>(i64x2.extract_lane(c, 0), i64x2.extract_lane(c, 1));
}

// @ts-ignore: decorator
@inline
export function clearSlot(n: usize, i: u32): void {
  store<i64>(slot64(n, i), EMPTY_LAST);
  store<i64>(slot64(n, i), EMPTY_START, O_START);
  store<u32>(slot32(n, i), 0, O_REF);
  store<u32>(slot32(n, i), 0, O_HANDLE);
  store<u32>(slot32(n, i), 0, O_GENERATION);
}

/** Empties the slots of a node from `from` on. */
export function clearSlots(n: usize, from: u32): void {
  for (let i = from; i < FAN; i++) clearSlot(n, i);
}

/** Empties all slots. */
function clearAll(n: usize): void {
  const noLast = i64x2.splat(EMPTY_LAST);
  const noStart = i64x2.splat(EMPTY_START);
  const zero = i64x2.splat(0);
  for (let k: usize = 0; k < O_START; k += 16) {
    v128.store(n + k, noLast);
    v128.store(n + k, noStart, O_START);
  }
  for (let k: usize = O_REF; k < O_COUNT; k += 16) v128.store(n + k, zero);
}

/** Is every slot of a node taken? Looks where a search looks anyway. */
// @ts-ignore: decorator
@inline
export function isFull(n: usize): bool {
  return startOf(n, FAN - 1) != EMPTY_START;
}

/** Moves slots [i, count) one up; there must be a free one. Two, or four, at a time. */
// @ts-ignore: decorator
@inline
export function shiftUp(n: usize, i: u32, count: u32): void {
  let k = count;
  for (; k >= i + 2; k -= 2) {
    const p = slot64(n, k - 2);
    v128.store(p, v128.load(p), 8);
    v128.store(p, v128.load(p, O_START), O_START + 8);
    const q = slot32(n, k - 2);
    store<u64>(q, load<u64>(q, O_REF), O_REF + 4);
    store<u64>(q, load<u64>(q, O_HANDLE), O_HANDLE + 4);
    store<u64>(q, load<u64>(q, O_GENERATION), O_GENERATION + 4);
  }
  if (k > i) {
    const p = slot64(n, i);
    store<i64>(p, load<i64>(p), 8);
    store<i64>(p, load<i64>(p, O_START), O_START + 8);
    const q = slot32(n, i);
    store<u32>(q, load<u32>(q, O_REF), O_REF + 4);
    store<u32>(q, load<u32>(q, O_HANDLE), O_HANDLE + 4);
    store<u32>(q, load<u32>(q, O_GENERATION), O_GENERATION + 4);
  }
}

/** Moves slots (i, count) one down and empties the last. */
// @ts-ignore: decorator
@inline
export function shiftDown(n: usize, i: u32, count: u32): void {
  // May read one slot behind the last, which lands in the one that is emptied, or is empty itself.
  for (let k = i; k + 1 < count; k += 2) {
    const p = slot64(n, k);
    v128.store(p, v128.load(p, 8));
    v128.store(p, v128.load(p, O_START + 8), O_START);
    const q = slot32(n, k);
    store<u64>(q, load<u64>(q, O_REF + 4), O_REF);
    store<u64>(q, load<u64>(q, O_HANDLE + 4), O_HANDLE);
    store<u64>(q, load<u64>(q, O_GENERATION + 4), O_GENERATION);
  }
  clearSlot(n, count - 1);
}

/** What belongs into `n` is another range from now on. */
// @ts-ignore: decorator
@inline
export function reshape(t: usize, n: usize): void {
  const shape = word(t, H_SHAPE) + 1;
  setWord(t, H_SHAPE, shape);
  store<u32>(n, shape, O_STAMP);
}

/** A node of `level` (0: leaf) without entries. There must be room. */
export function newNode(t: usize, level: u32): usize {
  let id = word(t, H_FREE_NODE);
  if (id != 0) {
    setWord(t, H_FREE_NODE, parentOf(nodeAt(t, id)));
    setWord(t, H_FREE_NODES, word(t, H_FREE_NODES) - 1);
  } else {
    id = word(t, H_NODES) + 1;
    setWord(t, H_NODES, id);
  }
  const n = nodeAt(t, id);
  clearAll(n);
  store<u32>(n, 0, O_COUNT);
  store<u32>(n, 0, O_PARENT);
  store<u32>(n, level, O_LEVEL);
  reshape(t, n);
  return n;
}

export function freeNode(t: usize, n: usize): void {
  clearAll(n);
  store<u32>(n, 0, O_COUNT);
  store<u32>(n, word(t, H_FREE_NODE), O_PARENT);
  setWord(t, H_FREE_NODE, idOf(t, n));
  setWord(t, H_FREE_NODES, word(t, H_FREE_NODES) + 1);
  reshape(t, n);
}
