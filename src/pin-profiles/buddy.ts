/** A buddy allocator of guest pages: where a guest's buffers lie. First freed, first given. */

/** Blocks of 1 to 512 pages (2 MiB), aligned to their size. */
export const ORDERS = 10;

/** See the file comment. */
export class Buddy {
  /** Free blocks by order; a set gives them in the order they came. */
  private readonly free: Set<number>[] = Array.from({ length: ORDERS }, () => new Set());

  /** @param first, pages - what there is; multiples of 512 */
  constructor(first: number, pages: number) {
    const top = 2 ** (ORDERS - 1);
    for (let at = first; at < first + pages; at += top) this.free[ORDERS - 1].add(at);
  }

  /** A block of 2^order pages: its first page; undefined: there is none. */
  allocate(order: number): number | undefined {
    for (let from = order; from < ORDERS; from++) {
      const [block] = this.free[from];
      if (block === undefined) continue;
      this.free[from].delete(block);
      for (let at = from - 1; at >= order; at--) this.free[at].add(block + 2 ** at);
      return block;
    }
    return undefined;
  }

  /** Gives a block back, joined with its neighbour as long as that is free. */
  release(block: number, order: number): void {
    let at = block;
    let size = order;
    for (; size < ORDERS - 1; size++) {
      const other = at % 2 ** (size + 1) === 0 ? at + 2 ** size : at - 2 ** size;
      if (!this.free[size].delete(other)) break;
      at = Math.min(at, other);
    }
    this.free[size].add(at);
  }
}
