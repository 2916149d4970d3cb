/**
 * Many at a time. `n` f64 starts at `at`, lasts LASTS behind; both become i64 in place.
 *
 * One by one, operations would wait for memory, though their paths do not depend on each other: so
 * those of a whole group are gone down level by level, and the lines that will be written are read,
 * before the first operation of the group is done.
 */
import { F64_BITS, F64_UNIT, fromF64, toF64 } from "../f64";
import { appendEntry, begin, finish } from "./bulk";
import { treeSlot } from "./exports";
import { attach, attachAt, hasRoom, newHandle, nodesLeft } from "./insert";
import {
  H_HANDLE_CAP, H_HANDLES, H_LEVELS, H_NODES, H_ROOT, H_SHAPE, handleAt, LASTS, maskBelow, nodeAt,
  O_START, PAGES, refOf, SLOT_MASK, word,
} from "./node";
import { detach, remove } from "./remove";
import { sortStarts } from "./sort";
import { ALL, firstOf, leavesOf, scanFrom } from "./search";

/** Operations whose reads are under way at once: what they write fits the second cache. */
const GROUP: u32 = 64;
/** From so many levels on, paths are looked for group by group. */
const DEEP: u32 = 3;
/** Nodes that the caches next to a CPU hold anyway: a tree of so many needs no reading ahead. */
const NEAR_NODES: u32 = 1024;
/** In a handle's row: named by the batch that is being checked. */
const NAMED: u32 = 0x80000000;

/** Index of the first pair that holds what is no interval of whole pages below 2^52, or n. */
export function treeCheckBatch(at: usize, n: u32): u32 {
  const zero = f64x2.splat(0);
  const limit = f64x2.splat(<f64>PAGES);
  for (let i: u32 = 0; i < n; i += 2) {
    const start = v128.load(at + ((<usize>i) << 3));
    const last = v128.load(at + ((<usize>i) << 3), LASTS);
    const whole = v128.and(f64x2.eq(start, f64x2.floor(start)), f64x2.eq(last, f64x2.floor(last)));
    const order = v128.and(f64x2.ge(start, zero), f64x2.le(start, last));
    if (!i64x2.all_true(v128.and(v128.and(whole, order), f64x2.lt(last, limit)))) return i;
  }
  return n;
}

function toPages(at: usize, n: u32): void {
  const unit = f64x2.splat(F64_UNIT);
  const bits = i64x2.splat(F64_BITS);
  // The window holds an even number.
  for (let i: u32 = 0; i < n; i += 2) {
    const p = at + ((<usize>i) << 3);
    v128.store(p, v128.xor(f64x2.add(v128.load(p), unit), bits));
    v128.store(p, v128.xor(f64x2.add(v128.load(p, LASTS), unit), bits), LASTS);
  }
}

/** Slot of the i-th of the handles at `handles`, none of which is stale. */
// @ts-ignore: decorator
@inline
function slotAt(handles: usize, i: u32): u32 {
  return <u32>fromF64(load<f64>(handles + ((<usize>i) << 3))) & SLOT_MASK;
}

/** Eight bytes of result each at `out`: handle of the first overlap, or -1. */
export function treeFirstBatch(t: usize, at: usize, n: u32, out: usize): void {
  toPages(at, n);
  leavesOf(t, at, n, out);
  for (let i: u32 = 0; i < n; i++) {
    const p = at + ((<usize>i) << 3);
    const to = out + ((<usize>i) << 3);
    store<f64>(to, firstOf(load<u32>(to), load<i64>(p), load<i64>(p, LASTS)));
  }
}

/** Eight bytes of result each at `out`: how many overlap. */
export function treeCountBatch(t: usize, at: usize, n: u32, out: usize): void {
  toPages(at, n);
  leavesOf(t, at, n, out);
  for (let i: u32 = 0; i < n; i++) {
    const p = at + ((<usize>i) << 3);
    const to = out + ((<usize>i) << 3);
    const leaf = <usize>load<u32>(to);
    let count: u32 = 0;
    if (leaf != 0) count = scanFrom(t, leaf, ALL, load<i64>(p), load<i64>(p, LASTS), 0, 0, false);
    store<f64>(to, toF64(count));
  }
}

/**
 * Handles of all overlaps of each, one query behind the other, f64 at `out` (`room` of them); how
 * many of each, u32 at `counts`. Stops before a query whose answer may not fit; how many were done.
 * `leaves`: scratch of 8 n bytes.
 */
