/**
 * The parallel driver: the CPUs of one machine on worker threads over one shared memory.
 *
 * Each worker instantiates the same module over the same memory and steps its own CPUs. Comlink
 * carries boot and run; while a run lasts, everything goes through the memory (control.ts and the
 * machine itself). Which interleaving happens is the host's choice and differs from run to run;
 * that is the point of it. What is promised: a run ends, with an error if need be. See
 * docs/parallel.md.
 */
import { type Remote, wrap } from "comlink";
import * as abi from "../core/abi.js";
import { DEVICE } from "../core/layout.js";
import { errorOf } from "../core/status.js";
import { checkWithin } from "../arguments.js";
import { ArgumentError, DisposedError, ShootdownError, WorkerError } from "../errors.js";
import type { Machine } from "../machine.js";
import { Control, controlBytes } from "./control.js";
import { hardwareThreads, startThread, type Thread } from "./endpoint.js";
import { outstanding } from "./outstanding.js";
import { type Stuck, Watchdog } from "./watchdog.js";
import type { Fault, WorkerApi, WorkerRecord } from "./worker-loop.js";

/** Choices of a {@link ParallelDriver}. */
export interface ParallelOptions {
  /** Threads, 1 to the number of CPUs; as many as the host runs at once by default. */
  readonly workers?: number;
  /** Silence after which a worker counts as stuck, 200 to 60,000 ms; 1,200 by default. */
  readonly stuckMs?: number;
  /** A failure on purpose, for tests. */
  readonly fault?: Fault;
}

/** How a run went. */
export interface ParallelRun {
  /** `idle`: all work is done. `stopped`: {@link ParallelDriver.stop} was called. */
  readonly outcome: "idle" | "stopped";
  /** Steps of all workers; micro-ops that nobody else can see share the step of the next one. */
  readonly steps: number;
  /** Wall time between the first and the last worker's start and end, s. */
  readonly wallSeconds: number;
}

/** Time a worker has to start; a module is compiled already when it does. */
const BOOT_MS = 10_000;

/** One worker thread and the CPUs it steps. */
interface Member {
  readonly worker: number;
  readonly first: number;
  readonly last: number;
  readonly thread: Thread;
  readonly api: Remote<WorkerApi>;
  finished: boolean;
}

/** Bytes to ask for as `extraBytes` when the machine is created. */
export function parallelBytes(workers: number): number {
  return controlBytes(workers);
}

/** See the file comment. Use {@link ParallelDriver.create}, and {@link close} it. */
export class ParallelDriver {
  private readonly members: Member[] = [];
  private readonly control: Control;
  private closed = false;
  private running = false;

  private constructor(
    private readonly machine: Machine,
    readonly workers: number,
    private readonly stuckMs: number,
  ) {
    this.control = new Control(machine.core.memory.buffer, machine.core.end, workers);
    this.control.reset(workers);
  }

  /**
   * Starts the workers of a machine. Submit jobs or start scripts on it, then {@link run}.
   * @throws ArgumentError E_LIMIT for a machine with devices, watched pages, a TLB directory or an
   * event log in use: their rows are not written atomically; E_LIMIT without room for the control
   * block.
   * @throws ShootdownError E_ENV where threads cannot share memory; WorkerError.
   */
  static async create(machine: Machine, options: ParallelOptions = {}): Promise<ParallelDriver> {
    const { cpus } = machine.geometry;
    const standard = Math.min(cpus, hardwareThreads());
    const workers = checkWithin("workers", options.workers ?? standard, 1, cpus);
    const stuckMs = checkWithin("stuckMs", options.stuckMs ?? 1_200, 200, 60_000);
    checkMachine(machine, workers);
    const driver = new ParallelDriver(machine, workers, stuckMs);
    try {
      await driver.boot(options.fault);
    } catch (error) {
      await driver.close();
      throw error;
    }
    return driver;
  }

