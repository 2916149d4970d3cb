/**
 * Flushes that are put off until a frame leaves the free list (LUF, shootdown.md P7): an entry is
 * cleared and nobody is told. Its frame is freed with the key of its deferral and keeps generation
 * and content; who takes it flushes first, unless somebody has flushed since.
 *
 *   head       {newest gen u32, next key u32, oldest key that may be live u32, 0 u32}
 *   list       per mm {head u32, tail u32}: freed frames with a key, oldest first, id + 1
 *   key        per frame u32: its deferral, 0: none
 *   deferral   key u32 (0: free), gen u32 of the last page that joined, mm u32 (index + 1),
 *              owner u32 (context + 1 while pages join), start u64, end u64 of the pages,
 *              count u32 of its frames in the list, recycled u32, mask u32[]: CPUs not flushed yet
 *
 * Recycled (FPR, P8): what munmap frees stays in the process without a flush, its addresses are not
 * given out again before one; it is flushed for when it leaves the process.
 *
 * Frames of no deferral are taken first. All of this is written with the pools locked.
 * Invariant `DeferredUntouched`: a frame whose deferral is live has the generation and the content
 * it had when it was unmapped.
 */
import * as abi from "../src/core/abi";
import { add32, get32, or32, put32 } from "./atomics";
import { batchOf } from "./batched";
import { batchAt, count, ctxIndex, frameAt, hdr, maskAt, mmAt, setHdr, sysAt } from "./machine";
import { maskNext } from "./mask";
import { Cpu, Ctx, Frame, Mm } from "./rows";
import { frameRefs } from "./walk";

const NEWEST: usize = 0;
const NEXT: usize = 4;
const OLDEST: usize = 8;

const D_GEN: usize = 4;
const D_MM: usize = 8;
const D_OWNER: usize = 12;
const D_START: usize = 16;
const D_END: usize = 24;
const D_COUNT: usize = 32;
const D_RECYCLED: usize = 36;
const D_MASK: usize = 40;

// @ts-ignore: decorator
@inline
function isOn(m: usize): bool {
  return (hdr(m, abi.H_OPTIONS) & abi.OPT_DEFER) != 0;
}

// @ts-ignore: decorator
@inline
function head(m: usize): usize {
  return m + hdr(m, abi.H_OFF_DEFER);
}

// @ts-ignore: decorator
@inline
function listAt(m: usize, mm: u32): usize {
  return m + hdr(m, abi.H_OFF_DEFER_LIST) + ((<usize>mm) << 3);
}

// @ts-ignore: decorator
@inline
function keyAt(m: usize, pfn: u32): usize {
  return m + hdr(m, abi.H_OFF_DEFER_KEY) + ((<usize>pfn) << 2);
}

// @ts-ignore: decorator
@inline
function placeOf(m: usize, key: u32): usize {
  const place = key % hdr(m, abi.H_DEFER_RING);
  return m + hdr(m, abi.H_OFF_DEFER_RING) + <usize>place * hdr(m, abi.H_DEFER_STRIDE);
}

/** The live deferral of that key, or 0: everybody has flushed. */
function liveOf(m: usize, key: u32): usize {
  if (key == 0) return 0;
  const d = placeOf(m, key);
  return load<u32>(d) == key ? d : 0;
}

/** Keys start at 1. Called once. */
export function deferInit(m: usize): void {
  if (!isOn(m)) return;
  store<u32>(head(m), 1, NEXT);
  store<u32>(head(m), 1, OLDEST);
}

/** The deferral that pages of this context join, or 0. */
function openOf(m: usize, ctx: Ctx): usize {
  const owner = ctxIndex(m, ctx) + 1;
  const oldest = load<u32>(head(m), OLDEST);
  for (let key = load<u32>(head(m), NEXT) - 1; key >= oldest; key--) {
    const d = liveOf(m, key);
    if (d != 0 && load<u32>(d, D_OWNER) == owner) return d;
  }
  return 0;
}

