/**
 * Random schedules, every named invariant checked after every step: sound parts keep them all, and
 * every broken part is caught, by name, with a seed and the command that finds it again.
 */
import { describe, expect, test } from "vitest";
import {
  Catalogue,
  expectedVerdict,
  listScenarios,
  sample,
  type SampleResult,
} from "../../src/index.js";
import { MUTANTS } from "./broken-parts.js";

const SEED = BigInt(process.env["SHOOTDOWN_SEED"] ?? 1);
const SOUND_SCHEDULES = Number(process.env["SHOOTDOWN_RUNS"] ?? 60);
const MUTANT_SCHEDULES = 20_000;
const SOUND_POLICIES = Catalogue.standard.parts.policies
  .filter(({ mutant }) => !mutant)
  .map(({ name }) => name);

function command({ scenario, era, policy, consumer }: SampleResult, seed: string): string {
  const parts = `--era ${era} --policy ${policy} --consumer ${consumer}`;
  return `npx shootdown sample ${scenario} ${parts} --schedules 1 --seed ${seed}`;
}

function report(result: SampleResult): string {
  if (result.found === null) return `${result.scenario}: nothing found`;
  const { invariant, detail, seed } = result.found;
  return `${invariant} (${detail}), seed ${seed}\n  again: ${command(result, seed)}`;
}

const ALL = process.env["SHOOTDOWN_ALL"] === "1";
let combinations = 0;

describe("sound parts", () => {
  for (const scenario of listScenarios()) {
    const consumers = scenario.devices.length === 0 ? ["sharing"] : ["sharing", "mirroring"];
    const parts = ["double", "deduplicated", "coupled"].flatMap((era) =>
      consumers.flatMap((consumer) => SOUND_POLICIES.map((policy) => ({ era, consumer, policy }))),
    );
    const every = parts.filter(
      ({ era, consumer, policy }) => expectedVerdict(scenario, era, consumer, policy) === "SAFE",
    );
    // There are thousands: one in seven, always the same ones; SHOOTDOWN_ALL=1 tries them all.
    const safe = every.filter(() => combinations++ % 7 === 0 || ALL);
    if (safe.length === 0) continue;
    test(`${scenario.name} keeps every invariant`, async () => {
      for (const options of safe) {
        const result = await sample(scenario, {
          ...options,
          schedules: SOUND_SCHEDULES,
          seed: SEED,
        });
        expect(result.found, report(result)).toBeNull();
        expect(result.steps).toBeGreaterThan(SOUND_SCHEDULES);
      }
    });
  }
});

describe("broken parts", () => {
  test("are all in the table", () => {
    const { parts } = Catalogue.standard;
    const all = (["eras", "policies", "consumers", "operations"] as const).flatMap((kind) =>
      parts[kind].filter(({ mutant }) => mutant).map(({ name }) => `${kind} ${name}`),
    );
    expect(MUTANTS.map(({ kind, name }) => `${kind} ${name}`).sort()).toEqual(all.sort());
  });

  for (const { kind, name, scenario, options, names, mended } of MUTANTS) {
    test(`${kind}: ${name} is caught`, async () => {
      const result = await sample(scenario, {
        ...options,
        schedules: MUTANT_SCHEDULES,
        seed: SEED,
      });
      console.log(`${name}: ${report(result)}`);
      expect(result.found?.invariant ?? "nothing").toMatch(names);
      const seed = result.found?.seed ?? "";
      const again = await sample(scenario, { ...options, schedules: 1, seed });
      expect(again.found).toEqual(result.found);
      const sound = await sample(mended.scenario ?? scenario, {
        ...(mended.options ?? options),
        schedules: Math.min(result.schedules * 2, 6_000),
        seed: SEED,
      });
      expect(sound.found, report(sound)).toBeNull();
    }, 60_000);
  }
});
