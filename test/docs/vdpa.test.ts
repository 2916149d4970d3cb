/** docs/vdpa-tables.md is what the model does; docs/vdpa.md names what step files can say. */
import { readFileSync } from "node:fs";
import { format, resolveConfig } from "prettier";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { vdpaTruthTable } from "../../src/index.js";
import { downtimeCycles, downtimeOf } from "../../src/vdpa/downtime.js";
import { vdpaPage } from "../../src/vdpa/pages/page.js";
import { vdpaSystem } from "../../src/vdpa/steps/system.js";
import { loadSteps, runSteps, stepFileSchema } from "../../src/step-files/index.js";

const path = (name: string): string => new URL(`../../docs/${name}`, import.meta.url).pathname;

test("docs/vdpa-tables.md is what is found", { timeout: 240_000 }, async () => {
  const cycles = await downtimeCycles();
  const downtimes = (["thp", "small"] as const).map((pages) => downtimeOf(cycles, pages));
  const file = path("vdpa-tables.md");
  const options = { ...(await resolveConfig(file)), filepath: file };
  const page = await format(vdpaPage(await vdpaTruthTable(), downtimes), options);
  expect(readFileSync(file, "utf8")).toBe(page);
});

describe("docs/vdpa.md", () => {
  const page = readFileSync(path("vdpa.md"), "utf8");

  test("its step file is as expected, with a parent of either kind", async () => {
    const [, text] = /^```yaml\n([^]*?)^```$/m.exec(page)!;
    const result = await runSteps(loadSteps(text, [vdpaSystem]));
    expect(result.asExpected).toBe(true);
    expect(result.runs.map(({ verdict }) => verdict)).toEqual(["INCONSISTENT", "INCONSISTENT"]);
    const wrong = text.replace("inner: EEXIST", "inner: EINVAL");
    expect((await runSteps(loadSteps(wrong, [vdpaSystem]))).asExpected).toBe(false);
  });

  test("names every verb, and every verdict", () => {
    for (const verb of Object.keys(vdpaSystem.verbs)) expect(page).toContain(`\`${verb}`);
    for (const verdict of vdpaSystem.verdicts) expect(page).toContain(verdict);
  });

  test("names every field of a setup", () => {
    const schema = z.toJSONSchema(stepFileSchema(vdpaSystem), { unrepresentable: "any" });
    const text = JSON.stringify((schema.properties as Record<string, unknown>)["setup"]);
    const words = [...text.matchAll(/"(\w+)":\{"(?:type|anyOf|enum)"/g)].map(([, name]) => name);
    const grammar = ["items", "additionalProperties", "propertyNames", "properties"];
    const fields = [...new Set(words)].filter((word) => !grammar.includes(word));
    expect(fields.length).toBeGreaterThan(25);
    for (const field of fields) expect(page).toContain(`\`${field}\``);
  });

  test("names every key of the state", async () => {
    const world = await vdpaSystem.open({}, { era: "7.0", order: "unpin-first", parent: "setup" });
    const state = vdpaSystem.state(world) as Record<string, object>;
    for (const key of Object.keys(state)) expect(page).toContain(`\`${key}\``);
    for (const key of Object.keys(state["counts"])) expect(page).toContain(`\`${key}\``);
    vdpaSystem.close(world);
  });
});
