/**
 * comparePolicies(): a workload under several policies on several numbers of CPUs, repeated over
 * seeds. Every policy gets the same calls under the same seed, so differences are paired by seed.
 */
import type { CostProfile } from "../kernel/profile.js";
import { ArgumentError } from "../errors.js";
import { Catalogue } from "../kernel/catalogue.js";
import { canonicalSeed } from "../seed.js";
import {
  checkParameters,
  type WorkloadGenerator,
  type WorkloadParameters,
} from "../workloads/generator.js";
import { generatorNamed } from "../workloads/index.js";
import { type LatencyCounts, type Percentiles, percentilesOf } from "./histogram.js";
import { runWorkload, type WorkloadRun } from "./run.js";
import { type Estimate, estimate, pairedDifference } from "./statistics.js";
import { type PolicyVerdict, Verdicts } from "./verdicts.js";

/** What to compare. */
export interface ComparePoliciesOptions {
  readonly workload: string | WorkloadGenerator;
  /** Names; `sync` and `concurrent` by default. Differences are to the first. */
  readonly policies?: readonly string[];
  /** Numbers of CPUs; 2 by default. */
  readonly cpus?: readonly number[];
  /** Each gives one value of every figure; 1 to 5 by default. Their order does not matter. */
  readonly seeds?: readonly (string | number | bigint)[];
  /** The workload's, but `cpus`. */
  readonly parameters?: Partial<Omit<WorkloadParameters, "cpus">>;
  /** Operations a run, all threads together; 4,000 by default, unless `parameters.rounds` is. */
  readonly ops?: number;
  readonly era?: string;
  readonly profile?: string | CostProfile;
  readonly catalogue?: Catalogue;
  /** false: nothing is explored, and no verdict is given. */
  readonly verdicts?: boolean;
  /** Called before each run, and before anything is explored. */
  readonly onRun?: (done: number, of: number) => void;
  /** Called with each run. */
  readonly onResult?: (run: WorkloadRun) => void;
}

/** The figures of a run, by name: one value a seed. Times in ns, counts of the whole run. */
export const FIGURES = {
  throughputOpsPerSecond: (run) => (run.ns === 0 ? 0 : (run.ops * 1e9) / run.ns),
  latencyNsMean: (_run, latency) => latency.mean,
  latencyNsP50: (_run, latency) => latency.p50,
  latencyNsP90: (_run, latency) => latency.p90,
  latencyNsP99: (_run, latency) => latency.p99,
  latencyNsP999: (_run, latency) => latency.p999,
  latencyNsMax: (_run, latency) => latency.max,
  stolenNsMean: (run) => sum(run.stolenNs) / run.stolenNs.length,
  stolenNsMax: (run) => Math.max(...run.stolenNs),
  stolenShareMean: (run) => (run.ns === 0 ? 0 : sum(run.stolenNs) / run.stolenNs.length / run.ns),
  stolenShareMax: (run) => (run.ns === 0 ? 0 : Math.max(...run.stolenNs) / run.ns),
  shootdowns: (run) => run.counters.sends,
  messages: (run) => run.counters.messages,
  ipis: (run) => run.counters.ipis,
  ipisCoalesced: (run) => run.counters.coalesced,
  ipisFiltered: (run) => run.counters.filtered,
  refills: (run) => run.counters.tlbMisses,
  deferredPagesMost: (run) => run.deferredPagesMost,
} satisfies Record<string, (run: WorkloadRun, latency: Percentiles) => number>;

/** Name of a figure. */
export type Figure = keyof typeof FIGURES;

/** All figures, as estimates over seeds. */
export type Figures = Readonly<Record<Figure, Estimate>>;

/** One policy on one number of CPUs, over all seeds. */
export interface PolicyRun {
  readonly policy: string;
  readonly cpus: number;
  readonly threads: number;
  readonly rounds: number;
  /** Operations completed, all seeds together. */
  readonly ops: number;
  readonly figures: Figures;
  /** Initiator latency, ns, of all seeds together. */
  readonly latencyNs: Percentiles;
  /** What was violated at the end, or on the way, and under which seed. */
  readonly violations: readonly {
    readonly seed: string;
    readonly invariant: string;
    readonly detail: string;
  }[];
}

/** What a policy does differently from the first one, seed by seed. */
export interface PolicyDifference {
  readonly policy: string;
  readonly baseline: string;
  readonly cpus: number;
  /** Value under `policy` less value under `baseline`. */
  readonly figures: Figures;
}