/**
 * DEFER_MAY: only small pages of files, that nobody else maps and nobody can write: what is read in
 * again is the same. (Swapped pages have no content in this machine.)
 */
export function deferMay<F>(m: usize, ctx: Ctx, how: u32): bool {
  const pte = ctx.pte;
  const pfn = <u32>(pte >> abi.PTE_SHIFT);
  if ((pte & abi.PTE_P) == 0 || (pte & abi.PTE_HUGE) != 0 || pfn == 0) return false;
  const kind = pte & (abi.PTE_W | abi.PTE_SHARED);
  if (kind != abi.PTE_SHARED && (how & abi.DEFER_WRITABLE) == 0) return false;
  if (frameRefs<F>(m, pfn) != 1) return false;
  return openOf(m, ctx) != 0 || load<u32>(placeOf(m, load<u32>(head(m), NEXT))) == 0;
}

/** The next key's deferral, empty, or 0: there is no room. Nobody finds it until it has its key. */
function fresh(m: usize, ctx: Ctx): usize {
  const d = placeOf(m, load<u32>(head(m), NEXT));
  if (load<u32>(d) != 0) return 0;
  store<u32>(d, ctx.mm, D_MM);
  return d;
}

function open<F>(m: usize, ctx: Ctx): usize {
  const d = fresh(m, ctx);
  if (d == 0) return 0;
  store<u32>(d, ctxIndex(m, ctx) + 1, D_OWNER);
  store<u64>(d, u64.MAX_VALUE, D_START);
  publish<F>(m, d);
  return d;
}

function publish<F>(m: usize, d: usize): void {
  const key = load<u32>(head(m), NEXT);
  store<u32>(head(m), key + 1, NEXT);
  put32<F>(d, key);
}

/** The deferral gets the next generation, and the CPUs that may hold translations of the mm. */
function renew<F>(m: usize, d: usize, mm: u32): void {
  const gen = load<u32>(head(m), NEWEST) + 1;
  store<u32>(head(m), gen, NEWEST);
  store<u32>(d, gen, D_GEN);
  const words = hdr(m, abi.H_MASK_WORDS);
  for (let w: u32 = 0; w < words; w++) {
    or32<F>(d + D_MASK + (w << 2), get32<F>(maskAt(m, mm) + (w << 2)));
  }
}

/**
 * DEFER_ADD. The page-table lock is held, so whoever finds the entry empty finds the deferral, too.
 * CPUs that do not run the mm now compare generations when they come back to it.
 */
export function deferAdd<F>(m: usize, ctx: Ctx, vpn: u64): bool {
  const pfn = <u32>(ctx.pte >> abi.PTE_SHIFT);
  const mm: u32 = ctx.mm - 1;
  let d = openOf(m, ctx);
  if (d == 0) d = open<F>(m, ctx);
  if (d == 0 || pfn == 0) return false;
  add32<F>(changetype<usize>(mmAt(m, mm)) + offsetof<Mm>("tlbGen"), 1);
  renew<F>(m, d, mm);
  store<u64>(d, min<u64>(load<u64>(d, D_START), vpn), D_START);
  store<u64>(d, max<u64>(load<u64>(d, D_END), vpn + 1), D_END);
  put32<F>(keyAt(m, pfn), load<u32>(d));
  return true;
}

/**
 * DEFER_POST: the request in `info` is put off, if munmap asks, all it has gathered is this mm's
 * alone, and no page table goes. Its frames stay in the process.
 */
