/**
 * Memory of a reduced search, at `r`, behind its header of R_* words:
 *
 *   maps       those of the step under way, scratch, and per context its row's cells
 *   env        per actor and choice {reads, writes}: of every attempt at that choice
 *   handlers   per CPU {reads, writes}: of all that its own context ever did
 *   positions  per context, pc and return addresses {ctx, pc, stack, flags, edges, reads, writes}
 *   slots      open addressing, u32 = position + 1
 *   edges      {position u32, next edge u32 + 1}
 *   futures    see futures.ts
 *   backup     a state, and a context's row
 *
 * Everything but the futures is knowledge that only grows, over all runs of one search.
 */
import * as abi from "../../src/core/abi";
import { hdr } from "../machine";
import { Ctx } from "../rows";
import { cellsOf } from "./track";

export const R_WORDS: i32 = 0; // u64 words of a map, even
export const R_GREW: i32 = 1; // 1: this run has seen what was not known before it
export const R_POSITIONS: i32 = 2;
export const R_EDGES: i32 = 3;
export const R_FUTURES: i32 = 4;
export const R_STAMP: i32 = 5; // of the last closure
export const R_CHOICES: i32 = 6;
export const R_OFF_MAPS: i32 = 7;
export const R_OFF_ENV: i32 = 8;
export const R_OFF_HANDLERS: i32 = 9;
export const R_OFF_POSITIONS: i32 = 10;
export const R_OFF_SLOTS: i32 = 11;
export const R_OFF_EDGES: i32 = 12;
export const R_OFF_FUTURES: i32 = 13;
export const R_OFF_FUTURE_SLOTS: i32 = 14;
export const R_OFF_BACKUP: i32 = 15;
export const R_OFF_STACK: i32 = 16;
export const R_ABANDONED: i32 = 17; // 1: a table is full, or a step touched another's context
export const R_CHAINED_LO: i32 = 20; // u64: steps that were taken alone
export const R_OFF_ROWS: i32 = 22;
export const R_GREW_AT: i32 = 23; // states there were when that happened first
export const R_OFF_OTHERS: i32 = 24; // per context, then per CPU, a byte: see alone.ts
export const R_OFF_START: i32 = 25; // the state that walks begin at
export const R_LAST: i32 = 27; // who took the last step alone
export const R_HEIGHT: i32 = 28; // states that wait to be expanded
export const R_EXPANDED: i32 = 29; // and those that were
export const R_OFF_WAITING: i32 = 30; // per waiting state {node u32, depth u32}
export const R_OFF_FROM: i32 = 31; // the state that is being expanded
export const R_HEADER: i32 = 32;

export const POSITIONS_MOST: u32 = 8192;
export const EDGES_MOST: u32 = 32768;
export const FUTURES_MOST: u32 = 8192;
/** States that may wait to be expanded, the deepest first: many more than there ever are. */
export const WAITING_MOST: u32 = 1 << 17;

/** Of a position, before its maps: ctx u16, pc u16, flags u32, stack u64, edges u32, stamp u32. */
export const POSITION_BYTES: u32 = 24;
/** Of a future, before its maps: position u32, locks u32. */
export const FUTURE_BYTES: u32 = 8;

/** Its maps, in order. */
export const MAP_READS: u32 = 0; // of the step under way
export const MAP_WRITES: u32 = 1;
export const MAP_IGNORED: u32 = 2; // cells of the first hazard: a path ends there
export const MAP_CONTEXTS: u32 = 3; // rows of all contexts
export const MAP_LOCKS: u32 = 4; // words of locks
export const MAP_SUM_READS: u32 = 5; // of everybody who can move
export const MAP_SUM_WRITES: u32 = 6;
export const MAP_SUM_STRAY: u32 = 7; // locks written by who does not lock or unlock
export const MAP_HELD: u32 = 8; // locks of the context that is asked about
export const MAP_WANTED: u32 = 9; // then per CPU: where it is told that it has an interrupt
const MAPS: u32 = 9;

// @ts-ignore: decorator
@inline
export function rw(r: usize, i: i32): u32 {
  return load<u32>(r + ((<usize>i) << 2));
}

