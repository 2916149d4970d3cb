/** Walks: their order, what they may be asked, and changes meanwhile. */
import { describe, expect, test } from "vitest";
import { PinnedPages, PinnedPagesTree, type PinStore, Random } from "../../src/index.js";
import { formsOf } from "./forms.js";
import { samePages } from "./outcome.js";

const LAST_PAGE = 2 ** 52 - 1;
const BUSY = expect.objectContaining({ code: "E_BUSY" }) as Error;

const BOTH: readonly (readonly [string, () => Promise<PinStore>])[] = [
  ["packed", () => PinnedPages.create()],
  ["tree", async () => new PinnedPagesTree()],
];

test("pages come ascending, across blocks and forms", async () => {
  const pins = await PinnedPages.create();
  const tree = new PinnedPagesTree();
  const random = new Random(5n);
  // Blocks of each size there is, in no order, both ends of what a page can be among them.
  const blocks = Array.from({ length: 600 }, (_, i) => (i * 389) % 600);
  for (const block of blocks) {
    const base = block === 599 ? LAST_PAGE - 511 : block * 512 * 1_000;
    for (let k = 0; k <= block % 150; k++) {
      const page = base + random.below(512);
      for (const store of [pins, tree]) store.pin(page, k);
    }
  }
  for (const store of [pins, tree]) store.pinMany([0, LAST_PAGE], [1, 2]);
  expect(new Set(formsOf(pins).values()).size).toBe(6);
  expect(pins.size).toBeGreaterThan(30_000);
  samePages("walk", pins, tree);
  for (let i = 0; i < 200; i++) {
    const a = random.below(600) * 512_000 + random.below(700);
    const b = random.below(600) * 512_000 + random.below(700);
    const part = [Math.min(a, b), Math.max(a, b)] as const;
    samePages(`walk(${part.join()})`, pins.walk(...part), tree.walk(...part));
  }
  samePages("from", pins.walk(LAST_PAGE - 300), tree.walk(LAST_PAGE - 300));
  samePages("to", pins.walk(undefined, 300), tree.walk(undefined, 300));
});

test("more lone pages than one reading holds", async () => {
  const pins = await PinnedPages.create();
  const pages = Float64Array.from({ length: 9_000 }, (_, i) => ((i * 7_919) % 9_000) * 512);
  pins.pinMany(pages, pages);
  const walked = Array.from(pins, ({ page }) => page);
  expect(walked).toEqual(Array.from({ length: 9_000 }, (_, i) => i * 512));
  expect(pins.drop(512, 8_998 * 512)).toBe(8_998);
  expect(Array.from(pins, ({ page }) => page)).toEqual([0, 8_999 * 512]);
});

for (const [name, create] of BOTH) {
  describe(name, () => {
    const changes: readonly (readonly [string, (store: PinStore) => unknown])[] = [
      ["a new page", (store) => store.pin(7, 1)],
      ["one more pin", (store) => store.pin(2, 1)],
      ["a range of pins", (store) => store.pinRange(1_024, 300, () => 1)],
      ["one pin less", (store) => store.unpin(2)],
      ["a range of pins less", (store) => store.unpinRange(1_024, 300)],
      ["a page less", (store) => store.unpin(3)],
      ["a part that is dropped", (store) => store.drop(3, 9)],
    ];
    for (const [what, change] of changes) {
      test(`a walk ends at ${what}`, async () => {
        const store = await create();
        store.pinMany([2, 3, 2, 5_000], [1, 2, 3, 4]);
        for (let i = 0; i < 2; i++) store.pinRange(1_024, 300, () => 1);
        const walk = store.walk()[Symbol.iterator]();
        expect(walk.next().value).toEqual({ page: 2, pfn: 1, count: 2 });
        change(store);
        expect(() => walk.next()).toThrow(BUSY);
        expect(walk.next().done).toBe(true);
      });
    }

    test("questions and mapping do not end a walk", async () => {
      const store = await create();
      store.pinMany([2, 3], [1, 2]);
      let walked = 0;
      for (const { page } of store) {
        walked++;
        expect(store.lookup(page)).toBeDefined();
        expect(store.anyIn(0, 9)).toBe(true);
        expect([...store.walk(3, 3)]).toHaveLength(1);
        expect(store.unpin(50)).toBe(-1);
        expect(store.drop(100, 200)).toBe(0);
      }
      expect(walked).toBe(2);
    });

    test("what is wrong is told when a walk is asked for, not later", async () => {
      const store = await create();
      const bad = (first: unknown, last?: unknown) => (): unknown =>
        store.walk(first as number, last as number);
      const code = (expected: string): Error =>
        expect.objectContaining({ code: expected }) as Error;
      expect(bad(5, 4)).toThrow(code("E_INVERTED"));
      expect(bad("5")).toThrow(code("E_TYPE"));
      expect(bad(0, 2 ** 52)).toThrow(code("E_ADDR_RANGE"));
      expect(bad(-1)).toThrow(code("E_ADDR_RANGE"));
    });
  });
}

test("a walk notices that a list has pinned pages, new ones or again", async () => {
  for (const page of [2, 40_000]) {
    const pins = await PinnedPages.create();
    pins.pinMany([2, 600, 9_000], [1, 2, 3]);
    const walk = pins.walk();
    const steps = walk[Symbol.iterator]();
    expect(steps.next().done).toBe(false);
    pins.pinMany([page], [4]);
    expect(() => steps.next()).toThrow(BUSY);
  }
});