export function deferPost<F>(m: usize, ctx: Ctx, info: Cpu): bool {
  if ((ctx.locks & abi.LOCK_MMAP_WRITE) == 0 || ctx.gCount == 0 || info.infoMm != ctx.mm) {
    return false;
  }
  if ((info.infoFlags & abi.INFO_FREED) != 0 || ctx.gStart >= ctx.gEnd) return false;
  const frames = batchAt(m, ctxIndex(m, ctx));
  for (let i: u32 = 0; i < ctx.gCount; i++) {
    if (frameRefs<F>(m, load<u32>(frames + (i << 2))) != 1) return false;
  }
  const d = fresh(m, ctx);
  if (d == 0) return false;
  store<u64>(d, ctx.gStart, D_START);
  store<u64>(d, ctx.gEnd, D_END);
  store<u32>(d, 1, D_RECYCLED);
  renew<F>(m, d, ctx.mm - 1);
  publish<F>(m, d);
  for (let i: u32 = 0; i < ctx.gCount; i++) {
    put32<F>(keyAt(m, load<u32>(frames + (i << 2))), load<u32>(d));
  }
  return true;
}

/** DEFER_CLOSE */
export function deferClose(m: usize, ctx: Ctx): void {
  const d = openOf(m, ctx);
  if (d != 0) store<u32>(d, 0, D_OWNER);
}

/** DEFER_STAMP: to be asked before a flush; what joins later is not covered by it. */
// @ts-ignore: decorator
@inline
export function deferStamp(m: usize): u32 {
  return load<u32>(head(m), NEWEST);
}

/** DEFER_PENDING: does a deferral of `mm` (index) overlap [start, end)? */
export function deferPending(m: usize, mm: u32, start: u64, end: u64): bool {
  const next = load<u32>(head(m), NEXT);
  for (let key = load<u32>(head(m), OLDEST); key < next; key++) {
    const d = liveOf(m, key);
    if (d == 0 || load<u32>(d, D_MM) != mm + 1) continue;
    if (load<u64>(d, D_START) < end && start < load<u64>(d, D_END)) return true;
  }
  return false;
}

/** Everybody has flushed: its frames are like any others. */
function retire<F>(m: usize, d: usize): void {
  const frames = load<u32>(d, D_COUNT);
  setHdr(m, abi.H_PARKED_PAGES, hdr(m, abi.H_PARKED_PAGES) - frames);
  put32<F>(d, 0);
  memory.fill(d, 0, hdr(m, abi.H_DEFER_STRIDE));
  const next = load<u32>(head(m), NEXT);
  let oldest = load<u32>(head(m), OLDEST);
  while (oldest < next && liveOf(m, oldest) == 0) oldest++;
  store<u32>(head(m), oldest, OLDEST);
}

/**
 * DEFER_DONE: a flush that began when `stamp` was the newest generation is over. Of one mm whole
 * (`mask` 0), or on the CPUs of a mask, whatever they ran: that absorbs the flushes of every
 * deferral that waits for no other CPU.
 */
export function deferDone<F>(m: usize, mm: u32, mask: usize, stamp: u32): void {
  const words = hdr(m, abi.H_MASK_WORDS);
  const next = load<u32>(head(m), NEXT);
  for (let key = load<u32>(head(m), OLDEST); key < next; key++) {
    const d = liveOf(m, key);
    if (d == 0 || load<u32>(d, D_GEN) > stamp) continue;
    if (mask == 0) {
      if (load<u32>(d, D_MM) == mm + 1) retire<F>(m, d);
      continue;
    }
    for (let w: u32 = 0; w < words; w++) {
      const p = d + D_MASK + (w << 2);
      store<u32>(p, load<u32>(p) & ~get32<F>(mask + (w << 2)));
    }
    if (maskNext<F>(d + D_MASK, words, 0) < 0) retire<F>(m, d);
  }
}

