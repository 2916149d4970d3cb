/** Marks, scenario signals, mmapLock and page-table locks. */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import type { Context, Model } from "./state.js";
import { condemn } from "./oracle.js";
import { leafPlace } from "./tables.js";

function lockMmap(model: Model, c: Context, write: boolean): number {
  if (c.mm === null) return abi.ST_BAD_PROGRAM;
  const mm = model.mm(c.mm);
  if (write ? mm.mmapLock !== 0 : mm.mmapLock < 0) return abi.ST_WAIT;
  mm.mmapLock = write ? -1 : mm.mmapLock + 1;
  c.locks |= write ? abi.LOCK_MMAP_WRITE : abi.LOCK_MMAP_READ;
  return abi.ST_OK;
}

function unlockMmap(model: Model, c: Context, write: boolean): number {
  const bit = write ? abi.LOCK_MMAP_WRITE : abi.LOCK_MMAP_READ;
  if (c.mm === null || (c.locks & bit) === 0) return abi.ST_BAD_PROGRAM;
  const mm = model.mm(c.mm);
  mm.mmapLock = write ? 0 : mm.mmapLock - 1;
  c.locks &= ~bit;
  return abi.ST_OK;
}

function lockTable(model: Model, c: Context, vpn: bigint, slot: 0 | 1): number {
  const table = leafPlace(model, model.mm(c.mm!), vpn)?.table ?? null;
  const held = table !== null && slot === 1 && c.ptl[0] === table;
  if (table !== null && !held) {
    if (table.lock !== null) return abi.ST_WAIT;
    table.lock = c;
    c.ptl[slot] = table;
  }
  c.flag = table !== null;
  return abi.ST_OK;
}

export function runControl(model: Model, actor: number, c: Context, i: Instruction): number {
  const slot = i.c === 0 ? 0 : 1;
  switch (i.op) {
    case abi.OP_MARK:
      c.op = i.imm;
      c.opStart = c.r[i.a]!;
      c.opEnd = c.r[i.b]!;
      return abi.ST_OK;
    case abi.OP_UNMARK:
      if (i.imm !== 0) condemn(model, c);
      c.op = 0;
      c.opStart = 0n;
      c.opEnd = 0n;
      model.count(actor, abi.CT_OPS);
      return abi.ST_OK;
    case abi.OP_SIGNAL:
      model.sync[i.imm] = (model.sync[i.imm] + 1) & 0xff;
      return abi.ST_OK;
    case abi.OP_AWAIT:
      return model.sync[i.imm] >= i.c ? abi.ST_OK : abi.ST_WAIT;
    case abi.OP_IRQ_OFF:
      c.irqOff = true;
      return abi.ST_OK;
    case abi.OP_IRQ_ON:
      c.irqOff = false;
      return abi.ST_OK;
    case abi.OP_MMAP_RLOCK:
      return lockMmap(model, c, false);
    case abi.OP_MMAP_RUNLOCK:
      return unlockMmap(model, c, false);
    case abi.OP_MMAP_WLOCK:
      return lockMmap(model, c, true);
    case abi.OP_MMAP_WUNLOCK:
      return unlockMmap(model, c, true);
    case abi.OP_PTL_LOCK:
      return lockTable(model, c, c.r[i.a], slot);
    case abi.OP_PTL_UNLOCK: {
      const table = c.ptl[slot];
      if (table) table.lock = null;
      c.ptl[slot] = null;
      return abi.ST_OK;
    }
    default:
      throw new Error(`the model has no micro-op ${i.name}`);
  }
}
