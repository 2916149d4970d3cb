/** What is right, from a Map: slow to make, and plain. */
import type { Expected } from "../contest.js";
import { cutOf, type Input } from "./inputs.js";
import type { What } from "./whats.js";

/** A pinned page, and how often it is. */
interface Pinned {
  readonly pfn: number;
  count: number;
}

/** The store that stands when `what` was done once: which of the pool, and pinned how often. */
export function cutAfter(what: What, { cuts }: Input): number {
  return what === "lookup" || what === "repin" ? 0 : cuts - 1;
}

/** What is asked of one page for the proof; all of it together stays exact. */
export function probe(i: number, pfn: number | undefined, count: number): number {
  return ((i % 16) + 1) * ((pfn ?? -1) + 1 + 3 * count);
}

/** As {@link probe}, of the i-th page of a walk. */
export function step(i: number, page: number, pfn: number, count: number): number {
  return ((i % 1024) + 1) * ((page + 3 * pfn + 5 * count) % 65_536);
}

function filled(input: Input, cut: number): Map<number, Pinned> {
  const { pages, frames } = cutOf(input, cut);
  const store = new Map<number, Pinned>();
  pages.forEach((page, i) => store.set(page, { pfn: frames[i], count: 1 }));
  return store;
}

function sumOf(list: Float64Array): number {
  return list.reduce((sum, x) => sum + x, 0);
}

/** What contenders have to find. */
export function modelOf(input: Input): (what: What) => Expected {
  return (what) => {
    const store = filled(input, cutAfter(what, input));
    const { frames } = input.pool();
    let checksum = 0;
    if (what === "pin") checksum = sumOf(frames);
    else if (what === "walk") checksum = sumOf(frames) + frames.length;
    else if (what === "unpin") {
      store.clear();
      // Each says that no pin is left, 0, and one more.
      checksum = frames.length;
    } else {
      for (const page of input.queries().pages) {
        const pinned = store.get(page) as Pinned;
        checksum += pinned.pfn;
        if (what === "repin") pinned.count++;
      }
    }
    if (what === "walk") {
      const pages = Float64Array.from(store.keys()).sort();
      const proof = pages.reduce((sum, page, i) => {
        return sum + step(i, page, store.get(page)?.pfn ?? 0, store.get(page)?.count ?? 0);
      }, 0);
      return { checksum, proof };
    }
    const probes = input.probes(cutAfter(what, input));
    const proof = probes.reduce((sum, page, i) => {
      return sum + probe(i, store.get(page)?.pfn, store.get(page)?.count ?? 0);
    }, store.size);
    return { checksum, proof };
  };
}
