/** step(actor, choice) of the model, and how programs are started. */
import * as abi from "../../src/core/abi.js";
import { decode, type Instruction } from "../../src/program/disassembler.js";
import { isLocal } from "../../src/program/ops.js";
import { lookUp } from "./caches.js";
import { halfOf, placeUser, runArch } from "./ops-arch.js";
import { loadAsid, takeAsid } from "./ops-asid.js";
import { runBatched } from "./ops-batched.js";
import { applyBroadcast, runBroadcast } from "./ops-broadcast.js";
import { runControl } from "./ops-control.js";
import { cpuWalk, newMm, runCpu, setTaskMm } from "./ops-cpu.js";
import { runDeferral } from "./ops-deferral.js";
import { runDevices } from "./ops-devices.js";
import { runDirty } from "./ops-dirty.js";
import { clearSlots, flushSlot, runFlush } from "./ops-flush.js";
import { runGather } from "./ops-gather.js";
import { runHost } from "./ops-host.js";
import { runLatr } from "./ops-latr.js";
import { tick } from "./ops-life.js";
import { runLocal } from "./ops-local.js";
import { awaitMigration, runMemory } from "./ops-memory.js";
import { deviceWalk, runNotify } from "./ops-notify.js";
import { isPin, runPins } from "./ops-pins.js";
import { isSubscriber, runSubscribers } from "./ops-subscribers.js";
import { isTopology, runTopology } from "./ops-topology.js";
import { interruptUnmasked, isTransport, runTransport } from "./ops-transport.js";
import { preemptOrResume, runVcpu } from "./ops-vcpu.js";
import type { Context, Model } from "./state.js";
import { insert } from "./subscribers.js";
import { vmaSet } from "./tables.js";

const decoded = new WeakMap<Uint32Array, Map<number, Instruction>>();

/** The instruction at `pc`; decoded once per image. */
export function instructionAt(code: Uint32Array, pc: number): Instruction {
  let known = decoded.get(code);
  if (!known) decoded.set(code, (known = new Map<number, Instruction>()));
  let instruction = known.get(pc);
  if (!instruction) known.set(pc, (instruction = decode(code, pc)));
  return instruction;
}

/** Index of the context an actor runs now. */
export function currentContext(model: Model, actor: number): number {
  const { tasks, cpus } = model.geometry;
  if (actor >= cpus) return tasks + actor;
  if (model.contexts[tasks + actor]) return tasks + actor;
  return model.cpus[actor].task ?? tasks + actor;
}

/** Begins a program in an idle context. */
export function start(
  model: Model,
  index: number,
  pc: number,
  mm: number | null,
  dev: number | null,
  args: readonly number[] = [],
): Context {
  const context: Context = {
    index,
    pc,
    op: 0,
    opStart: 0n,
    opEnd: 0n,
    flag: false,
    stack: [],
    irqOff: false,
    mm,
    dev,
    event: 0,
    cursor: 0,
    ptl: [null, null],
    frame: 0,
    frameGen: 0,
    pte: null,
    r: Array.from({ length: 12 }, (_, i) => BigInt(args[i] ?? 0)),
    hook: { start: 0n, end: 0n },
    gather: { start: 0n, end: 0n, flags: 0, frames: [], tables: [] },
    locks: 0,
    seq: 0,
    taken: [],
    kept: null,
    brackets: 0,
  };
  model.contexts[index] = context;
  return context;
}

/** Starts a program on an actor's task or device. */
export function startActor(model: Model, actor: number, pc: number, args: number[] = []): number {
  const { cpus, tasks } = model.geometry;
  const index = actor < cpus ? model.cpus[actor].task : tasks + actor;
  if (index === null) return abi.ST_BAD_PROGRAM;
  if (model.contexts[index]) return abi.ST_WAIT;
  if (actor < cpus) start(model, index, pc, model.taskMm[index], null, args);
  else start(model, index, pc, model.devices[actor - cpus].mm, actor - cpus, args);
  return abi.ST_OK;
}

function canInterrupt(model: Model, actor: number): boolean {
  const cpu = model.cpus[actor];
  if (!cpu || !(cpu.ipiPending || cpu.poll === "wanted") || !cpu.online) return false;
  if (model.contexts[model.geometry.tasks + actor]) return false;
  return cpu.task === null || model.contexts[cpu.task]?.irqOff !== true;
}

