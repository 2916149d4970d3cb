/**
 * strace does not know CPUs. This gives its events what a kernel tracer would have added: a CPU for
 * each thread, and context switches. It is a model, and stated as such:
 *
 * - a thread is born on the CPU with the fewest live threads, the lowest of those, and stays there;
 * - it runs from its birth on, if the CPU is idle, else from its first line on, unless it is inside
 *   a call that another line interrupted and that is no memory call (it waits there), or waits for
 *   the child of a vfork;
 * - among threads of one CPU, the one whose line it is runs.
 *
 * A child may appear before the call that made it returns: its birth is looked for ahead, within a
 * window. A thread whose birth is nowhere belongs to the first process if the recording shows no
 * births at all (strace was not asked for them), and otherwise is a process of its own.
 */
import type { SchedProcessFork, SyscallEnter, TraceEvent } from "../traces/events.js";

/** Events that are held back to look for births. */
const WINDOW = 4096;
const CLONE_VFORK = 0x4000;

const BIRTHS = new Set<string>(["clone", "clone3", "fork", "vfork"]);

/** See the file comment. */
export class Placement {
  /** Threads whose birth no line shows. */
  guessed = 0;
  private queue: TraceEvent[] = [];
  private head = 0;
  private out: TraceEvent[] = [];
  /** Births in the window, by child. */
  private readonly ahead = new Map<number, SchedProcessFork>();
  /** Children that appeared before their birth. */
  private readonly early = new Set<number>();
  private readonly cpuOf = new Map<number, number>();
  private readonly running: number[];
  private readonly load: number[];
  /** Calls that make a thread and have not returned, by caller. */
  private readonly making = new Map<number, SyscallEnter>();
  private anyBirth = false;
  private first = -1;
  private started = false;

  constructor(cpus: number) {
    this.running = new Array<number>(cpus).fill(0);
    this.load = new Array<number>(cpus).fill(0);
  }

  /** Takes a batch; returns what can be replayed by now. */
  take(batch: readonly TraceEvent[]): TraceEvent[] {
    for (const event of batch) {
      this.queue.push(event);
      if (event.kind === "schedProcessFork") {
        this.ahead.set(event.childTid, event);
        this.anyBirth = true;
      } else if (event.kind === "syscallEnter" && BIRTHS.has(event.call)) {
        this.anyBirth = true;
      }
    }
    return this.pass(WINDOW);
  }

  /** The rest. */
  finish(): TraceEvent[] {
    return this.pass(0);
  }

  private pass(keep: number): TraceEvent[] {
    this.out = [];
    while (this.queue.length - this.head > keep) this.place(this.queue[this.head++]);
    if (this.head > WINDOW) {
      this.queue = this.queue.slice(this.head);
      this.head = 0;
    }
    return this.out;
  }

  private place(event: TraceEvent): void {
    if (event.kind === "lostEvents") {
      this.out.push(event);
      return;
    }
    if (event.kind === "schedProcessFork") {
      if (this.ahead.get(event.childTid) === event) this.ahead.delete(event.childTid);
      if (!this.early.delete(event.childTid)) this.born(event, event);
      return;
    }
    if (event.kind === "schedProcessExec" && event.oldTid !== event.taskTid) {
      this.superseded(event);
      return;
    }
    const { tid } = event;
    const cpu = this.present(tid, event);
    if (event.kind === "otherCall") {
      if (event.phase === "unfinished") this.leave(cpu, tid, "S", event);
      return;
    }
    if (event.kind === "syscallEnter" && BIRTHS.has(event.call)) this.making.set(tid, event);
    if (event.kind === "syscallExit" && BIRTHS.has(event.call)) this.making.delete(tid);
    this.out.push({ ...event, cpu });
    if (event.kind === "schedProcessExit") {
      this.leave(cpu, tid, "X", event);
      this.gone(tid);
    }
  }

