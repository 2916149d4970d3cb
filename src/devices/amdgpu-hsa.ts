/**
 * amdgpu compute (KFD): an interval per buffer. Any invalidation stops all user queues of the
 * process, whatever it hit; a worker validates all buffers later, and the queues go on. Storms of
 * invalidations are storms of evictions.
 */
import type { HmmSpace } from "../hmm/space.js";
import type { NotifierRange, SubscriberHandle } from "../notifiers/types.js";
import { Mirror, type RefusingOptions } from "./mirror.js";
import type { ThreadSelf, ThreadSteps } from "./thread.js";
import type { Steps } from "./wait.js";

/** Its parameters. */
export interface AmdgpuHsaOptions extends RefusingOptions {
  /** ns to stop the queues. */
  readonly evictCost?: number;
  /** ns from an eviction until its worker validates the buffers. */
  readonly restoreDelay?: number;
}

/** See the file comment. Buffers are added with {@link Mirror.addRegion}. */
export class AmdgpuHsa extends Mirror {
  private readonly evictCost: number;
  private readonly restoreDelay: number;
  /** Its queues are stopped: it accesses nothing. */
  isEvicted = false;
  evictions = 0;
  restores = 0;

  constructor(space: HmmSpace, cpu: number, options: AmdgpuHsaOptions = {}) {
    super(space, "amdgpu hsa", cpu, {
      ...options,
      nonBlock: "refuse",
      regionPolicy: "per-object",
    });
    this.evictCost = options.evictCost ?? 50_000;
    this.restoreDelay = options.restoreDelay ?? 1_000_000;
  }

  protected override *invalidated(
    handle: SubscriberHandle,
    range: NotifierRange,
    seq: number,
  ): Steps<boolean> {
    if (!(yield* this.entered(handle, range, seq))) return false;
    // What a stopped queue has faulted in goes like anything else.
    this.drop(range);
    if (!this.isEvicted) {
      this.isEvicted = true;
      this.evictions++;
      this.table.clear();
      const restore = (self: ThreadSelf): ThreadSteps<void> => this.restore(self);
      const at = this.space.machine.hosts.now + this.restoreDelay;
      this.space.machine.startThread(this.cpu, this.space.mm, restore, { at, owner: this });
      yield this.evictCost;
    }
    this.lock.release();
    return true;
  }

  /** Validates what is still mapped, and starts the queues if nothing came in between. */
  private *restore(self: ThreadSelf): ThreadSteps<void> {
    this.isEvicted = false;
    const before = this.evictions;
    for (const { start, last } of [...this.regions.values()]) {
      yield* this.fault(self, start, last + 1, false);
      if (this.evictions !== before) return;
    }
    this.restores++;
  }
}
