/**
 * The timed driver: the actor with the earliest clock takes the next step, ties go to interrupt
 * handlers, then to the lower actor. A step costs what its micro-ops cost; an actor goes on as long
 * as it is the earliest.
 *
 * An interrupt is taken at the first step boundary after it arrives. A waiting actor is parked and
 * is woken by the micro-op that ends its wait; an idle one by a job or an interrupt. Handlers of
 * different CPUs commute, so a handler only has to keep its order with the run queue (wake.ts).
 */
import * as abi from "../src/core/abi";
import { get32, Plain } from "./atomics";
import { runDrain } from "./drain";
import { jobIsSwitch, jobsLeft, jobTime, startJob } from "./jobs";
import { logEvent, LOG_SLACK } from "./log";
import { clockAt, count, cpuAt, cpuCtxAt, hdr, setHdr } from "./machine";
import { Cpu } from "./rows";
import { canInterrupt, currentCtx, enterHandler, runAhead } from "./step";
import {
  ACTOR_BITS, heapPop, heapTop, later, NOT_QUEUED, NOTHING, park, queueActor, queueIrq, resume,
} from "./wake";

// @ts-ignore: decorator
@inline
function isCpu(m: usize, actor: u32): bool {
  return actor < hdr(m, abi.H_CPUS);
}

// @ts-ignore: decorator
@inline
function inHandler(m: usize, actor: u32): bool {
  return clockAt(m, actor).irqSince != NOT_QUEUED;
}

/** Queues every actor that has something to do. Called after the host changed the machine. */
export function timedArm(m: usize): void {
  const n = hdr(m, abi.H_ACTORS);
  for (let i: u32 = 0; i < n; i++) arm(m, i);
}

/** Queues one actor if it has something to do. */
export function arm(m: usize, actor: u32): void {
  if (inHandler(m, actor)) return;
  const clock = clockAt(m, actor);
  if (clock.waitKey == 0 && currentCtx(m, actor).running != 0) {
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
  if (get32<Plain>(changetype<usize>(row) + offsetof<Cpu>("ipiPending")) == 0) return;
  if (!canInterrupt<Plain>(m, actor)) return;
  const clock = clockAt(m, actor);
  queueIrq(m, actor, later(clock.now, clock.ipiAt));
}

/** The actor's place in the interrupt queue has come. */
function irqTurn(m: usize, actor: u32, time: u64, horizon: u64): i32 {
  const clock = clockAt(m, actor);
  if (clock.irqSince == NOT_QUEUED) {
    if (!canInterrupt<Plain>(m, actor)) return abi.ST_OK;
    if (clock.now > time) {
      queueIrq(m, actor, clock.now);
      return abi.ST_OK;
    }
    clock.now = time;
    clock.irqSince = time;
    enterHandler(m, actor);
  }
  const ctx = cpuCtxAt(m, actor);
  const status = hdr(m, abi.H_STANDARD_DRAIN) != 0 ? runDrain(m, actor, ctx, horizon)
    : runAhead(m, actor, ctx, horizon);
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
  if (inHandler(m, actor)) return abi.ST_OK; // armed again when the handler is over
  const clock = clockAt(m, actor);
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
  if (status == abi.ST_WAIT) park(m, actor, clock.wantKey);
  armIrq(m, actor);
  arm(m, actor);
  return status == abi.ST_WAIT ? abi.ST_OK : status;
}

// @ts-ignore: decorator
@inline
function timeOf(key: u64): u64 {
  return key == NOTHING ? u64.MAX_VALUE : key >> ACTOR_BITS;
}

// @ts-ignore: decorator
@inline
function earlier(a: u64, b: u64): u64 {
  return a < b ? a : b;
}

/** Runs until the next step would start at or after `until`, at most `budget` steps. */
export function timedRun(m: usize, until: u64, budget: u32): i32 {
  const low: u64 = (1 << ACTOR_BITS) - 1;
  const room = hdr(m, abi.H_LOG_CAP) - LOG_SLACK;
  setHdr(m, abi.H_BUDGET, budget);
  for (;;) {
    const run = heapTop(m, abi.H_HEAP_LEN);
    const irq = heapTop(m, abi.H_IRQ_LEN);
    const runAt = timeOf(run);
    const irqAt = timeOf(irq);
    if (run == NOTHING && irq == NOTHING) {
      return hdr(m, abi.H_PARKED) != 0 ? abi.ST_DEADLOCK : abi.ST_DONE;
    }
    if (earlier(runAt, irqAt) >= until) return abi.ST_TIME;
    if (hdr(m, abi.H_LOG_LEN) > room) return abi.ST_LOG_FULL;
    if (hdr(m, abi.H_BUDGET) == 0) return abi.ST_BUDGET;
    let status: i32;
    if (irqAt <= runAt) {
      const actor = <u32>(irq & low);
      heapPop(m, abi.H_IRQ_LEN);
      clockAt(m, actor).irqQueuedAt = NOT_QUEUED;
      status = irqTurn(m, actor, irqAt, earlier(runAt, until));
    } else {
      const actor = <u32>(run & low);
      heapPop(m, abi.H_HEAP_LEN);
      clockAt(m, actor).queuedAt = NOT_QUEUED;
      const next = earlier(timeOf(heapTop(m, abi.H_HEAP_LEN)), irqAt);
      status = runTurn(m, actor, runAt, earlier(next, until));
    }
    if (status < 0) return status;
  }
  return abi.ST_DONE;
}

/** Clocks start unqueued and outside interrupts. Called once. */
export function timedInit(m: usize): void {
  const n = hdr(m, abi.H_ACTORS);
  for (let i: u32 = 0; i < n; i++) {
    clockAt(m, i).queuedAt = NOT_QUEUED;
    clockAt(m, i).irqQueuedAt = NOT_QUEUED;
    clockAt(m, i).irqSince = NOT_QUEUED;
  }
  setHdr(m, abi.H_HEAP_LEN, 0);
  setHdr(m, abi.H_IRQ_LEN, 0);
}
