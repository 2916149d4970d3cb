/** Invalidations that hardware broadcasts (shootdown 1.8). */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { dropUser, dropUserPages } from "./ops-arch.js";
import { dropPages, flushSlot } from "./ops-flush.js";
import { globalOf } from "./ops-global.js";
import type { Cpu, Info, Model } from "./state.js";

/** BCAST_SEND and BCAST_WAIT. */
export function runBroadcast(model: Model, cpu: Cpu, i: Instruction): number {
  if (i.op === abi.OP_BCAST_WAIT) return cpu.broadcast.size > 0 ? abi.ST_WAIT : abi.ST_OK;
  if (!cpu.info || typeof cpu.info.mm === "string" || !model.has(abi.OPT_BROADCAST))
    return abi.ST_BAD_PROGRAM;
  const masked = i.imm === 0 ? null : model.mm(cpu.info.mm).cpumask;
  for (const { index } of model.cpus) {
    if (masked?.has(index) ?? true) cpu.broadcast.add(index);
  }
  return abi.ST_OK;
}

/** In every slot that holds the mm, loaded or not. */
function apply(model: Model, cpu: Cpu, info: Readonly<Info>): void {
  const mm = typeof info.mm === "string" ? null : model.mms[info.mm];
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
  cpu.slots.forEach((slot, asid) => {
    if (slot.ctxId !== mm.ctxId) return;
    if ((info.flags & abi.INFO_FULL) !== 0) {
      flushSlot(model, cpu, asid);
      dropUser(cpu, asid);
    } else {
      dropPages(model, cpu, asid, info);
      dropUserPages(model, cpu, { ...info, flags: info.flags & ~abi.INFO_USER_LATER }, asid);
    }
    slot.tlbGen = Math.max(slot.tlbGen, info.gen);
    model.count(cpu.index, abi.CT_BROADCAST);
  });
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
