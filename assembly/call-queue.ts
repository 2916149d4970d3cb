/**
 * Shootdowns over per-CPU call queues, after shootdown.md 1.3 and 1.4.
 *
 * One csd per (initiator, target): {next u32, owner u32}; owner is the initiator + 1 and CSD_*
 * while it is locked, 0 while it is free. Wide ones carry a payload {mm u32, gen u32, start u64,
 * end u64, flags u32}. FREE -> LOCKED when queued by the initiator, FREE again when the target lets
 * go of it. A target's queue is a LIFO that it takes whole and reverses. An initiator waits on its
 * own count of csd, which targets decrement when they acknowledge. A second request to a target
 * whose csd is still locked waits: back-pressure, depth one per pair.
 * Invariants `CsdConserved`: Cpu.waitCount is the number of its locked csd that are not CSD_ACKED;
 * `ReachedInHandler`: Cpu.reached is 0 outside of handlers.
 */
import * as abi from "../src/core/abi";
import { cas32, get32, or32, Plain, put32, sub32, add32, swap32 } from "./atomics";
import { requestMask } from "./batched";
import { charge } from "./charge";
import { flushFunc, flushRequest } from "./flush";
import { logEvent, LOG_SLACK } from "./log";
import {
  bump, clockAt, cost, count, countersAt, cpuAt, csdAt, hdr, setHdr, ipiSet,
} from "./machine";
import { maskNext } from "./mask";
import { Clock, Cpu, Ctx } from "./rows";
import { isMoving } from "./global-asid";
import { answered, wants } from "./poll";
import { isTold } from "./sharers";
import { surcharge } from "./sockets";
import { cpuAccess } from "./user-access";
import { marked } from "./vcpu";
import { acked, after, blocked, leaveGuest, takenAt, unlocked, wakeByIpi } from "./wake";

/** Payload of a wide csd. */
const CSD_MM: usize = 8;
const CSD_GEN: usize = 12;
const CSD_START: usize = 16;
const CSD_END: usize = 24;
const CSD_FLAGS: usize = 32;
/** Register 0 of a handler that keeps a call; of one that keeps a pointer it is a CPU's number. */
const CALL_KEPT: u64 = 0x10000;

// @ts-ignore: decorator
@inline
function word(cpu: Cpu, offset: usize): usize {
  return changetype<usize>(cpu) + offset;
}

/** Linux's tlb_is_not_lazy and should_flush_tlb: does this target need to be told? */
export function shouldFlush<F>(m: usize, target: Cpu, info: Cpu): bool {
  const options = hdr(m, abi.H_OPTIONS);
  if ((info.infoFlags & (abi.INFO_FREED | abi.INFO_KERNEL)) != 0) return true;
  if ((options & abi.OPT_TELL_ALL) != 0) return true;
  if (info.infoMm < <u32>abi.INFO_KERNEL_MM && isMoving<F>(m, info.infoMm - 1)) return true;
  const spares = (options & abi.OPT_LAZY_SKIP) != 0 && (options & abi.OPT_TELL_LAZY) == 0;
  if (spares && get32<F>(word(target, offsetof<Cpu>("lazy"))) != 0) {
    return false;
  }
  const loaded = get32<F>(word(target, offsetof<Cpu>("loadedMm")));
  // A CPU in the middle of a switch may have read the old generation already (CVE-2025-37964).
  if (loaded == abi.LOADED_SWITCHING) return (options & abi.OPT_SKIP_SWITCHING) == 0;
  if (loaded == info.infoMm || info.infoMm == abi.INFO_ANY_MM) return true;
  return (info.infoFlags & abi.INFO_TRIM) != 0;
}

/** Links a locked csd into the queue of its target. True: the queue was empty. */
// @ts-ignore: decorator
@inline
export function push<F>(to: Cpu, csd: usize, id: u32): bool {
  const queue = word(to, offsetof<Cpu>("queue"));
  let head = get32<F>(queue);
  for (;;) {
    put32<F>(csd, head);
    if (cas32<F>(queue, head, id + 1)) return head == 0;
    head = get32<F>(queue);
  }
  return false;
}

/** Requests that free page tables, or are for kernel pages, are waited for to their end. */
// @ts-ignore: decorator
@inline
function typeOf(m: usize, info: Cpu): u32 {
  const options = hdr(m, abi.H_OPTIONS);
  if ((options & abi.OPT_ASYNC) == 0) return 0;
  const all = (options & abi.OPT_ASYNC_ALL) != 0;
  const isSync = (info.infoFlags & (abi.INFO_FREED | abi.INFO_KERNEL)) != 0;
  return all || !isSync ? abi.CSD_ASYNC : 0;
}

