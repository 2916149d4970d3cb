/** docs/scenarios.md and the claims of docs/races.md: what they say is what is found. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { Catalogue, check, type Scenario, TURN_ALIASES, type Verdict } from "../../src/index.js";
import { kernelStep } from "../../src/scenarios/step-schemas.js";
import { loadScenario, shippedScenario } from "../../src/scenario-files/index.js";

function read(name: string): string {
  return readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), "utf8");
}

const page = read("scenarios");
const eras = Catalogue.standard.parts.eras.map(({ name }) => name);
const [whole, mistaken] = [...page.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, text]) => text);

async function verdicts(
  scenario: Scenario,
  consumer: string,
  among: readonly string[] = eras,
): Promise<Verdict[]> {
  const found: Verdict[] = [];
  for (const era of among) found.push((await check(scenario, { era, consumer })).verdict);
  return [...new Set(found)];
}

describe("docs/scenarios.md", () => {
  test("its example is safe, as it expects, and with the mistake it is not", async () => {
    const scenario = loadScenario(whole);
    for (const consumer of Object.keys(scenario.expect)) {
      const sound = eras.filter((era) => !Catalogue.standard.era(era).mutant);
      for (const era of sound) {
        const { verdict, expected } = await check(scenario, { era, consumer });
        expect(`${era} ${consumer} ${verdict}`).toBe(`${era} ${consumer} ${expected}`);
      }
    }
    const text = whole.replace(/^programs:\n[^]*(?=^expect:)/m, mistaken);
    expect(text).not.toBe(whole);
    const wrong = loadScenario(text);
    // Between the brackets of this era the device's table is empty.
    const hidden = await check(wrong, { era: "empty-table", consumer: "sharing" });
    expect(hidden.verdict).toBe("SAFE");
    const others = eras.filter((era) => era !== "empty-table");
    expect(await verdicts(wrong, "sharing", others)).toEqual(["UAF"]);
    expect(await verdicts(wrong, "mirroring")).toEqual(["SAFE"]);
  });

  test("names every kernel step, and every place that a turn can go to", () => {
    const schema = z.toJSONSchema(kernelStep);
    const text = JSON.stringify(schema);
    const verbs = [...text.matchAll(/"required":\["(\w+)"/g)].map(([, verb]) => verb);
    expect(verbs.length).toBeGreaterThan(20);
    for (const verb of verbs) expect(page, verb).toMatch(new RegExp(`\`(\\{ )?${verb}: `));
    for (const word of Object.keys(TURN_ALIASES)) expect(page).toContain(`\`${word}\``);
  });

  test("has every field of a file", async () => {
    const { DOCUMENTS } = await import("../../src/schemas/documents.js");
    const schema = z.toJSONSchema(DOCUMENTS["scenario-file"]) as { properties: object };
    const fields = Object.keys(schema.properties);
    expect(fields.length).toBeGreaterThan(15);
    for (const field of fields) expect(page).toMatch(new RegExp(`^\\| .*\`${field}\`.* \\| `, "m"));
  });
});

describe("claims in docs/races.md", () => {
  const [, claims] = read("races").split("## Notifiers: claims");
  const COMMAND = "`shootdown check (\\S+) --era (\\S+?)(?: --consumer (\\S+))?`";
  const row = `^\\| (?:.* )?\\| .*?: .*?\\b([A-Z_]{3,})\\b.* \\| ${COMMAND} \\|$`;
  const rows = [...claims.matchAll(new RegExp(row, "gm"))];

  test("there is a verdict and a command in each row", () => {
    const lines = claims.split("\n").filter((line) => line.startsWith("| "));
    expect(rows.length).toBe(lines.length - 2);
  });

  test.each(rows.map(([, verdict, name, era, consumer]) => ({ name, era, consumer, verdict })))(
    "$name, $era, $consumer: $verdict",
    async ({ name, era, consumer, verdict }) => {
      const scenario = (await shippedScenario(name))!;
      const options = { era, consumer: consumer ?? "sharing", reduction: "partial-order" } as const;
      expect((await check(scenario, options)).verdict).toBe(verdict);
    },
  );
});
