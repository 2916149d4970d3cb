/** Page tables with copies (shootdown P18, P20): who has copied what, and who is told of it. */
import * as abi from "../../src/core/abi.js";
import type { Context, Cpu, Info, Model, Mm, Sharers, Table } from "./state.js";
import { has, indexOf, spanOf, tableOf } from "./tables.js";

export const hasCoreTables = (model: Model): boolean => model.has(abi.OPT_CORE_TABLES);
export const tracksSharers = (model: Model): boolean =>
  model.has(abi.OPT_REPLICAS) || hasCoreTables(model);

function unitOf(model: Model, cpu: number): number {
  return hasCoreTables(model) ? cpu : Math.floor(cpu / model.nodeCpus);
}

/** Of an entry with tables by core, of a whole table else. */
function sharersOf(model: Model, table: Table, index: number): Sharers {
  const at = hasCoreTables(model) ? index : 0;
  table.sharers[at] ??= { tracked: new Set(), copied: new Set() };
  return table.sharers[at];
}

/** May a walk use this entry? `next`: the table it points to. */
export function mayUse(
  model: Model,
  actor: number,
  table: Table,
  index: number,
  next: Table | null,
): boolean {
  if (!tracksSharers(model) || actor >= model.geometry.cpus) return true;
  const unit = unitOf(model, actor);
  if (hasCoreTables(model)) return sharersOf(model, table, index).copied.has(unit);
  return sharersOf(model, next ?? table, 0).copied.has(unit);
}

export function isTold(model: Model, cpu: Cpu, target: number, info: Readonly<Info>): boolean {
  return !tracksSharers(model) || info.mm === "any" || cpu.told.has(unitOf(model, target));
}

/** SHARER_JOIN */
export function join(model: Model, cpu: Cpu, c: Context, vpn: bigint, how: number): number {
  if (c.mm === null || !tracksSharers(model)) return abi.ST_BAD_PROGRAM;
  for (let level = model.geometry.levels - 1; level >= 0; level--) {
    const table = tableOf(model, model.mm(c.mm), vpn, level);
    if (!table) break;
    const sharers = sharersOf(model, table, indexOf(model, vpn, level));
    if (level === 0 && (how & abi.SHARER_ALONE) !== 0) sharers.tracked.clear();
    const set = (how & abi.SHARER_COPY) !== 0 ? sharers.copied : sharers.tracked;
    set.add(unitOf(model, cpu.index));
  }
  return abi.ST_OK;
}

/** The last table that is left on the way to a page. */
function lowest(model: Model, mm: Mm, vpn: bigint): Table {
  const levels = Array.from({ length: model.geometry.levels }, (_, level) => level);
  return levels.map((level) => tableOf(model, mm, vpn, level)).find((table) => table !== null)!;
}

/** Page by page, whom a request is for. */
function toldOf(model: Model, c: Context, start: bigint, end: bigint): Set<number> | "all" {
  const told = new Set<number>();
  const mm = model.mm(c.mm!);
  for (const table of c.gather.tables) {
    for (const sharers of table.sharers) sharers?.tracked.forEach((unit) => told.add(unit));
  }
  for (let v = start; v < end; v++) {
    const table = lowest(model, mm, v);
    const index = indexOf(model, v, table.level);
    const isHuge = table.level === 1 && has(table.entries[index], abi.PTE_HUGE);
    const isLost = table.level !== 0 && !isHuge && (c.gather.flags & abi.GF_FREED) === 0;
    if (isLost && !hasCoreTables(model)) return "all";
    sharersOf(model, table, index).tracked.forEach((unit) => told.add(unit));
  }
  return told;
}

/** Of FLUSH_PREP. */
export function chooseSharers(
  model: Model,
  cpu: Cpu,
  c: Context,
  start: bigint,
  end: bigint,
  flags: number,
): void {
  if (!tracksSharers(model)) return;
  const isVague = ((flags & abi.INFO_FULL) | (c.gather.flags & abi.GF_FULL)) !== 0;
  const isWide = end > spanOf(model, model.geometry.levels);
  const told = isVague || isWide ? "all" : toldOf(model, c, start, end);
  const everybody = model.cpus.map(({ index }) => unitOf(model, index));
  cpu.told = new Set(told === "all" ? everybody : told);
}

/** A CPU has flushed some pages: its own tables drop their entries, too. */
export function leavePages(model: Model, cpu: Cpu, mm: Mm, pages: readonly bigint[]): void {
  if (!hasCoreTables(model)) return;
  const limit = spanOf(model, model.geometry.levels);
  for (const v of pages) {
    const table = v < limit ? tableOf(model, mm, v, 0) : null;
    if (!table) continue;
    const { tracked, copied } = sharersOf(model, table, indexOf(model, v, 0));
    tracked.delete(cpu.index);
    copied.delete(cpu.index);
  }
}

/** A huge leaf becomes a table. */
export function inherit(model: Model, upper: Table, index: number, table: Table): void {
  if (!tracksSharers(model)) return;
  const { tracked, copied } = sharersOf(model, upper, index);
  const parts = hasCoreTables(model) ? table.entries.length : 1;
  table.sharers = Array.from({ length: parts }, () => ({
    tracked: new Set(tracked),
    copied: new Set(copied),
  }));
}
