/**
 * A CPU's access to memory: its TLB first, then its page walker, as one indivisible micro-op. User
 * pages are looked up under the half that is loaded, kernel pages under the kernel's.
 */
import * as abi from "../src/core/abi";
import { accessed } from "./access";
import { cacheFind, entryWritable } from "./cache";
import { charge } from "./charge";
import { setDirty, tracksDirty } from "./dirty";
import { directoryFill, hasDirectory } from "./directory";
import { count, cpuAt, hdr, mmAt, tlbAt } from "./machine";
import { checkAccess, judge } from "./oracle";
import { bear, hasLifetimes, isAlive, used } from "./lifetime";
import { halfOf, kernelHalf } from "./pti";
import { Cpu, Entry } from "./rows";
import { tlbFill } from "./tlb";
import { generationOf, hardWalk } from "./walk";

// @ts-ignore: decorator
@inline
function lookupAny(m: usize, cpu: u32, vpn: u64, tag: u32): usize {
  return cacheFind(tlbAt(m, cpu), hdr(m, abi.H_TLB_SETS), hdr(m, abi.H_TLB_WAYS),
    hdr(m, abi.H_INDEX_BITS), vpn, tag);
}

/** Entries whose life is over are not there. */
function lookup(m: usize, cpu: u32, vpn: u64, tag: u32): usize {
  const hit = lookupAny(m, cpu, vpn, tag);
  return hit == 0 || !hasLifetimes(m) || isAlive(m, cpu, hit) ? hit : 0;
}

/** Walks the tables of `mm` and fills under `tag`. False: nothing usable is mapped there. */
function fill<F>(m: usize, cpu: u32, mm: u32, tag: u32, vpn: u64, write: bool): bool {
  const row = cpuAt(m, cpu);
  const clock = changetype<usize>(row) + offsetof<Cpu>("pwcClock");
  const pte = hardWalk<F>(m, cpu, clock, mm, tag, vpn);
  charge(m, cpu, abi.COST_WALK, 1);
  if (pte == 0 || (write && (pte & abi.PTE_W) == 0)) return false;
  let gen = generationOf<F>(m, pte);
  if (tracksDirty(m)) {
    if (write) setDirty<F>(m, mm, vpn);
    if (write || (pte & abi.PTE_DIRTY) != 0) gen |= abi.ENTRY_DIRTY;
  }
  const huge = (pte & abi.PTE_HUGE) != 0;
  if (hasDirectory(m)) directoryFill(m, cpu, mm, vpn, huge);
  const frame = <u32>(pte >> abi.PTE_SHIFT);
  tlbFill(m, cpu, vpn, tag, huge, (pte & abi.PTE_W) != 0, frame, gen);
  if (hasLifetimes(m)) bear(m, cpu, lookupAny(m, cpu, vpn, tag));
  accessed<F>(m, cpu, frame);
  return true;
}

/** A store through an entry that is not known to be dirty walks, too. */
// @ts-ignore: decorator
@inline
function maySkipWalk(m: usize, e: Entry, write: bool): bool {
  if (!write) return true;
  return entryWritable(e) && ((e.gen & abi.ENTRY_DIRTY) != 0 || !tracksDirty(m));
}

/** True: the access was committed. False: it faults. */
function access<F>(m: usize, cpu: u32, mm: u32, tag: u32, vpn: u64, write: bool): bool {
  let hit = lookup(m, cpu, vpn, tag);
  if (hit != 0 && maySkipWalk(m, changetype<Entry>(hit), write)) {
    count(m, cpu, abi.CT_TLB_HIT, 1);
    if (hasLifetimes(m)) used(m, cpu, hit);
  } else {
    // A permission mismatch makes the CPU walk again before it faults.
    count(m, cpu, abi.CT_TLB_MISS, 1);
    if (!fill<F>(m, cpu, mm, tag, vpn, write)) return false;
    hit = lookup(m, cpu, vpn, tag);
  }
  checkAccess<F>(m, cpu, mm, changetype<Entry>(hit), vpn, write);
  return true;
}

/** An access to user memory, by user code or by the kernel on its behalf. */
export function cpuAccess<F>(m: usize, cpu: u32, vpn: u64, write: bool): bool {
  const row = cpuAt(m, cpu);
  if (row.loadedMm == abi.LOADED_INIT || row.loadedMm == abi.LOADED_SWITCHING) return false;
  return access<F>(m, cpu, row.loadedMm - 1, halfOf(m, cpu, row.asid), vpn, write);
}

/** KERNEL_ACCESS: the kernel reads a page of its own, which the tables of `mm` map. */
export function kernelAccess<F>(m: usize, cpu: u32, mm: u32, vpn: u64): bool {
  if (mmAt(m, mm).ctxId == 0) return false;
  return access<F>(m, cpu, mm, kernelHalf(m, cpuAt(m, cpu).asid), vpn, false);
}

/**
 * A read from within an NMI, which runs in the kernel half: what is not mapped is not read, and
 * nobody relies on its order.
 */
export function cpuPeek<F>(m: usize, cpu: u32, vpn: u64): void {
  const row = cpuAt(m, cpu);
  const mm: u32 = row.loadedMm - 1;
  let hit = lookup(m, cpu, vpn, row.asid);
  if (hit == 0) {
    if (!fill<F>(m, cpu, mm, row.asid, vpn, false)) return;
    hit = lookup(m, cpu, vpn, row.asid);
  }
  judge<F>(m, cpu, mm, changetype<Entry>(hit), vpn, false);
}

/** A walk for the page `vpn` of the loaded mm. False: nothing usable is mapped there. */
export function cpuFill<F>(m: usize, cpu: u32, vpn: u64, write: bool): bool {
  const row = cpuAt(m, cpu);
  return fill<F>(m, cpu, row.loadedMm - 1, halfOf(m, cpu, row.asid), vpn, write);
}

/** A speculative walk: no access, no charge. True: a translation was cached. */
export function cpuSpeculate<F>(m: usize, cpu: u32, vpn: u64): bool {
  const row = cpuAt(m, cpu);
  if (row.loadedMm == abi.LOADED_INIT || row.loadedMm == abi.LOADED_SWITCHING) return false;
  const tag = halfOf(m, cpu, row.asid);
  if (lookup(m, cpu, vpn, tag) != 0) return false;
  return fill<F>(m, cpu, row.loadedMm - 1, tag, vpn, false);
}
