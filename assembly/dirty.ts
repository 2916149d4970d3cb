/**
 * What was written: dirty bits (OPT_DIRTY), and pages whose content was taken (shootdown.md I5 and
 * I12; the oracle's O4).
 *
 * A CPU that stores through a translation which is not known to be dirty walks again and sets the
 * bit in the entry, if that is still writable; from then on its TLB knows, and stores leave no
 * trace. So whoever cleans an entry has to flush before it relies on what the bit says. Devices
 * set none.
 */
import * as abi from "../src/core/abi";
import { cas64, get64, or32 } from "./atomics";
import { frameAt, hdr } from "./machine";
import { leafPlace } from "./page-table";
import { Ctx, Frame } from "./rows";
import { softWalk } from "./walk";

/** Do TLBs know which pages are dirty? */
// @ts-ignore: decorator
@inline
export function tracksDirty(m: usize): bool {
  return (hdr(m, abi.H_OPTIONS) & abi.OPT_DIRTY) != 0;
}

/** The walk of a store: the entry becomes dirty. Hardware takes no lock. */
export function setDirty<F>(m: usize, mm: u32, vpn: u64): void {
  const p = leafPlace<F>(m, mm, vpn);
  if (p == 0) return;
  let old = get64<F>(p);
  while ((old & abi.PTE_P) != 0 && (old & abi.PTE_DIRTY) == 0) {
    cas64<F>(p, old, old | abi.PTE_DIRTY);
    old = get64<F>(p);
  }
}

/**
 * PTE_CLEAN. Without OPT_DIRTY every page counts as dirty. `protect` (page_mkclean): it becomes
 * read-only in the same step; F: it was dirty, or writable.
 */
export function clean<F>(m: usize, ctx: Ctx, vpn: u64, protect: bool): i32 {
  if (ctx.mm == 0) return abi.ST_BAD_PROGRAM;
  const p = leafPlace<F>(m, ctx.mm - 1, vpn);
  if (p == 0) return abi.ST_BAD_PROGRAM;
  const bits: u64 = protect ? abi.PTE_DIRTY | abi.PTE_W : abi.PTE_DIRTY;
  let had = !tracksDirty(m);
  let old = get64<F>(p);
  while ((old & bits) != 0) {
    had = true;
    cas64<F>(p, old, old & ~bits);
    old = get64<F>(p);
  }
  ctx.flag = had ? 1 : 0;
  return abi.ST_OK;
}

/** PTE_COLLECT: a page that is writable by now will be written out once more. */
export function collectMapped<F>(m: usize, ctx: Ctx, vpn: u64): i32 {
  if (ctx.mm == 0) return abi.ST_BAD_PROGRAM;
  const pte = softWalk<F>(m, ctx.mm - 1, vpn);
  const pfn = <u32>(pte >> abi.PTE_SHIFT);
  if (pfn == 0 || (pte & abi.PTE_W) != 0) return abi.ST_OK;
  const frame: Frame = frameAt(m, pfn);
  or32<F>(changetype<usize>(frame) + offsetof<Frame>("value"), <u32>abi.FRAME_COLLECTED);
  return abi.ST_OK;
}
