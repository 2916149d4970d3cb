/**
 * When what happens in a shootdown that is carried out whole (bulk.ts): prices are fixed, so that
 * depends on its shape alone: its program, and how many pages and targets it has. Requests of one
 * shape often come in a row; the last shape's times stay in the header, but for the turns of the
 * loop that queues one csd a target.
 *
 *   began ── csd of each target ── interrupts sent ── arrival ── handlers over (taken)
 *                                     own flush ── last ack ── over
 */
import * as abi from "../src/core/abi";
import { hdr, setHdr } from "./machine";
import { hasPrints } from "./tlb";
import { later } from "./wake";

/**
 * Options whose meaning bulk.ts knows. Any other one: everything is decoded. Those of paravirtual
 * flushes mean nothing unless CPUs are preempted (OPT_PREEMPT, which is not here).
 */
const KNOWN_OPTIONS: u32 = abi.OPT_DELAYED_IPI | abi.OPT_SPECULATIVE_WALKS | abi.OPT_LAZY_SKIP |
  abi.OPT_SKIP_SWITCHING | abi.OPT_TRIM | abi.OPT_BATCH | abi.OPT_TELL_LAZY | abi.OPT_TELL_ALL |
  abi.OPT_PV_FLUSH | abi.OPT_PV_LOST | abi.OPT_DEFER |
  abi.OPT_ACCESSED;

/**
 * Visible micro-ops of a request beside those of its targets: one each of prep, others, ipi.send,
 * local and done, the turn of the send loop that finds nobody, and two of wait, which blocks once.
 */
const STEPS: u32 = 8;
/** notify.begin and notify.next, when nobody subscribes. */
const STEPS_NOTIFY: u32 = 2;

// @ts-ignore: decorator
@inline
function price(costs: usize, index: i32): u32 {
  return load<u32>(costs + (index << 2));
}

/** At the beginning of timedAdvance: between two of them the host may have changed anything. */
export function prepareWhole(m: usize): void {
  const both = abi.SHORT_DRAIN | abi.SHORT_FLUSH;
  const options = hdr(m, abi.H_OPTIONS);
  const ready = (hdr(m, abi.H_SHORTCUTS) & both) == both && hdr(m, abi.H_LOG_MASK) == 0 &&
    (options & ~KNOWN_OPTIONS) == 0;
  setHdr(m, abi.H_WHOLE, ready ? hdr(m, abi.H_CPUS) : 0);
  const isUsual = hdr(m, abi.H_MASK_WORDS) == 1 && hasPrints(m);
  setHdr(m, abi.H_WHOLE_RARE, ((options & abi.OPT_TRIM) != 0 ? abi.WHOLE_TRIM : 0) |
    (isUsual ? 0 : abi.WHOLE_LARGE));
  setHdr(m, abi.H_WHOLE_SHAPE, 0);
  if (ready && hdr(m, abi.H_CEILING) != 0) drawTimes(m, abi.BULK_SEND_FIRST, 1);
}

/** Of a request, for H_WHOLE_SHAPE: that of one which is not full, of 2^20 pages at most, fits. */
// @ts-ignore: decorator
@inline
export function shapeOf(kind: u32, pages: u64): u64 {
  return kind | (pages << <u64>abi.BULK_BITS);
}

/** The flush itself, on either side, in ns; u32 as Clock.charge is. */
// @ts-ignore: decorator
@inline
function flushNs(costs: usize, op: i32, pages: u64): u32 {
  return price(costs, op) + price(costs, abi.COST_FLUSH_FIXED) +
    price(costs, abi.COST_FLUSH_PAGE) * <u32>pages;
}

/** Writes the times of requests of `kind` and `pages`. False: they are too long for that. */
export function drawTimes(m: usize, kind: u32, pages: u64): bool {
  const costs = m + hdr(m, abi.H_OFF_COST);
  const local = <u64>flushNs(costs, abi.OP_FLUSH_LOCAL, pages);
  const before = (kind & abi.BULK_LOCAL_FIRST) != 0 ? local : 0;
  const sent = <u64>price(costs, abi.OP_FLUSH_PREP) + price(costs, abi.OP_FLUSH_OTHERS) + before +
    price(costs, abi.OP_CSD_SEND) + (price(costs, abi.OP_IPI_SEND) + price(costs, abi.COST_IPI));
  const arrival = sent + price(costs, abi.COST_DELIVER);
  const unlocked = arrival + price(costs, abi.OP_CSQ_TAKE) +
    flushNs(costs, abi.OP_CSD_RUN, pages) + price(costs, abi.OP_CSD_UNLOCK);
  const taken = unlocked + price(costs, abi.OP_END);
  const acked = unlocked + price(costs, abi.COST_ACK);
  const notified = (kind & abi.BULK_NOTIFY) == 0 ? 0
    : <u64>price(costs, abi.OP_NOTIFY_BEGIN) + price(costs, abi.OP_NOTIFY_NEXT);
  const over = later(sent + local - before, acked) + price(costs, abi.OP_CSD_WAIT) + notified +
    price(costs, abi.OP_FLUSH_DONE);
  if (later(over, taken) > <u64>u32.MAX_VALUE) return false;
  setHdr(m, abi.H_WHOLE_SHAPE, <u32>shapeOf(kind, pages));
  setHdr(m, abi.H_WHOLE_TURN, price(costs, abi.OP_CSD_SEND) + price(costs, abi.COST_CSD));
  setHdr(m, abi.H_WHOLE_ARRIVAL, <u32>arrival);
  setHdr(m, abi.H_WHOLE_TAKEN, <u32>taken);
  setHdr(m, abi.H_WHOLE_OVER, <u32>over);
  setHdr(m, abi.H_WHOLE_STEPS, (kind & abi.BULK_NOTIFY) == 0 ? STEPS : STEPS + STEPS_NOTIFY);
  return true;
}
