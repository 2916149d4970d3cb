/**
 * Where the rows of a machine are: address arithmetic over its header, nothing else.
 *
 * A machine is one block of memory at `m`: header (written once by the host), explored state,
 * code, costs, counters, clocks, heap, jobs, log. Each `*At` is one load and one multiply.
 */
import * as abi from "../src/core/abi";
import { Clock, Cpu, Ctx, Device, Entry, Frame, Mm, Sys, Table, Task, Vma } from "./rows";

// @ts-ignore: decorator
@inline
export function hdr(m: usize, word: i32): u32 {
  return load<u32>(m + ((<usize>word) << 2));
}

// @ts-ignore: decorator
@inline
export function setHdr(m: usize, word: i32, value: u32): void {
  store<u32>(m + ((<usize>word) << 2), value);
}

// @ts-ignore: decorator
@inline
export function sysAt(m: usize): Sys {
  return changetype<Sys>(m + hdr(m, abi.H_OFF_SYS));
}

// @ts-ignore: decorator
@inline
export function ctxAt(m: usize, i: u32): Ctx {
  return changetype<Ctx>(m + hdr(m, abi.H_OFF_CTX) + i * offsetof<Ctx>());
}

// @ts-ignore: decorator
@inline
export function ctxIndex(m: usize, ctx: Ctx): u32 {
  return <u32>((changetype<usize>(ctx) - m - hdr(m, abi.H_OFF_CTX)) / offsetof<Ctx>());
}

/** The context in which a CPU takes interrupts and switches tasks. */
// @ts-ignore: decorator
@inline
export function cpuCtxAt(m: usize, cpu: u32): Ctx {
  return ctxAt(m, hdr(m, abi.H_TASKS) + cpu);
}

// @ts-ignore: decorator
@inline
export function devCtxAt(m: usize, dev: u32): Ctx {
  return ctxAt(m, hdr(m, abi.H_TASKS) + hdr(m, abi.H_CPUS) + dev);
}

// @ts-ignore: decorator
@inline
export function cpuAt(m: usize, i: u32): Cpu {
  return changetype<Cpu>(m + hdr(m, abi.H_OFF_CPU) + i * hdr(m, abi.H_CPU_STRIDE));
}

/** ASID slot `slot` of a CPU: {ctxId u32, tlbGen u32}. */
// @ts-ignore: decorator
@inline
export function asidSlot(cpu: Cpu, slot: u32): usize {
  return changetype<usize>(cpu) + offsetof<Cpu>() + (slot << 3);
}

/** The CPUs whose queue was empty when this initiator queued its csd: they need the interrupt. */
// @ts-ignore: decorator
@inline
export function ipiSet(m: usize, cpu: Cpu): usize {
  return changetype<usize>(cpu) + offsetof<Cpu>() + (hdr(m, abi.H_ASIDS) << 3);
}

// @ts-ignore: decorator
@inline
export function taskAt(m: usize, i: u32): Task {
  return changetype<Task>(m + hdr(m, abi.H_OFF_TASK) + i * offsetof<Task>());
}

// @ts-ignore: decorator
@inline
export function mmAt(m: usize, i: u32): Mm {
  return changetype<Mm>(m + hdr(m, abi.H_OFF_MM) + i * offsetof<Mm>());
}

/** Words of mm `i`'s cpumask. */
// @ts-ignore: decorator
@inline
export function maskAt(m: usize, i: u32): usize {
  return m + hdr(m, abi.H_OFF_MASK) + ((i * hdr(m, abi.H_MASK_WORDS)) << 2);
}

// @ts-ignore: decorator
@inline
export function deviceAt(m: usize, i: u32): Device {
  return changetype<Device>(m + hdr(m, abi.H_OFF_DEV) + i * offsetof<Device>());
}

// @ts-ignore: decorator
@inline
export function frameAt(m: usize, pfn: u32): Frame {
  return changetype<Frame>(m + hdr(m, abi.H_OFF_FRAME) + (<usize>pfn) * offsetof<Frame>());
}

// @ts-ignore: decorator
@inline
export function tableAt(m: usize, id: u32): Table {
  return changetype<Table>(
    m + hdr(m, abi.H_OFF_TABLE) + (<usize>id) * hdr(m, abi.H_TABLE_STRIDE),
  );
}

// @ts-ignore: decorator
@inline
export function entryAt(t: Table, index: u32): usize {
  return changetype<usize>(t) + offsetof<Table>() + (index << 3);
}

/** First VMA row of mm `i`. */
// @ts-ignore: decorator
@inline
export function vmasAt(m: usize, i: u32): usize {
  return m + hdr(m, abi.H_OFF_VMA) + (<usize>(i * hdr(m, abi.H_VMAS))) * offsetof<Vma>();
}

/** Slots of context `i`'s gather batch: pfn u32 each. Only tasks gather. */
// @ts-ignore: decorator
@inline
export function batchAt(m: usize, i: u32): usize {
  return m + hdr(m, abi.H_OFF_BATCH) + (((<usize>i) * hdr(m, abi.H_GATHER_PAGES)) << 2);
}

/** csd of (initiator, target): see call-queue.ts. */
// @ts-ignore: decorator
@inline
export function csdAt(m: usize, id: u32): usize {
  return m + hdr(m, abi.H_OFF_CSD) + <usize>id * hdr(m, abi.H_CSD_STRIDE);
}

/** First TLB entry of a CPU. */
// @ts-ignore: decorator
@inline
export function tlbAt(m: usize, cpu: u32): usize {
  return m + hdr(m, abi.H_OFF_TLB) + <usize>cpu * hdr(m, abi.H_TLB_STRIDE);
}

/** First paging-structure entry of an actor (CPUs, then devices). */
// @ts-ignore: decorator
@inline
export function pwcAt(m: usize, actor: u32): usize {
  return m + hdr(m, abi.H_OFF_PWC) +
    (<usize>(actor * hdr(m, abi.H_PWC_ENTRIES))) * offsetof<Entry>();
}

// @ts-ignore: decorator
@inline
export function iotlbAt(m: usize, dev: u32): usize {
  const entries = hdr(m, abi.H_IOTLB_SETS) * hdr(m, abi.H_IOTLB_WAYS);
  return m + hdr(m, abi.H_OFF_IOTLB) + (<usize>(dev * entries)) * offsetof<Entry>();
}

// @ts-ignore: decorator
@inline
export function cost(m: usize, index: u32): u32 {
  return load<u32>(m + hdr(m, abi.H_OFF_COST) + (index << 2));
}

/** The counters of an actor: its own row, never shared, so never atomic. */
// @ts-ignore: decorator
@inline
export function countersAt(m: usize, actor: u32): usize {
  return m + hdr(m, abi.H_OFF_COUNTER) + ((actor * abi.CT_WORDS) << 3);
}

/** Adds to a counter of the row at `counters`. */
// @ts-ignore: decorator
@inline
export function bump(counters: usize, counter: i32, by: u64): void {
  const p = counters + ((<usize>counter) << 3);
  store<u64>(p, load<u64>(p) + by);
}

// @ts-ignore: decorator
@inline
export function count(m: usize, actor: u32, counter: i32, by: u64): void {
  bump(countersAt(m, actor), counter, by);
}

/** This actor's clock row. Outside the explored state. */
// @ts-ignore: decorator
@inline
export function clockAt(m: usize, actor: u32): Clock {
  return changetype<Clock>(m + hdr(m, abi.H_OFF_CLOCK) + actor * offsetof<Clock>());
}
