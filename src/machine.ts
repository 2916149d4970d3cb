/**
 * A machine: CPUs, tasks, address spaces and devices, driven in simulated time.
 *
 * The embedder is in charge: it submits jobs (kernel operations, accesses) with the earliest time
 * each may start, and advances the clock. Same calls, same results, on any host.
 */
import {
  checkAdvance,
  checkIndex,
  checkOperands,
  checkPage,
  checkRange,
  checkTime,
} from "./arguments.js";
import * as abi from "./core/abi.js";
import * as assume from "./assume.js";
import { BASE, Core } from "./core/core.js";
import type { Geometry } from "./core/geometry.js";
import { CLOCK, CPU, CTX, MM, SYS, TASK } from "./core/layout.js";
import { errorOf } from "./core/status.js";
import { ArgumentError, DisposedError, ShootdownError } from "./errors.js";
import { Catalogue } from "./kernel/catalogue.js";
import type { Era } from "./kernel/era.js";
import { writeTraits } from "./kernel/device-rows.js";
import { entryOf } from "./kernel/image.js";
import type { FlushPolicy } from "./kernel/policy.js";
import type { CostProfile } from "./kernel/profile.js";
import { type Counters, readCounters } from "./counters.js";
import type { HostDevice } from "./devices/device.js";
import { failHosting, HostPort } from "./devices/port.js";
import type { HostThread, ThreadSelf, ThreadSteps } from "./devices/thread.js";
import type { DeviceOps } from "./devices/types.js";
import { EventReader, type MachineEvent } from "./machine-events.js";
import type { MachineOptions } from "./machine-options.js";
import { createParts } from "./machine-parts.js";
import type { Image } from "./program/assembler.js";
import { settleMachine } from "./settle.js";
import { attachSubscriber } from "./subscribe.js";

export type { MachineOptions } from "./machine-options.js";

/** Why {@link Machine.advance} returned. */
export type AdvanceResult = "idle" | "time" | "budget" | "deadlock";

/** When and where a job runs. */
export interface JobOptions {
  /** Earliest start, ns of simulated time; 0 by default. */
  readonly at?: number;
  /** Task index; the one the CPU runs by default. */
  readonly task?: number;
}

const JOB_BYTES_BEFORE_REGISTERS = 16;
const JOB_REGISTERS = 6;
/** Steps between two looks at the log. */
const SLICE = 1 << 22;

/** As the actor to stop for. */
const NOBODY = -1;

let machines = 0;

/** See the file comment. Use {@link Machine.create}. */
export class Machine {
  /** Distinguishes machines in error messages. */
  readonly id = ++machines;
  private disposed = false;
  private suspension: ShootdownError | null = null;
  private advancing = false;
  private readonly reader: EventReader;
  private readonly port: HostPort | null;
  /** Was it created with `hostDevices`? */
  get isHosting(): boolean {
    return this.port !== null;
  }

  private tasks = 0;
  private devices = 0;

  private constructor(
    readonly core: Core,
    readonly image: Image,
    readonly catalogue: Catalogue,
    readonly era: Era,
    readonly policy: FlushPolicy,
    readonly profile: CostProfile,
    readonly geometry: Geometry,
  ) {
    this.reader = new EventReader(core);
    this.port = HostPort.of({ core, geometry, image });
  }

  /**
   * Creates a machine. Memory is allocated once, here.
   * @throws ArgumentError for a bad geometry or an unknown name; ShootdownError E_NOMEM.
   */
  static async create(options: MachineOptions = {}): Promise<Machine> {
    const { core, image, catalogue, era, policy, profile, geometry } = await createParts(options);
    return new Machine(core, image, catalogue, era, policy, profile, geometry);
  }

