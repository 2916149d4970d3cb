/** Flush requests: what an initiator sends, what a target does (shootdown 1.3 to 1.5). */
import * as abi from "../../src/core/abi.js";
import { snoop } from "./ops-devices.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { dropTables, dropWhere } from "./caches.js";
import { distrustOthers, dropUserPages, flushHalves, flushKernel, interrupt } from "./ops-arch.js";
import { namedAsid } from "./ops-asid.js";
import { adopt } from "./ops-global.js";
import { requestMask } from "./ops-batched.js";
import { chooseSharers, isTold, leavePages, tracksSharers } from "./sharers.js";
import { ALL, type Context, type Cpu, type Info, type Model } from "./state.js";

/** Everything an ASID slot holds. */
export function flushSlot(model: Model, cpu: Cpu, asid: number): void {
  dropWhere(cpu.tlb, (entry) => entry.asid === asid);
  dropTables(cpu.pwc, asid);
  if (model.has(abi.OPT_PTI)) flushHalves(cpu, asid);
}

/** To init_mm, as an ordinary switch: it may take another mm's slot. */
export function leave(model: Model, cpu: Cpu): void {
  dropTables(cpu.pwc, cpu.asid);
  cpu.loaded = "init";
  cpu.lazy = false;
  distrustOthers(cpu);
  const known = cpu.slots.findIndex((slot) => slot.ctxId === abi.INIT_CTX_ID);
  if (known >= 0) {
    cpu.asid = known;
    return;
  }
  cpu.asid = takeSlot(cpu);
  flushSlot(model, cpu, cpu.asid);
  cpu.slots[cpu.asid] = { ctxId: abi.INIT_CTX_ID, tlbGen: 0 };
}

/** The next slot in turn. */
export function takeSlot(cpu: Cpu): number {
  const slot = cpu.nextAsid;
  cpu.nextAsid = (slot + 1) % cpu.slots.length;
  return slot;
}

/** Pages that a ranged request names, in steps of its stride. */
export function pagesOf(model: Model, info: Readonly<Info>): bigint[] {
  const bits = (info.flags & abi.INFO_HUGE) !== 0 ? model.bits : 0n;
  const pages: bigint[] = [];
  for (let vpn = info.start; vpn < info.end; vpn += 1n << bits) pages.push(vpn);
  return pages;
}

/** Page by page; huge entries go with any of theirs, and cached tables all at once. */
export function dropPages(model: Model, cpu: Cpu, asid: number, info: Readonly<Info>): void {
  for (const vpn of pagesOf(model, info)) {
    const first = (vpn >> model.bits) << model.bits;
    dropWhere(cpu.tlb, (e) => e.asid === asid && (e.huge ? e.vpn === first : e.vpn === vpn));
  }
  dropTables(cpu.pwc, asid);
}

export function flushFunc(model: Model, cpu: Cpu, info: Readonly<Info>, local: boolean): void {
  if (info.mm === "kernel") {
    flushKernel(model, cpu, info, local);
    return;
  }
  // For any mm: whatever runs here. What does not run compares generations when it does.
  const isAny = info.mm === "any";
  if (isAny && typeof cpu.loaded !== "number") return;
  if (info.mm !== "any" && cpu.loaded !== info.mm) {
    // E2: not this mm any more. In the middle of a switch the bit may be needed already.
    if (cpu.loaded !== "switching") model.mms[info.mm]?.cpumask.delete(cpu.index);
    model.count(cpu.index, abi.CT_WRONG_CPU);
    return;
  }
  if (adopt(cpu, model.mm(cpu.loaded as number))) {
    // Nobody broadcasts what an exiting process leaves.
    const alone = (info.flags & abi.INFO_ALONE) !== 0;
    if (alone && cpu.lazy) leave(model, cpu);
    else if (alone) flushSlot(model, cpu, cpu.asid);
    return;
  }
  if (cpu.lazy) {
    leave(model, cpu);
    return;
  }
  const slot = cpu.slots[cpu.asid];
  // Requests without a generation are always carried out, and leave slots as they were.
  const isPlain = (info.flags & abi.INFO_SLOTS) === 0;
  if (!isAny && isPlain && info.gen <= slot.tlbGen) {
    model.count(cpu.index, abi.CT_SKIPPED);
    return;
  }
  const newest = model.mm(cpu.loaded as number).tlbGen;
  if (isPlain && newest === slot.tlbGen) return;
  model.count(cpu.index, local ? abi.CT_FLUSH_LOCAL : abi.CT_FLUSH_REMOTE);
  const isNext = info.gen === slot.tlbGen + 1;
  const isAlone = isNext || (info.flags & abi.INFO_NEWEST) !== 0;
  // Who was not told of the requests in between holds nothing of them.
  const isTracked = tracksSharers(model) && !isAny;
  const isRangeEnough = isTracked || !isPlain || (isAlone && info.gen === newest);
  let reached = newest;
  if ((info.flags & abi.INFO_FULL) === 0 && isRangeEnough) {
    if (isTracked) {
      leavePages(model, cpu, model.mm(cpu.loaded as number), pagesOf(model, info));
      reached = isNext ? info.gen : slot.tlbGen;
    }
    const bits = (info.flags & abi.INFO_HUGE) !== 0 ? model.bits : 0n;
    dropPages(model, cpu, cpu.asid, info);
    dropUserPages(model, cpu, info, cpu.asid);
    model.count(cpu.index, abi.CT_FLUSH_PAGES, Number((info.end - info.start) >> bits));
  } else {
    flushSlot(model, cpu, cpu.asid);
    model.count(cpu.index, abi.CT_FLUSH_FULL);
  }
  if (isPlain) slot.tlbGen = reached;
}

