/**
 * Random machines and random schedules, all from one seed: a core and a model side by side, with
 * the same programs and the same steps.
 */
import * as abi from "../../src/core/abi.js";
import { BASE, Core } from "../../src/core/core.js";
import { checkGeometry, EXPLORED_GEOMETRY, pagesOf } from "../../src/core/geometry.js";
import type { Geometry } from "../../src/core/geometry.js";
import { CLOCK, CTX, DEVICE } from "../../src/core/layout.js";
import type { Consumer } from "../../src/kernel/consumer.js";
import type { FlushPolicy } from "../../src/kernel/policy.js";
import { writeTraits } from "../../src/kernel/device-rows.js";
import { rowsOf, writeOwnWords } from "../../src/kernel/own-rows.js";
import { rowsOfCode } from "../../src/kernel/image-options.js";
import { host } from "../../src/kernel/consumers/host.js";
import { entryOf } from "../../src/kernel/image.js";
import type { Image } from "../../src/program/assembler.js";
import { describe as describeInstruction } from "../../src/program/disassembler.js";
import { comparer, type Difference } from "./compare.js";
import {
  ACCESS,
  COMMON,
  RARE,
  NEW,
  PUT_OFF,
  UNSOUND,
  EXTRA,
  CALLS,
  PROTS,
  DEFERRED_PROTS,
  ASIDS,
} from "./draws.js";
import { calledCpu } from "./extra-operations.js";
import { catalogue, consumersOf, imageOf } from "./images.js";
import { giveTraits, isSimple, ownOf } from "./own-rows.js";
import { attachBoth } from "./subscribe-both.js";
import { argsOfPins, attachPinning, isPinOperation } from "./pin-operations.js";
import { Random, seedText } from "./random.js";
import { siteArgs, SITES } from "./site-operations.js";
import { Model } from "./state.js";
import * as stepper from "./step.js";

const KINDS = {
  sharing: abi.DEV_SHARING,
  mirroring: abi.DEV_MIRRORING,
  pinning: abi.DEV_PINNING,
  host: abi.DEV_HOST,
};

/** What a run is put together from; what is left out is random. */
export interface Parts {
  readonly era?: string;
  readonly policy?: string;
  readonly consumers?: readonly string[];
  /** Operations a task may run. */
  readonly operations?: readonly string[];
  /** Only what kernels ship. */
  readonly sound?: boolean;
  readonly geometry?: Partial<Geometry>;
  readonly options?: number;
  readonly merge?: boolean;
  /** Subscribers that come and go, and drivers' operations on them. */
  readonly subscribed?: boolean;
  readonly devices?: boolean; // those that have more than a cache, too
  /** Devices are the host's. */
  readonly hosts?: boolean;
  /** Devices reach what is pinned for them, and operations map and pin. */
  readonly pinned?: boolean;
}

const named = (
  list: readonly { readonly name: string; readonly mutant: boolean }[],
  sound: boolean,
) => list.filter((part) => !sound || !part.mutant).map((part) => part.name);

/** What a policy treats in its own way. */
function favouredBy(policy: FlushPolicy): readonly string[] {
  const touch = [...ACCESS, ...ACCESS];
  if (policy.defers?.eligible === "recycled") {
    return [...touch, ...touch, "munmap", "munmap", "munmap", "mmap", "mmap", "exec"];
  }
  if (policy.defers !== undefined) {
    const often = ["populate.read", "read", "reclaim", "reclaim"];
    const deferred = [...often, ...often, ...often, "migrate", "write.file"];
    return [...touch, ...deferred, ...deferred, ...deferred, ...deferred];
  }
  if (policy.accessed !== undefined) return [...touch, "age", "madvise", "madvise", "munmap"];
  if (policy.batching !== undefined || policy.swaps !== undefined) {
    return [...touch, "reclaim", "reclaim", "reclaim", "reclaim", "mprotect", "mprotect"];
  }
  if (((policy.options ?? 0) & abi.OPT_GLOBAL_ASIDS) !== 0) return ["exit", "fork", "exec"];
  if (policy.polls === true) return ["idle", "idle", "use.mm", "use.mm", "munmap", "munmap"];
  if (((policy.options ?? 0) & abi.OPT_LATR) !== 0) return [...touch, "munmap", "munmap", "mmap"];
  return [];
}

