/**
 * The stage: a timed machine, and which thread of the recording stands on which row of it. Jobs run
 * to their end at their line, so the machine is idle between two events of the recording.
 */
import * as abi from "../core/abi.js";
import { CPU } from "../core/layout.js";
import { CapacityError, ProgramError } from "../errors.js";
import type { Machine } from "../machine.js";
import type { MachineEvent } from "../machine-events.js";
import { Space, type VmaView } from "./spaces.js";

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

/** What a job is for: its place and time, and the line that caused it. */
export interface Where {
  readonly cpu: number;
  readonly tid: number;
  readonly timeNs: number;
  readonly cause: string;
}

/** A job under way, and whom its events belong to. */
interface Job {
  readonly where: Where;
  /** It stands for something the recording does not show: it predicts nothing. */
  readonly muted: boolean;
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
  /** Requests the machine flushed for. */
  flushes = 0;
  /** Jobs that were run. */
  jobs = 0;
  /** When the machine must let the next line of the recording in, ns of simulated time. */
  horizon = Infinity;
  /** A job that waits for other CPUs, while context switches happen on them. */
  private flying: Job | null = null;
  /** A context switch while `flying` waits. */
  private switching: Job | null = null;
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
    this.leaving = Array.from({ length: cpus }, () => []);
    this.kernelRows = [];
    for (let cpu = 0; cpu < cpus; cpu++) {
      const row = this.newRow(null);
      this.kernelRows.push(row);
      machine.place(cpu, row);
    }
  }

  /** Simulated time of a moment of the recording. */
  at(timeNs: number): number {
    return Math.max(0, timeNs - this.startNs);
  }

  /**
   * Runs an operation on `cpu`: to its end, or as far as it comes before {@link Stage.horizon}. An
   * interrupt takes so long to arrive that its target may have switched to another thread by then.
   */
  run(
    name: string,
    args: Readonly<Record<string, number>>,
    where: Where,
    options: { muted?: boolean } = {},
  ): void {
    const job = { where, muted: options.muted ?? false };
    const { flying } = this;
    if (flying !== null && (name !== "switch" || flying.where.cpu === where.cpu)) this.land();
    this.jobs++;
    this.machine.submit(where.cpu, name, args, { at: this.at(where.timeNs) });
    if (this.flying === null) this.flying = job;
    else this.switching = job;
    this.advance(job.muted && this.switching === null ? Infinity : this.horizon);
    this.switching = null;
  }

  /** Ends what is under way. */
  land(): void {
    if (this.flying !== null) this.advance(Infinity);
  }

  /** Is a job under way, of which more may be heard? */
  get isFlying(): boolean {
    return this.flying !== null;
  }

  /** The CPU of that job, or -1. */
  get flyingCpu(): number {
    return this.flying?.where.cpu ?? -1;
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

  private advance(until: number): void {
    const result = this.machine.advance(until, this.take);
    if (result === "deadlock") {
      throw new ProgramError("E_PROGRAM", "deadlock: some CPU waits, and none can go on", {
        policy: this.machine.policy.name,
      });
    }
    if (result === "idle") this.flying = null;
  }

  private readonly take = (event: MachineEvent): void => {
    const { switching } = this;
    // What a CPU flushes while it switches is the switch's, all else that of the job that waits.
    const isSwitch =
      switching !== null &&
      event.actor === switching.where.cpu &&
      event.kind === abi.EV_SWITCH_FLUSH;
    const job = isSwitch ? switching : this.flying;
    if (job === null || (job.muted && event.kind !== abi.EV_HAZARD)) return;
    if (event.kind === abi.EV_FLUSH_LOCAL || event.kind === abi.EV_FLUSH_SEND) this.flushes++;
    const { cpu, tid, cause } = job.where;
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
    const space = new Space(this.machine, row, this.births++, before);
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
    const space = this.space(this.machine.newMm(), true);
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
