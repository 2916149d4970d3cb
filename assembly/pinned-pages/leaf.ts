/** The forms a block's pages are kept in: alone in the table, in a small leaf, in a dense one. */
import { allocLeaf, cutLeaf, freeLeaf } from "./heap";
import {
  BLOCK_PAGES, blockOf, countOf, DENSE, DENSE_BYTES, denseWord, fieldOf, formOf, keyOf, leafBytes,
  LONE, O_CONTENT, roomOf, SCRATCH, smallIndex, smallWord,
} from "./rows";

/** A dense leaf of so many pages becomes a small one. */
const DENSE_LEAST: u32 = 96;

/** The smallest form for `count` pages. */
export function formFor(count: u32): u32 {
  if (count < 2) return LONE;
  let form: u32 = 1;
  while (form < DENSE && count > roomOf(form)) form++;
  return form;
}

// @ts-ignore: decorator
@inline
function leafOf(t: usize, slot: usize): usize {
  return t + <usize>load<u64>(slot, O_CONTENT);
}

/** Which of the 32 indices from number `k` on are `x`: a bit each. */
// @ts-ignore: decorator
@inline
function hits32(leaf: usize, k: u32, x: v128): u32 {
  const at = smallIndex(leaf, k);
  const a = i8x16.narrow_i16x8_s(i16x8.eq(v128.load(at), x), i16x8.eq(v128.load(at, 16), x));
  const b = i8x16.narrow_i16x8_s(i16x8.eq(v128.load(at, 32), x), i16x8.eq(v128.load(at, 48), x));
  return <u32>i8x16.bitmask(a) | (<u32>i8x16.bitmask(b) << 16);
}

/**
 * Which of `count` indices of a small leaf is `index`; `count` or more: none. Always 32 are looked
 * at, whatever lies behind a shorter leaf: a loop of as many steps as it takes is what a processor
 * cannot foresee.
 */
// @ts-ignore: decorator
@inline
export function searchSmall(leaf: usize, count: u32, index: u32): u32 {
  const x = i16x8.splat(<i16>index);
  let k: u32 = 0;
  for (;;) {
    const hits = hits32(leaf, k, x);
    if (hits != 0) return k + ctz<u32>(hits);
    k += 32;
    if (k >= count) return k;
  }
  return k;
}

/** Address of the word of page `index` of the block in `slot`, or 0 if it is not pinned. */
// @ts-ignore: decorator
@inline
export function findWord(t: usize, slot: usize, index: u32): usize {
  const key = load<u64>(slot);
  const form = formOf(key);
  // An empty slot's key is 0, that of a lone page never.
  if (form == LONE) return key != 0 && fieldOf(key) == index ? slot + O_CONTENT : 0;
  const leaf = leafOf(t, slot);
  if (form == DENSE) {
    const word = denseWord(leaf, index);
    return load<u64>(word) == 0 ? 0 : word;
  }
  const count = fieldOf(key) + 1;
  const i = searchSmall(leaf, count, index);
  return i < count ? smallWord(leaf, form, i) : 0;
}

/** Copies the pages of the block in `slot` to an unused leaf of a form that has room for them. */
function copyTo(t: usize, slot: usize, to: usize, form: u32): void {
  const key = load<u64>(slot);
  const old = formOf(key);
  if (form == DENSE) memory.fill(to, 0, DENSE_BYTES);
  if (old == LONE) {
    put(to, form, 0, fieldOf(key), load<u64>(slot, O_CONTENT));
    return;
  }
  const from = leafOf(t, slot);
  if (old == DENSE) {
    let k: u32 = 0;
    for (let index: u32 = 0; index < BLOCK_PAGES; index++) {
      const word = load<u64>(denseWord(from, index));
      if (word != 0) put(to, form, k++, index, word);
    }
    return;
  }
  const count = fieldOf(key) + 1;
  if (form == DENSE) {
    for (let k: u32 = 0; k < count; k++) {
      store<u64>(denseWord(to, load<u16>(smallIndex(from, k))), load<u64>(smallWord(from, old, k)));
    }
    return;
  }
  for (let k: u32 = 0; k < count; k += 4) {
    store<u64>(smallIndex(to, k), load<u64>(smallIndex(from, k)));
  }
  for (let k: u32 = 0; k < count; k += 2) {
    v128.store(smallWord(to, form, k), v128.load(smallWord(from, old, k)));
  }
}

