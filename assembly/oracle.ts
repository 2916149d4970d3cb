/**
 * The oracle: notices a hazard at the micro-op that commits it, in every driver.
 *
 *   UAF     the cached frame's generation is not the frame's: it was freed since (notifiers.md 0.5)
 *   PT_UAF  a walk entered a freed page-table page through a paging-structure entry
 *   STALE   the page table no longer grants the access and the operation that took it away has
 *           returned to its caller (while it runs, a stale use is tolerated: shootdown.md 4.3 O1)
 *   LOSTW   the same for a write to a frame that somebody else shares by now, so they see it; or
 *           that leaves no dirty bit in an entry which somebody has cleaned and returned
 *   ORDER   an observer saw a newer write elsewhere and now reads a value that is older than what
 *           was current then. Writes are ordered in real time.
 *
 * Watched pages (H_WATCH of them) carry a version in their frame; rows per watched page:
 *   ver u8, at u8[K] versions of all pages when it was last written; per observer: floor u8[K].
 */
import * as abi from "../src/core/abi";
import { asidOf, hasAsids } from "./asid";
import { get16, isShared, Plain, put32 } from "./atomics";
import { condemn, entryAsid, entryCondemned, entryVpn, entryWritable } from "./cache";
import {
  asidSlot, cpuAt, ctxAt, deviceAt, frameAt, hdr, iotlbAt, mmAt, tlbAt,
} from "./machine";
import { isSpared } from "./deferral";
import { atcAt, gpcAt, hasMore, moreAt } from "./devices/rows";
import { globalOf } from "./global-asid";
import { Ctx, Entry, Frame } from "./rows";
import { hazard } from "./hazard";
import { isParked } from "./latr";
import { vmaAny, vmaFind } from "./vma";
import { frameGen, frameRefs, frameValue, softWalk } from "./walk";

/**
 * Does an operation that has not returned yet cover this page?
 *
 * Shared form: the one that matters cannot return during this step, because it waits for this
 * CPU's acknowledgement, and it published its range before it changed the entry that the caller
 * has just read (OP_MARK writes `op` last, OP_UNMARK clears it first). A half-written mark of any
 * other operation reads as op 0, or covers pages that have nothing to do with the access.
 */
function inFlight<F>(m: usize, mm: u32, vpn: u64): bool {
  const n = hdr(m, abi.H_CONTEXTS);
  for (let i: u32 = 0; i < n; i++) {
    const ctx = ctxAt(m, i);
    if (get16<F>(changetype<usize>(ctx) + offsetof<Ctx>("op")) == 0) continue;
    if (<u32>ctx.mm == mm + 1 && ctx.opStart <= vpn && vpn < ctx.opEnd) return true;
  }
  return false;
}

// @ts-ignore: decorator
@inline
function watchRow(m: usize, k: u32): usize {
  return m + hdr(m, abi.H_OFF_WATCH) + k * (1 + hdr(m, abi.H_WATCH));
}

// @ts-ignore: decorator
@inline
function floorRow(m: usize, actor: u32): usize {
  const n = hdr(m, abi.H_WATCH);
  return m + hdr(m, abi.H_OFF_WATCH) + n * (1 + n) + actor * n;
}

/** Index of the watched page, or -1. */
function watchIndex(m: usize, mm: u32, vpn: u64): i32 {
  const n = hdr(m, abi.H_WATCH);
  const base = m + hdr(m, abi.H_OFF_WATCH_VPN);
  for (let k: u32 = 0; k < n; k++) {
    if (load<u64>(base + (k << 4)) == vpn && load<u64>(base + (k << 4), 8) == <u64>mm) {
      return <i32>k;
    }
  }
  return -1;
}

