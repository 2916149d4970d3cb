/**
 * The reduced search against the plain one: the same verdict in every built-in scenario under a
 * sample of policies, sound and broken, and the same shortest counterexample.
 */
import { describe, expect, test } from "vitest";
import { loadTracked } from "../../src/core/loader.js";
import {
  exploredMachine,
  geometryOf,
  stateBytesOf,
  tableSizes,
} from "../../src/drivers/explored-machine.js";
import type { ExploreResult } from "../../src/drivers/explore.js";
import { exploreReduced, reductionBytes } from "../../src/drivers/reduced.js";
import {
  Catalogue,
  check,
  listScenarios,
  makeReplayFile,
  replay,
  scenarioNamed,
  type Verdict,
} from "../../src/index.js";

/** SHOOTDOWN_ALL=1: every scenario under every policy, era and kind of consumer below. */
const ALL = process.env["SHOOTDOWN_ALL"] === "1";
/** Larger spaces are compared under SHOOTDOWN_ALL=1 only. */
const MOST = ALL ? 4_000_000 : 30_000;
/** States the reduced search has room for: it goes deep first, and may find a hazard late. */
const ROOM = 1_000_000;
const { policies } = Catalogue.standard.parts;
const ERAS = ["defer", "double", "only-end-everywhere"];
const CONSUMERS = ["mirroring", "mirroring-no-retry", "mirroring-late-zap"];

interface Cell {
  readonly scenario: string;
  readonly policy: string;
  readonly era: string;
  readonly consumer: string;
}

async function reducedOnly(cell: Cell, exact = false): Promise<ExploreResult | null> {
  const scenario = scenarioNamed(cell.scenario);
  const geometry = geometryOf(scenario);
  const bytes = stateBytesOf(geometry);
  const room =
    tableSizes(bytes, exact ? MOST : ROOM, exact).bytes + reductionBytes(bytes, geometry);
  const tracked = await loadTracked();
  const machine = await exploredMachine(scenario, cell, Catalogue.standard, room, tracked);
  const result = exploreReduced(machine, { maxStates: exact ? MOST : ROOM, exact });
  machine.dispose();
  return result;
}

/**
 * Both end at the first of the gravest hazards (UAF, PT_UAF and others alike); which one that is
 * depends on the order of the search. `check` takes it from the plain one.
 */
function kindOf(verdict: Verdict): string {
  return /^(SAFE|INCONCLUSIVE|STALE|LOSTW|ORDER)$/.test(verdict) ? verdict : "gravest";
}

/** Compares both searches. Null: the whole space is larger than is looked at here. */
async function compare(cell: Cell): Promise<{ plain: number; kept: number } | null> {
  const { scenario, policy, era, consumer } = cell;
  const plain = await check(scenario, { policy, era, consumer, maxStates: MOST });
  // What a search finds before its table is full may not be the gravest.
  if (plain.states > MOST || plain.verdict === "INCONCLUSIVE") return null;
  const reduced = await reducedOnly(cell);
  const what = `${scenario} ${policy} ${era} ${consumer}`;
  if (reduced === null) return { plain: plain.states, kept: plain.states };
  expect(`${what} ${kindOf(reduced.verdict)}`).toBe(`${what} ${kindOf(plain.verdict)}`);
  return { plain: plain.states, kept: reduced.states };
}

