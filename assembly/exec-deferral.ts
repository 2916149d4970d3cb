/** Micro-ops of flushes that are put off until a frame leaves the free list. Tasks run these. */
import * as abi from "../src/core/abi";
import { accessForget, accessNarrow, accessWho } from "./access";
import { batchOf } from "./batched";
import { cowDisplace, cowSkip } from "./cow";
import {
  deferAdd, deferClose, deferDone, deferMay, deferOwn, deferPending, deferPost, deferStamp,
  deferTake, deferWipe,
} from "./deferral";
import { reg, setReg } from "./exec-control";
import { batchAt, cpuAt, ctxIndex, hdr } from "./machine";
import { kernelWrite } from "./oracle";
import { lockPools, unlockPools } from "./pools";
import { Ctx } from "./rows";

/** With the pools locked. */
function locked<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, c: u32, imm: u32,
): i32 {
  const task = ctxIndex(m, ctx);
  switch (op) {
    case abi.OP_DEFER_MAY: ctx.flag = deferMay<F>(m, ctx, imm) ? 1 : 0; break;
    case abi.OP_DEFER_ADD: return deferAdd<F>(m, ctx, reg(ctx, a)) ? abi.ST_OK : abi.ST_BAD_PROGRAM;
    case abi.OP_DEFER_CLOSE: deferClose(m, ctx); break;
    case abi.OP_DEFER_STAMP: setReg(ctx, a, deferStamp(m)); break;
    case abi.OP_DEFER_PENDING: {
      ctx.flag = deferPending(m, ctx.mm - 1, reg(ctx, a), reg(ctx, b)) ? 1 : 0;
      setReg(ctx, c, deferStamp(m));
      break;
    }
    case abi.OP_DEFER_DONE: {
      const mask = imm != 0 ? batchOf(m, task) + 4 : 0;
      deferDone<F>(m, ctx.mm - 1, mask, <u32>reg(ctx, a));
      break;
    }
    case abi.OP_DEFER_TAKE: {
      setReg(ctx, a, deferStamp(m));
      ctx.flag = deferTake<F>(m, ctx) ? 1 : 0;
      break;
    }
    case abi.OP_DEFER_OWN: deferOwn<F>(m, ctx.frame); break;
    case abi.OP_DEFER_WIPE: deferWipe<F>(m, batchAt(m, task), ctx.gCount); break;
    case abi.OP_DEFER_POST: {
      if (cpuAt(m, actor).infoMm == 0) return abi.ST_BAD_PROGRAM;
      ctx.flag = deferPost<F>(m, ctx, cpuAt(m, actor)) ? 1 : 0;
      break;
    }
    default: return abi.ST_BAD_PROGRAM;
  }
  return abi.ST_OK;
}

function execAccess<F>(m: usize, actor: u32, ctx: Ctx, op: i32): i32 {
  if (op == abi.OP_ACCESS_FORGET) {
    accessForget<F>(m, ctx);
    return abi.ST_OK;
  }
  const both = abi.OPT_ACCESSED | abi.OPT_BATCH;
  if ((hdr(m, abi.H_OPTIONS) & both) != both) return abi.ST_BAD_PROGRAM;
  if (op == abi.OP_ACCESS_WHO) {
    ctx.flag = accessWho<F>(m, actor, ctx) ? 1 : 0;
    return abi.ST_OK;
  }
  if (cpuAt(m, actor).infoMm == 0 || op != abi.OP_ACCESS_NARROW) return abi.ST_BAD_PROGRAM;
  accessNarrow<F>(m, actor, ctx);
  return abi.ST_OK;
}

/** OP_DEFER_MAY … OP_COW_DISPLACE. */
export function execDeferral<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, c: u32, imm: u32,
): i32 {
  if (ctxIndex(m, ctx) >= hdr(m, abi.H_TASKS) || ctx.mm == 0) return abi.ST_BAD_PROGRAM;
  if (op == abi.OP_FRAME_WRITE) {
    kernelWrite<F>(m, actor, ctx.mm - 1, reg(ctx, a), <u32>(ctx.pte >> abi.PTE_SHIFT));
    return abi.ST_OK;
  }
  if (op == abi.OP_COW_SKIP) {
    if (cpuAt(m, actor).infoMm == 0) return abi.ST_BAD_PROGRAM;
    ctx.flag = cowSkip<F>(m, actor, ctx) ? 1 : 0;
    return abi.ST_OK;
  }
  if (op == abi.OP_COW_DISPLACE) {
    cowDisplace<F>(m, actor, ctx, reg(ctx, a));
    return abi.ST_OK;
  }
  if (op >= abi.OP_ACCESS_WHO) return execAccess<F>(m, actor, ctx, op);
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_DEFER) == 0) return abi.ST_BAD_PROGRAM;
  if (!lockPools<F>(m)) return abi.ST_WAIT;
  const status = locked<F>(m, actor, ctx, op, a, b, c, imm);
  unlockPools<F>(m);
  return status;
}
