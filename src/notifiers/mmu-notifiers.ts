/**
 * MMU notifiers of one mm, as Linux has them (mm/mmu_notifier.c; notifiers.md 1.1 to 1.6), for
 * simulators that have drivers and an address space of their own: brackets, classic subscribers,
 * interval subscribers with their sequence, and what was proposed for them and never merged (1.7).
 *
 * Nothing sleeps: what the kernel would wait for is a boolean, a promise, or, where it would wait
 * for ever, the error E_DEADLOCK. Pages; ranges are half-open, intervals closed.
 */
import { checkWithin, checkWord } from "../arguments.js";
import { ArgumentError, DisposedError, ShootdownError } from "../errors.js";
import { isPage, type Numbers, PAGE_LIMIT } from "../pages.js";
import { Classic } from "./classic.js";
import { ClassicSide } from "./classic-side.js";
import { OpenBracket } from "./bracket.js";
import { checkInterval, exited, failRange, lastsOf, ownRow } from "./fail.js";
import { atOnce } from "./steps.js";
import { IntervalMemory, type IntervalMemoryOptions } from "./interval-memory.js";
import { IntervalSide } from "./interval-side.js";
import { PostedCalls } from "./posted.js";
import {
  type Bracket,
  type CallbackSteps,
  type ClassicOps,
  type ClassicSubscriber,
  type IntervalOps,
  NOTIFIER_EVENTS,
  type NotifierCounters,
  type NotifierEvent,
  type NotifierFaults,
  type NotifierRange,
  type NotifierWarning,
  type SubscriberHandle,
} from "./types.js";

/** When secondary TLBs are told besides: by every range_end, or only with CPU flushes. */
export type NotifierEra = "double" | "deduplicated" | "coupled";

/** See {@link MmuNotifiers.create}. */
export interface MmuNotifiersOptions extends IntervalMemoryOptions {
  /** `coupled`, Linux 6.6 and newer, by default. */
  readonly era?: NotifierEra;
  /**
   * `strict`: as the kernel. Where a classic subscriber refuses, nobody closes the bracket of the
   * intervals (S17), and everybody with a rangeEnd is called, also who refused. `strict-5.11`:
   * and before c2655835fd8c, nobody was (S16). `fixed`, the default: the intervals' bracket is
   * closed, and rangeEnd is called of those who were told and have not refused.
   */
  readonly faults?: NotifierFaults;
  /** Called for what a kernel would warn of. */
  readonly onWarning?: (warning: NotifierWarning) => void;
}

/** What a bracket is about; pages come first. */
export interface BracketOptions {
  /** `CLEAR` by default. */
  readonly event?: NotifierEvent;
  readonly owner?: unknown;
}

const ERAS = ["double", "deduplicated", "coupled"] as const;
const FAULTS = ["fixed", "strict", "strict-5.11"] as const;

/** See the file comment. Made by {@link MmuNotifiers.create}. */
export class MmuNotifiers {
  private readonly classics: ClassicSide;
  private readonly counts: NotifierCounters = {
    brackets: 0,
    refused: 0,
    invalidations: 0,
    starts: 0,
    ends: 0,
    secondary: 0,
  };
  private hasIntervals = false;
  private hasExited = false;
  private isDisposed = false;
  /** Brackets that are open. */
  private active = 0;
  /** The API of the series that was posted, as it was posted. */
  readonly posted: PostedCalls;

  private readonly side: IntervalSide;

  private constructor(
    private readonly intervals: IntervalMemory,
    readonly era: NotifierEra,
    readonly faults: NotifierFaults,
    private readonly warn: (warning: NotifierWarning) => void,
  ) {
    this.side = new IntervalSide(intervals, this.counts, warn);
    this.classics = new ClassicSide(faults, this.counts, warn);
    this.posted = new PostedCalls(this.side, {
      check: () => {
        this.check();
      },
      insert: (start, last, ops) => this.insert(start, last, ops),
      hasIntervals: () => this.hasIntervals,
    });
  }