describe("partial-order reduction", () => {
  const scenarios = listScenarios();
  test("every scenario under a sample of all policies: the same verdict", async () => {
    const seen = new Set<string>();
    const compared = new Set<string>();
    let cells = 0;
    for (const [i, { name: scenario }] of scenarios.entries()) {
      const sample = ALL ? policies : [0, 1, 2].map((k) => policies[(i * 3 + k) % policies.length]);
      for (const { name: policy } of [Catalogue.standard.policy("concurrent"), ...sample]) {
        const cell = { scenario, policy, era: "coupled", consumer: "sharing" };
        if ((await compare(cell)) === null) continue;
        cells++;
        seen.add(scenario);
        compared.add(policy);
      }
    }
    expect(cells).toBeGreaterThan(scenarios.length * 3);
    expect(seen.size).toBeGreaterThan(scenarios.length - 8);
    expect(compared.size).toBeGreaterThan(policies.length - 8);
  }, 600_000);

  test("eras and consumers of the scenarios with devices: the same verdict", async () => {
    for (const { name: scenario, devices } of scenarios) {
      if (devices.length === 0) continue;
      for (const era of ERAS) {
        await compare({ scenario, era, policy: "concurrent", consumer: "sharing" });
      }
      for (const consumer of CONSUMERS) {
        await compare({ scenario, era: "coupled", policy: "concurrent", consumer });
      }
    }
  }, 600_000);

  for (const scenario of ["nested-gather-return", "fault-race", "downgrade", "lock-drop"]) {
    test(`${scenario}: at least five times fewer states`, async () => {
      const cell = { scenario, policy: "concurrent", era: "coupled", consumer: "sharing" };
      const counts = await compare(cell);
      expect(counts!.plain).toBeGreaterThan(5 * counts!.kept);
    });
  }

  test("fingerprints and whole states see the same reduced space", async () => {
    for (const scenario of ["fault-race", "switch-race", "lock-drop", "irqs-off"]) {
      const cell = { scenario, policy: "concurrent", era: "coupled", consumer: "sharing" };
      const [prints, exact] = [await reducedOnly(cell), await reducedOnly(cell, true)];
      expect(exact).toEqual({ ...prints, collisionBound: 0 });
    }
  });

  test("what is printed is the shortest interleaving, that of the plain search", async () => {
    for (const [scenario, policy] of [
      ["nested-clean-uncounted", "concurrent"],
      ["irqs-off", "concurrent"],
      ["munmap-user", "no-wait"],
    ]) {
      const plain = await check(scenario, { policy });
      const reduced = await check(scenario, { policy, reduction: "partial-order" });
      expect(reduced.reduction!.states).toBeLessThan(plain.states);
      const { reduction: _own, assumptions, ...rest } = reduced;
      expect(plain).toMatchObject(rest);
      expect(assumptions.join()).toContain("partial-order reduction");
      expect(plain.isShortest).toBe(true);
    }
  });

  test("where the plain search gives up, an interleaving that is not called shortest", async () => {
    const options = { era: "double", maxStates: 10_000 } as const;
    const scenario = scenarioNamed("mremap");
    expect((await check(scenario, options)).verdict).toBe("INCONCLUSIVE");
    const result = await check(scenario, { ...options, reduction: "partial-order" });
    expect(result).toMatchObject({ verdict: "UAF", isShortest: false });
    const again = await replay(await makeReplayFile(result, scenario));
    expect(again.verdict).toBe("UAF");
    expect(again.steps.at(-1)!.hazard).toMatch(/^UAF/);
  });

  test("where the reduced search gives up, what the plain one finds", async () => {
    const [scenario, maxStates] = ["mremap-cpu-late-flush", 5_000] as const;
    const plain = await check(scenario, { maxStates });
    const reduced = await check(scenario, { maxStates, reduction: "partial-order" });
    expect(reduced.verdict).toBe(plain.verdict);
    expect(reduced.schedule).toEqual(plain.schedule);
  });

  test("a safe space that is too large for the plain search is exhausted", async () => {
    const options = { maxStates: 10_000 };
    expect((await check("nested-gather", options)).verdict).toBe("INCONCLUSIVE");
    const result = await check("nested-gather", { ...options, reduction: "partial-order" });
    expect(result).toMatchObject({ verdict: "SAFE", schedule: [], isShortest: true });
    expect(result.reduction).toMatchObject({ states: result.states });
  });

  test("a full table is inconclusive, never safe", async () => {
    for (const maxStates of [1, 2, 100]) {
      const result = await check("cow-order", { maxStates, reduction: "partial-order" });
      expect(result.verdict).toBe("INCONCLUSIVE");
    }
  });

  test("the same input, the same result", async () => {
    const [one, two] = [1, 2].map(() => check("lock-drop", { reduction: "partial-order" }));
    expect(await two).toEqual(await one);
  });

  for (const reduction of ["", "all", "None", 1, null] as unknown[]) {
    test(`reduction ${JSON.stringify(reduction)} is refused`, async () => {
      const message = expect.stringContaining("reduction must be none") as string;
      const error = { code: "E_TYPE", message };
      const options = { reduction: reduction as "none" };
      await expect(check("munmap-user", options)).rejects.toMatchObject(error);
    });
  }
});
