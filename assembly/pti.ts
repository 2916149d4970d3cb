/**
 * Page-table isolation (shootdown.md 1.2 and 1.5 E8): every ASID has a kernel and a user half, with
 * PCIDs of their own. User code runs in the user half, the kernel's accesses to user memory go
 * through the kernel half, so a page that both have used is cached twice.
 *
 *   per CPU   marks u64       slots whose user half is flushed before user code runs in it
 *             isUser u32      the user half is loaded
 *             suspect u32     a kernel page was flushed: only in the loaded ASID is that certain
 *   per task  inKernel u32    its CPU returns to the kernel, not to user mode
 *
 * Kernel pages are not global then: they are cached under whichever ASID is loaded. Their tags say
 * that they are kernel pages, because in this model both kinds may have the same numbers.
 * Invariant, part of `NoStaleAfterQuiesce`: what a user half holds of a slot that is as new as its
 * mm agrees with the page table, or the slot is marked.
 */
import * as abi from "../src/core/abi";
import { get32 } from "./atomics";
import { cacheDropAll, cacheDropAsid, cacheDropPages } from "./cache";
import { asidSlot, cost, cpuAt, ctxAt, ctxIndex, hdr, pwcAt, taskAt, tlbAt } from "./machine";
import { Cpu, Ctx, Task } from "./rows";

const MARKS: usize = 0;
const IS_USER: usize = 8;
const SUSPECT: usize = 12;

// @ts-ignore: decorator
@inline
export function hasPti(m: usize): bool {
  return (hdr(m, abi.H_OPTIONS) & abi.OPT_PTI) != 0;
}

// @ts-ignore: decorator
@inline
function rowOf(m: usize, cpu: u32): usize {
  return m + hdr(m, abi.H_OFF_PTI) + <usize>cpu * abi.PTI_BYTES;
}

/** inKernel of a task. */
// @ts-ignore: decorator
@inline
function placeOf(m: usize, task: u32): usize {
  return rowOf(m, hdr(m, abi.H_CPUS)) + ((<usize>task) << 2);
}

/** Tag of what this CPU caches of user pages: the half that is loaded. */
// @ts-ignore: decorator
@inline
export function halfOf(m: usize, cpu: u32, asid: u32): u32 {
  if (!hasPti(m)) return asid;
  return load<u32>(rowOf(m, cpu), IS_USER) != 0 ? asid | abi.ASID_USER : asid;
}

/** Tag of what it caches of kernel pages. */
// @ts-ignore: decorator
@inline
export function kernelHalf(m: usize, asid: u32): u32 {
  return hasPti(m) ? asid | abi.ASID_KERNEL : abi.ASID_EVERY;
}

/** The user half is flushed now, as an instruction that names its PCID does. */
export function dropUser(m: usize, cpu: u32, asid: u32): void {
  if (!hasPti(m)) return;
  const tag = asid | abi.ASID_USER;
  cacheDropAsid(tlbAt(m, cpu), hdr(m, abi.H_TLB_SETS) * hdr(m, abi.H_TLB_WAYS), tag);
  cacheDropAsid(pwcAt(m, cpu), hdr(m, abi.H_PWC_ENTRIES), tag);
  const marks = rowOf(m, cpu) + MARKS;
  store<u64>(marks, load<u64>(marks) & ~((<u64>1) << asid));
}

/** All of an ASID: kernel pages too, and the user half by the next CR3 write that loads it. */
export function flushHalves(m: usize, cpu: u32, asid: u32): void {
  if (!hasPti(m)) return;
  const tag = asid | abi.ASID_KERNEL;
  cacheDropAsid(tlbAt(m, cpu), hdr(m, abi.H_TLB_SETS) * hdr(m, abi.H_TLB_WAYS), tag);
  cacheDropAsid(pwcAt(m, cpu), hdr(m, abi.H_PWC_ENTRIES), tag);
  markUser(m, cpu, asid);
}

/** The user half is flushed by the next CR3 write that loads it. */
function markUser(m: usize, cpu: u32, asid: u32): void {
  const marks = rowOf(m, cpu) + MARKS;
  store<u64>(marks, load<u64>(marks) | ((<u64>1) << asid));
}

/**
 * A range of the user half: by address (INVPCID), unless the request leaves long ones to the exit.
 * What it costs, ns.
 */
// @ts-ignore: decorator
@inline
export function dropUserPages(
  m: usize, cpu: u32, asid: u32, start: u64, end: u64, bits: u32, flags: u32,
): u32 {
  return hasPti(m) ? dropUserRange(m, cpu, asid, start, end, bits, flags) : 0;
}

