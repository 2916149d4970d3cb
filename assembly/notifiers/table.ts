/** Where subscribers are: rows that are taken and given back, put in place and found. */
import { bytesFor, init as initTree, widen as widenTree } from "../interval-tree/bulk";
import { attach, newHandle, nodesLeft } from "../interval-tree/insert";
import {
  GENERATIONS, H_FREE_HANDLE, H_HANDLE_CAP, H_HANDLES, H_LEVELS, handleAt, O_REF,
  setWord, word,
} from "../interval-tree/node";
import { detach, freeHandle } from "../interval-tree/remove";
import { first, nextAfter } from "../interval-tree/search";
import {
  F_PLACED, F_USED, FIRST_SEQ, flagsOf, hasTree, N_BYTES, N_CAP, N_COUNT, N_OFF_ROWS, N_ORDER,
  N_SEQ, N_TREE, N_WAITING, R_FLAGS, R_GENERATION, R_LAST, R_NEW_LAST, R_NEW_START, R_OPS, R_ORDER,
  R_SEQ, R_START, ROW_BYTES, rowAt, rowsOffset, setFlags, treeOf,
} from "./rows";

/** Nobody has subscribed. Room for `nodes` nodes and `handles` subscribers. */
export function init(base: usize, nodes: u32, handles: u32, most: u32): void {
  memory.fill(base, 0, N_BYTES);
  setWord(base, N_SEQ, FIRST_SEQ);
  setWord(base, N_TREE, 1);
  setWord(base, N_OFF_ROWS, rowsOffset(nodes, handles));
  initTree(treeOf(base), nodes, handles, most);
}

/** The same without a tree: `rows` rows behind the header, all zero. */
export function initRows(base: usize, rows: u32): void {
  memory.fill(base, 0, N_BYTES + (<usize>rows) * ROW_BYTES);
  setWord(base, N_SEQ, FIRST_SEQ);
  setWord(base, N_CAP, rows);
  setWord(base, N_OFF_ROWS, <u32>N_BYTES);
}

/** Bytes of a table with a tree. */
export function bytes(nodes: u32, handles: u32): f64 {
  return <f64>N_BYTES + bytesFor(nodes, handles) + <f64>handles * <f64>ROW_BYTES;
}

/** More room, behind which there must be memory for it. */
export function widen(base: usize, nodes: u32, handles: u32): void {
  const tree = treeOf(base);
  const from = rowAt(base, 0);
  setWord(base, N_OFF_ROWS, rowsOffset(nodes, handles));
  // The rows first: the tree grows over where they were.
  memory.copy(rowAt(base, 0), from, (<usize>word(tree, H_HANDLES)) * ROW_BYTES);
  widenTree(tree, nodes, handles);
}

/**
 * Nodes that must be free so that `n` more subscribers can be put in place, now or when the
 * deferred changes are made: that may not fail.
 */
export function nodesToAdd(base: usize, n: u32): u32 {
  // One a level and a new root; each may raise the tree.
  return (word(base, N_WAITING) + n) * (word(treeOf(base), H_LEVELS) + 2);
}

/** Is there room for `n` more subscribers? */
export function hasRoom(base: usize, n: u32): bool {
  if (!hasTree(base)) return freeRows(base) >= n;
  const tree = treeOf(base);
  let free = word(tree, H_HANDLE_CAP) - word(tree, H_HANDLES);
  let at = word(tree, H_FREE_HANDLE);
  for (; at != 0 && free < n; at = load<u32>(handleAt(tree, at - 1))) free++;
  return free >= n && nodesLeft(tree) >= nodesToAdd(base, n);
}

/** Is there room for a subscriber that is put somewhere else? */
export function hasRoomToMove(base: usize): bool {
  return !hasTree(base) || nodesLeft(treeOf(base)) >= nodesToAdd(base, 1);
}

function freeRows(base: usize): u32 {
  let free: u32 = 0;
  const cap = word(base, N_CAP);
  for (let row: u32 = 0; row < cap; row++) if (flagsOf(base, row) == 0) free++;
  return free;
}

