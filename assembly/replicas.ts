/**
 * Page tables with copies (shootdown.md P18, P20): a fault copies what it needs, and a request is
 * for those who have copied what it changes. See sharers.ts for what is kept.
 */
import * as abi from "../src/core/abi";
import { get32, get64, or32 } from "./atomics";
import { charge } from "./charge";
import { entryAt, hdr, tableAt } from "./machine";
import { Ctx } from "./rows";
import {
  hasCoreTables, joinEntry, leaveEntry, maskBytes, toldAt, trackedAt, tracksSharers, unitsOf,
} from "./sharers";
import { indexOf, spanOf, tableOf } from "./walk";

/** REPLICA_TRACK, REPLICA_COPY: of the whole path to `vpn`. */
export function joinPath<F>(m: usize, cpu: u32, ctx: Ctx, vpn: u64, how: u32): i32 {
  if (ctx.mm == 0 || !tracksSharers(m)) return abi.ST_BAD_PROGRAM;
  const top = hdr(m, abi.H_LEVELS) - 1;
  for (let level = <i32>top; level >= 0; level--) {
    const id = tableOf<F>(m, ctx.mm - 1, vpn, <u32>level);
    if (id == 0) break;
    // Only leaves have owners; the tables above belong to everybody who has walked there.
    const alone = level == 0 ? how : how & ~abi.SHARER_ALONE;
    joinEntry<F>(m, cpu, id - 1, indexOf(m, vpn, <u32>level), alone);
  }
  return abi.ST_OK;
}

function addAll<F>(m: usize, to: usize, from: usize): void {
  for (let at: usize = 0; at < maskBytes(m); at += 4) or32<F>(to + at, get32<F>(from + at));
}

function everybody<F>(m: usize, told: usize): void {
  const n = unitsOf(m);
  for (let i: u32 = 0; i < n; i++) or32<F>(told + ((i >> 5) << 2), 1 << (i & 31));
}

function bitsOf<F>(m: usize, mask: usize): u32 {
  let n: u32 = 0;
  for (let at: usize = 0; at < maskBytes(m); at += 4) n += popcnt(get32<F>(mask + at));
  return n;
}

/** An entry has changed, and with it every further copy of its table. */
export function chargeCopies<F>(m: usize, actor: u32, mm: u32, vpn: u64): void {
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_REPLICAS) == 0) return;
  const id = tableOf<F>(m, mm, vpn, lowestLevel<F>(m, mm, vpn));
  const copies = bitsOf<F>(m, trackedAt(m, id - 1, 0));
  if (copies > 1) charge(m, actor, abi.COST_REPLICA, copies - 1);
}

/** Tables that the gather has unhooked: whoever copied anything of them. */
function addUnhooked<F>(m: usize, told: usize, ctx: Ctx): void {
  const n: u32 = hasCoreTables(m) ? 1 << hdr(m, abi.H_INDEX_BITS) : 1;
  for (let id = ctx.gTables; id != 0; id = tableAt(m, id - 1).next) {
    for (let i: u32 = 0; i < n; i++) addAll<F>(m, told, trackedAt(m, id - 1, i));
  }
}

/**
 * What is left of the path to `vpn`: level of its last table. 0, or above it a huge leaf, or a
 * table that somebody has unhooked.
 */
function lowestLevel<F>(m: usize, mm: u32, vpn: u64): u32 {
  const top = hdr(m, abi.H_LEVELS) - 1;
  let level: u32 = 0;
  while (level < top && tableOf<F>(m, mm, vpn, level) == 0) level++;
  return level;
}

/**
 * Of flush.prep: whom the request [start, end) is for. The entries were changed before, so who
 * copies them from now on copies what they are now. `all`: the range does not say what changed.
 */
export function chooseSharers<F>(
  m: usize, self: u32, ctx: Ctx, start: u64, end: u64, all: bool,
): void {
  if (!tracksSharers(m)) return;
  const told = toldAt(m, self);
  const limit = spanOf(m, hdr(m, abi.H_LEVELS));
  if (all || (ctx.gFlags & abi.GF_FULL) != 0 || end > limit) {
    everybody<F>(m, told);
    return;
  }
  const mm: u32 = ctx.mm - 1;
  const core = hasCoreTables(m);
  addUnhooked<F>(m, told, ctx);
  for (let v = start; v < end; ) {
    const level = lowestLevel<F>(m, mm, v);
    const id = tableOf<F>(m, mm, v, level) - 1;
    const index = indexOf(m, v, level);
    const span = spanOf(m, core ? level : level + 1);
    const next = min<u64>(end, (v / span + 1) * span);
    const huge = level == 1 && (get64<F>(entryAt(tableAt(m, id), index)) & abi.PTE_HUGE) != 0;
    if (!core && level != 0 && !huge && (ctx.gFlags & abi.GF_FREED) == 0) {
      // Its table is in somebody else's hands, and with it the answer.
      everybody<F>(m, told);
      return;
    }
    addAll<F>(m, told, trackedAt(m, id, index));
    v = next;
  }
}

/** A CPU has flushed every `stride`-th page of a range: its own tables have dropped these, too. */
export function leaveRange<F>(
  m: usize, cpu: u32, mm: u32, start: u64, end: u64, stride: u64,
): void {
  if (!hasCoreTables(m)) return;
  const limit = min<u64>(end, spanOf(m, hdr(m, abi.H_LEVELS)));
  for (let v = start; v < limit; v += stride) {
    // A table that is unhooked takes its bits with it; those above it stay as long as it does.
    const id = tableOf<F>(m, mm, v, 0);
    if (id != 0) leaveEntry<F>(m, cpu, id - 1, indexOf(m, v, 0));
  }
}
