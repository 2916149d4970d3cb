/**
 * The two locks of a container, and who holds them. There is one call at a time; a callback may
 * call back, as the same thread or, for a while, as another.
 */
import { ShootdownError } from "../errors.js";

/** `container`: vfio_iommu.lock. `listeners`: of the list of devices, or of the notifier chain. */
export type VfioLockName = "container" | "listeners";

interface Held {
  readonly lock: VfioLockName;
  readonly thread: string;
  readonly shared: boolean;
}

/** One lock was taken while another was held. */
export interface VfioLockOrder {
  readonly held: VfioLockName;
  readonly taken: VfioLockName;
}

/** See the file comment. */
export class Locks {
  private held: Held[] = [];
  private readonly orders = new Set<string>();
  /** Who runs. */
  thread = "main";

  /** The thread that holds a lock, or null. */
  ownerOf(lock: VfioLockName): string | null {
    return this.held.find((each) => each.lock === lock)?.thread ?? null;
  }

  /** Would the running thread wait for itself? */
  wouldDeadlock(lock: VfioLockName, shared = false): boolean {
    const mine = this.held.find((each) => each.lock === lock && each.thread === this.thread);
    return mine !== undefined && !(shared && mine.shared);
  }

  /** @throws ShootdownError E_BUSY another thread holds it */
  take(lock: VfioLockName, shared = false): void {
    if (this.held.length > 0) this.takeMore(lock, shared);
    this.held.push({ lock, thread: this.thread, shared });
  }

  private takeMore(lock: VfioLockName, shared: boolean): void {
    for (const each of this.held) {
      if (each.thread === this.thread) {
        if (each.lock !== lock) this.orders.add(`${each.lock} ${lock}`);
      } else if (each.lock === lock && !(shared && each.shared)) {
        const message = `${this.thread} would wait for the ${lock} lock, which ${each.thread} holds`;
        throw new ShootdownError("E_BUSY", message, { lock, holder: each.thread });
      }
    }
  }

  give(lock: VfioLockName): void {
    const at = this.held.findLastIndex((each) => each.lock === lock && each.thread === this.thread);
    if (at >= 0) this.held.splice(at, 1);
  }

  /** Orders in which locks were taken so far. */
  get taken(): VfioLockOrder[] {
    return [...this.orders].sort().map((order) => {
      const [held, taken] = order.split(" ") as [VfioLockName, VfioLockName];
      return { held, taken };
    });
  }

  /** Both orders were seen: two threads can wait for each other (ABBA). */
  get isInverted(): boolean {
    return this.orders.has("container listeners") && this.orders.has("listeners container");
  }
}
