/**
 * Rows of subscribers inside a machine (ROW_NOTIFIERS): what notifiers.md 1.1 has beside the list
 * of classic ones, which is in the Mm and Device rows.
 *
 *   at H_OFF_SUBSCRIBERS   u32: rows of a table · bytes of a context's row · of a device's · of a
 *                          table · offset of the devices' rows · of the tables · 0 · 0
 *   context's row          sections of SRCU it is in · what its bracket tells (START_*, TOLD_*) ·
 *                          subscribers of its second pass, a bit a row · 0 · whom it waits for
 *   device's row           entries u16: invalidate, finish, release of intervals; classic release
 *                          · SUB_* | mm + 1 << 8, u32 · users u32 · whom its end waits for
 *   table                  assembly/notifiers/rows.ts without a tree; N_ENABLED of its header
 *
 * "Whom it waits for" is a bit a context: those that were in a section when it began to wait. Who
 * leaves its last section takes its bit out of all of them, so nobody waits for a later section.
 * There is one SRCU domain for all mms.
 */
import * as abi from "../../src/core/abi";
import { setWord, word } from "../interval-tree/node";
import { flagsOf, N_BYTES, N_CAP, ROW_BYTES } from "../notifiers/rows";
import { initRows } from "../notifiers/table";
import { ctxIndex, deviceAt, hdr } from "../machine";
import { Ctx } from "../rows";

/** Word of a table's header: interval subscribers are looked for at all (has_itree). */
export const N_ENABLED: i32 = 11;

const C_DEPTH: usize = 0;
const C_TOLD: usize = 4;
const C_FINISH: usize = 8;
const C_MASK: usize = 16;
const D_STATE: usize = 8;
const D_USERS: usize = 12;
const D_MASK: usize = 16;
const HEAD_BYTES: u32 = 32;

/** Entries of a device's row, in order. */
export const ENTRY_INVALIDATE: u32 = 0;
export const ENTRY_FINISH: u32 = 1;
export const ENTRY_RELEASE: u32 = 2;
export const ENTRY_CLASSIC_RELEASE: u32 = 3;

// @ts-ignore: decorator
@inline
export function hasSubscribers(m: usize): bool {
  return (hdr(m, abi.H_ROWS) & abi.ROW_NOTIFIERS) != 0;
}

// @ts-ignore: decorator
@inline
function headAt(m: usize): usize {
  return m + hdr(m, abi.H_OFF_SUBSCRIBERS);
}

/** Bytes of a mask of contexts. */
function maskBytes(m: usize): u32 {
  return ((hdr(m, abi.H_CONTEXTS) + 63) >> 6) << 3;
}

/** Rows of a table: one a device, and some for holes; the second pass has a bit for each. */
function rowsOf(m: usize): u32 {
  const spare: u32 = hdr(m, abi.H_LOG_CAP) != 0 ? 16 : 2;
  return min<u32>(32, hdr(m, abi.H_DEVICES) + spare);
}

/** Nobody has subscribed. The region is zero. */
export function initSubscribers(m: usize): void {
  if (!hasSubscribers(m)) return;
  const head = headAt(m);
  const rows = rowsOf(m);
  const ctx = <u32>C_MASK + maskBytes(m);
  const dev = <u32>D_MASK + maskBytes(m);
  const table = <u32>N_BYTES + rows * <u32>ROW_BYTES;
  const devices = HEAD_BYTES + hdr(m, abi.H_CONTEXTS) * ctx;
  setWord(head, 0, rows);
  setWord(head, 1, ctx);
  setWord(head, 2, dev);
  setWord(head, 3, table);
  setWord(head, 4, devices);
  setWord(head, 5, devices + hdr(m, abi.H_DEVICES) * dev);
  for (let mm: u32 = 0; mm < hdr(m, abi.H_MMS); mm++) initRows(subsAt(m, mm), rows);
}

/** The table of mm `mm`. */
export function subsAt(m: usize, mm: u32): usize {
  const head = headAt(m);
  return head + word(head, 5) + <usize>mm * word(head, 3);
}

export function ctxRow(m: usize, ctx: u32): usize {
  const head = headAt(m);
  return head + HEAD_BYTES + <usize>ctx * word(head, 1);
}

export function devRow(m: usize, dev: u32): usize {
  const head = headAt(m);
  return head + word(head, 4) + <usize>dev * word(head, 2);
}

