/**
 * amdgpu before interval notifiers (amdgpu_mn.c): a classic subscriber with an interval tree of its
 * own. range_start takes a lock for reading that range_end gives back, and command submission takes
 * it for writing. A range that may not sleep is refused, although there is a range_end: where the
 * kernel calls that all the same, a lock is given back that nobody took (notifiers.md S16).
 */
import type { HmmErrno } from "../hmm/range-fault.js";
import type { HmmSpace } from "../hmm/space.js";
import { IntervalTree } from "../interval-tree.js";
import type { ClassicSubscriber, NotifierRange } from "../notifiers/types.js";
import { type CommandOptions, type DriverOptions, Mirror } from "./mirror.js";
import type { HostThread, ThreadSelf, ThreadSteps } from "./thread.js";
import type { Steps, WaitQueue } from "./wait.js";

/** See the file comment. Made by {@link AmdgpuOld.create}. */
export class AmdgpuOld extends Mirror {
  private readonly classic: ClassicSubscriber;
  private readonly free: WaitQueue;
  /** Brackets that hold the lock for reading; -1: a submission has it. */
  private readers = 0;
  /** How often it was given back by who did not have it. */
  unbalanced = 0;

  private constructor(
    space: HmmSpace,
    cpu: number,
    options: DriverOptions,
    private readonly buffers: IntervalTree,
  ) {
    super(space, "amdgpu old", cpu, { ...options, regionPolicy: "per-fault" });
    this.free = space.machine.hosts.queue();
    this.classic = space.notifiers.register({
      rangeStart: (_subscriber, range) => this.timed(this.start(range)),
      rangeEnd: () => {
        this.end();
      },
      release: () => {
        this.table.clear();
      },
    });
  }

  static async create(
    space: HmmSpace,
    cpu: number,
    options: DriverOptions = {},
  ): Promise<AmdgpuOld> {
    return new AmdgpuOld(space, cpu, options, await IntervalTree.create());
  }

  /** A buffer of the pages [start, last], closed. */
  addBuffer(start: number, last: number): void {
    this.buffers.insert(start, last);
  }

  override close(): void {
    super.close();
    this.space.notifiers.unregister(this.classic);
    this.buffers.dispose();
  }

  private *start(range: NotifierRange): Steps<boolean> {
    this.counters.callbacks++;
    if (!range.blockable) {
      this.counters.refused++;
      return false;
    }
    while (this.readers < 0) yield this.free;
    this.readers++;
    if (this.buffers.first(range.start, range.end - 1) !== undefined) {
      this.drop(range);
      yield this.options.callbackCost;
    }
    return true;
  }

  private end(): void {
    if (this.readers <= 0) this.unbalanced++;
    this.readers--;
    if (this.readers === 0) this.free.wake();
  }

  /** A command stream reads [start, end): no bracket is open while it is submitted. */
  submit(start: number, end: number, options?: CommandOptions): HostThread<"OK" | HmmErrno> {
    return this.run((self) => this.submitSteps(self, start, end), options);
  }

  private *submitSteps(self: ThreadSelf, start: number, end: number): ThreadSteps<"OK" | HmmErrno> {
    const deadline = self.now + this.options.timeout;
    while (self.now <= deadline) {
      const status = yield* this.fault(self, start, end, false);
      if (status !== "OK") return status;
      while (this.readers !== 0) yield this.free;
      this.readers = -1;
      let page = start;
      while (page < end && this.peek(page) !== undefined) page++;
      yield this.options.programCost;
      this.readers = 0;
      this.free.wake();
      if (page === end) return "OK";
    }
    return "EBUSY";
  }
}
