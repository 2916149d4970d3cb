/**
 * What vhost-vdpa does with one mapping: into the core's table and down to the device, and back.
 * Messages, checks and pinning are above this.
 */
import { type IotlbEntry, Iotlb } from "../iotlb.js";
import type { HostFrames } from "../mm/frames.js";
import type { UserMm } from "../mm/user-mm.js";
import type { Allocations } from "../uapi/allocations.js";
import type { Errno } from "../uapi/errno.js";
import { type VdpaCounts, noCounts } from "./counts.js";
import type { VdpaEra } from "./eras.js";
import { has, type VdpaEntry, type VdpaParent, type VdpaTranslations } from "./parent.js";
import { PlatformIommu } from "./platform-iommu.js";
import { type VdpaEvent, VdpaTrace } from "./trace.js";

/** Which goes first when a mapping is removed. */
export type UnmapOrder = "unpin-first" | "unmap-first";

/** The rows of the table that are the IOMMU's: behind those of the address spaces. */
const DOMAIN = 16;

/** See the file comment. */
export class VdpaCore {
  counts: VdpaCounts = noCounts();
  readonly iommu: PlatformIommu | undefined;
  readonly trace: VdpaTrace | undefined;
  /** Pages pinned and not unpinned, ever. */
  pinned = 0;
  /** dev->mm. */
  mm: UserMm | undefined;
  /** Is the device running? */
  isLive = false;
  inBatch = false;
  batchAsid = 0;
  /** Address spaces that exist. */
  readonly spaces = new Set<number>();
  /** Pages in each table, and in the one that was pushed last. */
  private readonly pagesIn = new Map<number, number>();
  private readonly pagesPushed = new Map<number, number>();
  /** Pages of removed mappings that are unpinned once the device was told. */
  private waiting: IotlbEntry[] = [];

  constructor(
    readonly iotlb: Iotlb,
    readonly parent: VdpaParent,
    readonly frames: HostFrames,
    readonly era: VdpaEra,
    readonly order: UnmapOrder,
    readonly allocations: Allocations,
    traced: boolean,
  ) {
    const isPlatform = !has(parent, "setMap") && !has(parent, "dmaMap");
    this.iommu = isPlatform ? new PlatformIommu(iotlb, DOMAIN) : undefined;
    const checked = parent.useVa !== true;
    const asids = this.asidCount;
    const translations = (asid: number): VdpaTranslations | undefined => this.translations(asid);
    const live = (): boolean => this.isLive;
    const subject = { frames, checked, asids, translations, live };
    this.trace = traced ? new VdpaTrace(subject) : undefined;
  }

  /** Address spaces the device can have. */
  get asidCount(): number {
    return this.era.asids ? Math.min(this.parent.addressSpaces ?? 1, DOMAIN) : 1;
  }

  /** What the device translates, as far as its parent tells. */
  translations(asid: number): VdpaTranslations | undefined {
    if (this.iommu !== undefined) return asid === 0 ? this.iommu.translations() : [];
    return this.parent.translations?.(asid);
  }

  note(event: VdpaEvent, errno?: Errno): void {
    this.trace?.add(errno === undefined ? event : { ...event, errno });
  }

  /** The first entry that overlaps pages [first, last], where `last` may lie below `first`. */
  firstIn(asid: number, first: number, last: number): IotlbEntry | undefined {
    if (last >= first - 1) return this.iotlb.firstIn(asid, first, last);
    // By the kernel's comparison that is an entry from `last`, or before, to `first`, or behind.
    const entry = this.iotlb.firstIn(asid, last, last);
    return entry !== undefined && entry.last >= first ? entry : undefined;
  }

  /** Adds an entry and tells the device; on failure the entry is gone again. */
  map(asid: number, entry: VdpaEntry): Errno | undefined {
    if (!this.allocations.take("iotlb-map")) return "ENOMEM";
    const { start, last, addr, perm } = entry;
    this.iotlb.add(asid, start, last, addr, perm);
    this.counts.added++;
    this.grow(asid, last - start + 1);
    this.note({ step: "add", asid, start, pages: last - start + 1, addr });
    const errno = this.tellMapped(asid, entry);
    if (errno === undefined) {
      if (this.parent.useVa !== true) this.mm!.pinnedVm += last - start + 1;
      return undefined;
    }
    this.iotlb.delete(asid, start, last);
    this.counts.removed++;
    this.grow(asid, start - last - 1);
    this.note({ step: "remove", asid, start, pages: last - start + 1, addr });
    return errno;
  }

  private tellMapped(asid: number, entry: VdpaEntry): Errno | undefined {
    const { start, last, addr } = entry;
    const range = { asid, start, pages: last - start + 1, addr };
    if (this.iommu !== undefined) {
      const errno = this.iommu.map(entry);
      this.counts.iommuMaps++;
      this.note({ step: "iommu-map", ...range }, errno);
      return errno;
    }
    if (has(this.parent, "dmaMap")) {
      const errno = this.parent.dmaMap!(asid, entry);
      this.counts.dmaMaps++;
      this.note({ step: "dma-map", ...range }, errno);
      return errno;
    }
    return this.inBatch ? undefined : this.push(asid);
  }

  /** set_map: the whole table. */
  push(asid: number): Errno | undefined {
    const size = this.iotlb.sizeOf(asid);
    const { iotlb } = this;
    const table = { asid, size, [Symbol.iterator]: () => entriesOf(iotlb, asid) };
    const errno = this.parent.setMap!(asid, table);
    this.counts.setMaps++;
    this.counts.pushed += size;
    if (errno === undefined) {
      this.dropPushed(asid);
      const pages = this.pagesIn.get(asid) ?? 0;
      this.pagesPushed.set(asid, pages);
      this.counts.pushedPages += pages;
    }
    this.note({ step: "set-map", asid, entries: size }, errno);
    this.unpinWaiting();
    return errno;
  }

