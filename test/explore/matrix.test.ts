import { describe, expect, test } from "vitest";
import { check, expectedVerdict, listScenarios } from "../../src/index.js";

const ERAS = ["double", "deduplicated", "coupled", "defer", "only-end-everywhere", "empty-table"];

/** Consumers a scenario says something about; without devices the choice does not matter. */
function consumersOf(name: string): string[] {
  const scenario = listScenarios().find((s) => s.name === name)!;
  if (scenario.devices.length === 0) return ["sharing"];
  return Object.keys(scenario.expect).filter((consumer) => consumer !== "*");
}

describe("verdicts of every scenario, era and consumer", () => {
  for (const scenario of listScenarios()) {
    for (const consumer of consumersOf(scenario.name)) {
      for (const era of ERAS) {
        const expected = expectedVerdict(scenario, era, consumer)!;
        test(`${scenario.name}, ${consumer}, ${era}: ${expected}`, async () => {
          const result = await check(scenario, { era, consumer });
          expect(result.verdict).toBe(expected);
          expect(result.schedule.length > 0).toBe(expected !== "SAFE");
        });
      }
    }
  }
});

describe("both sound policies, and every broken one", () => {
  test("sequential shootdowns reach the same verdicts", async () => {
    for (const [name, era] of [
      ["cow-order", "coupled"],
      ["cow-order", "defer"],
      ["nested-gather", "only-end-everywhere"],
      ["mremap", "double"],
      ["munmap-user", "coupled"],
      ["switch-race", "coupled"],
      ["lazy-wake", "coupled"],
    ] as const) {
      const result = await check(name, { era, policy: "sync" });
      expect(`${name} ${era} ${result.verdict}`).toBe(`${name} ${era} ${result.expected}`);
    }
  });

  for (const [policy, scenario, verdict] of [
    ["no-wait", "munmap-user", "UAF"],
    ["local-only", "munmap-user", "UAF"],
    ["ack-first", "munmap-user", "UAF"],
    ["no-ipi", "munmap-user", "DEADLOCK"],
    ["skip-switching", "switch-race", "UAF"],
  ] as const) {
    test(`${policy} is ${verdict} in ${scenario}`, async () => {
      expect((await check(scenario, { policy })).verdict).toBe(verdict);
    });
  }
});
