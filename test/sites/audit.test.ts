import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { auditPage, type AuditRow, auditSites, Catalogue } from "../../src/index.js";

const ERAS = ["double", "deduplicated", "coupled", "defer", "only-end-everywhere", "empty-table"];

/** By row, sharing consumers: verdicts of those eras; a row that is not here is SAFE in all. */
const SHARING: Readonly<Record<string, string>> = {
  // Page tables: nothing is told between taking one out of the tree and freeing it.
  "1": "PT_UAF PT_UAF SAFE PT_UAF UAF PT_UAF",
  "2": "SAFE SAFE SAFE SAFE UAF SAFE",
  "4": "SAFE SAFE SAFE SAFE UAF SAFE",
  "5": "SAFE SAFE SAFE SAFE STALE SAFE",
  "6": "SAFE SAFE SAFE SAFE STALE SAFE",
  "7": "UAF UAF SAFE UAF UAF SAFE",
  "8": "SAFE SAFE SAFE SAFE LOSTW SAFE",
  "9": "SAFE SAFE SAFE ORDER SAFE SAFE",
  "13": "SAFE SAFE SAFE SAFE UAF SAFE",
  "14": "- SAFE SAFE SAFE UAF SAFE",
  "14-": "UAF UAF SAFE UAF UAF UAF",
  "15": "SAFE SAFE SAFE SAFE STALE SAFE",
  "16": "SAFE SAFE SAFE SAFE UAF SAFE",
  "18": "SAFE SAFE SAFE SAFE LOSTW SAFE",
  "19": "SAFE SAFE SAFE SAFE LOSTW SAFE",
  "20f": "SAFE SAFE SAFE SAFE UAF SAFE",
  "21": "SAFE SAFE SAFE SAFE UAF SAFE",
  "22": "SAFE SAFE SAFE SAFE UAF SAFE",
  "24": "- SAFE SAFE SAFE STALE SAFE",
  "25": "SAFE SAFE SAFE SAFE STALE SAFE",
  "26": "SAFE SAFE SAFE SAFE LOSTW SAFE",
  "28": "SAFE SAFE SAFE SAFE STALE SAFE",
  "29m": "UAF UAF SAFE UAF UAF SAFE",
  "30": "SAFE SAFE SAFE SAFE STALE SAFE",
  "31": "SAFE SAFE - SAFE SAFE SAFE",
};
const SAFE = "SAFE SAFE SAFE SAFE SAFE SAFE";

let rows: AuditRow[] = [];
beforeAll(async () => {
  rows = await auditSites();
}, 600_000);

const verdicts = ({ cells }: AuditRow, consumer: string): string =>
  ERAS.map((era) => {
    const cell = cells.find((c) => c.era === era && c.consumer === consumer);
    return cell?.verdict ?? "-";
  }).join(" ");

describe("the audit of call sites", () => {
  test("sharing consumers: every row under every era, by exploration", () => {
    const found = Object.fromEntries(rows.map((row) => [row.row, verdicts(row, "sharing")]));
    const expected = Object.fromEntries(rows.map(({ row }) => [row, SHARING[row] ?? SAFE]));
    expect(found).toEqual(expected);
    expect(Object.keys(SHARING).every((key) => key in found)).toBe(true);
  });

  test("mirroring consumers are told by brackets: only where there is none they are late", () => {
    for (const row of rows) {
      const found = verdicts(row, "mirroring").replaceAll("-", "SAFE");
      expect(`${row.row} ${found}`).toBe(
        `${row.row} ${row.row === "14-" ? SAFE.replaceAll("SAFE", "UAF") : SAFE}`,
      );
    }
  });

  test("a late cell has a counterexample, and no other", () => {
    for (const { cells } of rows) {
      for (const { verdict, steps } of cells) {
        expect(steps > 0).toBe(verdict !== null && verdict !== "SAFE");
      }
    }
  });

  test("docs/audit.md is what it found", () => {
    const known = readFileSync(new URL("../../docs/audit.md", import.meta.url), "utf8");
    expect(auditPage(rows, Catalogue.standard.parts.eras)).toBe(known);
  });

  test("one row can be asked for, with the interleaving", async () => {
    const [row, ...others] = await auditSites({
      rows: ["8"],
      eras: ["only-end-everywhere"],
      consumers: ["sharing"],
      counterexamples: true,
    });
    expect(others).toEqual([]);
    expect(row.cells[0].counterexample).toContain("LOSTW");
  });

  test("all parts of a row by its number; unknown names are refused", async () => {
    const found = await auditSites({ rows: ["11"], eras: ["coupled"], consumers: ["sharing"] });
    expect(found.map(({ row }) => row)).toEqual(["11a", "11b", "11c"]);
    await expect(auditSites({ rows: ["35"] })).rejects.toMatchObject({ code: "E_NOENT" });
    await expect(auditSites({ eras: ["none"] })).rejects.toMatchObject({ code: "E_NOENT" });
    await expect(auditSites({ consumers: ["none"] })).rejects.toMatchObject({ code: "E_NOENT" });
  });
});
