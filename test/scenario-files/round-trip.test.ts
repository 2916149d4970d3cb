/** Every built-in scenario written to a file and read back is the same exploration. */
import { describe, expect, test } from "vitest";
import { check, listScenarios, type Scenario } from "../../src/index.js";
import { loadScenario, writeScenario } from "../../src/scenario-files/index.js";

/** Enough to tell two scenarios apart, and soon over. */
const STATES = 3_000;

/** Names of set-up programs are not part of a file, and no arguments may be left out. */
function essence(scenario: Scenario): unknown {
  const text = JSON.stringify({
    ...scenario,
    setup: scenario.setup.map((s) => ({ ...s, name: "" })),
  });
  return JSON.parse(text.replaceAll(',"args":{}', ""));
}

describe("built-in scenarios as files", () => {
  test.each(listScenarios().map((scenario) => [scenario.name, scenario] as const))(
    "%s",
    async (_name, scenario) => {
      const back = loadScenario(writeScenario(scenario));
      expect(essence(back)).toEqual(essence(scenario));
      const { exact: _exact, ...found } = await check(scenario, { maxStates: STATES });
      expect(await check(back, { maxStates: STATES })).toMatchObject(found);
      expect(writeScenario(back)).toBe(writeScenario(scenario));
    },
  );
});
