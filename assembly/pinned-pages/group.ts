/**
 * Groups of pages of a list: their blocks are looked for one behind the other before anything is
 * done with them, so that the reads of many are under way at once.
 */
import { fromF64 } from "../f64";
import {
  at, BLOCK_BITS, BLOCK_PAGES, blockOf, countOf, DENSE, denseWord, formOf, get32, LONE, O_CONTENT,
  P_BLOCKS, P_LOG2, P_SLOTS, P_TABLE, smallWord,
} from "./rows";
import { findSlot, homeOf, tableAt } from "./table";

/** Blocks that the caches next to a CPU hold anyway: so few need no reading ahead. */
const NEAR_BLOCKS: u32 = 4096;

/** Page number `i` of a list of f64. */
// @ts-ignore: decorator
@inline
export function pageAt(pages: usize, i: u32): i64 {
  return fromF64(load<f64>(at(pages, i)));
}

// @ts-ignore: decorator
@inline
function entryAt(t: usize, i: u32): usize {
  return t + P_SLOTS + ((<usize>i) << 2);
}

/**
 * Notes the slot of each of `n` pages' blocks, and reads what will be touched. What it returns only
 * keeps the reads from being left out.
 */
export function findSlots(t: usize, pages: usize, n: u32): u32 {
  let sum: u32 = 0;
  const far = get32(t, P_BLOCKS) >= NEAR_BLOCKS;
  if (far) {
    const table = tableAt(t);
    const log2 = get32(t, P_LOG2);
    for (let i: u32 = 0; i < n; i++) {
      sum += load<u32>(table + homeOf(<u64>(pageAt(pages, i) >> BLOCK_BITS), log2));
    }
  }
  for (let i: u32 = 0; i < n; i++) {
    const slot = findSlot(t, <u64>(pageAt(pages, i) >> BLOCK_BITS));
    store<u32>(entryAt(t, i), <u32>(slot - t));
  }
  if (!far) return sum;
  for (let i: u32 = 0; i < n; i++) {
    const slot = foundAt(t, i);
    const key = load<u64>(slot);
    const form = formOf(key);
    if (form == LONE) continue;
    const leaf = t + <usize>load<u64>(slot, O_CONTENT);
    const index = <u32>pageAt(pages, i) & (BLOCK_PAGES - 1);
    const word = form == DENSE ? denseWord(leaf, index) : smallWord(leaf, form, countOf(key) - 1);
    sum += load<u32>(leaf) + load<u32>(word);
  }
  return sum;
}

/** Which table it is: changes whenever slots move to another one. */
// @ts-ignore: decorator
@inline
export function placeOf(t: usize): u64 {
  return load<u64>(t + P_TABLE); // and P_LOG2 behind it
}

/** Slot that was noted for the i-th page: while nothing has changed. */
// @ts-ignore: decorator
@inline
export function foundAt(t: usize, i: u32): usize {
  return t + load<u32>(entryAt(t, i));
}

/** Slot of the i-th page's block now; `place`: of the table in which it was noted. */
// @ts-ignore: decorator
@inline
export function slotAt(t: usize, i: u32, place: u64, page: i64): usize {
  const block = <u64>(page >> BLOCK_BITS);
  const slot = foundAt(t, i);
  const key = load<u64>(slot);
  if (placeOf(t) == place && key != 0 && blockOf(key) == block) return slot;
  return findSlot(t, block);
}
