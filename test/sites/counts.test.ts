import { beforeAll, describe, expect, test } from "vitest";
import { Catalogue, countSites, type SiteRow } from "../../src/index.js";

/** Notifications a sharing consumer sees; null: no kernel of that era has the place. */
type Cells = readonly [
  double: number | null,
  deduplicated: number | null,
  coupled: number | null,
  defer: number,
  onlyEndEverywhere: number,
];
const ERAS = ["double", "deduplicated", "coupled", "defer", "only-end-everywhere"];

/** notifiers.md 2.4 and 2.6, by row and part; k = 3 pages, h = 2 huge ones. */
const TABLE: Readonly<Record<string, { cells: Cells; brackets: number }>> = {
  "1": { cells: [2, 2, 1, 1, 1], brackets: 1 },
  "2": { cells: [2, 2, 1, 1, 1], brackets: 1 },
  "3": { cells: [2, 2, 1, 1, 1], brackets: 1 },
  "4": { cells: [2, 2, 1, 1, 1], brackets: 1 },
  "5": { cells: [1, 1, 1, 1, 0], brackets: 1 },
  "6": { cells: [1, 1, 1, 1, 0], brackets: 1 },
  "7": { cells: [1, 1, 1, 1, 0], brackets: 1 },
  "8": { cells: [1, 1, 1, 1, 0], brackets: 1 },
  "9": { cells: [2, 1, 1, 1, 1], brackets: 1 },
  "10": { cells: [2, 1, 1, 1, 1], brackets: 1 },
  "11a": { cells: [2, 1, 1, 1, 1], brackets: 1 },
  "11b": { cells: [2, 0, 1, 1, 0], brackets: 1 },
  "11c": { cells: [1, 0, 1, 1, 0], brackets: 1 },
  "12": { cells: [2, 1, 1, 1, 1], brackets: 1 },
  "13": { cells: [1, 1, 1, 1, 0], brackets: 1 },
  "14": { cells: [null, 1, 1, 1, 0], brackets: 1 },
  "14-": { cells: [0, 0, 1, 0, 0], brackets: 0 },
  "15": { cells: [2, 1, 1, 1, 0], brackets: 1 },
  "16": { cells: [4, 2, 2, 2, 0], brackets: 2 },
  "17": { cells: [2, 2, 1, 1, 1], brackets: 1 },
  "18": { cells: [4, 1, 3, 1, 0], brackets: 1 },
  "19": { cells: [6, 3, 3, 3, 0], brackets: 3 },
  "20": { cells: [4, 4, 3, 1, 3], brackets: 1 },
  "20f": { cells: [4, 1, 3, 1, 0], brackets: 1 },
  "21": { cells: [6, 3, 3, 3, 0], brackets: 3 },
  "22": { cells: [1, 1, 1, 1, 0], brackets: 1 },
  "23": { cells: [2, 1, 1, 1, 1], brackets: 1 },
  "24": { cells: [null, 1, 1, 1, 0], brackets: 1 },
  "25": { cells: [1, 1, 1, 1, 0], brackets: 1 },
  "26": { cells: [3, 1, 1, 1, 0], brackets: 1 },
  "27": { cells: [2, 2, 1, 1, 1], brackets: 1 },
  "28": { cells: [2, 1, 1, 1, 0], brackets: 1 },
  "29u": { cells: [2, 2, 1, 1, 1], brackets: 1 },
  "29m": { cells: [1, 1, 1, 1, 0], brackets: 1 },
  "30": { cells: [1, 1, 1, 1, 0], brackets: 1 },
  "31": { cells: [2, 1, null, 1, 1], brackets: 1 },
  "32": { cells: [0, 0, 1, 0, 0], brackets: 0 },
  "33": { cells: [0, 0, 0, 0, 0], brackets: 0 },
  "34": { cells: [1, 1, 1, 1, 1], brackets: 0 },
};

const keyOf = ({ row, part }: SiteRow): string => `${row}${part}`;
let rows: SiteRow[] = [];

beforeAll(async () => {
  rows = await countSites();
}, 120_000);

describe("notifications of a call site", () => {
  test("every row of the table is run, 1 to 34", () => {
    expect(rows.map(keyOf).sort()).toEqual(Object.keys(TABLE).sort());
    const numbers = new Set(rows.map(({ row }) => row));
    expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: 34 }, (_, i) => i + 1));
  });

  test.each(Object.entries(TABLE))("row %s: sharing consumers", (key, { cells }) => {
    const { counts } = rows.find((row) => keyOf(row) === key)!;
    expect(ERAS.map((era) => counts[era]?.secondary ?? null)).toEqual(cells);
  });

  test.each(Object.entries(TABLE))("row %s: mirroring consumers, in any era", (key, row) => {
    const { counts } = rows.find((r) => keyOf(r) === key)!;
    for (const { name } of Catalogue.standard.parts.eras) {
      const cell = counts[name];
      if (cell === null) continue;
      expect(cell.brackets).toBe(row.brackets);
      expect(cell.mirroringFlushes).toBe(row.brackets);
    }
  });

  test("each notification is one flush command of the sharing device", () => {
    for (const { counts } of rows) {
      for (const era of ERAS) {
        const cell = counts[era];
        if (cell !== null) expect(cell.sharingFlushes).toBe(cell.secondary);
      }
    }
  });

  test("with an empty table for its root it is flushed when a bracket opens, not told", () => {
    for (const row of rows) {
      const cell = row.counts["empty-table"]!;
      // The callback for young entries is there in every era; that era's driver has none.
      expect(cell.secondary).toBe(0);
      expect(cell.sharingFlushes).toBe(cell.brackets);
    }
  });

  test("unknown names are refused", async () => {
    await expect(countSites({ eras: ["none"] })).rejects.toMatchObject({ code: "E_NOENT" });
    await expect(countSites({ policy: "none" })).rejects.toMatchObject({ code: "E_NOENT" });
  });

  test("every event of the interface but RELEASE is some row's", () => {
    const events = new Set(rows.map(({ event }) => event));
    for (const event of [
      "UNMAP",
      "CLEAR",
      "PROTECTION_VMA",
      "PROTECTION_PAGE",
      "SOFT_DIRTY",
      "MIGRATE",
      "EXCLUSIVE",
    ] as const) {
      expect(events).toContain(event);
    }
  });
});
