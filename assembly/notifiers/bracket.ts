/**
 * Brackets (notifiers.md 1.4, 1.5), and the readers' side of the sequence (1.6).
 *
 *   t  bracket                            reader of an interval that it hits
 *   1  active 1, hit: sequence 2 -> 3
 *   2  callback: stamp 3
 *   3                                     readBegin: stamp 3 is the sequence: wait
 *   4  active 0: sequence 3 -> 4
 *   5                                     begins with 3; at its end the stamp must still be 3
 *
 * A reader whose interval nobody hit has an older stamp and does not wait, although the sequence is
 * odd. One that is added during a bracket gets the sequence as its stamp and waits: the bracket has
 * walked past it already.
 */
import { setWord, word } from "../interval-tree/node";
import { drain } from "./deferred";
import { isOdd, N_ACTIVE, N_SEQ, R_SEQ, rowAt } from "./rows";
import { nextHit, stampOf } from "./table";

/** bracketEnd without a bracket. */
export const UNBALANCED: i32 = -1;

/** A bracket opens over [start, last]: row + 1 of the first subscriber it hits, 0: nobody. */
export function bracketStart(base: usize, start: i64, last: i64): u32 {
  setWord(base, N_ACTIVE, word(base, N_ACTIVE) + 1);
  const hit = nextHit(base, 0, start, last);
  if (hit != 0) setWord(base, N_SEQ, word(base, N_SEQ) | 1);
  return hit;
}

/**
 * A bracket ends. 1: it was the last one of an odd period: what was deferred is done, releases are
 * due, and whoever waits for the sequence may go on. 0: not so. UNBALANCED: none was open.
 */
export function bracketEnd(base: usize): i32 {
  const active = word(base, N_ACTIVE);
  if (active == 0) return UNBALANCED;
  setWord(base, N_ACTIVE, active - 1);
  if (active != 1 || !isOdd(base)) return 0;
  setWord(base, N_SEQ, word(base, N_SEQ) + 1);
  drain(base);
  return 1;
}

/**
 * Whole brackets, one after the other, of which `hits` hit somebody, and nobody with a callback.
 * Between the two ends of each nobody can add, remove or read, so nothing waits for its end.
 */
export function bracketsPass(base: usize, hits: u32): void {
  if (hits == 0) return;
  if (word(base, N_ACTIVE) == 0) setWord(base, N_SEQ, word(base, N_SEQ) + 2 * hits);
  else setWord(base, N_SEQ, word(base, N_SEQ) | 1);
}

/** Must a reader that begins now wait until the sequence is another one? */
export function mustWait(base: usize, row: u32): bool {
  return stampOf(base, row) == word(base, N_SEQ);
}

/** A callback: readers of this interval that began before must start over. */
export function setStamp(base: usize, row: u32, seq: u32): void {
  store<u32>(rowAt(base, row), seq, R_SEQ);
}
