/**
 * The replayer: a recording's causes become jobs on a machine, one after the other, and what the
 * machine flushes meanwhile is the prediction. This side only keeps what the recording says (who
 * runs where, which calls are open) and what must be inferred (docs/replay.md); every flush comes
 * out of the simulated kernel's own programs.
 */
import * as abi from "../core/abi.js";
import { pagesOf } from "../core/geometry.js";
import type { Machine } from "../machine.js";
import type { MachineEvent } from "../machine-events.js";
import type { PageFault, SchedSwitch, SyscallEnter, TraceEvent } from "../traces/events.js";
import { applyCall, applyExit, isWriter } from "./calls.js";
import type { Resolved } from "./outcomes.js";
import type { Flush } from "./prediction.js";
import { type Space, type Thread, World } from "./world.js";

/** Populated this recently by another thread: the faults raced (ns). */
const RACE_NS = 50_000;
const ERROR_PRESENT = 1;
const ERROR_WRITE = 2;
const ERROR_FETCH = 16;
const FAULT_AROUND_PAGES = 16;
const LEAF_SPAN = 512;
const CLONE_VM = 0x100;
/** Kernel functions whose faults inside execve mean that the new program is being set up. */
const EXEC_FAULT = /elf|clear_user|padzero|copy_to_user|put_user/;
/** Where exec first builds its stack, and how far it then moves it (pages). */
const STACK_DISTANCE = 3 * 2 ** 18 + 77;

interface OpenCall {
  readonly enter: SyscallEnter;
  readonly failed: boolean;
  readonly space: Space | null;
  deferred: boolean;
  execDone: boolean;
  child: Space | null;
  childRow: number;
}

/** What a replay hands out as it goes. */
export interface ReplayHooks {
  /** A flush the machine made. */
  onFlush?: (flush: Flush) => void;
  /** Every event of the machine's log. */
  onEvent?: (event: MachineEvent) => void;
  /** A page the process touched, for device traffic. */
  onTouch?: (space: Space, vpn: number, write: boolean, timeNs: number) => void;
  /** A new address space, before anything happens in it. */
  onSpace?: (space: Space) => void;
}

/** See the file comment. */
export class Replayer {
  readonly world: World;
  private readonly open = new Map<number, OpenCall>();
  /** Thread that the recording last showed on each CPU. */
  private readonly tidOn: number[] = [];
  private readonly last: number;
  private start = -1;
  private now = 0;
  private cause = "start";
  private ownTid = 0;
  private cpu = 0;
  private silent = false;

  constructor(
    readonly machine: Machine,
    private readonly hooks: ReplayHooks = {},
  ) {
    this.world = new World(machine);
    this.last = pagesOf(machine.geometry);
    for (let cpu = 0; cpu < machine.geometry.cpus; cpu++) {
      machine.place(cpu, this.world.kernelRow);
      this.tidOn.push(0);
    }
  }

  /** Simulated time of the event under way, ns since the recording began. */
  get timeNs(): number {
    return this.now;
  }

  /** Runs an operation on the event's CPU to its end. */
  run(name: string, args: Record<string, number> = {}): void {
    const options = name === "switch" ? {} : { task: this.machine.taskOn(this.cpu) };
    this.machine.submit(this.cpu, name, args, { at: this.now, ...options });
    this.settle();
  }

  /** As {@link run}, with what it flushes left out of the prediction: nobody saw it happen. */
  runSilently(name: string, args: Record<string, number> = {}): void {
    const before = this.silent;
    this.silent = true;
    this.run(name, args);
    this.silent = before;
  }

  /** Lets everything that is queued finish. */
  settle(): void {
    this.machine.advance(Infinity, (event) => {
      this.observe(event);
    });
  }

