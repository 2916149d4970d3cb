/**
 * Changes that wait: while the sequence is odd somebody may be walking the tree, so what is to be
 * added, taken out or moved is put on a list, the newest first, and happens when the last bracket
 * ends.
 */
import { setWord, word } from "../interval-tree/node";
import {
  F_LISTED, F_MOVED, F_PLACED, F_RELEASED, F_RELEASES, flagsOf, N_DEFERRED, N_RELEASED,
  N_RELEASED_LAST, N_WAITING, R_NEXT, R_PREV, rowAt, setFlags,
} from "./rows";
import { displace, giveRow, place, takeNewInterval } from "./table";

/** Will the change of a row need room in the tree? Additions and moves do. */
// @ts-ignore: decorator
@inline
function needsRoom(flags: u32): bool {
  return (flags & F_PLACED) == 0 || (flags & F_MOVED) != 0;
}

function setWaiting(base: usize, flags: u32, by: i32): void {
  if (needsRoom(flags)) setWord(base, N_WAITING, word(base, N_WAITING) + by);
}

/** Puts a row at the head of the list, its flags saying what for; it may not be on it. */
export function list(base: usize, row: u32, flags: u32): void {
  const r = rowAt(base, row);
  const head = word(base, N_DEFERRED);
  store<u32>(r, head, R_NEXT);
  if (head != 0) store<u32>(rowAt(base, head - 1), row + 1, R_PREV);
  setWord(base, N_DEFERRED, row + 1);
  setFlags(base, row, flags | F_LISTED);
  setWaiting(base, flags, 1);
}

/** Takes it off: nothing of it waits any more. */
export function unlist(base: usize, row: u32): void {
  const r = rowAt(base, row);
  const next = load<u32>(r, R_NEXT);
  const previous = load<u32>(r, R_PREV);
  if (previous == 0) setWord(base, N_DEFERRED, next);
  else store<u32>(rowAt(base, previous - 1), next, R_NEXT);
  if (next != 0) store<u32>(rowAt(base, next - 1), previous, R_PREV);
  store<u32>(r, 0, R_NEXT);
  store<u32>(r, 0, R_PREV);
  const flags = flagsOf(base, row);
  setFlags(base, row, flags & ~F_LISTED);
  setWaiting(base, flags, -1);
}

/** What waits for a listed row is something else from now on. */
export function relist(base: usize, row: u32, flags: u32): void {
  setWaiting(base, flagsOf(base, row), -1);
  setFlags(base, row, flags);
  setWaiting(base, flags, 1);
}

/** A row that is out: its release is due, or else it is free. */
export function retire(base: usize, row: u32): void {
  const flags = flagsOf(base, row);
  if ((flags & F_RELEASES) == 0) {
    giveRow(base, row);
    return;
  }
  setFlags(base, row, flags | F_RELEASED);
  const last = word(base, N_RELEASED_LAST);
  if (last == 0) setWord(base, N_RELEASED, row + 1);
  else store<u32>(rowAt(base, last - 1), row + 1, R_NEXT);
  setWord(base, N_RELEASED_LAST, row + 1);
}

/** The oldest row whose release is due, + 1, taken off that list but not given back; 0: none. */
export function nextReleased(base: usize): u32 {
  const at = word(base, N_RELEASED);
  if (at == 0) return 0;
  const r = rowAt(base, at - 1);
  const next = load<u32>(r, R_NEXT);
  setWord(base, N_RELEASED, next);
  if (next == 0) setWord(base, N_RELEASED_LAST, 0);
  store<u32>(r, 0, R_NEXT);
  return at;
}

/** Does all that waits, the newest first. The sequence is even again, and nobody walks. */
export function drain(base: usize): void {
  for (let at = word(base, N_DEFERRED); at != 0; at = word(base, N_DEFERRED)) {
    const row = at - 1;
    unlist(base, row);
    const flags = flagsOf(base, row);
    if ((flags & F_PLACED) == 0) {
      place(base, row);
      continue;
    }
    displace(base, row);
    if ((flags & F_MOVED) == 0) {
      retire(base, row);
      continue;
    }
    setFlags(base, row, flagsOf(base, row) & ~F_MOVED);
    takeNewInterval(base, row);
    place(base, row);
  }
}
