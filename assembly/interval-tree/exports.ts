/**
 * What the host calls. Pages and handles are f64 (exact below 2^53). What is called most checks its
 * arguments itself; everything else was checked by the host.
 */
import { append, begin, bytesFor, clear, compact, finish, init, nodesFor, widen } from "./bulk";
import { attach, fits, hasRoom, hasRoomToMove, insert, nodesLeft } from "./insert";
import {
  find32, GENERATIONS, H_COUNT, H_HANDLES, H_LIMIT, handleAt, handleNumber, lastOf, LASTS, nodeAt,
  O_HANDLE, O_REF, PAGES, refOf, SLOT_BITS, SLOT_MASK, slot32, startOf, word,
} from "./node";
import { detach, remove } from "./remove";
import {
  ALL, count, first, firstGap, firstOf, highest, largest, leavesOf, lowest, scan, scanFrom,
} from "./search";

/** No entry. */
const NONE: f64 = -1;

/** There is no room: more memory would do. */
const NO_ROOM: f64 = -2;
/** There are as many entries as there may be. */
const FULL: f64 = -3;
/** Not a closed interval of whole pages below 2^52. */
const INVALID: f64 = -4;

export function treeInit(t: usize, nodes: u32, handles: u32, limit: u32): void {
  init(t, nodes, handles, limit);
}

export function treeWiden(t: usize, nodes: u32, handles: u32): void {
  widen(t, nodes, handles);
}

export function treeBytes(nodes: u32, handles: u32): f64 {
  return bytesFor(nodes, handles);
}

export function treeNodesFor(n: u32): u32 {
  return nodesFor(n);
}

/** Nodes that are not in use. */
export function treeNodesLeft(t: usize): u32 {
  return nodesLeft(t);
}

/** Slot of a handle in use, or -1. Generations are odd while a slot is in use. */
export function treeSlot(t: usize, handle: f64): i32 {
  const whole = <u64>handle;
  const slot = <u32>whole & SLOT_MASK;
  if (<f64>whole != handle || slot >= word(t, H_HANDLES)) return -1;
  const generation = load<u32>(handleAt(t, slot), 4) & GENERATIONS;
  return (generation & 1) != 0 && whole >> SLOT_BITS == <u64>generation ? <i32>slot : -1;
}

/** Is it a closed interval of whole pages below 2^52? */
// @ts-ignore: decorator
@inline
function isInterval(start: f64, last: f64): bool {
  const s = <i64>start;
  const l = <i64>last;
  return <f64>s == start && <f64>l == last && s >= 0 && s <= l && l < PAGES;
}

/** The handle of the new entry, NO_ROOM, FULL or INVALID. */
export function treeInsert(t: usize, start: f64, last: f64, value: u32): f64 {
  if (!isInterval(start, last)) return INVALID;
  if (word(t, H_COUNT) >= word(t, H_LIMIT)) return FULL;
  const room = hasRoom(t);
  if (!room && !fits(t, <i64>start)) return NO_ROOM;
  return insert(t, <i64>start, <i64>last, value, room);
}

/** False: the handle is stale. */
export function treeRemove(t: usize, handle: f64): bool {
  const slot = treeSlot(t, handle);
  if (slot < 0) return false;
  remove(t, slot);
  return true;
}

/** 1: done, 0: the handle is stale, -2: NO_ROOM, -4: INVALID. */
export function treeMove(t: usize, handle: f64, start: f64, last: f64): i32 {
  const slot = treeSlot(t, handle);
  if (slot < 0) return 0;
  if (!isInterval(start, last)) return <i32>INVALID;
  if (!hasRoomToMove(t)) return <i32>NO_ROOM;
  const n = nodeAt(t, load<u32>(handleAt(t, slot)));
  const value = refOf(n, find32(n + O_HANDLE, slot));
  detach(t, slot);
  attach(t, slot, <i64>start, <i64>last, value, true);
  return 1;
}

export function treeSetValue(t: usize, slot: u32, value: u32): void {
  const n = nodeAt(t, load<u32>(handleAt(t, slot)));
  store<u32>(slot32(n, find32(n + O_HANDLE, slot)), value, O_REF);
}

/** Start, last and value of an entry: f64 each at `out`. */
export function treeRead(t: usize, slot: u32, out: usize): void {
  const n = nodeAt(t, load<u32>(handleAt(t, slot)));
  const i = find32(n + O_HANDLE, slot);
  store<f64>(out, <f64>startOf(n, i));
  store<f64>(out, <f64>lastOf(n, i), 8);
  store<f64>(out, <f64>refOf(n, i), 16);
}

/** `found`: address of a leaf's slot32, or 0. */
// @ts-ignore: decorator
@inline
function handleOr(found: usize): f64 {
  return found == 0 ? NONE : handleNumber(found, 0);
}

