/** check(): one scenario under one era, policy and consumer, explored to a verdict. */
import { loadTracked } from "../core/loader.js";
import { ArgumentError } from "../errors.js";
import { Catalogue } from "../kernel/catalogue.js";
import { type CompletionGap, scriptGaps } from "../kernel/completion-gaps.js";
import { SCENARIOS } from "../scenarios/built-in.js";
import type { Scenario, Verdict } from "../scenarios/scenario.js";
import { checkScenario } from "../scenarios/validate.js";
import {
  checkMaxStates,
  DEFAULT_MAX_STATES,
  explore,
  type ExploreOptions,
  type ExploreResult,
} from "./explore.js";
import {
  exploredMachine,
  geometryOf,
  type Parts,
  scenarioRows,
  stateBytesOf,
  tableSizes,
} from "./explored-machine.js";
import { followTurns } from "./interleave.js";
import { exploreReduced, reductionBytes } from "./reduced.js";

/** What to check a scenario under. */
export interface CheckOptions extends ExploreOptions {
  /** `coupled` by default. */
  readonly era?: string;
  /** `concurrent` by default. */
  readonly policy?: string;
  /** `sharing` by default. */
  readonly consumer?: string;
  readonly catalogue?: Catalogue;
  /**
   * `none` by default. `partial-order`: steps that commute with all that others can still do are
   * taken at once, so that far fewer states are looked at. The verdict is the same; a hazard's
   * shortest interleaving is then looked for without the reduction.
   */
  readonly reduction?: Reduction;
  /** `given` by default: where a scenario has an exact interleaving, that is followed. */
  readonly interleavings?: Interleavings;
  /** Called before anything runs, if a policy gives less than an operation needs. */
  readonly onGaps?: (gaps: readonly CompletionGap[]) => void;
}

/** How many interleavings are looked at one by one. */
export const REDUCTIONS = ["none", "partial-order"] as const;

/** One of {@link REDUCTIONS}. */
export type Reduction = (typeof REDUCTIONS)[number];

/** Which orders of a scenario are looked at: all of them, or the one that it gives, if it does. */
export const INTERLEAVINGS = ["given", "all"] as const;

/** One of {@link INTERLEAVINGS}. */
export type Interleavings = (typeof INTERLEAVINGS)[number];

/** Verdict, how it was reached, and what it rests on. */
export interface CheckResult extends ExploreResult {
  readonly scenario: string;
  readonly title: string;
  readonly source: string;
  readonly era: string;
  readonly policy: string;
  readonly consumer: string;
  /** `given`: the schedule is that of the scenario's own interleaving, the only one looked at. */
  readonly interleavings: Interleavings;
  readonly exact: boolean;
  /** Operations of the scenario that need more than the policy gives; known beforehand. */
  readonly completion: readonly CompletionGap[];
  /** What the verdict is worth nothing without, in words. */
  readonly assumptions: readonly string[];
  /** What the scenario says should come out, if it says so for these parts. */
  readonly expected: Verdict | null;
}

/** Every built-in scenario. */
export function listScenarios(): readonly Scenario[] {
  return SCENARIOS;
}

/**
 * A built-in scenario by name.
 * @throws ArgumentError E_NOENT, naming those there are.
 */
export function scenarioNamed(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found) return found;
  const known = SCENARIOS.map((scenario) => scenario.name).join(", ");
  throw new ArgumentError("E_NOENT", `no scenario is called ${name}; there are ${known}`, {
    argument: "scenario",
    value: name,
  });
}

/** What a scenario expects of an era and a consumer, or of a policy, if it says. */
export function expectedVerdict(
  scenario: Scenario,
  era: string,
  consumer: string,
  policy = "*",
): Verdict | null {
  const ofPolicy = scenario.expectPolicy?.[policy] ?? scenario.expectPolicy?.["*"];
  if (ofPolicy !== undefined) return ofPolicy;
  const byEra = scenario.expect[consumer] ?? scenario.expect["*"];
  return byEra?.[era] ?? byEra?.["*"] ?? null;
}

/** What eras and consumers decide is told for sound policies only. */
function expectedOf(scenario: Scenario, parts: Parts, catalogue: Catalogue): Verdict | null {
  const { era, consumer, policy } = parts;
  const told = scenario.expectPolicy?.["*"] ?? scenario.expectPolicy?.[policy];
  if (told === undefined && catalogue.policy(policy).mutant) return null;
  return expectedVerdict(scenario, era, consumer, policy);
}

/** @throws ArgumentError E_TYPE */
export function checkReduction(value: unknown): Reduction {
  const found = REDUCTIONS.find((each) => each === value);
  if (found !== undefined) return found;
  const message = `reduction must be ${REDUCTIONS.join(" or ")}, got ${String(value)}`;
  throw new ArgumentError("E_TYPE", message, { argument: "reduction" });
}

function isGiven({ interleaving }: Scenario, { interleavings = "given" }: CheckOptions): boolean {
  return checkInterleavings(interleavings) === "given" && interleaving !== undefined;
}

/** @throws ArgumentError E_TYPE */
export function checkInterleavings(value: unknown): Interleavings {
  const found = INTERLEAVINGS.find((each) => each === value);
  if (found !== undefined) return found;
  const message = `interleavings must be ${INTERLEAVINGS.join(" or ")}, got ${String(value)}`;
  throw new ArgumentError("E_TYPE", message, { argument: "interleavings" });
}

