/**
 * The usual shootdown, from flush.prep to flush.done, in one go: the bulk path.
 *
 * A flush request is this program, as the kit writes it for policies that send, flush locally and
 * wait (or flush locally first), and its targets run the standard handler of drain.ts:
 *
 *    0 flush.prep · 1 flush.others · 2 jf 10 · 3 csd.send · 4 jf 6 · 5 jmp 3 · 6 ipi.send
 *    7 flush.local · 8 csd.wait · 9 jmp 11 · 10 flush.local 1 · 11 notify.begin · 12 notify.next
 *   13 flush.done
 *
 * The host recognises it word for word (SHORT_FLUSH) and says so in operand c of flush.prep.
 *
 * Why it may run without queues: a handler touches rows of its own CPU, the csd that is its alone,
 * and two words of its initiator that only add up (waitCount, ackAt), so handlers commute. Nobody
 * else has a turn before the request is over (`horizon`), so what they leave behind is decided
 * when they are sent: a csd is queued and unlocked again, an interrupt pending and taken again, and
 * the request in the initiator's info is written and zeroed without anybody to look at them.
 * Whatever is not usual is noticed before anything is changed, and the request is decoded.
 */
import * as abi from "../src/core/abi";
import { Plain } from "./atomics";
import { cacheDropPages } from "./cache";
import { flushPages, flushWalks } from "./flush";
import { jobIsSwitch, jobTime } from "./jobs";
import {
  asidSlot, bump, clockAt, countersAt, cpuAt, ctxAt, hdr, ipiSet, maskAt, mmAt, setHdr, tlbAt,
} from "./machine";
import { maskHas } from "./mask";
import { NOT_QUEUED } from "./queue";
import { Clock, Cpu, Ctx, Mm } from "./rows";
import { later } from "./wake";

/**
 * Visible micro-ops of a request beside those of its targets: one each of prep, others, ipi.send,
 * local and done, the turn of the send loop that finds nobody, and two of wait, which blocks once.
 */
const STEPS: u32 = 8;
/** Of a target: it is sent to; it takes its queue, flushes, unlocks. */
const STEPS_TARGET: u32 = 4;
/** notify.begin and notify.next, when nobody subscribes. */
const STEPS_NOTIFY: u32 = 2;

/** Options whose meaning this file knows. Any other one: everything is decoded. */
const KNOWN_OPTIONS: u32 = abi.OPT_DELAYED_IPI | abi.OPT_SPECULATIVE_WALKS | abi.OPT_LAZY_SKIP |
  abi.OPT_SKIP_SWITCHING | abi.OPT_TRIM | abi.OPT_BATCH | abi.OPT_DEFER |
  abi.OPT_ACCESSED;

// @ts-ignore: decorator
@inline
function price(costs: usize, index: i32): u32 {
  return load<u32>(costs + (index << 2));
}

/** Instructions of the program above. */
// @ts-ignore: decorator
@inline
export function bulkLength(kind: u32): u32 {
  return (kind & abi.BULK_NOTIFY) != 0 ? 14 : 12;
}

/** The CPUs of word `w` of a mask but `self`. */
// @ts-ignore: decorator
@inline
function others(mask: usize, w: u32, self: u32): u32 {
  const bits = load<u32>(mask + (w << 2));
  return w == self >> 5 ? bits & ~(1 << (self & 31)) : bits;
}

function countOthers(mask: usize, words: u32, self: u32): u32 {
  let n: u32 = 0;
  for (let w: u32 = 0; w < words; w++) n += popcnt(others(mask, w, self));
  return n;
}

/** shouldFlush of a CPU that does not simply run `mm`: it can be decided to be left out. */
function isFiltered(m: usize, to: Cpu, mm: u32, flags: u32): bool {
  const options = hdr(m, abi.H_OPTIONS);
  if ((flags & abi.INFO_FREED) != 0 || to.online == 0) return false;
  if (to.lazy != 0) return (options & abi.OPT_LAZY_SKIP) != 0;
  if (to.loadedMm == abi.LOADED_SWITCHING) return (options & abi.OPT_SKIP_SWITCHING) != 0;
  return to.loadedMm != mm;
}