function observe<F>(m: usize, actor: u32, k: u32, pfn: u32, write: bool, vpn: u64): void {
  const n = hdr(m, abi.H_WATCH);
  const row = watchRow(m, k);
  const frame = frameAt(m, pfn);
  const floor = floorRow(m, actor);
  if (write) {
    const version = load<u8>(row) + 1;
    store<u8>(row, version);
    frame.value = version;
    for (let j: u32 = 0; j < n; j++) store<u8>(row + 1 + j, load<u8>(watchRow(m, j)));
    store<u8>(floor + k, version);
    return;
  }
  const seen = <u8>frame.value;
  if (seen < load<u8>(floor + k)) {
    hazard<F>(m, actor, abi.HZ_ORDER, vpn, pfn);
    return;
  }
  store<u8>(floor + k, seen);
  if (seen != load<u8>(row)) return; // an older version: what was current then is not kept
  for (let j: u32 = 0; j < n; j++) {
    const then = load<u8>(row + 1 + j);
    if (then > load<u8>(floor + j)) store<u8>(floor + j, then);
  }
}

/** Marks what [start, end) of one cache still translates against the page table. */
function condemnCache(m: usize, base: usize, entries: u32, mm: u32, slot: u32, ctx: Ctx): void {
  for (let i: u32 = 0; i < entries; i++) {
    const e = changetype<Entry>(base + <usize>i * offsetof<Entry>());
    if (e.tag == 0 || (entryAsid(e) & ~abi.ASID_USER) != slot) continue;
    const vpn = entryVpn(e);
    if (vpn < ctx.opStart || vpn >= ctx.opEnd) continue;
    const pte = softWalk<Plain>(m, mm, vpn);
    const same = (pte & abi.PTE_P) != 0 && <u32>(pte >> abi.PTE_SHIFT) == e.frame;
    const missesDirty = (e.gen & abi.ENTRY_DIRTY) != 0 && (pte & abi.PTE_DIRTY) == 0;
    if (!same || missesDirty || (entryWritable(e) && (pte & abi.PTE_W) == 0)) condemn(e);
  }
}

/**
 * The operation of `ctx` returns to its caller, who may rely on its range being settled. A
 * translation that is stale now is condemned: its use is STALE even if another operation on the
 * same page is still under way (notifiers.md S03'). Only explored machines: a scan of all caches.
 */
export function condemnStale(m: usize, ctx: Ctx): void {
  if (hdr(m, abi.H_OFF_HEAP) != 0 || ctx.mm == 0) return;
  const mm: u32 = ctx.mm - 1;
  const id = hasAsids(m) ? asidOf<Plain>(m, mm) : mmAt(m, mm).ctxId;
  const entries = hdr(m, abi.H_TLB_SETS) * hdr(m, abi.H_TLB_WAYS);
  const global = globalOf<Plain>(m, mm);
  for (let c: u32 = 0; c < hdr(m, abi.H_CPUS); c++) {
    if (global != 0) condemnCache(m, tlbAt(m, c), entries, mm, global, ctx);
    for (let slot: u32 = 0; slot < hdr(m, abi.H_ASIDS); slot++) {
      if (id != 0 && load<u32>(asidSlot(cpuAt(m, c), slot)) == id) {
        condemnCache(m, tlbAt(m, c), entries, mm, slot, ctx);
      }
    }
  }
  const lines = hdr(m, abi.H_IOTLB_SETS) * hdr(m, abi.H_IOTLB_WAYS);
  for (let d: u32 = 0; d < hdr(m, abi.H_DEVICES); d++) {
    if (deviceAt(m, d).mm != mm + 1) continue;
    condemnCache(m, iotlbAt(m, d), lines, mm, 0, ctx);
    if (!hasMore(m)) continue;
    condemnCache(m, atcAt(m, d), lines, mm, 0, ctx);
    condemnCache(m, changetype<usize>(gpcAt(moreAt(m, d))), 1, mm, 0, ctx);
  }
}

/**
 * Is the page part of an unmapping that is put off, and has the address not been given out again?
 * If its frame is parked, a stale access does no harm: that is the policy's contract. A frame that
 * has moved is somebody's, and not parked.
 */
function withheld<F>(m: usize, mm: u32, vpn: u64, pte: u64, pfn: u32, write: bool): bool {
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_LATR) == 0) return false;
  // Where the mapping stays (reclaim), its protection must still allow it. A thread of the shared
  // form may not look at VMAs without their lock.
  if (write && !isShared<F>() && vmaAny(m, mm, vpn, vpn + 1) &&
      (vmaFind(m, mm, vpn) & abi.PROT_WRITE) == 0) {
    return false;
  }
  return (pte & abi.PTE_P) == 0 && isParked(m, mm, vpn, pfn);
}

