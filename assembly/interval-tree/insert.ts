/**
 * Insertion, from the top down: a full node on the way is split before it is entered, so its parent
 * always has a free slot, and the bounds above the new entry are widened in passing.
 */
import {
  clearSlots, countOf, EMPTY_LAST, EMPTY_START, FAN, find32, H_COUNT, H_FREE_HANDLE, H_FREE_NODES,
  H_HANDLE_CAP, H_HANDLES, H_LEVELS, H_NODE_CAP, H_NODES, H_ROOT, H_VERSION, handleAt,
  handleOfSlot, handleOf, idOf, isFull, largestLast, lastOf, maskBelow, newNode, nodeAt, O_COUNT,
  O_GENERATION, O_HANDLE, O_LEVEL, O_PARENT, O_REF, O_STAMP, O_START, parentOf, refOf, reshape,
  setWord, shiftUp, slot32, slot64, startOf, word,
} from "./node";

/** Nodes an insertion may need: one a level, and a new root. */
// @ts-ignore: decorator
@inline
function nodesToInsert(t: usize): u32 {
  return word(t, H_LEVELS) + 1;
}

/** Nodes that are not in use. */
export function nodesLeft(t: usize): u32 {
  return word(t, H_NODE_CAP) - word(t, H_NODES) + word(t, H_FREE_NODES);
}

/** Can one more entry be inserted without growing? */
// @ts-ignore: decorator
@inline
export function hasRoom(t: usize): bool {
  const handle = word(t, H_FREE_HANDLE) != 0 || word(t, H_HANDLES) < word(t, H_HANDLE_CAP);
  return handle && nodesLeft(t) >= nodesToInsert(t);
}

/** Can one that starts at `start` be inserted without a new node? Its leaf must have room. */
export function fits(t: usize, start: i64): bool {
  if (word(t, H_FREE_HANDLE) == 0 && word(t, H_HANDLES) == word(t, H_HANDLE_CAP)) return false;
  const x = i64x2.splat(start + 1);
  let n = nodeAt(t, word(t, H_ROOT));
  while (load<u32>(n, O_LEVEL) != 0) {
    const before = popcnt<u32>(maskBelow(n + O_START, x));
    n = nodeAt(t, refOf(n, before == 0 ? 0 : before - 1));
  }
  return !isFull(n);
}

/** Can an entry be taken out and put in elsewhere without growing? */
export function hasRoomToMove(t: usize): bool {
  return nodesLeft(t) >= nodesToInsert(t);
}

/** Copies slot `i` of a leaf or inner node to slot `k` of another of the same level. */
// @ts-ignore: decorator
@inline
export function copySlot(from: usize, i: u32, to: usize, k: u32): void {
  store<i64>(slot64(to, k), lastOf(from, i));
  store<i64>(slot64(to, k), startOf(from, i), O_START);
  store<u32>(slot32(to, k), refOf(from, i), O_REF);
  store<u32>(slot32(to, k), handleOf(from, i), O_HANDLE);
  store<u32>(slot32(to, k), load<u32>(slot32(from, i), O_GENERATION), O_GENERATION);
}

/** Makes slot `i` free by moving those behind it; counts it in. */
// @ts-ignore: decorator
@inline
function openSlot(n: usize, i: u32): void {
  const count = countOf(n);
  shiftUp(n, i, count);
  store<u32>(n, count + 1, O_COUNT);
}

/** Tells entries or children in slots [from, to) of `n` that they are in `n` now. */
export function adopt(t: usize, n: usize, from: u32, to: u32): void {
  const id = idOf(t, n);
  const leaf = load<u32>(n, O_LEVEL) == 0;
  for (let i = from; i < to; i++) {
    if (leaf) store<u32>(handleAt(t, handleOf(n, i)), id);
    else store<u32>(nodeAt(t, refOf(n, i)), id, O_PARENT);
  }
}

/** Writes child `c` into slot `i` of inner node `p`. */
export function setChild(t: usize, p: usize, i: u32, c: usize): void {
  store<i64>(slot64(p, i), largestLast(c));
  store<i64>(slot64(p, i), startOf(c, 0), O_START);
  store<u32>(slot32(p, i), idOf(t, c), O_REF);
  store<u32>(slot32(p, i), 0, O_HANDLE);
  store<u32>(slot32(p, i), 0, O_GENERATION);
  store<u32>(c, idOf(t, p), O_PARENT);
}

/** Moves the upper half of the slots of `c` to the lower half of those of `r`, which is empty. */
function halve(c: usize, r: usize): void {
  const noLast = i64x2.splat(EMPTY_LAST);
  const noStart = i64x2.splat(EMPTY_START);
  const zero = i64x2.splat(0);
  for (let k: usize = 0; k < 64; k += 16) {
    v128.store(r + k, v128.load(c + k, 64));
    v128.store(c + k, noLast, 64);
    v128.store(r + k, v128.load(c + k, O_START + 64), O_START);
    v128.store(c + k, noStart, O_START + 64);
  }
  for (let k: usize = 0; k < 32; k += 16) {
    v128.store(r + k, v128.load(c + k, O_REF + 32), O_REF);
    v128.store(c + k, zero, O_REF + 32);
    v128.store(r + k, v128.load(c + k, O_HANDLE + 32), O_HANDLE);
    v128.store(c + k, zero, O_HANDLE + 32);
    v128.store(r + k, v128.load(c + k, O_GENERATION + 32), O_GENERATION);
    v128.store(c + k, zero, O_GENERATION + 32);
  }
}

