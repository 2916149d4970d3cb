/**
 * Flush policies: how a flush request travels to the other CPUs, and what a target does with it.
 * *When* a flush is requested is the operation's and the era's business. A policy is data: two
 * short programs. Adding one is one file like those in `policies/`, and its registration.
 */
import type { Program, Reg } from "../program/notation.js";
import type { Completions } from "./completion.js";
import type { Deferral } from "./defers.js";

/** How shootdowns are carried out. */
export interface FlushPolicy {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /** A deliberately broken variant, there to be caught. */
  readonly mutant: boolean;
  /**
   * The initiator's part, when the cpumask holds another CPU. The request is in this CPU's info;
   * afterwards the policy's completion level must hold (shootdown.md 1.1).
   */
  readonly shootdown: Program;
  /** The target's call-function interrupt handler. */
  readonly handler: Program;
  /** What holds on every other CPU when a request has returned. */
  readonly completes: Completions;
  /**
   * Reclaim defers its flushes and does them in one (shootdown.md 1.7). `checked`: whoever changes
   * entries of that mm meanwhile flushes first. `unchecked` and `unforced` are broken: nobody
   * looks, or pages are written out before the flush.
   */
  readonly batching?: "checked" | "unchecked" | "unforced";
  /**
   * Unmapped frames are parked until all CPUs have flushed. `withheld`: nor is their address range
   * given out again meanwhile; `reused`, which is broken: it is.
   */
  readonly parks?: "withheld" | "reused";
  /** Reclaim and migration put flushes off until a frame leaves the free list. */
  readonly defers?: Deferral;
  /**
   * mprotect asks for a flush only where rights were lost: who has too few walks again. `gone`,
   * which is broken: only where an entry is not present any more.
   */
  readonly filter?: "lost" | "gone";
  /**
   * Unmapped pages are flushed only where they were accessed. `flushed`: clearing accessed bits is
   * followed by a flush; `unflushed` and `flushed-before`, which are broken: it is not.
   */
  readonly accessed?: "flushed" | "unflushed" | "flushed-before";
  /**
   * How copy-on-write flushes, its own entry apart: what tells the others, and what displaces the
   * own one when the copy is mapped.
   */
  readonly copyOnWrite?: {
    readonly others: Program;
    readonly displace: (vpn: Reg) => Program;
  };
  /** Every request is for everything: nobody looks at ranges. */
  readonly fullOnly?: boolean;
  /** OPT_* bits it adds to the machine's: target filter, payload, guard. */
  readonly options?: number;
}