/** One machine twice, and what happens to it. */
export class Run {
  readonly random: Random;
  readonly geometry: Geometry;
  readonly options: number;
  readonly era: string;
  readonly policy: string;
  readonly merge: boolean;
  /** CPUs of a node. */
  readonly nodeCpus: number;
  /** CPUs call each other, too. */
  readonly calls: boolean;
  readonly consumers: readonly Consumer[];
  core!: Core;
  model!: Model;
  image!: Image;
  compare!: () => Difference | null;
  readonly log: string[] = [];
  /** Actors whose program ran into an error: they stay where they are. */
  readonly stuck = new Set<number>();
  private readonly operations: readonly string[];
  private readonly deviceConsumer: Consumer[] = [];
  private readonly targetsUsed = new Set<number>();
  private readonly prots: readonly number[];
  private readonly busyTasks = new Set<number>();
  private readonly sound: boolean;

  constructor(
    readonly seed: bigint,
    readonly parts: Parts = {},
  ) {
    const random = new Random(seed);
    this.random = random;
    this.sound = parts.sound ?? random.chance(50);
    const levels = random.pick([1, 2, 2, 2, 3, 3, 4, 5]);
    const indexBits = random.between(1, levels > 3 ? 2 : 3);
    const mms = random.between(1, 3);
    // Pools that run out in some programs; in most, programs that get far.
    const isSmall = random.chance(20);
    this.nodeCpus = 1 + Number(seed % 3n);
    this.geometry = checkGeometry(
      {
        cpus: random.between(1, 4),
        tasks: random.between(2, 5),
        mms,
        devices: random.between(0, 2),
        frames: isSmall ? random.pick([3, 6, 10]) : 40,
        tables: mms + (isSmall ? random.pick([1, 4, 12]) : 28),
        levels,
        indexBits,
        tlbSets: random.pick([1, 1, 2, 4]),
        tlbWays: random.between(1, 4),
        pwcEntries: random.pick([0, 0, 1, 2, 3]),
        asids: random.between(1, 3),
        vmas: isSmall ? random.pick([2, 4, 8]) : 16,
        iotlbSets: random.pick([1, 2]),
        iotlbWays: random.between(1, 3),
        watch: random.between(0, 3),
        gatherPages: random.pick([1, 2, 4, 8]),
        ceiling: random.pick([0, 1, 2, 4, 33]),
        logRecords: 0,
        jobs: 0,
        ...parts.geometry,
      },
      EXPLORED_GEOMETRY,
    );
    const anyOptions =
      (random.chance(60) ? abi.OPT_DELAYED_IPI : 0) |
      (random.chance(50) ? abi.OPT_SPECULATIVE_WALKS : 0) |
      (random.chance(40) ? abi.OPT_NMI : 0) |
      (random.chance(70) ? abi.OPT_LAZY_SKIP : 0) |
      (random.chance(30) ? abi.OPT_TRIM : 0) |
      (random.chance(25) ? abi.OPT_PREEMPT : 0) |
      (random.chance(30) ? abi.OPT_DIRTY : 0);
    const mergeDrawn = random.chance(50);
    this.merge = parts.merge ?? mergeDrawn;
    this.era = random.pick(named(catalogue.parts.eras, this.sound));
    if (parts.era !== undefined) this.era = parts.era;
    const policies = named(catalogue.parts.policies, this.sound);
    const batching = policies.filter((name) => {
      const { batching, defers } = catalogue.policy(name);
      return batching !== undefined && defers === undefined;
    });
    this.policy = random.pick([...policies, ...batching, ...batching]);
    if (parts.policy !== undefined) this.policy = parts.policy;
    const eligible = catalogue.policy(this.policy).defers?.eligible;
    const isDeferring = eligible !== undefined;
    this.prots = isDeferring && eligible !== "recycled" ? DEFERRED_PROTS : PROTS;
    // Frames that are flushed for when they are taken come last: there must be few others.
    if (isDeferring && parts.geometry === undefined && random.chance(70)) {
      this.geometry = { ...this.geometry, frames: random.between(4, 6) };
    }
    if (catalogue.policy(this.policy).asids !== undefined) {
      const { cpus } = this.geometry;
      const rows = { tasks: cpus + 4, mms: cpus + 5, tables: 90, frames: 60 };
      const asids = random.between(cpus, cpus + 3);
      this.geometry = { ...this.geometry, ...rows, asids, ...parts.geometry };
    }
    const callsDrawn = random.chance(60);
    this.calls = callsDrawn && !this.sound && parts.operations === undefined;
    this.options =
      (parts.options ?? anyOptions) |
      (catalogue.policy(this.policy).options ?? 0) |
      (this.calls ? abi.OPT_CALLS : 0);
    const subscribed = parts.subscribed === true;
    const isDrawn = (consumer: Consumer) => parts.devices === true || isSimple(consumer);
    const those = consumersOf(subscribed, parts.pinned).filter(isDrawn);
    const consumers = named(those, this.sound);
    const known = (parts.consumers ?? consumers).map((name) => catalogue.consumer(name));
    this.consumers = parts.hosts === true ? [host] : known;
    const favoured = catalogue.policy(this.policy).asids === undefined ? undefined : ASIDS;
    this.operations = parts.operations ??
      favoured ?? [
        ...COMMON,
        ...COMMON,
        ...COMMON,
        ...RARE,
        ...NEW,
        ...PUT_OFF,
        ...SITES,
        ...favouredBy(catalogue.policy(this.policy)),
        ...(this.sound ? [] : [...UNSOUND, ...EXTRA]),
        ...(this.calls ? [...CALLS, ...CALLS] : []),
      ];
  }