  /**
   * An mm nobody has subscribed to.
   * @throws ArgumentError E_TYPE, E_LIMIT; CapacityError E_NOMEM
   */
  static async create(options: MmuNotifiersOptions = {}): Promise<MmuNotifiers> {
    const { era = "coupled", faults = "fixed" } = options;
    checkWord("era", era, ERAS);
    checkWord("faults", faults, FAULTS);
    const limit = checkWithin("limit", options.limit ?? 2 ** 24, 1, 2 ** 25);
    const capacity = checkWithin("capacity", options.capacity ?? Math.min(64, limit), 1, limit);
    const maxBytes = checkWithin("maxBytes", options.maxBytes ?? 2 ** 32, 1, 2 ** 32);
    const memory = await IntervalMemory.create(capacity, limit, maxBytes, options.wasm);
    return new MmuNotifiers(memory, era, faults, options.onWarning ?? (() => undefined));
  }

  /** invalidate_seq: odd while an open bracket has hit somebody. */
  get seq(): number {
    this.check();
    return this.intervals.seq;
  }

  /** Bytes of memory that the interval subscribers take. */
  get bytes(): number {
    this.check();
    return this.intervals.bytes;
  }

  /** What was called so far; a copy. */
  counters(): NotifierCounters {
    return { ...this.counts };
  }

  /**
   * A classic subscriber; or, of null, the mm is made ready for interval subscribers, which
   * {@link insert} does by itself.
   * @throws ShootdownError E_BUSY while a bracket is open (registration excludes brackets),
   * E_EXITED; E_POLICY (EINVAL) in the era `coupled` for callbacks of both kinds
   */
  register(ops: ClassicOps): ClassicSubscriber;
  register(ops: null): undefined;
  register(ops: ClassicOps | null): ClassicSubscriber | undefined {
    this.check();
    const both =
      ops?.invalidateSecondary !== undefined &&
      (ops.rangeStart !== undefined || ops.rangeEnd !== undefined);
    if (both && this.era === "coupled") {
      const message = "ops: told with CPU flushes or by brackets, not both (era coupled)";
      throw new ShootdownError("E_POLICY", message, { argument: "ops", errno: "EINVAL" });
    }
    this.checkMayRegister();
    if (ops === null) {
      this.hasIntervals = true;
      return undefined;
    }
    const row = new Classic(ops);
    this.classics.list.add(row);
    return row;
  }

  private checkMayRegister(): void {
    if (this.hasExited) throw exited();
    if (this.active === 0) return;
    const message = "registering waits until the open brackets have ended";
    throw new ShootdownError("E_BUSY", message, { brackets: this.active });
  }

  /**
   * Calls its `release`, once or (with {@link exit}) again, and unlinks it.
   * @throws ShootdownError E_DEADLOCK from a callback of a classic subscriber
   */
  unregister(subscriber: ClassicSubscriber): void {
    this.check();
    const row = ownRow(subscriber);
    this.classics.srcu.checkMayWait("unregister");
    if (!row.isLinked) return;
    this.classics.srcu.read(() => row.ops.release?.(row));
    this.classics.list.unlink(row);
  }

  /** The subscriber with these callbacks, with one more user; registers it if there is none. */
  get(ops: ClassicOps): ClassicSubscriber {
    this.check();
    const row = this.classics.list.find(ops);
    if (row === undefined) return this.register(ops);
    if (row.users === 2 ** 32 - 1) {
      throw new ArgumentError("E_OVERFLOW", "ops: the subscriber has 2^32 - 1 users", {
        argument: "ops",
        errno: "EOVERFLOW",
      });
    }
    row.users++;
    return row;
  }

  /**
   * One user less. Without users it is unlinked, and its `free` is called when no callback can be
   * running; not its `release`: the caller has dropped what it had.
   */
  put(subscriber: ClassicSubscriber): void {
    this.check();
    const row = ownRow(subscriber);
    if (row.users === 0) {
      this.warn({ code: "put-without-users", message: "put: the subscriber has no users" });
      return;
    }
    row.users--;
    if (row.users > 0) return;
    this.classics.list.unlink(row);
    this.classics.srcu.call(() => row.ops.free?.(row));
  }

  /**
   * The address space goes: interval subscribers are invalidated with RELEASE, and stay; classic
   * ones are released and unlinked. Pages may be freed when this returns.
   * @throws ShootdownError E_DEADLOCK from a callback, E_EXITED the second time
   */
  exit(): void {
    atOnce(this.exitSteps());
  }

