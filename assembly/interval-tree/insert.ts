/**
 * Insertion, from the top down: a full node on the way is split before it is entered, so its parent
 * always has a free slot, and the bounds above the new entry are widened in passing.
 */
import {
  clearSlots, countOf, FAN, H_COUNT, H_FREE_HANDLE, H_FREE_NODES, H_HANDLE_CAP, H_HANDLES,
  H_LEVELS, H_NODE_CAP, H_NODES, H_ROOT, H_VERSION, handleAt, handleNumber, handleOf, idOf, isFull,
  largestLast, lastOf, maskLe, newNode, nodeAt, O_COUNT, O_GENERATION, O_HANDLE, O_LEVEL, O_PARENT,
  O_REF, O_START, refOf, setWord, shiftUp, slot32, slot64, startOf, word,
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
  const x = i64x2.splat(start);
  let n = nodeAt(t, word(t, H_ROOT));
  while (load<u32>(n, O_LEVEL) != 0) {
    const before = popcnt<u32>(maskLe(n + O_START, x));
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

/**
 * Splits the full child in slot `i` of `p`, which has a free slot; the new one comes behind it.
 * Ascending insertion leaves the left one nearly full.
 */
function split(t: usize, p: usize, i: u32, c: usize, start: i64): usize {
  const ascends = i + 1 == countOf(p) && start >= startOf(c, FAN - 1);
  const keep: u32 = ascends ? FAN - 2 : FAN / 2;
  const r = newNode(t, load<u32>(c, O_LEVEL));
  for (let k = keep; k < FAN; k++) copySlot(c, k, r, k - keep);
  clearSlots(c, keep);
  store<u32>(c, keep, O_COUNT);
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

/**
 * Puts handle slot `handle` into the tree, which must have room (hasRoomToMove, or else fits and
 * not `splits`). The handle as the host sees it.
 */
export function attach(
  t: usize, handle: u32, start: i64, last: i64, value: u32, splits: bool,
): f64 {
  const x = i64x2.splat(start);
  let n = nodeAt(t, word(t, H_ROOT));
  if (splits && isFull(n)) n = raiseRoot(t);
  for (let level = load<u32>(n, O_LEVEL); level > 0; level--) {
    const before = popcnt<u32>(maskLe(n + O_START, x));
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
  const i = popcnt<u32>(maskLe(n + O_START, x));
  openSlot(n, i);
  store<i64>(slot64(n, i), last);
  store<i64>(slot64(n, i), start, O_START);
  store<u32>(slot32(n, i), value, O_REF);
  store<u32>(slot32(n, i), handle, O_HANDLE);
  const row = handleAt(t, handle);
  store<u32>(slot32(n, i), load<u32>(row, 4), O_GENERATION);
  store<u32>(row, idOf(t, n));
  setWord(t, H_COUNT, word(t, H_COUNT) + 1);
  setWord(t, H_VERSION, word(t, H_VERSION) + 1);
  return handleNumber(n, i);
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
