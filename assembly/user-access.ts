/** A CPU's user-mode access: its TLB first, then its page walker, as one indivisible micro-op. */
import * as abi from "../src/core/abi";
import { accessed } from "./access";
import { cacheFill, cacheFind, entryWritable } from "./cache";
import { charge } from "./charge";
import { count, cpuAt, hdr, tlbAt } from "./machine";
import { checkAccess, judge } from "./oracle";
import { Cpu, Entry } from "./rows";
import { generationOf, hardWalk } from "./walk";

function lookup(m: usize, cpu: u32, vpn: u64): usize {
  return cacheFind(tlbAt(m, cpu), hdr(m, abi.H_TLB_SETS), hdr(m, abi.H_TLB_WAYS),
    hdr(m, abi.H_INDEX_BITS), vpn, cpuAt(m, cpu).asid);
}

/** Walks and fills. False: nothing usable is mapped there. */
export function cpuFill<F>(m: usize, cpu: u32, vpn: u64, write: bool): bool {
  const row = cpuAt(m, cpu);
  const clock = changetype<usize>(row) + offsetof<Cpu>("pwcClock");
  const pte = hardWalk<F>(m, cpu, clock, row.loadedMm - 1, row.asid, vpn);
  charge(m, cpu, abi.COST_WALK, 1);
  if (pte == 0 || (write && (pte & abi.PTE_W) == 0)) return false;
  cacheFill(tlbAt(m, cpu), hdr(m, abi.H_TLB_SETS), hdr(m, abi.H_TLB_WAYS),
    hdr(m, abi.H_INDEX_BITS), changetype<usize>(row) + offsetof<Cpu>("tlbClock"),
    vpn, row.asid, (pte & abi.PTE_HUGE) != 0, (pte & abi.PTE_W) != 0,
    <u32>(pte >> abi.PTE_SHIFT), generationOf<F>(m, pte));
  accessed<F>(m, cpu, <u32>(pte >> abi.PTE_SHIFT));
  return true;
}

/** True: the access was committed. False: it faults. */
export function cpuAccess<F>(m: usize, cpu: u32, vpn: u64, write: bool): bool {
  const row = cpuAt(m, cpu);
  if (row.loadedMm == abi.LOADED_INIT || row.loadedMm == abi.LOADED_SWITCHING) return false;
  let hit = lookup(m, cpu, vpn);
  if (hit != 0 && (!write || entryWritable(changetype<Entry>(hit)))) {
    count(m, cpu, abi.CT_TLB_HIT, 1);
  } else {
    // A permission mismatch makes the CPU walk again before it faults.
    count(m, cpu, abi.CT_TLB_MISS, 1);
    if (!cpuFill<F>(m, cpu, vpn, write)) return false;
    hit = lookup(m, cpu, vpn);
  }
  checkAccess<F>(m, cpu, row.loadedMm - 1, changetype<Entry>(hit), vpn, write);
  return true;
}

/** A read from within an NMI: what is not mapped is not read, and nobody relies on its order. */
export function cpuPeek<F>(m: usize, cpu: u32, vpn: u64): void {
  const row = cpuAt(m, cpu);
  let hit = lookup(m, cpu, vpn);
  if (hit == 0) {
    if (!cpuFill<F>(m, cpu, vpn, false)) return;
    hit = lookup(m, cpu, vpn);
  }
  judge<F>(m, cpu, row.loadedMm - 1, changetype<Entry>(hit), vpn, false);
}

/** A speculative walk: no access, no charge. True: a translation was cached. */
export function cpuSpeculate<F>(m: usize, cpu: u32, vpn: u64): bool {
  const row = cpuAt(m, cpu);
  if (row.loadedMm == abi.LOADED_INIT || row.loadedMm == abi.LOADED_SWITCHING) return false;
  if (lookup(m, cpu, vpn) != 0) return false;
  return cpuFill<F>(m, cpu, vpn, false);
}
