/** Page-table isolation (shootdown 1.2): two halves, marks, and kernel pages. */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { dropTables, dropWhere } from "./caches.js";
import { accessOf } from "./ops-cpu.js";
import { runAsid } from "./ops-asid.js";
import { runGlobal } from "./ops-global.js";
import type { Context, Cpu, Info, Model } from "./state.js";

const USER = abi.ASID_USER;

/** Tag of user pages: the half that is loaded. */
export function halfOf(cpu: Cpu): number {
  return cpu.isUser ? cpu.asid + USER : cpu.asid;
}

/** The user half of a slot is gone at once, and so is its mark. */
export function dropUser(cpu: Cpu, asid: number): void {
  dropWhere(cpu.tlb, (entry) => entry.asid === asid + USER);
  dropTables(cpu.pwc, asid + USER);
  cpu.marks.delete(asid);
}

/** All of an ASID: kernel pages at once, the user half before it is used. */
export function flushHalves(cpu: Cpu, asid: number): void {
  dropWhere(cpu.tlb, (entry) => entry.asid === asid + abi.ASID_KERNEL);
  dropTables(cpu.pwc, asid + abi.ASID_KERNEL);
  cpu.marks.add(asid);
}

/** Tag of kernel pages. */
function kernelTag(model: Model, cpu: Cpu): number {
  return model.has(abi.OPT_PTI) ? cpu.asid + abi.ASID_KERNEL : abi.ASID_EVERY;
}

/** Range of the user half, page by page, or left to the next exit. */
export function dropUserPages(model: Model, cpu: Cpu, info: Readonly<Info>, asid: number): void {
  if (!model.has(abi.OPT_PTI)) return;
  const bits = (info.flags & abi.INFO_HUGE) !== 0 ? model.bits : 0n;
  const isLong = (info.end - info.start) >> bits > BigInt(model.ptiPages);
  if (isLong && (info.flags & abi.INFO_USER_LATER) !== 0) {
    cpu.marks.add(asid);
    return;
  }
  dropRange(model, cpu, info, asid + USER, 1n << bits);
}

/** INVLPG, and the like, of one tag. */
function dropRange(
  model: Model,
  cpu: Cpu,
  info: Readonly<Info>,
  tag: number,
  stride: bigint,
): void {
  for (let vpn = info.start; vpn < info.end; vpn += stride) {
    const first = (vpn >> model.bits) << model.bits;
    dropWhere(cpu.tlb, (e) => e.asid === tag && (e.huge ? e.vpn === first : e.vpn === vpn));
  }
  dropTables(cpu.pwc, tag);
}

/** Every CPU flushes kernel pages, whatever it runs. */
export function flushKernel(model: Model, cpu: Cpu, info: Readonly<Info>, local: boolean): void {
  const isolated = model.has(abi.OPT_PTI);
  model.count(cpu.index, local ? abi.CT_FLUSH_LOCAL : abi.CT_FLUSH_REMOTE);
  if ((info.flags & abi.INFO_FULL) !== 0) {
    dropWhere(cpu.tlb, () => true);
    dropTables(cpu.pwc);
    model.count(cpu.index, abi.CT_FLUSH_FULL);
    return;
  }
  dropRange(model, cpu, info, kernelTag(model, cpu), 1n);
  model.count(cpu.index, abi.CT_FLUSH_PAGES, Number(info.end - info.start));
  if (isolated && (info.flags & abi.INFO_TRUST) === 0) cpu.othersSuspect = true;
}

/** Before an ASID is chosen. */
export function distrustOthers(cpu: Cpu): void {
  if (!cpu.othersSuspect) return;
  cpu.othersSuspect = false;
  cpu.slots = cpu.slots.map((slot, asid) => (asid === cpu.asid ? slot : { ctxId: 0, tlbGen: 0 }));
}

/** A CPU that is put on a task. */
export function placeUser(model: Model, cpu: Cpu): void {
  if (!model.has(abi.OPT_PTI)) return;
  dropUser(cpu, cpu.asid);
  cpu.isUser = true;
}

function exit(model: Model, cpu: Cpu, c: Context, how: number): void {
  const { task } = cpu;
  if (task === null || model.taskMm[task] === null) return;
  if (c.index === task) model.inKernel[task] = false;
  if (model.inKernel[task]) return;
  if ((how & abi.PTI_LOAD) !== 0) cpu.isUser = true;
  if ((how & abi.PTI_FLUSH) !== 0 && cpu.marks.has(cpu.asid)) dropUser(cpu, cpu.asid);
}

function runPoll(model: Model, cpu: Cpu, c: Context, op: number): number {
  if (!model.has(abi.OPT_POLL)) return abi.ST_BAD_PROGRAM;
  if (op === abi.OP_POLL_BEGIN) {
    cpu.poll = "polls";
  } else if (op === abi.OP_POLL_END) {
    c.flag = cpu.poll === "wanted";
    cpu.poll = "no";
  } else {
    const polling = model.cpus.filter(({ poll }) => poll !== "no");
    c.seq = polling.reduce((bits, { index }) => bits | (1 << index), 0);
  }
  return abi.ST_OK;
}

/** IPI_SEND: those that poll are told by their word, or believed to be. */
export function interrupt(model: Model, cpu: Cpu, c: Context, blind: boolean): void {
  for (const index of cpu.ipiSet) {
    const target = model.cpus[index];
    const noted = blind && ((c.seq >> index) & 1) !== 0;
    if (model.has(abi.OPT_POLL) && (target.poll !== "no" || noted)) {
      if (target.poll === "polls") target.poll = "wanted";
      model.count(cpu.index, abi.CT_SPARED);
    } else {
      target.ipiPending = true;
      model.count(cpu.index, abi.CT_IPI);
    }
  }
  cpu.ipiSet.clear();
}

/** OP_PTI_ENTER and what follows it. */
export function runArch(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  switch (i.op) {
    case abi.OP_PTI_ENTER:
      if (!model.has(abi.OPT_PTI)) return abi.ST_BAD_PROGRAM;
      cpu.isUser = false;
      if (c.index < model.geometry.tasks) model.inKernel[c.index] = true;
      return abi.ST_OK;
    case abi.OP_PTI_EXIT:
      if (!model.has(abi.OPT_PTI)) return abi.ST_BAD_PROGRAM;
      exit(model, cpu, c, i.imm);
      return abi.ST_OK;
    case abi.OP_POLL_BEGIN:
    case abi.OP_POLL_END:
    case abi.OP_POLL_NOTE:
      return runPoll(model, cpu, c, i.op);
    case abi.OP_GLOBAL_HAVE:
    case abi.OP_GLOBAL_MOVING:
    case abi.OP_GLOBAL_ASSIGN:
      return runGlobal(model, cpu, c, i);
    case abi.OP_ASID_LOOK:
    case abi.OP_ASID_SWAP:
    case abi.OP_ASID_TAKE:
    case abi.OP_ASID_PIN:
      return runAsid(model, cpu, c, i);
    case abi.OP_KERNEL_ACCESS: {
      const mm = Number(c.r[i.b]) - 1;
      if (mm < 0 || mm >= model.mms.length) return abi.ST_BAD_PROGRAM;
      const there = model.mms[mm] !== null;
      c.flag = there && accessOf(model, cpu, mm, kernelTag(model, cpu), c.r[i.a], false);
      return abi.ST_OK;
    }
    default:
      throw new Error(`the model has no micro-op ${i.name}`);
  }
}
