/**
 * What the host calls. Pages and handles are f64 (exact below 2^53); a handle is generation *
 * 2^26 + row. Everything but intervals and handles was checked by the host.
 */
import { fromF64, toF64 } from "../f64";
import { treeCountBatch } from "../interval-tree/batch";
import {
  H_COUNT, H_HANDLES, H_LIMIT, isInterval, setWord, SLOT_BITS, SLOT_MASK, word,
} from "../interval-tree/node";
import { bracketEnd, bracketsPass, bracketStart, mustWait, setStamp } from "./bracket";
import { find, insert, remove, update } from "./change";
import { nextReleased } from "./deferred";
import {
  F_LEAVING, F_PLACED, F_USED, flagsOf, isOdd, N_COUNT, N_SEQ, R_LAST, R_OPS, R_START, rowAt,
  treeOf,
} from "./rows";
import {
  bytes, generationOf, giveRow, hasRoom, hasRoomToMove, init, nextHit, nodesToAdd, stampOf, widen,
} from "./table";

/** There is no room: more memory would do. */
const NO_ROOM: f64 = -2;
/** There are as many subscribers as there may be. */
const FULL: f64 = -3;
/** Not a closed interval of whole pages below 2^52. */
const INVALID: f64 = -4;

export function notifiersInit(base: usize, nodes: u32, handles: u32, most: u32): void {
  init(base, nodes, handles, most);
}

export function notifiersWiden(base: usize, nodes: u32, handles: u32): void {
  widen(base, nodes, handles);
}

export function notifiersBytes(nodes: u32, handles: u32): f64 {
  return bytes(nodes, handles);
}

/** Where the tree is. */
export function notifiersTree(base: usize): usize {
  return treeOf(base);
}

/** Nodes that must be free so that `n` more can subscribe. */
export function notifiersNodesToAdd(base: usize, n: u32): u32 {
  return nodesToAdd(base, n);
}

/** Is there room for `n` more subscribers? */
export function notifiersHasRoom(base: usize, n: u32): bool {
  return hasRoom(base, n);
}

/**
 * Row of a subscriber, or -1: the handle is stale. Who is on its way out counts only with
 * `leaving`: callbacks still reach it.
 */
export function notifiersRow(base: usize, handle: f64, leaving: bool): i32 {
  const whole = fromF64(handle);
  const row = <u32>whole & SLOT_MASK;
  if (row >= word(treeOf(base), H_HANDLES) || toF64(whole) != handle) return -1;
  const generation = generationOf(base, row);
  const gone = leaving ? F_USED : F_USED | F_LEAVING;
  const isUsed = (flagsOf(base, row) & gone) == F_USED;
  return isUsed && whole >> SLOT_BITS == <i64>generation ? <i32>row : -1;
}

/** Handle of a row in use. */
export function notifiersHandle(base: usize, row: u32): f64 {
  return toF64(((<i64>generationOf(base, row)) << SLOT_BITS) | <i64>row);
}

/** Handle of the new subscriber, or NO_ROOM, FULL, INVALID. */
export function notifiersInsert(base: usize, start: f64, last: f64, ops: u32): f64 {
  if (!isInterval(start, last)) return INVALID;
  if (word(base, N_COUNT) >= word(treeOf(base), H_LIMIT)) return FULL;
  if (!hasRoom(base, 1)) return NO_ROOM;
  return notifiersHandle(base, insert(base, fromF64(start), fromF64(last), ops));
}

/** 0: it is out, 1: it is when the sequence has changed, -1: the handle is stale. */
export function notifiersRemove(base: usize, handle: f64, releases: bool): i32 {
  const row = notifiersRow(base, handle, false);
  return row < 0 ? -1 : remove(base, row, releases);
}

/** Would a removal have to wait? */
export function notifiersWouldWait(base: usize, row: u32): bool {
  return isOdd(base) && (flagsOf(base, row) & F_PLACED) != 0;
}

/** 0: it is there, 1: it is when the sequence has changed, -1: stale, or NO_ROOM, INVALID. */
export function notifiersUpdate(
  base: usize, handle: f64, start: f64, last: f64, posted: bool,
): i32 {
  const row = notifiersRow(base, handle, false);
  if (row < 0) return -1;
  if (!isInterval(start, last)) return <i32>INVALID;
  if (!hasRoomToMove(base)) return <i32>NO_ROOM;
  return update(base, row, fromF64(start), fromF64(last), posted);
}

/** Handle of the subscriber found, or -1, or INVALID. */
export function notifiersFind(base: usize, ops: u32, start: f64, last: f64, posted: bool): f64 {
  if (!isInterval(start, last)) return INVALID;
  const at = find(base, ops, fromF64(start), fromF64(last), posted);
  return at == 0 ? -1 : notifiersHandle(base, at - 1);
}

/** A bracket over [start, last] opens: row + 1 of the first it hits, or 0, or INVALID. */
export function notifiersStart(base: usize, start: f64, last: f64): f64 {
  if (!isInterval(start, last)) return INVALID;
  return <f64>bracketStart(base, fromF64(start), fromF64(last));
}

/** Row + 1 of the next one that it hits, behind row `after` - 1, or 0. */
export function notifiersNext(base: usize, after: u32, start: f64, last: f64): u32 {
  return nextHit(base, after, fromF64(start), fromF64(last));
}

/**
 * See bracketsPass; `n` brackets, f64 starts at `at` and lasts behind them, checked. Behind `out`,
 * scratch of 8 n bytes, f64 each: brackets that hit somebody, and how many they hit.
 */
export function notifiersPass(base: usize, at: usize, n: u32, out: usize): void {
  treeCountBatch(treeOf(base), at, n, out);
  let hits: u32 = 0;
  let told: f64 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const count = load<f64>(out + ((<usize>i) << 3));
    if (count != 0) hits++;
    told += count;
  }
  bracketsPass(base, hits);
  store<f64>(out + ((<usize>n) << 3), <f64>hits);
  store<f64>(out + ((<usize>n) << 3), told, 8);
}

/** See bracketEnd. */
export function notifiersEnd(base: usize): i32 {
  return bracketEnd(base);
}

/** Row + 1 of the next subscriber whose release is due, or 0. */
export function notifiersReleased(base: usize): u32 {
  return nextReleased(base);
}

/** It was released: its row may be used again. */
export function notifiersForget(base: usize, row: u32): void {
  giveRow(base, row);
}

/** Must a reader that begins now wait until the sequence is another one? */
export function notifiersMustWait(base: usize, row: u32): bool {
  return mustWait(base, row);
}

export function notifiersStamp(base: usize, row: u32): u32 {
  return stampOf(base, row);
}

export function notifiersSetStamp(base: usize, row: u32, seq: u32): void {
  setStamp(base, row, seq);
}

/** The sequence; `to` other than 0 sets it, for tests of what happens when it wraps. */
export function notifiersSeq(base: usize, to: u32): u32 {
  if (to != 0) setWord(base, N_SEQ, to);
  return word(base, N_SEQ);
}

/** The callbacks' id of a row. */
export function notifiersOps(base: usize, row: u32): u32 {
  return load<u32>(rowAt(base, row), R_OPS);
}

/** Start and last of a row, f64 each at `out`. */
export function notifiersRead(base: usize, row: u32, out: usize): void {
  const r = rowAt(base, row);
  store<f64>(out, toF64(load<i64>(r, R_START)));
  store<f64>(out, toF64(load<i64>(r, R_LAST)), 8);
}

/** Subscribers in the tree. */
export function notifiersPlaced(base: usize): u32 {
  return word(treeOf(base), H_COUNT);
}
