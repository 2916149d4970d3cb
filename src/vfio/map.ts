/** MAP_DMA: the checks in the kernel's order, new mappings, and vaddr updates. */
import { checkBytes, type Bytes, hex, hexOf, pageOf } from "./addresses.js";
import { allocateBitmap } from "./dirty.js";
import { Dma, PROT_READ, PROT_WRITE } from "./dma.js";
import { isAllowed } from "./groups.js";
import { pinAndCharge, removeDma } from "./mapping.js";
import type { Type1 } from "./state.js";
import { ArgumentError } from "../errors.js";
import type { UserMm } from "../mm/user-mm.js";
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";

/** What a mapping or a pin may do: reading, writing, both, nothing. */
export type VfioProt = "" | "r" | "w" | "rw";

/** struct vfio_iommu_type1_dma_map. Bytes. */
export interface VfioMapOptions {
  readonly iova: Bytes;
  readonly vaddr: Bytes;
  readonly size: Bytes;
  /** What devices may do: "rw" by default; with `updateVaddr` nothing. */
  readonly prot?: VfioProt;
  /** VFIO_DMA_MAP_FLAG_VADDR: gives a mapping that has lost its vaddr a new one. */
  readonly updateVaddr?: boolean;
  /** The caller's, if not the container's own. */
  readonly mm?: UserMm;
  /** Flags nobody knows; 0 by default. */
  readonly unknownFlags?: number;
  /** Bytes of the structure; 32 by default. */
  readonly argsz?: number;
}

/** Bits of PROT_. @throws ArgumentError E_TYPE */
export function protOf(prot: unknown): number {
  const bits = ["", "r", "w", "rw"].indexOf(prot as string);
  if (bits >= 0) return bits;
  throw new ArgumentError("E_TYPE", `prot must be "", "r", "w" or "rw", got ${String(prot)}`, {
    argument: "prot",
  });
}

/** As {@link protOf} the other way round. */
export function protName(prot: number): VfioProt {
  return (["", "r", "w", "rw"] as const)[prot & (PROT_READ | PROT_WRITE)];
}

interface Asked {
  readonly iova: bigint;
  readonly vaddr: bigint;
  readonly size: bigint;
  readonly prot: number;
  readonly update: boolean;
  readonly mm: UserMm;
}


/** Before the lock. Sizes and flags as the ioctl checks them, then wrapping. */
function refused(s: Type1, options: VfioMapOptions, asked: Asked): Failed | undefined {
  const { iova, vaddr, size, prot, update } = asked;
  const wrap = s.knobs.overflowErrno;
  if ((options.argsz ?? 32) < 32) return failed("EINVAL", "argsz", "the structure is too short");
  if ((options.unknownFlags ?? 0) !== 0) return failed("EINVAL", "flags", "unknown flags");
  if (update && s.knobs.vaddrUpdate === "none") return failed("EINVAL", "flags", "unknown flags");
  if (s.mode === "NO_DRIVER") return failed("EINVAL", "no-driver", "there is no IOMMU driver");
  const most = 2n ** BigInt(s.wordBits);
  if ([iova, vaddr, size].some((each) => each >= most)) {
    return failed(wrap, "truncated", `does not fit ${s.wordBits} bits`);
  }
  if (size === 0n) return failed("EINVAL", "no-size", "size is 0");
  if (iova + size > most || vaddr + size > most) {
    return failed(wrap, "wraps", `${hex(size)} bytes go beyond 2^${s.wordBits}`);
  }
  if (update === prot > 0) return failed("EINVAL", "protection", "wants access, or a new vaddr");
  return undefined;
}

