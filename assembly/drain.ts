/**
 * The usual interrupt, from its first micro-op to its last, in one go.
 *
 * Nearly every shootdown a CPU takes is the same: its queue holds one csd, the request is the next
 * one of the loaded mm and the newest, and nobody else has a turn before the handler is over. If
 * the handler is the standard one,
 *
 *   0 csq.take · 1 jf 6 · 2 csd.run · 3 csd.unlock · 4 jf 6 · 5 jmp 2 · 6 end
 *
 * (recognised by the host, SHORT_DRAIN), all of that is decided before anything is changed,
 * and what the seven instructions would leave behind is written at once: same state, same clock,
 * same counters. Everything else is interpreted. Nothing can tell which of the two happened.
 */
import * as abi from "../src/core/abi";
import { Plain } from "./atomics";
import { flushPages } from "./flush";
import {
  asidSlot, bump, countersAt, cpuAt, csdAt, hdr, mmAt, setHdr,
} from "./machine";
import { Clock, Cpu } from "./rows";
import { acked } from "./wake";

/** Visible micro-ops of the handler: what it takes from the budget. */
const STEPS: u32 = 3;
/** Events it would log: who records these wants every instruction executed. */
const LOGGED: u32 = (1 << abi.EV_FLUSH_REMOTE) | (1 << abi.EV_IRQ) | (1 << abi.EV_CSD_RUN);

/**
 * Takes the interrupt of CPU `cpu` at `time`, if it is the usual one and is over before `horizon`.
 * False: nothing was changed.
 */
// @ts-ignore: decorator
@inline
export function drainWhole(
  m: usize, cpu: u32, row: Cpu, clock: Clock, time: u64, horizon: u64,
): bool {
  const id = row.queue;
  if (id == 0) return false;
  const csd = csdAt(m, id - 1);
  const owner = load<u32>(csd, 4);
  if ((owner & ~(<u32>abi.CSD_OWNER)) != 0) return false;
  const initiator = owner - 1;
  const info = cpuAt(m, initiator);
  const mm = info.infoMm;
  const budget = hdr(m, abi.H_BUDGET);
  // One csd; a request of the mm this CPU runs; nobody wants to be told about it.
  if (load<u32>(csd) != 0 || mm == 0 || row.loadedMm != mm || row.lazy != 0) return false;
  if (budget < STEPS || (hdr(m, abi.H_LOG_MASK) & LOGGED) != 0) return false;
  const asid = row.asid;
  const slot = asidSlot(row, asid);
  const gen = info.infoGen;
  if (gen != load<u32>(slot, 4) + 1 || gen != mmAt(m, mm - 1).tlbGen) return false;
  const flags = info.infoFlags;
  const bits = (flags & abi.INFO_HUGE) != 0 ? hdr(m, abi.H_INDEX_BITS) : 0;
  const start = info.infoStart;
  const end = info.infoEnd;
  const pages = (end - start) >> bits;
  if ((flags & abi.INFO_FULL) != 0 || pages > <u64>hdr(m, abi.H_CEILING)) return false;
  const costs = m + hdr(m, abi.H_OFF_COST);
  // Each step's charge is a u32, whatever prices add up to.
  const flush: u32 = load<u32>(costs + (abi.OP_CSD_RUN << 2)) +
    load<u32>(costs + (abi.COST_FLUSH_FIXED << 2)) +
    load<u32>(costs + (abi.COST_FLUSH_PAGE << 2)) * <u32>pages;
  const over = time + load<u32>(costs + (abi.OP_CSQ_TAKE << 2)) + flush +
    load<u32>(costs + (abi.OP_CSD_UNLOCK << 2));
  if (over >= horizon) return false;

  setHdr(m, abi.H_BUDGET, budget - STEPS);
  row.ipiPending = 0;
  row.queue = 0;
  flushPages(m, cpu, clock, asid, start, end, (<u64>1) << bits);
  store<u32>(slot, gen, 4);
  store<u32>(csd, 0, 4);
  const left = info.waitCount - 1;
  info.waitCount = left;
  acked<Plain>(m, initiator, <u32>(csd + 4 - m), over, left == 0);
  const done = over + load<u32>(costs + (abi.OP_END << 2));
  clock.now = done;
  const counters = countersAt(m, cpu);
  bump(counters, abi.CT_FLUSH_REMOTE, 1);
  bump(counters, abi.CT_FLUSH_PAGES, pages);
  bump(counters, abi.CT_STOLEN_NS, done - time);
  return true;
}
