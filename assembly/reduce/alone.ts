/**
 * Which step may be taken alone: one that commutes with everything which anybody else can still do
 * before its context moves. No interleaving of what follows is lost by taking it now.
 *
 * Who else can move is worked out anew in every state: not who waits for something that only
 * contexts which cannot move would write, not a task whose CPU is in the handler that is asked
 * about, and nobody past a lock that its context holds. An interrupt comes only to a CPU that is
 * wanted, or that somebody who can move may want.
 *
 * A handler on the same CPU delays a task's step and does not change it: being delayed is no
 * conflict, as the step commutes with the handler.
 */
import * as abi from "../../src/core/abi";
import { Plain } from "../atomics";
import { cpuAt, ctxAt, ctxIndex, hdr } from "../machine";
import { isWanted } from "../poll";
import { Cpu, Ctx } from "../rows";
import { canInterrupt, currentCtx } from "../step";
import { isPreempted } from "../vcpu";
import { vmaRestore, vmaSave } from "../vma";
import {
  AT_DONE, AT_HAZARD, AT_WAITS, flagsOf, heardCtx, positionOf, readsOf, writesOf,
} from "./footprint";
import { futureOf, futureReads, futureStray, futureWrites } from "./futures";
import { heldBy } from "./locks";
import { mapAdd, mapClear, mapMeets, mapPut } from "./maps";
import {
  envAt, handlersAt, MAP_HELD, MAP_LOCKS, MAP_SUM_READS, MAP_SUM_STRAY, MAP_SUM_WRITES, MAP_WANTED,
  mapAt, mapBytes, positionAt, R_CHOICES, R_OFF_BACKUP, R_OFF_OTHERS, R_WORDS, rw,
} from "./memory";
import { copyState, stateAt } from "../states";

/** What another context, or the interrupt of a CPU, is for the step that is asked about. */
const FREE: u8 = 0; // it may move
const STUCK: u8 = 1; // it cannot, unless somebody writes what it waits for
const COUNTED: u8 = 2; // it may, and its future is in the sums
const NOBODY: u8 = 3;
const CLASHES: u8 = 4; // bit: if it can move, the step is not alone

/** The context that this actor's program step would run now, or null. */
export function ready(m: usize, actor: u32): Ctx | null {
  if (isPreempted(m, actor)) return null;
  const ctx = currentCtx(m, actor);
  if (ctx.running == 0) return null;
  if (actor < hdr(m, abi.H_CPUS) && (hdr(m, abi.H_OPTIONS) & abi.OPT_DELAYED_IPI) == 0 &&
      canInterrupt<Plain>(m, actor)) {
    return null;
  }
  return ctx;
}

/** Do {reads, writes} of a step and of somebody's future depend on each other? */
// @ts-ignore: decorator
@inline
function clash(r: usize, p: usize, reads: usize, writes: usize): bool {
  const words = rw(r, R_WORDS);
  return mapMeets(writesOf(r, p), writes, words) || mapMeets(writesOf(r, p), reads, words) ||
    mapMeets(readsOf(p), writes, words);
}

function clashesWithIrq(r: usize, p: usize, cpu: u32): bool {
  const entry = envAt(r, cpu, 1);
  const rest = handlersAt(r, cpu);
  const bytes = mapBytes(r);
  return clash(r, p, entry, entry + bytes) || clash(r, p, rest, rest + bytes);
}

function addIrq(r: usize, cpu: u32): void {
  const words = rw(r, R_WORDS);
  const bytes = mapBytes(r);
  const reads = mapAt(r, MAP_SUM_READS);
  const writes = mapAt(r, MAP_SUM_WRITES);
  mapAdd(reads, envAt(r, cpu, 1), words);
  mapAdd(writes, envAt(r, cpu, 1) + bytes, words);
  mapAdd(reads, handlersAt(r, cpu), words);
  mapAdd(writes, handlersAt(r, cpu) + bytes, words);
  const stray = mapAt(r, MAP_SUM_STRAY);
  const locks = mapAt(r, MAP_LOCKS);
  for (let i: usize = 0; i < bytes; i += 16) {
    const all = v128.or(
      v128.load(envAt(r, cpu, 1) + bytes + i), v128.load(handlersAt(r, cpu) + bytes + i),
    );
    v128.store(stray + i, v128.or(v128.load(stray + i), v128.and(all, v128.load(locks + i))));
  }
}

