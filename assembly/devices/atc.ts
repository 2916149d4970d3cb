/**
 * A device's own cache of translations (ATC). It is filled with what the IOMMU answers, so from the
 * IOTLB, and neither CPUs nor the IOMMU drop anything of it: only an explicit message does.
 */
import * as abi from "../../src/core/abi";
import { cacheFill, cacheFind, entryHuge, entryWritable } from "../cache";
import { count, deviceAt, hdr, iotlbAt } from "../machine";
import { checkAccess } from "../oracle";
import { Plain } from "../atomics";
import { Entry } from "../rows";
import { atcAt, DeviceMore, moreAt } from "./rows";

function findIn(m: usize, base: usize, vpn: u64): usize {
  return cacheFind(base, hdr(m, abi.H_IOTLB_SETS), hdr(m, abi.H_IOTLB_WAYS),
    hdr(m, abi.H_INDEX_BITS), vpn, 0);
}

function access(m: usize, dev: u32, vpn: u64, write: bool): bool {
  const actor = hdr(m, abi.H_CPUS) + dev;
  const mm = deviceAt(m, dev).mm;
  const hit = findIn(m, atcAt(m, dev), vpn);
  if (mm == 0 || hit == 0 || (write && !entryWritable(changetype<Entry>(hit)))) {
    count(m, actor, abi.CT_DEV_MISS, 1);
    return false;
  }
  count(m, actor, abi.CT_DEV_HIT, 1);
  checkAccess<Plain>(m, actor, mm - 1, changetype<Entry>(hit), vpn, write);
  return true;
}

/** The IOMMU's answer, if its own cache has one that is good enough. */
function fill(m: usize, dev: u32, vpn: u64, write: bool): bool {
  const hit = findIn(m, iotlbAt(m, dev), vpn);
  if (deviceAt(m, dev).mm == 0 || hit == 0) return false;
  const e = changetype<Entry>(hit);
  if (write && !entryWritable(e)) return false;
  const clock = changetype<usize>(moreAt(m, dev)) + offsetof<DeviceMore>("atcClock");
  cacheFill(atcAt(m, dev), hdr(m, abi.H_IOTLB_SETS), hdr(m, abi.H_IOTLB_WAYS),
    hdr(m, abi.H_INDEX_BITS), clock, vpn, 0, entryHuge(e), entryWritable(e), e.frame, e.gen);
  return true;
}

/** ATC: ATC_* of page `vpn`. */
export function atc(m: usize, dev: u32, vpn: u64, how: u32): bool {
  const write = (how & 1) != 0;
  return how >= <u32>abi.ATC_FILL_READ ? fill(m, dev, vpn, write) : access(m, dev, vpn, write);
}

/** DEV_LACKS: whoever is asked first says that the page may not be written. */
export function lacks(m: usize, dev: u32, vpn: u64): bool {
  const own = findIn(m, atcAt(m, dev), vpn);
  const hit = own != 0 ? own : findIn(m, iotlbAt(m, dev), vpn);
  return hit != 0 && !entryWritable(changetype<Entry>(hit));
}
