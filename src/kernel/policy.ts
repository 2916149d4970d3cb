/**
 * Flush policies: how a flush request travels to the other CPUs, and what a target does with it.
 * *When* a flush is requested is the operation's and the era's business. A policy is data: two
 * short programs. Adding one is one file like those in `policies/`, and its registration.
 */
import type { Program } from "../program/notation.js";
import type { Completions } from "./completion.js";

/** How the two halves of an isolated machine are left and loaded (shootdown.md 1.2). */
export interface Isolation {
  /** On the way back to user mode, from system calls, faults and context switches. */
  readonly exit: Program;
  /** INFO_* bits of every flush request. */
  readonly info: number;
  /** INFO_* bits of every flush of kernel pages. */
  readonly kernelInfo: number;
}

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
  /** The same when the cpumask holds no other CPU; a flush here if the mm is loaded, by default. */
  readonly alone?: Program;
  /** Both for the last flush of an address space that goes, if that is different. */
  readonly last?: Program;
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
  /** Every request is for everything: nobody looks at ranges. */
  readonly fullOnly?: boolean;
  /** Idle CPUs poll for work, so that nobody has to interrupt them. */
  readonly polls?: boolean;
  /** The machine has page-table isolation: kernel and user halves (policies/isolated.ts). */
  readonly isolation?: Isolation;
  /** Pages (of the stride): longer ranges are flushed whole, unless a geometry says otherwise. */
  readonly ceiling?: number;
  /** OPT_* bits it adds to the machine's: target filter, payload, guard. */
  readonly options?: number;
}
