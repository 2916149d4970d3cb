/**
 * An address space as drivers that pin see it: what is mapped where, on which frames, what is
 * charged to it, and whether its owner still lives. Everything in pages; page-table entries,
 * notifications and CPUs are the machine's (`Machine`).
 */
import { checkWithin } from "../arguments.js";
import { ArgumentError } from "../errors.js";
import { PAGE_LIMIT } from "../pages.js";
import type { Errno } from "../uapi/errno.js";
import { HostFrames } from "./frames.js";

/** What a mapping is of. `pfnmap`: frames without struct page (MMIO), which are reserved. */
export type VmaKind = "anon" | "file" | "pfnmap";

/** One mapping of a {@link UserMm}. */
export interface VmaOptions {
  /** Its first virtual page. */
  readonly at: number;
  readonly pages: number;
  /** `anon` by default. */
  readonly kind?: VmaKind;
  /** Shared (MAP_SHARED); false by default. */
  readonly shared?: boolean;
  /** May it be written? True by default. */
  readonly write?: boolean;
  /**
   * Its frames: the first, of as many as there are pages, one behind the other; or one a page; by
   * default fresh ones.
   */
  readonly frames?: number | ArrayLike<number>;
  /**
   * How fresh frames lie: lengths of contiguous runs, the last of which repeats; by default one
   * run. `[1]`: no two pages are neighbours.
   */
  readonly runs?: readonly number[];
}

/** A mapping that is there. */
export interface Vma {
  readonly first: number;
  /** Its last page, itself included. */
  readonly last: number;
  readonly kind: VmaKind;
  readonly shared: boolean;
  readonly write: boolean;
}

interface Row extends Vma {
  readonly frameOf: (index: number) => number;
  /** Set where that is `base` + index. */
  readonly base: number | undefined;
  /** Pages whose frame is another one by now. */
  readonly replaced: Map<number, number>;
}

/** Who it belongs to, and what its owner may do. */
export interface UserMmOptions {
  readonly name?: string;
  /** RLIMIT_MEMLOCK, pages; no limit by default. */
  readonly rlimitMemlock?: number;
  /** CAP_IPC_LOCK; false by default. */
  readonly capIpcLock?: boolean;
}

/** See the file comment. */
export class UserMm {
  readonly name: string;
  /** RLIMIT_MEMLOCK, pages. */
  rlimitMemlock: number;
  /** CAP_IPC_LOCK. */
  capIpcLock: boolean;
  /** Pages charged to mm->locked_vm. */
  lockedVm = 0;
  /** Pages charged to mm->pinned_vm. */
  pinnedVm = 0;
  /** False once the owner has exited: nothing can be faulted in any more. */
  alive = true;
  /** Who next waits to charge pages is killed while waiting (EINTR): once. */
  interruptNextCharge = false;
  private rows: Row[] = [];
  private readonly failing = new Map<number, Errno>();

  constructor(
    readonly frames: HostFrames,
    options: UserMmOptions = {},
  ) {
    this.name = options.name ?? "mm";
    this.rlimitMemlock = options.rlimitMemlock ?? Infinity;
    this.capIpcLock = options.capIpcLock ?? false;
  }

  /** Maps pages; replaces what was there. @throws ArgumentError E_TYPE, E_LIMIT */
  map(options: VmaOptions): Vma {
    const first = checkWithin("at", options.at, 0, PAGE_LIMIT - 1);
    const pages = checkWithin("pages", options.pages, 1, PAGE_LIMIT - first);
    const kind = options.kind ?? "anon";
    const { frameOf, base } = this.layout(options, pages);
    this.unmap(first, pages);
    const row: Row = {
      first,
      last: first + pages - 1,
      kind,
      shared: options.shared ?? false,
      write: options.write ?? true,
      frameOf,
      base,
      replaced: new Map(),
    };
    if (kind === "pfnmap") this.reserve(row);
    const at = this.rows.findIndex((each) => each.first > first);
    this.rows.splice(at < 0 ? this.rows.length : at, 0, row);
    return row;
  }

  private reserve({ base, first, last, frameOf }: Row): void {
    const pages = last - first + 1;
    if (base !== undefined) this.frames.reserve(base, base + pages - 1);
    else for (let i = 0; i < pages; i++) this.frames.reserve(frameOf(i), frameOf(i));
  }

  private layout({ frames, runs }: VmaOptions, pages: number): Pick<Row, "frameOf" | "base"> {
    if (typeof frames === "number") return linear(checkWithin("frames", frames, 0, PAGE_LIMIT - 1));
    if (frames !== undefined) {
      if (frames.length !== pages) {
        const message = `frames has ${frames.length} items for ${pages} pages`;
        throw new ArgumentError("E_LIMIT", message, { argument: "frames", length: pages });
      }
      const list = Float64Array.from(frames);
      return { frameOf: (index) => list[index], base: undefined };
    }
    if (runs === undefined || runs.length === 0) return linear(this.frames.allocate(pages));
    return this.inRuns(runs, pages);
  }

  /** Between two runs a frame is left out. */
  private inRuns(runs: readonly number[], pages: number): Pick<Row, "frameOf" | "base"> {
    for (const run of runs) checkWithin("runs", run, 1, PAGE_LIMIT - 1);
    const repeated = runs[runs.length - 1];
    const before = runs.slice(0, -1);
    const irregular = before.reduce((sum, run) => sum + run, 0);
    const base = this.frames.allocate(2 * pages + before.length);
    const gapsBefore = (index: number): number => {
      let end = 0;
      for (let i = 0; i < before.length; i++) {
        end += before[i];
        if (index < end) return i;
      }
      return before.length + Math.floor((index - irregular) / repeated);
    };
    return { frameOf: (index) => base + index + gapsBefore(index), base: undefined };
  }

