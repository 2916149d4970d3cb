/**
 * step(actor, choice): one micro-op of one actor, in every driver. It never waits.
 *
 * Choice 0 runs the actor's program; choice 1 lets a CPU take its pending interrupt; choice 2 + k
 * is a speculative walk of watched page k, and beyond those an NMI that reads it; then hardware
 * applies a broadcast invalidation or lets lifetimes pass, and last a hypervisor preempts or
 * resumes the CPU. A CPU runs its own context (handler, context switch) if that is active, else
 * that of its current task.
 *
 * With H_MERGE, local micro-ops that follow run on in the same step: nobody else can see them, so
 * no interleaving is lost, and both reduced and unreduced runs reach the same verdicts.
 */
import * as abi from "../src/core/abi";
import { get32, isShared, Plain } from "./atomics";
import { runWhole } from "./bulk";
import { LOG_SLACK } from "./log";
import { csdSendLoop } from "./call-queue";
import { charge } from "./charge";
import { devWalk } from "./device";
import { execDevices } from "./devices/exec";
import { execControl, execLocal, reg, setReg } from "./exec-control";
import { execCpu, execFlush, execNotify } from "./exec-flush";
import { execMemory } from "./exec-memory";
import { execTopology } from "./exec-topology";
import { execTransport } from "./exec-transport";
import { startCtx } from "./jobs";
import { nmi } from "./nmi";
import { isWanted } from "./poll";
import { nextToRun, timeOf } from "./queue";
import { applyBroadcast } from "./broadcast";
import { cacheFind, walkSum } from "./cache";
import {
  cost, clockAt, cpuAt, cpuCtxAt, ctxAt, devCtxAt, deviceAt, hdr, iotlbAt, pwcAt, setHdr, sysAt,
  taskAt,
} from "./machine";
import { Cpu, Ctx } from "./rows";
import { execPins } from "./pins/exec";
import { execSubscribers } from "./subscribers/exec";
import { tick } from "./ticks";
import { isPreempted, preemptOrResume } from "./vcpu";
import { blocked } from "./wake";
import { cpuSpeculate } from "./user-access";

/** Local micro-ops in one step: a bound, so that no program can keep a step from returning. */
const LOCAL_BOUND: i32 = 256;

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
  if (!isWanted<F>(m, cpu, row)) return false;
  if (cpuCtxAt(m, cpu).running != 0 || row.online == 0) return false;
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
  clearCtx(changetype<usize>(ctx));
  return abi.ST_OK;
}

/** By hand: a bulk fill costs a call out of the module, and handlers end millions of times. */
// @ts-ignore: decorator
@inline
function clearCtx(p: usize): void {
  const zero = i64x2.splat(0);
  v128.store(p, zero);
  v128.store(p, zero, 16);
  v128.store(p, zero, 32);
  v128.store(p, zero, 48);
  v128.store(p, zero, 64);
  v128.store(p, zero, 80);
  v128.store(p, zero, 96);
  v128.store(p, zero, 112);
  v128.store(p, zero, 128);
  v128.store(p, zero, 144);
  v128.store(p, zero, 160);
  v128.store(p, zero, 176);
  v128.store(p, zero, 192);
  store<u64>(p, 0, 208);
  if (offsetof<Ctx>() != 216) unreachable();
}

// @ts-ignore: decorator
@inline
function visible<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u32, b: u32, c: u32, imm: u32, pc: u32,
): i32 {
  if (op >= abi.OP_FLUSH_PREP && op < abi.OP_RANGE_BEGIN) {
    return execFlush<F>(m, actor, ctx, op, a, b, imm);
  }
  if (op < abi.OP_VMA_FIND) return execControl<F>(m, actor, ctx, op, a, b, c, imm);
  if (op < abi.OP_FLUSH_PREP) return execMemory<F>(m, actor, ctx, op, a, b, c, imm);
  if (op < abi.OP_CPU_ACCESS) return execNotify<F>(m, actor, ctx, op, a, b, imm, pc);
  if (op < abi.OP_CSD_KIND) return execCpu<F>(m, actor, ctx, op, a, b, imm);
  if (op >= abi.OP_TOPOLOGY_FIRST && op <= abi.OP_TOPOLOGY_LAST) {
    return execTopology<F>(m, actor, ctx, op, a, imm);
  }
  if (op >= abi.OP_ITREE_START && op <= abi.OP_RANGE_REFUSED) {
    return execSubscribers<F>(m, actor, ctx, op, a, b, c, imm, pc);
  }
  if (op >= abi.OP_DEVICES_FIRST && op <= abi.OP_DEVICES_LAST) {
    return execDevices<F>(m, actor, ctx, op, a, b, c, imm);
  }
  if (op >= abi.OP_PINS_FIRST && op <= abi.OP_PINS_LAST) {
    return execPins<F>(m, actor, ctx, op, a, b, c, imm, pc);
  }
  return execTransport<F>(m, actor, ctx, op, a, b, c, imm);
}

