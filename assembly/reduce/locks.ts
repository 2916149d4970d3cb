/**
 * Locks, and who cannot get past one. A set of locks is a u32: per mm two bits (held by a writer,
 * by readers), then one per page table, then one per device.
 *
 * While a context that does not move holds a lock, nobody gets past a micro-op that takes it: what
 * they do behind it need not be looked at. Whose lock it is, is read from the words of the locks,
 * and where that leaves a doubt it is nobody's.
 */
import * as abi from "../../src/core/abi";
import { ctxAt, ctxIndex, deviceAt, hdr, mmAt, tableAt } from "../machine";
import { Ctx, Device, Mm, Table } from "../rows";
import { AT_PASSED, AT_TRIED, flagsOf, opAt, readsOf } from "./footprint";
import { mapClear, mapHas, mapPut } from "./maps";
import { MAP_LOCKS, mapAt, R_WORDS, rw } from "./memory";

function cellOf(m: usize, at: usize): u32 {
  return <u32>(at - m - hdr(m, abi.H_STATE_START)) >> 2;
}

function mmCell(m: usize, mm: u32): u32 {
  return cellOf(m, changetype<usize>(mmAt(m, mm)) + offsetof<Mm>("mmapLock"));
}

function tableCell(m: usize, table: u32): u32 {
  return cellOf(m, changetype<usize>(tableAt(m, table)) + offsetof<Table>("lock"));
}

function deviceCell(m: usize, dev: u32): u32 {
  return cellOf(m, changetype<usize>(deviceAt(m, dev)) + offsetof<Device>("lock"));
}

/** Where locks are. */
export function locksInit(r: usize, m: usize): void {
  const map = mapAt(r, MAP_LOCKS);
  for (let i: u32 = 0; i < hdr(m, abi.H_MMS); i++) mapPut(map, mmCell(m, i));
  for (let i: u32 = 0; i < hdr(m, abi.H_TABLES); i++) mapPut(map, tableCell(m, i));
  for (let i: u32 = 0; i < hdr(m, abi.H_DEVICES); i++) mapPut(map, deviceCell(m, i));
}

/** No other context says that it holds this table's lock. */
function isOnlyHolder(m: usize, self: u32, table: u32): bool {
  const n = hdr(m, abi.H_CONTEXTS);
  for (let i: u32 = 0; i < n; i++) {
    if (i != self && (ctxAt(m, i).ptl0 == table || ctxAt(m, i).ptl1 == table)) return false;
  }
  return true;
}

function heldMmap(m: usize, self: u32, ctx: Ctx): u32 {
  const mine: u32 = ctx.locks & (abi.LOCK_MMAP_READ | abi.LOCK_MMAP_WRITE);
  if (mine == 0 || ctx.mm == 0) return 0;
  const mm: u32 = ctx.mm - 1;
  for (let i: u32 = 0; i < hdr(m, abi.H_MMS); i++) {
    if (i != mm && mmAt(m, i).mmapLock != 0) return 0;
  }
  const held = mmAt(m, mm).mmapLock;
  if (mine == abi.LOCK_MMAP_READ) return held > 0 ? (<u32>2) << (2 * mm) : 0;
  if (mine != abi.LOCK_MMAP_WRITE || held != -1) return 0;
  for (let i: u32 = 0; i < hdr(m, abi.H_CONTEXTS); i++) {
    if (i != self && (ctxAt(m, i).locks & abi.LOCK_MMAP_WRITE) != 0) return 0;
  }
  return (<u32>1) << (2 * mm);
}

/** Locks that a context holds beyond doubt; their words are put into `cells`. */
export function heldBy(r: usize, m: usize, ctx: Ctx, cells: usize): u32 {
  mapClear(cells, rw(r, R_WORDS));
  if (ctx.locks == 0 && ctx.ptl0 == 0 && ctx.ptl1 == 0) return 0;
  const mms = hdr(m, abi.H_MMS);
  const tables = hdr(m, abi.H_TABLES);
  const devices = hdr(m, abi.H_DEVICES);
  if (2 * mms + tables + devices > 32) return 0;
  const self = ctxIndex(m, ctx);
  let set = heldMmap(m, self, ctx);
  if (set != 0) mapPut(cells, mmCell(m, <u32>ctx.mm - 1));
  for (let slot = 0; slot < 2; slot++) {
    const table = slot == 0 ? ctx.ptl0 : ctx.ptl1;
    if (table == 0 || tableAt(m, table - 1).lock != self + 1) continue;
    if (!isOnlyHolder(m, self, table)) continue;
    set |= (<u32>1) << (2 * mms + table - 1);
    mapPut(cells, tableCell(m, table - 1));
  }
  if ((ctx.locks & abi.LOCK_DEV) == 0) return set;
  for (let dev: u32 = 0; dev < devices; dev++) {
    if (deviceAt(m, dev).lock != self + 1) continue;
    set |= (<u32>1) << (2 * mms + tables + dev);
    mapPut(cells, deviceCell(m, dev));
  }
  return set;
}

/** Does nobody get past this position while these locks are held by somebody else? */
export function stopsAt(m: usize, p: usize, held: u32): bool {
  if (held == 0) return false;
  const flags = flagsOf(p);
  if ((flags & AT_TRIED) == 0 || (flags & AT_PASSED) != 0) return false;
  const reads = readsOf(p);
  const mms = hdr(m, abi.H_MMS);
  const tables = hdr(m, abi.H_TABLES);
  let any = false;
  switch (opAt(m, p)) {
    case abi.OP_MMAP_RLOCK:
    case abi.OP_MMAP_WLOCK: {
      const bits: u32 = opAt(m, p) == abi.OP_MMAP_RLOCK ? 1 : 3;
      for (let mm: u32 = 0; mm < mms; mm++) {
        if (!mapHas(reads, mmCell(m, mm))) continue;
        if ((held & (bits << (2 * mm))) == 0) return false;
        any = true;
      }
      return any;
    }
    case abi.OP_PTL_LOCK: {
      for (let table: u32 = 0; table < tables; table++) {
        if (!mapHas(reads, tableCell(m, table))) continue;
        if (((held >> (2 * mms + table)) & 1) == 0) return false;
        any = true;
      }
      return any;
    }
    case abi.OP_DEV_LOCK: {
      for (let dev: u32 = 0; dev < hdr(m, abi.H_DEVICES); dev++) {
        if (!mapHas(reads, deviceCell(m, dev))) continue;
        if (((held >> (2 * mms + tables + dev)) & 1) == 0) return false;
        any = true;
      }
      return any;
    }
    default: return false;
  }
}

/** Micro-ops that take a free lock or give back their own. */
export function keepsLockOrder(op: i32): bool {
  return (op >= abi.OP_MMAP_RLOCK && op <= abi.OP_PTL_UNLOCK) || op == abi.OP_DEV_LOCK ||
    op == abi.OP_DEV_UNLOCK;
}