/** A frame is free (no references): it joins the list of its deferral's mm. False: it has none. */
export function deferFree<F>(m: usize, pfn: u32): bool {
  if (!isOn(m)) return false;
  const d = liveOf(m, load<u32>(keyAt(m, pfn)));
  if (d == 0) {
    put32<F>(keyAt(m, pfn), 0);
    return false;
  }
  const list = listAt(m, load<u32>(d, D_MM) - 1);
  const last = load<u32>(list, 4);
  frameAt(m, pfn).next = 0;
  frameAt(m, pfn).rmap = 0;
  if (last == 0) store<u32>(list, pfn + 1);
  else frameAt(m, last - 1).next = pfn + 1;
  store<u32>(list, pfn + 1, 4);
  store<u32>(d, load<u32>(d, D_COUNT) + 1, D_COUNT);
  const parked = hdr(m, abi.H_PARKED_PAGES) + 1;
  setHdr(m, abi.H_PARKED_PAGES, parked);
  if (parked > hdr(m, abi.H_PARKED_MOST)) setHdr(m, abi.H_PARKED_MOST, parked);
  return true;
}

/** The oldest frame in the list of an mm, or -1. Pools locked. */
function takeFrom(m: usize, actor: u32, mm: u32): i32 {
  const list = listAt(m, mm);
  const id = load<u32>(list);
  if (id == 0) return -1;
  const frame: Frame = frameAt(m, id - 1);
  store<u32>(list, frame.next);
  if (frame.next == 0) store<u32>(list, 0, 4);
  frame.next = 0;
  const d = liveOf(m, load<u32>(keyAt(m, id - 1)));
  if (d != 0) {
    store<u32>(d, load<u32>(d, D_COUNT) - 1, D_COUNT);
    setHdr(m, abi.H_PARKED_PAGES, hdr(m, abi.H_PARKED_PAGES) - 1);
  }
  sysAt(m).framesUsed++;
  count(m, actor, abi.CT_ALLOCS, 1);
  return <i32>(id - 1);
}

/** ALLOC_RECYCLE: a frame that this mm gave back, or -1. Pools locked. */
export function recycledFrame(m: usize, actor: u32, mm: u32): i32 {
  return isOn(m) ? takeFrom(m, actor, mm) : -1;
}

/** Was it given back by this mm (index), and may it be used there without a flush? */
function isRecycled(m: usize, mm: u32, pfn: u32): bool {
  const d = liveOf(m, load<u32>(keyAt(m, pfn)));
  return d != 0 && load<u32>(d, D_RECYCLED) != 0 && load<u32>(d, D_MM) == mm + 1;
}

/** A frame of some deferral, or -1: there is no other left. Pools locked. */
export function deferredFrame(m: usize, actor: u32): i32 {
  if (!isOn(m)) return -1;
  const n = hdr(m, abi.H_MMS);
  for (let mm: u32 = 0; mm < n; mm++) {
    const pfn = takeFrom(m, actor, mm);
    if (pfn >= 0) return pfn;
  }
  return -1;
}

/** What ALLOC_KEEP does not say: the frame is used as it is, flushed for or not. Pools locked. */
export function deferBare<F>(m: usize, mm: u32, pfn: u32, how: u32): void {
  if (!isOn(m)) return;
  if ((how & abi.ALLOC_RECYCLE) != 0 && isRecycled(m, mm, pfn)) frameAt(m, pfn).value = 0;
  else deferOwn<F>(m, pfn);
}

/** DEFER_OWN: what was in the frame is gone. Who still reads it through a stale entry is caught. */
export function deferOwn<F>(m: usize, pfn: u32): void {
  if (!isOn(m) || load<u32>(keyAt(m, pfn)) == 0) return;
  const frame = frameAt(m, pfn);
  put32<F>(keyAt(m, pfn), 0);
  put32<F>(changetype<usize>(frame) + offsetof<Frame>("gen"), frame.gen + 1);
  frame.value = 0;
}

/**
 * DEFER_TAKE: true: the CPUs to be flushed first are in the task's batch. Else it may be used. A
 * recycled frame may have been unmapped more than once in its process: all of that is flushed.
 */
