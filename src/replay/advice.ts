/**
 * `madvise`: which advice takes pages away or makes them look unused, and what is flushed for it.
 *
 * Accessed and dirty bits are set by the CPU without a line in the recording. A page counts as
 * accessed and dirty from the moment it appears until MADV_COLD or MADV_FREE clears them; that it
 * was used again afterwards cannot be seen.
 */
import * as abi from "../core/abi.js";
import type { SyscallEnter } from "../traces/events.js";
import { adviseFlags, changesFlags } from "./around.js";
import type { Space, VmaView } from "./spaces.js";
import type { Stage, Where } from "./stage.js";

const MADV_DONTNEED = 4;
const MADV_FREE = 8;
const MADV_REMOVE = 9;
const MADV_COLD = 20;
const MADV_PAGEOUT = 21;
const MADV_POPULATE_READ = 22;
const MADV_POPULATE_WRITE = 23;
const MADV_DONTNEED_LOCKED = 24;
const MADV_GUARD_INSTALL = 102;
/** Pages a leaf table maps. */
const TABLE_PAGES = 512;

/** What advice has taken from a page: its accessed bit, its dirty bit, its right to be kept. */
const OLD = 1;
const CLEAN = 2;
const LAZY = 4;

/** Advice that opens an mmu_gather. */
const GATHERERS = new Set([
  MADV_DONTNEED,
  MADV_FREE,
  MADV_COLD,
  MADV_PAGEOUT,
  MADV_DONTNEED_LOCKED,
  MADV_GUARD_INSTALL,
]);

const WRITERS = new Set<string>(["munmap", "mprotect", "brk", "mremap", "mmap"]);

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Of these, one gather serves the whole call, and is open before the mappings are looked at. */
const EARLY_GATHERERS = new Set([MADV_DONTNEED, MADV_FREE, MADV_DONTNEED_LOCKED]);

/** Advice that walks page tables, and so looks for deferred flushes. */
const WALKERS = new Set([...GATHERERS, MADV_REMOVE]);

/** Does this call have an mmu_gather open for most of its time? */
export function isGatherer(enter: SyscallEnter): boolean {
  if (enter.call === "madvise") return GATHERERS.has(enter.advice);
  return enter.call === "munmap" || enter.call === "mprotect" || enter.call === "brk";
}

/** Does this call hold mmapLock for writing? */
export function isWriter(enter: SyscallEnter): boolean {
  return enter.call === "madvise" ? changesFlags(enter.advice) : WRITERS.has(enter.call);
}

/** `madvise` on one stage. */
export class Advice {
  constructor(
    private readonly stage: Stage,
    private readonly populate: (space: Space, range: Range, write: boolean, where: Where) => void,
  ) {}

  /** What the advice does to [start, end), half-open. */
  give(space: Space, { start, end }: Range, advice: number, where: Where): void {
    if (WALKERS.has(advice)) settleBatch(this.stage, space, { start, end }, where);
    switch (advice) {
      case MADV_DONTNEED:
      case MADV_DONTNEED_LOCKED:
      case MADV_REMOVE:
      case MADV_GUARD_INSTALL:
        for (const part of dirtyParts(space, start, end)) this.drop(part, where);
        return;
      case MADV_FREE:
        this.age(space, { start, end }, true, where);
        return;
      case MADV_COLD:
        // One gather for each VMA; it goes by the accessed bit alone.
        for (const part of space.vmas(start, end)) this.age(space, part, false, where);
        return;
      case MADV_PAGEOUT:
        for (const part of space.vmas(start, end)) this.pageOut(space, part, where);
        return;
      case MADV_POPULATE_READ:
      case MADV_POPULATE_WRITE:
        this.populate(space, { start, end }, advice === MADV_POPULATE_WRITE, where);
        return;
      default:
        for (const vma of space.vmas(start, end)) {
          if ((vma.prot & abi.VMA_FILE) !== 0) adviseFlags(space, vma.start, vma.end, advice);
        }
    }
  }

  /** Advice that a mapping is not fit for. */
  refuse(advice: number, where: Where): void {
    if (EARLY_GATHERERS.has(advice)) this.stage.run("madvise.nothing", {}, where);
  }

  private drop({ start, end }: Range, where: Where): void {
    const whole = Math.ceil(start / TABLE_PAGES) * TABLE_PAGES + TABLE_PAGES <= end;
    this.stage.run(whole ? "madvise.reclaim" : "madvise", { start, end }, where);
  }

  /** MADV_FREE and MADV_COLD: flushes from the first page to the last that lost a bit. */
  private age(space: Space, { start, end }: Range, free: boolean, where: Where): void {
    let first = end;
    let last = -1;
    for (const vpn of space.pagesIn(start, end)) {
      const idle = space.idle.get(vpn) ?? 0;
      const lost = (free ? OLD | CLEAN : OLD) & ~idle;
      if (lost === 0 || !isAgeable(space, vpn, free)) continue;
      if (first === end) first = vpn;
      last = vpn;
      space.idle.set(vpn, idle | lost | (free ? LAZY : 0));
    }
    if (last < 0) this.stage.run("madvise.nothing", {}, where);
    else if (free) this.stage.run("madvise.free", { start: first, end: last + 1 }, where);
    else this.stage.run("madvise.age", { start: first, end: last + 1 }, where);
  }

