/**
 * docs/matrix-notifiers.md is what exploration finds: one cell in nine, all of them with
 * `SHOOTDOWN_ALL=1`; and what differs from the book has a reason.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as library from "../../src/index.js";
import * as files from "../../src/scenario-files/index.js";
// @ts-expect-error: a script, without types
import * as script from "../../scripts/notifier-matrix/page.mjs";
// @ts-expect-error: as above
import * as rows from "../../scripts/notifier-matrix/rows.mjs";

interface Cell {
  readonly id: string;
  readonly scenario: string;
  readonly era: string;
  /** Null: a consumer made for one row. */
  readonly column: string | null;
  readonly consumer: string;
  /** What the book says, of races of registration. */
  readonly book?: string;
}
interface Found extends Cell {
  readonly verdict: string;
  readonly states: number;
}
const { cellsOf, explored, unexplained } = script as {
  cellsOf: () => Cell[];
  explored: (cell: Cell, a: unknown, b: unknown) => Promise<Found>;
  unexplained: (cells: readonly Found[]) => Found[];
};
const { CONSUMERS, ERAS, REASONS } = rows as {
  CONSUMERS: string[];
  ERAS: string[];
  REASONS: unknown[];
};

const page = readFileSync(new URL("../../docs/matrix-notifiers.md", import.meta.url), "utf8");
const cells = cellsOf();
const isAll = process.env["SHOOTDOWN_ALL"] !== undefined;
const ONE_IN = isAll ? 1 : 9;

function fieldsOf(text: string, isIt: (fields: string[]) => boolean): string[] {
  const table = text.split("\n").filter((line) => line.startsWith("|"));
  return table.map((line) => line.split("|").map((field) => field.trim())).find(isIt) ?? [];
}

/** What the page says in a cell: verdict, and states if it has them. */
function saidOf({ id, scenario, era, column, consumer, book }: Cell): string {
  if (book !== undefined) {
    const [, text] = page.split("## Registration");
    const wanted = [id, `\`${scenario}\``, `\`${consumer}\``, book].join();
    return fieldsOf(text, (f) => f.slice(1, 5).join() === wanted)[5] ?? "";
  }
  if (column === null) {
    const [, text] = page.split("## Consumers made for one row");
    const wanted = [id, `\`${scenario}\``, `\`${consumer}\``].join();
    return fieldsOf(text, (f) => f.slice(1, 4).join() === wanted)[4 + ERAS.indexOf(era)] ?? "";
  }
  const section = page.split(/^### /m).find((text) => text.startsWith(`${id}: `)) ?? "";
  const field = fieldsOf(section, ([, first]) => first === era)[2 + CONSUMERS.indexOf(column)];
  return /[A-Z_]+ \d+/.exec(field ?? "")?.[0] ?? "";
}

describe("docs/matrix-notifiers.md", () => {
  test(`says what is found, one cell in ${ONE_IN}`, async () => {
    const chosen = cells.filter((_, i) => i % ONE_IN === 0);
    expect(chosen.length).toBeGreaterThan(80);
    const found: Found[] = [];
    for (const cell of chosen) {
      const got = await explored(cell, library, files);
      const isVariant = cell.column === null && cell.book === undefined;
      const states = isVariant ? "" : ` ${got.states}`;
      const where = `${cell.id} ${cell.era} ${cell.consumer}`;
      expect(`${where}: ${saidOf(cell)}`).toBe(`${where}: ${got.verdict}${states}`);
      found.push(got);
    }
    expect(unexplained(found)).toEqual([]);
  }, 900_000);

  test("has every cell, and every reason is used", () => {
    for (const cell of cells) expect(saidOf(cell), JSON.stringify(cell)).not.toBe("");
    expect(page).not.toContain("(?)");
    REASONS.forEach((_, i) => expect(page).toMatch(new RegExp(`not [A-Z]+ \\(${i + 1}\\)`)));
  });

  test("has every consumer of the catalogue", () => {
    const { consumers } = library.Catalogue.standard.parts;
    for (const { name, kind } of consumers) {
      // What is pinned hears of no bracket: docs/pins.md.
      if (kind === "pinning") continue;
      expect(
        cells.some(({ consumer }) => consumer === name),
        name,
      ).toBe(true);
    }
  });

  test("a cell that is not what the book says, without a reason, is noticed", () => {
    const [first] = cells;
    const wrong = { ...first, verdict: "UAF", states: 1 } as Found;
    expect(unexplained([wrong])).toEqual([wrong]);
  });
});
