/**
 * The page table of an IOMMU, as far as iommufd sees it: runs that were mapped in one call each,
 * the leaves an IOMMU would use for them, and dirty bits. It is the selftests' mock domain with
 * page sizes of one's choice.
 */
import { ArgumentError } from "../errors.js";
import { checkBytes, checkPowerOfTwo, type Bytes, hex, PAGE_BYTES, TOP } from "./addresses.js";

/** A range of I/O addresses, both ends included. */
export interface IovaRange {
  readonly start: bigint;
  readonly last: bigint;
}

/** What an IOMMU can do. */
export interface DomainOptions {
  readonly name?: string;
  /** Sizes of its leaves, bytes, powers of two; 2 KiB, 4 KiB and 2 MiB by default. */
  readonly pageSizes?: readonly Bytes[];
  /** Addresses it can translate; 2^24 to 2^31 - 1 by default, as the mock's. */
  readonly aperture?: { readonly start: Bytes; readonly last: Bytes };
  /** Can it tell what devices have written? True by default. */
  readonly dirtyTracking?: boolean;
}

/** What one call of iommu_map installed. */
export interface DomainRun {
  readonly iova: bigint;
  /** Physical address, bytes. */
  readonly paddr: bigint;
  /** Bytes. */
  readonly size: bigint;
  readonly write: boolean;
}

/** See the file comment. */
export class IommuDomain {
  readonly name: string;
  /** Ascending. */
  readonly pageSizes: readonly bigint[];
  readonly aperture: IovaRange;
  readonly dirtyCapable: boolean;
  /** Is what devices write recorded? */
  dirtyTracking = false;
  /** Ascending, without overlaps. */
  private runs: DomainRun[] = [];
  private readonly dirty = new Set<bigint>();
  /** Leaves that an unmap cut into: an error of whoever asked. */
  readonly cutLeaves: bigint[] = [];

  constructor(options: DomainOptions = {}) {
    this.name = options.name ?? "mock";
    if (options.pageSizes?.length === 0) {
      const message = "pageSizes must hold at least one size";
      throw new ArgumentError("E_EMPTY", message, { argument: "pageSizes" });
    }
    const sizes = (options.pageSizes ?? [2048, 4096, 2 ** 21]).map((size) =>
      checkPowerOfTwo("pageSizes", size),
    );
    this.pageSizes = sizes.sort((a, b) => (a < b ? -1 : 1));
    const { start, last } = options.aperture ?? { start: 2 ** 24, last: 2 ** 31 - 1 };
    this.aperture = {
      start: checkBytes("aperture.start", start),
      last: checkBytes("aperture.last", last),
    };
    if (this.aperture.last < this.aperture.start) {
      const message = "aperture.last is below aperture.start";
      throw new ArgumentError("E_INVERTED", message, { argument: "aperture.last" });
    }
    this.dirtyCapable = options.dirtyTracking ?? true;
  }

  /** What is mapped, ascending. */
  get mapped(): readonly DomainRun[] {
    return this.runs;
  }

  /** Bytes that are mapped. */
  get bytes(): bigint {
    return this.runs.reduce((sum, { size }) => sum + size, 0n);
  }

  private place(iova: bigint): number {
    let low = 0;
    let high = this.runs.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.runs[mid].iova <= iova) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  private runAt(iova: bigint): DomainRun | undefined {
    const run = this.runs[this.place(iova) - 1] as DomainRun | undefined;
    return run !== undefined && iova < run.iova + run.size ? run : undefined;
  }

  /** Where an address leads, bytes; undefined: nowhere. */
  translate(iova: Bytes): bigint | undefined {
    const at = checkBytes("iova", iova);
    const run = this.runAt(at);
    return run === undefined ? undefined : run.paddr + (at - run.iova);
  }

  /** Installs a run, which must not overlap another one. */
  map(run: DomainRun): void {
    this.runs.splice(this.place(run.iova), 0, run);
  }

