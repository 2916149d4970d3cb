/** What requests do, step by step: the same in the packed form and in the tree. */
import { describe, expect, test } from "vitest";
import {
  PinnedPages,
  PinnedPagesTree,
  type PinOptions,
  type PinStore,
  validatePinnedPages,
} from "../../src/index.js";

const BOTH: readonly (readonly [string, (options?: PinOptions) => Promise<PinStore>])[] = [
  ["packed", (options) => PinnedPages.create(options)],
  ["tree", async (options) => new PinnedPagesTree(options)],
];

function code(expected: string, details: Record<string, unknown> = {}): Error {
  const some: unknown = expect.objectContaining(details);
  return expect.objectContaining({ code: expected, details: some }) as Error;
}

/** Everything a store tells of itself. */
function told(store: PinStore): unknown {
  return { size: store.size, pins: store.pins, charge: store.charge, pages: [...store] };
}

for (const [name, create] of BOTH) {
  describe(name, () => {
    test("two pins of a page: one page, one charge, the frame of the first", async () => {
      const store = await create();
      expect([store.pin(16, 100), store.pin(16, 999)]).toEqual([100, 100]);
      expect([...store]).toEqual([{ page: 16, pfn: 100, count: 2 }]);
      expect([store.size, store.pins, store.charge]).toEqual([1, 2, 1]);
      expect([store.unpin(16), store.charge]).toEqual([1, 1]);
      expect([store.unpin(16), store.charge]).toEqual([0, 0]);
      expect([store.lookup(16), store.count(16), store.unpin(16)]).toEqual([undefined, 0, -1]);
    });

    test("two pins of a page in one request", async () => {
      const store = await create({ last: 31 });
      expect([...store.pinMany([16, 16], [100, 101])]).toEqual([100, 100]);
      expect([store.count(16), store.charge]).toEqual([2, 1]);
      store.drop();
      const fails = code("E_ADDR_RANGE", { index: 2 });
      expect(() => store.pinMany([16, 16, 32], [100, 101, 102])).toThrow(fails);
      expect(told(store)).toEqual({ size: 0, pins: 0, charge: 0, pages: [] });
    });

    test("a frame through two pages: two pages, charged twice", async () => {
      const store = await create();
      store.pinMany([16, 4_000], [100, 100]);
      expect([store.size, store.pins, store.charge]).toEqual([2, 2, 2]);
      store.unpin(16);
      expect([...store]).toEqual([{ page: 4_000, pfn: 100, count: 1 }]);
      expect(store.charge).toBe(1);
    });

    test("a page outside of the mapping at index 2: nothing is left", async () => {
      const store = await create({ first: 16, last: 31 });
      for (const pages of [
        [16, 17, 32, 18],
        [16, 17, 15, 18],
      ]) {
        const into = Float64Array.of(7, 7, 7, 7);
        const fails = code("E_ADDR_RANGE", { index: 2, least: 16, most: 31 });
        expect(() => store.pinMany(pages, [1, 2, 3, 4], into)).toThrow(fails);
        expect([...into]).toEqual([7, 7, 7, 7]);
        expect(told(store)).toEqual({ size: 0, pins: 0, charge: 0, pages: [] });
      }
      const fails = code("E_ADDR_RANGE", { index: 2 });
      expect(() => store.pinRange(30, 4, [1, 2, 3, 4])).toThrow(fails);
      expect(() => store.pinRange(30, 4, () => 1)).toThrow(fails);
      expect(store.size).toBe(0);
      expect(() => store.pinRange(15, 4, () => 1)).toThrow(code("E_ADDR_RANGE", { index: 0 }));
    });

    test("a limit that is reached at index 2: nothing is left", async () => {
      const store = await create({ chargeLimit: 3 });
      store.pin(1, 1);
      const before = told(store);
      const fails = code("E_LIMIT", { argument: "chargeLimit", limit: 3, index: 2 });
      expect(() => store.pinMany([5, 6, 7, 8], [1, 2, 3, 4])).toThrow(fails);
      expect(() => store.pinRange(5, 4, [1, 2, 3, 4])).toThrow(fails);
      expect(() => store.pinRange(5, 4, (page) => page)).toThrow(fails);
      expect(told(store)).toEqual(before);
      store.pinMany([5, 6, 1], [1, 2, 3]);
      expect(() => store.pin(9, 9)).toThrow(code("E_LIMIT"));
      // What is pinned already costs nothing.
      expect(store.pin(6, 9)).toBe(2);
    });

    test("a limit of nothing still lets reserved frames in", async () => {
      const store = await create({ chargeLimit: 0, reserved: [[100, 110]] });
      expect(() => store.pin(1, 99)).toThrow(code("E_LIMIT"));
      expect(() => store.pin(1, 111)).toThrow(code("E_LIMIT"));
      store.pinMany([1, 2], [100, 110]);
      expect([store.size, store.charge]).toEqual([2, 0]);
      expect([store.unpin(1), store.charge]).toEqual([0, 0]);
    });

    test("a request that fails gives its first page back once, not altogether", async () => {
      const store = await create({ last: 31 });
      store.pin(16, 100);
      const before = told(store);
      const fails = code("E_ADDR_RANGE", { index: 2 });
      expect(() => store.pinMany([16, 17, 32], [1, 2, 3])).toThrow(fails);
      expect(told(store)).toEqual(before);
      expect(store.count(16)).toBe(1);
    });

    test("a fault that throws at index 2: rolled back, its error is passed on", async () => {
      const store = await create();
      store.pin(16, 100);
      const before = told(store);
      const asked: number[] = [];
      const cause = new Error("no such page");
      const fault = (page: number): number => {
        asked.push(page);
        if (page === 18) throw cause;
        return page + 1_000;
      };
      expect(() => store.pinRange(16, 4, fault)).toThrow(cause);
      expect(() => store.pinMany([16, 17, 18, 19], fault)).toThrow(cause);
      expect(() => store.pin(18, fault)).toThrow(cause);
      // A page that is pinned already is not faulted in.
      expect(asked).toEqual([17, 18, 17, 18, 18]);
      expect(told(store)).toEqual(before);
      // The store may be used again.
      expect([...store.pinMany([17, 16], fault)]).toEqual([1_017, 100]);
    });

    test("a fault that gives no frame: rolled back", async () => {
      const store = await create();
      for (const [frame, expected] of [
        [-1, "E_LIMIT"],
        [2 ** 53, "E_LIMIT"],
        [1.5, "E_TYPE"],
        [NaN, "E_TYPE"],
        ["1", "E_TYPE"],
        [undefined, "E_TYPE"],
        [1n, "E_TYPE"],
      ] as [number, string][]) {
        const fault = (page: number): number => (page === 18 ? frame : 5);
        expect(() => store.pinRange(16, 4, fault)).toThrow(code(expected, { argument: "frame" }));
        expect(told(store)).toEqual({ size: 0, pins: 0, charge: 0, pages: [] });
      }
    });

    test("a fault that changes the list it is called for", async () => {
      const store = await create();
      store.pin(1, 1);
      const pages = [16, 17, 18];
      const fault = (page: number): number => {
        pages.fill(1);
        if (page === 18) throw new Error("no");
        return page;
      };
      expect(() => store.pinMany(pages, fault)).toThrow("no");
      expect([...store]).toEqual([{ page: 1, pfn: 1, count: 1 }]);
      const more = [16, 17];
      const shorten = (page: number): number => {
        more.length = 0;
        return page;
      };
      expect([...store.pinMany(more, shorten)]).toEqual([16, 17]);
      expect(store.size).toBe(3);
    });

    test("changes from within a fault are E_BUSY, questions are answered", async () => {
      const store = await create();
      store.pin(1, 7);
      const codes: string[] = [];
      const changes: (() => void)[] = [
        () => store.pin(1, 1),
        () => store.pin(2, () => 1),
        () => store.pinMany([1], [1]),
        () => store.pinRange(1, 2, [1, 2]),
        () => store.unpin(1),
        () => store.unpinMany([1]),
        () => store.unpinRange(1, 1),
        () => store.drop(),
        () => store.mapAll(),
        () => store.unmapAll(),
      ];
      const fault = (page: number): number => {
        for (const change of changes) {
          try {
            change();
          } catch (error) {
            codes.push((error as { code: string }).code);
          }
        }
        expect([store.lookup(1), store.count(1), store.anyIn(0, 9)]).toEqual([7, 1, true]);
        expect([...store]).toHaveLength(store.size);
        return page;
      };
      expect(store.pin(5, fault)).toBe(5);
      expect(codes).toEqual(changes.map(() => "E_BUSY"));
      expect([...store.pinMany([6, 1], fault)]).toEqual([6, 7]);
      expect([store.pins, store.charge]).toEqual([4, 3]);
      // One that does not catch it fails, and leaves nothing.
      const careless = (): number => store.unpin(1);
      expect(() => store.pinRange(10, 3, careless)).toThrow(code("E_BUSY"));
      expect(store.pins).toBe(4);
    });

    test("charge is a union by iova of what is mapped and what is pinned", async () => {
      const store = await create({ first: 16, last: 31, chargeLimit: 16 });
      const charges = [store.charge];
      const step = (change: () => unknown): void => {
        change();
        charges.push(store.charge);
      };
      step(() => store.pinRange(16, 4, [1, 2, 3, 4]));
      step(() => store.mapAll());
      step(() => store.pinMany([24, 25], [5, 6]));
      step(() => store.unpin(16));
      step(() => store.unmapAll());
      step(() => store.unpinRange(16, 16));
      expect(charges).toEqual([0, 4, 16, 16, 16, 5, 0]);
      expect(() => store.pinRange(16, 16, () => 5)).not.toThrow();
      store.mapAll(3);
      expect(store.charge).toBe(13);
    });

    test("a mapping that may not be charged is not mapped; pins above the limit stay", async () => {
      const store = await create({ first: 16, last: 31, chargeLimit: 8 });
      expect(() => store.mapAll()).toThrow(code("E_LIMIT", { limit: 8 }));
      expect(() => store.mapAll(7)).toThrow(code("E_LIMIT"));
      expect(store.charge).toBe(0);
      store.mapAll(8);
      store.pinRange(16, 12, () => 5);
      store.unmapAll();
      expect(store.charge).toBe(12);
      expect(() => store.pin(31, 5)).toThrow(code("E_LIMIT"));
      store.unpinRange(16, 5);
      expect([store.pin(31, 5), store.charge]).toEqual([5, 8]);
    });

    test("unpins of what is not pinned, or not in the mapping", async () => {
      const store = await create({ first: 16, last: 31 });
      store.pinMany([16, 17], [1, 2]);
      expect(() => store.unpin(15)).toThrow(code("E_ADDR_RANGE"));
      expect(() => store.unpinMany([15, 16])).toThrow(code("E_ADDR_RANGE", { index: 0 }));
      expect(() => store.unpinRange(32, 1)).toThrow(code("E_ADDR_RANGE", { index: 0 }));
      expect(store.pins).toBe(2);
      expect(store.unpin(20)).toBe(-1);
      // Pinned, mapped but not pinned, outside: two count, the first is given back.
      const into = Float64Array.of(7, 7, 7, 7);
      expect(store.unpinMany([16, 20, 32, 17], into)).toBe(2);
      expect([...into]).toEqual([0, -1, 7, 7]);
      expect([store.count(16), store.count(17)]).toEqual([0, 1]);
      expect(store.unpinRange(30, 4)).toBe(2);
      expect(store.unpinMany([])).toBe(0);
      expect([...store.pinMany([], [])]).toEqual([]);
    });

    test("results go where they are wanted", async () => {
      const store = await create();
      const into = new Float64Array(3);
      expect(store.pinMany([1, 2, 1], [5, 6, 7], into)).toBe(into);
      expect([...into]).toEqual([5, 6, 5]);
      expect(store.pinRange(1, 3, [8, 9, 10], into)).toBe(into);
      expect([...into]).toEqual([5, 6, 10]);
      expect(store.unpinRange(1, 3, into)).toBe(3);
      expect([...into]).toEqual([2, 1, 0]);
      expect(store.unpinMany([1, 1, 1], into)).toBe(3);
      expect([...into]).toEqual([1, 0, -1]);
      // Into the list itself.
      const list = Float64Array.of(40, 41, 42);
      expect([...store.pinMany(list, [1, 2, 3], list)]).toEqual([1, 2, 3]);
      expect(store.size).toBe(4);
    });

    const windows: readonly (readonly [string, (i: number) => number])[] = [
      ["one range", (i) => 50 + i],
      ["scattered", (i) => (i * 7_919) % 1_000_003],
      ["the same few", (i) => i % 5],
      ["descending", (i) => 9_000 - i],
    ];
    for (const [kind, pageOf] of windows) {
      test(`lists of several windows, ${kind}, and failures in each`, async () => {
        const store = await create({ last: 1_000_002 });
        const pages = Float64Array.from({ length: 5_000 }, (_, i) => pageOf(i));
        const frames = pages.map((page) => page + 3);
        expect([...store.pinMany(pages, frames)]).toEqual([...frames]);
        const before = told(store);
        expect(store.pins).toBe(5_000);
        for (const at of [0, 1, 2_047, 2_048, 4_095, 4_096, 4_999]) {
          const bad = pages.slice();
          bad[at] = 1_000_003;
          const fails = code("E_ADDR_RANGE", { index: at });
          expect(() => store.pinMany(bad, frames)).toThrow(fails);
          if (at > 0) {
            const into = new Float64Array(5_000);
            expect(store.unpinMany(bad, into)).toBe(at);
            expect([...store.pinMany(bad.subarray(0, at), frames.subarray(0, at))]).toEqual([
              ...frames.subarray(0, at),
            ]);
          }
          expect(told(store)).toEqual(before);
        }
        const left = new Float64Array(5_000);
        expect(store.unpinMany(Array.from(pages), left)).toBe(5_000);
        expect([store.size, store.pins, store.charge]).toEqual([0, 0, 0]);
        expect(left.at(-1)).toBe(0);
      });
    }

    test("a limit beyond the first window", async () => {
      const store = await create({ chargeLimit: 4_000 });
      const frames = Float64Array.from({ length: 5_000 }, (_, i) => i);
      const fails = code("E_LIMIT", { index: 4_000 });
      expect(() => store.pinRange(100, 5_000, frames)).toThrow(fails);
      expect(() => store.pinRange(100, 5_000, (page) => page)).toThrow(fails);
      const pages = frames.map((i) => i * 3);
      expect(() => store.pinMany(pages, frames)).toThrow(fails);
      expect(told(store)).toEqual({ size: 0, pins: 0, charge: 0, pages: [] });
      expect(store.pinRange(100, 4_000, frames.subarray(0, 4_000))).toHaveLength(4_000);
      expect(store.unpinRange(100, 5_000)).toBe(5_000);
      expect(store.size).toBe(0);
    });
  });
}