function copyRequest(csd: usize, info: Cpu): void {
  store<u32>(csd, info.infoMm, CSD_MM);
  store<u32>(csd, info.infoGen, CSD_GEN);
  store<u64>(csd, info.infoStart, CSD_START);
  store<u64>(csd, info.infoEnd, CSD_END);
  store<u32>(csd, info.infoFlags, CSD_FLAGS);
}

/**
 * CALL_SEND: queues a call, which nobody waits for, to `target`; F: it was queued. ST_WAIT while
 * the csd of the pair is locked.
 */
export function callSend<F>(
  m: usize, self: u32, ctx: Ctx, target: u32, vpn: u64, flags: u32,
): i32 {
  if (hdr(m, abi.H_CSD_STRIDE) == abi.CSD_BYTES || target >= hdr(m, abi.H_CPUS)) {
    return abi.ST_BAD_PROGRAM;
  }
  const to = cpuAt(m, target);
  if (target == self || to.online == 0) {
    ctx.flag = 0;
    return abi.ST_OK;
  }
  const id = self * hdr(m, abi.H_CPUS) + target;
  const csd = csdAt(m, id);
  if (get32<F>(csd + 4) != 0) return blocked(m, self, <u32>(csd + 4 - m));
  ctx.flag = 1;
  const type = (flags & abi.CALL_ASYNC) != 0 ? abi.CSD_ASYNC : 0;
  put32<F>(csd + 4, (self + 1) | abi.CSD_CALL | abi.CSD_ACKED | type);
  store<u32>(csd, flags & abi.CALL_WRITE, CSD_MM);
  store<u64>(csd, vpn, CSD_START);
  if (push<F>(to, csd, id)) {
    or32<u32>(ipiSet(m, cpuAt(m, self)) + ((target >> 5) << 2), 1 << (target & 31));
  }
  return abi.ST_OK;
}

/** Queues the next target. F = there may be more; ST_WAIT while its csd is still locked. */
export function csdSend<F>(m: usize, self: u32, ctx: Ctx): i32 {
  const row = cpuAt(m, self);
  if (row.infoMm == 0) return abi.ST_BAD_PROGRAM;
  const clock = clockAt(m, self);
  const status = sendNext<F>(m, self, ctx, row, clock, countersAt(m, self),
    requestMask(m, row), hdr(m, abi.H_MASK_WORDS));
  if (status == abi.ST_OK && ctx.flag != 0) {
    clock.charge += surcharge(m, self, <u32>ctx.cursor - 1, abi.COST_CSD_REMOTE);
  }
  return status;
}

/** As csdSend, with the rows of the sender and its mask looked up before: once for many targets. */
// @ts-ignore: decorator
@inline
function sendNext<F>(
  m: usize, self: u32, ctx: Ctx, row: Cpu, clock: Clock, counters: usize, mask: usize, words: u32,
): i32 {
  let from: u32 = ctx.cursor;
  let filtered: u32 = 0; // counted by the step that gets past them, not by those that wait
  for (;;) {
    const next = maskNext<F>(mask, words, from);
    if (next < 0) {
      bump(counters, abi.CT_FILTERED, filtered);
      ctx.cursor = 0;
      ctx.flag = 0;
      return abi.ST_OK;
    }
    const target = <u32>next;
    from = target + 1;
    const to = cpuAt(m, target);
    if (target == self || to.online == 0) continue;
    if (!shouldFlush<F>(m, to, row) || !isTold<F>(m, self, target)) {
      filtered++;
      continue;
    }
    // A step of its own: one that is blocked by a later target must not leave a mark.
    if (marked<F>(m, ctx, target)) {
      bump(counters, abi.CT_FILTERED, filtered + 1);
      ctx.cursor = <u16>from;
      ctx.flag = 1;
      return abi.ST_OK;
    }
    const id = self * hdr(m, abi.H_CPUS) + target;
    const csd = csdAt(m, id);
    if (get32<F>(csd + 4) != 0) return blocked(m, self, <u32>(csd + 4 - m));
    put32<F>(csd + 4, (self + 1) | typeOf(m, row));
    if ((hdr(m, abi.H_OPTIONS) & abi.OPT_INLINE) != 0) copyRequest(csd, row);
    add32<F>(word(row, offsetof<Cpu>("waitCount")), 1);
    if (push<F>(to, csd, id)) or32<u32>(ipiSet(m, row) + ((target >> 5) << 2), 1 << (target & 31));
    else bump(counters, abi.CT_COALESCED, 1);
    clock.charge += cost(m, abi.COST_CSD);
    bump(counters, abi.CT_CSD, 1);
    if (filtered != 0) bump(counters, abi.CT_FILTERED, filtered);
    logEvent(m, self, abi.EV_CSD_QUEUE, 0, target, 0);
    ctx.cursor = <u16>from;
    ctx.flag = 1;
    return abi.ST_OK;
  }
  return abi.ST_OK;
}

