/** What devices and host drivers reach: DMA, and dma_rw. */
import { bytesOf, checkBytes, type Bytes, hex, hexOf, pageOf } from "./addresses.js";
import { setDirty } from "./dirty.js";
import type { VfioDevice } from "./device.js";
import { PROT_READ, PROT_WRITE } from "./dma.js";
import type { VfioViolation } from "./records.js";
import type { Type1 } from "./state.js";
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";
import { ArgumentError } from "../errors.js";

/** The frame that a device reached, or what is wrong with that. */
export type DmaAnswer =
  | { readonly ok: true; readonly pfn: number }
  | { readonly ok: false; readonly violation: VfioViolation };

/**
 * A device reads or writes an iova. Behind a real IOMMU that is translated; otherwise the device
 * uses the frame that its driver pinned there, whether it may still do so or not.
 */
export function deviceDma(s: Type1, device: VfioDevice, at: Bytes, write: boolean): DmaAnswer {
  const iova = checkBytes("iova", at);
  const page = pageOf(iova);
  const dma = s.dmas.find(page);
  if (s.groupOf(device)?.domain !== undefined) {
    const run = dma?.runAt(page);
    if (dma === undefined || run === undefined) {
      return violate(s, device, "no-translation", iova, null, write, "type1");
    }
    const need = write ? PROT_WRITE : PROT_READ;
    const pfn = run.pfn + page - run.page;
    if ((dma.prot & need) !== 0) return { ok: true, pfn };
    return violate(s, device, "no-permission", iova, pfn, write, device.name);
  }
  const pfn = device.ledger?.lookup(page);
  if (pfn === undefined) return violate(s, device, "never-pinned", iova, null, write, device.name);
  if (dma === undefined) return violate(s, device, "removed-mapping", iova, pfn, write, "type1");
  if (s.store.lookup(page) !== pfn) {
    const culprit = device.culprits.get(page) ?? "type1";
    return violate(s, device, "released-page", iova, pfn, write, culprit);
  }
  if (write && (dma.prot & PROT_WRITE) === 0) {
    return violate(s, device, "no-permission", iova, pfn, write, device.name);
  }
  return { ok: true, pfn };
}

function violate(
  s: Type1,
  device: VfioDevice,
  kind: VfioViolation["kind"],
  iova: bigint,
  pfn: number | null,
  write: boolean,
  culprit: string,
): DmaAnswer {
  const what = { ...WHAT, "released-page": `which ${culprit} let go of` }[kind];
  const verb = write ? "writes" : "reads";
  const message = `${device.name} ${verb} ${hex(iova)}, ${what}`;
  const violation = { kind, device: device.name, iova, pfn, write, culprit, message };
  s.records.violations.push(violation);
  return { ok: false, violation };
}

const WHAT: Record<VfioViolation["kind"], string> = {
  "released-page": "which was let go of",
  "removed-mapping": "whose mapping is gone: type1 no longer tracks the page",
  "never-pinned": "which it has not pinned",
  "no-permission": "which it may not",
  "no-translation": "which its IOMMU does not translate",
};

/** What {@link dmaRw} is asked. */
export interface DmaRwOptions {
  readonly iova: Bytes;
  /** Bytes. */
  readonly length: number;
  readonly write?: boolean;
}

/**
 * A host driver reads or writes through the owner's page table, without pinning (vfio_dma_rw): how
 * many bytes. What was copied before it failed stays copied.
 */
export function dmaRw(s: Type1, device: VfioDevice, options: DmaRwOptions): Outcome<number> {
  const iova = checkBytes("iova", options.iova);
  const { length, write = false } = options;
  if (!Number.isSafeInteger(length)) {
    throw new ArgumentError("E_TYPE", "length must be a whole number", { argument: "length" });
  }
  if (!s.knobs.dmaRw) return failed("ENOTTY", "no-dma-rw", "not in this era");
  if (length <= 0) return failed("EINVAL", "no-length", `${length} bytes`);
  if (!device.isOpen) return failed("EINVAL", "not-open", `${device.name} is not open`);
  if (s.mode === "NO_DRIVER") return failed("EINVAL", "no-driver", "there is no IOMMU driver");
  return s.locked("container", () => {
    if (s.vaddrInvalid > 0 && s.knobs.vaddrUpdate !== "none") {
      s.records.warn("vaddr-invalid", "dma_rw while a vaddr is invalid");
      return failed("EBUSY", "vaddr-invalid", `${s.vaddrInvalid} mappings have no valid vaddr`);
    }
    for (let copied = 0; copied < length;) {
      const part = copyIn(s, iova + BigInt(copied), length - copied, write);
      if (typeof part !== "number") return part;
      copied += part;
    }
    return done(length);
  });
}

/** Copies to the end of one mapping. */
function copyIn(s: Type1, iova: bigint, length: number, write: boolean): number | Failed {
  const first = pageOf(iova);
  const dma = iova < 2n ** 64n ? s.dmas.find(first) : undefined;
  if (dma === undefined) return failed("EINVAL", "no-mapping", `nothing is mapped at ${hex(iova)}`);
  const need = write ? PROT_READ | PROT_WRITE : PROT_READ;
  if ((need & ~dma.prot) !== 0) {
    return failed("EPERM", "protection", `${hex(iova)} is not mapped for that`);
  }
  if (!dma.mm.alive) return failed("EPERM", "owner-exited", `${dma.mm.name} has exited`);
  const end = bytesOf(dma.last + 1);
  const bytes = Number(end - iova < BigInt(length) ? end - iova : BigInt(length));
  const last = pageOf(iova + BigInt(bytes) - 1n);
  for (let page = first; page <= last; page++) {
    if (typeof dma.mm.faultIn(dma.vpnOf(page), write) === "string") {
      return failed("EFAULT", "fault", `${hexOf(page)} cannot be copied`);
    }
  }
  if (write && s.tracking) setDirty(dma, first, last);
  return bytes;
}
