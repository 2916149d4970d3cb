/** Micro-ops of flush requests, notifications, devices, user accesses, switches and lifetimes. */
import * as abi from "../src/core/abi";
import { asidOf, hasAsids } from "./asid";
import { add32, cas32, get32, Plain, put32, sub32 } from "./atomics";
import { requestMask } from "./batched";
import { csdRun, csdSend, csdUnlock, csqSort, csqTake, ipiSend } from "./call-queue";
import {
  devAccess, devBegin, devFinish, devInstall, devResolve, devRetry, devWalk, devZap,
} from "./device";
import { snooped } from "./devices/flush";
import { reg, setReg } from "./exec-control";
import { ALL, flushFunc } from "./flush";
import { logBracket, logEvent } from "./log";
import {
  freeMm, newMm, releaseSubscribers, setTaskMm,
} from "./lifecycle";
import {
  clockAt, count, cpuAt, ctxIndex, deviceAt, hdr, mmAt, taskAt,
} from "./machine";
import { hazard } from "./hazard";
import { maskHas, maskHasOther } from "./mask";
import { Cpu, Ctx, Device, Mm, Task } from "./rows";
import { chooseSlot, finishSwitch, loadSlot, markSwitch, setLazy, unlazy } from "./sched";
import { chooseSharers } from "./replicas";
import { forgetTold } from "./sharers";
import { ENTRY_CLASSIC_RELEASE, entryOf, hasSubscribers, isFreed } from "./subscribers/rows";
import { bracketIsOver } from "./subscribers/srcu";
import { cpuAccess } from "./user-access";
import { blocked, wakeWaiters } from "./wake";

/** FLUSH_PREP: the request gets its generation; ranges above the ceiling become full. */
function flushPrep<F>(m: usize, actor: u32, ctx: Ctx, start: u64, end: u64, flags: u32): void {
  const row = cpuAt(m, actor);
  const mm = ctx.mm;
  if ((flags & abi.INFO_KERNEL) != 0) {
    const all = end - start > <u64>hdr(m, abi.H_CEILING);
    row.infoMm = abi.INFO_KERNEL_MM;
    row.infoStart = all ? 0 : start;
    row.infoEnd = all ? ALL : end;
    row.infoFlags = flags | (all ? abi.INFO_FULL : 0);
    clockAt(m, actor).flushSince = clockAt(m, actor).now;
    return;
  }
  const gen = changetype<usize>(mmAt(m, mm - 1)) + offsetof<Mm>("tlbGen");
  row.infoMm = mm;
  if (hasAsids(m)) row.infoGen = requestAsid<F>(m, ctx, flags);
  else row.infoGen = (flags & abi.INFO_SLOTS) != 0 ? get32<F>(gen) : add32<F>(gen, 1) + 1;
  if ((ctx.gFlags & abi.GF_FREED) != 0) {
    flags |= abi.INFO_FREED;
    // Only tables: the gather never cleared a 4 KiB entry.
    if ((ctx.gFlags & abi.GF_SMALL) == 0) flags |= abi.INFO_HUGE;
  }
  const bits = (flags & abi.INFO_HUGE) != 0 ? hdr(m, abi.H_INDEX_BITS) : 0;
  chooseSharers<F>(m, actor, ctx, start, end, (flags & abi.INFO_FULL) != 0);
  const full = (flags & abi.INFO_FULL) != 0 || (end - start) >> bits > <u64>hdr(m, abi.H_CEILING);
  row.infoStart = full ? 0 : start;
  row.infoEnd = full ? ALL : end;
  row.infoFlags = flags | (full ? abi.INFO_FULL : 0);
  const clock = clockAt(m, actor);
  clock.flushSince = clock.now;
}

/**
 * The ASID that a request names. It is read when the entries are cleared already: who switches to
 * the mm later, under another one, does not find them any more.
 */
function requestAsid<F>(m: usize, ctx: Ctx, flags: u32): u32 {
  const isEarly = (flags & abi.INFO_NAMED) != 0 && ctx.r11 != 0;
  return isEarly ? <u32>ctx.r11 : asidOf<F>(m, ctx.mm - 1);
}

/** Once a second per mm, a shootdown also visits CPUs that run something else. */
function trimWhenDue(m: usize, actor: u32, info: Cpu): void {
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_TRIM) == 0 || info.infoMm >= <u32>abi.INFO_KERNEL_MM) return;
  const mm = mmAt(m, info.infoMm - 1);
  const nowMs = <u32>(clockAt(m, actor).now / 1000000);
  if (nowMs < mm.trimAtMs) return;
  info.infoFlags |= abi.INFO_TRIM;
  mm.trimAtMs = nowMs + 1000;
}