  private observe(event: MachineEvent): void {
    this.hooks.onEvent?.(event);
    if (this.silent || !this.hooks.onFlush) return;
    const pages = event.a === Infinity ? -1 : event.a;
    const here = event.actor === this.cpu;
    const tid = here ? this.ownTid : (this.tidOn[event.actor] ?? 0);
    const emit = (kind: Flush["kind"], count: number): void => {
      this.hooks.onFlush?.({ kind, tid, cause: this.cause, pages: count });
    };
    if (event.kind === abi.EV_FLUSH_LOCAL) emit("local", pages);
    else if (event.kind === abi.EV_FLUSH_SEND) emit("send", pages);
    else if (event.kind === abi.EV_SWITCH_FLUSH) emit("switch", pages);
    else if (event.kind === abi.EV_FLUSH_REMOTE) {
      if (event.code === 1) emit("wrongCpu", 0);
      else emit("remote", pages);
    }
  }

  /** Takes one event. Deeds are none of a replay's business. */
  step({ event, exit, enter }: Resolved): void {
    if (this.start < 0) this.start = event.timeNs;
    this.now = event.timeNs - this.start;
    if (event.cpu >= this.machine.geometry.cpus) return;
    this.cpu = event.cpu;
    this.ownTid = event.tid;
    switch (event.kind) {
      case "syscallEnter":
        this.enterCall(event, exit !== undefined && exit.errno !== 0);
        return;
      case "syscallExit":
        this.exitCall(event, enter);
        return;
      case "pageFaultUser":
      case "pageFaultKernel":
        this.fault(event);
        return;
      case "schedSwitch":
        this.switchTask(event);
        return;
      case "schedProcessFork":
        this.forked(event.tid, event.comm, event.childTid, event.childComm);
        return;
      case "schedProcessExec": {
        const call = this.open.get(event.tid);
        if (!call?.execDone) this.exec(this.world.thread(event.taskTid, event.comm), event);
        return;
      }
      case "schedProcessExit":
        this.exited(event);
        return;
      default:
        return;
    }
  }

  /** The recording shows `thread` here: if the machine has another one, the switch was not seen. */
  private ensureCurrent(thread: Thread): void {
    this.tidOn[this.cpu] = thread.tid;
    if (this.machine.taskOn(this.cpu) === thread.row && !this.isLazy()) return;
    this.world.inferred.switches++;
    this.introduce(thread);
    this.runSilently("switch", { next: thread.row });
  }

  private isLazy(): boolean {
    return this.machine.isLazy(this.cpu);
  }

  /** An old mm's first switch-in on a CPU finds its ASID: it was there not long ago. */
  private introduce(thread: Thread): void {
    const { space } = thread;
    if (!space?.old || space.seenOn.has(this.cpu)) return;
    space.seenOn.add(this.cpu);
    this.machine.assumeSlot(this.cpu, space.mm);
  }

  private enterCall(event: SyscallEnter, failed: boolean): void {
    this.cause = `${event.line}`;
    const thread = this.world.thread(event.tid, event.comm);
    const call: OpenCall = {
      enter: event,
      failed,
      space: null,
      deferred: false,
      execDone: false,
      child: null,
      childRow: -1,
    };
    if (event.call === "exit" || event.call === "exit_group") {
      this.open.set(event.tid, call);
      return;
    }
    const space = this.world.spaceOf(thread);
    space.events++;
    const known = { ...call, space };
    this.open.set(event.tid, known);
    this.ensureCurrent(thread);
    if (failed) return;
    if (event.call === "clone" || event.call === "fork") {
      const shares = event.call === "clone" && (event.flags & CLONE_VM) !== 0;
      if (!shares) this.fork(thread, space, known);
      return;
    }
    // Somebody else of this mm holds, or waits for, mmap_lock: the effect comes when it is over.
    const changes = isWriter(event.call) || event.call === "madvise";
    known.deferred = changes && this.hasOpenWriter(space, event.tid);
    if (!known.deferred) applyCall(this, event, space);
  }

  private hasOpenWriter(space: Space, except: number): boolean {
    for (const [tid, call] of this.open) {
      if (tid !== except && call.space === space && isWriter(call.enter.call)) return true;
    }
    return false;
  }

