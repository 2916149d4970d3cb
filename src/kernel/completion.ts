/**
 * Completion levels (shootdown.md 1.1): the contract between an operation, which needs one of its
 * flush requests, and a policy, which supplies one. Levels are ordered: the later, the more is
 * true. What does not fit is found by completion-gaps.ts.
 */

/** What is true of every other CPU when a flush request returns, weakest first. */
export const COMPLETION = {
  G0: "requested: a csd is queued",
  G1: "delivered: the interrupt was taken",
  G2: "access-closed: nothing is accessed through the translation before it is flushed",
  G3: "translation-quiescent: no TLB holds it",
  G4: "walker-quiescent: nor does a paging-structure cache or a walk reach a freed table",
} as const;

/** One of {@link COMPLETION}. */
export type Completion = keyof typeof COMPLETION;

/** A level for data pages, and one for requests that free page-table pages. */
export interface Completions {
  readonly data: Completion;
  readonly tables: Completion;
}