/** By the policy's contract a stale access is harmless: parked, or not flushed for yet. */
function isTolerated<F>(m: usize, mm: u32, vpn: u64, pte: u64, pfn: u32, write: bool): bool {
  return withheld<F>(m, mm, vpn, pte, pfn, write) || isSpared<F>(m, mm, vpn, pfn, pte, write);
}

/** May `e` still be used for (mm, vpn)? If not, that is a hazard. */
export function judge<F>(
  m: usize, actor: u32, mm: u32, e: Entry, vpn: u64, write: bool,
): bool {
  const pfn = e.frame;
  if ((e.gen & ~(<u32>abi.ENTRY_SOFT)) != frameGen<F>(m, pfn)) {
    hazard<F>(m, actor, abi.HZ_UAF, vpn, pfn);
    return false;
  }
  const pte = softWalk<F>(m, mm, vpn);
  const same = (pte & abi.PTE_P) != 0 && <u32>(pte >> abi.PTE_SHIFT) == pfn;
  if (!same || (write && (pte & abi.PTE_W) == 0)) {
    // Its content is written out already, and nobody will do so again.
    if (write && (frameValue<F>(m, pfn) & abi.FRAME_COLLECTED) != 0) {
      hazard<F>(m, actor, abi.HZ_LOSTW, vpn, pfn);
      return false;
    }
    if ((entryCondemned(e) || !inFlight<F>(m, mm, vpn)) &&
        !isTolerated<F>(m, mm, vpn, pte, pfn, write)) {
      const leaks = same && pfn != 0 && frameRefs<F>(m, pfn) > 1;
      hazard<F>(m, actor, leaks ? abi.HZ_LOSTW : abi.HZ_STALE, vpn, pfn);
      return false;
    }
  } else if (write) {
    return judgeStore<F>(m, actor, mm, e, vpn, pte);
  }
  return true;
}

/** A store that the page table grants. The page will be written out again, if anybody can tell. */
function judgeStore<F>(m: usize, actor: u32, mm: u32, e: Entry, vpn: u64, pte: u64): bool {
  const pfn = e.frame;
  if ((e.gen & abi.ENTRY_DIRTY) != 0 && (pte & abi.PTE_DIRTY) == 0 &&
      (entryCondemned(e) || !inFlight<F>(m, mm, vpn))) {
    hazard<F>(m, actor, abi.HZ_LOSTW, vpn, pfn);
    return false;
  }
  const value = frameValue<F>(m, pfn);
  if ((value & abi.FRAME_COLLECTED) != 0) {
    const frame: Frame = frameAt(m, pfn);
    put32<F>(changetype<usize>(frame) + offsetof<Frame>("value"), value & ~abi.FRAME_COLLECTED);
  }
  return true;
}

/** The kernel writes page `vpn` of `mm` through a mapping of its own: a file's page, in `pfn`. */
export function kernelWrite<F>(m: usize, actor: u32, mm: u32, vpn: u64, pfn: u32): void {
  if (hdr(m, abi.H_WATCH) == 0 || pfn == 0) return;
  const k = watchIndex(m, mm, vpn);
  if (k >= 0) observe<F>(m, actor, <u32>k, pfn, true, vpn);
}

/** An actor uses the cached translation `e` of (mm, vpn). False: that is a hazard. */
export function checkAccess<F>(
  m: usize, actor: u32, mm: u32, e: Entry, vpn: u64, write: bool,
): bool {
  if (!judge<F>(m, actor, mm, e, vpn, write)) return false;
  if (write && !entryWritable(e)) unreachable();
  if (hdr(m, abi.H_WATCH) != 0) {
    const k = watchIndex(m, mm, vpn);
    if (k >= 0) observe<F>(m, actor, <u32>k, e.frame, write, vpn);
  }
  return true;
}
