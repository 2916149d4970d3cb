/**
 * Global ASIDs (shootdown.md 1.8): an mm that is active on many CPUs gets an ASID that is the same
 * everywhere, for life, so that one broadcast invalidation reaches all of it. Until every CPU that
 * runs the mm has given up its own, dynamic ASID, interrupts are sent as well.
 *
 *   pool {used u64, freed u64}, then per mm {asid u32: 1 + its number, or 0; transition u32: a CPU
 *   may still run it under a dynamic ASID; asked u32: shootdowns since somebody last looked}
 *
 * Cpu.asid is ASID_GLOBAL + its number then, and there is no slot: broadcasts keep it fresh. ASIDs
 * of mms that are gone are used again only when all are used up, after a broadcast that flushes
 * everything that is not global.
 */
import * as abi from "../src/core/abi";
import { get32, isShared, put32 } from "./atomics";
import { cacheDropAll, cacheDropAsid, entryAsid } from "./cache";
import { asidSlot, cpuAt, hdr, maskAt, mmAt, pwcAt, tlbAt } from "./machine";
import { maskHas } from "./mask";
import { lockPools, unlockPools } from "./pools";
import { Cpu, Ctx, Entry } from "./rows";

const FREED: usize = 8;
const ROWS: usize = 16;
const ROW_BYTES: usize = 12;
const TRANSITION: usize = 4;
const ASKED: usize = 8;

// @ts-ignore: decorator
@inline
export function hasGlobals(m: usize): bool {
  return (hdr(m, abi.H_OPTIONS) & abi.OPT_GLOBAL_ASIDS) != 0;
}

// @ts-ignore: decorator
@inline
function poolOf(m: usize): usize {
  return m + hdr(m, abi.H_OFF_GLOBAL);
}

// @ts-ignore: decorator
@inline
function rowOf(m: usize, mm: u32): usize {
  return poolOf(m) + ROWS + <usize>mm * ROW_BYTES;
}

/** The global ASID of mm (index), as Cpu.asid and tags have it; 0: it has none. */
// @ts-ignore: decorator
@inline
export function globalOf<F>(m: usize, mm: u32): u32 {
  if (!hasGlobals(m)) return 0;
  const asid = get32<F>(rowOf(m, mm));
  return asid == 0 ? 0 : abi.ASID_GLOBAL + asid - 1;
}

/** May a CPU still run mm (index) under a dynamic ASID? Then everybody in its cpumask is told. */
// @ts-ignore: decorator
@inline
export function isMoving<F>(m: usize, mm: u32): bool {
  return hasGlobals(m) && get32<F>(rowOf(m, mm) + TRANSITION) != 0;
}

/**
 * E4: a CPU that runs an mm with a global ASID uses it from here on. True: broadcasts keep it
 * fresh, so there is nothing else to do; unless a request says that there was none.
 */
export function adopt<F>(m: usize, row: Cpu): bool {
  const asid = globalOf<F>(m, row.loadedMm - 1);
  if (asid == 0) return false;
  row.asid = asid;
  return true;
}

/** GLOBAL_MOVING: F = somebody runs the mm under a dynamic ASID, or may be about to. */
function moving<F>(m: usize, ctx: Ctx, mm: u32): void {
  ctx.flag = 0;
  if (!isMoving<F>(m, mm)) return;
  for (let i: u32 = 0; i < hdr(m, abi.H_CPUS); i++) {
    if (!maskHas<F>(maskAt(m, mm), i)) continue;
    const loaded = get32<F>(changetype<usize>(cpuAt(m, i)) + offsetof<Cpu>("loadedMm"));
    // Who is in the middle of a switch may have looked for an ASID before there was a global one.
    const isIn = loaded == mm + 1 || loaded == abi.LOADED_SWITCHING;
    const asid = get32<F>(changetype<usize>(cpuAt(m, i)) + offsetof<Cpu>("asid"));
    if (isIn && asid < <u32>abi.ASID_GLOBAL) ctx.flag = 1;
  }
  if (ctx.flag == 0) put32<F>(rowOf(m, mm) + TRANSITION, 0);
}

/** CPUs on which mm (index) is active: those that hold it lazily do not count. */
function activeOn<F>(m: usize, mm: u32): u32 {
  let n: u32 = 0;
  for (let i: u32 = 0; i < hdr(m, abi.H_CPUS); i++) {
    const row = changetype<usize>(cpuAt(m, i));
    const runs = get32<F>(row + offsetof<Cpu>("loadedMm")) == mm + 1;
    if (runs && get32<F>(row + offsetof<Cpu>("lazy")) == 0) n++;
  }
  return n;
}

/** Everything that is not global goes, on every CPU; whoever asks for it waits for that. */
function flushNonGlobals(m: usize): void {
  const entries = hdr(m, abi.H_TLB_SETS) * hdr(m, abi.H_TLB_WAYS);
  for (let i: u32 = 0; i < hdr(m, abi.H_CPUS); i++) {
    for (let k: u32 = 0; k < entries; k++) {
      const p = tlbAt(m, i) + <usize>k * offsetof<Entry>();
      const e = changetype<Entry>(p);
      if (e.tag != 0 && entryAsid(e) != abi.ASID_EVERY) memory.fill(p, 0, offsetof<Entry>());
    }
    cacheDropAll(pwcAt(m, i), hdr(m, abi.H_PWC_ENTRIES));
  }
}

