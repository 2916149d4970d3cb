/**
 * What HMM mirrors have in common (notifiers.md 4.4): a table of their own, filled under the
 * driver's lock from what hmm_range_fault found, if no invalidation came in between; emptied by a
 * callback that returns when nothing goes through the old entries any more.
 */
import * as abi from "../core/abi.js";
import { type HmmErrno, hmmRangeFault } from "../hmm/range-fault.js";
import type { HmmSpace } from "../hmm/space.js";
import type { IntervalOps, NotifierRange, SubscriberHandle } from "../notifiers/types.js";
import { does, type HostThread, type ThreadSelf, type ThreadSteps } from "./thread.js";
import type { DriverLock, Steps } from "./wait.js";

/** What a mirror gets wrong on purpose, there to be caught. */
export type MirrorFault =
  /** It maps what it found without asking whether that is still true. */
  | "no-retry"
  /** It ignores its own events, and has them move its sequence all the same: S28. */
  | "set-seq-on-own"
  /** Its callback returns before the entries are gone. */
  | "late-zap"
  /** It grants a bracket that may not sleep, and does nothing if its lock is taken. */
  | "non-blocking-ignored";

/** Parameters of a mirror. */
export interface MirrorOptions {
  /** Who else may have the lock; one of its own by default. */
  readonly userLock?: DriverLock;
  /** What is subscribed to. */
  readonly regionPolicy?: "whole-mm" | "per-object" | "per-fault";
  /** Brackets for which the mirror itself is named as the owner are not its callback's business. */
  readonly ignoreOwnEvents?: boolean;
  /** Of a bracket that may not sleep: whether the lock is tried, or everything refused. */
  readonly nonBlock?: "trylock" | "refuse";
  /** ns that dropping entries takes. */
  readonly callbackCost?: number;
  /** ns that what was found takes to be mapped for DMA, before the lock is taken. */
  readonly prepareCost?: number;
  /** ns that writing the entries of a round takes, under the lock. */
  readonly programCost?: number;
  /** Most pages of one round. */
  readonly chunkPages?: number;
  /** ns until a fault gives up. */
  readonly timeout?: number;
  readonly broken?: MirrorFault;
}

/** Parameters of a driver: what it subscribes to is its own to say. */
export type DriverOptions = Omit<MirrorOptions, "regionPolicy">;

/** Of a driver that refuses what may not sleep, has no events and has prices of its own. */
export type RefusingOptions = Omit<DriverOptions, "nonBlock" | "ignoreOwnEvents" | "callbackCost">;

/** How much it has had to do. */
export interface MirrorCounters {
  callbacks: number;
  /** Of its own events, which it ignored. */
  own: number;
  refused: number;
  /** Pages that the kernel had to fault in for it. */
  faults: number;
  /** Times it asked for pages, beginning again included. */
  rounds: number;
  retries: number;
  /** ns that its callbacks took, waiting for locks included. */
  ns: number;
}

/** An entry of the mirror's own table. */
export interface MirrorEntry {
  readonly frame: number;
  readonly generation: number;
  readonly writable: boolean;
  /** It has the page to itself: its own memory, or exclusively. */
  readonly alone: boolean;
}

/** What a command came to. */
export interface MirrorResult {
  readonly status: "OK" | "ENOENT" | HmmErrno;
  /** Pages that were done before that. */
  readonly cpages: number;
  /** Rounds of faults. */
  readonly faults: number;
  /** What was read. */
  readonly data: readonly number[];
}

/** Where a command of the device runs, and when. */
export interface CommandOptions {
  readonly cpu?: number;
  readonly at?: number;
}

/** Some ns after which a late zap comes. */
const LATE_NS = 200_000;

/** See the file comment. Drivers are files of their own, and say what they do otherwise. */
export class Mirror {
  readonly table = new Map<number, MirrorEntry>();
  readonly counters: MirrorCounters = {
    callbacks: 0,
    own: 0,
    refused: 0,
    faults: 0,
    rounds: 0,
    retries: 0,
    ns: 0,
  };
  readonly lock: DriverLock;
  readonly options: Required<Omit<MirrorOptions, "broken">> & Pick<MirrorOptions, "broken">;
  protected readonly ops: IntervalOps;
  /** Subscriptions that stay, with their closed intervals. */
  protected readonly regions = new Map<
    SubscriberHandle,
    { readonly start: number; readonly last: number }
  >();

