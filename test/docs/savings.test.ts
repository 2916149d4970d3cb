/** docs/savings.md is what the recordings of the package say. */
import { readFileSync } from "node:fs";
import { format, resolveConfig } from "prettier";
import { expect, test } from "vitest";
import * as library from "../../src/index.js";
// @ts-expect-error: a script, without types
import * as script from "../../scripts/savings/page.mjs";

const { compared, page, RECORDINGS } = script as {
  compared: (with_: unknown, trace: Uint8Array) => Promise<unknown>;
  page: (with_: unknown, found: ReadonlyMap<string, unknown>) => string;
  RECORDINGS: readonly (readonly [string, string])[];
};

test("the page is what is found", { timeout: 240_000 }, async () => {
  const found = new Map<string, unknown>();
  for (const [name] of RECORDINGS) {
    const trace = new URL(`../../traces/${name}.ftrace.gz`, import.meta.url);
    found.set(name, await compared(library, readFileSync(trace)));
  }
  const file = new URL("../../docs/savings.md", import.meta.url).pathname;
  const options = { ...(await resolveConfig(file)), filepath: file };
  expect(readFileSync(file, "utf8")).toBe(await format(page(library, found), options));
});
