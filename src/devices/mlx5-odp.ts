/**
 * mlx5 on-demand paging (drivers/infiniband/hw/mlx5/odp.c): an interval per memory region, that is
 * registered explicitly. An implicit region has the whole mm: children of a chunk each come with
 * the first fault, and go when nothing of them is mapped any more.
 */
import type { HmmErrno } from "../hmm/range-fault.js";
import type { HmmSpace } from "../hmm/space.js";
import type { NotifierRange, SubscriberHandle } from "../notifiers/types.js";
import { Mirror, type RefusingOptions } from "./mirror.js";
import type { ThreadSelf, ThreadSteps } from "./thread.js";
import type { Steps } from "./wait.js";

/** Its parameters. */
export interface Mlx5OdpOptions extends RefusingOptions {
  /** Pages of a child of its implicit region; 0: regions are explicit. */
  readonly implicitChunk?: number;
  /** ns to zap a block of entries. */
  readonly blockCost?: number;
  /** Entries of a block. */
  readonly blockPages?: number;
}

/** See the file comment. Explicit regions are added with {@link Mirror.addRegion}. */
export class Mlx5Odp extends Mirror {
  private readonly implicitChunk: number;
  private readonly blockCost: number;
  private readonly blockPages: number;
  /** Children that came, and went. */
  readonly children = { made: 0, destroyed: 0 };
  /** How many faults go on in a child: it stays. */
  private readonly faulting = new Map<SubscriberHandle, number>();
  /** Regions that are revoked: nothing is mapped there again. */
  private readonly revoked = new Set<SubscriberHandle>();

  constructor(space: HmmSpace, cpu: number, options: Mlx5OdpOptions = {}) {
    super(space, "mlx5 odp", cpu, {
      ...options,
      nonBlock: "refuse",
      regionPolicy: "per-object",
    });
    this.implicitChunk = options.implicitChunk ?? 0;
    this.blockCost = options.blockCost ?? 800;
    this.blockPages = options.blockPages ?? 32;
    this.ops.release = () => {
      this.children.destroyed++;
    };
  }

  /** A region is revoked: it is unmapped, and stays so. */
  revoke(handle: SubscriberHandle): void {
    const { start, last } = this.regions.get(handle) ?? this.space.notifiers.interval(handle);
    this.revoked.add(handle);
    this.drop({ start, end: last + 1 });
  }

  protected override regionOf(start: number, end: number): SubscriberHandle | undefined {
    const handle = super.regionOf(start, end);
    return handle !== undefined && this.revoked.has(handle) ? undefined : handle;
  }

  /** Children are made for it first, where the region is implicit. */
  override *fault(
    self: ThreadSelf,
    start: number,
    end: number,
    write: boolean,
  ): ThreadSteps<"OK" | HmmErrno> {
    const chunk = this.implicitChunk;
    if (chunk === 0) return yield* super.fault(self, start, end, write);
    for (let from = start; from < end;) {
      const base = Math.floor(from / chunk) * chunk;
      const to = Math.min(base + chunk, end);
      const child = super.regionOf(from, to) ?? this.addChild(base, base + chunk - 1);
      this.faulting.set(child, (this.faulting.get(child) ?? 0) + 1);
      try {
        const status = yield* super.fault(self, from, to, write);
        if (status !== "OK") return status;
      } finally {
        this.faulting.set(child, (this.faulting.get(child) ?? 1) - 1);
      }
      from = to;
    }
    return "OK";
  }

  protected override *invalidated(
    handle: SubscriberHandle,
    range: NotifierRange,
    seq: number,
  ): Steps<boolean> {
    if (!(yield* this.entered(handle, range, seq))) return false;
    const interval = this.regions.get(handle);
    if (interval === undefined) {
      // A child that is being destroyed: what is mapped there now belongs to another.
      this.lock.release();
      return true;
    }
    const { start, last } = interval;
    const mapped = [...this.table.keys()].filter((page) => page >= start && page <= last);
    const hit = mapped.filter((page) => page >= range.start && page < range.end);
    if (hit.length > 0 && !this.revoked.has(handle)) {
      const blocks = new Set(hit.map((page) => Math.floor(page / this.blockPages)));
      yield this.blockCost * blocks.size;
      this.drop({ start: Math.max(start, range.start), end: Math.min(last + 1, range.end) });
      const isEmpty = hit.length === mapped.length && (this.faulting.get(handle) ?? 0) === 0;
      if (this.implicitChunk > 0 && isEmpty) this.destroyChild(handle);
    }
    this.lock.release();
    return true;
  }

  private addChild(start: number, last: number): SubscriberHandle {
    this.children.made++;
    return this.addRegion(start, last);
  }

  /** From its own callback: somebody else takes it out when the bracket has ended. */
  private destroyChild(handle: SubscriberHandle): void {
    this.regions.delete(handle);
    this.faulting.delete(handle);
    this.space.notifiers.removeDeferred(handle);
  }
}
