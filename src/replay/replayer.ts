/**
 * The replayer: each cause of a recording becomes jobs of the machine, on the CPU of its line. It
 * never looks at what the recording says the kernel did.
 */
import { pagesOf } from "../core/geometry.js";
import type { Machine } from "../machine.js";
import type {
  PageFault,
  SchedProcessExec,
  SchedProcessExit,
  SchedProcessFork,
  SchedSwitch,
  SyscallEnter,
  SyscallExit,
  TraceEvent,
} from "../traces/events.js";
import { hasWrittenShared, isGatherer, isWriter } from "./advice.js";
import { Calls, isPartial, type OpenCall, rangeOf } from "./calls.js";
import { replayFault } from "./faults.js";
import { type Ahead, isDeed } from "./look-ahead.js";
import { Residency } from "./residency.js";
import { Space, vmaFlags } from "./spaces.js";
import { type Deed, type RecordingFacts, Stage, type Thread, type Where } from "./stage.js";

const CLONE_VM = 0x100;
/** From the call that wakes an idle CPU up until it has another thread, ns: a median. */
const WAKE_NS = 4_000;
/** In such a time, a thread that was woken up so has left another line. */
const HEARD_NS = 20_000_000;
/** Kernel code that faults on the new stack or data of a program that is being executed. */
const EXEC_COPIES = /elf|clear_user|padzero|copy_to_user|put_user/;
/** exec moves the stack from the top of user space to where it belongs, in another gigabyte. */
const STACK_TOP_FROM_END = 2;
const STACK_MOVE_PAGES = 2 ** 21;
const USER_HALF = 2;

/** What a clone does will be known when the child is there. */
const UNKNOWN = { shares: null, row: -1, child: null };

interface PendingClone {
  /** The child uses the parent's mm; null: only the child will tell. */
  readonly shares: boolean | null;
  /** It certainly does not. */
  readonly copies?: boolean;
  /** Row of the child, when the parent's mm was copied at the entry. */
  readonly row: number;
  readonly child: Space | null;
}

/** What a replay wants to hear about. */
export interface ReplayListener {
  /** The machine did something. */
  deed(deed: Deed): void;
  /** An address space was born. */
  birth?(space: Space): void;
  /** `space` is about to be used by an event at `timeNs`; `vpn` is -1 for calls. */
  touch?(space: Space, timeNs: number, vpn: number): void;
}

/** A recording of the whole machine that says nothing about processes. */
const NO_FACTS: RecordingFacts = { processes: new Map(), root: null, isLate: true };

/** See the file comment. */
export class Replayer {
  readonly stage: Stage;
  private readonly calls: Calls;
  private readonly open = new Map<number, OpenCall>();
  private readonly clones = new Map<number, PendingClone>();
  /** Threads that are exiting and still use their mm. */
  private readonly leaving = new Set<number>();
  /** Calls that are being performed, by CPU, and how often it had flushed before. */
  private readonly gathering = new Map<number, { readonly call: OpenCall; flushes: number }>();
  /** Who was sent to each CPU, until that switches. */
  private readonly expected: (number | undefined)[] = [];
  /** The recording shows context switches. */
  private switches = false;
  /** What stands in for the faults of a recording that has none; else null. */
  readonly residency: Residency | null;

  /**
   * @param residentPages - see {@link Residency}; null for a recording that shows faults
   * @param facts - what the recording says of itself
   */
  constructor(
    machine: Machine,
    cpus: number,
    startNs: number,
    private readonly listener: ReplayListener,
    residentPages: number | null = null,
    private readonly facts: RecordingFacts = NO_FACTS,
  ) {
    this.stage = new Stage(
      machine,
      cpus,
      startNs,
      (deed) => listener.deed(deed),
      (space) => listener.birth?.(space),
      facts,
    );
    this.calls = new Calls(this.stage);
    this.residency = residentPages === null ? null : new Residency(this.stage, residentPages);
  }

