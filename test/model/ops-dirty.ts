/** Dirty bits of page-table entries, and pages whose content was taken (shootdown I5, I12). */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import type { Context, Model } from "./state.js";
import { has, leafPlace, softWalk } from "./tables.js";

/** Hardware: the entry of `vpn` becomes dirty. */
export function setDirty(model: Model, mm: number, vpn: bigint): void {
  const place = leafPlace(model, model.mm(mm), vpn)!;
  const pte = place.table.entries[place.index]!;
  place.table.entries[place.index] = { ...pte, flags: pte.flags | abi.PTE_DIRTY };
}

function clean(model: Model, c: Context, vpn: bigint, protect: boolean): number {
  const place = leafPlace(model, model.mm(c.mm!), vpn);
  if (!place) return abi.ST_BAD_PROGRAM;
  const pte = place.table.entries[place.index];
  const bits = abi.PTE_DIRTY | (protect ? abi.PTE_W : 0);
  // Whoever does not keep track takes every page for dirty.
  c.flag = has(pte, bits) || !model.has(abi.OPT_DIRTY);
  if (pte !== null) place.table.entries[place.index] = { ...pte, flags: pte.flags & ~bits };
  return abi.ST_OK;
}

/** What is writable again will be written out again. */
function collect(model: Model, c: Context, vpn: bigint): number {
  const pte = softWalk(model, model.mm(c.mm!), vpn);
  if (pte === null || pte.to === 0 || has(pte, abi.PTE_W)) return abi.ST_OK;
  const frame = model.frames[pte.to];
  frame.value = (frame.value | abi.FRAME_COLLECTED) >>> 0;
  return abi.ST_OK;
}

/** PTE_CLEAN and PTE_COLLECT. */
export function runDirty(model: Model, c: Context, i: Instruction): number {
  if (c.mm === null) return abi.ST_BAD_PROGRAM;
  const vpn = c.r[i.a];
  return i.op === abi.OP_PTE_CLEAN ? clean(model, c, vpn, i.imm !== 0) : collect(model, c, vpn);
}
