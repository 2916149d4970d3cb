/**
 * Call queues (shootdown 1.2 to 1.4): what a target does with the entries it takes, calls that CPUs
 * send each other, and NMIs. An entry is named by its initiator: there is one for each pair.
 */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { lookUp } from "./caches.js";
import { access, cpuWalk } from "./ops-cpu.js";
import { fence } from "./ops-broadcast.js";
import { flushFunc, flushSlot, lockName } from "./ops-flush.js";
import { judge } from "./oracle.js";
import type { Call, Context, Cpu, Csd, Kept, Model } from "./state.js";

/** The oldest entry that the handler has taken. */
function oldest(model: Model, cpu: Cpu, c: Context): Csd {
  return model.csds.get(lockName(c.taken[0], cpu.index))!;
}

/** Is a flush pending that nobody waits for: one the handler keeps, or one it still has to run? */
function isPending(model: Model, cpu: Cpu, c: Context): boolean {
  if (c.kept !== null && !("call" in c.kept)) return true;
  return c.taken.some((from) => {
    const csd = model.csds.get(lockName(from, cpu.index))!;
    return csd.call === null && csd.acked && csd.relayed !== true;
  });
}

function runCall(model: Model, cpu: Cpu, call: Call): void {
  if (!cpu.lazy) access(model, cpu, call.vpn, call.write);
}

function keep(csd: Csd, from: number): Kept {
  if (csd.call !== null) return { call: csd.call };
  return csd.payload !== null ? { payload: csd.payload } : { from };
}

function runKept(model: Model, cpu: Cpu, kept: Kept): void {
  if ("call" in kept) {
    runCall(model, cpu, kept.call);
    return;
  }
  // A pointer. Somebody who does not wait may have released, or used again, what it points to.
  const info = "payload" in kept ? kept.payload : model.cpus[kept.from].info;
  if (info) flushFunc(model, cpu, info, false);
}

function unlock(model: Model, cpu: Cpu, c: Context): void {
  model.csds.delete(lockName(c.taken.shift()!, cpu.index));
  c.flag = c.taken.length > 0;
}

function acknowledge(model: Model, cpu: Cpu, c: Context, all: boolean): void {
  for (const from of all ? c.taken : c.taken.slice(0, 1)) {
    model.csds.get(lockName(from, cpu.index))!.acked = true;
  }
}

function take(model: Model, cpu: Cpu, c: Context, syncFirst: boolean): void {
  cpu.ipiPending = false;
  if (cpu.poll === "wanted") cpu.poll = "polls";
  c.taken = cpu.queue;
  cpu.queue = [];
  c.flag = c.taken.length > 0;
  if (!syncFirst) return;
  const isAsync = (from: number) => model.csds.get(lockName(from, cpu.index))!.async;
  c.taken = [...c.taken.filter((from) => !isAsync(from)), ...c.taken.filter(isAsync)];
}

function sendCall(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  const hasRoom = model.has(abi.OPT_INLINE) || model.has(abi.OPT_CALLS);
  const target = model.cpus[i.imm];
  if (!hasRoom || !target) return abi.ST_BAD_PROGRAM;
  if (!target.online) {
    c.flag = false;
    return abi.ST_OK;
  }
  const name = lockName(cpu.index, target.index);
  if (target !== cpu && model.csds.has(name)) return abi.ST_WAIT;
  c.flag = target !== cpu;
  if (!c.flag) return abi.ST_OK;
  const call = { vpn: c.r[i.a], write: (i.c & abi.CALL_WRITE) !== 0 };
  const async = (i.c & abi.CALL_ASYNC) !== 0;
  model.csds.set(name, { async, acked: true, payload: null, call });
  if (target.queue.length === 0) cpu.ipiSet.add(target.index);
  target.queue.push(cpu.index);
  return abi.ST_OK;
}

