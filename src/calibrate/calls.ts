/**
 * How long madvise, mprotect and munmap took, by the pages they flushed and whether other CPUs had
 * to be told. Calls that lost their CPU, took an interrupt for a shootdown, or failed do not count.
 */
import { FlushReason, type TraceEvent } from "../traces/events.js";
import { type Dice, Sample } from "./sample.js";

/** The calls that are measured. */
export const MEASURED_CALLS = ["madvise", "mprotect", "munmap"] as const;
/** One of them. */
export type MeasuredCall = (typeof MEASURED_CALLS)[number];

/** What a call did about TLBs. */
export type CallFlush = "none" | "local" | "shootdown";

interface Open {
  readonly call: MeasuredCall;
  readonly sinceNs: number;
  pages: number;
  flushes: number;
  queued: number;
  disturbed: boolean;
}

/** Durations of one kind of call. */
export interface CallSample {
  readonly call: MeasuredCall;
  readonly flush: CallFlush;
  /** Pages its own CPU flushed; -1 everything, 0 nothing. */
  readonly pages: number;
  readonly sample: Sample;
}

function measured(call: string): call is MeasuredCall {
  return (MEASURED_CALLS as readonly string[]).includes(call);
}

/** Collects them. */
export class CallTimings {
  private readonly open = new Map<number, Open>();
  private readonly samples = new Map<string, CallSample>();

  constructor(private readonly dice: Dice) {}

  /** The next line of the recording. */
  event(event: TraceEvent): void {
    switch (event.kind) {
      case "lostEvents":
        this.open.clear();
        return;
      case "syscallEnter":
        this.open.delete(event.tid);
        if (!measured(event.call)) return;
        this.open.set(event.tid, {
          call: event.call,
          sinceNs: event.timeNs,
          pages: 0,
          flushes: 0,
          queued: 0,
          disturbed: false,
        });
        return;
      case "syscallExit": {
        const call = this.open.get(event.tid);
        this.open.delete(event.tid);
        if (call === undefined || call.call !== event.call || call.disturbed) return;
        if (event.errno === 0) this.add(call, event.timeNs - call.sinceNs);
        return;
      }
      case "schedSwitch":
        this.disturb(event.prevTid);
        return;
      case "csdQueueCpu": {
        const call = this.open.get(event.tid);
        if (call !== undefined) call.queued++;
        return;
      }
      case "tlbFlush":
        this.flushed(event.tid, event.pages, event.reason);
    }
  }

  private disturb(tid: number): void {
    const call = this.open.get(tid);
    if (call !== undefined) call.disturbed = true;
  }

  private flushed(tid: number, pages: number, reason: number): void {
    const call = this.open.get(tid);
    if (call === undefined) return;
    if (reason === FlushReason.remoteShootdown || reason === FlushReason.remoteWrongCpu) {
      call.disturbed = true;
    }
    const own = reason === FlushReason.localMmShootdown || reason === FlushReason.localShootdown;
    if (!own) return;
    call.flushes++;
    call.pages = pages === -1 || call.pages === -1 ? -1 : call.pages + pages;
  }

  private add(call: Open, ns: number): void {
    // Several flushes in one call are several gathers: their number of pages says little.
    if (call.flushes > 1) return;
    const flush = call.queued > 0 ? "shootdown" : call.flushes > 0 ? "local" : "none";
    const key = `${call.call} ${flush} ${call.pages}`;
    let known = this.samples.get(key);
    if (known === undefined) {
      known = { call: call.call, flush, pages: call.pages, sample: new Sample(this.dice) };
      this.samples.set(key, known);
    }
    known.sample.add(ns);
  }

  /** By call, then what was flushed, then pages. */
  list(): CallSample[] {
    const order = ["none", "local", "shootdown"];
    return [...this.samples.values()].sort(
      (a, b) =>
        MEASURED_CALLS.indexOf(a.call) - MEASURED_CALLS.indexOf(b.call) ||
        order.indexOf(a.flush) - order.indexOf(b.flush) ||
        a.pages - b.pages,
    );
  }
}
