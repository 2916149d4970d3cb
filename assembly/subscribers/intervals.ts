/**
 * Interval subscribers inside a machine: the structure of assembly/notifiers, and whose program is
 * called. `ops` of a row is the device it belongs to, + 1. Each function is one hold of the
 * subscriptions' lock.
 */
import * as abi from "../../src/core/abi";
import { setWord, word } from "../interval-tree/node";
import { bracketEnd, bracketStart, setStamp, UNBALANCED } from "../notifiers/bracket";
import { DONE, find, insert, remove, update } from "../notifiers/change";
import { nextReleased } from "../notifiers/deferred";
import {
  F_LEAVING, flagsOf, isOdd, N_ACTIVE, N_SEQ, R_GENERATION, R_LAST, R_OPS, R_SEQ, R_START, rowAt,
} from "../notifiers/rows";
import { giveRow, hasRoom, nextHit, place, stampOf, takeRow } from "../notifiers/table";
import { hazard } from "../hazard";
import { count, deviceAt } from "../machine";
import { Ctx } from "../rows";
import { wakeWaiters } from "../wake";
import {
  ENTRY_FINISH, ENTRY_INVALIDATE, ENTRY_RELEASE, entryOf, finishOf, N_ENABLED, setFinish, setTold,
  subsAt, toldBy,
} from "./rows";

/** A page behind the last one: intervals are signed. */
const PAGES: u64 = 1 << 52;

/** Last page of [start, end). */
// @ts-ignore: decorator
@inline
function lastOf(end: u64): i64 {
  return <i64>min<u64>(end, PAGES) - 1;
}

/** Where readers, and those who remove, wait. */
export function seqKey(m: usize, base: usize): u32 {
  return <u32>(base + (<usize>N_SEQ << 2) - m);
}

export function handleOf(base: usize, row: u32): u64 {
  return ((<u64>load<u32>(rowAt(base, row), R_GENERATION)) << 16) | (row + 1);
}

/** Row of a handle, or -1: the subscriber is gone. */
export function rowOf(base: usize, handle: u64): i32 {
  const row = <u32>(handle & 0xffff) - 1;
  if (handle == 0 || handleOf(base, row) != handle || flagsOf(base, row) == 0) return -1;
  return <i32>row;
}

/** OP_ITREE_START. */
export function startBracket(m: usize, ctx: Ctx, base: usize, from: u64, to: u64, imm: u32): void {
  if ((imm & abi.START_AGAIN) == 0) {
    ctx.hStart = from;
    ctx.hEnd = to;
  }
  setTold(m, ctx, imm & abi.TOLD_BITS & ~abi.START_AGAIN);
  ctx.event = <u16>abi.HOOK_INTERVAL;
  ctx.cursor = 0;
  if (word(base, N_ENABLED) == 0) return;
  ctx.cursor = <u16>bracketStart(base, <i64>ctx.hStart, lastOf(ctx.hEnd));
}

function deviceOf(base: usize, row: u32): u32 {
  return load<u32>(rowAt(base, row), R_OPS) - 1;
}

/** Row + 1 of the next one that the first pass calls, 0: none. */
function nextOfPass(m: usize, ctx: Ctx, base: usize): u32 {
  if (ctx.event == abi.HOOK_INTERVAL) {
    // The walk begins where it was found to begin: who was added since is not in it.
    ctx.event = <u16>abi.HOOK_INTERVALS;
    return ctx.cursor;
  }
  if (ctx.cursor == 0 || (toldBy(m, ctx) & abi.TOLD_REFUSED) != 0) return 0;
  const row: u32 = <u32>ctx.cursor - 1;
  if (entryOf(m, deviceOf(base, row), ENTRY_FINISH) != 0) {
    setFinish(m, ctx, finishOf(m, ctx) | ((<u32>1) << row));
  }
  return nextHit(base, ctx.cursor, <i64>ctx.hStart, lastOf(ctx.hEnd));
}

/** Row + 1 of the next one of the second pass, in the order of the first. */
function nextToFinish(m: usize, ctx: Ctx, base: usize): u32 {
  const rows = finishOf(m, ctx);
  if (rows == 0) return 0;
  const last = lastOf(ctx.hEnd);
  let at = nextHit(base, 0, <i64>ctx.hStart, last);
  while (at != 0 && ((rows >> (at - 1)) & 1) == 0) at = nextHit(base, at, <i64>ctx.hStart, last);
  if (at != 0) setFinish(m, ctx, rows & ~((<u32>1) << (at - 1)));
  else setFinish(m, ctx, 0);
  return at;
}

