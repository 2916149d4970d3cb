/**
 * Flushes as the `tlb_flush` tracepoint prints them: what a machine predicts and what a recording
 * observed, each with the line that caused it.
 */
import * as abi from "../core/abi.js";
import { FlushReason, type TraceEvent } from "../traces/events.js";
import type { Deed } from "./stage.js";

/** Kinds of `tlb_flush` lines. */
export const FLUSH_KINDS = ["local", "remote", "send", "switch", "wrongCpu"] as const;
/** One of them. */
export type FlushKind = (typeof FLUSH_KINDS)[number];

/** One `tlb_flush` line, predicted or observed. */
export interface Flush {
  readonly kind: FlushKind;
  /** Thread that was current on the CPU that flushed. */
  readonly tid: number;
  /** Pages; -1 is everything. */
  readonly pages: number;
  /** The system call, fault, exit or switch it belongs to: the same text on both sides. */
  readonly cause: string;
}

/** Counts by kind. */
export interface FlushCounts {
  local: number;
  remote: number;
  /** Those of local and remote that flushed everything. */
  full: number;
  send: number;
  switch: number;
  wrongCpu: number;
  /** Calls queued to single CPUs. */
  csd: number;
  /** CPUs interrupted for them. */
  ipis: number;
}

/** No flush at all. */
export function noCounts(): FlushCounts {
  return { local: 0, remote: 0, full: 0, send: 0, switch: 0, wrongCpu: 0, csd: 0, ipis: 0 };
}

/** Adds a flush to its kind. */
export function countFlush(counts: FlushCounts, flush: Flush): void {
  counts[flush.kind]++;
  const flushes = flush.kind === "local" || flush.kind === "remote";
  if (flushes && flush.pages === -1) counts.full++;
}

function kindOf(event: Deed["event"]): FlushKind | null {
  switch (event.kind) {
    case abi.EV_FLUSH_LOCAL:
      return "local";
    case abi.EV_FLUSH_REMOTE:
      return event.code === 1 ? "wrongCpu" : "remote";
    case abi.EV_FLUSH_SEND:
      return "send";
    case abi.EV_SWITCH_FLUSH:
      return "switch";
    default:
      return null;
  }
}

/** The flush a deed of the machine is, or null. `tidOn` names the threads on other CPUs. */
export function predictedFlush(deed: Deed, tidOn: readonly number[]): Flush | null {
  const { event } = deed;
  const kind = kindOf(event);
  if (kind === null) return null;
  const tid = event.actor === deed.cpu ? deed.tid : (tidOn[event.actor] ?? 0);
  const pages = kind === "wrongCpu" ? 0 : event.a === Infinity ? -1 : event.a;
  return { kind, tid, pages, cause: deed.cause };
}

const KIND_OF_REASON: Readonly<Record<number, FlushKind>> = {
  [FlushReason.taskSwitch]: "switch",
  [FlushReason.remoteShootdown]: "remote",
  [FlushReason.localShootdown]: "local",
  [FlushReason.localMmShootdown]: "local",
  [FlushReason.remoteSend]: "send",
  [FlushReason.remoteWrongCpu]: "wrongCpu",
};

const FLUSH_FUNCTION = "flush_tlb_func";
/** The kernel prints zeros, the library of perf and trace-cmd `(nil)`. */
const NULL_CSD = /^(?:(?:0x)?0+|\(nil\))$/;
/** Where interrupts for queued calls are sent from; reschedules and others do not count. */
const CALL_SITES = /^(on_each_cpu_cond_mask|smp_call_function_many)/;

function bitsIn(mask: string): number {
  let bits = 0;
  for (const digit of mask.replace(/[^0-9a-f]/gi, "")) {
    for (let value = parseInt(digit, 16); value > 0; value >>= 1) bits += value & 1;
  }
  return bits;
}

/** CPUs named by a printed mask: hexadecimal words (`00000000,00000002`) or a list (`0-1,3`). */
function cpusIn(mask: string): number {
  if (!mask.includes("-") && /[0-9a-f]{8}|^0x|[a-f]/i.test(mask)) {
    return bitsIn(mask.replace(/^0x/, ""));
  }
  let cpus = 0;
  for (const part of mask.split(",")) {
    const [first, last] = part.split("-").map(Number);
    cpus += Number.isFinite(last) ? last - first + 1 : 1;
  }
  return cpus;
}