/**
 * Timed driver: csdSend until it is done (ST_DONE), blocked (ST_WAIT), the clock reaches `horizon`
 * (ST_TIME), or the budget or the log's room ends (ST_OK). The clock moves with every turn.
 */
export function csdSendLoop(m: usize, self: u32, ctx: Ctx, horizon: u64): i32 {
  const row = cpuAt(m, self);
  if (row.infoMm == 0) return abi.ST_BAD_PROGRAM;
  const clock = clockAt(m, self);
  const counters = countersAt(m, self);
  const mask = requestMask(m, row);
  const words = hdr(m, abi.H_MASK_WORDS);
  const price = cost(m, abi.OP_CSD_SEND);
  const room = hdr(m, abi.H_LOG_CAP) - LOG_SLACK;
  let left = hdr(m, abi.H_BUDGET);
  let status = abi.ST_OK;
  while (left != 0 && hdr(m, abi.H_LOG_LEN) <= room) {
    left--;
    clock.charge = price;
    status = sendNext<Plain>(m, self, ctx, row, clock, counters, mask, words);
    if (status == abi.ST_WAIT) break;
    clock.now += clock.charge;
    if (clock.now >= horizon) {
      status = abi.ST_TIME;
      break;
    }
    if (ctx.flag == 0) {
      status = abi.ST_DONE;
      break;
    }
  }
  clock.charge = 0;
  setHdr(m, abi.H_BUDGET, left);
  return status;
}

/**
 * Interrupts every CPU of the IPI set but those that poll. In the timed driver it arrives after
 * COST_DELIVER. `blind`: a mutant that goes by what it has noted before.
 */
export function ipiSend<F>(m: usize, self: u32, ctx: Ctx, blind: bool): void {
  const row = cpuAt(m, self);
  const words = hdr(m, abi.H_MASK_WORDS);
  const set = ipiSet(m, row);
  let next = maskNext<u32>(set, words, 0);
  if (next < 0) return;
  const near = hdr(m, abi.H_SOCKET_CPUS) == 0;
  const price = cost(m, abi.COST_IPI);
  const clock = clockAt(m, self);
  const arrival = after(m, self, abi.COST_DELIVER) + price;
  const posted = after(m, self, abi.COST_POST);
  const exits = cost(m, abi.COST_POST) != 0;
  let n: u32 = 0;
  for (; next >= 0; next = maskNext<u32>(set, words, <u32>next + 1)) {
    if (wants<F>(m, ctx, next, blind)) {
      wakeByIpi<F>(m, next, after(m, self, abi.COST_POLL));
      count(m, self, abi.CT_SPARED, 1);
      continue;
    }
    put32<F>(word(cpuAt(m, next), offsetof<Cpu>("ipiPending")), 1);
    const crossing = near ? 0 : surcharge(m, self, <u32>next, abi.COST_DELIVER_REMOTE);
    const kicked = arrival + crossing;
    wakeByIpi<F>(m, next, exits ? takenAt<F>(m, next, posted, kicked) : kicked);
    n++;
  }
  for (let w: u32 = 0; w < words; w++) store<u32>(set + (w << 2), 0);
  if (n == 0) return;
  clock.charge += price;
  if (exits) leaveGuest<F>(m, self, clock.now + clock.charge);
  count(m, self, abi.CT_IPI, n);
  logEvent(m, self, abi.EV_IPI, 0, n, 0);
}

/** Target: takes the whole queue; afterwards ctx.list is oldest first. */
// @ts-ignore: decorator
@inline
export function csqTake<F>(m: usize, cpu: u32, row: Cpu, ctx: Ctx): void {
  answered<F>(m, cpu);
  put32<F>(word(row, offsetof<Cpu>("ipiPending")), 0);
  let id = swap32<F>(word(row, offsetof<Cpu>("queue")), 0);
  let oldest: u32 = 0;
  while (id != 0) {
    const csd = csdAt(m, id - 1);
    const next = get32<F>(csd);
    put32<F>(csd, oldest);
    oldest = id;
    id = next;
  }
  ctx.list = oldest;
  ctx.flag = oldest != 0 ? 1 : 0;
}

