/**
 * What a recording says, one type per tracepoint.
 *
 * Two families are kept apart on purpose. *Causes* (system calls, faults, scheduling) are what a
 * replay is fed with; *deeds* (flushes, calls to other CPUs) are what the kernel did about them
 * and what a replay is judged by.
 *
 * Addresses are 64 bits wide, more than a number holds exactly, so each is a page number
 * (`…Vpn`, at most 52 bits) and a byte offset within the page (`…Offset`, 0 to 4095).
 */

import type { TraceFormat } from "./format.js";

/** System calls that change an address space, or who shares it. */
export type TracedCall =
  | "mmap"
  | "munmap"
  | "mprotect"
  | "madvise"
  | "process_madvise"
  | "mremap"
  | "brk"
  | "clone"
  | "clone3"
  | "fork"
  | "vfork"
  | "execve"
  | "execveat"
  | "exit"
  | "exit_group";

/** What every line of a recording carries. */
export interface TraceEventBase {
  /** Time stamp in integer nanoseconds; its resolution is that of the recording. */
  readonly timeNs: number;
  /** CPU the line was written on. */
  readonly cpu: number;
  /** Thread that was current there; 0 is the idle task. */
  readonly tid: number;
  /** Its name, as far as the recording knew it. */
  readonly comm: string;
  /** Line number in the file, from 1. */
  readonly line: number;
}

/** Fields shared by the entries of all system calls. */
export interface SyscallEnterBase extends TraceEventBase {
  readonly kind: "syscallEnter";
}

/** `mmap(addr, len, prot, flags, fd, off)`. */
export interface MmapEnter extends SyscallEnterBase {
  readonly call: "mmap";
  readonly vpn: number;
  readonly offset: number;
  /** Length in pages, rounded up; 0 means a length of 0. */
  readonly pages: number;
  readonly prot: number;
  readonly flags: number;
  /** File descriptor, negative when none. */
  readonly fd: number;
  /** First page of the file that is mapped. */
  readonly filePage: number;
}

/** `munmap(addr, len)`. */
export interface MunmapEnter extends SyscallEnterBase {
  readonly call: "munmap";
  readonly vpn: number;
  readonly offset: number;
  readonly pages: number;
}

/** `mprotect(start, len, prot)`. */
export interface MprotectEnter extends SyscallEnterBase {
  readonly call: "mprotect";
  readonly vpn: number;
  readonly offset: number;
  readonly pages: number;
  readonly prot: number;
}

/** `madvise(start, len, behavior)`. */
export interface MadviseEnter extends SyscallEnterBase {
  readonly call: "madvise";
  readonly vpn: number;
  readonly offset: number;
  readonly pages: number;
  /** MADV_ number: 4 is DONTNEED, 8 is FREE. */
  readonly advice: number;
}

/** `process_madvise(pidfd, vec, vlen, behavior, flags)`: where is in user memory, out of sight. */
export interface ProcessMadviseEnter extends SyscallEnterBase {
  readonly call: "process_madvise";
  readonly advice: number;
}

/** `mremap(addr, old_len, new_len, flags, new_addr)`. */
export interface MremapEnter extends SyscallEnterBase {
  readonly call: "mremap";
  readonly vpn: number;
  readonly offset: number;
  readonly oldPages: number;
  readonly newPages: number;
  readonly flags: number;
  /** Wanted new place; only meaningful with MREMAP_FIXED. */
  readonly newVpn: number;
}

/** `brk(addr)`; address 0 asks where the break is. */
export interface BrkEnter extends SyscallEnterBase {
  readonly call: "brk";
  readonly vpn: number;
  readonly offset: number;
}

/** `clone(flags, …)`. */
export interface CloneEnter extends SyscallEnterBase {
  readonly call: "clone";
  readonly flags: number;
}

/** `clone3(uargs, size)`: the flags are in user memory, out of the sight of kernel tracing. */
export interface Clone3Enter extends SyscallEnterBase {
  readonly call: "clone3";
  /** The flags, if the recording has them (strace does). */
  readonly flags?: number;
}

/** Calls without an argument that matters here. */
export interface PlainEnter extends SyscallEnterBase {
  readonly call: "fork" | "vfork" | "execve" | "execveat" | "exit" | "exit_group";
}

/** A system call was entered. */
export type SyscallEnter =
  | MmapEnter
  | MunmapEnter
  | MprotectEnter
  | MadviseEnter
  | ProcessMadviseEnter
  | MremapEnter
  | BrkEnter
  | CloneEnter
  | Clone3Enter
  | PlainEnter;

/** A system call returned. */
export interface SyscallExit extends TraceEventBase {
  readonly kind: "syscallExit";
  readonly call: TracedCall;
  /** 0 on success, else the positive errno. */
  readonly errno: number;
  /** Returned value as a number: exact below 2^53 (pids, sizes); 0 on error. */
  readonly value: number;
  /** Returned value as an address; 0 on error. */
  readonly vpn: number;
  readonly offset: number;
}

/** A page fault, from user code or from the kernel working on user memory. */
export interface PageFault extends TraceEventBase {
  readonly kind: "pageFaultUser" | "pageFaultKernel";
  readonly vpn: number;
  readonly offset: number;
  /** Faulting instruction, when printed as a number; both 0 when `ipSymbol` is set. */
  readonly ipVpn: number;
  readonly ipOffset: number;
  /** Kernel function that faulted, when printed as a symbol. */
  readonly ipSymbol: string | null;
  /** x86 error code: 1 present, 2 write, 4 user, 16 instruction fetch. */
  readonly errorCode: number;
}

