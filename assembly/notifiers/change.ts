/**
 * Subscribing, and what owners do with a subscriber: remove, put off, move, replace, find
 * (notifiers.md 1.6 and 1.7). Where Linux never merged it, `posted` is what version 6 of the series
 * does and the rest what its reviewers asked for.
 */
import { setWord, word } from "../interval-tree/node";
import {
  F_LEAVING, F_LISTED, F_MOVED, F_PLACED, F_RELEASES, flagsOf, isOdd, N_ACTIVE, N_COUNT,
  N_DEFERRED, N_SEQ, R_LAST, R_NEW_LAST, R_NEW_START, R_NEXT, R_OPS, R_SEQ, R_START, rowAt,
  setFlags,
} from "./rows";
import { list, relist, retire, unlist } from "./deferred";
import { displace, nextHit, overlaps, place, takeRow } from "./table";

export const DONE: i32 = 0;
/** It is done when the sequence has changed. */
export const LATER: i32 = 1;

/**
 * Stamps a row that becomes visible, or changes, now. During a bracket nobody knows which ranges
 * are being invalidated, so it must be assumed that this one is: the sequence turns odd, and the
 * stamp makes readers wait.
 */
function stamp(base: usize, row: u32): void {
  const r = rowAt(base, row);
  if (word(base, N_ACTIVE) == 0) {
    store<u32>(r, word(base, N_SEQ) - 1, R_SEQ);
    return;
  }
  setWord(base, N_SEQ, word(base, N_SEQ) | 1);
  store<u32>(r, word(base, N_SEQ), R_SEQ);
}

/** Adds a subscriber for [start, last]; its row. There must be room. */
export function insert(base: usize, start: i64, last: i64, ops: u32): u32 {
  const waits = isOdd(base);
  const row = takeRow(base, start, last, ops);
  stamp(base, row);
  if (waits) list(base, row, flagsOf(base, row));
  else place(base, row);
  return row;
}

function leave(base: usize, row: u32, releases: bool): void {
  setFlags(base, row, flagsOf(base, row) | F_LEAVING | (releases ? F_RELEASES : 0));
  setWord(base, N_COUNT, word(base, N_COUNT) - 1);
}

/**
 * Takes a subscriber out: at once, or LATER, when the brackets that are open have ended. With
 * `releases` its release is due then; else whoever asked waits for the sequence to change.
 */
export function remove(base: usize, row: u32, releases: bool): i32 {
  leave(base, row, releases);
  const flags = flagsOf(base, row);
  if (!isOdd(base)) {
    displace(base, row);
    retire(base, row);
    return DONE;
  }
  if ((flags & F_PLACED) == 0) {
    unlist(base, row);
    retire(base, row);
    return DONE;
  }
  // A move that waits becomes a removal.
  if ((flags & F_LISTED) != 0) relist(base, row, flags & ~F_MOVED);
  else list(base, row, flags);
  return LATER;
}

function setInterval(base: usize, row: u32, start: i64, last: i64): void {
  const r = rowAt(base, row);
  store<i64>(r, start, R_START);
  store<i64>(r, last, R_LAST);
}

/**
 * Gives a subscriber another interval. LATER: walks find the old one until the brackets that are
 * open have ended; the last one who asks wins.
 *
 * `posted`: readers do not wait, and during a bracket that has hit nobody the tree changes under
 * it. An interval that grows into what a bracket is invalidating is missed (S24).
 */
export function update(base: usize, row: u32, start: i64, last: i64, posted: bool): i32 {
  const r = rowAt(base, row);
  const flags = flagsOf(base, row);
  if (!isOdd(base)) {
    displace(base, row);
    setInterval(base, row, start, last);
    if (!posted && word(base, N_ACTIVE) != 0) stamp(base, row);
    place(base, row);
    return DONE;
  }
  if (!posted) stamp(base, row);
  if ((flags & F_PLACED) == 0) {
    setInterval(base, row, start, last);
    return LATER;
  }
  store<i64>(r, start, R_NEW_START);
  store<i64>(r, last, R_NEW_LAST);
  if ((flags & F_LISTED) != 0) relist(base, row, flags | F_MOVED);
  else list(base, row, flags | F_MOVED);
  return LATER;
}

/** Does what waits for a row leave it in the tree, and where? `r` overlaps as it will then be. */
function willOverlap(base: usize, row: u32, start: i64, last: i64): bool {
  const r = rowAt(base, row);
  const flags = flagsOf(base, row);
  if ((flags & F_LEAVING) != 0) return false;
  if ((flags & F_MOVED) == 0) return overlaps(r, start, last);
  return load<i64>(r, R_NEW_START) <= last && load<i64>(r, R_NEW_LAST) >= start;
}

/**
 * Row + 1 of a subscriber with callbacks `ops` whose interval overlaps [start, last], 0: none. The
 * first in the tree that stays there; else the newest that will be.
 *
 * `posted`: the first in the tree, even if it is about to be released (S25).
 */
export function find(base: usize, ops: u32, start: i64, last: i64, posted: bool): u32 {
  for (let at = nextHit(base, 0, start, last); at != 0; at = nextHit(base, at, start, last)) {
    if (load<u32>(rowAt(base, at - 1), R_OPS) != ops) continue;
    if (posted || willOverlap(base, at - 1, start, last)) return at;
  }
  if (posted) return 0;
  let at = word(base, N_DEFERRED);
  for (; at != 0; at = load<u32>(rowAt(base, at - 1), R_NEXT)) {
    if (load<u32>(rowAt(base, at - 1), R_OPS) != ops) continue;
    if (willOverlap(base, at - 1, start, last)) return at;
  }
  return 0;
}