/** CSQ_TAKE 1: those that somebody spins for come first, each kind in the order it was queued. */
export function csqSort<F>(m: usize, ctx: Ctx): void {
  let firstSync: u32 = 0;
  let lastSync: u32 = 0;
  let firstAsync: u32 = 0;
  let lastAsync: u32 = 0;
  for (let id = ctx.list; id != 0; ) {
    const csd = csdAt(m, id - 1);
    const next = get32<F>(csd);
    put32<F>(csd, 0);
    if ((load<u32>(csd, 4) & abi.CSD_ASYNC) != 0) {
      if (lastAsync == 0) firstAsync = id;
      else put32<F>(csdAt(m, lastAsync - 1), id);
      lastAsync = id;
    } else {
      if (lastSync == 0) firstSync = id;
      else put32<F>(csdAt(m, lastSync - 1), id);
      lastSync = id;
    }
    id = next;
  }
  if (lastSync == 0) ctx.list = firstAsync;
  else {
    put32<F>(csdAt(m, lastSync - 1), firstAsync);
    ctx.list = firstSync;
  }
}

// @ts-ignore: decorator
@inline
function initiatorOf(csd: usize): u32 {
  return (load<u32>(csd, 4) & abi.CSD_OWNER) - 1;
}

/** CSD_RUN: carries out the oldest entry: the request of its initiator, its payload, or a call. */
// @ts-ignore: decorator
@inline
export function csdRun<F>(m: usize, cpu: u32, ctx: Ctx): void {
  const csd = csdAt(m, ctx.list - 1);
  const owner = load<u32>(csd, 4);
  // A pointer payload. Under a mutant that does not wait, the request may be over before its target
  // reads it.
  if ((owner & abi.CSD_CALL) == 0) logEvent(m, cpu, abi.EV_CSD_RUN, 0, initiatorOf(csd), 0);
  if ((owner & abi.CSD_CALL) == 0 && (hdr(m, abi.H_OPTIONS) & abi.OPT_INLINE) == 0) {
    flushFunc<F>(m, cpu, cpuAt(m, initiatorOf(csd)), false);
  } else if ((owner & abi.CSD_CALL) != 0) {
    call<F>(m, cpu, load<u64>(csd, CSD_START), load<u32>(csd, CSD_MM) != 0);
  } else {
    flushRequest<F>(m, cpu, load<u32>(csd, CSD_MM), load<u32>(csd, CSD_GEN),
      load<u64>(csd, CSD_START), load<u64>(csd, CSD_END), load<u32>(csd, CSD_FLAGS), false);
  }
}

/**
 * CSD_REACH: the handler keeps the request of the oldest entry, or where it is, in its registers.
 * From here to CSD_RUN_REACHED an acknowledged flush may be pending.
 */
export function csdReach(m: usize, cpu: u32, ctx: Ctx): void {
  const csd = csdAt(m, ctx.list - 1);
  const call = (load<u32>(csd, 4) & abi.CSD_CALL) != 0;
  if (!call) logEvent(m, cpu, abi.EV_CSD_RUN, 0, initiatorOf(csd), 0);
  if (!call && (hdr(m, abi.H_OPTIONS) & abi.OPT_INLINE) == 0) {
    ctx.r0 = <u64>(initiatorOf(csd) + 1);
  } else {
    ctx.r0 = call ? CALL_KEPT : 0;
    ctx.r1 = load<u64>(csd, CSD_MM); // and the generation
    ctx.r2 = load<u64>(csd, CSD_START);
    ctx.r3 = load<u64>(csd, CSD_END);
    ctx.r4 = load<u32>(csd, CSD_FLAGS);
  }
  // Linux's async_func_in_progress: only flushes are of interest.
  if (!call) cpuAt(m, cpu).reached = 1;
}

/**
 * Is a flush pending that was acknowledged: one that is kept, or the next one in the list? Those
 * that were acknowledged come first there, whatever calls are between them.
 */
function isPending<F>(m: usize, ctx: Ctx): bool {
  if (ctx.r0 != CALL_KEPT && (ctx.r0 | ctx.r1) != 0) return true;
  for (let id = ctx.list; id != 0; id = get32<F>(csdAt(m, id - 1))) {
    const owner = load<u32>(csdAt(m, id - 1), 4);
    if ((owner & abi.CSD_CALL) == 0) return (owner & abi.CSD_ACKED) != 0;
  }
  return false;
}

