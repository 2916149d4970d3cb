/**
 * Lazy translation coherence (LATR, shootdown.md P6): munmap does not interrupt anybody. It leaves
 * an entry in its CPU's ring, and every CPU that may hold the translations flushes at its next
 * tick. Until all have, the frames are parked and the address range is not given out again: a stale
 * access reaches what it would have reached before.
 *
 *   entry: mm u32 (index + 1; 0: free), gen u32, start u64, end u64, flags u32, count u32 of
 *   frames, mask u32[]: CPUs that have not swept, then the frames, u32[]
 *
 * Invariant `ParkedUntilSwept`: frames of an entry are freed when its mask is empty, not before.
 */
import * as abi from "../src/core/abi";
import { add32, get32, isShared, put32, sub32 } from "./atomics";
import { charge } from "./charge";
import { flushPages, flushRequest, flushSlot } from "./flush";
import { hasLifetimes } from "./lifetime";
import {
  asidSlot, batchAt, clockAt, cost, cpuAt, ctxIndex, hdr, maskAt, mmAt, setHdr,
} from "./machine";
import { maskHas, maskNext, maskSet, maskUnset } from "./mask";
import { lockPools, putFrame, unlockPools } from "./pools";
import { Cpu, Ctx } from "./rows";
import { vmaAny } from "./vma";
import { blocked, wakeByIpi, wakeWaiters } from "./wake";

export const E_GEN: usize = 4;
const E_START: usize = 8;
const E_END: usize = 16;
const E_FLAGS: usize = 24;
const E_COUNT: usize = 28;
export const E_MASK: usize = 32;

const NEVER: u64 = u64.MAX_VALUE;

// @ts-ignore: decorator
@inline
export function entryAt(m: usize, i: u32): usize {
  return m + hdr(m, abi.H_OFF_LATR) + <usize>i * hdr(m, abi.H_LATR_STRIDE);
}

// @ts-ignore: decorator
@inline
export function entriesOf(m: usize): u32 {
  return hdr(m, abi.H_CPUS) * hdr(m, abi.H_LATR_RING);
}

// @ts-ignore: decorator
@inline
function tickPlace(m: usize): usize {
  return m + (abi.H_TICK_LO << 2);
}

/** When the next tick is due, or all-ones. */
// @ts-ignore: decorator
@inline
export function tickAt(m: usize): u64 {
  return load<u64>(tickPlace(m));
}

function freeEntry(m: usize, self: u32): usize {
  const n = hdr(m, abi.H_LATR_RING);
  for (let i: u32 = 0; i < n; i++) {
    const e = entryAt(m, self * n + i);
    if (load<u32>(e) == 0) return e;
  }
  return 0;
}

/**
 * Is `pfn` parked by an entry that says this page of `mm` (index) may be stale for a while? Nobody
 * parks the zero page, because nobody frees it.
 */
export function isParked(m: usize, mm: u32, vpn: u64, pfn: u32): bool {
  const n = entriesOf(m);
  for (let i: u32 = 0; i < n; i++) {
    const e = entryAt(m, i);
    if (load<u32>(e) != mm + 1 || vpn < load<u64>(e, E_START) || vpn >= load<u64>(e, E_END)) {
      continue;
    }
    if (pfn == 0) return true;
    const frames = framesOf(m, e);
    for (let k: u32 = 0; k < load<u32>(e, E_COUNT); k++) {
      if (load<u32>(frames + (k << 2)) == pfn) return true;
    }
  }
  return false;
}

function overlaps(m: usize, mm: u32, start: u64, end: u64): bool {
  const n = entriesOf(m);
  for (let i: u32 = 0; i < n; i++) {
    const e = entryAt(m, i);
    if (load<u32>(e) == mm + 1 && load<u64>(e, E_START) < end && start < load<u64>(e, E_END)) {
      return true;
    }
  }
  return false;
}

// @ts-ignore: decorator
@inline
function framesOf(m: usize, e: usize): usize {
  return e + E_MASK + ((<usize>hdr(m, abi.H_MASK_WORDS)) << 2);
}

