/** Interval subscribers as the bracket sees them: whom it tells, and what follows when it ends. */
import { ArgumentError, ShootdownError } from "../errors.js";
import type { IntervalMemory } from "./interval-memory.js";
import { type Answer, atOnce, inSteps } from "./steps.js";
import type {
  CallbackSteps,
  IntervalOps,
  NotifierCounters,
  NotifierRange,
  NotifierWarning,
} from "./types.js";

/** With more kinds of callbacks nobody looks whether they are all empty. */
const SILENT_MOST = 64;

/** See the file comment. */
export class IntervalSide {
  /** Callbacks by the number that the core knows them by. */
  private readonly kinds: IntervalOps[] = [];
  private readonly kindOf = new Map<IntervalOps, number>();
  private waiting: (() => void)[] = [];
  /** Callbacks on the stack. */
  private calling = 0;

  constructor(
    readonly memory: IntervalMemory,
    private readonly counts: NotifierCounters,
    private readonly warn: (warning: NotifierWarning) => void,
  ) {}

  /** Number of these callbacks, kept for good: subscribers of one kind share one object. */
  kind(ops: IntervalOps): number {
    if (typeof ops !== "object" || (ops as unknown) === null) {
      throw new ArgumentError("E_TYPE", "ops must be an object", { argument: "ops" });
    }
    const known = this.kindOf.get(ops);
    if (known !== undefined) return known;
    this.kindOf.set(ops, this.kinds.length);
    return this.kinds.push(ops) - 1;
  }

  /** The same, or undefined if no subscriber ever had them. */
  knownKind(ops: IntervalOps): number | undefined {
    return this.kindOf.get(ops);
  }

  /** Is there nothing to call when an interval is invalidated? */
  isSilent(): boolean {
    if (this.kinds.length > SILENT_MOST) return false;
    return this.kinds.every(
      (ops) => ops.invalidate === undefined && ops.invalidateStart === undefined,
    );
  }

  /** As {@link invalidate}, with callbacks that take time. */
  *steps(range: NotifierRange): CallbackSteps<boolean> {
    const { memory } = this;
    const last = range.end - 1;
    let at = memory.start(range.start, last);
    if (at === 0) return true;
    const { seq } = memory;
    const second: (() => Answer<unknown>)[] = [];
    const around = <R>(body: () => R): R => this.within(body);
    let refused = false;
    try {
      for (; at !== 0 && !refused; at = memory.next(at, range.start, last)) {
        const row = at - 1;
        const answer = yield* inSteps(() => this.ask(row, range, seq, second), around);
        refused = !this.accept(row, range, answer) && !range.blockable;
      }
      for (const wait of second) yield* inSteps(wait, around);
    } catch (error) {
      this.end();
      throw error;
    }
    if (refused) this.end();
    return !refused;
  }

  /** A callback runs: what would wait for it must not be called. */
  private within<R>(body: () => R): R {
    this.calling++;
    try {
      return body();
    } finally {
      this.calling--;
    }
  }

  /** False: somebody has refused, and the bracket of the intervals is closed again. */
  invalidate(range: NotifierRange): boolean {
    const first = this.memory.start(range.start, range.end - 1);
    return first === 0 || this.tell(range, first);
  }

  /** Tells those that a bracket hits, row `first` - 1 and those behind it. */
  private tell(range: NotifierRange, first: number): boolean {
    const { memory } = this;
    const last = range.end - 1;
    let at = first;
    const { seq } = memory;
    const second: (() => Answer<unknown>)[] = [];
    let refused = false;
    this.calling++;
    try {
      for (; at !== 0 && !refused; at = memory.next(at, range.start, last)) {
        refused = !this.invalidateOne(at - 1, range, seq, second) && !range.blockable;
      }
    } catch (error) {
      this.secondPass(second);
      this.end();
      throw error;
    }
    this.secondPass(second);
    if (!refused) return true;
    this.end();
    return false;
  }

  /** What was begun is waited for, whatever the first pass came to. No callback is left then. */
  private secondPass(second: readonly (() => Answer<unknown>)[]): void {
    try {
      for (const wait of second) atOnce(wait());
    } finally {
      this.calling--;
    }
  }

  private invalidateOne(
    row: number,
    range: NotifierRange,
    seq: number,
    second: (() => Answer<unknown>)[],
  ): boolean {
    return this.accept(row, range, atOnce(this.ask(row, range, seq, second)));
  }

  private ask(
    row: number,
    range: NotifierRange,
    seq: number,
    second: (() => Answer<unknown>)[],
  ): Answer<boolean> {
    const ops = this.kinds[this.memory.opsOf(row)];
    const handle = this.memory.handleOf(row);
    this.counts.invalidations++;
    if (ops.invalidateStart === undefined) return ops.invalidate?.(handle, range, seq) ?? true;
    const answer = ops.invalidateStart(handle, range, seq);
    if (typeof answer === "function") second.push(answer);
    return answer !== false;
  }

  private accept(row: number, range: NotifierRange, answer: boolean): boolean {
    if (answer) return true;
    if (range.blockable) {
      const code = range.event === "RELEASE" ? "exit-refused" : "refused-while-blockable";
      const handle = this.memory.handleOf(row);
      this.warn({ code, message: `interval subscriber ${handle} refused ${range.event}` });
    }
    return false;
  }

  /** A bracket ends; if it was the last one of an odd period, all that waited happens. */
  end(): void {
    if (!this.memory.end()) return;
    this.runReleases();
    const { waiting } = this;
    this.waiting = [];
    for (const wake of waiting) wake();
  }

  /** Calls the releases that are due. */
  runReleases(): void {
    for (;;) {
      const row = this.memory.released();
      if (row === undefined) return;
      try {
        this.kinds[this.memory.opsOf(row)].release?.(this.memory.handleOf(row));
      } finally {
        this.memory.forget(row);
      }
    }
  }

  /** Resolves when the sequence changes. */
  reopened(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** @throws ShootdownError E_DEADLOCK: who asks would wait for the bracket that called it */
  checkNotInCallback(what: string): void {
    if (this.calling === 0) return;
    throw new ShootdownError(
      "E_DEADLOCK",
      `${what} waits until the bracket ends whose callback it was called from`,
      { what },
    );
  }
}
