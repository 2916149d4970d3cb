/**
 * Waking actors. Only the timed driver queues and parks: exploration tries every actor in every
 * state, and worker threads spin over their CPUs. So this is a no-op without a heap, and in the
 * shared form it is not even compiled.
 *
 * Two queues, each a binary heap of u64 keys time << ACTOR_BITS | actor (ties go to the lower
 * actor on every machine): the run queue, and the interrupt queue of CPUs that have an interrupt to
 * take or a handler to finish. Handlers of different CPUs never affect each other, so a handler may
 * run on as long as nothing in the *run* queue is earlier: with one queue, 63 targets of one
 * shootdown would take turns at every micro-op.
 *
 * Entries are never moved: an actor that is queued again, earlier, leaves a stale entry behind,
 * recognised because it is not the actor's `queuedAt` (or `irqQueuedAt`).
 */
import * as abi from "../src/core/abi";
import { isShared } from "./atomics";
import { clockAt, cost, hdr, setHdr } from "./machine";
import { Clock } from "./rows";

export const ACTOR_BITS: u64 = 11;
export const NOT_QUEUED: u64 = u64.MAX_VALUE;
/** Key of an empty queue: later than every real one. */
export const NOTHING: u64 = u64.MAX_VALUE;

// @ts-ignore: decorator
@inline
function heapOf(m: usize, len: i32): usize {
  const base = m + hdr(m, abi.H_OFF_HEAP);
  return len == abi.H_HEAP_LEN ? base : base + ((<usize>hdr(m, abi.H_ACTORS)) << 5);
}

// @ts-ignore: decorator
@inline
function keyAt(heap: usize, i: u32): usize {
  return heap + ((<usize>i) << 3);
}

function push(m: usize, len: i32, key: u64): void {
  const heap = heapOf(m, len);
  let i = hdr(m, len);
  setHdr(m, len, i + 1);
  while (i > 0) {
    const parent = (i - 1) >>> 1;
    const above = load<u64>(keyAt(heap, parent));
    if (above <= key) break;
    store<u64>(keyAt(heap, i), above);
    i = parent;
  }
  store<u64>(keyAt(heap, i), key);
}

/** Removes the earliest key of the queue whose length is in header word `len`. */
export function heapPop(m: usize, len: i32): void {
  const heap = heapOf(m, len);
  const n = hdr(m, len) - 1;
  setHdr(m, len, n);
  if (n == 0) return;
  const key = load<u64>(keyAt(heap, n));
  let i: u32 = 0;
  for (;;) {
    let child: u32 = 2 * i + 1;
    if (child >= n) break;
    let below = load<u64>(keyAt(heap, child));
    if (child + 1 < n) {
      const right = load<u64>(keyAt(heap, child + 1));
      if (right < below) {
        below = right;
        child++;
      }
    }
    if (key <= below) break;
    store<u64>(keyAt(heap, i), below);
    i = child;
  }
  store<u64>(keyAt(heap, i), key);
}

// @ts-ignore: decorator
@inline
function placeOf(clock: Clock, len: i32): u64 {
  return len == abi.H_HEAP_LEN ? clock.queuedAt : clock.irqQueuedAt;
}

/** The earliest key that is not stale, or NOTHING. */
export function heapTop(m: usize, len: i32): u64 {
  while (hdr(m, len) != 0) {
    const key = load<u64>(heapOf(m, len));
    const clock = clockAt(m, <u32>(key & ((1 << ACTOR_BITS) - 1)));
    if (placeOf(clock, len) == key >> ACTOR_BITS) return key;
    heapPop(m, len);
  }
  return NOTHING;
}

/** Drops stale entries; needed only when they pile up faster than time passes. */
function compact(m: usize, len: i32): void {
  const heap = heapOf(m, len);
  const n = hdr(m, len);
  setHdr(m, len, 0);
  for (let i: u32 = 0; i < n; i++) {
    const key = load<u64>(keyAt(heap, i));
    const clock = clockAt(m, <u32>(key & ((1 << ACTOR_BITS) - 1)));
    if (placeOf(clock, len) == key >> ACTOR_BITS) push(m, len, key);
  }
}

