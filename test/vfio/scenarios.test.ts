/** The package's scenarios of VFIO, in every era and with both kinds of storage. */
import { describe, expect, test } from "vitest";
import {
  loadSteps,
  runSteps,
  shippedStepFile,
  shippedStepNames,
} from "../../src/step-files/index.js";
import { vfioSystem } from "../../src/vfio/steps/system.js";
import { VFIO_ERAS, vfioKnobs, vfioKnobValues } from "../../src/index.js";

const names = await shippedStepNames(vfioSystem);

const HEAD = `
format: shootdown-scenario
version: 1
system: vfio
name: one
title: one
source: a test
names: { D1: 0x10000, PS: 4K }
`;

async function whyOf(text: string): Promise<string> {
  try {
    await runSteps(loadSteps(HEAD + text, [vfioSystem], "one.yaml"), { era: ["7.0"] });
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("nothing was wrong");
}

describe("scenarios", () => {
  test.each(names)("%s", async (name) => {
    const file = await shippedStepFile([vfioSystem], name);
    const result = await runSteps(file!);
    const wrong = result.runs.flatMap(({ cell, verdict, expected, steps }) => [
      ...(verdict === expected ? [] : [[cell, verdict, expected]]),
      ...steps.flatMap(({ text, mismatches }) => mismatches.map((each) => [cell, text, each])),
    ]);
    expect(wrong).toEqual([]);
    expect(result.runs.length).toBeGreaterThan(0);
  });

  test("those of the table are there, and both kinds of storage give the same", async () => {
    for (const part of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 17, 18]) {
      expect(names.some((name) => name.startsWith(`s${part}-`))).toBe(true);
    }
    for (const name of names) {
      // Counts end in the packed form alone.
      if (name === "s8-count-saturates") continue;
      const file = await shippedStepFile([vfioSystem], name);
      const { runs } = await runSteps(file!);
      for (let i = 0; i < runs.length; i += 2) {
        const [packed, tree] = [runs[i], runs[i + 1]];
        expect([tree.verdict, tree.steps, tree.state]).toEqual([
          packed.verdict,
          packed.steps,
          packed.state,
        ]);
      }
    }
  });

  test("what files say wrongly is told with its place", async () => {
    expect(await whyOf("steps: [{ pin: { device: Z, iova: D1 } }]")).toContain(
      "Z is no device: there are A",
    );
    expect(await whyOf("steps: [{ pin: { device: A, iova: D3 } }]")).toMatch(/one.yaml:9:/);
    expect(await whyOf("steps: [{ pin: { device: A, iova: 0x10001 } }]")).toContain(
      "must be a multiple of 4096",
    );
    expect(await whyOf("setup: { knobs: { retryBudgets: 3 } }\nsteps: [{ release: {} }]")).toMatch(
      /retryBudgets/,
    );
    const overlap = "setup: { mappings: [{ iova: 0, size: PS }, { iova: 0, size: PS }] }\n";
    expect(await whyOf(`${overlap}steps: [{ release: {} }]`)).toContain("EEXIST");
  });
});

describe("eras", () => {
  test("each knob has a value in each era, of those that it may have", () => {
    const values = vfioKnobValues();
    for (const era of Object.keys(VFIO_ERAS)) {
      const knobs: Record<string, unknown> = { ...vfioKnobs(era) };
      expect(Object.keys(knobs).sort()).toEqual(Object.keys(values).sort());
      for (const [name, value] of Object.entries(knobs)) {
        const may = values[name];
        if (typeof may[0] === "number") expect(value).toBeGreaterThanOrEqual(may[0]);
        else expect(may).toContain(value);
      }
    }
  });

  test("unknown eras, knobs and values are refused", () => {
    const code = (error: string): object => expect.objectContaining({ code: error }) as object;
    expect(() => vfioKnobs("6.6")).toThrow(code("E_NOENT"));
    expect(() => vfioKnobs("7.0", { budget: 3 } as object)).toThrow(code("E_TYPE"));
    expect(() => vfioKnobs("7.0", { notifyOrder: "random" as "newest-first" })).toThrow(
      code("E_TYPE"),
    );
    expect(() => vfioKnobs("7.0", { retryBudget: -1 })).toThrow(code("E_LIMIT"));
    expect(() => vfioKnobs("7.0", { dmaRw: 1 as unknown as boolean })).toThrow(code("E_TYPE"));
  });
});
