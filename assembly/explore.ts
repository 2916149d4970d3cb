/**
 * Exploration: every interleaving of a small machine, breadth first, so the first hazard found of
 * each kind is one with the fewest steps.
 *
 * Tables live behind the machine, described by a header of X_* words at `x`:
 *
 *   slots   open addressing, u64 fingerprint each; exact mode: u64 = node + 1 | fingerprint's high
 *           half, and the state itself is compared. Load at most 3/4.
 *   nodes   per state {u32 parent, u32 actor << 8 | choice}: the trail back to the start
 *   ring    states that wait to be expanded; exact mode: all states, in order of discovery.
 *           Starts small and doubles, so that a small frontier stays in the caches
 *
 * The machine's own state region is where a successor is made: copy a state in, step, hash it.
 * Invariant `NodeOrderIsDepthOrder`: a node's depth is never below its predecessor's.
 */
import * as abi from "../src/core/abi";
import { Plain } from "./atomics";
import { forgetChanges, sumFrom, sumOf, undoChanges } from "./delta";
import { forgetGenerations } from "./global-asid";
import { hashBytes } from "./hash";
import { ctxAt, hdr, sysAt } from "./machine";
import { slotsRoom, slotsWiden } from "./slots";
import { copyState, stateAt } from "./states";
import { step } from "./step";
import { setWord, word } from "./table-words";
import { isPreempted } from "./vcpu";
import { vmaRestore, vmaRevert, vmaSave } from "./vma";

// @ts-ignore: decorator
@inline
export function ringAt(x: usize, index: u32): usize {
  const place = (index - word(x, abi.X_RING_BASE)) % word(x, abi.X_RING_CAP);
  return x + word(x, abi.X_OFF_RING) + <usize>place * strideOf(x);
}

/** A state of the ring, and a line with its sum (delta.ts). */
// @ts-ignore: decorator
@inline
function strideOf(x: usize): u32 {
  return word(x, abi.X_STATE_BYTES) + abi.RING_SUM_BYTES;
}

function sameState(a: usize, b: usize, bytes: u32): bool {
  const end = a + bytes;
  for (; a < end; a += 8, b += 8) {
    if (load<u64>(a) != load<u64>(b)) return false;
  }
  return true;
}

// @ts-ignore: decorator
@inline
function seedOf(x: usize): u64 {
  return load<u64>(x + (abi.X_SEED_LO << 2));
}

/** True: the machine's state is new and has its slot now. `node` is the number it would get. */
function insert(x: usize, m: usize, node: u32, print: u64): bool {
  const bytes = word(x, abi.X_STATE_BYTES);
  const state = stateAt(m);
  const mask = (1 << word(x, abi.X_SLOTS_LOG2)) - 1;
  const slots = x + word(x, abi.X_OFF_SLOTS);
  const exact = word(x, abi.X_EXACT) != 0;
  const high = print & 0xffffffff00000000;
  for (let i = <u32>print & mask; ; i = (i + 1) & mask) {
    const p = slots + ((<usize>i) << 3);
    const held = load<u64>(p);
    if (held == 0) {
      store<u64>(p, exact ? high | (node + 1) : print);
      return true;
    }
    if (!exact) {
      if (held == print) return false;
    } else if ((held & 0xffffffff00000000) == high &&
        sameState(ringAt(x, <u32>held - 1), state, bytes)) {
      return false;
    }
  }
  return false;
}

/** The machine's state as it is compared: nothing in it that differs for no reason. */
function settle(m: usize): void {
  vmaSave(m);
  forgetGenerations(m);
}

/** Adds the machine's state, reached from `parent`. ST_OK, or ST_FULL and nothing was added. */
export function add(x: usize, m: usize, parent: u32, actor: u32, choice: u32): i32 {
  settle(m);
  const state = stateAt(m);
  const print = hashBytes(state, state + word(x, abi.X_STATE_BYTES), seedOf(x));
  return addAs(x, m, parent, (actor << 8) | choice, print);
}

