/**
 * UPDATE in physical mode: pages are pinned 512 at a time, and each run of neighbouring frames
 * becomes one mapping.
 */
import type { IotlbRights } from "../iotlb.js";
import type { UserMm } from "../mm/user-mm.js";
import { done, failed, type Failed, type Outcome } from "../uapi/outcome.js";
import type { Errno } from "../uapi/errno.js";
import { lastOf, pageOf, pagesTouched, wholePagesOf } from "./addresses.js";
import type { VdpaCore } from "./core.js";

/** Pages pinned by one call: as many pointers as a page holds. */
export const PIN_CHUNK = 512;

/** Pages of the run a failed mapping was for that stay pinned for ever, or not. */
export type FailedRun = "unpinned" | "leaked";

/** An UPDATE that passed its checks. */
export interface UpdateRequest {
  readonly asid: number;
  readonly iova: bigint;
  readonly size: bigint;
  readonly uaddr: bigint;
  readonly perm: IotlbRights;
}

/** One request under way. */
class PhysicalMap {
  private readonly list = new Float64Array(PIN_CHUNK);
  /** I/O page of the run that is being gathered, its first and its last frame (-1: none yet). */
  private page: number;
  private first = -1;
  private last = -1;
  /** Chunks pinned since a run was mapped: what the kernel's clean-up looks at. */
  private chunks = 0;
  private runs = 0;

  constructor(
    private readonly core: VdpaCore,
    private readonly mm: UserMm,
    private readonly request: UpdateRequest,
    private readonly failedRun: FailedRun,
  ) {
    this.page = pageOf(request.iova);
  }

  run(pages: number): Outcome<void> {
    const failure = this.gather(pages) ?? this.mapRun();
    if (failure === undefined) return done(undefined);
    this.takeBack();
    return failure;
  }

  private gather(pages: number): Failed | undefined {
    const write = (this.request.perm & 2) !== 0;
    let vpn = pageOf(this.request.uaddr);
    for (let left = pages; left > 0;) {
      const count = Math.min(left, PIN_CHUNK);
      const got = this.pin(vpn, count, write);
      if (typeof got === "string") {
        return failed(got, "fault", `page ${vpn} could not be faulted in`, pages - left);
      }
      if (got < count) {
        this.put(0, got);
        const at = pages - left + got;
        return failed("ENOMEM", "short-pin", `page ${vpn + got} could not be pinned`, at);
      }
      this.chunks++;
      const failure = this.split(count);
      if (failure !== undefined) return failure;
      vpn += count;
      left -= count;
    }
    return undefined;
  }

  /** Pins up to `count` pages: how many, or why not even the first. */
  private pin(vpn: number, count: number, write: boolean): number | Errno {
    const { core, mm, list } = this;
    core.counts.pinCalls++;
    // Frames without struct page cannot be pinned.
    const raw = mm.vmasIn(vpn, vpn + count - 1).find(({ kind }) => kind === "pfnmap");
    const most = raw === undefined ? count : Math.max(0, raw.first - vpn);
    const got = most === 0 ? 0 : mm.faultInRange(vpn, most, write, list);
    if (got === 0) {
      if (most === 0) return "EFAULT";
      const errno = mm.faultIn(vpn, write);
      return typeof errno === "string" ? errno : "EFAULT";
    }
    for (let i = 0; i < got;) {
      const n = this.neighbours(i, got);
      core.get(list[i], n, this.request.asid);
      i += n;
    }
    return got;
  }

  /** Frames of the list from `i` on that lie one behind the other. */
  private neighbours(i: number, end: number): number {
    let n = 1;
    while (i + n < end && this.list[i + n] === this.list[i] + n) n++;
    return n;
  }

  /** Goes through a chunk and maps the runs that end in it. */
  private split(count: number): Failed | undefined {
    for (let i = 0; i < count;) {
      const n = this.neighbours(i, count);
      const frame = this.list[i];
      if (this.first < 0) this.first = frame;
      else if (frame !== this.last + 1) {
        const failure = this.mapRun();
        if (failure !== undefined) {
          this.put(i, count);
          return failure;
        }
        this.page += this.last - this.first + 1;
        this.first = frame;
        this.chunks = 0;
      }
      this.last = frame + n - 1;
      i += n;
    }
    return undefined;
  }

  private mapRun(): Failed | undefined {
    const { asid, perm } = this.request;
    const last = this.page + (this.last - this.first);
    const errno = this.core.map(asid, { start: this.page, last, addr: this.first, perm });
    if (errno === undefined) {
      this.runs++;
      return undefined;
    }
    const cause = errno === "ENOMEM" && this.core.allocations.hasFailed ? "no-memory" : "parent";
    return failed(errno, cause, `run ${this.runs} could not be mapped`, this.runs);
  }

  /** Unpins [from, to) of the list. */
  private put(from: number, to: number): void {
    for (let i = from; i < to;) {
      const n = this.neighbours(i, to);
      this.core.put(this.list[i], n, { asid: this.request.asid });
      i += n;
    }
  }

  /** Unpins the run that was not mapped, and unmaps those that were. */
  private takeBack(): void {
    const seen = this.failedRun === "unpinned" || this.chunks > 0;
    const { asid, iova, size } = this.request;
    if (this.first >= 0 && seen) this.core.put(this.first, this.last - this.first + 1, { asid });
    const pages = wholePagesOf(iova, size);
    this.core.unmap(asid, pageOf(iova), pageOf(lastOf(iova, size)), pages);
  }
}

/** See the file comment. */
export function mapPages(
  core: VdpaCore,
  mm: UserMm,
  request: UpdateRequest,
  failedRun: FailedRun,
): Outcome<void> {
  if (!core.allocations.take("page-list")) {
    return failed("ENOMEM", "no-memory", "no page for the list of pages");
  }
  const pages = pagesTouched(request.iova, request.size);
  if (pages === 0) return failed("EINVAL", "wraps", "the number of pages is 0 modulo 2^64 bytes");
  if (pages + mm.pinnedVm > mm.rlimitMemlock) {
    const limit = `${mm.pinnedVm} pages are pinned, RLIMIT_MEMLOCK is ${mm.rlimitMemlock}`;
    return failed("ENOMEM", "over-rlimit", `${pages} pages are too many: ${limit}`);
  }
  return new PhysicalMap(core, mm, request, failedRun).run(pages);
}
