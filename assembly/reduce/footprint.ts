/**
 * What is known of steps: their footprints, and where a context stands after them.
 *
 * A *position* is where a context stands: its pc and its return addresses. For each, the cells that
 * its next step has ever read and written, in whatever state, tries that had to wait included. All
 * of it is what was seen, and a search is repeated until a whole run of it sees nothing new: then
 * what was assumed of the futures of others held in every state (see docs/exploring.md).
 *
 * Not counted:
 *  - a context's own row, of which only what really changed is counted as written: nobody else
 *    writes it (a step that does ends the reduction), and others look at little of it. Of its first
 *    8 bytes others look at op, running and irqOff;
 *  - the first hazard: a path ends where one is written.
 */
import * as abi from "../../src/core/abi";
import { Plain } from "../atomics";
import { cpuAt, cpuCtxAt, ctxAt, ctxIndex, hdr, sysAt } from "../machine";
import { Cpu, Ctx, Sys } from "../rows";
import { canInterrupt, enterHandler, runCtx, step } from "../step";
import { isPreempted } from "../vcpu";
import { mapAdd, mapClear, mapGrow, mapMeets, mapPut, mapRemove } from "./maps";
import {
  EDGES_MOST, envAt, handlersAt, MAP_CONTEXTS, MAP_IGNORED, MAP_LOCKS, MAP_READS, MAP_WANTED,
  MAP_WRITES, mapAt, mapBytes, POSITION_BYTES, positionAt, POSITIONS_MOST, R_ABANDONED, R_EDGES,
  R_GREW, R_OFF_BACKUP, R_OFF_EDGES, R_OFF_SLOTS, R_POSITIONS, R_WORDS, rowMapAt, rw, setRw,
} from "./memory";
import { cellsOf, hush, listen } from "./track";

/** Flags of a position. */
export const AT_WAITS: u32 = 1; // it has had to wait
export const AT_HAZARD: u32 = 2; // it has committed a hazard
export const AT_PASSED: u32 = 4; // it has gone on without taking a lock
export const AT_TRIED: u32 = 8; // it has been tried at all
export const AT_DONE: u32 = 16; // it has been executed

const ROW_CELLS: u32 = offsetof<Ctx>() >> 2;

/** Where a context's row is kept while its step is executed. */
// @ts-ignore: decorator
@inline
function rowBackup(r: usize, m: usize): usize {
  const state = hdr(m, abi.H_STATE_END) - hdr(m, abi.H_STATE_START);
  return r + rw(r, R_OFF_BACKUP) + <usize>state;
}

/** Where this context stands; a new position is something new. */
export function positionOf(r: usize, index: u32, ctx: Ctx): u32 {
  const key: u32 = (index << 16) | ctx.pc;
  const stack = ctx.stack;
  let h: u32 = (key * 0x9e3779b1) ^ <u32>((stack * 0x9e3779b97f4a7c15) >> 32);
  const mask = POSITIONS_MOST * 2 - 1;
  const slots = r + rw(r, R_OFF_SLOTS);
  for (let i = (h ^ (h >> 15)) & mask; ; i = (i + 1) & mask) {
    const held = load<u32>(slots + ((<usize>i) << 2));
    if (held == 0) {
      const n = rw(r, R_POSITIONS);
      setRw(r, R_GREW, 1);
      if (n == POSITIONS_MOST) {
        setRw(r, R_ABANDONED, 1);
        return 0;
      }
      setRw(r, R_POSITIONS, n + 1);
      const p = positionAt(r, n);
      store<u32>(p, key);
      store<u64>(p, stack, 8);
      store<u32>(slots + ((<usize>i) << 2), n + 1);
      return n;
    }
    const p = positionAt(r, held - 1);
    if (load<u32>(p) == key && load<u64>(p, 8) == stack) return held - 1;
  }
  return 0;
}

// @ts-ignore: decorator
@inline
export function flagsOf(p: usize): u32 {
  return load<u32>(p, 4);
}

// @ts-ignore: decorator
@inline
export function readsOf(p: usize): usize {
  return p + POSITION_BYTES;
}

// @ts-ignore: decorator
@inline
export function writesOf(r: usize, p: usize): usize {
  return p + POSITION_BYTES + mapBytes(r);
}

function flag(r: usize, p: usize, bits: u32): void {
  const had = load<u32>(p, 4);
  if ((had & bits) == bits) return;
  store<u32>(p, had | bits, 4);
  setRw(r, R_GREW, 1);
}

