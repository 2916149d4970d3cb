/** A VFIO container's ioctls on iommufd: the same calls, with iommufd's semantics. */
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";
import { type Bytes, checkBytes, TOP } from "./addresses.js";
import type { Ioas } from "./ioas.js";
import type { IommufdPolicy } from "./era.js";
import type { IovaRange } from "./iommu-domain.js";
import { holes } from "./iova-ranges.js";
import { cutAreas } from "./cut.js";
import type { Task } from "./task.js";
import { unmapRange } from "./unmap.js";

/** VFIO_IOMMU_MAP_DMA. */
export interface DmaMap {
  /** Bytes of the structure; 32, what is needed, by default. */
  readonly argsz?: number;
  /** READ 1, WRITE 2; both by default. */
  readonly flags?: number;
  readonly vaddr: Bytes;
  readonly iova: Bytes;
  readonly size: Bytes;
  readonly task?: Task;
}

/** VFIO_IOMMU_UNMAP_DMA. */
export interface DmaUnmap {
  /** Bytes of the structure; 24, what is needed, by default. */
  readonly argsz?: number;
  /** ALL 2; none by default. */
  readonly flags?: number;
  readonly iova: Bytes;
  readonly size: Bytes;
}

/** What VFIO_IOMMU_GET_INFO gave. */
export interface DmaInfo {
  /** Bytes that all of it takes. */
  readonly argsz: number;
  /** PGSIZES 1, CAPS 2. */
  readonly flags: number;
  /** Page sizes, a bit each. */
  readonly pageSizes: bigint;
  /** Bytes from the start to the capabilities; 0: they did not fit. */
  readonly capOffset: number;
  /** Capabilities, if they fit. */
  readonly dmaAvail?: number;
  readonly ranges?: readonly IovaRange[];
}

const MAP_BYTES = 32;
const UNMAP_BYTES = 24;
const UNMAP_ALL = 2;
/** Up to the page sizes; with the offset of capabilities; capabilities. */
const INFO_LEAST = 16;
const INFO_BYTES = 24;
const AVAIL_BYTES = 12;
const RANGES_BYTES = 16;
const PAGE_SIZES_FROM = ~4095n & TOP;

/** See the file comment. */
export class VfioCompat {
  private current: Ioas | undefined;

  /** @internal */
  constructor(private readonly policy: IommufdPolicy) {}

  /** The address space it works on. */
  get ioas(): Ioas | undefined {
    return this.current;
  }

  /** IOMMU_VFIO_IOAS_SET. @returns ENOENT it is destroyed */
  setIoas(ioas: Ioas): Outcome<undefined> {
    const missing = ioas.missing();
    if (missing !== undefined) return missing;
    this.current = ioas;
    return done(undefined);
  }

  /** IOMMU_VFIO_IOAS_GET. @returns ENODEV there is none */
  getIoas(): Outcome<Ioas> {
    const ioas = this.ready();
    return "ok" in ioas ? ioas : done(ioas);
  }

  /** IOMMU_VFIO_IOAS_CLEAR. */
  clear(): void {
    this.current = undefined;
  }

  private ready(): Ioas | Failed {
    return this.current ?? failed("ENODEV", "no-ioas", "no group has been attached");
  }

  /** VFIO_SET_IOMMU; `type1` maps page by page, so that unmaps can cut. @returns EINVAL, ENODEV */
  setIommu(type: "type1" | "type1v2" | "spapr" | "noiommu" | "nesting"): Outcome<undefined> {
    if (type !== "type1" && type !== "type1v2") {
      return failed("EINVAL", "bad-type", `${type} is not emulated`);
    }
    const ioas = this.ready();
    if ("ok" in ioas) return ioas;
    return type === "type1" ? ioas.setHugePages(false) : done(undefined);
  }

  /** VFIO_CHECK_EXTENSION: 1 or 0. */
  checkExtension(what: string): 0 | 1 {
    return ["type1", "type1v2", "unmap-all"].includes(what) ? 1 : 0;
  }

  /** VFIO_IOMMU_MAP_DMA. @returns EINVAL bad structure; ENODEV; as {@link Ioas.map} */
  mapDma(map: DmaMap): Outcome<bigint> {
    const { argsz = MAP_BYTES, flags = 3 } = map;
    if (argsz < MAP_BYTES || (flags & ~3) !== 0) {
      return failed("EINVAL", "bad-structure", `argsz ${argsz}, flags ${flags}`);
    }
    const ioas = this.ready();
    if ("ok" in ioas) return ioas;
    return ioas.map({
      va: map.vaddr,
      iova: map.iova,
      length: map.size,
      read: (flags & 1) !== 0,
      write: (flags & 2) !== 0,
      task: map.task,
    });
  }

  /** VFIO_IOMMU_UNMAP_DMA. @returns bytes; EINVAL; ENODEV; as {@link Ioas.unmap} */
  unmapDma({ argsz = UNMAP_BYTES, flags = 0, iova, size }: DmaUnmap): Outcome<bigint> {
    const first = checkBytes("iova", iova);
    const bytes = checkBytes("size", size);
    if (argsz < UNMAP_BYTES || (flags & ~UNMAP_ALL) !== 0) {
      return failed("EINVAL", "bad-structure", `argsz ${argsz}, flags ${flags}`);
    }
    const ioas = this.ready();
    if ("ok" in ioas) return ioas;
    if (flags === UNMAP_ALL) {
      if (first !== 0n || bytes !== 0n) return failed("EINVAL", "not-zero", "all, and a range");
      const { failure, bytes: gone } = unmapRange(ioas, 0n, TOP);
      return failure ?? done(gone);
    }
    const cut = ioas.hugePages ? undefined : cutAreas(ioas, first, bytes);
    const found = cut ?? ioas.unmapPart(first, bytes);
    if ("ok" in found) return found;
    const { failure, bytes: gone } = found;
    const isError = this.policy.emptyCompatUnmap === "ENOENT";
    if (failure === undefined && gone === 0n && isError) {
      return failed("ENOENT", "nothing-mapped", "nothing is mapped there");
    }
    return failure ?? done(gone);
  }

  /** VFIO_IOMMU_GET_INFO with room for `argsz` bytes. @returns EINVAL, ENODEV */
  getInfo(argsz: number): Outcome<DmaInfo> {
    if (argsz < INFO_LEAST) return failed("EINVAL", "bad-structure", `argsz ${argsz}`);
    const ioas = this.ready();
    if ("ok" in ioas) return ioas;
    const ranges = holes(ioas.reserved, 0n, TOP);
    const total = INFO_BYTES + AVAIL_BYTES + RANGES_BYTES + 16 * ranges.length;
    const head = { argsz: total, flags: 3, pageSizes: pageSizesOf(ioas) };
    if (argsz < total) return done({ ...head, capOffset: 0 });
    return done({ ...head, capOffset: INFO_BYTES, dmaAvail: 2 ** 32 - 1, ranges });
  }
}

/** Sizes all domains have; what is smaller than a page counts as a page. */
function pageSizesOf(ioas: Ioas): bigint {
  let sizes = TOP;
  for (const { pageSizes } of ioas.domains.list) {
    sizes &= pageSizes.reduce((sum, size) => sum | size, 0n);
  }
  if ((sizes & ~PAGE_SIZES_FROM) !== 0n) sizes = (sizes & PAGE_SIZES_FROM) | 4096n;
  return sizes > ioas.alignment ? sizes : ioas.alignment;
}
