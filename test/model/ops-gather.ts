/** mmu_gather: unhook, invalidate, free (shootdown 1.7). */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { ALL, type Context, type Model } from "./state.js";
import { has, putFrame, putTable } from "./tables.js";

function widen(c: Context, start: bigint, end: bigint): void {
  if (start < c.gather.start) c.gather.start = start;
  if (end > c.gather.end) c.gather.end = end;
}

/** Reclaim collects pages without a gather: there is no range to keep. */
const isOpen = ({ gather }: Context): boolean => gather.start !== 0n || gather.end !== 0n;

function freeTables(model: Model, c: Context): void {
  for (const table of [...c.gather.tables].reverse()) putTable(model, table);
  c.gather.tables = [];
}

function add(model: Model, c: Context, vpn: bigint): number {
  const huge = has(c.pte, abi.PTE_HUGE);
  const pfn = c.pte?.to ?? 0;
  const isFull = c.gather.frames.length >= model.geometry.gatherPages;
  if (isOpen(c)) {
    widen(c, vpn, (vpn + (huge ? 1n << model.bits : 1n)) & ALL);
    if (!huge) c.gather.flags |= abi.GF_SMALL;
  }
  c.pte = null;
  if (pfn === 0) {
    if (model.has(abi.OPT_ACCESSED)) c.gather.flags |= abi.GF_UNTRACKED;
    return abi.ST_OK;
  }
  if (isFull) return abi.ST_BAD_PROGRAM;
  c.gather.frames.push(pfn);
  return abi.ST_OK;
}

/** OP_GATHER_BEGIN … OP_TABLE_FREE. */
export function runGather(model: Model, actor: number, c: Context, i: Instruction): number {
  if (c.mm === null) return abi.ST_BAD_PROGRAM;
  const mm = model.mm(c.mm);
  const { gather } = c;
  switch (i.op) {
    case abi.OP_GATHER_BEGIN:
      mm.gathers++;
      gather.start = ALL;
      gather.end = 0n;
      gather.flags = i.imm;
      return abi.ST_OK;
    case abi.OP_GATHER_ADD:
      return add(model, c, c.r[i.a]);
    case abi.OP_GATHER_WIDEN:
      widen(c, c.r[i.a], c.r[i.b]);
      gather.flags |= abi.GF_SMALL;
      return abi.ST_OK;
    case abi.OP_GATHER_NESTED:
      if (mm.gathers > 1) {
        gather.flags |= abi.GF_FULL | abi.GF_FREED | abi.GF_NESTED;
        gather.start = ALL;
        gather.end = ALL;
      }
      return abi.ST_OK;
    case abi.OP_GATHER_FREE:
      for (const pfn of gather.frames) putFrame(model, actor, pfn);
      gather.frames = [];
      freeTables(model, c);
      if (isOpen(c)) {
        gather.start = ALL;
        gather.end = 0n;
      }
      gather.flags &= ~(abi.GF_FREED | abi.GF_SMALL | abi.GF_UNTRACKED);
      return abi.ST_OK;
    case abi.OP_GATHER_END:
      mm.gathers--;
      gather.start = 0n;
      gather.end = 0n;
      gather.flags = 0;
      return abi.ST_OK;
    case abi.OP_TABLE_FREE:
      freeTables(model, c);
      return abi.ST_OK;
    default:
      throw new Error(`the model has no micro-op ${i.name}`);
  }
}
