/**
 * step(actor, choice): one micro-op of one actor, in every driver. It never waits.
 *
 * Choice 0 runs the actor's program; choice 1 lets a CPU take its pending interrupt; choice 2 + k
 * is a speculative walk of watched page k. A CPU runs its own context (handler, context switch)
 * if that is active, else the context of its current task.
 *
 * With H_MERGE, local micro-ops that follow run on in the same step: nobody else can see them, so
 * no interleaving is lost, and both reduced and unreduced runs reach the same verdicts.
 */
import * as abi from "../src/core/abi";
import { get32, isShared } from "./atomics";
import { charge } from "./charge";
import { devWalk } from "./device";
import { execControl, execLocal } from "./exec-control";
import { execCpu, execFlush, execNotify } from "./exec-flush";
import { execMemory } from "./exec-memory";
import { cacheFind } from "./cache";
import {
  cost, clockAt, cpuAt, cpuCtxAt, ctxAt, devCtxAt, deviceAt, hdr, iotlbAt, taskAt,
} from "./machine";
import { Cpu, Ctx } from "./rows";
import { cpuSpeculate } from "./user-access";

/** Local micro-ops in one step: a bound, so that no program can keep a step from returning. */
const LOCAL_BOUND: i32 = 256;

/** Begins a program in a context. The context must be idle. */
export function startCtx(ctx: Ctx, pc: u32, mm: u32, dev: u32): void {
  ctx.pc = <u16>pc;
  ctx.running = 1;
  ctx.mm = <u16>mm;
  ctx.dev = <u16>dev;
}

/** The context an actor would run now; its `running` may be 0. */
export function currentCtx(m: usize, actor: u32): Ctx {
  const cpus = hdr(m, abi.H_CPUS);
  if (actor >= cpus) return devCtxAt(m, actor - cpus);
  const own = cpuCtxAt(m, actor);
  if (own.running != 0) return own;
  const task = cpuAt(m, actor).task;
  return task == 0 ? own : ctxAt(m, task - 1);
}

/** May this CPU take its pending interrupt now? */
export function canInterrupt<F>(m: usize, cpu: u32): bool {
  const row = cpuAt(m, cpu);
  if (get32<F>(changetype<usize>(row) + offsetof<Cpu>("ipiPending")) == 0) return false;
  if (cpuCtxAt(m, cpu).running != 0) return false;
  return row.task == 0 || ctxAt(m, row.task - 1).irqOff == 0;
}

/** Enters the call-function handler in the CPU's own context. */
export function enterHandler(m: usize, cpu: u32): void {
  startCtx(cpuCtxAt(m, cpu), hdr(m, abi.H_HANDLER_PC), 0, 0);
}

function finish(m: usize, ctx: Ctx): i32 {
  if (ctx.brackets != 0 || ctx.locks != 0 || ctx.ptl0 != 0 || ctx.ptl1 != 0) {
    return abi.ST_BAD_PROGRAM;
  }
  memory.fill(changetype<usize>(ctx), 0, offsetof<Ctx>());
  return abi.ST_OK;
}

// @ts-ignore: decorator
@inline
function visible<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, c: u32, imm: u32, pc: u32,
): i32 {
  if (op < abi.OP_VMA_FIND) return execControl<F>(m, actor, ctx, op, a, b, c, imm);
  if (op < abi.OP_FLUSH_PREP) return execMemory<F>(m, actor, ctx, op, a, b, c, imm);
  if (op < abi.OP_RANGE_BEGIN) return execFlush<F>(m, actor, ctx, op, a, b, imm);
  if (op < abi.OP_CPU_ACCESS) return execNotify<F>(m, actor, ctx, op, a, b, imm, pc);
  return execCpu<F>(m, actor, ctx, op, a, b, imm);
}

