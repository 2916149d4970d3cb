/** UNMAP_DMA: the checks in the kernel's order, telling listeners, and retrying until all is gone. */
import { bytesOf, checkBytes, type Bytes, hexOf, pageOf } from "./addresses.js";
import { bisected, bitmapRefused, type DirtyPages, report } from "./dirty.js";
import type { Dma } from "./dma.js";
import { removeDma } from "./mapping.js";
import { tellAll } from "./notify.js";
import type { Type1 } from "./state.js";
import { checkWithin } from "../arguments.js";
import type { UserMm } from "../mm/user-mm.js";
import { PAGE_LIMIT } from "../pages.js";
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";

/** struct vfio_iommu_type1_dma_unmap. Bytes. */
export interface VfioUnmapOptions {
  /** 0 by default. */
  readonly iova?: Bytes;
  /** 0 by default. */
  readonly size?: Bytes;
  /** VFIO_DMA_UNMAP_FLAG_ALL. */
  readonly all?: boolean;
  /** VFIO_DMA_UNMAP_FLAG_VADDR: mappings stay, their vaddr is invalid from now on. */
  readonly invalidateVaddr?: boolean;
  /** VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP. */
  readonly getDirty?: boolean | { readonly pageSize?: number; readonly bitmapBytes?: number };
  /** The caller's, if not the container's own. */
  readonly mm?: UserMm;
  /** Flags nobody knows; 0 by default. */
  readonly unknownFlags?: number;
  /** Bytes of the structure; 24 by default. */
  readonly argsz?: number;
  /** The caller's bitmap cannot be written to for iovas from here on (EFAULT). */
  readonly badBitmapFrom?: Bytes;
}

/** What an unmap did. */
export interface VfioUnmapped {
  /** Bytes. */
  readonly size: bigint;
  /** Mappings that were removed, or marked. */
  readonly mappings: number;
  /** How often all listeners were told. */
  readonly rounds: number;
  /** How often the mapping that needed most was met again. */
  readonly retries: number;
  /** With `getDirty`. */
  readonly dirty?: DirtyPages;
}

interface Asked {
  readonly iova: bigint;
  readonly size: bigint;
  readonly all: boolean;
  readonly invalidate: boolean;
  readonly dirtyPage: number | undefined;
  readonly badBitmapFrom: number;
  readonly mm: UserMm;
}

interface Progress {
  unmapped: number;
  mappings: number;
  rounds: number;
  retries: number;
  most: number;
  last: Dma | undefined;
  readonly told: Set<Dma>;
  dirty: DirtyPages | undefined;
}

function einval(cause: string, message: string): Failed {
  return failed("EINVAL", cause, message);
}

/** Before the lock: sizes and flags as the ioctl checks them. */
function refused(s: Type1, options: VfioUnmapOptions, asked: Asked): Failed | undefined {
  const { knobs } = s;
  if ((options.argsz ?? 24) < 24) return einval("argsz", "the structure is too short");
  const isUnknown =
    (options.unknownFlags ?? 0) !== 0 ||
    (asked.all && !knobs.unmapAll) ||
    (asked.invalidate && knobs.vaddrUpdate === "none") ||
    (asked.dirtyPage !== undefined && !knobs.dirtyTracking);
  if (isUnknown) return einval("flags", "unknown flags");
  if (s.mode === "NO_DRIVER") return einval("no-driver", "there is no IOMMU driver");
  if (asked.dirtyPage === undefined) return undefined;
  if (asked.all || asked.invalidate) return einval("flags", "a dirty bitmap, and another flag");
  const bytes = typeof options.getDirty === "object" ? options.getDirty.bitmapBytes : undefined;
  return bitmapRefused(asked.size, asked.dirtyPage, bytes);
}