/** SLOTS_CLEAR: all others flush before they use the request's mm again. */
export function clearSlots(model: Model, cpu: Cpu): number {
  if (!cpu.info || typeof cpu.info.mm === "string") return abi.ST_BAD_PROGRAM;
  const { ctxId } = model.mm(cpu.info.mm);
  for (const other of model.cpus) {
    if (other === cpu) continue;
    for (const slot of other.slots) if (slot.ctxId === ctxId) slot.tlbGen = 0;
  }
  return abi.ST_OK;
}

function prepare(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  if (c.mm === null || cpu.info) return abi.ST_BAD_PROGRAM;
  const [start, end] = [c.r[i.a], c.r[i.b]];
  if ((i.imm & abi.INFO_KERNEL) !== 0) {
    const all = ((end - start) & ALL) > BigInt(model.geometry.ceiling);
    cpu.info = {
      mm: "kernel",
      gen: 0,
      start: all ? 0n : start,
      end: all ? ALL : end,
      flags: i.imm | (all ? abi.INFO_FULL : 0),
    };
    return abi.ST_OK;
  }
  const mm = model.mm(c.mm);
  let flags = i.imm;
  // Requests that name an ASID have no generation.
  if (!model.asids && (flags & abi.INFO_SLOTS) === 0) mm.tlbGen++;
  const named = model.asids ? namedAsid(model, c, flags) : mm.tlbGen;
  if ((c.gather.flags & abi.GF_FREED) !== 0) {
    flags |= abi.INFO_FREED;
    if ((c.gather.flags & abi.GF_SMALL) === 0) flags |= abi.INFO_HUGE;
  }
  chooseSharers(model, cpu, c, start, end, flags);
  const bits = (flags & abi.INFO_HUGE) !== 0 ? model.bits : 0n;
  const isAbove = ((end - start) & ALL) >> bits > BigInt(model.geometry.ceiling);
  const isFull = isAbove || (flags & abi.INFO_FULL) !== 0;
  cpu.info = {
    mm: c.mm,
    gen: named,
    start: isFull ? 0n : start,
    end: isFull ? ALL : end,
    flags: flags | (isFull ? abi.INFO_FULL : 0),
  };
  return abi.ST_OK;
}

/** B2: does this CPU have to be told? */
export function isTarget(model: Model, target: Cpu, info: Info): boolean {
  if ((info.flags & abi.INFO_FREED) !== 0 || info.mm === "kernel") return true;
  if (model.has(abi.OPT_TELL_ALL)) return true;
  if (typeof info.mm === "number" && model.mm(info.mm).moving) return true;
  const spares = model.has(abi.OPT_LAZY_SKIP) && !model.has(abi.OPT_TELL_LAZY);
  if (spares && target.lazy) return false;
  if (target.loaded === "switching") return !model.has(abi.OPT_SKIP_SWITCHING);
  if (info.mm === "any" || target.loaded === info.mm) return true;
  return (info.flags & abi.INFO_TRIM) !== 0;
}