function addEdge(r: usize, from: u32, to: u32): void {
  const p = positionAt(r, from);
  const edges = r + rw(r, R_OFF_EDGES);
  for (let e = load<u32>(p, 16); e != 0; e = load<u32>(edges + ((<usize>(e - 1)) << 3), 4)) {
    if (load<u32>(edges + ((<usize>(e - 1)) << 3)) == to) return;
  }
  const n = rw(r, R_EDGES);
  setRw(r, R_GREW, 1);
  if (n == EDGES_MOST) {
    setRw(r, R_ABANDONED, 1);
    return;
  }
  const at = edges + ((<usize>n) << 3);
  store<u32>(at, to);
  store<u32>(at, load<u32>(p, 16), 4);
  store<u32>(p, n + 1, 16);
  setRw(r, R_EDGES, n + 1);
}

function saveRow(to: usize, ctx: Ctx): void {
  const from = changetype<usize>(ctx);
  for (let i: usize = 0; i < offsetof<Ctx>(); i += 8) store<u64>(to + i, load<u64>(from + i));
}

/** Counts of the context's own row only what changed. */
function settleRow(r: usize, m: usize, index: u32, ctx: Ctx, before: usize): void {
  const words = rw(r, R_WORDS);
  const reads = mapAt(r, MAP_READS);
  const writes = mapAt(r, MAP_WRITES);
  const own = rowMapAt(r, index);
  mapRemove(reads, own, words);
  mapRemove(writes, own, words);
  if (mapMeets(writes, mapAt(r, MAP_CONTEXTS), words)) setRw(r, R_ABANDONED, 1);
  const at = changetype<usize>(ctx);
  const first = <u32>(at - m - hdr(m, abi.H_STATE_START)) >> 2;
  if (load<u16>(at, offsetof<Ctx>("op")) != load<u16>(before, offsetof<Ctx>("op"))) {
    mapPut(writes, first);
  }
  if (load<u8>(at, offsetof<Ctx>("running")) != load<u8>(before, offsetof<Ctx>("running"))) {
    mapPut(writes, first + 1);
  }
  if (load<u8>(at, offsetof<Ctx>("irqOff")) != load<u8>(before, offsetof<Ctx>("irqOff"))) {
    mapPut(writes, irqOffCell(m, index));
  }
  for (let i: u32 = 2; i < ROW_CELLS; i += 2) {
    const now = load<u64>(at + ((<usize>i) << 2));
    const was = load<u64>(before + ((<usize>i) << 2));
    if (now == was) continue;
    if (<u32>now != <u32>was) mapPut(writes, first + i);
    if (now >> 32 != was >> 32) mapPut(writes, first + i + 1);
  }
}

function isLocking(op: i32): bool {
  return op == abi.OP_MMAP_RLOCK || op == abi.OP_MMAP_WLOCK || op == abi.OP_PTL_LOCK ||
    op == abi.OP_DEV_LOCK;
}

/** The micro-op at a position. */
export function opAt(m: usize, p: usize): i32 {
  const code = m + hdr(m, abi.H_OFF_CODE);
  return load<u8>(code + ((<usize>load<u16>(p)) << 3));
}

// @ts-ignore: decorator
@inline
function begin(r: usize, m: usize): void {
  const words = rw(r, R_WORDS);
  mapClear(mapAt(r, MAP_READS), words);
  mapClear(mapAt(r, MAP_WRITES), words);
  listen(m);
}

// @ts-ignore: decorator
@inline
function end(r: usize): void {
  hush();
  const words = rw(r, R_WORDS);
  mapRemove(mapAt(r, MAP_READS), mapAt(r, MAP_IGNORED), words);
  mapRemove(mapAt(r, MAP_WRITES), mapAt(r, MAP_IGNORED), words);
}

/** {reads, writes} at `to` hold what this step did. */
// @ts-ignore: decorator
@inline
function learn(r: usize, to: usize): void {
  const words = rw(r, R_WORDS);
  const more = mapGrow(to, mapAt(r, MAP_READS), words);
  if (mapGrow(to + mapBytes(r), mapAt(r, MAP_WRITES), words) || more) setRw(r, R_GREW, 1);
}

function noteHandler(r: usize, m: usize, index: u32): void {
  const tasks = hdr(m, abi.H_TASKS);
  if (index < tasks || index >= tasks + hdr(m, abi.H_CPUS)) return;
  const words = rw(r, R_WORDS);
  const to = handlersAt(r, index - tasks);
  mapAdd(to, mapAt(r, MAP_READS), words);
  mapAdd(to + mapBytes(r), mapAt(r, MAP_WRITES), words);
}