/**
 * The rest of the handler's turn: a target that is queued to run, or parked, must stay as it is.
 * Mostly there is neither kernel work nor a job.
 */
function staysQueued(m: usize, cpu: u32, clock: Clock, running: bool): bool {
  const hasJobs = clock.jobHead != clock.jobTail;
  if (running) return clock.waitKey != 0 && !hasJobs;
  return !hasJobs || clock.queuedAt <= jobTime<Plain>(m, cpu);
}

/** Would target `cpu`, which runs the mm, take the interrupt when it arrives, as drain.ts does? */
// @ts-ignore: decorator
@inline
function isUsual(m: usize, cpu: u32, to: Cpu, own: Ctx, clock: Clock, have: u32, now: u64): bool {
  if ((to.queue | to.ipiPending) != 0 || to.online == 0) return false;
  if (load<u32>(asidSlot(to, to.asid), 4) != have) return false;
  const below = to.task == 0 ? own : ctxAt(m, to.task - 1);
  if ((own.running | below.irqOff) != 0) return false;
  if ((clock.irqSince & clock.irqQueuedAt) != NOT_QUEUED || clock.now > now) return false;
  const busy = below.running != 0;
  if (!busy && clock.jobHead == clock.jobTail) return true;
  return staysQueued(m, cpu, clock, busy);
}

/**
 * Chooses the targets of a request as csd.send does: they are left in the initiator's IPI set.
 * How many, or 0 if there is none or one of them is not usual; then the set is empty.
 */
function choose(
  m: usize, self: u32, row: Cpu, mm: u32, flags: u32, have: u32, now: u64,
): u32 {
  const mask = maskAt(m, mm - 1);
  const set = ipiSet(m, row);
  const words = hdr(m, abi.H_MASK_WORDS);
  const owns = changetype<usize>(ctxAt(m, hdr(m, abi.H_TASKS)));
  const rows = changetype<usize>(cpuAt(m, 0));
  const stride = hdr(m, abi.H_CPU_STRIDE);
  const clocks = changetype<usize>(clockAt(m, 0));
  let n: u32 = 0;
  for (let w: u32 = 0; w < words; w++) {
    let left = others(mask, w, self);
    let kept = left;
    while (left != 0) {
      const cpu = (w << 5) + ctz(left);
      const to = changetype<Cpu>(rows + cpu * stride);
      if (to.loadedMm == mm && to.lazy == 0) {
        const own = changetype<Ctx>(owns + cpu * offsetof<Ctx>());
        const clock = changetype<Clock>(clocks + cpu * offsetof<Clock>());
        if (!isUsual(m, cpu, to, own, clock, have, now)) break;
      } else {
        if (!isFiltered(m, to, mm, flags)) break;
        kept &= ~(1 << (cpu & 31));
      }
      left &= left - 1;
    }
    if (left != 0) {
      memory.fill(set, 0, w << 2);
      return 0;
    }
    store<u32>(set + (w << 2), kept);
    n += popcnt(kept);
  }
  return n;
}

/** What all targets of the IPI set have in common when their handlers are over; empties the set. */
function deliver(
  m: usize, row: Cpu, start: u64, end: u64, stride: u64, gen: u32, pages: u64, arrival: u64,
  done: u64,
): void {
  const set = ipiSet(m, row);
  const words = hdr(m, abi.H_MASK_WORDS);
  const rows = changetype<usize>(cpuAt(m, 0));
  const rowStride = hdr(m, abi.H_CPU_STRIDE);
  const clocks = changetype<usize>(clockAt(m, 0));
  const counters = countersAt(m, 0);
  const tlbs = tlbAt(m, 0);
  const tlbStride = hdr(m, abi.H_TLB_STRIDE);
  const sets = hdr(m, abi.H_TLB_SETS);
  const ways = hdr(m, abi.H_TLB_WAYS);
  const bits = hdr(m, abi.H_INDEX_BITS);
  const huge = hdr(m, abi.H_HUGE_SEEN) != 0;
  const pagesAndNs = i64x2.replace_lane(i64x2.splat(pages), 1, done - arrival);
  for (let w: u32 = 0; w < words; w++) {
    let left = load<u32>(set + (w << 2));
    store<u32>(set + (w << 2), 0);
    for (; left != 0; left &= left - 1) {
      const cpu = (w << 5) + ctz(left);
      const to = changetype<Cpu>(rows + cpu * rowStride);
      const asid = to.asid;
      const clock = changetype<Clock>(clocks + cpu * offsetof<Clock>());
      const tlb = tlbs + <usize>cpu * tlbStride;
      cacheDropPages(tlb, sets, ways, bits, start, end, stride, asid, huge);
      if (clock.walkFills != 0) flushWalks(m, cpu, clock, asid);
      store<u32>(asidSlot(to, asid), gen, 4);
      clock.ipiAt = arrival;
      clock.now = done;
      const counter = counters + ((cpu * abi.CT_WORDS) << 3);
      bump(counter, abi.CT_FLUSH_REMOTE, 1);
      const both = counter + (abi.CT_FLUSH_PAGES << 3); // and CT_STOLEN_NS behind it
      v128.store(both, i64x2.add(v128.load(both), pagesAndNs));
    }
  }
}

