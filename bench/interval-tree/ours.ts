/** `IntervalTree`, one call an operation and in batches. */
import { IntervalTree } from "shootdown";
import { type Contender, contender, type Peer, proofOf, stands, type What } from "./contender.js";
import { CHURNED, cutOf, type Input } from "./inputs.js";

class Ours implements Peer {
  readonly handles: Float64Array;
  private into = new Float64Array(4_096);

  constructor(
    readonly tree: IntervalTree,
    input: Input,
    filled: boolean,
  ) {
    this.handles = new Float64Array(input.n);
    if (!filled) return;
    const { starts, lasts } = input.entries();
    this.handles.set(tree.load(starts, lasts));
  }

  get size(): number {
    return this.tree.size;
  }

  prove(start: number, last: number): number {
    const handle = this.tree.first(start, last);
    return handle === undefined ? 0 : this.tree.get(handle).start + 1;
  }

  first(start: number, last: number): number {
    return this.tree.first(start, last) === undefined ? 0 : 1;
  }

  count(start: number, last: number): number {
    return this.tree.count(start, last);
  }

  all(start: number, last: number): number {
    const found = this.tree.allInto(this.into, start, last);
    if (found < this.into.length) return found;
    this.into = new Float64Array(2 * found);
    return this.all(start, last);
  }

  clear(): void {
    this.tree.clear();
  }

  insert(i: number, start: number, last: number): void {
    this.handles[i] = this.tree.insert(start, last, i);
  }

  remove(i: number): void {
    this.tree.remove(this.handles[i]);
  }
}

async function open(input: Input, filled: boolean): Promise<Ours> {
  return new Ours(await IntervalTree.create(), input, filled);
}

export const ours = contender(
  { name: "shootdown", can: ["first", "count", "all", "stab", "insert", "remove", "churn"] },
  open,
);

/** What a batch call does; what is missing here has none. */
type Batch = (
  ours: Ours,
  input: Input,
) => { run(call: number): number; before?(call: number): void };

const BATCHES: Partial<Record<What, Batch>> = {
  first: ({ tree }, input) => {
    const { starts, lasts } = input.queries();
    const into = new Float64Array(starts.length);
    const run = (): number => {
      tree.firstMany(starts, lasts, into);
      let found = 0;
      for (let i = 0; i < into.length; i++) if (into[i] >= 0) found++;
      return found;
    };
    return { run };
  },
  count: ({ tree }, input) => {
    const { starts, lasts } = input.queries();
    const into = new Float64Array(starts.length);
    const run = (): number => {
      tree.countMany(starts, lasts, into);
      let sum = 0;
      for (let i = 0; i < into.length; i++) sum += into[i];
      return sum;
    };
    return { run };
  },
  all: ({ tree }, input) => {
    const { starts, lasts } = input.queries();
    return { run: () => tree.allMany(starts, lasts).handles.length };
  },
  stab: ({ tree }, input) => {
    const { starts } = input.queries();
    return { run: () => tree.allMany(starts, starts).handles.length };
  },
  insert: ({ tree }, input) => {
    const run = (): number => {
      let total = 0;
      for (let cut = 0; cut < input.cuts; cut++) {
        const { starts, lasts } = cutOf(input, cut);
        tree.clear();
        tree.insertMany(starts, lasts);
        total += tree.size;
      }
      return total;
    };
    return { run };
  },
  remove: ({ tree }, input) => {
    const { n, cuts } = input;
    let going = new Float64Array();
    return {
      before: (call) => {
        const cut = call % cuts;
        const { starts, lasts } = cutOf(input, cut);
        tree.clear();
        const handles = tree.insertMany(starts, lasts);
        const removals = input.removals().subarray(cut * n, cut * n + (n >> 1));
        going = Float64Array.from(removals, (i) => handles[i]);
      },
      run: () => {
        tree.removeMany(going);
        return tree.size;
      },
    };
  },
  churn: ({ tree, handles }, input) => {
    const picks = input.picks();
    const { starts, lasts } = input.fresh();
    const moving = new Float64Array(CHURNED);
    const run = (call: number): number => {
      const from = (call * CHURNED) % picks.length;
      const to = from + CHURNED;
      for (let i = 0; i < CHURNED; i++) moving[i] = handles[picks[from + i]];
      tree.updateMany(moving, starts.subarray(from, to), lasts.subarray(from, to));
      return tree.size;
    };
    return { run };
  },
};

export const batches: Contender = {
  name: "shootdown, batches",
  can: Object.keys(BATCHES) as What[],
  open: async (input, what) => {
    const peer = await open(input, stands(what));
    const batch = BATCHES[what];
    if (batch === undefined) throw new Error(`${what} has no batch form`);
    return {
      ...batch(peer, input),
      proof: () => proofOf(input, (start, last) => peer.prove(start, last)),
    };
  },
};
