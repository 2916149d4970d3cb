/** Who is who in a recording: threads, the address spaces they share, and rows of the machine. */
import type { Machine } from "../machine.js";

/** An address space of the recorded kernel. */
export interface Space {
  /** mm row of the machine. */
  mm: number;
  /** Threads that use it. */
  threads: number;
  /** It was there before the recording, or descends from one that was. */
  readonly old: boolean;
  /** Spaces that may share its pages since a fork. */
  readonly lineage: Set<Space>;
  /** Pages the recording has said something about: by whom and when they were last populated. */
  readonly pages: Map<number, { timeNs: number; tid: number }>;
  /** CPUs it has run on, for an old one. */
  readonly seenOn: Set<number>;
  /** End of the heap, pages; 0: unknown. */
  heapEnd: number;
  /** Memory events, to find the recording's main process. */
  events: number;
}

/** A thread of the recorded kernel. */
export interface Thread {
  readonly tid: number;
  /** Task row of the machine. */
  row: number;
  space: Space | null;
  /** Runs no user code: kernel thread, idle, or dead. */
  kernel: boolean;
}

/** What was not in the recording and had to be assumed. */
export interface Inferred {
  /** Address spaces that were there before. */
  mms: number;
  /** Mappings that were never seen being made. */
  vmas: number;
  /** Pages that were there before. */
  pages: number;
  /** Switches that the recording does not show. */
  switches: number;
}

const KERNEL_NAME = new RegExp(
  "^(<idle>|kworker|migration|ksoftirqd|rcu|swapper|kcompactd|khugepaged|kswapd|jbd2|kthreadd|" +
    "cpuhp|idle_inject|watchdog|irq/|scsi|khungtask|oom_reaper|kblockd|writeback|ext4|loop|" +
    "psimon|hwrng|kauditd|kdevtmpfs|virtio)",
);
/** Threads with low ids that never touch user memory are the kernel's. */
const KERNEL_TID_BELOW = 300;

/** Threads and spaces, bound to the machine's rows. */
export class World {
  readonly threads = new Map<number, Thread>();
  readonly spaces = new Set<Space>();
  readonly inferred: Inferred = { mms: 0, vmas: 0, pages: 0, switches: 0 };
  private readonly free: number[] = [];
  private readonly idleRow: number;

  constructor(readonly machine: Machine) {
    this.idleRow = machine.newTask(null);
  }

  /** The thread of a tid; unknown ones begin as kernel threads if they look like one. */
  thread(tid: number, comm: string): Thread {
    let thread = this.threads.get(tid);
    if (!thread) {
      const kernel = tid === 0 || KERNEL_NAME.test(comm) || (tid !== 1 && tid < KERNEL_TID_BELOW);
      thread = { tid, row: this.idleRow, space: null, kernel };
      this.threads.set(tid, thread);
    }
    return thread;
  }

  /** Its space; one that was never introduced gets one that was there before. */
  spaceOf(thread: Thread): Space {
    if (thread.space) return thread.space;
    const space = this.newSpace(this.machine.newMm(), true, null);
    this.machine.assumeOld(space.mm);
    this.inferred.mms++;
    this.enter(thread, space);
    return space;
  }

  newSpace(mm: number, old: boolean, parent: Space | null): Space {
    const space: Space = {
      mm,
      threads: 0,
      old,
      lineage: parent?.lineage ?? new Set(),
      pages: new Map(),
      seenOn: new Set(),
      heapEnd: parent?.heapEnd ?? 0,
      events: 0,
    };
    space.lineage.add(space);
    this.spaces.add(space);
    return space;
  }

  /** Makes a thread a user of `space`; its row is bound unless the machine has done so itself. */
  enter(thread: Thread, space: Space, bind = true): void {
    if (thread.row === this.idleRow) thread.row = this.takeRow();
    thread.kernel = false;
    thread.space = space;
    space.threads++;
    if (bind) this.machine.bindTask(thread.row, space.mm);
  }

  /** A row for a thread to be. */
  takeRow(): number {
    const row = this.free.find((candidate) => !this.isCurrent(candidate));
    if (row === undefined) return this.machine.newTask(null);
    this.free.splice(this.free.indexOf(row), 1);
    return row;
  }

  private isCurrent(row: number): boolean {
    for (let cpu = 0; cpu < this.machine.geometry.cpus; cpu++) {
      if (this.machine.taskOn(cpu) === row) return true;
    }
    return false;
  }

  /** The thread has exited: it runs on, as a kernel thread, until it is switched out. */
  leave(thread: Thread): void {
    const { space } = thread;
    if (!space) return;
    space.threads--;
    if (space.threads === 0) this.forget(space);
    this.free.push(thread.row);
    thread.space = null;
    thread.kernel = true;
    this.threads.delete(thread.tid);
  }

  forget(space: Space): void {
    space.lineage.delete(space);
    this.spaces.delete(space);
  }

  /** Row that stands for every kernel thread. */
  get kernelRow(): number {
    return this.idleRow;
  }
}
