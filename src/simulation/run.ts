/**
 * runWorkload(): one workload under one policy on a number of CPUs, with one seed, in simulated
 * time. Same options, same result, on any host.
 */
import * as abi from "../core/abi.js";
import type { Geometry } from "../core/geometry.js";
import type { WasmSource } from "../core/loader.js";
import { type Counters, readActorCounters, readCounters } from "../counters.js";
import { checkCore } from "../invariants.js";
import { Catalogue } from "../kernel/catalogue.js";
import type { Era } from "../kernel/era.js";
import type { FlushPolicy } from "../kernel/policy.js";
import type { CostProfile } from "../kernel/profile.js";
import { Machine } from "../machine.js";
import type { MachineEvent } from "../machine-events.js";
import { canonicalSeed, Random } from "../seed.js";
import type { Violation } from "../violation.js";
import { checkWithin } from "../arguments.js";
import { generatorNamed } from "../workloads/index.js";
import {
  checkParameters,
  type WorkloadCall,
  type WorkloadGenerator,
  type WorkloadParameters,
  type WorkloadThread,
} from "../workloads/generator.js";
import { deferredPagesMost } from "./deferred.js";
import { Feeder, type Stream } from "./feeder.js";
import { geometryFor, Layout, WORKING_SET_PAGES } from "./layout.js";

/** What to run; everything but the workload has a default. */
export interface WorkloadRunOptions {
  /** Name or definition. */
  readonly workload: string | WorkloadGenerator;
  readonly parameters?: Partial<WorkloadParameters>;
  /** Instead of `parameters.rounds`: operations, all threads together, about; 1 to 10^9. */
  readonly ops?: number;
  readonly era?: string | Era;
  readonly policy?: string | FlushPolicy;
  readonly profile?: string | CostProfile;
  /** Same seed, same calls, whatever the policy; 1 by default. */
  readonly seed?: string | number | bigint;
  /** Sizes that differ from those the workload needs. */
  readonly geometry?: Partial<Geometry>;
  readonly catalogue?: Catalogue;
  readonly wasm?: WasmSource;
}

/** What a run measured. ns are of simulated time; set-up is not in any figure. */
export interface WorkloadRun {
  readonly workload: string;
  readonly parameters: WorkloadParameters;
  readonly era: string;
  readonly policy: string;
  readonly profile: string;
  /** In its canonical form. */
  readonly seed: string;
  /** Operations of the workload that were completed. */
  readonly ops: number;
  /** From the start of the first thread to the end of the last. */
  readonly ns: number;
  /** ns a flush request took its initiator, with how often it took that long, ascending. */
  readonly latencies: readonly (readonly [ns: number, count: number])[];
  /** ns that interrupts took from each CPU. */
  readonly stolenNs: readonly number[];
  /** Core counters, from the first call to the last. */
  readonly counters: Omit<Counters, "stolenNs" | "latencyNs">;
  /** Pages that were unmapped and not free yet, at most. */
  readonly deferredPagesMost: number;
  /** Invariants of the idle machine that do not hold; `NoDeadlock` if it did not get that far. */
  readonly violations: readonly Violation[];
}

/** ns between two loads of a thread that thinks: how late it may take an interrupt. */
const THINK_GAP_NS = 20;
/** Threads start at any ns of this. */
const STAGGER_NS = 1000;
/** Records that stay free in the log: more than the machine itself wants to be free. */
const LOG_SPARE = 128;

interface Plan {
  readonly generator: WorkloadGenerator;
  readonly parameters: WorkloadParameters;
  readonly layout: Layout;
  readonly threads: readonly WorkloadThread[];
  /** What a thread draws think times and its start from: not from what its rounds draw. */
  readonly clocks: readonly Random[];
}

function roundsFor(generator: WorkloadGenerator, given: WorkloadRunOptions): WorkloadParameters {
  const parameters = checkParameters(generator, given.parameters);
  if (given.ops === undefined) return parameters;
  const ops = checkWithin("ops", given.ops, 1, 1e9);
  const rounds = Math.ceil(ops / generator.opsPerRound(parameters));
  return checkParameters(generator, { ...given.parameters, rounds });
}

function planOf(options: WorkloadRunOptions, seed: bigint, catalogue: Catalogue): Plan {
  const generator =
    typeof options.workload === "object" ? options.workload : generatorNamed(options.workload);
  const parameters = roundsFor(generator, options);
  const random = new Random(seed);
  const layout = new Layout(generator, parameters, random);
  const operations = new Set(catalogue.parts.operations.map(({ name }) => name));
  const threads = Array.from({ length: parameters.threads }, (_, index): WorkloadThread => ({
    index,
    parameters,
    random: new Random(random.next()),
    own: layout.own(index),
    ownOf: (thread, area) => layout.own(thread, area),
    shared: (thread, area) => layout.shared(thread, area),
    childTask: parameters.cpus,
    has: (operation) => operations.has(operation),
  }));
  const clocks = threads.map(() => new Random(random.next()));
  return { generator, parameters, layout, threads, clocks };
}

/** The user-mode time before a round. */
function think({ layout, parameters }: Plan, index: number, clock: Random): WorkloadCall[] {
  if (parameters.thinkNs === 0) return [];
  const start = layout.workingSet(index);
  const loads = Math.round(clock.below(2 * parameters.thinkNs + 1) / THINK_GAP_NS);
  const args = { start, end: start + WORKING_SET_PAGES, loads, gap: THINK_GAP_NS };
  return loads === 0 ? [] : [{ call: "compute", args }];
}

