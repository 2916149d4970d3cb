/** Unmappings whose flush is put off until the frame leaves the free list: which, until when. */

/** What happens to pages whose flush is put off, while stale entries may still be read. */
export type DeferralTrigger =
  /** An entry becomes writable, at the address of one of them. */
  | "writable"
  /** The kernel writes the file that one of them belongs to. */
  | "written"
  /** The address is unmapped, dropped or moved: it may mean something else afterwards. */
  | "unmapped"
  /** Something is mapped at the address again. */
  | "mapped";

/** What a policy puts off. Without it nothing is. */
export interface Deferral {
  /**
   * Whose flush is put off: that of pages nobody may write, which reclaim and migration free;
   * `any`, which is broken, of any page they free; or of what munmap frees, as long as the frames
   * are used in the same process.
   */
  readonly eligible: "read-only" | "any" | "recycled";
  /** What is flushed for before it happens; one that is left out is broken. */
  readonly flushFirst: readonly DeferralTrigger[];
  /**
   * Who takes a frame flushes for it first. `late-stamp` and `never` are broken: what was put off
   * during the flush counts as flushed, or nobody flushes.
   */
  readonly takeoff: "flushed" | "late-stamp" | "never";
  /** The kernel poisons or zeroes what it frees: with any deferral that is broken. */
  readonly wipes?: boolean;
}
