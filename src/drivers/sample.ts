/**
 * The sampling driver: random schedules of a scenario, every named invariant checked after every
 * step. It proves nothing, but it does not run out of memory either, and what it finds has a name,
 * a seed, and a schedule that can be run again.
 */
import { checkWithin } from "../arguments.js";
import * as abi from "../core/abi.js";
import { CTX } from "../core/layout.js";
import { checkCore } from "../invariants.js";
import { Catalogue } from "../kernel/catalogue.js";
import type { Machine } from "../machine.js";
import type { Scenario, Verdict } from "../scenarios/scenario.js";
import { canonicalSeed, Random } from "../seed.js";
import { checkScenario } from "../scenarios/validate.js";
import { scenarioNamed } from "./check.js";
import { hazardName, type ScheduleStep } from "./explore.js";
import { exploredMachine } from "./explored-machine.js";

/** What to sample a scenario under. */
export interface SampleOptions {
  /** `coupled` by default. */
  readonly era?: string;
  /** `concurrent` by default. */
  readonly policy?: string;
  /** `sharing` by default. */
  readonly consumer?: string;
  readonly catalogue?: Catalogue;
  /** Schedules to try, 1 to 10^6; 1,000 by default. Stops at the first that goes wrong. */
  readonly schedules?: number;
  /** Seed of the first schedule; the n-th one's is n - 1 more. 1 by default. */
  readonly seed?: string | number | bigint;
  /** Called now and then. */
  readonly onProgress?: (schedules: number) => void;
}

/** What went wrong in one schedule. */
export interface SampleFinding {
  /** The invariant's name; those of hazards are in {@link PROPERTIES}. */
  readonly invariant: string;
  readonly detail: string;
  /** Seed of this schedule alone: with it and `schedules: 1` the same is found again. */
  readonly seed: string;
  readonly schedule: readonly ScheduleStep[];
}

/** The same for the same options, on any machine. */
export interface SampleResult {
  readonly scenario: string;
  readonly era: string;
  readonly policy: string;
  readonly consumer: string;
  readonly seed: string;
  /** Schedules tried. */
  readonly schedules: number;
  readonly steps: number;
  readonly found: SampleFinding | null;
}

/** The property that a hazard breaks, by the hazard's name. */
export const PROPERTIES: Readonly<Partial<Record<Verdict, string>>> = {
  UAF: "NoUseAfterFree",
  PT_UAF: "NoWalkOfFreedTable",
  ORDER: "ReadsInOrder",
  LOSTW: "NoLostWrite",
  STALE: "NoStaleUse",
  NOPROG: "Progress",
  UNBAL: "EndsHaveStarts",
  DEADLOCK: "NoDeadlock",
  UNPINNED: "DmaIsPinned",
  FATAL: "DriversUnpinInTime",
  LEAK: "NoPinLeaks",
};

const SCHEDULES = 1_000;
const SCHEDULES_MOST = 1_000_000;
/** A schedule that is not over by then is given up: walks may go round in circles. */
const STEPS_MOST = 20_000;

/**
 * Who can be chosen: a task or device, a CPU's interrupt handler from its first step to its last,
 * a speculative walk, or an NMI. The choice its next step takes, or null while it has none.
 */
type Agent = { readonly actor: number; choice(): number | null };

function agentsOf(machine: Machine): Agent[] {
  const { core, geometry } = machine;
  const options = core.header[abi.H_OPTIONS];
  const walks = (options & abi.OPT_SPECULATIVE_WALKS) !== 0 ? geometry.watch : 0;
  const lives = (core.header[abi.H_ROWS] & abi.ROW_LIFETIMES) !== 0;
  const byItself = lives || (options & abi.OPT_BROADCAST) !== 0;
  const nmis = (options & abi.OPT_NMI) !== 0 ? geometry.watch : 0;
  const agents: Agent[] = [];
  for (let actor = 0; actor < geometry.cpus + geometry.devices; actor++) {
    const isCpu = actor < geometry.cpus;
    const inKernel = (): boolean =>
      isCpu && core.read(CTX, core.ctx(geometry.tasks + actor), "running") !== 0;
    agents.push({ actor, choice: () => (inKernel() ? null : 0) });
    if (isCpu) agents.push({ actor, choice: () => (inKernel() ? 0 : 1) });
    for (let k = 0; k < walks; k++) agents.push({ actor, choice: () => 2 + k });
    if (isCpu && (options & abi.OPT_PREEMPT) !== 0) {
      agents.push({ actor, choice: () => 3 + 2 * geometry.watch });
    }
    if (isCpu && byItself) agents.push({ actor, choice: () => 2 + 2 * geometry.watch });
    for (let k = 0; isCpu && k < nmis; k++) {
      agents.push({ actor, choice: () => 2 + geometry.watch + k });
    }
  }
  return agents;
}

/** Arranges who is tried first, before every step of one schedule. */
type Strategy = (agents: Agent[], taken: number, last: Agent | null) => void;

function shuffle(agents: Agent[], random: Random): void {
  for (let left = agents.length; left > 1; left--) {
    const i = random.below(left);
    [agents[i], agents[left - 1]] = [agents[left - 1], agents[i]];
  }
}

/**
 * Priorities (PCT, Burckhardt et al. 2010): the first that can goes on and on; at up to three
 * moments the one that goes is put last. Orders that need few, well-placed preemptions are found
 * this way; those that need many, by shuffling at every step.
 */
