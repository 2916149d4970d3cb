/** Pinning through the interface (pin_pages): the kernel's checks in their order, page by page. */
import { bytesOf, hexOf } from "./addresses.js";
import { setDirty } from "./dirty.js";
import type { VfioDevice } from "./device.js";
import { type Dma, PROT_WRITE } from "./dma.js";
import { pinAtOnce } from "./pin-fast.js";
import type { Request } from "./request.js";
import type { Type1 } from "./state.js";
import { releasePage } from "./unpin.js";
import { isShootdownError } from "../errors.js";
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";

function einval(cause: string, message: string): Failed {
  return failed("EINVAL", cause, message);
}

/** What the wrapper around the drivers checks (vfio_main.c; before 6.0 vfio.c). */
function wrapperRefuses(s: Type1, device: VfioDevice, count: number): Failed | undefined {
  if (count <= 0) return einval("no-pages", `a request of ${count} pages`);
  const isLarge = count > s.knobs.pinMost;
  const large = failed("E2BIG", "too-many", `${count} pages, at most ${s.knobs.pinMost} a call`);
  const hasGroup = s.groupOf(device) !== undefined;
  if (s.knobs.listeners === "chain") {
    if (isLarge) return large;
    if (device.isOpen && hasGroup) return undefined;
    return failed("ENODEV", "no-group", `${device.name} has no group here`);
  }
  if (!device.isOpen) return einval("not-open", `${device.name} is not open`);
  if (s.knobs.pinnerListens && !s.listeners.includes(device)) {
    return einval("no-dma-unmap", `${device.name} has no dma_unmap operation`);
  }
  if (!hasGroup) return einval("no-container", `${device.name} has no group here`);
  return isLarge ? large : undefined;
}

/** Before the lock. */
function typeRefuses(s: Type1, request: Request): Failed | undefined {
  if (s.mode === "NO_DRIVER") return einval("no-driver", "the container has no IOMMU driver yet");
  if (s.mode === "V1") return failed("EACCES", "v1", "a v1 container does not pin");
  if (request.wraps) return failed("EOVERFLOW", "wraps", "the range goes beyond 2^64");
  return undefined;
}

/** With the lock. */
function stateRefuses(s: Type1, request: Request): Failed | undefined {
  const { vaddrUpdate, listeners } = s.knobs;
  if (s.vaddrInvalid > 0 && vaddrUpdate === "exclusive") {
    return failed("EBUSY", "vaddr-invalid", `${s.vaddrInvalid} mappings have no valid vaddr`);
  }
  if (s.vaddrInvalid > 0 && vaddrUpdate === "sleep") {
    const failure = awaitVaddr(s, request);
    if (failure !== undefined) return failure;
  }
  const needsEmulated = listeners === "chain" && vaddrUpdate === "none";
  if (needsEmulated && !s.hasEmulated) return einval("no-emulated-group", "nobody pins here");
  if (s.listeners.length === 0) return einval("no-listener", "nobody would be told of an unmap");
  return undefined;
}

/** Sleeps until the mappings of all pages have a valid vaddr; nobody woke it up: killed. */
function awaitVaddr(s: Type1, request: Request): Failed | undefined {
  for (let i = 0; i < request.count; i++) {
    const dma = s.dmas.find(request.pageAt(i));
    if (dma === undefined) return missing(request.pageAt(i), i);
    if (!dma.vaddrInvalid) continue;
    sleep(s);
    if (dma.removed) return missing(request.pageAt(i), i);
    if (dma.vaddrInvalid) {
      return failed("EINTR", "killed-asleep", "no valid vaddr came, and who waits was killed", i);
    }
  }
  return undefined;
}

/** Lets others run, without the container's lock. */
export function sleep(s: Type1): void {
  s.locks.give("container");
  try {
    s.onSleep?.();
    s.checkAlive();
  } finally {
    if (s.verdict === "OK") s.takeLock("container");
  }
}

function missing(page: number, index: number): Failed {
  return failed("EINVAL", "no-mapping", `nothing is mapped at ${hexOf(page)}`, index);
}

/** The mapping over a page as pins find it. */
export function lookUp(s: Type1, page: number): Dma | undefined {
  const dma = s.dmas.find(page);
  return s.knobs.zeroLengthLookup && dma?.first === page ? undefined : dma;
}

/** Pins pages. `into` has their frames. */
export function pinPages(
  s: Type1,
  device: VfioDevice,
  request: Request,
  prot: number,
  into: Float64Array | undefined,
): Outcome<Float64Array> {
  const refused = wrapperRefuses(s, device, request.count) ?? typeRefuses(s, request);
  if (refused !== undefined) return refused;
  return s.locked("container", () => {
    const failure = stateRefuses(s, request);
    if (failure !== undefined) return failure;
    const out = into ?? new Float64Array(request.count);
    if (!pinAtOnce(s, device, request, prot, out)) {
      const problem = pinInTurn(s, device, request, prot, out);
      if (problem !== undefined) return problem;
    }
    const group = s.groupOf(device);
    if (s.knobs.dirtyTracking && group !== undefined && !group.pinnedOnly) {
      group.pinnedOnly = true;
      s.nonPinnedGroups--;
    }
    return done(out);
  });
}

