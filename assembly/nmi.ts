/**
 * NMIs that read user memory (stack walks, probes), after shootdown.md I1 and I6: a named
 * assumption of explored machines. They come before any micro-op, in the midst of handlers and with
 * interrupts off, and never fault a page in.
 */
import * as abi from "../src/core/abi";
import { walkSum } from "./cache";
import { flushSlot, genOf } from "./flush";
import { asidSlot, cpuAt, hdr, pwcAt, sysAt, tlbAt } from "./machine";
import { Cpu } from "./rows";
import { cpuPeek } from "./user-access";

/** nmi_uaccess_okay, with what the policy has added to it. */
function mayRead(m: usize, row: Cpu, mm: u32): bool {
  if (row.loadedMm != mm + 1 || row.lazy != 0) return false;
  return row.reached == 0 || (hdr(m, abi.H_OPTIONS) & abi.OPT_GUARD_REFUSE) == 0;
}

/** An NMI on `actor` reads watched page `k`. ST_IDLE: nothing came of it. */
export function nmi<F>(m: usize, actor: u32, k: u32): i32 {
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_NMI) == 0 || k >= hdr(m, abi.H_WATCH)) return abi.ST_IDLE;
  if (actor >= hdr(m, abi.H_CPUS)) return abi.ST_IDLE;
  const row = cpuAt(m, actor);
  const p = m + hdr(m, abi.H_OFF_WATCH_VPN) + (k << 4);
  const mm = <u32>load<u64>(p, 8);
  if (!mayRead(m, row, mm)) return abi.ST_IDLE;
  // A global ASID has none; then this is one that does not change.
  const slot = asidSlot(row, row.asid < <u32>abi.ASID_GLOBAL ? row.asid : 0);
  const entries = hdr(m, abi.H_TLB_SETS) * hdr(m, abi.H_TLB_WAYS);
  const hazards = sysAt(m).hazard;
  const gen = load<u32>(slot, 4);
  const before = walkSum(tlbAt(m, actor), entries);
  // A walk that finds nothing may still have cached tables.
  const tables = walkSum(pwcAt(m, actor), hdr(m, abi.H_PWC_ENTRIES));
  if (row.reached != 0 && (hdr(m, abi.H_OPTIONS) & abi.OPT_GUARD_FLUSH) != 0) {
    flushSlot(m, actor, row.asid);
    store<u32>(slot, genOf<F>(m, mm), 4);
  }
  cpuPeek<F>(m, actor, load<u64>(p));
  const changed = sysAt(m).hazard != hazards || load<u32>(slot, 4) != gen ||
    walkSum(tlbAt(m, actor), entries) != before ||
    walkSum(pwcAt(m, actor), hdr(m, abi.H_PWC_ENTRIES)) != tables;
  return changed ? abi.ST_OK : abi.ST_IDLE;
}
