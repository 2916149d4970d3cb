/**
 * The reduced search: as exploreRun, but from every state that is found it goes on by itself for as
 * long as somebody's step may be taken alone, and keeps only the state where nobody's may. There
 * everything is expanded: each circle has such a state in it, because a chain is bounded, so nobody
 * is put off for ever.
 *
 * A run that sees anything it did not know is worth nothing, except for what it has learned: the
 * host starts another one from the first state, until a run sees nothing new.
 */
import * as abi from "../../src/core/abi";
import { add, anyRunning, GRAVEST, gravity, report, ringAt } from "../explore";
import { hdr, sysAt } from "../machine";
import { slotsRoom, slotsWiden } from "../slots";
import { copyState, stateAt } from "../states";
import { setWord, word } from "../table-words";
import { isPreempted } from "../vcpu";
import { vmaRestore, vmaRevert, vmaSave } from "../vma";
import { isAlone, ready, wantedInit } from "./alone";
import { footprintsInit, heardChoice, heardCtx } from "./footprint";
import { futuresClear } from "./futures";
import { locksInit } from "./locks";
import {
  MAP_READS, MAP_WRITES, mapAt, planReduction, R_ABANDONED, R_CHAINED_LO, R_CHOICES,
  R_EXPANDED, R_GREW, R_GREW_AT, R_HEIGHT, R_LAST, R_OFF_FROM, R_OFF_START, R_OFF_WAITING, rw,
  setRw, WAITING_MOST,
} from "./memory";
import { trackInit } from "./track";

/** Most steps that are taken alone in a row. */
const CHAIN_MOST: u32 = 256;

/** The memory at `r`, which is zero, learns about the machine from here on. Its bytes. */
export function reduceInit(r: usize, m: usize, choices: u32): u32 {
  const bytes = planReduction(r, m, choices);
  trackInit(m, mapAt(r, MAP_READS), mapAt(r, MAP_WRITES));
  footprintsInit(r, m);
  locksInit(r, m);
  wantedInit(r, m);
  return bytes;
}

/** Any step of the explorer's, heard. As step. */
function heard(r: usize, m: usize, actor: u32, choice: u32): i32 {
  if (choice != 0) return heardChoice(r, m, actor, choice);
  const ctx = ready(m, actor);
  return ctx === null ? abi.ST_IDLE : heardCtx(r, m, actor, ctx);
}

/** One step that may be taken alone. ST_IDLE: there is none. ST_HAZARD: it committed one. */
function oneAlone(r: usize, m: usize): i32 {
  const actors = hdr(m, abi.H_ACTORS);
  for (let actor: u32 = 0; actor < actors; actor++) {
    const ctx = ready(m, actor);
    if (ctx === null || !isAlone(r, m, ctx)) continue;
    const got = heardCtx(r, m, actor, ctx);
    if (got == abi.ST_WAIT) continue;
    if (got < 0) return got;
    setRw(r, R_LAST, actor);
    return (sysAt(m).hazard & 0xff) != 0 ? abi.ST_HAZARD : abi.ST_OK;
  }
  return abi.ST_IDLE;
}

/** Takes steps alone while there are any; how many. Ends early with `failed` in R_FAILED. */
function chain(r: usize, m: usize): i32 {
  let taken: u64 = 0;
  let got = abi.ST_OK;
  for (let left = CHAIN_MOST; left > 0; left--) {
    got = oneAlone(r, m);
    if (got != abi.ST_OK) break;
    taken++;
  }
  const p = r + (R_CHAINED_LO << 2);
  store<u64>(p, load<u64>(p) + taken);
  return got == abi.ST_IDLE ? abi.ST_OK : got;
}

/** Steps of a walk at most: what a scenario takes, and some. */
const WALK_MOST: u32 = 400;

/** Learns from random schedules: most of what there is to know, before anything is searched. */
export function reduceWalks(r: usize, m: usize, walks: u32, seed: u32): void {
  const actors = hdr(m, abi.H_ACTORS);
  const choices = rw(r, R_CHOICES);
  const state = stateAt(m);
  const bytes = hdr(m, abi.H_STATE_END) - hdr(m, abi.H_STATE_START);
  const start = r + rw(r, R_OFF_START);
  vmaSave(m);
  copyState(start, state, bytes);
  let random: u64 = <u64>seed * 2 + 1;
  for (let walk: u32 = 0; walk < walks; walk++) {
    let idle: u32 = 0;
    for (let left = WALK_MOST; left > 0 && idle < 4 * actors * choices; left--) {
      random = random * 6364136223846793005 + 1442695040888963407;
      const actor = <u32>(random >> 40) % actors;
      // Programs more often than what may befall them.
      const pick = <u32>(random >> 20) % (2 * choices);
      const got = heard(r, m, actor, pick < choices ? pick : 0);
      if (got < 0) break;
      if ((sysAt(m).hazard & 0xff) != 0) break;
      idle = got == abi.ST_OK ? 0 : idle + 1;
    }
    copyState(state, start, bytes);
    vmaRestore(m);
  }
}

