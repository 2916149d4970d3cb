/**
 * Numbers in step files: addresses, sizes and counts, as numbers or as text.
 *
 * Text is a sum of terms: decimal or hexadecimal numbers, sizes (`4K`, `2M`, `1G`, `1T`), and names
 * that the file gives numbers to, each of which may have a factor: `D1+0x3000`, `D1+3*PS-1`.
 * Results past 2^53 are bigints; those below 0, or past 2^64, do not exist.
 */

/** A number of a step file. */
export type Amount = number | bigint;

const UNITS: Readonly<Record<string, bigint>> = {
  K: 1n << 10n,
  M: 1n << 20n,
  G: 1n << 30n,
  T: 1n << 40n,
};
const MOST = 1n << 64n;
const NUMBER = "0x[0-9a-fA-F_]+|[0-9][0-9_]*[KMGT]?";
const NAME = "[A-Za-z][A-Za-z0-9_]*";
const TERM = `(?:(?:${NUMBER})\\*)?(?:${NUMBER}|${NAME})`;

/** What text has to look like where a number is wanted. */
export const AMOUNT_TEXT = new RegExp(`^${TERM}(?:[+-]${TERM})*$`);

function literal(text: string): bigint | undefined {
  if (!new RegExp(`^(?:${NUMBER})$`).test(text)) return undefined;
  const digits = text.replaceAll("_", "");
  const unit = /^0x/.test(digits) ? undefined : UNITS[digits.at(-1) ?? ""];
  return unit === undefined ? BigInt(digits) : BigInt(digits.slice(0, -1)) * unit;
}

function term(text: string, names: ReadonlyMap<string, Amount>): bigint | undefined {
  const [first, second] = text.split("*");
  const factor = second === undefined ? 1n : literal(first);
  const value = second ?? first;
  const named = names.get(value);
  const number = named === undefined ? literal(value) : BigInt(named);
  return factor === undefined || number === undefined ? undefined : factor * number;
}

/** A number as it is compared and printed: a bigint only past 2^53 - 1. */
export function narrow(value: bigint): Amount {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** What text stands for, or undefined if it is no number with these names. */
export function amountOf(text: string, names: ReadonlyMap<string, Amount>): Amount | undefined {
  if (!AMOUNT_TEXT.test(text)) return undefined;
  let sum = 0n;
  for (const [, sign, one] of text.matchAll(/([+-]?)([^+-]+)/g)) {
    const value = term(one, names);
    if (value === undefined) return undefined;
    sum += sign === "-" ? -value : value;
  }
  return sum < 0n || sum > MOST ? undefined : narrow(sum);
}

/** An address as text, which keys of records are. */
export function hex(value: Amount): string {
  return `0x${value.toString(16)}`;
}

/** A key that has a name or a hexadecimal number in it stands for an address. */
function keyOf(key: string, names: ReadonlyMap<string, Amount>): string {
  if (/^[0-9]+$/.test(key)) return key;
  const value = amountOf(key, names);
  return value === undefined ? key : hex(value);
}

/** The same value with numbers instead of text that stands for some, also in keys. */
export function resolve(value: unknown, names: ReadonlyMap<string, Amount>): unknown {
  if (typeof value === "string") return amountOf(value, names) ?? value;
  if (Array.isArray(value)) return value.map((item) => resolve(item, names));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [keyOf(key, names), resolve(item, names)]),
  );
}

/** What a step gave, as plain values: bigints become numbers, past 2^53 hexadecimal text. */
export function plain(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = narrow(value);
    return typeof number === "bigint" ? hex(number) : number;
  }
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return Array.from(value as Float64Array | BigUint64Array, plain);
  }
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return plain(Object.fromEntries(value));
  if (typeof value !== "object" || value === null) return value === undefined ? null : value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, plain(item)]),
  );
}