function pinInTurn(
  s: Type1,
  device: VfioDevice,
  request: Request,
  prot: number,
  out: Float64Array,
): Failed | undefined {
  const { counters } = s.records;
  for (let i = 0; i < request.count; i++) {
    const failure = pinPage(s, request.pageAt(i), prot, out, i);
    if (failure === undefined) continue;
    out[i] = 0;
    counters.pins += i;
    rollBack(s, request, i, out);
    return failure;
  }
  counters.pins += request.count;
  try {
    request.pinInLedger(device, out);
  } catch (error) {
    rollBack(s, request, request.count, out);
    throw error;
  }
  return undefined;
}

function rollBack(s: Type1, request: Request, count: number, out: Float64Array): void {
  for (let i = 0; i < count; i++) {
    const dma = s.dmas.find(request.pageAt(i));
    if (dma !== undefined) releasePage(s, dma, request.pageAt(i));
    out[i] = 0;
  }
  s.records.counters.unpins += count;
}

/** One page: steps a to i of docs/vfio.md. */
function pinPage(
  s: Type1,
  page: number,
  prot: number,
  out: Float64Array,
  i: number,
): Failed | undefined {
  const dma = lookUp(s, page);
  if (dma === undefined) return missing(page, i);
  if (dma.notifying > 0 && s.knobs.pinsInWindow === "refuse") {
    return failed("EINVAL", "being-unmapped", `${hexOf(page)} is being unmapped`, i);
  }
  if ((prot & ~dma.prot) !== 0) {
    return failed("EPERM", "protection", `${hexOf(page)} is not mapped for that`, i);
  }
  if (s.store.count(page) === 0) return pinNew(s, dma, page, out, i);
  try {
    out[i] = s.store.pin(page, 0);
    return undefined;
  } catch (error) {
    return storeFailure(s, error, page, i);
  }
}

/** What the store could not do, as the kernel's answer. */
function storeFailure(s: Type1, error: unknown, page: number, i: number): Failed {
  const code = isShootdownError(error) ? error.code : undefined;
  if (code === "E_OVERFLOW") {
    const message = `${hexOf(page)} is pinned as often as can be counted`;
    return failed(s.knobs.saturationErrno, "count-saturated", message, i);
  }
  if (code === "E_NOMEM") return failed("ENOMEM", "no-memory", "for a pin", i);
  throw error;
}

function pinNew(
  s: Type1,
  dma: Dma,
  page: number,
  out: Float64Array,
  i: number,
): Failed | undefined {
  const { mm } = dma;
  if (!mm.alive) return failed("ENODEV", "owner-exited", `${mm.name} has exited`, i);
  const vpn = dma.vpnOf(page);
  const pfn = mm.faultIn(vpn, (dma.prot & PROT_WRITE) !== 0);
  if (typeof pfn === "string") {
    return failed(pfn, "fault", `${hexOf(vpn)} cannot be faulted in`, i);
  }
  const isCounted = !s.frames.isReserved(pfn);
  const charged = isCounted && s.chargesPins ? 1 : 0;
  if (isCounted && charged === 0 && s.knobs.limitWhenNotCharging && s.isOverLimit(dma, 1)) {
    return failed("ENOMEM", "over-rlimit", "the limit is reached, though nothing is charged", i);
  }
  const errno = s.charge(dma, charged, true);
  if (errno === "EINTR") return failed(errno, "charge-interrupted", "killed while waiting", i);
  if (errno !== undefined) {
    return failed(errno, "over-rlimit", `${mm.rlimitMemlock} pages may be locked`, i);
  }
  if (s.knobs.pinsNeedStructPage && mm.vmaAt(vpn)?.kind === "pfnmap") {
    return failed("EINVAL", "no-struct-page", `frame ${pfn} has no struct page`, i);
  }
  const failure = addNode(s, page, pfn, i);
  if (failure === undefined) {
    if (isCounted) s.frames.get(pfn);
    if (s.tracking) setDirty(dma, page, page);
    out[i] = pfn;
  } else if (!s.knobs.leakOnNodeFailure) s.charge(dma, -charged, false);
  else if (isCounted) {
    s.frames.get(pfn);
    const iova = bytesOf(page);
    s.leak(dma, { kind: "reference", iova, pages: 1, pfn, count: 0, charged, devices: [] });
  }
  return failure;
}

function addNode(s: Type1, page: number, pfn: number, i: number): Failed | undefined {
  if (!s.allocations.take("vfio_pfn")) return failed("ENOMEM", "no-memory", "for a pin", i);
  try {
    s.store.pin(page, pfn);
    return undefined;
  } catch (error) {
    return storeFailure(s, error, page, i);
  }
}