/** With the lock. */
function rangeRefused(s: Type1, asked: Asked): Failed | undefined {
  const { iova, size, all, dirtyPage } = asked;
  const wrap = s.knobs.overflowErrno;
  const unit = BigInt(s.granule) * 4096n;
  if (asked.invalidate && s.knobs.vaddrUpdate === "exclusive" && s.hasEmulated) {
    return failed("EBUSY", "emulated-group", "vaddr cannot be updated with emulated groups");
  }
  const most = 2n ** BigInt(s.wordBits);
  if (iova >= most || size >= most) return failed(wrap, "truncated", `not ${s.wordBits} bits`);
  if (iova % unit !== 0n) return einval("alignment", `iova must be a multiple of ${unit}`);
  if (all) {
    if (iova !== 0n || size !== 0n) return einval("all", "ALL wants iova and size to be 0");
  } else {
    if (size === 0n || size % unit !== 0n) {
      return einval("alignment", `size must be a multiple of ${unit}, and not 0`);
    }
    if (iova + size > most) return failed(wrap, "wraps", "the range goes beyond the address space");
  }
  if (dirtyPage === undefined) return undefined;
  if (!s.tracking) return einval("not-tracking", "START comes first");
  if (BigInt(dirtyPage) !== unit) return einval("page-size", `must be ${unit}`);
  return undefined;
}

/** UNMAP_DMA. */
export function unmapDma(s: Type1, options: VfioUnmapOptions): Outcome<VfioUnmapped> {
  const { getDirty = false } = options;
  const pageSize = typeof getDirty === "object" ? getDirty.pageSize : undefined;
  const asked: Asked = {
    iova: checkBytes("iova", options.iova ?? 0),
    size: checkBytes("size", options.size ?? 0),
    all: options.all ?? false,
    invalidate: options.invalidateVaddr ?? false,
    dirtyPage:
      getDirty === false
        ? undefined
        : checkWithin("pageSize", pageSize ?? s.granule * 4096, 1, 2 ** 40),
    badBitmapFrom:
      options.badBitmapFrom === undefined
        ? Infinity
        : pageOf(checkBytes("badBitmapFrom", options.badBitmapFrom)),
    mm: options.mm ?? s.mm,
  };
  const failure = refused(s, options, asked);
  if (failure !== undefined) return failure;
  return s.locked("container", () => rangeRefused(s, asked) ?? unmapLocked(s, asked));
}

function unmapLocked(s: Type1, asked: Asked): Outcome<VfioUnmapped> {
  const first = asked.all ? 0 : pageOf(asked.iova);
  const last = asked.all ? PAGE_LIMIT - 1 : pageOf(asked.iova + asked.size - 1n);
  const progress: Progress = {
    unmapped: 0,
    mappings: 0,
    rounds: 0,
    retries: 0,
    most: 0,
    last: undefined,
    told: new Set(),
    dirty: asked.dirtyPage === undefined ? undefined : report(s, [], first, last),
  };
  for (;;) {
    const cut = s.mode === "V2" && !asked.all ? bisected(s, first, last) : undefined;
    if (cut !== undefined) return cut;
    const answer = asked.invalidate
      ? invalidateAll(s, asked, progress, first, last)
      : walk(s, asked, progress, first, last);
    if (answer === "again") continue;
    if (answer !== undefined) return answer;
    const { unmapped, mappings, rounds, most, dirty } = progress;
    const value = { size: bytesOf(unmapped), mappings, rounds, retries: most };
    return done(dirty === undefined ? value : { ...value, dirty });
  }
}

/** VADDR: marks every mapping, or none. */
function invalidateAll(
  s: Type1,
  asked: Asked,
  progress: Progress,
  first: number,
  last: number,
): Failed | undefined {
  const marked: Dma[] = [];
  for (const dma of s.dmas.in(first, last)) {
    if (stops(s, asked, dma, first)) break;
    if (dma.vaddrInvalid) {
      for (const each of marked) each.vaddrInvalid = false;
      s.vaddrInvalid -= marked.length;
      return einval("already-invalid", `the vaddr of ${hexOf(dma.first)} is invalid already`);
    }
    dma.vaddrInvalid = true;
    s.vaddrInvalid++;
    marked.push(dma);
  }
  progress.mappings = marked.length;
  progress.unmapped = marked.reduce((sum, { pages }) => sum + pages, 0);
  return undefined;
}

/** Where the walk ends although there is more. */
function stops(s: Type1, asked: Asked, dma: Dma, first: number): boolean {
  if (s.mode === "V1" && dma.first < first) return true;
  return s.knobs.stopAtOtherMm && dma.mm !== asked.mm;
}

