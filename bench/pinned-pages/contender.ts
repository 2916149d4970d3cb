/** Who is measured, and the loops that call them page by page. */
import type { PinnedPage } from "shootdown";
import type * as contest from "../contest.js";
import { cutOf, type Input, leavingOf } from "./inputs.js";
import { cutAfter, probe, step } from "./model.js";
import type { What } from "./whats.js";

export type Contender = contest.Contender<Input, What>;
export type Outsider = contest.Outsider<Input, What>;

/** A store behind the same few methods as the others. */
export interface Peer {
  readonly size: number;
  /** Pins a page; its frame. */
  pin(page: number, frame: number): number;
  /** Gives a pin back; how many are left, or -1. */
  unpin(page: number): number;
  lookup(page: number): number | undefined;
  count(page: number): number;
  clear(): void;
  /** All, ascending. */
  readonly all?: () => Iterable<PinnedPage>;
}

/** Pins all of a store of the pool. */
export function fill(peer: Peer, input: Input, cut: number): void {
  const { pages, frames } = cutOf(input, cut);
  for (let i = 0; i < pages.length; i++) peer.pin(pages[i], frames[i]);
}

/** Timed, and what comes before it. */
export type Loop = Omit<contest.Work, "proof">;

/** Before each call: the store of the pool that the call is about stands, and no other. */
export function standing(what: What, peer: Peer, input: Input): (call: number) => void {
  if (what === "pin") return () => peer.clear();
  const isFixed = what === "lookup" || what === "repin";
  let stands = -1;
  let isRepinned = false;
  return (call) => {
    const cut = isFixed ? 0 : call % input.cuts;
    if (isRepinned) for (const page of input.queries().pages) peer.unpin(page);
    if (stands !== cut || what === "unpin") {
      peer.clear();
      fill(peer, input, cut);
      stands = cut;
    }
    isRepinned = what === "repin";
  };
}

// Each is a function of its own that calls a method by its name: where only one contender runs, the
// compiler sees which method it is, and nobody pays for being called through a table.
const LOOPS: Readonly<Record<What, (peer: Peer, input: Input) => contest.Work["run"]>> = {
  pin: (peer, input) => (call) => {
    const { pages, frames } = cutOf(input, call % input.cuts);
    let sum = 0;
    for (let i = 0; i < pages.length; i++) sum += peer.pin(pages[i], frames[i]);
    return sum;
  },
  lookup: (peer, input) => {
    const { pages } = input.queries();
    return () => {
      let sum = 0;
      for (let i = 0; i < pages.length; i++) sum += peer.lookup(pages[i]) ?? 0;
      return sum;
    };
  },
  unpin: (peer, input) => (call) => {
    const pages = leavingOf(input, call % input.cuts);
    let sum = 0;
    for (let i = 0; i < pages.length; i++) sum += peer.unpin(pages[i]) + 1;
    return sum;
  },
  repin: (peer, input) => {
    const { pages, frames } = input.queries();
    return () => {
      let sum = 0;
      for (let i = 0; i < pages.length; i++) sum += peer.pin(pages[i], frames[i]);
      return sum;
    };
  },
  walk: (peer) => () => {
    let sum = 0;
    for (const { pfn, count } of peer.all?.() ?? []) sum += pfn + count;
    return sum;
  },
};

/** What the peer holds, as one number. */
export function proofOf(peer: Peer, input: Input, what: What): number {
  let sum = 0;
  let i = 0;
  if (what === "walk") {
    for (const { page, pfn, count } of peer.all?.() ?? []) sum += step(i++, page, pfn, count);
    return sum;
  }
  for (const page of input.probes(cutAfter(what, input))) {
    sum += probe(i++, peer.lookup(page), peer.count(page));
  }
  return sum + peer.size;
}

/** A contender out of a peer. */
export function contender(
  named: contest.Named<What>,
  make: (input: Input) => Promise<Peer> | Peer,
): Contender {
  return {
    ...named,
    open: async (input, what) => {
      const peer = await make(input);
      return {
        run: LOOPS[what](peer, input),
        before: standing(what, peer, input),
        proof: () => proofOf(peer, input, what),
      };
    },
  };
}
