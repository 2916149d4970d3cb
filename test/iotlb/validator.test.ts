import { describe, expect, test } from "vitest";
import {
  INTERVAL_TREE_INVARIANTS,
  Iotlb,
  IOTLB_INVARIANTS,
  validateIotlb,
} from "../../src/index.js";

/** Words from the base: as in assembly/iotlb/rows.ts. */
const OFF_ROWS = 2;
const table = (asid: number, at: number): number => 16 + asid * 3 + at;
const row = (u32: Uint32Array, id: number, at: number): number =>
  (u32[OFF_ROWS] >> 2) + id * 6 + at;
/** Of the tree's only leaf: as in assembly/interval-tree/node.ts. */
const TREE = 16 + 1024 * 3;
const leaf = (at: number): number => TREE + 16 + at;

/** What is planted into a table of ten entries, and the violation it must be. */
const planted: readonly (readonly [keyof typeof IOTLB_INVARIANTS, string, Plant])[] = [
  ["RowsPointHome", "a value that is another row", (u32) => (u32[leaf(64)] = 1)],
  ["RowsPointHome", "a row of another address space", (u32) => u32[row(u32, 4, 5)]++],
  ["ListsAreWhole", "a list that ends too early", (u32) => (u32[row(u32, 4, 4)] = 0)],
  ["ListsAreWhole", "a list that goes in a circle", (u32) => (u32[row(u32, 9, 4)] = 1)],
  ["ListsAreWhole", "a wrong way back", (u32) => u32[row(u32, 4, 3)]++],
  ["ListsAreWhole", "a newest that is not the last", (u32) => (u32[table(3, 2)] = 4)],
  ["ListsAreWhole", "an oldest that does not exist", (u32) => (u32[table(3, 1)] = 1_000_000)],
  ["TablesAddUp", "a table that counts wrong", (u32) => u32[table(3, 0)]--],
  ["TablesAddUp", "a count without entries", (u32) => u32[table(9, 0)]++],
  ["RightsKnown", "no permission", (u32) => (u32[row(u32, 2, 5)] = 3)],
  ["RightsKnown", "an unknown permission", (u32) => (u32[row(u32, 2, 5)] = 3 + (4 << 16))],
  ["RightsKnown", "an address too high", (u32) => (u32[row(u32, 2, 1)] = 1 << 20)],
  [
    "SizesFit",
    "an entry that reaches into the next address space",
    (u32) => {
      u32[leaf(1)] += 1 << 20;
    },
  ],
  [
    "SizesFit",
    "an entry that is the whole address space",
    (u32) => {
      u32[leaf(0)] = 0xffffffff;
      u32[leaf(1)] = u32[leaf(33)] + 0xfffff;
      u32[leaf(32)] = 0;
    },
  ],
  ["CountsAddUp", "a tree that counts wrong", (u32) => u32[TREE + 2]++],
];

type Plant = (u32: Uint32Array) => unknown;

async function ten(limit: number): Promise<Iotlb> {
  const iotlb = await Iotlb.create({ limit, whenFull: "retire" });
  for (let i = 0; i < 10; i++) iotlb.add(3, i * 10, i * 10 + 3, i, 3);
  return iotlb;
}

describe("the validator", () => {
  test("has a planted error for every invariant that is not the tree's own", () => {
    const own = Object.keys(IOTLB_INVARIANTS).filter((name) => !(name in INTERVAL_TREE_INVARIANTS));
    expect([...new Set(planted.map(([name]) => name)), "LimitKept"]).toEqual(
      expect.arrayContaining(own),
    );
  });

  for (const [name, what, plant] of planted) {
    test(`notices ${what}: ${name}`, async () => {
      const iotlb = await ten(10);
      expect(validateIotlb(iotlb)).toEqual([]);
      const { u32, base } = iotlb.raw();
      plant(u32.subarray(base >> 2));
      expect(validateIotlb(iotlb).map(({ invariant }) => invariant)).toContain(name);
    });
  }

  test("notices a table above its limit: LimitKept", async () => {
    const iotlb = await ten(10);
    const { u32, base } = iotlb.raw();
    // Told to ignore the limit, it takes one more.
    u32[(base >> 2) + 1] = 0;
    iotlb.add(3, 500, 500, 0, 3);
    expect(validateIotlb(iotlb)).toMatchObject([{ invariant: "LimitKept" }]);
  });
});
