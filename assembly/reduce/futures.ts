/**
 * Futures: all that a context may read and write from a position on, as far as is known, while
 * somebody who does not move holds a set of locks. Kept by position and set:
 *
 *   {position u32, locks u32, reads, writes, locks written by who does not lock or unlock}
 */
import { opAt, readsOf, writesOf } from "./footprint";
import { keepsLockOrder, stopsAt } from "./locks";
import { mapAdd, mapClear } from "./maps";
import {
  FUTURE_BYTES, FUTURES_MOST, MAP_LOCKS, mapAt, mapBytes, positionAt, R_FUTURES,
  R_OFF_EDGES, R_OFF_FUTURE_SLOTS, R_OFF_FUTURES, R_OFF_STACK, R_STAMP, R_WORDS, rw, setRw,
} from "./memory";

// @ts-ignore: decorator
@inline
function futureAt(r: usize, i: u32): usize {
  return r + rw(r, R_OFF_FUTURES) + <usize>(i * (FUTURE_BYTES + 3 * mapBytes(r)));
}

// @ts-ignore: decorator
@inline
export function futureReads(f: usize): usize {
  return f + FUTURE_BYTES;
}

// @ts-ignore: decorator
@inline
export function futureWrites(r: usize, f: usize): usize {
  return f + FUTURE_BYTES + mapBytes(r);
}

// @ts-ignore: decorator
@inline
export function futureStray(r: usize, f: usize): usize {
  return f + FUTURE_BYTES + 2 * mapBytes(r);
}

/** Forgets all futures: they are worked out anew from what is known then. */
export function futuresClear(r: usize): void {
  const slots = r + rw(r, R_OFF_FUTURE_SLOTS);
  memory.fill(slots, 0, FUTURES_MOST * 2 * 4);
  setRw(r, R_FUTURES, 0);
}

/** map |= other & locks */
function addLocks(r: usize, to: usize, from: usize): void {
  const locks = mapAt(r, MAP_LOCKS);
  for (let i: usize = 0; i < mapBytes(r); i += 16) {
    const more = v128.and(v128.load(from + i), v128.load(locks + i));
    v128.store(to + i, v128.or(v128.load(to + i), more));
  }
}

function close(r: usize, m: usize, f: usize, position: u32, locks: u32): void {
  const words = rw(r, R_WORDS);
  const stack = r + rw(r, R_OFF_STACK);
  const edges = r + rw(r, R_OFF_EDGES);
  const stamp = rw(r, R_STAMP) + 1;
  setRw(r, R_STAMP, stamp);
  mapClear(futureReads(f), words);
  mapClear(futureWrites(r, f), words);
  mapClear(futureStray(r, f), words);
  let height: u32 = 1;
  store<u32>(stack, position);
  store<u32>(positionAt(r, position), stamp, 20);
  while (height != 0) {
    height--;
    const p = positionAt(r, load<u32>(stack + ((<usize>height) << 2)));
    mapAdd(futureReads(f), readsOf(p), words);
    mapAdd(futureWrites(r, f), writesOf(r, p), words);
    if (!keepsLockOrder(opAt(m, p))) addLocks(r, futureStray(r, f), writesOf(r, p));
    if (stopsAt(m, p, locks)) continue;
    for (let e = load<u32>(p, 16); e != 0;) {
      const at = edges + ((<usize>(e - 1)) << 3);
      const next = load<u32>(at);
      const q = positionAt(r, next);
      if (load<u32>(q, 20) != stamp) {
        store<u32>(q, stamp, 20);
        store<u32>(stack + ((<usize>height) << 2), next);
        height++;
      }
      e = load<u32>(at, 4);
    }
  }
}

/** The future of a position while `locks` are held. */
export function futureOf(r: usize, m: usize, position: u32, locks: u32): usize {
  if (rw(r, R_FUTURES) == FUTURES_MOST) futuresClear(r);
  const mask = FUTURES_MOST * 2 - 1;
  const slots = r + rw(r, R_OFF_FUTURE_SLOTS);
  let h = (position * 0x9e3779b1) ^ (locks * 0x85ebca6b);
  h ^= h >> 15;
  for (let i = h & mask; ; i = (i + 1) & mask) {
    const held = load<u32>(slots + ((<usize>i) << 2));
    if (held != 0) {
      const f = futureAt(r, held - 1);
      if (load<u32>(f) == position && load<u32>(f, 4) == locks) return f;
      continue;
    }
    const n = rw(r, R_FUTURES);
    setRw(r, R_FUTURES, n + 1);
    store<u32>(slots + ((<usize>i) << 2), n + 1);
    const f = futureAt(r, n);
    store<u32>(f, position);
    store<u32>(f, locks, 4);
    close(r, m, f, position, locks);
    return f;
  }
  return 0;
}