/** Is the initiator as it mostly is? */
// @ts-ignore: decorator
@inline
function isUsualInitiator(m: usize, self: u32, row: Cpu, clock: Clock, mm: u32): bool {
  const both = abi.SHORT_DRAIN | abi.SHORT_FLUSH;
  if ((hdr(m, abi.H_SHORTCUTS) & both) != both || hdr(m, abi.H_LOG_MASK) != 0) return false;
  if ((hdr(m, abi.H_OPTIONS) & ~KNOWN_OPTIONS) != 0 || self >= hdr(m, abi.H_CPUS)) return false;
  if (mm == 0 || row.loadedMm != mm || row.lazy != 0) return false;
  if ((row.infoMm | row.waitCount | row.ipiPending | row.queue) != 0) return false;
  if (!maskHas<Plain>(maskAt(m, mm - 1), self)) return false;
  // While it waits, a context switch may start over it.
  return clock.jobHead == clock.jobTail || !jobIsSwitch<Plain>(m, self);
}

/** notify.next after the last subscriber. */
// @ts-ignore: decorator
@inline
function leaveNotification(ctx: Ctx): void {
  ctx.dev = 0;
  ctx.event = 0;
  ctx.hStart = 0;
  ctx.hEnd = 0;
}

/** Is it time to also tell CPUs that run something else? `now`: when flush.others begins. */
// @ts-ignore: decorator
@inline
function isTrimDue(m: usize, request: Mm, now: u64): bool {
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_TRIM) == 0) return false;
  return <u32>(now / 1000000) >= request.trimAtMs;
}

/** The flush itself, on either side, in ns; u32 as Clock.charge is. */
// @ts-ignore: decorator
@inline
function flushNs(costs: usize, op: i32, pages: u64): u32 {
  return price(costs, op) + price(costs, abi.COST_FLUSH_FIXED) +
    price(costs, abi.COST_FLUSH_PAGE) * <u32>pages;
}

/** A turn of the send loop that queues a csd. */
// @ts-ignore: decorator
@inline
function turnNs(costs: usize): u32 {
  return price(costs, abi.OP_CSD_SEND) + price(costs, abi.COST_CSD);
}

/** From the beginning of flush.prep to the end of ipi.send, with `n` targets. */
// @ts-ignore: decorator
@inline
function sendNs(costs: usize, n: u32): u64 {
  return <u64>price(costs, abi.OP_FLUSH_PREP) + price(costs, abi.OP_FLUSH_OTHERS) +
    <u64>n * turnNs(costs) + price(costs, abi.OP_CSD_SEND) +
    (price(costs, abi.OP_IPI_SEND) + price(costs, abi.COST_IPI));
}

/** The initiator's side: what decoding the request would leave behind but its time. */
// @ts-ignore: decorator
@inline
function settle(
  m: usize, self: u32, ctx: Ctx, row: Cpu, clock: Clock, n: u32, asked: u32, pages: u64, ns: u64,
): void {
  ctx.cursor = 0;
  ctx.flag = 0;
  clock.ackAt = 0;
  clock.wantKey = 1; // it was parked for its acks
  clock.flushSince = clock.now;
  const counters = countersAt(m, self);
  bump(counters, abi.CT_FLUSH_LOCAL, 1);
  bump(counters, abi.CT_FLUSH_PAGES, pages);
  bump(counters, abi.CT_CSD, n);
  bump(counters, abi.CT_IPI, n);
  bump(counters, abi.CT_FILTERED, asked - n);
  bump(counters, abi.CT_SEND, 1);
  bump(counters, abi.CT_FLUSHES, 1);
  bump(counters, abi.CT_LATENCY_NS, ns);
}

