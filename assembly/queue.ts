/**
 * The timed driver's two queues of u64 keys, time << ACTOR_BITS | actor: the earliest first, ties
 * to the lower actor, on every machine. The run queue holds actors with a step to take; the
 * interrupt queue CPUs that have an interrupt to take or a handler to finish. Handlers of different
 * CPUs never affect each other, so a handler may run on as long as nothing in the *run* queue is
 * earlier: with one queue, 63 targets of one shootdown would take turns at every micro-op.
 *
 * The run queue is a binary heap. Interrupts mostly arrive in order, those of one shootdown all at
 * once: they are appended to a list, and only one that is earlier than the last goes to a heap.
 *
 * Entries are never moved: an actor that is queued again, earlier, leaves a stale entry behind,
 * recognised because it is not the actor's `queuedAt` (or `irqQueuedAt`). Each of the three has
 * room for four entries an actor.
 */
import * as abi from "../src/core/abi";
import { clockAt, hdr, setHdr } from "./machine";
import { Clock } from "./rows";

const ACTOR_BITS: u64 = 11;
const ACTOR_MASK: u64 = (1 << ACTOR_BITS) - 1;
export const NOT_QUEUED: u64 = u64.MAX_VALUE;
/** Key of an empty queue: later than every real one. */
export const NOTHING: u64 = u64.MAX_VALUE;

// @ts-ignore: decorator
@inline
export function actorOf(key: u64): u32 {
  return <u32>(key & ACTOR_MASK);
}

/** All-ones for NOTHING. */
// @ts-ignore: decorator
@inline
export function timeOf(key: u64): u64 {
  return key == NOTHING ? u64.MAX_VALUE : key >> ACTOR_BITS;
}

// @ts-ignore: decorator
@inline
function heapOf(m: usize, len: i32): usize {
  const base = m + hdr(m, abi.H_OFF_HEAP);
  return len == abi.H_HEAP_LEN ? base : base + ((<usize>hdr(m, abi.H_ACTORS)) << 5);
}

/** The list of interrupts that arrived in order: keys [H_IRQ_HEAD, H_IRQ_TAIL). */
// @ts-ignore: decorator
@inline
function arrivals(m: usize): usize {
  return m + hdr(m, abi.H_OFF_HEAP) + ((<usize>hdr(m, abi.H_ACTORS)) << 6);
}

// @ts-ignore: decorator
@inline
function keyAt(list: usize, i: u32): usize {
  return list + ((<usize>i) << 3);
}

// @ts-ignore: decorator
@inline
function placeOf(clock: Clock, len: i32): u64 {
  return len == abi.H_HEAP_LEN ? clock.queuedAt : clock.irqQueuedAt;
}

// @ts-ignore: decorator
@inline
function isStale(m: usize, len: i32, key: u64): bool {
  return placeOf(clockAt(m, actorOf(key)), len) != key >> ACTOR_BITS;
}

function pushKey(m: usize, len: i32, key: u64): void {
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

function popKey(m: usize, len: i32): void {
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

/** The earliest key of a heap that is not stale, or NOTHING. */
// @ts-ignore: decorator
@inline
function topKey(m: usize, len: i32): u64 {
  while (hdr(m, len) != 0) {
    const key = load<u64>(heapOf(m, len));
    if (!isStale(m, len, key)) return key;
    popKey(m, len);
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
    if (!isStale(m, len, key)) pushKey(m, len, key);
  }
}

function toHeap(m: usize, len: i32, key: u64): void {
  if (hdr(m, len) == hdr(m, abi.H_ACTORS) << 2) compact(m, len);
  pushKey(m, len, key);
}

/** Empties both queues. */
export function queuesInit(m: usize): void {
  const n = hdr(m, abi.H_ACTORS);
  for (let i: u32 = 0; i < n; i++) {
    clockAt(m, i).queuedAt = NOT_QUEUED;
    clockAt(m, i).irqQueuedAt = NOT_QUEUED;
  }
  setHdr(m, abi.H_HEAP_LEN, 0);
  setHdr(m, abi.H_IRQ_LEN, 0);
  setHdr(m, abi.H_IRQ_HEAD, 0);
  setHdr(m, abi.H_IRQ_TAIL, 0);
}

// ── run queue ──

/** Queues `actor` to run at `time`, unless it is queued earlier already. */
export function queueActor(m: usize, actor: u32, time: u64): void {
  const clock = clockAt(m, actor);
  if (clock.queuedAt <= time) return;
  clock.queuedAt = time;
  toHeap(m, abi.H_HEAP_LEN, (time << ACTOR_BITS) | actor);
}

/** The earliest key, or NOTHING. */
// @ts-ignore: decorator
@inline
export function nextToRun(m: usize): u64 {
  return topKey(m, abi.H_HEAP_LEN);
}

/** Takes the actor of the earliest key, which must be there, out of the queue. */
export function takeToRun(m: usize): void {
  clockAt(m, actorOf(load<u64>(heapOf(m, abi.H_HEAP_LEN)))).queuedAt = NOT_QUEUED;
  popKey(m, abi.H_HEAP_LEN);
}

// ── interrupt queue ──

/** Queues `actor` for its interrupt, or for the rest of its handler. */
export function queueIrq(m: usize, actor: u32, time: u64): void {
  const clock = clockAt(m, actor);
  if (clock.irqQueuedAt <= time) return;
  clock.irqQueuedAt = time;
  const key = (time << ACTOR_BITS) | actor;
  const list = arrivals(m);
  const tail = hdr(m, abi.H_IRQ_TAIL);
  const inOrder = tail == 0 || load<u64>(keyAt(list, tail - 1)) <= key;
  if (inOrder && tail < hdr(m, abi.H_ACTORS) << 2) {
    store<u64>(keyAt(list, tail), key);
    setHdr(m, abi.H_IRQ_TAIL, tail + 1);
  } else {
    toHeap(m, abi.H_IRQ_LEN, key);
  }
}

/** The earliest key, or NOTHING. */
// @ts-ignore: decorator
@inline
export function nextIrq(m: usize): u64 {
  const first = firstArrival(m);
  return hdr(m, abi.H_IRQ_LEN) == 0 ? first : min<u64>(first, topKey(m, abi.H_IRQ_LEN));
}

// @ts-ignore: decorator
@inline
function firstArrival(m: usize): u64 {
  const tail = hdr(m, abi.H_IRQ_TAIL);
  if (tail == 0) return NOTHING;
  const list = arrivals(m);
  for (let head = hdr(m, abi.H_IRQ_HEAD); head != tail; head++) {
    const key = load<u64>(keyAt(list, head));
    if (isStale(m, abi.H_IRQ_LEN, key)) continue;
    setHdr(m, abi.H_IRQ_HEAD, head);
    return key;
  }
  setHdr(m, abi.H_IRQ_HEAD, 0);
  setHdr(m, abi.H_IRQ_TAIL, 0);
  return NOTHING;
}

/** Takes `key`, which nextIrq has returned, out of the queue. */
// @ts-ignore: decorator
@inline
export function takeIrq(m: usize, key: u64): void {
  clockAt(m, actorOf(key)).irqQueuedAt = NOT_QUEUED;
  const head = hdr(m, abi.H_IRQ_HEAD);
  if (hdr(m, abi.H_IRQ_TAIL) != 0 && load<u64>(keyAt(arrivals(m), head)) == key) {
    setHdr(m, abi.H_IRQ_HEAD, head + 1);
  } else {
    popKey(m, abi.H_IRQ_LEN);
  }
}
