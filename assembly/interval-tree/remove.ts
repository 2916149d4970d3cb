/**
 * Removal by handle, from the leaf up: empty nodes go, small ones join a neighbour, and bounds are
 * narrowed as far as they change.
 */
import { adopt, copySlot } from "./insert";
import {
  countOf, find32, freeNode, H_COUNT, H_FREE_HANDLE, H_LEVELS, H_ROOT, H_VERSION, handleAt, idOf,
  largestLast, lastOf, nodeAt, O_COUNT, O_HANDLE, O_LEVEL, O_PARENT, O_REF, parentOf, refOf,
  setWord, shiftDown, slot64, word,
} from "./node";

/** A node with fewer entries looks for a neighbour to join … */
const FEW: u32 = 5;
/** … if together they have at most this many: room for a few insertions before the next split. */
const JOINED: u32 = 12;

// @ts-ignore: decorator
@inline
function closeSlot(n: usize, i: u32): void {
  const count = countOf(n);
  shiftDown(n, i, count);
  store<u32>(n, count - 1, O_COUNT);
}

/** Moves everything of the child in slot `i + 1` of `p` to the one in slot `i`, if it fits. */
function join(t: usize, p: usize, i: u32): bool {
  const a = nodeAt(t, refOf(p, i));
  const b = nodeAt(t, refOf(p, i + 1));
  const n = countOf(a);
  const more = countOf(b);
  if (n + more > JOINED) return false;
  for (let k: u32 = 0; k < more; k++) copySlot(b, k, a, n + k);
  store<u32>(a, n + more, O_COUNT);
  adopt(t, a, n, n + more);
  freeNode(t, b);
  closeSlot(p, i + 1);
  store<i64>(slot64(p, i), largestLast(a));
  return true;
}

/** Mends `n`, which has lost an entry that ended at `gone`, and what is above it. */
function mend(t: usize, leaf: usize, gone: i64): void {
  let n = leaf;
  for (;;) {
    const parent = parentOf(n);
    if (parent == 0) return;
    const p = nodeAt(t, parent);
    const i = find32(p + O_REF, idOf(t, n));
    const count = countOf(n);
    if (count == 0) {
      freeNode(t, n);
      closeSlot(p, i);
    } else if (count < FEW &&
        ((i + 1 < countOf(p) && join(t, p, i)) || (i > 0 && join(t, p, i - 1)))) {
      // The bounds of the joined one are right already; those above may not be.
    } else {
      if (lastOf(p, i) != gone) return;
      const largest = largestLast(n);
      if (largest == gone) return;
      store<i64>(slot64(p, i), largest);
    }
    n = p;
  }
}

/** An inner root with one child is not needed; one with none becomes a leaf. */
function lowerRoot(t: usize): void {
  let root = nodeAt(t, word(t, H_ROOT));
  while (word(t, H_LEVELS) > 1 && countOf(root) < 2) {
    if (countOf(root) == 0) {
      store<u32>(root, 0, O_LEVEL);
      setWord(t, H_LEVELS, 1);
      return;
    }
    const child = refOf(root, 0);
    freeNode(t, root);
    setWord(t, H_ROOT, child);
    setWord(t, H_LEVELS, word(t, H_LEVELS) - 1);
    root = nodeAt(t, child);
    store<u32>(root, 0, O_PARENT);
  }
}

/** Takes handle slot `handle` out of the tree; the slot stays in use. The entry's value. */
export function detach(t: usize, handle: u32): u32 {
  const n = nodeAt(t, load<u32>(handleAt(t, handle)));
  const i = find32(n + O_HANDLE, handle);
  const gone = lastOf(n, i);
  const value = refOf(n, i);
  closeSlot(n, i);
  mend(t, n, gone);
  lowerRoot(t);
  setWord(t, H_COUNT, word(t, H_COUNT) - 1);
  setWord(t, H_VERSION, word(t, H_VERSION) + 1);
  return value;
}

/** Gives a handle slot that is in no leaf back, to be used again under another generation. */
export function freeHandle(t: usize, handle: u32): void {
  const row = handleAt(t, handle);
  store<u32>(row, word(t, H_FREE_HANDLE));
  store<u32>(row, load<u32>(row, 4) + 1, 4);
  setWord(t, H_FREE_HANDLE, handle + 1);
}

/** Removes an entry; its handle slot may be used again, under another generation. */
export function remove(t: usize, handle: u32): void {
  detach(t, handle);
  freeHandle(t, handle);
}
