/**
 * Who is measured, and the loops they are measured in. The proof is the sum over the queries of
 * the first overlap's start + 1.
 */
import type * as contest from "../contest.js";
import { CHURNED, cutOf, type Input } from "./inputs.js";

/**
 * Things to measure. first: is there an overlap, and which is the first; count: how many there are;
 * all: a list of them; stab: a list of those that hold a page; insert: growing from nothing;
 * remove: half the entries of a full tree; churn: one out, and in again elsewhere.
 */
export const WHATS = ["first", "count", "all", "stab", "insert", "remove", "churn"] as const;
export type What = (typeof WHATS)[number];

export type Contender = contest.Contender<Input, What>;
export type Outsider = contest.Outsider<Input, What>;

/** A structure behind the same few methods as the others. */
export interface Peer {
  readonly size: number;
  /** Start of the first overlap + 1, or 0. */
  prove(start: number, last: number): number;
  /** 1 if there is an overlap, or else 0. */
  first?(start: number, last: number): number;
  count?(start: number, last: number): number;
  /** Lists the overlaps; how many. */
  all?(start: number, last: number): number;
  clear?(): void;
  /** Adds an interval under the number `i`. */
  insert?(i: number, start: number, last: number): void;
  remove?(i: number): void;
}

type Loop = (peer: Required<Peer>, input: Input) => Omit<contest.Work, "proof">;

/** Inserts a list, in its order. */
export function fill(peer: Peer, { starts, lasts }: { starts: Float64Array; lasts: Float64Array }) {
  for (let i = 0; i < starts.length; i++) peer.insert?.(i, starts[i], lasts[i]);
}

// Each is a function of its own that calls a method by its name: where only one contender runs, the
// compiler sees which method it is, and nobody pays for being called through a table.
const LOOPS: Readonly<Record<What, Loop>> = {
  first: (peer, input) => {
    const { starts, lasts } = input.queries();
    const run = (): number => {
      let sum = 0;
      for (let i = 0; i < starts.length; i++) sum += peer.first(starts[i], lasts[i]);
      return sum;
    };
    return { run };
  },
  count: (peer, input) => {
    const { starts, lasts } = input.queries();
    const run = (): number => {
      let sum = 0;
      for (let i = 0; i < starts.length; i++) sum += peer.count(starts[i], lasts[i]);
      return sum;
    };
    return { run };
  },
  all: (peer, input) => {
    const { starts, lasts } = input.queries();
    const run = (): number => {
      let sum = 0;
      for (let i = 0; i < starts.length; i++) sum += peer.all(starts[i], lasts[i]);
      return sum;
    };
    return { run };
  },
  stab: (peer, input) => {
    const { starts } = input.queries();
    const run = (): number => {
      let sum = 0;
      for (let i = 0; i < starts.length; i++) sum += peer.all(starts[i], starts[i]);
      return sum;
    };
    return { run };
  },
  insert: (peer, input) => {
    const { n, cuts } = input;
    const { starts, lasts } = input.pool();
    const run = (): number => {
      let sum = 0;
      for (let cut = 0; cut < cuts; cut++) {
        const from = cut * n;
        peer.clear();
        for (let i = 0; i < n; i++) peer.insert(i, starts[from + i], lasts[from + i]);
        sum += peer.size;
      }
      return sum;
    };
    return { run };
  },
  remove: (peer, input) => {
    const { n, cuts } = input;
    const removals = input.removals();
    return {
      before: (call) => {
        peer.clear();
        fill(peer, cutOf(input, call % cuts));
      },
      run: (call) => {
        const from = (call % cuts) * n;
        const to = from + (n >> 1);
        for (let i = from; i < to; i++) peer.remove(removals[i]);
        return peer.size;
      },
    };
  },
  churn: (peer, input) => {
    const picks = input.picks();
    const { starts, lasts } = input.fresh();
    const run = (call: number): number => {
      const from = (call * CHURNED) % picks.length;
      for (let i = from; i < from + CHURNED; i++) {
        const k = picks[i];
        peer.remove(k);
        peer.insert(k, starts[i], lasts[i]);
      }
      return peer.size;
    };
    return { run };
  },
};

/** Do the entries of the input stand in the tree while this is measured? */
export function stands(what: What): boolean {
  return what !== "insert" && what !== "remove";
}

/** Sum over the queries of what `prove` says. */
export function proofOf(input: Input, prove: (start: number, last: number) => number): number {
  const { starts, lasts } = input.queries();
  return starts.reduce((sum, start, i) => sum + prove(start, lasts[i]), 0);
}

/** A contender out of a peer, which `make` gives with the input's entries in it or without. */
export function contender(
  named: contest.Named<What>,
  make: (input: Input, filled: boolean) => Promise<Peer> | Peer,
): Contender {
  return {
    ...named,
    open: async (input, what) => {
      const peer = await make(input, stands(what));
      const proof = (): number => proofOf(input, (start, last) => peer.prove(start, last));
      // What it can do is in `can`.
      return { ...LOOPS[what](peer as Required<Peer>, input), proof };
    },
  };
}
