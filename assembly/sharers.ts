/**
 * Tables that every node (OPT_REPLICAS) or every CPU (OPT_CORE_TABLES) has copies of, and who has
 * copied what: two masks {tracked, copied} of nodes for each table, or of CPUs for each of its
 * entries. `copied` is what its own walks find there, `tracked` is who is told when it changes.
 *
 * Copies are not kept apart: the one table stands for all, and a node without a copy of it finds
 * nothing there. Their kernels change every copy before they ask for the flush, so what a stale
 * copy could do is what a stale TLB entry does.
 * Invariant `SharersCoverCachers`: whoever caches a translation is tracked where it came from.
 */
import * as abi from "../src/core/abi";
import { cpuAt, hdr } from "./machine";
import { maskHas, maskSet, maskUnset } from "./mask";

/** Is it known who may hold a translation? */
// @ts-ignore: decorator
@inline
export function tracksSharers(m: usize): bool {
  return (hdr(m, abi.H_OPTIONS) & (abi.OPT_REPLICAS | abi.OPT_CORE_TABLES)) != 0;
}

// @ts-ignore: decorator
@inline
export function hasCoreTables(m: usize): bool {
  return (hdr(m, abi.H_OPTIONS) & abi.OPT_CORE_TABLES) != 0;
}

/** The bit of a CPU: its own, or its node's. */
// @ts-ignore: decorator
@inline
export function unitOf(m: usize, cpu: u32): u32 {
  return hasCoreTables(m) ? cpu : cpu / hdr(m, abi.H_NODE_CPUS);
}

/** How many bits are in use. */
export function unitsOf(m: usize): u32 {
  return unitOf(m, hdr(m, abi.H_CPUS) - 1) + 1;
}

// @ts-ignore: decorator
@inline
export function maskBytes(m: usize): usize {
  return (<usize>hdr(m, abi.H_MASK_WORDS)) << 2;
}

/** Mask of those who are told of entry `index` of table `id`. */
export function trackedAt(m: usize, id: u32, index: u32): usize {
  const base = m + hdr(m, abi.H_OFF_SHARERS) + <usize>id * hdr(m, abi.H_SHARER_STRIDE);
  return hasCoreTables(m) ? base + <usize>index * 2 * maskBytes(m) : base;
}

/** Those whom this CPU's request is for, in the same bits. */
// @ts-ignore: decorator
@inline
export function toldAt(m: usize, cpu: u32): usize {
  return m + hdr(m, abi.H_OFF_TOLD) + <usize>cpu * maskBytes(m);
}

/**
 * May a walk of `actor` use entry `index` of table `id`, which points to table `next` (id + 1; 0:
 * it is a leaf)? Devices walk the first copy.
 */
// @ts-ignore: decorator
@inline
export function mayUse<F>(m: usize, actor: u32, id: u32, index: u32, next: u32): bool {
  return !tracksSharers(m) || hasCopied<F>(m, actor, id, index, next);
}

function hasCopied<F>(m: usize, actor: u32, id: u32, index: u32, next: u32): bool {
  if (actor >= hdr(m, abi.H_CPUS)) return true;
  if (hasCoreTables(m)) return maskHas<F>(trackedAt(m, id, index) + maskBytes(m), actor);
  const copied = trackedAt(m, next == 0 ? id : next - 1, 0) + maskBytes(m);
  return maskHas<F>(copied, unitOf(m, actor));
}

/** Is `target` among those whom the request of CPU `self` is for? A batch is for everybody. */
// @ts-ignore: decorator
@inline
export function isTold<F>(m: usize, self: u32, target: u32): bool {
  return !tracksSharers(m) || cpuAt(m, self).infoMm == abi.INFO_ANY_MM ||
    maskHas<F>(toldAt(m, self), unitOf(m, target));
}

/** The request is over. */
export function forgetTold(m: usize, self: u32): void {
  if (tracksSharers(m)) memory.fill(toldAt(m, self), 0, maskBytes(m));
}

/** A table is freed: nobody has a copy of it. */
// @ts-ignore: decorator
@inline
export function forgetSharers(m: usize, id: u32): void {
  const stride = hdr(m, abi.H_SHARER_STRIDE);
  if (stride != 0) memory.fill(m + hdr(m, abi.H_OFF_SHARERS) + <usize>id * stride, 0, stride);
}

/** Entry `index` of table `upper` becomes table `id`: who had copied the one has the other. */
export function inheritSharers(m: usize, upper: u32, index: u32, id: u32): void {
  if (!tracksSharers(m)) return;
  const both = maskBytes(m) * 2;
  const from = trackedAt(m, upper, index);
  const n: u32 = hasCoreTables(m) ? 1 << hdr(m, abi.H_INDEX_BITS) : 1;
  for (let i: u32 = 0; i < n; i++) memory.copy(trackedAt(m, id, i), from, both);
}

/** The CPU's own tables drop an entry, when it flushes for it. */
export function leaveEntry<F>(m: usize, cpu: u32, id: u32, index: u32): void {
  const tracked = trackedAt(m, id, index);
  maskUnset<F>(tracked + maskBytes(m), cpu);
  maskUnset<F>(tracked, cpu);
}

/** SHARER_*: the bit of `cpu` in one of the masks; SHARER_ALONE: it replaces all others. */
export function joinEntry<F>(m: usize, cpu: u32, id: u32, index: u32, how: u32): void {
  const tracked = trackedAt(m, id, index);
  const unit = unitOf(m, cpu);
  if ((how & abi.SHARER_ALONE) != 0) memory.fill(tracked, 0, maskBytes(m));
  maskSet<F>((how & abi.SHARER_COPY) != 0 ? tracked + maskBytes(m) : tracked, unit);
}
