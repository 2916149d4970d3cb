/** From a scenario to a machine that stands at its first state, with room for the explorer. */
import { ShootdownError } from "../errors.js";
import { asksHost } from "../kernel/image-options.js";
import * as abi from "../core/abi.js";
import { planBlock } from "../core/block.js";
import { checkGeometry, EXPLORED_GEOMETRY, type Geometry } from "../core/geometry.js";
import type { WasmSource } from "../core/loader.js";
import type { Catalogue } from "../kernel/catalogue.js";
import { type Script, usesPins, usesSubscribers } from "../kernel/image.js";
import { Machine } from "../machine.js";
import type { Scenario, ScenarioActor } from "../scenarios/scenario.js";

/** Choices of parts, by name. */
export interface Parts {
  readonly era: string;
  readonly policy: string;
  readonly consumer: string;
}

/** Room for the explorer's tables. */
export interface TableSizes {
  readonly slotsLog2: number;
  readonly nodes: number;
  readonly ring: number;
  readonly bytes: number;
  readonly stateBytes: number;
}

/** The frontier's share of memory, used as it is needed; past it the verdict is inconclusive. */
const RING_BYTES_MOST = 2 ** 30;
/** What a memory can hold, but for the machine itself. */
const ALL_BYTES_MOST = 2 ** 32 - 2 ** 26;

/** Table sizes for at most `maxStates` states. The frontier is rarely a quarter of all states. */
export function tableSizes(stateBytes: number, maxStates: number, exact: boolean): TableSizes {
  const nodes = maxStates + 1;
  const slotsLog2 = Math.max(4, Math.ceil(Math.log2((nodes * 4) / 3 + 1)));
  const lines = stateBytes / 16;
  const before = abi.X_WORDS * 4 + lines + 2 ** slotsLog2 * 8 + nodes * 8 + 256;
  const room = Math.min(RING_BYTES_MOST, ALL_BYTES_MOST - before);
  const place = stateBytes + abi.RING_SUM_BYTES;
  const most = Math.max(1024, Math.floor(room / place));
  const ring = exact ? nodes : Math.min(nodes, most, Math.max(1024, Math.ceil(nodes / 3)));
  const bytes = before + ring * place;
  return { slotsLog2, nodes, ring, bytes, stateBytes };
}

/** Options that make room for rows of their own. */
const ALL_ROWS =
  abi.OPT_INLINE |
  abi.OPT_BATCH |
  abi.OPT_BROADCAST |
  abi.OPT_LATR |
  abi.OPT_PREEMPT |
  abi.OPT_PTI |
  abi.OPT_POLL |
  abi.OPT_DEFER |
  abi.OPT_ACCESSED |
  abi.OPT_CORE_TABLES |
  abi.OPT_DIRECTORY |
  abi.OPT_GLOBAL_ASIDS;

/** Rows that few scenarios have. */
const SCENARIO_ROWS = abi.ROW_NOTIFIERS | abi.ROW_PINS;

/**
 * Bytes that one state of this geometry has at most, under any policy.
 * @param own - ROW_* of the scenario's own: of interval subscribers, of pinned pages
 */
export function stateBytesOf(geometry: Geometry, own = 0): number {
  const rows = (~SCENARIO_ROWS | own) >>> 0;
  const plan = planBlock(geometry, ALL_ROWS, 1, rows);
  return plan[abi.H_STATE_END] - plan[abi.H_STATE_START];
}

/** Geometry of a scenario, checked. */
export function geometryOf(
  scenario: Pick<Scenario, "geometry" | "threads" | "devices" | "watch">,
): Geometry {
  return checkGeometry(
    {
      ...scenario.geometry,
      cpus: scenario.threads.length,
      tasks: Math.max(scenario.threads.length, scenario.geometry.tasks ?? 1),
      devices: scenario.devices.length,
      watch: scenario.watch?.length ?? 0,
    },
    EXPLORED_GEOMETRY,
  );
}

/** OPT_* bits of a scenario. */
export function optionsOf(scenario: Scenario): number {
  let options = abi.OPT_LAZY_SKIP;
  if (scenario.assume?.delayedIpi !== false) options |= abi.OPT_DELAYED_IPI;
  if (scenario.assume?.speculativeWalks === true) options |= abi.OPT_SPECULATIVE_WALKS;
  if (scenario.assume?.nmi === true) options |= abi.OPT_NMI;
  if (scenario.assume?.preempt === true) options |= abi.OPT_PREEMPT;
  if (scenario.assume?.dirty === true) options |= abi.OPT_DIRTY;
  return options;
}

