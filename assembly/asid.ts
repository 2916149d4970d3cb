/**
 * One ASID space for all CPUs, as arm64 and RISC-V have it (arch/arm64/mm/context.c): an mm keeps
 * its ASID until they have all been given away. Then a new generation begins: what CPUs use is
 * reserved for them, all else may be given away again, and each CPU flushes its own TLB before it
 * uses an ASID of the new generation. Nobody is interrupted for it.
 *
 *   head      {generation u32, where the search begins u32, ASIDs that are pinned u32, 0}
 *   per mm    {id u32, pins u32}; id: generation and ASID, as many bits as ASIDs need; 0: none yet
 *   per CPU   {active u32, reserved u32}; ids. active is 0 from a rollover to the CPU's next switch
 *   pending   mask of CPUs that have not flushed since the rollover
 *   used      a bit for each ASID that is given away in this generation; from 1 on
 *   pinned    a bit for each ASID that a device uses as well (SVA): it outlives generations
 *
 * Cpu.asid and the tags of cached translations are slots, as without this. A slot stands for what
 * hardware tags with the ASID in it ({ASID u32, 0}): which slot, the ASID says, so that two ASIDs
 * share one only if there are fewer slots. Broadcasts name ASIDs and keep all of them fresh: there
 * are no generations of requests here, and a switch compares none.
 *
 * The race is between the switch that needs no lock (asid.look, asid.swap) and a rollover: `active`
 * is exchanged by both, so either the rollover sees the ASID and reserves it, or the switch sees 0.
 * Whoever has the lock is alone, but for those switches: all of it is one micro-op (asid.take).
 * Invariant `OneOwnerPerAsid`: of this generation's ids, no two are of the same ASID.
 */
import * as abi from "../src/core/abi";
import { cas32, get32, or32, put32, swap32 } from "./atomics";
import { cacheDropAll } from "./cache";
import { charge } from "./charge";
import { asidSlot, count, cpuAt, hdr, pwcAt, tlbAt } from "./machine";
import { maskHas, maskUnset } from "./mask";
import { lockPools, unlockPools } from "./pools";
import { Cpu, Ctx } from "./rows";

const NEXT: usize = 4;
const PINNED_COUNT: usize = 8;
const HEAD_BYTES: usize = 16;
const PINS: usize = 4;
const RESERVED: usize = 4;

// @ts-ignore: decorator
@inline
export function hasAsids(m: usize): bool {
  return (hdr(m, abi.H_ROWS) & abi.ROW_ASIDS) != 0;
}

// @ts-ignore: decorator
@inline
function headOf(m: usize): usize {
  return m + hdr(m, abi.H_OFF_ASIDS);
}

// @ts-ignore: decorator
@inline
function rowOf(m: usize, mm: u32): usize {
  return headOf(m) + HEAD_BYTES + ((<usize>mm) << 3);
}

// @ts-ignore: decorator
@inline
function activeOf(m: usize, cpu: u32): usize {
  return rowOf(m, hdr(m, abi.H_MMS)) + ((<usize>cpu) << 3);
}

// @ts-ignore: decorator
@inline
function pendingOf(m: usize): usize {
  return activeOf(m, hdr(m, abi.H_CPUS));
}

/** Words of each of the two bitmaps. */
// @ts-ignore: decorator
@inline
function wordsOf(m: usize): u32 {
  return (hdr(m, abi.H_ASID_SPACE) >> 5) + 1;
}

// @ts-ignore: decorator
@inline
function usedOf(m: usize): usize {
  return pendingOf(m) + ((<usize>hdr(m, abi.H_MASK_WORDS)) << 2);
}

// @ts-ignore: decorator
@inline
function pinnedOf(m: usize): usize {
  return usedOf(m) + ((<usize>wordsOf(m)) << 2);
}

/** Bits of an ASID in an id; the generation is above them. */
// @ts-ignore: decorator
@inline
function bitsOf(m: usize): u32 {
  return 32 - clz<u32>(hdr(m, abi.H_ASID_SPACE));
}

