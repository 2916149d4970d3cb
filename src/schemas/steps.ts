/** Shapes of what commands about step files print with --json. */
import { z } from "zod";
import type { AnySystem } from "../step-files/system.js";

const name = z.string().min(1);

const step = z.strictObject({
  /** Counts from 1. */
  step: z.int().min(1),
  text: name,
  note: z.string(),
  /** What it gave: an outcome, a record or a plain value. */
  got: z.unknown(),
  mismatches: z.array(
    z.strictObject({ path: name, expected: z.unknown(), got: z.unknown() }).partial({
      expected: true,
      got: true,
    }),
  ),
});

function resultOf({ name: system, axes, verdicts }: AnySystem) {
  const cell = Object.fromEntries(
    Object.entries(axes).map(([axis, values]) => [axis, z.enum(values as [string])]),
  );
  const verdict = z.enum(verdicts as [string]);
  return z.strictObject({
    scenario: name,
    system: z.literal(system),
    title: z.string(),
    source: z.string(),
    asExpected: z.boolean(),
    runs: z.array(
      z.strictObject({
        cell: z.strictObject(cell),
        verdict,
        expected: verdict,
        asExpected: z.boolean(),
        steps: z.array(step),
        state: z.unknown(),
      }),
    ),
  });
}

/**
 * A file's runs, those of all files, the list of files, that of verbs, or what was explored: by its
 * keys.
 */
export function stepResultsSchema(systems: readonly AnySystem[], explored: z.ZodType) {
  const result = z.union(systems.map(resultOf));
  const system = z.enum(systems.map((each) => each.name) as [string]);
  const row = { name, system, title: z.string(), source: z.string() };
  return z.union([
    result,
    z.strictObject({ asExpected: z.boolean(), scenarios: z.array(result) }),
    z.strictObject({ scenarios: z.array(z.strictObject(row)) }),
    z.strictObject({ verbs: z.array(z.strictObject({ system, verb: name, summary: name })) }),
    explored,
  ]);
}
