/**
 * Access tracking (ABIS, shootdown.md P9): accessed bits, and who set them, say whose TLBs may hold
 * a page. A page that nobody has accessed needs no flush, one that only this CPU has accessed none
 * but its own, one that only others have no more than theirs.
 *
 *   per frame u32: 0 nobody, c + 1 only CPU c, ACCESS_MANY
 *
 * ABIS reads this from the accessed bit and spare bits of the entry, which a faulting CPU sets
 * through a second page table. Here it is a table beside the frames; a walk that fills a TLB writes
 * it in the same micro-op, as the bit is set by the walk.
 * Invariant `AccessedCovers`: a CPU that caches a frame of this generation is named by the table.
 */
import * as abi from "../src/core/abi";
import { get32, or32, put32 } from "./atomics";
import { batchOf } from "./batched";
import { charge } from "./charge";
import { flushPages, flushSlot } from "./flush";
import { batchAt, clockAt, count, cpuAt, ctxIndex, hdr } from "./machine";
import { Ctx } from "./rows";
import { frameRefs } from "./walk";

// @ts-ignore: decorator
@inline
function isOn(m: usize): bool {
  return (hdr(m, abi.H_OPTIONS) & abi.OPT_ACCESSED) != 0;
}

// @ts-ignore: decorator
@inline
function ownerAt(m: usize, pfn: u32): usize {
  return m + hdr(m, abi.H_OFF_ACCESS) + ((<usize>pfn) << 2);
}

/** A walk of `cpu` has filled a translation to `pfn`. */
// @ts-ignore: decorator
@inline
export function accessed<F>(m: usize, cpu: u32, pfn: u32): void {
  if (!isOn(m)) return;
  const before = get32<F>(ownerAt(m, pfn));
  if (before != cpu + 1) put32<F>(ownerAt(m, pfn), before == 0 ? cpu + 1 : abi.ACCESS_MANY);
}

/** The frame is free: whoever held it has flushed. Pools locked. */
// @ts-ignore: decorator
@inline
export function accessReset<F>(m: usize, pfn: u32): void {
  if (isOn(m)) put32<F>(ownerAt(m, pfn), 0);
}

/** ACCESS_FORGET: the accessed bit of ctx.pte's frame is cleared, unless others map it, too. */
export function accessForget<F>(m: usize, ctx: Ctx): void {
  const pfn = <u32>(ctx.pte >> abi.PTE_SHIFT);
  if (isOn(m) && pfn != 0 && frameRefs<F>(m, pfn) == 1) put32<F>(ownerAt(m, pfn), 0);
}

/** Is who holds the gathered pages known, page for page? */
function isKnown(m: usize, self: u32, ctx: Ctx): bool {
  const all = abi.GF_FULL | abi.GF_FREED | abi.GF_UNTRACKED;
  return (ctx.gFlags & all) == 0 && ctx.gCount != 0 && cpuAt(m, self).loadedMm == ctx.mm;
}

/** The owner of all gathered frames that somebody has accessed: 0, c + 1 or ACCESS_MANY. */
function ownerOf<F>(m: usize, ctx: Ctx): u32 {
  const frames = batchAt(m, ctxIndex(m, ctx));
  let owner: u32 = 0;
  for (let i: u32 = 0; i < ctx.gCount; i++) {
    const one = get32<F>(ownerAt(m, load<u32>(frames + (i << 2))));
    if (one == 0 || one == owner) continue;
    if (owner != 0) return abi.ACCESS_MANY;
    owner = one;
  }
  return owner;
}

/** This CPU's own INVLPGs. No generation: nobody else has anything to catch up with. */
function flushOwn(m: usize, self: u32, ctx: Ctx): void {
  const slot = cpuAt(m, self).asid;
  const pages = ctx.gEnd - ctx.gStart;
  charge(m, self, abi.COST_FLUSH_FIXED, 1);
  count(m, self, abi.CT_FLUSH_LOCAL, 1);
  if (pages > <u64>hdr(m, abi.H_CEILING)) {
    flushSlot(m, self, slot);
    charge(m, self, abi.COST_FLUSH_FULL, 1);
    count(m, self, abi.CT_FLUSH_FULL, 1);
    return;
  }
  flushPages(m, self, clockAt(m, self), slot, ctx.gStart, ctx.gEnd, 1);
  charge(m, self, abi.COST_FLUSH_PAGE, <u32>pages);
  count(m, self, abi.CT_FLUSH_PAGES, pages);
}

/** ACCESS_WHO: true: others may hold what was gathered. Else this CPU has flushed, if it did. */
export function accessWho<F>(m: usize, self: u32, ctx: Ctx): bool {
  if (!isKnown(m, self, ctx)) return true;
  const owner = ownerOf<F>(m, ctx);
  if (owner == 0) return false;
  if (owner != self + 1) return true;
  flushOwn(m, self, ctx);
  return false;
}

/**
 * ACCESS_NARROW: of the request in this CPU's info only the owners are told. Their mask is the
 * task's batch. Those that are not told are behind by a generation, and catch up with the next one.
 */
export function accessNarrow<F>(m: usize, self: u32, ctx: Ctx): void {
  if (!isKnown(m, self, ctx)) return;
  const task = ctxIndex(m, ctx);
  const frames = batchAt(m, task);
  const mask = batchOf(m, task) + 4;
  for (let i: u32 = 0; i < ctx.gCount; i++) {
    if (get32<F>(ownerAt(m, load<u32>(frames + (i << 2)))) == abi.ACCESS_MANY) return;
  }
  for (let i: u32 = 0; i < ctx.gCount; i++) {
    const owner = get32<F>(ownerAt(m, load<u32>(frames + (i << 2))));
    if (owner == 0) continue;
    or32<F>(mask + (((owner - 1) >> 5) << 2), 1 << ((owner - 1) & 31));
  }
  cpuAt(m, self).infoFlags |= abi.INFO_NARROW;
}
