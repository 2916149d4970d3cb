/** What a device drops when it is told that its mm is torn down. */
import { cacheDropAll } from "../cache";
import { hdr } from "../machine";
import * as abi from "../../src/core/abi";
import { atcAt, DeviceMore, moreAt } from "./rows";

export function dropPfnCache(more: DeviceMore): void {
  more.gpcTag = 0;
  more.gpcFrame = 0;
  more.gpcGen = 0;
}

/** False: it has no release of its own, so it keeps its root and what it has cached. */
export function forgetMore(m: usize, dev: u32): bool {
  const more = moreAt(m, dev);
  if ((more.traits & abi.MORE_KEEPS) != 0) return false;
  cacheDropAll(atcAt(m, dev), hdr(m, abi.H_IOTLB_SETS) * hdr(m, abi.H_IOTLB_WAYS));
  dropPfnCache(more);
  more.mark = 0;
  return true;
}
