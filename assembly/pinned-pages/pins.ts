/** One page: pin, unpin, look up. */
import { toF64 } from "../f64";
import { addWord, dropWord, findWord } from "./leaf";
import {
  add64, BLOCK_BITS, BLOCK_PAGES, COUNT_BITS, COUNT_MOST, formOf, get32, keyOf, LONE, NO_ROOM,
  O_CONTENT, OVER_LIMIT, P_BLOCKS, P_CHARGED, P_LIMIT, P_PINNED, P_RANGES, P_REFS, P_RESERVED,
  P_VERSION, SATURATED, set32,
} from "./rows";
import { findSlot, removeSlot, roomForBlock } from "./table";

// @ts-ignore: decorator
@inline
export function indexOf(page: i64): u32 {
  return <u32>page & (BLOCK_PAGES - 1);
}

// @ts-ignore: decorator
@inline
export function pfnOf(word: u64): f64 {
  return toF64(<i64>(word >> <u64>COUNT_BITS));
}

// @ts-ignore: decorator
@inline
export function refsOf(word: u64): u32 {
  return <u32>(word & COUNT_MOST);
}

/** Is it the number of a page frame that is never charged? */
export function isReserved(t: usize, pfn: u64): bool {
  const ranges = get32(t, P_RESERVED);
  for (let i: u32 = 0; i < ranges; i++) {
    const range = t + P_RANGES + ((<usize>i) << 4);
    if (pfn >= load<u64>(range) && pfn <= load<u64>(range, 8)) return true;
  }
  return false;
}

/** Does a page with this frame cost one of the pages that may be charged? */
// @ts-ignore: decorator
@inline
export function isCharged(t: usize, pfn: u64): bool {
  return get32(t, P_RESERVED) == 0 || !isReserved(t, pfn);
}

/** A page that is not there yet, in its block or in a new one; not counted. False: no memory. */
// @ts-ignore: decorator
@inline
export function addPage(t: usize, slot: usize, page: i64, pfn: u64): bool {
  const word = (pfn << <u64>COUNT_BITS) | 1;
  if (load<u64>(slot) != 0) return addWord(t, slot, indexOf(page), word);
  if (!roomForBlock(t)) return false;
  const block = <u64>(page >> BLOCK_BITS);
  const free = findSlot(t, block);
  store<u64>(free, keyOf(block, indexOf(page), LONE));
  store<u64>(free, word, O_CONTENT);
  set32(t, P_BLOCKS, get32(t, P_BLOCKS) + 1);
  return true;
}

/**
 * Pins a page once more, or for the first time, then to `pfn`. The pfn it is pinned to, or why not:
 * SATURATED, OVER_LIMIT, NO_ROOM, and nothing has changed. `slot`: that of its block.
 */
export function pinPage(t: usize, slot: usize, page: i64, pfn: u64): f64 {
  const found = findWord(t, slot, indexOf(page));
  if (found != 0) {
    const word = load<u64>(found);
    if (refsOf(word) == <u32>COUNT_MOST) return SATURATED;
    store<u64>(found, word + 1);
    add64(t, P_REFS, 1);
    set32(t, P_VERSION, get32(t, P_VERSION) + 1);
    return pfnOf(word);
  }
  const charged = isCharged(t, pfn);
  if (charged && load<f64>(t + P_CHARGED) >= load<f64>(t + P_LIMIT)) return OVER_LIMIT;
  if (!addPage(t, slot, page, pfn)) return NO_ROOM;
  if (charged) add64(t, P_CHARGED, 1);
  add64(t, P_PINNED, 1);
  add64(t, P_REFS, 1);
  set32(t, P_VERSION, get32(t, P_VERSION) + 1);
  return toF64(<i64>pfn);
}

/** Takes the page at `word` away, whatever its count is. */
export function dropPage(t: usize, slot: usize, word: usize): void {
  const value = load<u64>(word);
  if (isCharged(t, value >> <u64>COUNT_BITS)) add64(t, P_CHARGED, -1);
  add64(t, P_PINNED, -1);
  add64(t, P_REFS, -(<f64>refsOf(value)));
  set32(t, P_VERSION, get32(t, P_VERSION) + 1);
  if (formOf(load<u64>(slot)) == LONE) removeSlot(t, slot);
  else dropWord(t, slot, word);
}

/** Unpins a page once; how often it still is, or -1: it was not. `slot`: that of its block. */
export function unpinPage(t: usize, slot: usize, page: i64): i32 {
  const word = findWord(t, slot, indexOf(page));
  if (word == 0) return -1;
  const value = load<u64>(word);
  const left = refsOf(value) - 1;
  if (left == 0) {
    dropPage(t, slot, word);
  } else {
    store<u64>(word, value - 1);
    add64(t, P_REFS, -1);
    set32(t, P_VERSION, get32(t, P_VERSION) + 1);
  }
  return <i32>left;
}