  /**
   * MADV_PAGEOUT: without swap, only pages of files, and those MADV_FREE has given up, can go: a
   * dirty one stays in memory, but is unmapped first. The flush is put off until all are unmapped
   * if another CPU has the mm, else each page has its own.
   */
  private pageOut(space: Space, { start, end, prot }: VmaView, where: Where): void {
    const isFile = (prot & abi.VMA_FILE) !== 0;
    const pages = space.pagesIn(start, end).filter((vpn) => canGo(space, vpn, isFile));
    const deferred = pages.length > 0 && space.isElsewhere(where.cpu);
    for (const vpn of pages) {
      space.idle.delete(vpn);
      if (deferred) this.stage.run("infer.absent", { start: vpn, end: vpn + 1 }, where, MUTED);
      else this.stage.run("reclaim.page", { vpn }, where);
    }
    if (deferred) {
      this.stage.run("reclaim.flush", {}, where);
      space.batched = true;
    }
    this.stage.run("madvise.nothing", {}, where);
  }
}

const MUTED = { muted: true };

function canGo(space: Space, vpn: number, isFile: boolean): boolean {
  const flags = space.entry(vpn);
  if ((flags & abi.PTE_P) === 0 || space.refs(vpn) !== 1) return false;
  if (isFile && (flags & abi.PTE_SHARED) !== 0) return true;
  return (flags & abi.PTE_FILE) !== 0 || ((space.idle.get(vpn) ?? 0) & LAZY) !== 0;
}

/** Can its bits be taken away? By FREE from private memory, by COLD if the page is ours alone. */
function isAgeable(space: Space, vpn: number, free: boolean): boolean {
  const flags = space.entry(vpn);
  if ((flags & abi.PTE_P) === 0) return false;
  if (free) return (flags & (abi.PTE_SHARED | abi.PTE_FILE)) === 0 && space.refs(vpn) > 0;
  return space.refs(vpn) === 1;
}

/**
 * Whoever walks page tables after reclaim has deferred a flush cannot know that it has been carried
 * out since: one full flush of the mm settles it.
 */
export function settleBatch(stage: Stage, space: Space, range: Range, where: Where): void {
  if (!space.batched) return;
  const start = Math.floor(range.start / TABLE_PAGES) * TABLE_PAGES;
  const end = Math.ceil(range.end / TABLE_PAGES) * TABLE_PAGES;
  if (space.pagesIn(start, end).length === 0) return;
  space.batched = false;
  stage.run("reclaim.settle", {}, where);
}

/** The pages of a range are about to be populated: absent ones will be fresh, the others stay. */
export function noteUse(space: Space, { start, end }: Range): void {
  if (space.idle.size === 0) return;
  for (const vpn of space.pagesIn(start, end)) {
    if ((space.entry(vpn) & abi.PTE_P) === 0) space.idle.delete(vpn);
  }
}

/**
 * The parts of a range that are flushed one by one. Before a page of a shared mapping that was
 * written can be given up, the writers must have lost it: the kernel then flushes at the end of
 * each leaf table, before it lets go of the table's lock. Everything else waits for the end.
 */
export function dirtyParts(space: Space, start: number, end: number): Range[] {
  const written = abi.VMA_SHARED | abi.PROT_WRITE;
  const isShared = space.vmas(start, end).some(({ prot }) => (prot & written) === written);
  if (!isShared) return [{ start, end }];
  const parts: Range[] = [];
  let from = start;
  for (let at = start; at < end;) {
    const next = Math.min(end, (Math.floor(at / TABLE_PAGES) + 1) * TABLE_PAGES);
    if (hasWritten(space, at, next)) {
      parts.push({ start: from, end: next });
      from = next;
    }
    at = next;
  }
  if (from < end) parts.push({ start: from, end });
  return parts;
}

function hasWritten(space: Space, start: number, end: number): boolean {
  const vma = space.vma(start);
  if (vma !== null && vma.end >= end && (vma.prot & abi.VMA_SHARED) === 0) return false;
  const present = abi.PTE_P | abi.PTE_W;
  for (let vpn = start; vpn < end; vpn++) {
    if ((space.entry(vpn) & present) === present) return true;
  }
  return false;
}

/** Is a written page of a shared mapping in [start, end)? */
export function hasWrittenShared(space: Space, start: number, end: number): boolean {
  const written = abi.VMA_SHARED | abi.PROT_WRITE;
  const present = abi.PTE_P | abi.PTE_W;
  for (const vma of space.vmas(start, end)) {
    if ((vma.prot & written) !== written) continue;
    for (const vpn of space.pagesIn(vma.start, vma.end)) {
      if ((space.entry(vpn) & present) === present) return true;
    }
  }
  return false;
}
