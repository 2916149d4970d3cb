/** Flushes that reclaim defers (shootdown 1.7): a task's batch, and the counters of an mm. */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import {
  ALL,
  type Batch,
  type Context,
  type Cpu,
  type Info,
  type Mm,
  type Model,
} from "./state.js";

/** The CPUs that a request is for. */
export function requestMask(model: Model, cpu: Cpu, info: Readonly<Info>): Set<number> {
  if (info.mm === "kernel") return new Set(model.cpus.map(({ index }) => index));
  if ((info.flags & abi.INFO_NARROW) !== 0) return model.batches[cpu.task!].mask;
  return info.mm === "any" ? model.batches[cpu.task!].mask : model.mm(info.mm).cpumask;
}

function add(batch: Batch, mm: Mm): void {
  mm.tlbGen++;
  batch.required = true;
  for (const cpu of mm.cpumask) batch.mask.add(cpu);
  mark(mm);
}

function mark(mm: Mm): void {
  if (mm.batches.pending > abi.BATCHES_MOST) mm.batches = { pending: 1, flushed: 0 };
  else mm.batches.pending++;
}

function prepare(cpu: Cpu, c: Context, batch: Batch): number {
  if (cpu.info || cpu.task !== c.index) return abi.ST_BAD_PROGRAM;
  c.flag = batch.required;
  if (c.flag) cpu.info = { mm: "any", gen: 0, start: 0n, end: ALL, flags: abi.INFO_FULL };
  return abi.ST_OK;
}

/** OP_BATCH_SHOULD … OP_FRAME_COLLECT, and OP_BATCH_MARK. */
export function runBatched(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  const mm = c.mm === null ? null : model.mm(c.mm);
  if (i.op === abi.OP_BATCH_PENDING) {
    if (!mm) return abi.ST_BAD_PROGRAM;
    c.r[i.a] = BigInt(mm.batches.pending);
    c.flag = mm.batches.pending !== mm.batches.flushed;
    return abi.ST_OK;
  }
  const batch = model.batches[c.index];
  if (!batch) return abi.ST_BAD_PROGRAM;
  if (i.op === abi.OP_FRAME_COLLECT) {
    for (const pfn of c.gather.frames) {
      const frame = model.frames[pfn];
      // Another mm maps it: it is not this reclaim that writes it out.
      if (frame.refs > 1) continue;
      frame.value = (frame.value | abi.FRAME_COLLECTED) >>> 0;
    }
    return abi.ST_OK;
  }
  if (i.op === abi.OP_BATCH_MARK || i.op === abi.OP_BATCH_SETTLE) {
    if (!mm) return abi.ST_BAD_PROGRAM;
    if (i.op === abi.OP_BATCH_MARK) mark(mm);
    else mm.batches.flushed = Math.min(Number(c.r[i.a]), mm.batches.pending);
    return abi.ST_OK;
  }
  if (!model.has(abi.OPT_BATCH)) return abi.ST_BAD_PROGRAM;
  if (i.op === abi.OP_BATCH_PREP) return prepare(cpu, c, batch);
  if (i.op === abi.OP_BATCH_DONE) {
    batch.required = false;
    batch.mask.clear();
    return abi.ST_OK;
  }
  if (!mm) return abi.ST_BAD_PROGRAM;
  switch (i.op) {
    case abi.OP_BATCH_SHOULD:
      c.flag = [...mm.cpumask].some((other) => other !== cpu.index);
      return abi.ST_OK;
    case abi.OP_BATCH_ADD:
      add(batch, mm);
      return abi.ST_OK;
    default:
      throw new Error(`the model has no micro-op ${i.name}`);
  }
}