/** An ack may still be travelling when the count is already down: handlers run ahead. */
function waitedForAcks(m: usize, actor: u32): void {
  const clock = clockAt(m, actor);
  if (clock.ackAt > clock.now + clock.charge) {
    clock.charge = <u32>(clock.ackAt - clock.now);
  }
  clock.ackAt = 0;
}

function flushDone(m: usize, actor: u32): void {
  const row = cpuAt(m, actor);
  const clock = clockAt(m, actor);
  const ns = clock.now + clock.charge - clock.flushSince;
  const full = (row.infoFlags & abi.INFO_FULL) != 0;
  logEvent(m, actor, abi.EV_FLUSH_DONE, 0, ns, full ? ALL : row.infoEnd - row.infoStart);
  count(m, actor, abi.CT_FLUSHES, 1);
  count(m, actor, abi.CT_LATENCY_NS, ns);
  forgetTold(m, actor);
  clock.exitEnd = 0;
  row.infoMm = 0;
  row.infoGen = 0;
  row.infoStart = 0;
  row.infoEnd = 0;
  row.infoFlags = 0;
}

/** OP_FLUSH_PREP … OP_CSD_UNLOCK. Only CPUs flush. */
export function execFlush<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, imm: u32,
): i32 {
  if (actor >= hdr(m, abi.H_CPUS)) return abi.ST_BAD_PROGRAM;
  const row = cpuAt(m, actor);
  switch (op) {
    case abi.OP_FLUSH_PREP: {
      if (ctx.mm == 0 || row.infoMm != 0) return abi.ST_BAD_PROGRAM;
      flushPrep<F>(m, actor, ctx, reg(ctx, a), reg(ctx, b), imm);
      return abi.ST_OK;
    }
    case abi.OP_FLUSH_OTHERS: {
      if (row.infoMm == 0) return abi.ST_BAD_PROGRAM;
      const mask = requestMask(m, row);
      const others = maskHasOther<F>(mask, hdr(m, abi.H_MASK_WORDS), actor);
      ctx.flag = others ? 1 : 0;
      if (others) {
        trimWhenDue(m, actor, row);
        count(m, actor, abi.CT_SEND, 1);
        const full = (row.infoFlags & abi.INFO_FULL) != 0;
        logEvent(m, actor, abi.EV_FLUSH_SEND, 0, full ? ALL : row.infoEnd - row.infoStart,
          row.infoMm);
      }
      return abi.ST_OK;
    }
    case abi.OP_FLUSH_LOCAL: {
      if (row.infoMm == 0) return abi.ST_BAD_PROGRAM;
      const any = imm == 0 || row.infoMm == abi.INFO_ANY_MM;
      const here = any ? maskHas<F>(requestMask(m, row), actor) : row.loadedMm == row.infoMm;
      if (here) flushFunc<F>(m, actor, row, true);
      snooped(m, row);
      return abi.ST_OK;
    }
    case abi.OP_CSD_SEND: return csdSend<F>(m, actor, ctx);
    case abi.OP_IPI_SEND: ipiSend<F>(m, actor, ctx, imm != 0); return abi.ST_OK;
    case abi.OP_CSD_WAIT: {
      const p = changetype<usize>(row) + offsetof<Cpu>("waitCount");
      if (get32<F>(p) != 0) return blocked(m, actor, 1);
      waitedForAcks(m, actor);
      return abi.ST_OK;
    }
    case abi.OP_FLUSH_DONE: flushDone(m, actor); return abi.ST_OK;
    case abi.OP_CSQ_TAKE: {
      csqTake<F>(m, actor, row, ctx);
      if (imm != 0) csqSort<F>(m, ctx);
      return abi.ST_OK;
    }
    case abi.OP_CSD_RUN: csdRun<F>(m, actor, ctx); return abi.ST_OK;
    case abi.OP_CSD_UNLOCK: csdUnlock<F>(m, row, ctx, clockAt(m, actor)); return abi.ST_OK;
    default: return abi.ST_BAD_PROGRAM;
  }
}