// @ts-ignore: decorator
@inline
function pushActor(m: usize, len: i32, actor: u32, time: u64): void {
  // Four places an actor: room for stale entries.
  if (hdr(m, len) == hdr(m, abi.H_ACTORS) << 2) compact(m, len);
  push(m, len, (time << ACTOR_BITS) | actor);
}

/** Queues `actor` to run at `time`, unless it is queued earlier already. */
export function queueActor(m: usize, actor: u32, time: u64): void {
  const clock = clockAt(m, actor);
  if (clock.queuedAt <= time) return;
  clock.queuedAt = time;
  pushActor(m, abi.H_HEAP_LEN, actor, time);
}

/** Queues `actor` for its interrupt, or for the rest of its handler. */
export function queueIrq(m: usize, actor: u32, time: u64): void {
  const clock = clockAt(m, actor);
  if (clock.irqQueuedAt <= time) return;
  clock.irqQueuedAt = time;
  pushActor(m, abi.H_IRQ_LEN, actor, time);
}

// @ts-ignore: decorator
@inline
export function later(a: u64, b: u64): u64 {
  return a > b ? a : b;
}

/** When the step under way of `self` ends, plus a latency. */
// @ts-ignore: decorator
@inline
function after(m: usize, self: u32, latency: i32): u64 {
  const clock = clockAt(m, self);
  return clock.now + clock.charge + cost(m, latency);
}

function unpark(m: usize, clock: Clock): void {
  if (clock.waitKey == 0) return;
  clock.waitKey = 0;
  setHdr(m, abi.H_PARKED, hdr(m, abi.H_PARKED) - 1);
}

/**
 * One ack of `initiator`'s shootdown is on its way back. Handlers run ahead of each other, so the
 * last one executed need not be the latest: the time that counts is the maximum.
 */
export function ackReaches<F>(m: usize, self: u32, initiator: u32, last: bool): void {
  if (isShared<F>() || hdr(m, abi.H_OFF_HEAP) == 0) return;
  const clock = clockAt(m, initiator);
  clock.ackAt = later(clock.ackAt, after(m, self, abi.COST_ACK));
  if (!last || clock.waitKey == 0) return;
  unpark(m, clock);
  queueActor(m, initiator, later(clock.now, clock.ackAt));
}

/** An interrupt is on its way: the target notices it also while it is idle or parked. */
export function wakeByIpi<F>(m: usize, self: u32, target: u32): void {
  if (isShared<F>() || hdr(m, abi.H_OFF_HEAP) == 0) return;
  const clock = clockAt(m, target);
  clock.ipiAt = after(m, self, abi.COST_DELIVER);
  queueIrq(m, target, later(clock.now, clock.ipiAt));
}

/** Wakes everybody who waits for the word at `key` (its offset in the machine). */
export function wakeWaiters<F>(m: usize, self: u32, key: u32): void {
  if (isShared<F>() || hdr(m, abi.H_OFF_HEAP) == 0 || hdr(m, abi.H_PARKED) == 0) return;
  const n = hdr(m, abi.H_ACTORS);
  for (let i: u32 = 0; i < n; i++) {
    const clock = clockAt(m, i);
    if (clock.waitKey == key) {
      unpark(m, clock);
      queueActor(m, i, later(clock.now, after(m, self, abi.OP_NOP)));
    }
  }
}

/** As wakeWaiters, where only `actor` can be the one that waits. */
export function wakeIfWaiting<F>(m: usize, self: u32, actor: u32, key: u32): void {
  if (isShared<F>() || hdr(m, abi.H_OFF_HEAP) == 0) return;
  const clock = clockAt(m, actor);
  if (clock.waitKey != key) return;
  unpark(m, clock);
  queueActor(m, actor, later(clock.now, after(m, self, abi.OP_NOP)));
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
