/** Micro-ops of control flow, marks, scenario signals and locks. */
import * as abi from "../src/core/abi";
import { cas32, get32, isShared, put16, put32 } from "./atomics";
import { chargeNs } from "./charge";
import { gatherIsFull, gatherRange } from "./gather";
import { ALL } from "./flush";
import { logEvent } from "./log";
import { clockAt, count, ctxIndex, hdr, mmAt, sysAt, tableAt } from "./machine";
import { leafTable } from "./page-table";
import { condemnStale } from "./oracle";
import { Ctx, Mm, Sys, Table } from "./rows";
import { blocked, wakeWaiters } from "./wake";
import { spanOf } from "./walk";

// @ts-ignore: decorator
@inline
export function reg(ctx: Ctx, i: u32): u64 {
  return load<u64>(changetype<usize>(ctx) + offsetof<Ctx>("r0") + (i << 3));
}

// @ts-ignore: decorator
@inline
export function setReg(ctx: Ctx, i: u32, value: u64): void {
  store<u64>(changetype<usize>(ctx) + offsetof<Ctx>("r0") + (i << 3), value);
}

/** Executes a local micro-op and returns the next pc. Costs only its fixed price. */
export function execLocal(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, c: u32, imm: u32, pc: u32,
): u32 {
  switch (op) {
    case abi.OP_JMP: return imm;
    case abi.OP_JT: return ctx.flag != 0 ? imm : pc;
    case abi.OP_JF: return ctx.flag == 0 ? imm : pc;
    case abi.OP_MOVI: setReg(ctx, a, imm); break;
    case abi.OP_MOVH: setReg(ctx, a, reg(ctx, a) | ((<u64>imm) << 32)); break;
    case abi.OP_MOV: setReg(ctx, a, reg(ctx, b)); break;
    case abi.OP_ADDI: setReg(ctx, a, reg(ctx, b) + imm); break;
    case abi.OP_ADD: setReg(ctx, a, reg(ctx, b) + reg(ctx, c)); break;
    case abi.OP_SUB: setReg(ctx, a, reg(ctx, b) - reg(ctx, c)); break;
    case abi.OP_CMPLT: ctx.flag = reg(ctx, a) < reg(ctx, b) ? 1 : 0; break;
    case abi.OP_CMPEQ: ctx.flag = reg(ctx, a) == reg(ctx, b) ? 1 : 0; break;
    case abi.OP_DJNZ: {
      const left = reg(ctx, a) - 1;
      setReg(ctx, a, left);
      return left != 0 ? imm : pc;
    }
    case abi.OP_RET: {
      const to = <u32>(ctx.stack & 0xffff);
      ctx.stack >>= 16;
      ctx.sp--;
      return to;
    }
    case abi.OP_DELAY: chargeNs(m, actor, <u32>reg(ctx, a)); break;
    case abi.OP_BITS: ctx.flag = (reg(ctx, a) & imm) != 0 ? 1 : 0; break;
    case abi.OP_PTE_BITS: ctx.flag = (ctx.pte & imm) != 0 ? 1 : 0; break;
    case abi.OP_FRAME_ZERO: ctx.frame = 0; break;
    case abi.OP_GATHER_FULL: {
      ctx.flag = ctx.gCount >= hdr(m, abi.H_GATHER_PAGES) ? 1 : 0;
      break;
    }
    case abi.OP_GATHER_RANGE: {
      const raw = imm != 0;
      ctx.flag = gatherRange(ctx, raw) ? 1 : 0;
      const whole = !raw && gatherIsFull(ctx);
      setReg(ctx, a, whole ? 0 : ctx.gStart);
      setReg(ctx, b, whole ? ALL : ctx.gEnd);
      break;
    }
    case abi.OP_CTX_MM: ctx.mm = <u16>reg(ctx, a); break;
    case abi.OP_GET_MM: setReg(ctx, a, ctx.mm); break;
    case abi.OP_SPAN_END: {
      const span = spanOf(m, imm);
      setReg(ctx, a, (reg(ctx, b) / span + 1) * span);
      break;
    }
    case abi.OP_PTE_FORGET: ctx.pte = 0; break;
    case abi.OP_PTE_FRAME: setReg(ctx, a, ctx.pte >> abi.PTE_SHIFT); break;
    default: break;
  }
  return pc;
}

/** mmapLock: readers count up, a writer is -1. */
function mmapLock<F>(m: usize, actor: u32, ctx: Ctx, write: bool): i32 {
  if (ctx.mm == 0) return abi.ST_BAD_PROGRAM;
  const p = changetype<usize>(mmAt(m, ctx.mm - 1)) + offsetof<Mm>("mmapLock");
  const held = <i32>get32<F>(p);
  const free = write ? held == 0 : held >= 0;
  if (!free || !cas32<F>(p, held, write ? -1 : held + 1)) {
    return blocked(m, actor, <u32>(p - m));
  }
  ctx.locks |= <u16>(write ? abi.LOCK_MMAP_WRITE : abi.LOCK_MMAP_READ);
  return abi.ST_OK;
}

