/** Machines with devices of the host, for the tests of this folder. */
import { Machine, type MachineOptions } from "../../src/index.js";

/** CPU of the process, CPU of somebody else who works on its mm, CPU of the driver's thread. */
export const [APP, OTHER, WORKER] = [0, 1, 2];

/** A machine with one mm, a thread of it on each CPU, and pages [0x100, 0x200) mapped writable. */
export async function rig(options: MachineOptions = {}): Promise<{ machine: Machine; mm: number }> {
  const machine = await Machine.create({
    hostDevices: true,
    ...options,
    geometry: { cpus: 3, tasks: 8, mms: 4, devices: 4, frames: 4096, ...options.geometry },
  });
  const mm = machine.newMm();
  for (let cpu = 0; cpu < machine.geometry.cpus; cpu++) machine.place(cpu, machine.newTask(mm));
  return { machine, mm };
}
