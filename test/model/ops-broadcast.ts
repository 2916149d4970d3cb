/** Invalidations that hardware broadcasts (shootdown 1.8). */
import * as abi from "../../src/core/abi.js";
import { snoop } from "./ops-devices.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { holdersOf, leaveDirectory } from "./directory.js";
import { dropUser, dropUserPages } from "./ops-arch.js";
import { requestMask } from "./ops-batched.js";
import { dropPages, flushSlot } from "./ops-flush.js";
import { globalOf } from "./ops-global.js";
import { ALL, type Context, type Cpu, type Info, type Model } from "./state.js";

/** Issues one more, which nobody waits for yet: with one before it, for everything of the mm. */
function add(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  if (!model.has(abi.OPT_BROADCAST)) return abi.ST_BAD_PROGRAM;
  if (i.imm !== 0) {
    c.flag = cpu.info !== null;
    return abi.ST_OK;
  }
  if (c.mm === null || (cpu.info && cpu.info.mm !== c.mm)) return abi.ST_BAD_PROGRAM;
  const gen = model.mm(c.mm).tlbGen;
  cpu.info = cpu.info
    ? { mm: c.mm, gen, start: 0n, end: ALL, flags: abi.INFO_FULL }
    : { mm: c.mm, gen, start: c.r[i.a], end: c.r[i.b], flags: 0 };
  for (const { index } of model.cpus) cpu.broadcast.add(index);
  return abi.ST_OK;
}

/** BCAST_SEND, BCAST_WAIT and BCAST_ADD. */
export function runBroadcast(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  if (i.op === abi.OP_BCAST_ADD) return add(model, cpu, c, i);
  if (i.op === abi.OP_BCAST_WAIT) {
    if (cpu.broadcast.size > 0) return abi.ST_WAIT;
    snoop(model, cpu);
    return abi.ST_OK;
  }
  if (!cpu.info || cpu.info.mm === "kernel" || !model.has(abi.OPT_BROADCAST))
    return abi.ST_BAD_PROGRAM;
  const masked = i.imm === 0 ? null : requestMask(model, cpu, cpu.info);
  for (const { index } of model.cpus) {
    if (masked?.has(index) ?? true) cpu.broadcast.add(index);
  }
  return abi.ST_OK;
}

/** A batch's: everything of every mm, but not of init_mm. */
function applyAll(model: Model, cpu: Cpu): void {
  cpu.slots.forEach((slot, asid) => {
    if (slot.ctxId === 0 || slot.ctxId === abi.INIT_CTX_ID) return;
    flushSlot(model, cpu, asid);
    slot.tlbGen = model.mms.find((mm) => mm?.ctxId === slot.ctxId)?.tlbGen ?? slot.tlbGen;
    model.count(cpu.index, abi.CT_BROADCAST);
  });
}

/** Under one slot. Broadcasts that leave walk caches alone drop translations only. */
function drop(model: Model, cpu: Cpu, asid: number, info: Readonly<Info>): void {
  const tables = cpu.pwc.entries.slice();
  if ((info.flags & abi.INFO_FULL) !== 0) {
    flushSlot(model, cpu, asid);
    dropUser(cpu, asid);
  } else {
    dropPages(model, cpu, asid, info);
    dropUserPages(model, cpu, { ...info, flags: info.flags & ~abi.INFO_USER_LATER }, asid);
  }
  if ((info.flags & abi.INFO_LEAF) !== 0) cpu.pwc.entries.splice(0, tables.length, ...tables);
}

/** In every slot that holds the mm, loaded or not. */
function apply(model: Model, cpu: Cpu, info: Readonly<Info>): void {
  if (info.mm === "any") {
    applyAll(model, cpu);
    return;
  }
  const mm = info.mm === "kernel" ? null : model.mms[info.mm];
  if (!mm) return;
  if (model.has(abi.OPT_GLOBAL_ASIDS)) {
    // One PCID on every CPU: dynamic ones are not reached.
    const asid = globalOf(mm);
    if (asid === null) return;
    if ((info.flags & abi.INFO_FULL) !== 0) flushSlot(model, cpu, asid);
    else dropPages(model, cpu, asid, info);
    model.count(cpu.index, abi.CT_BROADCAST);
    return;
  }
  if (model.asids) {
    const slot = cpu.slots.findIndex(({ ctxId }) => ctxId === info.gen);
    if (info.gen === 0 || slot < 0) return;
    drop(model, cpu, slot, info);
    model.count(cpu.index, abi.CT_BROADCAST);
    return;
  }
  cpu.slots.forEach((slot, asid) => {
    if (slot.ctxId !== mm.ctxId) return;
    drop(model, cpu, asid, info);
    const isNext = slot.tlbGen + 1 === info.gen;
    if ((info.flags & abi.INFO_ORDERED) === 0 || isNext) {
      slot.tlbGen = Math.max(slot.tlbGen, info.gen);
    }
    model.count(cpu.index, abi.CT_BROADCAST);
  });
  leaveDirectory(model, cpu, info);
}

/** DIR_SEND: to whom the directory names, or to everybody. */
export function forward(model: Model, cpu: Cpu, i: Instruction): number {
  const { info } = cpu;
  if (!info || typeof info.mm === "string" || !model.has(abi.OPT_DIRECTORY))
    return abi.ST_BAD_PROGRAM;
  const isFreed = (info.flags & abi.INFO_FREED) !== 0 && i.imm !== abi.DIR_TABLES;
  const holders = isFreed ? model.cpus.map(({ index }) => index) : holdersOf(model, info);
  for (const index of [cpu.index, ...holders]) cpu.broadcast.add(index);
  return abi.ST_OK;
}

/** Hardware applies a broadcast that a CPU has not applied: that of the lowest sender. */
export function applyBroadcast(model: Model, actor: number): number {
  const cpu = model.cpus[actor];
  if (!cpu) return abi.ST_IDLE;
  const sender = model.cpus.find(({ broadcast }) => broadcast.has(actor));
  if (!sender) return abi.ST_IDLE;
  sender.broadcast.delete(actor);
  // Nobody waits for it: the request may be over.
  if (sender.info) apply(model, cpu, sender.info);
  return abi.ST_OK;
}

/** FENCE: the same by the CPU itself, for its own request or for the oldest entry. */
export function fence(model: Model, cpu: Cpu, info: Readonly<Info>, how: number): void {
  const mm = model.mm(info.mm as number);
  if ((how & abi.FENCE_LOADED) !== 0 && cpu.loaded !== mm.index) {
    for (const slot of cpu.slots) {
      if (slot.ctxId === mm.ctxId) slot.tlbGen = Math.max(slot.tlbGen, info.gen);
    }
    return;
  }
  apply(model, cpu, info);
  const isTarget = (how & abi.FENCE_CSD) !== 0;
  model.count(cpu.index, isTarget ? abi.CT_FLUSH_REMOTE : abi.CT_FLUSH_LOCAL);
  const bits = (info.flags & abi.INFO_HUGE) !== 0 ? model.bits : 0n;
  if ((info.flags & abi.INFO_FULL) !== 0) model.count(cpu.index, abi.CT_FLUSH_FULL);
  else model.count(cpu.index, abi.CT_FLUSH_PAGES, Number((info.end - info.start) >> bits));
}
