/**
 * The timed driver: the actor with the earliest clock takes the next step, ties go to the lower
 * actor. A step costs what its micro-ops cost; then the actor's clock has moved and it queues
 * again, unless it is still the earliest, in which case it just goes on.
 *
 * An interrupt is taken at the first step boundary after it arrives. A waiting actor is parked and
 * is woken by the micro-op that ends its wait; an idle one by a job or an interrupt.
 */
import * as abi from "../src/core/abi";
import { cpuCtxAt, clockAt, count, hdr, setHdr } from "./machine";
import { jobIsSwitch, jobsLeft, jobTime, startJob } from "./jobs";
import { LOG_SLACK, logEvent } from "./log";
import { Plain } from "./atomics";
import { canInterrupt, currentCtx, enterHandler, runCtx } from "./step";
import { ACTOR_BITS, heapPop, heapTop, NOT_QUEUED, park, queueActor, resume } from "./wake";

/** Between iterations of timedRun: the actor has nothing to do until something wakes it. */
const PARKED: i32 = 100;

/** Queues every actor that has something to do. Called once, and after the host added jobs. */
export function timedArm(m: usize): void {
  const n = hdr(m, abi.H_ACTORS);
  for (let i: u32 = 0; i < n; i++) arm(m, i);
}

/** Queues one actor if it has something to do. */
export function arm(m: usize, actor: u32): void {
  const clock = clockAt(m, actor);
  if (clock.waitKey != 0) {
    // Parked in the kernel: only a context switch may start over it.
    if (jobsLeft<Plain>(m, actor) != 0 && jobIsSwitch<Plain>(m, actor)) {
      const at = jobTime<Plain>(m, actor);
      queueActor(m, actor, at > clock.now ? at : clock.now);
    }
    return;
  }
  if (currentCtx(m, actor).running != 0) {
    queueActor(m, actor, clock.now);
    return;
  }
  if (jobsLeft<Plain>(m, actor) == 0) return;
  const at = jobTime<Plain>(m, actor);
  queueActor(m, actor, at > clock.now ? at : clock.now);
}

/** After a step returned ST_WAIT. */
function parkActor(m: usize, actor: u32): i32 {
  const clock = clockAt(m, actor);
  park(m, actor, clock.wantKey);
  if (actor < hdr(m, abi.H_CPUS) && canInterrupt<Plain>(m, actor)) {
    queueActor(m, actor, clock.ipiAt > clock.now ? clock.ipiAt : clock.now);
  }
  arm(m, actor);
  return PARKED;
}

function irqDone(m: usize, actor: u32): void {
  const clock = clockAt(m, actor);
  const ns = clock.now - clock.irqSince;
  count(m, actor, abi.CT_STOLEN_NS, ns);
  logEvent(m, actor, abi.EV_IRQ, 0, ns, 0);
  clock.irqSince = NOT_QUEUED;
}

/** One step of `actor`, whose turn it is. Adds its cost to the clock. */
function turn(m: usize, actor: u32): i32 {
  const clock = clockAt(m, actor);
  const isCpu = actor < hdr(m, abi.H_CPUS);
  clock.charge = 0;
  if (isCpu && canInterrupt<Plain>(m, actor) && clock.ipiAt <= clock.now) {
    resume(m, actor);
    clock.irqSince = clock.now;
    enterHandler(m, actor);
  }
  let ctx = currentCtx(m, actor);
  if (clock.waitKey != 0 && jobsLeft<Plain>(m, actor) != 0 && jobIsSwitch<Plain>(m, actor) &&
      jobTime<Plain>(m, actor) <= clock.now) {
    resume(m, actor);
    const status = startJob<Plain>(m, actor);
    if (status != abi.ST_OK) return status;
    ctx = currentCtx(m, actor);
  }
  if (clock.waitKey != 0) return PARKED;
  if (ctx.running == 0) {
    if (jobsLeft<Plain>(m, actor) == 0) return PARKED;
    const at = jobTime<Plain>(m, actor);
    if (at > clock.now) {
      queueActor(m, actor, at);
      return PARKED;
    }
    const status = startJob<Plain>(m, actor);
    if (status != abi.ST_OK) return status;
    ctx = currentCtx(m, actor);
  }
  const status = runCtx<Plain>(m, actor, ctx);
  clock.now += clock.charge;
  clock.charge = 0;
  if (status == abi.ST_WAIT) return parkActor(m, actor);
  if (isCpu && clock.irqSince != NOT_QUEUED && cpuCtxAt(m, actor).running == 0) irqDone(m, actor);
  return status;
}

/** After an actor's turn ended without more to do: an interrupt may already be on its way. */
function settle(m: usize, actor: u32): void {
  const clock = clockAt(m, actor);
  if (actor < hdr(m, abi.H_CPUS) && canInterrupt<Plain>(m, actor)) {
    queueActor(m, actor, clock.ipiAt > clock.now ? clock.ipiAt : clock.now);
  }
}

/** Runs until the next step would start at or after `until`, at most `budget` steps. */
export function timedRun(m: usize, until: u64, budget: u32): i32 {
  const room = hdr(m, abi.H_LOG_CAP) - LOG_SLACK;
  const lowBits: u64 = (1 << ACTOR_BITS) - 1;
  let left = budget;
  while (hdr(m, abi.H_HEAP_LEN) != 0) {
    const key = heapTop(m);
    const actor = <u32>(key & lowBits);
    const time = key >> ACTOR_BITS;
    const clock = clockAt(m, actor);
    if (clock.queuedAt != time) {
      heapPop(m);
      continue;
    }
    if (time >= until) return done(m, budget - left, abi.ST_TIME);
    heapPop(m);
    clock.queuedAt = NOT_QUEUED;
    if (clock.now < time) clock.now = time;
    for (;;) {
      if (hdr(m, abi.H_LOG_LEN) > room) {
        queueActor(m, actor, clock.now);
        return done(m, budget - left, abi.ST_LOG_FULL);
      }
      if (left == 0) {
        queueActor(m, actor, clock.now);
        return done(m, budget, abi.ST_BUDGET);
      }
      left--;
      const status = turn(m, actor);
      if (status == PARKED) {
        settle(m, actor);
        break;
      }
      if (status != abi.ST_OK) {
        queueActor(m, actor, clock.now);
        return done(m, budget - left, status);
      }
      if (clock.now >= until ||
          (hdr(m, abi.H_HEAP_LEN) != 0 && heapTop(m) < ((clock.now << ACTOR_BITS) | actor))) {
        queueActor(m, actor, clock.now);
        break;
      }
    }
  }
  return done(m, budget - left, hdr(m, abi.H_PARKED) != 0 ? abi.ST_DEADLOCK : abi.ST_DONE);
}

function done(m: usize, steps: u32, status: i32): i32 {
  const p = m + (abi.H_STEPS_LO << 2);
  store<u64>(p, load<u64>(p) + steps);
  return status;
}

/** Clocks start unqueued and outside interrupts. Called once. */
export function timedInit(m: usize): void {
  const n = hdr(m, abi.H_ACTORS);
  for (let i: u32 = 0; i < n; i++) {
    clockAt(m, i).queuedAt = NOT_QUEUED;
    clockAt(m, i).irqSince = NOT_QUEUED;
  }
  setHdr(m, abi.H_HEAP_LEN, 0);
}
