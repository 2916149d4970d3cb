/** Invariants of a container by name, recomputed from nothing but mappings, pins and leaks. */
import { hexOf } from "./addresses.js";
import type { VfioContainer } from "./container.js";
import type { Type1 } from "./state.js";
import type { UserMm } from "../mm/user-mm.js";

/** What holds whenever no call is under way. */
export const VFIO_INVARIANTS = {
  ReferencesAddUp:
    "type1 holds a frame once for each iova page mapped to it and once for each pin node of it",
  ChargesAddUp: "a process is charged for the distinct iova pages that are mapped or pinned",
  PinsAreContained: "every pin lies inside of a mapping",
  NothingLeaks: "no pin, reference or charge is left that nobody can give back",
  MappingsApart: "no two mappings overlap",
  RunsCover: "a mapping of a real domain is translated whole, and only with a real domain",
  CountersAddUp: "mappings, invalid vaddrs and groups are as many as is counted",
  LocksAreFree: "nobody holds a lock",
} as const;

export type VfioInvariant = keyof typeof VFIO_INVARIANTS;

/** An invariant that does not hold, and where. */
export interface VfioInvariantViolation {
  readonly invariant: VfioInvariant;
  readonly detail: string;
}

class Checker {
  readonly violations: VfioInvariantViolation[] = [];
  private readonly references = new Map<number, number>();
  private readonly charges = new Map<UserMm, number>();

  constructor(
    private readonly s: Type1,
    /** References that others hold to a frame. */
    private readonly others: (pfn: number) => number,
  ) {}

  private fail(invariant: VfioInvariant, detail: string): void {
    this.violations.push({ invariant, detail });
  }

  private refer(pfn: number, pages = 1): void {
    for (let i = 0; i < pages; i++) {
      this.references.set(pfn + i, (this.references.get(pfn + i) ?? 0) + 1);
    }
  }

  private isReserved(pfn: number): boolean {
    return this.s.frames.reservedRanges.some(([first, last]) => pfn >= first && pfn <= last);
  }

  run(): void {
    this.mappings();
    this.contained();
    this.counters();
    this.leaks();
    this.compare();
    for (const lock of ["container", "listeners"] as const) {
      const owner = this.s.locks.ownerOf(lock);
      if (owner !== null) this.fail("LocksAreFree", `${owner} holds the ${lock} lock`);
    }
  }

  private mappings(): void {
    let end = -1;
    for (const dma of this.s.dmas.all()) {
      if (dma.first <= end) this.fail("MappingsApart", `at ${hexOf(dma.first)}`);
      end = dma.last;
      let next = dma.first;
      const mapped = new Set<number>();
      for (const run of dma.runs ?? []) {
        if (run.page !== next) this.fail("RunsCover", `a hole at ${hexOf(next)}`);
        next = run.page + run.pages;
        if (run.reserved !== this.isReserved(run.pfn)) {
          this.fail("RunsCover", `frame ${run.pfn} is, or is not, reserved`);
        }
        if (run.reserved) continue;
        this.refer(run.pfn, run.pages);
        for (let i = 0; i < run.pages; i++) mapped.add(run.page + i);
      }
      if (dma.runs !== undefined && next !== dma.last + 1) {
        this.fail("RunsCover", `ends at ${hexOf(next)}`);
      }
      if ((dma.runs !== undefined) !== this.s.hasReal) {
        this.fail("RunsCover", `${hexOf(dma.first)}, with ${this.s.domains.length} domains`);
      }
      for (const { page, pfn } of this.s.store) {
        if (page < dma.first || page > dma.last || this.isReserved(pfn)) continue;
        this.refer(pfn);
        if (dma.runs === undefined) mapped.add(page);
      }
      this.charges.set(dma.mm, (this.charges.get(dma.mm) ?? 0) + mapped.size);
      if (mapped.size + dma.leaked !== dma.lockedVm) {
        const detail = `${mapped.size + dma.leaked} pages of ${hexOf(dma.first)}, ${dma.lockedVm} told`;
        this.fail("ChargesAddUp", detail);
      }
    }
  }

  private contained(): void {
    const mappings = this.s.dmas.all();
    for (const { page } of this.s.store) {
      if (mappings.some(({ first, last }) => page >= first && page <= last)) continue;
      this.fail("PinsAreContained", `a pin at ${hexOf(page)}`);
    }
  }

  private counters(): void {
    const { s } = this;
    const mappings = s.dmas.all();
    const invalid = mappings.filter(({ vaddrInvalid }) => vaddrInvalid).length;
    if (invalid !== s.vaddrInvalid) this.fail("CountersAddUp", `${invalid} vaddrs are invalid`);
    const unbounded = s.groups.filter(({ pinnedOnly }) => !pinnedOnly).length;
    if (unbounded !== s.nonPinnedGroups) this.fail("CountersAddUp", `${unbounded} groups`);
    if (mappings.length !== s.records.counters.mappings) {
      this.fail("CountersAddUp", `${mappings.length} mappings`);
    }
  }

  /** What leaked is held and charged, too, so that the sums can be compared. */
  private leaks(): void {
    for (const { kind, iova, pages, pfn } of this.s.records.leaks) {
      this.fail("NothingLeaks", `${kind} of ${pages} pages at 0x${iova.toString(16)}`);
      if (!this.isReserved(pfn)) this.refer(pfn, pages);
    }
    for (const [mm, pages] of this.s.leaked) {
      this.charges.set(mm, (this.charges.get(mm) ?? 0) + pages);
    }
  }

  private compare(): void {
    const { s } = this;
    for (const [pfn, refs] of s.frames) {
      const expected = (this.references.get(pfn) ?? 0) + this.others(pfn);
      if (refs !== expected) {
        this.fail("ReferencesAddUp", `frame ${pfn} is held ${refs} times, not ${expected}`);
      }
      this.references.delete(pfn);
    }
    for (const [pfn, refs] of this.references) {
      this.fail("ReferencesAddUp", `frame ${pfn} is not held, but for ${refs} reasons`);
    }
    if (s.frames.underflows.length > 0) {
      this.fail("ReferencesAddUp", `frame ${s.frames.underflows[0]} was given back too often`);
    }
    for (const mm of new Set([...s.charges.keys(), ...this.charges.keys()])) {
      const told = s.charges.get(mm) ?? 0;
      const expected = this.charges.get(mm) ?? 0;
      if (told !== expected) this.fail("ChargesAddUp", `${mm.name}: ${told}, not ${expected}`);
    }
  }
}

/**
 * What does not hold of a container. Slow: looks at every page.
 * @param others - references that others hold to a frame; none by default
 */
export function validateVfio(
  container: VfioContainer,
  others: (pfn: number) => number = () => 0,
): VfioInvariantViolation[] {
  const checker = new Checker(container.raw, others);
  checker.run();
  return checker.violations;
}