/**
 * Carries out the request [start, end) of CPU `self` if it is usual and over before `horizon`.
 * `kind` is operand c of its flush.prep (BULK_*). False: nothing was changed.
 */
export function flushWhole(
  m: usize, self: u32, ctx: Ctx, kind: u32, start: u64, end: u64, flags: u32, horizon: u64,
): bool {
  const row = cpuAt(m, self);
  const clock = clockAt(m, self);
  const mm: u32 = ctx.mm;
  if (!isUsualInitiator(m, self, row, clock, mm)) return false;
  const request = mmAt(m, mm - 1);
  const have = request.tlbGen;
  const slot = asidSlot(row, row.asid);
  if (load<u32>(slot, 4) != have) return false;
  if ((ctx.gFlags & abi.GF_FREED) != 0) {
    flags |= abi.INFO_FREED | ((ctx.gFlags & abi.GF_SMALL) == 0 ? abi.INFO_HUGE : 0);
  }
  const bits = (flags & abi.INFO_HUGE) != 0 ? hdr(m, abi.H_INDEX_BITS) : 0;
  const pages = (end - start) >> bits;
  if ((flags & abi.INFO_FULL) != 0 || pages > <u64>hdr(m, abi.H_CEILING)) return false;
  const notify = (kind & abi.BULK_NOTIFY) != 0;
  if (notify && request.subscribers != 0) return false;

  // The time line. It is first drawn for everybody in the mask, which is the longest it can be.
  const costs = m + hdr(m, abi.H_OFF_COST);
  const asked = countOthers(maskAt(m, mm - 1), hdr(m, abi.H_MASK_WORDS), self);
  const budget = hdr(m, abi.H_BUDGET);
  if (budget < STEPS + STEPS_NOTIFY + STEPS_TARGET * asked) return false;
  const since = clock.now;
  if (isTrimDue(m, request, since + price(costs, abi.OP_FLUSH_PREP))) return false;
  const local = <u64>flushNs(costs, abi.OP_FLUSH_LOCAL, pages);
  const before = (kind & abi.BULK_LOCAL_FIRST) != 0 ? local : 0;
  const taken = <u64>price(costs, abi.COST_DELIVER) + price(costs, abi.OP_CSQ_TAKE) +
    flushNs(costs, abi.OP_CSD_RUN, pages) + price(costs, abi.OP_CSD_UNLOCK);
  const last = <u64>price(costs, abi.OP_END);
  const acked = taken + price(costs, abi.COST_ACK);
  const rest = <u64>price(costs, abi.OP_CSD_WAIT) + price(costs, abi.OP_FLUSH_DONE) +
    (notify ? <u64>price(costs, abi.OP_NOTIFY_BEGIN) + price(costs, abi.OP_NOTIFY_NEXT) : 0);
  const sentMost = since + before + sendNs(costs, asked);
  if (later(sentMost + acked + local, clock.ackAt) + last + rest >= horizon) return false;

  const n = choose(m, self, row, mm, flags, have, since);
  if (n == 0) return false;
  const sent = sentMost - <u64>(asked - n) * turnNs(costs);
  const acks = later(clock.ackAt, sent + acked);
  const over = later(sent + local - before, acks) + rest;
  setHdr(m, abi.H_BUDGET, budget - STEPS - STEPS_TARGET * n - (notify ? STEPS_NOTIFY : 0));
  request.tlbGen = have + 1;
  const stride = (<u64>1) << bits;
  flushPages(m, self, clock, row.asid, start, end, stride);
  store<u32>(slot, have + 1, 4);
  deliver(m, row, start, end, stride, have + 1, pages,
    sent + price(costs, abi.COST_DELIVER), sent + taken + last);
  settle(m, self, ctx, row, clock, n, asked, pages, over - since);
  if (notify) leaveNotification(ctx);
  clock.now = over;
  return true;
}
