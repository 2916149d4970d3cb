/** docs/pinned-sets.md and its charts are what is counted; what is measured is left out. */
import { readFileSync } from "node:fs";
import { format, resolveConfig } from "prettier";
import { expect, test } from "vitest";
import * as library from "../../src/index.js";
// @ts-expect-error: a script, without types
import * as charts from "../../scripts/pinned-sets/charts.mjs";
// @ts-expect-error: a script, without types
import * as script from "../../scripts/pinned-sets/page.mjs";

type Found = ReadonlyMap<string, unknown>;
const { CHARTS, costOf, measured, page } = script as {
  CHARTS: readonly (readonly [string, string])[];
  costOf: (text: string) => string;
  measured: (library: unknown) => Promise<Found>;
  page: (found: Found, cost: string) => string;
};
const { bytesChart, sizeChart } = charts as Record<string, (found: Found) => Promise<string>>;

test("the page and its charts are what is counted", { timeout: 120_000 }, async () => {
  const docs = new URL("../../docs/", import.meta.url);
  const file = new URL("pinned-sets.md", docs).pathname;
  const text = readFileSync(file, "utf8");
  const found = await measured(library);
  const options = { ...(await resolveConfig(file)), filepath: file };
  expect(text).toBe(await format(page(found, costOf(text)), options));
  for (const [i, draw] of [sizeChart, bytesChart].entries()) {
    const chart = readFileSync(new URL(`charts/${CHARTS[i][0]}`, docs), "utf8");
    expect(chart).toBe(await draw(found));
  }
});
