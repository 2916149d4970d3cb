/** Copy-on-write whose own flush is a write through the new entry (shootdown P16). */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { cpuWalk } from "./ops-cpu.js";
import { dropPages } from "./ops-flush.js";
import type { Context, Cpu, Model } from "./state.js";
import { has } from "./tables.js";

/** Is this CPU one generation behind, of this mm, and no more than one data page? */
function mayLeaveOut(model: Model, cpu: Cpu, c: Context): boolean {
  const { info } = cpu;
  if (info?.mm !== c.mm || cpu.loaded !== c.mm || cpu.lazy) return false;
  if (has(c.pte, abi.PTE_EXEC) || has(c.pte, abi.PTE_HUGE)) return false;
  return cpu.slots[cpu.asid].tlbGen === info.gen - 1 && model.mm(info.mm).tlbGen === info.gen;
}

/** OP_COW_SKIP and OP_COW_DISPLACE. */
export function runCopied(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  if (i.op === abi.OP_COW_SKIP) {
    if (!cpu.info) return abi.ST_BAD_PROGRAM;
    c.flag = mayLeaveOut(model, cpu, c);
    if (c.flag) cpu.slots[cpu.asid].tlbGen = cpu.info.gen;
    return abi.ST_OK;
  }
  const vpn = c.r[i.a];
  if (cpu.loaded !== c.mm || cpuWalk(model, cpu, c.mm, vpn, true).usable) return abi.ST_OK;
  dropPages(model, cpu, cpu.asid, { mm: c.mm, gen: 0, start: vpn, end: vpn + 1n, flags: 0 });
  return abi.ST_OK;
}