function finish(model: Model, c: Context): number {
  if (c.brackets > 0 || c.locks !== 0 || c.ptl[0] || c.ptl[1]) return abi.ST_BAD_PROGRAM;
  model.contexts[c.index] = null;
  return abi.ST_OK;
}

/** What flush policies have of their own. */
function runPolicy(model: Model, actor: number, c: Context, i: Instruction): number {
  const cpu = model.cpus[actor];
  if (!cpu) return abi.ST_BAD_PROGRAM;
  if (i.op === abi.OP_PTE_CLEAN || i.op === abi.OP_PTE_COLLECT) return runDirty(model, c, i);
  if (i.op === abi.OP_SLOTS_CLEAR) return clearSlots(model, cpu);
  if (i.op === abi.OP_BCAST_ADD) return runBroadcast(model, cpu, c, i);
  if (i.op >= abi.OP_PTI_ENTER) return runArch(model, cpu, c, i);
  if (i.op >= abi.OP_DEFER_MAY) return runDeferral(model, cpu, c, i);
  if (i.op < abi.OP_BCAST_SEND || i.op === abi.OP_BATCH_MARK) return runBatched(model, cpu, c, i);
  if (i.op < abi.OP_LATR_POST) return runBroadcast(model, cpu, c, i);
  if (i.op < abi.OP_CPU_OFFLINE) return runLatr(model, cpu, c, i);
  return runVcpu(model, cpu, c, i);
}

const isOfDevices = (op: number): boolean =>
  op >= abi.OP_DEVICES_FIRST && op <= abi.OP_DEVICES_LAST;

function runVisible(model: Model, actor: number, c: Context, i: Instruction): number {
  const from = c.pc;
  c.pc = from + 1;
  let status: number;
  if (isSubscriber(i.op)) status = runSubscribers(model, actor, c, i, from);
  else if (isPin(i.op)) status = runPins(model, actor, c, i, from);
  else if (i.op >= abi.OP_HOST_CALL) status = runHost(model, actor, c, i);
  else if (i.op === abi.OP_PTE_AWAIT) status = awaitMigration(model, c, i);
  else if (isOfDevices(i.op)) status = runDevices(model, actor, c, i);
  else if (isTopology(i.op)) status = runTopology(model, actor, c, i);
  else if (isTransport(i.op)) status = runTransport(model, actor, c, i);
  else if (i.op < abi.OP_VMA_FIND) status = runControl(model, actor, c, i);
  else if (i.op < abi.OP_GATHER_BEGIN) status = runMemory(model, actor, c, i);
  else if (i.op < abi.OP_FLUSH_PREP) status = runGather(model, actor, c, i);
  else if (i.op < abi.OP_RANGE_BEGIN) status = runFlush(model, actor, c, i);
  else if (i.op < abi.OP_CPU_ACCESS) status = runNotify(model, actor, c, i, from);
  else if (i.op < abi.OP_CSD_KIND) status = runCpu(model, actor, c, i);
  else status = runPolicy(model, actor, c, i);
  if (status !== abi.ST_OK) c.pc = from;
  return status;
}

/** Micro-ops that were executed, by code: what a run covered. */
export const executed = new Array<number>(abi.OP_COUNT).fill(0);

/** One micro-op; with merging, the local ones before and behind it too. */
function run(model: Model, actor: number, c: Context): number {
  const next = (): Instruction => instructionAt(model.code, c.pc);
  let moved = false;
  const runLocals = (): void => {
    while (isLocal(next().op)) {
      executed[next().op]++;
      c.pc = runLocal(model, c, next());
      moved = true;
      if (!model.merge) return;
    }
  };
  runLocals();
  if (moved && !model.merge) return abi.ST_OK;
  const i = next();
  const status = i.op === abi.OP_END ? finish(model, c) : runVisible(model, actor, c, i);
  // The step that was blocked took the local micro-ops before it.
  if (status !== abi.ST_OK) return moved ? abi.ST_OK : status;
  executed[i.op]++;
  if (i.op !== abi.OP_END && model.merge) runLocals();
  return abi.ST_OK;
}

