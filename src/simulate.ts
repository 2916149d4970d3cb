/**
 * simulate(): one call from a workload's name to its result, with the driver as a choice. The two
 * clocks never meet: a timed result has simulated time, a parallel one has wall time.
 */
import { checkWithin } from "./arguments.js";
import { BASE } from "./core/core.js";
import type { Geometry } from "./core/geometry.js";
import { type Counters, readActorCounters, readCounters } from "./counters.js";
import { ParallelDriver, parallelBytes } from "./drivers/parallel.js";
import { hardwareThreads } from "./drivers/endpoint.js";
import { ArgumentError } from "./errors.js";
import type { Catalogue } from "./kernel/catalogue.js";
import { type CompletionGap, scriptGaps } from "./kernel/completion-gaps.js";
import type { Era } from "./kernel/era.js";
import type { Script } from "./kernel/image.js";
import type { FlushPolicy } from "./kernel/policy.js";
import type { CostProfile } from "./kernel/profile.js";
import { checkCore } from "./invariants.js";
import type { Violation } from "./violation.js";
import { Machine } from "./machine.js";
import { canonicalSeed, Random } from "./seed.js";
import { CPU_STRIDE_PAGES, SHIFT_PAGES, type Workload, workloadNamed } from "./workloads.js";

/** What to simulate; everything has a default. */
export interface SimulateOptions {
  /** `timed` by default. */
  readonly driver?: "timed" | "parallel";
  /** Name or definition; `madvise` by default. */
  readonly workload?: string | Workload;
  /** 1 to 64; 2 by default. */
  readonly cpus?: number;
  /** Kernel operations, all CPUs together, 1 to 10^9; 10,000 by default. */
  readonly ops?: number;
  readonly era?: string | Era;
  readonly policy?: string | FlushPolicy;
  /** Prices, timed driver only. */
  readonly profile?: string | CostProfile;
  /** Places the pages; 1 by default. Same seed, same timed result. */
  readonly seed?: string | number | bigint;
  /** Threads, parallel driver only; as many as the host runs at once by default. */
  readonly workers?: number;
  /** Sizes that differ from {@link SIMULATED_GEOMETRY}. */
  readonly geometry?: Partial<Geometry>;
  readonly catalogue?: Catalogue;
  /** Called before anything runs, if a policy gives less than an operation needs. */
  readonly onGaps?: (gaps: readonly CompletionGap[]) => void;
}

/** Counts that mean the same under every driver. */
export interface SimulateResult {
  readonly driver: "timed" | "parallel";
  readonly workload: string;
  readonly era: string;
  readonly policy: string;
  /** Operations of the workload that need more than the policy gives; known beforehand. */
  readonly completion: readonly CompletionGap[];
  readonly cpus: number;
  /** In its canonical form. */
  readonly seed: string;
  /** Rounded up to whole rounds of the workload on each CPU. */
  readonly ops: { readonly asked: number; readonly done: number };
  /** Flush requests for an mm that other CPUs hold. */
  readonly shootdowns: number;
  /** Requests queued to single CPUs. */
  readonly messages: number;
  /** Interrupts sent. */
  readonly ipis: number;
  readonly counters: SharedCounters;
  readonly perCpu: readonly SharedCounters[];
  /** Invariants of the idle machine that do not hold; `NoDeadlock` if it did not get that far. */
  readonly violations: readonly Violation[];
  /** Simulated time; timed driver only. */
  readonly simulated?: {
    /** Profile the prices come from. */
    readonly profile: string;
    /** When the last CPU was done. */
    readonly ns: number;
    /** Mean time an initiator spent on a flush request. */
    readonly latencyNsMean: number;
  };
  /** Time of this host; parallel driver only. Differs from run to run. */
  readonly wall?: {
    readonly workers: number;
    readonly steps: number;
    readonly seconds: number;
    readonly shootdownsPerSecond: number;
  };
}

/** Counters without those that only simulated time gives a meaning. */
export type SharedCounters = Omit<Counters, "latencyNs" | "stolenNs">;

/** A machine that a few threads fill: small caches, so that they are full all the time. */
export const SIMULATED_GEOMETRY: Partial<Geometry> = {
  mms: 1,
  devices: 0,
  frames: 4096,
  tables: 512,
  tlbSets: 16,
  tlbWays: 4,
  pwcEntries: 8,
  vmas: 512,
  gatherPages: 512,
  logRecords: 256,
  jobs: 8,
};

interface Plan {
  readonly scripts: Script[];
  readonly regions: { start: number; end: number; prot: number }[];
  readonly done: number;
}