  private grow(asid: number, pages: number): void {
    this.pagesIn.set(asid, (this.pagesIn.get(asid) ?? 0) + pages);
  }

  /** The parent gives up the table of an address space, or of all of them. */
  dropPushed(asid?: number): void {
    const asids = asid === undefined ? [...this.pagesPushed.keys()] : [asid];
    for (const each of asids) {
      this.counts.droppedPages += this.pagesPushed.get(each) ?? 0;
      this.pagesPushed.delete(each);
    }
  }

  /**
   * Removes what overlaps pages [first, last]. A set_map parent is given the table behind that, but
   * not within a batch. `request`: as many pages the message names, for kernels
   * that unmap those and not entries.
   */
  unmap(asid: number, first: number, last: number, request: number): void {
    this.removeEntries(asid, first, last, this.era.unmaps === "entry");
    if (this.era.unmaps === "request") this.unmapRequest(asid, first, last, request);
    if (has(this.parent, "setMap") && !this.inBatch) this.push(asid);
  }

  private unmapRequest(asid: number, first: number, last: number, pages: number): void {
    if (this.iommu !== undefined) {
      this.iommu.unmap(first, pages);
      this.counts.iommuUnmaps++;
      this.note({ step: "iommu-unmap", asid, start: first, pages });
    } else if (has(this.parent, "dmaUnmap")) {
      const errno = this.parent.dmaUnmap!(asid, first, last);
      this.counts.dmaUnmaps++;
      this.note({ step: "dma-unmap", asid, start: first, pages }, errno);
    }
    this.unpinWaiting();
  }

  private removeEntries(asid: number, first: number, last: number, tells: boolean): void {
    const toldHere = tells && !has(this.parent, "setMap");
    for (;;) {
      const entry = this.firstIn(asid, first, last);
      if (entry === undefined) break;
      if (this.order === "unpin-first") {
        this.unpin(entry);
        if (toldHere) this.tellUnmapped(entry);
      } else {
        if (toldHere) this.tellUnmapped(entry);
        this.waiting.push(entry);
        if (toldHere) this.unpinWaiting();
      }
      this.iotlb.remove(entry.handle);
      this.counts.removed++;
      const { start, addr } = entry;
      const pages = entry.last - start + 1;
      this.grow(asid, -pages);
      this.note({ step: "remove", asid, start, pages, addr });
    }
  }

  private tellUnmapped({ asid, start, last, addr }: IotlbEntry): void {
    const range = { asid, start, pages: last - start + 1, addr };
    if (this.iommu !== undefined) {
      this.iommu.unmap(start, last - start + 1);
      this.counts.iommuUnmaps++;
      this.note({ step: "iommu-unmap", ...range });
    } else if (has(this.parent, "dmaUnmap")) {
      const errno = this.parent.dmaUnmap!(asid, start, last);
      this.counts.dmaUnmaps++;
      this.note({ step: "dma-unmap", ...range }, errno);
    }
  }

  private unpin({ asid, start, last, addr, perm }: IotlbEntry): void {
    if (this.parent.useVa === true) return;
    const pages = last - start + 1;
    this.mm!.pinnedVm -= pages;
    if ((perm & 2) !== 0) this.counts.dirtied += pages;
    this.put(addr, pages, { asid, start });
  }

  /** Pins neighbouring frames. */
  get(addr: number, pages: number, asid: number): void {
    this.frames.get(addr, pages);
    this.counts.pins += pages;
    this.pinned += pages;
    this.note({ step: "pin", asid, pages, addr });
  }

  /** Unpins neighbouring frames, of a mapping or of none. */
  put(addr: number, pages: number, of: { readonly asid: number; readonly start?: number }): void {
    this.frames.put(addr, pages);
    this.counts.unpins += pages;
    this.pinned -= pages;
    this.note({ step: "unpin", ...of, pages, addr });
  }

  /** Pages of removed mappings that are pinned still. */
  get waitingPages(): number {
    return this.waiting.reduce((sum, { start, last }) => sum + (last - start + 1), 0);
  }

  private unpinWaiting(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const entry of waiting) this.unpin(entry);
  }

  /** The file is closed: an address space goes, and its parent may go back to its default. */
  removeSpace(asid: number): void {
    this.removeEntries(asid, 0, 2 ** 52 - 1, this.era.unmaps === "entry");
    if (this.era.resetOps && has(this.parent, "resetMap")) {
      const errno = this.parent.resetMap!(asid);
      this.counts.resetMaps++;
      if (errno === undefined) this.dropPushed(asid);
      this.note({ step: "reset-map", asid }, errno);
    }
    if (this.iommu === undefined) this.unpinWaiting();
    this.spaces.delete(asid);
  }

  /** The domain of the IOMMU is freed, and what is translated in it with it. */
  freeDomain(): void {
    if (this.iommu !== undefined) {
      this.iommu.free();
      this.note({ step: "domain-free" });
    }
    this.unpinWaiting();
  }
}

/** The entries of an address space, without what is the table's own. */
export function* entriesOf(iotlb: Iotlb, asid: number): Generator<VdpaEntry, void, undefined> {
  for (const { start, last, addr, perm } of iotlb.dump(asid)) yield { start, last, addr, perm };
}
