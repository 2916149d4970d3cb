/**
 * Job rings: programs that the host has queued for an actor, each with the earliest time it may
 * start. 64 bytes: at u64, pc u32, task u32 (index + 1; 0: the CPU's own context, for context
 * switches; devices ignore it), registers r0 … r5. Single producer (host), single consumer (the
 * driver that steps the actor). Not explored state.
 */
import * as abi from "../src/core/abi";
import { get32, put32 } from "./atomics";
import {
  clockAt, cpuAt, cpuCtxAt, ctxAt, devCtxAt, deviceAt, hdr, taskAt,
} from "./machine";
import { Clock, Ctx, Task } from "./rows";

export const JOB_BYTES: u32 = 64;

// @ts-ignore: decorator
@inline
function slot(m: usize, actor: u32, index: u32): usize {
  const cap = hdr(m, abi.H_JOB_CAP);
  return m + hdr(m, abi.H_OFF_JOB) + <usize>(actor * cap + index % cap) * JOB_BYTES;
}

// @ts-ignore: decorator
@inline
function head<F>(clock: Clock): u32 {
  return get32<F>(changetype<usize>(clock) + offsetof<Clock>("jobHead"));
}

// @ts-ignore: decorator
@inline
function tail<F>(clock: Clock): u32 {
  return get32<F>(changetype<usize>(clock) + offsetof<Clock>("jobTail"));
}

/** Jobs not started yet. */
export function jobsLeft<F>(m: usize, actor: u32): u32 {
  const clock = clockAt(m, actor);
  return tail<F>(clock) - head<F>(clock);
}

/** Address of a free slot for the host to fill, or 0 when the ring is full. */
export function jobSlot<F>(m: usize, actor: u32): usize {
  if (jobsLeft<F>(m, actor) >= hdr(m, abi.H_JOB_CAP)) return 0;
  return slot(m, actor, tail<F>(clockAt(m, actor)));
}

/** Publishes the slot that was filled last. */
export function jobPush<F>(m: usize, actor: u32): void {
  const clock = clockAt(m, actor);
  put32<F>(changetype<usize>(clock) + offsetof<Clock>("jobTail"), tail<F>(clock) + 1);
}

/** When the next job may start. There must be one. */
export function jobTime<F>(m: usize, actor: u32): u64 {
  return load<u64>(slot(m, actor, head<F>(clockAt(m, actor))));
}

/** The next job runs in the CPU's own context. There must be one. */
export function jobIsSwitch<F>(m: usize, actor: u32): bool {
  return load<u32>(slot(m, actor, head<F>(clockAt(m, actor))), 12) == 0;
}

/** Begins a program in a context. The context must be idle. */
export function startCtx(ctx: Ctx, pc: u32, mm: u32, dev: u32): void {
  ctx.pc = <u16>pc;
  ctx.running = 1;
  ctx.mm = <u16>mm;
  ctx.dev = <u16>dev;
}

/** Starts the next job. ST_WAIT: its context is busy. ST_BAD_PROGRAM: its task is elsewhere. */
export function startJob<F>(m: usize, actor: u32): i32 {
  const clock = clockAt(m, actor);
  const job = slot(m, actor, head<F>(clock));
  const cpus = hdr(m, abi.H_CPUS);
  const task = load<u32>(job, 12);
  let ctx: Ctx;
  let mm: u32 = 0;
  let dev: u32 = 0;
  if (actor >= cpus) {
    ctx = devCtxAt(m, actor - cpus);
    mm = deviceAt(m, actor - cpus).mm;
    dev = actor - cpus + 1;
  } else if (task == 0) {
    ctx = cpuCtxAt(m, actor);
  } else {
    if (cpuAt(m, actor).task != task) return abi.ST_BAD_PROGRAM;
    ctx = ctxAt(m, task - 1);
    mm = get32<F>(changetype<usize>(taskAt(m, task - 1)) + offsetof<Task>("mm"));
  }
  if (ctx.running != 0) return abi.ST_WAIT;
  startCtx(ctx, load<u32>(job, 8), mm, dev);
  memory.copy(changetype<usize>(ctx) + offsetof<Ctx>("r0"), job + 16, 48);
  put32<F>(changetype<usize>(clock) + offsetof<Clock>("jobHead"), head<F>(clock) + 1);
  return abi.ST_OK;
}
