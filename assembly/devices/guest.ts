/**
 * What a KVM-like consumer has beside its shadow table (notifiers.md 4.1): one memslot, the count
 * of active brackets that freezes it, and a pfn cache, which is a translation outside of the shadow
 * table that brackets must reach as well.
 *
 * The pfn cache has a lock of its own in KVM, held for moments only: to drop it, to use it, and to
 * find it still good and make it valid are one micro-op each here.
 */
import * as abi from "../../src/core/abi";
import { Plain } from "../atomics";
import { cacheDropAll, entryVpn, entryWritable } from "../cache";
import { devRetry } from "../device";
import { count, deviceAt, hdr, iotlbAt } from "../machine";
import { checkAccess } from "../oracle";
import { setReg } from "../exec-control";
import { Ctx, Device } from "../rows";
import { blocked, wakeWaiters } from "../wake";
import { dropPfnCache } from "./forget";
import { retry } from "./requests";
import { DeviceMore, gpcAt, moreAt } from "./rows";

const NO_PROGRAM: i32 = abi.ST_BAD_PROGRAM;

/** DEV_HITS for the notified range. */
export function slotHit(more: DeviceMore, start: u64, end: u64): bool {
  return more.slotEnd == 0 || (start < more.slotEnd && more.slotStart < end);
}

/** DEV_HITS, HITS_GUEST: where guest page `gfn` is in the mm. */
export function slotFind(ctx: Ctx, more: DeviceMore, gfn: u64, b: u32): bool {
  if (more.slotEnd == 0) {
    setReg(ctx, b, gfn);
    return true;
  }
  const offset = gfn - more.slotBase;
  const isIn = gfn >= more.slotBase && offset < more.slotEnd - more.slotStart;
  setReg(ctx, b, isIn ? more.slotStart + offset : 0);
  return isIn;
}

function keyOf(m: usize, more: DeviceMore, what: u32): u32 {
  const field = what == abi.NOTE_FENCE ? offsetof<DeviceMore>("fences")
    : offsetof<DeviceMore>("active");
  return <u32>(changetype<usize>(more) + field - m);
}

/** DEV_NOTE */
export function note<F>(m: usize, actor: u32, dev: u32, what: u32, vpn: u64): i32 {
  const more = moreAt(m, dev);
  switch (what) {
    case abi.NOTE_DONE: more.retries = 0; return abi.ST_OK;
    case abi.NOTE_MARK: more.mark = vpn + 1; return abi.ST_OK;
    case abi.NOTE_ACTIVE: more.active++; return abi.ST_OK;
    case abi.NOTE_FENCE: more.fences++; return abi.ST_OK;
    case abi.NOTE_INACTIVE: {
      if (more.active == 0) return NO_PROGRAM;
      more.active--;
      wakeWaiters<F>(m, actor, keyOf(m, more, abi.NOTE_ACTIVE));
      return abi.ST_OK;
    }
    case abi.NOTE_FENCED: {
      if (more.fences == 0) return NO_PROGRAM;
      more.fences--;
      wakeWaiters<F>(m, actor, keyOf(m, more, abi.NOTE_FENCE));
      return abi.ST_OK;
    }
    default: return NO_PROGRAM;
  }
}

/** DEV_AWAIT */
export function awaitNone(m: usize, actor: u32, dev: u32, what: u32): i32 {
  const more = moreAt(m, dev);
  const left = what == abi.NOTE_FENCE ? more.fences : more.active;
  return left == 0 ? abi.ST_OK : blocked(m, actor, keyOf(m, more, what));
}

/** DEV_TEST: what devRetry asks, one half at a time. */
export function test(row: Device, ctx: Ctx, vpn: u64, what: u32): bool {
  if (what == abi.TEST_SEQ) return row.seq != ctx.seq;
  return row.inProgress != 0 && row.rangeStart <= vpn && vpn < row.rangeEnd;
}

/** GPC_DROP: also hits who is about to validate it. */
export function gpcDrop(more: DeviceMore, start: u64, end: u64): void {
  const vpn = entryVpn(gpcAt(more));
  if (more.gpcTag != 0 && start <= vpn && vpn < end) dropPfnCache(more);
  if (more.mark != 0 && start < more.mark && more.mark <= end) more.mark = 0;
}

/** GPC_ACCESS. True: it was valid, and good enough. */
export function gpcAccess(m: usize, dev: u32, vpn: u64, write: bool): bool {
  const actor = hdr(m, abi.H_CPUS) + dev;
  const mm = deviceAt(m, dev).mm;
  const e = gpcAt(moreAt(m, dev));
  const isGood = e.tag != 0 && entryVpn(e) == vpn && (!write || entryWritable(e));
  if (mm == 0 || !isGood) {
    count(m, actor, abi.CT_DEV_MISS, 1);
    return false;
  }
  count(m, actor, abi.CT_DEV_HIT, 1);
  checkAccess<Plain>(m, actor, mm - 1, e, vpn, write);
  return true;
}

function isRefused(row: Device, more: DeviceMore, ctx: Ctx, vpn: u64, key: u32): bool {
  if (key == abi.COMMIT_MARKED) return more.mark != vpn + 1;
  if (key == abi.COMMIT_ACTIVE) return more.active != 0 || row.seq != ctx.seq;
  return devRetry(row, ctx, vpn);
}

/** GPC_COMMIT: from ctx.pte and ctx.frameGen, which are used up. */
export function gpcCommit<F>(
  m: usize, ctx: Ctx, dev: u32, vpn: u64, key: u32, limit: u32,
): void {
  const more = moreAt(m, dev);
  const row = deviceAt(m, dev);
  // Who was released meanwhile has moved its sequence, and lost its mark.
  const isGone = row.mm == 0;
  const refused = isGone || isRefused(row, more, ctx, vpn, key);
  if (!refused) {
    const e = gpcAt(more);
    e.tag = (vpn << 12) | ((ctx.pte & abi.PTE_W) != 0 ? 3 : 1);
    e.frame = <u32>(ctx.pte >> abi.PTE_SHIFT);
    e.gen = ctx.frameGen;
    more.mark = 0;
  }
  ctx.flag = refused ? 0 : 1;
  ctx.pte = 0;
  ctx.frameGen = 0;
  if (!refused) return;
  count(m, hdr(m, abi.H_CPUS) + dev, abi.CT_RETRY, 1);
  retry<F>(m, dev, vpn, limit);
}

/** SLOT_SET: the old slot's shadow entries go, and who resolved a page through it tries again. */
export function slotSet(
  m: usize, actor: u32, dev: u32, start: u64, end: u64, base: u64, frozen: bool,
): i32 {
  const more = moreAt(m, dev);
  if (start >= end) return NO_PROGRAM;
  if (frozen && more.active != 0) return blocked(m, actor, keyOf(m, more, abi.NOTE_ACTIVE));
  more.slotStart = start;
  more.slotEnd = end;
  more.slotBase = base;
  deviceAt(m, dev).seq++;
  cacheDropAll(iotlbAt(m, dev), hdr(m, abi.H_IOTLB_SETS) * hdr(m, abi.H_IOTLB_WAYS));
  dropPfnCache(more);
  more.mark = 0;
  return abi.ST_OK;
}
