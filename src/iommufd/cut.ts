/** Cutting areas in two, for unmaps of VFIO's type1 that begin or end within a mapping. */
import { failed, type Failed } from "../uapi/outcome.js";
import { hex } from "./addresses.js";
import { type Area, newArea } from "./area.js";
import { byteAt } from "./slice.js";
import type { Ioas } from "./ioas.js";
import { noMemory } from "./iopt-pages.js";

/** Cuts at the end of a range, then at its start. A cut that was made stays when the next fails. */
export function cutAreas(ioas: Ioas, iova: bigint, size: bigint): Failed | undefined {
  const lasts = iova === 0n ? [size - 1n] : [iova + size - 1n, iova - 1n];
  for (const last of lasts) {
    const area = last < 0n ? undefined : ioas.areas.first(last, last);
    const failure = area === undefined ? undefined : cut(ioas, area, last);
    if (failure !== undefined) return failure;
  }
  return undefined;
}

/** Cuts behind `last`. At the first byte, too, nothing is cut: so does the kernel. */
function cut(ioas: Ioas, area: Area, last: bigint): Failed | undefined {
  if (last === area.iova || last === area.last) return undefined;
  const { pages } = area;
  if (pages === undefined || area.preventAccess) {
    return failed("EBUSY", "area-changing", `${hex(area.iova)} is being changed`);
  }
  const behind = last + 1n;
  const { alignment } = ioas;
  if (behind % alignment !== 0n || byteAt(area, behind) % alignment !== 0n) {
    return failed("EINVAL", "misaligned", `${hex(behind)}, alignment ${alignment}`);
  }
  for (let i = 0; i < 2; i++) {
    if (!ioas.env.allocations.take("iopt_area")) return noMemory("iopt_area");
  }
  if (area.accesses > 0) return failed("EINVAL", "pinned", `${hex(area.iova)} has pins`);
  if (area.storage !== undefined && ioas.hugePages) {
    return failed("EINVAL", "huge-pages", `${hex(area.iova)} may have huge pages`);
  }
  const left = newArea(area.iova, behind - area.iova, area.startByte, area.prot, pages);
  const right = newArea(behind, area.last - last, byteAt(area, behind), area.prot, pages);
  left.storage = area.storage;
  right.storage = area.storage;
  ioas.areas.remove(area);
  ioas.areas.add(left);
  ioas.areas.add(right);
  pages.references++;
  pages.split(area, [left, right]);
  return undefined;
}
