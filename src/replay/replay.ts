/** replayTrace(): a recording in, predicted flushes and their agreement with the kernel's out. */
import * as abi from "../core/abi.js";
import type { Geometry } from "../core/geometry.js";
import type { Counters } from "../counters.js";
import { ArgumentError } from "../errors.js";
import type { Catalogue } from "../kernel/catalogue.js";
import type { Consumer } from "../kernel/consumer.js";
import type { Era } from "../kernel/era.js";
import type { FlushPolicy } from "../kernel/policy.js";
import type { CostProfile } from "../kernel/profile.js";
import { Machine } from "../machine.js";
import { canonicalSeed } from "../seed.js";
import type { TraceEvent, TraceStats } from "../traces/events.js";
import type { TraceFormat } from "../traces/format.js";
import { readTrace, type TraceReader } from "../traces/read-trace.js";
import type { TraceSource } from "../traces/open.js";
import { type Fidelity, Matcher } from "./fidelity.js";
import {
  countFlush,
  type Flush,
  FLUSH_KINDS,
  type FlushCounts,
  noCounts,
  ObservedFlushes,
  predictedFlush,
} from "./flushes.js";
import { Causes } from "./causes.js";
import { type Ahead, withExits } from "./look-ahead.js";
import { Placement } from "./placement.js";
import { Replayer, type ReplayListener } from "./replayer.js";
import type { Space } from "./spaces.js";
import type { Deed, Inferred } from "./stage.js";

export type { FlushCounts } from "./flushes.js";

/** How to replay; everything has a default. */
export interface ReplayOptions {
  /** Name or definition; `coupled` by default. */
  readonly era?: string | Era;
  /** Name or definition; `concurrent` by default. */
  readonly policy?: string | FlushPolicy;
  /** Name or definition; `guest-kvm` by default. */
  readonly profile?: string | CostProfile;
  /** Format of the recording; by default, it is found out from its first lines. */
  readonly format?: TraceFormat;
  /** Pass over lines that cannot be used, and count them, instead of refusing the recording. */
  readonly lenient?: boolean;
  /** Stands in the result: a replay without a device leaves nothing to chance. */
  readonly seed?: string | number | bigint;
  /** CPUs of the recorded machine, if its header does not say; for strace, 8 by default. */
  readonly cpus?: number;
  /**
   * strace shows no page faults. When a call takes pages away, at most so many of each mapping in
   * its range are taken to be present, 0 to 2^20; 16 by default. Other formats do not look at it.
   */
  readonly residentPages?: number;
  /** Sizes that differ from {@link REPLAY_GEOMETRY}. */
  readonly geometry?: Partial<Geometry>;
  readonly catalogue?: Catalogue;
  readonly onProgress?: (lines: number) => void;
  /** Hears of every predicted flush. */
  readonly onPrediction?: (flush: Flush) => void;
  /** Hears of every flush that has no counterpart on the other side, when the replay is over. */
  readonly onMiss?: (flush: Flush, side: "predicted" | "observed") => void;
}

/** What is known of the recording. */
export interface TraceFacts {
  readonly format: TraceFormat;
  /**
   * Where the pages that are present come from: page faults of the recording, or a model, because
   * the recording (strace) has none. What is predicted from a model is no more than an estimate.
   */
  readonly residency: "recorded" | "inferred";
  readonly lines: number;
  readonly events: number;
  readonly lostEvents: number;
  /** Places where the recording says that it lost some, perhaps without saying how many. */
  readonly lostMarks: number;
  /** Lines a lenient reader passed over, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
  readonly cpus: number;
  /** From the first event to the last. */
  readonly durationNs: number;
}

/** See {@link replayTrace}. */
export interface ReplayResult {
  readonly era: string;
  readonly policy: string;
  readonly profile: string;
  readonly seed: string;
  readonly trace: TraceFacts;
  readonly predicted: Readonly<FlushCounts>;
  /** What was predicted, by cause: the name of a system call, `fault`, `switch` or `exit`. */
  readonly byCause: Readonly<Record<string, Readonly<FlushCounts>>>;
  /** All zero when the recording (strace) cannot show any. */
  readonly observed: Readonly<FlushCounts>;
  /** Null when the recording has no `tlb_flush` lines to compare with. */
  readonly fidelity: Fidelity | null;
  readonly inferred: Readonly<Inferred>;
  readonly hazards: number;
  readonly counters: Counters;
  /** Only where the residency is inferred: how. */
  readonly model?: Readonly<IntentModel>;
}

/** What a replay of strace assumed. */
export interface IntentModel {
  /** At most so many pages of a mapping are taken to be present when a call takes them away. */
  readonly residentPages: number;
  /** Pages that were. */
  readonly touched: number;
  /** Threads whose birth the recording does not show. */
  readonly guessedThreads: number;
}

