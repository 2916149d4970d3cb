/** Addresses of the interface, bytes, and the page numbers behind them. */
import { ArgumentError } from "../errors.js";
import { PAGE_LIMIT } from "../pages.js";
import { bytesOf, checkBytes, hex, PAGE_BYTES } from "../uapi/bytes.js";

export { type Bytes, bytesOf, checkBytes, hex, pageOf } from "../uapi/bytes.js";

/** The page that an address begins. @throws ArgumentError E_TYPE, E_ADDR_RANGE, E_ALIGN */
export function checkPageAddress(argument: string, value: unknown): number {
  if (typeof value === "number") {
    const page = value / PAGE_BYTES;
    if (page >= 0 && page < PAGE_LIMIT && Math.floor(page) === page) return page;
  }
  const bytes = checkBytes(argument, value);
  if (bytes % 4096n === 0n) return Number(bytes / 4096n);
  const message = `${argument} must be a multiple of ${PAGE_BYTES}, got ${bytes}`;
  throw new ArgumentError("E_ALIGN", message, { argument, multiple: PAGE_BYTES });
}

/** As {@link hex} for a page. */
export function hexOf(page: number): string {
  return hex(bytesOf(page));
}
