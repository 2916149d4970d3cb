/**
 * Micro-ops on page tables. Writers hold the table's PTL or the mm's mmapLock for writing; readers
 * (walks) hold nothing. Tables are unhooked here and freed by the gather, after the flush.
 */
import * as abi from "../src/core/abi";
import { cas32, get32, isShared, put32, put64 } from "./atomics";
import { entryAt, frameAt, hdr, mmAt, sysAt, tableAt } from "./machine";
import { lockPools, lockPoolsNow, takeTable, tablesLeft, unlockPools } from "./pools";
import { Ctx, Mm, Table } from "./rows";
import { vmaAny } from "./vma";
import { indexOf, spanOf, tableOf } from "./walk";

/** Changes an entry and keeps Table.live true. */
export function putEntry<F>(table: Table, index: u32, pte: u64): void {
  const p = entryAt(table, index);
  const had = load<u64>(p) != 0;
  if (had && pte == 0) table.live--;
  else if (!had && pte != 0) table.live++;
  put64<F>(p, pte);
}

/** The leaf entry's place for `vpn`: in the last level, or a huge one above it. 0: none. */
export function leafPlace<F>(m: usize, mm: u32, vpn: u64): usize {
  const leaf = tableOf<F>(m, mm, vpn, 0);
  if (leaf != 0) return entryAt(tableAt(m, leaf - 1), indexOf(m, vpn, 0));
  if (hdr(m, abi.H_LEVELS) < 2) return 0;
  const upper = tableOf<F>(m, mm, vpn, 1);
  if (upper == 0) return 0;
  const p = entryAt(tableAt(m, upper - 1), indexOf(m, vpn, 1));
  return (load<u64>(p) & abi.PTE_HUGE) != 0 ? p : 0;
}

/** The table that holds `vpn`'s leaf entry (id + 1), of level 0 or 1; 0: none. */
export function leafTable<F>(m: usize, mm: u32, vpn: u64): u32 {
  const leaf = tableOf<F>(m, mm, vpn, 0);
  if (leaf != 0 || hdr(m, abi.H_LEVELS) < 2) return leaf;
  const upper = tableOf<F>(m, mm, vpn, 1);
  if (upper == 0) return 0;
  const pte = load<u64>(entryAt(tableAt(m, upper - 1), indexOf(m, vpn, 1)));
  return (pte & abi.PTE_HUGE) != 0 ? upper : 0;
}

/** TABLE_NEXT: first vpn of [v, end) under a leaf table or huge leaf; `end` if there is none. */
export function nextTable<F>(m: usize, mm: u32, v: u64, end: u64): u64 {
  const top = hdr(m, abi.H_LEVELS) - 1;
  const limit = spanOf(m, top + 1);
  while (v < end && v < limit) {
    let id = mmAt(m, mm).root;
    let level = top;
    while (level > 0) {
      const pte = load<u64>(entryAt(tableAt(m, id - 1), indexOf(m, v, level)));
      if (pte == 0) break;
      if ((pte & abi.PTE_HUGE) != 0) return v;
      id = <u32>(pte >> abi.PTE_SHIFT) + 1;
      level--;
    }
    if (level == 0) return v;
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
      ctx.pte = load<u64>(p);
      ctx.flag = 1;
    }
    return v;
  }
  const table = tableAt(m, leaf - 1);
  const stop = extentEnd(m, v, end);
  for (; v < stop; v++) {
    const pte = load<u64>(entryAt(table, indexOf(m, v, 0)));
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
    const pte = load<u64>(entryAt(table, index));
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
 * TABLE_UNHOOK: takes one empty leaf table out of the tree, with parents that become empty, if no
 * VMA needs it. It goes to the gather's list; the gather must cover it. F = one was found.
 */
export function unhookTable<F>(m: usize, ctx: Ctx, mm: u32, start: u64, end: u64): void {
  ctx.flag = 0;
  const span = spanOf(m, 1);
  for (let v = nextTable<F>(m, mm, start, end); v < end; v = nextTable<F>(m, mm, v, end)) {
    const first = (v / span) * span;
    const leaf = tableOf<F>(m, mm, v, 0);
    if (leaf == 0 || tableAt(m, leaf - 1).live != 0 || vmaAny(m, mm, first, first + span)) {
      v = first + span;
      continue;
    }
    let id = leaf;
    for (let level: u32 = 1; level < hdr(m, abi.H_LEVELS); level++) {
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
      if (tableAt(m, id - 1).live != 0 || level + 1 == hdr(m, abi.H_LEVELS)) break;
    }
    ctx.gFlags |= <u16>abi.GF_FREED;
    ctx.flag = 1;
    return;
  }
}

/** PTE_SPLIT: a huge leaf that `vpn` lies inside of becomes a table of the same frame. */
export function splitHuge<F>(m: usize, ctx: Ctx, mm: u32, vpn: u64): i32 {
  ctx.flag = 0;
  const span = spanOf(m, 1);
  if (vpn % span == 0 || tableOf<F>(m, mm, vpn, 0) != 0) return abi.ST_OK;
  const p = leafPlace<F>(m, mm, vpn);
  if (p == 0) return abi.ST_OK;
  if (!lockPools<F>(m)) return abi.ST_WAIT;
  if (sysAt(m).freeTable == 0) {
    unlockPools<F>(m);
    return abi.ST_NO_TABLES;
  }
  const id = takeTable(m, 0);
  const pte = load<u64>(p);
  const table = tableAt(m, id);
  table.parent = tableOf<F>(m, mm, vpn, 1);
  for (let i: u32 = 0; i < <u32>span; i++) putEntry<F>(table, i, pte & ~(<u64>abi.PTE_HUGE));
  const pfn = <u32>(pte >> abi.PTE_SHIFT);
  if (pfn != 0) frameAt(m, pfn).refs += <u32>span - 1;
  put64<F>(p, ((<u64>id) << abi.PTE_SHIFT) | abi.PTE_P | abi.PTE_W);
  unlockPools<F>(m);
  ctx.flag = 1;
  return abi.ST_OK;
}

/** References change under the pool lock in the shared form: two mms may share a frame. */
export function refFrame<F>(m: usize, pfn: u32): void {
  if (pfn == 0) return;
  lockPoolsNow<F>(m);
  frameAt(m, pfn).refs++;
  unlockPools<F>(m);
}

/** Is the PTL of this table free, or held by the same context? */
// @ts-ignore: decorator
@inline
export function ptlHolder<F>(m: usize, table: u32): u32 {
  return get32<F>(changetype<usize>(tableAt(m, table)) + offsetof<Table>("lock"));
}
