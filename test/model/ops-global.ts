/** ASIDs that are the same on every CPU (shootdown 1.8). */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { dropTables, dropWhere } from "./caches.js";
import type { Context, Cpu, Mm, Model } from "./state.js";

export const isGlobal = (asid: number): boolean => asid >= abi.ASID_GLOBAL;

/** The mm's ASID as CPUs and tags have it. */
export function globalOf(mm: Mm): number | null {
  return mm.globalAsid === null ? null : abi.ASID_GLOBAL + mm.globalAsid;
}

/** A CPU that runs an mm with a global ASID uses it from here on; its broadcasts keep it fresh. */
export function adopt(cpu: Cpu, mm: Mm): boolean {
  const asid = globalOf(mm);
  if (asid !== null) cpu.asid = asid;
  return asid !== null;
}

/** Does somebody run the mm under an ASID of its own, or may be about to? If not, that is over. */
function lookForStragglers(model: Model, mm: Mm): boolean {
  if (!mm.moving) return false;
  mm.moving = model.cpus.some(
    ({ index, loaded, asid }) =>
      mm.cpumask.has(index) && (loaded === mm.index || loaded === "switching") && !isGlobal(asid),
  );
  return mm.moving;
}

function flushNonGlobals(model: Model): void {
  for (const { tlb, pwc } of model.cpus) {
    dropWhere(tlb, ({ asid }) => asid !== abi.ASID_EVERY);
    dropTables(pwc);
  }
}

function takeAsid(model: Model, atOnce: boolean): number | null {
  const { usedAsids: used, freedAsids: freed, globals } = model;
  if (atOnce || (used.size === globals.asids && freed.size > 0)) {
    if (!atOnce) flushNonGlobals(model);
    for (const asid of freed) used.delete(asid);
    freed.clear();
  }
  for (let asid = 0; asid < globals.asids; asid++) {
    if (used.has(asid)) continue;
    used.add(asid);
    return asid;
  }
  return null;
}

function assign(model: Model, mm: Mm, atOnce: boolean): void {
  if (mm.globalAsid !== null) return;
  mm.asked++;
  if (mm.asked < model.globals.every) return;
  mm.asked = 0;
  const active = model.cpus.filter(({ loaded, lazy }) => loaded === mm.index && !lazy);
  if (active.length <= model.globals.cpus) return;
  mm.globalAsid = takeAsid(model, atOnce);
  mm.moving = mm.globalAsid !== null;
}

/** GLOBAL_HAVE, GLOBAL_MOVING and GLOBAL_ASSIGN. */
export function runGlobal(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  const { info } = cpu;
  if (!model.has(abi.OPT_GLOBAL_ASIDS) || !info || typeof info.mm === "string") {
    return abi.ST_BAD_PROGRAM;
  }
  const mm = model.mm(info.mm);
  if (i.op === abi.OP_GLOBAL_ASSIGN) assign(model, mm, i.imm !== 0);
  else if (i.op === abi.OP_GLOBAL_MOVING) c.flag = lookForStragglers(model, mm);
  else c.flag = mm.globalAsid !== null;
  return abi.ST_OK;
}
