/**
 * Waking parked actors. Only the timed driver parks: exploration tries every actor in every state,
 * and worker threads spin over their CPUs. So this is a no-op without a heap, and in the shared
 * form it is not even compiled.
 *
 * Heap: binary, of u64 keys time << ACTOR_BITS | actor, so ties go to the lower actor on every
 * machine. Entries are never moved: an actor that is queued again, earlier, leaves a stale entry
 * behind, recognised because it is not the actor's `queuedAt`.
 */
import * as abi from "../src/core/abi";
import { isShared } from "./atomics";
import { clockAt, cost, hdr, setHdr } from "./machine";
import { Clock } from "./rows";

export const ACTOR_BITS: u64 = 11;
export const NOT_QUEUED: u64 = u64.MAX_VALUE;

// @ts-ignore: decorator
@inline
function keyAt(heap: usize, i: u32): usize {
  return heap + ((<usize>i) << 3);
}

function push(m: usize, key: u64): void {
  const heap = m + hdr(m, abi.H_OFF_HEAP);
  let i = hdr(m, abi.H_HEAP_LEN);
  setHdr(m, abi.H_HEAP_LEN, i + 1);
  while (i > 0) {
    const parent = (i - 1) >>> 1;
    const above = load<u64>(keyAt(heap, parent));
    if (above <= key) break;
    store<u64>(keyAt(heap, i), above);
    i = parent;
  }
  store<u64>(keyAt(heap, i), key);
}

/** The earliest key; the heap must not be empty. */
// @ts-ignore: decorator
@inline
export function heapTop(m: usize): u64 {
  return load<u64>(m + hdr(m, abi.H_OFF_HEAP));
}

export function heapPop(m: usize): void {
  const heap = m + hdr(m, abi.H_OFF_HEAP);
  const n = hdr(m, abi.H_HEAP_LEN) - 1;
  setHdr(m, abi.H_HEAP_LEN, n);
  if (n == 0) return;
  const key = load<u64>(keyAt(heap, n));
  let i: u32 = 0;
  for (;;) {
    let child: u32 = 2 * i + 1;
    if (child >= n) break;
    if (child + 1 < n && load<u64>(keyAt(heap, child + 1)) < load<u64>(keyAt(heap, child))) child++;
    const below = load<u64>(keyAt(heap, child));
    if (key <= below) break;
    store<u64>(keyAt(heap, i), below);
    i = child;
  }
  store<u64>(keyAt(heap, i), key);
}

/** Drops stale entries; needed only when they pile up faster than time passes. */
function compact(m: usize): void {
  const heap = m + hdr(m, abi.H_OFF_HEAP);
  const n = hdr(m, abi.H_HEAP_LEN);
  setHdr(m, abi.H_HEAP_LEN, 0);
  for (let i: u32 = 0; i < n; i++) {
    const key = load<u64>(keyAt(heap, i));
    const actor = <u32>(key & ((1 << ACTOR_BITS) - 1));
    if (clockAt(m, actor).queuedAt == key >> ACTOR_BITS) push(m, key);
  }
}

/** Queues `actor` at `time`, unless it is queued earlier already. */
export function queueActor(m: usize, actor: u32, time: u64): void {
  const clock = clockAt(m, actor);
  if (clock.queuedAt <= time) return;
  // Four places an actor: room for stale entries.
  if (hdr(m, abi.H_HEAP_LEN) == hdr(m, abi.H_ACTORS) * 4) compact(m);
  clock.queuedAt = time;
  push(m, (time << ACTOR_BITS) | actor);
}

// @ts-ignore: decorator
@inline
function later(a: u64, b: u64): u64 {
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

/** What the actor waits for has happened; it sees it `latency` later. */
export function wakeActor<F>(m: usize, self: u32, actor: u32, latency: i32): void {
  if (isShared<F>() || hdr(m, abi.H_OFF_HEAP) == 0) return;
  const clock = clockAt(m, actor);
  if (clock.waitKey == 0) return;
  unpark(m, clock);
  queueActor(m, actor, later(clock.now, after(m, self, latency)));
}

/** An interrupt is on its way: the target notices it also while it is idle or parked. */
export function wakeByIpi<F>(m: usize, self: u32, target: u32): void {
  if (isShared<F>() || hdr(m, abi.H_OFF_HEAP) == 0) return;
  const clock = clockAt(m, target);
  clock.ipiAt = after(m, self, abi.COST_DELIVER);
  queueActor(m, target, later(clock.now, clock.ipiAt));
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

/** Parks `actor` until `key` is signalled. */
export function park(m: usize, actor: u32, key: u32): void {
  const clock = clockAt(m, actor);
  if (clock.waitKey == 0) setHdr(m, abi.H_PARKED, hdr(m, abi.H_PARKED) + 1);
  clock.waitKey = key == 0 ? 1 : key;
}

/** A parked actor that runs for another reason (an interrupt) is not parked any more. */
export function resume(m: usize, actor: u32): void {
  unpark(m, clockAt(m, actor));
}

/** The step cannot go on: says on which word it waits and returns ST_WAIT. */
export function blocked(m: usize, actor: u32, key: u32): i32 {
  clockAt(m, actor).wantKey = key;
  return abi.ST_WAIT;
}
