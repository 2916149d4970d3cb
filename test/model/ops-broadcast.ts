/** Invalidations that hardware broadcasts (shootdown 1.8). */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { holdersOf, leaveDirectory } from "./directory.js";
import { dropPages, flushSlot } from "./ops-flush.js";
import type { Cpu, Info, Model } from "./state.js";

/** BCAST_SEND and BCAST_WAIT. */
export function runBroadcast(model: Model, cpu: Cpu, i: Instruction): number {
  if (i.op === abi.OP_BCAST_WAIT) return cpu.broadcast.size > 0 ? abi.ST_WAIT : abi.ST_OK;
  if (!cpu.info || !model.has(abi.OPT_BROADCAST)) return abi.ST_BAD_PROGRAM;
  for (const { index } of model.cpus) cpu.broadcast.add(index);
  return abi.ST_OK;
}

/** Under one slot. Broadcasts that leave walk caches alone drop translations only. */
function drop(model: Model, cpu: Cpu, asid: number, info: Readonly<Info>): void {
  const tables = cpu.pwc.entries.slice();
  if ((info.flags & abi.INFO_FULL) !== 0) flushSlot(cpu, asid);
  else dropPages(model, cpu, asid, info);
  if ((info.flags & abi.INFO_LEAF) !== 0) cpu.pwc.entries.splice(0, tables.length, ...tables);
}

/** In every slot that holds the mm, loaded or not. */
function apply(model: Model, cpu: Cpu, info: Readonly<Info>): void {
  const mm = info.mm === "any" ? null : model.mms[info.mm];
  if (!mm) return;
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
  if (!info || info.mm === "any" || !model.has(abi.OPT_DIRECTORY)) return abi.ST_BAD_PROGRAM;
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
