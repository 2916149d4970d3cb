/** One ASID space for all CPUs (arm64): generations, reserved and pinned ASIDs. */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { dropTables, dropWhere } from "./caches.js";
import { flushSlot } from "./ops-flush.js";
import type { Asid, Context, Cpu, Mm, Model } from "./state.js";

const same = (a: Asid | null, b: Asid | null): boolean =>
  a !== null && b !== null && a.number === b.number && a.generation === b.generation;

/** An id as registers and rows have it. */
export function idWord(model: Model, asid: Asid | null): number {
  if (asid === null) return 0;
  return asid.generation * 2 ** model.asids!.space.toString(2).length + asid.number;
}

/** The slot that stands for an ASID. */
export function asidSlot(model: Model, number: number): number {
  return (number - 1) % model.geometry.asids;
}

/** An id of this generation for an mm. */
function renew(model: Model, actor: number, mm: Mm, how: number): Asid {
  const all = model.asids!;
  const { asid: old } = mm;
  if (old !== null) {
    const now = { number: old.number, generation: all.generation };
    const holders = model.cpus.filter(({ reserved }) => same(reserved, old));
    for (const cpu of holders) cpu.reserved = now;
    if (holders.length > 0 || mm.pins > 0) return now;
    if (!all.used.has(old.number)) {
      all.used.add(old.number);
      return now;
    }
  }
  const firstFree = (from: number): number | undefined =>
    Array.from({ length: all.space + 1 - from }, (_, i) => from + i).find((n) => !all.used.has(n));
  let number = firstFree(all.next);
  if (number === undefined) {
    rollOver(model, actor, how);
    number = firstFree(1)!;
  }
  all.used.add(number);
  all.next = number;
  return { number, generation: all.generation };
}

function rollOver(model: Model, actor: number, how: number): void {
  const all = model.asids!;
  all.generation++;
  all.used.clear();
  if ((how & abi.ASID_UNPINNED) === 0) for (const number of all.pinned) all.used.add(number);
  for (const cpu of model.cpus) {
    const inUse = cpu.active ?? cpu.reserved;
    cpu.reserved = (how & abi.ASID_UNRESERVED) === 0 ? inUse : null;
    cpu.active = null;
    if (cpu.reserved) all.used.add(cpu.reserved.number);
    all.pending.add(cpu.index);
  }
  model.count(actor, abi.CT_ROLLOVER);
}

function currentAsid(model: Model, actor: number, mm: Mm, how: number): Asid {
  if (mm.asid?.generation !== model.asids!.generation) mm.asid = renew(model, actor, mm, how);
  return mm.asid;
}

/** With the lock; true: the CPU has to flush everything before it uses the ASID. */
export function takeAsid(model: Model, cpu: Cpu, mm: Mm, how: number): boolean {
  cpu.active = currentAsid(model, cpu.index, mm, how);
  const isPending = model.asids!.pending.delete(cpu.index);
  return isPending && (how & abi.ASID_UNFLUSHED) === 0;
}

/** SW_CR3: loads the ASID with that number. */
export function loadAsid(model: Model, cpu: Cpu, number: number, flush: boolean): void {
  if (flush) {
    dropWhere(cpu.tlb, () => true);
    dropTables(cpu.pwc);
    cpu.slots = cpu.slots.map(() => ({ ctxId: 0, tlbGen: 0 }));
    model.count(cpu.index, abi.CT_SWITCH_FLUSH);
  }
  cpu.asid = asidSlot(model, number);
  const { ctxId } = cpu.slots[cpu.asid];
  if (ctxId !== 0 && ctxId !== number) flushSlot(model, cpu, cpu.asid);
  cpu.slots[cpu.asid] = { ctxId: number, tlbGen: 0 };
}

/** The number in an id. */
export function numberIn(model: Model, word: bigint): number {
  return Number(word % BigInt(2 ** model.asids!.space.toString(2).length));
}

/** Numbers that the next request for the context's mm names. */
export function namedAsid(model: Model, c: Context, flags: number): number {
  const isEarly = (flags & abi.INFO_NAMED) !== 0 && c.r[11] !== 0n;
  return isEarly ? Number(c.r[11] & 0xffff_ffffn) : (model.mm(c.mm!).asid?.number ?? 0);
}

export function releaseAsid(model: Model, mm: Mm): void {
  if (mm.pins > 0) model.asids?.pinned.delete(mm.asid!.number);
}

function pin(model: Model, actor: number, mm: Mm): boolean {
  const { pinned, space } = model.asids!;
  if (mm.pins === 0) {
    if (pinned.size >= space - model.cpus.length - 1) return false;
    pinned.add(currentAsid(model, actor, mm, 0).number);
  }
  mm.pins++;
  return true;
}

function unpin(model: Model, mm: Mm): boolean {
  if (mm.pins === 0) return false;
  if (mm.pins === 1) releaseAsid(model, mm);
  mm.pins--;
  return true;
}

/** ASID_LOOK … ASID_PIN. */
export function runAsid(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  const isNamed = i.op === abi.OP_ASID_LOOK && i.imm === abi.ASID_NAME;
  const index = i.op === abi.OP_ASID_PIN || isNamed ? c.mm : Number(c.r[i.a]) - 1;
  if (!model.asids || index === null || index < 0 || index >= model.mms.length) {
    return abi.ST_BAD_PROGRAM;
  }
  const mm = model.mm(index);
  switch (i.op) {
    case abi.OP_ASID_LOOK:
      if (isNamed) {
        c.r[11] = BigInt(mm.asid?.number ?? 0);
        break;
      }
      c.r[11] = BigInt(idWord(model, mm.asid));
      c.lookedAt = mm.asid;
      c.flag = cpu.active === null || mm.asid?.generation !== model.asids.generation;
      break;
    case abi.OP_ASID_SWAP:
      c.flag = cpu.active === null && i.imm !== abi.ASID_BLIND;
      if (!c.flag || i.imm === abi.ASID_XCHG) cpu.active = c.lookedAt ?? null;
      break;
    case abi.OP_ASID_TAKE:
      c.flag = takeAsid(model, cpu, mm, i.imm);
      c.r[11] = BigInt(idWord(model, mm.asid));
      break;
    default:
      c.flag = i.imm === 0 ? unpin(model, mm) : pin(model, cpu.index, mm);
  }
  return abi.ST_OK;
}
