/** What validators find. */

/** A broken invariant. */
export interface Violation {
  /** Name of the invariant. */
  readonly invariant: string;
  /** Which row breaks it, and how. */
  readonly detail: string;
}
