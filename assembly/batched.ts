/**
 * Flushes that reclaim defers (shootdown.md 1.7): a task collects the cpumasks of the mms whose
 * entries it has cleared, and flushes all of them at once before the frames are written or freed.
 *
 * Who changes or frees the same entries meanwhile finds nothing to flush. So an mm counts its
 * deferrals, and whoever holds a page-table lock of it compares that with how many are flushed.
 */
import * as abi from "../src/core/abi";
import { add32, get32, or32, put32 } from "./atomics";
import { ALL } from "./flush";
import { batchAt, clockAt, cpuAt, ctxIndex, frameAt, hdr, maskAt, mmAt } from "./machine";
import { maskHasOther } from "./mask";
import { Cpu, Ctx, Frame, Mm } from "./rows";
import { frameRefs } from "./walk";

/** {required u32, CPU mask} of a task. */
// @ts-ignore: decorator
@inline
export function batchOf(m: usize, task: u32): usize {
  return m + hdr(m, abi.H_OFF_BATCHED) + (((<usize>task) * (hdr(m, abi.H_MASK_WORDS) + 1)) << 2);
}

/** CPUs that the request in `info` is for: an mm's, or those of the running task's batch. */
// @ts-ignore: decorator
@inline
export function requestMask(m: usize, info: Cpu): usize {
  if ((info.infoFlags & abi.INFO_NARROW) != 0) return batchOf(m, info.task - 1) + 4;
  if (info.infoMm < <u32>abi.INFO_KERNEL_MM) return maskAt(m, info.infoMm - 1);
  if (info.infoMm == abi.INFO_KERNEL_MM) return m + hdr(m, abi.H_OFF_EVERY);
  return batchOf(m, info.task - 1) + 4;
}

// @ts-ignore: decorator
@inline
function counters(m: usize, mm: u32): usize {
  return changetype<usize>(mmAt(m, mm)) + offsetof<Mm>("batches");
}

/** BATCH_ADD: set_tlb_ubc_flush_pending, inc_mm_tlb_gen. */
function add<F>(m: usize, task: u32, mm: u32): void {
  const words = hdr(m, abi.H_MASK_WORDS);
  const batch = batchOf(m, task);
  add32<F>(changetype<usize>(mmAt(m, mm)) + offsetof<Mm>("tlbGen"), 1);
  for (let w: u32 = 0; w < words; w++) {
    or32<F>(batch + 4 + (w << 2), get32<F>(maskAt(m, mm) + (w << 2)));
  }
  store<u32>(batch, 1);
  mark<F>(m, mm);
}

/** BATCH_MARK: whoever holds a page-table lock of the mm sees from now on that a flush is due. */
function mark<F>(m: usize, mm: u32): void {
  const both = get32<F>(counters(m, mm));
  const pending = both & 0x7fff;
  // Far enough below 15 bits that a reader cannot be overtaken by a whole turn.
  put32<F>(counters(m, mm), pending > <u32>abi.BATCHES_MOST ? 1 : both + 1);
}

function settle<F>(m: usize, mm: u32, upTo: u32): void {
  const pending = get32<F>(counters(m, mm)) & 0x7fff;
  // A counter that has started anew meanwhile: the flush was for more than it says.
  put32<F>(counters(m, mm), pending | (min<u32>(upTo, pending) << 16));
}

/** BATCH_PREP: one full flush, whatever mm a target runs; it compares that mm's generations. */
function prepare(m: usize, actor: u32): void {
  const row = cpuAt(m, actor);
  row.infoMm = abi.INFO_ANY_MM;
  row.infoEnd = ALL;
  row.infoFlags = abi.INFO_FULL;
  const clock = clockAt(m, actor);
  clock.flushSince = clock.now;
}

/**
 * FRAME_COLLECT: what is stored into these frames from now on is lost. Not into those that another
 * mm maps: they stay, and are written out when that mm is done with them.
 */
function collect<F>(m: usize, ctx: Ctx): void {
  const batch = batchAt(m, ctxIndex(m, ctx));
  for (let i: u32 = 0; i < ctx.gCount; i++) {
    const pfn = load<u32>(batch + (i << 2));
    if (frameRefs<F>(m, pfn) != 1) continue;
    const frame: Frame = frameAt(m, pfn);
    frame.value |= abi.FRAME_COLLECTED;
  }
}

/** OP_BATCH_SHOULD … OP_FRAME_COLLECT, and OP_BATCH_MARK. Only tasks run these. */
export function execBatched<F>(
  m: usize, actor: u32, ctx: Ctx, op: i32, a: u64,
): i32 {
  const task = ctxIndex(m, ctx);
  if (task >= hdr(m, abi.H_TASKS)) return abi.ST_BAD_PROGRAM;
  if (op == abi.OP_FRAME_COLLECT) {
    collect<F>(m, ctx);
    return abi.ST_OK;
  }
  // An mm has its counters whether or not tasks have batches.
  if (op == abi.OP_BATCH_MARK || op == abi.OP_BATCH_SETTLE) {
    if (ctx.mm == 0) return abi.ST_BAD_PROGRAM;
    if (op == abi.OP_BATCH_MARK) mark<F>(m, ctx.mm - 1);
    else settle<F>(m, ctx.mm - 1, <u32>a);
    return abi.ST_OK;
  }
  if ((hdr(m, abi.H_OPTIONS) & abi.OPT_BATCH) == 0) return abi.ST_BAD_PROGRAM;
  if (op == abi.OP_BATCH_PREP) {
    const row = cpuAt(m, actor);
    if (row.infoMm != 0 || row.task != task + 1) return abi.ST_BAD_PROGRAM;
    ctx.flag = <u8>load<u32>(batchOf(m, task));
    if (ctx.flag != 0) prepare(m, actor);
    return abi.ST_OK;
  }
  if (op == abi.OP_BATCH_DONE) {
    memory.fill(batchOf(m, task), 0, (hdr(m, abi.H_MASK_WORDS) + 1) << 2);
    return abi.ST_OK;
  }
  if (ctx.mm == 0) return abi.ST_BAD_PROGRAM;
  const mm: u32 = ctx.mm - 1;
  if (op == abi.OP_BATCH_SHOULD) {
    ctx.flag = maskHasOther<F>(maskAt(m, mm), hdr(m, abi.H_MASK_WORDS), actor) ? 1 : 0;
  } else if (op == abi.OP_BATCH_ADD) {
    add<F>(m, task, mm);
  }
  return abi.ST_OK;
}

/** Deferrals of `mm` so far | flushed ones << 16. */
export function batchesOf<F>(m: usize, mm: u32): u32 {
  return get32<F>(counters(m, mm));
}