// @ts-ignore: decorator
@inline
function numberOf(m: usize, id: u32): u32 {
  return id & ((1 << bitsOf(m)) - 1);
}

// @ts-ignore: decorator
@inline
function isCurrent<F>(m: usize, id: u32): bool {
  return id >> bitsOf(m) == get32<F>(headOf(m));
}

/** The slot that stands for an ASID. */
// @ts-ignore: decorator
@inline
function slotOf(m: usize, asid: u32): u32 {
  return (asid - 1) % hdr(m, abi.H_ASIDS);
}

/** The ASID of mm (index), of whatever generation; 0: it has had none. */
export function asidOf<F>(m: usize, mm: u32): u32 {
  return numberOf(m, get32<F>(rowOf(m, mm)));
}

/** The slot of `cpu` that holds what is cached under an ASID; -1: nothing is. */
export function slotWith(m: usize, cpu: u32, asid: u32): i32 {
  if (asid == 0) return -1;
  const slot = slotOf(m, asid);
  return load<u32>(asidSlot(cpuAt(m, cpu), slot)) == asid ? <i32>slot : -1;
}

/** The first generation begins. */
export function asidsInit(m: usize): void {
  if (!hasAsids(m)) return;
  store<u32>(headOf(m), 1);
  store<u32>(headOf(m), 1, NEXT);
}

// @ts-ignore: decorator
@inline
function wordOf(map: usize, asid: u32): usize {
  return map + ((<usize>(asid >> 5)) << 2);
}

// @ts-ignore: decorator
@inline
function setBit(map: usize, asid: u32): void {
  const p = wordOf(map, asid);
  store<u32>(p, load<u32>(p) | (1 << (asid & 31)));
}

// @ts-ignore: decorator
@inline
function clearBit(map: usize, asid: u32): void {
  const p = wordOf(map, asid);
  store<u32>(p, load<u32>(p) & ~(1 << (asid & 31)));
}

/** The first ASID from `from` on that is free; 0: there is none. */
function findFree(m: usize, from: u32): u32 {
  const space = hdr(m, abi.H_ASID_SPACE);
  for (let w = from >> 5; w <= space >> 5; w++) {
    let free = ~load<u32>(usedOf(m) + ((<usize>w) << 2));
    if (w == from >> 5) free &= <u32>0xffffffff << (from & 31);
    if (free == 0) continue;
    const asid = (w << 5) + ctz(free);
    return asid <= space ? asid : 0;
  }
  return 0;
}

/** A new generation. What every CPU uses is reserved, under its old id. With the lock. */
function rollOver<F>(m: usize, cpu: u32, how: u32): void {
  const head = headOf(m);
  put32<F>(head, load<u32>(head) + 1);
  const keepsPins = (how & abi.ASID_UNPINNED) == 0;
  for (let w: u32 = 0; w < wordsOf(m); w++) {
    const at = (<usize>w) << 2;
    store<u32>(usedOf(m) + at, keepsPins ? load<u32>(pinnedOf(m) + at) : 0);
  }
  for (let i: u32 = 0; i < hdr(m, abi.H_CPUS); i++) {
    const p = activeOf(m, i);
    const active = swap32<F>(p, 0);
    // Who has not switched since the last one still uses what was reserved then.
    const kept = active != 0 ? active : load<u32>(p, RESERVED);
    const keeps = kept != 0 && (how & abi.ASID_UNRESERVED) == 0;
    store<u32>(p, keeps ? kept : 0, RESERVED);
    if (keeps) setBit(usedOf(m), numberOf(m, kept));
    or32<F>(pendingOf(m) + ((i >> 5) << 2), 1 << (i & 31));
  }
  count(m, cpu, abi.CT_ROLLOVER, 1);
  charge(m, cpu, abi.COST_ROLLOVER, 1);
}

