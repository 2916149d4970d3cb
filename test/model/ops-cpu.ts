/** User accesses, context switches, birth and death of address spaces (shootdown 1.6). */
import * as abi from "../../src/core/abi.js";
import { forgetMore } from "./ops-devices.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { dropTables, dropWhere, fill, lookUp } from "./caches.js";
import { fillDirectory } from "./directory.js";
import { noteAccess } from "./ops-access.js";
import { distrustOthers, halfOf } from "./ops-arch.js";
import { setDirty } from "./ops-dirty.js";
import { checkAccess } from "./oracle.js";
import { flushSlot, takeSlot } from "./ops-flush.js";
import { forgetDeferrals } from "./ops-deferral.js";
import { loadAsid, numberIn, releaseAsid } from "./ops-asid.js";
import { adopt } from "./ops-global.js";
import { renew } from "./ops-life.js";
import { keepsMm } from "./ops-subscribers.js";
import { forgetMm } from "./ops-latr.js";
import type { Context, Cpu, Model } from "./state.js";
import { hardWalk, has, putTable, takeTable } from "./tables.js";

/** Walks and fills: usable for the access, and whether anything is different now. */
export function cpuWalk(
  model: Model,
  cpu: Cpu,
  mm: number,
  vpn: bigint,
  write: boolean,
  asid = halfOf(cpu),
) {
  const { pte, changed } = hardWalk(model, cpu.index, cpu.pwc, model.mm(mm), asid, vpn);
  if (!pte || (write && !has(pte, abi.PTE_W))) return { usable: false, changed };
  const isTracked = model.has(abi.OPT_DIRTY);
  if (isTracked && write) setDirty(model, mm, vpn);
  fillDirectory(model, cpu, mm, vpn, has(pte, abi.PTE_HUGE));
  fill(
    cpu.tlb,
    {
      vpn,
      asid,
      huge: has(pte, abi.PTE_HUGE),
      writable: has(pte, abi.PTE_W),
      frame: pte.to,
      gen: model.frames[pte.to].gen,
      dirty: isTracked && (write || has(pte, abi.PTE_DIRTY)),
    },
    model.bits,
  );
  noteAccess(model, cpu.index, pte.to);
  return { usable: true, changed: true };
}

export function access(model: Model, cpu: Cpu, vpn: bigint, write: boolean): boolean {
  if (typeof cpu.loaded !== "number") return false;
  return accessOf(model, cpu, cpu.loaded, halfOf(cpu), vpn, write);
}

/** The same for pages of `mm` that are cached under `asid`. */
export function accessOf(
  model: Model,
  cpu: Cpu,
  mm: number,
  asid: number,
  vpn: bigint,
  write: boolean,
): boolean {
  let hit = lookUp(cpu.tlb, vpn, asid, model.bits);
  // A store through what is not known to be dirty walks, to set the bit.
  const isKnown = hit !== null && hit.writable && (!model.has(abi.OPT_DIRTY) || hit.dirty === true);
  if (hit && (!write || isKnown)) {
    model.count(cpu.index, abi.CT_TLB_HIT);
    hit = renew(model, cpu, hit);
  } else {
    model.count(cpu.index, abi.CT_TLB_MISS);
    if (!cpuWalk(model, cpu, mm, vpn, write, asid).usable) return false;
    hit = lookUp(cpu.tlb, vpn, asid, model.bits);
  }
  checkAccess(model, cpu.index, mm, hit!, vpn, write);
  return true;
}

function unlazy(model: Model, cpu: Cpu): void {
  if (!cpu.lazy) return;
  cpu.lazy = false;
  if (model.asids || adopt(cpu, model.mm(cpu.loaded as number))) return;
  const slot = cpu.slots[cpu.asid];
  const { tlbGen } = model.mm(cpu.loaded as number);
  if (slot.tlbGen === tlbGen) return;
  flushSlot(model, cpu, cpu.asid);
  slot.tlbGen = tlbGen;
  model.count(cpu.index, abi.CT_SWITCH_FLUSH);
}

function chooseSlot(model: Model, cpu: Cpu, c: Context, index: number): void {
  const mm = model.mm(index);
  distrustOthers(cpu);
  const known = cpu.slots.findIndex((slot) => slot.ctxId === mm.ctxId);
  c.r[11] = BigInt(mm.tlbGen);
  if (adopt(cpu, mm)) {
    c.flag = false;
    return;
  }
  c.flag = known < 0 || cpu.slots[known].tlbGen < mm.tlbGen;
  cpu.asid = known >= 0 ? known : takeSlot(cpu);
}

function loadSlot(model: Model, cpu: Cpu, c: Context, index: number): void {
  if (model.asids) {
    loadAsid(model, cpu, numberIn(model, c.r[11]), c.flag);
  } else if (c.flag) {
    flushSlot(model, cpu, cpu.asid);
    cpu.slots[cpu.asid] = { ctxId: model.mm(index).ctxId, tlbGen: Number(c.r[11]) };
    model.count(cpu.index, abi.CT_SWITCH_FLUSH);
  }
  model.count(cpu.index, abi.CT_SWITCH);
  c.r[11] = 0n;
}

