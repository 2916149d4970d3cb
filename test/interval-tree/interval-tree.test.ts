import { describe, expect, test } from "vitest";
import {
  INTERVAL_TREE_INVARIANTS,
  IntervalTree,
  PAGE_LIMIT,
  validateIntervalTree,
} from "../../src/index.js";

const LAST_PAGE = PAGE_LIMIT - 1;

function code(expected: string): Error {
  return expect.objectContaining({ code: expected }) as Error;
}

async function filled(n: number): Promise<{ tree: IntervalTree; handles: Float64Array }> {
  const tree = await IntervalTree.create();
  const starts = Float64Array.from({ length: n }, (_, i) => i * 10);
  return {
    tree,
    handles: tree.load(
      starts,
      starts.map((start) => start + 4),
    ),
  };
}

describe("IntervalTree", () => {
  test("finds closed intervals, in the order of start, then insertion", async () => {
    const tree = await IntervalTree.create();
    const b = tree.insert(20, 30, 2);
    const a = tree.insert(10, 20, 1);
    const twin = tree.insert(20, 20, 3);
    expect(tree.first(20)).toBe(a);
    expect([...tree.all(20)]).toEqual([a, b, twin]);
    expect([...tree.all(21, 40)]).toEqual([b]);
    expect(tree.first(31, 40)).toBeUndefined();
    expect(tree.get(twin)).toEqual({ start: 20, last: 20, value: 3, handle: twin });
    tree.update(a, 20, 25);
    expect([...tree.all(20)]).toEqual([b, twin, a]);
    expect([...tree].map(({ value }) => value)).toEqual([2, 3, 1]);
  });

  test("holds the first and the last page, and everything between", async () => {
    const tree = await IntervalTree.create();
    const all = tree.insert(0, LAST_PAGE);
    const end = tree.insert(LAST_PAGE, LAST_PAGE, 2 ** 32 - 1);
    expect([...tree.all(LAST_PAGE)]).toEqual([all, end]);
    expect([...tree.all(0)]).toEqual([all]);
    expect(tree.maxLast()).toBe(LAST_PAGE);
    expect(tree.firstGap(1)).toBeUndefined();
    tree.remove(all);
    expect(tree.firstGap(PAGE_LIMIT - 1)).toBe(0);
    expect(tree.firstGap(PAGE_LIMIT)).toBeUndefined();
    expect(tree.firstGap(1, LAST_PAGE)).toBeUndefined();
  });

  test("one interval at the beginning does not make far queries slow or wrong", async () => {
    const { tree } = await filled(5_000);
    const wide = tree.insert(0, LAST_PAGE);
    expect([...tree.all(49_990)]).toEqual([wide, tree.all(49_990)[1]]);
    expect(tree.count(49_990)).toBe(2);
  });

  test("writes into the caller's array as much as fits, and copies otherwise", async () => {
    const { tree, handles } = await filled(20_000);
    const into = new Float64Array(12_000);
    expect(tree.allInto(into, 0, LAST_PAGE)).toBe(12_000);
    expect(into).toEqual(handles.subarray(0, 12_000));
    expect(tree.all(0, LAST_PAGE)).toEqual(handles);
    expect(tree.allInto(new Float64Array(0), 0, LAST_PAGE)).toBe(0);
    const some = tree.all(0, 9);
    tree.clear();
    expect(some).toEqual(handles.subarray(0, 1));
  });

  test("batches say what single calls say", async () => {
    const { tree } = await filled(3_000);
    const starts = Float64Array.from({ length: 5_000 }, (_, i) => i * 7);
    const lasts = starts.map((start) => start + 2);
    const firsts = Array.from(starts, (start, i) => tree.first(start, lasts[i]) ?? -1);
    expect([...tree.firstMany(starts, lasts)]).toEqual(firsts);
    expect([...tree.firstMany([...starts], [...lasts])]).toEqual(firsts);
    const counts = Array.from(starts, (start, i) => tree.count(start, lasts[i]));
    expect([...tree.countMany(starts, lasts)]).toEqual(counts);
  });

  test("loads what is not in order as if it had been inserted", async () => {
    const starts = [5, 3, 5, 1, 3];
    const lasts = [6, 9, 5, 1, 3];
    const values = [0, 1, 2, 3, 4];
    const loaded = await IntervalTree.create();
    const handles = loaded.load(starts, lasts, values);
    expect(Array.from(handles, (handle) => loaded.get(handle).value)).toEqual(values);
    expect([...loaded].map(({ value }) => value)).toEqual([3, 1, 4, 0, 2]);
    expect(() => loaded.load(starts, lasts)).toThrow(code("E_EXISTS"));
    loaded.clear();
    expect(loaded.load([], [])).toHaveLength(0);
    expect(validateIntervalTree(loaded)).toEqual([]);
  });

  const changes: readonly (readonly [string, (tree: IntervalTree, handle: number) => void])[] = [
    ["insert", (tree) => tree.insert(1, 1)],
    ["remove", (tree, handle) => tree.remove(handle)],
    ["update", (tree, handle) => tree.update(handle, 1, 1)],
    ["clear", (tree) => tree.clear()],
    ["compact", (tree) => tree.compact()],
  ];
  for (const [name, change] of changes) {
    test(`${name} ends an iteration: E_BUSY; a new value does not`, async () => {
      const { tree, handles } = await filled(10);
      const iterator = tree.overlaps(0, 50);
      iterator.next();
      tree.setValue(handles[9], 5);
      expect(iterator.next().done).toBe(false);
      change(tree, handles[9]);
      expect(() => iterator.next()).toThrow(code("E_BUSY"));
    });
  }

  test("a batch finds what ends exactly where it starts", async () => {
    const { tree, handles } = await filled(100);
    const end = 99 * 10 + 4;
    expect([...tree.firstMany([end, end + 1], [end, end + 1])]).toEqual([handles[99], -1]);
    expect([...tree.countMany([end, end + 1], [end, end + 1])]).toEqual([1, 0]);
  });

  test("a clone is a tree of its own, under the same handles", async () => {
    const { tree, handles } = await filled(100);
    const clone = await tree.clone();
    tree.remove(handles[3]);
    expect(clone.get(handles[3]).start).toBe(30);
    clone.clear();
    expect(tree.size).toBe(99);
    expect([...validateIntervalTree(tree), ...validateIntervalTree(clone)]).toEqual([]);
  });

  test("compaction keeps handles and order", async () => {
    const { tree, handles } = await filled(4_000);
    for (let i = 0; i < 4_000; i++) if (i % 3 !== 0) tree.remove(handles[i]);
    const before = [...tree];
    tree.compact();
    expect([...tree]).toEqual(before);
    expect(validateIntervalTree(tree)).toEqual([]);
    expect(tree.get(handles[3]).start).toBe(30);
  });

  test("ascending insertion fills its nodes, loading too", async () => {
    const inserted = await IntervalTree.create();
    for (let i = 0; i < 14 ** 3; i++) inserted.insert(i, i);
    const { tree: loaded } = await filled(14 ** 3);
    expect([inserted.levels, loaded.levels]).toEqual([3, 3]);
  });

  test("results of a batch go where one says", async () => {
    const { tree, handles } = await filled(3);
    const into = new Float64Array(2);
    expect(tree.firstMany([10, 900], [10, 900], into)).toBe(into);
    expect([...into]).toEqual([handles[1], -1]);
    expect(tree.countMany([0, 0], [99, 5], into)).toBe(into);
    expect([...into]).toEqual([3, 1]);
    expect(() => tree.firstMany([1], [1], into)).toThrow(code("E_LIMIT"));
    const list = [0, 0] as unknown as Float64Array;
    expect(() => tree.countMany([1, 2], [1, 2], list)).toThrow(code("E_TYPE"));
  });

  test("a batch has room for any number of overlaps", async () => {
    const tree = await IntervalTree.create();
    const n = 20_000;
    const starts = Float64Array.from({ length: n }, (_, i) => i);
    const handles = tree.load(
      starts,
      starts.map(() => n),
    );
    const queries = Float64Array.from({ length: 5_000 }, (_, i) => (i === 3_000 ? n : 1));
    const { handles: all, offsets } = tree.allMany(queries, queries);
    expect(offsets[3_001] - offsets[3_000]).toBe(n);
    expect([all.length, offsets[5_000]]).toEqual([n + 2 * 4_999, n + 2 * 4_999]);
    expect(all.subarray(offsets[3_000], offsets[3_001])).toEqual(handles);
    expect([...all.subarray(offsets[4_999])]).toEqual([handles[0], handles[1]]);
    expect(tree.allMany([], [])).toEqual({
      handles: new Float64Array(0),
      offsets: new Uint32Array(1),
    });
  });

  test("moving many is moving one after the other, or nothing", async () => {
    const { tree, handles } = await filled(3_000);
    const one = await tree.clone();
    const n = 5_000;
    const names = Float64Array.from({ length: n }, (_, i) => handles[(i * 7_919) % 3_000]);
    const starts = names.map((_, i) => (i * 104_729) % 40_000);
    const lasts = starts.map((start, i) => start + (i % 50));
    tree.updateMany(names, starts, lasts);
    for (let i = 0; i < n; i++) one.update(names[i], starts[i], lasts[i]);
    const after = [...tree];
    expect(after).toEqual([...one]);
    expect(validateIntervalTree(tree)).toEqual([]);
    expect(() => tree.updateMany(names, starts, lasts.with(4_999, -1))).toThrow(
      code("E_ADDR_RANGE"),
    );
    expect(() => tree.updateMany(names.with(4_999, 1.5), starts, lasts)).toThrow(code("E_NOENT"));
    expect(() => tree.updateMany(names, starts.subarray(1), lasts)).toThrow(code("E_LIMIT"));
    expect(() => tree.updateMany(["1" as unknown as number], [1], [1])).toThrow(code("E_TYPE"));
    expect([...tree]).toEqual(after);
    tree.updateMany([], [], []);
  });

  test("batches may go in front of everything, and behind", async () => {
    const tree = await IntervalTree.create();
    const places = Float64Array.from({ length: 5_000 }, (_, i) => 100_000 + i);
    const handles = tree.load(places, places);
    expect(tree.levels).toBeGreaterThan(3);
    const check = (some: Float64Array, at: Float64Array): void => {
      expect(validateIntervalTree(tree)).toEqual([]);
      expect([...tree.firstMany(at, at)]).toEqual([...some]);
    };
    // Alone in its batch: none behind it mends what it should have widened.
    const only = Float64Array.of(50_000);
    check(tree.insertMany(only, only), only);
    const front = Float64Array.from({ length: 300 }, (_, i) => 999 - i);
    check(tree.insertMany(front, front), front);
    const moved = handles.slice(2_000, 2_300);
    for (const at of [front.map((page) => page - 600), front.map((page) => 200_000 - page)]) {
      tree.updateMany(moved, at, at);
      check(moved, at);
    }
    expect(tree.max()?.start).toBe(199_700 - 400);
  });

  test("removing many leaves all of them when one cannot be", async () => {
    const { tree, handles } = await filled(5_000);
    const before = [...tree];
    const twice = Float64Array.of(...handles, handles[17]);
    expect(() => tree.removeMany(twice)).toThrow(code("E_NOENT"));
    expect(() => tree.removeMany(handles.with(4_100, handles[4_099]))).toThrow(code("E_NOENT"));
    expect(() => tree.removeMany(handles.with(4_999, 7))).toThrow(code("E_NOENT"));
    expect([...tree]).toEqual(before);
    expect(validateIntervalTree(tree)).toEqual([]);
    tree.removeMany(handles);
    expect(tree.size).toBe(0);
    expect(validateIntervalTree(tree)).toEqual([]);
  });

  test("stale handles are noticed, also after their slot was used again", async () => {
    const tree = await IntervalTree.create();
    const old = tree.insert(1, 2);
    tree.remove(old);
    const again = tree.insert(3, 4);
    for (const handle of [old, -1, 0, 1e300, NaN, 2 ** 51]) {
      expect(tree.has(handle)).toBe(false);
      expect(() => tree.get(handle)).toThrow(code("E_NOENT"));
      expect(() => tree.update(handle, 1, 1)).toThrow(code("E_NOENT"));
      expect(() => tree.remove(handle)).toThrow(code("E_NOENT"));
    }
    expect(() => tree.removeMany([again, again])).toThrow(code("E_NOENT"));
    expect(() => tree.removeMany([again, old])).toThrow(code("E_NOENT"));
    expect(() => tree.remove("1" as unknown as number)).toThrow(code("E_TYPE"));
    expect(tree.get(again).start).toBe(3);
    tree.clear();
    expect(tree.has(again)).toBe(false);
  });

  test("numbers that nobody was given name nothing", async () => {
    const tree = await IntervalTree.create();
    const handles = Array.from({ length: 6 }, (_, i) => tree.insert(i, i));
    for (let i = 0; i < 5; i++) tree.remove(handles[i]);
    for (let i = 0; i < 20; i++) tree.remove(tree.insert(i, i));
    const given = new Set([handles[5], tree.insert(1, 1)]);
    for (let slot = 0; slot < 8; slot++) {
      for (let generation = 0; generation < 60; generation++) {
        for (const part of [0, 0.5]) {
          const handle = generation * 2 ** 26 + slot + part;
          expect(tree.has(handle)).toBe(given.has(handle));
        }
      }
    }
    for (const handle of given) expect(tree.has(handle + 2 ** 52)).toBe(false);
  });

  const bad: readonly (readonly [string, unknown, unknown, unknown])[] = [
    ["E_TYPE", 1.5, 2, 0],
    ["E_TYPE", NaN, 2, 0],
    ["E_TYPE", "1", 2, 0],
    ["E_TYPE", 1n, 2, 0],
    ["E_TYPE", 1, 2.5, 0],
    ["E_TYPE", 1, Infinity, 0],
    ["E_TYPE", undefined, 2, 0],
    ["E_ADDR_RANGE", -1, 2, 0],
    ["E_ADDR_RANGE", 1, PAGE_LIMIT, 0],
    ["E_ADDR_RANGE", 2 ** 53 + 2, 2 ** 53 + 4, 0],
    ["E_INVERTED", 3, 2, 0],
    ["E_LIMIT", 1, 2, -1],
    ["E_LIMIT", 1, 2, 2 ** 32],
    ["E_TYPE", 1, 2, 0.5],
    ["E_TYPE", 1, 2, null],
    ["E_TYPE", 1, 2, 1n],
  ];
  for (const [expected, start, last, value] of bad) {
    const what = [start, last, value].map(String).join(", ");
    test(`insert(${what}) is ${expected}, one by one and in a batch; nothing changes`, async () => {
      const { tree } = await filled(40);
      const before = [...tree];
      const [s, l, v] = [start, last, value] as [number, number, number];
      expect(() => tree.insert(s, l, v)).toThrow(code(expected));
      const list = (bad: number, good: number): number[] => [good, good, bad];
      const batch = [list(s, 7), list(l, 9), list(v, 0)] as const;
      expect(() => tree.insertMany(...batch)).toThrow(code(expected));
      if (value === 0) {
        expect(() => tree.first(s, l)).toThrow(code(expected));
        expect(() => tree.all(s, l)).toThrow(code(expected));
        expect(() => tree.count(s, l)).toThrow(code(expected));
        expect(() => tree.firstMany(batch[0], batch[1])).toThrow(code(expected));
        expect(() => tree.allMany(batch[0], batch[1])).toThrow(code(expected));
      }
      expect([...tree]).toEqual(before);
      expect(validateIntervalTree(tree)).toEqual([]);
      tree.insert(1, 2, 3);
    });
  }

  test("lists of different lengths, sizes out of range, and use after dispose", async () => {
    const { tree } = await filled(3);
    expect(() => tree.insertMany([1], [])).toThrow(code("E_LIMIT"));
    expect(() => tree.insertMany([1], [1], [])).toThrow(code("E_LIMIT"));
    expect(() => tree.firstGap(0)).toThrow(code("E_LIMIT"));
    expect(() => tree.firstGap(PAGE_LIMIT + 1)).toThrow(code("E_LIMIT"));
    for (const limit of [0, 1.5, 2 ** 25 + 1, "9" as unknown as number]) {
      await expect(IntervalTree.create({ limit })).rejects.toThrow(/limit/);
    }
    tree.dispose();
    tree.dispose();
    for (const call of [() => tree.size, () => tree.first(1), () => tree.insert(1, 1)]) {
      expect(call).toThrow(code("E_DISPOSED"));
    }
    await expect(tree.clone()).rejects.toThrow(code("E_DISPOSED"));
  });
});