  /** The next event. Deeds are passed over. */
  take({ event, exit, waits, leaves, next, wakes }: Ahead): void {
    if (isDeed(event)) return;
    this.stage.comes(event, next === null ? null : next.timeNs);
    this.gathered();
    if (wakes !== null) this.wake(event, wakes);
    const running = this.stage.tidOn[event.cpu];
    if (running !== event.tid && this.leaving.has(running)) this.leave(running, event);
    switch (event.kind) {
      case "syscallEnter":
        this.enter(event, exit, waits, leaves);
        return;
      case "syscallExit":
        this.exit(event);
        return;
      case "pageFaultUser":
      case "pageFaultKernel":
        this.fault(event);
        return;
      case "schedSwitch":
        this.switch(event);
        return;
      case "schedMigrateTask":
        this.expected[event.toCpu] = event.taskTid;
        return;
      case "schedProcessFork":
        this.born(event);
        return;
      case "schedProcessExec":
        this.executed(event);
        return;
      case "schedProcessExit":
        this.died(event);
        return;
      default:
        return;
    }
  }

  /** An idle CPU was told to run the thread of `next`, whose switch-in is not in the recording. */
  private wake({ cpu, timeNs }: TraceEvent, next: TraceEvent): void {
    const { stage } = this;
    const thread = stage.threads.get(next.tid);
    if (stage.tidOn[cpu] !== 0 || thread === undefined || thread.space === null) return;
    // Or was it somebody else who woke up there, and left no line?
    const expected = this.expected[cpu] ?? next.tid;
    if (expected !== next.tid || stage.tidOn.includes(next.tid)) return;
    if (next.timeNs > timeNs + HEARD_NS) return;
    const at = Math.min(timeNs + WAKE_NS, next.timeNs);
    const user = thread as Thread & { space: Space };
    stage.wake(user, { cpu, tid: next.tid, timeNs: at, cause: "" });
  }

  private where(event: { cpu: number; tid: number; timeNs: number }, cause: string): Where {
    return { cpu: event.cpu, tid: event.tid, timeNs: event.timeNs, cause };
  }

  /** The thread of an event, on its CPU. */
  private present(event: {
    cpu: number;
    tid: number;
    comm: string;
    timeNs: number;
  }): Thread & { space: Space } {
    const thread = this.stage.userThread(event.tid, event.comm);
    this.stage.tidOn[event.cpu] = event.tid;
    this.stage.ensure(thread, event);
    return thread;
  }

  private enter(
    event: SyscallEnter,
    exit: SyscallExit | null,
    waits: number,
    leaves: boolean,
  ): void {
    this.release(event.tid);
    const cause = String(event.line);
    const { call } = event;
    if (call === "exit" || call === "exit_group") {
      this.note(event, cause, null, false, 0);
      return;
    }
    const { space } = this.present(event);
    const failed = exit !== null && exit.errno !== 0 && !isPartial(event, exit.errno);
    const writer = isWriter(event);
    const opened = this.note(event, cause, space, writer, waits);
    opened.partial = exit !== null && exit.errno !== 0 && !failed;
    if (failed) {
      // It has no effect, but it holds the lock as any other.
      opened.done = true;
      this.calls.refuse(event, this.where(event, cause));
      return;
    }
    this.listener.touch?.(space, event.timeNs, -1);
    if (writer || call === "madvise") {
      if (this.mustWait(event, space, waits)) {
        opened.deferred = true;
        return;
      }
      this.perform(opened, space, this.where(event, cause));
    } else if (call === "clone" || call === "fork" || call === "vfork" || call === "clone3") {
      this.clone(event, space, { waits, leaves }, this.where(event, cause));
    }
  }

  /**
   * Is mmapLock taken? A reader that finds it taken sleeps; a writer may spin for it. Who has it
   * may be somebody without a line: a thread in a page fault, or on its way out.
   */
  private mustWait(enter: SyscallEnter, space: Space, waits: number): boolean {
    if (waits > 0) return space.threads > 1;
    if (!isWriter(enter)) return false;
    for (const [other, known] of this.open) {
      // Who is still to sleep for the lock does not have it.
      if (other === enter.tid || known.space !== space || known.waits > 0) continue;
      if (known.writer) return true;
    }
    return false;
  }

  private note(
    enter: SyscallEnter,
    cause: string,
    space: Space | null,
    writer: boolean,
    waits: number,
  ): OpenCall {
    const call: OpenCall = {
      enter,
      cause,
      space,
      writer,
      deferred: false,
      waits,
      granted: false,
      held: false,
      done: false,
      performed: false,
      partial: false,
    };
    this.open.set(enter.tid, call);
    return call;
  }

