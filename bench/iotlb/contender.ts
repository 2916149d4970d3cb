/** Who is measured, and the loops that call them entry by entry. */
import type * as contest from "../contest.js";
import { cutOf, type Input, type Queries } from "./inputs.js";
import { cutAfter } from "./model.js";
import type { What } from "./whats.js";

export type Contender = contest.Contender<Input, What>;
export type Outsider = contest.Outsider<Input, What>;

/** Tables behind the same few methods as the others. */
export interface Peer {
  readonly size: number;
  /** Where a page leads, or -1. */
  translate(asid: number, page: number): number;
  clear(): void;
  /** Adds an entry that may be read and written; how many were added. */
  add(asid: number, start: number, last: number, addr: number): number;
  /** Removes what overlaps; how many. */
  delete(asid: number, start: number, last: number): number;
}

/** Before each call: the table of the pool that the call is about stands, and no other. */
export function standing(what: What, peer: Peer, input: Input): (call: number) => void {
  if (what === "add") return () => peer.clear();
  let stands = -1;
  return (call) => {
    const cut = what === "delete" ? call % input.cuts : 0;
    if (stands === cut && what !== "delete") return;
    peer.clear();
    const { asids, starts, lasts, addrs } = cutOf(input, cut);
    for (let i = 0; i < input.n; i++) peer.add(asids[i], starts[i], lasts[i], addrs[i]);
    stands = cut;
  };
}

export function queriesOf(what: What, input: Input): Queries {
  return what === "miss" ? input.misses() : input.hits();
}

type Loop = (peer: Peer, input: Input) => contest.Work["run"];

const asking =
  (what: What): Loop =>
  (peer, input) => {
    const { asids, pages } = queriesOf(what, input);
    return () => {
      let sum = 0;
      for (let i = 0; i < pages.length; i++) sum += peer.translate(asids[i], pages[i]);
      return sum;
    };
  };

// Where only one contender runs, the compiler sees which methods these call.
const LOOPS: Readonly<Record<What, Loop>> = {
  add: (peer, input) => (call) => {
    const { asids, starts, lasts, addrs } = cutOf(input, call % input.cuts);
    let added = 0;
    for (let i = 0; i < input.n; i++) {
      added += peer.add(asids[i], starts[i], lasts[i], addrs[i]);
    }
    return added;
  },
  translate: asking("translate"),
  miss: asking("miss"),
  delete: (peer, input) => {
    const removals = input.removals();
    return (call) => {
      const cut = call % input.cuts;
      const { asids, starts, lasts } = cutOf(input, cut);
      const from = cut * input.n;
      let deleted = 0;
      for (let k = from; k < from + input.n; k++) {
        const i = removals[k];
        deleted += peer.delete(asids[i], starts[i], lasts[i]);
      }
      return deleted;
    };
  },
};

/** What the peer holds, as one number. */
export function proofOf(peer: Peer, input: Input, what: What): number {
  const { asids, pages } = input.probes(cutAfter(what, input));
  return pages.reduce((sum, page, i) => sum + peer.translate(asids[i], page), peer.size);
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