// @ts-ignore: decorator
@inline
export function setRw(r: usize, i: i32, value: u32): void {
  store<u32>(r + ((<usize>i) << 2), value);
}

// @ts-ignore: decorator
@inline
export function mapBytes(r: usize): u32 {
  return rw(r, R_WORDS) << 3;
}

// @ts-ignore: decorator
@inline
export function mapAt(r: usize, index: u32): usize {
  return r + rw(r, R_OFF_MAPS) + <usize>(index * mapBytes(r));
}

/** Cells of context `i`'s row. */
// @ts-ignore: decorator
@inline
export function rowMapAt(r: usize, i: u32): usize {
  return r + rw(r, R_OFF_ROWS) + <usize>(i * mapBytes(r));
}

/** {reads, writes} of all attempts of an actor at a choice. */
// @ts-ignore: decorator
@inline
export function envAt(r: usize, actor: u32, choice: u32): usize {
  const index = actor * rw(r, R_CHOICES) + choice;
  return r + rw(r, R_OFF_ENV) + <usize>(index * mapBytes(r) * 2);
}

/** {reads, writes} of all that a CPU's own context did. */
// @ts-ignore: decorator
@inline
export function handlersAt(r: usize, cpu: u32): usize {
  return r + rw(r, R_OFF_HANDLERS) + <usize>(cpu * mapBytes(r) * 2);
}

// @ts-ignore: decorator
@inline
export function positionAt(r: usize, i: u32): usize {
  return r + rw(r, R_OFF_POSITIONS) + <usize>(i * (POSITION_BYTES + mapBytes(r) * 2));
}

function wordsOf(m: usize): u32 {
  return (((cellsOf(m) + hdr(m, abi.H_CONTEXTS) + 63) >> 6) + 1) & ~1;
}

/** Decides where everything is; how many bytes that takes. The memory is zero. */
export function planReduction(r: usize, m: usize, choices: u32): u32 {
  const map = wordsOf(m) << 3;
  const cpus = hdr(m, abi.H_CPUS);
  const contexts = hdr(m, abi.H_CONTEXTS);
  let at: u32 = <u32>R_HEADER << 2;
  setRw(r, R_WORDS, map >> 3);
  setRw(r, R_CHOICES, choices);
  setRw(r, R_OFF_MAPS, at);
  at += (MAPS + cpus) * map;
  setRw(r, R_OFF_ROWS, at);
  at += contexts * map;
  setRw(r, R_OFF_ENV, at);
  at += hdr(m, abi.H_ACTORS) * choices * map * 2;
  setRw(r, R_OFF_HANDLERS, at);
  at += cpus * map * 2;
  setRw(r, R_OFF_POSITIONS, at);
  at += POSITIONS_MOST * (POSITION_BYTES + map * 2);
  setRw(r, R_OFF_SLOTS, at);
  at += POSITIONS_MOST * 2 * 4;
  setRw(r, R_OFF_EDGES, at);
  at += EDGES_MOST * 8;
  setRw(r, R_OFF_FUTURES, at);
  at += FUTURES_MOST * (FUTURE_BYTES + 3 * map);
  setRw(r, R_OFF_FUTURE_SLOTS, at);
  at += FUTURES_MOST * 2 * 4;
  setRw(r, R_OFF_STACK, at);
  at += POSITIONS_MOST * 4;
  setRw(r, R_OFF_OTHERS, at);
  at += contexts + cpus;
  at = (at + 63) & ~63;
  setRw(r, R_OFF_BACKUP, at);
  at += hdr(m, abi.H_STATE_END) - hdr(m, abi.H_STATE_START);
  at += offsetof<Ctx>();
  at = (at + 63) & ~63;
  setRw(r, R_OFF_START, at);
  at += hdr(m, abi.H_STATE_END) - hdr(m, abi.H_STATE_START);
  setRw(r, R_OFF_FROM, at);
  at += hdr(m, abi.H_STATE_END) - hdr(m, abi.H_STATE_START);
  setRw(r, R_OFF_WAITING, at);
  at += WAITING_MOST * 8;
  return at;
}
