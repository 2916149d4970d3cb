/** VMAs, page tables and frames. */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { takeDeferred, takeRecycled, useUnflushed } from "./ops-deferral.js";
import { inherit } from "./sharers.js";
import { type Context, type Mm, type Model, ModelTrap, type Pte, type Table } from "./state.js";
import * as tables from "./tables.js";
import { has } from "./tables.js";

/** What says whether an entry is present, or why not. */
const PRESENCE =
  abi.PTE_P | abi.PTE_PROTNONE | abi.PTE_MIGRATION | abi.PTE_EXCLUSIVE | abi.PTE_DEVICE;

function setRmap(model: Model, pfn: number, mm: Mm, vpn: bigint): void {
  if (pfn !== 0) model.frames[pfn].rmap = { mm: mm.index, vpn };
}

function refFrame(model: Model, pfn: number, by = 1): void {
  if (pfn !== 0) model.frames[pfn].refs += by;
}

function setSmall(model: Model, mm: Mm, vpn: bigint, pte: Pte): number {
  const table = tables.tableOf(model, mm, vpn, 0);
  if (!table) return abi.ST_BAD_PROGRAM;
  table.entries[tables.indexOf(model, vpn, 0)] = pte;
  setRmap(model, pte.to, mm, vpn);
  return abi.ST_OK;
}

/** Nothing may be at that place of the table above. */
function putHuge(model: Model, mm: Mm, vpn: bigint, pte: Pte): number {
  const status = tables.allocPath(model, mm, vpn, 1);
  if (status !== abi.ST_OK) return status;
  const { entries } = tables.tableOf(model, mm, vpn, 1)!;
  const index = tables.indexOf(model, vpn, 1);
  if (entries[index] !== null) return abi.ST_BAD_PROGRAM;
  entries[index] = pte;
  setRmap(model, pte.to, mm, vpn);
  return abi.ST_OK;
}

function clear(model: Model, c: Context, mm: Mm, vpn: bigint, how: number): number {
  const place = tables.leafPlace(model, mm, vpn);
  if (!place) return abi.ST_BAD_PROGRAM;
  c.pte = place.table.entries[place.index]!;
  if (c.pte === null) return abi.ST_OK;
  const flags = how > 1 ? (c.pte.flags & ~PRESENCE) | how : 0;
  place.table.entries[place.index] = how > 1 ? { to: c.pte.to, flags } : null;
  const frame = model.frames[c.pte.to];
  const isHere = frame.rmap?.mm === mm.index && frame.rmap.vpn === vpn;
  if (how === 0 && isHere) frame.rmap = null;
  return abi.ST_OK;
}

/** By PROTECT_*, of an entry that was present. */
function needsFlush(old: Pte, now: number, when: number): boolean {
  const rights = [abi.PTE_P, abi.PTE_W, abi.PTE_EXEC];
  if (when === abi.PROTECT_CHANGED) return rights.some((r) => ((old.flags ^ now) & r) !== 0);
  const looked = when === abi.PROTECT_LOST ? rights : [abi.PTE_P];
  return looked.some((right) => has(old, right) && (now & right) === 0);
}

function protect(
  model: Model,
  c: Context,
  mm: Mm,
  vpn: bigint,
  prot: number,
  when: number,
): number {
  const place = tables.leafPlace(model, mm, vpn);
  if (!place) return abi.ST_BAD_PROGRAM;
  const old = place.table.entries[place.index]!;
  c.pte = old;
  c.flag = false;
  if (old === null) return abi.ST_OK;
  const isMarked = has(old, abi.PTE_MIGRATION | abi.PTE_EXCLUSIVE | abi.PTE_DEVICE);
  if (isMarked && when !== abi.PROTECT_RESTORE) {
    const lost = (prot & abi.PROT_WRITE) === 0 ? abi.PTE_W : 0;
    place.table.entries[place.index] = { to: old.to, flags: old.flags & ~lost };
    return abi.ST_OK;
  }
  const isShared = has(old, abi.PTE_SHARED);
  const isCached = has(old, abi.PTE_FILE);
  const isOwn = old.to !== 0 && !isCached && (isShared || model.frames[old.to].refs === 1);
  const mayWrite = (prot & abi.PROT_WRITE) !== 0 && (isOwn || has(old, abi.PTE_W));
  const mayRead = (prot & (abi.PROT_READ | abi.PROT_WRITE)) !== 0;
  const marks = abi.PTE_MIGRATION | abi.PTE_EXCLUSIVE | abi.PTE_DEVICE;
  const kept = old.flags & ~(abi.PTE_P | abi.PTE_W | abi.PTE_PROTNONE | abi.PTE_EXEC | marks);
  const x = (prot & abi.PROT_EXEC) !== 0 ? abi.PTE_EXEC : 0;
  const flags = kept | (mayRead ? abi.PTE_P : abi.PTE_PROTNONE) | (mayWrite ? abi.PTE_W : 0) | x;
  place.table.entries[place.index] = { to: old.to, flags };
  c.flag = has(old, abi.PTE_P) && needsFlush(old, flags, when);
  return abi.ST_OK;
}