/** The mapping that is met next. */
function nextIn(s: Type1, first: number, last: number): Dma | undefined {
  const lowest = s.dmas.firstIn(first, last);
  if (lowest === undefined || s.knobs.unmapOrder === "ascending" || lowest.last >= last) {
    return lowest;
  }
  const all = s.dmas.in(first, last);
  if (s.knobs.unmapOrder === "descending" || all.length === 1) return all[all.length - 1];
  return all[rootOf(lowest.first === 0 ? 0 : s.dmas.countIn(0, lowest.first - 1), all.length)];
}

/**
 * Which of `n` neighbours, the first of them number `before` of all, is nearest to the root of a
 * tree that is perfectly balanced: the one whose number, from 1 on, has most zeros at its end.
 */
function rootOf(before: number, n: number): number {
  let unit = 2 ** Math.floor(Math.log2(before + n));
  while (Math.floor((before + n) / unit) === Math.floor(before / unit)) unit /= 2;
  return Math.floor((before + n) / unit) * unit - before - 1;
}

/** Removes mappings until one has to be told of, or all are gone. */
function walk(
  s: Type1,
  asked: Asked,
  progress: Progress,
  first: number,
  last: number,
): Failed | "again" | undefined {
  for (;;) {
    const dma = nextIn(s, first, last);
    if (dma === undefined || stops(s, asked, dma, first)) return undefined;
    const tells = mustTell(s, progress, dma);
    if (tells && s.knobs.notifyWhen === "before-remove") {
      const failure = meet(s, progress, dma);
      if (failure !== undefined) return failure;
      tell(s, progress, dma, first, last);
      return "again";
    }
    if (asked.dirtyPage !== undefined) {
      if (dma.last >= asked.badBitmapFrom) {
        return failed("EFAULT", "bitmap", "the bitmap cannot be written");
      }
      progress.dirty = addDirty(progress.dirty, report(s, [dma], first, last));
    }
    progress.unmapped += dma.pages;
    progress.mappings++;
    removeDma(s, dma);
    if (tells) {
      tell(s, progress, dma, first, last);
      return "again";
    }
  }
}

function addDirty(sum: DirtyPages | undefined, part: DirtyPages): DirtyPages {
  if (sum === undefined) return part;
  const bitmap = sum.bitmap.map((byte, i) => byte | part.bitmap[i]);
  return { ...sum, bitmap, count: sum.count + part.count };
}

function mustTell(s: Type1, { told }: Progress, dma: Dma): boolean {
  if (s.store.anyIn(dma.first, dma.last)) return true;
  return s.knobs.notifyPolicy === "always" && !told.has(dma);
}

/** Counts how often the same mapping is met. */
function meet(s: Type1, progress: Progress, dma: Dma): Failed | undefined {
  if (progress.last !== dma) {
    progress.last = dma;
    progress.retries = 0;
    return undefined;
  }
  progress.retries++;
  const { retryBudget, onExhausted } = s.knobs;
  if (progress.retries <= retryBudget) {
    s.records.counters.retries++;
    progress.most = Math.max(progress.most, progress.retries);
    return undefined;
  }
  const message =
    `${hexOf(dma.first)} still has pins after its listeners were told ` +
    `${progress.retries} times`;
  if (onExhausted === "fatal") s.die("FATAL", message);
  s.records.warn("retries-exhausted", message);
  return failed("EDEADLOCK", "retries-exhausted", message);
}

function tell(s: Type1, progress: Progress, dma: Dma, first: number, last: number): void {
  progress.told.add(dma);
  progress.rounds++;
  const [from, to] = rangeTold(s, dma, first, last);
  tellAll(s, dma, from, to);
}

/** What listeners are told of a mapping in the request [first, last]. */
function rangeTold(s: Type1, dma: Dma, first: number, last: number): [number, number] {
  if (s.knobs.notifyRange === "request") return [first, last];
  if (s.knobs.notifyRange === "mapping") return [dma.first, dma.last];
  const pages = Array.from(s.store.walk(dma.first, dma.last), ({ page }) => page);
  return pages.length === 0 ? [dma.first, dma.last] : [pages[0], pages[pages.length - 1]];
}
