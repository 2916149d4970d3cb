/** Trees of messages, and what is shared by nodes: situations that no scenario of the list has. */
import { expect, test } from "vitest";
import { check, type Scenario, scenarioNamed } from "../../src/index.js";

test("a leader that goes offline before it can answer leaves that to whoever is last", async () => {
  const twoNodes = scenarioNamed("two-nodes");
  const scenario: Scenario = {
    ...twoNodes,
    name: "leader-offline",
    actors: [
      { name: "CPU0 goes", cpu: 0, steps: [{ call: "cpu-offline" }] },
      ...twoNodes.actors.filter(({ cpu }) => cpu === 2),
    ],
  };
  const result = await check(scenario, { policy: "messages" });
  expect(result.verdict).toBe("SAFE");
  expect(result.states).toBeGreaterThan(500);
});

test("a leader is told once, and tells the other CPU of its node", async () => {
  const scenario = scenarioNamed("two-nodes");
  const safe = await check(scenario, { policy: "messages" });
  expect(safe.verdict).toBe("SAFE");
  // Without its answer in time, CPU1 is the one that still holds the page.
  const early = await check(scenario, { policy: "messages-early" });
  expect(early.verdict).toBe("UAF");
  expect(early.schedule.at(-1)?.actor).toBe(1);
});
