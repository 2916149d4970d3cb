/** What a policy asks of a machine beyond its options: rows, and header words of its own. */
import * as abi from "../core/abi.js";
import type { FlushPolicy } from "./policy.js";

/** ROW_* bits. */
export function rowsOf(policy: FlushPolicy): number {
  return policy.lifetimes === undefined ? 0 : abi.ROW_LIFETIMES;
}

/** Header words that differ from 0, for a machine with those rows. */
export function writeOwnWords(header: Uint32Array, policy: FlushPolicy): void {
  const { lifetimes } = policy;
  if (lifetimes === undefined) return;
  header[abi.H_LIFE_TICKS] = lifetimes === "cut-short" ? 1 : 2;
  header[abi.H_LIFE_RENEWS] = lifetimes === "renewed" ? 1 : 0;
}
