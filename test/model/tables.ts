/** Page tables, frames and VMAs of the model. */
import * as abi from "../../src/core/abi.js";
import { fillTable, findTable } from "./caches.js";
import { keepFreed } from "./ops-deferral.js";
import { raise } from "./oracle.js";
import { mayUse } from "./sharers.js";
import {
  type Mm,
  type Model,
  ModelTrap,
  type Pte,
  type Table,
  type Vma,
  type WalkCache,
} from "./state.js";

export function has(pte: Pte | null, flag: number): boolean {
  return pte !== null && (pte.flags & flag) !== 0;
}

export function indexOf(model: Model, vpn: bigint, level: number): number {
  const shifted = vpn >> (model.bits * BigInt(level));
  return Number(shifted & ((1n << model.bits) - 1n));
}

export function spanOf(model: Model, level: number): bigint {
  return 1n << (model.bits * BigInt(level));
}

/** Where the leaf entry of a page is: in the last level, or a huge one above it. */
export interface Place {
  readonly table: Table;
  readonly index: number;
}

/** The tables from the root down to `vpn`'s last one: shorter where the path ends early. */
function pathTo(model: Model, mm: Mm, vpn: bigint): Table[] {
  const path = [mm.root];
  for (let level = model.geometry.levels - 1; level > 0; level--) {
    const pte = path.at(-1)!.entries[indexOf(model, vpn, level)]!;
    if (!has(pte, abi.PTE_P) || has(pte, abi.PTE_HUGE)) break;
    path.push(model.tables[pte.to]);
  }
  return path;
}

/** The table of `level` on the way to `vpn`. */
export function tableOf(model: Model, mm: Mm, vpn: bigint, level: number): Table | null {
  return pathTo(model, mm, vpn)[model.geometry.levels - 1 - level] ?? null;
}

export function leafPlace(model: Model, mm: Mm, vpn: bigint): Place | null {
  const leaf = tableOf(model, mm, vpn, 0);
  if (leaf) return { table: leaf, index: indexOf(model, vpn, 0) };
  if (model.geometry.levels < 2) return null;
  const upper = tableOf(model, mm, vpn, 1);
  if (!upper) return null;
  const index = indexOf(model, vpn, 1);
  return has(upper.entries[index], abi.PTE_HUGE) ? { table: upper, index } : null;
}

/** The present entry that maps `vpn` now. */
export function softWalk(model: Model, mm: Mm, vpn: bigint): Pte | null {
  const place = leafPlace(model, mm, vpn);
  const pte = place ? place.table.entries[place.index]! : null;
  return has(pte, abi.PTE_P) ? pte : null;
}

/** What a hardware walk found, and whether it changed the walk cache or committed a hazard. */
export interface Walked {
  readonly pte: Pte | null;
  readonly changed: boolean;
}

export function hardWalk(
  model: Model,
  actor: number,
  cache: WalkCache,
  mm: Mm,
  asid: number,
  vpn: bigint,
): Walked {
  const { levels } = model.geometry;
  let table = mm.root;
  let level = levels - 1;
  for (let l = 0; l < levels - 1; l++) {
    const hit = findTable(cache, vpn >> (model.bits * BigInt(l + 1)), l, asid);
    if (!hit) continue;
    if (model.tables[hit.table].gen !== hit.gen) {
      return { pte: null, changed: raise(model, actor, abi.HZ_PT_UAF, vpn, hit.table) };
    }
    table = model.tables[hit.table]!;
    level = l;
    break;
  }
  let changed = false;
  for (;;) {
    const index = indexOf(model, vpn, level);
    const pte = table.entries[index]!;
    if (!has(pte, abi.PTE_P)) return { pte: null, changed };
    const isLeaf = level === 0 || has(pte, abi.PTE_HUGE);
    const next = isLeaf ? null : model.tables[pte.to];
    if (!mayUse(model, actor, table, index, next)) return { pte: null, changed };
    if (!next) return { pte, changed };
    level--;
    table = next;
    const prefix = vpn >> (model.bits * BigInt(level + 1));
    const entry = { prefix, level, asid, table: table.id, gen: table.gen };
    if (fillTable(cache, entry)) changed = true;
  }
}