function copy(model: Model, c: Context, mm: Mm, vpn: bigint, child: Mm): number {
  const place = tables.leafPlace(model, mm, vpn);
  if (!place) return abi.ST_BAD_PROGRAM;
  const old = place.table.entries[place.index]!;
  if (old !== null) {
    const level = has(old, abi.PTE_HUGE) ? 1 : 0;
    const status = tables.allocPath(model, child, vpn, level);
    if (status !== abi.ST_OK) return status;
    const now = has(old, abi.PTE_SHARED) ? old : { to: old.to, flags: old.flags & ~abi.PTE_W };
    refFrame(model, old.to);
    const table = tables.tableOf(model, child, vpn, level);
    if (!table) throw new ModelTrap("the child's table is missing");
    table.entries[tables.indexOf(model, vpn, level)] = now;
    place.table.entries[place.index] = now;
    c.flag = now.flags !== old.flags;
  } else {
    c.flag = false;
  }
  c.pte = old;
  return abi.ST_OK;
}

function setHuge(model: Model, c: Context, mm: Mm, vpn: bigint, flags: number): number {
  const status = tables.allocPath(model, mm, vpn, 1);
  if (status !== abi.ST_OK) return status;
  const table = tables.tableOf(model, mm, vpn, 1)!;
  const pte = { to: c.frame, flags: flags | abi.PTE_P | abi.PTE_HUGE };
  table.entries[tables.indexOf(model, vpn, 1)] = pte;
  setRmap(model, c.frame, mm, vpn);
  c.frame = 0;
  return abi.ST_OK;
}

function split(model: Model, c: Context, mm: Mm, vpn: bigint): number {
  const span = tables.spanOf(model, 1);
  const place = tables.leafPlace(model, mm, vpn);
  const old = place ? place.table.entries[place.index]! : null;
  if (vpn % span === 0n || !place || !has(old, abi.PTE_HUGE)) {
    c.flag = false;
    return abi.ST_OK;
  }
  const table = tables.takeTable(model, 0);
  if (!table) return abi.ST_NO_TABLES;
  const flags = old!.flags & ~abi.PTE_HUGE;
  const marks = abi.PTE_MIGRATION | abi.PTE_PROTNONE;
  const isMarked = has(old, abi.PTE_MIGRATION);
  const small = { to: old!.to, flags: isMarked ? (flags & ~marks) | abi.PTE_P : flags };
  table.parent = place.table;
  inherit(model, place.table, place.index, table);
  table.entries = table.entries.map(() => small);
  refFrame(model, small.to, Number(span) - 1);
  place.table.entries[place.index] = { to: table.id, flags: abi.PTE_P | abi.PTE_W };
  c.flag = true;
  return abi.ST_OK;
}

function nextEntry(model: Model, c: Context, mm: Mm, v: bigint, end: bigint): bigint {
  c.flag = false;
  c.pte = null;
  if (v >= end) return v;
  if (!tables.tableOf(model, mm, v, 0)) {
    const place = tables.leafPlace(model, mm, v);
    if (place) c.pte = place.table.entries[place.index]!;
    c.flag = c.pte !== null;
    return v;
  }
  for (const stop = tables.extentEnd(model, v, end); v < stop; v++) {
    const place = tables.leafPlace(model, mm, v)!;
    c.pte = place.table.entries[place.index]!;
    if (c.pte === null) continue;
    c.flag = true;
    break;
  }
  return v;
}

/** Takes one empty leaf table that no VMA needs out of the tree, and what it leaves empty. */
/** Nothing in it, and nobody's but this range's. */
function isUnneeded(
  model: Model,
  mm: Mm,
  table: Table,
  v: bigint,
  range: { start: bigint; end: bigint; mode: number },
): boolean {
  if (table.entries.some((pte) => pte !== null)) return false;
  const span = tables.spanOf(model, table.level + 1);
  const first = (v / span) * span;
  if (range.mode !== abi.UNHOOK_BY_VMAS) return first >= range.start && first + span <= range.end;
  return !mm.vmas.some((vma) => vma.start < first + span && vma.end > first);
}