test("questions about lists and ranges, in several windows", async () => {
  const pins = await PinnedPages.create({ last: 99_999 });
  pins.pinRange(1_000, 3_000, (page) => page * 2);
  const pages = Float64Array.from({ length: 6_000 }, (_, i) => i * 2);
  const expected = pages.map((page) => (page >= 1_000 && page < 4_000 ? page * 2 : -1));
  expect([...pins.lookupMany(pages)]).toEqual([...expected]);
  const into = new Float64Array(6_000);
  expect(pins.lookupMany(Array.from(pages), into)).toBe(into);
  expect([...into]).toEqual([...expected]);
  expect([...pins.lookupRange(3_998, 4)]).toEqual([7_996, 7_998, -1, -1]);
  expect(pins.lookupRange(0, 6_000, into)).toBe(into);
  expect(into[3_999]).toBe(7_998);
  expect(pins.lookupMany([])).toHaveLength(0);
  const fails = code("E_ADDR_RANGE", { index: 5 });
  expect(() => pins.lookupMany([1, 2, 3, 4, 5, 100_000])).toThrow(fails);
  expect(() => pins.lookupRange(99_995, 6)).toThrow(fails);
  expect(() => pins.lookupRange(100_000, 1)).toThrow(code("E_ADDR_RANGE", { index: 0 }));
});

