/**
 * insert_safe, put, update and find as version 6 of the series posted them in January 2020, with
 * the faults that reviewers saw (notifiers.md 1.7, S24, S25). {@link MmuNotifiers} itself has what
 * they asked for instead.
 */
import { ShootdownError } from "../errors.js";
import type { IntervalSide } from "./interval-side.js";
import type { IntervalOps, SubscriberHandle } from "./types.js";

/** What it needs of the mm. */
export interface PostedHost {
  /** @throws DisposedError */
  check(): void;
  insert(start: number, last: number, ops: IntervalOps): SubscriberHandle;
  hasIntervals(): boolean;
}

/** See the file comment; {@link MmuNotifiers.posted}. */
export class PostedCalls {
  constructor(
    private readonly side: IntervalSide,
    private readonly host: PostedHost,
  ) {}

  /**
   * As insert, from within a callback: it never registers.
   * @throws ShootdownError E_POLICY (EINVAL) when the mm has no interval subscribers yet
   */
  insertSafe(start: number, last: number, ops: IntervalOps): SubscriberHandle {
    if (!this.host.hasIntervals()) {
      const message = "insertSafe: nobody has registered the mm for interval subscribers";
      throw new ShootdownError("E_POLICY", message, { errno: "EINVAL" });
    }
    return this.host.insert(start, last, ops);
  }

  /** Takes it out, now (true) or when the open brackets have ended; then its release is called. */
  put(handle: SubscriberHandle): boolean {
    this.host.check();
    const done = this.side.memory.remove(handle, true);
    this.side.runReleases();
    return done;
  }

  /**
   * Gives it another interval. Readers do not wait for that, and a bracket that has walked the tree
   * already is missed. Does nothing, and says false, when `start` is not below `last`: an interval
   * of one page is refused.
   */
  update(handle: SubscriberHandle, start: number, last: number): boolean {
    this.host.check();
    if (start >= last) return false;
    this.side.memory.update(handle, start, last, true);
    return true;
  }

  /** The first in the tree with these callbacks, even if it is about to be released. */
  find(ops: IntervalOps, start: number, last = start): SubscriberHandle | undefined {
    this.host.check();
    return this.side.memory.find(this.side.kind(ops), start, last, true);
  }
}
