import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Catalogue, countSites } from "../../src/index.js";
// @ts-expect-error: a script, without types
import { page } from "../../scripts/sites/page.mjs";

const write = page as (rows: unknown, eras: unknown) => string;

test("docs/sites.md is what the script writes", async () => {
  const rows = await countSites();
  const known = readFileSync(new URL("../../docs/sites.md", import.meta.url), "utf8");
  expect(write(rows, Catalogue.standard.parts.eras)).toBe(known);
}, 120_000);
