/** What a bracket costs an mm with many interval subscribers. */
import { type IntervalOps, MmuNotifiers, Random } from "shootdown";
import type { Row } from "./harness.js";

const SEED = 1;
/** Pages from one subscriber's first to the next one's: it has the first eight or so. */
const STRIDE = 16;

interface Inputs {
  readonly starts: Float64Array;
  readonly lasts: Float64Array;
  /** First pages of the brackets, which are as long as asked. */
  readonly brackets: Float64Array;
}

/** `n` disjoint subscribers, in random order; brackets that hit one each, or nobody. */
function inputs(n: number, brackets: number, hits: boolean): Inputs {
  const random = new Random(SEED);
  const order = Float64Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const k = random.below(i + 1);
    [order[i], order[k]] = [order[k], order[i]];
  }
  const starts = order.map((place) => place * STRIDE + random.below(3));
  const lasts = starts.map((start) => start + 7);
  const into = hits ? 4 : 12;
  const pages = Float64Array.from({ length: brackets }, () => random.below(n) * STRIDE + into);
  return { starts, lasts, brackets: pages };
}

async function subscribed(n: number, { starts, lasts }: Inputs, ops: IntervalOps) {
  const mm = await MmuNotifiers.create({ capacity: n });
  for (let i = 0; i < n; i++) mm.insert(starts[i], lasts[i], ops);
  return mm;
}

/** Brackets whose subscribers, if there are any, have no callback. */
function bracketRow(n: number, hits: boolean, quick: boolean): Row {
  const brackets = quick ? 100 : 10_000;
  const given = inputs(n, brackets, hits);
  const ops: IntervalOps = {};
  let mm: MmuNotifiers | undefined;
  return {
    name: `${n} intervals, bracket hits ${hits ? "one" : "nobody"}`,
    unit: "brackets",
    seed: SEED,
    perCall: brackets,
    work: async () => {
      mm ??= await subscribed(n, given, ops);
      const before = mm.counters();
      const from = mm.seq;
      for (const page of given.brackets) mm.rangeEnd(mm.rangeStart(page, page + 1));
      const after = mm.counters();
      return (
        after.brackets -
        before.brackets +
        (after.invalidations - before.invalidations) +
        (mm.seq - from)
      );
    },
    // Each is told once, and the sequence turns odd and even again.
    model: () => brackets + (hits ? brackets * 3 : 0),
  };
}

/** The same brackets in one call; subscribers that are hit have no callback. */
function manyRow(n: number, hits: boolean, quick: boolean): Row {
  const brackets = quick ? 100 : 10_000;
  const given = inputs(n, brackets, hits);
  const ends = given.brackets.map((page) => page + 1);
  let mm: MmuNotifiers | undefined;
  return {
    name: `${n} intervals, brackets hit ${hits ? "one" : "nobody"}, one call`,
    unit: "brackets",
    seed: SEED,
    perCall: brackets,
    work: async () => {
      mm ??= await subscribed(n, given, {});
      const before = mm.counters();
      const from = mm.seq;
      const told = mm.invalidateMany(given.brackets, ends);
      const after = mm.counters();
      const invalidations = after.invalidations - before.invalidations;
      return after.brackets - before.brackets + told + invalidations + (mm.seq - from);
    },
    // As above, and those that were told.
    model: () => brackets + (hits ? brackets * 4 : 0),
  };
}

/** Subscribing and leaving again, as drivers of short-lived buffers do. */
function churnRow(n: number, quick: boolean): Row {
  const given = inputs(n, quick ? 100 : 10_000, true);
  const ops: IntervalOps = {};
  let mm: MmuNotifiers | undefined;
  return {
    name: `${n} intervals, insert and remove`,
    unit: "pairs",
    seed: SEED,
    perCall: given.brackets.length,
    work: async () => {
      mm ??= await subscribed(n, given, ops);
      let gone = 0;
      for (const page of given.brackets) if (mm.remove(mm.insert(page, page + 3, ops))) gone++;
      return gone;
    },
    model: () => given.brackets.length,
  };
}

/** A retry loop that nothing disturbs. */
function readRow(n: number, quick: boolean): Row {
  const given = inputs(n, quick ? 100 : 10_000, true);
  let mm: MmuNotifiers | undefined;
  let handles: number[] = [];
  return {
    name: `${n} intervals, read begin and retry`,
    unit: "reads",
    seed: SEED,
    perCall: given.brackets.length,
    work: async () => {
      if (mm === undefined) {
        mm = await MmuNotifiers.create({ capacity: n });
        const { starts, lasts } = given;
        const one = mm;
        const ops: IntervalOps = {};
        handles = Array.from(starts, (start, i) => one.insert(start, lasts[i], ops));
      }
      let good = 0;
      for (let i = 0; i < given.brackets.length; i++) {
        const handle = handles[i % n];
        const stamp = mm.tryReadBegin(handle);
        if (stamp !== undefined && !mm.readRetry(handle, stamp)) good++;
      }
      return good;
    },
    model: () => given.brackets.length,
  };
}

export function notifierRows(quick: boolean): Row[] {
  const sizes = quick ? [1_000] : [1_000, 1_000_000];
  return sizes.flatMap((n) => [
    bracketRow(n, false, quick),
    bracketRow(n, true, quick),
    manyRow(n, false, quick),
    manyRow(n, true, quick),
    churnRow(n, quick),
    readRow(n, quick),
  ]);
}
