/** docs/iommuv2.md: every cell of its table and every command of its text, explored. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { check, type Scenario, scenarioNamed } from "../../src/index.js";
import { shippedScenario } from "../../src/scenario-files/index.js";

const page = readFileSync(new URL("../../docs/iommuv2.md", import.meta.url), "utf8");
const rows = page.split("\n").filter((line) => line.startsWith("| "));
const cells = rows.map((line) => line.split("|").map((cell) => cell.trim().replace(/`/g, "")));
const [[, , ...eras]] = cells;

async function named(name: string): Promise<Scenario> {
  return (await shippedScenario(name)) ?? scenarioNamed(name);
}

async function verdict(name: string, era: string, consumer = "sharing"): Promise<string> {
  const scenario = await named(name);
  return (await check(scenario, { era, consumer, reduction: "partial-order" })).verdict;
}

describe("docs/iommuv2.md", () => {
  test.each(cells.slice(2).map(([, name, ...found]) => [name, found] as const))(
    "%s in each era",
    async (name, found) => {
      const all = eras.filter((era) => era !== "");
      expect(all).toHaveLength(5);
      for (const [i, era] of all.entries()) {
        expect(`${era} ${await verdict(name, era)}`).toBe(`${era} ${found[i]}`);
      }
    },
    120_000,
  );

  const command = /^shootdown check (\S+)(?: --era (\S+))? +# (\w+)/gm;
  const commands = [...page.matchAll(command)].map(([, name, era, said]) => [name, era, said]);
  test.each(commands)("check %s --era %s: %s", async (name, era, said) => {
    expect(await verdict(name, era ?? "coupled")).toBe(said);
  });

  test("has commands; a mirroring consumer is safe in all of them but the CPU's own", async () => {
    expect(commands.length).toBeGreaterThan(7);
    for (const [name, era] of commands) {
      if (name === "mremap-cpu-late-flush") continue;
      expect(await verdict(name, era ?? "coupled", "mirroring")).toBe("SAFE");
    }
  }, 120_000);
});
