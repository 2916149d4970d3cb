/**
 * Exports of the core. Rules of the boundary (see docs/decisions): no i64 in a signature (times and
 * page numbers cross as f64, exact up to 2^53), results are values >= 0 or negative statuses, every
 * function takes the machine's base, and the module owns no state at all.
 */
import * as abi from "../src/core/abi";
import { asidsInit, hasAsids, loadAsid, takeAsid } from "./asid";
import { get32, Plain, Shared } from "./atomics";
import { applyBroadcast, awaitsBroadcast } from "./broadcast";
import { flushSlot } from "./flush";
import { hashBytes } from "./hash";
import { jobPush, jobsLeft, jobSlot, startJob } from "./jobs";
import { newMm, setTaskMm, subscribe } from "./lifecycle";
import {
  asidSlot, clockAt, cpuAt, cpuCtxAt, hdr, maskAt, mmAt,
} from "./machine";
import { maskSet } from "./mask";
import { leafPlace } from "./page-table";
import { deferInit } from "./deferral";
import { initPools } from "./pools";
import { placeUser } from "./pti";
import { NOT_QUEUED } from "./queue";
import { DeviceMore } from "./devices/rows";
import { Clock, Cpu, Ctx, Device, Entry, Frame, Mm, Sys, Table, Task, Vma } from "./rows";
import { canInterrupt, currentCtx, startActor, step } from "./step";
import { insertNow } from "./subscribers/intervals";
import { initPins, setCallback } from "./pins/rows";
import { beginLinked, initSubscribers, setEntry } from "./subscribers/rows";
import { awaitsTick, tick } from "./ticks";
import { arm, timedArm, timedInit, timedRun } from "./timed";
import {
  vmaCount, vmaEnd, vmaFind, vmaInit, vmaNext, vmaProt, vmaRestore, vmaSave, vmaSet, vmaStart,
} from "./vma";
import { softWalk } from "./walk";

export * from "./explore";
export { hostAccess, hostWake } from "./host";

/** Links the pools; the host has zeroed the block and written its header. */
export function machineInit(m: usize): i32 {
  initPools(m);
  deferInit(m);
  asidsInit(m);
  initSubscribers(m);
  initPins(m);
  for (let mm: u32 = 0; mm < hdr(m, abi.H_MMS); mm++) vmaInit(m, mm);
  if (hdr(m, abi.H_OFF_HEAP) != 0) timedInit(m);
  for (let i: u32 = 0; i < hdr(m, abi.H_CPUS); i++) {
    const cpu = cpuAt(m, i);
    cpu.online = 1;
    maskSet<Plain>(m + hdr(m, abi.H_OFF_EVERY), i);
    // A CPU comes up on init_mm in slot 0; the next mm takes slot 1.
    store<u32>(asidSlot(cpu, 0), abi.INIT_CTX_ID);
    cpu.nextAsid = hdr(m, abi.H_ASIDS) > 1 ? 1 : 0;
  }
  return abi.ST_OK;
}

/** A fresh mm; its index + 1, or a negative status. */
export function machineNewMm(m: usize): i32 {
  return newMm<Plain>(m, 0);
}

/** Task `task` becomes a thread of mm `mm` (index + 1). */
export function machineSetTask(m: usize, task: u32, mm: u32): void {
  setTaskMm<Plain>(m, task, mm);
}

/** CPU `cpu` runs task `task` with mm `mm` (index + 1; 0: a kernel thread), as if just switched. */
export function machineRunTask(m: usize, cpu: u32, task: u32, mm: u32): void {
  const row = cpuAt(m, cpu);
  row.task = task + 1;
  if (mm == 0) {
    row.lazy = row.loadedMm != 0 ? 1 : 0;
    return;
  }
  placeUser(m, cpu);
  if (row.loadedMm == mm) {
    row.lazy = 0;
    return;
  }
  row.loadedMm = mm;
  row.lazy = 0;
  maskSet<Plain>(maskAt(m, mm - 1), cpu);
  if (hasAsids(m)) {
    const ctx = cpuCtxAt(m, cpu);
    takeAsid<Plain>(m, cpu, ctx, mm - 1, 0);
    if (loadAsid(m, cpu, row, ctx)) flushSlot(m, cpu, row.asid);
    ctx.flag = 0;
    ctx.r11 = 0;
    clockAt(m, cpu).charge = 0;
    return;
  }
  const slot = asidSlot(row, row.asid);
  flushSlot(m, cpu, row.asid);
  placeUser(m, cpu);
  store<u32>(slot, mmAt(m, mm - 1).ctxId);
  store<u32>(slot, mmAt(m, mm - 1).tlbGen, 4);
}

