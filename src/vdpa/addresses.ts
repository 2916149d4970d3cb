/** Bytes, as callers and messages have them, and pages, as the tables have them. */
import { ArgumentError } from "../errors.js";
import { PAGE_LIMIT } from "../pages.js";

/** An address or a size in bytes, 64 bits without sign. Numbers must be exact: below 2^53. */
export type Bytes = bigint | number;

const PAGE_BYTES = 4096n;
/** Behind the last address. */
export const SPACE = 2n ** 64n;
export const LAST_BYTE = SPACE - 1n;
export const LAST_PAGE = PAGE_LIMIT - 1;

/** A 64-bit number. @throws ArgumentError E_TYPE, E_LIMIT */
export function checkBytes(name: string, value: unknown): bigint {
  const isExact = typeof value === "number" && Number.isSafeInteger(value);
  if (typeof value !== "bigint" && !isExact) {
    const message = `${name} must be a bigint or a whole number below 2^53, got ${String(value)}`;
    throw new ArgumentError("E_TYPE", message, { argument: name });
  }
  const bytes = BigInt(value);
  if (bytes >= 0n && bytes < SPACE) return bytes;
  throw new ArgumentError("E_LIMIT", `${name} must be 0 to 2^64 - 1, got ${bytes}`, {
    argument: name,
    limit: SPACE,
  });
}

/** The page an address lies in. */
export function pageOf(address: bigint): number {
  return Number(address / PAGE_BYTES);
}

/** Offset of an address in its page. */
export function offsetIn(address: bigint): bigint {
  return address % PAGE_BYTES;
}

/** First byte of a page. */
export function byteOf(page: number): bigint {
  return BigInt(page) * PAGE_BYTES;
}

/** Last byte of a range of `size` bytes, modulo 2^64: of none, the one before `first`. */
export function lastOf(first: bigint, size: bigint): bigint {
  return BigInt.asUintN(64, first + size - 1n);
}

/** Pages that [iova, iova + size) touches, as the kernel computes them: modulo 2^64. */
export function pagesTouched(iova: bigint, size: bigint): number {
  const bytes = BigInt.asUintN(64, size + offsetIn(iova) + PAGE_BYTES - 1n);
  return Number(bytes / PAGE_BYTES);
}

/** Pages of a range as the IOMMU unmaps it: none, if it is not whole pages. */
export function wholePagesOf(iova: bigint, size: bigint): number {
  return offsetIn(iova | size) === 0n ? Number(size / PAGE_BYTES) : 0;
}

export function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
