/** What subscribers of an mm are told, and what they answer (notifiers.md 1.1 and 2.1). */

import { EVENT_NAMES, type EventName } from "../program/events.js";

/** Why a range is invalidated; the values of enum mmu_notifier_event. */
export const NOTIFIER_EVENTS = EVENT_NAMES;

/** One of {@link NOTIFIER_EVENTS}. */
export type NotifierEvent = EventName;

/** Which faults of the kernel an mm has: see MmuNotifiersOptions. */
export type NotifierFaults = "fixed" | "strict" | "strict-5.11";

/** What a bracket is about. */
export interface NotifierRange {
  /** First page. */
  readonly start: number;
  /** The page behind the last one: ranges are half-open, intervals closed. */
  readonly end: number;
  readonly event: NotifierEvent;
  /** Callbacks may sleep; where they may not they may refuse. */
  readonly blockable: boolean;
  /** Whose operation it is (MIGRATE, EXCLUSIVE): a driver may leave its own out. */
  readonly owner: unknown;
}

/** Names an interval subscriber. Stale once it was removed. */
export type SubscriberHandle = number;

/**
 * A callback that takes time, or waits: a generator. Whoever drives the bracket does with what it
 * yields what that stands for ({@link MmuNotifiers.startSteps}); `rangeStart` runs it to its end at
 * once.
 */
export type CallbackSteps<T> = Generator<unknown, T, void>;

/** Callbacks of interval subscribers; two with the same object are of one kind (`find`). */
export interface IntervalOps {
  /**
   * The range is invalid from now on. A driver that uses the read side calls `setSeq(handle, seq)`
   * under its own lock, drops what it has, and returns true. False refuses, which only a bracket
   * that may not sleep allows.
   */
  invalidate?(
    handle: SubscriberHandle,
    range: NotifierRange,
    seq: number,
  ): boolean | CallbackSteps<boolean>;
  /**
   * In place of `invalidate`, in two passes: begins the invalidation, and returns what waits for
   * it, or true if there is nothing to wait for. Everybody's first pass comes before the second
   * ones, which cannot fail and may be generators (Linux 7aba71dbc416).
   */
  invalidateStart?(
    handle: SubscriberHandle,
    range: NotifierRange,
    seq: number,
  ): boolean | (() => unknown);
  /** It was taken out with `removeDeferred` and nobody will call it any more. */
  release?(handle: SubscriberHandle): void;
}

/** Callbacks of classic subscribers, who are told about the whole mm. */
export interface ClassicOps {
  /** The mm goes: before its pages are freed, or when it is unregistered, or both at once. */
  release?(subscriber: ClassicSubscriber): void;
  /** A bracket opens. False refuses, which only one that may not sleep allows. */
  rangeStart?(
    subscriber: ClassicSubscriber,
    range: NotifierRange,
  ): boolean | CallbackSteps<boolean>;
  /** May be a generator as well. */
  rangeEnd?(subscriber: ClassicSubscriber, range: NotifierRange): unknown;
  /** The secondary TLB must forget [start, end), half-open; may never sleep. */
  invalidateSecondary?(subscriber: ClassicSubscriber, start: number, end: number): void;
  /** Was a page of [start, end) accessed? `clearFlushYoung` forgets that, and flushes. */
  clearFlushYoung?(subscriber: ClassicSubscriber, start: number, end: number): boolean;
  clearYoung?(subscriber: ClassicSubscriber, start: number, end: number): boolean;
  testYoung?(subscriber: ClassicSubscriber, page: number): boolean;
  /** An entry was replaced (KSM, CoW), until 6.9. */
  changePte?(subscriber: ClassicSubscriber, page: number): void;
  /** After `put` of the last user, when nobody can be calling it any more. */
  free?(subscriber: ClassicSubscriber): void;
}

/** A classic subscriber, as `register` and `get` return it. */
export interface ClassicSubscriber {
  readonly ops: ClassicOps;
  /** Those who `get` it; 1 after `register`. */
  readonly users: number;
}

/** A bracket that is open, until it is given to `rangeEnd`. */
export interface Bracket extends NotifierRange {
  readonly open: boolean;
}

/** Something that a kernel would print a warning for; nothing stops. */
export interface NotifierWarning {
  readonly code:
    "refused-while-blockable" | "refuses-and-has-an-end" | "exit-refused" | "put-without-users";
  readonly message: string;
}

/** How often what was called. */
export interface NotifierCounters {
  brackets: number;
  /** Brackets that were refused. */
  refused: number;
  /** Calls of interval subscribers. */
  invalidations: number;
  /** Calls of classic ones, by callback. */
  starts: number;
  ends: number;
  secondary: number;
}
