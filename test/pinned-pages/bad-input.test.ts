import { describe, expect, test } from "vitest";
import {
  PAGE_LIMIT,
  PinnedPages,
  PinnedPagesTree,
  type PinOptions,
  type PinStore,
  validatePinnedPages,
} from "../../src/index.js";

function failure(code: string, argument?: string): Error {
  const named: unknown = expect.objectContaining(argument === undefined ? {} : { argument });
  return expect.objectContaining({ code, details: named }) as Error;
}

type Call = (store: PinStore, value: never) => unknown;

const NO_NUMBERS = [undefined, null, "20", 20n, NaN, 20.5, Infinity, {}, [20]];
const NO_LISTS = [undefined, null, "12", 5, {}, { length: -1 }, { length: 1.5 }, true];

/** The argument, what is called with it, the code, the values it is for. */
const BAD: readonly (readonly [string, string, readonly unknown[], readonly Call[]])[] = [
  [
    "page",
    "E_TYPE",
    NO_NUMBERS,
    [
      (store, page) => store.pin(page, 1),
      (store, page) => store.pin(page, () => 1),
      (store, page) => store.pinMany([20, page], [1, 1]),
      (store, page) => store.pinMany([20, page], () => 1),
      (store, page) => store.pinRange(page, 1, [1]),
      (store, page) => store.unpin(page),
      (store, page) => store.unpinMany([20, page]),
      // Found even behind a page that is not in the mapping, where the request ends.
      (store, page) => store.unpinMany([20, 5, page]),
      (store, page) => store.unpinRange(page, 1),
      (store, page) => store.lookup(page),
      (store, page) => store.count(page),
    ],
  ],
  [
    "page",
    "E_ADDR_RANGE",
    [-1, 9, 100, PAGE_LIMIT, 2 ** 60, -(2 ** 60)],
    [
      (store, page) => store.pin(page, 1),
      (store, page) => store.pin(page, () => 1),
      (store, page) => store.pinMany([20, page], [1, 1]),
      (store, page) => store.pinMany([20, page], () => 1),
      (store, page) => store.pinRange(page, 2, [1, 1]),
      (store, page) => store.unpin(page),
      (store, page) => store.unpinMany([page, 20]),
      (store, page) => store.unpinRange(page, 1),
      (store, page) => store.lookup(page),
      (store, page) => store.count(page),
    ],
  ],
  [
    "first",
    "E_TYPE",
    NO_NUMBERS.slice(1),
    [
      (store, first) => store.anyIn(first, 30),
      (store, first) => store.walk(first, 30),
      (store, first) => store.drop(first, 30),
    ],
  ],
  [
    "first",
    "E_ADDR_RANGE",
    [-1, 9, 100, PAGE_LIMIT],
    [
      (store, first) => store.anyIn(first, 30),
      (store, first) => store.walk(first, 30),
      (store, first) => store.drop(first, 30),
    ],
  ],
  [
    "last",
    "E_TYPE",
    NO_NUMBERS.slice(1),
    [
      (store, last) => store.anyIn(20, last),
      (store, last) => store.walk(20, last),
      (store, last) => store.drop(20, last),
    ],
  ],
  [
    "last",
    "E_ADDR_RANGE",
    [-1, 9, 100, PAGE_LIMIT],
    [
      (store, last) => store.anyIn(20, last),
      (store, last) => store.walk(20, last),
      (store, last) => store.drop(20, last),
    ],
  ],
  [
    "last",
    "E_INVERTED",
    [10, 19],
    [
      (store, last) => store.anyIn(20, last),
      (store, last) => store.walk(20, last),
      (store, last) => store.drop(20, last),
    ],
  ],
  [
    "count",
    "E_TYPE",
    NO_NUMBERS,
    [
      (store, count) => store.pinRange(20, count, [1]),
      (store, count) => store.unpinRange(20, count),
    ],
  ],
  [
    "count",
    "E_LIMIT",
    [0, -1, PAGE_LIMIT + 1],
    [
      (store, count) => store.pinRange(20, count, [1]),
      (store, count) => store.pinRange(20, count, () => 1),
      (store, count) => store.unpinRange(20, count),
      (store, count) => store.unpinRange(20, count, new Float64Array(1)),
    ],
  ],
  [
    "frame",
    "E_TYPE",
    NO_NUMBERS,
    [
      (store, frame) => store.pin(20, frame),
      (store, frame) => store.pin(50, frame),
      (store, frame) => store.pin(50, () => frame),
      (store, frame) => store.pinMany([50, 20], [1, frame]),
      (store, frame) => store.pinMany([50, 51], () => frame),
      (store, frame) => store.pinRange(50, 2, [1, frame]),
    ],
  ],
  [
    "frame",
    "E_LIMIT",
    [-1, 2 ** 53, 2 ** 60],
    [
      (store, frame) => store.pin(20, frame),
      (store, frame) => store.pin(50, frame),
      (store, frame) => store.pin(50, () => frame),
      (store, frame) => store.pinMany([50, 51, 52], [1, 2, frame]),
      (store, frame) => store.pinRange(50, 2, [1, frame]),
    ],
  ],
  [
    "pages",
    "E_TYPE",
    NO_LISTS,
    [
      (store, pages) => store.pinMany(pages, [1]),
      (store, pages) => store.pinMany(pages, () => 1),
      (store, pages) => store.unpinMany(pages),
    ],
  ],
  [
    "frames",
    "E_TYPE",
    NO_LISTS,
    [
      (store, frames) => store.pinMany([50], frames),
      (store, frames) => store.pinRange(50, 1, frames),
    ],
  ],
  [
    "frames",
    "E_LIMIT",
    [[], [1], [1, 2, 3], new Float64Array(3)],
    [
      (store, frames) => store.pinMany([50, 51], frames),
      (store, frames) => store.pinRange(50, 2, frames),
    ],
  ],
  [
    "into",
    "E_TYPE",
    [null, [0, 0], "ab", 2, {}, new Float32Array(2)],
    [
      (store, into) => store.pinMany([50, 51], [1, 2], into),
      (store, into) => store.pinMany([50, 51], () => 1, into),
      (store, into) => store.pinRange(50, 2, [1, 2], into),
      (store, into) => store.unpinMany([20, 21], into),
      (store, into) => store.unpinRange(20, 2, into),
    ],
  ],
  [
    "into",
    "E_LIMIT",
    [new Float64Array(0), new Float64Array(1), new Float64Array(3)],
    [
      (store, into) => store.pinMany([50, 51], [1, 2], into),
      (store, into) => store.pinRange(50, 2, () => 1, into),
      (store, into) => store.unpinMany([20, 21], into),
      (store, into) => store.unpinRange(20, 2, into),
    ],
  ],
  ["reserved", "E_TYPE", [null, "1", NaN, 0.5], [(store, reserved) => store.mapAll(reserved)]],
  ["reserved", "E_LIMIT", [-1, 91], [(store, reserved) => store.mapAll(reserved)]],
];

