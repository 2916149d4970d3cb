/**
 * TLB flushing on one CPU, after shootdown.md 1.5: what a flush request does where it lands, and
 * what a switch-in does about requests it missed.
 *
 * mm.tlbGen counts requests; an ASID slot remembers up to which of them its entries are clean.
 * A ranged flush is allowed only if it is exactly the next request and the newest one: otherwise
 * the requests in between would be forgotten, so everything is flushed and the slot catches up.
 * Invariant `SlotNeverAhead`: slot.tlbGen <= mm.tlbGen of its mm.
 */
import * as abi from "../src/core/abi";
import { get32, get64, put32 } from "./atomics";
import { cacheDropAsid } from "./cache";
import { charge } from "./charge";
import { adopt, flushGlobal, hasGlobals } from "./global-asid";
import { logEvent } from "./log";
import {
  asidSlot, bump, clockAt, countersAt, cpuAt, hdr, maskAt, mmAt, pwcAt, tlbAt,
} from "./machine";
import { maskUnset } from "./mask";
import { distrustOthers, dropKernelPages, dropUserPages, flushHalves } from "./pti";
import { leaveRange } from "./replicas";
import { Clock, Cpu, Mm } from "./rows";
import { tracksSharers } from "./sharers";
import { tlbDropPages } from "./tlb";

/** All-ones: "everything" in logged page counts and in range ends. */
export const ALL: u64 = u64.MAX_VALUE;

// @ts-ignore: decorator
@inline
export function genOf<F>(m: usize, mm: u32): u32 {
  return get32<F>(changetype<usize>(mmAt(m, mm)) + offsetof<Mm>("tlbGen"));
}

/** Everything of one ASID slot: TLB and paging-structure cache. A user half is only marked. */
export function flushSlot(m: usize, cpu: u32, slot: u32): void {
  cacheDropAsid(tlbAt(m, cpu), hdr(m, abi.H_TLB_SETS) * hdr(m, abi.H_TLB_WAYS), slot);
  cacheDropAsid(pwcAt(m, cpu), hdr(m, abi.H_PWC_ENTRIES), slot);
  flushHalves(m, cpu, slot);
}

/** INVLPG for each page: also drops the whole paging-structure cache of the ASID (Intel SDM). */
// @ts-ignore: decorator
@inline
export function flushPages(
  m: usize, cpu: u32, clock: Clock, slot: u32, start: u64, end: u64, stride: u64,
): void {
  tlbDropPages(m, cpu, start, end, stride, slot);
  // Only the timed driver may trust the hint: exploration restores states behind its back.
  if (hdr(m, abi.H_OFF_HEAP) != 0 && clock.walkFills == 0) return;
  flushWalks(m, cpu, clock, slot);
}

/** The ASID's paging-structure cache. */
export function flushWalks(m: usize, cpu: u32, clock: Clock, slot: u32): void {
  const left = cacheDropAsid(pwcAt(m, cpu), hdr(m, abi.H_PWC_ENTRIES), slot);
  clock.walkFills = left ? 1 : 0;
}

/**
 * Leaves the loaded mm for init_mm: nothing of it may be walked here until it is switched in. An
 * ordinary switch as far as ASID slots go, so init_mm may take another mm's slot.
 */
function leave<F>(m: usize, cpu: u32, row: Cpu): void {
  cacheDropAsid(pwcAt(m, cpu), hdr(m, abi.H_PWC_ENTRIES), row.asid);
  put32<F>(changetype<usize>(row) + offsetof<Cpu>("loadedMm"), abi.LOADED_INIT);
  put32<F>(changetype<usize>(row) + offsetof<Cpu>("lazy"), 0);
  distrustOthers(m, cpu, row);
  const n = hdr(m, abi.H_ASIDS);
  for (let i: u32 = 0; i < n; i++) {
    if (load<u32>(asidSlot(row, i)) == abi.INIT_CTX_ID) {
      row.asid = i;
      logEvent(m, cpu, abi.EV_SWITCH_FLUSH, 2, 0, 0);
      return;
    }
  }
  row.asid = row.nextAsid;
  row.nextAsid = row.nextAsid + 1 == n ? 0 : row.nextAsid + 1;
  flushSlot(m, cpu, row.asid);
  store<u32>(asidSlot(row, row.asid), abi.INIT_CTX_ID);
  store<u32>(asidSlot(row, row.asid), 0, 4);
  logEvent(m, cpu, abi.EV_SWITCH_FLUSH, 2, ALL, 0);
}

