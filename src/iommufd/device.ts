/** Devices behind an IOMMU and the page tables (hwpt) they use. Linux: device.c, hw_pagetable.c. */
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";
import { type Bytes, checkBytes, hex, TOP } from "./addresses.js";
import type { IommufdEnv } from "./env.js";
import type { Ioas } from "./ioas.js";
import { type DomainOptions, IommuDomain } from "./iommu-domain.js";
import { noMemory } from "./iopt-pages.js";

/** What a device and its IOMMU are. */
export interface DeviceOptions {
  readonly name?: string;
  /** Its IOMMU: the mock's by default. */
  readonly iommu?: DomainOptions;
  /** Addresses it cannot use. */
  readonly reserved?: readonly { readonly start: Bytes; readonly last: Bytes }[];
  /** Never shares a page table with another device; false by default. */
  readonly ownDomain?: boolean;
}

/** What was asked of a dirty bitmap. */
export interface DirtyOptions {
  readonly iova: Bytes;
  readonly length: Bytes;
  /** Bytes a bit; 4096 by default. */
  readonly pageSize?: Bytes;
  /** Leaves the bits set; false by default. */
  readonly noClear?: boolean;
}

/** Written pages. */
export interface DirtyBitmap {
  /** Bit i: the page at iova + i * pageSize was written. */
  readonly bits: Uint8Array;
  /** How many bits are set. */
  readonly dirty: number;
}

/** A page table over an address space. */
export class Hwpt {
  /** Devices that use it. */
  users = 0;
  private gone = false;

  /** @internal */
  constructor(
    readonly id: number,
    readonly ioas: Ioas,
    readonly domain: IommuDomain,
    /** Made by attaching a device, and destroyed with its last user. */
    readonly auto: boolean,
    /** Does it refuse devices that cannot track what they write? */
    readonly enforcesDirty: boolean,
  ) {}

  get destroyed(): boolean {
    return this.gone;
  }

  /** @internal */
  missing(): Failed | undefined {
    if (!this.gone) return undefined;
    return failed("ENOENT", "no-object", `there is no page table ${this.id}`);
  }

  /** @internal */
  destroyNow(): void {
    this.gone = true;
    this.ioas.removeDomain(this.domain);
    this.ioas.users--;
  }

  /** IOMMU_HWPT_SET_DIRTY_TRACKING; what was dirty before is forgotten. @returns EOPNOTSUPP */
  setDirtyTracking(on: boolean): Outcome<undefined> {
    const bad = this.missing() ?? this.noDirty();
    if (bad !== undefined) return bad;
    if (on) this.domain.clean();
    this.domain.dirtyTracking = on;
    return done(undefined);
  }

  private noDirty(): Failed | undefined {
    if (this.enforcesDirty && this.domain.dirtyCapable) return undefined;
    return failed("EOPNOTSUPP", "no-dirty-tracking", `${this.domain.name} does not track writes`);
  }

  /**
   * IOMMU_HWPT_GET_DIRTY_BITMAP: reads and, by default, clears.
   * @returns EOPNOTSUPP; EOVERFLOW; EINVAL misaligned, a hole, or tracking is off
   */
  dirtyBitmap(options: DirtyOptions): Outcome<DirtyBitmap> {
    const bad = this.missing() ?? this.noDirty();
    if (bad !== undefined) return bad;
    const first = checkBytes("iova", options.iova);
    const length = checkBytes("length", options.length);
    const page = checkBytes("pageSize", options.pageSize ?? 4096);
    const last = first + length - 1n;
    if (last > TOP) return failed("EOVERFLOW", "wraps", `${hex(first)}+${hex(length)} wraps`);
    const { alignment } = this.ioas;
    const off = (by: bigint): boolean => first % by !== 0n || (last + 1n) % by !== 0n;
    if (page === 0n || off(alignment) || off(page)) {
      return failed("EINVAL", "misaligned", `${hex(first)}+${hex(length)}, page size ${page}`);
    }
    if (!this.domain.dirtyTracking) return failed("EINVAL", "not-tracking", "tracking is off");
    const found = this.collect(first, last, page);
    if (!("ok" in found) && options.noClear !== true) this.domain.clean(first, last);
    return "ok" in found ? found : done(found);
  }

  private collect(first: bigint, last: bigint, page: bigint): DirtyBitmap | Failed {
    let whole = false;
    for (const part of this.ioas.areas.contiguous(first, last)) ({ whole } = part);
    if (!whole) return failed("EINVAL", "hole", `not all of ${hex(first)} is mapped`);
    const bits = new Uint8Array(Number(((last - first + 1n) / page + 7n) / 8n));
    const places = new Set(
      this.domain.dirtyIn(first, last).map((at) => Number((at - first) / page)),
    );
    for (const place of places) bits[place >> 3] |= 1 << (place & 7);
    return { bits, dirty: places.size };
  }
}