/** See {@link comparePolicies}. */
export interface PolicyComparison {
  readonly driver: "timed";
  readonly workload: string;
  readonly title: string;
  readonly era: string;
  readonly profile: string;
  /** In their canonical form, ascending. */
  readonly seeds: readonly string[];
  /** Of the runs with the fewest CPUs, but for what each run says itself. */
  readonly parameters: Pick<WorkloadParameters, "locality" | "pages" | "thinkNs" | "lazy">;
  readonly runs: readonly PolicyRun[];
  readonly differences: readonly PolicyDifference[];
  /** By policy; empty if they were not asked for. */
  readonly verdicts: readonly PolicyVerdict[];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function ascending(seeds: readonly (string | number | bigint)[]): bigint[] {
  const canonical = seeds.map((seed) => canonicalSeed(seed));
  if (canonical.length === 0 || new Set(canonical).size !== canonical.length) {
    throw new ArgumentError("E_DUP", "seeds must be at least one, and all different", {
      argument: "seeds",
    });
  }
  return canonical.sort((a, b) => (a < b ? -1 : 1));
}

function checkList<T>(name: string, list: readonly T[]): readonly T[] {
  if (list.length > 0 && new Set(list).size === list.length) return list;
  throw new ArgumentError("E_DUP", `${name} must be at least one, and all different`, {
    argument: name,
  });
}

/** Several lists of counts as one. */
function merged(lists: readonly LatencyCounts[]): LatencyCounts {
  const counts = new Map<number, number>();
  for (const [ns, count] of lists.flat()) counts.set(ns, (counts.get(ns) ?? 0) + count);
  return [...counts].sort(([a], [b]) => a - b);
}

type Values = Record<Figure, number[]>;
const NAMES = Object.keys(FIGURES) as Figure[];

function figuresOf(estimateOf: (name: Figure) => Estimate): Figures {
  return Object.fromEntries(NAMES.map((name) => [name, estimateOf(name)])) as unknown as Figures;
}

/** The runs of one policy on one number of CPUs, a seed each. */
class Repeated {
  readonly values = Object.fromEntries(NAMES.map((name) => [name, []])) as unknown as Values;
  private readonly runs: WorkloadRun[] = [];

  add(run: WorkloadRun): void {
    const latency = percentilesOf(run.latencies);
    for (const name of NAMES) this.values[name].push(FIGURES[name](run, latency));
    this.runs.push(run);
  }

  get parameters(): WorkloadParameters {
    return this.runs[0].parameters;
  }

  result(): PolicyRun {
    const [{ policy, parameters }] = this.runs;
    return {
      policy,
      cpus: parameters.cpus,
      threads: parameters.threads,
      rounds: parameters.rounds,
      ops: sum(this.runs.map(({ ops }) => ops)),
      figures: figuresOf((name) => estimate(this.values[name])),
      latencyNs: percentilesOf(merged(this.runs.map(({ latencies }) => latencies))),
      violations: this.runs.flatMap(({ seed, violations }) =>
        violations.map(({ invariant, detail }) => ({ seed, invariant, detail })),
      ),
    };
  }
}

/** Operations of a run, unless somebody says otherwise. */
export const DEFAULT_OPS = 4000;

/**
 * Compares policies. Runs follow the order of `cpus`, then of `policies`.
 * @throws ArgumentError for a bad option or name, before anything runs; E_DUP for lists that are
 * empty or name something twice; CapacityError
 */
export async function comparePolicies(options: ComparePoliciesOptions): Promise<PolicyComparison> {
  const catalogue = options.catalogue ?? Catalogue.standard;
  const generator =
    typeof options.workload === "object" ? options.workload : generatorNamed(options.workload);
  const policies = checkList("policies", options.policies ?? ["sync", "concurrent"]);
  for (const name of policies) catalogue.policy(name);
  const cpuCounts = checkList("cpus", options.cpus ?? [2]);
  for (const cpus of cpuCounts) checkParameters(generator, { ...options.parameters, cpus });
  const seeds = ascending(options.seeds ?? [1, 2, 3, 4, 5]);
  const era = catalogue.era(options.era ?? "coupled").name;
  const chosen = options.profile ?? "haswell-2019";
  const profile = typeof chosen === "object" ? chosen : catalogue.profile(chosen);
  const byRounds = options.parameters?.rounds !== undefined && options.ops === undefined;
  const load = byRounds ? {} : { ops: options.ops ?? DEFAULT_OPS };
  const of = cpuCounts.length * policies.length * seeds.length;
  const runs: PolicyRun[] = [];
  const differences: PolicyDifference[] = [];
  let first: WorkloadParameters | undefined;
  let done = 0;
  for (const cpus of cpuCounts) {
    let baseline: Repeated | undefined;
    for (const policy of policies) {
      const repeated = new Repeated();
      for (const seed of seeds) {
        options.onRun?.(done++, of);
        const parameters = { ...options.parameters, cpus };
        const named = { era, policy, profile, seed, catalogue };
        const run = await runWorkload({ workload: generator, parameters, ...load, ...named });
        options.onResult?.(run);
        repeated.add(run);
      }
      runs.push(repeated.result());
      first ??= repeated.parameters;
      if (baseline === undefined) baseline = repeated;
      else differences.push(differenceOf(policy, policies[0], cpus, repeated, baseline));
    }
  }
  options.onRun?.(of, of);
  const verdicts: PolicyVerdict[] = [];
  const explorer = new Verdicts(catalogue, era);
  for (const policy of options.verdicts === false ? [] : policies) {
    verdicts.push(await explorer.of(policy, generator.scenarios));
  }
  const { locality, pages, thinkNs, lazy } = first as WorkloadParameters;
  return {
    driver: "timed",
    workload: generator.name,
    title: generator.title,
    era,
    profile: profile.name,
    seeds: seeds.map(String),
    parameters: { locality, pages, thinkNs, lazy },
    runs,
    differences,
    verdicts,
  };
}

function differenceOf(
  policy: string,
  baseline: string,
  cpus: number,
  of: Repeated,
  from: Repeated,
): PolicyDifference {
  const figures = figuresOf((name) => pairedDifference(of.values[name], from.values[name]));
  return { policy, baseline, cpus, figures };
}
