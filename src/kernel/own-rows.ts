/** What a policy asks of a machine beyond its options: rows, and header words of its own. */
import * as abi from "../core/abi.js";
import { ArgumentError } from "../errors.js";
import type { FlushPolicy } from "./policy.js";

/** ASIDs of one space are flushed by requests that name them, whoever is in the cpumask. */
function checkAsids(policy: FlushPolicy): void {
  const { alone, batching, defers, isolation, name, options = 0, parks } = policy;
  const others = abi.OPT_GLOBAL_ASIDS | abi.OPT_DIRECTORY | abi.OPT_REPLICAS | abi.OPT_CORE_TABLES;
  const isPlain = [batching, defers, isolation, parks].every((part) => part === undefined);
  const names = (options & abi.OPT_BROADCAST) !== 0 && alone !== undefined;
  if (isPlain && names && (options & others) === 0) return;
  const message = names
    ? `policy ${name}: asids cannot be combined with what else it defers or tracks`
    : `policy ${name}: asids needs broadcasts, in \`alone\` as well`;
  throw new ArgumentError("E_TYPE", message, { argument: "asids" });
}

/**
 * ROW_* bits.
 * @throws ArgumentError E_TYPE for a policy whose requests do not name the ASIDs it asks for.
 */
export function rowsOf(policy: FlushPolicy): number {
  if (policy.asids !== undefined) checkAsids(policy);
  const lifetimes = policy.lifetimes === undefined ? 0 : abi.ROW_LIFETIMES;
  return lifetimes | (policy.asids === undefined ? 0 : abi.ROW_ASIDS);
}

/** Header words that differ from 0, for a machine with those rows. */
export function writeOwnWords(header: Uint32Array, policy: FlushPolicy): void {
  const { lifetimes } = policy;
  if (lifetimes === undefined) return;
  header[abi.H_LIFE_TICKS] = lifetimes === "cut-short" ? 1 : 2;
  header[abi.H_LIFE_RENEWS] = lifetimes === "renewed" ? 1 : 0;
}