/** Program of a device's callback, 0: it has none. */
export function entryOf(m: usize, dev: u32, entry: u32): u32 {
  return load<u16>(devRow(m, dev) + (entry << 1));
}

export function setEntry(m: usize, dev: u32, entry: u32, pc: u32): void {
  store<u16>(devRow(m, dev) + (entry << 1), <u16>pc);
}

/** It was in the list of classic subscribers before anything ran. */
export function beginLinked(m: usize, dev: u32): void {
  if (!hasSubscribers(m)) return;
  setState(m, dev, abi.SUB_LINKED | (deviceAt(m, dev).mm << 8));
  setUsers(m, dev, 1);
}

export function depthOf(m: usize, ctx: u32): u32 {
  return load<u32>(ctxRow(m, ctx), C_DEPTH);
}

export function setDepth(m: usize, ctx: u32, depth: u32): void {
  store<u32>(ctxRow(m, ctx), depth, C_DEPTH);
}

export function toldBy(m: usize, ctx: Ctx): u32 {
  return load<u32>(ctxRow(m, ctxIndex(m, ctx)), C_TOLD);
}

export function setTold(m: usize, ctx: Ctx, told: u32): void {
  store<u32>(ctxRow(m, ctxIndex(m, ctx)), told, C_TOLD);
}

export function finishOf(m: usize, ctx: Ctx): u32 {
  return load<u32>(ctxRow(m, ctxIndex(m, ctx)), C_FINISH);
}

export function setFinish(m: usize, ctx: Ctx, rows: u32): void {
  store<u32>(ctxRow(m, ctxIndex(m, ctx)), rows, C_FINISH);
}

/** Contexts that a context waits for. */
export function ctxMask(m: usize, ctx: u32): usize {
  return ctxRow(m, ctx) + C_MASK;
}

export function stateOf(m: usize, dev: u32): u32 {
  return load<u32>(devRow(m, dev), D_STATE);
}

export function setState(m: usize, dev: u32, state: u32): void {
  store<u32>(devRow(m, dev), state, D_STATE);
}

export function usersOf(m: usize, dev: u32): u32 {
  return load<u32>(devRow(m, dev), D_USERS);
}

export function setUsers(m: usize, dev: u32, users: u32): void {
  store<u32>(devRow(m, dev), users, D_USERS);
}

/** Contexts that the end of a classic subscriber waits for. */
export function devMask(m: usize, dev: u32): usize {
  return devRow(m, dev) + D_MASK;
}

/** Was the subscriber of a device freed? */
export function isFreed(m: usize, dev: u32): bool {
  return hasSubscribers(m) && (stateOf(m, dev) & abi.SUB_FREED) != 0;
}

/** Does an interval subscriber keep the row of an mm that is gone? */
export function keepsMm(m: usize, mm: u32): bool {
  if (!hasSubscribers(m)) return false;
  const base = subsAt(m, mm);
  for (let row: u32 = 0; row < word(base, N_CAP); row++) if (flagsOf(base, row) != 0) return true;
  return false;
}

/** The mm is gone: the next one in its row has no interval subscribers to look for. */
export function forgetMm(m: usize, mm: u32): void {
  if (hasSubscribers(m)) setWord(subsAt(m, mm), N_ENABLED, 0);
}

/** Writes the set of contexts that are in a section to `mask`. True: there is one. */
export function noteReaders(m: usize, mask: usize): bool {
  let any = false;
  for (let i: u32 = 0; i < hdr(m, abi.H_CONTEXTS); i++) {
    const p = mask + ((<usize>(i >> 5)) << 2);
    const bit: u32 = (<u32>1) << (i & 31);
    const reads = depthOf(m, i) != 0;
    store<u32>(p, reads ? load<u32>(p) | bit : load<u32>(p) & ~bit);
    any = any || reads;
  }
  return any;
}

/** Takes context `ctx` out of `mask`. True: it was the last one in it. */
export function dropReader(m: usize, mask: usize, ctx: u32): bool {
  const p = mask + ((<usize>(ctx >> 5)) << 2);
  const bit: u32 = (<u32>1) << (ctx & 31);
  if ((load<u32>(p) & bit) == 0) return false;
  store<u32>(p, load<u32>(p) & ~bit);
  return isEmpty(m, mask);
}

export function isEmpty(m: usize, mask: usize): bool {
  const end = mask + maskBytes(m);
  for (let p = mask; p < end; p += 8) if (load<u64>(p) != 0) return false;
  return true;
}
