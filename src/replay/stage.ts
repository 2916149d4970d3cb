/**
 * The stage: a timed machine, and which thread of the recording stands on which row of it. What
 * is under way on it between two lines of the recording: see flight.ts.
 */
import * as abi from "../core/abi.js";
import { CPU } from "../core/layout.js";
import { CapacityError } from "../errors.js";
import type { Machine } from "../machine.js";
import type { MachineEvent } from "../machine-events.js";
import { Flight, type Job, type Where } from "./flight.js";
import { Space, type VmaView } from "./spaces.js";

export type { Where } from "./flight.js";

/** A thread of the recording. */
export interface Thread {
  readonly tid: number;
  /** Task row; -1 for a kernel thread or a dead one. */
  row: number;
  space: Space | null;
  kernel: boolean;
  dead: boolean;
}

/** What the machine did on behalf of one line of the recording. */
export interface Deed {
  readonly event: MachineEvent;
  /** CPU the cause was on, and its thread. */
  readonly cpu: number;
  readonly tid: number;
  readonly cause: string;
}

/** State that had to be guessed. */
export interface Inferred {
  /** Address spaces that were there before the recording began. */
  mms: number;
  /** Mappings nobody saw being made. */
  vmas: number;
  /** Pages that turned out to be present before their first event. */
  pages: number;
  /** Threads that ran without having been seen to switch in. */
  switches: number;
}

/** What a recording says of itself. */
export interface RecordingFacts {
  /** Process of each thread, as far as it is known. */
  readonly processes: ReadonlyMap<number, number>;
  /** The recording is of this thread and its descendants only; null: of the whole machine. */
  readonly root: number | null;
  /** Address spaces from before the recording may be cached anywhere. */
  readonly isLate: boolean;
}

const KERNEL_NAMES = new RegExp(
  "^(kworker|migration|ksoftirqd|rcu|swapper|kcompactd|khugepaged|kswapd|jbd2|kthreadd|cpuhp|" +
    "idle_inject|watchdog|irq/|scsi|khungtask|oom_reaper|kblockd|writeback|ext4|md|loop|psimon|" +
    "hwrng|kdamond|<idle>|kauditd|kdevtmpfs|virtio|ksmd|kthrotld|nvme|xfs|btrfs|dm-|mlx|kvm-)",
);
/** Lower thread ids belong to kernel threads, as long as they do nothing a user thread does. */
const FIRST_USER_TID = 300;

/** See the file comment. */
export class Stage {
  readonly threads = new Map<number, Thread>();
  readonly inferred: Inferred = { mms: 0, vmas: 0, pages: 0, switches: 0 };
  /** Thread id on each CPU, as last seen. */
  readonly tidOn: number[];
  /** Jobs that were run. */
  jobs = 0;
  /** When the next line of the recording comes, ns of simulated time. */
  private horizon = Infinity;
  /** CPU of the line that is replayed. */
  private cpu = 0;
  private readonly flight: Flight;
  /** Flushes and requests for them that each CPU's jobs have made. */
  private readonly flushed: number[];
  private readonly kernelRows: number[];
  private readonly freeRows: number[] = [];
  /** Rows of threads that died, by the CPU that still stands on them. */
  private readonly leaving: number[][];
  private births = 0;
  /** Address spaces from before the recording, by process. */
  private readonly late = new Map<number, Space>();
  /** Task rows in use or free to be used again. */
  private rows = 0;
  private readonly startNs: number;

  constructor(
    readonly machine: Machine,
    /** CPUs the recording has: the machine may have more. */
    readonly cpus: number,
    startNs: number,
    private readonly onDeed: (deed: Deed) => void,
    private readonly onBirth: (space: Space) => void,
    private readonly facts: RecordingFacts,
  ) {
    this.startNs = startNs;
    this.tidOn = new Array<number>(cpus).fill(0);
    this.flushed = new Array<number>(cpus).fill(0);
    this.flight = new Flight(machine, cpus, this.take);
    this.leaving = Array.from({ length: cpus }, () => []);
    this.kernelRows = [];
    for (let cpu = 0; cpu < cpus; cpu++) {
      const row = this.newRow(null);
      this.kernelRows.push(row);
      machine.place(cpu, row);
      if (facts.isLate) machine.assumeUsed(cpu);
    }
  }

  /** Simulated time of a moment of the recording. */
  at(timeNs: number): number {
    return Math.max(0, timeNs - this.startNs);
  }

  /**
   * Runs an operation on `cpu`, as far as it comes before the next line of the recording: other
   * CPUs' lines come in their time, in the middle of it. What stands for something the recording
   * does not show is `muted`: it predicts nothing, and is over when this returns.
   */
  run(
    name: string,
    args: Readonly<Record<string, number>>,
    where: Where,
    options: { muted?: boolean } = {},
  ): void {
    const muted = options.muted ?? false;
    const { cpu } = where;
    const at = this.at(where.timeNs);
    this.flight.settle(cpu);
    this.flight.begin({ where, muted, ...this.reach(cpu, name, args) }, name, args, at);
    this.jobs++;
    const isAhead = at > this.horizon;
    if ((muted || name === "switch") && !isAhead) this.flight.settle(cpu);
    else this.flight.advance(this.horizon);
  }

