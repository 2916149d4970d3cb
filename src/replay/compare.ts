/**
 * compareTrace(): one recording under every combination of era, policy and consumer. The device is
 * attached to the recording's main process and keeps accessing pages that process has touched
 * lately, so that a translation nobody took away would be used.
 */
import * as abi from "../core/abi.js";
import { hazardName } from "../drivers/explore.js";
import { ArgumentError } from "../errors.js";
import type { Machine } from "../machine.js";
import type { MachineEvent } from "../machine-events.js";
import { canonicalSeed, Random } from "../seed.js";
import {
  feed,
  PREDICTING,
  REPLAY_GEOMETRY,
  replayMachine,
  type ReplayOptions,
  scanTrace,
  type TraceFacts,
} from "./replay.js";
import { Replayer } from "./replayer.js";
import type { Inferred, Space } from "./world.js";

/** What to compare. */
export interface CompareOptions extends Omit<ReplayOptions, "era" | "policy"> {
  readonly eras?: readonly string[];
  readonly policies?: readonly string[];
  readonly consumers?: readonly string[];
  /** Device accesses per touched page, 0 to 16; 1 by default. */
  readonly deviceRate?: number;
}

/** One hazard, however often it was committed. */
export interface HazardCount {
  readonly code: string;
  readonly count: number;
  readonly firstVpn: number;
  readonly firstTimeNs: number;
}

/** One combination. Counts of the whole recording; ns of simulated time. */
export interface CompareRun {
  readonly era: string;
  readonly policy: string;
  readonly consumer: string;
  /** Brackets opened and closed on the device's mm, and notifications its consumer got. */
  readonly notifications: {
    readonly start: number;
    readonly end: number;
    readonly secondary: number;
  };
  readonly flushes: {
    readonly local: number;
    readonly remote: number;
    readonly full: number;
    readonly pages: number;
  };
  readonly ipis: number;
  /** Per flush request, what its initiator spent on it. */
  readonly latencyNs: {
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
    readonly total: number;
  };
  /** Time that interrupt handlers took from other CPUs. */
  readonly stolenNs: number;
  readonly hazards: readonly HazardCount[];
  readonly device: {
    readonly hits: number;
    readonly misses: number;
    readonly faults: number;
    /** Invalidations it carried out. */
    readonly zaps: number;
    /** Time those took, at the profile's price of one. */
    readonly busyNs: number;
  };
  readonly inferred: Inferred;
}

export interface CompareResult {
  readonly seed: string;
  readonly profile: string;
  readonly trace: TraceFacts;
  readonly runs: readonly CompareRun[];
}

/** Pages a device picks from. */
const RECENT = 64;
/** One access in four is a write. */
const WRITE_ONE_IN = 4;

/** Device traffic: seeded picks among the pages its process touched last. */
class Traffic {
  private readonly recent: number[] = [];
  private at = 0;
  space: Space | null = null;
  device = -1;

  constructor(
    private readonly machine: Machine,
    private readonly consumer: string,
    private readonly random: Random,
    private readonly rate: number,
  ) {}

  touched(space: Space, vpn: number, timeNs: number): void {
    if (space !== this.space) return;
    this.recent[this.at] = vpn;
    this.at = (this.at + 1) % RECENT;
    for (let i = 0; i < this.rate; i++) {
      const pick = this.recent[this.random.below(this.recent.length)] ?? vpn;
      const write = this.random.below(WRITE_ONE_IN) === 0;
      const actor = this.machine.geometry.cpus + this.device;
      if (!this.machine.hasRoom(actor)) return;
      this.machine.submitAccess(this.device, this.consumer, pick, write, timeNs);
    }
  }
}