export function treeAllBatch(
  t: usize, at: usize, n: u32, leaves: usize, counts: usize, out: usize, room: u32,
): u32 {
  toPages(at, n);
  leavesOf(t, at, n, leaves);
  let left = room;
  let to = out;
  for (let i: u32 = 0; i < n; i++) {
    const p = at + ((<usize>i) << 3);
    const leaf = <usize>load<u32>(leaves + ((<usize>i) << 3));
    let count: u32 = 0;
    if (leaf != 0) {
      count = scanFrom(t, leaf, ALL, load<i64>(p), load<i64>(p, LASTS), to, left, false);
      if (count == left) return i;
    }
    store<u32>(counts + ((<usize>i) << 2), count);
    to += (<usize>count) << 3;
    left -= count;
  }
  return n;
}

/** For each of `n` starts (i64 at `at`) the leaf it belongs into, u32 at every eighth byte. */
function homesOf(t: usize, at: usize, n: u32, out: usize): void {
  const root = nodeAt(t, word(t, H_ROOT));
  for (let k: u32 = 0; k < n; k++) store<u32>(out + ((<usize>k) << 3), <u32>root);
  for (let level = word(t, H_LEVELS); level > 1; level--) {
    for (let k: u32 = 0; k < n; k++) {
      const p = out + ((<usize>k) << 3);
      const node = <usize>load<u32>(p);
      const x = i64x2.splat(load<i64>(at + ((<usize>k) << 3)) + 1);
      const before = popcnt<u32>(maskBelow(node + O_START, x));
      store<u32>(p, <u32>nodeAt(t, refOf(node, before - <u32>(before != 0))));
    }
  }
}

/** Reads every line of a node. What it returns only keeps the reads from being left out. */
// @ts-ignore: decorator
@inline
function lines(n: usize): u32 {
  return load<u32>(n) + load<u32>(n, 64) + load<u32>(n, 128) + load<u32>(n, 192) +
    load<u32>(n, 256) + load<u32>(n, 320) + load<u32>(n, 384) + load<u32>(n, 448);
}

/** Reads the leaves at every eighth byte of `homes` ahead; kept behind them. */
function readAhead(n: u32, homes: usize): void {
  let sum: u32 = 0;
  for (let k: u32 = 0; k < n; k++) sum += lines(load<u32>(homes + ((<usize>k) << 3)));
  store<u32>(homes + ((<usize>GROUP) << 3), sum);
}

/** Reads the leaves of the entries whose handles are f64 at `handles` ahead. */
function readAheadOf(t: usize, handles: usize, n: u32, scratch: usize): void {
  for (let k: u32 = 0; k < n; k++) {
    const slot = slotAt(handles, k);
    store<u32>(scratch + ((<usize>k) << 3), <u32>nodeAt(t, load<u32>(handleAt(t, slot))));
  }
  readAhead(n, scratch);
}

/** Nodes that `n` entries may need at most while they are put in one by one. */
export function treeNodesForMore(t: usize, n: u32): u32 {
  return 2 * n + word(t, H_LEVELS) + 1;
}

/**
 * Builds a tree from its first entries: intervals in any order, u32 values at `values`, handles to
 * `out`, f64 each. The tree must be empty and have room for nodesFor(n) nodes and `n` handles.
 * `scratch`: 8 n + 256 bytes.
 */
export function treeBuildBatch(
  t: usize, at: usize, n: u32, values: usize, out: usize, scratch: usize,
): void {
  toPages(at, n);
  const other = scratch + ((<usize>n) << 2);
  const order = sortStarts(at, n, scratch, other, other + ((<usize>n) << 2));
  begin(t);
  for (let k: u32 = 0; k < n; k++) {
    const i = load<u32>(order + ((<usize>k) << 2));
    const p = at + ((<usize>i) << 3);
    const value = load<u32>(values + ((<usize>i) << 2));
    const handle = appendEntry(t, load<i64>(p), load<i64>(p, LASTS), value);
    store<f64>(out + ((<usize>i) << 3), handle);
  }
  finish(t);
}

/**
 * Inserts until there is no room; u32 values at `values`, handles to `out`, f64 each. Returns how
 * many were inserted. `homes`: scratch of 8 (GROUP + 1) bytes.
 */