  /** What a job on `cpu` works on. */
  private reach(
    cpu: number,
    name: string,
    { vpn, start, end }: Readonly<Record<string, number>>,
  ): Pick<Job, "mm" | "start" | "end"> {
    const task = this.machine.taskOn(cpu);
    const mm = task < 0 || name.startsWith("switch") ? null : this.machine.mmOf(task);
    if (vpn !== undefined) return { mm, start: vpn, end: vpn + 1 };
    return { mm, start: start ?? 0, end: end ?? Infinity };
  }

  /** A line comes, and after it one at `next` ns of the recording, or none. */
  comes(event: { cpu: number; timeNs: number }, next: number | null): void {
    this.flight.advance(this.at(event.timeNs));
    this.cpu = event.cpu;
    this.settle(event.cpu);
    this.horizon = next === null ? Infinity : this.at(next);
  }

  /** Ends what other CPUs do to a page of [start, end) of the mm that `cpu` works on. */
  settleOthers(cpu: number, space: Space, start: number, end: number): void {
    this.flight.settleOthers(cpu, space.row, start, end);
  }

  /** Ends what `cpu` does. */
  settle(cpu: number): void {
    this.flight.settle(cpu);
  }

  private readonly settleHere = (): void => this.settle(this.cpu);

  /** Ends what is under way. */
  land(): void {
    this.flight.land();
  }

  /** Is the last job of `cpu` not over? */
  isFlying(cpu: number): boolean {
    return this.flight.isFlying(cpu);
  }

  /** Flushes that jobs on `cpu` have made or asked for so far. */
  flushesOn(cpu: number): number {
    return this.flushed[cpu];
  }

  /** Gives [start, end) of the mm that the CPU has loaded another protection, and nothing else. */
  revise({ start, end, prot }: VmaView, where: Where): void {
    this.run("mmap", { start, end, prot }, where, { muted: true });
  }

  /** A page of `vma` is about to become its own: from now on fork must copy what is in it. */
  written(vma: VmaView, where: Where): void {
    if ((vma.prot & abi.VMA_UNWRITTEN) === 0) return;
    this.revise({ ...vma, prot: vma.prot - abi.VMA_UNWRITTEN }, where);
  }

  private readonly take = (event: MachineEvent, job: Job | null): void => {
    if (job?.muted === true && event.kind !== abi.EV_HAZARD) return;
    const { cpu, tid, cause } = job?.where ?? { cpu: -1, tid: 0, cause: "" };
    const isFlush = event.kind === abi.EV_FLUSH_LOCAL || event.kind === abi.EV_FLUSH_SEND;
    if (isFlush && cpu >= 0) this.flushed[cpu]++;
    if (event.actor !== cpu && event.kind !== abi.EV_HAZARD && this.isUnseen(event.actor)) return;
    this.onDeed({ event, cpu, tid, cause });
  };

  /**
   * A thread in whose context nothing was recorded, the flush of its switch-in included. What
   * happens in kernel threads and idle tasks is recorded.
   */
  isForeign({ tid, space }: Thread): boolean {
    const { root } = this.facts;
    return root !== null && tid !== root && space !== null && space.before && !space.forked;
  }

  /** Does such a thread run on `cpu`? */
  private isUnseen(cpu: number): boolean {
    const thread = this.threads.get(this.tidOn[cpu]);
    return thread !== undefined && this.isForeign(thread);
  }

  private newRow(space: Space | null): number {
    const free = this.freeRows.pop();
    if (free === undefined) {
      const limit = this.machine.geometry.tasks;
      if (this.rows === limit) {
        throw new CapacityError("E_NOMEM", `out of task rows: geometry.tasks is ${limit}`, {
          argument: "tasks",
          limit,
        });
      }
      this.rows++;
      return this.machine.newTask(space === null ? null : space.row);
    }
    this.machine.bindTask(free, space === null ? null : space.row);
    return free;
  }

  /** A row for a child that a fork or clone is about to give an mm. */
  spareRow(): number {
    return this.newRow(null);
  }

  /** A row that was not needed after all. */
  giveBack(row: number): void {
    this.freeRows.push(row);
  }

  /** A new address space, as the replay sees it; `row` is the machine's. */
  space(row: number, before: boolean): Space {
    const space = new Space(this.machine, row, this.births++, before, this.settleHere);
    this.onBirth(space);
    return space;
  }

  /** The thread `tid`, which may not have been seen before. */
  thread(tid: number, comm: string): Thread {
    let thread = this.threads.get(tid);
    if (thread === undefined) {
      const isEarly = tid !== 1 && tid < FIRST_USER_TID;
      const kernel = tid === 0 || KERNEL_NAMES.test(comm) || (isEarly && this.isAlone(tid));
      thread = { tid, row: -1, space: null, kernel, dead: false };
      this.threads.set(tid, thread);
    }
    return thread;
  }

  /** Kernel threads never share a thread group. */
  private isAlone(tid: number): boolean {
    return (this.facts.processes.get(tid) ?? tid) === tid;
  }