function others(model: Model, cpu: Cpu, c: Context): void {
  const info = cpu.info!;
  c.flag = [...requestMask(model, cpu, info)].some((other) => other !== cpu.index);
  if (!c.flag) return;
  const nowMs = model.nowMs[cpu.index];
  const mm = typeof info.mm === "string" ? null : model.mm(info.mm);
  if (mm && model.has(abi.OPT_TRIM) && nowMs >= mm.trimAtMs) {
    info.flags |= abi.INFO_TRIM;
    mm.trimAtMs = nowMs + 1000;
  }
  model.count(cpu.index, abi.CT_SEND);
}

export function lockName(initiator: number, target: number): string {
  return `${initiator}>${target}`;
}

/** Instead of being told, a preempted target flushes when it is resumed. */
function isMarked(model: Model, target: Cpu, c: Context): boolean {
  if (!model.has(abi.OPT_PREEMPT)) return false;
  if (model.has(abi.OPT_PV_BLIND)) return ((c.seq >> target.index) & 1) !== 0;
  return model.has(abi.OPT_PV_FLUSH) && target.preempted;
}

function send(model: Model, cpu: Cpu, c: Context): number {
  const info = cpu.info!;
  const mask = [...requestMask(model, cpu, info)].sort((a, b) => a - b);
  const rest = mask.filter(
    (index) => index >= c.cursor && index !== cpu.index && model.cpus[index].online,
  );
  const at = rest.findIndex(
    (index) => isTarget(model, model.cpus[index], info) && isTold(model, cpu, index, info),
  );
  const target = at < 0 ? null : model.cpus[rest[at]];
  if (target && isMarked(model, target, c)) {
    if (!model.has(abi.OPT_PV_BLIND)) target.flushOnResume = true;
    model.count(cpu.index, abi.CT_FILTERED, at + 1);
    c.cursor = target.index + 1;
    c.flag = true;
    return abi.ST_OK;
  }
  if (target && model.csds.has(lockName(cpu.index, target.index))) return abi.ST_WAIT;
  model.count(cpu.index, abi.CT_FILTERED, at < 0 ? rest.length : at);
  c.cursor = target ? target.index + 1 : 0;
  c.flag = target !== null;
  if (!target) return abi.ST_OK;
  const isPlain = (info.flags & abi.INFO_FREED) === 0 && info.mm !== "kernel";
  const isEarly = isPlain || model.has(abi.OPT_ASYNC_ALL);
  model.csds.set(lockName(cpu.index, target.index), {
    async: model.has(abi.OPT_ASYNC) && isEarly,
    acked: false,
    payload: model.has(abi.OPT_INLINE) ? { ...info } : null,
    call: null,
  });
  if (target.queue.length === 0) cpu.ipiSet.add(target.index);
  else model.count(cpu.index, abi.CT_COALESCED);
  target.queue.push(cpu.index);
  model.count(cpu.index, abi.CT_CSD);
  return abi.ST_OK;
}

/** csd of a CPU that nobody has acknowledged. */
export function waitsFor(model: Model, cpu: Cpu): number {
  const mine = model.cpus.map((target) => model.csds.get(lockName(cpu.index, target.index)));
  return mine.filter((csd) => csd !== undefined && !csd.acked).length;
}

/** OP_FLUSH_PREP … OP_FLUSH_DONE. */
export function runFlush(model: Model, actor: number, c: Context, i: Instruction): number {
  const cpu = model.cpus[actor];
  if (!cpu) return abi.ST_BAD_PROGRAM;
  switch (i.op) {
    case abi.OP_FLUSH_PREP:
      return prepare(model, cpu, c, i);
    case abi.OP_FLUSH_OTHERS:
      others(model, cpu, c);
      return abi.ST_OK;
    case abi.OP_FLUSH_LOCAL: {
      const info = cpu.info!;
      const inMask = i.imm === 0 || info.mm === "any";
      const isHere = inMask ? requestMask(model, cpu, info).has(actor) : cpu.loaded === info.mm;
      if (isHere) flushFunc(model, cpu, info, true);
      snoop(model, cpu);
      return abi.ST_OK;
    }
    case abi.OP_CSD_SEND:
      return send(model, cpu, c);
    case abi.OP_IPI_SEND:
      interrupt(model, cpu, c, i.imm !== 0);
      return abi.ST_OK;
    case abi.OP_CSD_WAIT:
      return waitsFor(model, cpu) > 0 ? abi.ST_WAIT : abi.ST_OK;
    case abi.OP_FLUSH_DONE:
      cpu.info = null;
      cpu.told = new Set();
      model.count(actor, abi.CT_FLUSHES);
      return abi.ST_OK;
    default:
      throw new Error(`the model has no micro-op ${i.name}`);
  }
}
