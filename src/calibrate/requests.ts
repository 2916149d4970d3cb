/**
 * What a recording's csd, ipi and tlb lines say about the parts of a shootdown.
 *
 * A request is everything between "remote IPI send" on a CPU and the next line of that thread
 * behind it. A half is one run of flush_tlb_func between csd_function_entry and _exit, on the
 * initiator (csd all zeros) or a target. After lost events nothing that is open counts.
 */
import { type CsdFunction, FlushReason, type TraceEvent } from "../traces/events.js";
import type { Point } from "./line-fit.js";
import { type Dice, Sample } from "./sample.js";

const FUNCTION = /^flush_tlb_func/;
/** Of an interrupt for queued calls; others are for the scheduler. */
const CALLBACK = /call_function/;
/** The initiator's own half has no csd. */
const NO_CSD = /^0*$/;
const POINTS_KEPT = 8192;

interface Request {
  readonly tid: number;
  queuedNs: number;
  targets: number;
  ipiNs: number;
  ownExitNs: number;
  remoteExitNs: number;
  outstanding: number;
}

interface Half {
  readonly entryNs: number;
  readonly request: Request | null;
  readonly own: boolean;
  pages: number | null;
  /** It did something else than flush: a lazy CPU left its mm. */
  other: boolean;
}

interface Pending {
  readonly request: Request;
  readonly queuedNs: number;
}

/** Collects durations, ns, each from one stamp to another. */
export class RequestTimings {
  /** First csd_queue_cpu to ipi_send, by target. */
  readonly csd: Sample;
  readonly enqueueToIpi: Sample;
  /** ipi_send to the entry of the initiator's own half: what the ICR write keeps it busy. */
  readonly ipiToOwn: Sample;
  readonly enqueueToOwn: Sample;
  readonly enqueueToRemote: Sample;
  readonly ipiToRemote: Sample;
  /** Entry to exit of a target's half, whatever it flushed. */
  readonly remoteHalf: Sample;
  /** The same where nothing was left to do. */
  readonly emptyHalf: Sample;
  readonly fullHalf: Sample;
  /** Last target's exit to the initiator's next line: the ack, and what follows it. */
  readonly exitToNext: Sample;
  /** Ranged halves of initiators and targets. */
  readonly ranged: Point[] = [];
  rangedSeen = 0;
  /** Halves of lazy CPUs, which are no flushes. */
  others = 0;

  private readonly requests = new Map<number, Request>();
  private readonly halves = new Map<number, Half>();
  private readonly pending = new Map<string, Pending>();

  constructor(private readonly dice: Dice) {
    this.csd = new Sample(dice);
    this.enqueueToIpi = new Sample(dice);
    this.ipiToOwn = new Sample(dice);
    this.enqueueToOwn = new Sample(dice);
    this.enqueueToRemote = new Sample(dice);
    this.ipiToRemote = new Sample(dice);
    this.remoteHalf = new Sample(dice);
    this.emptyHalf = new Sample(dice);
    this.fullHalf = new Sample(dice);
    this.exitToNext = new Sample(dice);
  }

  /** The next line of the recording. */
  event(event: TraceEvent): void {
    this.closeBehind(event);
    switch (event.kind) {
      case "lostEvents":
        this.requests.clear();
        this.halves.clear();
        this.pending.clear();
        return;
      case "tlbFlush":
        if (event.reason === FlushReason.remoteSend) this.open(event.cpu, event.tid);
        else this.flushed(event.cpu, event.pages, event.reason);
        return;
      case "csdQueueCpu": {
        if (!FUNCTION.test(event.func)) return;
        const request = this.queueing(event.cpu) ?? this.open(event.cpu, event.tid);
        if (request.targets === 0) request.queuedNs = event.timeNs;
        request.targets++;
        request.outstanding++;
        this.pending.set(event.csd, { request, queuedNs: event.timeNs });
        return;
      }
      case "ipiSendCpu":
      case "ipiSendCpumask":
        if (CALLBACK.test(event.callback)) this.sent(event.cpu, event.timeNs);
        return;
      case "csdFunctionEntry":
        if (FUNCTION.test(event.func)) this.entered(event);
        return;
      case "csdFunctionExit":
        if (FUNCTION.test(event.func)) this.left(event);
    }
  }