/** The scheduler put another task on this CPU. */
export interface SchedSwitch extends TraceEventBase {
  readonly kind: "schedSwitch";
  readonly prevComm: string;
  readonly prevTid: number;
  /** State letters of the task that left: `R`, `R+`, `S`, `D`, `I`, `X`, … */
  readonly prevState: string;
  readonly nextComm: string;
  readonly nextTid: number;
}

/** A task was moved to another CPU's run queue. */
export interface SchedMigrateTask extends TraceEventBase {
  readonly kind: "schedMigrateTask";
  readonly taskComm: string;
  readonly taskTid: number;
  readonly fromCpu: number;
  readonly toCpu: number;
}

/** A task was created; `tid` is its parent. */
export interface SchedProcessFork extends TraceEventBase {
  readonly kind: "schedProcessFork";
  readonly parentTid: number;
  readonly childComm: string;
  readonly childTid: number;
}

/** A task replaced its address space. */
export interface SchedProcessExec extends TraceEventBase {
  readonly kind: "schedProcessExec";
  readonly filename: string;
  readonly taskTid: number;
  /** Differs from `taskTid` when a thread other than the leader called execve. */
  readonly oldTid: number;
}

/** A task is exiting. */
export interface SchedProcessExit extends TraceEventBase {
  readonly kind: "schedProcessExit";
  readonly taskTid: number;
  /** True for the last thread of its process; null when the kernel did not print it. */
  readonly groupDead: boolean | null;
}

/** A system call that is none of {@link TracedCall} made its thread wait, or is over now. */
export interface OtherCall extends TraceEventBase {
  readonly kind: "otherCall";
  readonly phase: "unfinished" | "resumed";
}

/** Events a replay is fed with. */
export type CauseEvent =
  | SyscallEnter
  | SyscallExit
  | PageFault
  | SchedSwitch
  | SchedMigrateTask
  | SchedProcessFork
  | SchedProcessExec
  | SchedProcessExit
  | OtherCall;

/** Reason numbers of the `tlb_flush` tracepoint. */
export const FlushReason = {
  taskSwitch: 0,
  remoteShootdown: 1,
  localShootdown: 2,
  localMmShootdown: 3,
  /** Traced before targets are filtered: never a count of interrupts. */
  remoteSend: 4,
  remoteWrongCpu: 5,
} as const;

/** The kernel flushed, or asked others to. */
export interface TlbFlush extends TraceEventBase {
  readonly kind: "tlbFlush";
  /** Pages flushed; -1 is a full flush, 0 means nothing was left to do. */
  readonly pages: number;
  /** One of {@link FlushReason}. */
  readonly reason: number;
}

/** A call was put on another CPU's queue. */
export interface CsdQueueCpu extends TraceEventBase {
  readonly kind: "csdQueueCpu";
  readonly targetCpu: number;
  readonly callsite: string;
  readonly func: string;
  /** Hashed pointer, stable within one boot. */
  readonly csd: string;
}

/** A queued call began or ended on its target; an all-zero `csd` is the initiator's own half. */
export interface CsdFunction extends TraceEventBase {
  readonly kind: "csdFunctionEntry" | "csdFunctionExit";
  readonly func: string;
  readonly csd: string;
}

/** An interrupt was sent to one CPU. */
export interface IpiSendCpu extends TraceEventBase {
  readonly kind: "ipiSendCpu";
  readonly targetCpu: number;
  readonly callsite: string;
  readonly callback: string;
}

/** An interrupt was sent to several CPUs. */
export interface IpiSendCpumask extends TraceEventBase {
  readonly kind: "ipiSendCpumask";
  /** The mask as the kernel printed it. */
  readonly cpumask: string;
  readonly callsite: string;
  readonly callback: string;
}

/** The handler of an interrupt for queued calls began or ended on this CPU. */
export interface CallInterrupt extends TraceEventBase {
  readonly kind: "callInterruptEntry" | "callInterruptExit";
  readonly vector: number;
}

/** The ring buffer overflowed here; what happened is unknown. */
export interface LostEvents extends TraceEventBase {
  readonly kind: "lostEvents";
  /** How many were lost; 0 when the kernel did not say. */
  readonly count: number;
}

/** What the kernel did: the truth a replay is compared with. */
export type DeedEvent =
  TlbFlush | CsdQueueCpu | CsdFunction | IpiSendCpu | IpiSendCpumask | CallInterrupt;

/** One line of a recording. */
export type TraceEvent = CauseEvent | DeedEvent | LostEvents;

/** Why a line was passed over by a lenient reader. */
export type SkipReason = "malformed" | "unknownEvent" | "clockBackwards";

/** Counts a reader keeps while it works; live until it ends. */
export interface TraceStats {
  /** What the recording is; null until a line has shown it. */
  format: TraceFormat | null;
  /**
   * The recording was made of this thread and its descendants only: what happens in the context of
   * other processes is missing. Null when it is of the whole machine, or does not say.
   */
  root: number | null;
  /** Lines seen, comments and blank lines included. */
  lines: number;
  /** Events delivered. */
  events: number;
  /** CPUs of the machine, as the file's own header says; 0 when it does not. */
  cpus: number;
  /** Bytes of text, after decompression. */
  bytes: number;
  /** Events the kernel said it had lost. */
  lostEvents: number;
  /** How often it said so. */
  lostMarks: number;
  /** Lenient only: lines passed over, by reason. */
  skipped: Record<SkipReason, number>;
  /** Lenient only: events kept although an earlier line on another CPU has a later time. */
  outOfOrder: number;
}
