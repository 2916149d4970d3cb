// The verdict beside the figures: what it rests on, and that it can be anything but SAFE.

import { expect, test } from "vitest";
import {
  Catalogue,
  check,
  GENERATORS,
  generatorNamed,
  WORKLOAD_SCENARIOS,
  type WorkloadGenerator,
} from "shootdown";
import { comparePolicies, Verdicts } from "../../src/simulation/index.js";
import { migrateCopyFirstUser } from "../../src/scenarios/workloads.js";

const SOUND = Catalogue.standard.parts.policies.filter(({ mutant }) => !mutant);
const BROKEN = Catalogue.standard.parts.policies.filter(({ mutant }) => mutant);

test.each(["sync", "concurrent"])(
  "%s is safe in every scenario of the workloads",
  async (policy) => {
    for (const scenario of WORKLOAD_SCENARIOS) {
      const { verdict, states, expected } = await check(scenario, { policy });
      expect(verdict, scenario.name).toBe("SAFE");
      expect(expected).toBe("SAFE");
      expect(states, scenario.name).toBeGreaterThan(100);
    }
  },
);

test("each broken policy is caught by a scenario of the mixture", async () => {
  const verdicts = new Verdicts(Catalogue.standard, "coupled");
  const names = ["no-wait", "ack-first", "no-ipi", "local-only", "skip-switching"];
  for (const name of names) {
    const { verdict } = await verdicts.of(name, generatorNamed("server-mix").scenarios);
    expect(verdict, name).not.toBe("SAFE");
  }
});

test("no-wait and local-only are caught in every scenario", async () => {
  for (const scenario of WORKLOAD_SCENARIOS) {
    for (const policy of ["no-wait", "local-only"]) {
      const { verdict } = await check(scenario, { policy });
      expect(verdict, `${scenario.name} ${policy}`).not.toBe("SAFE");
    }
  }
});

test("a migration that copies before it flushes loses a store", async () => {
  for (const policy of ["sync", "concurrent"]) {
    const { verdict, schedule, expected } = await check(migrateCopyFirstUser, { policy });
    expect(verdict).toBe(expected);
    expect(schedule.length).toBeGreaterThan(5);
  }
});

test("server-mix is asked about what all of its parts are asked about", () => {
  const apart = ["server-mix", "mapped-reader", "mapped-io"];
  const parts = GENERATORS.filter(({ name }) => !apart.includes(name));
  const names = new Set(parts.flatMap(({ scenarios }) => scenarios.map(({ name }) => name)));
  const mixed = generatorNamed("server-mix").scenarios.map(({ name }) => name);
  expect([...mixed].sort()).toEqual([...names].sort());
});

test("a verdict is the first that is not SAFE, and names what was explored", async () => {
  const verdicts = new Verdicts(Catalogue.standard, "coupled");
  const { scenarios } = generatorNamed("server-mix");
  for (const { name } of SOUND) {
    const result = await verdicts.of(name, scenarios);
    expect(result.scenarios.map(({ scenario }) => scenario)).toEqual(
      scenarios.map(({ name: scenario }) => scenario),
    );
    expect(result.mutant).toBe(false);
  }
  const caught = await verdicts.of("no-wait", scenarios);
  expect(caught).toMatchObject({ policy: "no-wait", mutant: true });
  expect(caught.verdict).not.toBe("SAFE");
  expect(caught.scenarios.find(({ verdict }) => verdict !== "SAFE")?.steps).toBeGreaterThan(0);
  expect(BROKEN.length).toBeGreaterThan(0);
});

test("few states are no verdict, and no scenario is said to be none", async () => {
  const few = new Verdicts(Catalogue.standard, "coupled", 10);
  const { scenarios } = generatorNamed("madvise-pingpong");
  expect((await few.of("sync", scenarios)).verdict).toBe("INCONCLUSIVE");
  const unexplored: WorkloadGenerator = { ...generatorNamed("recycle"), scenarios: [] };
  const { verdicts } = await comparePolicies({
    workload: unexplored,
    policies: ["sync"],
    seeds: [1],
    ops: 20,
  });
  expect(verdicts).toEqual([
    { policy: "sync", mutant: false, verdict: "not explored", scenarios: [] },
  ]);
});
