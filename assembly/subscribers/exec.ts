/** Micro-ops of subscribers (ROW_NOTIFIERS). Tasks and devices run them. */
import * as abi from "../../src/core/abi";
import { cas32 } from "../atomics";
import { reg, setReg } from "../exec-control";
import { word } from "../interval-tree/node";
import { N_SEQ } from "../notifiers/rows";
import { hazard } from "../hazard";
import { ctxIndex, deviceAt, hdr, mmAt } from "../machine";
import { Ctx, Device } from "../rows";
import { blocked } from "../wake";
import {
  add, beginRead, enable, endBracket, lookUp, markTold, move, mustRetry, nextCallback, nextRelease,
  punch, rowOf, seqKey, startBracket, take,
} from "./intervals";
import { hasSubscribers, setTold, stateOf, subsAt, toldBy } from "./rows";
import { bracketIsOver, execLife, execSrcu, waitForBrackets } from "./srcu";

/** OP_HOOK_ASK. */
function ask<F>(m: usize, ctx: Ctx, imm: u32, event: u32): i32 {
  const told = toldBy(m, ctx);
  switch (imm) {
    case abi.ASK_SLEEP: ctx.flag = (told & abi.START_NO_SLEEP) == 0 ? 1 : 0; break;
    case abi.ASK_REFUSED: ctx.flag = (told & abi.TOLD_REFUSED) != 0 ? 1 : 0; break;
    case abi.ASK_EVENT: ctx.flag = (told & 0xff) == event ? 1 : 0; break;
    case abi.ASK_LINKED: {
      if (ctx.dev == 0) return abi.ST_BAD_PROGRAM;
      ctx.flag = (stateOf(m, ctx.dev - 1) & abi.SUB_LINKED) != 0 ? 1 : 0;
      break;
    }
    case abi.ASK_OWN: {
      const own = ctx.dev != 0 && ((told >> abi.START_OWNER_SHIFT) & 0xff) == <u32>ctx.dev;
      ctx.flag = own && (told & 0xff) == event ? 1 : 0;
      break;
    }
    case abi.ASK_TRYLOCK: {
      if (ctx.dev == 0) return abi.ST_BAD_PROGRAM;
      const lock = changetype<usize>(deviceAt(m, ctx.dev - 1)) + offsetof<Device>("lock");
      ctx.flag = cas32<F>(lock, 0, ctxIndex(m, ctx) + 1) ? 1 : 0;
      if (ctx.flag != 0) ctx.locks |= <u16>abi.LOCK_DEV;
      break;
    }
    default: return abi.ST_BAD_PROGRAM;
  }
  return abi.ST_OK;
}

/** Enters a callback, which comes back to the micro-op that called it. */
function call(ctx: Ctx, pc: u32, entry: u32): i32 {
  if (entry == 0) return abi.ST_OK;
  if (ctx.sp == 4) return abi.ST_BAD_PROGRAM;
  ctx.stack = (ctx.stack << 16) | (pc - 1);
  ctx.sp++;
  ctx.pc = <u16>entry;
  return abi.ST_OK;
}

function refused<F>(m: usize, actor: u32, ctx: Ctx): i32 {
  if (ctx.brackets == 0) return abi.ST_BAD_PROGRAM;
  setTold(m, ctx, 0);
  ctx.brackets--;
  mmAt(m, ctx.mm - 1).brackets--;
  bracketIsOver<F>(m, actor, ctx.mm - 1);
  return abi.ST_OK;
}