/** Frames an entry has room for. */
function roomOf(m: usize): u32 {
  return (hdr(m, abi.H_LATR_STRIDE) - <u32>E_MASK - (hdr(m, abi.H_MASK_WORDS) << 2)) >> 2;
}

/** The gathered frames move into the entry. */
function park<F>(m: usize, ctx: Ctx, e: usize): void {
  const batch = batchAt(m, ctxIndex(m, ctx));
  memory.copy(framesOf(m, e), batch, ctx.gCount << 2);
  memory.fill(batch, 0, ctx.gCount << 2);
  store<u32>(e, ctx.gCount, E_COUNT);
  const parked = add32<F>(m + (abi.H_PARKED_PAGES << 2), ctx.gCount) + ctx.gCount;
  if (parked > hdr(m, abi.H_PARKED_MOST)) setHdr(m, abi.H_PARKED_MOST, parked);
  ctx.gCount = 0;
}

/**
 * CPUs that run the mm now. The others compare generations when they come back to it; unless they
 * sweep, too, those that hold it lazily excepted.
 */
function targets<F>(m: usize, self: u32, info: Cpu, mask: usize, away: bool): bool {
  const all = maskAt(m, info.infoMm - 1);
  const words = hdr(m, abi.H_MASK_WORDS);
  let any = false;
  for (let i = maskNext<F>(all, words, 0); i >= 0; i = maskNext<F>(all, words, <u32>i + 1)) {
    const row = cpuAt(m, i);
    if (<u32>i == self || row.online == 0 || row.lazy != 0) continue;
    const loaded = get32<F>(changetype<usize>(row) + offsetof<Cpu>("loadedMm"));
    if (!away && loaded != info.infoMm && loaded != abi.LOADED_SWITCHING) continue;
    maskSet<F>(mask, <u32>i);
    any = true;
  }
  return any;
}

/**
 * From now on those CPUs sweep: at the next tick, in the timed driver; elsewhere at any time, like
 * an interrupt that is on its way.
 */
function armTick<F>(m: usize, self: u32, mask: usize): void {
  if (!isShared<F>() && hdr(m, abi.H_OFF_HEAP) != 0) {
    if (tickAt(m) != NEVER) return;
    const period = max<u64>(1, cost(m, abi.COST_TICK));
    const now = clockAt(m, self).now + clockAt(m, self).charge;
    store<u64>(tickPlace(m), (now / period + 1) * period);
    return;
  }
  // Nobody sweeps: what they hold drops itself.
  if (hasLifetimes(m)) return;
  const words = hdr(m, abi.H_MASK_WORDS);
  for (let i = maskNext<F>(mask, words, 0); i >= 0; i = maskNext<F>(mask, words, <u32>i + 1)) {
    put32<F>(changetype<usize>(cpuAt(m, i)) + offsetof<Cpu>("ipiPending"), 1);
  }
}

/**
 * Only what munmap gathers is put off: it holds mmapLock for writing, frees no table yet, and
 * nothing is mapped there any more. Where a mapping stays, a fault would give the addresses out
 * again as soon as the lock is free.
 */
function mayWait(m: usize, ctx: Ctx, info: Cpu, how: u32): bool {
  // What reclaim has isolated: who faults there waits until all have swept.
  const parks = (how & abi.LATR_SWAP) != 0 && (info.infoFlags & abi.INFO_PARKS) != 0;
  if (parks && ctx.gCount != 0) return (info.infoFlags & abi.INFO_FREED) == 0;
  if ((info.infoFlags & abi.INFO_FREED) != 0 || ctx.gStart >= ctx.gEnd) return false;
  if (ctx.gCount == 0 || (ctx.locks & abi.LOCK_MMAP_WRITE) == 0) return false;
  return !vmaAny(m, info.infoMm - 1, ctx.gStart, ctx.gEnd);
}

/**
 * LATR_POST. LATR_ANY: a mutant puts every request off that frees no table. LATR_TEST: only says
 * whether it could be.
 */