/** Is `old` reserved for a CPU? Then it is `now` that is: the same ASID of this generation. */
function isReserved(m: usize, old: u32, now: u32): bool {
  let hit = false;
  for (let i: u32 = 0; i < hdr(m, abi.H_CPUS); i++) {
    const p = activeOf(m, i) + RESERVED;
    if (load<u32>(p) != old) continue;
    store<u32>(p, now);
    hit = true;
  }
  return hit;
}

/** An id of this generation for mm (index): the same ASID if nobody else may have it. Locked. */
function renew<F>(m: usize, cpu: u32, mm: u32, how: u32): u32 {
  const head = headOf(m);
  const old = load<u32>(rowOf(m, mm));
  if (old != 0) {
    const asid = numberOf(m, old);
    const now = (load<u32>(head) << bitsOf(m)) | asid;
    if (isReserved(m, old, now)) return now;
    if (load<u32>(rowOf(m, mm), PINS) != 0) return now;
    if ((load<u32>(wordOf(usedOf(m), asid)) >> (asid & 31) & 1) == 0) {
      setBit(usedOf(m), asid);
      return now;
    }
  }
  let asid = findFree(m, load<u32>(head, NEXT));
  if (asid == 0) {
    rollOver<F>(m, cpu, how);
    asid = findFree(m, 1);
    // More ASIDs than CPUs and pins: see pin() and planBlock.
    assert(asid != 0);
  }
  setBit(usedOf(m), asid);
  store<u32>(head, asid, NEXT);
  return (load<u32>(head) << bitsOf(m)) | asid;
}

/** The same, and written down. */
function current<F>(m: usize, cpu: u32, mm: u32, how: u32): u32 {
  const row = rowOf(m, mm);
  const id = load<u32>(row);
  if (isCurrent<F>(m, id)) return id;
  const now = renew<F>(m, cpu, mm, how);
  put32<F>(row, now);
  return now;
}

/** ASID_LOOK: F = it needs the lock; else ctx.r11 is the id that asid.swap makes the active one. */
function look<F>(m: usize, cpu: u32, ctx: Ctx, mm: u32): void {
  const active = get32<F>(activeOf(m, cpu));
  const id = get32<F>(rowOf(m, mm));
  ctx.r11 = id;
  ctx.flag = active == 0 || !isCurrent<F>(m, id) ? 1 : 0;
}

/** ASID_SWAP: F = a rollover came in between. Nobody but this CPU makes `active` anything but 0. */
function swap<F>(m: usize, cpu: u32, ctx: Ctx, how: u32): void {
  const p = activeOf(m, cpu);
  ctx.flag = 0;
  if (how != 0) {
    const before = swap32<F>(p, <u32>ctx.r11);
    if (how == abi.ASID_XCHG && before == 0) ctx.flag = 1;
    return;
  }
  const active = get32<F>(p);
  if (active == 0 || !cas32<F>(p, active, <u32>ctx.r11)) ctx.flag = 1;
}

/** ASID_TAKE: ctx.r11 = an id of this generation, active here; F = this CPU must flush first. */
export function takeAsid<F>(m: usize, cpu: u32, ctx: Ctx, mm: u32, how: u32): i32 {
  if (!lockPools<F>(m)) return abi.ST_WAIT;
  const id = current<F>(m, cpu, mm, how);
  const isPending = maskHas<F>(pendingOf(m), cpu);
  if (isPending) maskUnset<F>(pendingOf(m), cpu);
  ctx.flag = isPending && (how & abi.ASID_UNFLUSHED) == 0 ? 1 : 0;
  put32<F>(activeOf(m, cpu), id);
  ctx.r11 = id;
  unlockPools<F>(m);
  return abi.ST_OK;
}

/** local_flush_tlb_all: every ASID, and what is global. */
function flushAll(m: usize, cpu: u32): void {
  cacheDropAll(tlbAt(m, cpu), hdr(m, abi.H_TLB_SETS) * hdr(m, abi.H_TLB_WAYS));
  cacheDropAll(pwcAt(m, cpu), hdr(m, abi.H_PWC_ENTRIES));
  for (let i: u32 = 0; i < hdr(m, abi.H_ASIDS); i++) store<u64>(asidSlot(cpuAt(m, cpu), i), 0);
  count(m, cpu, abi.CT_SWITCH_FLUSH, 1);
  charge(m, cpu, abi.COST_ASID_FLUSH, 1);
}

