/**
 * nouveau (drivers/gpu/drm/nouveau/nouveau_svm.c): a classic subscriber clears the hardware for the
 * whole mm; a temporary interval per fault window only tells whether the window was hit. Right only
 * because interval callbacks come before the classic one.
 */
import type { HmmSpace } from "../hmm/space.js";
import type { ClassicSubscriber, NotifierRange, SubscriberHandle } from "../notifiers/types.js";
import { type DriverOptions, Mirror } from "./mirror.js";
import type { Steps } from "./wait.js";

/** Its parameters. Its interval tries the lock, and its classic subscriber refuses. */
export type NouveauOptions = Omit<DriverOptions, "nonBlock">;

/** See the file comment. */
export class Nouveau extends Mirror {
  private readonly classic: ClassicSubscriber;

  constructor(space: HmmSpace, cpu: number, options: NouveauOptions = {}) {
    super(space, "nouveau", cpu, { ...options, regionPolicy: "per-fault" });
    this.classic = space.notifiers.register({
      rangeStart: (_subscriber, range) => this.timed(this.clear(range)),
      release: () => {
        this.table.clear();
      },
    });
  }

  override close(): void {
    super.close();
    this.space.notifiers.unregister(this.classic);
  }

  /** The interval's: it serialises with the fault handler, and clears nothing. */
  protected override *invalidated(
    handle: SubscriberHandle,
    range: NotifierRange,
    seq: number,
  ): Steps<boolean> {
    if (range.event === "EXCLUSIVE" && this.isOwn(range)) {
      this.counters.own++;
      if (this.options.broken === "set-seq-on-own") this.space.notifiers.setSeq(handle, seq);
      return true;
    }
    if (range.blockable) yield* this.lock.acquire();
    else if (!this.lock.tryAcquire()) {
      this.counters.refused++;
      return false;
    }
    this.space.notifiers.setSeq(handle, seq);
    this.lock.release();
    return true;
  }

  /** The classic one's. */
  private *clear(range: NotifierRange): Steps<boolean> {
    this.counters.callbacks++;
    if (!range.blockable) {
      this.counters.refused++;
      return false;
    }
    if (range.event === "MIGRATE" && this.isOwn(range)) {
      this.counters.own++;
      return true;
    }
    yield* this.lock.acquire();
    this.drop(range);
    yield this.options.callbackCost;
    this.lock.release();
    return true;
  }
}
