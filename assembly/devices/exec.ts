/** Micro-ops of devices that have more than a cache, and of CPUs that work for them. */
import * as abi from "../../src/core/abi";
import { reg } from "../exec-control";
import { deviceAt, hdr } from "../machine";
import { Ctx } from "../rows";
import { atc, lacks } from "./atc";
import { devFlush } from "./flush";
import {
  awaitNone, gpcAccess, gpcCommit, gpcDrop, note, slotFind, slotHit, slotSet, test,
} from "./guest";
import { answer, ask, hear, requestState, take } from "./requests";
import { hasMore, moreAt } from "./rows";

/** For the device in the register that imm names, on a CPU. */
function execForDevice<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, c: u32, imm: u32,
): i32 {
  const named = reg(ctx, imm & 0xff);
  const isThere = named < <u64>hdr(m, abi.H_DEVICES);
  if (actor >= hdr(m, abi.H_CPUS) || !isThere) return abi.ST_BAD_PROGRAM;
  const dev = <u32>named;
  switch (op) {
    case abi.OP_REQ_TAKE: return take(m, actor, ctx, dev, a, b);
    case abi.OP_REQ_ANSWER: return answer<F>(m, actor, dev, c);
    case abi.OP_REQ_STATE: requestState(m, ctx, dev, c); return abi.ST_OK;
    default: {
      const frozen = (imm & abi.SLOT_UNFROZEN) == 0;
      return slotSet(m, actor, dev, reg(ctx, a), reg(ctx, b), reg(ctx, c), frozen);
    }
  }
}

function isForDevice(op: i32): bool {
  return op == abi.OP_SLOT_SET || (op >= abi.OP_REQ_TAKE && op <= abi.OP_REQ_STATE);
}

/** OP_DEVICES_FIRST … OP_DEVICES_LAST. */
export function execDevices<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, c: u32, imm: u32,
): i32 {
  if (!hasMore(m)) return abi.ST_BAD_PROGRAM;
  if (isForDevice(op)) return execForDevice<F>(m, actor, ctx, op, a, b, c, imm);
  if (ctx.dev == 0) return abi.ST_BAD_PROGRAM;
  const dev: u32 = ctx.dev - 1;
  const x = reg(ctx, a);
  const more = moreAt(m, dev);
  let flag = false;
  switch (op) {
    case abi.OP_DEV_FLUSH: {
      devFlush(m, actor, dev, imm, ctx.hStart, ctx.hEnd);
      return abi.ST_OK;
    }
    case abi.OP_DEV_AWAIT: return awaitNone(m, actor, dev, imm);
    case abi.OP_DEV_HEAR: return hear<F>(m, actor, ctx, dev, x, imm);
    case abi.OP_DEV_NOTE: return note<F>(m, actor, dev, imm, x);
    case abi.OP_GPC_DROP: gpcDrop(more, ctx.hStart, ctx.hEnd); return abi.ST_OK;
    case abi.OP_GPC_COMMIT: gpcCommit<F>(m, ctx, dev, x, c, imm); return abi.ST_OK;
    case abi.OP_ATC: flag = atc(m, dev, x, imm); break;
    case abi.OP_DEV_LACKS: flag = lacks(m, dev, x); break;
    case abi.OP_DEV_ASK: flag = ask<F>(m, actor, dev, x, imm != 0); break;
    case abi.OP_DEV_HITS: {
      flag = imm == abi.HITS_GUEST ? slotFind(ctx, more, x, b)
        : slotHit(more, ctx.hStart, ctx.hEnd);
      break;
    }
    case abi.OP_DEV_TEST: flag = test(deviceAt(m, dev), ctx, x, imm); break;
    case abi.OP_GPC_ACCESS: flag = gpcAccess(m, dev, x, imm != 0); break;
    default: return abi.ST_BAD_PROGRAM;
  }
  ctx.flag = flag ? 1 : 0;
  return abi.ST_OK;
}
