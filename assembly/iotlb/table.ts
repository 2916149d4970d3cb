/** Changes. Room is asked for before anything is changed: no insertion stops halfway. */
import { bytesFor, clear as clearTree, init as initTree, widen as widenTree } from
  "../interval-tree/bulk";
import { attach, newHandle, nodesLeft } from "../interval-tree/insert";
import {
  H_COUNT, H_HANDLE_CAP, H_HANDLES, H_LEVELS, O_REF, setWord, word,
} from "../interval-tree/node";
import { remove } from "../interval-tree/remove";
import { first } from "../interval-tree/search";
import { append, unlink } from "./list";
import {
  ASIDS, I_LIMIT, I_OFF_ROWS, I_WHEN_FULL, keyOf, LAST_PAGE, R_ASID, R_OPAQUE, R_PERM, R_SHIFT,
  REFUSE, RETIRE, ROW_BYTES, rowAt, rowsOffset, T_ENTRIES, T_OLDEST, tableAt, treeOf,
} from "./rows";

/** Empty tables with room for `nodes` nodes and `handles` entries. */
export function init(
  base: usize, nodes: u32, handles: u32, most: u32, limit: u32, whenFull: u32,
): void {
  memory.fill(base, 0, treeOf(0));
  setWord(base, I_LIMIT, limit);
  setWord(base, I_WHEN_FULL, whenFull);
  setWord(base, I_OFF_ROWS, rowsOffset(nodes, handles));
  initTree(treeOf(base), nodes, handles, most);
}

/** Bytes of tables with that much room. */
export function bytes(nodes: u32, handles: u32): f64 {
  return <f64>treeOf(0) + bytesFor(nodes, handles) + <f64>handles * <f64>ROW_BYTES;
}

/** More room, behind which there must be memory for it. */
export function widen(base: usize, nodes: u32, handles: u32): void {
  const tree = treeOf(base);
  const from = rowAt(base, 0);
  setWord(base, I_OFF_ROWS, rowsOffset(nodes, handles));
  // The rows first: the tree grows over where they were.
  memory.copy(rowAt(base, 0), from, (<usize>word(tree, H_HANDLES)) * ROW_BYTES);
  widenTree(tree, nodes, handles);
}

/** Nodes that `n` (1 or 2) insertions may need: one a level and a new root, each. */
export function nodesToAdd(base: usize, n: u32): u32 {
  const levels = word(treeOf(base), H_LEVELS);
  return n == 1 ? levels + 1 : levels * 2 + 3;
}

// @ts-ignore: decorator
@inline
function entriesOf(base: usize, asid: u32): u32 {
  return load<u32>(tableAt(base, asid), T_ENTRIES);
}

/** Entries by which `n` more would exceed the limit of a table. */
function excess(base: usize, asid: u32, n: u32): u32 {
  const limit = word(base, I_LIMIT);
  const after = entriesOf(base, asid) + n;
  return limit != 0 && after > limit ? after - limit : 0;
}

/** Is the table to refuse `n` more? */
export function refuses(base: usize, asid: u32, n: u32): bool {
  return word(base, I_WHEN_FULL) == REFUSE && excess(base, asid, n) != 0;
}

/** Entries that `n` insertions evict. */
export function evictions(base: usize, asid: u32, n: u32): u32 {
  return word(base, I_WHEN_FULL) == RETIRE ? excess(base, asid, n) : 0;
}

/** Can `n` entries be inserted without growing, `evicted` of them in the place of others? */
export function hasRoom(base: usize, n: u32, evicted: u32): bool {
  const tree = treeOf(base);
  const slots = word(tree, H_HANDLE_CAP) - word(tree, H_COUNT);
  return slots + evicted >= n && nodesLeft(tree) >= nodesToAdd(base, n);
}

/** Removes the entry of a row. */
export function drop(base: usize, row: u32): void {
  unlink(base, load<u16>(rowAt(base, row), R_ASID), row);
  remove(treeOf(base), row);
}

/**
 * Inserts an entry, and evicts the oldest of its table if that is full and retires; its handle.
 * There must be room; without `splits`, in the very leaf it goes into.
 */
export function insert(
  base: usize, asid: u32, start: i64, last: i64, addr: i64, perm: u32, opaque: u32, splits: bool,
): f64 {
  const tree = treeOf(base);
  if (evictions(base, asid, 1) != 0) drop(base, load<u32>(tableAt(base, asid), T_OLDEST) - 1);
  const row = newHandle(tree);
  const handle = attach(tree, row, keyOf(asid, start), keyOf(asid, last), row, splits);
  const r = rowAt(base, row);
  store<i64>(r, (addr - start) & LAST_PAGE, R_SHIFT);
  store<u32>(r, opaque, R_OPAQUE);
  store<u16>(r, <u16>asid, R_ASID);
  store<u16>(r, <u16>perm, R_PERM);
  append(base, asid, row);
  return handle;
}

/** Removes every entry that overlaps [start, last], whole; how many that were. */
export function deleteRange(base: usize, asid: u32, start: i64, last: i64): u32 {
  const tree = treeOf(base);
  const from = keyOf(asid, start);
  const to = keyOf(asid, last);
  let removed: u32 = 0;
  for (;;) {
    const hit = first(tree, from, to);
    if (hit == 0) break;
    drop(base, load<u32>(hit, O_REF));
    removed++;
  }
  return removed;
}

/** Removes everything; every handle becomes stale. */
export function clear(base: usize): void {
  memory.fill(tableAt(base, 0), 0, tableAt(0, ASIDS) - tableAt(0, 0));
  clearTree(treeOf(base));
}
