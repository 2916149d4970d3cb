/**
 * Devices behind a secondary MMU: their cached translations, and the two-sided protocol of
 * mirroring ones (sequence, in-progress count and union range: notifiers.md 4.1).
 *
 * A sharing device walks the mm's own page table and caches what it finds; a mirroring one fills
 * its table from what software resolved. Both keep entries in the same cache rows; ASID slot 0.
 * Device rows are plain: worker threads drive machines without devices only.
 * A sharing device that counts brackets has an empty table for its root while one is open.
 * Invariant `NoShadowInsideBracket`: a mirroring device holds no entry inside its union range while
 * inProgress > 0 (its programs check the retry condition under the device lock).
 */
import * as abi from "../src/core/abi";
import { Plain } from "./atomics";
import { cacheDropAll, cacheDropRange, cacheFill, cacheFind, entryWritable } from "./cache";
import { charge } from "./charge";
import { commanded } from "./devices/flush";
import { forgetMore } from "./devices/forget";
import { atcAt, hasMore } from "./devices/rows";
import { ALL } from "./flush";
import { cost, count, deviceAt, frameAt, hdr, iotlbAt, mmAt, pwcAt } from "./machine";
import { checkAccess } from "./oracle";
import { Ctx, Device, Entry } from "./rows";
import { hardWalk, softWalk } from "./walk";

/** DEV_ACCESS: through a cached entry. True: the access was committed. */
export function devAccess(m: usize, dev: u32, vpn: u64, write: bool): bool {
  const actor = hdr(m, abi.H_CPUS) + dev;
  const hit = cacheFind(iotlbAt(m, dev), hdr(m, abi.H_IOTLB_SETS), hdr(m, abi.H_IOTLB_WAYS),
    hdr(m, abi.H_INDEX_BITS), vpn, 0);
  const mm = deviceAt(m, dev).mm;
  if (mm == 0 || hit == 0 || (write && !entryWritable(changetype<Entry>(hit)))) {
    count(m, actor, abi.CT_DEV_MISS, 1);
    return false;
  }
  count(m, actor, abi.CT_DEV_HIT, 1);
  checkAccess<Plain>(m, actor, mm - 1, changetype<Entry>(hit), vpn, write);
  return true;
}

function fill(m: usize, dev: u32, vpn: u64, pte: u64, gen: u32): void {
  cacheFill(iotlbAt(m, dev), hdr(m, abi.H_IOTLB_SETS), hdr(m, abi.H_IOTLB_WAYS),
    hdr(m, abi.H_INDEX_BITS), changetype<usize>(deviceAt(m, dev)) + offsetof<Device>("tlbClock"),
    vpn, 0, (pte & abi.PTE_HUGE) != 0, (pte & abi.PTE_W) != 0, <u32>(pte >> abi.PTE_SHIFT), gen);
}

/** DEV_WALK: a sharing device's own page walk. True: filled, and good enough for the access. */
export function devWalk<F>(m: usize, dev: u32, vpn: u64, write: bool): bool {
  const row = deviceAt(m, dev);
  const actor = hdr(m, abi.H_CPUS) + dev;
  if (row.mm == 0 || mmAt(m, row.mm - 1).root == 0 || row.inProgress != 0) return false;
  const clock = changetype<usize>(row) + offsetof<Device>("pwcClock");
  const pte = hardWalk<F>(m, actor, clock, row.mm - 1, 0, vpn);
  charge(m, actor, abi.COST_WALK, 1);
  if (pte == 0 || (write && (pte & abi.PTE_W) == 0)) return false;
  fill(m, dev, vpn, pte, frameAt(m, <u32>(pte >> abi.PTE_SHIFT)).gen);
  return true;
}

/** How many pages DEV_ZAP drops; all-ones: everything. 0: none, of an empty range. */
function zapped(mode: u32, start: u64, end: u64): u64 {
  if (mode == abi.ZAP_ALL) return ALL;
  if (start >= end) return 0;
  return end == ALL ? ALL : end - start;
}