/** Joins the deeds of a recording with their causes. */
export class ObservedFlushes {
  readonly counts = noCounts();
  /** Lines whose reason is none of those we know: newer kernels may have more. */
  unknown = 0;
  /** Without lines of csds, what happens on a target belongs to the shootdown sent last. */
  private hasCsds = false;
  private lastSend: { cpu: number; cause: string } | null = null;
  private readonly open = new Map<number, string>();
  private readonly last = new Map<number, string>();
  private readonly exiting = new Map<number, string>();
  private readonly switches: { cause: string; prev: number; next: number }[] = [];
  /** Csd that runs on each CPU, `null` between two. */
  private readonly running: (string | null)[] = [];
  private readonly sends: string[] = [];
  private readonly queued = new Map<string, string>();

  constructor(private readonly onFlush: (flush: Flush) => void) {}

  take(event: TraceEvent): void {
    switch (event.kind) {
      case "syscallEnter":
        this.open.set(event.tid, String(event.line));
        this.last.set(event.tid, String(event.line));
        this.exiting.delete(event.tid);
        return;
      case "syscallExit":
        // A flush between two calls is nobody's but the line's it follows.
        this.last.set(event.tid, String(event.line));
        this.open.delete(event.tid);
        return;
      case "pageFaultUser":
      case "pageFaultKernel":
        this.last.set(event.tid, this.open.get(event.tid) ?? String(event.line));
        return;
      case "schedSwitch":
        this.switches[event.cpu] = {
          cause: `sw${event.line}`,
          prev: event.prevTid,
          next: event.nextTid,
        };
        if (event.prevState.startsWith("X") || event.prevState.startsWith("Z")) {
          this.forget(event.prevTid);
        }
        return;
      case "schedProcessFork":
        this.forget(event.childTid);
        return;
      case "schedProcessExit":
        this.exiting.set(event.taskTid, `exit${event.taskTid}`);
        return;
      case "csdQueueCpu":
        if (event.func !== FLUSH_FUNCTION) return;
        this.counts.csd++;
        this.queued.set(event.csd, this.sends[event.cpu] ?? "");
        return;
      case "csdFunctionEntry":
        this.hasCsds = true;
        this.running[event.cpu] = event.func === FLUSH_FUNCTION ? event.csd : null;
        return;
      case "csdFunctionExit":
        this.running[event.cpu] = null;
        return;
      case "ipiSendCpu":
        if (CALL_SITES.test(event.callsite)) this.counts.ipis++;
        return;
      case "ipiSendCpumask":
        if (CALL_SITES.test(event.callsite)) this.counts.ipis += cpusIn(event.cpumask);
        return;
      case "tlbFlush":
        this.flush(event.cpu, event.tid, event.pages, event.reason);
        return;
      default:
        return;
    }
  }

  private forget(tid: number): void {
    this.open.delete(tid);
    this.last.delete(tid);
    this.exiting.delete(tid);
  }

  private flush(cpu: number, tid: number, pages: number, reason: number): void {
    const kind = KIND_OF_REASON[reason];
    if (kind === undefined) {
      this.unknown++;
      return;
    }
    const csd = this.running[cpu] ?? null;
    let cause = this.exiting.get(tid) ?? this.open.get(tid) ?? this.last.get(tid) ?? "";
    const last = this.switches[cpu];
    if (csd !== null && !NULL_CSD.test(csd)) {
      cause = this.queued.get(csd) ?? cause;
    } else if (kind === "switch" && csd === null && last?.prev === tid && last.next !== tid) {
      cause = last.cause;
    }
    if (!this.hasCsds && (kind === "remote" || kind === "wrongCpu")) {
      if (this.lastSend !== null && this.lastSend.cpu !== cpu) cause = this.lastSend.cause;
    }
    if (kind === "send") {
      this.sends[cpu] = cause;
      this.lastSend = { cpu, cause };
    }
    const flush: Flush = { kind, tid, pages, cause };
    countFlush(this.counts, flush);
    this.onFlush(flush);
  }
}
