/**
 * Consumers: what sits behind a secondary MMU, as the programs of its hooks and of its own
 * accesses (notifiers.md 4). Adding one is one file like those in `consumers/`.
 */
import type { Program, Reg } from "../program/notation.js";
import type { Hooks } from "./era.js";

/** A device model: data for its row, and programs in the same notation as the kernel's. */
export interface Consumer {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  /** A deliberately broken variant, there to be caught. */
  readonly mutant: boolean;
  /** Sharing walks the mm's own page table; mirroring fills a table of its own; host: see docs. */
  readonly kind: "sharing" | "mirroring" | "host";
  /** Called for range_start, range_end and secondary notifications; none: not subscribed. */
  readonly hooks: Hooks;
  /** One access to the page in `vpn`, to the end: hit, or fill and retry, or give up. */
  access(vpn: Reg, write: boolean): Program;
}
