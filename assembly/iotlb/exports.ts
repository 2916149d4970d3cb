/**
 * What the host calls. Pages and handles are f64 (exact below 2^53) and checked here; ASIDs,
 * permissions and accesses were checked by the host.
 */
import { treeSlot } from "../interval-tree/exports";
import { fits } from "../interval-tree/insert";
import { H_COUNT, H_LIMIT, O_REF, word } from "../interval-tree/node";
import { first } from "../interval-tree/search";
import { byInsertion, byIova, record } from "./dump";
import { keyOf, LAST_PAGE, T_ENTRIES, tableAt, treeOf } from "./rows";
import {
  bytes, clear, deleteRange, drop, evictions, hasRoom, init, insert, nodesToAdd, refuses, widen,
} from "./table";
import { rowFor, toKeys, translate, translateKeys } from "./translate";

/** There is no room: more memory would do. */
const NO_ROOM: i32 = -2;
/** There are as many entries in all as there may be. */
const FULL: i32 = -3;
/** Not whole pages below 2^52, or not in order. */
const INVALID: i32 = -4;
/** The table holds as many entries as it may. */
const REFUSED: i32 = -5;

// @ts-ignore: decorator
@inline
function isPage(value: f64): bool {
  const page = <i64>value;
  return <f64>page == value && page >= 0 && page <= LAST_PAGE;
}

export function iotlbInit(
  base: usize, nodes: u32, handles: u32, most: u32, limit: u32, whenFull: u32,
): void {
  init(base, nodes, handles, most, limit, whenFull);
}

export function iotlbWiden(base: usize, nodes: u32, handles: u32): void {
  widen(base, nodes, handles);
}

export function iotlbBytes(nodes: u32, handles: u32): f64 {
  return bytes(nodes, handles);
}

/** Address of the tree in it. */
export function iotlbTree(base: usize): usize {
  return treeOf(base);
}

/** Nodes that `n` (1 or 2) insertions may need. */
export function iotlbNodesToAdd(base: usize, n: u32): u32 {
  return nodesToAdd(base, n);
}

/** Entries of all tables once `n` were inserted into one of them. */
export function iotlbSizeAfter(base: usize, asid: u32, n: u32): u32 {
  return word(treeOf(base), H_COUNT) + n - evictions(base, asid, n);
}

/** Row of a handle in use, or -1. */
export function iotlbRow(base: usize, handle: f64): i32 {
  return treeSlot(treeOf(base), handle);
}

/** Entries of a table. */
export function iotlbCount(base: usize, asid: u32): u32 {
  return load<u32>(tableAt(base, asid), T_ENTRIES);
}

/**
 * Adds an entry, two for the whole space; f64 handles to `out`. How many they are, or INVALID,
 * REFUSED, FULL, NO_ROOM with nothing changed.
 */
export function iotlbAdd(
  base: usize, asid: u32, start: f64, last: f64, addr: f64, perm: u32, opaque: u32, out: usize,
): i32 {
  if (!isPage(start) || !isPage(last) || !isPage(addr) || last < start) return INVALID;
  const tree = treeOf(base);
  const from = <i64>start;
  const to = <i64>last;
  const n: u32 = from == 0 && to == LAST_PAGE ? 2 : 1;
  if (refuses(base, asid, n)) return REFUSED;
  const evicted = evictions(base, asid, n);
  if (iotlbSizeAfter(base, asid, n) > word(tree, H_LIMIT)) return FULL;
  const room = hasRoom(base, n, evicted);
  // An eviction may join leaves, and a first half may fill one: then only new nodes will do.
  if (!room && (n == 2 || evicted != 0 || !fits(tree, keyOf(asid, from)))) return NO_ROOM;
  let begin = from;
  let page = <i64>addr;
  if (n == 2) {
    const mid = LAST_PAGE >> 1;
    store<f64>(out, insert(base, asid, 0, mid, page, perm, opaque, true));
    begin = mid + 1;
    page += begin;
  }
  store<f64>(out + ((<usize>n - 1) << 3),
    insert(base, asid, begin, to, page, perm, opaque, room));
  return n;
}

/** False: the handle is stale. */
export function iotlbRemove(base: usize, handle: f64): bool {
  const row = iotlbRow(base, handle);
  if (row < 0) return false;
  drop(base, row);
  return true;
}

/** Removes what overlaps [start, last], where last may be start - 1; how many, or INVALID. */
export function iotlbDelete(base: usize, asid: u32, start: f64, last: f64): i32 {
  if (!isPage(start) || !isPage(last) || last + 1 < start) return INVALID;
  return deleteRange(base, asid, <i64>start, <i64>last);
}

/** Row of the first entry that overlaps [start, last], where last may be start - 1; or -1. */
export function iotlbFirst(base: usize, asid: u32, start: f64, last: f64): i32 {
  if (!isPage(start) || !isPage(last) || last + 1 < start) return INVALID;
  const hit = first(treeOf(base), keyOf(asid, <i64>start), keyOf(asid, <i64>last));
  return hit == 0 ? -1 : load<u32>(hit, O_REF);
}

export function iotlbClear(base: usize): void {
  clear(base);
}

/** The page translated to, MISS, DENIED or INVALID. */
export function iotlbTranslate(base: usize, asid: u32, page: f64, access: u32): f64 {
  if (!isPage(page)) return INVALID;
  return translate(base, asid, <i64>page, access);
}

/** Row of the entry that decides on a page, + 1, or 0. */
export function iotlbRowFor(base: usize, asid: u32, page: f64): u32 {
  return rowFor(base, asid, <i64>page);
}

/** Record of a row in use: see dump.ts. */
export function iotlbRead(base: usize, row: u32, out: usize): void {
  record(base, row, out);
}

/** See toKeys in translate.ts. */
export function iotlbKeys(at: usize, n: u32, asids: usize, asid: u32): u32 {
  return toKeys(at, n, asids, asid);
}

/** Translates `n` keys at `at`; f64 results to `out`, MISS or DENIED among them. */
export function iotlbTranslateBatch(
  base: usize, at: usize, n: u32, access: u32, out: usize,
): void {
  translateKeys(base, at, n, access, out);
}

/** See byIova in dump.ts. */
export function iotlbByIova(
  base: usize, from: u32, to: u32, after: u32, handles: usize, out: usize, most: u32,
): u32 {
  return byIova(base, from, to, after, handles, out, most);
}

/** See byInsertion in dump.ts. */
export function iotlbByInsertion(
  base: usize, asid: u32, after: u32, out: usize, most: u32,
): u32 {
  return byInsertion(base, asid, after, out, most);
}
