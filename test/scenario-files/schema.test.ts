/** The JSON Schema that is shipped and the loader let the same shapes through. */
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { isShootdownError, listScenarios, Random } from "../../src/index.js";
import { DOCUMENTS } from "../../src/schemas/documents.js";
import { loadScenario, shippedScenarios, writeScenario } from "../../src/scenario-files/index.js";

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
const validate = ajv.compile(z.toJSONSchema(DOCUMENTS["scenario-file"]) as object);

const files = [...listScenarios(), ...(await shippedScenarios())].map((scenario) => {
  return parse(writeScenario(scenario)) as unknown;
});

/** Places in a value, by the list or mapping that holds them. */
function placesOf(value: unknown): { holder: Record<string, unknown>; key: string }[] {
  if (typeof value !== "object" || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...placesOf(holder[key])]);
}

const WRONG: readonly unknown[] = [
  null,
  true,
  -1,
  1.5,
  5_000_000_000,
  "",
  "no such thing",
  [],
  {},
  [1],
];

/** One place gets another value, is gone, or has a neighbour. */
function damage(value: unknown, random: Random): unknown {
  const copy = structuredClone(value);
  const places = placesOf(copy);
  const { holder, key } = places[random.below(places.length)];
  const other = places[random.below(places.length)];
  const how = random.below(5);
  if (how === 0) {
    if (Array.isArray(holder)) holder.splice(Number(key), 1);
    else delete holder[key];
  } else if (how === 1 && !Array.isArray(holder)) holder["extra"] = 1;
  else if (how === 2) holder[key] = structuredClone(other.holder[other.key]);
  else if (how === 3 && Array.isArray(holder)) holder.push(structuredClone(holder[0]));
  else holder[key] = structuredClone(WRONG[random.below(WRONG.length)]);
  return copy;
}

/** Null: it is a scenario. */
function faultOf(value: unknown): string | null {
  try {
    loadScenario(stringify(value, { aliasDuplicateObjects: false }));
    return null;
  } catch (error) {
    if (isShootdownError(error)) return `${error.code} ${error.message}`;
    throw error;
  }
}

/** What the shape cannot say: names, numbers in relation to others, and where steps may stand. */
const BEYOND = new RegExp(
  "^(E_NOENT|E_DUP|E_ADDR_RANGE|E_INVERTED|E_ALIGN|E_LIMIT) |" +
    "^E_TYPE .*(stands (in|out)side of|a device reads|must be a whole number|must have either)",
);

describe("the JSON Schema of scenario files", () => {
  test("has every file that is written, and every one of the package", () => {
    for (const file of files) expect(validate(file), JSON.stringify(validate.errors)).toBe(true);
  });

  test("and the loader agree on damaged ones", () => {
    const seed = BigInt(process.env["SHOOTDOWN_SEED"] ?? 11);
    const random = new Random(seed);
    const seen = { both: 0, loaderOnly: 0, none: 0 };
    for (let i = 0; i < 2_000; i++) {
      const value = damage(files[random.below(files.length)], random);
      const fits = validate(value);
      const fault = faultOf(value);
      const again = `SHOOTDOWN_SEED=${seed} npx vitest run test/scenario-files/schema, case ${i}`;
      const says = `${again}\n${fault}\n${JSON.stringify(value)}`;
      if (!fits) expect(fault, says).not.toBe(null);
      else if (fault !== null) expect(fault, says).toMatch(BEYOND);
      seen[!fits ? "both" : fault === null ? "none" : "loaderOnly"]++;
    }
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(50);
  }, 120_000);
});
