/** Seeds: one canonical form, a u64, however the user writes it. */
import { ArgumentError } from "./errors.js";

const FORM = /^(?:0x[0-9a-f]{1,16}|[0-9]{1,20})$/;
const MASK = 0xffff_ffff_ffff_ffffn;

/**
 * `"1"`, `1`, `1n` and `"0x1"` are the same seed.
 * @throws ArgumentError E_TYPE for anything else, E_LIMIT above 2^64 - 1.
 */
export function canonicalSeed(seed: string | number | bigint): bigint {
  let value: bigint;
  if (typeof seed === "bigint") value = seed;
  else if (typeof seed === "number" && Number.isSafeInteger(seed)) value = BigInt(seed);
  else if (typeof seed === "string" && FORM.test(seed)) value = BigInt(seed);
  else {
    throw new ArgumentError("E_TYPE", `seed must be a whole number, got ${String(seed)}`, {
      argument: "seed",
    });
  }
  if (value < 0n || value > MASK) {
    throw new ArgumentError("E_LIMIT", `seed must be 0 to 2^64 - 1, got ${value}`, {
      argument: "seed",
    });
  }
  return value;
}

/** SplitMix64: the same numbers on every machine, from any seed. */
export class Random {
  private state: bigint;

  constructor(seed: string | number | bigint) {
    this.state = canonicalSeed(seed);
  }

  /** 64 bits. */
  next(): bigint {
    this.state = (this.state + 0x9e37_79b9_7f4a_7c15n) & MASK;
    let z = this.state;
    z = ((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn) & MASK;
    return z ^ (z >> 31n);
  }

  /** A whole number in [0, below); `below` at most 2^32. */
  below(below: number): number {
    return Number(((this.next() >> 32n) * BigInt(below)) >> 32n);
  }
}
