/** docs/vfio-tables.md is what the scenarios give; docs/vfio.md names what there is to say. */
import { readdirSync, readFileSync } from "node:fs";
import { format, resolveConfig } from "prettier";
import { describe, expect, test } from "vitest";
import { VFIO_INVARIANTS, vfioKnobValues } from "../../src/index.js";
import { loadSteps, runSteps } from "../../src/step-files/index.js";
import { vfioPage, vfioResults } from "../../src/vfio/pages/page.js";
import { vfioSystem } from "../../src/vfio/steps/system.js";

const path = (name: string): string => new URL(`../../${name}`, import.meta.url).pathname;
const page = readFileSync(path("docs/vfio.md"), "utf8");

test("docs/vfio-tables.md is what is found", { timeout: 240_000 }, async () => {
  const file = path("docs/vfio-tables.md");
  const options = { ...(await resolveConfig(file)), filepath: file };
  const text = readFileSync(file, "utf8");
  expect(await format(vfioPage(await vfioResults()), options)).toBe(text);
  for (const knob of Object.keys(vfioKnobValues())) expect(text).toContain(`\`${knob}\``);
});

describe("docs/vfio.md", () => {
  test("its step file is as expected, and one that expects something else is not", async () => {
    const [, text] = /^```yaml\n([^]*?)^```$/m.exec(page)!;
    const result = await runSteps(loadSteps(text, [vfioSystem]));
    expect([result.asExpected, result.runs.length]).toEqual([true, 8]);
    const wrong = text.replace("B: 1 }", "B: 0 }");
    expect((await runSteps(loadSteps(wrong, [vfioSystem]))).asExpected).toBe(false);
  });

  test("names every verb, verdict, invariant, and all of the state", async () => {
    const [, text] = /^```yaml\n([^]*?)^```$/m.exec(page)!;
    const { runs } = await runSteps(loadSteps(text, [vfioSystem]), { era: ["7.0"] });
    const words = [
      ...Object.keys(vfioSystem.verbs),
      ...vfioSystem.verdicts,
      ...Object.keys(VFIO_INVARIANTS),
      ...Object.keys(runs[0].state as object),
    ];
    expect(words.filter((word) => !page.includes(`\`${word}\``))).toEqual([]);
  });

  test("names every cause", () => {
    const files = readdirSync(path("src/vfio")).filter((name) => name.endsWith(".ts"));
    const source = files.map((name) => readFileSync(path(`src/vfio/${name}`), "utf8")).join("");
    const calls = source.matchAll(
      /(?:failed|refuse)\((?:s, )?(?:"E[A-Z0-9]+"|\w+), "([a-z0-9-]+)"/g,
    );
    const short = source.matchAll(/einval\("([a-z-]+)"/g);
    const causes = new Set([...calls, ...short].map(([, cause]) => cause));
    expect(causes.size).toBeGreaterThan(45);
    expect([...causes].filter((cause) => !page.includes(`\`${cause}\``))).toEqual([]);
  });
});
