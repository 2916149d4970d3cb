/** Access tracking (shootdown P9): who may have cached a frame, and flushes that follow from it. */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { dropPages, flushSlot } from "./ops-flush.js";
import type { Context, Cpu, Model } from "./state.js";

/** A walk of `cpu` has cached `pfn`. */
export function noteAccess(model: Model, cpu: number, pfn: number): void {
  if (model.has(abi.OPT_ACCESSED)) model.frames[pfn].accessedBy.add(cpu);
}

function isKnown(cpu: Cpu, c: Context): boolean {
  const all = abi.GF_FULL | abi.GF_FREED | abi.GF_UNTRACKED;
  return (c.gather.flags & all) === 0 && c.gather.frames.length > 0 && cpu.loaded === c.mm;
}

/** Everybody who has accessed one of the gathered frames; null: more of them than can be told. */
function accessors(model: Model, c: Context): Set<number> | null {
  const all = new Set<number>();
  for (const pfn of c.gather.frames) {
    const { accessedBy } = model.frames[pfn];
    if (accessedBy.size > 1) return null;
    for (const cpu of accessedBy) all.add(cpu);
  }
  return all;
}

function flushOwn(model: Model, cpu: Cpu, c: Context): void {
  const { start, end } = c.gather;
  model.count(cpu.index, abi.CT_FLUSH_LOCAL);
  if (end - start > BigInt(model.geometry.ceiling)) {
    flushSlot(model, cpu, cpu.asid);
    model.count(cpu.index, abi.CT_FLUSH_FULL);
    return;
  }
  dropPages(model, cpu, cpu.asid, { mm: "any", gen: 0, start, end, flags: 0 });
  model.count(cpu.index, abi.CT_FLUSH_PAGES, Number(end - start));
}

/** OP_ACCESS_WHO … OP_ACCESS_FORGET. */
export function runAccess(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  if (i.op === abi.OP_ACCESS_FORGET) {
    const frame = model.frames[c.pte?.to ?? 0];
    if (c.pte !== null && c.pte.to !== 0 && frame.refs === 1) frame.accessedBy.clear();
    return abi.ST_OK;
  }
  if (!model.has(abi.OPT_ACCESSED) || !model.has(abi.OPT_BATCH)) return abi.ST_BAD_PROGRAM;
  const known = isKnown(cpu, c) ? accessors(model, c) : null;
  if (i.op === abi.OP_ACCESS_WHO) {
    const isMine = known?.size === 1 && known.has(cpu.index);
    c.flag = known === null || (known.size > 0 && !isMine);
    if (isMine) flushOwn(model, cpu, c);
    return abi.ST_OK;
  }
  if (!cpu.info) return abi.ST_BAD_PROGRAM;
  if (known === null) return abi.ST_OK;
  for (const other of known) model.batches[c.index].mask.add(other);
  cpu.info.flags |= abi.INFO_NARROW;
  return abi.ST_OK;
}