test("the first in a range, whatever the forms and wherever the range ends", async () => {
  const pins = await PinnedPages.create();
  const last = 2 ** 52 - 1;
  expect([pins.firstIn(0, last), pins.anyIn(0, last)]).toEqual([undefined, false]);
  pins.pinMany([0, last, 1_000_000, 1_000_005], [1, 2, 3, 4]);
  pins.pinRange(2 ** 40, 200, (page) => page);
  pins.pinRange(2 ** 30 + 3, 20, (page) => page);
  const cases: readonly (readonly [number, number, number | undefined])[] = [
    [0, last, 0],
    [1, last, 1_000_000],
    [1_000_001, last, 1_000_005],
    [1_000_001, 1_000_004, undefined],
    [1_000_006, last, 2 ** 30 + 3],
    [2 ** 30 + 10, last, 2 ** 30 + 10],
    [2 ** 30 + 23, last, 2 ** 40],
    [2 ** 30 + 23, 2 ** 40 - 1, undefined],
    [2 ** 40 + 199, last - 1, 2 ** 40 + 199],
    [2 ** 40 + 200, last - 1, undefined],
    [2 ** 40 + 200, last, last],
    [last, last, last],
  ];
  for (const [from, to, expected] of cases) {
    expect([from, to, pins.firstIn(from, to)]).toEqual([from, to, expected]);
    expect(pins.anyIn(from, to)).toBe(expected !== undefined);
  }
});

