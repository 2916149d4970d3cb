/**
 * An I/O address space: areas of I/O addresses over pinned pages, the domains that translate them
 * and the drivers that access them. Linux: io_pagetable.c, ioas.c.
 */
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";
import { type Bytes, checkBytes, hex, TOP } from "./addresses.js";
import { type Area, Areas, type IommuProt, newArea } from "./area.js";
import { type IommufdEnv, warn } from "./env.js";
import { DomainSet, type Listener } from "./domain-set.js";
import { fillDomains, unfillDomains } from "./fill.js";
import type { IommuDomain, IovaRange } from "./iommu-domain.js";
import { noMemory } from "./iopt-pages.js";
import { findFree, holes, overlapping, type ReservedRange } from "./iova-ranges.js";
import * as make from "./make-pages.js";
import type { Slice } from "./make-pages.js";
import type { SharedFile } from "./source.js";
import type { AccountMode, Task } from "./task.js";
import { type Unmapped, unmapRange } from "./unmap.js";

/** What a mapping may be used for. Both true by default. */
export interface MapProt {
  readonly read?: boolean;
  readonly write?: boolean;
}

/** A mapping of memory of the calling process. */
export interface MapOptions extends MapProt {
  /** Its virtual address, bytes. */
  readonly va: Bytes;
  /** Bytes. */
  readonly length: Bytes;
  /** Where (IOMMU_IOAS_MAP_FIXED_IOVA); by default the kernel finds a place. */
  readonly iova?: Bytes;
  /** Who maps; the process that opened iommufd by default. */
  readonly task?: Task;
}

/** A mapping of a file. */
export interface MapFileOptions extends Omit<MapOptions, "va"> {
  readonly file: SharedFile;
  /** First byte in the file; 0 by default. */
  readonly start?: Bytes;
}

/** A second mapping of pages that are mapped. */
export interface CopyOptions extends MapProt {
  readonly from: Ioas;
  readonly srcIova: Bytes;
  readonly length: Bytes;
  /** Where; by default the kernel finds a place. */
  readonly iova?: Bytes;
}

/** What iovaRanges found. */
export interface IovaRanges {
  /** As many as fit. */
  readonly ranges: readonly IovaRange[];
  /** How many there are. */
  readonly total: number;
  /** Alignment of addresses and lengths, bytes. */
  readonly alignment: bigint;
}

/** A mapping that has its addresses, but not yet its pages: for races with it. */
export interface PendingMap {
  readonly iova: bigint;
  /** The second half: pins into the domains. Once. @returns where it is */
  finish(): Outcome<bigint>;
}

/** See the file comment. Made by {@link Iommufd.ioasAlloc}. */
export class Ioas {
  /** @internal */
  readonly areas = new Areas();
  /** @internal */
  readonly domains: DomainSet;
  /** Who accesses it, by slot. @internal */
  readonly accesses: (Listener | undefined)[] = [];
  private reservedRanges: ReservedRange[] = [];
  private allowedRanges: readonly IovaRange[] = [];
  private gone = false;
  /** Devices' page tables over it. @internal */
  users = 0;
  /** Charging mode of new mappings where the caller may not lock without limit. @internal */
  mode: Exclude<AccountMode, "none"> = "user";

  /** @internal */
  constructor(
    readonly id: number,
    /** @internal */
    readonly env: IommufdEnv,
  ) {
    this.domains = new DomainSet(this);
  }

  /** Least alignment of addresses, lengths and offsets in pages, bytes. */
  get alignment(): bigint {
    return this.domains.alignment;
  }

  /** True once it is destroyed: every call fails with ENOENT. */
  get destroyed(): boolean {
    return this.gone;
  }

  /** @internal */
  missing(): Failed | undefined {
    return this.gone ? failed("ENOENT", "no-object", `there is no IOAS ${this.id}`) : undefined;
  }

  /**
   * IOMMU_IOAS_MAP. Without a domain nothing is pinned.
   * @returns where it is. EOVERFLOW, EINVAL, ENOMEM, EEXIST, ENOSPC, EFAULT
   * @throws ArgumentError E_TYPE, E_ADDR_RANGE
   */
  map(options: MapOptions): Outcome<bigint> {
    const pending = this.mapBegin(options);
    return pending.ok ? pending.value.finish() : pending;
  }

  /** As {@link Ioas.map}, its first half: the addresses are taken, and nobody can use them. */
  mapBegin(options: MapOptions): Outcome<PendingMap> {
    const va = checkBytes("va", options.va);
    return this.begin(options, (length) =>
      make.pagesOfTask(this.env, options.task ?? this.env.task, va, length, {
        write: options.write ?? true,
        mode: this.mode,
      }),
    );
  }

