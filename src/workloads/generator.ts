/**
 * Workload generators: what the threads of one process do, drawn from a seed, call by call. One
 * file beside this one is one workload; what they share is here: parameters and their limits, where
 * in the address space a thread works, and what a thread is told about itself.
 */
import { checkWithin } from "../arguments.js";
import * as abi from "../core/abi.js";
import { ArgumentError } from "../errors.js";
import type { Scenario } from "../scenarios/scenario.js";
import type { Random } from "../seed.js";
import type { WorkloadRegion } from "../workloads.js";

/** Size and shape of a workload. See {@link PARAMETERS} for units and ranges. */
export interface WorkloadParameters {
  /** CPUs of the machine. All have run the process, so all are in its cpumask; 1 to 1,024. */
  readonly cpus: number;
  /** Threads that run the workload, one a CPU, from CPU 0 on; 1 to `cpus`. The others compute. */
  readonly threads: number;
  /** CPUs in lazy TLB mode, from the last one down; 0 to `cpus` - `threads`. */
  readonly lazy: number;
  /** Share of rounds on the thread's own region, the rest is on the shared one; 0 to 1. */
  readonly locality: number;
  /** Pages an operation covers; 1 to 64. */
  readonly pages: number;
  /** Mean of the user-mode time before a round, ns, uniform from 0 to twice that; 0 to 10^6. */
  readonly thinkNs: number;
  /** Rounds of each thread; 1 to 10^6. */
  readonly rounds: number;
}

/** Unit, range and meaning of a parameter, as `simulate --list` and the documents tell it. */
export interface ParameterFacts {
  readonly name: keyof WorkloadParameters;
  readonly unit: string;
  readonly least: number;
  readonly most: number;
  readonly says: string;
}

/** Most pages an operation covers: past the flush ceiling, and within one gather batch. */
const PAGES_MOST = 64;
const CPUS_MOST = 1024;

/** Every parameter; `threads` and `lazy` are also bounded by `cpus`. */
export const PARAMETERS: readonly ParameterFacts[] = [
  { name: "cpus", unit: "CPUs", least: 1, most: CPUS_MOST, says: "CPUs in the cpumask" },
  { name: "threads", unit: "threads", least: 1, most: CPUS_MOST, says: "CPUs that run it" },
  { name: "lazy", unit: "CPUs", least: 0, most: CPUS_MOST - 1, says: "CPUs in lazy TLB mode" },
  { name: "locality", unit: "share", least: 0, most: 1, says: "rounds on the own region" },
  { name: "pages", unit: "pages", least: 1, most: PAGES_MOST, says: "pages an operation" },
  { name: "thinkNs", unit: "ns", least: 0, most: 1e6, says: "mean user-mode time a round" },
  { name: "rounds", unit: "rounds", least: 1, most: 1e6, says: "rounds a thread" },
];

/** One thing a thread does. */
export interface WorkloadCall {
  /** An operation of the catalogue. */
  readonly call: string;
  readonly args: Readonly<Record<string, number>>;
  /** Operations of the workload that it completes; 0 by default. */
  readonly ops?: number;
}

/** What a thread knows when it draws a round. */
export interface WorkloadThread {
  /** 0 to `parameters.threads` - 1; also its CPU. */
  readonly index: number;
  readonly parameters: WorkloadParameters;
  /** Its own stream: no thread's draws depend on another's. */
  readonly random: Random;
  /** First page of its own region. */
  readonly own: number;
  /** First page of the own region of a thread; `area` for workloads that have several. */
  readonly ownOf: (thread: number, area?: number) => number;
  /** First page of the part of the shared region that is named after a thread. */
  readonly shared: (thread: number, area?: number) => number;
  /** Task index of the process that thread 0 may fork. */
  readonly childTask: number;
  /** Does the catalogue have this operation? */
  readonly has: (operation: string) => boolean;
}