/** A row for [start, last], in nobody's way yet. There must be one. */
export function takeRow(base: usize, start: i64, last: i64, ops: u32): u32 {
  let row: u32 = 0;
  if (hasTree(base)) row = newHandle(treeOf(base));
  else while (flagsOf(base, row) != 0) row++;
  const r = rowAt(base, row);
  const generation = load<u32>(r, R_GENERATION);
  memory.fill(r, 0, ROW_BYTES);
  store<u32>(r, generation + 1, R_GENERATION);
  store<i64>(r, start, R_START);
  store<i64>(r, last, R_LAST);
  store<u32>(r, ops, R_OPS);
  store<u32>(r, F_USED, R_FLAGS);
  setWord(base, N_COUNT, word(base, N_COUNT) + 1);
  return row;
}

/** Gives a row back that is in no list and not in place. */
export function giveRow(base: usize, row: u32): void {
  const r = rowAt(base, row);
  const generation = load<u32>(r, R_GENERATION);
  memory.fill(r, 0, ROW_BYTES);
  store<u32>(r, generation, R_GENERATION);
  if (hasTree(base)) freeHandle(treeOf(base), row);
}

/** Walks find it from now on. There must be room (hasRoom). */
export function place(base: usize, row: u32): void {
  const r = rowAt(base, row);
  setFlags(base, row, load<u32>(r, R_FLAGS) | F_PLACED);
  if (hasTree(base)) {
    attach(treeOf(base), row, load<i64>(r, R_START), load<i64>(r, R_LAST), row, true);
    return;
  }
  const order = word(base, N_ORDER) + 1;
  setWord(base, N_ORDER, order);
  store<u32>(r, order, R_ORDER);
}

/** Walks do not find it any more. */
export function displace(base: usize, row: u32): void {
  setFlags(base, row, flagsOf(base, row) & ~F_PLACED);
  if (hasTree(base)) detach(treeOf(base), row);
  else store<u32>(rowAt(base, row), 0, R_ORDER);
}

/** Gives row `row` the interval that waits for it. */
export function takeNewInterval(base: usize, row: u32): void {
  const r = rowAt(base, row);
  store<i64>(r, load<i64>(r, R_NEW_START), R_START);
  store<i64>(r, load<i64>(r, R_NEW_LAST), R_LAST);
  store<i64>(r, 0, R_NEW_START);
  store<i64>(r, 0, R_NEW_LAST);
}

/** Does the interval of a row overlap [start, last]? */
// @ts-ignore: decorator
@inline
export function overlaps(r: usize, start: i64, last: i64): bool {
  return load<i64>(r, R_START) <= last && load<i64>(r, R_LAST) >= start;
}

/** Is row a before row b in the order of walks? */
function precedes(base: usize, a: u32, b: u32): bool {
  const x = rowAt(base, a);
  const y = rowAt(base, b);
  const from = load<i64>(x, R_START);
  const to = load<i64>(y, R_START);
  return from < to || (from == to && load<u32>(x, R_ORDER) < load<u32>(y, R_ORDER));
}

/**
 * Row + 1 of the next subscriber in place that overlaps [start, last], by start, then in the order
 * of insertion: the first behind row `after` - 1, or of all when `after` is 0. 0: none.
 */
export function nextHit(base: usize, after: u32, start: i64, last: i64): u32 {
  if (hasTree(base)) {
    const tree = treeOf(base);
    const p = after == 0 ? first(tree, start, last) : nextAfter(tree, after - 1, start, last);
    return p == 0 ? 0 : load<u32>(p, O_REF) + 1;
  }
  let best: u32 = 0;
  const cap = word(base, N_CAP);
  for (let row: u32 = 0; row < cap; row++) {
    if ((flagsOf(base, row) & F_PLACED) == 0 || !overlaps(rowAt(base, row), start, last)) continue;
    if (after != 0 && !precedes(base, after - 1, row)) continue;
    if (best == 0 || precedes(base, row, best - 1)) best = row + 1;
  }
  return best;
}

/** Generation of a row, odd while it is in use in a tree. */
export function generationOf(base: usize, row: u32): u32 {
  if (!hasTree(base)) return load<u32>(rowAt(base, row), R_GENERATION);
  return load<u32>(handleAt(treeOf(base), row), 4) & GENERATIONS;
}


/** Stamp of a row: the sequence of the last bracket that has told it. */
// @ts-ignore: decorator
@inline
export function stampOf(base: usize, row: u32): u32 {
  return load<u32>(rowAt(base, row), R_SEQ);
}