/** First page of [v, end) with a table of `lowest` or a huge leaf, or `end`. */
export function nextTable(model: Model, mm: Mm, v: bigint, end: bigint, lowest = 0): bigint {
  const top = model.geometry.levels - 1;
  const limit = spanOf(model, top + 1);
  while (v < end && v < limit) {
    let table = mm.root;
    let level = top;
    for (; level > lowest; level--) {
      const pte = table.entries[indexOf(model, v, level)]!;
      if (pte === null) break;
      if (has(pte, abi.PTE_HUGE)) return v;
      table = model.tables[pte.to]!;
    }
    if (level === lowest) return v;
    const span = spanOf(model, level);
    v = (v / span + 1n) * span;
  }
  return end;
}

/** End of `v`'s leaf table, at most `end`. */
export function extentEnd(model: Model, v: bigint, end: bigint): bigint {
  const span = spanOf(model, 1);
  const stop = (v / span + 1n) * span;
  return stop < end ? stop : end;
}

export function takeTable(model: Model, level: number): Table | null {
  const id = model.freeTables.pop();
  if (id === undefined) return null;
  const table = model.tables[id];
  table.level = level;
  return table;
}

export function putTable(model: Model, table: Table): void {
  if (table.entries.some((pte) => pte !== null)) throw new ModelTrap("a full table was freed");
  table.gen++;
  table.sharers = [];
  table.level = 0;
  table.parent = null;
  table.lock = null;
  model.freeTables.push(table.id);
}

/** Builds the path to `vpn` down to `level`; a huge leaf on the way is path enough. */
export function allocPath(model: Model, mm: Mm, vpn: bigint, level: number): number {
  const { levels } = model.geometry;
  const path = pathTo(model, mm, vpn);
  const last = path.at(-1)!;
  const at = levels - path.length;
  if (at <= level || has(last.entries[indexOf(model, vpn, at)], abi.PTE_HUGE)) return abi.ST_OK;
  if (model.freeTables.length < at - level) return abi.ST_NO_TABLES;
  let table = last;
  for (let l = at; l > level; l--) {
    const below = takeTable(model, l - 1)!;
    below.parent = table;
    table.entries[indexOf(model, vpn, l)] = { to: below.id, flags: abi.PTE_P | abi.PTE_W };
    table = below;
  }
  return abi.ST_OK;
}

export function putFrame(model: Model, actor: number, pfn: number): void {
  if (pfn === 0) return;
  const frame = model.frames[pfn];
  if (frame.refs === 0) throw new ModelTrap("a free frame was put");
  frame.refs--;
  if (frame.refs > 0) return;
  model.count(actor, abi.CT_FREED);
  frame.accessedBy.clear();
  if (keepFreed(model, pfn)) return;
  frame.gen++;
  frame.value = 0;
  frame.rmap = null;
  model.freeFrames.push(pfn);
}

// ── VMAs: a sorted list, rebuilt from scratch ───────────────────────────────────────────────

/** The list without [start, end). */
function without(vmas: readonly Vma[], start: bigint, end: bigint): Vma[] {
  if (start >= end) return [...vmas];
  return vmas.flatMap((v) => {
    if (v.end <= start || v.start >= end) return [v];
    const left = v.start < start ? [{ ...v, end: start }] : [];
    const right = v.end > end ? [{ ...v, start: end }] : [];
    return [...left, ...right];
  });
}

function replace(model: Model, mm: Mm, vmas: Vma[]): boolean {
  if (vmas.length > model.geometry.vmas) return false;
  mm.vmas = vmas;
  return true;
}

export function vmaClear(model: Model, mm: Mm, start: bigint, end: bigint): boolean {
  return replace(model, mm, without(mm.vmas, start, end));
}

export function vmaSet(model: Model, mm: Mm, start: bigint, end: bigint, prot: bigint): boolean {
  const list = without(mm.vmas, start, end);
  const at = list.findIndex((v) => v.start >= end);
  const before = at < 0 ? list : list.slice(0, at);
  const after = at < 0 ? [] : list.slice(at);
  let vma: Vma = { start, end, prot };
  const left = before.at(-1);
  if (left && left.end === start && left.prot === prot) {
    before.pop();
    vma = { ...vma, start: left.start };
  }
  const right = after[0];
  if (right && right.start === end && right.prot === prot) {
    after.shift();
    vma = { ...vma, end: right.end };
  }
  return replace(model, mm, [...before, vma, ...after]);
}

export function vmaFind(mm: Mm, vpn: bigint): Vma | null {
  return mm.vmas.find((v) => v.start <= vpn && vpn < v.end) ?? null;
}
