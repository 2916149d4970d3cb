/** The domain of the platform's IOMMU that parents without set_map and dma_map are behind. */
import { checkWithin } from "../arguments.js";
import type { Iotlb } from "../iotlb.js";
import type { Errno } from "../uapi/errno.js";
import type { VdpaEntry } from "./parent.js";

/** Its translations are rows of an address space of `rows`. */
export class PlatformIommu {
  private readonly failing: { after: number; errno: Errno }[] = [];

  constructor(
    private readonly rows: Iotlb,
    private readonly asid: number,
  ) {}

  /** The `nth` next mapping fails so. */
  failNext(errno: Errno, nth = 1): void {
    this.failing.push({ after: checkWithin("nth", nth, 1, 2 ** 32), errno });
  }

  map({ start, last, addr, perm }: VdpaEntry): Errno | undefined {
    for (const each of this.failing) each.after--;
    const at = this.failing.findIndex(({ after }) => after === 0);
    if (at >= 0) return this.failing.splice(at, 1)[0].errno;
    if (this.rows.firstIn(this.asid, start, last) !== undefined) return "EEXIST";
    this.rows.add(this.asid, start, last, addr, perm);
    return undefined;
  }

  /** Unmaps pages from `start` on, up to the first that is not mapped: how many that were. */
  unmap(start: number, pages: number): number {
    const { rows, asid } = this;
    const last = start + pages - 1;
    let at = start;
    while (at <= last) {
      const entry = rows.firstIn(asid, at, at);
      if (entry === undefined) break;
      rows.remove(entry.handle);
      const { start: from, last: to, addr, perm } = entry;
      if (from < at) rows.add(asid, from, at - 1, addr, perm);
      if (to > last) rows.add(asid, last + 1, to, addr + (last + 1 - from), perm);
      at = Math.min(to, last) + 1;
    }
    return at - start;
  }

  translations(): Iterable<VdpaEntry> {
    return this.rows.dump(this.asid);
  }

  /** The domain is freed. */
  free(): void {
    this.rows.reset(this.asid);
  }
}
