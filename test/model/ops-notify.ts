/** Brackets, notifications and devices (notifiers 1.4, 1.5 and 4). */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { covers, dropTables, dropWhere, fill, lookUp } from "./caches.js";
import { bracketIsOver, isFreed } from "./ops-subscribers.js";
import { checkAccess, raise } from "./oracle.js";
import type { Context, Device, Model, Pte } from "./state.js";
import { hardWalk, has, softWalk } from "./tables.js";

/** The subscriber after this one, as index + 1; 0: none. */
export function after(model: Model, device: Device): number {
  const list = model.mms.find((mm) => mm?.subscribers.includes(device.index))?.subscribers;
  // Who has left a list still points at who was behind it.
  const left = model.subscribers?.listeners[device.index].next ?? null;
  const next = list === undefined ? left : (list[list.indexOf(device.index) + 1] ?? null);
  return next === null ? 0 : next + 1;
}

/** Calls the next subscriber's hook, if it has one of this kind. */
function notifyNext(model: Model, actor: number, c: Context, from: number): number {
  while (c.cursor !== 0) {
    const device = model.devices[c.cursor - 1];
    c.cursor = after(model, device);
    const { start, end, secondary } = device.hooks;
    const release = model.subscribers
      ? model.subscribers.listeners[device.index].entries[3]
      : device.hooks.release;
    const hook = [start, end, secondary, release][c.event];
    if (isFreed(model, device.index)) raise(model, actor, abi.HZ_UAF, c.hook.start, 0);
    if (hook === 0) continue;
    if (c.event === abi.HOOK_SECONDARY) model.count(actor, abi.CT_NOTE_SECONDARY);
    c.dev = device.index;
    c.stack.push(from);
    c.pc = hook;
    return abi.ST_OK;
  }
  c.dev = null;
  c.event = 0;
  c.hook = { start: 0n, end: 0n };
  return abi.ST_OK;
}

function bracket(model: Model, actor: number, c: Context, opens: boolean): number {
  const mm = model.mm(c.mm!);
  if (!opens && c.brackets === 0) return abi.ST_BAD_PROGRAM;
  mm.brackets += opens ? 1 : -1;
  c.brackets += opens ? 1 : -1;
  if (mm.subscribers.length > 0) {
    model.count(actor, opens ? abi.CT_NOTE_START : abi.CT_NOTE_END);
  }
  if (!opens) bracketIsOver(model, actor, mm.index);
  return abi.ST_OK;
}

function actorOf(model: Model, device: Device): number {
  return model.geometry.cpus + device.index;
}

function access(model: Model, device: Device, vpn: bigint, write: boolean): boolean {
  const actor = actorOf(model, device);
  const hit = lookUp(device.cache, vpn, 0, model.bits);
  if (device.mm === null || !hit || (write && !hit.writable)) {
    model.count(actor, abi.CT_DEV_MISS);
    return false;
  }
  model.count(actor, abi.CT_DEV_HIT);
  checkAccess(model, actor, device.mm, hit, vpn, write);
  return true;
}

function install(model: Model, device: Device, vpn: bigint, pte: Pte, gen: number): void {
  const huge = has(pte, abi.PTE_HUGE);
  const writable = has(pte, abi.PTE_W);
  fill(device.cache, { vpn, asid: 0, huge, writable, frame: pte.to, gen }, model.bits);
}

/** A sharing device's walk: usable for the access, and whether anything is different now. */
export function deviceWalk(model: Model, device: Device, vpn: bigint, write: boolean) {
  const mm = device.mm === null ? null : model.mms[device.mm];
  // While it counts a bracket, an empty table is its root.
  if (!mm || device.inProgress > 0) return { usable: false, changed: false };
  const { pte, changed } = hardWalk(model, actorOf(model, device), device.pwc, mm, 0, vpn);
  if (!pte || (write && !has(pte, abi.PTE_W))) return { usable: false, changed };
  install(model, device, vpn, pte, model.frames[pte.to].gen);
  return { usable: true, changed: true };
}

function zap(model: Model, c: Context, device: Device, mode: number): void {
  const { start, end } = c.hook;
  if (mode === abi.ZAP_ALL) {
    dropWhere(device.cache, () => true);
    dropWhere(device.more.atc, () => true);
  } else {
    if (start >= end) return;
    dropWhere(device.cache, (e) => covers(e, start, end, model.bits));
  }
  dropTables(device.pwc);
  model.count(actorOf(model, device), abi.CT_DEV_ZAP);
}

