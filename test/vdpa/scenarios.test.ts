/** The step files of the package: every one is as it expects, and says so for a reason. */
import { describe, expect, test } from "vitest";
import { readFileSync } from "node:fs";
import {
  loadSteps,
  runSteps,
  shippedStepFile,
  shippedStepNames,
} from "../../dist/step-files/index.js";
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

  test("each of them expects something that another kernel, order or parent does not do", async () => {
    const others = [
      { era: ["5.15", "6.6"] },
      { order: ["unmap-first"] },
      { parent: ["P", "S0", "S1", "D0", "D1", "V", "M0"] },
    ] as const;
    const same: string[] = [];
    for (const name of names) {
      const url = new URL(`../../scenarios/vdpa/${name}.yaml`, import.meta.url);
      const text = readFileSync(url, "utf8").replace(/^for: .*$/m, "");
      let differs = false;
      for (const axes of others) {
        const lines = Object.entries(axes).map(
          ([axis, values]) => `${axis}: [${values.map((v) => `"${v}"`).join(", ")}]`,
        );
        try {
          const file = loadSteps(`${text}\nfor: { ${lines.join(", ")} }\n`, [vdpaSystem], name);
          differs ||= !(await runSteps(file)).asExpected;
        } catch {
          differs = true;
        }
      }
      if (!differs) same.push(name);
    }
    // Headers are checked before anything that kernels and parents could differ in.
    expect(same).toEqual([]);
  });
});