/** Of the packed form alone. */
const PACKED: readonly (readonly [string, string, readonly unknown[], readonly PackedCall[]])[] = [
  [
    "page",
    "E_TYPE",
    NO_NUMBERS,
    [(store, page) => store.lookupMany([20, page]), (store, page) => store.lookupRange(page, 1)],
  ],
  [
    "page",
    "E_ADDR_RANGE",
    [-1, 9, 100, PAGE_LIMIT],
    [(store, page) => store.lookupMany([20, page]), (store, page) => store.lookupRange(page, 1)],
  ],
  ["pages", "E_TYPE", NO_LISTS, [(store, pages) => store.lookupMany(pages)]],
  ["count", "E_LIMIT", [0, -1], [(store, count) => store.lookupRange(20, count)]],
  ["first", "E_TYPE", NO_NUMBERS, [(store, first) => store.firstIn(first, 30)]],
  ["last", "E_INVERTED", [10], [(store, last) => store.firstIn(20, last)]],
  [
    "into",
    "E_TYPE",
    [null, [0, 0]],
    [
      (store, into) => store.lookupMany([20, 21], into),
      (store, into) => store.lookupRange(20, 2, into),
    ],
  ],
  [
    "into",
    "E_LIMIT",
    [new Float64Array(1)],
    [
      (store, into) => store.lookupMany([20, 21], into),
      (store, into) => store.lookupRange(20, 2, into),
    ],
  ],
];

