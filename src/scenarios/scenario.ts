/**
 * Scenarios: small concurrent programs whose every interleaving is explored. Plain data, so that
 * one can be written as JSON as well.
 */
import type { Geometry } from "../core/geometry.js";
import type { ScriptStep } from "../kernel/image.js";

/** What a verdict can be. Hazards as in notifiers.md 0.5. */
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
  /** Pages whose values the ORDER oracle follows, and that may be walked speculatively. */
  readonly watch?: readonly { readonly mm: number; readonly vpn: number }[];
  /** Runs to its end, one actor after the other, before the exploration starts. */
  readonly setup: readonly ScenarioActor[];
  readonly actors: readonly ScenarioActor[];
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
