/**
 * Ascending order, and questions about ranges. The table is in no order: the host sorts the blocks
 * it is told, and pages are put in order within their block.
 */
import { fromF64, toF64 } from "../f64";
import { dropPage, pfnOf, refsOf } from "./pins";
import { findWord } from "./leaf";
import {
  BLOCK_BITS, BLOCK_PAGES, blockOf, countOf, DENSE, denseWord, fieldOf, formOf, get32, LONE,
  O_CONTENT, P_BLOCKS, P_LOG2, SLOT_BYTES, smallIndex,
} from "./rows";
import { findSlot, tableAt } from "./table";

/** Lowest page of the block in `slot` with an index from `from` to `to`, or -1. */
function lowestIn(t: usize, slot: usize, from: u32, to: u32): i32 {
  const key = load<u64>(slot);
  const form = formOf(key);
  if (form == LONE) {
    const index = fieldOf(key);
    return index >= from && index <= to ? <i32>index : -1;
  }
  const leaf = t + <usize>load<u64>(slot, O_CONTENT);
  if (form == DENSE) {
    for (let i = from; i <= to; i++) if (load<u64>(denseWord(leaf, i)) != 0) return <i32>i;
    return -1;
  }
  let lowest: u32 = BLOCK_PAGES;
  const count = fieldOf(key) + 1;
  for (let k: u32 = 0; k < count; k++) {
    const index = <u32>load<u16>(smallIndex(leaf, k));
    if (index >= from && index <= to && index < lowest) lowest = index;
  }
  return lowest == BLOCK_PAGES ? -1 : <i32>lowest;
}

/** Lowest pinned page of the block in `slot` that is in [first, last], or -1. */
function lowestPage(t: usize, slot: usize, first: i64, last: i64): i64 {
  const base = <i64>blockOf(load<u64>(slot)) << BLOCK_BITS;
  const from = <u32>max<i64>(0, first - base);
  const to = <u32>min<i64>(BLOCK_PAGES - 1, last - base);
  const index = lowestIn(t, slot, from, to);
  return index < 0 ? -1 : base + <i64>index;
}

/**
 * A pinned page in [from, to], or -1: the lowest one, or with `any` some one. Costs the fewer of
 * the blocks in the range and the slots of the table.
 */
export function pinsFind(t: usize, from: f64, to: f64, any: bool): f64 {
  const first = fromF64(from);
  const last = fromF64(to);
  const low = <u64>(first >> BLOCK_BITS);
  const high = <u64>(last >> BLOCK_BITS);
  if (get32(t, P_BLOCKS) == 0) return -1;
  const slots = (<u64>1) << get32(t, P_LOG2);
  if (high - low < slots) {
    for (let block = low; block <= high; block++) {
      const slot = findSlot(t, block);
      if (load<u64>(slot) == 0) continue;
      const page = lowestPage(t, slot, first, last);
      if (page >= 0) return toF64(page);
    }
    return -1;
  }
  let best: i64 = -1;
  const table = tableAt(t);
  const end = table + ((<usize>slots) << 4);
  for (let slot = table; slot < end; slot += SLOT_BYTES) {
    const key = load<u64>(slot);
    if (key == 0 || blockOf(key) < low || blockOf(key) > high) continue;
    if (best >= 0 && <i64>blockOf(key) << BLOCK_BITS > best) continue;
    const page = lowestPage(t, slot, first, last);
    if (page < 0) continue;
    if (any) return toF64(page);
    best = page;
  }
  return <f64>best;
}

/**
 * Blocks of [low, high] that have pins, in no order, from slot `cursor` on: at most `room` of them,
 * f64 each behind the first f64 of `out`, which becomes the next cursor. How many.
 */
export function pinsBlocks(
  t: usize, low: f64, high: f64, cursor: u32, out: usize, room: u32,
): u32 {
  const slots = (<u32>1) << get32(t, P_LOG2);
  const table = tableAt(t);
  let at = cursor;
  let found: u32 = 0;
  for (; at < slots && found < room; at++) {
    const key = load<u64>(table + ((<usize>at) << 4));
    if (key == 0) continue;
    const block = toF64(<i64>blockOf(key));
    if (block < low || block > high) continue;
    found++;
    store<f64>(out + ((<usize>found) << 3), block);
  }
  store<f64>(out, at < slots ? <f64>at : -1);
  return found;
}

/** Where records go, and how many there are. Indices go through scratch of 512 + 64 bytes. */
function readSlot(t: usize, slot: usize, first: i64, last: i64, out: usize, scratch: usize): u32 {
  const key = load<u64>(slot);
  const base = <i64>blockOf(key) << BLOCK_BITS;
  const form = formOf(key);
  const leaf = t + <usize>load<u64>(slot, O_CONTENT);
  const bits = scratch + <usize>BLOCK_PAGES;
  memory.fill(bits, 0, 64);
  const count = countOf(key);
  if (form == LONE) {
    mark(bits, fieldOf(key));
  } else if (form == DENSE) {
    for (let i: u32 = 0; i < BLOCK_PAGES; i++) {
      if (load<u64>(denseWord(leaf, i)) != 0) mark(bits, i);
    }
  } else {
    for (let k: u32 = 0; k < count; k++) mark(bits, load<u16>(smallIndex(leaf, k)));
  }
  let n: u32 = 0;
  for (let w: u32 = 0; w < 8; w++) {
    for (let set = load<u64>(bits + ((<usize>w) << 3)); set != 0; set &= set - 1) {
      const index = (w << 6) + <u32>ctz<u64>(set);
      const page = base + <i64>index;
      if (page < first || page > last) continue;
      const word = load<u64>(findWord(t, slot, index));
      const to = out + (<usize>n) * 24;
      store<f64>(to, <f64>page);
      store<f64>(to, pfnOf(word), 8);
      store<f64>(to, <f64>refsOf(word), 16);
      n++;
    }
  }
  return n;
}

// @ts-ignore: decorator
@inline
function mark(bits: usize, index: u32): void {
  const word = bits + ((<usize>(index >> 6)) << 3);
  store<u64>(word, load<u64>(word) | ((<u64>1) << <u64>(index & 63)));
}

/**
 * Records of the pages in [from, to] of the `n` blocks at `blocks`, ascending within each: page,
 * pfn and count, f64 each, behind the first f64 of `out`, which becomes how many blocks there was
 * room for. How many records. `room`: at least 512.
 */
export function pinsRead(
  t: usize, blocks: usize, n: u32, from: f64, to: f64, out: usize, room: u32, scratch: usize,
): u32 {
  let records: u32 = 0;
  let i: u32 = 0;
  for (; i < n; i++) {
    if (records + BLOCK_PAGES > room) break;
    const slot = findSlot(t, <u64>fromF64(load<f64>(blocks + ((<usize>i) << 3))));
    if (load<u64>(slot) == 0) continue;
    const at = out + 8 + (<usize>records) * 24;
    records += readSlot(t, slot, fromF64(from), fromF64(to), at, scratch);
  }
  store<f64>(out, <f64>i);
  return records;
}

/** Takes away the pages whose records are at `records`, whatever their counts. */
export function pinsDrop(t: usize, records: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) {
    const page = fromF64(load<f64>(records + (<usize>i) * 24));
    const slot = findSlot(t, <u64>(page >> BLOCK_BITS));
    dropPage(t, slot, findWord(t, slot, <u32>page & (BLOCK_PAGES - 1)));
  }
}