  private exitCall(
    event: Extract<TraceEvent, { kind: "syscallExit" }>,
    enter?: SyscallEnter,
  ): void {
    const call = this.open.get(event.tid);
    this.open.delete(event.tid);
    if (!call || !enter || event.errno !== 0 || call.failed) return;
    const thread = this.world.thread(event.tid, event.comm);
    const { space } = thread;
    if (!space) return;
    this.cause = `${enter.line}`;
    this.ensureCurrent(thread);
    if (call.deferred && call.space === space) applyCall(this, enter, space);
    applyExit(this, enter, event, space);
  }

  private fork(thread: Thread, parent: Space, call: OpenCall): void {
    const row = this.world.takeRow();
    this.run("fork", { childTask: row + 1 });
    const mm = this.machine.mmOf(row);
    if (mm === null) return;
    call.childRow = row;
    call.child = this.world.newSpace(mm, parent.old, parent);
    for (const [vpn, known] of parent.pages) call.child.pages.set(vpn, known);
    this.hooks.onSpace?.(call.child);
  }

  private forked(tid: number, comm: string, childTid: number, childComm: string): void {
    const parent = this.world.thread(tid, comm);
    const call = this.open.get(tid);
    this.world.threads.delete(childTid);
    const child = this.world.thread(childTid, childComm);
    child.kernel = false;
    if (call?.child) {
      child.row = call.childRow;
      this.world.enter(child, call.child, false);
      call.child = null;
      return;
    }
    if (parent.kernel && !parent.space) {
      child.kernel = true;
      return;
    }
    this.world.enter(child, this.world.spaceOf(parent));
  }

  private exec(thread: Thread, event: { readonly line: number }): void {
    const call = this.open.get(thread.tid);
    this.cause = call ? `${call.enter.line}` : `${event.line}`;
    const before = this.world.spaceOf(thread);
    this.ensureCurrent(thread);
    this.run("exec");
    before.threads--;
    if (before.threads === 0) this.world.forget(before);
    const mm = this.machine.mmOf(thread.row);
    if (mm === null) return;
    const space = this.world.newSpace(mm, false, null);
    thread.space = null;
    this.world.enter(thread, space, false);
    this.hooks.onSpace?.(space);
    // The argument page is set up at the top of the address space, then the stack moves to its
    // final place, and the page tables of the first one are freed.
    const top = this.last / 2 - 2;
    this.machine.mapNow(mm, top, top + 1, 3);
    this.run("fault.write", { vpn: top });
    this.run("mremap", { start: top, end: top + 1, target: top - STACK_DISTANCE });
  }

  private exited(event: Extract<TraceEvent, { kind: "schedProcessExit" }>): void {
    const thread = this.world.threads.get(event.taskTid);
    this.cause = `exit ${event.line}`;
    this.open.delete(event.taskTid);
    if (!thread?.space) return;
    this.ensureCurrent(thread);
    this.run("exit");
    this.world.leave(thread);
  }

  private switchTask(event: SchedSwitch): void {
    const prev = this.world.thread(event.prevTid, event.prevComm);
    if (prev.space) this.ensureCurrent(prev);
    this.cause = `switch ${event.line}`;
    this.ownTid = event.prevTid;
    this.tidOn[this.cpu] = event.nextTid;
    const next = this.world.thread(event.nextTid, event.nextComm);
    if (!next.kernel) {
      this.world.spaceOf(next);
      this.introduce(next);
    }
    this.run("switch", { next: next.kernel ? this.world.kernelRow : next.row });
  }