function assumptionsOf(
  scenario: Scenario,
  exact: boolean,
  maxStates: number,
  isReduced: boolean,
  isOne: boolean,
): string[] {
  const geometry = geometryOf(scenario);
  const delayed = scenario.assume?.delayedIpi !== false;
  const speculative = scenario.assume?.speculativeWalks === true;
  return [
    ...(isOne ? ["one interleaving: the order that the scenario gives, and no other"] : []),
    delayed
      ? "delayed IPI: a pending interrupt may be taken any number of steps later"
      : "prompt IPI: an interrupt is taken before the target's next micro-op",
    speculative
      ? "speculative walks: a CPU or sharing device may walk a watched page at any time"
      : "no speculative walks: caches are filled by accesses only",
    scenario.assume?.nmi === true
      ? "NMIs: any CPU may read a watched page between any two micro-ops"
      : "no NMIs",
    ...(scenario.assume?.preempt === true
      ? ["preemption: a hypervisor may preempt a CPU at any time, and resumes it some time"]
      : []),
    ...(scenario.assume?.dirty === true
      ? ["dirty bits: a store sets its entry's, unless the CPU's TLB knows it to be set"]
      : []),
    "sequential consistency: a micro-op is seen by everybody at once",
    "local micro-ops are merged with the visible one before them",
    ...(isReduced
      ? ["partial-order reduction: steps that commute with all that others can do come first"]
      : []),
    `bounds: ${geometry.cpus} CPUs, ${geometry.devices} devices, ${geometry.frames} frames, ` +
      `${geometry.tlbSets} x ${geometry.tlbWays} TLB entries, at most ${maxStates} states`,
    ...(isOne ? [] : [exact ? "whole states compared" : "64-bit fingerprints: see collisionBound"]),
  ];
}

/** Worse first: as the explorer of the core has it. */
const GRAVITY: Partial<Record<Verdict, number>> = {
  LEAK: 1,
  STALE: 2,
  LOSTW: 3,
  UNPINNED: 4,
  ORDER: 5,
};
const GRAVEST = 6;

function gravityOf(verdict: Verdict): number {
  return verdict === "SAFE" || verdict === "INCONCLUSIVE" ? 0 : (GRAVITY[verdict] ?? GRAVEST);
}

/**
 * Whether there is a hazard is found out by a reduced search; which is the shortest interleaving
 * that leads to it, by the plain one, which has that much room, too. Where the reduced one had no
 * room, the plain one has the last word: it looks at near states first, the other at deep ones.
 */
async function explored(
  scenario: Scenario,
  parts: Parts,
  catalogue: Catalogue,
  options: CheckOptions,
): Promise<ExploreResult> {
  const geometry = geometryOf(scenario);
  const maxStates = checkMaxStates(options.maxStates ?? DEFAULT_MAX_STATES);
  if (isGiven(scenario, options)) {
    using machine = await exploredMachine(scenario, parts, catalogue, 0);
    return followTurns(machine, scenario);
  }
  const stateBytes = stateBytesOf(geometry, scenarioRows(scenario, parts, catalogue));
  const sizes = tableSizes(stateBytes, maxStates, options.exact === true);
  let reduced: ExploreResult | null = null;
  if (
    checkReduction(options.reduction === undefined ? "none" : options.reduction) === "partial-order"
  ) {
    const bytes = sizes.bytes + reductionBytes(stateBytes, geometry);
    const tracked = await loadTracked();
    const machine = await exploredMachine(scenario, parts, catalogue, bytes, tracked);
    reduced = exploreReduced(machine, options);
    machine.dispose();
    if (reduced?.verdict === "SAFE") return reduced;
  }
  const machine = await exploredMachine(scenario, parts, catalogue, sizes.bytes);
  const plain = explore(machine, options);
  machine.dispose();
  if (reduced === null) return plain;
  if (gravityOf(plain.verdict) < gravityOf(reduced.verdict)) return reduced;
  return { ...plain, reduction: reduced.reduction };
}

/**
 * Explores a scenario, given by name or as data.
 * @throws ArgumentError E_NOENT, E_LIMIT, E_TYPE, E_ADDR_RANGE; CapacityError E_NOMEM
 */
export async function check(
  scenario: string | Scenario,
  options: CheckOptions = {},
): Promise<CheckResult> {
  const chosen = typeof scenario === "string" ? scenarioNamed(scenario) : checkScenario(scenario);
  const catalogue = options.catalogue ?? Catalogue.standard;
  const parts = {
    era: options.era ?? "coupled",
    policy: options.policy ?? "concurrent",
    consumer: options.consumer ?? "sharing",
  };
  const { setup, actors } = chosen;
  const completion = scriptGaps([...setup, ...actors], catalogue.policy(parts.policy), catalogue);
  if (completion.length > 0) options.onGaps?.(completion);
  const maxStates = checkMaxStates(options.maxStates ?? DEFAULT_MAX_STATES);
  const exact = options.exact === true;
  const isOne = isGiven(chosen, options);
  const result = await explored(chosen, parts, catalogue, options);
  const isReduced = result.reduction !== null;
  const expects = isOne || chosen.interleaving === undefined;
  return {
    scenario: chosen.name,
    title: chosen.title,
    source: chosen.source,
    ...parts,
    interleavings: isOne ? "given" : "all",
    exact,
    completion,
    ...result,
    assumptions: assumptionsOf(chosen, exact, maxStates, isReduced, isOne),
    // What an exact interleaving comes to says nothing about the others.
    expected: expects ? expectedOf(chosen, parts, catalogue) : null,
  };
}
