/** What driver code waits for: queues, and locks made of them. In simulated time. */
import { ShootdownError } from "../errors.js";

/** What takes time: so many ns, or until a queue is woken. Whoever waited looks again itself. */
export type HostStep = number | WaitQueue;

/** A callback, or a part of one, that takes time: a generator that yields {@link HostStep}s. */
export type Steps<T> = Generator<HostStep, T, void>;

/** Wakes whoever is parked for a key, and voids answers to park that were not taken yet. */
export type Waker = (key: number) => void;

/** Keys of the core are places in its memory: these are beyond it. */
const FIRST_KEY = 2 ** 31;
const KEYS = 2 ** 31 - 1;
let keys = 0;

/** Those who yielded it sleep until {@link wake}; who is never woken is part of a deadlock. */
export class WaitQueue {
  /** As the core knows it. */
  readonly key = FIRST_KEY + (keys++ % KEYS);

  constructor(private readonly waker: Waker) {}

  /** Everybody goes on, a moment after whoever calls this. */
  wake(): void {
    this.waker(this.key);
  }
}

/** A driver's own lock, which callbacks and fault handlers share (user_lock). Sleeps, not spins. */
export class DriverLock {
  private held = false;
  private readonly queue: WaitQueue;
  /** How often somebody had to wait. */
  contended = 0;

  constructor(
    waker: Waker,
    readonly name: string,
  ) {
    this.queue = new WaitQueue(waker);
  }

  get isHeld(): boolean {
    return this.held;
  }

  /** Waits until it is free, and takes it. */
  *acquire(): Steps<void> {
    if (this.held) this.contended++;
    while (this.held) yield this.queue;
    this.held = true;
  }

  /** Takes it if it is free. */
  tryAcquire(): boolean {
    if (this.held) return false;
    this.held = true;
    return true;
  }

  /** @throws ShootdownError E_UNBALANCED when nobody holds it */
  release(): void {
    if (!this.held) {
      throw new ShootdownError("E_UNBALANCED", `lock ${this.name} is not held`, {
        argument: this.name,
      });
    }
    this.held = false;
    this.queue.wake();
  }
}