/** Executes the context's next micro-op, and the local ones around it when merging. */
export function runCtx<F>(m: usize, actor: u32, ctx: Ctx): i32 {
  const code = m + hdr(m, abi.H_OFF_CODE);
  const merge = hdr(m, abi.H_MERGE) != 0;
  const clock = clockAt(m, actor);
  let done = false; // a visible micro-op was executed in this step
  let moved = false; // a local one was
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
      moved = true;
      continue;
    }
    if (op == abi.OP_END) {
      clock.charge += cost(m, op);
      const status = finish(m, ctx);
      return moved ? abi.ST_OK : status;
    }
    const before = clock.charge;
    clock.charge = before + cost(m, op);
    ctx.pc = <u16>pc;
    const status = visible<F>(m, actor, ctx, op, a, b, c, imm, pc);
    if (status != abi.ST_OK) {
      ctx.pc = <u16>(pc - 1);
      clock.charge = before;
      // The local micro-ops before it were executed: this step did something, the next one waits.
      return moved ? abi.ST_OK : status;
    }
    if (!merge) return abi.ST_OK;
    done = true;
  }
  return done ? abi.ST_OK : abi.ST_BAD_PROGRAM;
}

/** `csd.send · jf +2 · jmp -2`: the loop that queues one csd a target, as policies write it. */
// @ts-ignore: decorator
@inline
function isSendLoop(m: usize, actor: u32, code: usize, pc: u32): bool {
  if ((hdr(m, abi.H_SHORTCUTS) & abi.SHORT_SEND) == 0 || actor >= hdr(m, abi.H_CPUS)) return false;
  const second = load<u64>(code + ((<usize>pc) << 3), 8);
  const third = load<u64>(code + ((<usize>pc) << 3), 16);
  return second == (((<u64>pc + 3) << 32) | abi.OP_JF) &&
    third == (((<u64>pc) << 32) | abi.OP_JMP);
}

/** Jumps in a row without a visible micro-op: a bound, so that a program cannot spin in a step. */
const JUMP_BOUND: u32 = 1 << 20;

/**
 * Timed driver: executes micro-ops of one context until the actor's clock reaches `horizon`, the
 * context ends, or a micro-op cannot go on (its status; the clock stands before it), or somebody it
 * woke has a turn: who waits for a lock gets it before its owner can take it again. Jumps are free
 * and are decided here; everything else costs what the cost table says.
 */
export function runAhead(m: usize, actor: u32, ctx: Ctx, horizon: u64): i32 {
  const code = m + hdr(m, abi.H_OFF_CODE);
  const costs = m + hdr(m, abi.H_OFF_COST);
  const room = hdr(m, abi.H_LOG_CAP) - LOG_SLACK;
  const isEarly = (hdr(m, abi.H_OPTIONS) & abi.OPT_ASYNC) != 0;
  const clock = clockAt(m, actor);
  let pc: u32 = ctx.pc;
  let spins: u32 = 0;
  clock.yieldAt = u64.MAX_VALUE;
  for (;;) {
    const word = load<u64>(code + ((<usize>pc) << 3));
    const op = <i32>(word & 0xff);
    const imm = <u32>(word >> 32);
    if (op <= abi.OP_JF && op != abi.OP_END) {
      const taken = op == abi.OP_JMP || (ctx.flag != 0) == (op == abi.OP_JT);
      pc = taken ? imm : pc + 1;
      if (++spins > JUMP_BOUND) return abi.ST_BAD_PROGRAM;
      continue;
    }
    const a = <u32>(word >> 8) & 0xff;
    const b = <u32>(word >> 16) & 0xff;
    const c = <u32>(word >> 24) & 0xff;
    if (op <= abi.OP_LOCAL_LAST) {
      const price = load<u32>(costs + (op << 2));
      clock.charge = price;
      if (op == abi.OP_END) {
        clock.now += price;
        clock.charge = 0;
        return finish(m, ctx);
      }
      // Loops are made of these two: no call for them, and what was just written is not read again.
      if (op == abi.OP_DJNZ) {
        const left = reg(ctx, a) - 1;
        setReg(ctx, a, left);
        pc = left != 0 ? imm : pc + 1;
        clock.now += price;
        continue;
      }
      if (op == abi.OP_NOP) {
        pc++;
        clock.now += price;
        continue;
      }
      pc = execLocal(m, actor, ctx, op, a, b, c, imm, pc + 1);
      if (clock.charge == 0) continue;
      clock.now += clock.charge;
      clock.charge = 0;
      if (clock.now < horizon) continue;
      // Time passed (a delay): what others do before it is over comes before what follows.
      ctx.pc = <u16>pc;
      return abi.ST_OK;
    }
    if (op == abi.OP_FLUSH_PREP && c != 0) {
      const next = runWhole(m, actor, ctx, clock, code, pc, min<u64>(horizon, clock.yieldAt));
      if (next != pc) {
        pc = next;
        spins = 0;
        continue;
      }
    }
    const left = hdr(m, abi.H_BUDGET);
    if (left == 0 || hdr(m, abi.H_LOG_LEN) > room) {
      ctx.pc = <u16>pc;
      clock.charge = 0;
      return abi.ST_OK;
    }
    if (op == abi.OP_CSD_SEND && isSendLoop(m, actor, code, pc)) {
      // The same micro-ops in the same order, without decoding each turn of the loop.
      const status = csdSendLoop(m, actor, ctx, horizon);
      if (status == abi.ST_DONE) pc += 3;
      if (status == abi.ST_OK || status == abi.ST_DONE) continue;
      ctx.pc = <u16>(status == abi.ST_TIME ? pc + 1 : pc);
      return status == abi.ST_TIME ? abi.ST_OK : status;
    }
    setHdr(m, abi.H_BUDGET, left - 1);
    clock.charge = load<u32>(costs + (op << 2));
    ctx.pc = <u16>(pc + 1);
    const status = visible<Plain>(m, actor, ctx, op, a, b, c, imm, pc + 1);
    if (status != abi.ST_OK) {
      ctx.pc = <u16>pc;
      clock.charge = 0;
      // The step is taken when the host has answered, and counts once.
      if (status == abi.ST_HOST) setHdr(m, abi.H_BUDGET, left);
      return status;
    }
    spins = 0;
    pc = ctx.pc;
    clock.now += clock.charge;
    // Whoever was let go before the target is done is earlier than the rest of its handler, and
    // can tell: the csd is locked, the flush has not run.
    if (op == abi.OP_CSD_ACK || (op == abi.OP_CSD_UNLOCK && isEarly)) {
      horizon = min<u64>(horizon, timeOf(nextToRun(m)));
    }
    if (clock.now >= horizon || clock.now >= clock.yieldAt) {
      clock.charge = 0;
      // Waiting for acks touches nobody: parking now instead of at its turn keeps the targets'
      // handlers from having to take turns with an initiator that only waits.
      const next = load<u8>(code + ((<usize>pc) << 3));
      if (next == abi.OP_CSD_WAIT && cpuAt(m, actor).waitCount != 0) {
        return blocked(m, actor, 1);
      }
      return abi.ST_OK;
    }
  }
  return abi.ST_OK;
}