/** The leaf entry of `vpn`, PROT_NONE ones included: pfn << PTE_SHIFT | PTE_*, or 0. */
export function machineEntry(m: usize, mm: u32, vpn: f64): f64 {
  const p = leafPlace<Plain>(m, mm, <u64>vpn);
  return p == 0 ? 0 : <f64>load<u64>(p);
}

export function machineSubscribe(m: usize, dev: u32, mm: u32): void {
  subscribe(m, dev, mm);
  beginLinked(m, dev);
}

/**
 * Entry `entry` of a device's callbacks (assembly/subscribers/rows.ts) is at `pc`; ROW_NOTIFIERS.
 */
export function machineSetCallback(m: usize, dev: u32, entry: u32, pc: u32): void {
  setEntry(m, dev, entry, pc);
}

/** The device's dma_unmap is the program at `pc`; ROW_PINS. */
export function machineSetDmaUnmap(m: usize, dev: u32, pc: u32): void {
  setCallback(m, dev, pc);
}

/** A device of mm `mm` (index + 1) has subscribed to pages [start, end). False: no room. */
export function machineInsert(m: usize, dev: u32, mm: u32, start: f64, end: f64): bool {
  return insertNow(m, dev, mm, <u64>start, <u64>end);
}

/** Maps [start, end) of mm `mm` (index) as a VMA. */
export function machineVmaSet(m: usize, mm: u32, start: f64, end: f64, prot: u32): i32 {
  return vmaSet(m, mm, <u64>start, <u64>end, prot) ? abi.ST_OK : abi.ST_NO_VMAS;
}

/** Protection of a page, 0 if unmapped. */
export function machineVmaFind(m: usize, mm: u32, vpn: f64): u32 {
  return <u32>vmaFind(m, mm, <u64>vpn);
}

/** The first VMA that ends after `vpn`: start, end, protection, f64 each, to `out`. False: none. */
export function machineVmaNext(m: usize, mm: u32, vpn: f64, out: usize): bool {
  const p = vmaNext(m, mm, <u64>vpn);
  if (p == 0) return false;
  store<f64>(out, <f64>vmaStart(m, mm, p));
  store<f64>(out, <f64>vmaEnd(m, mm, p), 8);
  store<f64>(out, <f64>vmaProt(p), 16);
  return true;
}

/** How many VMAs an mm has. */
export function machineVmaCount(m: usize, mm: u32): u32 {
  return vmaCount(m, mm);
}

/** Before the explored bytes are read. */
export function machineSave(m: usize): void {
  vmaSave(m);
}

/** After they were written. */
export function machineRestore(m: usize): void {
  vmaRestore(m);
}

/** The page-table entry of `vpn` as pfn * 32 + flags (flags: PTE_*), 0 if none. */
export function machineWalk(m: usize, mm: u32, vpn: f64): f64 {
  const pte = softWalk<Plain>(m, mm, <u64>vpn);
  return pte == 0 ? 0 : <f64>((pte >> abi.PTE_SHIFT) * 32 + (pte & 31));
}

/** Starts program `pc` on an actor's current context. */
export function machineStart(m: usize, actor: u32, pc: u32): i32 {
  return startActor(m, actor, pc);
}

/** One step of the plain form. */
export function machineStep(m: usize, actor: u32, choice: u32): i32 {
  return step<Plain>(m, actor, choice);
}

/** Is the actor in the middle of a program? */
export function machineBusy(m: usize, actor: u32): i32 {
  return currentCtx(m, actor).running;
}

/** Could the actor take a pending interrupt now? */
export function machineInterruptible(m: usize, actor: u32): i32 {
  return actor < hdr(m, abi.H_CPUS) && canInterrupt<Plain>(m, actor) ? 1 : 0;
}

/** Where the host writes the actor's next job, 0 when its ring is full. */
export function jobNext(m: usize, actor: u32): usize {
  return jobSlot<Plain>(m, actor);
}

