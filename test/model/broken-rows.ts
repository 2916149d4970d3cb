/** Rows of broken parts, for random schedules to notice: what they have in common. */
import type { SampleOptions, Scenario } from "../../src/index.js";
import { shippedScenario } from "../../src/scenario-files/index.js";

/** A broken part, where random schedules notice it, and what is noticed. */
export interface Row {
  readonly kind: "eras" | "policies" | "consumers" | "operations";
  readonly name: string;
  readonly scenario: string | Scenario;
  readonly options: SampleOptions;
  /** Any of these may be noticed first. */
  readonly names: RegExp;
  /** The same without the broken part. */
  readonly mended: { readonly scenario?: string | Scenario; readonly options?: SampleOptions };
}

/** A file of the package, or the name of a built-in scenario. */
export async function scenarioOf(name: string): Promise<string | Scenario> {
  return (await shippedScenario(name)) ?? name;
}

/** Broken consumer, scenario, what is noticed, the sound consumer in its place. */
type Variant = readonly [name: string, scenario: string, names: RegExp, sound: string];

/** A row for each. */
export async function consumerRows(variants: readonly Variant[]): Promise<Row[]> {
  return Promise.all(
    variants.map(async ([name, scenario, names, sound]): Promise<Row> => ({
      kind: "consumers",
      name,
      scenario: await scenarioOf(scenario),
      options: { consumer: name },
      names,
      mended: { options: { consumer: sound } },
    })),
  );
}
