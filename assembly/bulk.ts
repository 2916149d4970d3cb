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
import { drawTimes, shapeOf } from "./bulk-time";
import { cacheDropPages } from "./cache";
import { reg } from "./exec-control";
import { flushWalks } from "./flush";
import { jobIsSwitch, jobTime } from "./jobs";
import {
  asidSlot, bump, clockAt, countersAt, cpuAt, ctxAt, hdr, ipiSet, maskAt, mmAt, setHdr, tlbAt,
} from "./machine";
import { maskHas } from "./mask";
import { NOT_QUEUED } from "./queue";
import { Clock, Cpu, Ctx, Mm } from "./rows";

/**
 * Visible micro-ops of a request beside those of its targets: one each of prep, others, ipi.send,
 * local and done, the turn of the send loop that finds nobody, and two of wait, which blocks once.
 */
const STEPS: u32 = 8;
/** Of a target: it is sent to; it takes its queue, flushes, unlocks. */
const STEPS_TARGET: u32 = 4;
/** notify.begin and notify.next, when nobody subscribes. */
const STEPS_NOTIFY: u32 = 2;

/** Instructions of the program above. */
// @ts-ignore: decorator
@inline
export function bulkLength(kind: u32): u32 {
  return (kind & abi.BULK_NOTIFY) != 0 ? 14 : 12;
}