export function deferTake<F>(m: usize, ctx: Ctx): bool {
  const own = liveOf(m, load<u32>(keyAt(m, ctx.frame)));
  if (own == 0 || isRecycled(m, ctx.mm - 1, ctx.frame)) {
    deferBare<F>(m, ctx.mm - 1, ctx.frame, abi.ALLOC_RECYCLE);
    return false;
  }
  const all = load<u32>(own, D_RECYCLED) != 0;
  const batch = batchOf(m, ctxIndex(m, ctx));
  const words = hdr(m, abi.H_MASK_WORDS);
  const next = load<u32>(head(m), NEXT);
  for (let key = load<u32>(head(m), OLDEST); key < next; key++) {
    const d = liveOf(m, key);
    const same = d != 0 && load<u32>(d, D_MM) == load<u32>(own, D_MM);
    if (d != own && !(all && same)) continue;
    for (let w: u32 = 0; w < words; w++) {
      or32<F>(batch + 4 + (w << 2), load<u32>(d + D_MASK + (w << 2)));
    }
  }
  store<u32>(batch, 1);
  return true;
}

/** DEFER_WIPE: a mutant of a kernel that poisons or zeroes what it frees. */
export function deferWipe<F>(m: usize, batch: usize, pages: u32): void {
  for (let i: u32 = 0; i < pages; i++) put32<F>(keyAt(m, load<u32>(batch + (i << 2))), 0);
}

/** An mm goes: nobody uses its translations any more. Pools locked. */
export function deferForget<F>(m: usize, mm: u32): void {
  if (isOn(m)) deferDone<F>(m, mm, 0, u32.MAX_VALUE);
}

/** Is the page one of those whose frames stay in the process, unmapped and not given out again? */
function isWithdrawn(m: usize, mm: u32, vpn: u64): bool {
  const next = load<u32>(head(m), NEXT);
  for (let key = load<u32>(head(m), OLDEST); key < next; key++) {
    const d = liveOf(m, key);
    if (d == 0 || load<u32>(d, D_MM) != mm + 1 || load<u32>(d, D_RECYCLED) == 0) continue;
    if (load<u64>(d, D_START) <= vpn && vpn < load<u64>(d, D_END)) return true;
  }
  return false;
}

/**
 * May a stale access of page `vpn` still be made? If nothing is mapped there, and its frame stays
 * in the process: it harms nobody else. Else see isDeferred.
 */
export function isSpared<F>(m: usize, mm: u32, vpn: u64, pfn: u32, pte: u64, write: bool): bool {
  if (!isOn(m)) return false;
  if ((pte & abi.PTE_P) == 0 && isWithdrawn(m, mm, vpn)) return true;
  return !write && isDeferred<F>(m, mm, pfn, pte);
}

/**
 * May a stale read of frame `pfn`, of the generation that was cached, still be made? By the
 * policy's contract it reads what it would have read before. `pte`: what maps the page now. If
 * there is something by now, it must be a file's page, too, with the same content, and read-only.
 */
function isDeferred<F>(m: usize, mm: u32, pfn: u32, pte: u64): bool {
  const d = liveOf(m, get32<F>(keyAt(m, pfn)));
  if (d == 0 || load<u32>(d, D_RECYCLED) != 0 || load<u32>(d, D_MM) != mm + 1) return false;
  if ((pte & abi.PTE_P) == 0) return true;
  if ((pte & (abi.PTE_W | abi.PTE_SHARED)) != abi.PTE_SHARED) return false;
  const now = <u32>(pte >> abi.PTE_SHIFT);
  return ((valueOf<F>(m, now) ^ valueOf<F>(m, pfn)) & ~abi.FRAME_COLLECTED) == 0;
}

// @ts-ignore: decorator
@inline
function valueOf<F>(m: usize, pfn: u32): u32 {
  return get32<F>(changetype<usize>(frameAt(m, pfn)) + offsetof<Frame>("value"));
}