/** The same of a state whose fingerprint, not 0, is known. */
function addAs(x: usize, m: usize, parent: u32, how: u32, print: u64): i32 {
  const node = word(x, abi.X_NODES);
  const waiting = word(x, abi.X_TAIL) - word(x, abi.X_HEAD);
  const used = word(x, abi.X_EXACT) != 0 ? node : waiting;
  if (node >= word(x, abi.X_NODE_CAP)) return abi.ST_FULL;
  if (node >= slotsRoom(x) && !slotsWiden(x)) return abi.ST_FULL;
  if (used >= word(x, abi.X_RING_CAP) && !growRing(x)) return abi.ST_FULL;
  if (!insert(x, m, node, print)) return abi.ST_OK;
  const p = x + word(x, abi.X_OFF_NODES) + ((<usize>node) << 3);
  store<u32>(p, parent);
  store<u32>(p, how, 4);
  const tail = word(x, abi.X_TAIL);
  const to = ringAt(x, tail);
  const bytes = word(x, abi.X_STATE_BYTES);
  copyState(to, stateAt(m), bytes);
  store<u64>(to + bytes, print);
  setWord(x, abi.X_TAIL, tail + 1);
  setWord(x, abi.X_NODES, node + 1);
  return abi.ST_OK;
}

export function anyRunning(m: usize): bool {
  const n = hdr(m, abi.H_CONTEXTS);
  for (let i: u32 = 0; i < n; i++) {
    if (ctxAt(m, i).running != 0) return true;
  }
  return false;
}

export const GRAVEST: u32 = 6;

/**
 * How grave a hazard is. A stale read is often a few steps away from a use after free, and shorter:
 * the verdict is the gravest hazard that can be reached, and its shortest interleaving.
 */
export function gravity(hazard: u32): u32 {
  switch (hazard) {
    case abi.HZ_NONE: return 0;
    case abi.HZ_LEAK: return 1;
    case abi.HZ_STALE: return 2;
    case abi.HZ_LOSTW: return 3;
    case abi.HZ_UNPINNED: return 4;
    case abi.HZ_ORDER: return 5;
    default: return GRAVEST;
  }
}

export function report(x: usize, node: u32, kind: u32, actor: u32, choice: u32): i32 {
  setWord(x, abi.X_HIT_NODE, node);
  setWord(x, abi.X_HIT_KIND, kind);
  setWord(x, abi.X_HIT_STEP, (actor << 8) | choice);
  return abi.ST_HAZARD;
}

/**
 * Doubles the ring, which is full, or makes it as large as it may become: the older states, up to
 * its old end, move to its new end. What wrapped around to its beginning stays where it is.
 */
function growRing(x: usize): bool {
  const cap = word(x, abi.X_RING_CAP);
  const most = word(x, abi.X_RING_MOST);
  if (cap == most) return false;
  const more = min<u32>(cap, most - cap);
  const bytes = strideOf(x);
  const ring = x + word(x, abi.X_OFF_RING);
  const head = word(x, abi.X_HEAD);
  const first = (head - word(x, abi.X_RING_BASE)) % cap;
  for (let i = cap; i > first; i--) {
    copyState(ring + <usize>(i - 1 + more) * bytes, ring + <usize>(i - 1) * bytes, bytes);
  }
  setWord(x, abi.X_RING_CAP, cap + more);
  setWord(x, abi.X_RING_BASE, head - (first + more));
  return true;
}

/** 0 marks an empty slot. A state's sum is its fingerprint, or this is its sum, all the same. */
// @ts-ignore: decorator
@inline
function printOf(sum: u64): u64 {
  return sum == 0 ? 1 : sum;
}

/** Tables are zeroed and the header is filled by the host; the machine holds the first state. */
export function exploreInit(x: usize, m: usize): i32 {
  setWord(x, abi.X_HEAD, 0);
  setWord(x, abi.X_TAIL, 0);
  setWord(x, abi.X_NODES, 0);
  setWord(x, abi.X_DEPTH, 0);
  settle(m);
  const sum = sumOf(stateAt(m), word(x, abi.X_STATE_BYTES), seedOf(x));
  const status = addAs(x, m, 0, 0, printOf(sum));
  setWord(x, abi.X_LEVEL_END, 1);
  return status;
}