describe("a clone", () => {
  test("is its own, with limits, reserved frames and what is mapped", async () => {
    const pins = await PinnedPages.create({ last: 99, chargeLimit: 60, reserved: [[5, 9]] });
    pins.pinMany([1, 2, 3], [1, 7, 8]);
    pins.mapAll(40);
    const copy = await pins.clone();
    expect(told(copy)).toEqual(told(pins));
    pins.drop();
    copy.pinRange(0, 100, () => 50);
    expect([pins.size, pins.charge, copy.size, copy.charge]).toEqual([0, 60, 100, 60]);
    copy.unmapAll();
    expect(copy.charge).toBe(98);
    expect(() => copy.pin(50, 1)).not.toThrow();
    copy.unpin(99);
    expect(() => copy.pin(99, 1)).toThrow(code("E_LIMIT"));
    expect(copy.pin(99, 5)).toBe(5);
    expect(() => copy.pin(100, 1)).toThrow(code("E_ADDR_RANGE"));
    pins.dispose();
    expect(copy.size).toBe(100);
    expect(validatePinnedPages(copy)).toEqual([]);
  });

  test("is of the moment it was asked for", async () => {
    const pins = await PinnedPages.create({ last: 2 ** 30 });
    pins.pinRange(0, 10, (page) => page);
    const coming = pins.clone();
    pins.mapAll();
    pins.pinRange(0, 300_000, (page) => page);
    const copy = await coming;
    expect([copy.size, copy.charge]).toEqual([10, 10]);
    expect(validatePinnedPages(copy)).toEqual([]);
  });
});
