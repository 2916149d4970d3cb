/**
 * Ranges of pages: block by block, with one search a block, straight through the words where they
 * are dense. Results as of lists, see exports.ts.
 */
import { fromF64 } from "../f64";
import { freeLeaf } from "./heap";
import { findWord, formFor, reform, settle } from "./leaf";
import { indexOf, isCharged, pfnOf, pinPage, refsOf, unpinPage } from "./pins";
import {
  add64, at, BLOCK_BITS, BLOCK_PAGES, blockOf, COUNT_BITS, COUNT_MOST, countOf, DENSE, denseWord,
  fieldOf, formOf, get32, keyOf, LONE, O_CONTENT, OVER_LIMIT, P_CHARGED, P_LIMIT, P_PINNED,
  P_REFS, P_VERSION, SATURATED, set32,
} from "./rows";
import { lookupSmall, pinSmall, SMALL_PART, unpinSmall } from "./small";
import { findSlot, removeSlot } from "./table";

// @ts-ignore: decorator
@inline
function isDense(slot: usize): bool {
  return formOf(load<u64>(slot)) == DENSE;
}

// @ts-ignore: decorator
@inline
function isSmall(slot: usize): bool {
  const form = formOf(load<u64>(slot));
  return form != LONE && form != DENSE;
}

// @ts-ignore: decorator
@inline
function denseOf(t: usize, slot: usize): usize {
  return t + <usize>load<u64>(slot, O_CONTENT);
}

/**
 * Gives a block that is to get `more` pages from `page` on the form for all of them at once. Did
 * it? Then settleAt must follow: fewer may come, as some are there already, or cannot be pinned.
 */
function prepare(t: usize, page: i64, more: u32): bool {
  const slot = findSlot(t, <u64>(page >> BLOCK_BITS));
  const key = load<u64>(slot);
  if (key == 0 || findWord(t, slot, indexOf(page)) != 0) return false;
  const form = formFor(min<u32>(countOf(key) + more, BLOCK_PAGES));
  // Without memory it grows as it can.
  return form > formOf(key) && reform(t, slot, form);
}

function settleAt(t: usize, page: i64): void {
  settle(t, findSlot(t, <u64>(page >> BLOCK_BITS)));
}

/** Pins `n` pages of a dense block, those from `first` on of a list; how many could be. */
function pinDense(
  t: usize, slot: usize, index: u32, n: u32, pfns: usize, out: usize, first: u32,
): u32 {
  const leaf = denseOf(t, slot);
  const limit = load<f64>(t + P_LIMIT);
  let charged = load<f64>(t + P_CHARGED);
  let fresh: u32 = 0;
  let i: u32 = 0;
  for (; i < n; i++) {
    const to = denseWord(leaf, index + i);
    const word = load<u64>(to);
    if (word != 0) {
      if (refsOf(word) == <u32>COUNT_MOST) {
        store<f64>(at(out, first + i), SATURATED);
        break;
      }
      store<u64>(to, word + 1);
      store<f64>(at(out, first + i), pfnOf(word));
      continue;
    }
    const given = load<f64>(at(pfns, first + i));
    const pfn = <u64>fromF64(given);
    if (isCharged(t, pfn)) {
      if (charged >= limit) {
        store<f64>(at(out, first + i), OVER_LIMIT);
        break;
      }
      charged += 1;
    }
    store<u64>(to, (pfn << <u64>COUNT_BITS) | 1);
    store<f64>(at(out, first + i), given);
    fresh++;
  }
  const key = load<u64>(slot);
  store<u64>(slot, keyOf(blockOf(key), fieldOf(key) + fresh, DENSE));
  store<f64>(t + P_CHARGED, charged);
  add64(t, P_PINNED, <f64>fresh);
  add64(t, P_REFS, <f64>i);
  set32(t, P_VERSION, get32(t, P_VERSION) + i);
  return i;
}