/** FENCE: own request, or that of the oldest entry; calls and kernel pages as ever. */
function runFence(model: Model, cpu: Cpu, c: Context, how: number): number {
  if ((how & abi.FENCE_CSD) === 0) {
    if (!cpu.info) return abi.ST_BAD_PROGRAM;
    fence(model, cpu, cpu.info, how);
    return abi.ST_OK;
  }
  if (c.taken.length === 0) return abi.ST_BAD_PROGRAM;
  const csd = oldest(model, cpu, c);
  const { info } = model.cpus[c.taken[0]];
  if (csd.call !== null || info?.mm === "kernel") runKept(model, cpu, keep(csd, c.taken[0]));
  else if (info) fence(model, cpu, info, how);
  return abi.ST_OK;
}

const TARGET_OPS: ReadonlySet<number> = new Set([
  abi.OP_CSQ_TAKE,
  abi.OP_CSD_RUN,
  abi.OP_CSD_UNLOCK,
  abi.OP_FENCE,
]);

/** Micro-ops of the target's side, and calls. */
export function isTransport(op: number): boolean {
  return TARGET_OPS.has(op) || (op >= abi.OP_CSD_KIND && op <= abi.OP_CALL_SEND);
}

/** Executes one of those. */
export function runTransport(model: Model, actor: number, c: Context, i: Instruction): number {
  const cpu = model.cpus[actor];
  if (!cpu) return abi.ST_BAD_PROGRAM;
  if (i.op === abi.OP_FENCE) return runFence(model, cpu, c, i.imm);
  if (i.op === abi.OP_CALL_SEND) return sendCall(model, cpu, c, i);
  switch (i.op) {
    case abi.OP_CSQ_TAKE:
      take(model, cpu, c, i.imm !== 0);
      break;
    case abi.OP_CSQ_MORE:
      c.flag = c.taken.length > 0;
      break;
    case abi.OP_CSD_KIND:
      c.flag = oldest(model, cpu, c).async;
      break;
    case abi.OP_CSD_RUN:
      runKept(model, cpu, keep(oldest(model, cpu, c), c.taken[0]));
      break;
    case abi.OP_CSD_REACH:
      c.kept = keep(oldest(model, cpu, c), c.taken[0]);
      break;
    case abi.OP_CSD_RUN_REACHED:
      if (c.kept !== null) runKept(model, cpu, c.kept);
      c.kept = null;
      break;
    case abi.OP_CSD_ACK:
      acknowledge(model, cpu, c, i.imm !== 0);
      break;
    case abi.OP_CSD_UNLOCK:
      unlock(model, cpu, c);
      break;
    default:
      throw new Error(`the model has no micro-op ${i.name}`);
  }
  cpu.reached = isPending(model, cpu, c);
  return abi.ST_OK;
}

function contents(cpu: Cpu): string {
  const all = [cpu.tlb.sets, cpu.pwc.entries, cpu.slots];
  return JSON.stringify(all, (_, v: unknown) => (typeof v === "bigint" ? `${v}` : v));
}

/** An NMI reads a watched page, if its guard lets it, without ever faulting it in. */
export function interruptUnmasked(model: Model, actor: number, k: number): number {
  const page = model.watched[k];
  const cpu = model.cpus[actor];
  if (!cpu || !page || !model.has(abi.OPT_NMI)) return abi.ST_IDLE;
  if (cpu.loaded !== page.mm || cpu.lazy) return abi.ST_IDLE;
  if (cpu.reached && model.has(abi.OPT_GUARD_REFUSE)) return abi.ST_IDLE;
  const before = contents(cpu);
  const known = model.hazard;
  if (cpu.reached && model.has(abi.OPT_GUARD_FLUSH)) {
    flushSlot(model, cpu, cpu.asid);
    cpu.slots[cpu.asid].tlbGen = model.mm(page.mm).tlbGen;
  }
  const find = () => lookUp(cpu.tlb, page.vpn, cpu.asid, model.bits);
  if (find() ?? cpuWalk(model, cpu, page.mm, page.vpn, false, cpu.asid).usable) {
    judge(model, actor, page.mm, find()!, page.vpn, false);
  }
  return model.hazard !== known || contents(cpu) !== before ? abi.ST_OK : abi.ST_IDLE;
}