function planScripts(workload: Workload, cpus: number, ops: number, seed: bigint): Plan {
  const random = new Random(seed);
  const scripts: Script[] = [];
  const regions: Plan["regions"] = [];
  let done = 0;
  for (let cpu = 0; cpu < cpus; cpu++) {
    const page = (cpu + 1) * CPU_STRIDE_PAGES + random.below(SHIFT_PAGES);
    regions.push(...workload.regions(cpu, page));
    const share = Math.floor(ops / cpus) + (cpu < ops % cpus ? 1 : 0);
    const rounds = Math.ceil(share / workload.opsPerRound(cpu));
    done += rounds * workload.opsPerRound(cpu);
    const steps =
      rounds === 0 ? [] : [{ repeat: rounds, steps: workload.round(cpu, page) } as const];
    scripts.push({ name: `${workload.name}.${cpu}`, steps });
  }
  return { scripts, regions, done };
}

function withoutTimes(counters: Counters): SharedCounters {
  const { latencyNs: _latency, stolenNs: _stolen, ...shared } = counters;
  return shared;
}

/**
 * Runs a workload to its end and checks the machine it leaves behind.
 *
 * A deadlock is a violation; only the parallel driver, whose workers hang in it, throws.
 * @throws ArgumentError for a bad option; CapacityError; WorkerError for a dead or stuck worker
 */
export async function simulate(options: SimulateOptions = {}): Promise<SimulateResult> {
  const driver = options.driver ?? "timed";
  if (driver !== "timed" && driver !== "parallel") {
    throw new ArgumentError("E_NOENT", `driver must be timed or parallel, got ${String(driver)}`, {
      argument: "driver",
    });
  }
  const cpus = checkWithin("cpus", options.cpus ?? 2, 1, 64);
  const asked = checkWithin("ops", options.ops ?? 10_000, 1, 1e9);
  const seed = canonicalSeed(options.seed ?? 1);
  const most = Math.min(cpus, hardwareThreads());
  const workers = checkWithin("workers", options.workers ?? most, 1, cpus);
  const workload =
    typeof options.workload === "object"
      ? options.workload
      : workloadNamed(options.workload ?? "madvise");
  const plan = planScripts(workload, cpus, asked, seed);
  using machine = await Machine.create({
    geometry: { ...SIMULATED_GEOMETRY, ...options.geometry, cpus, tasks: cpus },
    consumers: [],
    scripts: plan.scripts,
    scriptsOnly: true,
    extraBytes: parallelBytes(workers),
    ...(options.era === undefined ? {} : { era: options.era }),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
    ...(options.profile === undefined ? {} : { profile: options.profile }),
    ...(options.catalogue === undefined ? {} : { catalogue: options.catalogue }),
  });
  const completion = scriptGaps(plan.scripts, machine.policy, machine.catalogue);
  if (completion.length > 0) options.onGaps?.(completion);
  start(machine, plan);
  const clock = driver === "timed" ? runTimed(machine) : await runParallel(machine, workers);
  const counters = readCounters(machine.core);
  const violations = checkCore(machine.core, { done: true });
  const stuck = machine.busyActors();
  if (stuck.length > 0) {
    const detail = `CPUs ${stuck.join(", ")} wait, and nobody can go on`;
    violations.unshift({ invariant: "NoDeadlock", detail });
  }
  return {
    driver,
    workload: workload.name,
    era: machine.era.name,
    policy: machine.policy.name,
    completion,
    cpus,
    seed: String(seed),
    ops: { asked, done: stuck.length === 0 ? plan.done : counters.operations },
    shootdowns: counters.sends,
    messages: counters.messages,
    ipis: counters.ipis,
    counters: withoutTimes(counters),
    perCpu: Array.from({ length: cpus }, (_, cpu) =>
      withoutTimes(readActorCounters(machine.core, cpu)),
    ),
    violations,
    ...clock,
  };
}

function start(machine: Machine, plan: Plan): void {
  const mm = machine.newMm();
  for (const { start, end, prot } of plan.regions) machine.mapNow(mm, start, end, prot);
  for (const [cpu, script] of plan.scripts.entries()) {
    machine.place(cpu, machine.newTask(mm));
    machine.startScript(cpu, script.name);
  }
}

function runTimed(machine: Machine): Pick<SimulateResult, "simulated"> {
  machine.core.x.timedRearm(BASE);
  machine.advance();
  const { flushRequests, latencyNs } = machine.counters();
  let ns = 0;
  for (let cpu = 0; cpu < machine.geometry.cpus; cpu++) ns = Math.max(ns, machine.now(cpu));
  const latencyNsMean = flushRequests === 0 ? 0 : latencyNs / flushRequests;
  return { simulated: { profile: machine.profile.name, ns, latencyNsMean } };
}

async function runParallel(
  machine: Machine,
  workers: number,
): Promise<Pick<SimulateResult, "wall">> {
  const driver = await ParallelDriver.create(machine, { workers });
  try {
    const { steps, wallSeconds } = await driver.run();
    const shootdownsPerSecond = machine.counters().sends / wallSeconds;
    return { wall: { workers, steps, seconds: wallSeconds, shootdownsPerSecond } };
  } finally {
    await driver.close();
  }
}