function countBracket(model: Model, actor: number, c: Context, device: Device, up: boolean): void {
  const { start, end } = c.hook;
  if (up) {
    const { range } = device;
    const isFirst = device.inProgress++ === 0;
    device.range = {
      start: isFirst || start < range.start ? start : range.start,
      end: isFirst || end > range.end ? end : range.end,
    };
  } else if (device.inProgress === 0) {
    raise(model, actor, abi.HZ_UNBAL, start, 0);
  } else if (--device.inProgress === 0) {
    device.range = { start: 0n, end: 0n };
  }
}

function resolve(model: Model, c: Context, device: Device, vpn: bigint, write: boolean): void {
  const mm = device.mm === null ? null : model.mms[device.mm];
  const pte = mm ? softWalk(model, mm, vpn) : null;
  c.flag = pte !== null && (!write || has(pte, abi.PTE_W));
  c.pte = c.flag ? pte : null;
  c.frameGen = c.pte ? model.frames[c.pte.to].gen : 0;
}

function runDevice(model: Model, actor: number, c: Context, i: Instruction, device: Device) {
  const vpn = c.r[i.a];
  const write = i.imm !== 0;
  switch (i.op) {
    case abi.OP_DEV_LOCK:
      if (device.lock) return abi.ST_WAIT;
      device.lock = c;
      c.locks |= abi.LOCK_DEV;
      return abi.ST_OK;
    case abi.OP_DEV_UNLOCK:
      device.lock = null;
      c.locks &= ~abi.LOCK_DEV;
      return abi.ST_OK;
    case abi.OP_DEV_COUNT:
      countBracket(model, actor, c, device, write);
      return abi.ST_OK;
    case abi.OP_DEV_SEQ:
      device.seq++;
      return abi.ST_OK;
    case abi.OP_DEV_ZAP:
      zap(model, c, device, i.imm);
      return abi.ST_OK;
    case abi.OP_DEV_ACCESS:
      c.flag = access(model, device, vpn, write);
      return abi.ST_OK;
    case abi.OP_DEV_WALK:
      c.flag = deviceWalk(model, device, vpn, write).usable;
      return abi.ST_OK;
    case abi.OP_DEV_SNAP:
      c.seq = device.seq;
      return abi.ST_OK;
    case abi.OP_DEV_RESOLVE:
      resolve(model, c, device, vpn, write);
      return abi.ST_OK;
    case abi.OP_DEV_RETRY: {
      const { start, end } = device.range;
      const isRunning = device.inProgress > 0 && start <= vpn && vpn < end;
      c.flag = isRunning || device.seq !== c.seq;
      if (!c.flag) return abi.ST_OK;
      c.pte = null;
      c.frameGen = 0;
      model.count(actor, abi.CT_RETRY);
      return abi.ST_OK;
    }
    case abi.OP_DEV_INSTALL:
      if (c.pte) install(model, device, vpn, c.pte, c.frameGen);
      c.pte = null;
      c.frameGen = 0;
      return abi.ST_OK;
    case abi.OP_DEV_FAULT:
      model.count(actor, abi.CT_DEV_FAULT);
      return abi.ST_OK;
    default:
      throw new Error(`the model has no micro-op ${i.name}`);
  }
}

/** OP_RANGE_BEGIN … OP_DEV_FAULT; `from` is where this micro-op stands. */
export function runNotify(
  model: Model,
  actor: number,
  c: Context,
  i: Instruction,
  from: number,
): number {
  switch (i.op) {
    case abi.OP_RANGE_BEGIN:
      return bracket(model, actor, c, true);
    case abi.OP_RANGE_END:
      return bracket(model, actor, c, false);
    case abi.OP_NOTIFY_BEGIN: {
      const first = model.mm(c.mm!).subscribers[0];
      c.event = i.imm;
      c.hook = { start: c.r[i.a], end: c.r[i.b] };
      c.cursor = first === undefined ? 0 : first + 1;
      return abi.ST_OK;
    }
    case abi.OP_NOTIFY_NEXT:
      return notifyNext(model, actor, c, from);
    default:
      if (c.dev === null) return abi.ST_BAD_PROGRAM;
      return runDevice(model, actor, c, i, model.devices[c.dev]);
  }
}
