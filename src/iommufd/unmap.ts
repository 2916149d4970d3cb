/**
 * Removing areas, and asking drivers to unpin first. An area that has pins is closed to new ones,
 * its drivers are called without any lock, and it is looked at again, so often and no more; then
 * the kernel warns and gives up. The area stays, and stays closed.
 */
import { failed, type Failed } from "../uapi/outcome.js";
import { hex } from "./addresses.js";
import type { Area, Areas } from "./area.js";
import { lengthOf } from "./slice.js";
import type { Listener } from "./domain-set.js";
import { type IommufdEnv, warn } from "./env.js";

/** The address space, as far as unmapping needs it. */
export interface UnmapHost {
  readonly env: IommufdEnv;
  readonly areas: Areas;
  readonly accesses: readonly (Listener | undefined)[];
  /** Gives back what an area holds, and takes it away. */
  removeArea(area: Area): void;
}

/** What was removed, and why no more. */
export interface Unmapped {
  readonly bytes: bigint;
  readonly failure?: Failed;
}

/** Removes all areas in [first, last], each of which must lie inside as a whole. */
export function unmapRange(ioas: UnmapHost, first: bigint, last: bigint): Unmapped {
  let bytes = 0n;
  let start = first;
  let rounds = 0;
  for (;;) {
    const area = ioas.areas.first(start, last);
    if (area === undefined) return { bytes };
    const failure = refuse(area, start, last);
    if (failure !== undefined) return { bytes, failure };
    if (area.iova !== start) rounds = 0;
    if (area.accesses === 0) {
      bytes += lengthOf(area);
      ioas.removeArea(area);
      continue;
    }
    start = area.iova;
    area.preventAccess = true;
    notify(ioas, area);
    rounds++;
    const { rounds: most } = ioas.env.policy;
    const given = most > 1 ? rounds >= most : area.accesses > 0;
    if (given) return { bytes, failure: noResponse(ioas, area, rounds) };
  }
}

function refuse(area: Area, first: bigint, last: bigint): Failed | undefined {
  const at = `${hex(area.iova)}+${hex(lengthOf(area))}`;
  if (area.pages === undefined) return failed("EBUSY", "area-changing", `${at} is being mapped`);
  if (area.locks > 0) return failed("EBUSY", "area-locked", `${at} is locked`);
  if (area.iova >= first && area.last <= last) return undefined;
  return failed("ENOENT", "partial", `${at} is only in part inside of the range`);
}

/** Calls the drivers in the order of their slots, those that come meanwhile included. */
function notify(ioas: UnmapHost, area: Area): void {
  for (let slot = 0; slot < ioas.accesses.length; slot++) {
    ioas.accesses[slot]?.notifyUnmap(area.iova, lengthOf(area));
  }
}

/** The kernel gives up after the last call even if that was the one that unpinned. */
function noResponse(ioas: UnmapHost, area: Area, rounds: number): Failed {
  const message = `${hex(area.iova)} has ${area.accesses} pins after ${rounds} notifications`;
  warn(ioas.env, "unmap-no-response", message);
  return failed("EDEADLOCK", "driver-does-not-unpin", message);
}