/**
 * CPU_OFFLINE: the CPU leaves its mm and is told nothing from now on. What was queued before is
 * still in its queue: somebody waits for it.
 */
export function cpuOffline<F>(m: usize, cpu: u32): void {
  const row = cpuAt(m, cpu);
  const loaded = row.loadedMm;
  put32<F>(changetype<usize>(row) + offsetof<Cpu>("online"), 0);
  if (loaded == abi.LOADED_INIT || loaded == abi.LOADED_SWITCHING) return;
  maskUnset<F>(maskAt(m, loaded - 1), cpu);
  leave<F>(m, cpu, row);
}

/**
 * SLOTS_CLEAR: whoever does not run the request's mm flushes before it does (FreeBSD's pm_gen). It
 * has to come before the request is sent: a CPU that is not told then may switch in right after.
 */
export function clearSlots<F>(m: usize, self: u32): i32 {
  const info = cpuAt(m, self);
  if (info.infoMm == 0 || info.infoMm >= <u32>abi.INFO_KERNEL_MM) return abi.ST_BAD_PROGRAM;
  const id = mmAt(m, info.infoMm - 1).ctxId;
  const n = hdr(m, abi.H_ASIDS);
  for (let cpu: u32 = 0; cpu < hdr(m, abi.H_CPUS); cpu++) {
    if (cpu == self) continue;
    for (let i: u32 = 0; i < n; i++) {
      const slot = asidSlot(cpuAt(m, cpu), i);
      if (get32<F>(slot) == id) put32<F>(slot + 4, 0);
    }
  }
  return abi.ST_OK;
}

/** flush_tlb_func: the request in `info` on CPU `cpu`, for itself or for another initiator. */
// @ts-ignore: decorator
@inline
export function flushFunc<F>(m: usize, cpu: u32, info: Cpu, local: bool): void {
  // Read once. A policy that does not wait hands the request's next use, or nothing, to a late
  // target: that is its bug to be caught, and must not become a wild write or an endless loop.
  const mm = get32<F>(changetype<usize>(info) + offsetof<Cpu>("infoMm"));
  const start = get64<F>(changetype<usize>(info) + offsetof<Cpu>("infoStart"));
  const end = get64<F>(changetype<usize>(info) + offsetof<Cpu>("infoEnd"));
  const flags = get32<F>(changetype<usize>(info) + offsetof<Cpu>("infoFlags"));
  const gen = get32<F>(changetype<usize>(info) + offsetof<Cpu>("infoGen"));
  flushRequest<F>(m, cpu, mm, gen, start, end, flags, local);
}

