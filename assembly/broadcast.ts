/**
 * Invalidations that hardware broadcasts (INVLPGB and TLBSYNC, TLBI IS and DSB; shootdown.md 1.8):
 * no interrupt, no handler. A CPU applies one some time between its being sent and the sender's
 * wait being over; explored machines try every moment, timed ones apply it at once.
 *
 * The request stays in the sender's row until its wait is over. Its mask holds the CPUs that have
 * not applied it.
 */
import * as abi from "../src/core/abi";
import { isShared, or32, Shared } from "./atomics";
import { requestMask } from "./batched";
import { csdRun } from "./call-queue";
import { charge } from "./charge";
import { flushPages, flushSlot } from "./flush";
import { flushGlobal, globalOf, hasGlobals } from "./global-asid";
import {
  asidSlot, bump, clockAt, cost, countersAt, cpuAt, csdAt, hdr, mmAt,
} from "./machine";
import { maskHas, maskNext, maskUnset } from "./mask";
import { dropUser, dropUserPages } from "./pti";
import { Cpu, Ctx } from "./rows";
import { blocked } from "./wake";

// @ts-ignore: decorator
@inline
function pendingOf(m: usize, sender: u32): usize {
  return m + hdr(m, abi.H_OFF_BROADCAST) + (((<usize>sender) * hdr(m, abi.H_MASK_WORDS)) << 2);
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

/** What `info` asks for, in whichever slot of `cpu` holds its mm, loaded or not. */
function apply<F>(m: usize, cpu: u32, info: Cpu): void {
  if (hasGlobals(m)) {
    applyGlobal<F>(m, cpu, info);
    return;
  }
  const row = cpuAt(m, cpu);
  const id = mmAt(m, info.infoMm - 1).ctxId;
  const n = hdr(m, abi.H_ASIDS);
  for (let i: u32 = 0; i < n; i++) {
    const slot = asidSlot(row, i);
    if (load<u32>(slot) != id) continue;
    const bits = (info.infoFlags & abi.INFO_HUGE) != 0 ? hdr(m, abi.H_INDEX_BITS) : 0;
    if ((info.infoFlags & abi.INFO_FULL) != 0) {
      flushSlot(m, cpu, i);
      dropUser(m, cpu, i);
    } else {
      flushPages(m, cpu, clockAt(m, cpu), i, info.infoStart, info.infoEnd, (<u64>1) << bits);
      dropUserPages(m, cpu, i, info.infoStart, info.infoEnd, bits, 0);
    }
    bump(countersAt(m, cpu), abi.CT_BROADCAST, 1);
    // Requests are applied in any order, but each before its sender goes on: a slot that skipped
    // one will still be told.
    if (load<u32>(slot, 4) < info.infoGen) store<u32>(slot, info.infoGen, 4);
  }
}

/** BCAST_SEND. `masked`: for the CPUs of the request's cpumask only, whose firmware does it. */
export function broadcast<F>(m: usize, self: u32, masked: bool): i32 {
  const row = cpuAt(m, self);
  const none = row.infoMm == 0 || row.infoMm >= <u32>abi.INFO_KERNEL_MM;
  if (none || (hdr(m, abi.H_OPTIONS) & abi.OPT_BROADCAST) == 0) {
    return abi.ST_BAD_PROGRAM;
  }
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
