/**
 * Frames of a range of pages, in batches of contiguous runs: known ones from where they are known,
 * the others pinned for the reader, who owns them until they are given to a domain or released.
 */
import type { Failed } from "../uapi/outcome.js";
import type { IommufdEnv } from "./env.js";
import { type IoptPages, noMemory } from "./iopt-pages.js";

/** Frames pfn, pfn + 1, … of pages index, index + 1, …. */
export interface PfnRun {
  readonly index: number;
  readonly pfn: number;
  count: number;
}

/** Bytes of a run in a batch: a frame and a count. */
const RUN_BYTES = 12;
const POINTER_BYTES = 8;

/** See the file comment. */
export class PfnReader {
  private index: number;
  private readonly most: number;
  private readonly chunk: number;
  /** Frames pinned but not yet in a batch: the first of them is of page `index`. */
  private upages = new Float64Array(0);
  private upagesStart = 0;
  private upagesEnd = 0;
  /** Frames that were pinned for this reader. */
  private readonly own: number[] = [];

  private constructor(
    private readonly pages: IoptPages,
    first: number,
    private readonly last: number,
    limit: number,
  ) {
    this.index = first;
    const count = last - first + 1;
    this.most = Math.max(1, Math.floor(Math.min(limit, count * RUN_BYTES) / RUN_BYTES));
    this.chunk = Math.max(1, Math.floor(Math.min(limit, count * POINTER_BYTES) / POINTER_BYTES));
  }

  static open(env: IommufdEnv, pages: IoptPages, first: number, last: number): PfnReader | Failed {
    if (!env.allocations.take("pfn_batch")) return noMemory("pfn_batch");
    return new PfnReader(pages, first, last, env.tempMemoryLimit);
  }

  /** The next batch; undefined behind the last. */
  next(): PfnRun[] | Failed | undefined {
    if (this.index > this.last) return undefined;
    const runs: PfnRun[] = [];
    while (this.index <= this.last) {
      const pfn = this.frame();
      if (typeof pfn !== "number") return pfn;
      const run = runs.at(-1);
      if (run !== undefined && run.pfn + run.count === pfn) run.count++;
      else if (runs.length === this.most) return runs;
      else runs.push({ index: this.index, pfn, count: 1 });
      this.index++;
    }
    return runs;
  }

  private frame(): number | Failed {
    const { index } = this;
    if (index >= this.upagesStart && index < this.upagesEnd) {
      return this.upages[index - this.upagesStart];
    }
    const known = this.pages.known(index);
    if (known !== undefined) return known;
    const count = this.pages.unknownFrom(index, Math.min(this.last, index + this.chunk - 1));
    const into = new Float64Array(count);
    const done = this.pages.pinFromSource(index, count, into);
    if (typeof done !== "number") return done;
    for (let i = 0; i < done; i++) this.own.push(into[i]);
    this.upages = into;
    this.upagesStart = index;
    this.upagesEnd = index + done;
    return into[0];
  }

  /** Gives everything back that was pinned for it. */
  release(): void {
    for (const pfn of this.own) this.pages.unpin(pfn);
    this.own.length = 0;
  }
}
