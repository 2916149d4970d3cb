import { readdirSync } from "node:fs";
import { expect } from "vitest";
import { Machine, type MachineOptions } from "../../src/machine.js";
import type { Script } from "../../src/kernel/image.js";
import { ParallelDriver, type ParallelOptions } from "../../src/drivers/parallel.js";
import { SIMULATED_GEOMETRY } from "../../src/simulate.js";
import type { ShootdownError } from "../../src/errors.js";

const RW = 3;

/** What `promise` failed with, and how long it took. */
export async function failure(
  promise: Promise<unknown>,
): Promise<{ error: ShootdownError; ms: number }> {
  const startedMs = performance.now();
  try {
    await promise;
  } catch (error) {
    return { error: error as ShootdownError, ms: performance.now() - startedMs };
  }
  throw new Error("it did not fail");
}

/** OS threads of this process, worker threads among them, referenced or not. */
export function threads(): number {
  return readdirSync("/proc/self/task").length;
}

/** Fails unless there soon are at most `most` threads: the host reaps ended ones a little later. */
export async function expectThreads(most: number): Promise<void> {
  await expect.poll(threads, { timeout: 2_000 }).toBeLessThanOrEqual(most);
}

/** Two or more CPUs that run threads of one mm; each loops over write and madvise of its page. */
export async function pingPong(
  rounds: number,
  options: MachineOptions & { cpus?: number } = {},
): Promise<Machine> {
  const { cpus = 2, ...rest } = options;
  const scripts: Script[] = Array.from({ length: cpus }, (_, cpu): Script => ({
    name: `ping.${cpu}`,
    steps: [
      {
        repeat: rounds,
        steps: [
          { call: "write", args: { vpn: 64 + cpu } },
          { call: "madvise", args: { start: 64 + cpu, end: 65 + cpu } },
        ],
      },
    ],
  }));
  const machine = await Machine.create({
    geometry: { ...SIMULATED_GEOMETRY, cpus, tasks: cpus },
    consumers: [],
    scripts,
    scriptsOnly: true,
    ...rest,
  });
  const mm = machine.newMm();
  machine.mapNow(mm, 64, 64 + cpus, RW);
  for (let cpu = 0; cpu < cpus; cpu++) {
    machine.place(cpu, machine.newTask(mm));
    machine.startScript(cpu, `ping.${cpu}`);
  }
  return machine;
}

/** Runs `body` with a driver that is closed afterwards, whatever happens. */
export async function withDriver<T>(
  machine: Machine,
  options: ParallelOptions,
  body: (driver: ParallelDriver) => Promise<T>,
): Promise<T> {
  const driver = await ParallelDriver.create(machine, options);
  try {
    return await body(driver);
  } finally {
    await driver.close();
  }
}