/** As pinsPinBatch, for the `n` pages from `page` on. */
export function pinsPinRange(t: usize, page: f64, n: u32, pfns: usize, out: usize): u32 {
  const first = fromF64(page);
  let i: u32 = 0;
  while (i < n) {
    const index = indexOf(first + i);
    const end = min<u32>(n, i + BLOCK_PAGES - index);
    let prepared = end - i > 1 && prepare(t, first + i, end - i);
    for (let fresh = true; i < end; fresh = false) {
      const slot = findSlot(t, <u64>((first + i) >> BLOCK_BITS));
      if (isDense(slot)) {
        i += pinDense(t, slot, indexOf(first + i), end - i, pfns, out, i);
        break;
      }
      if (isSmall(slot) && end - i >= SMALL_PART) {
        i += pinSmall(t, slot, indexOf(first + i), end - i, pfns, out, i);
        if (i == end) break;
      }
      const pfn = pinPage(t, slot, first + i, <u64>fromF64(load<f64>(at(pfns, i))));
      store<f64>(at(out, i), pfn);
      if (pfn < 0) break;
      i++;
      // A block begins with one page: now there is one to prepare.
      if (fresh && end - i > 1 && prepare(t, first + i, end - i)) prepared = true;
    }
    if (prepared) settleAt(t, first + end - 1);
    if (i < end) return i;
  }
  return n;
}

/** Unpins `n` pages of a dense block once each. */
function unpinDense(t: usize, slot: usize, index: u32, n: u32, out: usize, first: u32): void {
  const leaf = denseOf(t, slot);
  let gone: u32 = 0;
  let refs: u32 = 0;
  let charged: u32 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const to = denseWord(leaf, index + i);
    const word = load<u64>(to);
    if (word == 0) {
      store<f64>(at(out, first + i), -1);
      continue;
    }
    const left = refsOf(word) - 1;
    if (left == 0) {
      gone++;
      if (isCharged(t, word >> <u64>COUNT_BITS)) charged++;
    }
    store<u64>(to, left == 0 ? 0 : word - 1);
    store<f64>(at(out, first + i), <f64>left);
    refs++;
  }
  add64(t, P_REFS, -(<f64>refs));
  set32(t, P_VERSION, get32(t, P_VERSION) + refs);
  if (gone == 0) return;
  add64(t, P_PINNED, -(<f64>gone));
  add64(t, P_CHARGED, -(<f64>charged));
  const key = load<u64>(slot);
  const count = countOf(key) - gone;
  if (count == 0) {
    freeLeaf(t, DENSE, <u32>load<u64>(slot, O_CONTENT));
    removeSlot(t, slot);
    return;
  }
  store<u64>(slot, keyOf(blockOf(key), count - 1, DENSE));
  settle(t, slot);
}

/** As pinsUnpinBatch, for the `n` pages from `page` on. */
export function pinsUnpinRange(t: usize, page: f64, n: u32, out: usize): void {
  const first = fromF64(page);
  let i: u32 = 0;
  while (i < n) {
    const index = indexOf(first + i);
    const end = min<u32>(n, i + BLOCK_PAGES - index);
    const slot = findSlot(t, <u64>((first + i) >> BLOCK_BITS));
    if (load<u64>(slot) == 0) {
      for (; i < end; i++) store<f64>(at(out, i), -1);
    } else if (isDense(slot)) {
      unpinDense(t, slot, index, end - i, out, i);
      i = end;
    } else if (isSmall(slot) && end - i >= SMALL_PART) {
      unpinSmall(t, slot, index, end - i, out, i);
      i = end;
    } else {
      for (; i < end; i++) {
        const here = findSlot(t, <u64>((first + i) >> BLOCK_BITS));
        store<f64>(at(out, i), <f64>unpinPage(t, here, first + i));
      }
    }
  }
}

/** As pinsLookupBatch, for the `n` pages from `page` on. */
export function pinsLookupRange(t: usize, page: f64, n: u32, out: usize): void {
  const first = fromF64(page);
  let i: u32 = 0;
  while (i < n) {
    const index = indexOf(first + i);
    const end = min<u32>(n, i + BLOCK_PAGES - index);
    const slot = findSlot(t, <u64>((first + i) >> BLOCK_BITS));
    if (isSmall(slot) && end - i >= SMALL_PART) {
      lookupSmall(t, slot, index, end - i, out, i);
      i = end;
    }
    for (; i < end; i++) {
      const word = findWord(t, slot, indexOf(first + i));
      store<f64>(at(out, i), word == 0 ? -1 : pfnOf(load<u64>(word)));
    }
  }
}
