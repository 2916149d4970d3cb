/**
 * compareTrace(): one recording under every combination of era, policy and consumer, with a device
 * behind the recording's main process.
 */
import * as abi from "../core/abi.js";
import { hazardName } from "../drivers/explore.js";
import { ArgumentError } from "../errors.js";
import { Catalogue } from "../kernel/catalogue.js";
import { type CompletionGap, completionGaps } from "../kernel/completion-gaps.js";
import { operationName } from "../kernel/operation.js";
import { canonicalSeed, Random } from "../seed.js";
import type { TraceSource } from "../traces/open.js";
import { DeviceTraffic } from "./device-traffic.js";
import { CALL_SITE_EVENTS, type CallSiteCost, CallSiteLedger } from "./call-sites.js";
import type { Fidelity } from "./fidelity.js";
import { type ReplayOptions, runReplay, type TraceFacts } from "./replay.js";
import type { Deed, Inferred, Stage } from "./stage.js";

/** What to compare. */
export interface CompareOptions extends Omit<
  ReplayOptions,
  "era" | "policy" | "onPrediction" | "onMiss"
> {
  readonly eras?: readonly string[];
  readonly policies?: readonly string[];
  readonly consumers?: readonly string[];
  /** Device accesses per event of the process, 0 to 16; 1 by default. */
  readonly deviceRate?: number;
  /** Of a hundred of them, so many write; 25 by default. */
  readonly deviceWritePercent?: number;
  /** Thread id of the process the device is attached to; by default the busiest one. */
  readonly attach?: number;
  /** Called before each run. */
  readonly onRun?: (done: number, of: number) => void;
  /** Called before anything runs, if a policy gives less than an operation needs. */
  readonly onGaps?: (gaps: readonly CompletionGap[]) => void;
}

/** One hazard, however often it was committed. */
export interface HazardCount {
  readonly code: string;
  readonly count: number;
  readonly firstVpn: number;
  readonly firstTimeNs: number;
}

/** Kernel operations of one kind, brackets and notifications included. */
export interface OperationCost {
  readonly count: number;
  readonly totalNs: number;
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
  /** Per flush request, what its initiator spent on it, notifications it waits for included. */
  readonly latencyNs: {
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
    readonly total: number;
  };
  readonly operations: Readonly<Record<string, OperationCost>>;
  /** Time that interrupt handlers took from other CPUs. */
  readonly stolenNs: number;
  readonly hazards: readonly HazardCount[];
  readonly device: {
    readonly accesses: number;
    readonly hits: number;
    readonly misses: number;
    readonly faults: number;
    /** Invalidations it carried out. */
    readonly zaps: number;
    /** Time those took, at the profile's price of one. */
    readonly busyNs: number;
  };
  /** By call site, what the device was told; sites that told it nothing are left out. */
  readonly sites: readonly CallSiteCost[];
  readonly inferred: Readonly<Inferred>;
}

/** See {@link compareTrace}. */
export interface CompareResult {
  readonly seed: string;
  readonly profile: string;
  readonly trace: TraceFacts;
  /** How well the replay predicts the recording, whatever is behind it; null without deeds. */
  readonly fidelity: Fidelity | null;
  /** The process the device is attached to: a thread of it, and its memory events. */
  readonly attached: { readonly tid: number; readonly events: number };
  /** Operations that need more than a policy gives; known beforehand. */
  readonly completion: readonly CompletionGap[];
  readonly runs: readonly CompareRun[];
}

/** A process, as the first pass saw it. */
interface Process {
  readonly tid: number;
  readonly tids: Set<number>;
  events: number;
}

/** Values with how often each occurred: few different ones, however long the recording. */
class Histogram {
  private readonly counts = new Map<number, number>();
  private n = 0;
  total = 0;

  add(value: number): void {
    this.counts.set(value, (this.counts.get(value) ?? 0) + 1);
    this.n++;
    this.total += value;
  }

