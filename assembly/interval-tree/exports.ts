/**
 * What the host calls. Pages are f64 (exact below 2^53), entries are named by handle slots, and
 * everything was checked by the host: a call that needs room is made when there is room.
 */
import { append, begin, bytesFor, clear, compact, finish, init, nodesFor, widen } from "./bulk";
import { attach, hasRoom, hasRoomToMove, insert, nodesLeft } from "./insert";
import {
  find32, GENERATIONS, H_HANDLES, handleAt, lastOf, nodeAt, O_HANDLE, O_REF, refOf, slot32, startOf,
  word,
} from "./node";
import { detach, remove } from "./remove";
import { count, first, firstGap, handleNumber, highest, largest, lowest, scan } from "./search";

/** No entry. */
const NONE: f64 = -1;

export function treeInit(t: usize, nodes: u32, handles: u32): void {
  init(t, nodes, handles);
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

/** Is this handle slot in use under this generation? Generations of free ones are even. */
export function treeHas(t: usize, slot: u32, generation: u32): bool {
  return slot < word(t, H_HANDLES) &&
    (load<u32>(handleAt(t, slot), 4) & GENERATIONS) == generation;
}

/** The handle of the new entry, or -1: no room. */
export function treeInsert(t: usize, start: f64, last: f64, value: u32): f64 {
  if (!hasRoom(t)) return NONE;
  return handleNumber(t, insert(t, <i64>start, <i64>last, value));
}

export function treeRemove(t: usize, slot: u32): void {
  remove(t, slot);
}

/** False: no room. */
export function treeMove(t: usize, slot: u32, start: f64, last: f64): bool {
  if (!hasRoomToMove(t)) return false;
  const n = nodeAt(t, load<u32>(handleAt(t, slot)));
  const value = refOf(n, find32(n + O_HANDLE, slot));
  detach(t, slot);
  attach(t, slot, <i64>start, <i64>last, value);
  return true;
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

// @ts-ignore: decorator
@inline
function handleOr(t: usize, found: u32): f64 {
  return found == 0 ? NONE : handleNumber(t, found - 1);
}

/** Handle of the first overlap, or -1. */
export function treeFirst(t: usize, start: f64, last: f64): f64 {
  return handleOr(t, first(t, <i64>start, <i64>last));
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
  return handleOr(t, lowest(t));
}

/** Handle of the last entry in order, or -1. */
export function treeHighest(t: usize): f64 {
  return handleOr(t, highest(t));
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

// Batches: `n` records of two f64, start and last, at `at`; eight bytes of result each at `out`.

export function treeFirstBatch(t: usize, at: usize, n: u32, out: usize): void {
  for (let i: u32 = 0; i < n; i++) {
    const p = at + ((<usize>i) << 4);
    const found = first(t, <i64>load<f64>(p), <i64>load<f64>(p, 8));
    store<f64>(out + ((<usize>i) << 3), handleOr(t, found));
  }
}

export function treeCountBatch(t: usize, at: usize, n: u32, out: usize): void {
  for (let i: u32 = 0; i < n; i++) {
    const p = at + ((<usize>i) << 4);
    store<f64>(out + ((<usize>i) << 3),
      <f64>count(t, <i64>load<f64>(p), <i64>load<f64>(p, 8)));
  }
}

/** Inserts until there is no room; u32 values at `values`. Returns how many were inserted. */
export function treeInsertBatch(t: usize, at: usize, n: u32, values: usize, out: usize): u32 {
  for (let i: u32 = 0; i < n; i++) {
    if (!hasRoom(t)) return i;
    const p = at + ((<usize>i) << 4);
    const slot = insert(t, <i64>load<f64>(p), <i64>load<f64>(p, 8),
      load<u32>(values + ((<usize>i) << 2)));
    store<f64>(out + ((<usize>i) << 3), handleNumber(t, slot));
  }
  return n;
}

/** Removes entries whose handle slots are u32 at `at`. */
export function treeRemoveBatch(t: usize, at: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) remove(t, load<u32>(at + ((<usize>i) << 2)));
}
