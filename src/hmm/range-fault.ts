/**
 * hmm_range_fault: what an mm has at the pages of a range, faulted in where a driver asks for it
 * (notifiers.md 4.4; Linux mm/hmm.c). Faults are the machine's own: they take time, and race.
 */
import * as abi from "../core/abi.js";
import { does, type ThreadSelf, type ThreadSteps } from "../devices/thread.js";
import type { SubscriberHandle } from "../notifiers/types.js";
import type { HmmSpace, SpaceEntry } from "./space.js";

/** Why it failed. EINTR: of the unlocked form alone. */
export type HmmErrno = "EBUSY" | "EPERM" | "EFAULT" | "EINVAL" | "ENOMEM" | "EINTR";

/** What a driver wants of a page. `none`: whatever is there. */
export type HmmNeed = "none" | "read" | "write";

/** A page as it was found. */
export interface HmmPage {
  /** HMM_PFN_VALID: the driver may map it. */
  readonly valid: boolean;
  /** HMM_PFN_WRITE */
  readonly writable: boolean;
  /** HMM_PFN_ERROR: a fault would not help. */
  readonly error: boolean;
  /** In the caller's own device memory. */
  readonly device: boolean;
  /** Part of a huge page. */
  readonly huge: boolean;
  readonly frame: number;
  readonly generation: number;
}

/** What is asked. */
export interface HmmRange {
  readonly start: number;
  /** Half-open. */
  readonly end: number;
  readonly handle: SubscriberHandle;
  /** What `readBegin` returned. */
  readonly seq: number;
  /** For all pages, or page by page. */
  readonly need: HmmNeed | ((page: number) => HmmNeed);
  /** Whose device memory is the caller's (dev_private_owner). */
  readonly owner: unknown;
  /** Called for every fault, before it. */
  readonly onFault?: (page: number) => void;
}

/** What came of it. With an error, the pages before it were found. */
export interface HmmFound {
  readonly status: "OK" | HmmErrno;
  readonly pages: HmmPage[];
}

const NOTHING: HmmPage = {
  valid: false,
  writable: false,
  error: false,
  device: false,
  huge: false,
  frame: 0,
  generation: 0,
};
const ERROR: HmmPage = { ...NOTHING, error: true };

/** What to do about an entry: it is good, or wait for it, or fault, or give up. */
type Verdict = HmmPage | "wait" | "read" | "write" | HmmErrno;

function present(entry: SpaceEntry, writable: boolean, device: boolean): HmmPage {
  const { frame, generation, flags } = entry;
  const huge = (flags & abi.PTE_HUGE) !== 0;
  return { valid: true, error: false, writable, device, huge, frame, generation };
}

/** hmm_vma_walk_test, hmm_vma_handle_pte */
function judge(space: HmmSpace, page: number, need: HmmNeed, owner: unknown): Verdict {
  const protection = space.protection(page);
  if ((protection & abi.PROT_READ) === 0) return need === "none" ? ERROR : "EFAULT";
  const mayWrite = (protection & abi.PROT_WRITE) !== 0;
  const fault = (): Verdict => {
    if (need === "none") return NOTHING;
    if (need === "write" && !mayWrite) return "EPERM";
    return space.freeFrames === 0 ? "ENOMEM" : need;
  };
  const entry = space.entry(page);
  const { flags } = entry;
  if (flags === 0) return fault();
  if ((flags & abi.PTE_MIGRATION) !== 0) return need === "none" ? NOTHING : "wait";
  if ((flags & abi.PTE_DEVICE) !== 0) {
    if (!space.isOwned(entry, owner)) return fault();
    if (need === "write" && !mayWrite) return "EPERM";
    return present(entry, mayWrite, true);
  }
  if ((flags & abi.PTE_P) === 0) return fault();
  const writable = (flags & abi.PTE_W) !== 0;
  if (need === "write" && !writable) return fault();
  return present(entry, writable, false);
}

/**
 * The walk, with mmap_lock held by the thread for reading. EBUSY: the range was invalidated since
 * `seq`; the caller begins again. A snapshot (`need` none) never faults, and marks holes.
 */
export function* hmmRangeFault(space: HmmSpace, range: HmmRange): ThreadSteps<HmmFound> {
  const { start, end, handle, seq, owner } = range;
  const pages: HmmPage[] = [];
  const isRange = Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start < end;
  if (!isRange || end > space.pages || !space.notifiers.has(handle)) {
    return { status: "EINVAL", pages };
  }
  for (let page = start; page < end;) {
    const need = typeof range.need === "function" ? range.need(page) : range.need;
    // Before it begins, and again after whatever took time.
    if (space.notifiers.readRetry(handle, seq)) return { status: "EBUSY", pages };
    const verdict = judge(space, page, need, owner);
    if (typeof verdict === "object") {
      pages.push(verdict);
      page++;
    } else if (verdict === "wait") {
      yield does.awaitMigration(page);
    } else if (verdict === "read" || verdict === "write") {
      range.onFault?.(page);
      yield does.fault(page, verdict === "write");
    } else {
      return { status: verdict, pages };
    }
  }
  return { status: "OK", pages };
}

/** Of {@link hmmRangeFaultUnlocked}. */
export interface HmmUnlocked extends Omit<HmmRange, "seq"> {
  /** ns until it gives up with EBUSY; 0: never. */
  readonly timeoutNs: number;
  /** A fatal signal is pending. */
  readonly isKilled?: () => boolean;
}

/**
 * The form of 2026 that takes mmap_lock itself, and begins again by itself with a fresh sequence.
 * The caller must still ask `readRetry(handle, seq)` under its own lock.
 */
export function* hmmRangeFaultUnlocked(
  space: HmmSpace,
  self: ThreadSelf,
  range: HmmUnlocked,
): ThreadSteps<HmmFound & { readonly seq: number }> {
  const from = self.now;
  for (;;) {
    if (range.isKilled?.() === true) return { status: "EINTR", pages: [], seq: 0 };
    const isLate = range.timeoutNs > 0 && self.now - from > range.timeoutNs;
    if (isLate) return { status: "EBUSY", pages: [], seq: 0 };
    if (!space.notifiers.has(range.handle)) return { status: "EINVAL", pages: [], seq: 0 };
    const seq = yield* space.readBegin(range.handle);
    yield does.lockMmap;
    const found = yield* hmmRangeFault(space, { ...range, seq });
    yield does.unlockMmap;
    if (found.status !== "EBUSY") return { ...found, seq };
  }
}