export function treeInsertBatch(
  t: usize, at: usize, n: u32, values: usize, out: usize, homes: usize,
): u32 {
  toPages(at, n);
  for (let from: u32 = 0; from < n; from += GROUP) {
    const most = min<u32>(GROUP, n - from);
    const start = at + ((<usize>from) << 3);
    const room = nodesLeft(t) >= treeNodesForMore(t, most) &&
      word(t, H_HANDLE_CAP) - word(t, H_HANDLES) >= most;
    const shape = word(t, H_SHAPE);
    const deep = word(t, H_LEVELS) >= DEEP;
    if (deep) homesOf(t, start, most, homes);
    if (word(t, H_NODES) > NEAR_NODES) readAhead(most, homes);
    for (let k: u32 = 0; k < most; k++) {
      if (!room && !hasRoom(t)) return from + k;
      const p = start + ((<usize>k) << 3);
      const value = load<u32>(values + ((<usize>(from + k)) << 2));
      const slot = newHandle(t);
      const handle = deep
        ? attachAt(t, load<u32>(homes + ((<usize>k) << 3)), shape, slot, load<i64>(p),
          load<i64>(p, LASTS), value)
        : attach(t, slot, load<i64>(p), load<i64>(p, LASTS), value, true);
      store<f64>(out + ((<usize>(from + k)) << 3), handle);
    }
  }
  return n;
}

/**
 * Moves the entries with handles f64 at `handles` to the intervals, one after the other. There must
 * be room: treeNodesForMore. `homes`: scratch of 8 (GROUP + 1) bytes.
 */
export function treeMoveBatch(t: usize, at: usize, n: u32, handles: usize, homes: usize): void {
  toPages(at, n);
  for (let from: u32 = 0; from < n; from += GROUP) {
    const most = min<u32>(GROUP, n - from);
    const start = at + ((<usize>from) << 3);
    const names = handles + ((<usize>from) << 3);
    const shape = word(t, H_SHAPE);
    const deep = word(t, H_LEVELS) >= DEEP;
    const far = word(t, H_NODES) > NEAR_NODES;
    if (far) readAheadOf(t, names, most, homes);
    if (deep) homesOf(t, start, most, homes);
    if (far) readAhead(most, homes);
    for (let k: u32 = 0; k < most; k++) {
      const p = start + ((<usize>k) << 3);
      const slot = slotAt(names, k);
      const value = detach(t, slot);
      if (deep) {
        const home = <usize>load<u32>(homes + ((<usize>k) << 3));
        attachAt(t, home, shape, slot, load<i64>(p), load<i64>(p, LASTS), value);
      } else {
        attach(t, slot, load<i64>(p), load<i64>(p, LASTS), value, true);
      }
    }
  }
}

/** Index of the first of `n` f64 handles that is stale, or n. */
export function treeCheckHandles(t: usize, handles: usize, n: u32): u32 {
  for (let i: u32 = 0; i < n; i++) {
    if (treeSlot(t, load<f64>(handles + ((<usize>i) << 3))) < 0) return i;
  }
  return n;
}

/** As treeCheckHandles, or the first that was named before; those before it are named from now. */
export function treeName(t: usize, handles: usize, n: u32): u32 {
  for (let i: u32 = 0; i < n; i++) {
    const slot = treeSlot(t, load<f64>(handles + ((<usize>i) << 3)));
    if (slot < 0) return i;
    const row = handleAt(t, slot);
    const leaf = load<u32>(row);
    if ((leaf & NAMED) != 0) return i;
    store<u32>(row, leaf | NAMED);
  }
  return n;
}

/** Takes back treeName for the first `n`. */
export function treeUnname(t: usize, handles: usize, n: u32): void {
  for (let i: u32 = 0; i < n; i++) {
    const row = handleAt(t, slotAt(handles, i));
    store<u32>(row, load<u32>(row) & ~NAMED);
  }
}

/** Removes entries by their handles, f64 each, none of which may be stale or named twice. */
export function treeRemoveBatch(t: usize, handles: usize, n: u32, scratch: usize): void {
  const far = word(t, H_NODES) > NEAR_NODES;
  for (let from: u32 = 0; from < n; from += GROUP) {
    const most = min<u32>(GROUP, n - from);
    const names = handles + ((<usize>from) << 3);
    if (far) readAheadOf(t, names, most, scratch);
    for (let k: u32 = 0; k < most; k++) {
      remove(t, slotAt(names, k));
    }
  }
}
