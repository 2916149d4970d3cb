/**
 * mmu_gather: unhook, invalidate, free. Its range is [first cleared, last cleared + 1), its batch
 * holds the references of cleared entries until they are flushed (shootdown.md 1.7).
 *
 * Invariant `UnhookInvalidateFree`: a frame or table of the batch is freed by GATHER_FREE only.
 */
import * as abi from "../src/core/abi";
import { add32, get32, sub32 } from "./atomics";
import { charge } from "./charge";
import { batchAt, ctxIndex, hdr, mmAt, tableAt } from "./machine";
import { lockPools, putFrame, putTable, unlockPools } from "./pools";
import { Ctx, Mm } from "./rows";

const ALL: u64 = u64.MAX_VALUE;

// @ts-ignore: decorator
@inline
function pending(m: usize, mm: u32): usize {
  return changetype<usize>(mmAt(m, mm)) + offsetof<Mm>("gathers");
}

function emptyRange(ctx: Ctx): void {
  ctx.gStart = ALL;
  ctx.gEnd = 0;
}

export function gatherBegin<F>(m: usize, ctx: Ctx, mm: u32, flags: u32): void {
  add32<F>(pending(m, mm), 1);
  emptyRange(ctx);
  ctx.gFlags = <u16>flags;
}

export function gatherWiden(ctx: Ctx, start: u64, end: u64): void {
  if (start < ctx.gStart) ctx.gStart = start;
  if (end > ctx.gEnd) ctx.gEnd = end;
}

/** Reclaim isolates pages in the same batch, but has no gather open: then there is no range. */
// @ts-ignore: decorator
@inline
function isOpen(ctx: Ctx): bool {
  return (ctx.gStart | ctx.gEnd) != 0;
}

/** Records the cleared entry in ctx.pte for `vpn`. The batch must not be full. */
export function gatherAdd(m: usize, ctx: Ctx, vpn: u64): bool {
  const pte = ctx.pte;
  const pages: u64 = (pte & abi.PTE_HUGE) != 0 ? (<u64>1) << hdr(m, abi.H_INDEX_BITS) : 1;
  if (isOpen(ctx)) {
    gatherWiden(ctx, vpn, vpn + pages);
    if (pages == 1) ctx.gFlags |= <u16>abi.GF_SMALL;
  }
  const pfn = <u32>(pte >> abi.PTE_SHIFT);
  ctx.pte = 0;
  if (pfn == 0) {
    if ((hdr(m, abi.H_OPTIONS) & abi.OPT_ACCESSED) != 0) ctx.gFlags |= <u16>abi.GF_UNTRACKED;
    return true;
  }
  if (ctx.gCount >= hdr(m, abi.H_GATHER_PAGES)) return false;
  store<u32>(batchAt(m, ctxIndex(m, ctx)) + (ctx.gCount << 2), pfn);
  ctx.gCount++;
  return true;
}

/**
 * Another gather of this mm is open: it may have cleared entries it has not flushed, which this
 * one saw as empty. Everything is flushed. The range fields become all-ones, which is what the
 * notifier of the double and deduplicated eras is then told (notifiers.md 2.2).
 */
export function gatherNested<F>(m: usize, ctx: Ctx, mm: u32): void {
  if (get32<F>(pending(m, mm)) <= 1) return;
  ctx.gFlags |= <u16>(abi.GF_FULL | abi.GF_FREED | abi.GF_NESTED);
  ctx.gStart = ALL;
  ctx.gEnd = ALL;
}

/** F = there is something to flush. `raw`: the fields as they are; else full means [0, ALL). */
export function gatherRange(ctx: Ctx, raw: bool): bool {
  const full = (ctx.gFlags & abi.GF_FULL) != 0;
  return full || ctx.gStart < ctx.gEnd || (raw && (ctx.gFlags & abi.GF_NESTED) != 0);
}

// @ts-ignore: decorator
@inline
export function gatherIsFull(ctx: Ctx): bool {
  return (ctx.gFlags & abi.GF_FULL) != 0;
}

/** Frees the batch and the unhooked tables, and starts an empty range. */
export function gatherFree<F>(m: usize, actor: u32, ctx: Ctx): i32 {
  if (!lockPools<F>(m)) return abi.ST_WAIT;
  const batch = batchAt(m, ctxIndex(m, ctx));
  for (let i: u32 = 0; i < ctx.gCount; i++) putFrame<F>(m, actor, load<u32>(batch + (i << 2)));
  memory.fill(batch, 0, ctx.gCount << 2);
  charge(m, actor, abi.COST_FREE_PAGE, ctx.gCount);
  ctx.gCount = 0;
  freeTables<F>(m, ctx);
  unlockPools<F>(m);
  if (isOpen(ctx)) emptyRange(ctx);
  ctx.gFlags &= ~(<u16>(abi.GF_FREED | abi.GF_SMALL | abi.GF_UNTRACKED));
  return abi.ST_OK;
}

/** Frees the unhooked tables. Pools locked. */
export function freeTables<F>(m: usize, ctx: Ctx): void {
  let id = ctx.gTables;
  ctx.gTables = 0;
  while (id != 0) {
    const next = tableAt(m, id - 1).next;
    putTable<F>(m, id - 1);
    id = next;
  }
}

export function gatherEnd<F>(m: usize, ctx: Ctx, mm: u32): void {
  sub32<F>(pending(m, mm), 1);
  ctx.gStart = 0;
  ctx.gEnd = 0;
  ctx.gFlags = 0;
}
