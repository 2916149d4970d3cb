/** Addresses of the interface, bytes, and the page numbers behind them: one place for both. */
import { ArgumentError } from "../errors.js";
import { PAGE_LIMIT } from "../pages.js";

/** An address or a size in bytes. A number must be exact: below 2^53, or a multiple of a page. */
export type Bytes = bigint | number;

export const PAGE_BYTES = 4096;
const PAGE = 4096n;
const SPACE = 2n ** 64n;

function wrong(argument: string, value: unknown): never {
  const message = `${argument} must be a whole number of bytes, 0 to 2^64 - 1, got ${String(value)}`;
  const typed = typeof value === "bigint" || typeof value === "number";
  const inRange = typed && value >= 0 && value < SPACE;
  throw new ArgumentError(typed && !inRange ? "E_ADDR_RANGE" : "E_TYPE", message, { argument });
}

/** Bytes, 0 to 2^64 - 1. @throws ArgumentError E_TYPE, E_ADDR_RANGE */
export function checkBytes(argument: string, value: unknown): bigint {
  if (typeof value === "bigint") {
    if (value >= 0n && value < SPACE) return value;
  } else if (typeof value === "number" && Number.isInteger(value)) {
    const exact = Number.isSafeInteger(value) || value % PAGE_BYTES === 0;
    if (exact && value >= 0 && value < 2 ** 64) return BigInt(value);
  }
  return wrong(argument, value);
}

/** The page of an address that must begin one. @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_ALIGN */
export function checkPageAddress(argument: string, value: unknown): number {
  if (typeof value === "number") {
    const page = value / PAGE_BYTES;
    if (page >= 0 && page < PAGE_LIMIT && Math.floor(page) === page) return page;
  }
  const bytes = checkBytes(argument, value);
  if (bytes % PAGE === 0n) return Number(bytes / PAGE);
  const message = `${argument} must be a multiple of ${PAGE_BYTES}, got ${bytes}`;
  throw new ArgumentError("E_ALIGN", message, { argument, multiple: PAGE_BYTES });
}

/** The page an address lies in. */
export function pageOf(bytes: bigint): number {
  return Number(bytes / PAGE);
}

/** The first byte of a page, or so many pages in bytes. */
export function bytesOf(pages: number): bigint {
  return BigInt(pages) * PAGE;
}

/** As in messages: 0x10000. */
export function hex(bytes: bigint): string {
  return `0x${bytes.toString(16)}`;
}

/** As {@link hex} for a page. */
export function hexOf(page: number): string {
  return hex(bytesOf(page));
}
