/** docs/iommufd.md lists the selftests that the tests hold, and the verbs of step files. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { iommufdSystem } from "../../dist/iommufd/steps/system.js";
import { setupShape } from "../../dist/iommufd/steps/shapes.js";
import { resolved } from "../../dist/step-files/schema.js";
// @ts-expect-error: a script, without types
import * as script from "../../scripts/iommufd-selftests.mjs";

const { page, rows } = script as {
  page: (verbs: unknown) => Promise<string>;
  rows: () => string[][];
};

test("the lists are what there is: node scripts/iommufd-selftests.mjs", async () => {
  const file = new URL("../../docs/iommufd.md", import.meta.url);
  expect(readFileSync(file, "utf8")).toBe(await page(iommufdSystem.verbs));
  expect(rows().length).toBeGreaterThan(60);
});

test("every key of setup and state is explained", async () => {
  const text = readFileSync(new URL("../../docs/iommufd.md", import.meta.url), "utf8");
  const world = await iommufdSystem.open({}, { era: "7.0" });
  const { shape } = setupShape(resolved) as unknown as { shape: object };
  for (const key of [...Object.keys(iommufdSystem.state(world) as object), ...Object.keys(shape)]) {
    expect(text).toContain(`\`${key}\``);
  }
});
