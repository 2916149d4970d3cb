// A worker that dies or hangs is an error within two seconds, never a hang, and never a leak.

import { afterEach, beforeEach, expect, test } from "vitest";
import { CPU } from "../../src/core/layout.js";
import { ParallelDriver } from "../../src/drivers/parallel.js";
import type { Fault } from "../../src/drivers/worker-loop.js";
import { WorkerError } from "../../src/errors.js";
import type { Machine } from "../../src/machine.js";
import { expectThreads, failure, pingPong, threads, withDriver } from "./helpers.js";

/** Far more rounds than a test waits for. */
const ENDLESS = 1e9;
const LIMIT_MS = 2_000;

let before = 0;
beforeEach(() => {
  before = threads();
});
afterEach(async () => {
  await expectThreads(before);
});

function expectPoisoned(machine: Machine, code: string): void {
  let caught: unknown;
  try {
    machine.counters();
  } catch (error) {
    caught = error;
  }
  expect(caught).toMatchObject({ code: "E_DISPOSED", details: { reason: code } });
}

async function failingRun(machine: Machine, fault: Fault, workers = 2) {
  return withDriver(machine, { workers, fault }, (driver) => failure(driver.run()));
}

test("a worker that exits while a request is queued to its CPU is lost", async () => {
  const machine = await pingPong(ENDLESS);
  const fault = { kind: "exit", worker: 1, afterSteps: 500, whileQueued: true } as const;
  const { error, ms } = await failingRun(machine, fault);
  expect(error).toBeInstanceOf(WorkerError);
  expect(error.code).toBe("E_WORKER_LOST");
  expect(error.message).toMatch(/^worker 1 \(CPU 1\) is lost: it exited with code 3; CPU 0: /);
  expect(error.message).toMatch(/CPU 1: .*requests of others in its call queue/);
  expect(error.details).toMatchObject({ worker: 1, firstCpu: 1, lastCpu: 1 });
  expect(ms).toBeLessThan(LIMIT_MS);
  expectPoisoned(machine, "E_WORKER_LOST");
});

test("a worker that is ended from outside, with requests queued to its CPUs, is lost", async () => {
  const machine = await pingPong(ENDLESS, { cpus: 4 });
  await withDriver(machine, { workers: 2 }, async (driver) => {
    const run = failure(driver.run());
    // Requests are queued to these CPUs most of the time: look until one is.
    const queued = (): boolean =>
      [2, 3].some((cpu) => machine.core.read(CPU, machine.core.cpu(cpu), "queue") !== 0);
    for (let look = 0; look < 200 && !queued(); look++) await new Promise((r) => setTimeout(r, 1));
    const killedMs = performance.now();
    await driver.kill(1);
    const { error } = await run;
    expect(error.code).toBe("E_WORKER_LOST");
    expect(error.message).toMatch(/worker 1 \(CPUs 2 to 3\)/);
    expect(performance.now() - killedMs).toBeLessThan(LIMIT_MS);
    expectPoisoned(machine, "E_WORKER_LOST");
  });
});

test("a failure inside a worker crosses as a record and loses the worker", async () => {
  const machine = await pingPong(ENDLESS);
  const { error, ms } = await failingRun(machine, { kind: "throw", worker: 0, afterSteps: 300 });
  expect(error.code).toBe("E_WORKER_LOST");
  expect(error.message).toMatch(/planned fault/);
  expect(ms).toBeLessThan(LIMIT_MS);
  expectPoisoned(machine, "E_WORKER_LOST");
});

test("a worker that spins without a heartbeat is stuck", async () => {
  const machine = await pingPong(ENDLESS, { cpus: 3 });
  const fault = { kind: "spin", worker: 1, afterSteps: 300 } as const;
  const { error, ms } = await failingRun(machine, fault, 3);
  expect(error.code).toBe("E_WORKER_STUCK");
  expect(error.message).toMatch(/^worker 1 \(CPU 1\) has shown no sign of life for 1200 ms/);
  expect(ms).toBeLessThan(LIMIT_MS);
  expectPoisoned(machine, "E_WORKER_STUCK");
});

test("close is idempotent, and use after it is an error", async () => {
  const driver = await ParallelDriver.create(await pingPong(10), { workers: 2 });
  expect(threads()).toBeGreaterThan(before);
  await driver.close();
  await driver.close();
  const { error } = await failure(driver.run());
  expect(error.code).toBe("E_DISPOSED");
  expect(process.getActiveResourcesInfo().filter((name) => name === "MessagePort")).toEqual([]);
});

test("close during a run ends it", async () => {
  const machine = await pingPong(ENDLESS);
  const driver = await ParallelDriver.create(machine, { workers: 2 });
  const run = failure(driver.run());
  await new Promise((resolve) => setTimeout(resolve, 20));
  await driver.close();
  expect((await run).error.code).toBe("E_WORKER_LOST");
});

test("while workers run a machine it refuses other use, and a second run", async () => {
  const machine = await pingPong(ENDLESS);
  await withDriver(machine, { workers: 2 }, async (driver) => {
    const run = driver.run();
    expect(() => machine.newMm()).toThrow(expect.objectContaining({ code: "E_BUSY" }));
    expect((await failure(driver.run())).error.code).toBe("E_BUSY");
    driver.stop();
    expect((await run).outcome).toBe("stopped");
  });
});

test("a stopped run goes on where it was", async () => {
  const machine = await pingPong(20_000);
  await withDriver(machine, { workers: 2 }, async (driver) => {
    const run = driver.run();
    await new Promise((resolve) => setTimeout(resolve, 30));
    driver.stop();
    await run;
    expect((await driver.run()).outcome).toBe("idle");
    expect(machine.counters().operations).toBe(80_000);
    expect((await driver.run()).steps).toBe(0);
  });
});

test("a machine without frames fails with E_NOMEM and can be looked at", async () => {
  const machine = await pingPong(10, { geometry: { ...small, frames: 2 } });
  await withDriver(machine, { workers: 2 }, async (driver) => {
    const { error } = await failure(driver.run());
    expect(error.code).toBe("E_NOMEM");
    expect(error.details["argument"]).toBe("frames");
    expect(machine.counters().hazards).toBe(0);
  });
});

const small = {
  cpus: 2,
  tasks: 2,
  mms: 1,
  devices: 0,
  tables: 16,
  tlbSets: 4,
  tlbWays: 2,
  vmas: 8,
  gatherPages: 8,
  logRecords: 0,
  jobs: 4,
};

test.each([
  ["devices", async () => attached()],
  ["record", async () => pingPong(1, { record: [0] })],
  ["watch", async () => pingPong(1, { geometry: { ...small, frames: 64, watch: 1 } })],
])("machines with %s in use are refused", async (argument, make) => {
  const { error } = await failure(ParallelDriver.create(await make()));
  expect(error.code).toBe("E_LIMIT");
  expect(error.details["argument"]).toBe(argument);
});

async function attached(): Promise<Machine> {
  const geometry = { ...small, frames: 64, devices: 1 };
  const machine = await pingPong(1, { geometry, consumers: ["sharing"] });
  machine.attach("sharing", 0);
  return machine;
}

test.each([
  [{ workers: 0 }, "E_LIMIT"],
  [{ workers: 3 }, "E_LIMIT"],
  [{ workers: 1.5 }, "E_TYPE"],
  [{ stuckMs: 10 }, "E_LIMIT"],
])("options %j are refused", async (options, code) => {
  const { error } = await failure(ParallelDriver.create(await pingPong(1), options));
  expect(error.code).toBe(code);
});