  /** Runs a call's effect; a DONTNEED then stays open until its exit line. */
  private perform(call: OpenCall, space: Space, where: Where): void {
    const { cpu } = where;
    const { start, end } = rangeOf(call.enter);
    this.stage.settleOthers(cpu, space, start, end);
    this.touch(call, space, where);
    this.gathering.set(cpu, { call, flushes: this.stage.flushesOn(cpu) });
    call.performed = true;
    this.calls.apply(call, space, where);
    this.gathered();
  }

  /** Have the calls that were performed last flushed, and are they still open? */
  private gathered(): void {
    for (const [cpu, { call, flushes }] of this.gathering) {
      if (this.stage.isFlying(cpu)) continue;
      this.gathering.delete(cpu);
      if (this.stage.flushesOn(cpu) === flushes) continue;
      // What is performed at its exit line is over before its flush is.
      if (this.open.get(call.enter.tid) === call) this.hold(call);
    }
  }

  /** A thread that slept for a lock runs again. The last time it has what it waited for. */
  private woken(tid: number, event: SchedSwitch): void {
    const call = this.open.get(tid);
    if (call === undefined || !call.deferred || call.performed || !call.granted) return;
    const { space } = call;
    if (space === null || space.dead || this.stage.threads.get(tid)?.space !== space) return;
    this.perform(call, space, { ...this.where(event, call.cause), tid });
  }

  /** The gather of this call is open, until the call ends. */
  private hold(call: OpenCall): void {
    const { enter, space } = call;
    if (call.held || space === null || space.dead || !isGatherer(enter)) return;
    call.held = true;
    this.stage.machine.holdGather(space.row, true);
  }

  private touch(call: OpenCall, space: Space, where: Where): void {
    const thread = this.stage.threads.get(where.tid);
    if (this.residency === null || thread?.space !== space) return;
    const user = thread as Thread & { space: Space };
    this.residency.before(call.enter, !call.partial, user, where);
  }

  /** Ends what an open call of `tid` still holds. */
  private release(tid: number): void {
    const call = this.open.get(tid);
    if (call === undefined || !call.held) return;
    call.held = false;
    if (call.space !== null && !call.space.dead) {
      this.stage.machine.holdGather(call.space.row, false);
    }
  }

  private clone(
    event: SyscallEnter,
    space: Space,
    { waits, leaves }: { waits: number; leaves: boolean },
    where: Where,
  ): void {
    const flags = "flags" in event ? event.flags : undefined;
    if (event.call === "clone3" && flags === undefined) {
      // Its flags are in user memory. Whoever sleeps until the child is done shares its mm.
      this.clones.set(event.tid, { shares: waits > 0 ? true : null, row: -1, child: null });
      return;
    }
    const copies =
      event.call === "fork" || (event.call !== "vfork" && ((flags ?? CLONE_VM) & CLONE_VM) === 0);
    // Who is switched away before the child is there copies, and flushes, where it runs again.
    if (copies && leaves) this.clones.set(event.tid, { ...UNKNOWN, copies });
    else if (copies) this.clones.set(event.tid, this.copy(space, where));
    else this.clones.set(event.tid, { shares: true, row: -1, child: null });
  }

  /** A child with a copy of `space`. */
  private copy(space: Space, where: Where): PendingClone {
    const row = this.stage.spareRow();
    this.stage.run("fork.needed", { childTask: row + 1 }, where);
    this.stage.settle(where.cpu);
    const child = this.stage.space(this.stage.machine.mmOf(row) ?? 0, space.before);
    child.forked = space.forked = true;
    child.touched = new Set(space.touched);
    child.brk = space.brk;
    child.threads = 1;
    for (let cpu = 0; cpu < this.stage.cpus; cpu++) child.seenOn.add(cpu);
    space.family.add(child);
    child.family = space.family;
    return { shares: false, row, child };
  }