/** Exact percentile of sorted values: the smallest that at least `p` of all do not exceed. */
function percentile(sorted: readonly number[], p: number): number {
  if (sorted.length === 0) return 0;
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? 0;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Which address space to attach to: the how-manieth made, of those with the most events. */
async function mainSpace(source: string | Uint8Array, options: CompareOptions, cpus: number) {
  const machine = await replayMachine(options, cpus, { record: [] });
  const replayer = new Replayer(machine);
  const order: Space[] = [];
  await feed(
    source,
    options.lenient === true,
    () => {
      for (const space of replayer.world.spaces) if (!order.includes(space)) order.push(space);
    },
    replayer,
  );
  let best = 0;
  order.forEach((space, i) => {
    if (space.events > (order[best]?.events ?? -1)) best = i;
  });
  return best;
}

async function runOne(
  source: string | Uint8Array,
  options: CompareOptions,
  parts: { era: string; policy: string; consumer: string },
  cpus: number,
  attachTo: number,
): Promise<CompareRun> {
  const machine = await replayMachine({ ...options, ...parts }, cpus, {
    consumers: [parts.consumer],
    record: [...PREDICTING, abi.EV_FLUSH_DONE, abi.EV_HAZARD],
    geometry: { ...REPLAY_GEOMETRY },
  });
  const latencies: number[] = [];
  const hazards = new Map<string, { count: number; firstVpn: number; firstTimeNs: number }>();
  const onEvent = (event: MachineEvent): void => {
    if (event.kind === abi.EV_FLUSH_DONE) latencies.push(event.a);
    if (event.kind !== abi.EV_HAZARD) return;
    const code = hazardName(event.code);
    const known = hazards.get(code);
    if (known) known.count++;
    else hazards.set(code, { count: 1, firstVpn: event.a, firstTimeNs: event.timeNs });
  };
  const traffic = new Traffic(
    machine,
    parts.consumer,
    new Random(options.seed ?? 1),
    options.deviceRate ?? 1,
  );
  const replayer = new Replayer(machine, {
    onEvent,
    onTouch: (space, vpn, _write, timeNs) => {
      traffic.touched(space, vpn, timeNs);
    },
  });
  let seen = 0;
  const known = new Set<Space>();
  await feed(
    source,
    options.lenient === true,
    () => {
      if (traffic.space) return;
      for (const space of replayer.world.spaces) {
        if (known.has(space)) continue;
        known.add(space);
        if (seen++ !== attachTo) continue;
        traffic.space = space;
        traffic.device = machine.attach(parts.consumer, space.mm);
      }
    },
    replayer,
  );
  const c = machine.counters();
  latencies.sort((a, b) => a - b);
  return {
    ...parts,
    notifications: { start: c.notifyStart, end: c.notifyEnd, secondary: c.notifySecondary },
    flushes: {
      local: c.flushLocal,
      remote: c.flushRemote,
      full: c.flushFull,
      pages: c.flushPages,
    },
    ipis: c.ipis,
    latencyNs: {
      p50: percentile(latencies, 0.5),
      p99: percentile(latencies, 0.99),
      max: latencies.at(-1) ?? 0,
      total: sumOf(latencies),
    },
    stolenNs: c.stolenNs,
    hazards: [...hazards].map(([code, hazard]) => ({ code, ...hazard })),
    device: {
      hits: c.deviceHits,
      misses: c.deviceMisses,
      faults: c.deviceFaults,
      zaps: c.deviceZaps,
      busyNs: c.deviceZaps * (machine.profile.prices.devZap?.ns ?? 0),
    },
    inferred: { ...replayer.world.inferred },
  };
}

/** Compares. Same recording, same seed: the same bytes. */
export async function compareTrace(
  source: string | Uint8Array,
  options: CompareOptions & { readonly onRun?: (done: number, of: number) => void } = {},
): Promise<CompareResult> {
  const rate = options.deviceRate ?? 1;
  if (!Number.isInteger(rate) || rate < 0 || rate > 16) {
    throw new ArgumentError("E_LIMIT", `deviceRate must be 0 to 16, got ${rate}`, {
      argument: "deviceRate",
      most: 16,
    });
  }
  const seed = canonicalSeed(options.seed ?? 1);
  const eras = options.eras ?? ["double", "deduplicated", "coupled"];
  const policies = options.policies ?? ["sync", "concurrent"];
  const consumers = options.consumers ?? ["sharing", "mirroring"];
  const { facts } = await scanTrace(source, options.lenient === true);
  const cpus = options.cpus ?? facts.cpus;
  const attachTo = await mainSpace(source, options, cpus);
  const runs: CompareRun[] = [];
  const all = eras.length * policies.length * consumers.length;
  for (const era of eras) {
    for (const policy of policies) {
      for (const consumer of consumers) {
        options.onRun?.(runs.length, all);
        runs.push(await runOne(source, options, { era, policy, consumer }, cpus, attachTo));
      }
    }
  }
  return { seed: `${seed}`, profile: options.profile ?? "guest-kvm", trace: facts, runs };
}
