/** Bytes as callers give them, and powers of two. Inside, pages are numbers, addresses bigints. */
import { ArgumentError } from "../errors.js";
import { checkBytes } from "../uapi/bytes.js";

export { type Bytes, checkBytes, hex, LAST_BYTE as TOP } from "../uapi/bytes.js";

/** Bytes of a page. */
export const PAGE_BYTES = 4096n;

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
