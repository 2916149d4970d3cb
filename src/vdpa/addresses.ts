/** Bytes, as callers and messages have them, and pages, as the tables have them. */

export {
  type Bytes,
  bytesOf as byteOf,
  checkBytes,
  hex,
  LAST_BYTE,
  pageOf,
  SPACE_BYTES as SPACE,
} from "../uapi/bytes.js";

const PAGE_BYTES = 4096n;

/** Offset of an address in its page. */
export function offsetIn(address: bigint): bigint {
  return address % PAGE_BYTES;
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