/** What devices need of the whole iommufd. */
export interface HwptMaker {
  makeHwpt(ioas: Ioas, domain: IommuDomain, auto: boolean, dirty: boolean): Outcome<Hwpt>;
  putHwpt(hwpt: Hwpt): void;
  readonly hwpts: readonly Hwpt[];
}

/** A device. Made by {@link Iommufd.createDevice}. */
export class IommufdDevice {
  readonly name: string;
  private now: Hwpt | undefined;

  /** @internal */
  constructor(
    readonly id: number,
    private readonly env: IommufdEnv,
    private readonly maker: HwptMaker,
    private readonly options: DeviceOptions,
  ) {
    this.name = options.name ?? `device${id}`;
  }

  /** The page table it uses. */
  get hwpt(): Hwpt | undefined {
    return this.now;
  }

  /** Can its IOMMU tell what it has written? */
  get dirtyCapable(): boolean {
    return this.options.iommu?.dirtyTracking ?? true;
  }

  /** A page table as its IOMMU makes them. */
  newDomain(): IommuDomain {
    return new IommuDomain({ name: `iommu of ${this.name}`, ...this.options.iommu });
  }

  /** @returns the page table; EINVAL attached already; EADDRINUSE; ENOENT; EFAULT; ENOMEM */
  attach(to: Ioas | Hwpt): Outcome<Hwpt> {
    if (this.now === undefined) return this.change(to);
    return failed("EINVAL", "attached", `${this.name} is attached`);
  }

  /** Changes its page table without a moment in between. @returns as attach; nothing has changed */
  replace(to: Ioas | Hwpt): Outcome<Hwpt> {
    if (this.now !== undefined) return this.change(to);
    return failed("EINVAL", "not-attached", `${this.name} is not attached`);
  }

  detach(): void {
    const { now } = this;
    this.now = undefined;
    if (now !== undefined) this.leave(now);
  }

  private change(to: Ioas | Hwpt): Outcome<Hwpt> {
    const missing = to.missing();
    if (missing !== undefined) return missing;
    const from = this.now;
    const ioas = to instanceof Hwpt ? to.ioas : to;
    const moves = from?.ioas !== ioas;
    const reserved = moves ? this.reserve(ioas) : undefined;
    if (reserved !== undefined) return reserved;
    const hwpt = to instanceof Hwpt ? this.join(to) : this.find(to);
    if (!hwpt.ok) {
      if (moves) ioas.unreserve(this);
      return hwpt;
    }
    hwpt.value.users++;
    this.now = hwpt.value;
    if (from === undefined) return hwpt;
    if (moves) from.ioas.unreserve(this);
    this.put(from);
    return hwpt;
  }

  private reserve(ioas: Ioas): Failed | undefined {
    for (const { start, last } of this.options.reserved ?? []) {
      const outcome = ioas.reserve(start, last, this);
      if (outcome.ok) continue;
      ioas.unreserve(this);
      return outcome;
    }
    return undefined;
  }

  private join(hwpt: Hwpt): Outcome<Hwpt> {
    if (!hwpt.enforcesDirty || this.dirtyCapable) return done(hwpt);
    return failed("EINVAL", "no-dirty-tracking", `${this.name} cannot track what it writes`);
  }

  /** An automatic page table that suits it, or a new one. */
  private find(ioas: Ioas): Outcome<Hwpt> {
    const domain = this.newDomain();
    const there = this.maker.hwpts.find(
      (hwpt) =>
        hwpt.auto &&
        hwpt.ioas === ioas &&
        this.options.ownDomain !== true &&
        isSame(hwpt.domain, domain),
    );
    if (there !== undefined) return done(there);
    return this.maker.makeHwpt(ioas, domain, true, false);
  }

  private leave(hwpt: Hwpt): void {
    hwpt.ioas.unreserve(this);
    this.put(hwpt);
  }

  private put(hwpt: Hwpt): void {
    hwpt.users--;
    if (hwpt.auto && hwpt.users === 0) this.maker.putHwpt(hwpt);
  }

  /** DMA by the device. @returns why it faulted, or undefined */
  dma(iova: Bytes, length: Bytes, write: boolean): string | undefined {
    if (this.now === undefined) return "blocked";
    return this.now.domain.access(iova, length, write);
  }

  /** @internal */
  noRoom(): Failed | undefined {
    return this.env.allocations.take("device") ? undefined : noMemory("device");
  }
}

function isSame(a: IommuDomain, b: IommuDomain): boolean {
  const same = (of: IommuDomain): string =>
    `${of.pageSizes.join()} ${of.aperture.start} ${of.aperture.last} ${of.dirtyCapable}`;
  return same(a) === same(b);
}
