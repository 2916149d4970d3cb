/**
 * Requests that will succeed, as a whole: everything is looked at first, and only then changed.
 * Whatever is not plain (reserved frames, limits, several mappings, allocations that fail) goes
 * page by page instead, which gives the same and tells exactly what failed.
 */
import { setDirty } from "./dirty.js";
import type { VfioDevice } from "./device.js";
import { type Dma, PROT_WRITE } from "./dma.js";
import type { Request } from "./request.js";
import type { Type1 } from "./state.js";
import type { HostFrames } from "../mm/frames.js";

/** The one mapping that all pages of a request are in. */
export function onlyDma(s: Type1, { span }: Request): Dma | undefined {
  if (span === undefined || s.knobs.zeroLengthLookup) return undefined;
  const dma = s.dmas.find(span[0]);
  return dma !== undefined && span[1] <= dma.last ? dma : undefined;
}

/** Room for the pages of a request. */
export function scratchOf(s: Type1, count: number): Float64Array {
  if (s.scratch.length < count) s.scratch = new Float64Array(2 * count);
  return s.scratch.length === count ? s.scratch : s.scratch.subarray(0, count);
}

/** Calls `take` for frames one behind the other. `of`: which of them to look at. */
export function inRuns(
  frames: Float64Array,
  of: (i: number) => boolean,
  take: (pfn: number, pages: number) => void,
): void {
  for (let i = 0; i < frames.length;) {
    if (!of(i)) {
      i++;
      continue;
    }
    let n = 1;
    while (i + n < frames.length && of(i + n) && frames[i + n] === frames[i] + n) n++;
    take(frames[i], n);
    i += n;
  }
}

export function touchesReserved(host: HostFrames, frames: Float64Array): boolean {
  if (host.reservedRanges.length === 0) return false;
  let low = Infinity;
  let high = -1;
  for (const frame of frames) {
    if (frame < low) low = frame;
    if (frame > high) high = frame;
  }
  return host.reservedRanges.some(([first, last]) => last >= low && first <= high);
}

/** Finds the frames of pages that are not pinned yet (-1); how many, or -1 if one cannot be. */
function faultMissing(dma: Dma, request: Request, frames: Float64Array): number {
  const write = (dma.prot & PROT_WRITE) !== 0;
  let missing = 0;
  for (let i = 0; i < frames.length;) {
    if (frames[i] >= 0) {
      i++;
      continue;
    }
    const page = request.pageAt(i);
    let n = 1;
    while (i + n < frames.length && frames[i + n] < 0 && request.pageAt(i + n) === page + n) n++;
    if (dma.mm.faultInRange(dma.vpnOf(page), n, write, frames, i) < n) return -1;
    missing += n;
    i += n;
  }
  return missing;
}

/** Pins all pages, or false: nothing has changed. */
export function pinAtOnce(
  s: Type1,
  device: VfioDevice,
  request: Request,
  prot: number,
  out: Float64Array,
): boolean {
  const dma = onlyDma(s, request);
  if (dma === undefined || (prot & ~dma.prot) !== 0) return false;
  const { mm } = dma;
  const { knobs } = s;
  if (dma.notifying > 0 || !mm.alive || mm.interruptNextCharge) return false;
  if (knobs.limitWhenNotCharging || (knobs.chargeByWork && s.mmapLockBusy)) return false;
  const n = request.count;
  const frames = scratchOf(s, n);
  request.lookUp(s.store, frames);
  const before = s.store.size;
  const isNew = flagsOf(s, frames);
  const missing = faultMissing(dma, request, frames);
  if (missing < 0 || touchesReserved(s.frames, frames)) return false;
  const charged = s.chargesPins ? missing : 0;
  if ((charged > 0 && s.isOverLimit(dma, charged)) || !s.allocations.hasRoom(missing)) return false;
  try {
    request.pin(s.store, frames, out);
  } catch {
    return false;
  }
  try {
    request.pinInLedger(device, frames);
  } catch (error) {
    request.unpin(s.store, s.answers.length >= n ? s.answers.subarray(0, n) : new Float64Array(n));
    out.fill(0);
    throw error;
  }
  if (s.store.size - before !== missing) throw new Error("unreachable: a page was counted twice");
  s.allocations.takeMany("vfio_pfn", missing);
  s.charge(dma, charged, false);
  s.records.counters.pins += n;
  if (missing > 0) {
    inRuns(
      frames,
      (i) => isNew[i] === 1,
      (pfn, pages) => {
        s.frames.get(pfn, pages);
      },
    );
    if (s.tracking) {
      for (let i = 0; i < n; i++) {
        if (isNew[i] === 1) setDirty(dma, request.pageAt(i), request.pageAt(i));
      }
    }
  }
  return true;
}

/** Which pages are not pinned yet. */
function flagsOf(s: Type1, frames: Float64Array): Uint8Array {
  if (s.flags.length < frames.length) s.flags = new Uint8Array(2 * frames.length);
  for (let i = 0; i < frames.length; i++) s.flags[i] = frames[i] < 0 ? 1 : 0;
  return s.flags;
}
