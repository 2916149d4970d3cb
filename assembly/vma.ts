/**
 * The VMAs of one mm: disjoint page ranges in an interval tree (closed there, half-open here),
 * their protection and flags as values. Adjacent ranges of equal protection are merged, as the
 * kernel does.
 *
 * Written under mmapLock(write). A tree's bytes tell its history, too: what is explored, hashed and
 * copied is the list of rows {start, end, prot} that vmaSave writes and vmaRestore reads.
 * Invariant `VmasAscend`: start < end <= next start.
 */
import * as abi from "../src/core/abi";
import { appendEntry, begin, clear, finish, init } from "./interval-tree/bulk";
import { fits, hasRoomToMove, insert } from "./interval-tree/insert";
import {
  H_COUNT, H_LEVELS, H_ROOT, H_VERSION, lastOf, nodeAt, O_HANDLE, O_REF, PAGES, refOf, slotOf,
  startOf, word,
} from "./interval-tree/node";
import { remove } from "./interval-tree/remove";
import { first } from "./interval-tree/search";
import { hdr, mmAt, setHdr, vmasAt } from "./machine";
import { Vma } from "./rows";

const LAST: i64 = PAGES - 1;
/** In front of each tree: its version when its rows were written or read last. */
const BEFORE: usize = 64;

// @ts-ignore: decorator
@inline
function treeOf(m: usize, mm: u32): usize {
  const trees = m + hdr(m, abi.H_OFF_VMA_TREE);
  return trees + (<usize>mm) * hdr(m, abi.H_VMA_STRIDE) + BEFORE;
}

/** The last page below `end`, which may be anything: ranges may mean all there is. */
// @ts-ignore: decorator
@inline
function lastBelow(end: u64): i64 {
  return end > <u64>PAGES ? LAST : <i64>end - 1;
}

// @ts-ignore: decorator
@inline
function savedAt(t: usize): usize {
  return t - BEFORE;
}

// @ts-ignore: decorator
@inline
function rowAt(base: usize, i: u32): Vma {
  return changetype<Vma>(base + (<usize>i) * offsetof<Vma>());
}

/** First page of the VMA at `p`, the address of an entry's slot in a leaf (slot32). */
// @ts-ignore: decorator
@inline
export function vmaStart(m: usize, mm: u32, p: usize): u64 {
  const i = slotOf(treeOf(m, mm), p);
  return <u64>startOf(p - ((<usize>i) << 2), i);
}

/** The page behind the last one. */
// @ts-ignore: decorator
@inline
export function vmaEnd(m: usize, mm: u32, p: usize): u64 {
  const i = slotOf(treeOf(m, mm), p);
  return <u64>lastOf(p - ((<usize>i) << 2), i) + 1;
}

/** Protection and flags. */
// @ts-ignore: decorator
@inline
export function vmaProt(p: usize): u64 {
  return load<u32>(p, O_REF);
}

/** No VMA yet. */
export function vmaInit(m: usize, mm: u32): void {
  init(treeOf(m, mm), hdr(m, abi.H_VMA_NODES), hdr(m, abi.H_VMAS), hdr(m, abi.H_VMAS));
}

/** No VMA any more. */
export function vmaReset(m: usize, mm: u32): void {
  clear(treeOf(m, mm));
  countChange(m);
}

/** How many there are. */
// @ts-ignore: decorator
@inline
export function vmaCount(m: usize, mm: u32): u32 {
  return word(treeOf(m, mm), H_COUNT);
}

/** The first VMA that ends after `vpn`, or 0. */
export function vmaNext(m: usize, mm: u32, vpn: u64): usize {
  return vpn >= <u64>PAGES ? 0 : first(treeOf(m, mm), <i64>vpn, LAST);
}

/** Protection and flags of `vpn`, or 0 when nothing is mapped there. */
export function vmaFind(m: usize, mm: u32, vpn: u64): u64 {
  if (vpn >= <u64>PAGES) return 0;
  const p = first(treeOf(m, mm), <i64>vpn, <i64>vpn);
  return p == 0 ? 0 : vmaProt(p);
}

/** Is any page of [start, end) mapped? */
export function vmaAny(m: usize, mm: u32, start: u64, end: u64): bool {
  return start < <u64>PAGES && first(treeOf(m, mm), <i64>start, lastBelow(end)) != 0;
}