  /**
   * Idempotent; every later call throws E_DISPOSED. The memory goes with the last reference.
   * @throws ShootdownError E_BUSY from inside a callback of {@link Machine.advance}
   */
  dispose(): void {
    this.notAdvancing();
    this.disposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * For drivers: until `null` is passed, every use of this machine throws `error`, because other
   * threads are at work in its memory, or have left it half-way through a step.
   */
  suspend(error: ShootdownError | null): void {
    this.suspension = error;
  }

  private alive(): void {
    if (this.disposed) {
      throw new DisposedError("E_DISPOSED", `machine ${this.id} was disposed`, {
        machine: this.id,
      });
    }
    if (this.suspension !== null) throw this.suspension;
  }

  private index(name: string, value: number, limit: number): number {
    this.alive();
    return checkIndex(name, value, limit);
  }

  private page(name: string, value: number): number {
    this.alive();
    return checkPage(name, value, this.geometry);
  }

  /** An address space; its index. */
  newMm(): number {
    this.alive();
    const id = this.core.x.machineNewMm(BASE);
    if (id < 0) throw errorOf(id, { ...this.geometry });
    return id - 1;
  }

  /** A thread of `mm` (index), or a kernel thread with `null`; its index. */
  newTask(mm: number | null): number {
    const task = this.index("task", this.tasks, this.geometry.tasks);
    if (mm !== null) this.liveMm(mm);
    this.tasks++;
    if (mm !== null) this.core.x.machineSetTask(BASE, task, mm + 1);
    return task;
  }

  /**
   * A gather of `mm` is held open, or let go, by somebody the machine does not run: gathers that
   * finish meanwhile are nested in it.
   */
  holdGather(mm: number, hold: boolean): void {
    this.liveMm(mm);
    const row = this.core.mm(mm);
    const open = this.core.read(MM, row, "gathers");
    this.core.write(MM, row, "gathers", Math.max(0, open + (hold ? 1 : -1)));
  }

  /** PTE_* flags of the leaf entry of `vpn`, PROT_NONE ones included; 0 if there is none. */
  entryFlags(mm: number, vpn: number): number {
    this.liveMm(mm);
    this.page("vpn", vpn);
    return this.core.x.machineEntry(BASE, mm, vpn) % 2 ** abi.PTE_SHIFT;
  }

  private liveMm(mm: number): number {
    this.index("mm", mm, this.geometry.mms);
    if (this.core.read(MM, this.core.mm(mm), "ctxId") === 0) {
      throw new ArgumentError("E_NOENT", `mm ${mm} does not exist`, { argument: "mm", value: mm });
    }
    return mm;
  }

  /** Moves a task row to another mm (null: none) before it runs: threads, and rows used again. */
  bindTask(task: number, mm: number | null): void {
    this.index("task", task, this.tasks);
    if (mm === null) this.core.write(TASK, this.core.task(task), "mm", 0);
    else this.core.x.machineSetTask(BASE, task, this.liveMm(mm) + 1);
  }

  /**
   * An mm that was there before the simulation: it may be cached on every CPU, its cpumask was not
   * trimmed for long, and its ASID is known wherever it runs first.
   */
  assumeOld(mm: number): void {
    this.liveMm(mm);
    assume.old(this.core, mm);
  }

  /** Gives an old mm a free ASID slot on a CPU, clean up to now: its next switch-in is a hit. */
  assumeSlot(cpu: number, mm: number): void {
    this.index("cpu", cpu, this.geometry.cpus);
    assume.slot(this.core, cpu, this.liveMm(mm));
  }

  /** A CPU that has run many mms: whoever leaves one for init_mm finds no ASID slot of it. */
  assumeUsed(cpu: number): void {
    this.index("cpu", cpu, this.geometry.cpus);
    assume.used(this.core, cpu);
  }

  /** Is this CPU in lazy TLB mode? */
  isLazy(cpu: number): boolean {
    this.index("cpu", cpu, this.geometry.cpus);
    return this.core.read(CPU, this.core.cpu(cpu), "lazy") !== 0;
  }

  /** Protection and flags of a mapped page, 0 if it is not mapped (or PROT_NONE without flags). */
  protectionOf(mm: number, vpn: number): number {
    this.liveMm(mm);
    this.page("vpn", vpn);
    return this.core.x.machineVmaFind(BASE, mm, vpn);
  }

  /** Puts a task on a CPU before anything runs, without the cost or events of a switch. */
  place(cpu: number, task: number): void {
    this.index("cpu", cpu, this.geometry.cpus);
    this.index("task", task, this.tasks);
    const mm = this.core.read(TASK, this.core.task(task), "mm");
    this.core.x.machineRunTask(BASE, cpu, task, mm);
  }

  /** mm index of a task, or null. */
  mmOf(task: number): number | null {
    this.index("task", task, this.tasks);
    const mm = this.core.read(TASK, this.core.task(task), "mm");
    return mm === 0 ? null : mm - 1;
  }

  /**
   * Attaches a device behind a consumer model to an mm; its index. It has subscribed: to the whole
   * mm, if it subscribes to intervals.
   * @param subscribed - false: it has not, scripts do that
   * @throws ArgumentError E_LIMIT when geometry.devices are in use.
   */
  attach(consumer: string, mm: number, subscribed = true): number {
    const device = this.index("device", this.devices, this.geometry.devices);
    this.liveMm(mm);
    const model = this.catalogue.consumer(consumer);
    // Without its programs it would hear of nothing.
    this.accessPc(consumer, false);
    this.devices++;
    attachSubscriber(this.core, this.image, model, { device, mm, subscribed });
    writeTraits(this.core, device, model);
    return device;
  }

  /**
   * Where devices of the host, and their drivers' locks and queues, live.
   * @throws ShootdownError E_POLICY for a machine that was not created with `hostDevices`
   */
  get hosts(): HostPort {
    this.alive();
    return this.port ?? failHosting();
  }

  /**
   * Attaches a device whose model is the host's: `ops` are called while {@link Machine.advance}
   * runs operations of `mm`. They may submit jobs; what they throw comes out of `advance`, which
   * asks again the next time. See docs/devices.md.
   * @throws ArgumentError E_LIMIT when geometry.devices are in use; ShootdownError E_POLICY
   */
  attachDevice(mm: number, ops: DeviceOps): HostDevice {
    const port = this.hosts;
    const index = this.index("device", this.devices, this.geometry.devices);
    this.liveMm(mm);
    this.devices++;
    const device = port.add(index, mm, ops);
    this.core.x.machineSubscribe(BASE, index, mm + 1);
    return device;
  }

  /**
   * A kernel thread whose code is the host's works on `mm`, as a job of task `task` on CPU `cpu`.
   * `owner` is who its brackets say they are for.
   * @throws as {@link Machine.submit}; ShootdownError E_POLICY
   */
  startThread<T>(
    cpu: number,
    mm: number,
    body: (self: ThreadSelf) => ThreadSteps<T>,
    options: JobOptions & { readonly owner?: unknown } = {},
  ): HostThread<T> {
    const port = this.hosts;
    this.index("cpu", cpu, this.geometry.cpus);
    const task = options.task ?? this.taskOn(cpu);
    this.index("task", task, this.tasks);
    const at = checkTime(options.at ?? 0);
    this.liveMm(mm);
    const { id, thread } = port.addThread(mm, cpu, options.owner, body);
    this.push(cpu, entryOf.hostThread(this.image), task + 1, at, [id, mm + 1]);
    return thread;
  }

  /** Watches a page: slot `k` of geometry.watch. Set up before anything runs. */
  watch(k: number, mm: number, vpn: number): void {
    this.index("watch", k, this.geometry.watch);
    this.liveMm(mm);
    this.page("vpn", vpn);
    const row = this.core.at(abi.H_OFF_WATCH_VPN) + k * 16;
    this.core.writeU64(row, vpn);
    this.core.writeU64(row + 8, mm);
  }

  /**
   * Maps pages [start, end) of `mm` at once, outside simulated time, over what was mapped there.
   * `prot`: 1 read, 2 write, 4 execute, 8 shared, 16 file; 32, 64 and 128 are the caller's own.
   * @throws ArgumentError E_EMPTY, E_INVERTED, E_ADDR_RANGE, E_NOENT; CapacityError E_NOMEM
   */
  mapNow(mm: number, start: number, end: number, prot: number): void {
    this.liveMm(mm);
    checkRange(start, end, this.geometry);
    this.index("prot", prot, 256);
    const status = this.core.x.machineVmaSet(BASE, mm, start, end, prot);
    if (status < 0) throw errorOf(status, { ...this.geometry });
  }

  /** The entry that maps `vpn` now: frame and writability, or null. */
  walk(mm: number, vpn: number): { frame: number; writable: boolean; huge: boolean } | null {
    this.liveMm(mm);
    this.page("vpn", vpn);
    const pte = this.core.x.machineWalk(BASE, mm, vpn);
    if (pte === 0) return null;
    const flags = pte % 32;
    return {
      frame: Math.floor(pte / 32),
      writable: (flags & abi.PTE_W) !== 0,
      huge: (flags & abi.PTE_HUGE) !== 0,
    };
  }

  /** True if the actor's job ring has room. */
  hasRoom(actor: number): boolean {
    return this.core.x.jobNext(BASE, actor) !== 0;
  }

  private push(actor: number, pc: number, task: number, at: number, values: number[]): void {
    const slot = this.core.x.jobNext(BASE, actor);
    if (slot === 0) {
      throw new ArgumentError("E_LIMIT", `actor ${actor} has ${this.geometry.jobs} jobs queued`, {
        argument: "jobs",
        most: this.geometry.jobs,
      });
    }
    this.core.writeU64(slot, at);
    this.core.u32[(slot + 8) >> 2] = pc;
    this.core.u32[(slot + 12) >> 2] = task;
    for (let i = 0; i < JOB_REGISTERS; i++) {
      this.core.writeU64(slot + JOB_BYTES_BEFORE_REGISTERS + i * 8, values[i] ?? 0);
    }
    this.core.x.jobCommit(BASE, actor);
  }

  /**
   * Queues an operation on a CPU. Pages are vpns, ranges half-open.
   * @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_EMPTY, E_INVERTED, E_LIMIT (ring full), E_TIME.
   */
  submit(
    cpu: number,
    name: string,
    args: Readonly<Record<string, number>> = {},
    options: JobOptions = {},
  ): void {
    this.index("cpu", cpu, this.geometry.cpus);
    const at = checkTime(options.at ?? 0);
    const operation = this.catalogue.operation(name);
    const values = checkOperands(operation, args, this.geometry);
    const pc = this.image.entries.get(name);
    if (pc === undefined) {
      throw new ArgumentError("E_NOENT", `${name} is not in this machine's image`, { value: name });
    }
    const { onCpu } = operation;
    const task = options.task === undefined ? this.taskOn(cpu) : options.task;
    if (!onCpu) this.index("task", task, this.tasks);
    this.push(cpu, pc, onCpu ? 0 : task + 1, at, values);
  }

  private accessPc(consumer: string, write: boolean): number {
    const pc = this.image.entries.get(entryOf.access(consumer, write));
    if (pc === undefined) {
      throw new ArgumentError("E_NOENT", `consumer ${consumer} is not in this machine's image`, {
        argument: "consumer",
        value: consumer,
      });
    }
    return pc;
  }

  /** Queues one access of a device to page `vpn`. */
  submitAccess(device: number, consumer: string, vpn: number, write: boolean, at = 0): void {
    this.index("device", device, this.devices);
    this.page("vpn", vpn);
    checkTime(at);
    const pc = this.accessPc(consumer, write);
    this.push(this.geometry.cpus + device, pc, 0, at, [vpn]);
  }

  /** Task index a CPU runs now, -1 if none. */
  taskOn(cpu: number): number {
    this.index("cpu", cpu, this.geometry.cpus);
    return this.core.u32[(this.core.cpu(cpu) + 20) >> 2] - 1;
  }

  /** An actor's clock, ns. */
  now(actor = 0): number {
    this.index("actor", actor, this.geometry.cpus + this.geometry.devices);
    return this.core.read(CLOCK, this.core.clock(actor), "now");
  }

  /**
   * Advances simulated time: runs every step that starts before `until` (ns), at most `budget`
   * steps. Events recorded on the way go to `onEvent` in the order of their steps; it may queue
   * jobs, and those it was not given because it threw come first the next time.
   * @throws ArgumentError E_TIME, E_LIMIT; ShootdownError E_BUSY from inside `onEvent`;
   * CapacityError E_NOMEM when a pool is empty: the machine is as it was before that step.
   */
  advance(
    until = Infinity,
    onEvent?: (event: MachineEvent) => void,
    budget = Infinity,
  ): AdvanceResult {
    this.alive();
    checkAdvance(until, budget);
    return this.run(until, onEvent, budget, NOBODY);
  }

  /**
   * Advances simulated time until an actor has no job left: others come as far as they do by then.
   * What an actor's job has asked of others may still be on its way if it did not wait for it.
   * @throws as {@link Machine.advance}
   */
  finish(actor: number, onEvent?: (event: MachineEvent) => void): AdvanceResult {
    return this.isBusy(actor) ? this.run(Infinity, onEvent, Infinity, actor) : "time";
  }

  private run(
    until: number,
    onEvent: ((event: MachineEvent) => void) | undefined,
    budget: number,
    stop: number,
  ): AdvanceResult {
    this.notAdvancing();
    if (this.geometry.logRecords === 0) {
      throw new ArgumentError("E_LIMIT", "geometry.logRecords is 0: there is no simulated time", {
        argument: "logRecords",
      });
    }
    this.advancing = true;
    try {
      return this.steps(Math.min(until, 2 ** 53), onEvent, budget, stop);
    } finally {
      this.advancing = false;
    }
  }

  private steps(
    until: number,
    onEvent: ((event: MachineEvent) => void) | undefined,
    budget: number,
    stop: number,
  ): AdvanceResult {
    let left = budget;
    this.reader.drain(onEvent);
    for (;;) {
      const slice = Math.min(SLICE, left);
      const status = this.core.x.timedAdvance(BASE, until, slice, stop);
      const told = this.reader.drain(onEvent);
      if (status < 0) throw errorOf(status, { ...this.geometry });
      if (status >= 0 && (status & 0xff) === abi.ST_HOST) {
        left -= slice - this.core.header[abi.H_BUDGET];
        this.hosts.serve(status >> 8);
        continue;
      }
      if (status === abi.ST_BUDGET) {
        left -= slice;
        if (left <= 0) return "budget";
      }
      // Whoever was told of an event may have queued a job.
      if (told && (stop === NOBODY || this.isBusy(stop))) continue;
      if (status === abi.ST_DONE) return "idle";
      if (status === abi.ST_TIME) return "time";
      if (status === abi.ST_DEADLOCK) return "deadlock";
    }
  }

  private notAdvancing(): void {
    if (!this.advancing) return;
    throw new ShootdownError("E_BUSY", `machine ${this.id} is advancing: not from its callback`, {
      machine: this.id,
    });
  }

  /** Counters summed over all actors. */
  counters(): Counters {
    this.alive();
    return readCounters(this.core);
  }

  /** The first hazard that was committed, if any. */
  get hazard(): { code: number; actor: number; vpn: number; frame: number } | null {
    const word = this.core.read(SYS, this.core.sys, "hazard");
    if (word === 0) return null;
    return {
      code: word & 0xff,
      actor: word >>> 8,
      vpn: this.core.read(SYS, this.core.sys, "hazardVpn"),
      frame: this.core.read(SYS, this.core.sys, "hazardPfn"),
    };
  }

  /** Fingerprint of the whole simulated state, 16 hex digits. Equal states, equal fingerprints. */
  stateHash(): string {
    this.alive();
    const scratch = BASE - 512;
    this.core.x.stateHash(BASE, scratch);
    const hex = (word: number): string => word.toString(16).padStart(8, "0");
    return hex(this.core.u32[(scratch >> 2) + 1]) + hex(this.core.u32[scratch >> 2]);
  }

  /** Starts a script on an actor, for drivers that step the machine themselves. */
  startScript(actor: number, name: string): void {
    this.index("actor", actor, this.geometry.cpus + this.geometry.devices);
    const pc = this.image.entries.get(name);
    if (pc === undefined) {
      throw new ArgumentError("E_NOENT", `no script is called ${name}`, { value: name });
    }
    const status = this.core.x.machineStart(BASE, actor, pc);
    if (status < 0) throw errorOf(status, { ...this.geometry });
    if (status === abi.ST_WAIT) {
      throw new ArgumentError("E_BUSY", `actor ${actor} is in the middle of a program`, { actor });
    }
  }

  /** One step; see `assembly/step.ts` for choices. Returns the status. */
  step(actor: number, choice = 0): number {
    this.index("actor", actor, this.geometry.cpus + this.geometry.devices);
    this.index("choice", choice, 4 + 2 * this.geometry.watch);
    this.notAdvancing();
    const status = this.core.x.machineStep(BASE, actor, choice);
    if (status < 0) throw errorOf(status, { ...this.geometry });
    if (status !== abi.ST_HOST) return status;
    throw new ShootdownError("E_POLICY", "only Machine.advance calls devices of the host", {
      actor,
    });
  }

  /** Actors in the middle of a program, or with an interrupt to take. */
  busyActors(): number[] {
    this.alive();
    const { core, geometry } = this;
    const busy: number[] = [];
    for (let actor = 0; actor < geometry.cpus + geometry.devices; actor++) {
      const pending = actor < geometry.cpus && core.read(CPU, core.cpu(actor), "ipiPending") !== 0;
      if (pending || this.isRunning(actor)) busy.push(actor);
    }
    return busy;
  }

  /** Is an actor in the middle of a program, or are jobs queued for it? */
  isBusy(actor: number): boolean {
    this.index("actor", actor, this.geometry.cpus + this.geometry.devices);
    const { core } = this;
    const clock = core.clock(actor);
    const isQueued = core.read(CLOCK, clock, "jobHead") !== core.read(CLOCK, clock, "jobTail");
    return isQueued || this.isRunning(actor);
  }

  /** Its own context, or that of the task on it. */
  private isRunning(actor: number): boolean {
    const { core, geometry } = this;
    const running = (ctx: number): boolean => core.read(CTX, core.ctx(ctx), "running") !== 0;
    const task = actor < geometry.cpus ? this.taskOn(actor) : -1;
    return running(geometry.tasks + actor) || (task >= 0 && running(task));
  }

  /** Steps all actors round robin until nobody can move: for set-up phases. */
  settle(): void {
    settleMachine(this);
  }
}