/** A speculative walk of a watched page. */
function speculate(model: Model, actor: number, k: number): number {
  const page = model.watched[k];
  if (!page || !model.has(abi.OPT_SPECULATIVE_WALKS)) return abi.ST_IDLE;
  const cpu = model.cpus[actor];
  if (cpu) {
    if (cpu.loaded !== page.mm) return abi.ST_IDLE;
    if (lookUp(cpu.tlb, page.vpn, halfOf(cpu), model.bits)) return abi.ST_IDLE;
    const { changed } = cpuWalk(model, cpu, page.mm, page.vpn, false);
    return changed ? abi.ST_OK : abi.ST_IDLE;
  }
  const device = model.devices[actor - model.geometry.cpus];
  if (device.kind !== abi.DEV_SHARING || device.mm !== page.mm) return abi.ST_IDLE;
  if (lookUp(device.cache, page.vpn, 0, model.bits)) return abi.ST_IDLE;
  const { changed } = deviceWalk(model, device, page.vpn, false);
  return changed ? abi.ST_OK : abi.ST_IDLE;
}

/** One step of one actor. */
export function step(model: Model, actor: number, choice: number): number {
  const walks = model.watched.length;
  if (choice === 2 + 2 * walks) {
    const status = applyBroadcast(model, actor);
    return status === abi.ST_IDLE ? tick(model, actor) : status;
  }
  if (choice > 2 + 2 * walks) return preemptOrResume(model, actor);
  if (model.cpus[actor]?.preempted === true) return abi.ST_IDLE;
  if (choice >= 2 + walks) return interruptUnmasked(model, actor, choice - 2 - walks);
  if (choice >= 2) return speculate(model, actor, choice - 2);
  if (choice === 1) {
    if (!canInterrupt(model, actor)) return abi.ST_IDLE;
    const own = model.geometry.tasks + actor;
    return run(model, actor, start(model, own, model.handlerPc, null, null));
  }
  const context = model.contexts[currentContext(model, actor)];
  if (!context) return abi.ST_IDLE;
  if (!model.has(abi.OPT_DELAYED_IPI) && canInterrupt(model, actor)) return abi.ST_IDLE;
  return run(model, actor, context);
}

// ── before anything runs ────────────────────────────────────────────────────────────────────

export const setUp = {
  newMm: (model: Model): number => newMm(model, 0),
  setTask: setTaskMm,
  /** As if the CPU had just switched to the task. */
  place(model: Model, cpuIndex: number, task: number): void {
    const cpu = model.cpus[cpuIndex];
    const mm = model.taskMm[task]!;
    cpu.task = task;
    if (mm === null) {
      cpu.lazy = cpu.loaded !== "init";
    } else if (cpu.loaded === mm) {
      cpu.lazy = false;
      placeUser(model, cpu);
    } else {
      cpu.loaded = mm;
      cpu.lazy = false;
      model.mm(mm).cpumask.add(cpuIndex);
      if (model.asids) {
        const flush = takeAsid(model, cpu, model.mm(mm), 0);
        loadAsid(model, cpu, model.mm(mm).asid!.number, flush);
        return;
      }
      flushSlot(model, cpu, cpu.asid);
      placeUser(model, cpu);
      cpu.slots[cpu.asid] = { ctxId: model.mm(mm).ctxId, tlbGen: model.mm(mm).tlbGen };
    }
  },
  attach(model: Model, index: number, kind: number, mm: number, hooks: number[]): void {
    const device = model.devices[index];
    device.kind = kind;
    device.mm = mm;
    device.hooks = { start: hooks[0], end: hooks[1], secondary: hooks[2], release: hooks[3] ?? 0 };
    model.mm(mm).subscribers.unshift(index);
    const listener = model.subscribers?.listeners[index];
    if (listener) Object.assign(listener, { state: "linked", mm, users: 1 });
  },
  /** The device subscribes to [start, end); its callbacks are those. */
  listen(model: Model, index: number, mm: number, entries: number[], end: number): void {
    const all = model.subscribers!;
    all.listeners[index].entries = entries;
    if (entries[0] === 0) return;
    model.devices[index].mm = mm;
    all.mms[mm].enabled = true;
    if (end > 0) insert(all.mms[mm], index, 0n, BigInt(end) - 1n);
  },
  describe(model: Model, index: number, kind: number, hooks: number[]): void {
    model.devices[index].kind = kind;
    model.devices[index].hooks = {
      start: hooks[0],
      end: hooks[1],
      secondary: hooks[2],
      release: 0,
    };
  },
  map(model: Model, mm: number, start: number, end: number, prot: number): boolean {
    return vmaSet(model, model.mm(mm), BigInt(start), BigInt(end), BigInt(prot));
  },
};