/** Executes the context's next micro-op, and the local ones around it when merging. */
export function runCtx<F>(m: usize, actor: u32, ctx: Ctx): i32 {
  const code = m + hdr(m, abi.H_OFF_CODE);
  const merge = hdr(m, abi.H_MERGE) != 0;
  const clock = clockAt(m, actor);
  let done = false; // a visible micro-op was executed in this step
  for (let bound = LOCAL_BOUND; bound > 0; bound--) {
    const at = code + ((<usize>ctx.pc) << 3);
    const op: i32 = load<u8>(at);
    const local = op <= abi.OP_LOCAL_LAST && op != abi.OP_END;
    if (done && !local) return abi.ST_OK;
    const a: u32 = load<u8>(at, 1);
    const b: u32 = load<u8>(at, 2);
    const c: u32 = load<u8>(at, 3);
    const imm = load<u32>(at, 4);
    const pc: u32 = ctx.pc + 1;
    if (local) {
      clock.charge += cost(m, op);
      ctx.pc = <u16>execLocal(m, actor, ctx, op, a, b, c, imm, pc);
      if (!merge) return abi.ST_OK;
      continue;
    }
    if (op == abi.OP_END) {
      clock.charge += cost(m, op);
      return finish(m, ctx);
    }
    const before = clock.charge;
    clock.charge = before + cost(m, op);
    ctx.pc = <u16>pc;
    const status = visible<F>(m, actor, ctx, op, a, b, c, imm, pc);
    if (status != abi.ST_OK) {
      ctx.pc = <u16>(pc - 1);
      clock.charge = before;
      return status;
    }
    if (!merge) return abi.ST_OK;
    done = true;
  }
  return done ? abi.ST_OK : abi.ST_BAD_PROGRAM;
}

/** A speculative walk by any agent, at any time: a named assumption of explored machines. */
function speculate<F>(m: usize, actor: u32, k: u32): i32 {
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_SPECULATIVE_WALKS) == 0) return abi.ST_IDLE;
  const p = m + hdr(m, abi.H_OFF_WATCH_VPN) + (k << 4);
  const vpn = load<u64>(p);
  const mm = <u32>load<u64>(p, 8);
  const cpus = hdr(m, abi.H_CPUS);
  if (actor < cpus) {
    if (cpuAt(m, actor).loadedMm != mm + 1) return abi.ST_IDLE;
    return cpuSpeculate<F>(m, actor, vpn) ? abi.ST_OK : abi.ST_IDLE;
  }
  const dev = actor - cpus;
  const row = deviceAt(m, dev);
  if (row.kind != abi.DEV_SHARING || row.mm != mm + 1) return abi.ST_IDLE;
  const hit = cacheFind(iotlbAt(m, dev), hdr(m, abi.H_IOTLB_SETS), hdr(m, abi.H_IOTLB_WAYS),
    hdr(m, abi.H_INDEX_BITS), vpn, 0);
  if (hit != 0) return abi.ST_IDLE;
  return devWalk<F>(m, dev, vpn, false) ? abi.ST_OK : abi.ST_IDLE;
}

/** One step. ST_OK: something changed. ST_WAIT, ST_IDLE: nothing did. Negative: an error. */
export function step<F>(m: usize, actor: u32, choice: u32): i32 {
  if (choice >= 2) return speculate<F>(m, actor, choice - 2);
  const isCpu = actor < hdr(m, abi.H_CPUS);
  if (choice == 1) {
    if (!isCpu || !canInterrupt<F>(m, actor)) return abi.ST_IDLE;
    enterHandler(m, actor);
    return runCtx<F>(m, actor, cpuCtxAt(m, actor));
  }
  const ctx = currentCtx(m, actor);
  if (ctx.running == 0) return abi.ST_IDLE;
  // Without the assumption, interrupts are taken as soon as they can be.
  if (!isShared<F>() && isCpu && (hdr(m, abi.H_OPTIONS) & abi.OPT_DELAYED_IPI) == 0 &&
      canInterrupt<F>(m, actor)) {
    return abi.ST_IDLE;
  }
  return runCtx<F>(m, actor, ctx);
}

/** Starts program `pc` on an actor. ST_WAIT: it is still busy. */
export function startActor(m: usize, actor: u32, pc: u32): i32 {
  const cpus = hdr(m, abi.H_CPUS);
  if (actor >= cpus) {
    const ctx = devCtxAt(m, actor - cpus);
    if (ctx.running != 0) return abi.ST_WAIT;
    startCtx(ctx, pc, deviceAt(m, actor - cpus).mm, actor - cpus + 1);
    return abi.ST_OK;
  }
  const task = cpuAt(m, actor).task;
  if (task == 0) return abi.ST_BAD_PROGRAM;
  const ctx = ctxAt(m, task - 1);
  if (ctx.running != 0) return abi.ST_WAIT;
  startCtx(ctx, pc, taskAt(m, task - 1).mm, 0);
  return abi.ST_OK;
}
