/**
 * Where the machine meets device models and driver threads of the host. Two phases: a micro-op asks
 * and returns to the timed driver; the host's function is called here, outside of the core; its
 * answer is written into the actor's row, and the same micro-op, run again, takes it.
 *
 * A function that throws has answered nothing: the machine stands before the step, and asks again.
 */
import { checkIndex, checkPage, checkWithin } from "../arguments.js";
import * as abi from "../core/abi.js";
import { BASE, type Core } from "../core/core.js";
import { type Geometry, pagesOf } from "../core/geometry.js";
import { CLOCK, CPU, CTX, DEVICE } from "../core/layout.js";
import { ArgumentError, ShootdownError } from "../errors.js";
import { decode } from "../program/disassembler.js";
import type { Image } from "../program/assembler.js";
import { Brackets, type HostBracket } from "./brackets.js";
import { type DeviceAccess, HostDevice } from "./device.js";
import { RunningThread, type ThreadSelf, type ThreadSteps } from "./thread.js";
import type { DeviceCall, DeviceOps } from "./types.js";
import { DriverLock, type HostStep, type Steps, WaitQueue } from "./wait.js";

/** The machine, as far as this needs it. */
export interface PortMachine {
  readonly core: Core;
  readonly geometry: Geometry;
  readonly image: Image;
}

/** Most ns of one answer. */
const NS_MOST = 2 ** 31;

/** Code that takes longer lets interrupts in so often. */
const SLICE_NS = 2_000;

type Outcome = boolean | undefined;

/** A callback that has begun and takes time. */
interface Pending {
  readonly steps: Steps<unknown>;
  /** ns of its last step that have not passed yet. */
  left: number;
}

/** See the file comment. */
export class HostPort {
  private readonly devices = new Map<number, HostDevice>();
  /** Those that have not begun, by the number their program knows them by. */
  private readonly threads = new Map<number, RunningThread<unknown>>();
  private started = 0;
  private readonly brackets: Brackets;
  /** By context: the thread it runs, the callback it is in the middle of. */
  private readonly running = new Map<number, RunningThread<unknown>>();
  private readonly pending = new Map<number, Pending>();
  /** Who is being answered, and what the callback has said it takes. */
  private actor = 0;
  private spent = 0;
  private calling = false;

  constructor(private readonly machine: PortMachine) {
    this.brackets = new Brackets(machine.image, pagesOf(machine.geometry));
  }

  /** That of a machine whose image was assembled for it, else null. */
  static of(machine: PortMachine): HostPort | null {
    return machine.image.entries.has("host.thread") ? new HostPort(machine) : null;
  }

  /** A device row that is told by these callbacks. */
  add(index: number, mm: number, ops: DeviceOps): HostDevice {
    const { core } = this.machine;
    const device = new HostDevice(
      index,
      mm,
      ops,
      (id, page, through, write) => this.access(id, page, through, write),
      (id) => {
        this.detach(id);
      },
    );
    const row = core.device(index);
    const has = (...names: (keyof DeviceOps)[]) => names.some((name) => name in ops);
    const pc = (name: string, isWanted: boolean): number =>
      isWanted ? (this.machine.image.entries.get(`host.on-${name}`) ?? 0) : 0;
    // Both, also for one function: that is how a bracket is known to be over.
    const wantsBrackets = has("rangeStart", "rangeEnd");
    core.write(DEVICE, row, "kind", abi.DEV_HOST);
    core.write(DEVICE, row, "hookStart", pc("start", wantsBrackets));
    core.write(DEVICE, row, "hookEnd", pc("end", wantsBrackets));
    core.write(DEVICE, row, "hookSecondary", pc("secondary", has("secondary")));
    core.write(DEVICE, row, "hookRelease", pc("release", has("release")));
    this.devices.set(index, device);
    return device;
  }

  private detach(index: number): void {
    if (this.calling) {
      throw new ShootdownError("E_BUSY", `device ${index}: not from inside a callback`, { index });
    }
    const { core } = this.machine;
    const row = core.device(index);
    for (const hook of ["hookStart", "hookEnd", "hookSecondary", "hookRelease"] as const) {
      core.write(DEVICE, row, hook, 0);
    }
  }

