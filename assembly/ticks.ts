/**
 * Ticks of a CPU's own in machines without time: its TLB entries age, and unmappings whose entries
 * are gone everywhere are over (lifetime.ts, latr.ts). Timed machines count ticks in latr.ts.
 */
import * as abi from "../src/core/abi";
import { isShared, Shared } from "./atomics";
import { cacheDropAll } from "./cache";
import { E_GEN, E_MASK, entriesOf, entryAt, retire } from "./latr";
import { age, hasLifetimes } from "./lifetime";
import { hdr, tlbAt } from "./machine";
import { maskHas, maskNext, maskUnset } from "./mask";
import { lockPools, unlockPools } from "./pools";

/** Does an unmapping wait for a tick of `cpu`? */
function hasTick<F>(m: usize, cpu: u32): bool {
  for (let i: u32 = 0; i < entriesOf(m); i++) {
    if (load<u32>(entryAt(m, i)) != 0 && maskHas<F>(entryAt(m, i) + E_MASK, cpu)) return true;
  }
  return false;
}

/** `cpu` has seen all the ticks that anything is withheld for. Pools locked. */
function passTicks<F>(m: usize, cpu: u32): void {
  for (let i: u32 = 0; i < entriesOf(m); i++) {
    const e = entryAt(m, i);
    if (load<u32>(e) == 0 || !maskHas<F>(e + E_MASK, cpu)) continue;
    maskUnset<F>(e + E_MASK, cpu);
    if (maskNext<F>(e + E_MASK, hdr(m, abi.H_MASK_WORDS), 0) < 0) retire<F>(m, cpu, e);
  }
}

/**
 * Explored machines: `cpu` has seen one. E_GEN, which nobody needs here, is the mask of those that
 * have seen all but the last. True: something has changed.
 */
function passTick<F>(m: usize, cpu: u32): bool {
  let changed = false;
  for (let i: u32 = 0; i < entriesOf(m); i++) {
    const e = entryAt(m, i);
    if (load<u32>(e) == 0 || !maskHas<F>(e + E_MASK, cpu)) continue;
    changed = true;
    const seen = load<u32>(e, E_GEN);
    if (hdr(m, abi.H_LIFE_TICKS) > 1 && ((seen >> cpu) & 1) == 0) {
      store<u32>(e, seen | (1 << cpu), E_GEN);
      continue;
    }
    maskUnset<F>(e + E_MASK, cpu);
    if (maskNext<F>(e + E_MASK, hdr(m, abi.H_MASK_WORDS), 0) < 0) retire<F>(m, cpu, e);
  }
  return changed;
}

/** A tick of `cpu`'s own, in machines without time. ST_IDLE: nobody could tell. */
export function tick<F>(m: usize, cpu: u32): i32 {
  if (!hasLifetimes(m) || cpu >= hdr(m, abi.H_CPUS)) return abi.ST_IDLE;
  if (isShared<F>()) {
    if (!hasTick<F>(m, cpu)) return abi.ST_IDLE;
    if (!lockPools<F>(m)) return abi.ST_IDLE;
    cacheDropAll(tlbAt(m, cpu), hdr(m, abi.H_TLB_SETS) * hdr(m, abi.H_TLB_WAYS));
    passTicks<F>(m, cpu);
    unlockPools<F>(m);
    return abi.ST_OK;
  }
  const aged = age(m, cpu);
  return passTick<F>(m, cpu) || aged ? abi.ST_OK : abi.ST_IDLE;
}

/** Is there one that waits for a tick of `cpu`, whose thread has nothing else to do? */
export function awaitsTick(m: usize, cpu: u32): bool {
  return hasLifetimes(m) && hasTick<Shared>(m, cpu);
}
