/** Giving pins back (unpin_pages). The kernel knows iovas only, not who had pinned them. */
import { bytesOf, hexOf } from "./addresses.js";
import type { VfioDevice } from "./device.js";
import type { Dma } from "./dma.js";
import { lookUp } from "./pin.js";
import type { Request } from "./request.js";
import type { Type1 } from "./state.js";
import { unpinAtOnce } from "./unpin-fast.js";
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";
import type { Errno } from "../uapi/errno.js";

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

/** Refuses: an errno where callers are told, a warning and no answer where they are not. */
function refuse(s: Type1, errno: Errno, cause: string, message: string): Outcome<number> {
  if (s.knobs.unpinAnswer === "count") return failed(errno, cause, message);
  s.records.warn(cause === "wraps" ? "unpin-overflow" : "unpin-refused", message);
  return done(0);
}

function refused(s: Type1, device: VfioDevice, request: Request): Outcome<number> | undefined {
  const { count } = request;
  if (count <= 0) return refuse(s, "EINVAL", "no-pages", `a request of ${count} pages`);
  const isOld = s.knobs.listeners === "chain";
  if (!isOld && !device.isOpen) return refuse(s, "EINVAL", "not-open", `${device.name} is closed`);
  if (count > s.knobs.pinMost) {
    return refuse(s, "E2BIG", "too-many", `${count} pages, at most ${s.knobs.pinMost} a call`);
  }
  if (!device.isOpen || s.groupOf(device) === undefined) {
    const message = `${device.name} has no group here`;
    return isOld
      ? refuse(s, "ENODEV", "no-group", message)
      : refuse(s, "EINVAL", "no-container", message);
  }
  if (s.mode === "NO_DRIVER") return refuse(s, "EINVAL", "no-driver", "there is no IOMMU driver");
  if (s.mode === "V1") return refuse(s, "EACCES", "v1", "a v1 container does not pin");
  if (request.wraps) return refuse(s, "EOVERFLOW", "wraps", "the range goes beyond 2^64");
  return undefined;
}

/** Gives one pin of each page back; how many pages were processed. */
export function unpinPages(s: Type1, device: VfioDevice, request: Request): Outcome<number> {
  const answer = refused(s, device, request);
  if (answer !== undefined) return answer;
  return s.locked("container", () => {
    const { knobs } = s;
    const needsEmulated = knobs.listeners === "chain" && knobs.vaddrUpdate === "none";
    if (needsEmulated && !s.hasEmulated) return failed("EINVAL", "no-emulated-group", "no pins");
    let processed = request.count;
    if (!unpinAtOnce(s, device, request)) processed = unpinInTurn(s, device, request);
    s.records.counters.unpins += processed;
    if (processed === request.count) return done(processed);
    return short(s, request, processed);
  });
}

function short(s: Type1, request: Request, processed: number): Outcome<number> {
  const message = `nothing is mapped at ${hexOf(request.pageAt(processed))}`;
  if (s.knobs.unpinAnswer === "none") {
    s.records.warn("unpin-short", message);
    return done(processed);
  }
  if (processed > 0) return done(processed);
  const failure: Failed = failed("EINVAL", "no-mapping", message, 0);
  return failure;
}

function unpinInTurn(s: Type1, device: VfioDevice, request: Request): number {
  for (let i = 0; i < request.count; i++) {
    const page = request.pageAt(i);
    const dma = lookUp(s, page);
    if (dma === undefined) return i;
    noteUnpin(s, device, page, releasePage(s, dma, page));
  }
  return request.count;
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
