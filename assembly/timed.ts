/**
 * The timed driver: the actor with the earliest clock takes the next step, ties go to interrupt
 * handlers, then to the lower actor. A step costs what its micro-ops cost; an actor goes on as long
 * as it is the earliest.
 *
 * An interrupt is taken at the first step boundary after it arrives. A waiting actor is parked and
 * is woken by the micro-op that ends its wait; an idle one by a job or an interrupt. Handlers of
 * different CPUs commute, so a handler only has to keep its order with the run queue (queue.ts).
 */
import * as abi from "../src/core/abi";
import { get32, Plain } from "./atomics";
import { prepareWhole } from "./bulk-time";
import { drainWhole } from "./drain";
import { jobIsSwitch, jobsLeft, jobTime, startJob } from "./jobs";
import { latrTick, tickAt } from "./latr";
import { logEvent, LOG_SLACK } from "./log";
import { clockAt, count, cpuAt, cpuCtxAt, ctxAt, hdr, setHdr } from "./machine";
import { Clock, Cpu, Ctx } from "./rows";
import { canInterrupt, currentCtx, enterHandler, runAhead } from "./step";
import { isWanted } from "./poll";
import {
  actorOf, nextIrq, nextToRun, NOT_QUEUED, NOTHING, queueActor, queueIrq, queuesInit, takeIrq,
  takeToRun, timeOf,
} from "./queue";
import { later, park, resume } from "./wake";

// @ts-ignore: decorator
@inline
function isCpu(m: usize, actor: u32): bool {
  return actor < hdr(m, abi.H_CPUS);
}

/** Queues every actor that has something to do. Called after the host changed the machine. */
export function timedArm(m: usize): void {
  const n = hdr(m, abi.H_ACTORS);
  for (let i: u32 = 0; i < n; i++) arm(m, i);
}

/** Queues one actor if it has something to do. */
export function arm(m: usize, actor: u32): void {
  const clock = clockAt(m, actor);
  const ctx = currentCtx(m, actor);
  if (isBusy(clock, ctx)) armBusy(m, actor, clock, ctx);
}

/** Most targets of a shootdown are not: they are in user mode and have no job to come. */
// @ts-ignore: decorator
@inline
function isBusy(clock: Clock, ctx: Ctx): bool {
  return ctx.running != 0 || clock.jobHead != clock.jobTail;
}

function armBusy(m: usize, actor: u32, clock: Clock, ctx: Ctx): void {
  if (clock.irqSince != NOT_QUEUED) return; // armed again when the handler is over
  if (ctx.running != 0 && clock.waitKey == 0) {
    queueActor(m, actor, clock.now);
    return;
  }
  if (jobsLeft<Plain>(m, actor) == 0) return;
  // Parked in the kernel: only a context switch may start over it.
  if (clock.waitKey != 0 && !jobIsSwitch<Plain>(m, actor)) return;
  queueActor(m, actor, later(clock.now, jobTime<Plain>(m, actor)));
}

/** A pending interrupt that could not be taken before, or arrived meanwhile. */
function armIrq(m: usize, actor: u32): void {
  if (!isCpu(m, actor)) return;
  const row = cpuAt(m, actor);
  if (!isWanted<Plain>(m, actor, row)) return;
  if (!canInterrupt<Plain>(m, actor)) return;
  const clock = clockAt(m, actor);
  queueIrq(m, actor, later(clock.now, clock.ipiAt));
}

/** The actor's place in the interrupt queue has come. */
function irqTurn(m: usize, actor: u32, time: u64, horizon: u64): i32 {
  const clock = clockAt(m, actor);
  if (clock.irqSince == NOT_QUEUED) {
    // As canInterrupt, with rows that are needed again.
    const row = cpuAt(m, actor);
    const own = cpuCtxAt(m, actor);
    const below = row.task == 0 ? own : ctxAt(m, row.task - 1);
    const isFree = own.running == 0 && below.irqOff == 0 && row.online != 0;
    if (!isFree || !isWanted<Plain>(m, actor, row)) {
      return abi.ST_OK;
    }
    if (clock.now > time) {
      queueIrq(m, actor, clock.now);
      return abi.ST_OK;
    }
    const standard = (hdr(m, abi.H_SHORTCUTS) & abi.SHORT_DRAIN) != 0;
    if (standard && drainWhole(m, actor, row, clock, time, horizon)) {
      if (isBusy(clock, below)) armBusy(m, actor, clock, below);
      return abi.ST_OK;
    }
    clock.now = time;
    clock.irqSince = time;
    enterHandler(m, actor);
  }
  const ctx = cpuCtxAt(m, actor);
  const status = runAhead(m, actor, ctx, horizon);
  clock.yieldAt = NOT_QUEUED;
  if (status != abi.ST_OK || ctx.running != 0) {
    queueIrq(m, actor, clock.now);
    return status == abi.ST_WAIT ? abi.ST_BAD_PROGRAM : status;
  }
  const ns = clock.now - clock.irqSince;
  count(m, actor, abi.CT_STOLEN_NS, ns);
  logEvent(m, actor, abi.EV_IRQ, 0, ns, 0);
  clock.irqSince = NOT_QUEUED;
  armIrq(m, actor);
  arm(m, actor);
  return abi.ST_OK;
}