  /** The same, step by step. */
  *exitSteps(): CallbackSteps<void> {
    this.check();
    if (this.hasExited) throw exited();
    this.classics.srcu.checkMayWait("exit");
    this.side.checkNotInCallback("exit");
    this.hasExited = true;
    if (this.hasIntervals) {
      const range = new OpenBracket(this, 0, PAGE_LIMIT, "RELEASE", true, undefined);
      if (yield* this.side.steps(range)) this.side.end();
    }
    if (this.classics.list.isEmpty) return;
    const rows = [...this.classics.list.walk()];
    this.classics.srcu.read(() => {
      for (const row of rows) row.ops.release?.(row);
    });
    for (const row of rows) this.classics.list.unlink(row);
  }

  /**
   * A bracket over the pages [start, end) opens: everybody is told before this returns.
   * @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_EMPTY, E_INVERTED. What a callback throws comes
   * through, and the bracket is not open then.
   */
  rangeStart(start: number, end: number, options?: BracketOptions): Bracket {
    const range = this.bracket(start, end, options, true);
    this.begin(range);
    return range;
  }

  /** The same where nobody may sleep; undefined (EAGAIN) when somebody refused. */
  rangeStartNonblock(start: number, end: number, options?: BracketOptions) {
    const range = this.bracket(start, end, options, false);
    return this.begin(range) ? (range as Bracket) : undefined;
  }

  /**
   * Brackets over [starts[i], ends[i]) that each close as soon as they are open, one after the
   * other. Those that hit nobody, or nobody with callbacks, cost a fraction of a bracket. How many
   * were told to anybody.
   * @throws as {@link rangeStart}; E_LIMIT when the lists differ in length. Nothing is told then.
   */
  invalidateMany(starts: Numbers, ends: Numbers, options?: BracketOptions): number {
    this.check();
    if (options?.event !== undefined) checkWord("event", options.event, NOTIFIER_EVENTS);
    const lasts = lastsOf(starts, ends);
    let told = 0;
    const one = (i: number): void => {
      told++;
      this.rangeEnd(this.rangeStart(starts[i], ends[i], options));
    };
    if (!this.classics.list.isEmpty) {
      for (let i = 0; i < starts.length; i++) one(i);
      return told;
    }
    if (this.side.isSilent()) {
      const passed = this.intervals.pass(starts, lasts);
      this.counts.brackets += starts.length;
      this.counts.invalidations += passed.told;
      return passed.hits;
    }
    this.intervals.eachHit(starts, lasts, one);
    this.counts.brackets += starts.length - told;
    return told;
  }

  private bracket(
    start: number,
    end: number,
    options: BracketOptions | undefined,
    blockable: boolean,
  ): OpenBracket {
    this.check();
    if (!isPage(start) || !isPage(end - 1) || start >= end) failRange(start, end);
    const event = options?.event;
    if (event !== undefined) checkWord("event", event, NOTIFIER_EVENTS);
    return new OpenBracket(this, start, end, event ?? "CLEAR", blockable, options?.owner);
  }

  private begin(range: OpenBracket): boolean {
    this.counts.brackets++;
    this.active++;
    try {
      const isOpen = this.tell(range);
      if (isOpen) return true;
    } catch (error) {
      this.active--;
      range.open = false;
      throw error;
    }
    this.counts.refused++;
    this.active--;
    range.open = false;
    return false;
  }

  private tell(range: NotifierRange): boolean {
    if (this.hasIntervals && !this.side.invalidate(range)) return false;
    try {
      const isOpen = this.classics.start(range);
      if (!isOpen && this.faults === "fixed" && this.hasIntervals) this.side.end();
      return isOpen;
    } catch (error) {
      if (this.hasIntervals) this.side.end();
      throw error;
    }
  }

  /**
   * As {@link rangeStart}, or where `blockable` is false {@link rangeStartNonblock}, step by step:
   * for callbacks that are generators. What they yield is for whoever drives this.
   */
  *startSteps(
    start: number,
    end: number,
    options: BracketOptions & { readonly blockable?: boolean } = {},
  ): CallbackSteps<Bracket | undefined> {
    const range = this.bracket(start, end, options, options.blockable ?? true);
    this.counts.brackets++;
    this.active++;
    let isOpen = false;
    try {
      isOpen = yield* this.tellSteps(range);
    } finally {
      if (!isOpen) {
        this.active--;
        range.open = false;
      }
    }
    if (isOpen) return range;
    this.counts.refused++;
    return undefined;
  }

