/**
 * amdgpu graphics (amdgpu_hmm.c): an interval per buffer, one lock of the whole device, and a
 * callback that waits until the GPU is done with the buffer: reclaim blocks on GPU work.
 */
import type { HmmErrno } from "../hmm/range-fault.js";
import type { HmmSpace } from "../hmm/space.js";
import type { NotifierRange } from "../notifiers/types.js";
import { type CommandOptions, type DriverOptions, Mirror } from "./mirror.js";
import type { HostThread, ThreadSelf, ThreadSteps } from "./thread.js";
import type { Steps, WaitQueue } from "./wait.js";

/** A command stream that the GPU works on. */
interface Fence {
  readonly start: number;
  readonly end: number;
}

/** 2 GiB of 4 KiB pages. */
const CHUNK = 2 ** 19;

/** See the file comment. Buffers are added with {@link Mirror.addRegion}. */
export class AmdgpuGfx extends Mirror {
  private readonly fences = new Set<Fence>();
  private readonly signalled: WaitQueue;
  /** ns that callbacks have waited for the GPU. */
  fenceNs = 0;

  constructor(space: HmmSpace, cpu: number, options: DriverOptions = {}) {
    super(space, "amdgpu gfx", cpu, {
      nonBlock: "refuse",
      chunkPages: CHUNK,
      ...options,
      regionPolicy: "per-object",
    });
    this.signalled = space.machine.hosts.queue();
  }

  protected override *quiesce({ start, end }: NotifierRange): Steps<void> {
    const isBusy = (): boolean => [...this.fences].some((f) => f.start < end && start < f.end);
    const from = this.space.machine.hosts.now;
    while (isBusy()) yield this.signalled;
    this.fenceNs += this.space.machine.hosts.now - from;
  }

  /**
   * The GPU works on [start, end) for `gpuNs`, whose time passes on CPU `gpuCpu`. EAGAIN: the pages
   * could not be had in time. The result comes when the commands are submitted, not when they are
   * done.
   */
  submit(
    start: number,
    end: number,
    gpuNs: number,
    gpuCpu: number,
    options?: CommandOptions,
  ): HostThread<"OK" | "EAGAIN" | HmmErrno> {
    return this.run((self) => this.submitSteps(self, start, end, gpuNs, gpuCpu), options);
  }

  private *submitSteps(
    self: ThreadSelf,
    start: number,
    end: number,
    gpuNs: number,
    gpuCpu: number,
  ): ThreadSteps<"OK" | "EAGAIN" | HmmErrno> {
    for (;;) {
      const status = yield* this.fault(self, start, end, true);
      if (status !== "OK") return status === "EBUSY" ? "EAGAIN" : status;
      yield* this.lock.acquire();
      // The final check: what was dropped since is not there.
      let page = start;
      while (page < end && this.table.has(page)) page++;
      if (page === end) break;
      this.lock.release();
    }
    const fence = { start, end };
    const entries = [...this.table].filter(([page]) => page >= start && page < end);
    this.fences.add(fence);
    this.lock.release();
    const { device } = this.space;
    const done = (): void => {
      for (const [page, entry] of entries) device.use(page, entry, true);
      this.fences.delete(fence);
      this.signalled.wake();
    };
    const gpu = function* (): ThreadSteps<void> {
      yield gpuNs;
      done();
    };
    this.space.machine.startThread(gpuCpu, this.space.mm, gpu, { at: self.now });
    return "OK";
  }
}