/** A machine with room for the processes of a build, or a large heap. */
export const REPLAY_GEOMETRY: Partial<Geometry> = {
  tasks: 4096,
  mms: 1024,
  frames: 1 << 22,
  tables: 1 << 14,
  vmas: 1 << 14,
  logRecords: 1 << 12,
  jobs: 64,
};

/** CPUs when the recording does not say how many there are: those of the first events. */
const MOST_CPUS = 1024;
/** strace does not know CPUs. */
const STRACE_CPUS = 8;
const RESIDENT_PAGES = 16;
const MOST_RESIDENT_PAGES = 2 ** 20;

/** A space is used by `tid` at `timeNs`; `vpn` is -1 for system calls. */
export interface Touch {
  readonly tid: number;
  readonly timeNs: number;
  readonly vpn: number;
}

/** What {@link runReplay} needs beyond the options of a caller. */
export interface ReplayParts {
  readonly consumers: readonly (string | Consumer)[];
  /** EV_* numbers to record beside the flushes. */
  readonly record: readonly number[];
  readonly onStart?: (machine: Machine, replayer: Replayer) => void;
  readonly onDeed?: (deed: Deed) => void;
  readonly onBirth?: (space: Space) => void;
  readonly onTouch?: (space: Space, at: Touch) => void;
}

/** The machine's events that are flushes, or messages about them. */
const FLUSH_EVENTS = [
  abi.EV_FLUSH_LOCAL,
  abi.EV_FLUSH_REMOTE,
  abi.EV_FLUSH_SEND,
  abi.EV_CSD_QUEUE,
  abi.EV_IPI,
  abi.EV_SWITCH_FLUSH,
  abi.EV_CSD_RUN,
  abi.EV_IRQ,
];

/**
 * Replays a recording on a simulated machine: its system calls, faults and context switches go in,
 * and the flushes the machine carries out are compared with the recorded ones, which the machine
 * never sees.
 *
 * A recording made by strace has intents only: it is replayed on CPUs and with residency that are
 * modelled ({@link TraceFacts.residency}), and there is nothing to compare with.
 *
 * @param source - path, bytes or stream of a text of ftrace, trace-cmd report, perf script or
 * strace, plain or gzip
 * @throws TraceError for a recording that cannot be read; CapacityError E_NOMEM with the field of
 * `geometry` to raise; ArgumentError for a bad option
 *
 * @example
 * ```ts
 * const { fidelity } = await replayTrace("traces/node-gc.ftrace.gz");
 * console.log(fidelity?.f1);
 * ```
 */
export async function replayTrace(
  source: TraceSource,
  options: ReplayOptions = {},
): Promise<ReplayResult> {
  return runReplay(source, options, { consumers: [], record: [] });
}

/** The same, with hooks for those who put a device behind it. */
export async function runReplay(
  source: TraceSource,
  options: ReplayOptions,
  parts: ReplayParts,
): Promise<ReplayResult> {
  const trace = readTrace(source, {
    lenient: options.lenient === true,
    ...(options.format === undefined ? {} : { format: options.format }),
  });
  const run = new Run(options, parts);
  try {
    run.processes = trace.processes;
    await withExits(run.begun(trace), (ahead) => run.take(ahead));
    return run.finish(trace.stats);
  } finally {
    run.dispose();
  }
}

class Run {
  private machine: Machine | null = null;
  private replayer: Replayer | null = null;
  private readonly counts = noCounts();
  private readonly matcher: Matcher;
  private readonly observed: ObservedFlushes;
  private readonly causes = new Causes();
  /** Only for strace. */
  private placement: Placement | null = null;
  private readonly residentPages: number;
  processes: ReadonlyMap<number, number> = new Map();
  private firstNs = 0;
  private lastNs = 0;
  private tid = 0;

  constructor(
    private readonly options: ReplayOptions,
    private readonly parts: ReplayParts,
  ) {
    const pages = options.residentPages ?? RESIDENT_PAGES;
    if (!(Number.isInteger(pages) && pages >= 0 && pages <= MOST_RESIDENT_PAGES)) {
      const message = `residentPages must be 0 to ${MOST_RESIDENT_PAGES}, got ${String(pages)}`;
      throw new ArgumentError("E_LIMIT", message, {
        argument: "residentPages",
        least: 0,
        most: MOST_RESIDENT_PAGES,
      });
    }
    this.residentPages = pages;
    this.matcher = new Matcher(options.onMiss);
    this.observed = new ObservedFlushes((flush) => this.matcher.observed(flush));
  }

  /** Creates the machine when the recording has said how many CPUs there are. */
  async *begun(trace: TraceReader): AsyncGenerator<readonly TraceEvent[]> {
    for await (const batch of trace) {
      if (this.machine === null) await this.begin(trace.stats, batch);
      yield this.placement === null ? batch : this.placement.take(batch);
      this.options.onProgress?.(trace.stats.lines);
    }
    if (this.machine === null) await this.begin(trace.stats, []);
    if (this.placement !== null) yield this.placement.finish();
  }

