/**
 * Shootdowns over per-CPU call queues, after shootdown.md 1.3 and 1.4.
 *
 * One csd per (initiator, target): {next u32, owner u32}; owner is the initiator + 1 while it is
 * locked, 0 while it is free. FREE -> LOCKED when queued by the
 * initiator, FREE again when the target has run it. A target's queue is a LIFO that it takes whole
 * and reverses. An initiator waits on its own count of locked csd, which targets decrement.
 * A second request to a target whose csd is still locked waits: back-pressure, depth one per pair.
 * Invariant `CsdConserved`: Cpu.waitCount is the number of its locked csd.
 */
import * as abi from "../src/core/abi";
import { cas32, get32, or32, Plain, put32, sub32, add32, swap32 } from "./atomics";
import { charge } from "./charge";
import { logEvent, LOG_SLACK } from "./log";
import {
  bump, clockAt, cost, count, countersAt, cpuAt, csdAt, hdr, setHdr, ipiSet, maskAt,
} from "./machine";
import { maskNext } from "./mask";
import { Clock, Cpu, Ctx } from "./rows";
import { surcharge } from "./sockets";
import { acked, after, blocked, wakeByIpi } from "./wake";

// @ts-ignore: decorator
@inline
function word(cpu: Cpu, offset: usize): usize {
  return changetype<usize>(cpu) + offset;
}

/** Linux's tlb_is_not_lazy and should_flush_tlb: does this target need to be told? */
function shouldFlush<F>(m: usize, target: Cpu, info: Cpu): bool {
  const options = hdr(m, abi.H_OPTIONS);
  if ((info.infoFlags & abi.INFO_FREED) != 0) return true;
  if ((options & abi.OPT_LAZY_SKIP) != 0 && get32<F>(word(target, offsetof<Cpu>("lazy"))) != 0) {
    return false;
  }
  const loaded = get32<F>(word(target, offsetof<Cpu>("loadedMm")));
  // A CPU in the middle of a switch may have read the old generation already (CVE-2025-37964).
  if (loaded == abi.LOADED_SWITCHING) return (options & abi.OPT_SKIP_SWITCHING) == 0;
  if (loaded == info.infoMm) return true;
  return (info.infoFlags & abi.INFO_TRIM) != 0;
}

/** Queues the next target. F = there may be more; ST_WAIT while its csd is still locked. */
export function csdSend<F>(m: usize, self: u32, ctx: Ctx): i32 {
  const row = cpuAt(m, self);
  if (row.infoMm == 0) return abi.ST_BAD_PROGRAM;
  const clock = clockAt(m, self);
  const status = sendNext<F>(m, self, ctx, row, clock, countersAt(m, self),
    maskAt(m, row.infoMm - 1), hdr(m, abi.H_MASK_WORDS));
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
    if (!shouldFlush<F>(m, to, row)) {
      filtered++;
      continue;
    }
    const id = self * hdr(m, abi.H_CPUS) + target;
    const csd = csdAt(m, id);
    if (get32<F>(csd + 4) != 0) return blocked(m, self, <u32>(csd + 4 - m));
    put32<F>(csd + 4, self + 1);
    add32<F>(word(row, offsetof<Cpu>("waitCount")), 1);
    const queue = word(to, offsetof<Cpu>("queue"));
    let head = get32<F>(queue);
    for (;;) {
      put32<F>(csd, head);
      if (cas32<F>(queue, head, id + 1)) break;
      head = get32<F>(queue);
    }
    if (head == 0) or32<u32>(ipiSet(m, row) + ((target >> 5) << 2), 1 << (target & 31));
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
  const mask = maskAt(m, row.infoMm - 1);
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

/** Interrupts every CPU of the IPI set. In the timed driver it arrives after COST_DELIVER. */
export function ipiSend<F>(m: usize, self: u32): void {
  const row = cpuAt(m, self);
  const words = hdr(m, abi.H_MASK_WORDS);
  const set = ipiSet(m, row);
  let next = maskNext<u32>(set, words, 0);
  if (next < 0) return;
  charge(m, self, abi.COST_IPI, 1);
  const arrival = after(m, self, abi.COST_DELIVER);
  const near = hdr(m, abi.H_SOCKET_CPUS) == 0;
  let n: u32 = 0;
  for (; next >= 0; next = maskNext<u32>(set, words, <u32>next + 1)) {
    put32<F>(word(cpuAt(m, next), offsetof<Cpu>("ipiPending")), 1);
    const crossing = near ? 0 : surcharge(m, self, <u32>next, abi.COST_DELIVER_REMOTE);
    wakeByIpi<F>(m, next, arrival + crossing);
    n++;
  }
  for (let w: u32 = 0; w < words; w++) store<u32>(set + (w << 2), 0);
  count(m, self, abi.CT_IPI, n);
  logEvent(m, self, abi.EV_IPI, 0, n, 0);
}

/** Target: takes the whole queue; afterwards ctx.list is oldest first. */
// @ts-ignore: decorator
@inline
export function csqTake<F>(m: usize, row: Cpu, ctx: Ctx): void {
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

/**
 * Target: the initiator of the oldest entry, whose info is the request (a pointer payload). Under
 * a mutant that does not wait, the request may be over before its target reads it.
 */
// @ts-ignore: decorator
@inline
export function csdInfo(m: usize, ctx: Ctx): Cpu {
  return cpuAt(m, load<u32>(csdAt(m, ctx.list - 1), 4) - 1);
}

/** Target: unlocks the oldest entry; the initiator may go on once its last one is unlocked. */
// @ts-ignore: decorator
@inline
export function csdUnlock<F>(m: usize, ctx: Ctx, clock: Clock): void {
  const id = ctx.list - 1;
  const csd = csdAt(m, id);
  const initiator = load<u32>(csd, 4) - 1;
  const crossing = hdr(m, abi.H_SOCKET_CPUS) == 0 ? 0
    : surcharge(m, id % hdr(m, abi.H_CPUS), initiator, abi.COST_ACK_REMOTE);
  ctx.list = get32<F>(csd);
  put32<F>(csd, 0);
  put32<F>(csd + 4, 0);
  ctx.flag = ctx.list != 0 ? 1 : 0;
  const left = sub32<F>(word(cpuAt(m, initiator), offsetof<Cpu>("waitCount")), 1) - 1;
  const at = clock.now + clock.charge + crossing;
  acked<F>(m, initiator, <u32>(csd + 4 - m), at, left == 0);
}
