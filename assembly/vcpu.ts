/**
 * CPUs of a virtual machine (shootdown.md P22): a hypervisor preempts and resumes them at any time,
 * a named assumption of explored machines. A preempted CPU does nothing, so whoever waits for it
 * waits until it is resumed. A paravirtual flush does not wait: it leaves a mark, and the
 * hypervisor flushes everything before the CPU goes on.
 */
import * as abi from "../src/core/abi";
import { get32, or32, put32 } from "./atomics";
import { flushSlot } from "./flush";
import { hdr } from "./machine";
import { maskHas } from "./mask";
import { dropUser } from "./pti";
import { Ctx } from "./rows";

// @ts-ignore: decorator
@inline
function vcpuAt(m: usize, cpu: u32): usize {
  return m + hdr(m, abi.H_OFF_VCPU) + ((<usize>cpu) << 2);
}

// @ts-ignore: decorator
@inline
function can(m: usize, option: u32): bool {
  return (hdr(m, abi.H_OPTIONS) & option) != 0;
}

/** May this actor take a step? */
// @ts-ignore: decorator
@inline
export function isPreempted(m: usize, actor: u32): bool {
  if (!can(m, abi.OPT_PREEMPT) || actor >= hdr(m, abi.H_CPUS)) return false;
  return load<u32>(vcpuAt(m, actor)) != 0;
}

/** The hypervisor's turn: a running CPU is preempted, a preempted one resumed. */
export function preemptOrResume(m: usize, cpu: u32): i32 {
  if (!can(m, abi.OPT_PREEMPT) || cpu >= hdr(m, abi.H_CPUS)) return abi.ST_IDLE;
  const state = load<u32>(vcpuAt(m, cpu));
  if ((state & abi.VCPU_PREEMPTED) == 0) {
    // A mark that was left too late stays, and is of no use.
    store<u32>(vcpuAt(m, cpu), abi.VCPU_PREEMPTED);
    return abi.ST_OK;
  }
  if ((state & abi.VCPU_FLUSH) != 0 && !can(m, abi.OPT_PV_LOST)) {
    for (let slot: u32 = 0; slot < hdr(m, abi.H_ASIDS); slot++) {
      flushSlot(m, cpu, slot);
      dropUser(m, cpu, slot);
    }
  }
  store<u32>(vcpuAt(m, cpu), 0);
  return abi.ST_OK;
}

/** kvm_flush_tlb_multi: need this target not be told, because it is marked instead? */
export function marked<F>(m: usize, ctx: Ctx, target: u32): bool {
  if (!can(m, abi.OPT_PREEMPT)) return false;
  if (can(m, abi.OPT_PV_BLIND)) return ((ctx.seq >> target) & 1) != 0;
  if (!can(m, abi.OPT_PV_FLUSH) || get32<F>(vcpuAt(m, target)) == 0) return false;
  or32<F>(vcpuAt(m, target), abi.VCPU_FLUSH);
  return true;
}

/** PV_NOTE */
export function notePreempted<F>(m: usize, self: u32, ctx: Ctx, mask: usize): void {
  ctx.seq = 0;
  const n = min<u32>(32, hdr(m, abi.H_CPUS));
  for (let i: u32 = 0; i < n; i++) {
    if (i != self && maskHas<F>(mask, i) && isPreempted(m, i)) ctx.seq |= 1 << i;
  }
}

/** PV_FLAG */
export function flagNoted<F>(m: usize, ctx: Ctx): void {
  const n = min<u32>(32, hdr(m, abi.H_CPUS));
  for (let i: u32 = 0; i < n; i++) {
    if (((ctx.seq >> i) & 1) == 0) continue;
    // Left to a CPU that runs again, it is lost.
    const state = get32<F>(vcpuAt(m, i));
    if (state != 0) put32<F>(vcpuAt(m, i), state | abi.VCPU_FLUSH);
  }
  ctx.seq = 0;
}