/**
 * SW_CR3: loads the id in ctx.r11, flushing first if F. True: the slot held another ASID, whose
 * translations have to go: there are fewer slots than ASIDs.
 */
export function loadAsid(m: usize, cpu: u32, row: Cpu, ctx: Ctx): bool {
  const asid = numberOf(m, <u32>ctx.r11);
  if (ctx.flag != 0) flushAll(m, cpu);
  row.asid = slotOf(m, asid);
  const slot = asidSlot(row, row.asid);
  const held = load<u32>(slot);
  store<u64>(slot, asid);
  return held != 0 && held != asid;
}

/** ASID_PIN: the ASID of mm stays its own, whatever rolls over; imm 0: it need not any more. */
function pin<F>(m: usize, cpu: u32, ctx: Ctx, mm: u32, isPut: bool): i32 {
  if (!lockPools<F>(m)) return abi.ST_WAIT;
  const head = headOf(m);
  const row = rowOf(m, mm);
  const pins = load<u32>(row, PINS);
  // After a rollover one must be left, with an ASID reserved for every CPU.
  const most = hdr(m, abi.H_ASID_SPACE) - hdr(m, abi.H_CPUS) - 1;
  const may = pins != 0 || (!isPut && load<u32>(head, PINNED_COUNT) < most);
  ctx.flag = may ? 1 : 0;
  if (may && isPut) {
    if (pins == 1) unpin(m, mm);
    else store<u32>(row, pins - 1, PINS);
  } else if (may) {
    if (pins == 0) {
      setBit(pinnedOf(m), numberOf(m, current<F>(m, cpu, mm, 0)));
      store<u32>(head, load<u32>(head, PINNED_COUNT) + 1, PINNED_COUNT);
    }
    store<u32>(row, pins + 1, PINS);
  }
  unlockPools<F>(m);
  return abi.ST_OK;
}

/** The last pin of an mm goes. Its ASID stays given away for the rest of the generation. */
function unpin(m: usize, mm: u32): void {
  clearBit(pinnedOf(m), numberOf(m, load<u32>(rowOf(m, mm))));
  store<u32>(rowOf(m, mm), 0, PINS);
  store<u32>(headOf(m), load<u32>(headOf(m), PINNED_COUNT) - 1, PINNED_COUNT);
}

/** The mm is gone; its ASID is free with the next generation. With the lock. */
export function releaseAsid(m: usize, mm: u32): void {
  if (!hasAsids(m)) return;
  if (load<u32>(rowOf(m, mm), PINS) != 0) unpin(m, mm);
  store<u32>(rowOf(m, mm), 0);
}

/** ASID_LOOK … ASID_PIN, of the mm `x` (index + 1) or of ctx.mm. */
export function execAsid<F>(m: usize, cpu: u32, ctx: Ctx, op: i32, x: u64, imm: u32): i32 {
  const isNamed = op == abi.OP_ASID_LOOK && imm == abi.ASID_NAME;
  const mm: u64 = op == abi.OP_ASID_PIN || isNamed ? ctx.mm : x;
  if (!hasAsids(m) || mm == 0 || mm > <u64>hdr(m, abi.H_MMS)) return abi.ST_BAD_PROGRAM;
  const index = <u32>mm - 1;
  if (op == abi.OP_ASID_TAKE) return takeAsid<F>(m, cpu, ctx, index, imm);
  if (op == abi.OP_ASID_PIN) return pin<F>(m, cpu, ctx, index, imm == 0);
  if (isNamed) ctx.r11 = asidOf<F>(m, index);
  else if (op == abi.OP_ASID_LOOK) look<F>(m, cpu, ctx, index);
  else swap<F>(m, cpu, ctx, imm);
  return abi.ST_OK;
}
