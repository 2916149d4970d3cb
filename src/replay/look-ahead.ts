/**
 * Causes of a recording in order, with the exit of each system call known at its entry: a failed
 * call has no effect, and only the exit says so. The window is bounded; a call that blocks for
 * longer than it is taken to succeed.
 */
import type { SyscallEnter, SyscallExit, TraceEvent } from "../traces/events.js";

/** Events between a call's entry and the place up to which its exit is looked for. */
export const LOOK_AHEAD = 8192;

/** The queued call that hands a CPU threads which were woken up elsewhere. */
const WAKE_UP = "sched_ttwu_pending";

/** An event, and for an entry the exit that belongs to it, if it came in time. */
export interface Ahead {
  readonly event: TraceEvent;
  readonly exit: SyscallExit | null;
  /** How often an entry's thread then sleeps uninterruptibly, as it does for a lock. */
  readonly waits: number;
  /** An entry's thread is switched away before it has made another thread, or returned. */
  readonly leaves: boolean;
  /** The next event that is no deed, if it is known. */
  readonly next: TraceEvent | null;
  /**
   * The event wakes an idle CPU up, whose switch to this thread is not in the recording: its next
   * event there is.
   */
  readonly wakes: TraceEvent | null;
}

/** What the kernel did: see docs/replay.md. */
const DEEDS: ReadonlySet<string> = new Set<TraceEvent["kind"]>([
  "tlbFlush",
  "csdQueueCpu",
  "csdFunctionEntry",
  "csdFunctionExit",
  "ipiSendCpu",
  "ipiSendCpumask",
  "callInterruptEntry",
  "callInterruptExit",
]);

/** Is it something the kernel did about a cause? */
export function isDeed(event: TraceEvent): boolean {
  return DEEDS.has(event.kind) && !isWakeUp(event);
}

function isWakeUp(event: TraceEvent): boolean {
  return event.kind === "csdFunctionEntry" && event.func === WAKE_UP && event.tid === 0;
}

/** See {@link Ahead.wakes}. */
function wokenBy(event: TraceEvent, queue: readonly TraceEvent[], from: number): TraceEvent | null {
  if (!isWakeUp(event)) return null;
  for (let at = from; at < queue.length; at++) {
    const next = queue[at];
    if (next.cpu !== event.cpu || DEEDS.has(next.kind)) continue;
    return next.tid === 0 ? null : next;
  }
  return null;
}

/** Feeds `take` with every event of `batches`, {@link LOOK_AHEAD} events behind the reader. */
export async function withExits(
  batches: AsyncIterable<readonly TraceEvent[]>,
  take: (ahead: Ahead) => void,
): Promise<void> {
  let queue: TraceEvent[] = [];
  let head = 0;
  /** Where the next event is that is no deed. */
  let ahead = 0;
  const open = new Map<number, SyscallEnter>();
  const exits = new Map<SyscallEnter, SyscallExit>();
  const waiting = new Map<SyscallEnter, number>();
  const leaving = new Set<SyscallEnter>();
  /** Open calls that have made another thread. */
  const made = new Set<SyscallEnter>();
  const pass = (keep: number): void => {
    while (queue.length - head > keep) {
      const event = queue[head++];
      let exit: SyscallExit | null = null;
      let waits = 0;
      let leaves = false;
      if (event.kind === "syscallEnter") {
        leaves = leaving.delete(event);
        made.delete(event);
        exit = exits.get(event) ?? null;
        exits.delete(event);
        waits = waiting.get(event) ?? 0;
        waiting.delete(event);
        if (open.get(event.tid) === event) open.delete(event.tid);
      }
      if (isDeed(event)) {
        take({ event, exit, waits, leaves, next: null, wakes: null });
        continue;
      }
      if (ahead < head) ahead = head;
      while (ahead < queue.length && isDeed(queue[ahead])) ahead++;
      const wakes = wokenBy(event, queue, head);
      take({ event, exit, waits, leaves, next: queue[ahead] ?? null, wakes });
    }
    if (head > LOOK_AHEAD) {
      queue = queue.slice(head);
      ahead = Math.max(0, ahead - head);
      head = 0;
    }
  };
  for await (const batch of batches) {
    for (const event of batch) {
      queue.push(event);
      if (event.kind === "syscallEnter") open.set(event.tid, event);
      else if (event.kind === "syscallExit") {
        const enter = open.get(event.tid);
        if (enter !== undefined && enter.call === event.call) exits.set(enter, event);
        open.delete(event.tid);
      } else if (event.kind === "schedProcessFork") {
        const enter = open.get(event.tid);
        if (enter !== undefined) made.add(enter);
      } else if (event.kind === "schedSwitch") {
        const enter = open.get(event.prevTid);
        if (enter === undefined) continue;
        if (!made.has(enter)) leaving.add(enter);
        if (event.prevState.startsWith("D")) waiting.set(enter, (waiting.get(enter) ?? 0) + 1);
      }
    }
    pass(LOOK_AHEAD);
  }
  pass(0);
}