  /** IOMMU_IOAS_MAP_FILE. As {@link Ioas.map}; EOPNOTSUPP before there were such mappings. */
  mapFile(options: MapFileOptions): Outcome<bigint> {
    const start = checkBytes("start", options.start ?? 0);
    if (!this.env.policy.files) return failed("EOPNOTSUPP", "no-files", "not in this kernel");
    const pending = this.begin(options, (length) =>
      make.pagesOfFile(this.env, options.task ?? this.env.task, options.file, start, length, {
        write: options.write ?? true,
        mode: this.mode,
      }),
    );
    return pending.ok ? pending.value.finish() : pending;
  }

  private begin(
    options: MapProt & { readonly length: Bytes; readonly iova?: Bytes },
    make: (length: bigint) => Slice | Failed,
  ): Outcome<PendingMap> {
    const length = checkBytes("length", options.length);
    const fixed = options.iova === undefined ? undefined : checkBytes("iova", options.iova);
    const prot = protOf(options);
    const bad = this.checkMap(prot, length, fixed ?? 0n) ?? this.missing();
    if (bad !== undefined) return bad;
    const slice = make(length);
    if ("ok" in slice) return slice;
    return this.place([slice], length, fixed, prot);
  }

  private checkMap(prot: IommuProt, ...bytes: bigint[]): Failed | undefined {
    if (bytes.some((each) => each >= TOP)) {
      return failed("EOVERFLOW", "too-large", "an address or length is 2^64 - 1");
    }
    if (!prot.read && !prot.write && this.env.policy.needsAccess) {
      return failed("EINVAL", "no-access", "neither readable nor writable");
    }
    return undefined;
  }

  /**
   * IOMMU_IOAS_COPY: maps pages of another or the same address space once more; they are pinned
   * and charged once.
   * @returns where it is. As {@link Ioas.map}; ENOENT a hole; EPERM the pages are read-only
   */
  copy(options: CopyOptions): Outcome<bigint> {
    const length = checkBytes("length", options.length);
    const src = checkBytes("srcIova", options.srcIova);
    const fixed = options.iova === undefined ? undefined : checkBytes("iova", options.iova);
    const prot = protOf(options);
    const bad = this.checkMap(prot, length, src, fixed ?? 0n) ?? options.from.missing();
    if (bad !== undefined) return bad;
    const slices = options.from.slices(src, length);
    if (!Array.isArray(slices)) return slices;
    const gone = this.missing();
    const pending = gone ?? this.place(slices, length, fixed, prot);
    return pending.ok ? pending.value.finish() : pending;
  }

  /** Parts of `pages` objects that are behind [iova, iova + length), with a reference each. */
  private slices(iova: bigint, length: bigint): Slice[] | Failed {
    if (length === 0n) return failed("EINVAL", "empty", "length is 0");
    const last = iova + length - 1n;
    if (last > TOP) return failed("EOVERFLOW", "wraps", `${hex(iova)}+${hex(length)} wraps`);
    const slices: Slice[] = [];
    let whole = false;
    for (const part of this.areas.contiguous(iova, last)) {
      if (!this.env.allocations.take("iopt_pages_list")) {
        return this.drop(slices, noMemory("iopt_pages_list"));
      }
      const { area, pages, from, to } = part;
      pages.references++;
      const startByte = area.startByte + (from - area.iova);
      slices.push({ pages, startByte, length: to - from + 1n });
      whole = part.whole;
    }
    if (whole) return slices;
    return this.drop(slices, failed("ENOENT", "hole", `nothing is mapped behind ${hex(iova)}`));
  }

  private drop(slices: readonly Slice[], failure: Failed): Failed {
    for (const { pages } of slices) pages.references--;
    return failure;
  }

  /** Makes areas without pages for slices; gives the slices' references back when it fails. */
  private place(
    slices: readonly Slice[],
    length: bigint,
    fixed: bigint | undefined,
    prot: IommuProt,
  ): Outcome<PendingMap> {
    for (const _ of slices) {
      if (!this.env.allocations.take("iopt_area")) return this.drop(slices, noMemory("iopt_area"));
    }
    const iova = this.choose(slices[0], length, fixed);
    if (typeof iova !== "bigint") return this.drop(slices, iova);
    const made: Area[] = [];
    let at = iova;
    for (const slice of slices) {
      const bad = this.checkSlice(slice, prot);
      if (bad !== undefined) {
        for (const area of made) this.areas.remove(area);
        return this.drop(slices, bad);
      }
      const area = newArea(at, slice.length, slice.startByte, prot);
      this.areas.add(area);
      made.push(area);
      at += slice.length;
    }
    let finished: Outcome<bigint> | undefined;
    return done({ iova, finish: () => (finished ??= this.finish(iova, made, slices)) });
  }