  constructor(
    readonly space: HmmSpace,
    readonly name: string,
    /** CPU on which its driver works. */
    readonly cpu: number,
    options: MirrorOptions = {},
  ) {
    this.options = {
      userLock: options.userLock ?? space.machine.hosts.lock(name),
      regionPolicy: "whole-mm",
      ignoreOwnEvents: true,
      nonBlock: "trylock",
      callbackCost: 500,
      prepareCost: 300,
      programCost: 1_000,
      chunkPages: 64,
      timeout: 1e9,
      ...options,
    };
    this.lock = this.options.userLock;
    this.ops = {
      invalidate: (handle, range, seq) => this.timed(this.invalidated(handle, range, seq)),
    };
    if (this.options.regionPolicy === "whole-mm") this.addRegion(0, space.pages - 1);
  }

  /** Subscribes to [start, last], closed, for good: an object, or the whole mm. */
  addRegion(start: number, last: number): SubscriberHandle {
    const handle = this.space.notifiers.insert(start, last, this.ops);
    this.regions.set(handle, { start, last });
    return handle;
  }

  /** Lets go of all subscriptions, and then of all entries. */
  close(): void {
    for (const handle of this.regions.keys()) this.space.notifiers.remove(handle);
    this.regions.clear();
    this.table.clear();
  }

  /** The region that has the whole of [start, end). */
  protected regionOf(start: number, end: number): SubscriberHandle | undefined {
    for (const [handle, interval] of this.regions) {
      if (interval.start <= start && end - 1 <= interval.last) return handle;
    }
    return undefined;
  }

  // ── the callback ────────────────────────────────────────────────────────────────────────────

  /** What the callback took is counted. */
  protected *timed<T>(steps: Steps<T>): Steps<T> {
    const from = this.now;
    try {
      return yield* steps;
    } finally {
      this.counters.ns += this.now - from;
    }
  }

  private get now(): number {
    return this.space.machine.hosts.now;
  }

  /** Is it about something that the mirror itself is doing? */
  protected isOwn(range: NotifierRange): boolean {
    const isNamed = range.event === "MIGRATE" || range.event === "EXCLUSIVE";
    return this.options.ignoreOwnEvents && isNamed && range.owner === this;
  }

  /** False: it may not sleep, and would have to. */
  protected *invalidated(
    handle: SubscriberHandle,
    range: NotifierRange,
    seq: number,
  ): Steps<boolean> {
    this.counters.callbacks++;
    const { broken, nonBlock, callbackCost } = this.options;
    if (this.isOwn(range)) {
      this.counters.own++;
      if (broken === "set-seq-on-own") this.space.notifiers.setSeq(handle, seq);
      return true;
    }
    if (range.blockable) yield* this.lock.acquire();
    else if (nonBlock === "refuse" || !this.lock.tryAcquire()) {
      if (broken === "non-blocking-ignored") return true;
      this.counters.refused++;
      return false;
    }
    this.space.notifiers.setSeq(handle, seq);
    if (broken === "late-zap") this.dropLater(range);
    else {
      yield* this.quiesce(range);
      this.drop(range);
    }
    yield callbackCost;
    this.lock.release();
    return true;
  }

  /**
   * How a callback that refuses whatever may not sleep begins. True: it has the lock, and its
   * sequence is set; false: it was refused.
   */
  protected *entered(handle: SubscriberHandle, range: NotifierRange, seq: number): Steps<boolean> {
    this.counters.callbacks++;
    if (!range.blockable) {
      this.counters.refused++;
      return false;
    }
    yield* this.lock.acquire();
    this.space.notifiers.setSeq(handle, seq);
    return true;
  }

  /** Before entries are dropped: what goes on through them has to end. With the lock held. */
  protected *quiesce(_range: NotifierRange): Steps<void> {
    return;
  }

  /** No entry of [start, end) is left. */
  protected drop({ start, end }: { readonly start: number; readonly end: number }): void {
    for (const page of this.table.keys()) if (page >= start && page < end) this.table.delete(page);
  }

  private dropLater(range: NotifierRange): void {
    const drop = (): void => {
      this.drop(range);
    };
    const body = function* (): ThreadSteps<void> {
      drop();
      yield 0;
    };
    const options = { at: this.now + LATE_NS };
    this.space.machine.startThread(this.cpu, this.space.mm, body, options);
  }

  // ── faults ──────────────────────────────────────────────────────────────────────────────────

  /** Fills the table for [start, end), a chunk at a time. */
  *fault(
    self: ThreadSelf,
    start: number,
    end: number,
    write: boolean,
  ): ThreadSteps<"OK" | HmmErrno> {
    const { chunkPages } = this.options;
    for (let from = start; from < end; from += chunkPages) {
      const to = Math.min(from + chunkPages, end);
      const status = yield* this.faultChunk(self, from, to, write);
      if (status !== "OK") return status;
    }
    return "OK";
  }

  /** The subscription that a round of faults goes by, and whether it is only for that. */
  private subscribe(start: number, end: number): SubscriberHandle | undefined {
    if (this.options.regionPolicy !== "per-fault") return this.regionOf(start, end);
    return this.space.notifiers.insert(start, end - 1, this.ops);
  }

