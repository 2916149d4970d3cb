/** docs/pins.md: its figures are what is found, and it names all that there is. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { Catalogue, check } from "../../src/index.js";
import { PIN_INVARIANTS } from "../../src/invariants/pins.js";
import { OP_NAMES } from "../../src/program/ops.js";
import { shippedScenario } from "../../src/scenario-files/index.js";

const page = readFileSync(new URL("../../docs/pins.md", import.meta.url), "utf8");
const found = /^## What is found$([^]*?)^## /m.exec(page)![1];

/** Files of a row, with the verdict and the figure of each. */
function rowsOf(line: string): { name: string; verdict: string; figure: number; what: string }[] {
  const [files, verdicts, figures] = line
    .split("|")
    .slice(1)
    .map((field) => field.trim());
  const names = [...files.matchAll(/`(pin-[^`]+)`/g)].map(([, name]) => name);
  const said = verdicts.split(", ");
  const numbers = [...figures.matchAll(/[\d,]*\d/g)].map(([text]) => Number(text.replace(",", "")));
  const what = /states|steps/.exec(figures)?.[0] ?? "";
  return names.map((name, i) => ({
    name,
    verdict: said[i] ?? said[0],
    figure: numbers[i] ?? NaN,
    what,
  }));
}

const rows = found
  .split("\n")
  .filter((line) => line.startsWith("| `pin-"))
  .flatMap(rowsOf);

describe("docs/pins.md", () => {
  test("has figures of many files", () => {
    expect(rows.length).toBeGreaterThan(24);
  });

  test.each(rows)("$name: $verdict, $figure $what", async ({ name, verdict, figure, what }) => {
    const scenario = (await shippedScenario(name))!;
    const result = await check(scenario);
    expect(result.verdict).toBe(verdict);
    // What is said of a given order is how long that is.
    expect(what === "states" ? result.states : result.schedule.length).toBe(figure);
  });

  test("names every operation, consumer, invariant and micro-op", () => {
    const { operations, consumers } = Catalogue.standard.parts;
    const isPin = (op: number) => op >= abi.OP_PINS_FIRST && op <= abi.OP_PINS_LAST;
    const names = [
      ...operations.filter(({ pins }) => pins === true).map(({ name }) => name),
      ...consumers.filter(({ kind }) => kind === "pinning").map(({ name }) => name),
      ...PIN_INVARIANTS.map(({ name }) => name),
      ...Object.entries(OP_NAMES).flatMap(([name, op]) => (isPin(op) ? [name] : [])),
    ];
    for (const name of names) expect(page.includes(`\`${name}`), name).toBe(true);
  });

  test("says of mutants that they are broken", () => {
    for (const { name, mutant, pins } of Catalogue.standard.parts.operations) {
      if (pins !== true) continue;
      const row = page
        .split("\n")
        .find((line) => line.startsWith("| `") && line.includes(`\`${name}`));
      expect(row?.includes("*broken*"), name).toBe(mutant);
    }
  });
});