  /** The smallest value that at least `p` of all do not exceed; 0 if there is none. */
  percentile(p: number): number {
    const wanted = Math.ceil(p * this.n);
    let seen = 0;
    const sorted = [...this.counts.keys()].sort((a, b) => a - b);
    for (const value of sorted) {
      seen += this.counts.get(value) ?? 0;
      if (seen >= wanted) return value;
    }
    return 0;
  }
}

function whole(name: string, value: number, most: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > most) {
    throw new ArgumentError("E_LIMIT", `${name} must be 0 to ${most}, got ${String(value)}`, {
      argument: name,
      least: 0,
      most,
    });
  }
  return value;
}

/** A source that can be read again: a stream's bytes are kept. */
async function rereadable(source: TraceSource): Promise<TraceSource> {
  if (typeof source === "string" || source instanceof URL || source instanceof Uint8Array) {
    return source;
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    chunks.push(chunk.slice());
    length += chunk.length;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** The process to attach to, as its place in the order of birth. */
function choose(processes: ReadonlyMap<number, Process>, tid: number | undefined): number {
  let best = -1;
  let events = -1;
  for (const [ordinal, process] of processes) {
    if (tid !== undefined && !process.tids.has(tid)) continue;
    if (process.events <= events) continue;
    best = ordinal;
    events = process.events;
  }
  if (best < 0 && tid !== undefined) {
    throw new ArgumentError("E_NOENT", `thread ${tid} does not use memory in this recording`, {
      argument: "attach",
      value: tid,
    });
  }
  return best;
}

/** What one run collects besides the machine's counters. */
class Collector {
  readonly latency = new Histogram();
  readonly sites = new CallSiteLedger();
  readonly operations = new Map<string, { count: number; totalNs: number }>();
  readonly hazards = new Map<string, { count: number; firstVpn: number; firstTimeNs: number }>();

  readonly deed = ({ event }: Deed): void => {
    this.sites.add(event);
    if (event.kind === abi.EV_FLUSH_DONE) this.latency.add(event.a);
    else if (event.kind === abi.EV_OP_END) {
      const name = operationName(event.code);
      const known = this.operations.get(name) ?? { count: 0, totalNs: 0 };
      known.count++;
      known.totalNs += event.a;
      this.operations.set(name, known);
    } else if (event.kind === abi.EV_HAZARD) {
      this.hazard(hazardName(event.code), event.a, event.timeNs);
    }
  };

  hazard(code: string, firstVpn: number, firstTimeNs: number): void {
    const known = this.hazards.get(code);
    if (known) known.count++;
    else this.hazards.set(code, { count: 1, firstVpn, firstTimeNs });
  }
}

/** Any operation that kernels have may occur in a recording. */
function gapsOf(catalogue: Catalogue, policies: readonly string[]): CompletionGap[] {
  const operations = catalogue.parts.operations.filter(({ mutant }) => !mutant);
  return policies.flatMap((name) => {
    const policy = catalogue.policy(name);
    return operations.flatMap((operation) => completionGaps(operation, policy));
  });
}

const COLLECTED = [abi.EV_FLUSH_DONE, abi.EV_OP_END, abi.EV_HAZARD, ...CALL_SITE_EVENTS];
const DEFAULT_WRITE_PERCENT = 25;
const MOST_ACCESSES = 16;

async function runOne(
  source: TraceSource,
  options: CompareOptions,
  parts: { era: string; policy: string; consumer: string },
  attachTo: number,
): Promise<CompareRun> {
  const collector = new Collector();
  const rate = options.deviceRate ?? 1;
  const writes = options.deviceWritePercent ?? DEFAULT_WRITE_PERCENT;
  let traffic: DeviceTraffic | null = null;
  let stage: Stage | null = null;
  const result = await runReplay(
    source,
    { ...options, era: parts.era, policy: parts.policy },
    {
      consumers: [parts.consumer],
      record: COLLECTED,
      onStart: (created, replayer) => {
        stage = replayer.stage;
        const random = new Random(options.seed ?? 1);
        traffic = new DeviceTraffic(created, parts.consumer, random, rate, writes);
      },
      onDeed: collector.deed,
      onBirth: (space) => {
        if (space.ordinal === attachTo) traffic?.attach(space);
      },
      onTouch: (space, at) => traffic?.touched(space, at.vpn, stage?.at(at.timeNs) ?? 0),
    },
  );
  const c = result.counters;
  const sites = collector.sites.result();
  // What the replay does for its own books is not in there, as it is in the machine's counters.
  const sum = (of: (site: CallSiteCost) => number): number =>
    sites.reduce((total, site) => total + of(site), 0);
  return {
    ...parts,
    notifications: {
      start: c.notifyStart,
      end: c.notifyEnd,
      secondary: sum((site) => site.notifications),
    },
    flushes: {
      local: c.flushLocal,
      remote: c.flushRemote,
      full: c.flushFull,
      pages: c.flushPages,
    },
    ipis: c.ipis,
    latencyNs: {
      p50: collector.latency.percentile(0.5),
      p99: collector.latency.percentile(0.99),
      max: collector.latency.percentile(1),
      total: collector.latency.total,
    },
    operations: Object.fromEntries([...collector.operations].sort(([a], [b]) => (a < b ? -1 : 1))),
    stolenNs: c.stolenNs,
    hazards: [...collector.hazards].map(([code, hazard]) => ({ code, ...hazard })),
    device: {
      accesses: (traffic as DeviceTraffic | null)?.accesses ?? 0,
      hits: c.deviceHits,
      misses: c.deviceMisses,
      faults: c.deviceFaults,
      zaps: sum((site) => site.flushes),
      busyNs: sum((site) => site.deviceNs),
    },
    sites,
    inferred: result.inferred,
  };
}

/**
 * Replays a recording under every era, policy and consumer, with a device that keeps using
 * the pages of one recorded process. Same recording, same seed: the same bytes.
 *
 * @throws as {@link replayTrace}; ArgumentError E_NOENT when `attach` names nobody
 */
export async function compareTrace(
  source: TraceSource,
  options: CompareOptions = {},
): Promise<CompareResult> {
  whole("deviceRate", options.deviceRate ?? 1, MOST_ACCESSES);
  whole("deviceWritePercent", options.deviceWritePercent ?? DEFAULT_WRITE_PERCENT, 100);
  const seed = canonicalSeed(options.seed ?? 1);
  const eras = options.eras ?? ["double", "deduplicated", "coupled"];
  const policies = options.policies ?? ["sync", "concurrent"];
  const consumers = options.consumers ?? ["sharing", "mirroring"];
  const completion = gapsOf(options.catalogue ?? Catalogue.standard, policies);
  if (completion.length > 0) options.onGaps?.(completion);
  const again = await rereadable(source);
  const processes = new Map<number, Process>();
  const first = await runReplay(again, options, {
    consumers: [],
    record: [],
    onTouch: (space, { tid }) => {
      const known = processes.get(space.ordinal) ?? { tid, tids: new Set(), events: 0 };
      known.tids.add(tid);
      known.events++;
      processes.set(space.ordinal, known);
    },
  });
  const attachTo = choose(processes, options.attach);
  const runs: CompareRun[] = [];
  const all = eras.length * policies.length * consumers.length;
  for (const era of eras) {
    for (const policy of policies) {
      for (const consumer of consumers) {
        options.onRun?.(runs.length, all);
        runs.push(await runOne(again, options, { era, policy, consumer }, attachTo));
      }
    }
  }
  const attached = processes.get(attachTo);
  return {
    seed: `${seed}`,
    profile: first.profile,
    trace: first.trace,
    fidelity: first.fidelity,
    attached: { tid: attached?.tid ?? 0, events: attached?.events ?? 0 },
    completion,
    runs,
  };
}