/** The node that was just added waits to be expanded; it is `depth` kept states from the start. */
function wait(r: usize, x: usize, depth: u32): void {
  const height = rw(r, R_HEIGHT);
  const p = r + rw(r, R_OFF_WAITING) + ((<usize>height) << 3);
  store<u32>(p, word(x, abi.X_NODES) - 1);
  store<u32>(p, depth, 4);
  setRw(r, R_HEIGHT, height + 1);
  if (depth > word(x, abi.X_DEPTH)) setWord(x, abi.X_DEPTH, depth);
}

/**
 * Takes the state that waits on top to where it is expanded from. Whole states are all kept, in
 * order of discovery; else the ring is a stack, of those that wait.
 */
function takeTop(r: usize, x: usize): void {
  const height = rw(r, R_HEIGHT) - 1;
  setRw(r, R_HEIGHT, height);
  const bytes = word(x, abi.X_STATE_BYTES);
  if (word(x, abi.X_EXACT) != 0) {
    const node = load<u32>(r + rw(r, R_OFF_WAITING) + ((<usize>height) << 3));
    copyState(r + rw(r, R_OFF_FROM), ringAt(x, node), bytes);
    return;
  }
  copyState(r + rw(r, R_OFF_FROM), ringAt(x, height), bytes);
  setWord(x, abi.X_TAIL, height);
}

/** Adds the machine's state. As add of the plain search; a new state waits to be expanded. */
function keep(r: usize, x: usize, m: usize, node: u32, depth: u32, step: u32): i32 {
  if (rw(r, R_HEIGHT) == WAITING_MOST) return abi.ST_FULL;
  const before = word(x, abi.X_NODES);
  const status = add(x, m, node, step >> 8, step & 0xff);
  if (word(x, abi.X_NODES) != before) wait(r, x, depth);
  return status;
}

/** Begins a run: tables are zeroed and filled as for exploreInit, the machine is at its start. */
export function reduceBegin(r: usize, x: usize, m: usize): i32 {
  setRw(r, R_GREW, 0);
  setRw(r, R_GREW_AT, 0);
  setRw(r, R_HEIGHT, 0);
  setRw(r, R_EXPANDED, 0);
  store<u64>(r + (R_CHAINED_LO << 2), 0);
  futuresClear(r);
  setWord(x, abi.X_HEAD, 0);
  setWord(x, abi.X_TAIL, 0);
  setWord(x, abi.X_NODES, 0);
  setWord(x, abi.X_DEPTH, 0);
  return keep(r, x, m, 0, 0, 0);
}

/** Has this run been worth nothing for too long? */
function isFutile(r: usize): bool {
  if (rw(r, R_ABANDONED) != 0) return true;
  if (rw(r, R_GREW) == 0) return false;
  const expanded = rw(r, R_EXPANDED);
  const at = rw(r, R_GREW_AT);
  if (at == 0) setRw(r, R_GREW_AT, expanded + 1);
  return at != 0 && expanded > 2 * at + 256;
}

/** After a step and those taken alone: hazards are noted, as in the plain search, or it is kept. */
function arrive(r: usize, x: usize, m: usize, node: u32, depth: u32, step: u32): i32 {
  const hazard = sysAt(m).hazard & 0xff;
  if (hazard == 0) return keep(r, x, m, node, depth, step);
  if (gravity(hazard) == GRAVEST) return report(x, node, hazard, step >> 8, step & 0xff);
  if (gravity(hazard) > gravity(word(x, abi.X_SOFT_KIND))) {
    setWord(x, abi.X_SOFT_NODE, node);
    setWord(x, abi.X_SOFT_KIND, hazard);
    setWord(x, abi.X_SOFT_STEP, step);
  }
  return abi.ST_OK;
}

