/** `PinnedPages`: one call a page, in lists, and in ranges. */
import { PinnedPages } from "shootdown";
import type * as contest from "../contest.js";
import { type Contender, contender, type Peer, proofOf, standing } from "./contender.js";
import { cutOf, type Input, leavingOf, RUN_SHAPES } from "./inputs.js";
import { type What, WHATS } from "./whats.js";

/** Pages in a request: what the kernel takes at once. */
const REQUEST = 512;

class Ours implements Peer {
  constructor(readonly store: PinnedPages) {}

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
    this.store.clear();
  }

  all(): Iterable<{ page: number; pfn: number; count: number }> {
    return this.store;
  }
}

async function open(): Promise<Ours> {
  return new Ours(await PinnedPages.create());
}

export const ours = contender({ name: "shootdown", can: WHATS }, open);

/** Carries requests out; what it says of the pages, added up. */
type Send<Request> = (store: PinnedPages, request: Request) => number;

/** A way to ask for many pages at once. */
interface Bulk<Request> {
  /** Cuts pages, and frames where they have some, into requests. */
  readonly requests: (pages: Float64Array, frames?: Float64Array) => Request[];
  readonly pin: Send<Request>;
  readonly unpin: Send<Request>;
  readonly lookup: Send<Request>;
  /** All pages, ascending; what they say, added up. */
  readonly walk?: (store: PinnedPages) => number;
}

const NONE = new Float64Array();
const answers = new Float64Array(REQUEST);

/** Where so many answers go. */
function into(n: number): Float64Array {
  return n === REQUEST ? answers : answers.subarray(0, n);
}

function sumOf(list: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < list.length; i++) sum += list[i];
  return sum;
}

interface List {
  readonly pages: Float64Array;
  readonly frames: Float64Array;
  readonly into: Float64Array;
}

const LISTS: Bulk<List> = {
  requests: (pages, frames = NONE) => {
    return Array.from({ length: Math.ceil(pages.length / REQUEST) }, (_, i) => {
      const [from, to] = [i * REQUEST, Math.min((i + 1) * REQUEST, pages.length)];
      const part = pages.subarray(from, to);
      return { pages: part, frames: frames.subarray(from, to), into: into(part.length) };
    });
  },
  pin: (store, { pages, frames, into }) => sumOf(store.pinMany(pages, frames, into)),
  unpin: (store, { pages, into }) => store.unpinMany(pages, into) + sumOf(into),
  lookup: (store, { pages, into }) => sumOf(store.lookupMany(pages, into)),
  walk: (store) => {
    const { frames, counts } = store.list();
    let sum = 0;
    for (let i = 0; i < frames.length; i++) sum += frames[i] + counts[i];
    return sum;
  },
};

interface Range {
  readonly page: number;
  readonly count: number;
  readonly frames: Float64Array;
  readonly into: Float64Array;
}

const RANGES: Bulk<Range> = {
  requests: (pages, frames = NONE) => {
    const ranges: Range[] = [];
    for (let from = 0, to = 0; from < pages.length; from = to) {
      for (to = from + 1; to < pages.length && to < from + REQUEST; to++) {
        if (pages[to] !== pages[to - 1] + 1) break;
      }
      const count = to - from;
      const part = frames.subarray(from, to);
      ranges.push({ page: pages[from], count, frames: part, into: into(count) });
    }
    return ranges;
  },
  pin: (store, { page, count, frames, into }) => sumOf(store.pinRange(page, count, frames, into)),
  unpin: (store, { page, count, into }) => store.unpinRange(page, count, into) + sumOf(into),
  lookup: (store, { page, count, into }) => sumOf(store.lookupRange(page, count, into)),
};

/** The requests of each call; made before anything is timed. */
function requestsOf<Request>(bulk: Bulk<Request>, input: Input, what: What): Request[][] {
  if (what === "lookup") return [bulk.requests(input.queries().pages)];
  if (what === "repin") return [bulk.requests(input.queries().pages, input.queries().frames)];
  return Array.from({ length: input.cuts }, (_, cut) => {
    if (what === "unpin") return bulk.requests(leavingOf(input, cut));
    const { pages, frames } = cutOf(input, cut);
    return bulk.requests(pages, frames);
  });
}

function inBulk<Request>(named: contest.Named<What>, bulk: Bulk<Request>): Contender {
  return {
    ...named,
    open: async (input, what) => {
      const peer = await open();
      const { store } = peer;
      const frame = {
        before: standing(what, peer, input),
        proof: () => proofOf(peer, input, what),
      };
      const { walk } = bulk;
      if (what === "walk" && walk !== undefined) return { ...frame, run: () => walk(store) };
      const calls = requestsOf(bulk, input, what);
      const send = what === "unpin" ? bulk.unpin : what === "lookup" ? bulk.lookup : bulk.pin;
      return {
        ...frame,
        run: (call) => {
          let sum = 0;
          for (const request of calls[call % calls.length]) sum += send(store, request);
          return sum;
        },
      };
    },
  };
}

export const lists = inBulk({ name: "shootdown, lists", can: WHATS }, LISTS);
export const ranges = inBulk(
  {
    name: "shootdown, ranges",
    can: WHATS.filter((what) => what !== "walk"),
    shapes: RUN_SHAPES,
  },
  RANGES,
);
