/**
 * What the host calls. Pages and handles are f64 (exact below 2^53). What is called most checks its
 * arguments itself; everything else was checked by the host.
 */
import { fromF64, toF64 } from "../f64";
import { append, begin, bytesFor, clear, compact, finish, init, nodesFor, widen } from "./bulk";
import { attach, fits, hasRoom, hasRoomToMove, insert, nodesLeft } from "./insert";
import {
  find32, GENERATIONS, H_COUNT, H_HANDLES, H_LIMIT, handleAt, handleNumber, isInterval, lastOf,
  nodeAt, O_HANDLE, O_REF, refOf, SLOT_BITS, SLOT_MASK, slot32, startOf, word,
} from "./node";
import { detach, remove } from "./remove";
import { count, first, firstGap, highest, largest, lowest, scan } from "./search";

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
  const whole = fromF64(handle);
  const slot = <u32>whole & SLOT_MASK;
  if (slot >= word(t, H_HANDLES) || toF64(whole) != handle) return -1;
  const generation = load<u32>(handleAt(t, slot), 4) & GENERATIONS;
  return (generation & 1) != 0 && whole >> SLOT_BITS == <i64>generation ? <i32>slot : -1;
}

/** The handle of the new entry, NO_ROOM, FULL or INVALID. */
export function treeInsert(t: usize, start: f64, last: f64, value: u32): f64 {
  if (!isInterval(start, last)) return INVALID;
  if (word(t, H_COUNT) >= word(t, H_LIMIT)) return FULL;
  const room = hasRoom(t);
  if (!room && !fits(t, fromF64(start))) return NO_ROOM;
  return insert(t, fromF64(start), fromF64(last), value, room);
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
  const value = detach(t, slot);
  attach(t, slot, fromF64(start), fromF64(last), value, true);
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
  store<f64>(out, toF64(startOf(n, i)));
  store<f64>(out, toF64(lastOf(n, i)), 8);
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
  return handleOr(first(t, fromF64(start), fromF64(last)));
}

/** See scan in search.ts. `after`: handle slot + 1. INVALID for what is no interval. */
export function treeScan(
  t: usize, start: f64, last: f64, after: u32, out: usize, most: u32, whole: bool,
): u32 {
  if (!isInterval(start, last)) return <u32>(<i32>INVALID);
  return scan(t, fromF64(start), fromF64(last), after, out, most, whole);
}

/** How many overlap, or INVALID. */
export function treeCount(t: usize, start: f64, last: f64): u32 {
  if (!isInterval(start, last)) return <u32>(<i32>INVALID);
  return count(t, fromF64(start), fromF64(last));
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
  return <f64>firstGap(t, <i64>length, fromF64(from), fromF64(to));
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
