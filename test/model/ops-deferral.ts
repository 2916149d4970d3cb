/** Flushes put off until a frame leaves the free list (shootdown P7). */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { runAccess } from "./ops-access.js";
import { runCopied } from "./ops-cow.js";
import { writeFromKernel } from "./oracle.js";
import type { Context, Cpu, DeferredFlush, Model, Pte } from "./state.js";
import { has } from "./tables.js";

/** Deferrals an explored machine has room for; the place of one is its key modulo that. */
const RING = 2;

export function liveDeferral(model: Model, key: number): DeferredFlush | null {
  return model.deferrals.find((deferral) => deferral.key === key) ?? null;
}

function openOf(model: Model, c: Context): DeferredFlush | null {
  return model.deferrals.find(({ owner }) => owner === c.index) ?? null;
}

function hasRoom(model: Model): boolean {
  return model.deferrals.every(({ key }) => key % RING !== model.nextDeferral % RING);
}

/** Small pages of files, this mm's alone, that nobody can write; under a mutant others, too. */
function may(model: Model, c: Context, how: number): boolean {
  const { pte } = c;
  if (pte === null || pte.to === 0 || !has(pte, abi.PTE_P) || has(pte, abi.PTE_HUGE)) return false;
  const isFile = has(pte, abi.PTE_SHARED) && !has(pte, abi.PTE_W);
  if (!isFile && (how & abi.DEFER_WRITABLE) === 0) return false;
  return model.frames[pte.to].refs === 1 && (openOf(model, c) !== null || hasRoom(model));
}

function add(model: Model, c: Context, vpn: bigint): number {
  const pfn = c.pte?.to ?? 0;
  let deferral = openOf(model, c);
  if (deferral === null) {
    if (!hasRoom(model)) return abi.ST_BAD_PROGRAM;
    const [start, end] = [vpn, vpn];
    const key = model.nextDeferral++;
    const mask = new Set<number>();
    deferral = { key, mm: c.mm!, owner: c.index, gen: 0, start, end, mask, recycled: false };
    model.deferrals.push(deferral);
  }
  if (pfn === 0) return abi.ST_BAD_PROGRAM;
  const mm = model.mm(c.mm!);
  mm.tlbGen++;
  deferral.gen = ++model.deferralGen;
  if (vpn < deferral.start) deferral.start = vpn;
  if (vpn >= deferral.end) deferral.end = vpn + 1n;
  for (const cpu of mm.cpumask) deferral.mask.add(cpu);
  model.frames[pfn].deferral = deferral.key;
  return abi.ST_OK;
}

/** munmap's frames stay in the process, if they are its alone and no table goes. */
function post(model: Model, cpu: Cpu, c: Context): number {
  const { info } = cpu;
  if (!info) return abi.ST_BAD_PROGRAM;
  const { frames, start, end } = c.gather;
  c.flag =
    (c.locks & abi.LOCK_MMAP_WRITE) !== 0 &&
    frames.length > 0 &&
    frames.every((pfn) => model.frames[pfn].refs === 1) &&
    info.mm === c.mm &&
    (info.flags & abi.INFO_FREED) === 0 &&
    start < end &&
    hasRoom(model);
  if (!c.flag) return abi.ST_OK;
  const key = model.nextDeferral++;
  const gen = ++model.deferralGen;
  const mask = new Set(model.mm(c.mm!).cpumask);
  model.deferrals.push({ key, mm: c.mm!, owner: null, gen, start, end, mask, recycled: true });
  for (const pfn of frames) model.frames[pfn].deferral = key;
  return abi.ST_OK;
}

/** What was put off up to `stamp` is flushed: of an mm, or on CPUs. */
function settle(model: Model, stamp: number, of: { mm: number } | { cpus: ReadonlySet<number> }) {
  model.deferrals = model.deferrals.filter((deferral) => {
    if (deferral.gen > stamp) return true;
    if ("mm" in of) return deferral.mm !== of.mm;
    for (const cpu of of.cpus) deferral.mask.delete(cpu);
    return deferral.mask.size > 0;
  });
}

export function forgetDeferrals(model: Model, mm: number): void {
  settle(model, Infinity, { mm });
}

/** A frame has no references any more: it keeps what it is if its flush is put off. */
export function keepFreed(model: Model, pfn: number): boolean {
  const frame = model.frames[pfn];
  const deferral = liveDeferral(model, frame.deferral);
  if (deferral === null) {
    frame.deferral = 0;
    return false;
  }
  frame.rmap = null;
  model.deferredFrames[deferral.mm].push(pfn);
  return true;
}

/** A frame from the lists, oldest first, mm by mm. */
export function takeDeferred(model: Model): number | undefined {
  return model.deferredFrames.find((list) => list.length > 0)?.shift();
}

