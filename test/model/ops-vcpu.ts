/** CPUs that a hypervisor preempts and resumes (shootdown P22), and CPUs that go offline (1.4). */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { dropUser } from "./ops-arch.js";
import { requestMask } from "./ops-batched.js";
import { flushSlot, leave } from "./ops-flush.js";
import type { Context, Cpu, Model } from "./state.js";

/** The hypervisor's turn on a CPU. */
export function preemptOrResume(model: Model, actor: number): number {
  const cpu = model.cpus[actor];
  if (!cpu || !model.has(abi.OPT_PREEMPT)) return abi.ST_IDLE;
  if (cpu.preempted && cpu.flushOnResume && !model.has(abi.OPT_PV_LOST)) {
    cpu.slots.forEach((_, asid) => {
      flushSlot(model, cpu, asid);
      dropUser(cpu, asid);
    });
  }
  cpu.preempted = !cpu.preempted;
  cpu.flushOnResume = false;
  return abi.ST_OK;
}

function goOffline(model: Model, cpu: Cpu): void {
  cpu.online = false;
  if (typeof cpu.loaded !== "number") return;
  model.mm(cpu.loaded).cpumask.delete(cpu.index);
  leave(model, cpu);
}

/** Which targets are preempted; one bit each. */
function note(model: Model, cpu: Cpu, c: Context): number {
  if (!cpu.info) return abi.ST_BAD_PROGRAM;
  const mask = requestMask(model, cpu, cpu.info);
  const noted = model.cpus.filter((o) => o !== cpu && mask.has(o.index) && o.preempted);
  c.seq = noted.reduce((bits, { index }) => bits | (1 << index), 0);
  return abi.ST_OK;
}

/** CPU_OFFLINE, PV_NOTE and PV_FLAG. */
export function runVcpu(model: Model, cpu: Cpu, c: Context, i: Instruction): number {
  if (i.op === abi.OP_PV_NOTE) return note(model, cpu, c);
  if (i.op === abi.OP_CPU_OFFLINE) {
    goOffline(model, cpu);
    return abi.ST_OK;
  }
  for (const other of model.cpus) {
    const noted = ((c.seq >> other.index) & 1) !== 0;
    if (noted && other.preempted) other.flushOnResume = true;
  }
  c.seq = 0;
  return abi.ST_OK;
}
