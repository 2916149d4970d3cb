/** Micro-ops that touch nothing but their own context. They return the next pc. */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { ALL, type Context, type Model } from "./state.js";
import { has, spanOf } from "./tables.js";

const wrap = (value: bigint): bigint => value & ALL;

/** GATHER_RANGE: the flush range and whether there is anything to flush. */
function gatherRange(c: Context, i: Instruction): void {
  const { gather } = c;
  const raw = i.imm !== 0;
  const full = (gather.flags & abi.GF_FULL) !== 0;
  const nested = (gather.flags & abi.GF_NESTED) !== 0;
  c.flag = full || gather.start < gather.end || (raw && nested);
  c.r[i.a] = full && !raw ? 0n : gather.start;
  c.r[i.b] = full && !raw ? ALL : gather.end;
}

export function runLocal(model: Model, c: Context, i: Instruction): number {
  const next = c.pc + 1;
  const { r } = c;
  const imm = BigInt(i.imm);
  switch (i.op) {
    case abi.OP_JMP:
      return i.imm;
    case abi.OP_JT:
      return c.flag ? i.imm : next;
    case abi.OP_JF:
      return c.flag ? next : i.imm;
    case abi.OP_MOVI:
      r[i.a] = imm;
      break;
    case abi.OP_MOVH:
      r[i.a] = r[i.a] | (imm << 32n);
      break;
    case abi.OP_MOV:
      r[i.a] = r[i.b]!;
      break;
    case abi.OP_ADDI:
      r[i.a] = wrap(r[i.b] + imm);
      break;
    case abi.OP_ADD:
      r[i.a] = wrap(r[i.b] + r[i.c]);
      break;
    case abi.OP_SUB:
      r[i.a] = wrap(r[i.b] - r[i.c]);
      break;
    case abi.OP_CMPLT:
      c.flag = r[i.a] < r[i.b];
      break;
    case abi.OP_CMPEQ:
      c.flag = r[i.a] === r[i.b];
      break;
    case abi.OP_DJNZ:
      r[i.a] = wrap(r[i.a] - 1n);
      return r[i.a] === 0n ? next : i.imm;
    case abi.OP_RET:
      return c.stack.pop()!;
    case abi.OP_DELAY:
    case abi.OP_NOP:
      break;
    case abi.OP_BITS:
      c.flag = (r[i.a] & imm) !== 0n;
      break;
    case abi.OP_PTE_BITS:
      c.flag = has(c.pte, i.imm);
      break;
    case abi.OP_FRAME_ZERO:
      c.frame = 0;
      break;
    case abi.OP_GATHER_FULL:
      c.flag = c.gather.frames.length >= model.geometry.gatherPages;
      break;
    case abi.OP_GATHER_RANGE:
      gatherRange(c, i);
      break;
    case abi.OP_CTX_MM:
      c.mm = r[i.a] === 0n ? null : Number(r[i.a]) - 1;
      break;
    case abi.OP_GET_MM:
      r[i.a] = c.mm === null ? 0n : BigInt(c.mm + 1);
      break;
    case abi.OP_SPAN_END: {
      const span = spanOf(model, i.imm);
      r[i.a] = wrap((r[i.b] / span + 1n) * span);
      break;
    }
    case abi.OP_PTE_FORGET:
      c.pte = null;
      break;
    case abi.OP_PTE_FRAME:
      r[i.a] = BigInt(c.pte?.to ?? 0);
      break;
    default:
      throw new Error(`the model has no local micro-op ${i.name}`);
  }
  return next;
}