/** OP_ITREE_NEXT: pc of the next callback, 0: all were told. */
export function nextCallback(m: usize, ctx: Ctx, base: usize): u32 {
  while (ctx.event != abi.HOOK_FINISH) {
    const at = nextOfPass(m, ctx, base);
    if (at == 0) {
      ctx.event = <u16>abi.HOOK_FINISH;
      break;
    }
    ctx.cursor = <u16>at;
    ctx.dev = <u16>(deviceOf(base, at - 1) + 1);
    const pc = entryOf(m, ctx.dev - 1, ENTRY_INVALIDATE);
    if (pc != 0) return pc;
  }
  const at = nextToFinish(m, ctx, base);
  ctx.cursor = <u16>at;
  ctx.dev = at == 0 ? 0 : <u16>(deviceOf(base, at - 1) + 1);
  if (at != 0) return entryOf(m, ctx.dev - 1, ENTRY_FINISH);
  ctx.event = 0;
  ctx.hStart = 0;
  ctx.hEnd = 0;
  return 0;
}

/** OP_ITREE_END. */
export function endBracket<F>(m: usize, actor: u32, ctx: Ctx, base: usize): void {
  setTold(m, ctx, 0);
  if (word(base, N_ENABLED) == 0) return;
  const got = bracketEnd(base);
  if (got == UNBALANCED) hazard<F>(m, actor, abi.HZ_UNBAL, 0, 0);
  else if (got == 1) wakeWaiters<F>(m, actor, seqKey(m, base));
}

/** OP_ITREE_RELEASE: pc of the next release callback; the object is gone before. 0: no more. */
export function nextRelease(m: usize, ctx: Ctx, base: usize): u32 {
  for (let at = nextReleased(base); at != 0; at = nextReleased(base)) {
    ctx.dev = <u16>load<u32>(rowAt(base, at - 1), R_OPS);
    giveRow(base, at - 1);
    const pc = entryOf(m, ctx.dev - 1, ENTRY_RELEASE);
    if (pc != 0) return pc;
  }
  ctx.dev = 0;
  return 0;
}

/** Mutant of an insertion during a bracket that has hit nobody: readers do not wait. */
function insertUnstamped(base: usize, start: i64, last: i64, ops: u32): void {
  const row = takeRow(base, start, last, ops);
  store<u32>(rowAt(base, row), word(base, N_SEQ) - 1, R_SEQ);
  place(base, row);
}

/** OP_ITREE_INSERT: false for an empty interval, or without room. */
export function add(ctx: Ctx, base: usize, start: u64, end: u64, unstamped: bool): bool {
  if (start >= end || word(base, N_ENABLED) == 0 || !hasRoom(base, 1)) return false;
  const isOpen = word(base, N_ACTIVE) != 0 && !isOdd(base);
  if (unstamped && isOpen) insertUnstamped(base, <i64>start, lastOf(end), ctx.dev);
  else insert(base, <i64>start, lastOf(end), ctx.dev);
  return true;
}

/** Before anything runs: a device subscribes to [start, end) of mm `mm` (index + 1). */
export function insertNow(m: usize, dev: u32, mm: u32, start: u64, end: u64): bool {
  const base = subsAt(m, mm - 1);
  enable(base);
  deviceAt(m, dev).mm = mm;
  if (start >= end || !hasRoom(base, 1)) return false;
  insert(base, <i64>start, lastOf(end), dev + 1);
  return true;
}

/** Row + 1 of the context's device over pages [start, last] that stays, 0: none. */
function own(ctx: Ctx, base: usize, start: i64, last: i64): u32 {
  return find(base, ctx.dev, start, last, false);
}

/** OP_ITREE_REMOVE: true if it is out, or there was none; else when the sequence is another. */
export function take(ctx: Ctx, base: usize, page: u64, imm: u32): bool {
  const isTold = (imm & abi.REMOVE_TOLD) != 0;
  const at = isTold ? ctx.cursor : own(ctx, base, <i64>page, <i64>page);
  if (at == 0 || (flagsOf(base, at - 1) & F_LEAVING) != 0) return true;
  const got = remove(base, at - 1, (imm & abi.REMOVE_DEFERRED) != 0);
  ctx.seq = word(base, N_SEQ);
  return got == DONE;
}