type PackedCall = (store: PinnedPages, value: never) => unknown;

const MAPPING: PinOptions = { first: 10, last: 99 };

function some<T extends PinStore>(store: T): T {
  store.pinRange(20, 20, (page) => page * 3);
  store.pinMany([20, 99, 10], [1, 2, 3]);
  return store;
}

function told(store: PinStore): unknown {
  return [store.size, store.pins, store.charge, ...store];
}

describe("bad input", () => {
  for (const [argument, code, values, calls] of BAD) {
    test(`${argument} that is ${code}: nothing changes, in either form`, async () => {
      const packed = some(await PinnedPages.create(MAPPING));
      for (const store of [packed, some(new PinnedPagesTree(MAPPING))]) {
        const before = told(store);
        for (const value of values) {
          for (const call of calls) {
            const what = `${call.toString()} with ${String(value)}`;
            expect(() => call(store, value as never), what).toThrow(failure(code, argument));
          }
          expect(told(store)).toEqual(before);
        }
      }
      expect(validatePinnedPages(packed)).toEqual([]);
    });
  }

  for (const [argument, code, values, calls] of PACKED) {
    test(`${argument} that is ${code}, of the packed form alone`, async () => {
      const store = some(await PinnedPages.create(MAPPING));
      for (const value of values) {
        for (const call of calls) {
          expect(() => call(store, value as never)).toThrow(failure(code, argument));
        }
      }
    });
  }

  test("a frame of 52 bits is the highest of the packed form", async () => {
    const store = some(await PinnedPages.create(MAPPING));
    expect(() => store.pin(50, PAGE_LIMIT)).toThrow(failure("E_LIMIT", "frame"));
  });

  test("what is wrong far into a list is told by its place, and nothing changes", async () => {
    for (const store of [
      some(await PinnedPages.create(MAPPING)),
      some(new PinnedPagesTree(MAPPING)),
    ]) {
      const before = told(store);
      const pages = new Float64Array(5_000).fill(50);
      pages[4_097] = 0.5;
      const fails = expect.objectContaining({
        code: "E_TYPE",
        details: expect.objectContaining({ index: 4_097 }) as unknown,
      }) as Error;
      expect(() => store.pinMany(pages, () => 1)).toThrow(fails);
      expect(() => store.unpinMany(pages)).toThrow(fails);
      const frames = new Float64Array(5_000);
      frames[4_500] = -1;
      const fine = new Float64Array(5_000).fill(50);
      expect(() => store.pinMany(fine, frames)).toThrow(failure("E_LIMIT", "frame"));
      expect(() => store.pinRange(10, 5_000, frames)).toThrow(failure("E_LIMIT", "frame"));
      expect(told(store)).toEqual(before);
    }
  });

  const options: readonly (readonly [string, string, readonly unknown[]])[] = [
    ["first", "E_LIMIT", [-1, PAGE_LIMIT]],
    ["first", "E_TYPE", ["1", 1.5, NaN, 1n]],
    ["last", "E_LIMIT", [-1, PAGE_LIMIT]],
    ["last", "E_TYPE", ["1", 1.5, {}]],
    ["chargeLimit", "E_LIMIT", [-1, PAGE_LIMIT + 1]],
    ["chargeLimit", "E_TYPE", ["1", null, Infinity]],
    ["reserved", "E_TYPE", [5, "ab", {}, [5], [[1]], [[1, 2, 3]], [["1", 2]], [[1, 2.5]], [null]]],
    ["reserved", "E_LIMIT", [[[-1, 5]], [[5, PAGE_LIMIT]]]],
    ["reserved", "E_INVERTED", [[[5, 4]]]],
    ["reserved.length", "E_LIMIT", [Array.from({ length: 17 }, () => [1, 2])]],
    ["maxBytes", "E_LIMIT", [0, 2 ** 32 + 1]],
    ["maxBytes", "E_TYPE", ["1", {}]],
    ["maxNodes", "E_LIMIT", [-1]],
    ["maxNodes", "E_TYPE", ["1", {}]],
  ];
  for (const [argument, code, values] of options) {
    test(`options: ${argument} that is ${code}`, async () => {
      for (const value of values) {
        const bad = { [argument.split(".")[0]]: value } as PinOptions;
        if (argument !== "maxNodes") {
          await expect(PinnedPages.create(bad)).rejects.toThrow(failure(code, argument));
        }
        if (argument !== "maxBytes") {
          expect(() => new PinnedPagesTree(bad)).toThrow(failure(code, argument));
        }
      }
    });
  }

  test("options: a mapping that ends before it begins", async () => {
    const bad = { first: 5, last: 4 };
    await expect(PinnedPages.create(bad)).rejects.toThrow(failure("E_INVERTED", "last"));
    expect(() => new PinnedPagesTree(bad)).toThrow(failure("E_INVERTED", "last"));
    using one = await PinnedPages.create({ first: 5, last: 5 });
    expect([one.pin(5, 1), one.first, one.last]).toEqual([1, 5, 5]);
  });

  test("options are read once", async () => {
    const reserved: [number, number][] = [[5, 9]];
    for (const store of [
      await PinnedPages.create({ reserved }),
      new PinnedPagesTree({ reserved }),
    ]) {
      reserved[0][0] = 7;
      store.pin(1, 5);
      expect(store.charge).toBe(0);
      reserved[0][0] = 5;
    }
  });
});

