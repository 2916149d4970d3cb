/** The step files of the package: every one is as it expects, and says so for a reason. */
import { describe, expect, test } from "vitest";
import { runSteps, shippedStepFile, shippedStepNames } from "../../dist/step-files/index.js";
import { vdpaSystem } from "../../dist/vdpa/steps/system.js";

const names = await shippedStepNames(vdpaSystem);

test("every scenario of the specification is there", () => {
  for (const id of ["v1", "v4", "v5", "v6", "v7", "v8", "v9", "v11", "v12"]) {
    expect(
      names.some((name) => name.startsWith(`${id}-`)),
      id,
    ).toBe(true);
  }
});

describe("scenarios/vdpa", () => {
  test.each(names)("%s", async (name) => {
    const file = (await shippedStepFile([vdpaSystem], name))!;
    expect(file.name).toBe(name);
    const result = await runSteps(file);
    const wrong = result.runs.flatMap(({ steps, cell }) =>
      steps.flatMap(({ text, mismatches }) => mismatches.map((one) => ({ cell, text, ...one }))),
    );
    expect(wrong).toEqual([]);
    expect(result.asExpected).toBe(true);
  });
});