  /** The same, with an address space: one from before the recording, if none is known. */
  userThread(tid: number, comm: string): Thread & { space: Space } {
    const thread = this.thread(tid, comm);
    if (thread.space === null) {
      const space = this.known(tid) ?? this.older(tid);
      space.threads++;
      thread.kernel = false;
      thread.dead = false;
      thread.space = space;
      thread.row = this.newRow(space);
    }
    return thread as Thread & { space: Space };
  }

  /** The address space of the process that a thread nobody saw being born belongs to. */
  private known(tid: number): Space | null {
    const tgid = this.facts.processes.get(tid);
    if (tgid === undefined) return null;
    const space = this.threads.get(tgid)?.space ?? this.late.get(tgid);
    return space === undefined || space.dead ? null : space;
  }

  /** An address space from before the recording. */
  private older(tid: number): Space {
    // The first one of a recording of its own has just been executed.
    const space = this.space(this.machine.newMm(), tid !== this.facts.root);
    // It may have run anywhere before; the first process of a recording was made for it.
    if (this.facts.isLate && tid !== this.facts.root) this.machine.assumeOld(space.row);
    this.inferred.mms++;
    const tgid = this.facts.processes.get(tid);
    if (tgid !== undefined) this.late.set(tgid, space);
    return space;
  }

  /** Nothing is known about `tid` any more. */
  forget(tid: number): void {
    const old = this.threads.get(tid);
    if (old !== undefined && old.row >= 0) this.retire(old);
    this.threads.delete(tid);
  }

  /** Binds a row that already belongs to `space` to a new thread id. */
  adopt(tid: number, row: number, space: Space): Thread {
    const old = this.threads.get(tid);
    // The id is used again: whoever had it is gone, seen or not.
    if (old !== undefined && old.row >= 0 && old.row !== row) this.retire(old);
    const thread: Thread = { tid, row, space, kernel: false, dead: false };
    this.threads.set(tid, thread);
    return thread;
  }

  /** A thread that nobody saw die; its row is free at once if no CPU stands on it. */
  private retire(thread: Thread): void {
    const cpu = this.cpuOf(thread.row);
    if (cpu >= 0) this.leaving[cpu].push(thread.row);
    else this.freeRows.push(thread.row);
    if (thread.space !== null) thread.space.threads--;
    thread.row = -1;
    thread.space = null;
  }

  /** CPU that runs a task row, or -1. */
  private cpuOf(row: number): number {
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      if (this.machine.taskOn(cpu) === row) return cpu;
    }
    return -1;
  }

  /**
   * Makes sure that `cpu` runs `thread`. If it does not, its switch-in was not seen: it happens
   * now, silently, because its flush line is missing from the recording too.
   */
  ensure(thread: Thread & { space: Space }, where: { cpu: number; timeNs: number }): void {
    const { cpu } = where;
    if (this.machine.taskOn(cpu) === thread.row) return;
    const loaded = this.loaded(cpu);
    if (loaded.mm !== thread.space.row || loaded.lazy) this.inferred.switches++;
    this.enter(cpu, thread, { cpu, tid: thread.tid, timeNs: where.timeNs, cause: "" }, true);
  }

  private loaded(cpu: number): { mm: number; lazy: boolean } {
    const { core } = this.machine;
    const row = core.cpu(cpu);
    return { mm: core.read(CPU, row, "loadedMm") - 1, lazy: core.read(CPU, row, "lazy") !== 0 };
  }

  /** An idle CPU will switch to a user thread, silently, at a time that is still to come. */
  wake(thread: Thread & { space: Space }, where: Where): void {
    this.tidOn[where.cpu] = thread.tid;
    this.enter(where.cpu, thread, where, true);
  }

  /** Switches `cpu` to a user thread. */
  enter(cpu: number, thread: Thread & { space: Space }, where: Where, muted: boolean): void {
    const other = this.cpuOf(thread.row);
    if (other === cpu) {
      if (!this.loaded(cpu).lazy) return;
    } else if (other >= 0) {
      this.run("switch.away", {}, { ...where, cpu: other }, { muted: true });
    }
    const { space } = thread;
    if (!space.seenOn.has(cpu)) {
      space.seenOn.add(cpu);
      if (space.before) this.machine.assumeSlot(cpu, space.row);
    }
    this.run("switch", { next: thread.row }, where, { muted });
    this.sweep(cpu);
  }

  /** Switches `cpu` to a kernel thread or the idle task. */
  enterKernel(cpu: number, where: Where): void {
    const row = this.kernelRows[cpu];
    if (this.machine.taskOn(cpu) !== row) this.run("switch", { next: row }, where);
    this.sweep(cpu);
  }

  /** Rows of the dead can be used again once their CPU has moved on. */
  private sweep(cpu: number): void {
    this.freeRows.push(...this.leaving[cpu].splice(0));
  }

  /** After the operation `exit` of a thread. */
  buried(thread: Thread, cpu: number): void {
    this.leaving[cpu].push(thread.row);
    thread.row = -1;
    thread.space = null;
    thread.kernel = true;
    thread.dead = true;
  }
}