  /** The CPU of a thread, which runs there from now on. */
  private present(tid: number, event: TraceEvent): number {
    let cpu = this.cpuOf.get(tid);
    if (cpu === undefined) {
      this.appeared(tid, event);
      cpu = this.cpuOf.get(tid) ?? this.settle(tid);
    }
    const before = this.running[cpu];
    if (before !== tid) {
      // The very first thread was running before the recording began.
      if (this.started) this.switch(cpu, before, tid, "S", event);
      this.started = true;
      this.running[cpu] = tid;
    }
    return cpu;
  }

  private appeared(tid: number, event: TraceEvent): void {
    if (this.first === -1) {
      this.first = tid;
      return;
    }
    const known = this.ahead.get(tid);
    if (known !== undefined) {
      this.ahead.delete(tid);
      this.early.add(tid);
      this.born(known, event);
      return;
    }
    this.guessed++;
    const parent = this.maker() ?? (this.anyBirth ? null : this.relative());
    if (parent === null) return;
    const { timeNs, line } = event;
    const base = { kind: "schedProcessFork" as const, timeNs, cpu: 0, comm: "", line };
    // Should its birth turn up after all, it is old news.
    this.early.add(tid);
    this.born({ ...base, tid: parent, parentTid: parent, childComm: "", childTid: tid }, event);
  }

  /** The first thread, or who has outlived it. */
  private relative(): number | null {
    if (this.cpuOf.has(this.first)) return this.first;
    for (const tid of this.cpuOf.keys()) return tid;
    return null;
  }

  /** The thread that was last seen to begin making another, if it still is. */
  private maker(): number | null {
    let last: number | null = null;
    for (const tid of this.making.keys()) last = tid;
    return last;
  }

  /** A birth, at the time and line of `at`. */
  private born(birth: SchedProcessFork, at: TraceEvent): void {
    const { parentTid, childTid } = birth;
    const { timeNs, line } = at;
    const cpu = this.present(parentTid, at);
    this.out.push({ ...birth, timeNs, line, cpu, tid: parentTid });
    const home = this.settle(childTid);
    if (this.running[home] === 0) {
      this.switch(home, 0, childTid, "S", at);
      this.running[home] = childTid;
    }
    const call = this.making.get(parentTid);
    this.making.delete(parentTid);
    const flags = call !== undefined && "flags" in call ? (call.flags ?? 0) : 0;
    if (call?.call === "vfork" || (flags & CLONE_VFORK) !== 0) {
      this.leave(cpu, parentTid, "D", at);
    }
  }

  /** Gives a thread its CPU. */
  private settle(tid: number): number {
    this.gone(tid);
    let best = 0;
    for (let cpu = 1; cpu < this.load.length; cpu++) {
      if (this.load[cpu] < this.load[best]) best = cpu;
    }
    this.load[best]++;
    this.cpuOf.set(tid, best);
    return best;
  }

  private gone(tid: number): void {
    const cpu = this.cpuOf.get(tid);
    if (cpu === undefined) return;
    this.load[cpu]--;
    this.cpuOf.delete(tid);
    this.making.delete(tid);
  }

  /** A thread executed a program and goes on under its leader's id; the leader is no more. */
  private superseded(event: TraceEvent & { readonly kind: "schedProcessExec" }): void {
    const { taskTid, oldTid } = event;
    const cpu = this.present(oldTid, event);
    this.out.push({ ...event, cpu });
    const leaders = this.cpuOf.get(taskTid);
    if (leaders !== undefined && this.running[leaders] === taskTid) this.running[leaders] = 0;
    this.gone(taskTid);
    this.cpuOf.delete(oldTid);
    this.cpuOf.set(taskTid, cpu);
    this.running[cpu] = taskTid;
  }

  /** A thread stops running; nobody else runs there until a line says so. */
  private leave(cpu: number, tid: number, state: string, event: TraceEvent): void {
    if (this.running[cpu] !== tid) return;
    this.switch(cpu, tid, 0, state, event);
    this.running[cpu] = 0;
  }

  private switch(cpu: number, prev: number, next: number, state: string, at: TraceEvent): void {
    const { timeNs, line } = at;
    this.out.push({
      kind: "schedSwitch",
      timeNs,
      cpu,
      tid: prev,
      comm: "",
      line,
      prevComm: "",
      prevTid: prev,
      prevState: state,
      nextComm: "",
      nextTid: next,
    });
  }
}
