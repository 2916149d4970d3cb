/** Classic subscribers as the bracket sees them: whom it tells, and what a refusal comes to. */
import { type Classic, ClassicList, endAll, Srcu, startAll } from "./classic.js";
import { atOnce } from "./steps.js";
import type {
  CallbackSteps,
  NotifierCounters,
  NotifierFaults,
  NotifierRange,
  NotifierWarning,
} from "./types.js";

/** See the file comment. */
export class ClassicSide {
  readonly list = new ClassicList();
  readonly srcu = new Srcu();

  constructor(
    private readonly faults: NotifierFaults,
    private readonly counts: NotifierCounters,
    private readonly warn: (warning: NotifierWarning) => void,
  ) {}

  /** False: the bracket is not open. */
  start(range: NotifierRange): boolean {
    return this.list.isEmpty || atOnce(this.startSteps(range));
  }

  /** The same, with callbacks that take time. */
  *startSteps(range: NotifierRange): CallbackSteps<boolean> {
    if (this.list.isEmpty) return true;
    const { refused, told } = yield* this.srcu.readSteps(startAll(this.list, range));
    this.counts.starts += refused.length + told.length;
    if (refused.length === 0) return true;
    if (range.blockable) {
      const message = `a classic subscriber refused ${range.event}`;
      this.warn({ code: "refused-while-blockable", message });
    }
    for (const row of refused) {
      if (row.ops.rangeEnd === undefined) continue;
      const message = "a subscriber whose rangeStart refuses must not have a rangeEnd";
      this.warn({ code: "refuses-and-has-an-end", message });
    }
    if (this.faults === "fixed") {
      if (range.blockable) return true;
      yield* this.endOf(told, range);
      return false;
    }
    if (this.faults === "strict") yield* this.endOf([...this.list.walk()], range);
    return range.blockable;
  }

  private *endOf(rows: readonly Classic[], range: NotifierRange): CallbackSteps<void> {
    for (const { ops } of rows) if (ops.rangeEnd !== undefined) this.counts.ends++;
    yield* this.srcu.readSteps(endAll(rows, range));
  }

  /** Everybody is told of the end; before, if it `notifies`, its secondary TLB of the range. */
  end(range: NotifierRange, notifies: boolean): void {
    if (!this.list.isEmpty) atOnce(this.endSteps(range, notifies));
  }

  /** The same, with callbacks that take time. */
  *endSteps(range: NotifierRange, notifies: boolean): CallbackSteps<void> {
    if (this.list.isEmpty) return;
    const body = function* (this: ClassicSide): CallbackSteps<void> {
      for (const row of this.list.walk()) {
        if (notifies) this.secondary(row, range.start, range.end);
        if (row.ops.rangeEnd !== undefined) this.counts.ends++;
        yield* endAll([row], range);
      }
    };
    yield* this.srcu.readSteps(body.call(this));
  }

  /** Every secondary TLB is told. */
  notify(start: number, end: number): void {
    this.srcu.read(() => {
      for (const row of this.list.walk()) this.secondary(row, start, end);
    });
  }

  private secondary(row: Classic, start: number, end: number): void {
    if (row.ops.invalidateSecondary === undefined) return;
    this.counts.secondary++;
    row.ops.invalidateSecondary(row, start, end);
  }

  /** Asks everybody: did anybody say yes? */
  any(ask: (row: Classic) => boolean): boolean {
    return this.srcu.read(() => {
      let answer = false;
      for (const row of this.list.walk()) answer = ask(row) || answer;
      return answer;
    });
  }

  /** Asks until the first yes. */
  first(ask: (row: Classic) => boolean): boolean {
    return this.srcu.read(() => {
      for (const row of this.list.walk()) if (ask(row)) return true;
      return false;
    });
  }
}
