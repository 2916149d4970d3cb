/**
 * docs/verdicts.md is what exploration finds: every scenario and policy has its cell, no cell
 * contradicts its scenario, and those that are explored fast are explored again.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Catalogue, checkMatrix, expectedVerdict, listScenarios } from "../../src/index.js";

/** Cells with more states are left to `npm run verdicts`. */
const FAST_STATES = 400;
const page = readFileSync(new URL("../../docs/verdicts.md", import.meta.url), "utf8");
const { policies } = Catalogue.standard.parts;
const scenarios = listScenarios();

interface Cell {
  readonly scenario: string;
  readonly policy: string;
  readonly verdict: string;
  readonly states: number;
}

/** Rows of the table below a heading, and the policies that its list numbers. */
function tableOf(heading: string): { names: string[]; cells: Cell[] } {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`))!;
  const names = [...section.matchAll(/^\d+\. `([^`]+)`/gm)].map(([, name]) => name);
  const rows = section.split("\n").filter((line) => line.startsWith("| "));
  const cells = rows.slice(2).flatMap((row) => {
    const [scenario, ...rest] = row.slice(2, -2).split(" | ");
    expect(rest.length).toBe(names.length);
    return rest.map((text, i) => {
      const [verdict, states] = text.split(" ");
      return { scenario, policy: names[i], verdict, states: Number(states) };
    });
  });
  return { names, cells };
}

const sound = tableOf("Policies");
const broken = tableOf("Broken policies");
const all = [...sound.cells, ...broken.cells];

test("every scenario is there under every policy, broken ones by themselves", () => {
  const named = (mutant: boolean) => policies.filter((p) => p.mutant === mutant).map((p) => p.name);
  expect(sound.names).toEqual(named(false));
  expect(broken.names).toEqual(named(true));
  for (const { names, cells } of [sound, broken]) {
    const wanted = scenarios.flatMap(({ name }) => names.map((policy) => `${name} ${policy}`));
    expect(cells.map(({ scenario, policy }) => `${scenario} ${policy}`)).toEqual(wanted);
  }
  expect(page).toContain(`${all.length} cells, of which\n0 are not what`);
});

test("no verdict contradicts its scenario", () => {
  for (const { name, expectPolicy } of scenarios) {
    for (const cell of all.filter(({ scenario }) => scenario === name)) {
      const told = expectPolicy?.["*"] ?? expectPolicy?.[cell.policy];
      if (told === undefined && Catalogue.standard.policy(cell.policy).mutant) continue;
      const scenario = scenarios.find((s) => s.name === name)!;
      const expected = expectedVerdict(scenario, "coupled", "sharing", cell.policy);
      if (cell.verdict === "INCONCLUSIVE") continue; // the page says which
      expect(`${name} ${cell.policy} ${cell.verdict}`).toBe(`${name} ${cell.policy} ${expected}`);
    }
  }
});

test("what was too large to be exhausted is named", () => {
  const open = sound.cells.filter(({ verdict }) => verdict === "INCONCLUSIVE");
  for (const { scenario, policy } of open) {
    expect(page).toContain(`\`${scenario}\` under \`${policy}\``);
  }
  expect(open.length).toBeLessThan(5);
});

test("what is explored fast is found again, states included", async () => {
  const fast = all.filter(({ states }) => states <= FAST_STATES);
  expect(fast.length).toBeGreaterThan(all.length / 10);
  for (const cell of fast) {
    const { scenario, policy } = cell;
    const { cells } = await checkMatrix({ scenarios: [scenario], policies: [policy] });
    const [{ verdict, states }] = cells;
    expect({ scenario, policy, verdict, states }).toEqual(cell);
  }
}, 240_000);
