/** The core's search beside the obvious one (by-hand.ts). */
import { describe, expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { SYS } from "../../src/core/layout.js";
import { explore } from "../../src/drivers/explore.js";
import {
  exploredMachine,
  geometryOf,
  stateBytesOf,
  tableSizes,
} from "../../src/drivers/explored-machine.js";
import { Catalogue } from "../../src/kernel/catalogue.js";
import type { Scenario, ScenarioActor } from "../../src/scenarios/scenario.js";
import type { Machine } from "../../src/machine.js";
import { scenarioNamed } from "../../src/drivers/check.js";
import { searchByHand, type Verdict } from "./by-hand.js";

const ROOM = 60_000;

async function machineOf(
  scenario: Scenario,
  era: string,
  consumer = "sharing",
  policy = "concurrent",
): Promise<Machine> {
  const sizes = tableSizes(stateBytesOf(geometryOf(scenario)), ROOM, false);
  const parts = { era, consumer, policy };
  return exploredMachine(scenario, parts, Catalogue.standard, sizes.bytes);
}

/** By hand, for scenarios without walks, NMIs, broadcasts and preemption. */
function searched(machine: Machine): { states: number; transitions: number; hazards: number } {
  const { core } = machine;
  let hazards = 0;
  const seen = (): Verdict => {
    if ((core.read(SYS, core.sys, "hazard") & 0xff) === 0) return "go on";
    hazards++;
    return "ends here";
  };
  return { ...searchByHand(machine, { seen }), hazards };
}

describe("the search", () => {
  test.each([
    ["downgrade", "double", "sharing", false],
    ["downgrade", "only-end-everywhere", "sharing", true],
    ["munmap-user", "coupled", "mirroring", false],
    ["fault-race", "double", "mirroring", false],
  ])("%s, %s, %s: as the obvious one", async (name, era, consumer, hasHazards) => {
    const scenario = scenarioNamed(name);
    const machine = await machineOf(scenario, era, consumer);
    const { hazards, ...slow } = searched(await machineOf(scenario, era, consumer));
    expect(hazards > 0).toBe(hasHazards);
    // Hazards that end a path, and not the search.
    const { states, transitions, verdict } = explore(machine, { maxStates: ROOM });
    expect(["SAFE", "STALE", "LOSTW"]).toContain(verdict);
    expect({ states, transitions }).toEqual(slow);
  });

  test("what follows a hazard in the midst of a state's steps is not changed by it", async () => {
    const given = scenarioNamed("mprotect-user");
    // The initiator comes last, the store that may be STALE before it, and a reader first.
    const behind = (actor: ScenarioActor): ScenarioActor =>
      actor.cpu === 0 ? { ...actor, cpu: 2 } : actor;
    const read = { call: "read", args: { vpn: 0 } };
    const scenario = {
      ...given,
      threads: [0, 0, 0],
      setup: given.setup.map(behind),
      actors: [{ name: "T2", cpu: 0, steps: [read, read] }, ...given.actors.map(behind)],
    };
    const machine = await machineOf(scenario, "coupled", "sharing", "no-wait");
    const beside = await machineOf(scenario, "coupled", "sharing", "no-wait");
    const { hazards, ...slow } = searched(beside);
    expect(hazards).toBeGreaterThan(0);
    const { states, transitions, verdict } = explore(machine, { maxStates: ROOM });
    expect(verdict).toBe("STALE");
    expect({ states, transitions }).toEqual(slow);
  });

  test("a table that grows keeps every fingerprint", async () => {
    const machine = await machineOf(scenarioNamed("nested-gather-return"), "double");
    const { states } = explore(machine, { maxStates: ROOM });
    const { core } = machine;
    const word = (index: number): number => core.u32[(core.end >> 2) + index];
    const slots = 2 ** word(abi.X_SLOTS_LOG2);
    expect(slots).toBe(2 ** word(abi.X_SLOTS_MOST));
    // It began with room for fewer than there are.
    expect(states).toBeGreaterThan(12_288);
    const from = (core.end + word(abi.X_OFF_SLOTS)) >> 2;
    let used = 0;
    for (let i = 0; i < slots; i++) {
      if ((core.u32[from + i * 2] | core.u32[from + i * 2 + 1]) !== 0) used++;
    }
    expect(used).toBe(states);
  });
});