function mmapUnlock<F>(m: usize, actor: u32, ctx: Ctx, write: bool): i32 {
  const bit = write ? abi.LOCK_MMAP_WRITE : abi.LOCK_MMAP_READ;
  if (ctx.mm == 0 || (ctx.locks & bit) == 0) return abi.ST_BAD_PROGRAM;
  const p = changetype<usize>(mmAt(m, ctx.mm - 1)) + offsetof<Mm>("mmapLock");
  if (write) {
    put32<F>(p, 0);
  } else {
    let held = get32<F>(p);
    while (!cas32<F>(p, held, held - 1)) held = get32<F>(p);
  }
  ctx.locks &= ~(<u16>bit);
  wakeWaiters<F>(m, actor, <u32>(p - m));
  return abi.ST_OK;
}

/** PTL of the leaf table of `vpn`, in slot 0 or 1. Two slots on one table lock it once. */
function ptlLock<F>(m: usize, actor: u32, ctx: Ctx, vpn: u64, slot: u32): i32 {
  const id = leafTable<F>(m, ctx.mm - 1, vpn);
  if (id == 0 || (slot == 1 && ctx.ptl0 == id)) {
    ctx.flag = id != 0 ? 1 : 0;
    return abi.ST_OK;
  }
  const p = changetype<usize>(tableAt(m, id - 1)) + offsetof<Table>("lock");
  if (!cas32<F>(p, 0, ctxIndex(m, ctx) + 1)) return blocked(m, actor, <u32>(p - m));
  if (isShared<F>() && leafTable<F>(m, ctx.mm - 1, vpn) != id) {
    put32<F>(p, 0); // it was unhooked between the walk and the lock
    return abi.ST_WAIT;
  }
  if (slot == 0) ctx.ptl0 = id;
  else ctx.ptl1 = id;
  ctx.flag = 1;
  return abi.ST_OK;
}

function ptlUnlock<F>(m: usize, actor: u32, ctx: Ctx, slot: u32): void {
  const id = slot == 0 ? ctx.ptl0 : ctx.ptl1;
  if (id == 0) return;
  const p = changetype<usize>(tableAt(m, id - 1)) + offsetof<Table>("lock");
  put32<F>(p, 0);
  if (slot == 0) ctx.ptl0 = 0;
  else ctx.ptl1 = 0;
  wakeWaiters<F>(m, actor, <u32>(p - m));
}

/** Marks, signals, interrupts on and off, mmapLock and PTL. */
export function execControl<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, c: u32, imm: u32,
): i32 {
  switch (op) {
    case abi.OP_MARK: {
      // `op` last, and first when it ends: other CPUs' oracles read the range while op is not 0.
      ctx.opStart = reg(ctx, a);
      ctx.opEnd = reg(ctx, b);
      put16<F>(changetype<usize>(ctx) + offsetof<Ctx>("op"), <u16>imm);
      clockAt(m, actor).opSince = clockAt(m, actor).now;
      logEvent(m, actor, abi.EV_OP_BEGIN, imm, ctx.opStart, ctx.opEnd);
      return abi.ST_OK;
    }
    case abi.OP_UNMARK: {
      const clock = clockAt(m, actor);
      logEvent(m, actor, abi.EV_OP_END, ctx.op, clock.now + clock.charge - clock.opSince, 0);
      if (!isShared<F>() && imm != 0) condemnStale(m, ctx);
      put16<F>(changetype<usize>(ctx) + offsetof<Ctx>("op"), 0);
      ctx.opStart = 0;
      ctx.opEnd = 0;
      count(m, actor, abi.CT_OPS, 1);
      return abi.ST_OK;
    }
    case abi.OP_SIGNAL: {
      const p = changetype<usize>(sysAt(m)) + offsetof<Sys>("sync") + (imm & 7);
      if (isShared<F>()) atomic.add<u8>(p, 1);
      else store<u8>(p, load<u8>(p) + 1);
      wakeWaiters<F>(m, actor, <u32>(changetype<usize>(sysAt(m)) - m));
      return abi.ST_OK;
    }
    case abi.OP_AWAIT: {
      const p = changetype<usize>(sysAt(m)) + offsetof<Sys>("sync") + (imm & 7);
      const have: u8 = isShared<F>() ? atomic.load<u8>(p) : load<u8>(p);
      if (have >= <u8>c) return abi.ST_OK;
      return blocked(m, actor, <u32>(changetype<usize>(sysAt(m)) - m));
    }
    case abi.OP_IRQ_OFF: ctx.irqOff = 1; return abi.ST_OK;
    case abi.OP_IRQ_ON: {
      ctx.irqOff = 0;
      clockAt(m, actor).yieldAt = 0; // an interrupt that has arrived meanwhile comes first
      return abi.ST_OK;
    }
    case abi.OP_MMAP_RLOCK: return mmapLock<F>(m, actor, ctx, false);
    case abi.OP_MMAP_RUNLOCK: return mmapUnlock<F>(m, actor, ctx, false);
    case abi.OP_MMAP_WLOCK: return mmapLock<F>(m, actor, ctx, true);
    case abi.OP_MMAP_WUNLOCK: return mmapUnlock<F>(m, actor, ctx, true);
    case abi.OP_PTL_LOCK: return ptlLock<F>(m, actor, ctx, reg(ctx, a), c);
    case abi.OP_PTL_UNLOCK: ptlUnlock<F>(m, actor, ctx, c); return abi.ST_OK;
    default: return abi.ST_BAD_PROGRAM;
  }
}
