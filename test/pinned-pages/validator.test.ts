import { describe, expect, test } from "vitest";
import { PINNED_PAGES_INVARIANTS, PinnedPages, validatePinnedPages } from "../../src/index.js";

/** Offsets from the header: as in assembly/pinned-pages/rows.ts. */
const BLOCKS = 8;
const FREE = 32;
const PINNED = 72;
const REFS = 80;
const CHARGED = 88;
const USED = 104;
const TABLES = 368;

interface Place {
  readonly view: DataView;
  /** The slot of a block, and the leaf it names. */
  readonly slot: (block: number) => number;
  readonly leaf: (block: number) => number;
}

type Plant = (place: Place) => unknown;

const LONE = 0;
const EIGHT = 40;
const DENSE = 90;
/** A block that no longer is there, and left a leaf. */
const GONE = 95;

function add(view: DataView, at: number, n: number): void {
  view.setUint32(at, view.getUint32(at, true) + n, true);
}

function addFloat(view: DataView, at: number, n: number): void {
  view.setFloat64(at, view.getFloat64(at, true) + n, true);
}

const KEY_FORM = 0;
const CONTENT = 8;

/** What is planted, and the violation it must be. */
const planted: readonly (readonly [keyof typeof PINNED_PAGES_INVARIANTS, string, Plant])[] = [
  [
    "BlocksAreFound",
    "a block in a slot where no search comes",
    ({ view, slot }) => {
      const from = slot(LONE);
      const table = view.getUint32(0, true);
      const slots = 2 ** view.getUint32(4, true);
      // The empty slot that is the farthest from where it was.
      let to = from;
      for (let i = 1; i < slots; i++) {
        const at = table + ((from - table + i * 16) % (slots * 16));
        if (view.getBigUint64(at, true) === 0n) to = at;
      }
      for (const at of [0, CONTENT]) {
        view.setBigUint64(to + at, view.getBigUint64(from + at, true), true);
        view.setBigUint64(from + at, 0n, true);
      }
    },
  ],
  [
    "BlocksAreFound",
    "a block that is there twice",
    ({ view, slot }) => {
      view.setBigUint64(slot(EIGHT), view.getBigUint64(slot(LONE), true), true);
    },
  ],
  [
    "FormsFit",
    "more pages than a leaf has room for",
    ({ view, slot }) => add(view, slot(EIGHT), 5 << 12),
  ],
  [
    "FormsFit",
    "so few that another form would do",
    ({ view, slot }) => add(view, slot(EIGHT), -(2 << 12)),
  ],
  [
    "FormsFit",
    "a form that does not exist",
    ({ view, slot }) => add(view, slot(DENSE) + KEY_FORM, 2),
  ],
  [
    "FormsFit",
    "a leaf behind the heap",
    ({ view, slot }) => add(view, slot(EIGHT) + CONTENT, 1 << 24),
  ],
  [
    "FormsFit",
    "a dense leaf that counts wrong",
    ({ view, slot }) => add(view, slot(DENSE), 1 << 12),
  ],
  [
    "PagesOnce",
    "a page that is there twice",
    ({ view, leaf }) => view.setUint16(leaf(EIGHT) + 2, view.getUint16(leaf(EIGHT), true), true),
  ],
  ["PagesOnce", "a page of no block", ({ view, leaf }) => view.setUint16(leaf(EIGHT), 512, true)],
  [
    "WordsCount",
    "a count of nothing in a small leaf",
    ({ view, leaf }) => add(view, leaf(EIGHT) + 16, -1),
  ],
  [
    "WordsCount",
    "a count of nothing of a lone page",
    ({ view, slot }) => add(view, slot(LONE) + CONTENT, -1),
  ],
  [
    "InsideTheMapping",
    "a page outside of the mapping",
    ({ view, slot }) => add(view, slot(LONE), -(100 << 12)),
  ],
  ["CountsAddUp", "a wrong number of blocks", ({ view }) => add(view, BLOCKS, 1)],
  ["CountsAddUp", "a wrong number of pages", ({ view }) => addFloat(view, PINNED, 1)],
  ["CountsAddUp", "a wrong number of pins", ({ view }) => addFloat(view, REFS, -1)],
  ["CountsAddUp", "a wrong charge", ({ view }) => addFloat(view, CHARGED, 1)],
  ["CountsAddUp", "a wrong number of bytes", ({ view }) => addFloat(view, USED, 8)],
  [
    "CountsAddUp",
    "a frame that is charged and should not be",
    ({ view, slot }) => view.setBigUint64(slot(LONE) + CONTENT, (1_000n << 12n) | 1n, true),
  ],
  ["TableFits", "a table that is too large", ({ view }) => add(view, 4, 6)],
  [
    "LeavesApart",
    "two blocks with one leaf",
    ({ view, slot }) => {
      view.setBigUint64(
        slot(DENSE) + CONTENT,
        view.getBigUint64(slot(EIGHT) + CONTENT, true),
        true,
      );
    },
  ],
  [
    "LeavesApart",
    "a free leaf that is used",
    ({ view, slot }) =>
      view.setUint32(FREE + 4 * 2, view.getUint32(slot(EIGHT) + CONTENT, true), true),
  ],
  [
    "LeavesApart",
    "a free leaf behind the heap",
    ({ view }) => view.setUint32(FREE + 4 * 1, 1 << 20, true),
  ],
  [
    "LeavesApart",
    "free leaves in a circle",
    ({ view }) => {
      const leaf = view.getUint32(FREE + 4 * 2, true);
      expect(leaf).toBeGreaterThan(0);
      view.setUint32(leaf, leaf, true);
    },
  ],
  [
    "LeavesApart",
    "a free table that is used",
    ({ view }) => view.setUint32(TABLES + 4 * 4, view.getUint32(0, true), true),
  ],
];

async function some(): Promise<{ pins: PinnedPages; place: Place }> {
  const pins = await PinnedPages.create({ first: 200, reserved: [[1_000, 1_000]] });
  pins.pin(LONE * 512 + 250, 5);
  pins.pinRange(EIGHT * 512, 4, (page) => page);
  pins.pinRange(DENSE * 512, 200, (page) => page);
  pins.pinRange(GONE * 512, 3, (page) => page);
  pins.unpinRange(GONE * 512, 3);
  const { u8, at } = pins.raw();
  const view = new DataView(u8.buffer, at);
  const slot = (block: number): number => {
    const table = view.getUint32(0, true);
    for (let i = 0; i < 16; i++) {
      const key = view.getBigUint64(table + i * 16, true);
      if (key !== 0n && key >> 21n === BigInt(block)) return table + i * 16;
    }
    throw new Error(`block ${block} is nowhere`);
  };
  const leaf = (block: number): number => view.getUint32(slot(block) + CONTENT, true);
  return { pins, place: { view, slot, leaf } };
}

describe("the validator", () => {
  test("has a planted error for every invariant", () => {
    const names = [...new Set(planted.map(([name]) => name))].sort();
    expect(names).toEqual(Object.keys(PINNED_PAGES_INVARIANTS).sort());
  });

  for (const [name, what, plant] of planted) {
    test(`notices ${what}: ${name}`, async () => {
      const { pins, place } = await some();
      expect(validatePinnedPages(pins)).toEqual([]);
      plant(place);
      expect(validatePinnedPages(pins).map(({ invariant }) => invariant)).toContain(name);
    });
  }
});
