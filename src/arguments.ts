/** Checks of arguments: the same words and codes wherever a row, page, range or time is named. */
import { type Geometry, pagesOf } from "./core/geometry.js";
import { ArgumentError } from "./errors.js";
import type { Operation } from "./kernel/operation.js";

const TIME_LIMIT = 2 ** 52;
const WORD_LIMIT = 2 ** 32;
const PAGE_PARAMS = new Set(["start", "vpn", "target"]);

function checkWhole(name: string, value: unknown): asserts value is number {
  if (typeof value === "number" && Number.isInteger(value)) return;
  throw new ArgumentError("E_TYPE", `${name} must be a whole number, got ${String(value)}`, {
    argument: name,
  });
}

/** A whole number from `least` to `most`. @throws ArgumentError E_TYPE, E_LIMIT */
export function checkWithin(name: string, value: unknown, least: number, most: number): number {
  checkWhole(name, value);
  if (value >= least && value <= most) return value;
  throw new ArgumentError("E_LIMIT", `${name} must be ${least} to ${most}, got ${value}`, {
    argument: name,
    least,
    most,
  });
}

/** A whole number in [0, limit). @throws ArgumentError E_TYPE, E_LIMIT */
export function checkIndex(name: string, value: unknown, limit: number): number {
  return checkWithin(name, value, 0, limit - 1);
}

/** Index of a word in a list of them. @throws ArgumentError E_TYPE */
export function checkWord(name: string, value: unknown, words: readonly string[]): number {
  const at = words.indexOf(value as string);
  if (at >= 0) return at;
  const message = `${name} must be one of ${words.join(", ")}, got ${String(value)}`;
  throw new ArgumentError("E_TYPE", message, { argument: name });
}

/** @throws ArgumentError E_TYPE, E_NOENT: what is wrong with a handle of `owner`, like "tree" */
export function failHandle(handle: unknown, owner: string): never {
  if (typeof handle !== "number") {
    throw new ArgumentError("E_TYPE", `handle must be a number, got ${String(handle)}`, {
      argument: "handle",
    });
  }
  throw new ArgumentError("E_NOENT", `handle ${handle} is stale, or not of this ${owner}`, {
    argument: "handle",
    value: handle,
  });
}

/** A page of the geometry; `end`: or the one behind the last. @throws E_TYPE, E_ADDR_RANGE */
export function checkPage(name: string, value: unknown, geometry: Geometry, end = false): number {
  checkWhole(name, value);
  const most = pagesOf(geometry) - (end ? 0 : 1);
  if (value >= 0 && value <= most) return value;
  throw new ArgumentError("E_ADDR_RANGE", `${name} must be 0 to ${most}, got ${value}`, {
    argument: name,
    most,
  });
}

/**
 * A half-open range of pages that is not empty.
 * @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_EMPTY, E_INVERTED
 */
export function checkRange(start: unknown, end: unknown, geometry: Geometry): void {
  const first = checkPage("start", start, geometry);
  const last = checkPage("end", end, geometry, true);
  if (first === last) {
    throw new ArgumentError("E_EMPTY", "start equals end", { argument: "end" });
  }
  if (last < first) {
    throw new ArgumentError("E_INVERTED", "end is below start", { argument: "end" });
  }
}

/** A time, ns. @throws ArgumentError E_TIME */
export function checkTime(at: unknown): number {
  const isTime = typeof at === "number" && Number.isInteger(at) && at >= 0 && at <= TIME_LIMIT;
  if (isTime) return at;
  throw new ArgumentError("E_TIME", `at must be 0 to 2^52 ns, got ${String(at)}`, {
    argument: "at",
    most: TIME_LIMIT,
  });
}

/** Values of an operation's parameters, in their order. @throws ArgumentError */
export function checkOperands(
  operation: Operation,
  args: Readonly<Record<string, unknown>>,
  geometry: Geometry,
): number[] {
  for (const key of Object.keys(args)) {
    if (operation.params.includes(key)) continue;
    throw new ArgumentError("E_TYPE", `${operation.name} has no parameter ${key}`, {
      argument: key,
    });
  }
  const values = operation.params.map((param) => {
    const value = Object.hasOwn(args, param) ? args[param] : undefined;
    if (value === undefined) {
      throw new ArgumentError("E_TYPE", `${operation.name} needs ${param}`, { argument: param });
    }
    if (PAGE_PARAMS.has(param)) return checkPage(param, value, geometry);
    if (param === "end") return checkPage(param, value, geometry, true);
    return checkIndex(param, value, WORD_LIMIT);
  });
  if (operation.params.includes("start") && operation.params.includes("end")) {
    checkRange(args["start"], args["end"], geometry);
  }
  return values;
}

/** How far a machine is to advance: ns, steps. */
export function checkAdvance(until: unknown, budget: unknown): void {
  if (typeof until !== "number" || !(until >= 0)) {
    throw new ArgumentError("E_TIME", `until must be 0 or later, got ${String(until)}`, {
      argument: "until",
    });
  }
  if (budget === Infinity || (Number.isInteger(budget) && (budget as number) >= 1)) return;
  throw new ArgumentError("E_LIMIT", `budget must be at least 1, got ${String(budget)}`, {
    argument: "budget",
    least: 1,
  });
}