/** Writes the VMAs of a tree to its rows, and zeroes those behind them. */
function writeRows(m: usize, mm: u32, t: usize): void {
  const base = vmasAt(m, mm);
  let n: u32 = 0;
  let at: i64 = 0;
  for (let p = first(t, at, LAST); p != 0; p = first(t, at, LAST)) {
    const row = rowAt(base, n++);
    row.start = vmaStart(m, mm, p);
    row.end = vmaEnd(m, mm, p);
    row.prot = vmaProt(p);
    at = <i64>row.end;
    if (at > LAST) break;
  }
  const limit = hdr(m, abi.H_VMAS);
  for (let i = n; i < limit && rowAt(base, i).end != 0; i++) {
    memory.fill(changetype<usize>(rowAt(base, i)), 0, offsetof<Vma>());
  }
  mmAt(m, mm).nVmas = n;
  store<u32>(savedAt(t), word(t, H_VERSION));
}

/** Builds a tree from its rows, densely. */
function readRows(m: usize, mm: u32, t: usize): void {
  const base = vmasAt(m, mm);
  const n = mmAt(m, mm).nVmas;
  clear(t);
  begin(t);
  for (let i: u32 = 0; i < n; i++) {
    const row = rowAt(base, i);
    appendEntry(t, <i64>row.start, <i64>row.end - 1, <u32>row.prot);
  }
  finish(t);
  synced(t);
}

/** Tree and rows are the same now. */
// @ts-ignore: decorator
@inline
function synced(t: usize): void {
  store<u32>(savedAt(t), word(t, H_VERSION));
}

// @ts-ignore: decorator
@inline
function countChange(m: usize): void {
  setHdr(m, abi.H_VMA_CHANGES, hdr(m, abi.H_VMA_CHANGES) + 1);
}

function matches(m: usize, mm: u32, t: usize): bool {
  const base = vmasAt(m, mm);
  const n = mmAt(m, mm).nVmas;
  if (n != word(t, H_COUNT)) return false;
  if (word(t, H_LEVELS) == 1) return matchesLeaf(base, n, nodeAt(t, word(t, H_ROOT)));
  let at: i64 = 0;
  for (let i: u32 = 0; i < n; i++) {
    const row = rowAt(base, i);
    const p = first(t, at, LAST);
    if (vmaStart(m, mm, p) != row.start || vmaEnd(m, mm, p) != row.end) return false;
    if (vmaProt(p) != row.prot) return false;
    at = <i64>row.end;
  }
  return true;
}

/** The usual tree that is explored: a leaf. */
function matchesLeaf(base: usize, n: u32, leaf: usize): bool {
  for (let i: u32 = 0; i < n; i++) {
    const row = rowAt(base, i);
    if (<u64>startOf(leaf, i) != row.start || <u64>lastOf(leaf, i) + 1 != row.end) return false;
    if (<u64>refOf(leaf, i) != row.prot) return false;
  }
  return true;
}

/** Writes what has changed to the rows: before the machine's state is hashed or copied. */
// @ts-ignore: decorator
@inline
export function vmaSave(m: usize): void {
  if (hdr(m, abi.H_VMA_SAVED) != hdr(m, abi.H_VMA_CHANGES)) saveAll(m);
}

function saveAll(m: usize): void {
  const mms = hdr(m, abi.H_MMS);
  for (let mm: u32 = 0; mm < mms; mm++) {
    const t = treeOf(m, mm);
    if (load<u32>(savedAt(t)) != word(t, H_VERSION)) writeRows(m, mm, t);
  }
  setHdr(m, abi.H_VMA_SAVED, hdr(m, abi.H_VMA_CHANGES));
}

/** Makes the trees what the rows say: after another state was copied into the machine. */
export function vmaRestore(m: usize): void {
  const mms = hdr(m, abi.H_MMS);
  for (let mm: u32 = 0; mm < mms; mm++) {
    const t = treeOf(m, mm);
    if (!matches(m, mm, t)) readRows(m, mm, t);
    else synced(t);
  }
  setHdr(m, abi.H_VMA_SAVED, hdr(m, abi.H_VMA_CHANGES));
  setHdr(m, abi.H_VMA_READ, hdr(m, abi.H_VMA_CHANGES));
}

