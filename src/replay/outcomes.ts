/**
 * Look-ahead: a system call's effect happens where it is entered, but whether it had any is known
 * only where it returns. Events are held back until the calls before them have returned, at most
 * HELD of them; a call that is still open then counts as successful.
 */
import type { SyscallEnter, SyscallExit, TraceEvent } from "../traces/events.js";

const HELD = 16_384;

/** A cause or deed with the outcome of its call, where it is one. */
export interface Resolved {
  readonly event: TraceEvent;
  /** For an entry: its exit, if that was seen in time. */
  exit?: SyscallExit;
  /** For an exit: its entry. */
  enter?: SyscallEnter;
}

interface Held extends Resolved {
  open: boolean;
}

/** Pairs entries with exits, in order, with bounded memory. */
export async function* withOutcomes(
  batches: AsyncIterable<TraceEvent[]>,
): AsyncGenerator<Resolved[]> {
  const open = new Map<number, Held>();
  let queue: Held[] = [];
  for await (const batch of batches) {
    for (const event of batch) {
      const held: Held = { event, open: false };
      if (event.kind === "syscallEnter") {
        held.open = event.call !== "exit" && event.call !== "exit_group";
        open.set(event.tid, held);
      } else if (event.kind === "syscallExit") {
        const enter = open.get(event.tid);
        if (enter && (enter.event as SyscallEnter).call === event.call) {
          enter.exit = event;
          enter.open = false;
          held.enter = enter.event as SyscallEnter;
          open.delete(event.tid);
        }
      }
      queue.push(held);
    }
    let ready = queue.findIndex((held) => held.open);
    if (ready < 0) ready = queue.length;
    if (queue.length - ready > HELD) ready = queue.length - HELD;
    if (ready > 0) {
      yield queue.slice(0, ready);
      queue = queue.slice(ready);
    }
  }
  if (queue.length > 0) yield queue;
}
