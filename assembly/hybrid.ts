/**
 * Two roads for a request (shootdown.md P12): a broadcast by hardware, whose price is the same
 * for any number of CPUs, or interrupts, whose price grows with the targets.
 *
 * What has to hold between them: an interrupt's handler takes an ASID slot that is ahead of its
 * request for done. Broadcasts overtake interrupts, so one may advance a slot only if it is
 * exactly the slot's next request (HYBRID_ORDERED); a slot that stays behind flushes everything
 * when the interrupt comes, or when its mm is switched in.
 */
import * as abi from "../src/core/abi";
import { requestMask } from "./batched";
import { shouldFlush } from "./call-queue";
import { cpuAt, hdr } from "./machine";
import { maskNext } from "./mask";
import { Cpu, Ctx } from "./rows";

/** Targets that the filter does not spare. */
function countTargets<F>(m: usize, self: u32, info: Cpu): u32 {
  const mask = requestMask(m, info);
  const words = hdr(m, abi.H_MASK_WORDS);
  let n: u32 = 0;
  for (let i = maskNext<F>(mask, words, 0); i >= 0; i = maskNext<F>(mask, words, <u32>i + 1)) {
    const to = cpuAt(m, i);
    if (<u32>i != self && to.online != 0 && shouldFlush<F>(m, to, info)) n++;
  }
  return n;
}

/** HYBRID_CHOOSE: F = broadcast. The request then says how it is to be applied. */
export function hybridChoose<F>(m: usize, self: u32, ctx: Ctx, how: u32): i32 {
  const info = cpuAt(m, self);
  if (info.infoMm == 0 || (hdr(m, abi.H_OPTIONS) & abi.OPT_BROADCAST) == 0) {
    return abi.ST_BAD_PROGRAM;
  }
  ctx.flag = 0;
  // A batch is for whatever mm its targets run: no broadcast names that.
  if (info.infoMm == abi.INFO_ANY_MM) return abi.ST_OK;
  if ((how & abi.HYBRID_TABLES) != 0 && (info.infoFlags & abi.INFO_FREED) != 0) return abi.ST_OK;
  if (countTargets<F>(m, self, info) < (how & abi.HYBRID_LEAST)) return abi.ST_OK;
  if ((how & abi.HYBRID_LEAF) != 0) info.infoFlags |= abi.INFO_LEAF;
  if ((how & abi.HYBRID_ORDERED) != 0) info.infoFlags |= abi.INFO_ORDERED;
  ctx.flag = 1;
  return abi.ST_OK;
}