/** A free ASID's number, or -1. `atOnce`: a mutant that uses ASIDs again without a flush. */
function take<F>(m: usize, atOnce: bool): i32 {
  const pool = poolOf(m);
  const all = ((<u64>1) << hdr(m, abi.H_GLOBAL_ASIDS)) - 1;
  let used = load<u64>(pool);
  const freed = load<u64>(pool, FREED);
  if (atOnce || (used == all && freed != 0)) {
    // CPUs of other threads flush their own TLBs only.
    if (!atOnce && isShared<F>()) return -1;
    if (!atOnce) flushNonGlobals(m);
    used &= ~freed;
    store<u64>(pool, 0, FREED);
  }
  const left = all & ~used;
  const n = left == 0 ? -1 : <i32>ctz(left);
  store<u64>(pool, left == 0 ? used : used | (left & (~left + 1)));
  return n;
}

/** GLOBAL_ASSIGN: every so many shootdowns of an mm, is it active on enough CPUs? */
function assign<F>(m: usize, mm: u32, atOnce: bool): i32 {
  const row = rowOf(m, mm);
  if (get32<F>(row) != 0) return abi.ST_OK;
  const asked = get32<F>(row + ASKED) + 1;
  const isDue = asked >= hdr(m, abi.H_GLOBAL_EVERY);
  const enough = isDue && activeOn<F>(m, mm) > hdr(m, abi.H_GLOBAL_CPUS);
  if (enough && !lockPools<F>(m)) return abi.ST_WAIT;
  put32<F>(row + ASKED, isDue ? 0 : asked);
  if (!enough) return abi.ST_OK;
  const asid = get32<F>(row) == 0 ? take<F>(m, atOnce) : -1;
  if (asid >= 0) {
    // In this order: who sees the ASID must also see that others may not use it yet.
    put32<F>(row + TRANSITION, 1);
    put32<F>(row, <u32>asid + 1);
  }
  unlockPools<F>(m);
  return abi.ST_OK;
}

/** The mm is gone. With the pool lock held. */
export function releaseGlobal(m: usize, mm: u32): void {
  if (!hasGlobals(m)) return;
  const row = rowOf(m, mm);
  const asid = load<u32>(row);
  const pool = poolOf(m);
  if (asid != 0) store<u64>(pool, load<u64>(pool, FREED) | ((<u64>1) << (asid - 1)), FREED);
  memory.fill(row, 0, ROW_BYTES);
}

/** All of a global ASID on one CPU. */
export function flushGlobal(m: usize, cpu: u32, asid: u32): void {
  cacheDropAsid(tlbAt(m, cpu), hdr(m, abi.H_TLB_SETS) * hdr(m, abi.H_TLB_WAYS), asid);
  cacheDropAsid(pwcAt(m, cpu), hdr(m, abi.H_PWC_ENTRIES), asid);
}

/** GLOBAL_HAVE, GLOBAL_MOVING and GLOBAL_ASSIGN, of the mm of the request under way. */
export function execGlobal<F>(m: usize, cpu: u32, ctx: Ctx, op: i32, imm: u32): i32 {
  const mm = cpuAt(m, cpu).infoMm;
  if (!hasGlobals(m) || mm == 0 || mm > hdr(m, abi.H_MMS)) return abi.ST_BAD_PROGRAM;
  if (op == abi.OP_GLOBAL_ASSIGN) return assign<F>(m, mm - 1, imm != 0);
  if (op == abi.OP_GLOBAL_MOVING) moving<F>(m, ctx, mm - 1);
  else ctx.flag = globalOf<F>(m, mm - 1) != 0 ? 1 : 0;
  return abi.ST_OK;
}

/**
 * Exploration only: with a global ASID, which is for life, nobody asks any more how new a slot, a
 * request or the mm is. What those numbers are would only tell equal situations apart.
 */
export function forgetGenerations(m: usize): void {
  if (!hasGlobals(m)) return;
  const cpus = hdr(m, abi.H_CPUS);
  for (let mm: u32 = 0; mm < hdr(m, abi.H_MMS); mm++) {
    if (load<u32>(rowOf(m, mm)) == 0) continue;
    const id = mmAt(m, mm).ctxId;
    mmAt(m, mm).tlbGen = 0;
    for (let cpu: u32 = 0; cpu < cpus; cpu++) {
      const row = cpuAt(m, cpu);
      if (row.infoMm == mm + 1) row.infoGen = 0;
      for (let i: u32 = 0; i < hdr(m, abi.H_ASIDS); i++) {
        if (load<u32>(asidSlot(row, i)) == id) store<u32>(asidSlot(row, i), 0, 4);
      }
    }
  }
}
