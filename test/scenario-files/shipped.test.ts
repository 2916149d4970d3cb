/** The scenario files of the package: each does what it says, in every era, for its consumers. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Catalogue, check, expectedVerdict, type Scenario } from "../../src/index.js";
import {
  loadScenario,
  shippedNames,
  shippedScenario,
  shippedScenarios,
  writeScenario,
} from "../../src/scenario-files/index.js";

const folder = new URL("../../scenarios/", import.meta.url);
const page = readFileSync(new URL("../../docs/scenarios.md", import.meta.url), "utf8");
const all = await shippedScenarios();
const { eras, policies } = Catalogue.standard.parts;

/** Consumers that the file says something about. */
function consumersOf({ expect: expected }: Scenario): string[] {
  const named = Object.keys(expected).filter((name) => name !== "*");
  return "*" in expected ? [...new Set(["sharing", "mirroring", ...named])] : named;
}

describe("scenario files of the package", () => {
  test("are called what their files are called, and are listed in the documentation", async () => {
    // Folders have step files, which are read elsewhere.
    const files = readdirSync(folder)
      .flatMap((file) => (file.endsWith(".yaml") ? [file.slice(0, -5)] : []))
      .sort();
    expect(files).toEqual(all.map(({ name }) => name));
    expect(await shippedNames()).toEqual(all.map(({ name }) => name));
    for (const { name } of all) expect(page).toContain(`\`${name}\``);
    expect(await shippedScenario("no-such-file")).toBe(null);
    expect(await shippedScenario("../package")).toBe(null);
  });

  test("have a source and a story", () => {
    for (const { name, source, story } of all) {
      expect(source, name).toMatch(/^(notifiers|vfio-vdpa)\.md /);
      expect(story.length, name).toBeGreaterThan(1);
    }
  });

  test.each(all.map((scenario) => [scenario.name, scenario] as const))(
    "%s comes out as it says",
    async (_name, scenario) => {
      for (const consumer of consumersOf(scenario)) {
        for (const { name: era } of eras) {
          const expected = expectedVerdict(scenario, era, consumer);
          // States behind the reduction are not counted here, and verdicts are the same.
          const result = await check(scenario, { era, consumer, reduction: "partial-order" });
          const where = `${consumer} ${era}`;
          expect(`${where} ${result.verdict}`).toBe(`${where} ${expected}`);
          expect(result.expected).toBe(expected);
        }
      }
    },
    240_000,
  );

  test.each(all.map((scenario) => [scenario.name, scenario] as const))(
    "%s is the same when it is written out and read again",
    (_name, scenario) => {
      const text = writeScenario(scenario);
      const back = loadScenario(text);
      expect(writeScenario(back)).toBe(text);
      const named = {
        ...back,
        setup: back.setup.map((s, i) => ({ ...s, name: scenario.setup[i].name })),
      };
      expect(named).toEqual(scenario);
    },
  );
});

describe("interleavings that files give", () => {
  // What is pinned knows no flush: those are in test/pins.
  const given = all.filter(
    ({ interleaving, source }) => interleaving !== undefined && source.startsWith("notifiers"),
  );
  const sound = policies.filter(({ mutant }) => !mutant).map(({ name }) => name);

  test.each(given.map((scenario) => [scenario.name, scenario] as const))(
    "%s: no sound policy makes another verdict of it where the flush tells",
    async (_name, scenario) => {
      for (const policy of sound) {
        const { verdict } = await check(scenario, { policy, consumer: consumersOf(scenario)[0] });
        expect(`${policy} ${verdict}`).toBe(`${policy} SAFE`);
      }
    },
  );

  // All orders of cow-order-steps are those of cow-order, with more CPUs: 4 million states.
  const small = given.filter(({ name }) => name !== "cow-order-steps");
  test.each(small.map((scenario) => [scenario.name, scenario] as const))(
    "%s: what its order finds is found among all orders, too",
    async (_name, scenario) => {
      for (const { name: era } of eras) {
        const consumer = consumersOf(scenario)[0];
        const options = { era, consumer, reduction: "partial-order" } as const;
        const one = await check(scenario, options);
        if (one.verdict === "SAFE") continue;
        const every = await check(scenario, { ...options, interleavings: "all" });
        expect(every.interleavings).toBe("all");
        expect(every.expected).toBe(null);
        expect(every.verdict).toBe(one.verdict);
        expect(every.schedule.length).toBeLessThanOrEqual(one.schedule.length);
      }
    },
    240_000,
  );
});