  private async boot(fault: Fault | undefined): Promise<void> {
    const { core, geometry } = this.machine;
    for (let worker = 0; worker < this.workers; worker++) {
      const thread = startThread();
      this.members.push({
        worker,
        first: Math.floor((worker * geometry.cpus) / this.workers),
        last: Math.floor(((worker + 1) * geometry.cpus) / this.workers) - 1,
        thread,
        api: wrap<WorkerApi>(thread.endpoint),
        finished: true,
      });
    }
    const records = this.members.map((member) =>
      member.api.boot({
        module: core.module,
        memory: core.memory,
        geometry: { ...geometry },
        control: core.end,
        workers: this.workers,
        worker: member.worker,
        first: member.first,
        last: member.last,
        ...(fault === undefined ? {} : { fault }),
      }),
    );
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const message = `workers did not start within ${BOOT_MS} ms`;
      timer = setTimeout(() => reject(new WorkerError("E_WORKER_STUCK", message)), BOOT_MS);
    });
    try {
      const booted = await Promise.race([Promise.all(records), this.firstLost(), late]);
      for (const [worker, record] of booted.entries()) {
        if (record.outcome !== "ok") throw this.lostError(worker, record.message);
      }
    } finally {
      clearTimeout(timer);
    }
    for (const { thread } of this.members) thread.hold(false);
  }

  /** Rejects when a worker ends. Comlink alone would wait for its answer for ever. */
  private firstLost(): Promise<never> {
    return Promise.race(
      this.members.map(async ({ worker, thread }) => {
        const reason = await thread.lost;
        throw this.lostError(worker, reason);
      }),
    );
  }

  private cpusOf(worker: number): string {
    const { first, last } = this.members[worker];
    return first === last ? `CPU ${first}` : `CPUs ${first} to ${last}`;
  }

  private outstanding(): string[] {
    const { core, image, geometry } = this.machine;
    return outstanding(core, image, 0, geometry.cpus - 1);
  }

  private lostError(worker: number, reason: string): WorkerError {
    const lines = this.outstanding();
    const rest = lines.length === 0 ? "nothing was outstanding" : lines.join("; ");
    const { first, last } = this.members[worker];
    return new WorkerError(
      "E_WORKER_LOST",
      `worker ${worker} (${this.cpusOf(worker)}) is lost: ${reason}; ${rest}`,
      { worker, firstCpu: first, lastCpu: last, reason, outstanding: lines },
    );
  }

  private stuckError(stuck: Stuck): WorkerError {
    const lines = this.outstanding();
    const rest = lines.length === 0 ? "nothing was outstanding" : lines.join("; ");
    if (stuck.kind === "frozen") {
      const { first, last } = this.members[stuck.worker];
      return new WorkerError(
        "E_WORKER_STUCK",
        `worker ${stuck.worker} (${this.cpusOf(stuck.worker)}) has shown no sign of life for ` +
          `${this.stuckMs} ms; ${rest}`,
        { worker: stuck.worker, firstCpu: first, lastCpu: last, outstanding: lines },
      );
    }
    return new WorkerError(
      "E_WORKER_STUCK",
      `deadlock: no CPU has made a step for ${this.stuckMs} ms; ${rest}`,
      { workers: stuck.workers, outstanding: lines },
    );
  }

  /**
   * Runs everything that was submitted, until all CPUs are idle. Meanwhile the machine refuses
   * every other use with E_BUSY.
   * @throws WorkerError E_WORKER_LOST, E_WORKER_STUCK: all workers are ended, the machine refuses
   * further use with E_DISPOSED. CapacityError E_NOMEM: the machine can be inspected.
   */
  async run(): Promise<ParallelRun> {
    const { machine, control, members } = this;
    if (this.closed) throw new DisposedError("E_DISPOSED", "the parallel driver was closed");
    if (this.running) throw new ShootdownError("E_BUSY", "the parallel driver is running already");
    machine.counters(); // throws if the machine cannot be used any more
    checkMachine(machine, this.workers);
    this.running = true;
    machine.suspend(
      new ShootdownError("E_BUSY", `machine ${machine.id} is being run by worker threads`),
    );
    control.reset(this.workers);
    const watchdog = new Watchdog(
      control,
      this.workers,
      (worker) => members[worker].finished,
      this.stuckMs,
    );
    const startedMs = performance.now();
    try {
      const records = await Promise.race([
        Promise.all(members.map((member) => this.runMember(member))),
        this.firstLost(),
        watchdog.verdict.then((stuck) => {
          throw this.stuckError(stuck);
        }),
      ]);
      const wallSeconds = (performance.now() - startedMs) / 1000;
      machine.suspend(null);
      return { ...this.judge(records), wallSeconds };
    } catch (error) {
      if (error instanceof WorkerError) await this.abandon(error);
      throw error;
    } finally {
      watchdog.end();
      this.running = false;
      for (const { thread } of members) thread.hold(false);
    }
  }

  private async runMember(member: Member): Promise<WorkerRecord> {
    member.thread.hold(true);
    member.finished = false;
    const record = await member.api.run();
    member.finished = true;
    // One failure ends the run for all: the others may be waiting for this worker's CPUs.
    if (record.outcome !== "ok") this.control.stop();
    return record;
  }

  private judge(records: readonly WorkerRecord[]): Omit<ParallelRun, "wallSeconds"> {
    for (const [worker, record] of records.entries()) {
      if (record.outcome === "trapped")
        throw this.lostError(worker, `it failed: ${record.message}`);
    }
    for (const record of records) {
      if (record.outcome === "failed") {
        throw errorOf(record.code, { ...this.machine.geometry });
      }
    }
    const stopped = records.some((record) => record.outcome === "stopped");
    const steps = records.reduce((sum, record) => sum + record.steps, 0);
    return { outcome: stopped ? "stopped" : "idle", steps };
  }

  /** The workers leave the machine half-way: nobody may trust it any more. */
  private async abandon(cause: WorkerError): Promise<void> {
    const { machine } = this;
    machine.suspend(
      new DisposedError(
        "E_DISPOSED",
        `machine ${machine.id} cannot be used any more: ${cause.message}`,
        { machine: machine.id, reason: cause.code },
        { cause },
      ),
    );
    await this.close();
  }

  /** Asks a run to end early; it then resolves as `stopped`, and another one goes on from there. */
  stop(): void {
    this.control.stop();
  }

  /** Ends one worker as a crash would. For tests of what happens then. */
  async kill(worker: number): Promise<void> {
    await this.members[checkWithin("worker", worker, 0, this.workers - 1)].thread.terminate();
  }

  /** Ends all workers. Idempotent; a run under way fails with E_WORKER_LOST. */
  async close(): Promise<void> {
    this.closed = true;
    this.control.stop();
    await Promise.all(this.members.map(({ thread }) => thread.terminate()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function refuse(what: string, argument: string): never {
  throw new ArgumentError("E_LIMIT", `the parallel driver has no ${what}`, { argument, most: 0 });
}

function checkMachine(machine: Machine, workers: number): void {
  const { core, geometry } = machine;
  if (machine.isHosting) {
    const message = "worker threads cannot call devices of the host: create it without hostDevices";
    throw new ShootdownError("E_POLICY", message, { argument: "hostDevices" });
  }
  for (let device = 0; device < geometry.devices; device++) {
    if (core.read(DEVICE, core.device(device), "kind") !== abi.DEV_NONE) {
      refuse("devices: their rows are not written atomically", "devices");
    }
  }
  if (geometry.watch !== 0) refuse("watched pages: they need one order of all writes", "watch");
  if ((core.header[abi.H_OPTIONS] & abi.OPT_DIRECTORY) !== 0) {
    refuse("TLB directory: hardware changes it and the TLBs in one step", "policy");
  }
  if (core.header[abi.H_LOG_MASK] !== 0) refuse("event log: it has one writer", "record");
  const bytes = core.end + controlBytes(workers);
  if (bytes > core.memory.buffer.byteLength) {
    throw new ArgumentError(
      "E_LIMIT",
      `no room for the control block: create the machine with extraBytes of ` +
        `parallelBytes(${workers}) = ${controlBytes(workers)}`,
      { argument: "extraBytes", least: controlBytes(workers) },
    );
  }
}