/** A speculative walk by any agent, at any time: a named assumption of explored machines. */
function speculate<F>(m: usize, actor: u32, k: u32): i32 {
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_SPECULATIVE_WALKS) == 0) return abi.ST_IDLE;
  if (k >= hdr(m, abi.H_WATCH)) return abi.ST_IDLE;
  // A walk that fills nothing may still have cached tables, or have entered a freed one.
  const hazards = sysAt(m).hazard;
  const cached = pwcAt(m, actor);
  const before = walkSum(cached, hdr(m, abi.H_PWC_ENTRIES));
  const filled = walkAhead<F>(m, actor, k);
  const changed = filled || sysAt(m).hazard != hazards ||
    walkSum(cached, hdr(m, abi.H_PWC_ENTRIES)) != before;
  return changed ? abi.ST_OK : abi.ST_IDLE;
}

/** The walk itself. True: a translation was cached. */
function walkAhead<F>(m: usize, actor: u32, k: u32): bool {
  const p = m + hdr(m, abi.H_OFF_WATCH_VPN) + (k << 4);
  const vpn = load<u64>(p);
  const mm = <u32>load<u64>(p, 8);
  const cpus = hdr(m, abi.H_CPUS);
  if (actor < cpus) {
    if (cpuAt(m, actor).loadedMm != mm + 1) return false;
    return cpuSpeculate<F>(m, actor, vpn);
  }
  const dev = actor - cpus;
  const row = deviceAt(m, dev);
  if (row.kind != abi.DEV_SHARING || row.mm != mm + 1) return false;
  const hit = cacheFind(iotlbAt(m, dev), hdr(m, abi.H_IOTLB_SETS), hdr(m, abi.H_IOTLB_WAYS),
    hdr(m, abi.H_INDEX_BITS), vpn, 0);
  if (hit != 0) return false;
  return devWalk<F>(m, dev, vpn, false);
}

/** What hardware does by itself: it applies a broadcast, or lets the lifetimes of entries pass. */
function byItself<F>(m: usize, actor: u32): i32 {
  const status = applyBroadcast<F>(m, actor);
  return status == abi.ST_IDLE ? tick<F>(m, actor) : status;
}

/** One step. ST_OK: something changed. ST_WAIT, ST_IDLE: nothing did. Negative: an error. */
export function step<F>(m: usize, actor: u32, choice: u32): i32 {
  if (choice >= 2) {
    const watched = hdr(m, abi.H_WATCH);
    const k = choice - 2;
    if (k == watched << 1) return byItself<F>(m, actor);
    if (k > watched << 1) return preemptOrResume(m, actor);
    if (isPreempted(m, actor)) return abi.ST_IDLE;
    return k < watched ? speculate<F>(m, actor, k) : nmi<F>(m, actor, k - watched);
  }
  const isCpu = actor < hdr(m, abi.H_CPUS);
  if (isPreempted(m, actor)) return abi.ST_IDLE;
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
