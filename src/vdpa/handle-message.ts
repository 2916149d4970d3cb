/** The kernel's handler of messages: checks in its order, then what they ask for. */
import type { UserMm } from "../mm/user-mm.js";
import { done, failed, type Outcome } from "../uapi/outcome.js";
import { hex, lastOf, pageOf, SPACE, wholePagesOf } from "./addresses.js";
import type { VdpaCore } from "./core.js";
import { type FailedRun, mapPages } from "./map-pages.js";
import { mapVa } from "./map-va.js";
import { type ParsedMessage, VDPA_MESSAGES } from "./messages.js";
import { has } from "./parent.js";

/** What bounds an UPDATE. */
export interface UpdateLimits {
  /** Addresses that may be mapped, bytes, both included. */
  readonly range: readonly [first: bigint, last: bigint];
  readonly failedRun: FailedRun;
}

/** Errnos are those inside: the writer sees EFAULT. */
export function handleMessage(
  core: VdpaCore,
  message: ParsedMessage,
  asid: number,
  writer: UserMm | undefined,
  limits: UpdateLimits,
): Outcome<void> {
  if (core.mm === undefined || writer !== core.mm) {
    return failed("EPERM", "not-owner", "the writer is not the owner");
  }
  const { type } = message;
  const finds = type === VDPA_MESSAGES.update || type === VDPA_MESSAGES["batch-begin"];
  const found = finds ? findSpace(core, asid) : done(undefined);
  if (!found.ok) return found;
  if (core.inBatch && core.batchAsid !== asid) {
    const says = `a batch of address space ${core.batchAsid} is open, not of ${asid}`;
    return failed("EINVAL", "other-asid-in-batch", says);
  }
  if (!core.spaces.has(asid)) {
    return failed("EINVAL", "no-address-space", `address space ${asid} does not exist`);
  }
  return act(core, message, asid, limits);
}

function findSpace(core: VdpaCore, asid: number): Outcome<void> {
  if (core.spaces.has(asid)) return done(undefined);
  if (asid >= core.asidCount) {
    return failed("EINVAL", "asid-beyond", `there are ${core.asidCount} address spaces`);
  }
  if (!core.allocations.take("address-space")) {
    return failed("EINVAL", "no-memory", `no memory for address space ${asid}`);
  }
  core.spaces.add(asid);
  return done(undefined);
}

function act(
  core: VdpaCore,
  message: ParsedMessage,
  asid: number,
  limits: UpdateLimits,
): Outcome<void> {
  const { iova, size } = message;
  switch (message.type) {
    case VDPA_MESSAGES.update:
      return update(core, message, asid, limits);
    case VDPA_MESSAGES.invalidate:
      core.unmap(asid, pageOf(iova), pageOf(lastOf(iova, size)), wholePagesOf(iova, size));
      return done(undefined);
    case VDPA_MESSAGES["batch-begin"]:
      core.batchAsid = asid;
      core.inBatch = true;
      return done(undefined);
    case VDPA_MESSAGES["batch-end"]:
      if (core.inBatch && has(core.parent, "setMap")) core.push(asid);
      core.inBatch = false;
      return done(undefined);
    default:
      return failed("EINVAL", "bad-type", `no message is of type ${message.type}`);
  }
}

function update(
  core: VdpaCore,
  { iova, size, uaddr, perm }: ParsedMessage,
  asid: number,
  { range: [first, last], failedRun }: UpdateLimits,
): Outcome<void> {
  const end = iova + size - 1n;
  if (end >= SPACE) {
    return failed("EINVAL", "wraps", `${hex(iova)} and ${hex(size)} bytes go beyond 2^64`);
  }
  if (iova < first || end > last) {
    const asked = `[${hex(iova)}, ${hex(end)}]`;
    const says = `${asked} is outside of [${hex(first)}, ${hex(last)}]`;
    return failed("EINVAL", "out-of-range", says);
  }
  const overlap = core.firstIn(asid, pageOf(iova), pageOf(end));
  if (overlap !== undefined) {
    const says = `pages ${overlap.start} to ${overlap.last} are mapped already`;
    return failed("EEXIST", "overlap", says);
  }
  const request = { asid, iova, size, uaddr, perm };
  if (core.parent.useVa === true) return mapVa(core, core.mm!, request);
  return mapPages(core, core.mm!, request, failedRun);
}
