/** checkMatrix(): many scenarios under many eras, policies and consumers, each explored. */
import type { Scenario, Verdict } from "../scenarios/scenario.js";
import { Catalogue } from "../kernel/catalogue.js";
import { check, type CheckOptions, listScenarios, scenarioNamed } from "./check.js";

/** What to explore; a list, or everything that comes with the library. */
export interface MatrixOptions extends Omit<CheckOptions, "era" | "policy" | "consumer"> {
  readonly scenarios?: readonly (string | Scenario)[];
  /** `coupled` by default. */
  readonly eras?: readonly string[];
  /** `concurrent` by default. */
  readonly policies?: readonly string[];
  /** `sharing` by default. */
  readonly consumers?: readonly string[];
  /** Called before each cell. */
  readonly onCell?: (done: number, of: number) => void;
}

/** One scenario under one era, policy and consumer. */
export interface MatrixCell {
  readonly scenario: string;
  readonly era: string;
  readonly policy: string;
  readonly consumer: string;
  readonly verdict: Verdict;
  /** What the scenario says should come out; null: it does not say. */
  readonly expected: Verdict | null;
  readonly states: number;
  /** Steps of the shortest counterexample; 0: there is none. */
  readonly steps: number;
}

/** All cells, and how many are not what was expected. */
export interface MatrixResult {
  readonly cells: readonly MatrixCell[];
  readonly unexpected: number;
}

/** Every name of a kind of parts. */
export function allNames(
  kind: "eras" | "policies" | "consumers",
  catalogue = Catalogue.standard,
): string[] {
  return catalogue.parts[kind].map(({ name }) => name);
}

/**
 * Explores each combination to a verdict, one after the other.
 * @throws ArgumentError E_NOENT before anything is explored; as {@link check}
 */
export async function checkMatrix(options: MatrixOptions = {}): Promise<MatrixResult> {
  const { scenarios, eras, policies, consumers, onCell, ...rest } = options;
  const catalogue = options.catalogue ?? Catalogue.standard;
  const chosen =
    scenarios?.map((each) => (typeof each === "string" ? scenarioNamed(each) : each)) ??
    listScenarios();
  const cells = chosen.flatMap((scenario) =>
    (eras ?? ["coupled"]).flatMap((era) =>
      (policies ?? ["concurrent"]).flatMap((policy) =>
        (consumers ?? ["sharing"]).map((consumer) => ({ scenario, era, policy, consumer })),
      ),
    ),
  );
  for (const { era, policy, consumer } of cells) {
    catalogue.era(era);
    catalogue.policy(policy);
    catalogue.consumer(consumer);
  }
  const results: MatrixCell[] = [];
  for (const [i, { scenario, era, policy, consumer }] of cells.entries()) {
    onCell?.(i, cells.length);
    const result = await check(scenario, { ...rest, era, policy, consumer });
    const { verdict, expected, states, schedule } = result;
    const steps = verdict === "SAFE" ? 0 : schedule.length;
    results.push({
      scenario: scenario.name,
      era,
      policy,
      consumer,
      verdict,
      expected,
      states,
      steps,
    });
  }
  const unexpected = results.filter(({ verdict, expected }) => {
    return expected !== null && verdict !== expected;
  }).length;
  return { cells: results, unexpected };
}
