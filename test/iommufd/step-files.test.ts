/** The package's step files of iommufd are as expected in every era they name. */
import { describe, expect, test } from "vitest";
import {
  formatSteps,
  loadSteps,
  runSteps,
  shippedStepFile,
  shippedStepNames,
} from "../../dist/step-files/index.js";
import { iommufdSystem } from "../../dist/iommufd/steps/system.js";

const SYSTEMS = [iommufdSystem];
const names = await shippedStepNames(iommufdSystem);

describe("scenarios/iommufd", () => {
  test.each(names)("%s", async (name) => {
    const file = (await shippedStepFile(SYSTEMS, name))!;
    const result = await runSteps(file);
    expect(result.asExpected, formatSteps(result)).toBe(true);
  });

  test("there are some", () => {
    expect(names.length).toBeGreaterThan(12);
  });
});

const HEAD =
  "format: shootdown-scenario\nversion: 1\nsystem: iommufd\nname: x\ntitle: x\nsource: x\n";

async function run(text: string): Promise<string> {
  const file = loadSteps(`${HEAD}${text}`, SYSTEMS, "x.yaml");
  return formatSteps(await runSteps(file));
}

test("what is wrongly expected is found", async () => {
  const steps = "steps:\n  - map: { iova: 0x1000, size: 4K }\n    expect: EINVAL\n";
  expect(await run(steps)).toContain("EINVAL");
  const state = "steps:\n  - map: { iova: 4K, size: 4K }\n    state: { refs: 7 }\n";
  expect(await run(state)).toContain("refs");
});

test("names that are not there are faults of the file", async () => {
  const text = "steps:\n  - pin: { access: Z, iova: 0 }\n    expect: ok\n";
  await expect(run(text)).rejects.toThrow(/Z is no access: there are A/);
});

test("every verb can be done, and says what it is", () => {
  for (const [name, { summary }] of Object.entries(iommufdSystem.verbs)) {
    expect(`${name}: ${summary}`).toMatch(/^\w+: .{8,}/);
  }
  expect(Object.keys(iommufdSystem.verbs).length).toBeGreaterThan(45);
});