/** OP_ITREE_UPDATE. As posted, an interval of one page is refused. */
export function move(ctx: Ctx, base: usize, page: u64, to: u64, end: u64, posted: bool): bool {
  const at = own(ctx, base, <i64>page, <i64>page);
  if (at == 0 || to >= end || (posted && to + 1 == end)) return false;
  update(base, at - 1, <i64>to, lastOf(end), posted);
  return true;
}

/** OP_ITREE_FIND: handle, or 0. */
export function lookUp(ctx: Ctx, base: usize, page: u64, posted: bool): u64 {
  const at = find(base, ctx.dev, <i64>page, <i64>page, posted);
  return at == 0 ? 0 : handleOf(base, at - 1);
}

/** Both sides at once: the row is replaced by what is left of it. */
function replace(base: usize, row: u32, from: i64, last: i64): bool {
  const r = rowAt(base, row);
  const start = load<i64>(r, R_START);
  const end = load<i64>(r, R_LAST);
  const ops = load<u32>(r, R_OPS);
  const pieces: u32 = (start < from ? 1 : 0) + (end > last ? 1 : 0);
  if (!hasRoom(base, pieces)) return false;
  remove(base, row, true);
  if (start < from) insert(base, start, from - 1, ops);
  if (end > last) insert(base, last + 1, end, ops);
  return true;
}

/** OP_ITREE_PUNCH. False: there is none to be changed, or no room for the other side. */
export function punch(ctx: Ctx, base: usize, from: u64, to: u64, imm: u32): bool {
  const isTold = (imm & abi.PUNCH_TOLD) != 0;
  const first = <i64>(isTold ? ctx.hStart : from);
  const last = lastOf(isTold ? ctx.hEnd : to);
  const at = isTold ? ctx.cursor : own(ctx, base, first, last);
  if (at == 0 || first > last || (flagsOf(base, at - 1) & F_LEAVING) != 0) return false;
  const row: u32 = at - 1;
  const sides = imm & (abi.PUNCH_LEFT | abi.PUNCH_RIGHT);
  if (sides == (abi.PUNCH_LEFT | abi.PUNCH_RIGHT)) return replace(base, row, first, last);
  const posted = (imm & abi.PUNCH_POSTED) != 0;
  const r = rowAt(base, row);
  const start = load<i64>(r, R_START);
  const end = load<i64>(r, R_LAST);
  if (sides == abi.PUNCH_RIGHT) {
    if (start >= first || end <= last) return true;
    if (!hasRoom(base, 1)) return false;
    insert(base, last + 1, end, load<u32>(r, R_OPS));
    return true;
  }
  if (start < first) update(base, row, start, first - 1, posted);
  else if (end > last) update(base, row, last + 1, end, posted);
  else remove(base, row, true);
  return true;
}

/** OP_READ_BEGIN. */
export function beginRead(ctx: Ctx, base: usize, page: u64): bool {
  const at = own(ctx, base, <i64>page, <i64>page);
  ctx.r11 = at == 0 ? 0 : handleOf(base, at - 1);
  ctx.seq = at == 0 ? 0 : stampOf(base, at - 1);
  return at != 0;
}

/**
 * OP_READ_RETRY: the device's lock must be held for the answer to mean anything. Who was taken out
 * hears of nothing more, so its readers begin again, too: with another one, or with none.
 */
export function mustRetry(m: usize, actor: u32, ctx: Ctx, base: usize): bool {
  const row = rowOf(base, ctx.r11);
  const isGone = row < 0 || (flagsOf(base, row) & F_LEAVING) != 0;
  const isOld = isGone || stampOf(base, row) != ctx.seq;
  ctx.r11 = 0;
  ctx.seq = 0;
  if (!isOld) return false;
  ctx.pte = 0;
  ctx.frameGen = 0;
  count(m, actor, abi.CT_RETRY, 1);
  return true;
}

/** OP_SEQ_SET: readers of the interval that is being told began too early. */
export function markTold(ctx: Ctx, base: usize): bool {
  if (ctx.cursor == 0) return false;
  setStamp(base, ctx.cursor - 1, word(base, N_SEQ));
  return true;
}

/** Brackets may find interval subscribers in this mm from now on. */
export function enable(base: usize): void {
  setWord(base, N_ENABLED, 1);
}