/** OP_ITREE_INSERT … OP_SEQ_SET, of ctx.dev's subscribers. */
function execOwn<F>(
  m: usize, actor: u32, ctx: Ctx, base: usize, op: i32, a: u32, b: u32, c: u32, imm: u32,
): i32 {
  if (ctx.dev == 0) return abi.ST_BAD_PROGRAM;
  const x = reg(ctx, a);
  const y = reg(ctx, b);
  switch (op) {
    case abi.OP_ITREE_INSERT: {
      const isAlive = mmAt(m, ctx.mm - 1).users != 0;
      ctx.flag = isAlive && add(ctx, base, x, y, imm != 0) ? 1 : 0;
      break;
    }
    case abi.OP_ITREE_REMOVE: ctx.flag = take(ctx, base, x, imm) ? 1 : 0; break;
    case abi.OP_ITREE_UPDATE: {
      ctx.flag = move(ctx, base, x, y, reg(ctx, c), imm != 0) ? 1 : 0;
      break;
    }
    case abi.OP_ITREE_PUNCH: ctx.flag = punch(ctx, base, x, y, imm) ? 1 : 0; break;
    case abi.OP_ITREE_FIND: {
      setReg(ctx, b, lookUp(ctx, base, x, imm != 0));
      ctx.flag = reg(ctx, b) != 0 ? 1 : 0;
      break;
    }
    case abi.OP_READ_BEGIN: ctx.flag = beginRead(ctx, base, x) ? 1 : 0; break;
    case abi.OP_READ_RETRY: {
      ctx.flag = mustRetry(m, actor, ctx, base) ? 1 : 0;
      if (imm == 0 || ctx.flag == 0) break;
      setReg(ctx, a, x - 1);
      if (x == 1) hazard<F>(m, actor, abi.HZ_NOPROG, 0, 0);
      break;
    }
    case abi.OP_SEQ_SET: if (!markTold(ctx, base)) return abi.ST_BAD_PROGRAM; break;
    default: return abi.ST_BAD_PROGRAM;
  }
  return abi.ST_OK;
}

/** OP_ITREE_START … OP_RANGE_REFUSED. `pc` is where the program goes on; callbacks come back. */
export function execSubscribers<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, c: u32, imm: u32, pc: u32,
): i32 {
  if (!hasSubscribers(m)) return abi.ST_BAD_PROGRAM;
  if (op >= abi.OP_SRCU_LOCK && op <= abi.OP_SRCU_SYNC) {
    return execSrcu<F>(m, actor, ctx, op, imm);
  }
  if (op == abi.OP_SUB_PICK) {
    if (imm > hdr(m, abi.H_DEVICES)) return abi.ST_BAD_PROGRAM;
    ctx.dev = <u16>imm;
    return abi.ST_OK;
  }
  if (op == abi.OP_HOOK_ASK) return ask<F>(m, ctx, imm, c);
  if (op == abi.OP_HOOK_REFUSE) {
    const told = toldBy(m, ctx);
    if ((told & abi.START_NO_SLEEP) != 0) setTold(m, ctx, told | abi.TOLD_REFUSED);
    return abi.ST_OK;
  }
  if (ctx.mm == 0) {
    ctx.flag = 0;
    return op == abi.OP_READ_BEGIN ? abi.ST_OK : abi.ST_BAD_PROGRAM;
  }
  const base = subsAt(m, ctx.mm - 1);
  switch (op) {
    case abi.OP_ITREE_START: {
      startBracket(m, ctx, base, reg(ctx, a), reg(ctx, b), imm);
      return abi.ST_OK;
    }
    case abi.OP_ITREE_NEXT: return call(ctx, pc, nextCallback(m, ctx, base));
    case abi.OP_ITREE_END: endBracket<F>(m, actor, ctx, base); return abi.ST_OK;
    case abi.OP_ITREE_RELEASE: return call(ctx, pc, nextRelease(m, ctx, base));
    case abi.OP_ITREE_ENABLE: {
      const status = waitForBrackets(m, actor, ctx.mm - 1);
      if (status == abi.ST_OK) enable(base);
      return status;
    }
    case abi.OP_SUB_USE: {
      if (rowOf(base, reg(ctx, a)) < 0) hazard<F>(m, actor, abi.HZ_UAF, 0, 0);
      return abi.ST_OK;
    }
    case abi.OP_SEQ_WAIT: {
      if (word(base, N_SEQ) == ctx.seq) return blocked(m, actor, seqKey(m, base));
      return abi.ST_OK;
    }
    case abi.OP_SUB_LINK:
    case abi.OP_SUB_UNLINK: return execLife<F>(m, actor, ctx, op, imm);
    case abi.OP_RANGE_REFUSED: return refused<F>(m, actor, ctx);
    default: return execOwn<F>(m, actor, ctx, base, op, a, b, c, imm);
  }
}
