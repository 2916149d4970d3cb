/**
 * Invalidations that hardware broadcasts (INVLPGB and TLBSYNC, TLBI IS and DSB; shootdown.md 1.8):
 * no interrupt, no handler. A CPU applies one some time between its being sent and the sender's
 * wait being over; explored machines try every moment, timed ones apply it at once.
 *
 * The request stays in the sender's row until its wait is over. Its mask holds the CPUs that have
 * not applied it.
 */
import * as abi from "../src/core/abi";
import { hasAsids, slotWith } from "./asid";
import { isShared, or32, Shared } from "./atomics";
import { requestMask } from "./batched";
import { csdRun } from "./call-queue";
import { charge } from "./charge";
import { cacheDropAsid, cacheDropPages } from "./cache";
import { directoryLeave, hasDirectory } from "./directory";
import { ALL, flushPages, flushSlot, genOf } from "./flush";
import { flushGlobal, globalOf, hasGlobals } from "./global-asid";
import {
  asidSlot, bump, clockAt, cost, countersAt, cpuAt, csdAt, hdr, mmAt, tlbAt,
} from "./machine";
import { maskHas, maskNext, maskUnset } from "./mask";
import { dropUser, dropUserPages } from "./pti";
import { Cpu, Ctx } from "./rows";
import { blocked } from "./wake";

/** CPUs that have not applied what `sender` has broadcast. */
// @ts-ignore: decorator
@inline
export function pendingOf(m: usize, sender: u32): usize {
  return m + hdr(m, abi.H_OFF_BROADCAST) + (((<usize>sender) * hdr(m, abi.H_MASK_WORDS)) << 2);
}

/**
 * The request of a reclaim batch, "all non-global": everything of every mm, loaded or not. A slot
 * catches up with its mm: what is cleared later is not in it yet.
 */
function applyAll<F>(m: usize, cpu: u32): void {
  const row = cpuAt(m, cpu);
  const n = hdr(m, abi.H_ASIDS);
  for (let i: u32 = 0; i < n; i++) {
    const slot = asidSlot(row, i);
    const id = load<u32>(slot);
    if (id == 0 || id == abi.INIT_CTX_ID) continue;
    const gen = newestOf<F>(m, id);
    flushSlot(m, cpu, i);
    bump(countersAt(m, cpu), abi.CT_BROADCAST, 1);
    if (gen != 0) store<u32>(slot, gen, 4);
  }
}

/** Generation of the mm with this identity; 0: it is gone. */
function newestOf<F>(m: usize, id: u32): u32 {
  const mms = hdr(m, abi.H_MMS);
  for (let mm: u32 = 0; mm < mms; mm++) {
    if (mmAt(m, mm).ctxId == id) return genOf<F>(m, mm);
  }
  return 0;
}

/** Drops what `info` asks for under one ASID slot. */
function dropFrom(m: usize, cpu: u32, slot: u32, info: Cpu): void {
  const bits = (info.infoFlags & abi.INFO_HUGE) != 0 ? hdr(m, abi.H_INDEX_BITS) : 0;
  const full = (info.infoFlags & abi.INFO_FULL) != 0;
  if ((info.infoFlags & abi.INFO_LEAF) != 0) {
    const sets = hdr(m, abi.H_TLB_SETS);
    const ways = hdr(m, abi.H_TLB_WAYS);
    if (full) cacheDropAsid(tlbAt(m, cpu), sets * ways, slot);
    else {
      cacheDropPages(tlbAt(m, cpu), sets, ways, hdr(m, abi.H_INDEX_BITS), info.infoStart,
        info.infoEnd, (<u64>1) << bits, slot, hdr(m, abi.H_HUGE_SEEN) != 0);
    }
  } else if (full) {
    flushSlot(m, cpu, slot);
  } else {
    flushPages(m, cpu, clockAt(m, cpu), slot, info.infoStart, info.infoEnd, (<u64>1) << bits);
  }
  if (full) dropUser(m, cpu, slot);
  else dropUserPages(m, cpu, slot, info.infoStart, info.infoEnd, bits, 0);
}

/** INVLPGB names one PCID: that of a global ASID. Dynamic ones differ from CPU to CPU. */
function applyGlobal<F>(m: usize, cpu: u32, info: Cpu): void {
  const asid = globalOf<F>(m, info.infoMm - 1);
  if (asid == 0) return;
  const bits = (info.infoFlags & abi.INFO_HUGE) != 0 ? hdr(m, abi.H_INDEX_BITS) : 0;
  if ((info.infoFlags & abi.INFO_FULL) != 0) {
    flushGlobal(m, cpu, asid);
  } else {
    flushPages(m, cpu, clockAt(m, cpu), asid, info.infoStart, info.infoEnd, (<u64>1) << bits);
  }
  bump(countersAt(m, cpu), abi.CT_BROADCAST, 1);
}