function addFuture(r: usize, f: usize): void {
  const words = rw(r, R_WORDS);
  mapAdd(mapAt(r, MAP_SUM_READS), futureReads(f), words);
  mapAdd(mapAt(r, MAP_SUM_WRITES), futureWrites(r, f), words);
  mapAdd(mapAt(r, MAP_SUM_STRAY), futureStray(r, f), words);
}

/** The actor whose CPU or device a context belongs to now; past the last one: nobody's. */
function actorOf(m: usize, index: u32): u32 {
  const tasks = hdr(m, abi.H_TASKS);
  if (index >= tasks) return index - tasks;
  const cpus = hdr(m, abi.H_CPUS);
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    if (cpuAt(m, cpu).task == index + 1) return cpu;
  }
  return hdr(m, abi.H_ACTORS);
}

/** Would this context's next step have to wait? The machine is left as it is. */
function waits(r: usize, m: usize, index: u32): bool {
  const actor = actorOf(m, index);
  if (actor == hdr(m, abi.H_ACTORS)) return false;
  const state = stateAt(m);
  const bytes = hdr(m, abi.H_STATE_END) - hdr(m, abi.H_STATE_START);
  const backup = r + rw(r, R_OFF_BACKUP);
  vmaSave(m);
  const changes = hdr(m, abi.H_VMA_CHANGES);
  copyState(backup, state, bytes);
  const got = heardCtx(r, m, actor, ctxAt(m, index));
  if (got == abi.ST_WAIT) return true;
  copyState(state, backup, bytes);
  if (hdr(m, abi.H_VMA_CHANGES) != changes) vmaRestore(m);
  return false;
}

// @ts-ignore: decorator
@inline
function others(r: usize): usize {
  return r + rw(r, R_OFF_OTHERS);
}

/** Sorts the others. False: somebody who can move clashes. */
function sort(r: usize, m: usize, p: usize, self: u32, locks: u32): bool {
  const list = others(r);
  const n = hdr(m, abi.H_CONTEXTS);
  const cpus = hdr(m, abi.H_CPUS);
  const tasks = hdr(m, abi.H_TASKS);
  const ownCpu = self - tasks; // of a handler
  const isHandler = self >= tasks && ownCpu < cpus;
  for (let i: u32 = 0; i < n; i++) {
    const ctx = ctxAt(m, i);
    if (i == self || ctx.running == 0 || (isHandler && cpuAt(m, ownCpu).task == i + 1)) {
      store<u8>(list + i, NOBODY);
      continue;
    }
    const position = positionOf(r, i, ctx);
    const f = futureOf(r, m, position, locks);
    const meets = clash(r, p, futureReads(f), futureWrites(r, f));
    const mayWait = (flagsOf(positionAt(r, position)) & AT_WAITS) != 0;
    if (meets && !mayWait) return false;
    store<u8>(list + i, (mayWait ? STUCK : FREE) | (meets ? CLASHES : 0));
  }
  for (let cpu: u32 = 0; cpu < cpus; cpu++) {
    const at = list + n + cpu;
    if (isHandler && cpu == ownCpu) {
      store<u8>(at, NOBODY);
      continue;
    }
    const meets = clashesWithIrq(r, p, cpu);
    const wanted = isWanted<Plain>(m, cpu, cpuAt(m, cpu));
    if (meets && wanted) return false;
    store<u8>(at, (wanted ? FREE : STUCK) | (meets ? CLASHES : 0));
  }
  const choices = rw(r, R_CHOICES);
  const actors = hdr(m, abi.H_ACTORS);
  for (let actor: u32 = 0; actor < actors; actor++) {
    for (let choice: u32 = 2; choice < choices; choice++) {
      const env = envAt(r, actor, choice);
      if (clash(r, p, env, env + mapBytes(r))) return false;
    }
  }
  return true;
}

/** Who seems to wait may be about to go on. False: and would clash. */
function settleWaits(r: usize, m: usize): bool {
  const list = others(r);
  const n = hdr(m, abi.H_CONTEXTS);
  for (let i: u32 = 0; i < n; i++) {
    const kind = load<u8>(list + i);
    if ((kind & 3) != STUCK || waits(r, m, i)) continue;
    if ((kind & CLASHES) != 0) return false;
    store<u8>(list + i, FREE);
  }
  return true;
}

