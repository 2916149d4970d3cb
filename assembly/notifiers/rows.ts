/**
 * Rows of an mm's interval notifiers (notifiers.md 1.1): its sequence, how many brackets are open,
 * the subscribers, and the changes that wait until nobody walks the tree.
 *
 *   at base: header (u32 words), then the tree if there is one, then the rows
 *   row: start, last, newStart, newLast i64 · seq, next, prev, flags, ops, generation u32
 *
 * With a tree, a row has the number of its handle slot there, and its generation is that slot's:
 * one list of free slots serves both. Without (in a machine whose whole state is explored: a tree's
 * bytes tell its history) the rows are searched, and `generation` is the row's own. Rows stored in
 * fields are + 1 where 0 must mean "none". Everything is relative to base.
 *
 * Invariants by name: `OddMeansOpen`: the sequence is odd only while a bracket is open, or the
 * deferred changes are being made. `TreeHeldWhileOdd`: while it is odd the tree does not change,
 * but for subscribers that are added when it turns odd. `StampsAreOdd`: of every subscriber.
 * `DeferredOnlyWhileOdd`: the list is empty while the sequence is even.
 */
import { H_BYTES, HANDLE_BYTES, NODE_BYTES, word } from "../interval-tree/node";

export const N_SEQ: i32 = 0; // invalidate_seq, FIRST_SEQ in the beginning
export const N_ACTIVE: i32 = 1; // open brackets, also those that hit nobody
export const N_DEFERRED: i32 = 2; // newest change that waits, row + 1
export const N_RELEASED: i32 = 3; // oldest subscriber whose release is due, row + 1
export const N_RELEASED_LAST: i32 = 4; // newest
export const N_OFF_ROWS: i32 = 5;
export const N_TREE: i32 = 6; // 1: there is a tree
export const N_CAP: i32 = 7; // rows, where there is no tree
export const N_ORDER: i32 = 8; // subscribers ever put in place, where there is no tree
export const N_WAITING: i32 = 9; // deferred changes that will need room in the tree
export const N_COUNT: i32 = 10; // subscribers that are not on their way out
export const N_BYTES: usize = 64;

/** What the sequence begins with: even, and no stamp equals it. */
export const FIRST_SEQ: u32 = 2;

export const ROW_BYTES: usize = 64;
export const R_START: usize = 0;
export const R_LAST: usize = 8;
export const R_NEW_START: usize = 16;
export const R_NEW_LAST: usize = 24;
export const R_SEQ: usize = 32;
export const R_NEXT: usize = 36; // in the deferred list, or that of the released
export const R_PREV: usize = 40; // in the deferred list
export const R_FLAGS: usize = 44;
export const R_OPS: usize = 48; // the callbacks' id: whoever calls them knows what it means
export const R_GENERATION: usize = 52;
export const R_ORDER: usize = 56; // of equal starts the lower comes first; where there is no tree

export const F_USED: u32 = 1;
export const F_PLACED: u32 = 2; // in the tree: walks find it
export const F_LISTED: u32 = 4; // a change of it waits
export const F_MOVED: u32 = 8; // that change is another interval
export const F_RELEASES: u32 = 16; // its release is called when it is out
export const F_LEAVING: u32 = 32; // it was taken out by its owner; walks may still find it
export const F_RELEASED: u32 = 64; // it is out, its release is due

// @ts-ignore: decorator
@inline
export function treeOf(base: usize): usize {
  return base + N_BYTES;
}

// @ts-ignore: decorator
@inline
export function hasTree(base: usize): bool {
  return word(base, N_TREE) != 0;
}

// @ts-ignore: decorator
@inline
export function rowAt(base: usize, row: u32): usize {
  return base + word(base, N_OFF_ROWS) + (<usize>row) * ROW_BYTES;
}

// @ts-ignore: decorator
@inline
export function flagsOf(base: usize, row: u32): u32 {
  return load<u32>(rowAt(base, row), R_FLAGS);
}

// @ts-ignore: decorator
@inline
export function setFlags(base: usize, row: u32, flags: u32): void {
  store<u32>(rowAt(base, row), flags, R_FLAGS);
}

// @ts-ignore: decorator
@inline
export function isOdd(base: usize): bool {
  return (word(base, N_SEQ) & 1) != 0;
}

/** From the base to the rows, behind a tree with that much room. */
// @ts-ignore: decorator
@inline
export function rowsOffset(nodes: u32, handles: u32): u32 {
  return <u32>(N_BYTES + H_BYTES + (<usize>nodes) * NODE_BYTES + (<usize>handles) * HANDLE_BYTES);
}
