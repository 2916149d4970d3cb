/**
 * Micro-ops on page tables. Writers hold the table's PTL or the mm's mmapLock for writing; readers
 * (walks) hold nothing. Tables are unhooked here and freed by the gather, after the flush.
 */
import * as abi from "../src/core/abi";
import { add32, cas32, get32, get64, isShared, put32, put64, sub32 } from "./atomics";
import { ctxIndex, entryAt, frameAt, hdr, mmAt, sysAt, tableAt } from "./machine";
import { lockPools, takeTable, tablesLeft, unlockPools } from "./pools";
import { Ctx, Frame, Mm, Table } from "./rows";
import { inheritSharers } from "./sharers";
import { vmaAny } from "./vma";
import { indexOf, spanOf, tableOf } from "./walk";

/**
 * Changes an entry and keeps Table.live true. `live` is atomic: entries of an upper table are
 * written under mm.tableLock (paths) and under its PTL (huge leaves), so two writers may count at
 * once.
 */
export function putEntry<F>(table: Table, index: u32, pte: u64): void {
  const p = entryAt(table, index);
  const live = changetype<usize>(table) + offsetof<Table>("live");
  const had = get64<F>(p) != 0;
  if (had && pte == 0) sub32<F>(live, 1);
  else if (!had && pte != 0) add32<F>(live, 1);
  put64<F>(p, pte);
}

// @ts-ignore: decorator
@inline
function refsOf(m: usize, pfn: u32): usize {
  return changetype<usize>(frameAt(m, pfn)) + offsetof<Frame>("refs");
}

// @ts-ignore: decorator
@inline
function ptlOf(m: usize, table: u32): usize {
  return changetype<usize>(tableAt(m, table)) + offsetof<Table>("lock");
}

// @ts-ignore: decorator
@inline
function liveOf<F>(m: usize, table: u32): u32 {
  return get32<F>(changetype<usize>(tableAt(m, table)) + offsetof<Table>("live"));
}

/** The leaf entry's place for `vpn`: in the last level, or a huge one above it. 0: none. */
export function leafPlace<F>(m: usize, mm: u32, vpn: u64): usize {
  const leaf = tableOf<F>(m, mm, vpn, 0);
  if (leaf != 0) return entryAt(tableAt(m, leaf - 1), indexOf(m, vpn, 0));
  if (hdr(m, abi.H_LEVELS) < 2) return 0;
  const upper = tableOf<F>(m, mm, vpn, 1);
  if (upper == 0) return 0;
  const p = entryAt(tableAt(m, upper - 1), indexOf(m, vpn, 1));
  return (get64<F>(p) & abi.PTE_HUGE) != 0 ? p : 0;
}

/** The table that holds `vpn`'s leaf entry (id + 1), of level 0 or 1; 0: none. */
export function leafTable<F>(m: usize, mm: u32, vpn: u64): u32 {
  const leaf = tableOf<F>(m, mm, vpn, 0);
  if (leaf != 0 || hdr(m, abi.H_LEVELS) < 2) return leaf;
  const upper = tableOf<F>(m, mm, vpn, 1);
  if (upper == 0) return 0;
  const pte = get64<F>(entryAt(tableAt(m, upper - 1), indexOf(m, vpn, 1)));
  return (pte & abi.PTE_HUGE) != 0 ? upper : 0;
}

/** TABLE_NEXT: first vpn of [v, end) under a leaf table or huge leaf; `end` if there is none. */
export function nextTable<F>(m: usize, mm: u32, v: u64, end: u64): u64 {
  return nextTableOf<F>(m, mm, v, end, 0);
}

/** First vpn of [v, end) under a table of `lowest` (or a huge leaf above it); `end` if none. */
function nextTableOf<F>(m: usize, mm: u32, v: u64, end: u64, lowest: u32): u64 {
  const top = hdr(m, abi.H_LEVELS) - 1;
  const limit = spanOf(m, top + 1);
  while (v < end && v < limit) {
    let id = mmAt(m, mm).root;
    let level = top;
    while (level > lowest) {
      const pte = get64<F>(entryAt(tableAt(m, id - 1), indexOf(m, v, level)));
      if (pte == 0) break;
      if ((pte & abi.PTE_HUGE) != 0) return v;
      id = <u32>(pte >> abi.PTE_SHIFT) + 1;
      level--;
    }
    if (level == lowest) return v;
    const span = spanOf(m, level);
    v = (v / span + 1) * span;
  }
  return end;
}

/** End of the leaf table's extent that holds `v`, at most `end`. */
export function extentEnd(m: usize, v: u64, end: u64): u64 {
  const span = spanOf(m, 1);
  const stop = (v / span + 1) * span;
  return stop < end ? stop : end;
}