/** Every step from the state on top of those that wait. ST_OK, or why the search ends. */
function expandTop(r: usize, x: usize, m: usize): i32 {
  const actors = hdr(m, abi.H_ACTORS);
  const choices = word(x, abi.X_CHOICES);
  const applies: u32 = 2 + (hdr(m, abi.H_WATCH) << 1);
  const bytes = word(x, abi.X_STATE_BYTES);
  const state = stateAt(m);
  takeTop(r, x);
  const from = r + rw(r, R_OFF_FROM);
  const top = r + rw(r, R_OFF_WAITING) + ((<usize>rw(r, R_HEIGHT)) << 3);
  const node = load<u32>(top);
  const depth = load<u32>(top, 4) + 1;
  let isChanged = true; // the machine does not hold the state that is being expanded
  let isCopied = false; // it was, and has been changed since
  let progress = false;
  let transitions: u64 = 0;
  let outcome = abi.ST_OK;
  for (let actor: u32 = 0; actor < actors && outcome == abi.ST_OK; actor++) {
    for (let choice: u32 = 0; choice < choices && outcome == abi.ST_OK; choice++) {
      if (isChanged) {
        copyState(state, from, bytes);
        if (isCopied) vmaRevert(m);
        else vmaRestore(m);
        isCopied = true;
      }
      let got = heard(r, m, actor, choice);
      isChanged = got != abi.ST_IDLE;
      if (got == abi.ST_OK) {
        transitions++;
        const helps = choice < 2 || choice == applies;
        if (helps || (choice > applies && !isPreempted(m, actor))) progress = true;
        if ((sysAt(m).hazard & 0xff) == 0) got = chain(r, m);
        if (got >= 0) outcome = arrive(r, x, m, node, depth, (actor << 8) | choice);
      }
      if (got < 0) {
        report(x, node, 0, actor, choice);
        outcome = got;
      }
    }
  }
  const p = x + (abi.X_TRANSITIONS_LO << 2);
  store<u64>(p, load<u64>(p) + transitions);
  if (outcome != abi.ST_OK || progress) return outcome;
  copyState(state, from, bytes);
  vmaRevert(m);
  return anyRunning(m) ? report(x, node, abi.HZ_DEADLOCK, 0, 0xff) : abi.ST_OK;
}

/**
 * Expands at most `budget` states, the deepest first: that keeps few of them waiting. As
 * exploreRun; ST_FULL leaves nothing half expanded if only fingerprints have no room. ST_IDLE: this
 * run has been worth nothing for too long.
 */
export function reduceRun(r: usize, x: usize, m: usize, budget: u32): i32 {
  const most = hdr(m, abi.H_ACTORS) * word(x, abi.X_CHOICES);
  for (; budget > 0; budget--) {
    if (rw(r, R_HEIGHT) == 0) return abi.ST_DONE;
    if (isFutile(r)) return abi.ST_IDLE;
    if (word(x, abi.X_NODES) + most > slotsRoom(x) && !slotsWiden(x)) return abi.ST_FULL;
    const status = expandTop(r, x, m);
    if (status != abi.ST_OK) return status;
    setRw(r, R_EXPANDED, rw(r, R_EXPANDED) + 1);
  }
  return abi.ST_BUDGET;
}

/**
 * One step, and those that are taken alone after it; their {actor << 8 | choice} go to `out`. How
 * many; at most CHAIN_MOST + 1.
 */
export function reduceFollow(r: usize, m: usize, actor: u32, choice: u32, out: usize): u32 {
  if (heard(r, m, actor, choice) != abi.ST_OK) return 0;
  store<u32>(out, (actor << 8) | choice);
  let n: u32 = 1;
  while (n <= CHAIN_MOST && (sysAt(m).hazard & 0xff) == 0) {
    const got = oneAlone(r, m);
    if (got != abi.ST_OK && got != abi.ST_HAZARD) break;
    store<u32>(out + ((<usize>n) << 2), rw(r, R_LAST) << 8);
    n++;
  }
  return n;
}

/** One step, heard: for tests of what is heard. As step. */
export function reduceStep(r: usize, m: usize, actor: u32, choice: u32): i32 {
  return heard(r, m, actor, choice);
}

/** The cells that the last step read, or wrote: a bit each, words of the state first. */
export function reduceMap(r: usize, writes: bool): usize {
  return mapAt(r, writes ? MAP_WRITES : MAP_READS);
}

/** 1: this run has seen what was not known before it. 2: and a reduction is not possible. */
export function reduceGrew(r: usize): u32 {
  return rw(r, R_ABANDONED) != 0 ? 2 : rw(r, R_GREW);
}

/** Steps of this run that were taken alone. */
export function reduceChained(r: usize): f64 {
  return <f64>load<u64>(r + (R_CHAINED_LO << 2));
}