/** As vmaRestore, when the state is the one that was copied in last: usually nothing to do. */
// @ts-ignore: decorator
@inline
export function vmaRevert(m: usize): void {
  if (hdr(m, abi.H_VMA_READ) != hdr(m, abi.H_VMA_CHANGES)) vmaRestore(m);
}

/** Adds a VMA; there are fewer than there may be. When nodes run out the tree is built anew. */
function put(m: usize, mm: u32, t: usize, start: i64, last: i64, prot: u64): void {
  let splits = hasRoomToMove(t);
  if (!splits && !fits(t, start)) {
    writeRows(m, mm, t);
    readRows(m, mm, t);
    splits = hasRoomToMove(t);
  }
  insert(t, start, last, <u32>prot, splits);
  countChange(m);
}

// @ts-ignore: decorator
@inline
function take(m: usize, t: usize, p: usize): void {
  remove(t, load<u32>(p, O_HANDLE));
  countChange(m);
}

/** Unmaps [start, end). False when a split would need a row that is not there. */
export function vmaClear(m: usize, mm: u32, start: u64, end: u64): bool {
  const t = treeOf(m, mm);
  while (start < end && start < <u64>PAGES) {
    const p = first(t, <i64>start, lastBelow(end));
    if (p == 0) return true;
    const from = vmaStart(m, mm, p);
    const to = vmaEnd(m, mm, p);
    const prot = vmaProt(p);
    const right = to > end;
    if (from < start && right && word(t, H_COUNT) == hdr(m, abi.H_VMAS)) return false;
    take(m, t, p);
    if (from < start) put(m, mm, t, <i64>from, <i64>start - 1, prot);
    if (right) put(m, mm, t, <i64>end, <i64>to - 1, prot);
    if (right) return true;
  }
  return true;
}

/** How many VMAs there will be once [start, end) has `prot`. */
function countAfterSet(m: usize, mm: u32, t: usize, start: u64, end: u64, prot: u64): u32 {
  let count = word(t, H_COUNT) + 1;
  // Those that only touch it count, too: they may join.
  let at = start == 0 ? 0 : start - 1;
  for (;;) {
    const p = first(t, <i64>at, <i64>end);
    if (p == 0) return count;
    const from = vmaStart(m, mm, p);
    const to = vmaEnd(m, mm, p);
    const left = from < start;
    const right = to > end;
    if (left && right) return count + 1;
    if ((!left && !right && from < end) || vmaProt(p) == prot) count--;
    if (to > end) return count;
    at = to;
  }
  return count;
}

/** Maps [start, end) with `prot`, replacing what overlaps. False: no row left, nothing changed. */
export function vmaSet(m: usize, mm: u32, start: u64, end: u64, prot: u64): bool {
  const t = treeOf(m, mm);
  let p = first(t, <i64>start, <i64>end - 1);
  if (p != 0 && vmaStart(m, mm, p) < start && vmaEnd(m, mm, p) > end && vmaProt(p) == prot) {
    return true;
  }
  if (countAfterSet(m, mm, t, start, end, prot) > hdr(m, abi.H_VMAS)) return false;
  vmaClear(m, mm, start, end);
  let from = start;
  let to = end;
  if (start > 0) {
    p = first(t, <i64>start - 1, <i64>start - 1);
    if (p != 0 && vmaProt(p) == prot) {
      from = vmaStart(m, mm, p);
      take(m, t, p);
    }
  }
  p = first(t, <i64>end, <i64>end);
  if (p != 0 && vmaProt(p) == prot) {
    to = vmaEnd(m, mm, p);
    take(m, t, p);
  }
  put(m, mm, t, <i64>from, <i64>to - 1, prot);
  return true;
}

/** Copies all VMAs of `from` to `to`. */
export function vmaCopy(m: usize, from: u32, to: u32): void {
  const f = treeOf(m, from);
  const t = treeOf(m, to);
  clear(t);
  begin(t);
  let at: i64 = 0;
  for (let p = first(f, at, LAST); p != 0; p = first(f, at, LAST)) {
    const end = <i64>vmaEnd(m, from, p);
    appendEntry(t, <i64>vmaStart(m, from, p), end - 1, <u32>vmaProt(p));
    at = end;
    if (at > LAST) break;
  }
  finish(t);
  countChange(m);
}