  private exit(event: SyscallExit): void {
    const call = this.open.get(event.tid);
    if (call === undefined) return;
    const { space } = call;
    const failed = event.errno !== 0 && !isPartial(call.enter, event.errno);
    if (call.deferred && !call.performed && space !== null && !space.dead && !failed) {
      call.partial = event.errno !== 0;
      this.present(event);
      this.perform(call, space, this.where(event, call.cause));
    }
    this.release(event.tid);
    this.open.delete(event.tid);
    if (event.errno !== 0 || call.enter.call !== event.call) return;
    const thread = this.stage.threads.get(event.tid);
    if (thread === undefined || thread.space === null) return;
    if (isWriter(call.enter) || event.call === "process_madvise") {
      const present = this.present(event);
      const where = this.where(event, call.cause);
      if (event.call === "mremap") this.touch(call, present.space, where);
      this.calls.finish(call.enter, event, present.space, where);
      this.residency?.mapped(call.enter, present.space, event.vpn);
    }
  }

  private fault(event: PageFault): void {
    const call = this.open.get(event.tid);
    if (
      event.kind === "pageFaultKernel" &&
      call !== undefined &&
      call.enter.call.startsWith("exec") &&
      !call.done &&
      EXEC_COPIES.test(event.ipSymbol ?? "")
    ) {
      this.exec(event, event.tid, call);
    }
    const thread = this.present(event);
    this.listener.touch?.(thread.space, event.timeNs, event.vpn);
    replayFault(this.stage, thread, event, call?.cause ?? String(event.line));
  }

  private executed(event: SchedProcessExec): void {
    const call = this.open.get(event.tid) ?? this.open.get(event.oldTid);
    if (call === undefined || !call.done) this.exec(event, event.oldTid, call);
    if (event.taskTid !== event.oldTid) this.becomeLeader(event.oldTid, event.taskTid);
  }

  /** A thread that executes a program takes over the leader's id. */
  private becomeLeader(from: number, to: number): void {
    const thread = this.stage.threads.get(from);
    if (thread === undefined || thread.space === null) return;
    this.stage.adopt(to, thread.row, thread.space);
    this.stage.threads.delete(from);
    for (let cpu = 0; cpu < this.stage.cpus; cpu++) {
      if (this.stage.tidOn[cpu] === from) this.stage.tidOn[cpu] = to;
    }
    const call = this.open.get(from);
    this.open.delete(from);
    if (call !== undefined) this.open.set(to, call);
  }

  private exec(
    event: { cpu: number; tid: number; comm: string; timeNs: number; line: number },
    tid: number,
    call: OpenCall | undefined,
  ): void {
    if (call !== undefined) call.done = true;
    const thread = this.stage.userThread(tid, event.comm);
    this.stage.tidOn[event.cpu] = tid;
    this.stage.ensure(thread, event);
    const where = { ...this.where(event, call?.cause ?? String(event.line)), tid };
    const old = thread.space;
    this.leaveAll(old, event);
    this.stage.run("exec", {}, where);
    this.stage.settle(where.cpu);
    if (--old.threads <= 0) old.leave();
    const space = this.stage.space(this.stage.machine.mmOf(thread.row) ?? 0, false);
    space.threads = 1;
    for (let cpu = 0; cpu < this.stage.cpus; cpu++) space.seenOn.add(cpu);
    thread.space = space;
    this.moveStack(where);
  }

  /** The arguments were written to a temporary stack, one page of it, which is moved into place. */
  private moveStack(where: Where): void {
    const top = pagesOf(this.stage.machine.geometry) / USER_HALF - STACK_TOP_FROM_END;
    const target = top - STACK_MOVE_PAGES;
    if (target < 0) return;
    const prot = vmaFlags(3, { shared: false, file: false }, 0);
    this.stage.run("mmap", { start: top, end: top + 1, prot }, where);
    this.stage.run("fault.write", { vpn: top }, where);
    this.stage.run("mremap", { start: top, end: top + 1, target }, where);
  }

