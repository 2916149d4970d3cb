/**
 * Shootdowns by messages (Barrelfish; shootdown.md P19): no interrupts, every CPU polls. A message
 * is a csd in its target's queue, as long as nobody has answered it. Messages go along a tree of
 * two levels: the initiator tells the targets of its own node and one target of every other node,
 * its leader, which tells the others there (CSD_FORWARD). A leader answers when it has flushed and
 * all of those have answered it: owner's bits from CSD_OPEN on count who has not, itself included.
 * Until then its csd is in nobody's list; whoever answers last puts it back into its queue.
 *
 * Explored machines poll any time, timed ones every COST_MSG_POLL ns. As an interrupt, a poll does
 * not happen with interrupts off.
 */
import * as abi from "../src/core/abi";
import { add32, get32, isShared, or32, put32, sub32 } from "./atomics";
import { requestMask } from "./batched";
import { acknowledge, ackSurcharge, csdUnlock, push, shouldFlush } from "./call-queue";
import { charge, chargeNs } from "./charge";
import { logEvent } from "./log";
import { clockAt, cost, count, cpuAt, csdAt, hdr, ipiSet } from "./machine";
import { maskHas, maskNext } from "./mask";
import { Cpu, Ctx } from "./rows";
import { isTold } from "./sharers";
import { surcharge } from "./sockets";
import { after, blocked, unlocked, wakeByIpi } from "./wake";

// @ts-ignore: decorator
@inline
function nodeOf(m: usize, cpu: u32): u32 {
  return cpu / hdr(m, abi.H_NODE_CPUS);
}

/** csd of the request of `initiator` at `target`, as an id. */
// @ts-ignore: decorator
@inline
function idOf(m: usize, initiator: u32, target: u32): u32 {
  return initiator * hdr(m, abi.H_CPUS) + target;
}

/** `target` will see, at its next poll, what `self` has put into its queue. */
function ring<F>(m: usize, self: u32, target: u32): void {
  put32<F>(changetype<usize>(cpuAt(m, target)) + offsetof<Cpu>("ipiPending"), 1);
  if (isShared<F>() || hdr(m, abi.H_OFF_HEAP) == 0) return;
  const period = max<u64>(1, cost(m, abi.COST_MSG_POLL));
  const arrival = after(m, self, abi.COST_HOP) +
    surcharge(m, self, target, abi.COST_DELIVER_REMOTE);
  wakeByIpi<F>(m, target, (arrival + period - 1) / period * period);
}

/** Does the request of `initiator` concern this CPU? */
function concerns<F>(m: usize, initiator: u32, info: Cpu, target: u32): bool {
  const to = cpuAt(m, target);
  return target != initiator && to.online != 0 && shouldFlush<F>(m, to, info) &&
    isTold<F>(m, initiator, target);
}

/** What writing one message costs `self`. */
function payFor(m: usize, self: u32, target: u32): void {
  charge(m, self, abi.COST_MESSAGE, 1);
  chargeNs(m, self, surcharge(m, self, target, abi.COST_CSD_REMOTE));
  count(m, self, abi.CT_CSD, 1);
  logEvent(m, self, abi.EV_CSD_QUEUE, 0, target, 0);
}

/** MSG_SEND: the next target that the initiator tells itself. F = there may be more. */
export function messageSend<F>(m: usize, self: u32, ctx: Ctx): i32 {
  const row = cpuAt(m, self);
  if (row.infoMm == 0) return abi.ST_BAD_PROGRAM;
  const mask = requestMask(m, row);
  const words = hdr(m, abi.H_MASK_WORDS);
  let filtered: u32 = 0;
  for (let i = maskNext<F>(mask, words, ctx.cursor); i >= 0;
    i = maskNext<F>(mask, words, <u32>i + 1)) {
    const target = <u32>i;
    if (!concerns<F>(m, self, row, target)) {
      if (target != self && cpuAt(m, target).online != 0) filtered++;
      continue;
    }
    const id = idOf(m, self, target);
    const csd = csdAt(m, id);
    if (get32<F>(csd + 4) != 0) return blocked(m, self, <u32>(csd + 4 - m));
    const node = nodeOf(m, target);
    const far = node != nodeOf(m, self);
    put32<F>(csd + 4, (self + 1) | (far ? abi.CSD_FORWARD | abi.CSD_OPEN : 0));
    add32<F>(changetype<usize>(row) + offsetof<Cpu>("waitCount"), 1);
    if (push<F>(cpuAt(m, target), csd, id)) {
      or32<u32>(ipiSet(m, row) + ((target >> 5) << 2), 1 << (target & 31));
    } else {
      count(m, self, abi.CT_COALESCED, 1);
    }
    payFor(m, self, target);
    count(m, self, abi.CT_FILTERED, filtered);
    // The rest of another node is its leader's business.
    ctx.cursor = <u16>(far ? (node + 1) * hdr(m, abi.H_NODE_CPUS) : target + 1);
    ctx.flag = 1;
    return abi.ST_OK;
  }
  count(m, self, abi.CT_FILTERED, filtered);
  ctx.cursor = 0;
  ctx.flag = 0;
  return abi.ST_OK;
}

/** MSG_POST: those who were told see it at their next poll. */
export function messagePost<F>(m: usize, self: u32): void {
  const set = ipiSet(m, cpuAt(m, self));
  const words = hdr(m, abi.H_MASK_WORDS);
  for (let i = maskNext<u32>(set, words, 0); i >= 0; i = maskNext<u32>(set, words, <u32>i + 1)) {
    ring<F>(m, self, <u32>i);
  }
  for (let w: u32 = 0; w < words; w++) store<u32>(set + (w << 2), 0);
}