  /** Takes [iova, iova + size) away, all of which must be mapped, cut between leaves. */
  unmap(iova: bigint, size: bigint): void {
    const end = iova + size;
    const from = Math.max(0, this.place(iova) - 1);
    let to = from;
    const kept: DomainRun[] = [];
    for (; to < this.runs.length && this.runs[to].iova < end; to++) {
      const run = this.runs[to];
      const runEnd = run.iova + run.size;
      if (runEnd <= iova || run.iova < iova) kept.push(this.part(run, run.iova, iova));
      if (runEnd > end) kept.push(this.part(run, end, runEnd));
    }
    this.runs.splice(from, to - from, ...kept);
    for (const page of this.dirty) if (page >= iova && page < end) this.dirty.delete(page);
  }

  private part(run: DomainRun, from: bigint, to: bigint): DomainRun {
    const start = from < run.iova ? run.iova : from;
    const end = to > run.iova + run.size ? run.iova + run.size : to;
    for (const edge of [start, end]) {
      if (edge === run.iova || edge === run.iova + run.size) continue;
      if (this.leafOf(run, edge).iova !== edge) this.cutLeaves.push(edge);
    }
    return { ...run, iova: start, paddr: run.paddr + (start - run.iova), size: end - start };
  }

  /** Leaves of a run, ascending: each as large as alignment and what is left allow. */
  private *leavesOf({ iova, paddr, size }: DomainRun): Generator<{ iova: bigint; size: bigint }> {
    for (let done = 0n; done < size;) {
      const at = (iova + done) | (paddr + done);
      const fits = (leaf: bigint): boolean => leaf <= size - done && (at & (leaf - 1n)) === 0n;
      const leaf = [...this.pageSizes].reverse().find(fits) ?? size - done;
      yield { iova: iova + done, size: leaf };
      done += leaf;
    }
  }

  private leafOf(run: DomainRun, iova: bigint): { iova: bigint; size: bigint } {
    for (const leaf of this.leavesOf(run)) if (iova < leaf.iova + leaf.size) return leaf;
    return run;
  }

  /** Bytes of the leaf that translates an address; undefined: none does. */
  leafSize(iova: Bytes): bigint | undefined {
    const at = checkBytes("iova", iova);
    const run = this.runAt(at);
    return run === undefined ? undefined : this.leafOf(run, at).size;
  }

  /** How many leaves of which size there are, by size in bytes. */
  leaves(): Map<bigint, number> {
    const counts = new Map<bigint, number>();
    for (const run of this.runs) {
      for (const { size } of this.leavesOf(run)) counts.set(size, (counts.get(size) ?? 0) + 1);
    }
    return counts;
  }

  /**
   * A device reads or writes [iova, iova + length). Why it cannot, or undefined: `no-translation`,
   * `read-only`. What it writes before that is written.
   */
  access(iova: Bytes, length: Bytes, write: boolean): "no-translation" | "read-only" | undefined {
    const first = checkBytes("iova", iova);
    const end = first + checkBytes("length", length);
    const [page] = this.pageSizes;
    for (let at = first; at < end; at = (at / page + 1n) * page) {
      const run = this.runAt(at);
      if (run === undefined) return "no-translation";
      if (write && !run.write) return "read-only";
      if (write && this.dirtyTracking) this.dirty.add(at - (at % page));
    }
    return undefined;
  }

  /** Addresses of dirty base pages in [first, last], ascending. */
  dirtyIn(first: bigint, last: bigint): bigint[] {
    const inside = [...this.dirty].filter((page) => page >= first && page <= last);
    return inside.sort((a, b) => (a < b ? -1 : 1));
  }

  /** Forgets dirty bits in [first, last]. */
  clean(first = 0n, last = TOP): void {
    for (const page of this.dirty) if (page >= first && page <= last) this.dirty.delete(page);
  }

  /** For messages. */
  describe(): string {
    const runs = this.runs.map((run) => `${hex(run.iova)}+${hex(run.size)}=${hex(run.paddr)}`);
    return `${this.name}: ${runs.join(" ")}`;
  }

  /** Frame behind an address. */
  pfnAt(iova: bigint): number | undefined {
    const paddr = this.translate(iova);
    return paddr === undefined ? undefined : Number(paddr / PAGE_BYTES);
  }
}