  /** A thread's code, and the number its program knows it by. */
  addThread<T>(
    mm: number,
    cpu: number,
    owner: unknown,
    body: (self: ThreadSelf) => ThreadSteps<T>,
  ): { readonly id: number; readonly thread: RunningThread<T> } {
    const { core } = this.machine;
    const clock = (): number => core.read(CLOCK, core.clock(cpu), "now");
    const thread = new RunningThread(mm, cpu, owner, clock, body);
    const id = this.started++;
    this.threads.set(id, thread);
    return { id, thread };
  }

  /** A queue that callbacks and threads of this machine can wait for. */
  queue(): WaitQueue {
    return new WaitQueue((key) => {
      this.wake(key);
    });
  }

  /** A lock of a driver of this machine. */
  lock(name: string): DriverLock {
    const waker = (key: number): void => {
      this.wake(key);
    };
    return new DriverLock(waker, name);
  }

  private wake(key: number): void {
    this.machine.core.x.hostWake(BASE, this.actor, key);
  }

  private access(index: number, page: number, through: DeviceAccess, write: boolean): boolean {
    const { core, geometry } = this.machine;
    checkPage("page", page, geometry);
    checkIndex("frame", through.frame, geometry.frames);
    checkWithin("generation", through.generation, 0, 2 ** 30 - 1);
    const { frame, generation, alone } = through;
    const flags: [number, number] = [write ? 1 : 0, alone === true ? 1 : 0];
    return core.x.hostAccess(BASE, index, page, frame, generation, ...flags, BASE - 512) !== 0;
  }

  /** ns of simulated time for whoever asked last. */
  get now(): number {
    const { core } = this.machine;
    return core.read(CLOCK, core.clock(this.actor), "now");
  }

  /** Answers the micro-op that actor `actor` has come to. What a callback throws comes through. */
  serve(actor: number): void {
    const { core } = this.machine;
    const context = this.contextOf(actor);
    const row = core.ctx(context);
    const { op, imm } = decode(this.machine.image.code, core.read(CTX, row, "pc"));
    this.actor = actor;
    this.spent = 0;
    this.calling = true;
    try {
      if (op === abi.OP_HOST_NEXT) this.serveThread(context);
      else if (op === abi.OP_HOST_REFUSED) this.answer(this.brackets.wasRefused(core, context));
      else if (imm === abi.HOST_THREAD) this.beginThread(context);
      else this.serveHook(context, imm);
    } finally {
      this.calling = false;
    }
  }

  private contextOf(actor: number): number {
    const { core, geometry } = this.machine;
    const own = geometry.tasks + actor;
    if (actor >= geometry.cpus || core.read(CTX, core.ctx(own), "running") !== 0) return own;
    return core.read(CPU, core.cpu(actor), "task") - 1;
  }

  private answer(flag: boolean, ns = 0, what = { does: 0, x: 0, y: 0 }): void {
    const { core } = this.machine;
    const row = core.clock(this.actor);
    const word = abi.HOST_ANSWERED | (flag ? abi.HOST_FLAG : 0);
    core.write(CLOCK, row, "hostNs", ns + this.spent);
    core.write(CLOCK, row, "hostX", what.x);
    core.write(CLOCK, row, "hostY", what.y);
    core.write(CLOCK, row, "hostAnswer", word | (what.does << abi.HOST_DO_SHIFT));
  }

  private answerWait(queue: WaitQueue): void {
    const { core } = this.machine;
    const row = core.clock(this.actor);
    core.write(CLOCK, row, "hostNs", queue.key);
    core.write(CLOCK, row, "hostAnswer", abi.HOST_ANSWERED | abi.HOST_WAIT);
  }

  private beginThread(context: number): void {
    const { core } = this.machine;
    const id = core.readU64(core.ctx(context) + CTX.fields.r0.offset);
    const thread = this.threads.get(id);
    if (thread === undefined) {
      throw new ShootdownError("E_INTERNAL", `no thread has the number ${id}`, { context });
    }
    this.threads.delete(id);
    this.running.set(context, thread);
    this.answer(false);
  }

  private serveThread(context: number): void {
    const thread = this.running.get(context);
    if (thread === undefined) {
      throw new ShootdownError("E_INTERNAL", `context ${context} runs no thread`, { context });
    }
    const step = thread.next(SLICE_NS);
    if (step === undefined) {
      this.running.delete(context);
      this.answer(false);
    } else if (step instanceof WaitQueue) this.answerWait(step);
    else if (typeof step === "number") this.answer(true, checkNs(step));
    else this.answer(true, 0, step);
  }