/**
 * Splits the full child in slot `i` of `p`, which has a free slot; the new one comes behind it.
 * Ascending insertion leaves the left one nearly full.
 */
function split(t: usize, p: usize, i: u32, c: usize, start: i64): usize {
  const ascends = i + 1 == countOf(p) && start >= startOf(c, FAN - 1);
  const keep: u32 = ascends ? FAN - 2 : FAN / 2;
  const r = newNode(t, load<u32>(c, O_LEVEL));
  if (ascends) {
    for (let k = keep; k < FAN; k++) copySlot(c, k, r, k - keep);
    clearSlots(c, keep);
  } else {
    halve(c, r);
  }
  store<u32>(c, keep, O_COUNT);
  reshape(t, c);
  store<u32>(r, FAN - keep, O_COUNT);
  adopt(t, r, 0, FAN - keep);
  openSlot(p, i + 1);
  store<i64>(slot64(p, i), largestLast(c));
  setChild(t, p, i + 1, r);
  return r;
}

/** Puts a new root over the old one. */
function raiseRoot(t: usize): usize {
  const old = nodeAt(t, word(t, H_ROOT));
  const levels = word(t, H_LEVELS);
  const root = newNode(t, levels);
  store<u32>(root, 1, O_COUNT);
  setChild(t, root, 0, old);
  setWord(t, H_ROOT, idOf(t, root));
  setWord(t, H_LEVELS, levels + 1);
  return root;
}

/** Puts an entry into its leaf, which has a free slot. The handle as the host sees it. */
// @ts-ignore: decorator
@inline
function place(t: usize, n: usize, handle: u32, start: i64, last: i64, value: u32): f64 {
  const i = popcnt<u32>(maskBelow(n + O_START, i64x2.splat(start + 1)));
  openSlot(n, i);
  store<i64>(slot64(n, i), last);
  store<i64>(slot64(n, i), start, O_START);
  store<u32>(slot32(n, i), value, O_REF);
  store<u32>(slot32(n, i), handle, O_HANDLE);
  const row = handleAt(t, handle);
  const generation = load<u32>(row, 4);
  store<u32>(slot32(n, i), generation, O_GENERATION);
  store<u32>(row, idOf(t, n));
  setWord(t, H_COUNT, word(t, H_COUNT) + 1);
  setWord(t, H_VERSION, word(t, H_VERSION) + 1);
  return handleOfSlot(generation, handle);
}

/** Widens the bounds above `n`, which got an entry [start, last], as far as they change. */
function widenAbove(t: usize, n: usize, start: i64, last: i64): void {
  let c = n;
  for (;;) {
    const parent = parentOf(c);
    if (parent == 0) return;
    const p = nodeAt(t, parent);
    const at = slot64(p, find32(p + O_REF, idOf(t, c)));
    if (load<i64>(at) >= last && load<i64>(at, O_START) <= start) return;
    if (load<i64>(at) < last) store<i64>(at, last);
    if (load<i64>(at, O_START) > start) store<i64>(at, start, O_START);
    c = p;
  }
}

/**
 * Puts handle slot `handle` into the tree, which must have room (hasRoomToMove, or else fits and
 * not `splits`). The handle as the host sees it.
 */
export function attach(
  t: usize, handle: u32, start: i64, last: i64, value: u32, splits: bool,
): f64 {
  const x = i64x2.splat(start + 1);
  let n = nodeAt(t, word(t, H_ROOT));
  if (splits && isFull(n)) n = raiseRoot(t);
  for (let level = load<u32>(n, O_LEVEL); level > 0; level--) {
    const before = popcnt<u32>(maskBelow(n + O_START, x));
    let i = before == 0 ? 0 : before - 1;
    let c = nodeAt(t, refOf(n, i));
    if (splits && isFull(c)) {
      const r = split(t, n, i, c, start);
      if (start >= startOf(r, 0)) {
        c = r;
        i++;
      }
    }
    const at = slot64(n, i);
    if (load<i64>(at) < last) store<i64>(at, last);
    if (load<i64>(at, O_START) > start) store<i64>(at, start, O_START);
    n = c;
  }
  return place(t, n, handle, start, last, value);
}

/**
 * As attach, for an entry whose leaf was `home` when the shape was `shape`. If it still is and has
 * a free slot, nothing is searched for.
 */
export function attachAt(
  t: usize, home: usize, shape: u32, handle: u32, start: i64, last: i64, value: u32,
): f64 {
  if (<i32>(load<u32>(home, O_STAMP) - shape) > 0 || isFull(home)) {
    return attach(t, handle, start, last, value, true);
  }
  widenAbove(t, home, start, last);
  return place(t, home, handle, start, last, value);
}

/** A handle slot under a new generation, an odd one. There must be room. */
export function newHandle(t: usize): u32 {
  const free = word(t, H_FREE_HANDLE);
  if (free != 0) {
    const row = handleAt(t, free - 1);
    setWord(t, H_FREE_HANDLE, load<u32>(row));
    store<u32>(row, load<u32>(row, 4) + 1, 4);
    return free - 1;
  }
  const slot = word(t, H_HANDLES);
  setWord(t, H_HANDLES, slot + 1);
  store<u64>(handleAt(t, slot), (<u64>1) << 32);
  return slot;
}

/** Inserts an entry; its handle as the host sees it. As attach, and a handle must be free. */
export function insert(t: usize, start: i64, last: i64, value: u32, splits: bool): f64 {
  return attach(t, newHandle(t), start, last, value, splits);
}
