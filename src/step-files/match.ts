/** Whether what a step gave is what a file expects: records in part, lists and values whole. */
import { ERRNOS } from "../uapi/errno.js";
import { plain } from "./amounts.js";

/** One difference. */
export interface Mismatch {
  /** Where, like `state.charge`. */
  readonly path: string;
  readonly expected: unknown;
  readonly got: unknown;
}

/** `ok`, an errno or a number stand for the outcome that has them. */
export function outcomeOf(expected: unknown): unknown {
  if (expected === "ok") return { ok: true };
  if (ERRNOS.some((errno) => errno === expected)) return { ok: false, errno: expected };
  if (typeof expected === "number") return { ok: true, value: expected };
  return expected;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Differences of `got`, which is plain, from what is expected. */
export function mismatches(expected: unknown, got: unknown, path: string): Mismatch[] {
  const wanted = plain(expected);
  if (isRecord(wanted)) {
    if (!isRecord(got)) return [{ path, expected: wanted, got }];
    return Object.entries(wanted).flatMap(([key, value]) =>
      mismatches(value, got[key] ?? null, `${path}.${key}`),
    );
  }
  if (Array.isArray(wanted)) {
    if (!Array.isArray(got) || got.length !== wanted.length) return [{ path, expected, got }];
    return wanted.flatMap((value, i) => mismatches(value, got[i], `${path}[${i}]`));
  }
  return Object.is(wanted, got) ? [] : [{ path, expected: wanted, got: got ?? null }];
}
