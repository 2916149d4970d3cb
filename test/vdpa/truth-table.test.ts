/** The truth table of vfio-vdpa.md 3.6: what the model does, row by row, with operation counts. */
import { beforeAll, describe, expect, test } from "vitest";
import { type TruthTable, vdpaTruthTable } from "../../src/index.js";

let table: TruthTable;

beforeAll(async () => {
  table = await vdpaTruthTable();
});

const E = 4;
const R = 2;
const PAGES = 10;

test("the guest has more entries than regions", () => {
  expect(table.guest).toEqual({ regions: R, entries: E, pages: PAGES, addressSpaces: 1 });
});

describe("reset", () => {
  const CLEARED = { core: "kept", device: "identity", consistent: false };
  const DROP = { droppedPages: PAGES };
  const KEPT = { core: "kept", device: "kept", consistent: true };
  test.each([
    ["P", "offered", KEPT, { resets: 1 }],
    ["P", "acked", KEPT, { resets: 1 }],
    ["S0", "not offered", CLEARED, { resets: 1, clears: 1, ...DROP }],
    ["D0", "not offered", CLEARED, { resets: 1, clears: 1 }],
    ["S1", "offered", CLEARED, { compatResets: 1, clears: 1, ...DROP }],
    ["D1", "offered", CLEARED, { compatResets: 1, clears: 1 }],
    ["S1", "acked", KEPT, { resets: 1 }],
    ["D1", "acked", KEPT, { resets: 1 }],
    ["V", "not offered", KEPT, { resets: 1 }],
    ["M1", "offered", KEPT, { resets: 1 }],
    ["M1", "acked", KEPT, { resets: 1 }],
    ["M0", "not offered", CLEARED, { resets: 1, clears: 1, ...DROP }],
  ] as const)("%s, bit 8 %s", (parent, persist, state, ops) => {
    const row = table.reset.find((each) => each.parent === parent && each.persist === persist);
    expect(row).toEqual({ parent, era: "7.0", persist, ...state, ops });
  });

  test("there are no other rows", () => {
    expect(table.reset).toHaveLength(12);
  });
});

describe("after a reset that left both views different", () => {
  test.each([
    ["S0", true],
    ["D0", false],
    ["S1", true],
    ["D1", false],
    ["M0", true],
  ])("%s: pushes bring everything back: %s", (parent, pushes) => {
    expect(table.followUps.find((row) => row.parent === parent)).toEqual({
      parent,
      updateAgain: "EEXIST",
      invalidateUpdate: pushes,
      all: true,
      updateOther: pushes,
      emptyBatch: pushes,
    });
  });

  test("of no other parent", () => {
    expect(table.followUps).toHaveLength(5);
  });
});

describe("close", () => {
  const UNPIN = { unpins: PAGES, dirtied: PAGES, removed: E };
  const A = 1;
  const DROP = { droppedPages: PAGES };
  test.each([
    ["P", "7.0", "offered", "empty", { ...UNPIN, iommuUnmaps: E, resets: 1 }],
    ["P", "5.15", "not offered", "empty", { ...UNPIN, resets: 1 }],
    ["S0", "7.0", "not offered", "identity", { ...UNPIN, ...DROP, resets: 1, clears: 1 }],
    ["D0", "5.15", "not offered", "identity", { ...UNPIN, resets: 1, clears: 1 }],
    [
      ...(["S1", "7.0", "offered", "identity"] as const),
      { ...UNPIN, ...DROP, resetMaps: A, compatResets: 1, clears: 1 },
    ],
    ["S1", "7.0", "acked", "identity", { ...UNPIN, ...DROP, resetMaps: A, resets: 1 }],
    [
      ...(["D1", "7.0", "offered", "identity"] as const),
      { ...UNPIN, dmaUnmaps: E, resetMaps: A, compatResets: 1, clears: 1 },
    ],
    [
      ...(["D1", "7.0", "acked", "identity"] as const),
      { ...UNPIN, dmaUnmaps: E, resetMaps: A, resets: 1 },
    ],
    // In VA mode there is an entry a region.
    ["V", "7.0", "not offered", "kept", { removed: R, resets: 1 }],
    ["M1", "7.0", "acked", "identity", { ...UNPIN, ...DROP, resetMaps: A, resets: 1 }],
    ["M0", "7.0", "not offered", "identity", { ...UNPIN, ...DROP, resets: 1, clears: 1 }],
  ] as const)("%s of %s, bit 8 %s", (parent, era, persist, device, ops) => {
    const row = table.close.find(
      (each) => each.parent === parent && each.persist === persist && each.era === era,
    );
    const consistent = parent !== "V";
    expect(row).toEqual({ parent, era, persist, core: "empty", device, consistent, ops });
  });

  test("nothing survives it, whatever was acknowledged", () => {
    expect(table.close.every(({ core }) => core === "empty")).toBe(true);
  });
});

describe("a stop and start", () => {
  const PINS = { pins: PAGES, unpins: PAGES, dirtied: PAGES, pinCalls: R, added: E, removed: E };
  const BATCHED = { ...PINS, messages: 2 * (R + 2) };
  const CLEAR_OLD = { resets: 1, clears: 1 };
  const CLEAR_NEW = { compatResets: 1, clears: 1 };
  const PUSHES = { setMaps: 2, pushed: E, pushedPages: PAGES, droppedPages: PAGES };
  const DMA = { dmaMaps: E, dmaUnmaps: E };
  test.each([
    ["P", "unmap-map", { ...BATCHED, iommuMaps: E, iommuUnmaps: E, resets: 1 }],
    ["P", "acked-unmap-map", { ...BATCHED, iommuMaps: E, iommuUnmaps: E, resets: 1 }],
    ["P", "persist", { resets: 1 }],
    ["S0", "unmap-map", { ...BATCHED, ...PUSHES, ...CLEAR_OLD }],
    ["S1", "unmap-map", { ...BATCHED, ...PUSHES, ...CLEAR_NEW }],
    ["S1", "acked-unmap-map", { ...BATCHED, ...PUSHES, resets: 1 }],
    ["S1", "persist", { resets: 1 }],
    ["D1", "unmap-map", { ...BATCHED, ...DMA, ...CLEAR_NEW }],
    ["D1", "acked-unmap-map", { ...BATCHED, ...DMA, resets: 1 }],
    ["D1", "persist", { resets: 1 }],
  ] as const)("%s, %s", (parent, strategy, ops) => {
    const row = table.cycle.find((each) => each.parent === parent && each.strategy === strategy);
    expect(row?.ops).toEqual(ops);
    expect(row?.consistent).toBe(true);
  });

  test.each(["S0", "D0", "V", "M0"])("%s: there is nothing to acknowledge", (parent) => {
    const rows = table.cycle.filter((each) => each.parent === parent);
    expect(rows.map(({ strategy }) => strategy)).toEqual(["unmap-map", "unbatched"]);
  });

  test("without batches a set_map parent is given R tables for unmaps and E for maps", () => {
    for (const parent of ["S0", "S1", "M1", "M0"]) {
      const row = table.cycle.find((e) => e.parent === parent && e.strategy === "unbatched");
      // Left after each unmap: 2, 0 of 4 entries; then 1 to 4.
      expect(row?.ops).toMatchObject({ setMaps: R + E, pushed: 2 + 1 + 2 + 3 + 4 });
    }
  });
});
