/** Unpinning pages of one mapping as a whole: see pin-fast.ts. */
import type { VfioDevice } from "./device.js";
import { inRuns, onlyDma, scratchOf, touchesReserved } from "./pin-fast.js";
import type { Request } from "./request.js";
import type { Type1 } from "./state.js";
import { noteForeign, noteGone, noteUnpin } from "./unpin.js";

/** Unpins all pages, or false: nothing has changed. */
export function unpinAtOnce(s: Type1, device: VfioDevice, request: Request): boolean {
  const dma = onlyDma(s, request);
  if (dma === undefined || (s.knobs.chargeByWork && s.mmapLockBusy)) return false;
  const n = request.count;
  const frames = scratchOf(s, n);
  request.lookUp(s.store, frames);
  if (touchesReserved(s.frames, frames)) return false;
  if (s.answers.length < n) s.answers = new Float64Array(2 * n);
  const left = s.answers.subarray(0, n);
  request.unpin(s.store, left);
  let gone = 0;
  let unpinned = 0;
  for (let i = 0; i < n; i++) {
    if (left[i] === 0) gone++;
    else if (left[i] < 0) unpinned++;
  }
  inRuns(
    frames,
    (i) => left[i] === 0,
    (pfn, pages) => {
      s.frames.put(pfn, pages);
    },
  );
  if (s.chargesPins) s.charge(dma, -gone, false);
  book(s, device, request, left, unpinned);
  return true;
}

function book(
  s: Type1,
  device: VfioDevice,
  request: Request,
  left: Float64Array,
  unpinned: number,
): void {
  const { ledger } = device;
  if (ledger === undefined) return;
  const n = request.count;
  if (unpinned > 0) {
    for (let i = 0; i < n; i++) noteUnpin(s, device, request.pageAt(i), left[i]);
    return;
  }
  const own = scratchOf(s, n);
  request.unpin(ledger, own);
  for (let i = 0; i < n; i++) {
    if (own[i] < 0) noteForeign(s, device, request.pageAt(i));
  }
  if (s.foreign.size === 0) return;
  for (let i = 0; i < n; i++) if (left[i] === 0) noteGone(s, request.pageAt(i));
}
