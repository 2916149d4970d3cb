/** Kernel threads whose code is the host's: what they can do, and how one is run. */
import * as abi from "../core/abi.js";
import type { HostStep } from "./wait.js";

/** Something the machine does for a thread; made by the functions of {@link does}. */
export interface ThreadDoes {
  readonly does: number;
  readonly x: number;
  readonly y: number;
}

/** What a thread yields. */
export type ThreadStep = HostStep | ThreadDoes;

/** Code of a thread: a generator, whose result is the thread's. */
export type ThreadSteps<T> = Generator<ThreadStep, T, void>;

const made = (code: number, x = 0, y = 0): ThreadDoes => ({ does: code, x, y });

/** What the machine can do for a thread, on the thread's mm. Pages, ranges half-open. */
export const does = {
  /** Takes mmap_lock for reading. */
  lockMmap: made(abi.HOST_DO_LOCK),
  unlockMmap: made(abi.HOST_DO_UNLOCK),
  /** handle_mm_fault, with mmap_lock held. */
  fault: (page: number, write: boolean) => made(write ? abi.HOST_DO_WRITE : abi.HOST_DO_READ, page),
  /** Waits while the page is on its way (migration_entry_wait). */
  awaitMigration: (page: number) => made(abi.HOST_DO_AWAIT, page),
  /** migrate_vma_*: to memory of the thread's owner. Takes mmap_lock itself, as the next two. */
  migrate: (start: number, end: number) => made(abi.HOST_DO_MIGRATE, start, end),
  /** make_device_exclusive. */
  exclusive: (start: number, end: number) => made(abi.HOST_DO_EXCLUSIVE, start, end),
  /** migrate_vma_insert_page: device memory appears where nothing was. */
  insert: (start: number, end: number) => made(abi.HOST_DO_INSERT, start, end),
} as const;

/** What a thread's code may know of itself. */
export interface ThreadSelf {
  readonly mm: number;
  readonly cpu: number;
  /** Whose operations these are, for brackets that name an owner. */
  readonly owner: unknown;
  /** ns of simulated time. */
  readonly now: number;
}

/** A thread, as whoever started it sees it. */
export interface HostThread<T> {
  readonly isDone: boolean;
  /** What its code returned; undefined until then, and for one that threw. */
  readonly result: T | undefined;
  /** ns of simulated time when it was done. */
  readonly doneAt: number | undefined;
}

/** A thread while it runs. */
export class RunningThread<T> implements HostThread<T> {
  isDone = false;
  result: T | undefined;
  doneAt: number | undefined;
  private steps: ThreadSteps<T> | undefined;
  private holdsMmap = false;
  private ended = false;
  /** ns of its last step that have not passed yet. */
  private left = 0;

  constructor(
    readonly mm: number,
    readonly cpu: number,
    readonly owner: unknown,
    private readonly clock: () => number,
    private readonly body: (self: ThreadSelf) => ThreadSteps<T>,
  ) {}

  get now(): number {
    return this.clock();
  }

  /**
   * What comes next, at most `slice` ns of it; undefined: it is over. One that threw gives back
   * mmap_lock before that.
   */
  next(slice: number): ThreadStep | undefined {
    if (this.left > 0) return this.pass(slice);
    if (!this.ended) {
      try {
        this.steps ??= this.body(this);
        const step = this.steps.next();
        if (step.done !== true) {
          this.noteLock(step.value);
          if (typeof step.value !== "number" || step.value <= slice) return step.value;
          this.left = step.value;
          return this.pass(slice);
        }
        this.ended = true;
        this.result = step.value;
      } catch (error) {
        this.ended = true;
        throw error;
      }
    }
    if (this.holdsMmap) {
      this.holdsMmap = false;
      return does.unlockMmap;
    }
    this.isDone = true;
    this.doneAt = this.now;
    return undefined;
  }

  private pass(slice: number): number {
    const ns = Math.min(this.left, slice);
    this.left -= ns;
    return ns;
  }

  private noteLock(step: ThreadStep): void {
    if (step === does.lockMmap) this.holdsMmap = true;
    if (step === does.unlockMmap) this.holdsMmap = false;
  }
}