function strategyOf(random: Random): Strategy {
  if (random.below(4) === 0) {
    return (agents) => {
      shuffle(agents, random);
    };
  }
  const within = 2 ** (3 + random.below(6));
  const changes = new Set(Array.from({ length: random.below(4) }, () => random.below(within)));
  return (agents, taken, last) => {
    if (taken === 0) shuffle(agents, random);
    if (last === null || !changes.has(taken)) return;
    agents.push(...agents.splice(agents.indexOf(last), 1));
  };
}

interface Taken {
  readonly agent: Agent;
  readonly step: ScheduleStep;
}

/** Takes the first possible step. Null: there is none. */
function stepOnce(machine: Machine, agents: readonly Agent[]): Taken | null {
  for (const agent of agents) {
    const choice = agent.choice();
    if (choice === null || machine.step(agent.actor, choice) !== abi.ST_OK) continue;
    return { agent, step: { actor: agent.actor, choice } };
  }
  return null;
}

interface Broken {
  readonly invariant: string;
  readonly detail: string;
}

function brokenBy(machine: Machine): Broken | null {
  const hazard = machine.hazard;
  if (hazard !== null) {
    const verdict = hazardName(hazard.code);
    const where = `actor ${hazard.actor}, page ${hazard.vpn}, frame ${hazard.frame}`;
    return { invariant: PROPERTIES[verdict] ?? verdict, detail: `${verdict}: ${where}` };
  }
  const [violation] = checkCore(machine.core);
  return violation ?? null;
}

function moveTo(agents: Agent[], agent: Agent, place: number): void {
  agents.splice(agents.indexOf(agent), 1);
  agents.splice(place, 0, agent);
}

/** One schedule from the machine's present state to its end, or to what goes wrong. */
function runSchedule(
  machine: Machine,
  random: Random,
): { schedule: ScheduleStep[]; broken: Broken | null } {
  const agents = agentsOf(machine);
  const turn = 3 + 2 * machine.geometry.watch;
  const hypervisors = agents.filter((agent) => agent.choice() === turn);
  const lives = (machine.core.header[abi.H_ROWS] & abi.ROW_LIFETIMES) !== 0;
  const clocks = agents.filter((agent) => lives && agent.choice() === turn - 1);
  const arrange = strategyOf(random);
  const schedule: ScheduleStep[] = [];
  let last: Agent | null = null;
  while (schedule.length < STEPS_MOST) {
    arrange(agents, schedule.length, last);
    // A hypervisor's time slices end at any moment, whoever goes on below it.
    if (hypervisors.length > 0 && random.below(8) === 0) {
      moveTo(agents, hypervisors[random.below(hypervisors.length)], 0);
    }
    // Time passes slowly: else no entry would live long enough to be used.
    for (const clock of clocks) moveTo(agents, clock, agents.length - 1);
    if (clocks.length > 0 && random.below(8) === 0) {
      moveTo(agents, clocks[random.below(clocks.length)], 0);
    }
    const taken = stepOnce(machine, agents);
    if (taken === null) {
      const waiting = machine.busyActors();
      if (waiting.length === 0) break;
      const detail = `actors ${waiting.join(", ")} wait, and nobody can go on`;
      return { schedule, broken: { invariant: "NoDeadlock", detail } };
    }
    last = taken.agent;
    schedule.push(taken.step);
    // Else it preempts and resumes the same CPU for ever.
    if (hypervisors.includes(taken.agent)) moveTo(agents, taken.agent, agents.length - 1);
    const broken = brokenBy(machine);
    if (broken !== null) return { schedule, broken };
    if (taken.step.choice >= 2 && machine.busyActors().length === 0) break;
  }
  return { schedule, broken: null };
}

/**
 * Tries random schedules of a scenario, given by name or as data, until one goes wrong.
 * @throws ArgumentError E_NOENT, E_LIMIT, E_TYPE; CapacityError E_NOMEM
 */
export async function sample(
  scenario: string | Scenario,
  options: SampleOptions = {},
): Promise<SampleResult> {
  const chosen = typeof scenario === "string" ? scenarioNamed(scenario) : checkScenario(scenario);
  const most = checkWithin("schedules", options.schedules ?? SCHEDULES, 1, SCHEDULES_MOST);
  const first = canonicalSeed(options.seed ?? 1);
  const parts = {
    era: options.era ?? "coupled",
    policy: options.policy ?? "concurrent",
    consumer: options.consumer ?? "sharing",
  };
  const catalogue = options.catalogue ?? Catalogue.standard;
  using machine = await exploredMachine(chosen, parts, catalogue, 0);
  const start = machine.core.saveState();
  let steps = 0;
  let schedules = 0;
  let found: SampleFinding | null = null;
  while (schedules < most && found === null) {
    const seed = BigInt.asUintN(64, first + BigInt(schedules));
    machine.core.restoreState(start);
    const { schedule, broken } = runSchedule(machine, new Random(seed));
    schedules++;
    steps += schedule.length;
    if (broken !== null) found = { ...broken, seed: `${seed}`, schedule };
    if (schedules % 50 === 0) options.onProgress?.(schedules);
  }
  return { scenario: chosen.name, ...parts, seed: `${first}`, schedules, steps, found };
}
