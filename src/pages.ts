/** Pages, closed intervals and lists of them as arguments. */
import { ArgumentError } from "./errors.js";

/** Numbers, one a page or handle: an array, or better a Float64Array. */
export type Numbers = ArrayLike<number>;

/** Pages are below this. */
export const PAGE_LIMIT = 2 ** 52;

export function isPage(value: number): boolean {
  return (
    typeof value === "number" && value >= 0 && value < PAGE_LIMIT && Math.floor(value) === value
  );
}

export function isInterval(start: number, last: number): boolean {
  return isPage(start) && isPage(last) && start <= last;
}

/** For calls whose other checks the core makes. */
export function areNumbers(start: unknown, last: unknown): boolean {
  return typeof start === "number" && typeof last === "number";
}

/** @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_INVERTED: what is wrong with [start, last] */
export function failInterval(start: unknown, last: unknown): never {
  for (const [argument, value] of [
    ["start", start],
    ["last", last],
  ] as const) {
    if (typeof value !== "number" || !Number.isInteger(value)) {
      const message = `${argument} must be a whole page number, got ${String(value)}`;
      throw new ArgumentError("E_TYPE", message, { argument });
    }
    if (!isPage(value)) {
      const message = `${argument} must be 0 to 2^52 - 1, got ${value}`;
      throw new ArgumentError("E_ADDR_RANGE", message, { argument, most: PAGE_LIMIT - 1 });
    }
  }
  throw new ArgumentError("E_INVERTED", `last (${String(last)}) is below start`, {
    argument: "last",
  });
}

/** @throws ArgumentError E_LIMIT: `list` is not as long as the list of starts or handles */
export function checkLength(argument: string, list: Numbers | undefined, length: number): void {
  if (list === undefined || list.length === length) return;
  const message = `${argument} has ${list.length} items, the first list has ${length}`;
  throw new ArgumentError("E_LIMIT", message, { argument, length });
}

/** Copies `n` numbers; what is no number becomes one that is neither page nor handle. */
export function copyNumbers(
  to: Float64Array,
  at: number,
  from: Numbers,
  first: number,
  n: number,
): void {
  if (from instanceof Float64Array) {
    to.set(from.length === n ? from : from.subarray(first, first + n), at);
    return;
  }
  for (let i = 0; i < n; i++) {
    const value: unknown = from[first + i];
    to[at + i] = typeof value === "number" ? value : NaN;
  }
}
