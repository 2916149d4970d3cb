/**
 * Fingerprints of states that differ from a known one in a few words: the sum of a 64-bit mix of
 * each word with its place. What one step has changed is found by comparing with the state that it
 * was taken from; only those words are mixed, and only their lines are copied back afterwards.
 */
import * as abi from "../src/core/abi";
import { copyState } from "./states";
import { setWord, word } from "./table-words";

const P1: u64 = 0x9e3779b185ebca87;
const P2: u64 = 0xc2b2ae3d27d4eb4f;
const P3: u64 = 0x165667b19e3779f9;

const LINE: usize = 64;
/** In X_LINES: nobody knows which have changed. */
const ALL_LINES: u32 = 0xffffffff;

// @ts-ignore: decorator
@inline
function changedAt(x: usize, i: u32): usize {
  return x + word(x, abi.X_OFF_LINES) + ((<usize>i) << 2);
}

// @ts-ignore: decorator
@inline
function mix(place: usize, value: u64, seed: u64): u64 {
  let h = (value ^ ((<u64>place + 8) * P1 + seed)) * P2;
  h = (h ^ (h >> 32)) * P3;
  return h ^ (h >> 29);
}

/** The sum of a whole state. */
export function sumOf(state: usize, bytes: u32, seed: u64): u64 {
  let sum = seed;
  for (let i: usize = 0; i < bytes; i += 8) sum += mix(i, load<u64>(state + i), seed);
  return sum;
}

// @ts-ignore: decorator
@inline
function differs(a: usize, b: usize): v128 {
  return v128.xor(v128.load(a), v128.load(b));
}

/** The sum of `state`, of which `from`, whose sum is given, differs in few words. */
export function sumFrom(
  x: usize, state: usize, from: usize, bytes: u32, seed: u64, given: u64,
): u64 {
  let sum = given;
  let n: u32 = 0;
  for (let at: usize = 0; at < bytes; at += LINE) {
    const a = state + at;
    const b = from + at;
    const low = v128.or(differs(a, b), differs(a + 16, b + 16));
    const high = v128.or(differs(a + 32, b + 32), differs(a + 48, b + 48));
    if (!v128.any_true(v128.or(low, high))) continue;
    store<u32>(changedAt(x, n), <u32>at);
    n++;
    for (let i = at; i < at + LINE; i += 8) {
      const now = load<u64>(state + i);
      const before = load<u64>(from + i);
      if (now != before) sum += mix(i, now, seed) - mix(i, before, seed);
    }
  }
  setWord(x, abi.X_LINES, n);
  return sum;
}

/** What `state` holds was changed by somebody whom sumFrom has not followed. */
// @ts-ignore: decorator
@inline
export function forgetChanges(x: usize): void {
  setWord(x, abi.X_LINES, ALL_LINES);
}

/** `state` becomes `from` again: the lines that sumFrom has found, or all. */
export function undoChanges(x: usize, state: usize, from: usize, bytes: u32): void {
  const lines = word(x, abi.X_LINES);
  if (lines == ALL_LINES) {
    copyState(state, from, bytes);
    return;
  }
  for (let i: u32 = 0; i < lines; i++) {
    const at = <usize>load<u32>(changedAt(x, i));
    copyState(state + at, from + at, <u32>LINE);
  }
}