  private fault(event: PageFault): void {
    const thread = this.world.thread(event.tid, event.comm);
    const call = this.open.get(event.tid);
    if (
      event.kind === "pageFaultKernel" &&
      call &&
      !call.execDone &&
      !call.failed &&
      (call.enter.call === "execve" || call.enter.call === "execveat") &&
      EXEC_FAULT.test(event.ipSymbol ?? "")
    ) {
      call.execDone = true;
      this.exec(thread, event);
    }
    this.cause = call ? `${call.enter.line}` : `${event.line}`;
    // The kernel's half of the address space is not this mm's business.
    if (event.vpn >= this.last / 2) return;
    const space = this.world.spaceOf(thread);
    space.events++;
    this.ensureCurrent(thread);
    this.serve(event, space);
  }

  /** Brings the machine to where the fault says it was, and faults. */
  private serve(event: PageFault, space: Space): void {
    const { vpn, errorCode } = event;
    const { machine } = this;
    const write = (errorCode & ERROR_WRITE) !== 0;
    const prot = this.protection(space, vpn, errorCode);
    const mapped = machine.walk(space.mm, vpn);
    const known = space.pages.get(vpn);
    this.hooks.onTouch?.(space, vpn, write, this.now);
    if ((errorCode & ERROR_PRESENT) !== 0) {
      if (!write) return;
      if (!mapped) this.inferPage(space, vpn, prot, known !== undefined);
    } else if (mapped) {
      const raced = known !== undefined && known.tid !== event.tid;
      if (!raced || this.now - known.timeNs >= RACE_NS) {
        this.runSilently("infer.absent", { vpn });
      } else if (!write) return;
    }
    space.pages.set(vpn, { timeNs: this.now, tid: event.tid });
    if (write) this.run("fault.write", { vpn });
    else if ((prot & abi.VMA_FILE) !== 0) this.faultAround(space, vpn, prot);
    else this.run("fault.read", { vpn });
  }

  /** Protection of the page, making up a mapping that was never seen being made. */
  private protection(space: Space, vpn: number, errorCode: number): number {
    const { machine } = this;
    const prot = machine.protectionOf(space.mm, vpn);
    if (prot !== 0) return prot;
    this.world.inferred.vmas++;
    const fetch = (errorCode & ERROR_FETCH) !== 0;
    const write = (errorCode & ERROR_WRITE) !== 0;
    // A write to what was already there is anonymous in an old process, data of its program else.
    const anonymous = write && ((errorCode & ERROR_PRESENT) === 0 || this.isShared(space));
    const inferred = (write ? 3 : 1) | (fetch || !anonymous ? abi.VMA_FILE : 0);
    machine.mapNow(space.mm, vpn, vpn + 1, inferred);
    return inferred;
  }

  private isShared(space: Space): boolean {
    return space.old || space.lineage.size > 1;
  }

  /** The page was there before anything was said about it: shared along the forks, read-only. */
  private inferPage(space: Space, vpn: number, prot: number, touched: boolean): void {
    this.world.inferred.pages++;
    const file = (prot & abi.VMA_FILE) !== 0;
    this.runSilently("infer.present", { vpn, cached: file ? 1 : 0 });
    if (file || touched) return;
    for (const relative of space.lineage) {
      if (relative === space || relative.pages.has(vpn)) continue;
      this.runSilently("infer.share", { vpn, mm: relative.mm + 1 });
      relative.pages.set(vpn, { timeNs: this.now - RACE_NS, tid: -1 });
    }
  }

  /** A read of a file page maps its neighbours too, within the mapping and the page table. */
  private faultAround(space: Space, vpn: number, prot: number): void {
    const { machine } = this;
    let start = vpn;
    const first = Math.floor(vpn / FAULT_AROUND_PAGES) * FAULT_AROUND_PAGES;
    while (start > first && machine.protectionOf(space.mm, start - 1) === prot) start--;
    const table = (Math.floor(vpn / LEAF_SPAN) + 1) * LEAF_SPAN;
    const most = Math.min(start + FAULT_AROUND_PAGES, table);
    let end = vpn + 1;
    while (end < most && machine.protectionOf(space.mm, end) === prot) end++;
    this.run("map.around", { start, end });
  }
}
