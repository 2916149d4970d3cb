/**
 * Rows of an IOTLB: the tables of all address spaces in one interval tree.
 *
 *   at base: header (u32 words), then a table for each ASID, then the tree, then the rows
 *   table: {entries u32, oldest u32, newest u32}
 *   row: shift u64 · opaque, prev, next u32 · asid, perm u16
 *
 * A key of the tree is ASID << 52 | page, so address spaces never overlap. The tree's value of an
 * entry is its row, and a row has the number of its entry's handle slot: one list of free slots
 * serves both. `shift` is what a page must be increased by, modulo 2^52, to be translated. prev and
 * next link the entries of one table in the order of insertion. Rows stored in fields are + 1 where
 * 0 must mean "none". Everything is relative to base.
 */
import { H_BYTES, HANDLE_BYTES, NODE_BYTES, word } from "../interval-tree/node";

export const I_LIMIT: i32 = 0; // entries a table may hold, 0: any number
export const I_WHEN_FULL: i32 = 1; // IGNORE, RETIRE, REFUSE
export const I_OFF_ROWS: i32 = 2;
const I_BYTES: usize = 64;

/** What happens at the limit: nothing, the oldest entry goes, or the insertion fails. */
export const IGNORE: u32 = 0;
export const RETIRE: u32 = 1;
export const REFUSE: u32 = 2;

export const ASIDS: u32 = 1024;
const TABLE_BYTES: usize = 12;
export const T_ENTRIES: usize = 0;
export const T_OLDEST: usize = 4;
export const T_NEWEST: usize = 8;

/** From the base to the tree. */
const TREE: usize = I_BYTES + (<usize>ASIDS) * TABLE_BYTES;

export const ROW_BYTES: usize = 24;
export const R_SHIFT: usize = 0;
export const R_OPAQUE: usize = 8;
export const R_PREV: usize = 12;
export const R_NEXT: usize = 16;
export const R_ASID: usize = 20;
export const R_PERM: usize = 22;

const PAGE_BITS: i64 = 52;
/** The last page. */
export const LAST_PAGE: i64 = (1 << PAGE_BITS) - 1;

// @ts-ignore: decorator
@inline
export function treeOf(base: usize): usize {
  return base + TREE;
}

// @ts-ignore: decorator
@inline
export function tableAt(base: usize, asid: u32): usize {
  return base + I_BYTES + (<usize>asid) * TABLE_BYTES;
}

// @ts-ignore: decorator
@inline
export function rowAt(base: usize, row: u32): usize {
  return base + word(base, I_OFF_ROWS) + (<usize>row) * ROW_BYTES;
}

// @ts-ignore: decorator
@inline
export function keyOf(asid: u32, page: i64): i64 {
  return ((<i64>asid) << PAGE_BITS) + page;
}

/** From the base to the rows, behind a tree with that much room. */
// @ts-ignore: decorator
@inline
export function rowsOffset(nodes: u32, handles: u32): u32 {
  return <u32>(TREE + H_BYTES + (<usize>nodes) * NODE_BYTES + (<usize>handles) * HANDLE_BYTES);
}