export function latrPost<F>(m: usize, self: u32, ctx: Ctx, how: u32): i32 {
  const any = (how & abi.LATR_ANY) != 0;
  const info = cpuAt(m, self);
  ctx.flag = 0;
  if (info.infoMm == 0 || (hdr(m, abi.H_OPTIONS) & abi.OPT_LATR) == 0) return abi.ST_BAD_PROGRAM;
  if (info.infoMm >= <u32>abi.INFO_KERNEL_MM || ctx.gCount > roomOf(m)) return abi.ST_OK;
  if (any ? (info.infoFlags & abi.INFO_FREED) != 0 : !mayWait(m, ctx, info, how)) return abi.ST_OK;
  const e = freeEntry(m, self);
  if ((how & abi.LATR_TEST) != 0) {
    ctx.flag = e != 0 ? 1 : 0;
    return abi.ST_OK;
  }
  const away = (how & abi.LATR_SWAP) != 0;
  if (e == 0 || !targets<F>(m, self, info, e + E_MASK, away)) return abi.ST_OK;
  store<u32>(e, hasLifetimes(m) ? 0 : info.infoGen, E_GEN);
  store<u64>(e, info.infoStart, E_START);
  store<u64>(e, info.infoEnd, E_END);
  store<u32>(e, info.infoFlags, E_FLAGS);
  park<F>(m, ctx, e);
  put32<F>(e, info.infoMm);
  charge(m, self, abi.COST_PARK, 1);
  armTick<F>(m, self, e + E_MASK);
  ctx.flag = 1;
  return abi.ST_OK;
}

/** The last CPU has swept. Pools locked. */
export function retire<F>(m: usize, cpu: u32, e: usize): void {
  const n = load<u32>(e, E_COUNT);
  const frames = framesOf(m, e);
  for (let i: u32 = 0; i < n; i++) putFrame<F>(m, cpu, load<u32>(frames + (i << 2)));
  sub32<F>(m + (abi.H_PARKED_PAGES << 2), n);
  charge(m, cpu, abi.COST_FREE_PAGE, n);
  memory.fill(e, 0, hdr(m, abi.H_LATR_STRIDE));
  wakeWaiters<F>(m, cpu, waitKey(m));
}

// @ts-ignore: decorator
@inline
function waitKey(m: usize): u32 {
  return hdr(m, abi.H_OFF_LATR);
}

/** Timed: have as many ticks passed as what this entry withholds is withheld for? */
function isOutlived(m: usize, e: usize): bool {
  return hdr(m, abi.H_OFF_HEAP) != 0 && load<u32>(e, E_GEN) >= hdr(m, abi.H_LIFE_TICKS);
}

/**
 * The slot that holds the mm of `e` and is not loaded: it need not be flushed when it is loaded if
 * this was the one request that it had missed. `flushes`: not with a mutant.
 */
function sweepInactive(
  m: usize, cpu: u32, row: Cpu, mm: u32, e: usize, flushes: bool,
): void {
  const id = mmAt(m, mm).ctxId;
  for (let i: u32 = 0; i < hdr(m, abi.H_ASIDS); i++) {
    const slot = asidSlot(row, i);
    if (load<u32>(slot) != id) continue;
    const flags = load<u32>(e, E_FLAGS);
    const bits = (flags & abi.INFO_HUGE) != 0 ? hdr(m, abi.H_INDEX_BITS) : 0;
    if (flushes && (flags & abi.INFO_FULL) != 0) flushSlot(m, cpu, i);
    else if (flushes) {
      flushPages(m, cpu, clockAt(m, cpu), i, load<u64>(e, E_START), load<u64>(e, E_END),
        (<u64>1) << bits);
    }
    if (load<u32>(slot, 4) + 1 == load<u32>(e, E_GEN)) store<u32>(slot, load<u32>(e, E_GEN), 4);
  }
}

