/**
 * Rows of the pinned pages of one mapping: iova page -> pfn (52 bits) and count (12 bits), packed
 * in one 8-byte word, pfn << 12 | count; count 0: not pinned. Pages are kept in blocks of 512.
 *
 *   at t: header, then a heap of table and leaves; offsets are relative to t
 *   table: open addressing, linear probing, {key u64, content u64} a block that has pins
 *     key: block << KEY_BLOCK | index (of a lone page) or count - 1 << KEY_FIELD | USED | form
 *     content: the word of a lone page, or the offset of a leaf
 *   small leaf, forms 1 to 4 of 2, 8, 32, 128 pages: u16 index[], u64 word[], unsorted, the first
 *     `count` are used
 *   leaf of form DENSE: u64 word[512]
 *   in front of t: SCRATCH bytes in which a leaf is rewritten when there is no memory for another
 *
 * Each form is left, upwards and downwards, before a page costs 64 bytes in it: see docs.
 */

/** Header, u32 unless said otherwise. */
export const P_TABLE: usize = 0;
export const P_LOG2: usize = 4; // of the table's slots
export const P_BLOCKS: usize = 8; // slots in use
export const P_TOP: usize = 12; // of the heap: free from here …
export const P_END: usize = 16; // … to here
export const P_SPARE: usize = 20; // what leaves are cut from first, and its end
export const P_SPARE_END: usize = 24;
export const P_VERSION: usize = 28;
export const P_FREE: usize = 32; // u32[6]: freed leaves by form, linked through their first word
export const P_RESERVED: usize = 68; // ranges of reserved pfns
export const P_PINNED: usize = 72; // f64: pinned pages
export const P_REFS: usize = 80; // f64: sum of their counts
export const P_CHARGED: usize = 88; // f64: pinned pages that are not reserved
export const P_LIMIT: usize = 96; // f64: most of them
export const P_USED: usize = 104; // f64: bytes of table and leaves in use
export const P_RANGES: usize = 112; // i64[16][2]: reserved pfns, closed
export const P_TABLES: usize = 368; // u32[28]: outgrown tables by log2, linked as leaves are
export const P_SLOTS: usize = 512; // u32[GROUP]: where the blocks of a group of pages were found
export const P_BYTES: usize = 768;

/** Pages of a list whose blocks are looked for together. */
export const GROUP: u32 = 64;
/** Bytes behind the heap that a search of its last leaf may read. */
export const SLACK: u32 = 64;

export const SLOT_BYTES: usize = 16;
export const O_CONTENT: usize = 8;
/** Pages of a block: one leaf covers 2 MiB of iova. */
export const BLOCK_BITS: i64 = 9;
export const BLOCK_PAGES: u32 = 512;
export const KEY_BLOCK: u64 = 21;
export const KEY_FIELD: u64 = 12;
export const FIELD_MASK: u64 = 0x1ff;
export const USED: u64 = 16;
export const FORM_MASK: u64 = 15;
export const LONE: u32 = 0;
export const DENSE: u32 = 5;
export const DENSE_BYTES: u32 = 4096;
/** The largest small leaf. */
export const SCRATCH: usize = 1280;

export const COUNT_BITS: i64 = 12;
export const COUNT_MOST: u64 = 4095;

export const LEAST_LOG2: u32 = 4;

/** Why a page could not be pinned. */
export const NO_ROOM: f64 = -1;
export const SATURATED: f64 = -2;
export const OVER_LIMIT: f64 = -3;

// @ts-ignore: decorator
@inline
export function get32(t: usize, field: usize): u32 {
  return load<u32>(t + field);
}

// @ts-ignore: decorator
@inline
export function set32(t: usize, field: usize, value: u32): void {
  store<u32>(t + field, value);
}

// @ts-ignore: decorator
@inline
export function add64(t: usize, field: usize, value: f64): void {
  store<f64>(t + field, load<f64>(t + field) + value);
}

// @ts-ignore: decorator
@inline
export function blockOf(key: u64): u64 {
  return key >> KEY_BLOCK;
}

// @ts-ignore: decorator
@inline
export function formOf(key: u64): u32 {
  return <u32>(key & FORM_MASK);
}

/** Index of a lone page, or count - 1. */
// @ts-ignore: decorator
@inline
export function fieldOf(key: u64): u32 {
  return <u32>((key >> KEY_FIELD) & FIELD_MASK);
}

/** Pages of a block. */
// @ts-ignore: decorator
@inline
export function countOf(key: u64): u32 {
  return formOf(key) == LONE ? 1 : fieldOf(key) + 1;
}

// @ts-ignore: decorator
@inline
export function keyOf(block: u64, field: u32, form: u32): u64 {
  return (block << KEY_BLOCK) | ((<u64>field) << KEY_FIELD) | USED | <u64>form;
}

/** Pages that a small leaf has room for. */
// @ts-ignore: decorator
@inline
export function roomOf(form: u32): u32 {
  return (<u32>1 << (form << 1)) >> 1;
}

/** Where the words of a small leaf begin. */
// @ts-ignore: decorator
@inline
function wordsFrom(form: u32): u32 {
  return max<u32>(8, roomOf(form) << 1);
}

/** Bytes of a leaf. */
// @ts-ignore: decorator
@inline
export function leafBytes(form: u32): u32 {
  return form == DENSE ? DENSE_BYTES : wordsFrom(form) + (roomOf(form) << 3);
}

/** Address of word `i` of a leaf that is not dense. */
// @ts-ignore: decorator
@inline
export function smallWord(leaf: usize, form: u32, i: u32): usize {
  return leaf + wordsFrom(form) + ((<usize>i) << 3);
}

/** Address of index `i` of a leaf that is not dense. */
// @ts-ignore: decorator
@inline
export function smallIndex(leaf: usize, i: u32): usize {
  return leaf + ((<usize>i) << 1);
}

/** Address of the word of a dense leaf. */
// @ts-ignore: decorator
@inline
export function denseWord(leaf: usize, index: u32): usize {
  return leaf + ((<usize>index) << 3);
}

/** Address of the i-th f64 of a list. */
// @ts-ignore: decorator
@inline
export function at(list: usize, i: u32): usize {
  return list + ((<usize>i) << 3);
}
