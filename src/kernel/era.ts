/**
 * Eras: who tells the secondary TLBs, and when (notifiers.md 0.4). An era is data; the operations
 * ask it at three places. Adding one is one file like those in `eras/`, and its registration.
 */

import type { Program } from "../program/notation.js";

/** A row of the kernel's site table (notifiers.md 2.4): what the eras decide by. */
export interface Site {
  /** Operation or function, as the table names it. */
  readonly name: string;
  /** Row number in the table. */
  readonly row: number;
  /** Part of that row, "a", "b", …; none by default. */
  readonly part?: string;
  /** Its pages are flushed one by one under the page-table lock (`*_clear_flush`). */
  readonly clearFlush: boolean;
  /**
   * Of those: the notification under the lock was kept when others were dropped (4.15). True by
   * default.
   */
  readonly keepsLocked?: boolean;
  /**
   * Its bracket's end notifies where ends are left out for what was notified under the lock (4.15).
   * By default what is not flushed under the lock does.
   */
  readonly notifiesAtEnd?: boolean;
}

/** Programs that are run for range_start, range_end and secondary notifications. */
export interface Hooks {
  readonly start?: Program;
  readonly end?: Program;
  readonly secondary?: Program;
  /** Only of devices of the host. */
  readonly release?: Program;
}

/** When notifications of the secondary TLBs are sent. */
export interface Era {
  readonly name: string;
  readonly title: string;
  /** Kernels it stands for, or "never shipped" for a mutant. */
  readonly kernels: string;
  readonly source: string;
  /** A deliberately wrong variant, there to be caught. */
  readonly mutant: boolean;
  /** range_end notifies its whole range. */
  rangeEndNotifies(site: Site): boolean;
  /** A flush under the page-table lock is followed by a notification, still under the lock. */
  lockedNotifies(site: Site): boolean;
  /** The gather's flush notifies the gather's range fields, as they are. */
  readonly gatherNotifies: boolean;
  /** Every CPU flush carries a notification of the range it was asked to flush. */
  readonly flushNotifies: boolean;
  /** What drivers of sharing consumers did; the consumer's own hooks by default. */
  readonly sharingHooks?: Hooks;
}
