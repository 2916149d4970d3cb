/**
 * Scenarios: small concurrent programs whose every interleaving is explored. Plain data, so that
 * one can be written as JSON as well.
 */
import type { Geometry } from "../core/geometry.js";
import type { ScriptStep } from "../kernel/image.js";
import type { Faults } from "../kernel/subscribers.js";

/** What a verdict can be. Hazards as in notifiers.md 0.5; of pinned pages: docs/pins.md. */
export const VERDICTS = [
  "SAFE",
  "UAF",
  "PT_UAF",
  "ORDER",
  "LOSTW",
  "STALE",
  "NOPROG",
  "DEADLOCK",
  "UNBAL",
  "UNPINNED",
  "FATAL",
  "LEAK",
  "INCONCLUSIVE",
] as const;

/** One of {@link VERDICTS}. */
export type Verdict = (typeof VERDICTS)[number];

/** One actor: a CPU with a thread on it, or a device. */
export interface ScenarioActor {
  /** Column head in a step table. */
  readonly name: string;
  /** Runs on this CPU, or … */
  readonly cpu?: number;
  /** … is this device. */
  readonly device?: number;
  readonly steps: readonly ScriptStep[];
}

/**
 * One turn of an exact interleaving: an actor's name, and how far it goes: through the next
 * micro-op of that name (or alias: see {@link TURN_ALIASES}), also of one page (`clear 1`);
 * `before` it; `step`: through one step of its program; `end`: all of it; `irq`: a pending
 * interrupt, handler and all; `walk PAGE` and `nmi PAGE` of a watched page, `broadcast`, `preempt`.
 */
export type Turn = readonly [actor: string, to: string];

/** Words of the spec's step tables for micro-ops. */
export const TURN_ALIASES: Readonly<Record<string, string>> = {
  range_start: "range.begin",
  range_end: "range.end",
  lock: "ptl.lock",
  unlock: "ptl.unlock",
  clear: "pte.clear",
  flush: "flush.done",
  notify: "notify.begin",
  gather: "gather.begin",
  finish: "gather.end",
  free: "gather.free",
  returns: "unmark",
};

/** Expected verdicts, by consumer, then by era; `*` stands for every other name. */
export type Expectation = Readonly<Record<string, Readonly<Record<string, Verdict>>>>;

/** See the file comment. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** Where it comes from, with its id there. */
  readonly source: string;
  /** What happens, step by step, in the words of the source. */
  readonly story: readonly string[];
  /** Sizes that differ from {@link EXPLORED_GEOMETRY}. */
  readonly geometry: Partial<Geometry>;
  /** Mapped pages of each mm, half-open, with PROT_* and VMA_* bits. */
  readonly mms: readonly {
    readonly vmas: readonly {
      readonly start: number;
      readonly end: number;
      readonly prot: number;
    }[];
  }[];
  /** mm of the thread on each CPU; null: a kernel thread. */
  readonly threads: readonly (number | null)[];
  /** mm each device is attached to; its consumer is chosen when the scenario is checked. */
  readonly devices: readonly number[];
  /** Consumer of each device that has one of its own, whatever is chosen; null: what is chosen. */
  readonly consumers?: readonly (string | null)[];
  /** Devices that have not subscribed to their mm when the programs begin. */
  readonly unsubscribed?: readonly number[];
  /** What becomes of subscribers when a bracket is refused; `fixed` by default. */
  readonly faults?: Faults;
  /** Pages whose values the ORDER oracle follows, and that may be walked speculatively. */
  readonly watch?: readonly { readonly mm: number; readonly vpn: number }[];
  /** Runs to its end, one actor after the other, before the exploration starts. */
  readonly setup: readonly ScenarioActor[];
  readonly actors: readonly ScenarioActor[];
  /** One order instead of all: these turns, and then each actor to its end. */
  readonly interleaving?: readonly Turn[];
  /** Interrupts may be delayed (default), CPUs and devices may walk at any time (default not). */
  readonly assume?: {
    readonly delayedIpi?: boolean;
    readonly speculativeWalks?: boolean;
    /** NMIs may read watched pages at any time (default not). */
    readonly nmi?: boolean;
    /** A hypervisor may preempt and resume CPUs at any time (default not). */
    readonly preempt?: boolean;
    /** Stores set dirty bits, which TLBs cache (default: nobody keeps track of what is dirty). */
    readonly dirty?: boolean;
  };
  /** Expected verdict under a sound policy. */
  readonly expect: Expectation;
  /**
   * Where the policy decides: expected verdict by policy, whatever era and consumer; `*`: others.
   * What is not named here is as `expect` says, of sound policies.
   */
  readonly expectPolicy?: Readonly<Record<string, Verdict>>;
}