/** Can any of those who clash be set going by those who can move? */
function staysStuck(r: usize, m: usize, locks: u32): bool {
  const list = others(r);
  const words = rw(r, R_WORDS);
  const contexts = hdr(m, abi.H_CONTEXTS);
  const n = contexts + hdr(m, abi.H_CPUS);
  const writes = mapAt(r, MAP_SUM_WRITES);
  mapClear(mapAt(r, MAP_SUM_READS), words);
  mapClear(writes, words);
  mapClear(mapAt(r, MAP_SUM_STRAY), words);
  const choices = rw(r, R_CHOICES);
  for (let actor: u32 = 0; actor < hdr(m, abi.H_ACTORS); actor++) {
    for (let choice: u32 = 2; choice < choices; choice++) {
      mapAdd(writes, envAt(r, actor, choice) + mapBytes(r), words);
      mapAdd(mapAt(r, MAP_SUM_STRAY), envAt(r, actor, choice) + mapBytes(r), words);
    }
  }
  for (let moved = true; moved;) {
    moved = false;
    for (let i: u32 = 0; i < n; i++) {
      const kind = load<u8>(list + i);
      const what = kind & 3;
      if (what == NOBODY || what == COUNTED) continue;
      const isCtx = i < contexts;
      const position = isCtx ? positionOf(r, i, ctxAt(m, i)) : 0;
      if (what == STUCK) {
        const waitsFor = isCtx
          ? readsOf(positionAt(r, position))
          : mapAt(r, MAP_WANTED + i - contexts);
        if (!mapMeets(waitsFor, writes, words)) continue;
        if ((kind & CLASHES) != 0) return false;
      }
      if (isCtx) addFuture(r, futureOf(r, m, position, locks));
      else addIrq(r, i - contexts);
      store<u8>(list + i, COUNTED);
      moved = true;
    }
  }
  return true;
}

function isAloneUnder(r: usize, m: usize, p: usize, self: u32, locks: u32): bool {
  if (!sort(r, m, p, self, locks)) return false;
  let any = false;
  const list = others(r);
  const n = hdr(m, abi.H_CONTEXTS) + hdr(m, abi.H_CPUS);
  for (let i: u32 = 0; i < n; i++) {
    const kind = load<u8>(list + i);
    if (kind != NOBODY && (kind & CLASHES) != 0) any = true;
  }
  if (!any) {
    if (locks == 0) return true;
    // Whether or not they wait: all that matters is that the locks are safe from them.
    for (let i: u32 = 0; i < n; i++) {
      if (load<u8>(list + i) == STUCK) store<u8>(list + i, FREE);
    }
  } else if (!settleWaits(r, m)) {
    return false;
  }
  if (!staysStuck(r, m, locks)) return false;
  return !mapMeets(mapAt(r, MAP_SUM_STRAY), mapAt(r, MAP_HELD), rw(r, R_WORDS));
}

/** May the next step of this context, which is ready, be taken alone? */
export function isAlone(r: usize, m: usize, ctx: Ctx): bool {
  const self = ctxIndex(m, ctx);
  const p = positionAt(r, positionOf(r, self, ctx));
  const flags = flagsOf(p);
  if ((flags & AT_DONE) == 0 || (flags & AT_HAZARD) != 0) return false;
  const locks = heldBy(r, m, ctx, mapAt(r, MAP_HELD));
  if (isAloneUnder(r, m, p, self, locks)) return true;
  return false;
}

/** Where each CPU is told that it is wanted. */
export function wantedInit(r: usize, m: usize): void {
  const start = m + hdr(m, abi.H_STATE_START);
  for (let cpu: u32 = 0; cpu < hdr(m, abi.H_CPUS); cpu++) {
    const map = mapAt(r, MAP_WANTED + cpu);
    const pending = changetype<usize>(cpuAt(m, cpu)) + offsetof<Cpu>("ipiPending");
    mapPut(map, <u32>(pending - start) >> 2);
    if ((hdr(m, abi.H_OPTIONS) & abi.OPT_POLL) != 0) {
      const word = m + hdr(m, abi.H_OFF_POLL) + ((<usize>cpu) << 2);
      mapPut(map, <u32>(word - start) >> 2);
    }
  }
}