describe("limits", () => {
  test("a tree that is full says so and stays as it was", async () => {
    const tree = await IntervalTree.create({ limit: 20, capacity: 1 });
    for (let i = 0; i < 20; i++) tree.insert(i, i);
    const before = [...tree];
    expect(() => tree.insert(1, 1)).toThrow(code("E_LIMIT"));
    expect(() => tree.insertMany([1], [1])).toThrow(code("E_LIMIT"));
    expect([...tree]).toEqual(before);
    tree.remove(before[0].handle);
    tree.insert(5, 5);
  });

  test("memory that ends at any growth leaves everything as it was", async () => {
    let failures = 0;
    let noMoves = 0;
    let noBatches = 0;
    for (let pages = 16; pages < 60; pages++) {
      const tree = await IntervalTree.create({ capacity: 1, maxBytes: pages * 65_536 });
      const model: number[] = [];
      try {
        for (let i = 0; i < 60_000; i++) model.push(tree.insert((i * 7919) % 50_000, 60_000, i));
      } catch (error) {
        failures++;
        expect(error).toMatchObject({ code: "E_NOMEM", details: { limit: tree.bytes } });
        expect(tree.size).toBe(model.length);
        expect(validateIntervalTree(tree)).toEqual([]);
        const many = Float64Array.from({ length: 30_000 }, (_, i) => i);
        const before = tree.size;
        expect(() => tree.insertMany(many, many)).toThrow(code("E_NOMEM"));
        expect(tree.size).toBe(before);
        expect(validateIntervalTree(tree)).toEqual([]);
        // A place that was given back can be taken again.
        for (const handle of model.slice(0, 100)) {
          const { start } = tree.get(handle);
          tree.remove(handle);
          tree.insert(start, 60_000);
        }
        // Moving entries into one crowded place needs nodes too.
        const moved = model.slice(100).findIndex((handle) => {
          try {
            tree.update(handle, 77, 60_000);
            return false;
          } catch (failed) {
            expect(failed).toMatchObject({ code: "E_NOMEM" });
            expect(tree.has(handle)).toBe(true);
            return true;
          }
        });
        if (moved >= 0) noMoves++;
        const entries = [...tree];
        const crowd = Float64Array.from(entries, ({ handle }) => handle);
        try {
          tree.updateMany(
            crowd,
            crowd.map(() => 78),
            crowd.map(() => 60_000),
          );
        } catch (failed) {
          noBatches++;
          expect(failed).toMatchObject({ code: "E_NOMEM" });
          expect([...tree]).toEqual(entries);
        }
        expect(validateIntervalTree(tree)).toEqual([]);
      }
    }
    expect(failures).toBeGreaterThan(20);
    expect(noMoves).toBeGreaterThan(0);
    expect(noBatches).toBeGreaterThan(0);
  });
});