/** Publishes that job; the timed driver will see it. */
export function jobCommit(m: usize, actor: u32): void {
  jobPush<Plain>(m, actor);
  // Who has a place in the run queue keeps it: the job comes after what that place is for, and an
  // actor that was woken must not go on before the time it was woken for.
  if (hdr(m, abi.H_OFF_HEAP) != 0 && clockAt(m, actor).queuedAt == NOT_QUEUED) arm(m, actor);
}

export function jobCount(m: usize, actor: u32): u32 {
  return jobsLeft<Plain>(m, actor);
}

export function timedRearm(m: usize): void {
  timedArm(m);
}

/** `stop`: the actor whose last job ends it, or -1. */
export function timedAdvance(m: usize, until: f64, budget: u32, stop: i32): i32 {
  return timedRun(m, until >= 9007199254740991.0 ? (<u64>1 << 53) - 1 : <u64>until, budget, stop);
}

/**
 * Steps the CPUs [first, last] on one worker thread, round robin, in the shared form: at most
 * `budget` steps, or until nobody could move `patience` times in a row. Returns steps taken, or a
 * negative status.
 */
export function parallelRun(
  m: usize, first: u32, last: u32, budget: u32, patience: u32,
): i32 {
  let steps: u32 = 0;
  let idle: u32 = 0;
  while (steps < budget && idle < patience) {
    let moved = false;
    for (let actor = first; actor <= last; actor++) {
      let status = abi.ST_IDLE;
      if (applyBroadcast<Shared>(m, actor) == abi.ST_OK) moved = true;
      if (tick<Shared>(m, actor) == abi.ST_OK) moved = true;
      if (canInterrupt<Shared>(m, actor)) status = step<Shared>(m, actor, 1);
      else if (currentCtx(m, actor).running != 0) status = step<Shared>(m, actor, 0);
      else if (jobsLeft<Shared>(m, actor) != 0) status = startJob<Shared>(m, actor);
      if (status < 0) return status;
      if (status == abi.ST_OK) {
        steps++;
        moved = true;
      }
    }
    idle = moved ? 0 : idle + 1;
  }
  return <i32>steps;
}

/**
 * How many of the CPUs [first, last] have something to do: a program, a job, an interrupt, or a
 * call queue that nobody has taken yet.
 */
export function parallelLeft(m: usize, first: u32, last: u32): i32 {
  let left = 0;
  for (let cpu = first; cpu <= last; cpu++) {
    const row = changetype<usize>(cpuAt(m, cpu));
    if (currentCtx(m, cpu).running != 0 || jobsLeft<Shared>(m, cpu) != 0 ||
        get32<Shared>(row + offsetof<Cpu>("ipiPending")) != 0 || awaitsBroadcast(m, cpu) ||
        awaitsTick(m, cpu) ||
        get32<Shared>(row + offsetof<Cpu>("queue")) != 0) left++;
  }
  return left;
}

/** Fingerprint of the explored state, as a u64 at `out`. */
export function stateHash(m: usize, out: usize): void {
  vmaSave(m);
  store<u64>(out, hashBytes(m + hdr(m, abi.H_STATE_START), m + hdr(m, abi.H_STATE_END), 0));
}

/** Version of programs and layouts this core was built with. */
export function abiVersion(): u32 {
  return abi.ABI_VERSION;
}

/** Size of row `kind` (0 Sys, 1 Ctx, 2 Cpu, 3 Mm, 4 Task, 5 Device, 6 Frame, 7 Table, …). */
export function rowSize(kind: i32): u32 {
  switch (kind) {
    case 0: return <u32>offsetof<Sys>();
    case 1: return <u32>offsetof<Ctx>();
    case 2: return <u32>offsetof<Cpu>();
    case 3: return <u32>offsetof<Mm>();
    case 4: return <u32>offsetof<Task>();
    case 5: return <u32>offsetof<Device>();
    case 6: return <u32>offsetof<Frame>();
    case 7: return <u32>offsetof<Table>();
    case 8: return <u32>offsetof<Vma>();
    case 9: return <u32>offsetof<Entry>();
    case 10: return <u32>offsetof<Clock>();
    case 11: return <u32>offsetof<DeviceMore>();
    default: return 0;
  }
}

export * from "./interval-tree/exports";
export * from "./interval-tree/batch";
export * from "./pinned-pages/exports";
export * from "./iotlb/exports";
export * from "./notifiers/exports";
