/**
 * Consumers: what sits behind a secondary MMU, as the programs of its hooks and of its own
 * accesses (notifiers.md 4). Adding one is one file like those in `consumers/`.
 */
import type { Program, Reg } from "../program/notation.js";
import type { Hooks } from "./era.js";

/** Callbacks of an interval subscriber (notifiers.md 1.1). They run in whoever opens a bracket. */
export interface IntervalHooks {
  readonly invalidate: Program;
  /** Second pass over those whose `invalidate` has granted the bracket. */
  readonly finish?: Program;
  /** It is out, after it was taken out without waiting. */
  readonly release?: Program;
}

/** A device model: data for its row, and programs in the same notation as the kernel's. */
export interface Consumer {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /** A deliberately broken variant, there to be caught. */
  readonly mutant: boolean;
  /**
   * Sharing walks the mm's own page table; mirroring fills a table of its own; pinning reaches what
   * is pinned for it (docs/pins.md), and hears of no mm; host: see docs.
   */
  readonly kind: "sharing" | "mirroring" | "pinning" | "host";
  /** Called for range_start, range_end and secondary notifications; none: not subscribed. */
  readonly hooks: Hooks;
  /** It subscribes to intervals of pages; by default to the whole mm when it is attached. */
  readonly interval?: IntervalHooks;
  /** Its driver's dma_unmap: runs in whoever unmaps what is pinned; none: it is not told. */
  readonly dmaUnmap?: Program;
  /** What is not said by programs; none by default. */
  readonly traits?: {
    /** Its IOTLB also drops what the CPUs' own flushes name, when such a flush is over. */
    readonly snoops?: boolean;
    /** It is not told when the mm is torn down, and keeps walking its table. */
    readonly keepsRoot?: boolean;
  };
  /** One access to the page in `vpn`, to the end: hit, or fill and retry, or give up. */
  access(vpn: Reg, write: boolean): Program;
}