  private checkSlice({ pages, startByte }: Slice, prot: IommuProt): Failed | undefined {
    if (prot.write && !pages.write) {
      return failed("EPERM", "read-only-pages", "the pages were mapped without write");
    }
    if ((startByte % 4096n) % this.alignment === 0n) return undefined;
    return failed("EINVAL", "misaligned", `offset in page, alignment ${this.alignment}`);
  }

  /** Where a mapping goes. */
  private choose(slice: Slice, length: bigint, fixed: bigint | undefined): bigint | Failed {
    if (length === 0n || length % this.alignment !== 0n) {
      return failed("EINVAL", "misaligned", `length ${length}, alignment ${this.alignment}`);
    }
    if (fixed !== undefined) return this.checkPlace(fixed, length) ?? fixed;
    const { source } = slice.pages;
    const at = BigInt(source.base) * 4096n + slice.startByte;
    const used = [...this.reservedRanges, ...this.used()];
    const wanted = { length, at, alignment: this.alignment };
    const found = findFree(wanted, this.allowedRanges, used);
    if (typeof found === "bigint") return found;
    return failed(found, "no-place", `no place for ${hex(length)} bytes`);
  }

  private *used(): Generator<IovaRange> {
    for (const { iova, last } of this.areas) yield { start: iova, last };
  }

  private checkPlace(iova: bigint, length: bigint): Failed | undefined {
    const at = `${hex(iova)}+${hex(length)}`;
    if (iova % this.alignment !== 0n) {
      return failed("EINVAL", "misaligned", `${at}, alignment ${this.alignment}`);
    }
    const last = iova + length - 1n;
    if (last > TOP) return failed("EOVERFLOW", "wraps", `${at} wraps`);
    if (overlapping(this.reservedRanges, iova, last) !== undefined) {
      return failed("EINVAL", "reserved", `${at} is reserved, at least a part`);
    }
    if (this.areas.first(iova, last) === undefined) return undefined;
    return failed("EEXIST", "overlap", `${at} overlaps a mapping`);
  }

  /** Fills the domains; then the areas have their pages. */
  private finish(iova: bigint, areas: Area[], slices: readonly Slice[]): Outcome<bigint> {
    const { list, small } = this.domains;
    if (list.length > 0) {
      for (const [i, area] of areas.entries()) {
        const { pages } = slices[i];
        const failure = fillDomains(this.env, area, pages, list, small);
        if (failure === undefined) {
          area.storage = list[0];
          pages.store(area);
          continue;
        }
        for (let j = 0; j < i; j++) unfillDomains(this.env, areas[j], slices[j].pages, list);
        for (const each of areas) this.areas.remove(each);
        return this.drop(slices, failure);
      }
    }
    for (const [i, area] of areas.entries()) area.pages = slices[i].pages;
    return done(iova);
  }

  /**
   * IOMMU_IOAS_UNMAP: whole areas only. 0 and 2^64 - 1: everything.
   * @returns bytes. EINVAL, EOVERFLOW, ENOENT nothing there or an area only in part, EBUSY,
   * EDEADLOCK a driver does not unpin. Areas removed before the failure stay removed
   */
  unmap(iova: Bytes, length: Bytes): Outcome<bigint> {
    const first = checkBytes("iova", iova);
    const bytes = checkBytes("length", length);
    const gone = this.missing();
    if (gone !== undefined) return gone;
    if (first === 0n && bytes === TOP) return this.outcome(unmapRange(this, 0n, TOP));
    if (first >= TOP || bytes >= TOP) {
      return failed("EOVERFLOW", "too-large", "an address or length is 2^64 - 1");
    }
    const found = this.unmapPart(first, bytes);
    if ("ok" in found) return found;
    if (found.failure === undefined && found.bytes === 0n) {
      return failed("ENOENT", "nothing-mapped", `nothing is mapped in ${hex(first)}`);
    }
    return this.outcome(found);
  }

  private outcome({ failure, bytes }: Unmapped): Outcome<bigint> {
    return failure ?? done(bytes);
  }

  /** @internal */
  unmapPart(first: bigint, bytes: bigint): Unmapped | Failed {
    if (bytes === 0n) return failed("EINVAL", "empty", "length is 0");
    const last = first + bytes - 1n;
    if (last > TOP) return failed("EOVERFLOW", "wraps", `${hex(first)}+${hex(bytes)} wraps`);
    return unmapRange(this, first, last);
  }