/** A workload. */
export interface WorkloadGenerator {
  readonly name: string;
  /** What a round is. */
  readonly title: string;
  /** What it stands for in the world. */
  readonly standsFor: string;
  readonly source: string;
  /** Values that differ from {@link DEFAULTS}. */
  readonly defaults: Partial<WorkloadParameters>;
  /** Parameters it takes; all by default. */
  readonly takes?: readonly (keyof WorkloadParameters)[];
  /** Small scenarios of the same kind, whose exploration says whether a policy is safe for it. */
  readonly scenarios: readonly Scenario[];
  /** Thread 0 forks: there must be room for the child. */
  readonly forks?: boolean;
  /** Regions of {@link regionPages} a thread uses; 1 unless it is made of other workloads. */
  readonly areas?: number;
  /** Pages of an own region, and of a thread's part of the shared one; at most REGION_MOST. */
  regionPages(pages: number): number;
  /** Where memory is short: frames there are beside the working sets; by default plenty. */
  readonly frames?: (parameters: WorkloadParameters) => number;
  /** Operations that one round of all threads completes, on average. */
  opsPerRound(parameters: WorkloadParameters): number;
  /** What is mapped before the first round. Thread 0 maps for all what all share. */
  maps(thread: WorkloadThread): readonly WorkloadRegion[];
  /** Round `index`, from 0. */
  round(thread: WorkloadThread, index: number): readonly WorkloadCall[];
}

/** PROT_READ and PROT_WRITE, for regions. */
export const READ_WRITE = abi.PROT_READ | abi.PROT_WRITE;

/** What a parameter is unless the workload or the caller says otherwise. */
export const DEFAULTS: Omit<WorkloadParameters, "threads"> = {
  cpus: 2,
  lazy: 0,
  locality: 1,
  pages: 1,
  thinkNs: 0,
  rounds: 1000,
};

function checkShare(name: string, value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= 1) return value;
  const isNumber = typeof value === "number" && !Number.isNaN(value);
  throw new ArgumentError(
    isNumber ? "E_LIMIT" : "E_TYPE",
    `${name} must be 0 to 1, got ${String(value)}`,
    { argument: name, least: 0, most: 1 },
  );
}

/**
 * A workload's parameters, complete.
 * @throws ArgumentError E_TYPE for what is no number or no parameter of this workload, E_LIMIT
 * outside the range of {@link PARAMETERS}
 */
export function checkParameters(
  generator: WorkloadGenerator,
  given: Partial<WorkloadParameters> = {},
): WorkloadParameters {
  const known = new Set<string>(generator.takes ?? PARAMETERS.map(({ name }) => name));
  for (const name of Object.keys(given)) {
    if (known.has(name)) continue;
    throw new ArgumentError("E_TYPE", `${generator.name} has no parameter ${name}`, {
      argument: name,
      known: [...known],
    });
  }
  const wanted = { ...DEFAULTS, ...generator.defaults, ...given };
  const whole = (name: keyof WorkloadParameters, value: unknown, most?: number): number => {
    const facts = PARAMETERS.find((one) => one.name === name);
    return checkWithin(name, value, facts?.least ?? 0, most ?? facts?.most ?? 0);
  };
  const cpus = whole("cpus", wanted.cpus);
  const threads = whole("threads", wanted.threads === undefined ? cpus : wanted.threads, cpus);
  return {
    cpus,
    threads,
    lazy: whole("lazy", wanted.lazy, cpus - threads),
    locality: checkShare("locality", wanted.locality),
    pages: whole("pages", wanted.pages),
    thinkNs: whole("thinkNs", wanted.thinkNs),
    rounds: whole("rounds", wanted.rounds),
  };
}

/** Is this round on the thread's own region? */
export function isOwn({ random, parameters }: WorkloadThread): boolean {
  return random.below(2 ** 32) < parameters.locality * 2 ** 32;
}

/** First page of the round: the own region, or the thread's own part of the shared one. */
export function ownPart(thread: WorkloadThread): number {
  return isOwn(thread) ? thread.own : thread.shared(thread.index);
}

/** First page of the round: the own region, or any thread's part of the shared one. */
export function anyPart(thread: WorkloadThread): number {
  if (isOwn(thread)) return thread.own;
  return thread.shared(thread.random.below(thread.parameters.threads));
}

/** A store to each page of [start, start + pages). */
export function writeAll(start: number, pages: number): WorkloadCall[] {
  return Array.from({ length: pages }, (_, i) => ({ call: "write", args: { vpn: start + i } }));
}

/** Own regions, and from thread 0 the whole shared one, readable and writable. */
export function mapBoth(generator: WorkloadGenerator, thread: WorkloadThread): WorkloadRegion[] {
  const { pages, threads } = thread.parameters;
  const size = generator.regionPages(pages);
  const own = { start: thread.own, end: thread.own + size, prot: READ_WRITE };
  if (thread.index !== 0) return [own];
  const first = thread.shared(0);
  return [own, { start: first, end: first + threads * size, prot: READ_WRITE }];
}