/** How many CPUs a mask of more than one word holds. */
function countMany(mask: usize, words: u32): u32 {
  let n: u32 = 0;
  for (let w: u32 = 0; w < words; w++) n += popcnt(load<u32>(mask + (w << 2)));
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

/** Is `mm` loaded, and not lazily? One load of two words. */
// @ts-ignore: decorator
@inline
function runs(row: Cpu, mm: u32): bool {
  if (offsetof<Cpu>("lazy") != offsetof<Cpu>("loadedMm") + 4) unreachable();
  return load<u64>(changetype<usize>(row), offsetof<Cpu>("loadedMm")) == mm;
}

/** A target that is not usual: no word of targets is this one. */
const NOT_USUAL: u64 = u64.MAX_VALUE;

/**
 * Chooses the targets among CPUs [base, base + 32) of the mask's word `bits` as csd.send does, and
 * looks whether each would take the interrupt when it arrives, as drain.ts does. NOT_USUAL: one
 * of them would not, or it is not certain that it is left out.
 */
// @ts-ignore: decorator
@inline
function chooseWord(
  m: usize, base: u32, bits: u32, mm: u32, flags: u32, have: u32, now: u64,
): u64 {
  const owns = changetype<usize>(ctxAt(m, hdr(m, abi.H_TASKS)));
  const rows = changetype<usize>(cpuAt(m, 0));
  const stride = hdr(m, abi.H_CPU_STRIDE);
  const clocks = changetype<usize>(clockAt(m, 0));
  let kept = bits;
  for (let left = bits; left != 0; left &= left - 1) {
    const cpu = base + ctz(left);
    const to = changetype<Cpu>(rows + cpu * stride);
    if (!runs(to, mm)) {
      if (!isFiltered(m, to, mm, flags)) return NOT_USUAL;
      kept &= ~(1 << (cpu & 31));
      continue;
    }
    if ((to.queue | to.ipiPending) != 0) return NOT_USUAL;
    if (to.online == 0) return NOT_USUAL;
    if (load<u32>(asidSlot(to, to.asid), 4) != have) return NOT_USUAL;
    const own = changetype<Ctx>(owns + cpu * offsetof<Ctx>());
    const task = to.task;
    const below = task == 0 ? own : ctxAt(m, task - 1);
    if ((own.running | below.irqOff) != 0) return NOT_USUAL;
    const clock = changetype<Clock>(clocks + cpu * offsetof<Clock>());
    if ((clock.irqSince & clock.irqQueuedAt) != NOT_QUEUED) return NOT_USUAL;
    if (clock.now > now) return NOT_USUAL;
    const running = below.running != 0;
    if ((<u32>running | (clock.jobHead ^ clock.jobTail)) != 0) {
      if (!staysQueued(m, cpu, clock, running)) return NOT_USUAL;
    }
  }
  return kept;
}

/**
 * chooseWord for a mask of many words: targets are left in the initiator's IPI set. How many, or 0
 * if there is none or one of them is not usual; then the set is empty.
 */
function chooseMany(
  m: usize, self: u32, mask: usize, set: usize, mm: u32, flags: u32, have: u32, now: u64,
): u32 {
  const words = hdr(m, abi.H_MASK_WORDS);
  let n: u32 = 0;
  for (let w: u32 = 0; w < words; w++) {
    const word = load<u32>(mask + (w << 2));
    const bits = w == self >> 5 ? word & ~(1 << (self & 31)) : word;
    const kept = chooseWord(m, w << 5, bits, mm, flags, have, now);
    if (kept == NOT_USUAL) {
      memory.fill(set, 0, w << 2);
      return 0;
    }
    store<u32>(set + (w << 2), <u32>kept);
    n += popcnt(<u32>kept);
  }
  return n;
}

/** What the targets `bits` have in common when their handlers are over. */
// @ts-ignore: decorator
@inline
function deliverWord(
  m: usize, base: u32, bits: u32, start: u64, end: u64, stride: u64, gen: u32, pages: u64,
  arrival: u64, done: u64,
): void {
  const rows = changetype<usize>(cpuAt(m, 0));
  const rowStride = hdr(m, abi.H_CPU_STRIDE);
  const clocks = changetype<usize>(clockAt(m, 0));
  const counters = countersAt(m, 0);
  const tlbs = tlbAt(m, 0);
  const tlbStride = hdr(m, abi.H_TLB_STRIDE);
  const sets = hdr(m, abi.H_TLB_SETS);
  const ways = hdr(m, abi.H_TLB_WAYS);
  const indexBits = hdr(m, abi.H_INDEX_BITS);
  const huge = hdr(m, abi.H_HUGE_SEEN) != 0;
  const pagesAndNs = i64x2.replace_lane(i64x2.splat(pages), 1, done - arrival);
  for (let left = bits; left != 0; left &= left - 1) {
    const cpu = base + ctz(left);
    const to = changetype<Cpu>(rows + cpu * rowStride);
    const asid = to.asid;
    const clock = changetype<Clock>(clocks + cpu * offsetof<Clock>());
    const tlb = tlbs + <usize>cpu * tlbStride;
    cacheDropPages(tlb, sets, ways, indexBits, start, end, stride, asid, huge);
    if (clock.walkFills != 0) flushWalks(m, cpu, clock, asid);
    store<u32>(asidSlot(to, asid), gen, 4);
    clock.ipiAt = arrival;
    clock.now = done;
    const counter = counters + ((cpu * abi.CT_WORDS) << 3);
    bump(counter, abi.CT_FLUSH_REMOTE, 1);
    bumpBoth(counter, abi.CT_FLUSH_PAGES, pagesAndNs); // and CT_STOLEN_NS
  }
}

/** deliverWord for each word of the IPI set; empties it. */
function deliverMany(
  m: usize, set: usize, start: u64, end: u64, stride: u64, gen: u32, pages: u64, arrival: u64,
  done: u64,
): void {
  const words = hdr(m, abi.H_MASK_WORDS);
  for (let w: u32 = 0; w < words; w++) {
    const bits = load<u32>(set + (w << 2));
    store<u32>(set + (w << 2), 0);
    deliverWord(m, w << 5, bits, start, end, stride, gen, pages, arrival, done);
  }
}

/** Is it time to also tell CPUs that run something else? */
function isTrimDue(m: usize, request: Mm, clock: Clock): bool {
  const now = clock.now + load<u32>(m + hdr(m, abi.H_OFF_COST) + (abi.OP_FLUSH_PREP << 2));
  return <u32>(now / 1000000) >= request.trimAtMs;
}

/** Adds `by` to the counters `first` and `first + 1` of the row at `counters`. */
// @ts-ignore: decorator
@inline
function bumpBoth(counters: usize, first: i32, by: v128): void {
  const p = counters + (first << 3);
  v128.store(p, i64x2.add(v128.load(p), by));
}

/** The initiator's side: what decoding the request would leave behind but its time. */
// @ts-ignore: decorator
@inline
function settle(m: usize, self: u32, ctx: Ctx, n: u32, asked: u32, pages: u64, ns: u64): void {
  ctx.cursor = 0;
  ctx.flag = 0;
  const counters = countersAt(m, self);
  bump(counters, abi.CT_FLUSH_LOCAL, 1);
  bump(counters, abi.CT_FLUSH_PAGES, pages);
  bumpBoth(counters, abi.CT_CSD, i64x2.splat(n)); // and CT_IPI
  if (asked != n) bump(counters, abi.CT_FILTERED, asked - n);
  bump(counters, abi.CT_SEND, 1);
  bump(counters, abi.CT_FLUSHES, 1);
  bump(counters, abi.CT_LATENCY_NS, ns);
}

/** INFO_* of a request, as flush.prep completes them. */
// @ts-ignore: decorator
@inline
function infoFlags(ctx: Ctx, flags: u32): u32 {
  const gathered = ctx.gFlags;
  if ((gathered & abi.GF_FREED) == 0) return flags;
  return flags | abi.INFO_FREED | ((gathered & abi.GF_SMALL) == 0 ? abi.INFO_HUGE : 0);
}

/**
 * Carries out the request of CPU `self` whose flush.prep is `word`, if it is usual and over before
 * `horizon`. False: nothing was changed.
 */
export function flushWhole(
  m: usize, self: u32, ctx: Ctx, clock: Clock, word: u64, horizon: u64,
): bool {
  const ready = hdr(m, abi.H_WHOLE);
  if (ready == 0) return false;
  if (self >= hdr(m, abi.H_CPUS)) return false;
  const row = cpuAt(m, self);
  const mm: u32 = ctx.mm;
  if (!runs(row, mm)) return false;
  if ((row.infoMm | row.waitCount | row.ipiPending | row.queue) != 0) return false;
  if (mm == 0) return false;
  const request = mmAt(m, mm - 1);
  const have = request.tlbGen;
  const asid = row.asid;
  const slot = asidSlot(row, asid);
  if (load<u32>(slot, 4) != have) return false;
  // An ack that nobody waited for.
  if (clock.ackAt != 0) return false;
  // While it waits, a context switch may start over it.
  if (clock.jobHead != clock.jobTail) {
    if (jobIsSwitch<Plain>(m, self)) return false;
  }
  const kind = <u32>(word >> 24) & 0xff;
  const notify = (kind & abi.BULK_NOTIFY) != 0;
  if (notify) {
    if (request.subscribers != 0) return false;
  }
  if ((ready & abi.WHOLE_TRIM) != 0) {
    if (isTrimDue(m, request, clock)) return false;
  }
  const start = reg(ctx, <u32>(word >> 8) & 0xff);
  const end = reg(ctx, <u32>(word >> 16) & 0xff);
  const flags = infoFlags(ctx, <u32>(word >> 32));
  const bits = (flags & abi.INFO_HUGE) != 0 ? hdr(m, abi.H_INDEX_BITS) : 0;
  const pages = (end - start) >> bits;
  if ((flags & abi.INFO_FULL) != 0) return false;
  if (pages > <u64>hdr(m, abi.H_CEILING)) return false;
  if (hdr(m, abi.H_WHOLE_SHAPE) != shapeOf(kind, pages)) {
    if (!drawTimes(m, kind, pages)) return false;
  }

  const mask = maskAt(m, mm - 1);
  if (!maskHas<Plain>(mask, self)) return false;
  const words = hdr(m, abi.H_MASK_WORDS);
  const first = load<u32>(mask);
  const asked = (words == 1 ? popcnt(first) : countMany(mask, words)) - 1;
  const steps = notify ? STEPS + STEPS_NOTIFY : STEPS;
  const budget = hdr(m, abi.H_BUDGET);
  if (budget < steps + STEPS_TARGET * asked) return false;
  // If nobody is filtered: the longest it can be.
  const since = clock.now;
  const turn = <u64>hdr(m, abi.H_WHOLE_TURN);
  if (since + asked * turn + hdr(m, abi.H_WHOLE_LAST) >= horizon) return false;
  const set = ipiSet(m, row);
  let only: u32 = 0; // the targets, if there is one word of them
  let n: u32;
  if (words == 1) {
    const kept = chooseWord(m, 0, first & ~(1 << self), mm, flags, have, since);
    if (kept == NOT_USUAL) return false;
    only = <u32>kept;
    n = popcnt(only);
  } else {
    n = chooseMany(m, self, mask, set, mm, flags, have, since);
  }
  if (n == 0) return false;

  const queued = since + n * turn;
  const over = queued + hdr(m, abi.H_WHOLE_OVER);
  setHdr(m, abi.H_BUDGET, budget - steps - STEPS_TARGET * n);
  request.tlbGen = have + 1;
  store<u32>(slot, have + 1, 4);
  const stride = (<u64>1) << bits;
  cacheDropPages(tlbAt(m, self), hdr(m, abi.H_TLB_SETS), hdr(m, abi.H_TLB_WAYS),
    hdr(m, abi.H_INDEX_BITS), start, end, stride, asid, hdr(m, abi.H_HUGE_SEEN) != 0);
  if (clock.walkFills != 0) flushWalks(m, self, clock, asid);
  clock.flushSince = since;
  clock.wantKey = 1; // it was parked for its acks
  clock.now = over;
  settle(m, self, ctx, n, asked, pages, over - since);
  if (notify) {
    // As notify.next leaves it after the last subscriber.
    ctx.dev = 0;
    ctx.event = 0;
    ctx.hStart = 0;
    ctx.hEnd = 0;
  }
  const arrival = queued + hdr(m, abi.H_WHOLE_ARRIVAL);
  const done = queued + hdr(m, abi.H_WHOLE_TAKEN);
  if (words == 1) {
    deliverWord(m, 0, only, start, end, stride, have + 1, pages, arrival, done);
  } else {
    deliverMany(m, set, start, end, stride, have + 1, pages, arrival, done);
  }
  return true;
}