  private *tellSteps(range: NotifierRange): CallbackSteps<boolean> {
    if (this.hasIntervals && !(yield* this.side.steps(range))) return false;
    try {
      const isOpen = yield* this.classics.startSteps(range);
      if (!isOpen && this.faults === "fixed" && this.hasIntervals) this.side.end();
      return isOpen;
    } catch (error) {
      if (this.hasIntervals) this.side.end();
      throw error;
    }
  }

  /** As {@link rangeOnlyEnd}, step by step. */
  *onlyEndSteps(bracket: Bracket): CallbackSteps<void> {
    yield* this.classics.endSteps(this.close(bracket), false);
  }

  /**
   * The bracket closes. In the eras `double` and `deduplicated` secondary TLBs are told its range.
   * @throws ShootdownError E_UNBALANCED when it is not open, E_FOREIGN when it is another mm's
   */
  rangeEnd(bracket: Bracket): void {
    this.end(bracket, this.era !== "coupled");
  }

  /** The same, and secondary TLBs are not told: somebody has, since the entries were cleared. */
  rangeOnlyEnd(bracket: Bracket): void {
    this.end(bracket, false);
  }

  private end(bracket: Bracket, notifies: boolean): void {
    this.classics.end(this.close(bracket), notifies);
  }

  /** What it is to the interval subscribers. */
  private close(bracket: Bracket): OpenBracket {
    this.check();
    if (bracket instanceof OpenBracket && bracket.mm !== this) {
      throw new ShootdownError("E_FOREIGN", "bracket is another mm's", { argument: "bracket" });
    }
    if (!(bracket instanceof OpenBracket) || !bracket.open) {
      throw new ShootdownError("E_UNBALANCED", "bracket is not open", { argument: "bracket" });
    }
    bracket.open = false;
    this.active--;
    if (this.hasIntervals) this.side.end();
    return bracket;
  }

  /**
   * Secondary TLBs are to forget [start, end), as given: a gather's all-ones range, too. In the era
   * `coupled` every CPU flush calls this, in the others the sites that do.
   */
  invalidateSecondary(start: number, end: number): void {
    this.check();
    this.classics.notify(start, end);
  }

  /** Was any page of [start, end) accessed? Forgets that, and flushes. Everybody is asked. */
  clearFlushYoung(start: number, end: number): boolean {
    this.check();
    return this.classics.any((row) => row.ops.clearFlushYoung?.(row, start, end) ?? false);
  }

  /** The same without a flush. */
  clearYoung(start: number, end: number): boolean {
    this.check();
    return this.classics.any((row) => row.ops.clearYoung?.(row, start, end) ?? false);
  }

  /** Was a page accessed? Whoever is asked after the first yes is not asked. */
  testYoung(page: number): boolean {
    this.check();
    return this.classics.first((row) => row.ops.testYoung?.(row, page) ?? false);
  }

  /** The entry of a page was replaced (KSM, CoW; until 6.9). */
  changePte(page: number): void {
    this.check();
    this.classics.any((row) => {
      row.ops.changePte?.(row, page);
      return false;
    });
  }

  /**
   * A subscriber for the pages [start, last]. During a bracket it may not be in the tree when this
   * returns: {@link readBegin} says when it can be relied on. May be called from callbacks.
   * @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_INVERTED; CapacityError; ShootdownError E_EXITED,
   * E_BUSY for the first one while a bracket is open
   */
  insert(start: number, last: number, ops: IntervalOps): SubscriberHandle {
    this.check();
    if (!this.hasIntervals) this.register(null);
    if (this.hasExited) throw exited();
    return this.intervals.insert(start, last, this.side.kind(ops));
  }

  /** Is this the handle of a subscriber that nobody has taken out? */
  has(handle: SubscriberHandle): boolean {
    this.check();
    return this.intervals.has(handle);
  }

  /** Its interval; an {@link update} that waits does not count yet. @throws E_NOENT, E_TYPE */
  interval(handle: SubscriberHandle): { readonly start: number; readonly last: number } {
    this.check();
    return this.intervals.read(this.intervals.check(handle));
  }

  /**
   * Takes a subscriber out, as mmu_interval_notifier_remove does. True: nobody will call it any
   * more; false: that is so when {@link whenSettled} resolves, which the kernel would wait for.
   * @throws ArgumentError E_NOENT, E_TYPE; ShootdownError E_DEADLOCK from a callback
   */
  remove(handle: SubscriberHandle): boolean {
    this.check();
    const row = this.intervals.check(handle);
    if (this.intervals.wouldWait(row)) this.side.checkNotInCallback("remove");
    return this.intervals.remove(handle, false);
  }