/** The only page that is left of a block moves into the table. */
function makeLone(t: usize, slot: usize): void {
  const key = load<u64>(slot);
  const old = formOf(key);
  const leaf = leafOf(t, slot);
  let index: u32 = 0;
  let word: u64;
  if (old == DENSE) {
    while (load<u64>(denseWord(leaf, index)) == 0) index++;
    word = load<u64>(denseWord(leaf, index));
  } else {
    index = load<u16>(smallIndex(leaf, 0));
    word = load<u64>(smallWord(leaf, old, 0));
  }
  freeLeaf(t, old, <u32>load<u64>(slot, O_CONTENT));
  store<u64>(slot, keyOf(blockOf(key), index, LONE));
  store<u64>(slot, word, O_CONTENT);
}

/**
 * Puts the pages of the block in `slot` into another form that has room for them. False: there is
 * no memory for a larger one, nothing has changed. A smaller one is always found.
 */
export function reform(t: usize, slot: usize, form: u32): bool {
  if (form == LONE) {
    makeLone(t, slot);
    return true;
  }
  const key = load<u64>(slot);
  const count = countOf(key);
  const old = formOf(key);
  let offset = allocLeaf(t, form);
  if (offset != 0) {
    copyTo(t, slot, t + offset, form);
    if (old != LONE) freeLeaf(t, old, <u32>load<u64>(slot, O_CONTENT));
  } else {
    if (form > old) return false;
    const scratch = t - SCRATCH;
    copyTo(t, slot, scratch, form);
    offset = <u32>load<u64>(slot, O_CONTENT);
    memory.copy(t + offset, scratch, leafBytes(form));
    cutLeaf(t, old, offset, form);
  }
  store<u64>(slot, keyOf(blockOf(key), count - 1, form));
  store<u64>(slot, <u64>offset, O_CONTENT);
  return true;
}

/** Pages at which a form is left for a smaller one: well below where it began. */
// @ts-ignore: decorator
@inline
function leastOf(form: u32): u32 {
  if (form == DENSE) return DENSE_LEAST;
  return max<u32>(1, (roomOf(form) >> 2) - (roomOf(form) >> 4));
}

/** The block in `slot`, if any, takes a smaller form if it has too few pages for its own. */
export function settle(t: usize, slot: usize): void {
  const key = load<u64>(slot);
  const form = formOf(key);
  if (form == LONE) return;
  const count = fieldOf(key) + 1;
  if (count <= leastOf(form)) reform(t, slot, formFor(count));
}

/** Writes a page to a leaf, in a small one as number `k`. */
// @ts-ignore: decorator
@inline
function put(leaf: usize, form: u32, k: u32, index: u32, word: u64): void {
  if (form == DENSE) {
    store<u64>(denseWord(leaf, index), word);
  } else {
    store<u16>(smallIndex(leaf, k), <u16>index);
    store<u64>(smallWord(leaf, form, k), word);
  }
}

/** Adds a page, which must not be there, to the block in `slot`. False: no memory, no change. */
export function addWord(t: usize, slot: usize, index: u32, word: u64): bool {
  let key = load<u64>(slot);
  const count = countOf(key);
  const form = formOf(key);
  if (form == LONE || (form != DENSE && count == roomOf(form))) {
    if (!reform(t, slot, form + 1)) return false;
    key = load<u64>(slot);
  }
  put(leafOf(t, slot), formOf(key), count, index, word);
  store<u64>(slot, keyOf(blockOf(key), count, formOf(key)));
  return true;
}

/** Takes away a page, whose word is at `word`, of a block of several. */
export function dropWord(t: usize, slot: usize, word: usize): void {
  const key = load<u64>(slot);
  const form = formOf(key);
  const count = countOf(key) - 1;
  if (form == DENSE) {
    store<u64>(word, 0);
  } else {
    // The last one takes its place.
    const leaf = leafOf(t, slot);
    const k = <u32>((word - smallWord(leaf, form, 0)) >> 3);
    store<u16>(smallIndex(leaf, k), load<u16>(smallIndex(leaf, count)));
    store<u64>(word, load<u64>(smallWord(leaf, form, count)));
  }
  store<u64>(slot, keyOf(blockOf(key), count - 1, form));
  if (count <= leastOf(form)) reform(t, slot, formFor(count));
}