/** Executes the next step of a context that may run, and learns from it. As runCtx. */
export function heardCtx(r: usize, m: usize, actor: u32, ctx: Ctx): i32 {
  const index = ctxIndex(m, ctx);
  const position = positionOf(r, index, ctx);
  const before = rowBackup(r, m);
  saveRow(before, ctx);
  begin(r, m);
  const got = runCtx<Plain>(m, actor, ctx);
  end(r);
  settleRow(r, m, index, ctx, before);
  // A task can go on only while its CPU runs it.
  if (index < hdr(m, abi.H_TASKS)) {
    const row = changetype<usize>(cpuAt(m, actor));
    mapPut(mapAt(r, MAP_READS), cellOf(m, row + offsetof<Cpu>("task")));
  }
  const p = positionAt(r, position);
  learn(r, readsOf(p));
  noteHandler(r, m, index);
  let bits: u32 = AT_TRIED;
  if (got == abi.ST_WAIT) bits |= AT_WAITS;
  if (got == abi.ST_OK) {
    bits |= AT_DONE;
    if (ctx.running != 0) addEdge(r, position, positionOf(r, index, ctx));
    if ((sysAt(m).hazard & 0xff) != 0) bits |= AT_HAZARD;
    if (isLocking(opAt(m, p)) &&
        !mapMeets(mapAt(r, MAP_WRITES), mapAt(r, MAP_LOCKS), rw(r, R_WORDS))) {
      bits |= AT_PASSED;
    }
  }
  flag(r, p, bits);
  return got;
}

/** What canInterrupt and isPreempted look at, but whether the CPU's own context runs. */
function readGate(r: usize, m: usize, cpu: u32): void {
  const reads = mapAt(r, MAP_READS);
  const row = cpuAt(m, cpu);
  const p = changetype<usize>(row);
  mapAdd(reads, mapAt(r, MAP_WANTED + cpu), rw(r, R_WORDS));
  mapPut(reads, cellOf(m, p + offsetof<Cpu>("online")));
  mapPut(reads, cellOf(m, p + offsetof<Cpu>("task")));
  if (row.task != 0) mapPut(reads, irqOffCell(m, row.task - 1));
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_PREEMPT) != 0) {
    mapPut(reads, cellOf(m, m + hdr(m, abi.H_OFF_VCPU) + ((<usize>cpu) << 2)));
  }
}

/** A CPU takes its interrupt: as step with choice 1. */
function heardIrq(r: usize, m: usize, cpu: u32): i32 {
  const may = !isPreempted(m, cpu) && canInterrupt<Plain>(m, cpu);
  const ctx = cpuCtxAt(m, cpu);
  const index = hdr(m, abi.H_TASKS) + cpu;
  const before = rowBackup(r, m);
  saveRow(before, ctx);
  begin(r, m);
  let got = abi.ST_IDLE;
  if (may) {
    enterHandler(m, cpu);
    got = runCtx<Plain>(m, cpu, ctx);
  }
  end(r);
  settleRow(r, m, index, ctx, before);
  readGate(r, m, cpu);
  if (got == abi.ST_OK && ctx.running != 0) positionOf(r, index, ctx);
  learn(r, envAt(r, cpu, 1));
  return got;
}

/** As step, for a choice that is not the program: interrupts, walks, and what else may happen. */
export function heardChoice(r: usize, m: usize, actor: u32, choice: u32): i32 {
  if (choice == 1) return actor < hdr(m, abi.H_CPUS) ? heardIrq(r, m, actor) : abi.ST_IDLE;
  begin(r, m);
  const got = step<Plain>(m, actor, choice);
  end(r);
  if (mapMeets(mapAt(r, MAP_WRITES), mapAt(r, MAP_CONTEXTS), rw(r, R_WORDS))) {
    setRw(r, R_ABANDONED, 1);
  }
  learn(r, envAt(r, actor, choice));
  return got;
}

/** Whether context `index` takes interrupts is looked at by itself: a cell behind all others. */
function irqOffCell(m: usize, index: u32): u32 {
  return cellsOf(m) + index;
}

function cellOf(m: usize, at: usize): u32 {
  return <u32>(at - m - hdr(m, abi.H_STATE_START)) >> 2;
}

/** Maps that never change. */
export function footprintsInit(r: usize, m: usize): void {
  const sys = changetype<usize>(sysAt(m));
  const ignored = mapAt(r, MAP_IGNORED);
  mapPut(ignored, cellOf(m, sys + offsetof<Sys>("hazard")));
  mapPut(ignored, cellOf(m, sys + offsetof<Sys>("hazardPfn")));
  mapPut(ignored, cellOf(m, sys + offsetof<Sys>("hazardVpn")));
  mapPut(ignored, cellOf(m, sys + offsetof<Sys>("hazardVpn")) + 1);
  const n = hdr(m, abi.H_CONTEXTS);
  for (let i: u32 = 0; i < n; i++) {
    const first = cellOf(m, changetype<usize>(ctxAt(m, i)));
    for (let k: u32 = 0; k < ROW_CELLS; k++) mapPut(rowMapAt(r, i), first + k);
    mapAdd(mapAt(r, MAP_CONTEXTS), rowMapAt(r, i), rw(r, R_WORDS));
  }
}
