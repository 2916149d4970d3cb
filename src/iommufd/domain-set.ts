/** The domains of an address space, and the alignment they and the drivers ask for. */
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";
import { PAGE_BYTES, TOP } from "./addresses.js";
import type { Area, Areas } from "./area.js";
import { lengthOf } from "./slice.js";
import type { IommufdEnv } from "./env.js";
import { fillDomains, unfillDomains, unmapArea } from "./fill.js";
import type { IommuDomain } from "./iommu-domain.js";
import { noMemory } from "./iopt-pages.js";

/** A driver that has to be asked before what it uses changes. */
export interface Listener {
  readonly name: string;
  /** Least alignment of the address space, bytes. */
  readonly alignment: bigint;
  /** Something is unmapped: bytes. */
  notifyUnmap(iova: bigint, length: bigint): void;
}

/** The address space, as far as its domains need it. */
export interface DomainHost {
  readonly env: IommufdEnv;
  readonly areas: Areas;
  readonly accesses: readonly (Listener | undefined)[];
  reserve(start: bigint, last: bigint, owner: object): Outcome<undefined>;
  unreserve(owner: object): void;
}

/** See the file comment. */
export class DomainSet {
  private domains: IommuDomain[] = [];
  private least = 1n;
  private pageByPage = false;

  constructor(private readonly ioas: DomainHost) {}

  get list(): readonly IommuDomain[] {
    return this.domains;
  }

  get alignment(): bigint {
    return this.least;
  }

  /** Is everything mapped page by page (no huge pages)? */
  get small(): boolean {
    return this.pageByPage;
  }

  private violating(alignment: bigint): Area | undefined {
    const off = (value: bigint): boolean => value % alignment !== 0n;
    for (const area of this.ioas.areas) {
      const offset = area.startByte % PAGE_BYTES;
      if (off(area.iova) || off(lengthOf(area)) || off(offset)) return area;
    }
    return undefined;
  }

  /** Recomputes the alignment. @returns EADDRINUSE an area violates it, and it stays */
  realign(): Failed | undefined {
    const wanted = [this.pageByPage ? PAGE_BYTES : 1n];
    for (const { pageSizes } of this.domains) wanted.push(pageSizes[0]);
    for (const access of this.ioas.accesses) {
      if (access !== undefined) wanted.push(access.alignment);
    }
    const alignment = wanted.reduce((most, each) => (each > most ? each : most));
    if (alignment > this.least && this.violating(alignment) !== undefined) {
      return failed("EADDRINUSE", "misaligned-area", `an area is not aligned to ${alignment}`);
    }
    this.least = alignment;
    return undefined;
  }

  setHugePages(on: boolean): Outcome<undefined> {
    if (!on && !this.pageByPage && this.domains.length > 0 && this.ioas.areas.size > 0) {
      return failed("EINVAL", "pages-in-domains", "domains have pages mapped");
    }
    const before = this.pageByPage;
    this.pageByPage = !on;
    const failure = this.realign();
    if (failure === undefined) return done(undefined);
    this.pageByPage = before;
    return failure;
  }

  add(domain: IommuDomain): Outcome<undefined> {
    if (this.domains.includes(domain)) {
      return failed("EEXIST", "domain-there", `${domain.name} is attached already`);
    }
    const [smallest] = domain.pageSizes;
    const alignment = smallest > this.least ? smallest : this.least;
    if (alignment > PAGE_BYTES) {
      return failed("EINVAL", "large-pages-only", `least page size is ${smallest}`);
    }
    if (alignment !== this.least && this.violating(alignment) !== undefined) {
      return failed("EADDRINUSE", "misaligned-area", `an area is not aligned to ${alignment}`);
    }
    const failure = this.reserveOutside(domain) ?? this.fill(domain);
    if (failure !== undefined) {
      this.ioas.unreserve(domain);
      return failure;
    }
    this.least = alignment;
    this.domains.push(domain);
    return done(undefined);
  }

  private reserveOutside(domain: IommuDomain): Failed | undefined {
    const { start, last } = domain.aperture;
    const ranges: [bigint, bigint][] = [];
    if (start > 0n) ranges.push([0n, start - 1n]);
    if (last < TOP) ranges.push([last + 1n, TOP]);
    for (const [from, to] of ranges) {
      const outcome = this.ioas.reserve(from, to, domain);
      if (!outcome.ok) return outcome;
    }
    if (!this.ioas.env.allocations.take("domains")) return noMemory("domains");
    return undefined;
  }

  /** Maps all areas into a new domain, or none. */
  private fill(domain: IommuDomain): Failed | undefined {
    const { env } = this.ioas;
    const filled: Area[] = [];
    for (const area of this.ioas.areas) {
      const { pages } = area;
      if (pages === undefined) continue;
      const failure = fillDomains(env, area, pages, [domain], this.pageByPage);
      if (failure !== undefined) {
        for (const each of filled) this.unfill(each, domain);
        return failure;
      }
      filled.push(area);
      if (area.storage === undefined) {
        area.storage = domain;
        pages.store(area);
      }
    }
    return undefined;
  }

  private unfill(area: Area, domain: IommuDomain): void {
    if (this.domains.length > 0) unmapArea(this.ioas.env, area, domain);
    else unfillDomains(this.ioas.env, area, area.pages!, [domain]);
  }

  remove(domain: IommuDomain): void {
    const at = this.domains.indexOf(domain);
    if (at < 0) return;
    // The last one takes its place: so do the kernel's slots.
    const last = this.domains.pop()!;
    if (at < this.domains.length) this.domains[at] = last;
    for (const area of this.ioas.areas) {
      if (area.pages === undefined) continue;
      if (this.domains.length > 0 && area.storage === domain) area.storage = this.domains[0];
      this.unfill(area, domain);
    }
    this.ioas.unreserve(domain);
    this.realign();
  }
}
