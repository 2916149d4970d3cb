/** What pinning and unpinning have in common: finding a page, dropping a pin, and booking that. */
import { bytesOf } from "./addresses.js";
import type { VfioDevice } from "./device.js";
import type { Dma } from "./dma.js";
import type { Type1 } from "./state.js";

/** The mapping over a page as pins find it. */
export function lookUp(s: Type1, page: number): Dma | undefined {
  const dma = s.dmas.find(page);
  return s.knobs.zeroLengthLookup && dma?.first === page ? undefined : dma;
}

/** Drops one pin of a page: how many are left; -1: it was not pinned. */
export function releasePage(s: Type1, dma: Dma, page: number): number {
  if (s.store.count(page) === 0) return -1;
  const pfn = s.store.lookup(page)!;
  const left = s.store.unpin(page);
  if (left === 0 && !s.frames.isReserved(pfn)) {
    s.frames.put(pfn);
    if (s.chargesPins) s.charge(dma, -1, false);
  }
  return left;
}

/** Books one unpin in the ledger of who did it, or as something that was not its own. */
export function noteUnpin(s: Type1, device: VfioDevice, page: number, left: number): void {
  if (device.ledger === undefined) return;
  if (left < 0) misuse(s, "unpinned", device, page);
  else {
    if (device.ledger.unpin(page) < 0) noteForeign(s, device, page);
    if (left === 0) noteGone(s, page);
  }
}

/** A device gave back a pin of others. */
export function noteForeign(s: Type1, device: VfioDevice, page: number): void {
  misuse(s, "foreign-unpin", device, page);
  s.foreign.set(page, device.name);
}

/** The last pin of a page is gone: who still counts on it lost it to who gave back too much. */
export function noteGone(s: Type1, page: number): void {
  const culprit = s.foreign.get(page);
  if (culprit === undefined) return;
  s.foreign.delete(page);
  for (const owner of s.devices) {
    if ((owner.ledger?.count(page) ?? 0) > 0) owner.culprits.set(page, culprit);
  }
}

function misuse(
  s: Type1,
  kind: "foreign-unpin" | "unpinned",
  device: VfioDevice,
  page: number,
): void {
  const owners = s.devices
    .filter((each) => (each.ledger?.count(page) ?? 0) > 0)
    .map(({ name }) => name);
  s.records.misuses.push({ kind, device: device.name, iova: bytesOf(page), owners });
}
