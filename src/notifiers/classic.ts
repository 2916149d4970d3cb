/**
 * Classic subscribers of one mm: a list, the newest first, that is walked inside SRCU read-side
 * sections (notifiers.md 1.2, 1.3). Calls never overlap here, so a grace period is over as soon as
 * no callback is running; waiting for one from within a callback would never end.
 */
import { ShootdownError } from "../errors.js";
import { inSteps } from "./steps.js";
import type { CallbackSteps, ClassicOps, ClassicSubscriber, NotifierRange } from "./types.js";

/** The read-side sections that are open: callbacks on the stack. */
export class Srcu {
  private depth = 0;
  private readonly after: (() => void)[] = [];

  /** Runs `body` inside a section; when the outermost one closes, what waited for that. */
  read<T>(body: () => T): T {
    this.depth++;
    try {
      return body();
    } finally {
      this.depth--;
      this.settle();
    }
  }

  /** The same for a body that takes time. */
  *readSteps<T>(body: CallbackSteps<T>): CallbackSteps<T> {
    this.depth++;
    try {
      return yield* body;
    } finally {
      this.depth--;
      this.settle();
    }
  }

  get isReading(): boolean {
    return this.depth > 0;
  }

  /** Runs `callback` after a grace period. */
  call(callback: () => void): void {
    this.after.push(callback);
    this.settle();
  }

  private settle(): void {
    while (this.depth === 0) {
      const next = this.after.shift();
      if (next === undefined) return;
      next();
    }
  }

  /** @throws ShootdownError E_DEADLOCK inside a section: it would wait for itself */
  checkMayWait(what: string): void {
    if (!this.isReading) return;
    throw new ShootdownError(
      "E_DEADLOCK",
      `${what} waits until no callback runs, and was called from one`,
      { what },
    );
  }
}

/** A row of the list. */
export class Classic implements ClassicSubscriber {
  users = 1;
  isLinked = true;

  constructor(readonly ops: ClassicOps) {}
}

/** The list itself. */
export class ClassicList {
  private rows: readonly Classic[] = [];

  get isEmpty(): boolean {
    return this.rows.length === 0;
  }

  add(row: Classic): void {
    this.rows = [row, ...this.rows];
  }

  unlink(row: Classic): void {
    row.isLinked = false;
    this.rows = this.rows.filter((other) => other !== row);
  }

  find(ops: ClassicOps): Classic | undefined {
    return this.rows.find((row) => row.ops === ops);
  }

  /** Those that are in it now, but for those that are unlinked before their turn. */
  *walk(): Generator<Classic, void, undefined> {
    for (const row of this.rows) if (row.isLinked) yield row;
  }
}

/** What a walk of range_start has found. */
export interface StartOutcome {
  /** Those that refused. */
  readonly refused: readonly Classic[];
  /** Those that have been told, and did not. */
  readonly told: readonly Classic[];
}

/** Calls everybody's rangeStart, also after somebody has refused. */
export function* startAll(list: ClassicList, range: NotifierRange): CallbackSteps<StartOutcome> {
  const refused: Classic[] = [];
  const told: Classic[] = [];
  for (const row of list.walk()) {
    const { ops } = row;
    if (ops.rangeStart === undefined) continue;
    const start = ops.rangeStart.bind(ops);
    const isOpen = yield* inSteps(
      () => start(row, range),
      (body) => body(),
    );
    (isOpen ? told : refused).push(row);
  }
  return { refused, told };
}

/** Calls the rangeEnd of those who have one. */
export function* endAll(rows: readonly Classic[], range: NotifierRange): CallbackSteps<void> {
  for (const row of rows) {
    const { ops } = row;
    if (ops.rangeEnd === undefined) continue;
    const end = ops.rangeEnd.bind(ops);
    yield* inSteps<unknown>(
      () => end(row, range),
      (body) => body(),
    );
  }
}
