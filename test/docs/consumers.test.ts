/** docs/consumers.md has every consumer of the catalogue, and every parameter of the families. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Catalogue } from "../../src/index.js";

const { consumers } = Catalogue.standard.parts;

test("every consumer, and every parameter", () => {
  const page = readFileSync(new URL("../../docs/consumers.md", import.meta.url), "utf8");
  for (const { name } of consumers) expect(page).toMatch(`\`${name}\``);
  for (const file of ["family", "guest"]) {
    const from = new URL(`../../src/kernel/consumers/${file}.ts`, import.meta.url);
    const [, body] = /^export interface \w+Parameters \{\n([^]*?)^\}/m.exec(
      readFileSync(from, "utf8"),
    )!;
    const known = [...body.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name]) => name);
    expect(known.length).toBeGreaterThan(6);
    for (const name of known) if (name !== "mutant") expect(page).toContain(`\`${name}\``);
  }
});