  private async begin(stats: Readonly<TraceStats>, batch: readonly TraceEvent[]): Promise<void> {
    const { options, parts } = this;
    const isIntent = stats.format === "strace";
    const seen = batch.reduce((most, event) => Math.max(most, event.cpu + 1), 1);
    const known = isIntent ? STRACE_CPUS : Math.min(Math.max(stats.cpus, seen), MOST_CPUS);
    const cpus = options.cpus ?? options.geometry?.cpus ?? known;
    const machine = await Machine.create({
      geometry: {
        ...REPLAY_GEOMETRY,
        devices: parts.consumers.length === 0 ? 0 : 1,
        ...options.geometry,
        cpus,
      },
      consumers: parts.consumers,
      options: abi.OPT_LAZY_SKIP | abi.OPT_TRIM,
      record: [...FLUSH_EVENTS, ...parts.record],
      profile: options.profile ?? "guest-kvm",
      ...(options.era === undefined ? {} : { era: options.era }),
      ...(options.policy === undefined ? {} : { policy: options.policy }),
      ...(options.catalogue === undefined ? {} : { catalogue: options.catalogue }),
    });
    this.machine = machine;
    this.firstNs = this.lastNs = batch[0]?.timeNs ?? 0;
    const listener: ReplayListener = {
      deed: (deed) => this.deed(deed),
      birth: (space) => parts.onBirth?.(space),
      touch: (space, timeNs, vpn) => parts.onTouch?.(space, { tid: this.tid, timeNs, vpn }),
    };
    const pages = isIntent ? this.residentPages : null;
    const facts = { processes: this.processes, root: stats.root, isLate: !isIntent };
    this.replayer = new Replayer(machine, cpus, this.firstNs, listener, pages, facts);
    if (isIntent) this.placement = new Placement(cpus);
    parts.onStart?.(machine, this.replayer);
  }

  take(ahead: Ahead): void {
    const { event } = ahead;
    const { replayer, machine } = this;
    if (replayer === null || machine === null) return;
    if (event.cpu >= machine.geometry.cpus) {
      throw new ArgumentError(
        "E_LIMIT",
        `line ${event.line} is from CPU ${event.cpu}: set cpus to the machine's CPUs`,
        { argument: "cpus", least: event.cpu + 1 },
      );
    }
    this.tid = event.tid;
    if (event.timeNs > this.lastNs) this.lastNs = event.timeNs;
    this.observed.take(event);
    this.causes.before(event);
    replayer.take(ahead);
    this.causes.after(event);
  }

  private deed(deed: Deed): void {
    const { event } = deed;
    if (event.kind === abi.EV_CSD_QUEUE) {
      this.counts.csd++;
      this.causes.counts(deed.cause).csd++;
    } else if (event.kind === abi.EV_IPI) {
      this.counts.ipis += event.a;
      this.causes.counts(deed.cause).ipis += event.a;
    } else if (this.replayer !== null) {
      const flush = predictedFlush(deed, this.replayer.stage.tidOn);
      if (flush !== null) {
        countFlush(this.counts, flush);
        countFlush(this.causes.counts(deed.cause), flush);
        this.matcher.predicted(flush);
        this.options.onPrediction?.(flush);
      }
    }
    this.parts.onDeed?.(deed);
  }

  finish(stats: Readonly<TraceStats>): ReplayResult {
    const { machine, replayer, observed } = this;
    if (machine === null || replayer === null) {
      throw new ArgumentError("E_EMPTY", "the recording has no events", {});
    }
    replayer.stage.land();
    const fidelity = this.matcher.finish();
    const seen = FLUSH_KINDS.some((kind) => observed.counts[kind] > 0);
    return {
      era: machine.era.name,
      policy: machine.policy.name,
      profile: machine.profile.name,
      seed: `${canonicalSeed(this.options.seed ?? 1)}`,
      trace: {
        format: stats.format ?? "ftrace",
        residency: replayer.residency === null ? "recorded" : "inferred",
        lines: stats.lines,
        events: stats.events,
        lostEvents: stats.lostEvents,
        lostMarks: stats.lostMarks,
        skipped: {
          ...stats.skipped,
          ...(observed.unknown === 0 ? {} : { unknownReason: observed.unknown }),
        },
        cpus: machine.geometry.cpus,
        durationNs: this.lastNs - this.firstNs,
      },
      predicted: this.counts,
      byCause: this.causes.all(),
      observed: observed.counts,
      fidelity: seen ? fidelity : null,
      inferred: { ...replayer.stage.inferred },
      hazards: machine.counters().hazards,
      counters: machine.counters(),
      ...(replayer.residency === null
        ? {}
        : {
            model: {
              residentPages: this.residentPages,
              touched: replayer.residency.touched,
              guessedThreads: this.placement?.guessed ?? 0,
            },
          }),
    };
  }

  dispose(): void {
    this.machine?.dispose();
  }
}