/** NOTIFY_NEXT: pc of the next subscriber's hook, or 0 when all are told. */
function nextHook(m: usize, actor: u32, ctx: Ctx): u32 {
  const hook = ctx.event;
  while (ctx.cursor != 0) {
    const id = ctx.cursor;
    const dev = deviceAt(m, id - 1);
    ctx.cursor = <u16>dev.next;
    const pc: u32 = hook == abi.HOOK_START ? dev.hookStart
      : hook == abi.HOOK_END ? dev.hookEnd
      : hook == abi.HOOK_SECONDARY ? dev.hookSecondary
      : hasSubscribers(m) ? entryOf(m, id - 1, ENTRY_CLASSIC_RELEASE)
      : dev.hookRelease;
    if (isFreed(m, id - 1)) hazard<Plain>(m, actor, abi.HZ_UAF, ctx.hStart, 0);
    if (pc == 0) continue;
    ctx.dev = id;
    if (hook == abi.HOOK_SECONDARY) {
      count(m, actor, abi.CT_NOTE_SECONDARY, 1);
      logEvent(m, actor, abi.EV_SECONDARY, id, ctx.hStart, ctx.hEnd);
    }
    return pc;
  }
  ctx.dev = 0;
  ctx.event = 0;
  ctx.hStart = 0;
  ctx.hEnd = 0;
  return 0;
}

function rangeBegin<F>(m: usize, actor: u32, ctx: Ctx, imm: u32, start: u64, end: u64): void {
  add32<F>(changetype<usize>(mmAt(m, ctx.mm - 1)) + offsetof<Mm>("brackets"), 1);
  ctx.brackets++;
  if (mmAt(m, ctx.mm - 1).subscribers == 0) return;
  count(m, actor, abi.CT_NOTE_START, 1);
  logBracket(m, actor, imm, start, end);
}

function rangeEnd<F>(m: usize, actor: u32, ctx: Ctx): i32 {
  if (ctx.brackets == 0) return abi.ST_BAD_PROGRAM;
  sub32<F>(changetype<usize>(mmAt(m, ctx.mm - 1)) + offsetof<Mm>("brackets"), 1);
  ctx.brackets--;
  if (mmAt(m, ctx.mm - 1).subscribers != 0) count(m, actor, abi.CT_NOTE_END, 1);
  bracketIsOver<F>(m, actor, ctx.mm - 1);
  return abi.ST_OK;
}

/** OP_RANGE_BEGIN … OP_DEV_FAULT. `pc` is where the program goes on; hooks return here. */
export function execNotify<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, imm: u32, pc: u32,
): i32 {
  const x = reg(ctx, a);
  switch (op) {
    case abi.OP_RANGE_BEGIN: {
      rangeBegin<F>(m, actor, ctx, imm, x, reg(ctx, b));
      return abi.ST_OK;
    }
    case abi.OP_RANGE_END: return rangeEnd<F>(m, actor, ctx);
    case abi.OP_NOTIFY_BEGIN: {
      ctx.event = <u16>imm;
      ctx.hStart = x;
      ctx.hEnd = reg(ctx, b);
      ctx.cursor = <u16>mmAt(m, ctx.mm - 1).subscribers;
      return abi.ST_OK;
    }
    case abi.OP_NOTIFY_NEXT: {
      const hook = nextHook(m, actor, ctx);
      if (hook == 0) return abi.ST_OK;
      if (ctx.sp == 4) return abi.ST_BAD_PROGRAM;
      ctx.stack = (ctx.stack << 16) | (pc - 1);
      ctx.sp++;
      ctx.pc = <u16>hook;
      return abi.ST_OK;
    }
    default: break;
  }
  if (ctx.dev == 0) return abi.ST_BAD_PROGRAM;
  const dev: u32 = ctx.dev - 1;
  const row = deviceAt(m, dev);
  const lock = changetype<usize>(row) + offsetof<Device>("lock");
  switch (op) {
    case abi.OP_DEV_LOCK: {
      if (!cas32<F>(lock, 0, ctxIndex(m, ctx) + 1)) return blocked(m, actor, <u32>(lock - m));
      ctx.locks |= <u16>abi.LOCK_DEV;
      return abi.ST_OK;
    }
    case abi.OP_DEV_UNLOCK: {
      put32<F>(lock, 0);
      ctx.locks &= ~(<u16>abi.LOCK_DEV);
      wakeWaiters<F>(m, actor, <u32>(lock - m));
      return abi.ST_OK;
    }
    case abi.OP_DEV_COUNT: {
      if (imm != 0) devBegin(row, ctx.hStart, ctx.hEnd);
      else if (!devFinish(row)) hazard<F>(m, actor, abi.HZ_UNBAL, ctx.hStart, 0);
      return abi.ST_OK;
    }
    case abi.OP_DEV_SEQ: row.seq++; return abi.ST_OK;
    case abi.OP_DEV_ZAP: devZap(m, actor, dev, imm, ctx.hStart, ctx.hEnd); return abi.ST_OK;
    case abi.OP_DEV_ACCESS: ctx.flag = devAccess(m, dev, x, imm != 0) ? 1 : 0; return abi.ST_OK;
    case abi.OP_DEV_WALK: ctx.flag = devWalk<F>(m, dev, x, imm != 0) ? 1 : 0; return abi.ST_OK;
    case abi.OP_DEV_SNAP: ctx.seq = row.seq; return abi.ST_OK;
    case abi.OP_DEV_RESOLVE: {
      ctx.flag = devResolve(m, ctx, dev, x, imm != 0) ? 1 : 0;
      return abi.ST_OK;
    }
    case abi.OP_DEV_RETRY: {
      ctx.flag = devRetry(row, ctx, x) ? 1 : 0;
      if (ctx.flag != 0) {
        ctx.pte = 0;
        ctx.frameGen = 0;
        count(m, actor, abi.CT_RETRY, 1);
      }
      return abi.ST_OK;
    }
    case abi.OP_DEV_INSTALL: devInstall(m, ctx, dev, x); return abi.ST_OK;
    case abi.OP_DEV_FAULT: count(m, actor, abi.CT_DEV_FAULT, 1); return abi.ST_OK;
    default: return abi.ST_BAD_PROGRAM;
  }
}

