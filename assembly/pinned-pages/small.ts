/**
 * Parts of a range that lie in a small leaf. Its pages are in no order: so it is read once from end
 * to end, instead of being searched for each page.
 */
import { fromF64 } from "../f64";
import { freeLeaf } from "./heap";
import { settle } from "./leaf";
import { isCharged, pfnOf, refsOf } from "./pins";
import {
  add64, at, blockOf, COUNT_BITS, COUNT_MOST, fieldOf, formOf, get32, keyOf, O_CONTENT, P_CHARGED,
  P_LIMIT, P_PINNED, P_REFS, P_VERSION, roomOf, SCRATCH, set32, smallIndex, smallWord,
} from "./rows";
import { removeSlot } from "./table";

/** Shorter parts are cheaper page by page. */
export const SMALL_PART: u32 = 8;

/** Byte of a page in the 512 that say as which number it is there, + 1. */
// @ts-ignore: decorator
@inline
function markAt(t: usize, index: u32): usize {
  return t - SCRATCH + <usize>index;
}

/**
 * Pins pages of the block in `slot`, which has a small leaf, as long as their counts have room,
 * they may be charged, and the leaf has room: the `n` from `index` on, the list's from `first` on.
 * How many it did.
 */
export function pinSmall(
  t: usize, slot: usize, index: u32, n: u32, pfns: usize, out: usize, first: u32,
): u32 {
  const key = load<u64>(slot);
  const form = formOf(key);
  const leaf = t + <usize>load<u64>(slot, O_CONTENT);
  const room = roomOf(form);
  const before = fieldOf(key) + 1;
  let count = before;
  memory.fill(markAt(t, index), 0, n);
  for (let k: u32 = 0; k < count; k++) {
    store<u8>(markAt(t, load<u16>(smallIndex(leaf, k))), <u8>(k + 1));
  }
  const limit = load<f64>(t + P_LIMIT);
  let charged = load<f64>(t + P_CHARGED);
  let i: u32 = 0;
  for (; i < n; i++) {
    const there = <u32>load<u8>(markAt(t, index + i));
    if (there != 0) {
      const to = smallWord(leaf, form, there - 1);
      const word = load<u64>(to);
      if (refsOf(word) == <u32>COUNT_MOST) break;
      store<u64>(to, word + 1);
      store<f64>(at(out, first + i), pfnOf(word));
      continue;
    }
    if (count == room) break;
    const given = load<f64>(at(pfns, first + i));
    const pfn = <u64>fromF64(given);
    if (isCharged(t, pfn)) {
      if (charged >= limit) break;
      charged += 1;
    }
    store<u16>(smallIndex(leaf, count), <u16>(index + i));
    store<u64>(smallWord(leaf, form, count), (pfn << <u64>COUNT_BITS) | 1);
    store<f64>(at(out, first + i), given);
    count++;
  }
  store<u64>(slot, keyOf(blockOf(key), count - 1, form));
  store<f64>(t + P_CHARGED, charged);
  add64(t, P_PINNED, <f64>(count - before));
  add64(t, P_REFS, <f64>i);
  set32(t, P_VERSION, get32(t, P_VERSION) + i);
  return i;
}

/** Unpins `n` pages of the block in `slot`, which has a small leaf, once each. */
export function unpinSmall(
  t: usize, slot: usize, index: u32, n: u32, out: usize, first: u32,
): void {
  const key = load<u64>(slot);
  const form = formOf(key);
  const offset = <u32>load<u64>(slot, O_CONTENT);
  const leaf = t + <usize>offset;
  let count = fieldOf(key) + 1;
  let gone: u32 = 0;
  let refs: u32 = 0;
  let charged: u32 = 0;
  for (let i: u32 = 0; i < n; i++) store<f64>(at(out, first + i), -1);
  for (let k: u32 = 0; k < count; ) {
    const i = <u32>load<u16>(smallIndex(leaf, k)) - index;
    if (i >= n) {
      k++;
      continue;
    }
    const to = smallWord(leaf, form, k);
    const word = load<u64>(to);
    const left = refsOf(word) - 1;
    store<f64>(at(out, first + i), <f64>left);
    refs++;
    if (left != 0) {
      store<u64>(to, word - 1);
      k++;
      continue;
    }
    gone++;
    if (isCharged(t, word >> <u64>COUNT_BITS)) charged++;
    // The last one takes its place, and is looked at next.
    count--;
    store<u16>(smallIndex(leaf, k), load<u16>(smallIndex(leaf, count)));
    store<u64>(to, load<u64>(smallWord(leaf, form, count)));
  }
  add64(t, P_REFS, -(<f64>refs));
  set32(t, P_VERSION, get32(t, P_VERSION) + refs);
  if (gone == 0) return;
  add64(t, P_PINNED, -(<f64>gone));
  add64(t, P_CHARGED, -(<f64>charged));
  if (count == 0) {
    freeLeaf(t, form, offset);
    removeSlot(t, slot);
    return;
  }
  store<u64>(slot, keyOf(blockOf(key), count - 1, form));
  settle(t, slot);
}

/** The frames of `n` pages of the block in `slot`, which has a small leaf, or -1. */
export function lookupSmall(
  t: usize, slot: usize, index: u32, n: u32, out: usize, first: u32,
): void {
  const key = load<u64>(slot);
  const form = formOf(key);
  const leaf = t + <usize>load<u64>(slot, O_CONTENT);
  const count = fieldOf(key) + 1;
  for (let i: u32 = 0; i < n; i++) store<f64>(at(out, first + i), -1);
  for (let k: u32 = 0; k < count; k++) {
    const i = <u32>load<u16>(smallIndex(leaf, k)) - index;
    if (i < n) store<f64>(at(out, first + i), pfnOf(load<u64>(smallWord(leaf, form, k))));
  }
}
