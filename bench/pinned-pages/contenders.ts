/** Who takes part. */
import { type PinnedPage, PinnedPagesTree } from "shootdown";
import { type Contender, contender, type Outsider, type Peer } from "./contender.js";
import { natives } from "./native.js";
import { lists, ours, ranges } from "./ours.js";
import { WHATS } from "./whats.js";

class Tree implements Peer {
  private store = new PinnedPagesTree();

  get size(): number {
    return this.store.size;
  }

  pin(page: number, frame: number): number {
    return this.store.pin(page, frame);
  }

  unpin(page: number): number {
    return this.store.unpin(page);
  }

  lookup(page: number): number | undefined {
    return this.store.lookup(page);
  }

  count(page: number): number {
    return this.store.count(page);
  }

  clear(): void {
    this.store = new PinnedPagesTree();
  }

  all(): Iterable<PinnedPage> {
    return this.store;
  }
}

/** Frames and counts by page, as one would write it. */
class PageMap implements Peer {
  private readonly store = new Map<number, { pfn: number; count: number }>();

  get size(): number {
    return this.store.size;
  }

  pin(page: number, frame: number): number {
    const pinned = this.store.get(page);
    if (pinned === undefined) {
      this.store.set(page, { pfn: frame, count: 1 });
      return frame;
    }
    pinned.count++;
    return pinned.pfn;
  }

  unpin(page: number): number {
    const pinned = this.store.get(page);
    if (pinned === undefined) return -1;
    if (pinned.count === 1) this.store.delete(page);
    return --pinned.count;
  }

  lookup(page: number): number | undefined {
    return this.store.get(page)?.pfn;
  }

  count(page: number): number {
    return this.store.get(page)?.count ?? 0;
  }

  clear(): void {
    this.store.clear();
  }
}

const tree = contender({ name: "plain tree", can: WHATS, most: 100_000 }, () => new Tree());
const map = contender(
  { name: "Map", can: WHATS.filter((what) => what !== "walk") },
  () => new PageMap(),
);

export function contenders(): readonly (Contender | Outsider)[] {
  return [ours, lists, ranges, tree, map, ...natives()];
}