  /**
   * Takes a subscriber out without waiting, from callbacks, too. True: its `release` was called;
   * false: it is called when the open brackets have ended.
   */
  removeDeferred(handle: SubscriberHandle): boolean {
    this.check();
    const done = this.intervals.remove(handle, true);
    this.side.runReleases();
    return done;
  }

  /**
   * Gives a subscriber another interval. True: it has it; false: it has when the open brackets
   * have ended, until when readers wait. The last one wins.
   * @throws ArgumentError E_NOENT, E_TYPE, E_ADDR_RANGE, E_INVERTED; CapacityError
   */
  update(handle: SubscriberHandle, start: number, last: number): boolean {
    this.check();
    return this.intervals.update(handle, start, last, false);
  }

  /**
   * In the place of one subscriber others with the same callbacks: no walk finds both, or neither.
   * What a driver needs when a hole is unmapped (S26). The handles of the new ones.
   * @throws as {@link insert} and {@link removeDeferred}; then nothing has changed
   */
  replace(
    handle: SubscriberHandle,
    intervals: readonly { readonly start: number; readonly last: number }[],
  ): SubscriberHandle[] {
    this.check();
    const ops = this.intervals.opsOf(this.intervals.check(handle));
    for (const { start, last } of intervals) checkInterval(start, last);
    this.intervals.reserve(intervals.length);
    const done = this.intervals.remove(handle, true);
    const added = intervals.map(({ start, last }) => this.intervals.insert(start, last, ops));
    if (done) this.side.runReleases();
    return added;
  }

  /** A subscriber with these callbacks that overlaps [start, last] and stays. */
  find(ops: IntervalOps, start: number, last = start): SubscriberHandle | undefined {
    this.check();
    const kind = this.side.knownKind(ops);
    if (kind === undefined) return undefined;
    return this.intervals.find(kind, start, last, false);
  }

  /**
   * A reader begins: resolves with the stamp that {@link readRetry} is asked about, after the
   * brackets have ended that may have hit the subscriber.
   * @throws ShootdownError E_DEADLOCK from a callback that it would wait for
   */
  async readBegin(handle: SubscriberHandle): Promise<number> {
    this.check();
    const row = this.intervals.check(handle);
    const stamp = this.intervals.stamp(row);
    if (this.intervals.mustWait(row)) {
      this.side.checkNotInCallback("readBegin");
      await this.side.reopened();
    }
    return stamp;
  }

  /** The stamp, or undefined when {@link readBegin} would wait. */
  tryReadBegin(handle: SubscriberHandle): number | undefined {
    this.check();
    const row = this.intervals.check(handle);
    return this.intervals.mustWait(row) ? undefined : this.intervals.stamp(row);
  }

  /**
   * A callback: readers that began before start over. Under the driver's lock, with the `seq` that
   * the callback was given. @throws ArgumentError E_NOENT, E_TYPE, E_LIMIT for one that is even
   */
  setSeq(handle: SubscriberHandle, seq: number): void {
    this.check();
    checkWithin("seq", seq, 1, 2 ** 32 - 1);
    if (seq % 2 === 0) {
      const message = `seq must be the odd number that the callback was given, got ${seq}`;
      throw new ArgumentError("E_LIMIT", message, { argument: "seq", value: seq });
    }
    this.intervals.setStamp(this.intervals.check(handle, true), seq);
  }

  /** Was it invalidated since the stamp was read? Under the driver's lock. */
  readRetry(handle: SubscriberHandle, stamp: number): boolean {
    this.check();
    return this.intervals.stamp(this.intervals.check(handle, true)) !== stamp;
  }

  /** Resolves when what waits for the open brackets has happened, and releases were called. */
  whenSettled(): Promise<void> {
    this.check();
    if (this.intervals.seq % 2 === 0) return Promise.resolve();
    this.side.checkNotInCallback("whenSettled");
    return this.side.reopened();
  }

  /** Memory and places in it, for {@link validateNotifiers}. */
  raw(): { readonly u32: Uint32Array; readonly base: number; readonly tree: number } {
    this.check();
    return this.intervals.raw();
  }

  private check(): void {
    if (this.isDisposed) throw new DisposedError("E_DISPOSED", "the notifiers were disposed");
  }

  /** Idempotent; every later call throws E_DISPOSED. */
  dispose(): void {
    this.isDisposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
