/**
 * Waking actors. Only the timed driver queues and parks: exploration tries every actor in every
 * state, and worker threads spin over their CPUs. So this is a no-op without queues, and in the
 * shared form it is not even compiled.
 */
import * as abi from "../src/core/abi";
import { isShared } from "./atomics";
import { clockAt, cost, cpuAt, hdr, setHdr } from "./machine";
import { queueActor, queueIrq } from "./queue";
import { Clock } from "./rows";

// @ts-ignore: decorator
@inline
export function later(a: u64, b: u64): u64 {
  return a > b ? a : b;
}

/** When the step under way of `self` ends, plus a latency. */
// @ts-ignore: decorator
@inline
export function after(m: usize, self: u32, latency: i32): u64 {
  const clock = clockAt(m, self);
  return clock.now + clock.charge + cost(m, latency);
}

function unpark(m: usize, clock: Clock): void {
  if (clock.waitKey == 0) return;
  clock.waitKey = 0;
  setHdr(m, abi.H_PARKED, hdr(m, abi.H_PARKED) - 1);
}

/**
 * At `time` a target unlocks the csd whose word is `key`: its ack is on the way to `initiator`.
 * Handlers run ahead of each other, so the last one executed need not be the latest: the time that
 * counts is the maximum. An initiator that waits for this very csd, to send again, goes on at once.
 */
// @ts-ignore: decorator
@inline
export function acked<F>(m: usize, initiator: u32, key: u32, time: u64, last: bool): void {
  if (isShared<F>() || hdr(m, abi.H_OFF_HEAP) == 0) return;
  const clock = clockAt(m, initiator);
  clock.ackAt = later(clock.ackAt, time + cost(m, abi.COST_ACK));
  const waitsFor = clock.waitKey;
  if (waitsFor == 0 || (waitsFor != key && !last)) return;
  unpark(m, clock);
  const from = waitsFor == key ? time + cost(m, abi.OP_NOP) : clock.ackAt;
  queueActor(m, initiator, later(clock.now, from));
}

/** As acked, for a csd whose initiator waits for it only if it wants to send again. */
export function unlocked<F>(m: usize, initiator: u32, key: u32, time: u64): void {
  if (isShared<F>() || hdr(m, abi.H_OFF_HEAP) == 0) return;
  const clock = clockAt(m, initiator);
  if (clock.waitKey != key) return;
  unpark(m, clock);
  queueActor(m, initiator, later(clock.now, time + cost(m, abi.OP_NOP)));
}

/** An interrupt arrives at `time`: the target notices it also while it is idle or parked. */
export function wakeByIpi<F>(m: usize, target: u32, time: u64): void {
  if (isShared<F>() || hdr(m, abi.H_OFF_HEAP) == 0) return;
  const clock = clockAt(m, target);
  clock.ipiAt = time;
  queueIrq(m, target, later(clock.now, time));
}

/**
 * A virtual CPU writes the ICR: it leaves its guest until `end`. Whatever has been posted to it by
 * then is taken before its next instruction.
 */
export function leaveGuest<F>(m: usize, self: u32, end: u64): void {
  if (isShared<F>() || hdr(m, abi.H_OFF_HEAP) == 0) return;
  const clock = clockAt(m, self);
  clock.exitEnd = end;
  if (cpuAt(m, self).ipiPending == 0 || clock.ipiAt <= end) return;
  const kick = cost(m, abi.COST_IPI) + cost(m, abi.COST_DELIVER) - cost(m, abi.COST_POST);
  if (clock.ipiAt - kick <= end) wakeByIpi<F>(m, self, end);
}

/** When an interrupt posted at `posted` is taken: at `arrival`, or as its target comes back. */
export function takenAt<F>(m: usize, target: u32, posted: u64, arrival: u64): u64 {
  if (isShared<F>() || hdr(m, abi.H_OFF_HEAP) == 0) return arrival;
  const end = clockAt(m, target).exitEnd;
  return posted <= end && end < arrival ? end : arrival;
}

/** Wakes everybody who waits for the word at `key` (its offset in the machine). */
export function wakeWaiters<F>(m: usize, self: u32, key: u32): void {
  if (isShared<F>() || hdr(m, abi.H_OFF_HEAP) == 0 || hdr(m, abi.H_PARKED) == 0) return;
  const own = clockAt(m, self);
  const n = hdr(m, abi.H_ACTORS);
  for (let i: u32 = 0; i < n; i++) {
    const clock = clockAt(m, i);
    if (clock.waitKey == key) {
      unpark(m, clock);
      const from = later(clock.now, after(m, self, abi.OP_NOP));
      queueActor(m, i, from);
      if (from < own.yieldAt) own.yieldAt = from;
    }
  }
}

/** Parks `actor` until `key` is signalled. */
export function park(m: usize, actor: u32, key: u32): void {
  const clock = clockAt(m, actor);
  if (clock.waitKey == 0) setHdr(m, abi.H_PARKED, hdr(m, abi.H_PARKED) + 1);
  clock.waitKey = key == 0 ? 1 : key;
}

/** A parked actor whose CPU switches to another task is not parked any more. */
export function resume(m: usize, actor: u32): void {
  unpark(m, clockAt(m, actor));
}

/** The step cannot go on: says on which word it waits and returns ST_WAIT. */
export function blocked(m: usize, actor: u32, key: u32): i32 {
  clockAt(m, actor).wantKey = key;
  return abi.ST_WAIT;
}
