/** replayTrace(): a recording through the simulated kernel, held against what the kernel did. */
import * as abi from "../core/abi.js";
import type { Geometry } from "../core/geometry.js";
import { Machine, type MachineOptions } from "../machine.js";
import { canonicalSeed } from "../seed.js";
import { readTrace } from "../traces/ftrace.js";
import type { TraceEvent, TraceStats } from "../traces/events.js";
import type { TraceSource } from "../traces/open.js";
import { type Fidelity, fidelityOf } from "./fidelity.js";
import { Observer } from "./observed.js";
import { withOutcomes } from "./outcomes.js";
import type { Flush, FlushKind } from "./prediction.js";
import { Replayer } from "./replayer.js";
import type { Inferred } from "./world.js";

/** How to replay. */
export interface ReplayOptions {
  readonly era?: string;
  readonly policy?: string;
  /** `guest-kvm` by default. */
  readonly profile?: string;
  readonly seed?: string | number | bigint;
  /** Skip and count what cannot be read, instead of refusing the recording. */
  readonly lenient?: boolean;
  /** CPUs of the recorded machine; found by reading the recording once if not given. */
  readonly cpus?: number;
  /** Sizes that differ from {@link REPLAY_GEOMETRY}. */
  readonly geometry?: Partial<Geometry>;
  readonly onProgress?: (lines: number) => void;
}

/** Flushes by kind. `full` are those of local and remote that flush everything. */
export type FlushCounts = Readonly<Record<FlushKind | "full" | "csd", number>>;

/** What is known of the recording. */
export interface TraceFacts {
  readonly lines: number;
  readonly events: number;
  readonly lostEvents: number;
  readonly skipped: Readonly<Record<string, number>>;
  readonly cpus: number;
}

/** See {@link replayTrace}. */
export interface ReplayResult {
  readonly era: string;
  readonly policy: string;
  readonly profile: string;
  readonly seed: string;
  readonly trace: TraceFacts;
  readonly predicted: FlushCounts;
  readonly observed: FlushCounts;
  readonly fidelity: Fidelity;
  readonly inferred: Inferred;
  readonly hazards: number;
}

/** Room for the processes of an ordinary recording. */
export const REPLAY_GEOMETRY: Partial<Geometry> = {
  tasks: 1024,
  mms: 256,
  devices: 1,
  frames: 1 << 20,
  tables: 1 << 14,
  vmas: 16_384,
  logRecords: 1 << 14,
  jobs: 16,
};

/** Facts of a recording that is read once: CPUs, and what the reader counted. */
export async function scanTrace(
  source: TraceSource,
  lenient: boolean,
): Promise<{ facts: TraceFacts; processes: Map<number, number> }> {
  const reader = readTrace(source, { lenient });
  let cpus = 1;
  const processes = new Map<number, number>();
  for await (const batch of reader) {
    for (const event of batch) {
      if (event.cpu >= cpus) cpus = event.cpu + 1;
      if (event.kind === "schedMigrateTask") cpus = Math.max(cpus, event.toCpu + 1);
    }
  }
  return { facts: factsOf(reader.stats, cpus), processes };
}

function factsOf(stats: TraceStats, cpus: number): TraceFacts {
  return {
    lines: stats.lines,
    events: stats.events,
    lostEvents: stats.lostEvents,
    skipped: { ...stats.skipped },
    cpus,
  };
}

/** Kinds of machine events a prediction is made of. */
export const PREDICTING = [
  abi.EV_FLUSH_LOCAL,
  abi.EV_FLUSH_REMOTE,
  abi.EV_FLUSH_SEND,
  abi.EV_SWITCH_FLUSH,
] as const;

/** A machine that can replay `cpus` CPUs. */
export function replayMachine(
  options: ReplayOptions,
  cpus: number,
  more: MachineOptions = {},
): Promise<Machine> {
  return Machine.create({
    era: options.era ?? "coupled",
    policy: options.policy ?? "concurrent",
    profile: options.profile ?? "guest-kvm",
    options: abi.OPT_LAZY_SKIP | abi.OPT_TRIM,
    record: [...PREDICTING],
    ...more,
    geometry: { ...REPLAY_GEOMETRY, ...options.geometry, cpus },
  });
}

/** Feeds every event of a recording, with its call's outcome. */
export async function feed(
  source: TraceSource,
  lenient: boolean,
  onEvent: (event: TraceEvent) => void,
  replayer: Replayer,
  onProgress?: (lines: number) => void,
): Promise<void> {
  const reader = readTrace(source, { lenient });
  for await (const batch of withOutcomes(reader)) {
    for (const resolved of batch) {
      onEvent(resolved.event);
      replayer.step(resolved);
    }
    onProgress?.(reader.stats.lines);
  }
}

function countsOf(flushes: readonly Flush[], csd: number): FlushCounts {
  const counts = { local: 0, remote: 0, send: 0, switch: 0, wrongCpu: 0, full: 0, csd };
  for (const { kind, pages } of flushes) {
    counts[kind]++;
    if (pages === -1 && (kind === "local" || kind === "remote")) counts.full++;
  }
  return counts;
}

/**
 * Replays a recording (path, bytes) and compares. The kernel's own deeds in it are only compared
 * with, never used.
 * @throws TraceError with the line number; CapacityError when a pool of the machine is too small.
 */
export async function replayTrace(
  source: string | Uint8Array,
  options: ReplayOptions = {},
): Promise<ReplayResult> {
  const lenient = options.lenient === true;
  const seed = canonicalSeed(options.seed ?? 1);
  const { facts } = await scanTrace(source, lenient);
  const machine = await replayMachine(options, options.cpus ?? facts.cpus);
  const predicted: Flush[] = [];
  const observer = new Observer();
  const replayer = new Replayer(machine, { onFlush: (flush) => predicted.push(flush) });
  await feed(
    source,
    lenient,
    (event) => {
      observer.see(event);
    },
    replayer,
    options.onProgress,
  );
  const counters = machine.counters();
  return {
    era: machine.era.name,
    policy: machine.policy.name,
    profile: machine.profile.name,
    seed: `${seed}`,
    trace: facts,
    predicted: countsOf(predicted, counters.messages),
    observed: countsOf(observer.flushes, observer.csd),
    fidelity: fidelityOf(predicted, observer.flushes),
    inferred: { ...replayer.world.inferred },
    hazards: counters.hazards,
  };
}
