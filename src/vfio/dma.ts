/** One mapping of a container (struct vfio_dma), and the set of them. */
import { IntervalTree } from "../interval-tree.js";
import type { WasmSource } from "../core/loader.js";
import type { UserMm } from "../mm/user-mm.js";

/** As IOMMU_READ and IOMMU_WRITE. */
export const PROT_READ = 1;
export const PROT_WRITE = 2;

/** Pages that follow each other, on frames that do, mapped in the IOMMU. */
export interface Run {
  /** Its first iova page. */
  readonly page: number;
  readonly pages: number;
  readonly pfn: number;
  /** Reserved frames: no reference, no charge. */
  readonly reserved: boolean;
}

/** Everything in pages. */
export class Dma {
  /** By iova. Set while real domains map all of it. */
  runs: Run[] | undefined;
  /** Pages charged for it, to `mm`. */
  lockedVm = 0;
  /** Those of them that nobody can give back. */
  leaked = 0;
  vaddrInvalid = false;
  /** Pages written to, a bit each, while writes are tracked. */
  bitmap: Uint32Array | undefined;
  /** How many rounds about it are under way: they may be nested. */
  notifying = 0;
  removed = false;
  handle = 0;

  constructor(
    readonly id: number,
    readonly first: number,
    readonly last: number,
    /** Virtual page of the first one. */
    public vaddr: number,
    readonly prot: number,
    public mm: UserMm,
    /** CAP_IPC_LOCK of who mapped it, at that time. */
    public lockCap: boolean,
  ) {}

  get pages(): number {
    return this.last - this.first + 1;
  }

  /** Virtual page behind an iova page. */
  vpnOf(page: number): number {
    return this.vaddr + page - this.first;
  }

  /** The run that an iova page lies in. */
  runAt(page: number): Run | undefined {
    const runs = this.runs ?? [];
    let low = 0;
    let high = runs.length - 1;
    while (low <= high) {
      const mid = (low + high) >> 1;
      const run = runs[mid];
      if (page < run.page) high = mid - 1;
      else if (page >= run.page + run.pages) low = mid + 1;
      else return run;
    }
    return undefined;
  }
}

/** Mappings by iova. No two overlap. */
export class DmaSet {
  private readonly rows: (Dma | undefined)[] = [];
  private readonly free: number[] = [];
  /** Where the last search ended: the next is often in the same mapping. */
  private recent: Dma | undefined;

  private constructor(private readonly tree: IntervalTree) {}

  static async create(wasm?: WasmSource): Promise<DmaSet> {
    return new DmaSet(await IntervalTree.create(wasm === undefined ? {} : { wasm }));
  }

  get size(): number {
    return this.tree.size;
  }

  /** @throws CapacityError E_NOMEM, E_LIMIT */
  add(dma: Dma): void {
    const slot = this.free.length > 0 ? this.free[this.free.length - 1] : this.rows.length;
    dma.handle = this.tree.insert(dma.first, dma.last, slot);
    if (slot < this.rows.length) this.free.pop();
    this.rows[slot] = dma;
  }

  remove(dma: Dma): void {
    const slot = this.tree.get(dma.handle).value;
    this.tree.remove(dma.handle);
    this.rows[slot] = undefined;
    this.free.push(slot);
    dma.removed = true;
    if (this.recent === dma) this.recent = undefined;
  }

  private at(handle: number): Dma {
    return this.rows[this.tree.get(handle).value]!;
  }

  /** The lowest mapping with a page in [first, last]. */
  firstIn(first: number, last: number): Dma | undefined {
    const handle = this.tree.first(first, last);
    return handle === undefined ? undefined : this.at(handle);
  }

  /** The mapping over a page. */
  find(page: number): Dma | undefined {
    const { recent } = this;
    if (recent !== undefined && page >= recent.first && page <= recent.last) return recent;
    const found = this.firstIn(page, page);
    if (found !== undefined) this.recent = found;
    return found;
  }

  /** Mappings with a page in [first, last], ascending. */
  in(first: number, last: number): Dma[] {
    return Array.from(this.tree.all(first, last), (handle) => this.at(handle));
  }

  /** How many have a page in [first, last]. */
  countIn(first: number, last: number): number {
    return this.tree.count(first, last);
  }

  /** Ascending. */
  all(): Dma[] {
    return [...this.rows].filter((dma) => dma !== undefined).sort((a, b) => a.first - b.first);
  }

  dispose(): void {
    this.tree.dispose();
  }
}