/** Handle of the first overlap, -1 or INVALID. */
export function treeFirst(t: usize, start: f64, last: f64): f64 {
  if (!isInterval(start, last)) return INVALID;
  return handleOr(first(t, <i64>start, <i64>last));
}

/** See scan in search.ts. `after`: handle slot + 1. */
export function treeScan(
  t: usize, start: f64, last: f64, after: u32, out: usize, most: u32, whole: bool,
): u32 {
  return scan(t, <i64>start, <i64>last, after, out, most, whole);
}

export function treeCount(t: usize, start: f64, last: f64): u32 {
  return count(t, <i64>start, <i64>last);
}

/** Handle of the first entry in order, or -1. */
export function treeLowest(t: usize): f64 {
  return lowest(t);
}

/** Handle of the last entry in order, or -1. */
export function treeHighest(t: usize): f64 {
  return highest(t);
}

/** Largest last, -1 if the tree is empty. */
export function treeLargest(t: usize): f64 {
  return <f64>largest(t);
}

export function treeFirstGap(t: usize, length: f64, from: f64, to: f64): f64 {
  return <f64>firstGap(t, <i64>length, <i64>from, <i64>to);
}

/** Every handle becomes stale. */
export function treeClear(t: usize): void {
  clear(t);
}

/** Bulk loading: begin, append any number of times, finish. */
export function treeBegin(t: usize): void {
  begin(t);
}

export function treeAppend(t: usize, at: usize, n: u32, values: usize, out: usize): void {
  append(t, at, n, values, out);
}

export function treeFinish(t: usize): void {
  finish(t);
}

export function treeCompact(t: usize, to: usize, nodes: u32): void {
  compact(t, to, nodes);
}

// Batches: `n` f64 starts at `at`, lasts LASTS behind; eight bytes of result each at `out`.

/** Index of the first pair that holds what is no interval of whole pages below 2^52, or n. */
export function treeCheckBatch(at: usize, n: u32): u32 {
  const zero = f64x2.splat(0);
  const limit = f64x2.splat(<f64>PAGES);
  for (let i: u32 = 0; i < n; i += 2) {
    const start = v128.load(at + ((<usize>i) << 3));
    const last = v128.load(at + ((<usize>i) << 3), LASTS);
    const whole = v128.and(f64x2.eq(start, f64x2.floor(start)), f64x2.eq(last, f64x2.floor(last)));
    const order = v128.and(f64x2.ge(start, zero), f64x2.le(start, last));
    if (!i64x2.all_true(v128.and(v128.and(whole, order), f64x2.lt(last, limit)))) return i;
  }
  return n;
}

/** The f64 of `n` queries become i64, in place. */
function toPages(at: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) {
    const p = at + ((<usize>i) << 3);
    store<i64>(p, <i64>load<f64>(p));
    store<i64>(p, <i64>load<f64>(p, LASTS), LASTS);
  }
}

export function treeFirstBatch(t: usize, at: usize, n: u32, out: usize): void {
  toPages(at, n);
  leavesOf(t, at, n, out);
  for (let i: u32 = 0; i < n; i++) {
    const p = at + ((<usize>i) << 3);
    const to = out + ((<usize>i) << 3);
    store<f64>(to, firstOf(load<u32>(to), load<i64>(p), load<i64>(p, LASTS)));
  }
}

export function treeCountBatch(t: usize, at: usize, n: u32, out: usize): void {
  toPages(at, n);
  leavesOf(t, at, n, out);
  for (let i: u32 = 0; i < n; i++) {
    const p = at + ((<usize>i) << 3);
    const to = out + ((<usize>i) << 3);
    const leaf = <usize>load<u32>(to);
    let count: u32 = 0;
    if (leaf != 0) count = scanFrom(t, leaf, ALL, load<i64>(p), load<i64>(p, LASTS), 0, 0, false);
    store<f64>(to, <f64>count);
  }
}

/** Inserts until there is no room; u32 values at `values`. Returns how many were inserted. */
export function treeInsertBatch(t: usize, at: usize, n: u32, values: usize, out: usize): u32 {
  for (let i: u32 = 0; i < n; i++) {
    if (!hasRoom(t)) return i;
    const p = at + ((<usize>i) << 3);
    const handle = insert(t, <i64>load<f64>(p), <i64>load<f64>(p, LASTS),
      load<u32>(values + ((<usize>i) << 2)), true);
    store<f64>(out + ((<usize>i) << 3), handle);
  }
  return n;
}

/** Removes entries whose handle slots are u32 at `at`. */
export function treeRemoveBatch(t: usize, at: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) remove(t, load<u32>(at + ((<usize>i) << 2)));
}