/** PTE_NEXT: first populated vpn of [v, end) within v's leaf table; ctx.pte, ctx.flag. */
export function nextEntry<F>(m: usize, ctx: Ctx, mm: u32, v: u64, end: u64): u64 {
  ctx.flag = 0;
  ctx.pte = 0;
  if (v >= end) return v;
  const leaf = tableOf<F>(m, mm, v, 0);
  if (leaf == 0) {
    const p = leafPlace<F>(m, mm, v);
    if (p != 0) {
      ctx.pte = get64<F>(p);
      ctx.flag = 1;
    }
    return v;
  }
  const table = tableAt(m, leaf - 1);
  const stop = extentEnd(m, v, end);
  for (; v < stop; v++) {
    const pte = get64<F>(entryAt(table, indexOf(m, v, 0)));
    if (pte != 0) {
      ctx.pte = pte;
      ctx.flag = 1;
      return v;
    }
  }
  return v;
}

/** Builds the tables down to `level` for `vpn`. ST_NO_TABLES leaves everything as it was. */
export function allocPath<F>(m: usize, mm: u32, vpn: u64, level: u32): i32 {
  // A huge leaf on the way is path enough.
  if (tableOf<F>(m, mm, vpn, level) != 0) return abi.ST_OK;
  if (level == 0 && leafTable<F>(m, mm, vpn) != 0) return abi.ST_OK;
  const lock = changetype<usize>(mmAt(m, mm)) + offsetof<Mm>("tableLock");
  if (isShared<F>() && !cas32<F>(lock, 0, 1)) return abi.ST_WAIT;
  if (!lockPools<F>(m)) {
    if (isShared<F>()) put32<F>(lock, 0);
    return abi.ST_WAIT;
  }
  const status = buildPath<F>(m, mm, vpn, level);
  unlockPools<F>(m);
  if (isShared<F>()) put32<F>(lock, 0);
  return status;
}

function buildPath<F>(m: usize, mm: u32, vpn: u64, level: u32): i32 {
  const levels = hdr(m, abi.H_LEVELS);
  if (tablesLeft(m, levels) < levels) {
    // Near the end of the pool: count exactly what is missing before anything is touched.
    let missing: u32 = 0;
    for (let l = level; l + 1 < levels; l++) {
      if (tableOf<F>(m, mm, vpn, l) == 0) missing++;
    }
    if (tablesLeft(m, missing) < missing) return abi.ST_NO_TABLES;
  }
  let id = mmAt(m, mm).root;
  for (let l = levels - 1; l > level; l--) {
    const table = tableAt(m, id - 1);
    const index = indexOf(m, vpn, l);
    const pte = get64<F>(entryAt(table, index));
    if ((pte & abi.PTE_HUGE) != 0) return abi.ST_OK;
    if (pte != 0) {
      id = <u32>(pte >> abi.PTE_SHIFT) + 1;
      continue;
    }
    const fresh = takeTable(m, l - 1);
    tableAt(m, fresh).parent = id;
    putEntry<F>(table, index, ((<u64>fresh) << abi.PTE_SHIFT) | abi.PTE_P | abi.PTE_W);
    id = <u32>fresh + 1;
  }
  return abi.ST_OK;
}

/**
 * TABLE_UNHOOK: takes one empty leaf table out of the tree, with parents that become unneeded, or
 * an upper table that an earlier unmapping had to leave. They go to the gather's list; the gather
 * must cover them. F = one was found. What is needed follows the kernel's free_pgtables: `mode`
 * (UNHOOK_*) says which range the neighbours leave to it, contents do not matter.
 *
 * Shared form: the leaf table stays locked until it is freed. A truncate holds the PTL but not
 * mmapLock; if its table went away under it, its unlock would hit the table's next owner.
 */
export function unhookTable<F>(
  m: usize, ctx: Ctx, mm: u32, start: u64, end: u64, mode: u32,
): i32 {
  ctx.flag = 0;
  const levels = hdr(m, abi.H_LEVELS);
  const highest: u32 = mode == abi.UNHOOK_LEAVES_INSIDE ? 1 : levels - 1;
  for (let lowest: u32 = 0; lowest < highest; lowest++) {
    const span = spanOf(m, lowest + 1);
    let v = nextTableOf<F>(m, mm, start, end, lowest);
    for (; v < end; v = nextTableOf<F>(m, mm, v, end, lowest)) {
      const id = tableOf<F>(m, mm, v, lowest);
      if (id == 0 || !isUnneeded<F>(m, mm, id, v, start, end, lowest, mode)) {
        v = (v / span + 1) * span;
        continue;
      }
      if (isShared<F>() && lowest == 0 &&
          !cas32<F>(ptlOf(m, id - 1), 0, ctxIndex(m, ctx) + 1)) {
        return abi.ST_WAIT;
      }
      unhookUp<F>(m, ctx, mm, id, v, start, end, lowest, mode);
      ctx.gFlags |= <u16>abi.GF_FREED;
      ctx.flag = 1;
      return abi.ST_OK;
    }
  }
  return abi.ST_OK;
}

