/**
 * Context switch, lazy TLB mode and ASID slots, after shootdown.md 1.6. These micro-ops run in the
 * CPU's own context with interrupts off.
 *
 * Order that matters: own cpumask bit first (SW_MARK), then the generation (SW_GEN). The other way
 * round, a flush between the two reads neither finds this CPU nor is seen by it.
 */
import * as abi from "../src/core/abi";
import { hasAsids, loadAsid } from "./asid";
import { put32 } from "./atomics";
import { charge } from "./charge";
import { ALL, flushSlot, genOf } from "./flush";
import { adopt, globalOf, hasGlobals } from "./global-asid";
import { logEvent } from "./log";
import { asidSlot, count, cpuAt, hdr, maskAt, mmAt } from "./machine";
import { maskSet } from "./mask";
import { distrustOthers } from "./pti";
import { Cpu, Ctx } from "./rows";

// @ts-ignore: decorator
@inline
function setLoaded<F>(row: Cpu, value: u32): void {
  put32<F>(changetype<usize>(row) + offsetof<Cpu>("loadedMm"), value);
}

export function setLazy<F>(row: Cpu, value: u32): void {
  put32<F>(changetype<usize>(row) + offsetof<Cpu>("lazy"), value);
}

/** SW_UNLAZY: the loaded mm runs again; flush what was requested meanwhile. */
export function unlazy<F>(m: usize, cpu: u32): void {
  const row = cpuAt(m, cpu);
  if (row.lazy == 0) return;
  setLazy<F>(row, 0);
  // Broadcasts have kept its ASID fresh, which is in use here, or reserved.
  if (hasAsids(m) || (hasGlobals(m) && adopt<F>(m, row))) return;
  const slot = asidSlot(row, row.asid);
  const want = genOf<F>(m, row.loadedMm - 1);
  if (load<u32>(slot, 4) == want) return;
  flushSlot(m, cpu, row.asid);
  store<u32>(slot, want, 4);
  count(m, cpu, abi.CT_SWITCH_FLUSH, 1);
  charge(m, cpu, abi.COST_SWITCH_FLUSH, 1);
  logEvent(m, cpu, abi.EV_SWITCH_FLUSH, 1, ALL, row.loadedMm);
}

/** SW_MARK: from here on this CPU may hold translations of `mm`. */
export function markSwitch<F>(m: usize, cpu: u32, mm: u32): void {
  const row = cpuAt(m, cpu);
  setLoaded<F>(row, abi.LOADED_SWITCHING);
  maskSet<F>(maskAt(m, mm - 1), cpu);
}

/** SW_GEN: chooses the ASID slot and reads the generation. ctx.r11 keeps it; F = flush needed. */
export function chooseSlot<F>(m: usize, cpu: u32, ctx: Ctx, mm: u32): void {
  const row = cpuAt(m, cpu);
  distrustOthers(m, cpu, row);
  const id = mmAt(m, mm - 1).ctxId;
  const want = genOf<F>(m, mm - 1);
  const global = globalOf<F>(m, mm - 1);
  if (global != 0) {
    row.asid = global;
    ctx.flag = 0;
    ctx.r11 = want;
    return;
  }
  const n = hdr(m, abi.H_ASIDS);
  for (let i: u32 = 0; i < n; i++) {
    const slot = asidSlot(row, i);
    if (load<u32>(slot) != id) continue;
    row.asid = i;
    ctx.flag = load<u32>(slot, 4) < want ? 1 : 0;
    ctx.r11 = want;
    return;
  }
  row.asid = row.nextAsid;
  row.nextAsid = row.nextAsid + 1 == n ? 0 : row.nextAsid + 1;
  ctx.flag = 1;
  ctx.r11 = want;
}

/** SW_CR3: loads the slot, flushing it if F. */
export function loadSlot(m: usize, cpu: u32, ctx: Ctx, mm: u32): void {
  const row = cpuAt(m, cpu);
  const flush = ctx.flag != 0;
  if (hasAsids(m)) {
    if (loadAsid(m, cpu, row, ctx)) flushSlot(m, cpu, row.asid);
  } else if (flush) {
    const slot = asidSlot(row, row.asid);
    flushSlot(m, cpu, row.asid);
    store<u32>(slot, mmAt(m, mm - 1).ctxId);
    store<u32>(slot, <u32>ctx.r11, 4);
    count(m, cpu, abi.CT_SWITCH_FLUSH, 1);
    charge(m, cpu, abi.COST_SWITCH_FLUSH, 1);
  }
  count(m, cpu, abi.CT_SWITCH, 1);
  logEvent(m, cpu, abi.EV_SWITCH_FLUSH, 0, flush ? ALL : 0, mm);
  ctx.r11 = 0;
}

/** SW_DONE */
export function finishSwitch<F>(m: usize, cpu: u32, mm: u32): void {
  const row = cpuAt(m, cpu);
  setLoaded<F>(row, mm);
  setLazy<F>(row, 0);
}