  /** Unmaps pages: mappings that are only partly inside are cut. */
  unmap(first: number, pages: number): void {
    const last = first + pages - 1;
    this.rows = this.rows.flatMap((row) => {
      if (row.last < first || row.first > last) return [row];
      const left = row.first < first ? [part(row, row.first, first - 1)] : [];
      return row.last > last ? [...left, part(row, last + 1, row.last)] : left;
    });
  }

  /** Gives a page another frame, a fresh one by default (copy-on-write, munmap and mmap). */
  replace(vpn: number, frame = this.frames.allocate()): number {
    const row = this.rowAt(vpn);
    if (row === undefined) {
      throw new ArgumentError("E_NOENT", `page ${vpn} is not mapped`, { argument: "vpn" });
    }
    row.replaced.set(vpn, frame);
    return frame;
  }

  /** The next fault of a page fails so: once. */
  failNextFault(vpn: number, errno: Errno): void {
    this.failing.set(vpn, errno);
  }

  /** The owner exits. */
  exit(): void {
    this.alive = false;
  }

  /** The mapping over a page. */
  vmaAt(vpn: number): Vma | undefined {
    return this.rowAt(vpn);
  }

  /** Mappings that overlap [first, last], ascending. */
  vmasIn(first: number, last: number): Vma[] {
    return this.rows.filter((row) => row.first <= last && row.last >= first);
  }

  private rowAt(vpn: number): Row | undefined {
    let low = 0;
    let high = this.rows.length - 1;
    while (low <= high) {
      const mid = (low + high) >> 1;
      const row = this.rows[mid];
      if (vpn < row.first) high = mid - 1;
      else if (vpn > row.last) low = mid + 1;
      else return row;
    }
    return undefined;
  }

  /** The frame of a page, which is faulted in for that; nobody holds it for it. */
  faultIn(vpn: number, write: boolean): number | Errno {
    const row = this.alive ? this.rowAt(vpn) : undefined;
    if (row === undefined || (write && !row.write)) return "EFAULT";
    const errno = this.failing.get(vpn);
    if (errno !== undefined) {
      this.failing.delete(vpn);
      return errno;
    }
    return row.replaced.get(vpn) ?? row.frameOf(vpn - row.first);
  }

  /**
   * As {@link UserMm.faultIn} for `count` pages, to `into` from `at` on: how many before the first
   * that failed.
   */
  faultInRange(vpn: number, count: number, write: boolean, into: Float64Array, at = 0): number {
    let done = 0;
    while (done < count) {
      const row = this.alive ? this.rowAt(vpn + done) : undefined;
      if (row === undefined || (write && !row.write)) return done;
      const part = Math.min(row.last - vpn - done + 1, count - done);
      const index = vpn + done - row.first;
      const { base } = row;
      if (base !== undefined) for (let i = 0; i < part; i++) into[at + done + i] = base + index + i;
      else for (let i = 0; i < part; i++) into[at + done + i] = row.frameOf(index + i);
      for (const [page, frame] of row.replaced) {
        const i = page - vpn;
        if (i >= done && i < done + part) into[at + i] = frame;
      }
      const bad = this.firstFailing(vpn + done, part);
      if (bad !== undefined) return bad - vpn;
      done += part;
    }
    return done;
  }

  /**
   * As {@link UserMm.faultIn} for the pages from `vpn` on that lie on frames one behind the other,
   * `most` at most: the first frame and how many they are.
   */
  faultInRun(
    vpn: number,
    most: number,
    write: boolean,
  ): { readonly pfn: number; readonly pages: number } | Errno {
    const pfn = this.faultIn(vpn, write);
    if (typeof pfn !== "number") return pfn;
    let pages = 1;
    while (pages < most) {
      const row = this.rowAt(vpn + pages);
      if (row === undefined || (write && !row.write)) break;
      const part = this.linearIn(row, vpn + pages, most - pages, pfn + pages);
      pages += part;
      if (part === 0) break;
    }
    return { pfn, pages };
  }

  /** How many pages of a mapping from `vpn` on lie on the frames from `pfn` on. */
  private linearIn(row: Row, vpn: number, most: number, pfn: number): number {
    const { base, first } = row;
    const good = (this.firstFailing(vpn, most) ?? Infinity) - vpn;
    const there = Math.min(row.last - vpn + 1, most, good);
    if (base === undefined) {
      const frame = (page: number): number => row.replaced.get(page) ?? row.frameOf(page - first);
      let pages = 0;
      while (pages < there && frame(vpn + pages) === pfn + pages) pages++;
      return pages;
    }
    const start = row.replaced.get(vpn) ?? base + vpn - first;
    if (start !== pfn) return 0;
    let pages = row.replaced.has(vpn) ? 1 : there;
    for (const page of row.replaced.keys()) {
      if (page > vpn) pages = Math.min(pages, page - vpn);
    }
    return Math.min(pages, there);
  }

  private firstFailing(vpn: number, count: number): number | undefined {
    if (this.failing.size === 0) return undefined;
    const inside = [...this.failing.keys()].filter((page) => page >= vpn && page < vpn + count);
    return inside.length === 0 ? undefined : Math.min(...inside);
  }
}

function linear(base: number): Pick<Row, "frameOf" | "base"> {
  return { frameOf: (index) => base + index, base };
}

function part(row: Row, first: number, last: number): Row {
  const skipped = first - row.first;
  return {
    ...row,
    first,
    last,
    frameOf: (index) => row.frameOf(index + skipped),
    base: row.base === undefined ? undefined : row.base + skipped,
    replaced: new Map([...row.replaced].filter(([page]) => page >= first && page <= last)),
  };
}