/** May the table `id` of `level` above `v` go? It must be empty, and nobody else's. */
function isUnneeded<F>(
  m: usize, mm: u32, id: u32, v: u64, start: u64, end: u64, level: u32, mode: u32,
): bool {
  if (liveOf<F>(m, id - 1) != 0) return false;
  const span = spanOf(m, level + 1);
  const first = (v / span) * span;
  if (mode == abi.UNHOOK_BY_VMAS) return !vmaAny(m, mm, first, first + span);
  return first >= start && first + span <= end;
}

/** Unhooks the table `id` of `lowest` above `v`, then its parents as long as they may go too. */
function unhookUp<F>(
  m: usize, ctx: Ctx, mm: u32, id: u32, v: u64, start: u64, end: u64, lowest: u32, mode: u32,
): void {
  const levels = hdr(m, abi.H_LEVELS);
  const highest: u32 = mode == abi.UNHOOK_LEAVES_INSIDE ? 1 : levels - 1;
  for (let level = lowest + 1; level <= highest; level++) {
    // The kernel widens by one page at the start of what each freed table spanned.
    const from = (v / spanOf(m, level)) * spanOf(m, level);
    if (ctx.gStart > from) ctx.gStart = from;
    if (ctx.gEnd < from + 1) ctx.gEnd = from + 1;
    const table = tableAt(m, id - 1);
    const parent = table.parent;
    putEntry<F>(tableAt(m, parent - 1), indexOf(m, v, level), 0);
    table.next = ctx.gTables;
    table.parent = 0;
    ctx.gTables = id;
    id = parent;
    if (level == highest || !isUnneeded<F>(m, mm, id, v, start, end, level, mode)) return;
  }
}

/**
 * PTE_SPLIT: a huge leaf that `vpn` lies inside of becomes a table of the same frame. madvise does
 * this under mmapLock for reading, so in the shared form two CPUs may want to split one leaf, or
 * clear it: the upper table's PTL decides, and the entry is read again under it. Who holds it may
 * have made the entry not present meanwhile (PTE_MIGRATION): its pages are.
 */
export function splitHuge<F>(m: usize, ctx: Ctx, mm: u32, vpn: u64): i32 {
  ctx.flag = 0;
  const span = spanOf(m, 1);
  if (vpn % span == 0 || tableOf<F>(m, mm, vpn, 0) != 0) return abi.ST_OK;
  const p = leafPlace<F>(m, mm, vpn);
  if (p == 0) return abi.ST_OK;
  const upper = tableOf<F>(m, mm, vpn, 1);
  if (upper == 0 || !lockPools<F>(m)) return abi.ST_WAIT;
  const ptl = ptlOf(m, upper - 1);
  const mine = ctx.ptl0 == upper;
  if (isShared<F>() && !mine && !cas32<F>(ptl, 0, ctxIndex(m, ctx) + 1)) {
    unlockPools<F>(m);
    return abi.ST_WAIT;
  }
  const status = splitLocked<F>(m, ctx, upper, p, <u32>span);
  if (isShared<F>() && !mine) put32<F>(ptl, 0);
  unlockPools<F>(m);
  return status;
}

function splitLocked<F>(m: usize, ctx: Ctx, upper: u32, p: usize, span: u32): i32 {
  const pte = get64<F>(p);
  if ((pte & abi.PTE_HUGE) == 0) return abi.ST_OK; // somebody was faster
  if (sysAt(m).freeTable == 0) return abi.ST_NO_TABLES;
  const id = takeTable(m, 0);
  const table = tableAt(m, id);
  table.parent = upper;
  inheritSharers(m, upper - 1, <u32>(p - entryAt(tableAt(m, upper - 1), 0)) >> 3, id);
  const away: u64 = abi.PTE_HUGE | abi.PTE_MIGRATION | abi.PTE_PROTNONE;
  const small = (pte & abi.PTE_MIGRATION) != 0
    ? (pte & ~away) | abi.PTE_P
    : pte & ~(<u64>abi.PTE_HUGE);
  for (let i: u32 = 0; i < span; i++) putEntry<F>(table, i, small);
  const pfn = <u32>(pte >> abi.PTE_SHIFT);
  if (pfn != 0) add32<F>(refsOf(m, pfn), span - 1);
  put64<F>(p, ((<u64>id) << abi.PTE_SHIFT) | abi.PTE_P | abi.PTE_W);
  ctx.flag = 1;
  return abi.ST_OK;
}

/** One more reference. The caller's entry or context holds one, so it cannot be freed meanwhile. */
export function refFrame<F>(m: usize, pfn: u32): void {
  if (pfn != 0) add32<F>(refsOf(m, pfn), 1);
}

/** Is the PTL of this table free, or held by the same context? */
// @ts-ignore: decorator
@inline
export function ptlHolder<F>(m: usize, table: u32): u32 {
  return get32<F>(ptlOf(m, table));
}
