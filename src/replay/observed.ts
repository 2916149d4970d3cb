/** What the recorded kernel did: its flush lines with their causes, and its real interrupts. */
import { FlushReason, type TraceEvent } from "../traces/events.js";
import type { Flush, FlushKind } from "./prediction.js";

const KINDS: Readonly<Record<number, FlushKind>> = {
  [FlushReason.taskSwitch]: "switch",
  [FlushReason.remoteShootdown]: "remote",
  [FlushReason.localShootdown]: "local",
  [FlushReason.localMmShootdown]: "local",
  [FlushReason.remoteSend]: "send",
  [FlushReason.remoteWrongCpu]: "wrongCpu",
};

const FLUSH_FUNCTION = /^flush_tlb_func/;
const NO_CSD = /^0+$/;

interface Switch {
  readonly cause: string;
  readonly prev: number;
  readonly next: number;
}

/** Collects deeds; feed it every event in order. */
export class Observer {
  readonly flushes: Flush[] = [];
  /** Requests really queued to other CPUs for flushing. */
  csd = 0;
  private readonly open = new Map<number, string>();
  private readonly last = new Map<number, string>();
  private readonly exiting = new Map<number, string>();
  private readonly switches: (Switch | undefined)[] = [];
  private readonly serving: (string | undefined)[] = [];
  /** Cause of the newest request a csd was queued for, by csd; and the newest of all. */
  private readonly causeOfCsd = new Map<string, string>();
  private lastSend: string[] = [];

  see(event: TraceEvent): void {
    switch (event.kind) {
      case "syscallEnter":
        this.open.set(event.tid, `${event.line}`);
        this.last.set(event.tid, `${event.line}`);
        return;
      case "syscallExit":
        this.last.set(event.tid, `${event.line}`);
        if (event.call !== "exit") this.open.delete(event.tid);
        return;
      case "pageFaultUser":
      case "pageFaultKernel":
        this.last.set(event.tid, this.open.get(event.tid) ?? `${event.line}`);
        return;
      case "schedSwitch":
        this.switches[event.cpu] = {
          cause: `switch ${event.line}`,
          prev: event.prevTid,
          next: event.nextTid,
        };
        return;
      case "schedProcessExit":
        this.exiting.set(event.taskTid, `exit ${event.line}`);
        return;
      case "schedProcessFork":
        this.exiting.delete(event.childTid);
        this.open.delete(event.childTid);
        return;
      case "csdQueueCpu":
        if (!FLUSH_FUNCTION.test(event.func)) return;
        this.csd++;
        this.causeOfCsd.set(event.csd, this.causeOf(event.tid));
        return;
      case "csdFunctionEntry":
        this.serving[event.cpu] = FLUSH_FUNCTION.test(event.func) ? event.csd : undefined;
        return;
      case "csdFunctionExit":
        this.serving[event.cpu] = undefined;
        return;
      case "tlbFlush":
        this.flush(event.cpu, event.tid, event.reason, event.pages);
        return;
      default:
        return;
    }
  }

  private causeOf(tid: number): string {
    return this.exiting.get(tid) ?? this.open.get(tid) ?? this.last.get(tid) ?? "start";
  }

  private flush(cpu: number, tid: number, reason: number, pages: number): void {
    const kind = KINDS[reason];
    if (!kind) return;
    let cause = this.causeOf(tid);
    const serving = this.serving[cpu];
    const away = serving !== undefined && !NO_CSD.test(serving);
    const change = this.switches[cpu];
    if (
      kind === "switch" &&
      serving === undefined &&
      !this.open.has(tid) &&
      !this.exiting.has(tid) &&
      change?.prev === tid &&
      change.next !== tid
    ) {
      cause = change.cause;
    }
    if (kind === "send") this.lastSend[cpu] = cause;
    if (away) {
      const other = this.lastSend.find((_, c) => c !== cpu && this.lastSend[c] !== undefined);
      cause = this.causeOfCsd.get(serving) ?? other ?? cause;
    }
    this.flushes.push({ kind, tid, cause, pages });
  }
}
