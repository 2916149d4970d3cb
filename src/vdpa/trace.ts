/**
 * The small steps of vhost-vdpa in their order, and the assertion that no translation leads to a
 * page that is not pinned, which is checked after each of them.
 */
import type { HostFrames } from "../mm/frames.js";
import type { Errno } from "../uapi/errno.js";
import type { VdpaEntry, VdpaTranslations } from "./parent.js";

/** Kinds of steps. */
export type VdpaStep =
  | "pin"
  | "unpin"
  | "add"
  | "remove"
  | "dma-map"
  | "dma-unmap"
  | "iommu-map"
  | "iommu-unmap"
  | "set-map"
  | "reset-map"
  | "reset"
  | "compat-reset"
  | "suspend"
  | "resume"
  | "domain-free";

/** One step. Pages; what does not apply to its kind is left out. */
export interface VdpaEvent {
  readonly step: VdpaStep;
  readonly asid?: number;
  /** First I/O page. */
  readonly start?: number;
  readonly pages?: number;
  /** First frame (in VA mode: virtual page). */
  readonly addr?: number;
  /** Entries of a pushed table. */
  readonly entries?: number;
  /** Flags of a compat_reset. */
  readonly flags?: number;
  /** It failed. */
  readonly errno?: Errno;
}

/** A translation to a page that nobody holds. */
export interface VdpaViolation {
  /** The step after which that was found: index into {@link VdpaTrace.events}. */
  readonly after: number;
  readonly step: VdpaStep;
  readonly asid: number;
  /** The first such I/O page of the mapping, and the frame. */
  readonly page: number;
  readonly frame: number;
  /** As many pages from there on. */
  readonly pages: number;
  /** Was the device running (DRIVER_OK, and not suspended)? Then it may have used it. */
  readonly live: boolean;
}

/** What a trace looks at. */
export interface TraceSubject {
  readonly frames: HostFrames;
  /** False in VA mode, where there is nothing to check. */
  readonly checked: boolean;
  readonly asids: number;
  /** Is the device running? */
  readonly live: () => boolean;
  translations(asid: number): VdpaTranslations | undefined;
}

/** Mappings of `entries` to frames nobody holds, those in [first, last] of them only. */
function* dangling(
  frames: HostFrames,
  entries: Iterable<VdpaEntry>,
  first: number,
  last: number,
): Generator<{ page: number; frame: number; pages: number }> {
  for (const { start, last: end, addr } of entries) {
    const from = Math.max(addr, first);
    const to = Math.min(addr + (end - start), last);
    for (let frame = from; frame <= to; frame++) {
      if (frames.refs(frame) !== 0) continue;
      const found = frame;
      while (frame < to && frames.refs(frame + 1) === 0) frame++;
      yield { page: start + (found - addr), frame: found, pages: frame - found + 1 };
    }
  }
}

/** See the file comment. */
export class VdpaTrace {
  readonly events: VdpaEvent[] = [];
  readonly violations: VdpaViolation[] = [];

  constructor(private readonly subject: TraceSubject) {}

  add(event: VdpaEvent): void {
    this.events.push(event);
    if (!this.subject.checked) return;
    const { step, addr = 0, pages = 0, asid = 0 } = event;
    if (step === "unpin") this.check(event, addr, addr + pages - 1);
    else if (step === "dma-map" || step === "iommu-map" || step === "set-map") {
      this.check(event, 0, Infinity, asid);
    }
  }

  private check(event: VdpaEvent, first: number, last: number, only?: number): void {
    const after = this.events.length - 1;
    const live = this.subject.live();
    for (let asid = only ?? 0; asid <= (only ?? this.subject.asids - 1); asid++) {
      const found = this.subject.translations(asid);
      if (found === undefined || found === "identity") continue;
      for (const each of dangling(this.subject.frames, found, first, last)) {
        this.violations.push({ after, step: event.step, asid, ...each, live });
      }
    }
  }

  clear(): void {
    this.events.length = 0;
    this.violations.length = 0;
  }
}

/** Pages that are translated to frames nobody holds right now. */
export function exposedPages(subject: Omit<TraceSubject, "live">): number {
  if (!subject.checked) return 0;
  let pages = 0;
  for (let asid = 0; asid < subject.asids; asid++) {
    const found = subject.translations(asid);
    if (found === undefined || found === "identity") continue;
    for (const each of dangling(subject.frames, found, 0, Infinity)) pages += each.pages;
  }
  return pages;
}
