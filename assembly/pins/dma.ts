/**
 * What devices do with pinned pages, and its oracle. A mediated device writes to the frames that
 * its driver has got for it; one in a domain translates, and caches what it finds. Nobody faults:
 * DMA goes where the translation says.
 *
 *   UAF       the frame was freed since it was given out, or translated to
 *   UNPINNED  the frame is not freed yet, but nobody holds it pinned for this page any more:
 *             neither a node in a mapping's tree, nor the mapping itself
 */
import * as abi from "../../src/core/abi";
import { cacheFill, cacheFind } from "../cache";
import { charge } from "../charge";
import { hazard } from "../hazard";
import { count, deviceAt, frameAt, hdr, iotlbAt } from "../machine";
import { Device, Entry } from "../rows";
import { covering } from "./mappings";
import { ledgerAt, pageAt, pagesOf } from "./rows";

function judgeDma<F>(m: usize, actor: u32, page: u64, pfn: u32, gen: u32): void {
  if (frameAt(m, pfn).gen != gen) {
    hazard<F>(m, actor, abi.HZ_UAF, page, pfn);
    return;
  }
  const row = pageAt(m, <u32>page);
  const isHeld = row.held == pfn + 1 || row.pin == pfn + 1;
  if (!isHeld || covering(m, page) == null) hazard<F>(m, actor, abi.HZ_UNPINNED, page, pfn);
}

/** OP_DMA_ACCESS. False: the device has nothing for this page. */
export function dmaAccess<F>(m: usize, dev: u32, page: u64, how: u32): bool {
  const actor = hdr(m, abi.H_CPUS) + dev;
  let pfn: u32 = 0;
  let gen: u32 = 0;
  if (page < <u64>pagesOf(m)) {
    if ((how & abi.DMA_TRANSLATED) != 0) {
      const hit = cacheFind(iotlbAt(m, dev), hdr(m, abi.H_IOTLB_SETS), hdr(m, abi.H_IOTLB_WAYS),
        hdr(m, abi.H_INDEX_BITS), page, 0);
      if (hit != 0) {
        pfn = changetype<Entry>(hit).frame + 1;
        gen = changetype<Entry>(hit).gen;
      }
    } else {
      const own = ledgerAt(m, dev, <u32>page);
      pfn = own.frame;
      gen = own.gen;
    }
  }
  count(m, actor, pfn != 0 ? abi.CT_DEV_HIT : abi.CT_DEV_MISS, 1);
  if (pfn == 0) return false;
  judgeDma<F>(m, actor, page, pfn - 1, gen);
  return true;
}

/** OP_DMA_WALK: the IOMMU's tables. True: a translation was cached. */
export function dmaWalk(m: usize, dev: u32, page: u64): bool {
  charge(m, hdr(m, abi.H_CPUS) + dev, abi.COST_WALK, 1);
  if (page >= <u64>pagesOf(m)) return false;
  const row = pageAt(m, <u32>page);
  if (row.to == 0) return false;
  const clock = changetype<usize>(deviceAt(m, dev)) + offsetof<Device>("tlbClock");
  cacheFill(iotlbAt(m, dev), hdr(m, abi.H_IOTLB_SETS), hdr(m, abi.H_IOTLB_WAYS),
    hdr(m, abi.H_INDEX_BITS), clock, page, 0, false, true, row.to - 1, row.toGen);
  return true;
}