/** A fresh mm's index, or a negative status. */
export function newMm(model: Model, nowMs: number): number {
  const index = model.mms.findIndex((mm, i) => mm === null && !keepsMm(model, i));
  if (index < 0) return abi.ST_NO_MMS;
  const root = takeTable(model, model.geometry.levels - 1);
  if (!root) return abi.ST_NO_TABLES;
  model.mms[index] = {
    index,
    ctxId: model.nextCtxId++,
    tlbGen: 1,
    root,
    users: 0,
    gathers: 0,
    mmapLock: 0,
    vmas: [],
    brackets: 0,
    subscribers: [],
    trimAtMs: model.has(abi.OPT_TRIM) ? nowMs + 1000 : 0,
    cpumask: new Set(),
    asid: null,
    pins: 0,
    globalAsid: null,
    moving: false,
    asked: 0,
    batches: { pending: 0, flushed: 0 },
  };
  return index;
}

function freeMm(model: Model, actor: number, c: Context): number {
  const mm = model.mm(c.mm!);
  if (mm.root.entries.some((pte) => pte !== null)) return abi.ST_BAD_PROGRAM;
  forgetMm(model, actor, mm.index);
  forgetDeferrals(model, mm.index);
  for (const cpu of model.cpus) {
    if (cpu.loaded !== mm.index) continue;
    cpu.loaded = "init";
    cpu.lazy = false;
  }
  releaseAsid(model, mm);
  if (mm.globalAsid !== null) model.freedAsids.add(mm.globalAsid);
  putTable(model, mm.root);
  if (model.subscribers) model.subscribers.mms[mm.index].enabled = false;
  model.mms[mm.index] = null;
  c.mm = null;
  return abi.ST_OK;
}

export function setTaskMm(model: Model, task: number, mm: number | null): void {
  model.taskMm[task] = mm;
  if (mm !== null && !model.contexts[task]) model.inKernel[task] = false;
  if (mm !== null) model.mm(mm).users++;
}

/** Devices forget an mm, and all they remember of it. */
function letGo(model: Model, devices: readonly number[]): void {
  for (const id of devices) {
    const device = model.devices[id];
    if (model.moreDevices && !forgetMore(device)) continue;
    device.mm = null;
    device.seq++;
    dropWhere(device.cache, () => true);
    dropTables(device.pwc);
  }
}

/** release: every subscriber lets go; those of the host when the mm is freed. */
function release(model: Model, index: number): void {
  const mm = model.mm(index);
  const isHost = (id: number): boolean => model.devices[id].kind === abi.DEV_HOST;
  letGo(
    model,
    mm.subscribers.filter((id) => !isHost(id)),
  );
  mm.subscribers = mm.subscribers.filter(isHost);
}

const optional = (value: bigint): number | null => (value === 0n ? null : Number(value) - 1);

/** OP_CPU_ACCESS … OP_MM_RELEASE. */
export function runCpu(model: Model, actor: number, c: Context, i: Instruction): number {
  const cpu = model.cpus[actor];
  if (!cpu) return abi.ST_BAD_PROGRAM;
  const x = c.r[i.a];
  const mm = optional(x);
  switch (i.op) {
    case abi.OP_CPU_ACCESS:
      c.flag = access(model, cpu, x, i.imm !== 0);
      break;
    case abi.OP_SW_BEGIN:
      c.flag = mm !== null && cpu.loaded !== mm;
      break;
    case abi.OP_SW_LAZY:
      if (cpu.loaded !== "init") cpu.lazy = true;
      break;
    case abi.OP_SW_UNLAZY:
      unlazy(model, cpu);
      break;
    case abi.OP_SW_MARK:
      cpu.loaded = "switching";
      model.mm(mm!).cpumask.add(actor);
      break;
    case abi.OP_SW_GEN:
      chooseSlot(model, cpu, c, mm!);
      break;
    case abi.OP_SW_CR3:
      loadSlot(model, cpu, c, mm!);
      break;
    case abi.OP_SW_DONE:
      cpu.loaded = mm!;
      cpu.lazy = false;
      break;
    case abi.OP_TASK_GET: {
      const of = model.taskMm[Number(c.r[i.b])]!;
      c.r[i.a] = of === null ? 0n : BigInt(of + 1);
      break;
    }
    case abi.OP_SW_TASK:
      cpu.task = Number(x);
      break;
    case abi.OP_MM_NEW: {
      const index = newMm(model, model.nowMs[actor]);
      if (index < 0) return index;
      c.r[i.a] = BigInt(index + 1);
      break;
    }
    case abi.OP_MM_PUT:
      c.flag = --model.mm(c.mm!).users === 0;
      break;
    case abi.OP_MM_FREE: {
      const gone = c.mm!;
      const hosts = model.mm(gone).subscribers;
      const status = freeMm(model, actor, c);
      if (status === abi.ST_OK) letGo(model, hosts);
      return status;
    }
    case abi.OP_TASK_MM:
      setTaskMm(model, mm ?? c.index, optional(c.r[i.b]));
      break;
    case abi.OP_MM_RELEASE:
      release(model, c.mm!);
      break;
    default:
      throw new Error(`the model has no micro-op ${i.name}`);
  }
  return abi.ST_OK;
}
