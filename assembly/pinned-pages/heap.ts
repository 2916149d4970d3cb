/**
 * Memory of leaves and tables. Freed leaves are used again for leaves of their form, outgrown
 * tables for tables of their size, or else leaves are cut from them; before memory must grow, from
 * larger freed leaves, too. Pieces are never joined again, but when nothing is left all of it is
 * free.
 */
import {
  add64, DENSE, get32, leafBytes, LEAST_LOG2, P_BYTES, P_END, P_FREE, P_LOG2, P_SPARE,
  P_SPARE_END, P_TABLE, P_TABLES, P_TOP, P_USED, set32, SLOT_BYTES,
} from "./rows";

const LOG2_MOST: u32 = 28;

// @ts-ignore: decorator
@inline
function listAt(t: usize, lists: usize, i: u32): usize {
  return t + lists + ((<usize>i) << 2);
}

/** Takes the first of a list, or 0. */
// @ts-ignore: decorator
@inline
function pop(t: usize, list: usize): u32 {
  const first = load<u32>(list);
  if (first != 0) store<u32>(list, load<u32>(t + first));
  return first;
}

// @ts-ignore: decorator
@inline
function push(t: usize, list: usize, item: u32): void {
  store<u32>(t + item, load<u32>(list));
  store<u32>(list, item);
}

function fromTop(t: usize, bytes: u32): u32 {
  const top = get32(t, P_TOP);
  if (bytes > get32(t, P_END) - top) return 0;
  set32(t, P_TOP, top + bytes);
  return top;
}

// @ts-ignore: decorator
@inline
export function tableBytes(log2: u32): u32 {
  return (<u32>SLOT_BYTES) << log2;
}

/** The smallest outgrown table that has `bytes` becomes the spare. */
function takeSpare(t: usize, bytes: u32): bool {
  for (let log2: u32 = 0; log2 < LOG2_MOST; log2++) {
    if (tableBytes(log2) < bytes) continue;
    const table = pop(t, listAt(t, P_TABLES, log2));
    if (table == 0) continue;
    set32(t, P_SPARE, table);
    set32(t, P_SPARE_END, table + tableBytes(log2));
    return true;
  }
  return false;
}

/** `bytes` that are no longer part of anything become leaves, the largest that fit. */
function freePieces(t: usize, from: u32, bytes: u32): void {
  for (let form: u32 = DENSE; form > 0; form--) {
    const size = leafBytes(form);
    for (; bytes >= size; bytes -= size, from += size) push(t, listAt(t, P_FREE, form), from);
  }
}

/** Cuts a leaf from a freed one that is larger. */
function fromLarger(t: usize, form: u32): u32 {
  for (let larger = form + 1; larger <= DENSE; larger++) {
    const leaf = pop(t, listAt(t, P_FREE, larger));
    if (leaf == 0) continue;
    const bytes = leafBytes(form);
    freePieces(t, leaf + bytes, leafBytes(larger) - bytes);
    return leaf;
  }
  return 0;
}

/** Offset of a leaf with any content, or 0. */
export function allocLeaf(t: usize, form: u32): u32 {
  const bytes = leafBytes(form);
  let leaf = pop(t, listAt(t, P_FREE, form));
  if (leaf == 0) {
    const spare = get32(t, P_SPARE);
    if (get32(t, P_SPARE_END) - spare >= bytes || takeSpare(t, bytes)) {
      leaf = get32(t, P_SPARE);
      set32(t, P_SPARE, leaf + bytes);
    } else {
      leaf = fromTop(t, bytes);
      if (leaf == 0) leaf = fromLarger(t, form);
    }
  }
  if (leaf != 0) add64(t, P_USED, <f64>bytes);
  return leaf;
}

export function freeLeaf(t: usize, form: u32, leaf: u32): void {
  push(t, listAt(t, P_FREE, form), leaf);
  add64(t, P_USED, -(<f64>leafBytes(form)));
}

/** Only the front of a leaf is used from now on, as one of another form. */
export function cutLeaf(t: usize, form: u32, leaf: u32, to: u32): void {
  const bytes = leafBytes(to);
  const rest = leafBytes(form) - bytes;
  freePieces(t, leaf + bytes, rest);
  add64(t, P_USED, -(<f64>rest));
}

/** Offset of an empty table of 2^log2 slots, or 0. */
export function allocTable(t: usize, log2: u32): u32 {
  if (log2 >= LOG2_MOST) return 0;
  const bytes = tableBytes(log2);
  let table = pop(t, listAt(t, P_TABLES, log2));
  if (table == 0) table = fromTop(t, bytes);
  if (table == 0) return 0;
  memory.fill(t + table, 0, bytes);
  add64(t, P_USED, <f64>bytes);
  return table;
}

export function freeTable(t: usize, log2: u32, table: u32): void {
  push(t, listAt(t, P_TABLES, log2), table);
  add64(t, P_USED, -(<f64>tableBytes(log2)));
}

/** The least table, empty, and behind it nothing: when nothing is pinned. */
export function resetHeap(t: usize): void {
  memory.fill(t + P_FREE, 0, (DENSE + 1) << 2);
  memory.fill(t + P_TABLES, 0, LOG2_MOST << 2);
  set32(t, P_SPARE, 0);
  set32(t, P_SPARE_END, 0);
  set32(t, P_TOP, <u32>P_BYTES);
  store<f64>(t + P_USED, 0);
  set32(t, P_TABLE, allocTable(t, LEAST_LOG2));
  set32(t, P_LOG2, LEAST_LOG2);
}

/** Is there anything behind the least table, be it used or free? */
// @ts-ignore: decorator
@inline
export function isHeapUsed(t: usize): bool {
  return get32(t, P_TOP) != <u32>P_BYTES + tableBytes(LEAST_LOG2);
}