function dropUserRange(
  m: usize, cpu: u32, asid: u32, start: u64, end: u64, bits: u32, flags: u32,
): u32 {
  const pages = (end - start) >> bits;
  if ((flags & abi.INFO_USER_LATER) != 0 && pages > <u64>hdr(m, abi.H_PTI_PAGES)) {
    markUser(m, cpu, asid);
    return 0;
  }
  const tag = asid | abi.ASID_USER;
  cacheDropPages(tlbAt(m, cpu), hdr(m, abi.H_TLB_SETS), hdr(m, abi.H_TLB_WAYS),
    hdr(m, abi.H_INDEX_BITS), start, end, (<u64>1) << bits, tag, true);
  cacheDropAsid(pwcAt(m, cpu), hdr(m, abi.H_PWC_ENTRIES), tag);
  return cost(m, abi.COST_FLUSH_USER) * <u32>pages;
}

/** A CPU that is put on a task before anything runs: in user mode, with nothing cached there. */
export function placeUser(m: usize, cpu: u32): void {
  if (!hasPti(m)) return;
  dropUser(m, cpu, cpuAt(m, cpu).asid);
  store<u32>(rowOf(m, cpu), 1, IS_USER);
}

/** PTI_ENTER: system calls and faults run in their task's context, interrupts in their CPU's. */
export function ptiEnter(m: usize, cpu: u32, ctx: Ctx): void {
  store<u32>(rowOf(m, cpu), 0, IS_USER);
  const index = ctxIndex(m, ctx);
  if (index < hdr(m, abi.H_TASKS)) store<u32>(placeOf(m, index), 1);
}

/**
 * PTI_EXIT: the task that runs here goes on in user mode, if that is where it came from. Loading
 * the user half and flushing it are one CR3 write, unless `how` says otherwise.
 */
export function ptiExit<F>(m: usize, cpu: u32, ctx: Ctx, how: u32): void {
  const row = cpuAt(m, cpu);
  if (row.task == 0) return;
  const task = row.task - 1;
  // A thread without an mm has no user mode.
  if (get32<F>(changetype<usize>(taskAt(m, task)) + offsetof<Task>("mm")) == 0) return;
  const place = placeOf(m, task);
  if (ctxIndex(m, ctx) == task) store<u32>(place, 0);
  if (load<u32>(place) != 0) return;
  if ((how & abi.PTI_LOAD) != 0) store<u32>(rowOf(m, cpu), 1, IS_USER);
  const asid = row.asid;
  const isMarked = ((load<u64>(rowOf(m, cpu), MARKS) >> asid) & 1) != 0;
  if ((how & abi.PTI_FLUSH) != 0 && isMarked) dropUser(m, cpu, asid);
}

/** A thread that gets an mm while it does not run begins in user mode. */
export function bornInUser(m: usize, task: u32): void {
  if (hasPti(m) && ctxAt(m, task).running == 0) store<u32>(placeOf(m, task), 0);
}

/** Before an ASID is chosen: after a flush of kernel pages only the loaded one can be trusted. */
export function distrustOthers(m: usize, cpu: u32, row: Cpu): void {
  if (!hasPti(m)) return;
  const suspect = rowOf(m, cpu) + SUSPECT;
  if (load<u32>(suspect) == 0) return;
  store<u32>(suspect, 0);
  for (let i: u32 = 0; i < hdr(m, abi.H_ASIDS); i++) {
    if (i != row.asid) store<u64>(asidSlot(row, i), 0);
  }
}

/** Kernel pages [start, end) on one CPU; all-ones: everything there is. */
export function dropKernelPages(
  m: usize, cpu: u32, row: Cpu, start: u64, end: u64, flags: u32,
): void {
  const entries = hdr(m, abi.H_TLB_SETS) * hdr(m, abi.H_TLB_WAYS);
  if ((flags & abi.INFO_FULL) != 0) {
    cacheDropAll(tlbAt(m, cpu), entries);
    cacheDropAll(pwcAt(m, cpu), hdr(m, abi.H_PWC_ENTRIES));
    return;
  }
  const tag = kernelHalf(m, row.asid);
  cacheDropPages(tlbAt(m, cpu), hdr(m, abi.H_TLB_SETS), hdr(m, abi.H_TLB_WAYS),
    hdr(m, abi.H_INDEX_BITS), start, end, 1, tag, true);
  cacheDropAsid(pwcAt(m, cpu), hdr(m, abi.H_PWC_ENTRIES), tag);
  if (hasPti(m) && (flags & abi.INFO_TRUST) == 0) store<u32>(rowOf(m, cpu), 1, SUSPECT);
}