/** A request that names an ASID, which is the same everywhere. */
function applyAsid(m: usize, cpu: u32, info: Cpu): void {
  const slot = slotWith(m, cpu, info.infoGen);
  if (slot < 0) return;
  dropFrom(m, cpu, slot, info);
  bump(countersAt(m, cpu), abi.CT_BROADCAST, 1);
}

/** What `info` asks for, in whichever slot of `cpu` holds its mm, loaded or not. */
export function apply<F>(m: usize, cpu: u32, info: Cpu): void {
  if (info.infoMm == abi.INFO_ANY_MM) {
    applyAll<F>(m, cpu);
    return;
  }
  if (hasGlobals(m)) {
    applyGlobal<F>(m, cpu, info);
    return;
  }
  if (hasAsids(m)) {
    applyAsid(m, cpu, info);
    return;
  }
  const row = cpuAt(m, cpu);
  const id = mmAt(m, info.infoMm - 1).ctxId;
  const n = hdr(m, abi.H_ASIDS);
  for (let i: u32 = 0; i < n; i++) {
    const slot = asidSlot(row, i);
    if (load<u32>(slot) != id) continue;
    dropFrom(m, cpu, i, info);
    bump(countersAt(m, cpu), abi.CT_BROADCAST, 1);
    const have = load<u32>(slot, 4);
    // Requests are applied in any order, but each before its sender goes on: a slot that skipped
    // one will still be told. Not if that one comes as an interrupt, whose handler takes a slot
    // that is ahead of it for done (INFO_ORDERED).
    const ordered = (info.infoFlags & abi.INFO_ORDERED) != 0;
    if (ordered ? have + 1 == info.infoGen : have < info.infoGen) {
      store<u32>(slot, info.infoGen, 4);
    }
  }
  if (hasDirectory(m)) directoryLeave(m, info, cpu);
}

/** BCAST_SEND. `masked`: for the CPUs of the request's cpumask only, whose firmware does it. */
export function broadcast<F>(m: usize, self: u32, masked: bool): i32 {
  const row = cpuAt(m, self);
  const none = row.infoMm == 0 || row.infoMm == abi.INFO_KERNEL_MM;
  if (none || (hdr(m, abi.H_OPTIONS) & abi.OPT_BROADCAST) == 0) {
    return abi.ST_BAD_PROGRAM;
  }
  issue<F>(m, self, row, masked);
  return abi.ST_OK;
}

/** Every CPU, the sender too, has it to apply: some time, or, in the timed driver, now. */
function issue<F>(m: usize, self: u32, row: Cpu, masked: bool): void {
  charge(m, self, abi.COST_BCAST, 1);
  const cpus = hdr(m, abi.H_CPUS);
  const targets = requestMask(m, row);
  const atOnce = !isShared<F>() && hdr(m, abi.H_OFF_HEAP) != 0;
  const mask = pendingOf(m, self);
  for (let i: u32 = 0; i < cpus; i++) {
    if (masked && !maskHas<F>(targets, i)) continue;
    if (!atOnce) {
      or32<F>(mask + ((i >> 5) << 2), 1 << (i & 31));
      continue;
    }
    apply<F>(m, i, row);
    if (masked && i != self) takeTime(m, i);
  }
}

/**
 * BCAST_ADD: issues one for [start, end) of ctx.mm and goes on; who waits for it, waits for all
 * (arch_tlbbatch_add_pending of arm64). This CPU's info keeps what is not waited for, as one
 * request: a second one makes it everything of the mm. `test`: only says whether there is one.
 */
export function broadcastAdd<F>(
  m: usize, self: u32, ctx: Ctx, start: u64, end: u64, test: bool,
): i32 {
  const row = cpuAt(m, self);
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_BROADCAST) == 0) return abi.ST_BAD_PROGRAM;
  if (test) {
    ctx.flag = row.infoMm != 0 ? 1 : 0;
    return abi.ST_OK;
  }
  if (ctx.mm == 0 || (row.infoMm != 0 && row.infoMm != ctx.mm)) return abi.ST_BAD_PROGRAM;
  const more = row.infoMm != 0;
  // Shared form: others may be reading the one before. Then it has to be applied first.
  if (more && isShared<F>() &&
      maskNext<F>(pendingOf(m, self), hdr(m, abi.H_MASK_WORDS), 0) >= 0) {
    return blocked(m, self, 1);
  }
  if (!more) clockAt(m, self).flushSince = clockAt(m, self).now;
  row.infoMm = ctx.mm;
  row.infoGen = genOf<F>(m, ctx.mm - 1);
  row.infoStart = more ? 0 : start;
  row.infoEnd = more ? ALL : end;
  row.infoFlags = more ? abi.INFO_FULL : 0;
  issue<F>(m, self, row, false);
  return abi.ST_OK;
}