/** The same for a request that is in nobody's row. mm: index + 1, 0: there is none (any more). */
export function flushRequest<F>(
  m: usize, cpu: u32, mm: u32, gen: u32, start: u64, end: u64, flags: u32, local: bool,
): void {
  const row = cpuAt(m, cpu);
  const clock = clockAt(m, cpu);
  const counters = countersAt(m, cpu);
  if (mm == 0) return;
  if (mm == abi.INFO_KERNEL_MM) {
    flushKernel(m, cpu, row, start, end, flags, local);
    return;
  }
  const loaded = row.loadedMm;
  const any = mm == abi.INFO_ANY_MM;
  if (any && (loaded == abi.LOADED_INIT || loaded == abi.LOADED_SWITCHING)) return;
  if (loaded != mm && !any) {
    if (loaded != abi.LOADED_SWITCHING) maskUnset<F>(maskAt(m, mm - 1), cpu);
    bump(counters, abi.CT_WRONG_CPU, 1);
    logEvent(m, cpu, abi.EV_FLUSH_REMOTE, 1, 0, mm);
    return;
  }
  const alone = (flags & abi.INFO_ALONE) != 0;
  if (hasGlobals(m) && adopt<F>(m, row)) {
    if (alone && row.lazy != 0) leave<F>(m, cpu, row);
    else if (alone) flushGlobal(m, cpu, row.asid);
    return;
  }
  if (row.lazy != 0) {
    leave<F>(m, cpu, row);
    return;
  }
  const asid = row.asid;
  const slot = asidSlot(row, asid);
  const have = load<u32>(slot, 4);
  const plain = (flags & abi.INFO_SLOTS) == 0;
  if (gen <= have && !any && plain) {
    bump(counters, abi.CT_SKIPPED, 1);
    return;
  }
  const want = genOf<F>(m, loaded - 1);
  if (want == have && plain) {
    logEvent(m, cpu, local ? abi.EV_FLUSH_LOCAL : abi.EV_FLUSH_REMOTE, 0, 0, loaded);
    return;
  }
  bump(counters, local ? abi.CT_FLUSH_LOCAL : abi.CT_FLUSH_REMOTE, 1);
  const costs = m + hdr(m, abi.H_OFF_COST);
  let ns = clock.charge + load<u32>(costs + (abi.COST_FLUSH_FIXED << 2));
  const bits = (flags & abi.INFO_HUGE) != 0 ? hdr(m, abi.H_INDEX_BITS) : 0;
  let pages = (end - start) >> bits;
  const ranged = (flags & abi.INFO_FULL) == 0 && pages <= <u64>hdr(m, abi.H_CEILING);
  const isNext = gen == have + 1 || (flags & abi.INFO_NEWEST) != 0;
  // Who was left out of the requests in between holds nothing of them; but that it has seen them
  // it must not say: another one of them may still be on its way here.
  const tracked = tracksSharers(m) && !any;
  let reached = want;
  if (ranged && (tracked || (isNext && gen == want) || !plain)) {
    if (tracked) {
      leaveRange<F>(m, cpu, loaded - 1, start, end, (<u64>1) << bits);
      reached = gen == have + 1 ? gen : have;
    }
    flushPages(m, cpu, clock, asid, start, end, (<u64>1) << bits);
    ns += dropUserPages(m, cpu, asid, start, end, bits, flags);
    bump(counters, abi.CT_FLUSH_PAGES, pages);
    ns += load<u32>(costs + (abi.COST_FLUSH_PAGE << 2)) * <u32>pages;
  } else {
    flushSlot(m, cpu, asid);
    bump(counters, abi.CT_FLUSH_FULL, 1);
    ns += load<u32>(costs + (abi.COST_FLUSH_FULL << 2));
    pages = ALL;
  }
  clock.charge = ns;
  logEvent(m, cpu, local ? abi.EV_FLUSH_LOCAL : abi.EV_FLUSH_REMOTE, 0, pages, loaded);
  // A slot that was cleared stays so: another request may have cleared it for itself.
  if (plain) store<u32>(slot, reached, 4);
}

/** A flush of kernel pages, which every CPU carries out, whatever it runs. */
function flushKernel(
  m: usize, cpu: u32, row: Cpu, start: u64, end: u64, flags: u32, local: bool,
): void {
  const full = (flags & abi.INFO_FULL) != 0;
  const counters = countersAt(m, cpu);
  dropKernelPages(m, cpu, row, start, end, flags);
  bump(counters, local ? abi.CT_FLUSH_LOCAL : abi.CT_FLUSH_REMOTE, 1);
  bump(counters, full ? abi.CT_FLUSH_FULL : abi.CT_FLUSH_PAGES, full ? 1 : end - start);
  charge(m, cpu, abi.COST_FLUSH_FIXED, 1);
  charge(m, cpu, full ? abi.COST_FLUSH_FULL : abi.COST_FLUSH_PAGE, full ? 1 : <u32>(end - start));
  const pages = full ? ALL : end - start;
  logEvent(m, cpu, local ? abi.EV_FLUSH_LOCAL : abi.EV_FLUSH_REMOTE, 0, pages, 0);
}
