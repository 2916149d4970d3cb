/**
 * What a secondary notification makes a device drop: how its driver reads the range, how coarse its
 * commands are, which caches they reach, and what they cost (notifiers.md 4.2, 4.3, 4.5).
 *
 *   FLUSH_RANGE        what overlaps the range (ocxl, page by page; SMMU)
 *   FLUSH_PAGE_OR_ALL  start ^ (end - 1) below one page: that page; else everything (IOMMUv2)
 *   FLUSH_BLOCKS       blocks of 2^n pages, n for the whole length, at multiples of that (Intel)
 *
 * The gather's "everything", start = end = all-ones, is an empty range to all of them, unless
 * FLUSH_EMPTY_ALL. Only to IOMMUv2 it is a page: the last one. Everything as [0, all-ones) is that
 * to all.
 */
import * as abi from "../../src/core/abi";
import { cacheDropAll, cacheDropRange } from "../cache";
import { chargeNs } from "../charge";
import { ALL } from "../flush";
import { logEvent } from "../log";
import { cost, count, deviceAt, hdr, iotlbAt, pwcAt } from "../machine";
import { Cpu } from "../rows";
import { atcAt, hasMore, moreAt } from "./rows";

/** Pages of an address space. */
const PAGES_MOST: u64 = 1 << 52;

/** The power of two from `pages` up; 1 for none. */
function blockOf(pages: u64): u64 {
  return pages <= 1 ? 1 : (<u64>1) << (64 - clz<u64>(pages - 1));
}

function isAll(how: u32, start: u64, end: u64): bool {
  const kind = how & abi.FLUSH_HOW;
  if (kind == abi.FLUSH_ALL) return true;
  if (start >= end) {
    // IOMMUv2: the bytes before and behind a page boundary differ in more than a page's bits.
    if (kind == abi.FLUSH_PAGE_OR_ALL && start != ALL) return true;
    return (how & abi.FLUSH_EMPTY_ALL) != 0;
  }
  if (kind == abi.FLUSH_PAGE_OR_ALL) return end - start > 1;
  if (kind == abi.FLUSH_BLOCKS && end - start > PAGES_MOST) return true;
  return (how & abi.FLUSH_LARGE_ALL) != 0 && end - start >= <u64>abi.FLUSH_LARGE;
}

/** First page of what is dropped. */
function firstOf(how: u32, start: u64, end: u64): u64 {
  if (isAll(how, start, end)) return 0;
  if ((how & abi.FLUSH_HOW) != abi.FLUSH_BLOCKS || start >= end) return start;
  return start - start % blockOf(end - start);
}

/** Page behind it; ALL after 0: everything. Not above the first one: nothing. */
function endOf(how: u32, start: u64, end: u64): u64 {
  if (isAll(how, start, end)) return ALL;
  if ((how & abi.FLUSH_HOW) != abi.FLUSH_BLOCKS || start >= end) return end;
  const over = end % blockOf(end - start);
  return over == 0 ? end : end + (blockOf(end - start) - over);
}

function dropCached(m: usize, base: usize, from: u64, to: u64): void {
  const sets = hdr(m, abi.H_IOTLB_SETS);
  const ways = hdr(m, abi.H_IOTLB_WAYS);
  if (from == 0 && to == ALL) cacheDropAll(base, sets * ways);
  else cacheDropRange(base, sets, ways, hdr(m, abi.H_INDEX_BITS), from, to);
}

/** ns of the commands for [from, to); nothing is sent for an empty range. */
function priceOf(m: usize, how: u32, from: u64, to: u64): u64 {
  if (from >= to) return 0;
  const atc: u64 = (how & abi.FLUSH_ATC) != 0 ? cost(m, abi.COST_ATC_INVALIDATE) : 0;
  switch ((how >> abi.PRICE_SHIFT) & 3) {
    case abi.PRICE_IOMMU:
      return atc + cost(m, abi.COST_IOMMU_COMMAND) + cost(m, abi.COST_IOMMU_SYNC);
    case abi.PRICE_GPU: return atc + cost(m, abi.COST_GPU_INVALIDATE);
    case abi.PRICE_MMIO: return atc + (to - from) * cost(m, abi.COST_MMIO_PAGE);
    default: return atc + cost(m, abi.COST_DEV_ZAP);
  }
}

/** Longest time of one step, ns: a register for every page of [0, all-ones) ends here. */
const NS_MOST: u64 = 1000000000;

/**
 * What a flush command of `pages` (all-ones: everything) costs `actor`, who sends it and waits `ns`
 * for it, and what is counted and logged of it. `commands` 0: nothing had to be dropped.
 */
export function commanded(
  m: usize, actor: u32, dev: u32, pages: u64, ns: u32, commands: u32,
): void {
  const own = hdr(m, abi.H_CPUS) + dev;
  chargeNs(m, actor, ns);
  count(m, own, abi.CT_DEV_ZAP, commands);
  count(m, own, abi.CT_DEV_NS, ns);
  logEvent(m, actor, abi.EV_DEV_FLUSH, dev + 1, pages, ns);
}

/** DEV_FLUSH: the hook of a notification of [start, end), which `actor` runs. */
export function devFlush(m: usize, actor: u32, dev: u32, how: u32, start: u64, end: u64): void {
  const own = hdr(m, abi.H_CPUS) + dev;
  const from = firstOf(how, start, end);
  const to = endOf(how, start, end);
  if (from < to) {
    if ((how & abi.FLUSH_NOT_IOTLB) == 0) dropCached(m, iotlbAt(m, dev), from, to);
    if ((how & abi.FLUSH_ATC) != 0) dropCached(m, atcAt(m, dev), from, to);
    if ((how & (abi.FLUSH_NOT_WALKS | abi.FLUSH_NOT_IOTLB)) == 0) {
      cacheDropAll(pwcAt(m, own), hdr(m, abi.H_PWC_ENTRIES));
    }
  }
  const ns = <u32>min<u64>(priceOf(m, how, from, to), NS_MOST);
  const pages = to == ALL ? ALL : to - from;
  commanded(m, actor, dev, from < to ? pages : 0, ns, 1);
}

/**
 * A CPU has flushed its own TLB for a request, or waited for its broadcast: by now IOTLBs that hear
 * such requests have dropped what it names. A device's own cache hears nothing.
 */
export function snooped(m: usize, info: Cpu): void {
  if (!hasMore(m) || info.infoMm == 0 || info.infoMm == abi.INFO_KERNEL_MM) return;
  const cpus = hdr(m, abi.H_CPUS);
  for (let dev: u32 = 0; dev < hdr(m, abi.H_DEVICES); dev++) {
    const mm = deviceAt(m, dev).mm;
    if ((moreAt(m, dev).traits & abi.MORE_SNOOPS) == 0 || mm == 0) continue;
    if (info.infoMm != abi.INFO_ANY_MM && info.infoMm != mm) continue;
    dropCached(m, iotlbAt(m, dev), info.infoStart, info.infoEnd);
    cacheDropAll(pwcAt(m, cpus + dev), hdr(m, abi.H_PWC_ENTRIES));
  }
}
