/**
 * Cost profiles: what a micro-op costs, in whole ns of simulated time, each figure with its source.
 * What a profile does not name costs nothing; the calibration puts unmodelled work on the micro-op
 * where it happens.
 */
import * as abi from "../core/abi.js";
import { ArgumentError } from "../errors.js";
import { COST_NAMES, type CostName, OP_NAMES, type OpName } from "../program/ops.js";

/** One price. */
export interface Price {
  /** Whole ns, 0 to 10^9. */
  readonly ns: number;
  readonly source: string;
}

/** A machine's prices. */
export interface CostProfile {
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly prices: Readonly<Partial<Record<OpName | CostName, Price>>>;
}

const NS_MAX = 1e9;

/**
 * The core's cost table of a profile.
 * @throws ArgumentError E_TYPE for an unknown name, E_LIMIT for a price outside 0 to 10^9 ns.
 */
export function costTable(profile: CostProfile): Uint32Array {
  const table = new Uint32Array(abi.COST_WORDS);
  for (const [name, price] of Object.entries(profile.prices)) {
    const index = (COST_NAMES as Record<string, number>)[name];
    const at = index ?? (OP_NAMES as Record<string, number>)[name];
    if (at === undefined) {
      throw new ArgumentError("E_TYPE", `profile ${profile.name}: nothing is called ${name}`, {
        argument: name,
      });
    }
    const ns = price?.ns;
    if (typeof ns !== "number" || !Number.isInteger(ns) || ns < 0 || ns > NS_MAX) {
      throw new ArgumentError(
        "E_LIMIT",
        `profile ${profile.name}: ${name} must be 0 to ${NS_MAX} ns`,
        {
          argument: name,
          most: NS_MAX,
        },
      );
    }
    table[at] = ns;
  }
  return table;
}