/** MSG_FRESH: F = the first entry is a request, not one of a leader that everybody has answered. */
export function messageFresh<F>(m: usize, ctx: Ctx): void {
  const owner = get32<F>(csdAt(m, ctx.list - 1) + 4);
  ctx.flag = (owner & abi.CSD_FORWARD) == 0 || owner >= <u32>abi.CSD_OPEN ? 1 : 0;
}

/** MSG_FORWARD: a leader tells the next CPU of its node. F = there may be more. */
export function messageForward<F>(m: usize, cpu: u32, ctx: Ctx): void {
  const own = csdAt(m, ctx.list - 1);
  const owner = get32<F>(own + 4);
  const initiator = (owner & abi.CSD_OWNER) - 1;
  const info = cpuAt(m, initiator);
  const size = hdr(m, abi.H_NODE_CPUS);
  const end = min<u32>((nodeOf(m, cpu) + 1) * size, hdr(m, abi.H_CPUS));
  const isOver = (owner & abi.CSD_FORWARD) == 0 || info.infoMm == 0;
  for (let i = max<u32>(ctx.cursor, nodeOf(m, cpu) * size); !isOver && i < end; i++) {
    if (i == cpu || !maskHas<F>(requestMask(m, info), i)) continue;
    if (!concerns<F>(m, initiator, info, i)) continue;
    const id = idOf(m, initiator, i);
    const csd = csdAt(m, id);
    // A mutant's initiator has gone on: the last message is still unread, and will be read as this.
    if (get32<F>(csd + 4) != 0) continue;
    put32<F>(csd + 4, (initiator + 1) | abi.CSD_ACKED);
    add32<F>(own + 4, abi.CSD_OPEN);
    if (push<F>(cpuAt(m, i), csd, id)) ring<F>(m, cpu, i);
    else count(m, cpu, abi.CT_COALESCED, 1);
    payFor(m, cpu, i);
    ctx.cursor = <u16>(i + 1);
    ctx.flag = 1;
    return;
  }
  ctx.cursor = 0;
  ctx.flag = 0;
}

/** The csd is free, and the initiator told so. */
function answer<F>(m: usize, cpu: u32, id: u32, initiator: u32): void {
  const csd = csdAt(m, id);
  const clock = clockAt(m, cpu);
  put32<F>(csd + 4, 0);
  acknowledge<F>(m, csd, initiator,
    clock.now + clock.charge + ackSurcharge(m, id, initiator));
}

/** Of `cpu`'s node: who was told by the initiator, and told `cpu`. -1: nobody (any more). */
function leaderOf<F>(m: usize, cpu: u32, initiator: u32): i32 {
  const size = hdr(m, abi.H_NODE_CPUS);
  const end = min<u32>((nodeOf(m, cpu) + 1) * size, hdr(m, abi.H_CPUS));
  for (let i = nodeOf(m, cpu) * size; i < end; i++) {
    const owner = get32<F>(csdAt(m, idOf(m, initiator, i)) + 4);
    if ((owner & abi.CSD_FORWARD) != 0) return <i32>i;
  }
  return -1;
}

/** One CPU less that the leader waits for, `cpu` says; whoever is the last lets it answer. */
function closeOne<F>(m: usize, cpu: u32, leader: u32, initiator: u32): void {
  const id = idOf(m, initiator, leader);
  const csd = csdAt(m, id);
  const open: u32 = abi.CSD_OPEN;
  if (sub32<F>(csd + 4, open) - open >= open) return;
  // The leader is the last itself, or polls no more: an offline CPU's queue is not looked at.
  if (leader == cpu || cpuAt(m, leader).online == 0) {
    answer<F>(m, cpu, id, initiator);
    return;
  }
  payFor(m, cpu, leader);
  if (push<F>(cpuAt(m, leader), csd, id)) ring<F>(m, cpu, leader);
}

/**
 * MSG_REPLY: the oldest entry is done with here. F = more. `early`: a mutant's leader answers
 * before those it has told.
 */
export function messageReply<F>(m: usize, cpu: u32, ctx: Ctx, early: bool): void {
  const id = ctx.list - 1;
  const csd = csdAt(m, id);
  const owner = get32<F>(csd + 4);
  const initiator = (owner & abi.CSD_OWNER) - 1;
  if ((owner & abi.CSD_CALL) != 0) {
    csdUnlock<F>(m, cpuAt(m, cpu), ctx, clockAt(m, cpu));
    return;
  }
  ctx.list = get32<F>(csd);
  ctx.flag = ctx.list != 0 ? 1 : 0;
  put32<F>(csd, 0);
  const forwards = (owner & abi.CSD_FORWARD) != 0;
  if (forwards && !early && owner >= <u32>abi.CSD_OPEN) {
    closeOne<F>(m, cpu, cpu, initiator);
    return;
  }
  if (forwards || (owner & abi.CSD_ACKED) == 0) {
    answer<F>(m, cpu, id, initiator);
    return;
  }
  put32<F>(csd + 4, 0);
  unlocked<F>(m, initiator, <u32>(csd + 4 - m), clockAt(m, cpu).now + clockAt(m, cpu).charge);
  const leader = early ? -1 : leaderOf<F>(m, cpu, initiator);
  if (leader >= 0) closeOne<F>(m, cpu, <u32>leader, initiator);
}