/** Its number in a schedule: CPUs first, then devices. */
export function actorIndex(scenario: Scenario, actor: ScenarioActor): number {
  return actor.cpu ?? scenario.threads.length + (actor.device ?? 0);
}

/** What is behind a device: its own consumer, or the one that was chosen. */
function consumerOf(scenario: Scenario, device: number, chosen: string): string {
  return scenario.consumers?.[device] ?? chosen;
}

function scriptsOf(
  kind: string,
  scenario: Scenario,
  actors: readonly ScenarioActor[],
  chosen: string,
): Script[] {
  const devices = scenario.devices.map((mm, device) => ({
    consumer: consumerOf(scenario, device, chosen),
    mm,
  }));
  return actors.map(({ device, steps }, i) => {
    const consumer = consumerOf(scenario, device ?? -1, chosen);
    return { name: `${kind}.${i}`, consumer, devices, steps };
  });
}

function allScripts(scenario: Scenario, chosen: string): Script[] {
  return [
    ...scriptsOf("setup", scenario, scenario.setup, chosen),
    ...scriptsOf("actor", scenario, scenario.actors, chosen),
  ];
}

function consumerNames(scenario: Scenario, chosen: string): string[] {
  return [...new Set([chosen, ...(scenario.consumers ?? [])])].filter((name) => name !== null);
}

/** ROW_* of its machine that few have: subscribers that come and go, pinned pages. */
export function scenarioRows(
  scenario: Scenario,
  { consumer }: Pick<Parts, "consumer">,
  catalogue: Catalogue,
): number {
  const consumers = consumerNames(scenario, consumer).map((name) => catalogue.consumer(name));
  const parts = { catalogue, consumers, scripts: allScripts(scenario, consumer) };
  return (usesSubscribers(parts) ? abi.ROW_NOTIFIERS : 0) | (usesPins(parts) ? abi.ROW_PINS : 0);
}

/** Builds the machine, runs the set-up, and starts every actor's script. */
export async function exploredMachine(
  scenario: Scenario,
  parts: Parts,
  catalogue: Catalogue,
  extraBytes: number,
  wasm?: WasmSource,
): Promise<Machine> {
  const machine = await Machine.create({
    catalogue,
    era: parts.era,
    policy: parts.policy,
    consumers: consumerNames(scenario, parts.consumer),
    geometry: geometryOf(scenario),
    baseGeometry: EXPLORED_GEOMETRY,
    options: optionsOf(scenario),
    scripts: allScripts(scenario, parts.consumer),
    scriptsOnly: true,
    ...(scenario.faults === undefined ? {} : { faults: scenario.faults }),
    extraBytes,
    ...(wasm === undefined ? {} : { wasm }),
  });
  if (asksHost(machine.image)) {
    const message = "programs that ask the host run in Machine.advance alone: nobody answers here";
    throw new ShootdownError("E_POLICY", message, { argument: "consumer" });
  }
  for (const { vmas } of scenario.mms) {
    const mm = machine.newMm();
    for (const { start, end, prot } of vmas) machine.mapNow(mm, start, end, prot);
  }
  scenario.threads.forEach((mm, cpu) => {
    machine.place(cpu, machine.newTask(mm));
  });
  scenario.devices.forEach((mm, device) => {
    const subscribed = scenario.unsubscribed?.includes(device) !== true;
    machine.attach(consumerOf(scenario, device, parts.consumer), mm, subscribed);
  });
  scenario.watch?.forEach(({ mm, vpn }, k) => {
    machine.watch(k, mm, vpn);
  });
  scenario.setup.forEach((actor, i) => {
    machine.startScript(actorIndex(scenario, actor), `setup.${i}`);
    machine.settle();
  });
  scenario.actors.forEach((actor, i) => {
    machine.startScript(actorIndex(scenario, actor), `actor.${i}`);
  });
  return machine;
}

/** Column heads of a step table, by actor. */
export function actorNames(scenario: Scenario): string[] {
  const names = scenario.threads.map((_, cpu) => `CPU${cpu}`);
  scenario.devices.forEach((_, device) => names.push(`device ${device}`));
  for (const actor of scenario.actors) names[actorIndex(scenario, actor)] = actor.name;
  return names;
}