describe("the validator", () => {
  /** Word of a node: as in assembly/interval-tree/node.ts. */
  const word = (id: number, at: number): number => 16 + (id - 1) * 128 + at;
  const planted: Readonly<Record<string, (u32: Uint32Array) => void>> = {
    LeavesAscend: (u32) => (u32[word(1, 34)] = 999_999),
    SubtreeLastIsMaximum: (u32) => u32[word(u32[0], 0)]++,
    StartsBoundChildren: (u32) => (u32[word(u32[0], 34)] += 1),
    NoEmptyLeaf: (u32) => (u32[word(1, 112)] = 0),
    EmptySlotsAreEmpty: (u32) => (u32[word(1, 64 + 15)] = 5),
    ParentsKnown: (u32) => u32[word(1, 113)]++,
    HandlesPointHome: (u32) => u32[word(1, 80)]++,
    CountsAddUp: (u32) => u32[2]++,
  };

  test("has a planted error for every invariant", () => {
    expect(Object.keys(planted).sort()).toEqual(Object.keys(INTERVAL_TREE_INVARIANTS).sort());
  });

  for (const [name, plant] of Object.entries(planted)) {
    test(`${name} is noticed`, async () => {
      const { tree } = await filled(100);
      expect(validateIntervalTree(tree)).toEqual([]);
      const raw = tree.raw();
      plant(raw.u32.subarray(raw.tree >> 2));
      expect(validateIntervalTree(tree).map(({ invariant }) => invariant)).toContain(name);
    });
  }
});