function unhook(model: Model, c: Context, mm: Mm, start: bigint, end: bigint, mode: number): void {
  c.flag = false;
  const range = { start, end, mode };
  const root = model.geometry.levels - 1;
  const above = mode === abi.UNHOOK_LEAVES_INSIDE ? 1 : root;
  for (let lowest = 0; lowest < above; lowest++) {
    const span = tables.spanOf(model, lowest + 1);
    let v = tables.nextTable(model, mm, start, end, lowest);
    for (; v < end; v = tables.nextTable(model, mm, v, end, lowest)) {
      let table = tables.tableOf(model, mm, v, lowest);
      if (!table || !isUnneeded(model, mm, table, v, range)) {
        v = (v / span + 1n) * span;
        continue;
      }
      do {
        const level = table.level + 1;
        const parent: Table = table.parent!;
        parent.entries[tables.indexOf(model, v, level)] = null;
        table.parent = null;
        c.gather.tables.push(table);
        const from = (v / tables.spanOf(model, level)) * tables.spanOf(model, level);
        if (from < c.gather.start) c.gather.start = from;
        if (from + 1n > c.gather.end) c.gather.end = from + 1n;
        table = parent;
      } while (table.level < above && isUnneeded(model, mm, table, v, range));
      c.gather.flags |= abi.GF_FREED;
      c.flag = true;
      return;
    }
  }
}

function vmaOp(model: Model, c: Context, i: Instruction, mm: Mm): number {
  const { r } = c;
  const x = r[i.a];
  switch (i.op) {
    case abi.OP_VMA_FIND: {
      const vma = tables.vmaFind(mm, x);
      r[i.b] = vma?.prot ?? 0n;
      c.flag = r[i.b] !== 0n;
      return abi.ST_OK;
    }
    case abi.OP_VMA_SET:
      return tables.vmaSet(model, mm, x, r[i.b], r[i.c]) ? abi.ST_OK : abi.ST_NO_VMAS;
    case abi.OP_VMA_CLEAR:
      return tables.vmaClear(model, mm, x, r[i.b]) ? abi.ST_OK : abi.ST_NO_VMAS;
    case abi.OP_VMA_NEXT: {
      const vma = mm.vmas.find((v) => v.end > x);
      c.flag = vma !== undefined;
      if (!vma) return abi.ST_OK;
      r[i.a] = vma.start > x ? vma.start : x;
      r[i.b] = vma.end;
      r[i.c] = vma.prot;
      return abi.ST_OK;
    }
    default:
      model.mm(Number(x) - 1).vmas = [...mm.vmas];
      return abi.ST_OK;
  }
}

function frameOp(model: Model, actor: number, c: Context, i: Instruction, mm: Mm): number {
  switch (i.op) {
    case abi.OP_FRAME_ALLOC: {
      const recycles = (i.imm & abi.ALLOC_RECYCLE) !== 0;
      const mine = recycles ? takeRecycled(model, mm.index) : undefined;
      const pfn = mine ?? model.freeFrames.pop() ?? takeDeferred(model);
      const isParked = model.cpus.some(({ latr }) => (latr?.frames.length ?? 0) > 0);
      if (pfn === undefined) return isParked ? abi.ST_WAIT : abi.ST_NO_FRAMES;
      if ((i.imm & abi.ALLOC_KEEP) === 0) useUnflushed(model, mm.index, pfn, recycles);
      model.frames[pfn].refs = 1;
      c.frame = pfn;
      model.count(actor, abi.CT_ALLOCS);
      return abi.ST_OK;
    }
    case abi.OP_FRAME_GET:
      if (i.imm !== 0) c.frame = c.pte?.to ?? 0;
      refFrame(model, c.frame);
      return abi.ST_OK;
    case abi.OP_FRAME_COPY:
      model.frames[c.frame].value = model.frames[c.pte?.to ?? 0].value & ~abi.FRAME_COLLECTED;
      return abi.ST_OK;
    case abi.OP_FRAME_PUT:
      tables.putFrame(model, actor, c.pte?.to ?? 0);
      c.pte = null;
      return abi.ST_OK;
    case abi.OP_FRAME_DROP:
      tables.putFrame(model, actor, c.frame);
      c.frame = 0;
      return abi.ST_OK;
    case abi.OP_FRAME_ONLY: {
      const pfn = c.pte?.to ?? 0;
      c.flag = pfn !== 0 && !has(c.pte, abi.PTE_FILE) && model.frames[pfn].refs === 1;
      return abi.ST_OK;
    }
    default: {
      const rmap = model.frames[Number(c.r[i.b])].rmap;
      c.flag = rmap?.mm === mm.index;
      c.r[i.a] = rmap && c.flag ? rmap.vpn : 0n;
      return abi.ST_OK;
    }
  }
}