function* callsOf(
  plan: Plan,
  thread: WorkloadThread,
  clock: Random,
): Generator<WorkloadCall, void> {
  for (let round = 0; round < plan.parameters.rounds; round++) {
    yield* think(plan, thread.index, clock);
    yield* plan.generator.round(thread, round);
  }
}

/** Maps, places threads, touches working sets, sends CPUs into lazy mode. When it was over, ns. */
function setUp(machine: Machine, { generator, parameters, layout, threads }: Plan): number {
  const { cpus, lazy, thinkNs } = parameters;
  const mm = machine.newMm();
  for (let cpu = 0; cpu < cpus; cpu++) machine.place(cpu, machine.newTask(mm));
  if (generator.forks === true) machine.newTask(null);
  for (const thread of threads) {
    for (const { start, end, prot } of generator.maps(thread)) machine.mapNow(mm, start, end, prot);
    const start = layout.workingSet(thread.index);
    const end = start + WORKING_SET_PAGES;
    machine.mapNow(mm, start, end, abi.PROT_READ | abi.PROT_WRITE);
    if (thinkNs > 0) machine.submit(thread.index, "populate.write", { start, end });
  }
  for (let cpu = cpus - lazy; cpu < cpus; cpu++) machine.submit(cpu, "idle");
  machine.advance();
  return latest(machine, cpus);
}

function latest(machine: Machine, cpus: number): number {
  let ns = 0;
  for (let cpu = 0; cpu < cpus; cpu++) ns = Math.max(ns, machine.now(cpu));
  return ns;
}

function difference(after: Counters, before: Counters): Counters {
  const names = Object.keys(after) as (keyof Counters)[];
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as Counters;
}

function stolenOf(machine: Machine, cpus: number): number[] {
  return Array.from({ length: cpus }, (_, cpu) => readActorCounters(machine.core, cpu).stolenNs);
}

/** Runs the streams to their end; a CPU that cannot go on is a violation. */
function drive(machine: Machine, feeder: Feeder, onEvent: (event: MachineEvent) => void): void {
  // A step records at most one flush, so the log is emptied before it can be full: a full log
  // would make the machine take more steps than it was given.
  const room = machine.geometry.logRecords - LOG_SPARE;
  for (;;) {
    const steps = Math.min(feeder.fill(), room);
    const why = machine.advance(Infinity, onEvent, steps);
    // Idle with calls left: the last jobs took a step each, and nobody has gone on without them.
    if (why === "deadlock" || (why === "idle" && feeder.ended)) return;
  }
}

function violationsOf(machine: Machine): Violation[] {
  const violations = checkCore(machine.core, { done: true });
  const stuck = machine.busyActors();
  if (stuck.length === 0) return violations;
  const detail = `CPUs ${stuck.join(", ")} wait, and nobody can go on`;
  return [{ invariant: "NoDeadlock", detail }, ...violations];
}

/**
 * Runs a workload to its end and checks the machine it leaves behind.
 * @throws ArgumentError for a bad option, naming the argument and its range; CapacityError
 */
export async function runWorkload(options: WorkloadRunOptions): Promise<WorkloadRun> {
  const seed = canonicalSeed(options.seed ?? 1);
  const catalogue = options.catalogue ?? Catalogue.standard;
  const plan = planOf(options, seed, catalogue);
  const { generator, parameters, threads, clocks } = plan;
  const { cpus } = parameters;
  using machine = await Machine.create({
    geometry: { ...geometryFor(generator, parameters), ...options.geometry },
    consumers: [],
    record: [abi.EV_FLUSH_DONE],
    catalogue,
    ...(options.era === undefined ? {} : { era: options.era }),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
    ...(options.profile === undefined ? {} : { profile: options.profile }),
    ...(options.wasm === undefined ? {} : { wasm: options.wasm }),
  });
  const from = setUp(machine, plan) + 1;
  const before = readCounters(machine.core);
  const stolenBefore = stolenOf(machine, cpus);
  const streams = threads.map((thread, i): Stream => ({
    thread,
    startNs: from + clocks[i].below(STAGGER_NS),
    calls: callsOf(plan, thread, clocks[i]),
  }));
  const counts = new Map<number, number>();
  const feeder = new Feeder(machine, streams);
  drive(machine, feeder, ({ a }) => counts.set(a, (counts.get(a) ?? 0) + 1));
  const {
    stolenNs: _stolen,
    latencyNs: _latency,
    ...counters
  } = difference(readCounters(machine.core), before);
  return {
    workload: generator.name,
    parameters,
    era: machine.era.name,
    policy: machine.policy.name,
    profile: machine.profile.name,
    seed: String(seed),
    ops: feeder.completed(),
    ns: latest(machine, threads.length) - Math.min(...streams.map(({ startNs }) => startNs)),
    latencies: [...counts].sort(([a], [b]) => a - b),
    stolenNs: stolenOf(machine, cpus).map((ns, cpu) => ns - stolenBefore[cpu]),
    counters,
    deferredPagesMost: deferredPagesMost(machine.core),
    violations: violationsOf(machine),
  };
}