/** A frame that this mm gave back, oldest first. */
export function takeRecycled(model: Model, mm: number): number | undefined {
  return model.deferredFrames[mm].shift();
}

function isRecycled(model: Model, mm: number, pfn: number): boolean {
  const deferral = liveDeferral(model, model.frames[pfn].deferral);
  return deferral?.recycled === true && deferral.mm === mm;
}

/** It is used as it is, by an mm that may have given it back. */
export function useUnflushed(model: Model, mm: number, pfn: number, recycles: boolean): void {
  if (recycles && isRecycled(model, mm, pfn)) model.frames[pfn].value = 0;
  else own(model, pfn);
}

/** The content of a frame is gone. */
export function own(model: Model, pfn: number): void {
  const frame = model.frames[pfn];
  if (frame.deferral === 0) return;
  frame.deferral = 0;
  frame.gen++;
  frame.value = 0;
}

function take(model: Model, c: Context): void {
  const deferral = liveDeferral(model, model.frames[c.frame].deferral);
  c.flag = deferral !== null && !isRecycled(model, c.mm!, c.frame);
  if (deferral === null || !c.flag) {
    useUnflushed(model, c.mm!, c.frame, true);
    return;
  }
  const batch = model.batches[c.index];
  batch.required = true;
  // A recycled frame may have been unmapped more than once in its process.
  const all = model.deferrals.filter(({ mm }) => deferral.recycled && mm === deferral.mm);
  for (const { mask } of [deferral, ...all]) for (const cpu of mask) batch.mask.add(cpu);
}

/** Is the page unmapped, and its frame still the process's? Then it harms nobody else. */
export function isWithdrawn(model: Model, mm: number, vpn: bigint): boolean {
  return model.deferrals.some((d) => d.recycled && d.mm === mm && d.start <= vpn && vpn < d.end);
}

/** May a frame be read that this mm does not map there any more? */
export function mayReadStale(model: Model, mm: number, pfn: number, pte: Pte | null): boolean {
  const deferral = liveDeferral(model, model.frames[pfn].deferral);
  if (deferral?.mm !== mm || deferral.recycled) return false;
  if (pte === null) return true;
  const clean = (frame: number) => model.frames[frame].value & ~abi.FRAME_COLLECTED;
  return has(pte, abi.PTE_SHARED) && !has(pte, abi.PTE_W) && clean(pte.to) === clean(pfn);
}

/** OP_DEFER_MAY … OP_FRAME_WRITE. */
export function runDeferral(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  if (c.mm === null || !model.batches[c.index]) return abi.ST_BAD_PROGRAM;
  if (i.op === abi.OP_FRAME_WRITE) {
    writeFromKernel(model, cpu.index, c.mm, c.r[i.a], c.pte?.to ?? 0);
    return abi.ST_OK;
  }
  if (i.op >= abi.OP_COW_SKIP) return runCopied(model, cpu, c, i);
  if (i.op >= abi.OP_ACCESS_WHO) return runAccess(model, cpu, c, i);
  if (!model.has(abi.OPT_DEFER)) return abi.ST_BAD_PROGRAM;
  const { r } = c;
  const stamp = BigInt(model.deferralGen);
  switch (i.op) {
    case abi.OP_DEFER_MAY:
      c.flag = may(model, c, i.imm);
      break;
    case abi.OP_DEFER_ADD:
      return add(model, c, r[i.a]);
    case abi.OP_DEFER_CLOSE: {
      const deferral = openOf(model, c);
      if (deferral) deferral.owner = null;
      break;
    }
    case abi.OP_DEFER_STAMP:
      r[i.a] = stamp;
      break;
    case abi.OP_DEFER_PENDING: {
      const [start, end] = [r[i.a], r[i.b]];
      c.flag = model.deferrals.some((d) => d.mm === c.mm && d.start < end && start < d.end);
      r[i.c] = stamp;
      break;
    }
    case abi.OP_DEFER_DONE: {
      const of = i.imm !== 0 ? { cpus: model.batches[c.index].mask } : { mm: c.mm };
      settle(model, Number(r[i.a]), of);
      break;
    }
    case abi.OP_DEFER_TAKE:
      r[i.a] = stamp;
      take(model, c);
      break;
    case abi.OP_DEFER_OWN:
      own(model, c.frame);
      break;
    case abi.OP_DEFER_POST:
      return post(model, cpu, c);
    case abi.OP_DEFER_WIPE:
      for (const pfn of c.gather.frames) model.frames[pfn].deferral = 0;
      break;
    default:
      throw new Error(`the model has no micro-op ${i.name}`);
  }
  return abi.ST_OK;
}