/** A fresh leaf entry for ctx.frame: flags from the instruction, or from a VMA's protection. */
function freshLeaf(c: Context, i: Instruction): Pte {
  const prot = i.op === abi.OP_PTE_SET_VMA ? Number(c.r[i.b] & 0xffn) : 0;
  const w = (prot & abi.PROT_WRITE) !== 0 ? abi.PTE_W : 0;
  const shared = (prot & abi.VMA_SHARED) !== 0 ? abi.PTE_SHARED : 0;
  const x = (prot & abi.PROT_EXEC) !== 0 ? abi.PTE_EXEC : 0;
  const present = (i.imm & abi.PTE_PROTNONE) !== 0 ? 0 : abi.PTE_P;
  return { to: c.frame, flags: i.imm | present | w | shared | x };
}

/** Waits while somebody has the page of the small entry on its way. */
export function awaitMigration(model: Model, c: Context, i: Instruction): number {
  if (c.mm === null) return abi.ST_BAD_PROGRAM;
  const vpn = c.r[i.a];
  const leaf = tables.tableOf(model, model.mm(c.mm), vpn, 0);
  const entry = leaf ? leaf.entries[tables.indexOf(model, vpn, 0)]! : null;
  return has(entry, abi.PTE_MIGRATION) ? abi.ST_WAIT : abi.ST_OK;
}

/** OP_VMA_FIND … OP_FRAME_DROP. */
export function runMemory(model: Model, actor: number, c: Context, i: Instruction): number {
  if (c.mm === null) return abi.ST_BAD_PROGRAM;
  const mm = model.mm(c.mm);
  const { r } = c;
  const x = r[i.a];
  if (i.op <= abi.OP_VMA_COPY) return vmaOp(model, c, i, mm);
  if (i.op >= abi.OP_FRAME_ALLOC) return frameOp(model, actor, c, i, mm);
  switch (i.op) {
    case abi.OP_TABLE_NEXT: {
      const end = r[i.b];
      const v = tables.nextTable(model, mm, x, end);
      c.flag = v < end;
      r[i.a] = v;
      r[i.c] = c.flag ? tables.extentEnd(model, v, end) : end;
      return abi.ST_OK;
    }
    case abi.OP_TABLE_ALLOC:
      return tables.allocPath(model, mm, x, 0);
    case abi.OP_TABLE_UNHOOK:
      unhook(model, c, mm, x, r[i.b], i.imm);
      return abi.ST_OK;
    case abi.OP_PTE_NEXT:
      r[i.a] = nextEntry(model, c, mm, x, r[i.b]);
      return abi.ST_OK;
    case abi.OP_PTE_GET: {
      const place = tables.leafPlace(model, mm, x);
      c.pte = place ? place.table.entries[place.index]! : null;
      c.flag = i.imm !== 0 ? c.pte !== null : has(c.pte, abi.PTE_P);
      return abi.ST_OK;
    }
    case abi.OP_PTE_CLEAR:
      return clear(model, c, mm, x, i.imm);
    case abi.OP_PTE_SET:
    case abi.OP_PTE_SET_VMA: {
      const status = setSmall(model, mm, x, freshLeaf(c, i));
      if (status === abi.ST_OK) c.frame = 0;
      return status;
    }
    case abi.OP_PTE_PUT: {
      if (c.pte === null) return abi.ST_BAD_PROGRAM;
      const flags = i.imm === 0 ? c.pte.flags : (c.pte.flags & ~PRESENCE) | i.imm;
      const put = has(c.pte, abi.PTE_HUGE) ? putHuge : setSmall;
      const status = put(model, mm, x, { to: c.pte.to, flags });
      if (status === abi.ST_OK) c.pte = null;
      return status;
    }
    case abi.OP_PTE_PROTECT:
      return protect(model, c, mm, x, Number(r[i.b] & 0xffn), i.imm);
    case abi.OP_PTE_COPY:
      return copy(model, c, mm, x, model.mm(Number(r[i.b]) - 1));
    case abi.OP_PTE_HUGE:
      return setHuge(model, c, mm, x, i.imm);
    case abi.OP_PTE_SPLIT:
      return split(model, c, mm, x);
    default:
      throw new Error(`the model has no micro-op ${i.name}`);
  }
}