  /** Builds both machines. */
  async open(): Promise<this> {
    const { geometry: g, random } = this;
    const { subscribed, hosts, pinned } = this.parts;
    this.image = imageOf(this.era, this.policy, this.calls, { subscribed, hosts, pinned });
    const pages = pagesOf(g);
    const watch = Array.from({ length: g.watch }, (_, i) => ({ vpn: i % pages, mm: 0 }));
    const handlerPc = this.image.entries.get(entryOf.handler)!;
    const { code } = this.image;
    const costs = new Uint32Array(abi.COST_WORDS);
    const policy = catalogue.policy(this.policy);
    const moreDevices = !this.consumers.every(isSimple);
    const rows = rowsOf(policy) | rowsOfCode(this.image) | (moreDevices ? abi.ROW_DEVICES : 0);
    const { options } = this;
    this.core = await Core.create({ geometry: g, options, rows, code, handlerPc, costs });
    writeOwnWords(this.core.header, policy);
    this.core.header[abi.H_MERGE] = this.merge ? 1 : 0;
    watch.forEach(({ vpn, mm }, k) => {
      this.core.writeU64(this.core.at(abi.H_OFF_WATCH_VPN) + k * 16, vpn);
      this.core.writeU64(this.core.at(abi.H_OFF_WATCH_VPN) + k * 16 + 8, mm);
    });
    const { merge, nodeCpus } = this;
    const ptiPages = random.pick([0, 1, 1, 2]);
    const silent = policy.directory === "silent";
    this.core.header[abi.H_PTI_PAGES] = ptiPages;
    const globals = {
      asids: random.between(1, 2),
      cpus: random.pick([0, 0, 1]),
      every: random.pick([1, 1, 2]),
    };
    const asidSpace = this.core.header[abi.H_ASID_SPACE];
    const space = asidSpace === 0 ? {} : { asidSpace };
    this.core.header[abi.H_NODE_CPUS] = nodeCpus;
    this.core.header[abi.H_DIR_SILENT] = silent ? 1 : 0;
    this.core.header[abi.H_GLOBAL_ASIDS] = globals.asids;
    this.core.header[abi.H_GLOBAL_CPUS] = globals.cpus;
    this.core.header[abi.H_GLOBAL_EVERY] = globals.every;
    const machine = { options, merge, code, handlerPc, nodeCpus, silent, ptiPages, globals, watch };
    const isSubscribed = (rows & abi.ROW_NOTIFIERS) !== 0;
    const subscribers = isSubscribed ? { subscriberRows: Math.min(32, g.devices + 2) } : {};
    const iova = pinned === true ? { iovaPages: pages } : {};
    const own = { ...ownOf(policy), ...space, ...subscribers, ...iova, moreDevices };
    this.model = new Model({ geometry: g, ...machine, ...own });
    this.compare = comparer(this.core, this.model);
    const { core, model } = this;
    const mms = random.between(1, g.mms);
    for (let mm = 0; mm < mms; mm++) {
      core.x.machineNewMm(BASE);
      stepper.setUp.newMm(model);
      const end = Math.max(1, pages >> 1);
      const prot = random.pick(this.prots.slice(2));
      core.x.machineVmaSet(BASE, mm, 0, end, prot);
      stepper.setUp.map(model, mm, 0, end, prot);
    }
    for (let task = 0; task < g.tasks; task++) {
      const mm = task === 0 ? 0 : random.pick([null, 0, 0, 0, random.below(mms)]);
      if (mm === null) continue;
      core.x.machineSetTask(BASE, task, mm + 1);
      stepper.setUp.setTask(model, task, mm);
    }
    for (let cpu = 0; cpu < Math.min(g.cpus, g.tasks); cpu++) {
      core.x.machineRunTask(BASE, cpu, cpu, (model.taskMm[cpu] ?? -1) + 1);
      stepper.setUp.place(model, cpu, cpu);
    }
    for (let device = 0; device < g.devices; device++) this.attach(device, random.below(mms));
    return this;
  }