  /** @internal */
  removeArea(area: Area): void {
    const { pages } = area;
    if (pages === undefined) return;
    area.pages = undefined;
    unfillDomains(this.env, area, pages, this.domains.list);
    this.areas.remove(area);
    pages.references--;
  }

  /**
   * IOMMU_IOAS_IOVA_RANGES: addresses that are not reserved; `most`: how many fit.
   * @returns EMSGSIZE more than fit; `total` of the failure tells how many
   */
  iovaRanges(most = Infinity): Outcome<IovaRanges> | (Failed & { readonly total: number }) {
    const gone = this.missing();
    if (gone !== undefined) return gone;
    const all = holes(this.reservedRanges, 0n, TOP);
    const ranges = all.slice(0, most);
    const total = all.length;
    if (total <= most) return done({ ranges, total, alignment: this.alignment });
    return { ...failed("EMSGSIZE", "short-array", `${total} ranges`), total };
  }

  /**
   * IOMMU_IOAS_ALLOW_IOVAS: where the kernel may put mappings; none: everywhere. Replaces the list.
   * @returns EINVAL an empty range, or overlaps; EADDRINUSE a reserved range is among them
   */
  allowIovas(list: readonly { readonly start: Bytes; readonly last: Bytes }[]): Outcome<undefined> {
    const gone = this.missing();
    if (gone !== undefined) return gone;
    const ranges: IovaRange[] = [];
    for (const { start, last } of list) {
      const range = { start: checkBytes("start", start), last: checkBytes("last", last) };
      const overlap = overlapping(ranges, range.start, range.last) !== undefined;
      if (range.start >= range.last || overlap) {
        return failed("EINVAL", "bad-range", `${hex(range.start)} to ${hex(range.last)}`);
      }
      if (!this.env.allocations.take("iopt_allowed")) return noMemory("iopt_allowed");
      ranges.push(range);
    }
    for (const { start, last } of ranges) {
      if (overlapping(this.reservedRanges, start, last) !== undefined) {
        return failed("EADDRINUSE", "reserved", `${hex(start)} to ${hex(last)} has reserved parts`);
      }
    }
    this.allowedRanges = ranges;
    return done(undefined);
  }

  /** Ranges the kernel may use for mappings without a fixed address; none: all. */
  get allowed(): readonly IovaRange[] {
    return this.allowedRanges;
  }

  /** Ranges nothing may be mapped in, and on whose behalf. */
  get reserved(): readonly ReservedRange[] {
    return this.reservedRanges;
  }

  /**
   * Reserves [start, last], as a device or a domain does.
   * @returns EADDRINUSE something is mapped there, or it is allowed; ENOMEM
   */
  reserve(start: Bytes, last: Bytes, owner: object = this): Outcome<undefined> {
    const range = { start: checkBytes("start", start), last: checkBytes("last", last), owner };
    const mapped = this.areas.first(range.start, range.last) !== undefined;
    if (mapped || overlapping(this.allowedRanges, range.start, range.last) !== undefined) {
      const what = mapped ? "mapped" : "allowed";
      return failed("EADDRINUSE", what, `${hex(range.start)} to ${hex(range.last)} is ${what}`);
    }
    if (!this.env.allocations.take("iopt_reserved")) return noMemory("iopt_reserved");
    this.reservedRanges.push(range);
    return done(undefined);
  }

  /** Takes back what was reserved on behalf of `owner`. */
  unreserve(owner: object): void {
    this.reservedRanges = this.reservedRanges.filter((range) => range.owner !== owner);
  }

  /** IOMMU_OPTION_HUGE_PAGES. @returns EINVAL there are domains and areas; EADDRINUSE */
  setHugePages(on: boolean): Outcome<undefined> {
    return this.missing() ?? this.domains.setHugePages(on);
  }

  /** May domains get leaves larger than a page? */
  get hugePages(): boolean {
    return !this.domains.small;
  }

  /** Adds a domain and maps all areas into it. @returns EINVAL, EADDRINUSE, EFAULT, ENOMEM */
  addDomain(domain: IommuDomain): Outcome<undefined> {
    return this.missing() ?? this.domains.add(domain);
  }

  /** Takes a domain away. Never fails, and never needs memory. */
  removeDomain(domain: IommuDomain): void {
    this.domains.remove(domain);
  }

  /** @internal Unmaps everything; what drivers do not let go of is left. */
  destroyNow(): void {
    const { failure } = unmapRange(this, 0n, TOP);
    if (failure !== undefined) warn(this.env, "destroy-leaves-areas", failure.message);
    this.gone = true;
  }
}

function protOf({ read = true, write = true }: MapProt): IommuProt {
  return { read, write };
}
