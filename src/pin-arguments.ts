/** Arguments and failures that both forms of a {@link PinStore} have in common. */
import { checkWithin } from "./arguments.js";
import { ArgumentError, CapacityError, ShootdownError } from "./errors.js";
import { checkLength, type Numbers, PAGE_LIMIT } from "./pages.js";
import type { Frames, PinOptions } from "./pin-store.js";

const RANGES_MOST = 16;

/** Options, checked and whole. */
export interface Mapping {
  readonly first: number;
  readonly last: number;
  readonly chargeLimit: number;
  readonly reserved: readonly (readonly [number, number])[];
}

/** @throws ArgumentError E_TYPE, E_LIMIT, E_INVERTED */
export function checkMapping(options: PinOptions): Mapping {
  const first = checkWithin("first", options.first ?? 0, 0, PAGE_LIMIT - 1);
  const last = checkWithin("last", options.last ?? PAGE_LIMIT - 1, 0, PAGE_LIMIT - 1);
  checkOrder("last", first, last);
  const limit = options.chargeLimit;
  const chargeLimit =
    limit === undefined ? Infinity : checkWithin("chargeLimit", limit, 0, PAGE_LIMIT);
  const reserved = options.reserved ?? [];
  checkPairs(reserved);
  checkWithin("reserved.length", reserved.length, 0, RANGES_MOST);
  for (const [low, high] of reserved) {
    checkWithin("reserved", low, 0, PAGE_LIMIT - 1);
    checkWithin("reserved", high, 0, PAGE_LIMIT - 1);
    checkOrder("reserved", low, high);
  }
  return { first, last, chargeLimit, reserved: reserved.map(([low, high]) => [low, high]) };
}

function checkPairs(list: unknown): void {
  if (Array.isArray(list) && list.every((pair) => Array.isArray(pair) && pair.length === 2)) return;
  const message = "reserved must be a list of pairs, [first, last]";
  throw new ArgumentError("E_TYPE", message, { argument: "reserved" });
}

function checkOrder(argument: string, low: number, high: number): void {
  if (low <= high) return;
  throw new ArgumentError("E_INVERTED", `${argument} (${high}) is below ${low}`, { argument });
}

/** A page of the mapping. @throws ArgumentError E_TYPE, E_ADDR_RANGE */
export function checkMapped(
  { first, last }: Mapping,
  page: unknown,
  argument = "page",
  index?: number,
): asserts page is number {
  if (typeof page !== "number" || !Number.isInteger(page)) {
    const message = `${argument} must be a whole page number, got ${String(page)}`;
    throw new ArgumentError("E_TYPE", message, { argument, index });
  }
  if (page >= first && page <= last) return;
  throw outside({ first, last }, page, argument, index);
}

export function outside(
  { first, last }: Pick<Mapping, "first" | "last">,
  page: number,
  argument: string,
  index?: number,
): ArgumentError {
  const message = `${argument} ${page} is outside of the mapping, ${first} to ${last}`;
  return new ArgumentError("E_ADDR_RANGE", message, { argument, index, least: first, most: last });
}

/** A closed range of the mapping. @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_INVERTED */
export function checkPart(mapping: Mapping, first: number, last: number): void {
  checkMapped(mapping, first, "first");
  checkMapped(mapping, last, "last");
  checkOrder("last", first, last);
}

/** Is it a list? @throws ArgumentError E_TYPE */
export function checkList(argument: string, list: unknown): asserts list is Numbers {
  if (typeof list === "object" && list !== null && "length" in list) {
    const { length } = list;
    if (typeof length === "number" && Number.isInteger(length) && length >= 0) return;
  }
  throw new ArgumentError("E_TYPE", `${argument} must be a list of numbers`, { argument });
}

/** Frames for `n` pages, which are not looked at. @throws ArgumentError E_TYPE, E_LIMIT */
export function checkFrameList(frames: Frames, n: number): void {
  if (typeof frames === "function") return;
  checkList("frames", frames);
  checkLength("frames", frames, n);
}

/** Where results go. @throws ArgumentError E_TYPE, E_LIMIT */
export function checkInto(into: Float64Array | undefined, n: number): void {
  if (into !== undefined && !(into instanceof Float64Array)) {
    throw new ArgumentError("E_TYPE", "into must be a Float64Array", { argument: "into" });
  }
  checkLength("into", into, n);
}

/** Room for results. @throws CapacityError E_NOMEM */
export function results(n: number): Float64Array {
  try {
    return new Float64Array(n);
  } catch (cause) {
    const message = `there is no memory for the results of ${n} pages`;
    throw new CapacityError("E_NOMEM", message, { pages: n }, { cause });
  }
}

/** A fault may change the list that it is called for: then a copy is needed. */
export function keep(pages: Numbers, frames: Frames): Numbers {
  return typeof frames === "function" ? Float64Array.from(pages) : pages;
}

/** A frame: 52 bits. @throws ArgumentError E_TYPE, E_LIMIT */
export function checkFrame(frame: unknown): number {
  return checkWithin("frame", frame, 0, PAGE_LIMIT - 1);
}

export function saturated(page: number, most: number, index?: number): CapacityError {
  const message = `page ${page} is pinned ${most} times, which is as often as can be`;
  return new CapacityError("E_OVERFLOW", message, { argument: "page", page, limit: most, index });
}

export function overLimit(limit: number, index?: number): CapacityError {
  const message = `no more than ${limit} pages may be charged`;
  return new CapacityError("E_LIMIT", message, { argument: "chargeLimit", limit, index });
}

export function busy(): ShootdownError {
  return new ShootdownError("E_BUSY", "the pinned pages were used from within a fault of theirs");
}

export function changed(): ShootdownError {
  return new ShootdownError("E_BUSY", "the pinned pages were changed while they were walked");
}