/**
 * Expands at most `budget` states. ST_DONE: the space is exhausted. ST_HAZARD: see X_HIT_*.
 * ST_FULL: a table is full. ST_BUDGET: call again. Negative: a program error.
 */
export function exploreRun(x: usize, m: usize, budget: u32): i32 {
  const actors = hdr(m, abi.H_ACTORS);
  const choices = word(x, abi.X_CHOICES);
  const applies: u32 = 2 + (hdr(m, abi.H_WATCH) << 1);
  const bytes = word(x, abi.X_STATE_BYTES);
  const state = stateAt(m);
  const seed = seedOf(x);
  let transitions: u64 = 0;
  let status = abi.ST_BUDGET;
  for (; budget > 0; budget--) {
    const head = word(x, abi.X_HEAD);
    if (head == word(x, abi.X_TAIL)) {
      status = abi.ST_DONE;
      break;
    }
    if (head == word(x, abi.X_LEVEL_END)) {
      setWord(x, abi.X_DEPTH, word(x, abi.X_DEPTH) + 1);
      setWord(x, abi.X_LEVEL_END, word(x, abi.X_TAIL));
    }
    let dirty = true; // the machine does not hold the state that is being expanded
    forgetChanges(x);
    let copied = false; // it was, and has been changed since
    let progress = false;
    let outcome = abi.ST_OK;
    for (let actor: u32 = 0; actor < actors && outcome == abi.ST_OK; actor++) {
      for (let choice: u32 = 0; choice < choices; choice++) {
        if (dirty) {
          // Where it is changes when the ring grows.
          undoChanges(x, state, ringAt(x, head), bytes);
          if (copied) vmaRevert(m);
          else vmaRestore(m);
          copied = true;
        }
        const got = step<Plain>(m, actor, choice);
        dirty = got != abi.ST_IDLE;
        if (dirty) forgetChanges(x);
        if (got < 0) {
          report(x, head, 0, actor, choice);
          outcome = got;
          break;
        }
        if (got != abi.ST_OK) continue;
        transitions++;
        // Walks, NMIs and being preempted help nobody who waits; being resumed does.
        const helps = choice < 2 || choice == applies;
        if (helps || (choice > applies && !isPreempted(m, actor))) progress = true;
        const hazard = sysAt(m).hazard & 0xff;
        if (hazard != 0) {
          if (gravity(hazard) == GRAVEST) {
            outcome = report(x, head, hazard, actor, choice);
            break;
          }
          // The path ends here, the search goes on: there may be worse.
          if (gravity(hazard) > gravity(word(x, abi.X_SOFT_KIND))) {
            setWord(x, abi.X_SOFT_NODE, head);
            setWord(x, abi.X_SOFT_KIND, hazard);
            setWord(x, abi.X_SOFT_STEP, (actor << 8) | choice);
          }
          continue;
        }
        settle(m);
        const from = ringAt(x, head);
        const sum = sumFrom(x, state, from, bytes, seed, load<u64>(from + bytes));
        outcome = addAs(x, m, head, (actor << 8) | choice, printOf(sum));
        if (outcome != abi.ST_OK) break;
      }
    }
    if (outcome == abi.ST_OK && !progress) {
      copyState(state, ringAt(x, head), bytes);
      vmaRevert(m);
      if (anyRunning(m)) outcome = report(x, head, abi.HZ_DEADLOCK, 0, 0xff);
    }
    if (outcome != abi.ST_OK) {
      status = outcome;
      break;
    }
    setWord(x, abi.X_HEAD, head + 1);
  }
  const p = x + (abi.X_TRANSITIONS_LO << 2);
  store<u64>(p, load<u64>(p) + transitions);
  return status;
}
