/**
 * Addresses and sizes as interfaces take them, bytes of 64 bits without sign, and the pages of
 * 4 KiB behind them. Numbers only where they are exact; inside, addresses are bigints and pages
 * numbers.
 */
import { ArgumentError } from "../errors.js";

/** An address or a size in bytes. A number must be exact: below 2^53, or a multiple of a page. */
export type Bytes = bigint | number;

/** Bytes of a page. */
export const PAGE_BYTES = 4096;
const PAGE = 4096n;
/** Behind the last address. */
export const SPACE_BYTES = 2n ** 64n;
/** ULONG_MAX: the last address. */
export const LAST_BYTE = SPACE_BYTES - 1n;

/** Bytes, 0 to 2^64 - 1. @throws ArgumentError E_TYPE, E_ADDR_RANGE */
export function checkBytes(argument: string, value: unknown): bigint {
  if (typeof value === "bigint") {
    if (value >= 0n && value <= LAST_BYTE) return value;
  } else if (typeof value === "number" && Number.isInteger(value)) {
    const isExact = Number.isSafeInteger(value) || value % PAGE_BYTES === 0;
    if (isExact && value >= 0 && value < 2 ** 64) return BigInt(value);
  }
  const isTyped = typeof value === "bigint" || typeof value === "number";
  const isWithin = isTyped && value >= 0 && value <= LAST_BYTE;
  const code = isTyped && !isWithin && !Number.isNaN(value) ? "E_ADDR_RANGE" : "E_TYPE";
  const message = `${argument} must be whole bytes, 0 to 2^64 - 1, got ${String(value)}`;
  throw new ArgumentError(code, message, { argument, most: LAST_BYTE });
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