  private *faultChunk(
    self: ThreadSelf,
    start: number,
    end: number,
    write: boolean,
  ): ThreadSteps<"OK" | HmmErrno> {
    if (!this.space.isAlive) return "EINVAL";
    const handle = this.subscribe(start, end);
    if (handle === undefined) return "EINVAL";
    try {
      return yield* this.rounds(self, handle, start, end, write);
    } finally {
      if (this.options.regionPolicy === "per-fault") this.space.notifiers.remove(handle);
    }
  }

  /** The loop of every driver: begin, look, lock, ask, map. */
  private *rounds(
    self: ThreadSelf,
    handle: SubscriberHandle,
    start: number,
    end: number,
    write: boolean,
  ): ThreadSteps<"OK" | HmmErrno> {
    const { space, options } = this;
    const deadline = self.now + options.timeout;
    for (;;) {
      if (self.now > deadline) return "EBUSY";
      this.counters.rounds++;
      const seq = yield* space.readBegin(handle);
      yield does.lockMmap;
      const found = yield* hmmRangeFault(space, {
        start,
        end,
        handle,
        seq,
        need: write ? "write" : "read",
        owner: this,
        onFault: () => this.counters.faults++,
      });
      yield does.unlockMmap;
      if (found.status === "EBUSY") {
        this.counters.retries++;
        continue;
      }
      if (found.status !== "OK") return found.status;
      yield options.prepareCost;
      yield* this.lock.acquire();
      if (options.broken !== "no-retry" && space.notifiers.readRetry(handle, seq)) {
        this.lock.release();
        this.counters.retries++;
        continue;
      }
      found.pages.forEach(({ valid, frame, generation, writable, device }, i) => {
        const entry = { frame, generation, writable, alone: device };
        if (valid) this.table.set(start + i, entry);
      });
      yield options.programCost;
      this.lock.release();
      return "OK";
    }
  }

  // ── commands ────────────────────────────────────────────────────────────────────────────────

  /** A thread of the driver. */
  run<T>(
    body: (self: ThreadSelf) => ThreadSteps<T>,
    { cpu = this.cpu, at = 0 }: CommandOptions = {},
  ): HostThread<T> {
    return this.space.machine.startThread(cpu, this.space.mm, body, { at, owner: this });
  }

  /** Runs a command to its end, with all that happens meanwhile. */
  finish<T>(thread: HostThread<T>): T {
    this.space.machine.advance();
    return thread.result as T;
  }

  /** The device reads [start, end); result once its thread is done. */
  read(start: number, end: number, options?: CommandOptions): HostThread<MirrorResult> {
    return this.run((self) => this.copy(self, start, end, undefined), options);
  }

  /** The device writes words to the pages from `start` on. */
  write(
    start: number,
    words: readonly number[],
    options?: CommandOptions,
  ): HostThread<MirrorResult> {
    return this.run((self) => this.copy(self, start, start + words.length, words), options);
  }

  /** dmirror_read, dmirror_write: as far as the table goes, then fault the rest. */
  private *copy(
    self: ThreadSelf,
    start: number,
    end: number,
    words: readonly number[] | undefined,
  ): ThreadSteps<MirrorResult> {
    const data: number[] = [];
    let at = start;
    let faults = 0;
    const write = words !== undefined;
    for (;;) {
      yield* this.lock.acquire();
      while (at < end && this.access(at, words?.[at - start], data)) at++;
      this.lock.release();
      if (at === end) return { status: "OK", cpages: end - start, faults, data };
      const status = yield* this.fault(self, at, end, write);
      if (status !== "OK") return { status, cpages: at - start, faults, data };
      faults++;
    }
  }

  /** One page through the table. False: there is no entry, or none that allows it. */
  private access(page: number, word: number | undefined, data: number[]): boolean {
    const entry = this.table.get(page);
    const write = word !== undefined;
    if (entry === undefined || (write && !entry.writable)) return false;
    // A hazard stays with the machine; what is read is what is there.
    this.space.device.use(page, entry, write);
    if (write) this.space.setContent(entry.frame, word);
    else data.push(this.space.content(entry.frame));
    return true;
  }

  /** Reads through the table alone, without the driver: what the device itself would do. */
  peek(page: number): number | undefined {
    const entry = this.table.get(page);
    if (entry === undefined) return undefined;
    this.space.device.use(page, entry, false);
    return this.space.content(entry.frame);
  }

  /** VMA_* and PROT_* of a page that can be migrated, or not at all. */
  protected isReadable(page: number): boolean {
    return (this.space.protection(page) & abi.PROT_READ) !== 0;
  }
}