/** A context switch may start over a task that sleeps in the kernel. */
function switchOver(m: usize, actor: u32): bool {
  const clock = clockAt(m, actor);
  return jobsLeft<Plain>(m, actor) != 0 && jobIsSwitch<Plain>(m, actor) &&
    jobTime<Plain>(m, actor) <= clock.now;
}

/** The actor's place in the run queue has come. */
function runTurn(m: usize, actor: u32, time: u64, horizon: u64): i32 {
  const clock = clockAt(m, actor);
  if (clock.irqSince != NOT_QUEUED) return abi.ST_OK; // armed again when the handler is over
  if (clock.now < time) clock.now = time;
  let ctx = currentCtx(m, actor);
  if (clock.waitKey != 0 || ctx.running == 0) {
    if (clock.waitKey != 0) {
      if (!switchOver(m, actor)) return abi.ST_OK;
      resume(m, actor);
    } else if (jobsLeft<Plain>(m, actor) == 0) {
      return abi.ST_OK;
    } else if (jobTime<Plain>(m, actor) > clock.now) {
      queueActor(m, actor, jobTime<Plain>(m, actor));
      return abi.ST_OK;
    }
    const status = startJob<Plain>(m, actor);
    if (status != abi.ST_OK) return status;
    ctx = currentCtx(m, actor);
  }
  const status = runAhead(m, actor, ctx, horizon);
  clock.yieldAt = NOT_QUEUED;
  if (status == abi.ST_WAIT) park(m, actor, clock.wantKey);
  armIrq(m, actor);
  arm(m, actor);
  return status == abi.ST_WAIT ? abi.ST_OK : status;
}

/**
 * Runs until the next step would start at or after `until`, at most `budget` steps, or until a
 * micro-op asks the host: its actor has its place in the queue and asks again. ST_TIME, too,
 * after the turn that leaves actor `stop` without anything to do.
 */
export function timedRun(m: usize, until: u64, budget: u32, stop: i32): i32 {
  const room = hdr(m, abi.H_LOG_CAP) - LOG_SLACK;
  setHdr(m, abi.H_BUDGET, budget);
  prepareWhole(m);
  for (;;) {
    const run = nextToRun(m);
    const irq = nextIrq(m);
    const runAt = timeOf(run);
    const irqAt = timeOf(irq);
    const tick = tickAt(m);
    if (tick <= min<u64>(runAt, irqAt) && tick < until) {
      latrTick<Plain>(m);
      continue;
    }
    if (min<u64>(runAt, irqAt) >= until) {
      if (run != NOTHING || irq != NOTHING) return abi.ST_TIME;
      return hdr(m, abi.H_PARKED) != 0 ? abi.ST_DEADLOCK : abi.ST_DONE;
    }
    if (hdr(m, abi.H_LOG_LEN) > room) return abi.ST_LOG_FULL;
    if (hdr(m, abi.H_BUDGET) == 0) return abi.ST_BUDGET;
    let status: i32;
    let actor: u32;
    if (irqAt <= runAt) {
      takeIrq(m, irq);
      actor = actorOf(irq);
      status = irqTurn(m, actor, irqAt, min<u64>(min<u64>(runAt, tick), until));
    } else {
      takeToRun(m);
      const next = min<u64>(timeOf(nextToRun(m)), irqAt);
      actor = actorOf(run);
      status = runTurn(m, actor, runAt, min<u64>(min<u64>(next, tick), until));
      if (<i32>actor == stop && status == abi.ST_OK) {
        if (!isBusy(clockAt(m, actor), currentCtx(m, actor))) return abi.ST_TIME;
      }
    }
    if (status < 0) return status;
    if (status == abi.ST_HOST) return status | (actor << 8);
  }
  return abi.ST_DONE;
}

/** Nothing is queued, no CPU is in an interrupt. Called once. */
export function timedInit(m: usize): void {
  queuesInit(m);
  const n = hdr(m, abi.H_ACTORS);
  for (let i: u32 = 0; i < n; i++) {
    clockAt(m, i).irqSince = NOT_QUEUED;
    clockAt(m, i).yieldAt = NOT_QUEUED;
  }
}
