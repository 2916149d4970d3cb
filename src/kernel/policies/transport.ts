/**
 * Policies of the call-function kind, put together from knobs: when the initiator may go on, whose
 * flush comes first, what the csd carries, in which order a target drains its queue.
 */
import * as abi from "../../core/abi.js";
import { again, op, type Program, repeat, when } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { flushLocal, send, wait } from "./parts.js";

/** See docs/policies.md. */
export interface TransportKnobs {
  /**
   * When a target lets the initiator go on: never asked, when its handler starts, when the handler
   * reaches the csd, when it has flushed.
   */
  readonly ack: "none" | "entry" | "reach" | "flush";
  /** The initiator flushes its own TLB before it sends, or while the interrupts travel. */
  readonly local: "before" | "after";
  /** The csd points to the initiator's one flush_tlb_info, or carries a copy of it. */
  readonly payload: "pointer" | "inline";
  /** `fifo`: as queued; `sync-first`: those that somebody spins for come first (Linux 5.8). */
  readonly drain?: "fifo" | "sync-first";
  /** What an NMI does that would read user memory while an acknowledged flush is pending. */
  readonly guard?: "none" | "refuse" | "flush";
  /** With `ack: "reach"`: requests that free page tables are acknowledged early, too (unsafe). */
  readonly early?: "all";
}

/** What a policy has besides its knobs: name, title, source, completion levels, broken or not. */
export type TransportPolicy = Omit<FlushPolicy, "shootdown" | "handler" | "options">;

const take = (knobs: TransportKnobs) =>
  op("csq.take", {
    imm: knobs.drain === "sync-first" ? 1 : 0,
    note: "IRQ: take call queue",
  });

const run = op("csd.run", { note: "flush for the initiator" });
const unlock = op("csd.unlock", { note: "unlock csd (ack)" });

/** Keep the request, let the initiator go on, then flush. */
const runEarly: Program = [
  op("csd.reach", { note: "flush in progress: keep the request" }),
  op("csd.unlock", { note: "unlock csd (early ack)" }),
  op("csd.run.reached", { note: "flush for the initiator" }),
];

function handlerOf(knobs: TransportKnobs): Program {
  if (knobs.ack === "reach") {
    // Only asynchronous entries are unlocked before they are run.
    const more = op("csq.more");
    return [
      when(take(knobs), [
        repeat([when(op("csd.kind"), runEarly, [run, unlock]), when(more, [again])]),
      ]),
    ];
  }
  const early = knobs.ack === "entry" ? [op("csd.ack", { imm: 1, note: "ack all at entry" })] : [];
  return [when(take(knobs), [early, repeat([run, when(unlock, [again])])])];
}

function optionsOf({ ack, payload, guard = "none", early }: TransportKnobs): number {
  let options = 0;
  if (payload === "inline") options |= abi.OPT_INLINE;
  if (ack === "reach") options |= abi.OPT_ASYNC;
  if (early === "all") options |= abi.OPT_ASYNC_ALL;
  if (guard === "refuse") options |= abi.OPT_GUARD_REFUSE;
  if (guard === "flush") options |= abi.OPT_GUARD_FLUSH;
  return options;
}

/**
 * A flush policy of the call-function kind with these knobs, to be added to a catalogue. Nothing
 * keeps unsafe combinations from being put together: `check` says what they are worth.
 * Source: shootdown.md 1.3, 1.4 and the exact protocol of P2.
 */
export function transport(described: TransportPolicy, knobs: TransportKnobs): FlushPolicy {
  const away = knobs.ack === "none" ? [] : wait;
  return {
    ...described,
    shootdown: knobs.local === "before" ? [flushLocal, send, away] : [send, flushLocal, away],
    handler: handlerOf(knobs),
    options: optionsOf(knobs),
  };
}