  private attach(device: number, mm: number): void {
    const consumer = this.random.pick(this.consumers);
    const hooks = (["start", "end", "secondary", "release"] as const).map(
      (hook) => this.image.entries.get(entryOf.hook(consumer.name, hook)) ?? 0,
    );
    const kind = KINDS[consumer.kind];
    const row = this.core.device(device);
    this.core.write(DEVICE, row, "kind", kind);
    this.core.write(DEVICE, row, "hookStart", hooks[0]);
    this.core.write(DEVICE, row, "hookEnd", hooks[1]);
    this.core.write(DEVICE, row, "hookSecondary", hooks[2]);
    this.core.write(DEVICE, row, "hookRelease", hooks[3]);
    writeTraits(this.core, device, consumer);
    giveTraits(this.model.devices[device], consumer);
    if (this.model.pins) {
      attachPinning(this, device, mm, consumer);
    } else if (this.model.subscribers) {
      const subscribed = this.random.chance(70);
      attachBoth(this, { device, mm, consumer, kind, hooks, subscribed });
    } else {
      this.core.x.machineSubscribe(BASE, device, mm + 1);
      stepper.setUp.attach(this.model, device, kind, mm, hooks);
    }
    this.deviceConsumer[device] = consumer;
  }

  private get pages(): number {
    return pagesOf(this.geometry);
  }

  /** Ranges lie in the lower half; the upper half is where mremap moves to. */
  private range(): [number, number] {
    const half = Math.max(1, this.pages >> 1);
    const start = this.random.below(Math.min(half, this.random.pick([1, 3, half])));
    return [start, this.random.between(start + 1, Math.min(half, start + 6))];
  }

  private page(): number {
    const { random } = this;
    const half = Math.max(1, this.pages >> 1);
    if (random.chance(3)) return random.below(this.pages);
    return random.below(Math.min(half, random.pick([2, 3, 3, 4, 8])));
  }

  /** Arguments of an operation, or null when it cannot run now. */
  private argsOf(name: string): number[] | null {
    const { random } = this;
    const [start, end] = this.range();
    switch (name) {
      case "read":
      case "write":
      case "fault.read":
      case "fault.write":
      case "fault.fresh":
      case "fault.checked":
      case "store.irqs-off":
      case "write.file":
        return [this.page()];
      case "host.thread":
        return [0, 1];
      case "reclaim.nested":
        return [start, random.between(start, end), end];
      case "copy.from.user":
      case "copy.to.user":
        return [this.page()];
      case "kernel.read":
        return [this.page(), random.between(1, this.geometry.mms)];
      case "mmap":
        return [0, Math.max(1, this.pages >> 1), random.pick(this.prots)];
      case "mprotect":
        return [start, end, random.pick(this.prots)];
      case "mremap":
      case "mremap-late-flush":
        return this.target(start, end);
      case "truncate":
        return [random.below(this.geometry.frames)];
      case "fork":
      case "fork.hugetlb": {
        const child = this.model.mms.includes(null) || random.chance(5) ? this.freeTask() : null;
        return child === null ? null : [child + 1];
      }
      case "test-huge-fault": {
        const span = 2 ** this.geometry.indexBits;
        if (this.geometry.levels < 2) return null;
        return [random.below(Math.max(1, (this.pages >> 1) / span)) * span];
      }
      case "test-signal":
        return [random.between(1, 3)];
      case "idle":
        return [];
      case "cpu-offline":
      case "cpu-offline-undrained":
        return random.chance(15) ? [] : null;
      case "exec":
      case "exit":
        return random.chance(40) ? [] : null;
      default:
        if (name.startsWith("test-")) return this.driverArgs(name);
        if (CALLS.includes(name)) return this.callArgs(name);
        if (this.model.pins && isPinOperation(name)) return this.pinArgs(name);
        return siteArgs(name, random, this.geometry, () => this.page(), this.prots) ?? [start, end];
    }
  }

