/**
 * xe (drivers/gpu/drm/xe, 2026): an interval whose invalidation has two passes. The first starts
 * the flush of the GPU's TLB; the second waits for it. Flushes of several GPUs go on side by side.
 */
import type { HmmSpace } from "../hmm/space.js";
import type { NotifierRange, SubscriberHandle } from "../notifiers/types.js";
import { type DriverOptions, Mirror } from "./mirror.js";
import type { Steps } from "./wait.js";

/** Its parameters. */
export interface XeOptions extends DriverOptions {
  /** Where it waits in the first pass; the first of two passes always tries the lock. */
  readonly nonBlock?: "trylock" | "refuse";
  /** ns the GPU takes to flush, or to preempt what runs. */
  readonly flushNs?: number;
  /** False: it waits in the first pass, as before Linux 7aba71dbc416. True by default. */
  readonly twoPass?: boolean;
}

/** See the file comment. */
export class Xe extends Mirror {
  private readonly flushNs: number;
  private readonly twoPass: boolean;

  constructor(space: HmmSpace, cpu: number, options: XeOptions = {}) {
    super(space, "xe", cpu, { ...options, regionPolicy: "per-object" });
    this.flushNs = options.flushNs ?? 20_000;
    this.twoPass = options.twoPass ?? true;
    if (!this.twoPass) return;
    delete this.ops.invalidate;
    this.ops.invalidateStart = (handle, range, seq) => this.arm(handle, range, seq);
  }

  /** The first pass: nothing is waited for. A lock that is taken is the second pass's business. */
  private arm(
    handle: SubscriberHandle,
    range: NotifierRange,
    seq: number,
  ): boolean | (() => Steps<void>) {
    this.counters.callbacks++;
    const hasLock = this.lock.tryAcquire();
    if (!hasLock && !range.blockable) {
      this.counters.refused++;
      return false;
    }
    const { hosts } = this.space.machine;
    const from = hosts.now;
    if (hasLock) this.forget(handle, range, seq);
    return () => this.timed(this.wait(handle, range, seq, hasLock ? from : undefined));
  }

  private forget(handle: SubscriberHandle, range: NotifierRange, seq: number): void {
    this.space.notifiers.setSeq(handle, seq);
    this.drop(range);
    this.lock.release();
  }

  /** The second pass. */
  private *wait(
    handle: SubscriberHandle,
    range: NotifierRange,
    seq: number,
    armedAt: number | undefined,
  ): Steps<void> {
    const { hosts } = this.space.machine;
    if (armedAt === undefined) {
      yield* this.lock.acquire();
      this.forget(handle, range, seq);
    }
    yield Math.max(0, (armedAt ?? hosts.now) + this.flushNs - hosts.now);
  }

  protected override *quiesce(_range: NotifierRange): Steps<void> {
    yield this.flushNs;
  }
}