  private born(event: SchedProcessFork): void {
    let pending = this.clones.get(event.tid);
    this.clones.delete(event.tid);
    if (this.leaving.has(event.childTid)) this.leave(event.childTid, event);
    if (pending?.shares === null && (pending.copies === true || this.isProcess(event.childTid))) {
      const cause = this.open.get(event.tid)?.cause ?? String(event.line);
      pending = this.copy(this.present(event).space, this.where(event, cause));
    }
    if (pending !== undefined && pending.child !== null) {
      this.stage.adopt(event.childTid, pending.row, pending.child);
      return;
    }
    const parent = this.stage.thread(event.parentTid, event.comm);
    if (parent.kernel && parent.space === null) {
      this.stage.forget(event.childTid);
      this.stage.thread(event.childTid, "kthreadd").kernel = true;
      return;
    }
    const thread = this.present({ ...event, tid: event.parentTid });
    const row = this.stage.spareRow();
    this.stage.run("clone", { childTask: row + 1 }, this.where(event, ""), { muted: true });
    this.stage.adopt(event.childTid, row, thread.space);
    thread.space.threads++;
  }

  /** Is it known to be a process of its own? Without that, clone3 is taken to make a thread. */
  private isProcess(tid: number): boolean {
    return this.facts.processes.get(tid) === tid;
  }

  /**
   * A thread says that it exits well before it leaves its mm: others are woken first, and mmapLock
   * is taken. If others stay behind, it counts as gone when it is switched away for good.
   */
  private died(event: SchedProcessExit): void {
    const tid = event.taskTid;
    const thread = this.stage.threads.get(tid);
    this.release(tid);
    this.open.delete(tid);
    this.clones.delete(tid);
    if (thread === undefined || thread.space === null || this.leaving.has(tid)) return;
    const { space } = thread;
    this.stage.ensure(thread as Thread & { space: Space }, event);
    this.stage.tidOn[event.cpu] = tid;
    space.threads--;
    this.leaving.add(tid);
    if (space.threads > 0 && this.switches) return;
    this.leaveAll(space, event, tid);
    this.leave(tid, event);
  }

  /** A thread that is exiting leaves its mm now; the last one tears it down. */
  private leave(tid: number, event: { cpu: number; timeNs: number }): void {
    this.leaving.delete(tid);
    const thread = this.stage.threads.get(tid);
    if (thread === undefined || thread.space === null) return;
    const { space } = thread;
    const user = thread as Thread & { space: Space };
    this.stage.ensure(user, event);
    const where = { cpu: event.cpu, tid, timeNs: event.timeNs, cause: `exit${tid}` };
    const isLast = space.threads <= 0 && this.leavers(space).length === 0;
    const pages = pagesOf(this.stage.machine.geometry);
    const shared = isLast && hasWrittenShared(space, 0, pages);
    this.stage.run(shared ? "exit.shared" : "exit", {}, where);
    this.stage.buried(thread, event.cpu);
    if (isLast) space.leave();
  }

  /** Who is on the way out of `space`. */
  private leavers(space: Space): number[] {
    return [...this.leaving].filter((tid) => this.stage.threads.get(tid)?.space === space);
  }

  /** They are gone, but for `except`. */
  private leaveAll(space: Space, event: { cpu: number; timeNs: number }, except = -1): void {
    for (const tid of this.leavers(space)) if (tid !== except) this.leave(tid, event);
  }

  private switch(event: SchedSwitch): void {
    const { stage } = this;
    const { cpu } = event;
    this.switches = true;
    this.expected[cpu] = undefined;
    if (this.leaving.has(event.prevTid) && /^[XZ]/.test(event.prevState)) {
      this.leave(event.prevTid, event);
    }
    stage.tidOn[cpu] = event.nextTid;
    const open = this.open.get(event.prevTid);
    // Who is preempted inside such a call has its gather open; who sleeps there waits for a lock.
    if (event.prevState.startsWith("D") && open !== undefined && open.waits > 0) {
      open.granted = --open.waits === 0;
    }
    if (event.prevState.startsWith("R") && open?.performed === true) this.hold(open);
    const where = { cpu, tid: event.prevTid, timeNs: event.timeNs, cause: `sw${event.line}` };
    const previous = stage.thread(event.prevTid, event.prevComm);
    if (previous.space !== null && !previous.dead) {
      stage.ensure(previous as Thread & { space: Space }, event);
    }
    const next = stage.thread(event.nextTid, event.nextComm);
    if (event.nextTid === 0 || (next.kernel && next.space === null)) {
      stage.enterKernel(cpu, where);
      return;
    }
    const user = stage.userThread(event.nextTid, event.nextComm);
    stage.enter(cpu, user, where, stage.isForeign(user));
    this.woken(event.nextTid, event);
  }
}