  /** Of what a device's driver does; null: there is no such device. */
  private driverArgs(name: string): number[] | null {
    const device = Number(name.at(-1));
    if (device >= this.geometry.devices) return null;
    const [start, end] = this.range();
    return [start, end];
  }

  /** Budgets are small: giving up is not rare. */
  private pinArgs(name: string): number[] {
    const { random, geometry } = this;
    const device = random.chance(1) ? geometry.devices : random.below(geometry.devices);
    return argsOfPins(name, random, device, this.range(), this.page());
  }

  /** To call a CPU that there is not is an error: rarely. */
  private callArgs(name: string): number[] | null {
    const isThere = calledCpu(name) < this.geometry.cpus;
    return isThere || this.random.chance(2) ? [this.page()] : null;
  }

  /** A place in the upper half that nothing was moved to before, where tables start alike. */
  private target(start: number, end: number): number[] | null {
    const span = 2 ** this.geometry.indexBits;
    const half = this.pages >> 1;
    for (let at = half + (start % span); at + end - start <= this.pages; at += span) {
      const used = [...this.targetsUsed].some((page) => page >= at && page < at + end - start);
      if (used) continue;
      for (let page = at; page < at + end - start; page++) this.targetsUsed.add(page);
      return [start, end, at];
    }
    return null;
  }

  private freeTask(): number | null {
    const { taskMm, cpus } = this.model;
    const free = taskMm.findIndex(
      (mm, task) =>
        mm === null && !this.busyTasks.has(task) && !cpus.some((cpu) => cpu.task === task),
    );
    if (free >= 0) this.busyTasks.add(free);
    return free < 0 ? null : free;
  }

  private setArgs(context: number, args: readonly number[]): void {
    const p = this.core.ctx(context) + CTX.fields.r0.offset;
    args.forEach((value, i) => this.core.writeU64(p + i * 8, value));
  }

  /** Gives an idle actor something to do. */
  private begin(actor: number): void {
    const { core, geometry: g, image, model, random } = this;
    if (actor >= g.cpus) {
      const consumer = this.deviceConsumer[actor - g.cpus];
      const name = entryOf.access(consumer.name, random.chance(50));
      this.launch(actor, g.tasks + actor, image.entries.get(name)!, [this.page()], name);
      return;
    }
    const { task, online } = model.cpus[actor];
    // An offline CPU does nothing any more.
    if (!online) return;
    if (task === null || random.chance(model.asids ? 50 : 20)) {
      this.beginSwitch(actor);
      return;
    }
    if (model.taskMm[task] === null) return;
    const name = random.pick(this.operations);
    const args = name === "use.mm" ? [model.taskMm[task] + 1] : this.argsOf(name);
    if (args) this.launch(actor, task, image.entries.get(name)!, args, name);
    if (random.chance(5)) {
      const ms = random.below(4000);
      core.write(CLOCK, core.clock(actor), "now", ms * 1e6);
      model.nowMs[actor] = ms;
    }
  }

  private launch(actor: number, ctx: number, pc: number, args: number[], name: string): void {
    const { core, model } = this;
    const expected = stepper.startActor(model, actor, pc, args);
    const status = core.x.machineStart(BASE, actor, pc);
    if (status !== expected) throw new Error(`start: core ${status}, model ${expected}`);
    this.setArgs(ctx, args);
    this.log.push(`actor ${actor} starts ${name} ${args.join(" ")}`);
  }