  private open(cpu: number, tid: number): Request {
    const request: Request = {
      tid,
      queuedNs: -1,
      targets: 0,
      ipiNs: -1,
      ownExitNs: -1,
      remoteExitNs: -1,
      outstanding: 0,
    };
    this.requests.set(cpu, request);
    return request;
  }

  /** The request that may still queue calls: not one that was sent, or is over. */
  private queueing(cpu: number): Request | null {
    const request = this.requests.get(cpu);
    if (request === undefined || request.ipiNs >= 0) return null;
    return request.targets > 0 && request.outstanding === 0 ? null : request;
  }

  /** A line of the initiator that is not part of its request ends the wait, or tells of nothing. */
  private closeBehind(event: TraceEvent): void {
    if (event.kind === "lostEvents") return;
    const request = this.requests.get(event.cpu);
    if (request === undefined) return;
    const isOfShootdowns =
      event.kind === "csdQueueCpu" ||
      event.kind === "ipiSendCpu" ||
      event.kind === "ipiSendCpumask" ||
      event.kind === "csdFunctionEntry" ||
      event.kind === "csdFunctionExit" ||
      (event.kind === "tlbFlush" && event.reason !== FlushReason.remoteSend);
    if (isOfShootdowns) return;
    this.requests.delete(event.cpu);
    const waited = request.targets > 0 && request.outstanding === 0;
    if (!waited || request.remoteExitNs < request.ownExitNs) return;
    if (event.tid === request.tid && event.kind !== "schedSwitch") {
      this.exitToNext.add(event.timeNs - request.remoteExitNs);
    }
  }

  private sent(cpu: number, timeNs: number): void {
    const request = this.requests.get(cpu);
    if (request === undefined || request.targets === 0 || request.ipiNs >= 0) return;
    request.ipiNs = timeNs;
    const ns = timeNs - request.queuedNs;
    this.enqueueToIpi.add(ns);
    this.csd.add(ns / request.targets);
  }

  private entered({ cpu, timeNs, csd }: CsdFunction): void {
    if (NO_CSD.test(csd)) {
      const request = this.requests.get(cpu) ?? null;
      this.halves.set(cpu, { entryNs: timeNs, request, own: true, pages: null, other: false });
      if (request === null || request.targets === 0) return;
      this.enqueueToOwn.add(timeNs - request.queuedNs);
      if (request.ipiNs >= 0) this.ipiToOwn.add(timeNs - request.ipiNs);
      return;
    }
    const pending = this.pending.get(csd);
    const request = pending?.request ?? null;
    this.halves.set(cpu, { entryNs: timeNs, request, own: false, pages: null, other: false });
    if (pending === undefined || request === null) return;
    this.enqueueToRemote.add(timeNs - pending.queuedNs);
    if (request.ipiNs >= 0) this.ipiToRemote.add(timeNs - request.ipiNs);
  }

  private flushed(cpu: number, pages: number, reason: number): void {
    const half = this.halves.get(cpu);
    if (half === undefined) return;
    half.pages = pages;
    if (reason === FlushReason.taskSwitch) half.other = true;
  }

  private left({ cpu, timeNs, csd }: CsdFunction): void {
    const half = this.halves.get(cpu);
    const own = NO_CSD.test(csd);
    if (half === undefined || half.own !== own) return;
    this.halves.delete(cpu);
    const ns = timeNs - half.entryNs;
    if (!own) this.remoteHalf.add(ns);
    if (half.other) this.others++;
    else if (half.pages === -1) this.fullHalf.add(ns);
    else if (half.pages === null || half.pages === 0) this.emptyHalf.add(ns);
    else this.point({ pages: half.pages, ns });
    const { request } = half;
    if (request === null) return;
    if (own) {
      request.ownExitNs = timeNs;
      return;
    }
    request.remoteExitNs = Math.max(request.remoteExitNs, timeNs);
    request.outstanding--;
    this.pending.delete(csd);
  }

  private point(point: Point): void {
    this.rangedSeen++;
    if (this.ranged.length < POINTS_KEPT) {
      this.ranged.push(point);
      return;
    }
    const at = this.dice.below(this.rangedSeen);
    if (at < POINTS_KEPT) this.ranged[at] = point;
  }
}
