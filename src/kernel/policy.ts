/**
 * Flush policies: how a flush request travels to the other CPUs, and what a target does with it.
 * *When* a flush is requested is the operation's and the era's business. A policy is data: two
 * short programs. Adding one is one file like those in `policies/`, and its registration.
 */
import type { Program } from "../program/notation.js";
import type { Completions } from "./completion.js";

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
  /**
   * Nodes, or CPUs, have page tables of their own: a fault copies what it needs. `tracked`: whoever
   * copies is told of changes from before. Broken: `late`, from some time after; `alone`, but
   * nobody else is any longer.
   */
  readonly copies?: "tracked" | "late" | "alone";
  /**
   * The machine has a TLB directory. `inclusive`: an entry that makes room is dropped from the TLBs
   * it names; `silent`, which is broken: it is not.
   */
  readonly directory?: "inclusive" | "silent";
  /** CPUs of a node where the profile has no sockets; 1 by default. */
  readonly nodeCpus?: number;
  /** Lazy mark and queue head, csd and flush info, share a cache line each: prices only. */
  readonly consolidates?: boolean;
  /** Every request is for everything: nobody looks at ranges. */
  readonly fullOnly?: boolean;
  /** OPT_* bits it adds to the machine's: target filter, payload, guard. */
  readonly options?: number;
}