  /** A context switch, in the CPU's own context, to a task that runs nowhere else. */
  private beginSwitch(actor: number): void {
    const { core, geometry: g, image, model, random } = this;
    const own = g.tasks + actor;
    const next = random.below(g.tasks);
    const isElsewhere = model.cpus.some((cpu) => {
      const switching = model.contexts[g.tasks + cpu.index];
      const target = switching && switching.pc !== 0 ? Number(switching.r[0]) : -1;
      return (cpu.task === next && cpu.index !== actor) || target === next;
    });
    if (isElsewhere || this.busyTasks.has(next) || model.contexts[own]) return;
    const pc = image.entries.get("switch")!;
    stepper.start(model, own, pc, null, null, [next]);
    const row = core.ctx(own);
    core.write(CTX, row, "pc", pc);
    core.write(CTX, row, "running", 1);
    this.setArgs(own, [next]);
    this.log.push(`cpu ${actor} switches to task ${next}`);
  }

  /** What an actor would run next, for reports. */
  instruction(actor: number): string {
    const context = this.model.contexts[stepper.currentContext(this.model, actor)];
    if (!context) return "idle";
    const i = stepper.instructionAt(this.image.code, context.pc);
    return `${context.pc}: ${describeInstruction(i)}`;
  }

  /** Draws the next step; idle actors are given work first. */
  next(): { actor: number; choice: number } {
    const { geometry: g, model, random } = this;
    const actors = g.cpus + g.devices;
    let actor = random.below(actors);
    if (this.stuck.has(actor)) actor = random.below(actors);
    const idle = !model.contexts[stepper.currentContext(model, actor)];
    if (idle && !this.stuck.has(actor) && random.chance(90)) this.begin(actor);
    const cpu = model.cpus[actor];
    const pending = cpu !== undefined && (cpu.ipiPending || cpu.poll === "wanted");
    return { actor, choice: this.choice(actor, pending) };
  }

  private choice(actor: number, pending: boolean): number {
    const { geometry: g, model, random } = this;
    const applies = 2 + 2 * g.watch;
    const cpu = model.cpus[actor];
    if (cpu?.preempted === true && random.chance(30)) return applies + 1;
    const isTold = cpu !== undefined && model.cpus.some(({ broadcast }) => broadcast.has(actor));
    if (isTold && random.chance(40)) return applies;
    if (pending && random.chance(40)) return 1;
    if (model.lifetimes !== undefined && cpu !== undefined && random.chance(15)) return applies;
    return random.chance(6) ? random.below(applies + 2) : 0;
  }

  /** Takes a step in both machines; the two statuses ("trap" for a failure). */
  step(actor: number, choice: number): { core: number | "trap"; model: number | "trap" } {
    this.log.push(`actor ${actor} choice ${choice}  ${this.instruction(actor)}`);
    const take = (run: () => number): number | "trap" => {
      try {
        return run();
      } catch (error) {
        this.log.push(String(error));
        return "trap";
      }
    };
    const model = take(() => stepper.step(this.model, actor, choice));
    const core = take(() => this.core.x.machineStep(BASE, actor, choice));
    if (typeof core === "number" && core < 0 && choice === 0) this.stuck.add(actor);
    for (const task of this.busyTasks) {
      if (this.model.taskMm[task] !== null) this.busyTasks.delete(task);
    }
    return { core, model };
  }

  /**
   * Lets everybody finish what they do, with nothing new begun. Actors whose programs still run
   * afterwards wait for each other for ever.
   */
  drain(): number[] {
    const { cpus, devices } = this.geometry;
    const actors = Array.from({ length: cpus + devices }, (_, actor) => actor);
    for (let moved = true; moved;) {
      moved = false;
      for (const actor of actors) {
        for (const choice of [1, 0]) {
          if (this.core.x.machineStep(BASE, actor, choice) === abi.ST_OK) moved = true;
        }
      }
    }
    return actors.filter((actor) => this.core.x.machineBusy(BASE, actor) !== 0);
  }

  /** Seed, configuration and the last steps: all that a failure needs. */
  report(problem: string, file: string): string {
    return [
      problem,
      `seed ${seedText(this.seed)}, era ${this.era}, policy ${this.policy}, ` +
        `consumers ${this.consumers.map((c) => c.name).join(" ")}, merge ${this.merge}, ` +
        `options ${this.options}`,
      `replay: SHOOTDOWN_SEED=${seedText(this.seed)} npx vitest run ${file}`,
      ...this.log.slice(-12),
    ].join("\n");
  }
}
