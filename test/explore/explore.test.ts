import { describe, expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { Catalogue, check, listScenarios, makeReplayFile } from "../../src/index.js";
import { parseSchedule, replay, scenarioNamed, stepsOf, switchesOf } from "../../src/index.js";
import { explore } from "../../src/drivers/explore.js";
import { exploredMachine, geometryOf } from "../../src/drivers/explored-machine.js";
import { stateBytesOf, tableSizes } from "../../src/drivers/explored-machine.js";

const SMALL = 400_000;

async function exploreUnmerged(name: string, era: string, consumer: string) {
  const scenario = scenarioNamed(name);
  const sizes = tableSizes(stateBytesOf(geometryOf(scenario)), SMALL * 4, false);
  const parts = { era, consumer, policy: "concurrent" };
  const machine = await exploredMachine(scenario, parts, Catalogue.standard, sizes.bytes);
  machine.core.header[abi.H_MERGE] = 0;
  return explore(machine, { maxStates: SMALL * 4 });
}

describe("exploration", () => {
  test("the shortest counterexample of cow-order stays the shortest", async () => {
    const result = await check("cow-order", { era: "defer" });
    expect(result.schedule).toHaveLength(76);
    const steps = await stepsOf(result, scenarioNamed("cow-order"));
    expect(steps.at(-1)?.hazard).toMatch(/^ORDER: device reads an older value of page 0/);
    expect(switchesOf(steps)).toBeGreaterThan(3);
  });

  test("merged and unmerged local micro-ops give the same verdicts", async () => {
    for (const scenario of listScenarios()) {
      if (["cow-order", "mremap", "mremap-cpu", "nested-gather"].includes(scenario.name)) continue;
      for (const era of ["double", "coupled", "only-end-everywhere"]) {
        const merged = await check(scenario, { era });
        const unmerged = await exploreUnmerged(scenario.name, era, "sharing");
        expect(`${scenario.name} ${era} ${unmerged.verdict}`).toBe(
          `${scenario.name} ${era} ${merged.verdict}`,
        );
        expect(unmerged.states).toBeGreaterThanOrEqual(merged.states);
      }
    }
  });

  test("fingerprints and whole states see the same space", async () => {
    for (const scenario of ["nested-gather-return", "munmap-user", "downgrade", "fault-race"]) {
      for (const era of ["double", "only-end-everywhere"]) {
        const maxStates = 50_000;
        const prints = await check(scenario, { era, maxStates });
        const exact = await check(scenario, { era, maxStates, exact: true });
        const { collisionBound, exact: _mode, assumptions, ...rest } = prints;
        expect(exact).toMatchObject(rest);
        expect(collisionBound).toBeGreaterThan(0);
        expect(exact.collisionBound).toBe(0);
        expect(assumptions).not.toEqual(exact.assumptions);
      }
    }
  });

  test("another fingerprint seed, the same space", async () => {
    const one = await check("munmap-user", { seed: 1 });
    const two = await check("munmap-user", { seed: "0xfeedfacecafebeef" });
    expect(two).toEqual(one);
  });

  test("a full table is inconclusive, never safe", async () => {
    for (const maxStates of [1, 2, 100]) {
      const result = await check("munmap-user", { maxStates });
      expect(result.verdict).toBe("INCONCLUSIVE");
      expect(result.states).toBeLessThanOrEqual(maxStates + 1);
    }
  });

  for (const maxStates of [0, -1, 1.5, NaN, Infinity, 2 ** 27 + 1]) {
    test(`maxStates ${maxStates} is refused`, async () => {
      const code = Number.isInteger(maxStates) ? "E_LIMIT" : "E_TYPE";
      await expect(check("munmap-user", { maxStates })).rejects.toMatchObject({ code });
    });
  }

  test("a replay file does the same again, and a tampered one is refused", async () => {
    const scenario = scenarioNamed("mremap");
    const result = await check(scenario, { era: "double" });
    const file = await makeReplayFile(result, scenario);
    expect(file.hashes).toHaveLength(result.schedule.length + 1);
    expect(parseSchedule(file.schedule)).toEqual(result.schedule);
    const again = await replay(JSON.parse(JSON.stringify(file)));
    expect(again.verdict).toBe("UAF");
    const swapped = { ...file, hashes: [...file.hashes].reverse() };
    await expect(replay(swapped)).rejects.toMatchObject({ code: "E_VERSION" });
    await expect(replay({ ...file, version: 99 })).rejects.toMatchObject({ code: "E_VERSION" });
    await expect(replay({ ...file, image: "0" })).rejects.toMatchObject({ code: "E_VERSION" });
    await expect(replay({ ...file, era: "coupled" })).rejects.toMatchObject({ code: "E_VERSION" });
    await expect(replay([])).rejects.toMatchObject({ code: "E_PARSE" });
    await expect(replay({ ...file, schedule: "0 x" })).rejects.toMatchObject({ code: "E_PARSE" });
  });
});
