/** Lazily flushed unmappings (shootdown P6): entries that CPUs sweep, frames parked until then. */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { dropPages, flushFunc, flushSlot } from "./ops-flush.js";
import type { Context, Cpu, Info, LatrEntry, Model } from "./state.js";
import { putFrame } from "./tables.js";

/** Does what is left to sweep overlap [start, end) of an mm (index)? */
export function isWithheld(model: Model, mm: number, start: bigint, end: bigint): boolean {
  return model.cpus.some(
    ({ latr }) =>
      latr !== null && latr.info.mm === mm && latr.info.start < end && start < latr.info.end,
  );
}

/** Is this frame of a page parked until all have swept? The zero page is never freed. */
export function isParked(model: Model, mm: number, vpn: bigint, pfn: number): boolean {
  return model.cpus.some(({ latr }) => {
    if (latr === null || latr.info.mm !== mm) return false;
    const covers = latr.info.start <= vpn && vpn < latr.info.end;
    return covers && (pfn === 0 || latr.frames.includes(pfn));
  });
}

/** Other CPUs that run the mm, or are about to. */
function sweepers(model: Model, cpu: Cpu, mm: number, away: boolean): Set<number> {
  const all = model.cpus.filter(
    (other) =>
      other !== cpu &&
      model.mm(mm).cpumask.has(other.index) &&
      other.online &&
      !other.lazy &&
      (away || other.loaded === mm || other.loaded === "switching"),
  );
  return new Set(all.map(({ index }) => index));
}

/**
 * What munmap gathers may wait, because nothing is mapped there any more; under a mutant whatever
 * anybody flushes; freed tables never.
 */
function mayWait(model: Model, c: Context, info: Info, how: number): boolean {
  if ((info.flags & abi.INFO_FREED) !== 0) return false;
  if ((how & abi.LATR_ANY) !== 0) return true;
  const { start, end, frames } = c.gather;
  const byReclaim = (info.flags & abi.INFO_PARKS) !== 0 && frames.length > 0;
  if ((how & abi.LATR_SWAP) !== 0 && byReclaim) return true;
  if (frames.length === 0 || (c.locks & abi.LOCK_MMAP_WRITE) === 0 || start >= end) return false;
  return !model.mm(info.mm as number).vmas.some((vma) => vma.start < end && start < vma.end);
}

function post(model: Model, cpu: Cpu, c: Context, how: number): number {
  const { info } = cpu;
  c.flag = false;
  if (!info || !model.has(abi.OPT_LATR)) return abi.ST_BAD_PROGRAM;
  const { mm } = info;
  if (typeof mm === "string" || !mayWait(model, c, info, how) || cpu.latr) return abi.ST_OK;
  if ((how & abi.LATR_TEST) !== 0) {
    c.flag = true;
    return abi.ST_OK;
  }
  const left = sweepers(model, cpu, mm, (how & abi.LATR_SWAP) !== 0);
  if (left.size === 0) return abi.ST_OK;
  cpu.latr = { info: { ...info, mm }, frames: c.gather.frames, left, seen: new Set() };
  c.gather.frames = [];
  // Nobody is to sweep what drops itself.
  for (const index of model.lifetimes ? [] : left) model.cpus[index].ipiPending = true;
  c.flag = true;
  return abi.ST_OK;
}

export function retire(model: Model, actor: number, owner: Cpu): void {
  for (const pfn of owner.latr!.frames) putFrame(model, actor, pfn);
  owner.latr = null;
}

/** Under an ASID that is not loaded; a slot that had missed this one request is as new as it. */
function sweepInactive(model: Model, cpu: Cpu, info: LatrEntry["info"], flushes: boolean): void {
  cpu.slots.forEach((slot, asid) => {
    if (slot.ctxId !== model.mm(info.mm).ctxId) return;
    if (flushes && (info.flags & abi.INFO_FULL) !== 0) flushSlot(model, cpu, asid);
    else if (flushes) dropPages(model, cpu, asid, info);
    if (slot.tlbGen + 1 === info.gen) slot.tlbGen = info.gen;
  });
}

function sweep(model: Model, cpu: Cpu, how: number): void {
  if (model.lifetimes) return;
  for (const owner of model.cpus) {
    const { latr } = owner;
    if (!latr?.left.has(cpu.index)) continue;
    if (cpu.loaded === latr.info.mm) flushFunc(model, cpu, latr.info, false);
    else if ((how & abi.SWEEP_INACTIVE) !== 0) {
      sweepInactive(model, cpu, latr.info, (how & abi.SWEEP_TRUST) === 0);
    }
    latr.left.delete(cpu.index);
    if (latr.left.size === 0) retire(model, cpu.index, owner);
  }
}

/** An mm goes, and with it everybody's translations. */
export function forgetMm(model: Model, actor: number, mm: number): void {
  for (const owner of model.cpus) {
    if (owner.latr?.info.mm === mm) retire(model, actor, owner);
  }
}

/** LATR_POST, LATR_SWEEP and LATR_WAIT. */
export function runLatr(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  if (i.op === abi.OP_LATR_POST) return post(model, cpu, c, i.imm);
  if (i.op === abi.OP_LATR_WAIT) {
    const waits = c.mm !== null && isWithheld(model, c.mm, c.r[i.a], c.r[i.b]);
    return waits ? abi.ST_WAIT : abi.ST_OK;
  }
  sweep(model, cpu, i.imm);
  return abi.ST_OK;
}
