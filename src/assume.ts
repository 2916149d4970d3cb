/** What may be assumed of address spaces and CPUs that were there before the simulation. */
import * as abi from "./core/abi.js";
import type { Core } from "./core/core.js";
import { CPU, MM } from "./core/layout.js";

/** See {@link Machine.assumeOld}. */
export function old(core: Core, mm: number): void {
  const words = core.header[abi.H_MASK_WORDS];
  const mask = core.at(abi.H_OFF_MASK) + mm * words * 4;
  for (let cpu = 0; cpu < core.geometry.cpus; cpu++) {
    core.u32[(mask >> 2) + (cpu >> 5)] |= 1 << (cpu & 31);
  }
  core.write(MM, core.mm(mm), "trimAtMs", 0);
}

/** See {@link Machine.assumeSlot}. */
export function slot(core: Core, cpu: number, mm: number): void {
  const id = core.read(MM, core.mm(mm), "ctxId");
  // In one space for all CPUs it gets an ASID when it runs first, wherever that is.
  if ((core.header[abi.H_ROWS] & abi.ROW_ASIDS) !== 0) return;
  const slots = (core.cpu(cpu) + CPU.size) >> 2;
  for (let at = core.geometry.asids - 1; at >= 0; at--) {
    if (core.u32[slots + at * 2] !== 0) continue;
    core.u32[slots + at * 2] = id;
    core.u32[slots + at * 2 + 1] = core.read(MM, core.mm(mm), "tlbGen");
    return;
  }
}

/** See {@link Machine.assumeUsed}. */
export function used(core: Core, cpu: number): void {
  const slots = (core.cpu(cpu) + CPU.size) >> 2;
  for (let at = 0; at < core.geometry.asids; at++) {
    if (core.u32[slots + at * 2] === abi.INIT_CTX_ID) core.u32[slots + at * 2] = 0;
  }
}