/** DEV_ZAP: `actor` has dropped what the notified range [start, end) asks for. */
export function devZap(
  m: usize, actor: u32, dev: u32, mode: u32, start: u64, end: u64,
): void {
  const sets = hdr(m, abi.H_IOTLB_SETS);
  const ways = hdr(m, abi.H_IOTLB_WAYS);
  const base = iotlbAt(m, dev);
  const pages = zapped(mode, start, end);
  if (mode == abi.ZAP_ALL) {
    cacheDropAll(base, sets * ways);
    if (hasMore(m)) cacheDropAll(atcAt(m, dev), sets * ways);
  } else if (pages != 0) {
    cacheDropRange(base, sets, ways, hdr(m, abi.H_INDEX_BITS), start, end);
  }
  if (pages != 0) {
    cacheDropAll(pwcAt(m, hdr(m, abi.H_CPUS) + dev), hdr(m, abi.H_PWC_ENTRIES));
  }
  commanded(m, actor, dev, pages, cost(m, abi.COST_DEV_ZAP), pages != 0 ? 1 : 0);
}

/** MM_RELEASE: the device forgets the mm, also what its fault handler has resolved meanwhile. */
export function devRelease(m: usize, dev: u32): void {
  const row = deviceAt(m, dev);
  row.next = 0;
  if (hasMore(m) && !forgetMore(m, dev)) return;
  row.mm = 0;
  row.seq++;
  cacheDropAll(iotlbAt(m, dev), hdr(m, abi.H_IOTLB_SETS) * hdr(m, abi.H_IOTLB_WAYS));
  cacheDropAll(pwcAt(m, hdr(m, abi.H_CPUS) + dev), hdr(m, abi.H_PWC_ENTRIES));
}

/** DEV_COUNT up: one more bracket in progress; the union range grows until none is left. */
export function devBegin(row: Device, start: u64, end: u64): void {
  if (row.inProgress++ == 0) {
    row.rangeStart = start;
    row.rangeEnd = end;
    return;
  }
  if (start < row.rangeStart) row.rangeStart = start;
  if (end > row.rangeEnd) row.rangeEnd = end;
}

/** DEV_COUNT down. False: there was no bracket in progress. */
export function devFinish(row: Device): bool {
  if (row.inProgress == 0) return false;
  if (--row.inProgress == 0) {
    row.rangeStart = 0;
    row.rangeEnd = 0;
  }
  return true;
}

/** DEV_RESOLVE: what the mm maps at `vpn` now, with its generation; not yet installed. */
export function devResolve(m: usize, ctx: Ctx, dev: u32, vpn: u64, write: bool): bool {
  const row = deviceAt(m, dev);
  charge(m, hdr(m, abi.H_CPUS) + dev, abi.COST_WALK, 1);
  const pte = row.mm == 0 ? 0 : softWalk<Plain>(m, row.mm - 1, vpn);
  ctx.pte = 0;
  ctx.frameGen = 0;
  if (pte == 0 || (write && (pte & abi.PTE_W) == 0)) return false;
  ctx.pte = pte;
  ctx.frameGen = frameAt(m, <u32>(pte >> abi.PTE_SHIFT)).gen;
  return true;
}

/** DEV_RETRY: the device lock must be held for the answer to mean anything. */
export function devRetry(row: Device, ctx: Ctx, vpn: u64): bool {
  if (row.inProgress != 0 && row.rangeStart <= vpn && vpn < row.rangeEnd) return true;
  return row.seq != ctx.seq;
}

/** DEV_INSTALL: from ctx.pte and ctx.frameGen. */
export function devInstall(m: usize, ctx: Ctx, dev: u32, vpn: u64): void {
  fill(m, dev, vpn, ctx.pte, ctx.frameGen);
  ctx.pte = 0;
  ctx.frameGen = 0;
}
