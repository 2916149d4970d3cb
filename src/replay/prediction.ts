/** Flushes, predicted or observed, and how they are named. */

/** What kind of line a flush makes in a recording. */
export type FlushKind = "local" | "remote" | "send" | "switch" | "wrongCpu";

/** One flush: of whom, why, how much. */
export interface Flush {
  readonly kind: FlushKind;
  /** Thread that was current on the CPU that flushed. */
  readonly tid: number;
  /** Enclosing system call, fault or switch, as the line it began on. */
  readonly cause: string;
  /** Pages; -1 for everything. */
  readonly pages: number;
}
