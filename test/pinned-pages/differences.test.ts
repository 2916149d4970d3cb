/** Where the packed form differs from the tree, L1 to L3; where it does not, L4 and L5. */
import { describe, expect, test } from "vitest";
import {
  PIN_COUNT_MOST,
  PinnedPages,
  PinnedPagesTree,
  validatePinnedPages,
} from "../../src/index.js";

function code(expected: string, details: Record<string, unknown> = {}): Error {
  const some: unknown = expect.objectContaining(details);
  return expect.objectContaining({ code: expected, details: some }) as Error;
}

describe("L1: counts", () => {
  test("4095 pins are fine, the next one is E_OVERFLOW", async () => {
    const pins = await PinnedPages.create();
    const tree = new PinnedPagesTree();
    for (let i = 0; i < PIN_COUNT_MOST; i++) pins.pin(16, 100);
    expect([pins.count(16), pins.size, pins.charge]).toEqual([4_095, 1, 1]);
    const fails = code("E_OVERFLOW", { page: 16, limit: 4_095, index: undefined });
    expect(() => pins.pin(16, 100)).toThrow(fails);
    expect(() => pins.pin(16, () => 100)).toThrow(fails);
    expect([pins.count(16), pins.pins, pins.charge]).toEqual([4_095, 4_095, 1]);
    expect([pins.unpin(16), pins.pin(16, 1), pins.count(16)]).toEqual([4_094, 100, 4_095]);
    tree.pinMany(new Array<number>(4_096).fill(16), () => 100);
    expect([tree.count(16), tree.charge]).toEqual([4_096, 1]);
  });

  const shapes: readonly (readonly [string, number])[] = [
    ["a lone page", 0],
    ["a small leaf", 5],
    ["a dense leaf", 200],
  ];
  for (const [where, others] of shapes) {
    test(`a request with a full count in ${where} is rolled back`, async () => {
      const pins = await PinnedPages.create();
      if (others > 0) pins.pinRange(1_100, others, () => 5);
      pins.pinMany(new Array<number>(4_095).fill(1_030), () => 100);
      const before = { pages: [...pins], pins: pins.pins, charge: pins.charge };
      const full = { page: 1_030, limit: 4_095 };
      expect(() => pins.pinMany([40, 1_030], [1, 2])).toThrow(
        code("E_OVERFLOW", { ...full, index: 1 }),
      );
      for (const frames of [() => 1, new Float64Array(90)]) {
        const fails = code("E_OVERFLOW", { ...full, index: 5 });
        expect(() => pins.pinRange(1_025, 90, frames)).toThrow(fails);
        const list = Array.from({ length: 90 }, (_, i) => 1_025 + i);
        expect(() => pins.pinMany(list, frames)).toThrow(fails);
        // The whole of it was pinned once, and the first pages of the list that failed are back.
        const twice = [1_029, ...list];
        const many = typeof frames === "function" ? frames : new Float64Array(91);
        expect(() => pins.pinMany(twice, many)).toThrow(code("E_OVERFLOW", { index: 6 }));
      }
      const after = { pages: [...pins], pins: pins.pins, charge: pins.charge };
      expect(after).toEqual(before);
      expect(validatePinnedPages(pins)).toEqual([]);
    });
  }

  test("a list that fills a count itself fails beyond its first window", async () => {
    const pins = await PinnedPages.create();
    const list = new Array<number>(4_096).fill(7);
    expect(() => pins.pinMany(list, new Float64Array(4_096))).toThrow(
      code("E_OVERFLOW", { index: 4_095 }),
    );
    expect([pins.size, pins.pins, pins.charge]).toEqual([0, 0, 0]);
  });
});

test("L2: frames have 52 bits, the tree's 53", async () => {
  const pins = await PinnedPages.create();
  const tree = new PinnedPagesTree();
  expect(pins.pin(1, 2 ** 52 - 1)).toBe(2 ** 52 - 1);
  const fails = code("E_LIMIT", { argument: "frame", most: 2 ** 52 - 1 });
  expect(() => pins.pin(2, 2 ** 52)).toThrow(fails);
  expect(() => pins.pinMany([3, 2], [1, 2 ** 52])).toThrow(fails);
  expect(() => pins.pinRange(2, 2, () => 2 ** 52)).toThrow(fails);
  expect([...pins]).toEqual([{ page: 1, pfn: 2 ** 52 - 1, count: 1 }]);
  expect(tree.pin(2, 2 ** 53 - 1)).toBe(2 ** 53 - 1);
  expect(() => tree.pin(3, 2 ** 53)).toThrow(code("E_LIMIT"));
  // Frame 0 and page 0 are as good as any.
  expect([pins.pin(0, 0), pins.lookup(0), pins.count(0)]).toEqual([0, 0, 1]);
});

test("L3: the tree may find no memory at any new page; what is left is the same", async () => {
  const tree = new PinnedPagesTree({ maxNodes: 3 });
  tree.pinMany([1, 2, 1], [1, 2, 3]);
  const before = [...tree];
  const fails = code("E_NOMEM", { limit: 3, index: 2 });
  expect(() => tree.pinMany([1, 3, 4], [1, 2, 3])).toThrow(fails);
  expect(() => tree.pinRange(2, 3, (page) => page)).toThrow(fails);
  expect([...tree]).toEqual(before);
  // The packed form has room for 511 more once a block is dense, or none for a lone page.
  const pins = await PinnedPages.create({ maxBytes: 1 });
  pins.pinRange(0, 200, () => 1);
  for (let page = 512; ; page += 512) {
    try {
      pins.pin(page, 1);
    } catch (error) {
      expect(error).toMatchObject({ code: "E_NOMEM" });
      break;
    }
  }
  const size = pins.size;
  expect(pins.pinRange(0, 512, () => 1)).toHaveLength(512);
  expect([pins.size, validatePinnedPages(pins)]).toEqual([size + 312, []]);
});

test("L4: both are walked ascending", async () => {
  const pins = await PinnedPages.create();
  const tree = new PinnedPagesTree();
  const pages = Array.from({ length: 1_000 }, (_, i) => (i * 7_919_000_017) % 2 ** 40);
  for (const store of [pins, tree]) store.pinMany(pages, pages);
  const ascending = [...pages].sort((a, b) => a - b);
  expect(Array.from(pins, ({ page }) => page)).toEqual(ascending);
  expect([...pins]).toEqual([...tree]);
});

test("L5: reserved frames are kept like others and never charged", async () => {
  const reserved = Array.from({ length: 16 }, (_, i) => [i * 100, i * 100 + 9] as const);
  const pins = await PinnedPages.create({ reserved });
  const tree = new PinnedPagesTree({ reserved });
  for (const store of [pins, tree]) {
    store.pinRange(10, 300, (page) => page * 5);
    store.pinMany([10, 20, 20], [0, 1, 2]);
    const costly = Array.from(store).filter(({ pfn }) => pfn % 100 > 9 || pfn >= 1_600).length;
    expect(costly).toBeLessThan(300);
    expect([store.size, store.pins, store.charge]).toEqual([300, 303, costly]);
    expect([store.lookup(20), store.count(20), store.unpin(20)]).toEqual([100, 3, 2]);
  }
  expect([...pins]).toEqual([...tree]);
  for (const store of [pins, tree]) {
    store.unpinRange(10, 300);
    store.unpinRange(10, 300);
    expect([store.size, store.pins, store.charge]).toEqual([0, 0, 0]);
  }
});
