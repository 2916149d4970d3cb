/** docs/iommufd.md lists the selftests that the tests hold. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
// @ts-expect-error: a script, without types
import * as script from "../../scripts/iommufd-selftests.mjs";

const { page, rows } = script as { page: () => Promise<string>; rows: () => string[][] };

test("the list is what the tests hold: node scripts/iommufd-selftests.mjs", async () => {
  const file = new URL("../../docs/iommufd.md", import.meta.url);
  expect(readFileSync(file, "utf8")).toBe(await page());
  expect(rows().length).toBeGreaterThan(60);
});
