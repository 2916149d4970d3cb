/** Checks of the arguments of an IOTLB: what a call names, and the limit it broke. */
import { checkWithin } from "./arguments.js";
import { ArgumentError } from "./errors.js";
import { PAGE_LIMIT } from "./pages.js";

/** ASIDs are below this. */
export const ASID_LIMIT = 1024;
const WORDS = 2 ** 32;

/** @throws ArgumentError E_TYPE, E_LIMIT */
export function checkAsid(asid: unknown, name = "asid"): asserts asid is number {
  checkWithin(name, asid, 0, ASID_LIMIT - 1);
}

/** A permission or an access: 1 reads, 2 writes, 3 both. @throws ArgumentError E_TYPE, E_LIMIT */
export function checkRights(name: string, rights: unknown): void {
  checkWithin(name, rights, 1, 3);
}

/** @throws ArgumentError E_TYPE, E_LIMIT */
export function checkOpaque(opaque: unknown): void {
  checkWithin("opaque", opaque, 0, WORDS - 1);
}

/** The core looks at the rest. */
export function areNumbers(first: unknown, second: unknown): boolean {
  return typeof first === "number" && typeof second === "number";
}

/** What is wrong with what the core would not have: these pages, or else their order. */
export function failPages(pages: Readonly<Record<string, unknown>>): never {
  for (const [argument, value] of Object.entries(pages)) {
    if (typeof value !== "number" || !Number.isInteger(value)) {
      const message = `${argument} must be a whole page number, got ${String(value)}`;
      throw new ArgumentError("E_TYPE", message, { argument });
    }
    if (value < 0 || value >= PAGE_LIMIT) {
      const message = `${argument} must be 0 to 2^52 - 1, got ${value}`;
      throw new ArgumentError("E_ADDR_RANGE", message, { argument, most: PAGE_LIMIT - 1 });
    }
  }
  throw new ArgumentError("E_INVERTED", `last (${String(pages["last"])}) is below start`, {
    argument: "last",
  });
}

/** Length of a list. @throws ArgumentError E_TYPE */
export function checkList(name: string, list: unknown): number {
  if (typeof list === "object" && list !== null && "length" in list) {
    const { length } = list;
    if (typeof length === "number" && Number.isInteger(length) && length >= 0) return length;
  }
  throw new ArgumentError("E_TYPE", `${name} must be a list of numbers`, { argument: name });
}