/** Firmware runs on the target, whatever that does, and with its interrupts off. */
function takeTime(m: usize, cpu: u32): void {
  const ns: u64 = cost(m, abi.COST_FIRMWARE);
  const clock = clockAt(m, cpu);
  clock.now += ns;
  bump(countersAt(m, cpu), abi.CT_STOLEN_NS, ns);
}

/** FENCE: as what is broadcast, by this CPU itself, for its own request or the oldest entry. */
export function fence<F>(m: usize, cpu: u32, ctx: Ctx, how: u32): void {
  const isCsd = (how & abi.FENCE_CSD) != 0;
  const owner = isCsd ? load<u32>(csdAt(m, ctx.list - 1), 4) : 0;
  const info = isCsd ? cpuAt(m, (owner & abi.CSD_OWNER) - 1) : cpuAt(m, cpu);
  if (isCsd && ((owner & abi.CSD_CALL) != 0 || info.infoMm >= <u32>abi.INFO_KERNEL_MM)) {
    csdRun<F>(m, cpu, ctx);
    return;
  }
  if (info.infoMm == 0) return;
  if ((how & abi.FENCE_LOADED) != 0 && cpuAt(m, cpu).loadedMm != info.infoMm) {
    trustSlots(m, cpu, info);
    return;
  }
  apply<F>(m, cpu, info);
  const full = (info.infoFlags & abi.INFO_FULL) != 0;
  const bits = (info.infoFlags & abi.INFO_HUGE) != 0 ? hdr(m, abi.H_INDEX_BITS) : 0;
  const pages = <u32>((info.infoEnd - info.infoStart) >> bits);
  const counters = countersAt(m, cpu);
  bump(counters, isCsd ? abi.CT_FLUSH_REMOTE : abi.CT_FLUSH_LOCAL, 1);
  bump(counters, full ? abi.CT_FLUSH_FULL : abi.CT_FLUSH_PAGES, full ? 1 : pages);
  charge(m, cpu, abi.COST_FLUSH_FIXED, 1);
  charge(m, cpu, full ? abi.COST_FLUSH_FULL : abi.COST_FLUSH_PAGE, full ? 1 : pages);
}

/** The mutant: nothing is flushed, and nobody will look again. */
function trustSlots(m: usize, cpu: u32, info: Cpu): void {
  const id = mmAt(m, info.infoMm - 1).ctxId;
  for (let i: u32 = 0; i < hdr(m, abi.H_ASIDS); i++) {
    const slot = asidSlot(cpuAt(m, cpu), i);
    if (load<u32>(slot) == id && load<u32>(slot, 4) < info.infoGen) {
      store<u32>(slot, info.infoGen, 4);
    }
  }
}

/** BCAST_WAIT */
export function broadcastWait<F>(m: usize, self: u32): i32 {
  charge(m, self, abi.COST_BCAST_SYNC, 1);
  if (maskNext<F>(pendingOf(m, self), hdr(m, abi.H_MASK_WORDS), 0) >= 0) return blocked(m, self, 1);
  return abi.ST_OK;
}

/** Is there a broadcast that `cpu` has not applied? */
export function awaitsBroadcast(m: usize, cpu: u32): bool {
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_BROADCAST) == 0) return false;
  for (let sender: u32 = 0; sender < hdr(m, abi.H_CPUS); sender++) {
    if (maskHas<Shared>(pendingOf(m, sender), cpu)) return true;
  }
  return false;
}

/** Hardware applies a broadcast on `cpu`: that of the lowest sender. ST_IDLE: there is none. */
export function applyBroadcast<F>(m: usize, cpu: u32): i32 {
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_BROADCAST) == 0) return abi.ST_IDLE;
  const cpus = hdr(m, abi.H_CPUS);
  if (cpu >= cpus) return abi.ST_IDLE;
  for (let sender: u32 = 0; sender < cpus; sender++) {
    if (!maskHas<F>(pendingOf(m, sender), cpu)) continue;
    // A mutant does not wait: then the request may be over before it is applied.
    if (cpuAt(m, sender).infoMm != 0) apply<F>(m, cpu, cpuAt(m, sender));
    maskUnset<F>(pendingOf(m, sender), cpu);
    return abi.ST_OK;
  }
  return abi.ST_IDLE;
}