/** OP_CPU_ACCESS and what follows it. Only CPUs run these. */
export function execCpu<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, imm: u32,
): i32 {
  if (actor >= hdr(m, abi.H_CPUS)) return abi.ST_BAD_PROGRAM;
  const x = reg(ctx, a);
  const row = cpuAt(m, actor);
  switch (op) {
    case abi.OP_CPU_ACCESS:
      ctx.flag = cpuAccess<F>(m, actor, x, imm != 0) ? 1 : 0;
      return abi.ST_OK;
    case abi.OP_SW_BEGIN: ctx.flag = x != 0 && row.loadedMm != <u32>x ? 1 : 0; return abi.ST_OK;
    case abi.OP_SW_LAZY: if (row.loadedMm != 0) setLazy<F>(row, 1); return abi.ST_OK;
    case abi.OP_SW_UNLAZY: unlazy<F>(m, actor); return abi.ST_OK;
    case abi.OP_SW_MARK: markSwitch<F>(m, actor, <u32>x); return abi.ST_OK;
    case abi.OP_SW_GEN: chooseSlot<F>(m, actor, ctx, <u32>x); return abi.ST_OK;
    case abi.OP_SW_CR3: loadSlot(m, actor, ctx, <u32>x); return abi.ST_OK;
    case abi.OP_SW_DONE: finishSwitch<F>(m, actor, <u32>x); return abi.ST_OK;
    case abi.OP_TASK_GET: {
      const task = changetype<usize>(taskAt(m, <u32>reg(ctx, b)));
      setReg(ctx, a, get32<F>(task + offsetof<Task>("mm")));
      return abi.ST_OK;
    }
    case abi.OP_SW_TASK: row.task = <u32>x + 1; return abi.ST_OK;
    case abi.OP_MM_NEW: {
      const id = newMm<F>(m, <u32>(clockAt(m, actor).now / 1000000));
      if (id == -100) return abi.ST_WAIT;
      if (id < 0) return id;
      setReg(ctx, a, <u64>id);
      return abi.ST_OK;
    }
    case abi.OP_MM_PUT: {
      const users = changetype<usize>(mmAt(m, ctx.mm - 1)) + offsetof<Mm>("users");
      ctx.flag = sub32<F>(users, 1) == 1 ? 1 : 0;
      return abi.ST_OK;
    }
    case abi.OP_MM_FREE: {
      const status = freeMm<F>(m, actor, ctx.mm - 1);
      if (status == abi.ST_OK) ctx.mm = 0;
      return status;
    }
    case abi.OP_TASK_MM: {
      setTaskMm<F>(m, x == 0 ? ctxIndex(m, ctx) : <u32>x - 1, <u32>reg(ctx, b));
      return abi.ST_OK;
    }
    case abi.OP_MM_RELEASE: releaseSubscribers(m, ctx.mm - 1); return abi.ST_OK;
    default: return abi.ST_BAD_PROGRAM;
  }
}
