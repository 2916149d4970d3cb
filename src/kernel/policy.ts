/**
 * Flush policies: how a flush request travels to the other CPUs, and what a target does with it.
 * *When* a flush is requested is the operation's and the era's business. A policy is data: two
 * short programs. Adding one is one file like those in `policies/`, and its registration.
 */
import type { Program, Reg } from "../program/notation.js";
import type { Completions } from "./completion.js";
import type { Deferral } from "./defers.js";

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
   * entries of that mm meanwhile flushes first. `issued`: each is broadcast at once, and what is
   * put off is the wait for them. The others are broken: nobody looks (`unchecked`); pages are
   * written out before the flush (`unforced`); a reclaim inside another one forgets what that has
   * deferred (`reset`); as `issued`, but whoever looks waits for its own broadcasts only
   * (`barrier`).
   */
  readonly batching?: "checked" | "issued" | "unchecked" | "unforced" | "reset" | "barrier";
  /**
   * Unmapped frames are parked until all CPUs have flushed. `withheld`: nor is their address range
   * given out again meanwhile; `reused`, which is broken: it is.
   */
  readonly parks?: "withheld" | "reused";
  /**
   * With `parks`: what reclaim frees is parked, too. `swept`: written out when all have swept, and
   * whoever changes or faults in the page waits for that. Broken: `refaulted`, nobody waits;
   * `written`, it is written out before.
   */
  readonly swaps?: "swept" | "refaulted" | "written";
  /**
   * TLB entries drop themselves when their lifetime is over. `outlasted`: what they translate is
   * withheld for the longest lifetime. Broken: `cut-short`, for less; `renewed`, an entry that is
   * used begins to live anew.
   */
  readonly lifetimes?: "outlasted" | "cut-short" | "renewed";
  /** Reclaim and migration put flushes off until a frame leaves the free list. */
  readonly defers?: Deferral;
  /**
   * mprotect asks for a flush only where rights were lost: who has too few walks again. `gone`,
   * which is broken: only where an entry is not present any more.
   */
  readonly filter?: "lost" | "gone";
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
  /** INFO_* bits that each of its requests carries besides: how targets treat generations. */
  readonly info?: number;
  /** Idle CPUs poll for work, so that nobody has to interrupt them. */
  readonly polls?: boolean;
  /**
   * The machine has one space of ASIDs for all CPUs, which rolls over (assembly/asid.ts). Requests
   * name an ASID: they have to be broadcasts, also where no other CPU is in the cpumask. `flushed`:
   * each CPU flushes before it uses an ASID of a new generation. Broken: `unflushed`, it does not;
   * `unreserved`, what CPUs use is given away; `unpinned`, what devices use is; `blind`, a switch
   * without the lock does not look whether a rollover came in between; `exchanged`, it does, but
   * its ASID is the active one before it has the lock; `named`, requests name the ASID of before
   * their entries were cleared.
   */
  readonly asids?:
    "flushed" | "unflushed" | "unreserved" | "unpinned" | "blind" | "exchanged" | "named";
  /** The machine has page-table isolation: kernel and user halves (policies/isolated.ts). */
  readonly isolation?: Isolation;
  /** Pages (of the stride): longer ranges are flushed whole, unless a geometry says otherwise. */
  readonly ceiling?: number;
  /** OPT_* bits it adds to the machine's: target filter, payload, guard. */
  readonly options?: number;
}