test("every call after dispose, which may be repeated", async () => {
  const pins = some(await PinnedPages.create(MAPPING));
  pins.mapAll();
  const running = pins.walk();
  running.next();
  pins.dispose();
  pins[Symbol.dispose]();
  const calls: (() => unknown)[] = [
    () => pins.size,
    () => pins.pins,
    () => pins.charge,
    () => pins.bytesUsed,
    () => pins.pin(20, 1),
    () => pins.pin(20, () => 1),
    () => pins.pinMany([20], [1]),
    () => pins.pinMany([], []),
    () => pins.pinRange(20, 2, () => 1),
    () => pins.unpin(20),
    () => pins.unpinMany([20]),
    () => pins.unpinMany([]),
    () => pins.unpinRange(20, 2),
    () => pins.lookup(20),
    () => pins.lookupMany([]),
    () => pins.lookupMany([20]),
    () => pins.lookupRange(20, 2),
    () => pins.count(20),
    () => pins.anyIn(20, 30),
    () => pins.firstIn(20, 30),
    () => pins.walk(),
    () => [...pins],
    () => running.next(),
    () => pins.drop(),
    () => pins.clear(),
    () => pins.mapAll(),
    () => pins.unmapAll(),
    () => validatePinnedPages(pins),
  ];
  for (const call of calls) expect(call).toThrow(failure("E_DISPOSED"));
  await expect(pins.clone()).rejects.toThrow(failure("E_DISPOSED"));
});

test("a fault that disposes of the store", async () => {
  const pins = some(await PinnedPages.create(MAPPING));
  const fault = (page: number): number => {
    pins.dispose();
    return page;
  };
  expect(() => pins.pinMany([50, 51], fault)).toThrow(failure("E_DISPOSED"));
});
