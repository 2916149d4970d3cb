/**
 * What a worker thread does: it steps its CPUs over the shared memory until nobody has anything
 * left to do. It is told to start through Comlink; everything else it learns from the memory.
 *
 * Results are status records: a class or a code of an exception would not survive the crossing.
 */
import { expose } from "comlink";
import * as abi from "../core/abi.js";
import { BASE, Core } from "../core/core.js";
import type { Geometry } from "../core/geometry.js";
import { CPU } from "../core/layout.js";
import { BUSY, Control, STEPS } from "./control.js";
import { parentEndpoint } from "./endpoint.js";

/** Steps between two looks at the control block: well below a millisecond. */
const SLICE_STEPS = 4096;
/** Rounds without a step before a worker tells sleepers what it did, and looks around. */
const PAUSE_ROUNDS = 50;
/**
 * Rounds it then spins before it sleeps. If the peer it waits for runs at the same time, the
 * answer is microseconds away, and a sleep costs ten times that. If they share a hardware thread,
 * spinning is what keeps the answer from coming. Which it is changes with the host's load, so the
 * patience follows the outcome.
 */
const SPIN_ROUNDS_MAX = 100_000;
const SPIN_ROUNDS_MIN = 64;
/** A spin that took longer did not see a running peer: it was descheduled for it. */
const SPIN_GOOD_MS = 0.2;
/** Every so many sleeps the patience is full again: the load may be gone. */
const PROBE_SLEEPS = 256;
/** Longest sleep. The bell ends it earlier; the heart beats at least this often. */
const SLEEP_MS = 1;

/** A failure on purpose, for tests of the driver's liveness rules. */
export interface Fault {
  /** End the thread, throw, or spin for ever without a heartbeat. */
  readonly kind: "exit" | "throw" | "spin";
  readonly worker: number;
  /** Not before this many steps of that worker. */
  readonly afterSteps: number;
  /** Only while a request is queued to one of its CPUs, so that an initiator waits for it. */
  readonly whileQueued?: boolean;
}

/** What a worker is given before its first run. */
export interface BootRecord {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly geometry: Geometry;
  /** Address of the control block. */
  readonly control: number;
  readonly workers: number;
  readonly worker: number;
  /** Its CPUs: first to last, both included. */
  readonly first: number;
  readonly last: number;
  readonly fault?: Fault;
}

/** How a call ended. */
export interface WorkerRecord {
  /** `failed`: the core refused a step (`code`); `trapped`: a bug, in the core or here. */
  readonly outcome: "ok" | "stopped" | "failed" | "trapped";
  /** Negative status of the core. */
  readonly code: number;
  readonly message: string;
  readonly steps: number;
  readonly sleeps: number;
}

function record(outcome: WorkerRecord["outcome"], more: Partial<WorkerRecord> = {}): WorkerRecord {
  return { outcome, code: 0, message: "", steps: 0, sleeps: 0, ...more };
}

/** The side of a worker that the driver calls. */
export class WorkerApi {
  private core: Core | undefined;
  private control: Control | undefined;
  private given: BootRecord | undefined;

  /** Attaches to the machine. */
  async boot(given: BootRecord): Promise<WorkerRecord> {
    try {
      const core = await Core.attach(given.module, given.memory, given.geometry);
      const header = core.header;
      if (header[abi.H_MAGIC] !== abi.ABI_MAGIC || header[abi.H_VERSION] !== abi.ABI_VERSION) {
        return record("trapped", { message: "the memory holds no machine of this version" });
      }
      this.core = core;
      this.given = given;
      this.control = new Control(given.memory.buffer, given.control, given.workers);
      return record("ok");
    } catch (error) {
      return record("trapped", { message: String(error) });
    }
  }

  /** Runs until all CPUs of all workers are idle, or the stop flag is up. Never throws. */
  run(): WorkerRecord {
    const { core, control, given } = this;
    if (!core || !control || !given) return record("trapped", { message: "run before boot" });
    try {
      return loop(core, control, given);
    } catch (error) {
      return record("trapped", { message: String(error) });
    }
  }
}

function loop(core: Core, control: Control, given: BootRecord): WorkerRecord {
  const { worker, first, last } = given;
  const fault = given.fault?.worker === worker ? given.fault : undefined;
  let patience = SPIN_ROUNDS_MAX;
  let steps = 0;
  let sleeps = 0;
  let status = 0;
  let untold = false; // took steps that sleeping peers may be waiting for
  const advance = (budget: number, rounds: number): number => {
    status = core.x.parallelRun(BASE, first, last, budget, rounds);
    if (status > 0) {
      steps += status;
      untold = true;
      control.set(worker, STEPS, steps | 0);
    }
    return status;
  };
  const left = (): number => core.x.parallelLeft(BASE, first, last);
  for (;;) {
    control.beat(worker);
    if (control.stopped) return record("stopped", { steps, sleeps });
    if (fault) failOnPurpose(fault, core, given, steps);
    const budget = fault ? 1 : SLICE_STEPS;
    const moved = advance(budget, PAUSE_ROUNDS);
    if (moved < 0) return record("failed", { code: moved, steps, sleeps });
    if (untold) control.ringSleepers(worker);
    untold = false;
    const busy = left();
    control.set(worker, BUSY, busy);
    // The second look is what makes this safe: a peer may have sent an interrupt here after the
    // first one, and only then have run out of work itself.
    if (busy === 0 && !control.anyBusy && left() === 0) {
      control.ringSleepers(worker);
      return record("ok", { steps, sleeps });
    }
    if (moved >= budget) continue;
    const startedMs = performance.now();
    const answered = advance(1, patience) !== 0;
    const good = answered && performance.now() - startedMs < SPIN_GOOD_MS;
    patience = good
      ? Math.min(SPIN_ROUNDS_MAX, patience * 2)
      : Math.max(SPIN_ROUNDS_MIN, patience >> 1);
    if (status < 0) return record("failed", { code: status, steps, sleeps });
    if (answered) continue;
    if (sleeps % PROBE_SLEEPS === PROBE_SLEEPS - 1) patience = SPIN_ROUNDS_MAX;
    sleeps++;
    control.sleep(worker, SLEEP_MS, () => advance(1, 1) !== 0 || (busy === 0 && !control.anyBusy));
    if (status < 0) return record("failed", { code: status, steps, sleeps });
  }
}

function failOnPurpose(fault: Fault, core: Core, given: BootRecord, steps: number): void {
  if (steps < fault.afterSteps) return;
  if (fault.whileQueued === true) {
    let queued = false;
    for (let cpu = given.first; cpu <= given.last; cpu++) {
      if (core.read(CPU, core.cpu(cpu), "queue") !== 0) queued = true;
    }
    if (!queued) return;
  }
  if (fault.kind === "throw") throw new Error("planned fault");
  const host = globalThis as { process?: { exit(code: number): never }; close?: () => void };
  if (fault.kind === "exit") {
    if (host.process) host.process.exit(3);
    host.close?.();
  }
  for (;;) if (fault.afterSteps < 0) return; // spins
}

/** Offers the worker's side to whoever started this thread. */
export function serveWorker(): void {
  expose(new WorkerApi(), parentEndpoint());
}
