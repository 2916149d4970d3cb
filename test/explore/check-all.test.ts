/**
 * checkMatrix(): every combination of the lists it is given, and nothing before all names are
 * known.
 */
import { expect, test } from "vitest";
import { check, checkMatrix, expectedVerdict, scenarioNamed } from "../../src/index.js";

const SCENARIOS = ["cow-order", "fault-race"];
const ERAS = ["double", "coupled", "defer"];
const CONSUMERS = ["sharing", "mirroring", "mirroring-no-retry"];

test("eras and consumers are combined, each cell with its own verdict", async () => {
  const seen: string[] = [];
  const { cells, unexpected } = await checkMatrix({
    scenarios: SCENARIOS,
    eras: ERAS,
    consumers: CONSUMERS,
    onCell: (done, of) => seen.push(`${done}/${of}`),
  });
  const wanted = SCENARIOS.flatMap((scenario) =>
    ERAS.flatMap((era) => CONSUMERS.map((consumer) => `${scenario} ${era} ${consumer}`)),
  );
  expect(cells.map((c) => `${c.scenario} ${c.era} ${c.consumer}`)).toEqual(wanted);
  expect(seen).toEqual(wanted.map((_, i) => `${i}/${wanted.length}`));
  expect(unexpected).toBe(0);
  for (const { scenario, era, policy, consumer, verdict, expected, states, steps } of cells) {
    expect(policy).toBe("concurrent");
    expect(expected).toBe(expectedVerdict(scenarioNamed(scenario), era, consumer, policy));
    const alone = await check(scenario, { era, consumer });
    expect({ verdict, states, steps }).toEqual({
      verdict: alone.verdict,
      states: alone.states,
      steps: alone.schedule.length,
    });
    expect(steps > 0).toBe(verdict !== "SAFE");
  }
  // Both are decided by something: the tables are not all alike.
  const ofCowOrder = new Set(cells.slice(0, cells.length / 2).map(({ verdict }) => verdict));
  const ofFaultRace = new Set(cells.slice(cells.length / 2).map(({ verdict }) => verdict));
  expect([ofCowOrder.size, ofFaultRace.size].every((n) => n > 1)).toBe(true);
}, 180_000);

test("a verdict that is not the expected one is counted", async () => {
  // Given up after a few states: neither safe nor what is expected.
  const { cells, unexpected } = await checkMatrix({ scenarios: ["munmap-user"], maxStates: 10 });
  expect(cells).toMatchObject([{ verdict: "INCONCLUSIVE", expected: "SAFE" }]);
  expect(unexpected).toBe(1);
});

test.each([
  ["scenarios", "no-such-scenario"],
  ["eras", "no-such-era"],
  ["policies", "no-such-policy"],
  ["consumers", "no-such-consumer"],
])("an unknown name among the %s is refused before anything runs", async (list, name) => {
  const good = { scenarios: "cow-order", eras: "double", policies: "sync", consumers: "sharing" };
  const known = good[list as keyof typeof good];
  let cells = 0;
  const onCell = (): void => void cells++;
  await expect(checkMatrix({ [list]: [known, name], onCell })).rejects.toMatchObject({
    code: "E_NOENT",
    message: expect.stringContaining(name) as string,
  });
  expect(cells).toBe(0);
});
