// The parts of the interval-tree benchmark, against a list searched from end to end.

import { Random } from "shootdown";
import { describe, expect, test } from "vitest";
import { type What, WHATS } from "../../bench/interval-tree/contender.js";
import { contenders } from "../../bench/interval-tree/contenders.js";
import {
  CHURNED,
  type Input,
  inputOf,
  type Intervals,
  SHAPE_NAMES,
} from "../../bench/interval-tree/inputs.js";
import { Model, modelOf } from "../../bench/interval-tree/model.js";
import { PlainTree } from "../../bench/interval-tree/plain.js";

const SEED = 7;

/** Starts of the overlaps, ascending. */
function overlaps(list: Iterable<readonly [number, number]>, start: number, last: number) {
  return [...list]
    .filter(([from, to]) => from <= last && to >= start)
    .map(([from]) => from)
    .sort((a, b) => a - b);
}

function pairs({ starts, lasts }: Intervals): [number, number][] {
  return Array.from(starts, (start, i) => [start, lasts[i]]);
}

function bytes({ starts, lasts }: Intervals): string {
  return [starts, lasts].map((list) => Buffer.from(list.buffer).toString("base64")).join();
}

/** The same, with few queries: some contenders are slow. */
function withFewQueries(input: Input): Input {
  const { starts, lasts } = input.queries();
  const queries = { starts: starts.subarray(0, 500), lasts: lasts.subarray(0, 500) };
  return { ...input, queries: () => queries };
}

describe("inputs", () => {
  test.each(SHAPE_NAMES)("%s: the same each time, whichever part is asked for first", (shape) => {
    const a = inputOf(shape, 50, SEED);
    const b = inputOf(shape, 50, SEED);
    const late = [b.fresh(), b.pool(), b.entries()].map(bytes).reverse();
    expect([a.entries(), a.pool(), a.fresh()].map(bytes)).toEqual(late);
    expect(bytes(inputOf(shape, 50, SEED + 1).queries())).not.toEqual(bytes(a.queries()));
  });

  test("nothing overlaps in disjoint, also after moves", () => {
    const input = inputOf("disjoint", 40, SEED);
    const list = pairs(input.entries());
    const [picks, fresh] = [input.picks(), pairs(input.fresh())];
    picks.slice(0, 4 * CHURNED).forEach((k, i) => {
      list[k] = fresh[i];
      if (i % 1000 !== 0) return;
      for (const [start, last] of list) expect(overlaps(list, start, last)).toEqual([start]);
    });
  });

  test("an entry is hardly ever put back where it was taken from", () => {
    for (const n of [100, 100_000]) {
      const input = inputOf("random", n, SEED);
      const list = pairs(input.entries());
      let same = 0;
      input.picks().forEach((k, i) => {
        const [start, last] = [input.fresh().starts[i], input.fresh().lasts[i]];
        if (list[k][0] === start && list[k][1] === last) same++;
        list[k] = [start, last];
      });
      expect(same).toBeLessThan(10);
    }
  });
});

test.each(SHAPE_NAMES)("%s: the model finds what a plain scan finds", (shape) => {
  const input = inputOf(shape, 80, SEED);
  const entries = input.entries();
  const model = new Model(entries);
  const { starts, lasts } = input.queries();
  for (let q = 0; q < 500; q++) {
    const right = overlaps(pairs(entries), starts[q], lasts[q]);
    expect(model.count(starts[q], lasts[q])).toBe(right.length);
    expect(model.first(starts[q], lasts[q])).toBe(right[0] ?? -1);
  }
});

test("the plain tree stays right while it grows, changes and empties", () => {
  const random = new Random(SEED);
  const tree = new PlainTree(400);
  const there = new Map<number, readonly [number, number]>();
  for (let step = 0; step < 6_000; step++) {
    const i = random.below(step < 4_000 ? 400 : 1 + Math.floor((6_000 - step) / 5));
    if (there.delete(i)) tree.remove(i);
    else if (step < 4_000) {
      const start = random.below(3_000);
      there.set(i, [start, start + random.below(random.below(8) === 0 ? 500 : 12)]);
      tree.insert(i, ...(there.get(i) as [number, number]));
    }
    expect(tree.size).toBe(there.size);
    const start = random.below(3_000);
    const last = start + random.below(20);
    const right = overlaps(there.values(), start, last);
    expect(tree.prove(start, last)).toBe(right.length === 0 ? 0 : right[0] + 1);
    expect(tree.count(start, last)).toBe(right.length);
    expect(tree.all(start, last)).toBe(right.length);
  }
  for (const i of there.keys()) tree.remove(i);
  expect(tree.size).toBe(0);
  expect(tree.count(0, 1e6)).toBe(0);
});

test("every contender is right in every shape it takes part in", async () => {
  const check = async (shape: string, n: number, what: What): Promise<void> => {
    const input = withFewQueries(inputOf(shape, n, SEED));
    const right = modelOf(input)(what);
    for (const one of contenders()) {
      if (!one.can.includes(what) || !(one.shapes?.includes(shape) ?? true)) continue;
      const label = `${one.name}, ${what}, ${shape}, ${n}`;
      if ("measure" in one) {
        const { checksum, proof } = await one.measure(input, what, true);
        expect({ label, checksum, proof }).toEqual({ label, ...right });
        continue;
      }
      const work = await one.open(input, what);
      let checksum = 0;
      for (let call = 0; call < (what === "remove" ? input.cuts : 1); call++) {
        work.before?.(call);
        checksum += work.run(call);
      }
      expect({ label, checksum, proof: work.proof() }).toEqual({ label, ...right });
    }
  };
  for (const shape of SHAPE_NAMES) {
    for (const what of WHATS) await check(shape, 3_000, what);
  }
}, 120_000);
