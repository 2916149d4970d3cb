/**
 * What devices have beyond a cache of translations, in machines that use any of it (ROW_DEVICES):
 * behind each other per device
 *
 *   DeviceMore   memslot, page request, pfn cache, counts, traits
 *   ATC          a cache of the device's own, as large as its IOTLB; only messages reach it
 *
 * A consumer uses some of these and leaves the rest zero. Written by the device's own program, by
 * hooks that run on CPUs, and by CPUs that serve page requests or set memslots; the traits by the
 * host, when the device is attached. Device rows are plain: worker threads drive machines without
 * devices only.
 */
import * as abi from "../../src/core/abi";
import { hdr } from "../machine";
import { Entry } from "../rows";

@unmanaged
export class DeviceMore {
  slotStart: u64; // memslot: pages [slotStart, slotEnd) of the mm are guest pages slotBase and on
  slotEnd: u64; // 0: no slots; the guest's pages are the mm's
  slotBase: u64;
  askVpn: u64; // page request
  mark: u64; // page + 1 that a pfn cache is validated for, 0 when it was hit
  gpcTag: u64; // pfn cache, as an Entry: 0 is invalid
  gpcFrame: u32;
  gpcGen: u32;
  ask: u32; // ASK_* while it is asked, ANSWER_* when it is answered, else 0
  served: u32; // 1: somebody answers
  retries: u32; // of the access or refresh under way
  active: u32; // brackets that were told and have not ended
  fences: u32; // pieces of work under way
  atcClock: u32;
  traits: u32; // MORE_*
  pad: u32;
}

// @ts-ignore: decorator
@inline
export function hasMore(m: usize): bool {
  return (hdr(m, abi.H_ROWS) & abi.ROW_DEVICES) != 0;
}

function atcBytes(m: usize): usize {
  return <usize>(hdr(m, abi.H_IOTLB_SETS) * hdr(m, abi.H_IOTLB_WAYS)) * offsetof<Entry>();
}

export function moreAt(m: usize, dev: u32): DeviceMore {
  const stride = offsetof<DeviceMore>() + atcBytes(m);
  return changetype<DeviceMore>(m + hdr(m, abi.H_OFF_DEVICES) + <usize>dev * stride);
}

/** First entry of a device's own cache. */
export function atcAt(m: usize, dev: u32): usize {
  return changetype<usize>(moreAt(m, dev)) + offsetof<DeviceMore>();
}

/** The pfn cache as an entry. */
export function gpcAt(more: DeviceMore): Entry {
  return changetype<Entry>(changetype<usize>(more) + offsetof<DeviceMore>("gpcTag"));
}