/** LATR_SWEEP; with lifetimes, what was withheld long enough is freed. */
export function latrSweep<F>(m: usize, cpu: u32, how: u32): i32 {
  const words = hdr(m, abi.H_MASK_WORDS);
  const n = entriesOf(m);
  const lives = hasLifetimes(m);
  if (!lockPools<F>(m)) return abi.ST_WAIT;
  for (let i: u32 = 0; i < n; i++) {
    const e = entryAt(m, i);
    const mm = load<u32>(e);
    if (mm == 0 || (lives ? !isOutlived(m, e) : !maskHas<F>(e + E_MASK, cpu))) continue;
    charge(m, cpu, abi.COST_SWEEP, 1);
    if (lives) {
      retire<F>(m, cpu, e);
      continue;
    }
    const row = cpuAt(m, cpu);
    // Whoever runs something else by now compares generations when it comes back.
    if (row.loadedMm == mm) {
      flushRequest<F>(m, cpu, mm, load<u32>(e, E_GEN), load<u64>(e, E_START), load<u64>(e, E_END),
        load<u32>(e, E_FLAGS), false);
    } else if ((how & abi.SWEEP_INACTIVE) != 0) {
      sweepInactive(m, cpu, row, mm - 1, e, (how & abi.SWEEP_TRUST) == 0);
    }
    maskUnset<F>(e + E_MASK, cpu);
    if (maskNext<F>(e + E_MASK, words, 0) < 0) retire<F>(m, cpu, e);
  }
  unlockPools<F>(m);
  return abi.ST_OK;
}

/** LATR_WAIT */
export function latrWait(m: usize, actor: u32, ctx: Ctx, start: u64, end: u64): i32 {
  if (hdr(m, abi.H_PARKED_PAGES) == 0 && hdr(m, abi.H_OFF_HEAP) != 0) return abi.ST_OK;
  if (overlaps(m, ctx.mm - 1, start, end)) return blocked(m, actor, waitKey(m));
  return abi.ST_OK;
}

/** No frame is free: waits for those that are parked, if there are any. */
export function latrFrames(m: usize, actor: u32): i32 {
  const n = entriesOf(m);
  for (let i: u32 = 0; i < n; i++) {
    const e = entryAt(m, i);
    if (load<u32>(e) != 0 && load<u32>(e, E_COUNT) != 0) return blocked(m, actor, waitKey(m));
  }
  return abi.ST_NO_FRAMES;
}

/**
 * With lifetimes: one more tick for what is withheld. Where it was the last, the CPU that withholds
 * it is interrupted, to free it.
 */
function lifeTick<F>(m: usize, time: u64): void {
  for (let k: u32 = 0; k < entriesOf(m); k++) {
    const e = entryAt(m, k);
    if (load<u32>(e) == 0 || isOutlived(m, e)) continue;
    store<u32>(e, load<u32>(e, E_GEN) + 1, E_GEN);
    const owner = k / hdr(m, abi.H_LATR_RING);
    if (!isOutlived(m, e)) {
      store<u64>(tickPlace(m), time + max<u64>(1, cost(m, abi.COST_TICK)));
    } else if (cpuAt(m, owner).ipiPending == 0) {
      cpuAt(m, owner).ipiPending = 1;
      wakeByIpi<F>(m, owner, time);
    }
  }
}

/** Timed driver: the tick is here; CPUs that have something to sweep are interrupted. */
export function latrTick<F>(m: usize): void {
  const time = tickAt(m);
  store<u64>(tickPlace(m), NEVER);
  if (hasLifetimes(m)) {
    lifeTick<F>(m, time);
    return;
  }
  const words = hdr(m, abi.H_MASK_WORDS);
  const n = entriesOf(m);
  for (let k: u32 = 0; k < n; k++) {
    const e = entryAt(m, k);
    if (load<u32>(e) == 0) continue;
    const mask = e + E_MASK;
    for (let i = maskNext<F>(mask, words, 0); i >= 0; i = maskNext<F>(mask, words, <u32>i + 1)) {
      const row = cpuAt(m, i);
      // Whoever has an interrupt coming sweeps when it comes.
      if (row.ipiPending != 0) continue;
      row.ipiPending = 1;
      wakeByIpi<F>(m, i, time);
    }
  }
}

/** An mm goes: what waits for its translations can be freed. Pools locked. */
export function latrForget<F>(m: usize, cpu: u32, mm: u32): void {
  const n = entriesOf(m);
  for (let i: u32 = 0; i < n; i++) {
    if (load<u32>(entryAt(m, i)) == mm + 1) retire<F>(m, cpu, entryAt(m, i));
  }
}
