/**
 * Keeps the job rings of a machine filled from one stream of calls a thread, so that no CPU ever
 * waits for the host: simulated time must not depend on when the host had time.
 */
import { CLOCK } from "../core/layout.js";
import type { Machine } from "../machine.js";
import type { WorkloadCall, WorkloadThread } from "../workloads/generator.js";

/** The calls of one thread, and when the first may start, ns. */
export interface Stream {
  readonly thread: WorkloadThread;
  readonly startNs: number;
  readonly calls: Iterator<WorkloadCall, void>;
}

interface Feed extends Stream {
  /** Jobs this CPU had been given before. */
  readonly before: number;
  /** Operations each job given completes, in order. */
  readonly ops: number[];
  ended: boolean;
}

/** See the file comment. One stream a CPU, in the order of the CPUs. */
export class Feeder {
  private readonly feeds: readonly Feed[];

  constructor(
    private readonly machine: Machine,
    streams: readonly Stream[],
  ) {
    this.feeds = streams.map((stream) => ({
      ...stream,
      before: this.started(stream.thread.index),
      ops: [],
      ended: false,
    }));
  }

  private started(cpu: number): number {
    return this.machine.core.read(CLOCK, this.machine.core.clock(cpu), "jobHead");
  }

  private waiting(cpu: number): number {
    const clock = this.machine.core.clock(cpu);
    return this.machine.core.read(CLOCK, clock, "jobTail") - this.started(cpu);
  }

  private submit(feed: Feed, { call, args, ops }: WorkloadCall): void {
    const { index } = feed.thread;
    const at = feed.ops.length === 0 ? feed.startNs : 0;
    this.machine.submit(index, call, args, { at, task: index });
    feed.ops.push(ops ?? 0);
  }

  /**
   * Fills every ring. How many steps the machine may take before the next call: a job takes at
   * least one, so none of them is dry before that. Infinity when all streams have ended.
   */
  fill(): number {
    let least = Infinity;
    for (const feed of this.feeds) {
      if (feed.ended) continue;
      const cpu = feed.thread.index;
      while (!feed.ended && this.machine.hasRoom(cpu)) {
        const next = feed.calls.next();
        if (next.done === true) feed.ended = true;
        else this.submit(feed, next.value);
      }
      if (!feed.ended) least = Math.min(least, this.waiting(cpu));
    }
    return least;
  }

  /** Every call of every stream was handed over. */
  get ended(): boolean {
    return this.feeds.every(({ ended }) => ended);
  }

  /** Operations completed so far; those of a job under way are not. */
  completed(): number {
    const busy = new Set(this.machine.busyActors());
    let sum = 0;
    for (const { thread, before, ops } of this.feeds) {
      const started = this.started(thread.index) - before;
      const over = busy.has(thread.index) ? started - 1 : started;
      for (let i = 0; i < over; i++) sum += ops[i];
    }
    return sum;
  }
}
