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
import { cacheDropHuge, cacheDropPages } from "./cache";
import { reg, setReg } from "./exec-control";
import { flushWalks } from "./flush";
import { jobIsSwitch, jobTime } from "./jobs";
import {
  asidSlot, clockAt, count, countersAt, cpuAt, cpuCtxAt, ctxAt, hdr, ipiSet, maskAt, mmAt, setHdr,
  tlbAt,
} from "./machine";
import { maskHas } from "./mask";
import { NOT_QUEUED } from "./queue";
import { Clock, Cpu, Ctx, Mm } from "./rows";
import { hasPrints, printsOffset, tlbDropPages, tlbDropSmall, tlbDropTwo } from "./tlb";

/** Of a target: it is sent to; it takes its queue, flushes, unlocks. */
const STEPS_TARGET: u32 = 4;

/** shouldFlush of a CPU that does not simply run `mm`: it can be decided to be left out. */
function isFiltered(m: usize, to: Cpu, mm: u32, flags: u32): bool {
  const options = hdr(m, abi.H_OPTIONS);
  if ((flags & abi.INFO_FREED) != 0 || to.online == 0) return false;
  if ((options & abi.OPT_TELL_ALL) != 0) return false;
  const spares = abi.OPT_LAZY_SKIP | abi.OPT_TELL_LAZY;
  if (to.lazy != 0) return (options & spares) == abi.OPT_LAZY_SKIP;
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

/**
 * Would this CPU, which runs the mm in the ASID slot at `slot`, take the interrupt when it arrives,
 * as drain.ts does? Another look is needed if `below`, the context that is interrupted, is busy, or
 * if there are jobs.
 */
// @ts-ignore: decorator
@inline
function takesIrq(
  to: Cpu, slot: usize, own: Ctx, below: Ctx, clock: Clock, have: u32, now: u64,
): bool {
  if ((to.queue | to.ipiPending) != 0) return false;
  if (to.online == 0) return false;
  if (load<u32>(slot, 4) != have) return false;
  if ((own.running | below.irqOff) != 0) return false;
  if ((clock.irqSince & clock.irqQueuedAt) != NOT_QUEUED) return false;
  if (clock.now > now) return false;
  return true;
}

/** The context of a CPU's task, or without one its own. */
// @ts-ignore: decorator
@inline
function ctxBelow(m: usize, to: Cpu, own: Ctx): Ctx {
  const task = to.task;
  return task == 0 ? own : ctxAt(m, task - 1);
}

/** What a handler leaves behind but an empty TLB. `pagesAndNs`: two counters of the row at `p`. */
// @ts-ignore: decorator
@inline
function leaveHandler(
  slot: usize, clock: Clock, p: usize, gen: u32, pagesAndNs: v128, arrival: u64, done: u64,
): void {
  store<u32>(slot, gen, 4);
  clock.ipiAt = arrival;
  clock.now = done;
  // Constant offsets are folded into loads and stores.
  store<u64>(p, load<u64>(p, abi.CT_FLUSH_REMOTE << 3) + 1, abi.CT_FLUSH_REMOTE << 3);
  // Together with CT_STOLEN_NS.
  v128.store(p, i64x2.add(v128.load(p, abi.CT_FLUSH_PAGES << 3), pagesAndNs),
    abi.CT_FLUSH_PAGES << 3);
}

// @ts-ignore: decorator
@inline
function pair(low: u64, high: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(low), 1, high);
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

/**
 * Chooses the targets of a request as csd.send does: they are left in the initiator's IPI set.
 * How many, or 0 if there is none or one of them is not usual; then the set is empty.
 */
function choose(
  m: usize, self: u32, mask: usize, set: usize, mm: u32, flags: u32, have: u32, now: u64,
): u32 {
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
      if (runs(to, mm)) {
        const clock = changetype<Clock>(clocks + cpu * offsetof<Clock>());
        const own = changetype<Ctx>(owns + cpu * offsetof<Ctx>());
        const below = ctxBelow(m, to, own);
        if (!takesIrq(to, asidSlot(to, to.asid), own, below, clock, have, now)) break;
        const running = below.running != 0;
        if (running || clock.jobHead != clock.jobTail) {
          if (!staysQueued(m, cpu, clock, running)) break;
        }
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
  m: usize, set: usize, start: u64, end: u64, stride: u64, gen: u32, pages: u64, arrival: u64,
  done: u64,
): void {
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
  const pagesAndNs = pair(pages, done - arrival);
  // As tlbDropPages, decided once.
  const prints = stride == 1 && hasPrints(m) ? printsOffset(m) : 0;
  for (let w: u32 = 0; w < words; w++) {
    let left = load<u32>(set + (w << 2));
    store<u32>(set + (w << 2), 0);
    for (; left != 0; left &= left - 1) {
      const cpu = (w << 5) + ctz(left);
      const to = changetype<Cpu>(rows + cpu * rowStride);
      const asid = to.asid;
      const tlb = tlbs + <usize>cpu * tlbStride;
      if (prints == 0) cacheDropPages(tlb, sets, ways, bits, start, end, stride, asid, huge);
      else {
        tlbDropSmall(tlb, tlb + prints, sets, ways, start, end, asid);
        if (huge) cacheDropHuge(tlb, sets, ways, bits, start, end, asid);
      }
      const clock = changetype<Clock>(clocks + cpu * offsetof<Clock>());
      if (clock.walkFills != 0) flushWalks(m, cpu, clock, asid);
      const counter = counters + ((cpu * abi.CT_WORDS) << 3);
      leaveHandler(asidSlot(to, asid), clock, counter, gen, pagesAndNs, arrival, done);
    }
  }
}

/** Is it time to also tell CPUs that run something else? */
function isTrimDue(m: usize, request: Mm, clock: Clock): bool {
  const now = clock.now + load<u32>(m + hdr(m, abi.H_OFF_COST) + (abi.OP_FLUSH_PREP << 2));
  return <u32>(now / 1000000) >= request.trimAtMs;
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
 * The initiator's side: what decoding the request to `n` CPUs would leave behind but an empty TLB.
 * `slot`: of its ASID; `p`: its counters.
 */
// @ts-ignore: decorator
@inline
function settle(
  m: usize, ctx: Ctx, clock: Clock, request: Mm, slot: usize, p: usize, kind: u32, n: u32,
  budget: u32, have: u32, pages: u64, since: u64, over: u64,
): void {
  setHdr(m, abi.H_BUDGET, budget - hdr(m, abi.H_WHOLE_STEPS) - STEPS_TARGET * n);
  request.tlbGen = have + 1;
  store<u32>(slot, have + 1, 4);
  clock.flushSince = since;
  clock.wantKey = 1; // it was parked for its acks
  clock.now = over;
  ctx.flag = 0;
  if ((kind & abi.BULK_NOTIFY) != 0) {
    // As notify.next leaves it after the last subscriber.
    ctx.dev = 0;
    ctx.event = 0;
    ctx.hStart = 0;
    ctx.hEnd = 0;
  }
  store<u64>(p, load<u64>(p, abi.CT_FLUSH_LOCAL << 3) + 1, abi.CT_FLUSH_LOCAL << 3);
  store<u64>(p, load<u64>(p, abi.CT_FLUSH_PAGES << 3) + pages, abi.CT_FLUSH_PAGES << 3);
  // Together with CT_IPI.
  v128.store(p, i64x2.add(v128.load(p, abi.CT_CSD << 3), i64x2.splat(n)), abi.CT_CSD << 3);
  store<u64>(p, load<u64>(p, abi.CT_SEND << 3) + 1, abi.CT_SEND << 3);
  // Together with CT_LATENCY_NS.
  v128.store(p, i64x2.add(v128.load(p, abi.CT_FLUSHES << 3), pair(1, over - since)),
    abi.CT_FLUSHES << 3);
}

/** A request of a usual initiator, of any kind, to any number of CPUs. */
function flushMany(
  m: usize, self: u32, ctx: Ctx, row: Cpu, clock: Clock, word: u64, request: Mm, horizon: u64,
): bool {
  const mask = maskAt(m, ctx.mm - 1);
  if (!maskHas<Plain>(mask, self)) return false;
  if ((hdr(m, abi.H_WHOLE_RARE) & abi.WHOLE_TRIM) != 0) {
    if (isTrimDue(m, request, clock)) return false;
  }
  // While it waits, a context switch may start over it.
  if (clock.jobHead != clock.jobTail) {
    if (jobIsSwitch<Plain>(m, self)) return false;
  }
  const kind = <u32>(word >> 24) & 0xff;
  const start = reg(ctx, <u32>(word >> 8) & 0xff);
  const end = reg(ctx, <u32>(word >> 16) & 0xff);
  const flags = infoFlags(ctx, <u32>(word >> 32));
  if ((flags & abi.INFO_FULL) != 0) return false;
  const bits = (flags & abi.INFO_HUGE) != 0 ? hdr(m, abi.H_INDEX_BITS) : 0;
  const pages = (end - start) >> bits;
  if (pages > <u64>hdr(m, abi.H_CEILING)) return false;
  if (<u64>hdr(m, abi.H_WHOLE_SHAPE) != shapeOf(kind, pages)) {
    if (!drawTimes(m, kind, pages)) return false;
  }
  const asked = countOthers(mask, hdr(m, abi.H_MASK_WORDS), self);
  const budget = hdr(m, abi.H_BUDGET);
  if (budget < hdr(m, abi.H_WHOLE_STEPS) + STEPS_TARGET * asked) return false;
  // If nobody is filtered: the longest it can be.
  const since = clock.now;
  const turn = <u64>hdr(m, abi.H_WHOLE_TURN);
  const last = max<u32>(hdr(m, abi.H_WHOLE_OVER), hdr(m, abi.H_WHOLE_TAKEN));
  if (since + asked * turn + last >= horizon) return false;
  const set = ipiSet(m, row);
  const have = request.tlbGen;
  const n = choose(m, self, mask, set, ctx.mm, flags, have, since);
  if (n == 0) return false;

  const queued = since + n * turn;
  const stride = (<u64>1) << bits;
  const asid = row.asid;
  tlbDropPages(m, self, start, end, stride, asid);
  settle(m, ctx, clock, request, asidSlot(row, asid), countersAt(m, self), kind, n, budget, have,
    pages, since, queued + hdr(m, abi.H_WHOLE_OVER));
  if (asked != n) count(m, self, abi.CT_FILTERED, asked - n);
  if (clock.walkFills != 0) flushWalks(m, self, clock, asid);
  deliver(m, set, start, end, stride, have + 1, pages, queued + hdr(m, abi.H_WHOLE_ARRIVAL),
    queued + hdr(m, abi.H_WHOLE_TAKEN));
  return true;
}

/**
 * Small pages to one CPU, as of two threads: without loops over CPUs, since what comes once a
 * request counts most here. `to`, `other` and `own` are the rows of the other one of the mask,
 * which is `apart` CPUs away; `counters` and `tlb` the initiator's. False, and nothing was changed:
 * not that simple.
 */
// @ts-ignore: decorator
@inline
function flushOne(
  m: usize, self: u32, ctx: Ctx, row: Cpu, clock: Clock, word: u64, mm: u32, request: Mm,
  to: Cpu, other: Clock, own: Ctx, apart: u32, counters: usize, tlb: usize, horizon: u64,
): bool {
  const kind = <u32>(word >> 24) & 0xff;
  if (((<u32>(word >> 32) & ~abi.INFO_FREED) | (ctx.gFlags & abi.GF_FREED)) != 0) return false;
  const start = reg(ctx, <u32>(word >> 8) & 0xff);
  const end = reg(ctx, <u32>(word >> 16) & 0xff);
  const pages = end - start;
  if (<u64>hdr(m, abi.H_WHOLE_SHAPE) != shapeOf(kind, pages)) return false;
  if (hdr(m, abi.H_HUGE_SEEN) != 0) return false;
  const budget = hdr(m, abi.H_BUDGET);
  if (budget < hdr(m, abi.H_WHOLE_STEPS) + STEPS_TARGET) return false;
  const since = clock.now;
  const queued = since + hdr(m, abi.H_WHOLE_TURN);
  const over = queued + hdr(m, abi.H_WHOLE_OVER);
  if (over >= horizon) return false;
  const done = queued + hdr(m, abi.H_WHOLE_TAKEN);
  if (done >= horizon) return false;
  if (!runs(to, mm)) return false;
  const below = ctxBelow(m, to, own);
  const have = request.tlbGen;
  const otherAsid = to.asid;
  const otherSlot = asidSlot(to, otherAsid);
  if (!takesIrq(to, otherSlot, own, below, other, have, since)) return false;
  if ((below.running | (other.jobHead ^ other.jobTail)) != 0) return false;

  const asid = row.asid;
  tlbDropTwo(m, tlb, asid, tlb + apart * hdr(m, abi.H_TLB_STRIDE), otherAsid, start, end);
  settle(m, ctx, clock, request, asidSlot(row, asid), counters, kind, 1, budget, have, pages,
    since, over);
  const arrival = queued + hdr(m, abi.H_WHOLE_ARRIVAL);
  leaveHandler(otherSlot, other, counters + ((apart * abi.CT_WORDS) << 3), have + 1,
    pair(pages, done - arrival), arrival, done);
  if (clock.walkFills != 0) flushWalks(m, self, clock, asid);
  if (other.walkFills != 0) flushWalks(m, self + apart, other, otherAsid);
  return true;
}

/**
 * Is the initiator, which runs the request's mm, usual? A request that is carried out whole leaves
 * it so, and nobody has a turn before the next one, if only loops come between.
 */
function canInitiate(row: Cpu, clock: Clock, request: Mm): bool {
  if ((row.infoMm | row.waitCount | row.ipiPending | row.queue) != 0) return false;
  if (load<u32>(asidSlot(row, row.asid), 4) != request.tlbGen) return false;
  // An ack that nobody waited for.
  return clock.ackAt == 0;
}

/** The only other CPU of a mask of one word, or `self`: there is none, or this one is not in it. */
// @ts-ignore: decorator
@inline
function onlyOther(m: usize, self: u32, clock: Clock, mask: usize): u32 {
  if ((hdr(m, abi.H_WHOLE_RARE) | (clock.jobHead ^ clock.jobTail)) != 0) return self;
  const bits = load<u32>(mask);
  const others = bits & ~(1 << self);
  return bits != others && popcnt(others) == 1 ? ctz(others) : self;
}

/** Instructions of the program above. */
// @ts-ignore: decorator
@inline
function bulkLength(kind: u32): u32 {
  return (kind & abi.BULK_NOTIFY) != 0 ? 14 : 12;
}

/**
 * Carries out the requests of CPU `self` from `pc` on that are usual and over before `horizon`, as
 * long as nothing but loops comes between them. Returns where decoding has to go on. What neither
 * requests nor loops change is looked at once.
 */
export function runWhole(
  m: usize, self: u32, ctx: Ctx, clock: Clock, code: usize, pc: u32, horizon: u64,
): u32 {
  if (self >= hdr(m, abi.H_WHOLE)) return pc;
  const row = cpuAt(m, self);
  const mm: u32 = ctx.mm;
  if (!runs(row, mm)) return pc;
  if (mm == 0) return pc;
  const request = mmAt(m, mm - 1);
  if (!canInitiate(row, clock, request)) return pc;
  const apart = onlyOther(m, self, clock, maskAt(m, mm - 1)) - self;
  const to = changetype<Cpu>(changetype<usize>(row) + apart * hdr(m, abi.H_CPU_STRIDE));
  const other = changetype<Clock>(changetype<usize>(clock) + apart * offsetof<Clock>());
  const own = cpuCtxAt(m, self + apart);
  const counters = countersAt(m, self);
  const tlb = tlbAt(m, self);
  const subscribed = request.subscribers != 0;
  const costs = m + hdr(m, abi.H_OFF_COST);
  for (;;) {
    const word = load<u64>(code + ((<usize>pc) << 3));
    const op = <i32>(word & 0xff);
    if (op == abi.OP_FLUSH_PREP) {
      const kind = <u32>(word >> 24) & 0xff;
      if (kind == 0) return pc;
      if (subscribed && (kind & abi.BULK_NOTIFY) != 0) return pc;
      if (apart == 0 || !flushOne(m, self, ctx, row, clock, word, mm, request, to, other, own,
        apart, counters, tlb, horizon)) {
        if (!flushMany(m, self, ctx, row, clock, word, request, horizon)) return pc;
      }
      pc += bulkLength(kind);
    } else if (op == abi.OP_DJNZ) {
      const a = <u32>(word >> 8) & 0xff;
      const left = reg(ctx, a) - 1;
      setReg(ctx, a, left);
      pc = left != 0 ? <u32>(word >> 32) : pc + 1;
      clock.now += load<u32>(costs + (abi.OP_DJNZ << 2));
    } else if (op == abi.OP_NOP) {
      pc++;
      clock.now += load<u32>(costs + (abi.OP_NOP << 2));
    } else return pc;
  }
  return pc;
}