  private serveHook(context: number, hook: number): void {
    const { core } = this.machine;
    const device = this.devices.get(core.read(CTX, core.ctx(context), "dev") - 1);
    if (device === undefined) {
      throw new ShootdownError("E_INTERNAL", "no device of the host is being told", { context });
    }
    const owner = this.running.get(context)?.owner;
    const call = this.call();
    if (hook === abi.HOOK_START) {
      const bracket = this.brackets.at(core, context, device.index, owner);
      this.proceed(
        context,
        device,
        () => device.ops.rangeStart?.(bracket.range, call),
        (ok) => {
          started(device, bracket, ok);
        },
      );
    } else if (hook === abi.HOOK_END) {
      const bracket = this.brackets.ending(core, context, device.index);
      // Who was not told of the start, or has refused, has nothing to end.
      if (bracket === undefined) this.answer(false);
      else {
        const body = () => device.ops.rangeEnd?.(bracket.range, call);
        this.proceed(context, device, body, () => {
          this.brackets.ended(context, bracket, device.index);
          device.counters.ends++;
        });
      }
    } else if (hook === abi.HOOK_SECONDARY) {
      const row = core.ctx(context);
      const [start, end] = [core.read(CTX, row, "hStart"), core.read(CTX, row, "hEnd")];
      this.proceed(
        context,
        device,
        () => device.ops.secondary?.(start, end, call),
        () => {
          device.counters.secondaries++;
        },
      );
    } else {
      this.proceed(
        context,
        device,
        () => device.ops.release?.(call),
        () => {
          device.counters.releases++;
        },
      );
    }
  }

  /** Begins a callback, or goes on with it; `done` with what it came to, when it is over. */
  private proceed(
    context: number,
    device: HostDevice,
    begin: () => Outcome | Steps<unknown>,
    done: (outcome: unknown) => void,
  ): void {
    let pending = this.pending.get(context);
    if (pending === undefined) {
      const outcome = begin();
      if (typeof outcome !== "object") {
        device.counters.ns += this.spent;
        done(outcome);
        this.answer(false);
        return;
      }
      pending = { steps: outcome, left: 0 };
      this.pending.set(context, pending);
    }
    if (pending.left > 0) {
      const ns = Math.min(pending.left, SLICE_NS);
      pending.left -= ns;
      this.answer(true, ns);
      return;
    }
    let step: IteratorResult<HostStep, unknown>;
    try {
      step = pending.steps.next();
    } catch (error) {
      this.pending.delete(context);
      throw error;
    }
    device.counters.ns += this.spent;
    if (step.done === true) {
      this.pending.delete(context);
      done(step.value);
      this.answer(false);
    } else if (typeof step.value === "number") {
      const ns = Math.min(checkNs(step.value), SLICE_NS);
      device.counters.ns += step.value;
      pending.left = step.value - ns;
      this.answer(true, ns);
    } else {
      this.answerWait(step.value);
    }
  }

  private call(): DeviceCall {
    return {
      cpu: this.actor,
      now: this.now,
      spend: (ns) => {
        this.spent = checkNs(this.spent + checkNs(ns));
      },
    };
  }
}

/** It has been told of the bracket, and has said yes or no. */
function started(device: HostDevice, bracket: HostBracket, outcome: unknown): void {
  device.counters.starts++;
  bracket.told.add(device.index);
  if (outcome !== false) return;
  if (bracket.range.blockable) {
    device.counters.ignored++;
    return;
  }
  device.counters.refused++;
  bracket.refused.add(device.index);
}

function checkNs(ns: unknown): number {
  if (typeof ns === "number" && Number.isInteger(ns) && ns >= 0 && ns <= NS_MOST) return ns;
  throw new ArgumentError("E_LIMIT", `ns must be 0 to ${NS_MOST}, got ${String(ns)}`, {
    argument: "ns",
    least: 0,
    most: NS_MOST,
  });
}

/** @throws ShootdownError E_POLICY: devices of the host are asked for where there can be none */
export function failHosting(): never {
  const message = "devices of the host need a timed machine created with hostDevices: true";
  throw new ShootdownError("E_POLICY", message, { argument: "hostDevices" });
}
