/** Verdicts beside figures: what exploring a small scenario of the same kind found. */
import { check } from "../drivers/check.js";
import type { Catalogue } from "../kernel/catalogue.js";
import type { Scenario, Verdict } from "../scenarios/scenario.js";

/** One scenario that was explored. */
export interface ScenarioVerdict {
  readonly scenario: string;
  readonly verdict: Verdict;
  readonly states: number;
  /** Steps of the shortest interleaving that goes wrong; 0 if none was found. */
  readonly steps: number;
}

/** A policy's verdict for a workload. */
export interface PolicyVerdict {
  readonly policy: string;
  /** A deliberately broken variant. */
  readonly mutant: boolean;
  /**
   * SAFE only if every scenario is; else the first hazard; INCONCLUSIVE if there is none, but some
   * scenario is too large; `not explored` without any.
   */
  readonly verdict: Verdict | "not explored";
  readonly scenarios: readonly ScenarioVerdict[];
}

/** States after which a scenario is INCONCLUSIVE: far more than the small ones have. */
const MAX_STATES = 1 << 20;

/** Explores each scenario once under each policy, however often it is asked for. */
export class Verdicts {
  private readonly known = new Map<string, Promise<ScenarioVerdict>>();

  constructor(
    private readonly catalogue: Catalogue,
    private readonly era: string,
    private readonly maxStates = MAX_STATES,
  ) {}

  private explore(policy: string, scenario: Scenario): Promise<ScenarioVerdict> {
    const key = `${policy} ${scenario.name}`;
    let found = this.known.get(key);
    if (found === undefined) {
      found = this.exploreAnew(policy, scenario);
      this.known.set(key, found);
    }
    return found;
  }

  private async exploreAnew(policy: string, scenario: Scenario): Promise<ScenarioVerdict> {
    const { catalogue, era, maxStates } = this;
    const result = await check(scenario, { catalogue, era, policy, maxStates });
    const { verdict, states, schedule } = result;
    return { scenario: scenario.name, verdict, states, steps: schedule.length };
  }

  /** A policy's verdict over scenarios. */
  async of(policy: string, scenarios: readonly Scenario[]): Promise<PolicyVerdict> {
    const { mutant } = this.catalogue.policy(policy);
    const list: ScenarioVerdict[] = [];
    for (const scenario of scenarios) list.push(await this.explore(policy, scenario));
    const unsafe = list.filter(({ verdict }) => verdict !== "SAFE");
    const other = unsafe.find(({ verdict }) => verdict !== "INCONCLUSIVE") ?? unsafe[0];
    const verdict = list.length === 0 ? "not explored" : (other?.verdict ?? "SAFE");
    return { policy, mutant, verdict, scenarios: list };
  }
}