/** A call's user access, if this CPU is in its mm at all. */
function call<F>(m: usize, cpu: u32, vpn: u64, write: bool): void {
  if (cpuAt(m, cpu).lazy == 0) cpuAccess<F>(m, cpu, vpn, write);
}

/** CSD_RUN_REACHED */
export function csdRunReached<F>(m: usize, cpu: u32, ctx: Ctx): void {
  if (ctx.r0 == CALL_KEPT) {
    call<F>(m, cpu, ctx.r2, <u32>ctx.r1 != 0);
  } else if (ctx.r0 != 0) {
    flushFunc<F>(m, cpu, cpuAt(m, <u32>ctx.r0 - 1), false);
  } else {
    flushRequest<F>(m, cpu, <u32>ctx.r1, <u32>(ctx.r1 >> 32), ctx.r2, ctx.r3, <u32>ctx.r4, false);
  }
  ctx.r0 = 0;
  ctx.r1 = 0;
  ctx.r2 = 0;
  ctx.r3 = 0;
  ctx.r4 = 0;
  const row = cpuAt(m, cpu);
  if (row.reached != 0) row.reached = isPending<F>(m, ctx) ? 1 : 0;
}

/** How much longer the target's line takes to come back, from another socket. `id`: of the csd. */
// @ts-ignore: decorator
@inline
export function ackSurcharge(m: usize, id: u32, initiator: u32): u32 {
  if (hdr(m, abi.H_SOCKET_CPUS) == 0) return 0;
  return surcharge(m, id % hdr(m, abi.H_CPUS), initiator, abi.COST_ACK_REMOTE);
}

/** `initiator` need not wait for this csd any longer; it learns so from `time` on. */
// @ts-ignore: decorator
@inline
export function acknowledge<F>(m: usize, csd: usize, initiator: u32, time: u64): void {
  const left = sub32<F>(word(cpuAt(m, initiator), offsetof<Cpu>("waitCount")), 1) - 1;
  acked<F>(m, initiator, <u32>(csd + 4 - m), time, left == 0);
}

/**
 * CSD_ACK: acknowledges the oldest entry, or `all` that were taken. They stay locked; until the
 * last of them is done with, flushes are pending that nobody waits for.
 */
export function csdAck<F>(m: usize, cpu: u32, ctx: Ctx, clock: Clock, all: bool): void {
  for (let id = ctx.list; id != 0; id = get32<F>(csdAt(m, id - 1))) {
    const csd = csdAt(m, id - 1);
    const owner = load<u32>(csd, 4);
    if ((owner & abi.CSD_ACKED) == 0) {
      cpuAt(m, cpu).reached = 1;
      put32<F>(csd + 4, owner | abi.CSD_ACKED);
      const initiator = (owner & abi.CSD_OWNER) - 1;
      const crossing = ackSurcharge(m, id - 1, initiator);
      acknowledge<F>(m, csd, initiator, clock.now + clock.charge + crossing);
    }
    if (!all) return;
  }
}

/** Target: unlocks the oldest entry; the initiator may go on once its last one is unlocked. */
// @ts-ignore: decorator
@inline
export function csdUnlock<F>(m: usize, cpu: Cpu, ctx: Ctx, clock: Clock): void {
  const id = ctx.list - 1;
  const csd = csdAt(m, id);
  const owner = load<u32>(csd, 4);
  const initiator = (owner & abi.CSD_OWNER) - 1;
  const time = clock.now + clock.charge + ackSurcharge(m, id, initiator);
  ctx.list = get32<F>(csd);
  put32<F>(csd, 0);
  if (hdr(m, abi.H_CSD_STRIDE) != abi.CSD_BYTES) {
    memory.fill(csd + CSD_MM, 0, abi.CSD_WIDE_BYTES - abi.CSD_BYTES);
  }
  put32<F>(csd + 4, 0);
  ctx.flag = ctx.list != 0 ? 1 : 0;
  if (cpu.reached != 0) cpu.reached = isPending<F>(m, ctx) ? 1 : 0;
  if ((owner & abi.CSD_ACKED) != 0) {
    unlocked<F>(m, initiator, <u32>(csd + 4 - m), time);
  } else {
    acknowledge<F>(m, csd, initiator, time);
  }
}
