/**
 * Byte addresses and lengths as callers give them, `bigint | number`, checked and made bigints. I/O
 * addresses reach 2^64 - 1, which no number holds; inside, pages are numbers, addresses bigints.
 */
import { ArgumentError } from "../errors.js";

/** An address or a length, bytes; a number only where it is exact. */
export type Bytes = bigint | number;

/** Bytes of a page. */
export const PAGE_BYTES = 4096n;
/** ULONG_MAX: the last address. */
export const TOP = 2n ** 64n - 1n;

/** From 0 to 2^64 - 1. @throws ArgumentError E_TYPE, E_ADDR_RANGE */
export function checkBytes(name: string, value: unknown): bigint {
  if (typeof value !== "bigint" && !Number.isSafeInteger(value)) {
    const message = `${name} must be whole bytes, a bigint above 2^53, got ${String(value)}`;
    throw new ArgumentError("E_TYPE", message, { argument: name });
  }
  const bytes = BigInt(value as Bytes);
  if (bytes >= 0n && bytes <= TOP) return bytes;
  const message = `${name} must be 0 to 2^64 - 1, got ${bytes}`;
  throw new ArgumentError("E_ADDR_RANGE", message, { argument: name, most: TOP });
}

/** A power of two from 1 to 2^63. @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_ALIGN */
export function checkPowerOfTwo(name: string, value: unknown): bigint {
  const bytes = checkBytes(name, value);
  if (bytes > 0n && (bytes & (bytes - 1n)) === 0n) return bytes;
  throw new ArgumentError("E_ALIGN", `${name} must be a power of two, got ${bytes}`, {
    argument: name,
  });
}

/** The least power of two that is not below. */
export function roundUpToPowerOfTwo(value: bigint): bigint {
  let power = 1n;
  while (power < value) power <<= 1n;
  return power;
}

export function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