/** MAP_DMA. */
export function mapDma(s: Type1, options: VfioMapOptions): Outcome<Dma> {
  const update = options.updateVaddr ?? false;
  const asked: Asked = {
    iova: checkBytes("iova", options.iova),
    vaddr: checkBytes("vaddr", options.vaddr),
    size: checkBytes("size", options.size),
    prot: protOf(options.prot ?? (update ? "" : "rw")),
    update,
    mm: options.mm ?? s.mm,
  };
  const failure = refused(s, options, asked);
  if (failure !== undefined) return failure;
  return s.locked("container", () => mapLocked(s, asked));
}

function mapLocked(s: Type1, asked: Asked): Outcome<Dma> {
  const { iova, vaddr, size } = asked;
  const unit = BigInt(s.granule) * 4096n;
  if ([iova, vaddr, size].some((each) => each % unit !== 0n)) {
    return failed("EINVAL", "alignment", `must be multiples of ${unit}`);
  }
  const first = pageOf(iova);
  const last = pageOf(iova + size - 1n);
  const overlap = s.dmas.firstIn(first, last);
  if (asked.update) return updateVaddr(s, asked, overlap, first, last);
  if (overlap !== undefined) {
    return failed("EEXIST", "overlap", `overlaps the mapping at ${hexOf(overlap.first)}`);
  }
  if (s.dmas.size >= s.knobs.dmaEntryLimit) {
    return failed("ENOSPC", "entry-limit", `${s.dmas.size} mappings are there`);
  }
  if (!isAllowed(s, first, last)) {
    return failed("EINVAL", "not-allowed", "outside of the iovas that the groups allow");
  }
  if (!s.allocations.take("vfio_dma")) return failed("ENOMEM", "no-memory", "for a mapping");
  const { mm } = asked;
  const dma = new Dma(s.nextId, first, last, pageOf(vaddr), asked.prot, mm, mm.capIpcLock);
  s.dmas.add(dma);
  s.nextId++;
  s.records.counters.mappings++;
  let failure = s.hasReal ? pinAndCharge(s, dma, s.domains.length) : undefined;
  if (failure === undefined && s.tracking) failure = allocateBitmap(s, dma);
  if (failure === undefined) return done(dma);
  removeDma(s, dma);
  return failure;
}

function updateVaddr(
  s: Type1,
  { vaddr, mm, iova }: Asked,
  dma: Dma | undefined,
  first: number,
  last: number,
): Outcome<Dma> {
  if (dma === undefined) return failed("ENOENT", "no-mapping", `nothing at ${hex(iova)}`);
  if (!dma.vaddrInvalid || dma.first !== first || dma.last !== last) {
    return failed("EINVAL", "not-invalid", `not a whole mapping that has lost its vaddr`);
  }
  if (s.knobs.vaddrMovesCharge && mm !== dma.mm) {
    const failure = moveCharge(s, dma, mm);
    if (failure !== undefined) return failure;
  }
  dma.vaddr = pageOf(vaddr);
  dma.vaddrInvalid = false;
  s.vaddrInvalid--;
  return done(dma);
}

/** The charge goes to the new owner, who may not have room for it. */
function moveCharge(s: Type1, dma: Dma, to: UserMm): Failed | undefined {
  const from = dma.mm;
  const { lockedVm } = dma;
  if (to.interruptNextCharge) {
    to.interruptNextCharge = false;
    return failed("EINTR", "charge-interrupted", "killed while waiting");
  }
  if (!to.capIpcLock && to.lockedVm + lockedVm > to.rlimitMemlock) {
    return failed("ENOMEM", "over-rlimit", `${to.rlimitMemlock} pages may be locked`);
  }
  from.lockedVm -= lockedVm;
  to.lockedVm += lockedVm;
  s.charges.set(from, (s.charges.get(from) ?? 0) - lockedVm);
  s.charges.set(to, (s.charges.get(to) ?? 0) + lockedVm);
  s.leaked.set(from, (s.leaked.get(from) ?? 0) - dma.leaked);
  s.leaked.set(to, (s.leaked.get(to) ?? 0) + dma.leaked);
  dma.mm = to;
  dma.lockCap = to.capIpcLock;
  return undefined;
}
