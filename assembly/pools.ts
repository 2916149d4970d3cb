/**
 * Frames and page-table pages: free lists, references, generations.
 *
 * Freeing adds one to the generation, which is what every cached translation remembers: that is how
 * a use after free is noticed. Frame 0 is the zero page and is never freed. Shared form: the pools
 * are guarded by Sys.poolLock, taken and released inside one micro-op (try, else WAIT). Nobody
 * spins for it: its holder may be a thread that the host has put to sleep, or that has died.
 * Invariant `FreeHasNoReferences`: a frame on the free list has refs 0.
 */
import * as abi from "../src/core/abi";
import { accessReset } from "./access";
import { cas32, isShared, put32, sub32 } from "./atomics";
import { deferFree, deferredFrame } from "./deferral";
import { count, frameAt, hdr, sysAt, tableAt } from "./machine";
import { Frame, Sys, Table } from "./rows";
import { forgetSharers } from "./sharers";

// @ts-ignore: decorator
@inline
export function lockPools<F>(m: usize): bool {
  if (!isShared<F>()) return true;
  return cas32<F>(changetype<usize>(sysAt(m)) + offsetof<Sys>("poolLock"), 0, 1);
}

// @ts-ignore: decorator
@inline
export function unlockPools<F>(m: usize): void {
  if (isShared<F>()) put32<F>(changetype<usize>(sysAt(m)) + offsetof<Sys>("poolLock"), 0);
}

/** A frame with no references yet, or -1. Those not flushed for come last. Pools locked. */
export function takeFrame(m: usize, actor: u32): i32 {
  const sys = sysAt(m);
  const id = sys.freeFrame;
  if (id == 0) return deferredFrame(m, actor);
  const frame = frameAt(m, id - 1);
  sys.freeFrame = frame.next;
  sys.framesUsed++;
  frame.next = 0;
  count(m, actor, abi.CT_ALLOCS, 1);
  return <i32>(id - 1);
}

/**
 * Drops one reference; at zero the frame is free and its generation has moved on. Pools locked.
 * References and generation are atomic all the same: faults and accesses read them without the
 * lock, and taking a further reference (refFrame) does not need it.
 */
export function putFrame<F>(m: usize, actor: u32, pfn: u32): void {
  if (pfn == 0) return;
  const frame: Frame = frameAt(m, pfn);
  const before = sub32<F>(changetype<usize>(frame) + offsetof<Frame>("refs"), 1);
  if (before == 0) unreachable();
  if (before != 1) return;
  const sys = sysAt(m);
  sys.framesUsed--;
  count(m, actor, abi.CT_FREED, 1);
  accessReset<F>(m, pfn);
  if (deferFree<F>(m, pfn)) return;
  put32<F>(changetype<usize>(frame) + offsetof<Frame>("gen"), frame.gen + 1);
  frame.value = 0;
  frame.rmap = 0;
  frame.next = sys.freeFrame;
  sys.freeFrame = pfn + 1;
}

/** An empty table of `level`, or -1. Pools locked. */
export function takeTable(m: usize, level: u32): i32 {
  const sys = sysAt(m);
  const id = sys.freeTable;
  if (id == 0) return -1;
  const table: Table = tableAt(m, id - 1);
  sys.freeTable = table.next;
  sys.tablesUsed++;
  table.next = 0;
  table.level = level;
  return <i32>(id - 1);
}

/** Number of tables the pool could hand out, counted up to `enough`. */
export function tablesLeft(m: usize, enough: u32): u32 {
  let n: u32 = 0;
  let id = sysAt(m).freeTable;
  while (id != 0 && n < enough) {
    n++;
    id = tableAt(m, id - 1).next;
  }
  return n;
}

/** The table must be empty. Pools locked. */
export function putTable<F>(m: usize, id: u32): void {
  const sys = sysAt(m);
  const table = tableAt(m, id);
  if (table.live != 0) unreachable();
  put32<F>(changetype<usize>(table) + offsetof<Table>("gen"), table.gen + 1);
  forgetSharers(m, id);
  table.level = 0;
  table.parent = 0;
  table.lock = 0;
  table.next = sys.freeTable;
  sys.freeTable = id + 1;
  sys.tablesUsed--;
}

/** Links all frames but the zero page, and all tables, in ascending order. Called once. */
export function initPools(m: usize): void {
  const sys = sysAt(m);
  const frames = hdr(m, abi.H_FRAMES);
  for (let i: u32 = 1; i < frames; i++) frameAt(m, i).next = i + 1 < frames ? i + 2 : 0;
  sys.freeFrame = frames > 1 ? 2 : 0;
  frameAt(m, 0).refs = 1;
  const tables = hdr(m, abi.H_TABLES);
  for (let i: u32 = 0; i < tables; i++) tableAt(m, i).next = i + 1 < tables ? i + 2 : 0;
  sys.freeTable = tables > 0 ? 1 : 0;
  sys.nextCtxId = 1;
}
