/**
 * How long madvise, mprotect and munmap took, by the pages they flushed and whether other CPUs had
 * to be told. Calls that lost their CPU, took an interrupt for a shootdown, or failed do not count.
 */
import { FlushReason, type TlbFlush, type TraceEvent } from "../traces/events.js";
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
  outstanding: number;
  /** The last flush that it waited for: its own, or a target's. */
  flushedNs: number;
  disturbed: boolean;
}

/** Durations of one kind of call. */
export interface CallSample {
  readonly call: MeasuredCall;
  readonly flush: CallFlush;
  /** Pages its own CPU flushed; -1 everything, 0 nothing. */
  readonly pages: number;
  readonly sample: Sample;
  /** From its last flush to its return: its own flush, or the last target's. */
  readonly rest: Sample;
}

function measured(call: string): call is MeasuredCall {
  return (MEASURED_CALLS as readonly string[]).includes(call);
}

/** Collects them. */
export class CallTimings {
  private readonly open = new Map<number, Open>();
  private readonly samples = new Map<string, CallSample>();
  /** Who waits for a csd. */
  private readonly waiting = new Map<string, Open>();

  constructor(private readonly dice: Dice) {}

  /** The next line of the recording. */
  event(event: TraceEvent): void {
    switch (event.kind) {
      case "lostEvents":
        this.open.clear();
        this.waiting.clear();
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
          outstanding: 0,
          flushedNs: -1,
          disturbed: false,
        });
        return;
      case "syscallExit": {
        const call = this.open.get(event.tid);
        this.open.delete(event.tid);
        if (call === undefined || call.call !== event.call || call.disturbed) return;
        if (event.errno === 0) this.add(call, event.timeNs);
        return;
      }
      case "schedSwitch":
        this.disturb(event.prevTid);
        return;
      case "csdQueueCpu": {
        const call = this.open.get(event.tid);
        if (call === undefined) return;
        call.queued++;
        call.outstanding++;
        this.waiting.set(event.csd, call);
        return;
      }
      case "csdFunctionExit": {
        const call = this.waiting.get(event.csd);
        if (call === undefined) return;
        this.waiting.delete(event.csd);
        call.outstanding--;
        call.flushedNs = Math.max(call.flushedNs, event.timeNs);
        return;
      }
      case "tlbFlush":
        this.flushed(event);
    }
  }

  private disturb(tid: number): void {
    const call = this.open.get(tid);
    if (call !== undefined) call.disturbed = true;
  }

  private flushed({ tid, pages, reason, timeNs }: TlbFlush): void {
    const call = this.open.get(tid);
    if (call === undefined) return;
    if (reason === FlushReason.remoteShootdown || reason === FlushReason.remoteWrongCpu) {
      call.disturbed = true;
    }
    const own = reason === FlushReason.localMmShootdown || reason === FlushReason.localShootdown;
    if (!own) return;
    call.flushes++;
    call.flushedNs = Math.max(call.flushedNs, timeNs);
    call.pages = pages === -1 || call.pages === -1 ? -1 : call.pages + pages;
  }

  private add(call: Open, timeNs: number): void {
    // Several flushes in one call are several gathers: their number of pages says little.
    if (call.flushes > 1) return;
    const flush = call.queued > 0 ? "shootdown" : call.flushes > 0 ? "local" : "none";
    const key = `${call.call} ${flush} ${call.pages}`;
    let known = this.samples.get(key);
    if (known === undefined) {
      const [sample, rest] = [new Sample(this.dice), new Sample(this.dice)];
      known = { call: call.call, flush, pages: call.pages, sample, rest };
      this.samples.set(key, known);
    }
    known.sample.add(timeNs - call.sinceNs);
    if (call.flushedNs >= 0 && call.outstanding === 0) known.rest.add(timeNs - call.flushedNs);
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
