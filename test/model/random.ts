/** Seeded randomness for generated programs: splitmix64, the same numbers on every machine. */

const MASK = (1n << 64n) - 1n;

/** A seed in any form it is written in, as a u64: `1`, `"0x1"`, `1n` and 2^64 + 1 are the same. */
export function canonicalSeed(seed: number | bigint | string): bigint {
  return BigInt(seed) & MASK;
}

/** How reports print a seed, and how it is read back. */
export function seedText(seed: bigint): string {
  return `0x${seed.toString(16).padStart(16, "0")}`;
}

/** splitmix64 in two halves of 32 bits: no BigInt on the way to a number. */
export class Random {
  private high: number;
  private low: number;

  constructor(seed: bigint) {
    this.high = Number((seed >> 32n) & 0xffffffffn);
    this.low = Number(seed & 0xffffffffn);
  }

  private static multiply(h: number, l: number, mh: number, ml: number): [number, number] {
    const a = l & 0xffff;
    const b = l >>> 16;
    const c = ml & 0xffff;
    const d = ml >>> 16;
    const low = a * c;
    const middle = b * c + (low >>> 16);
    const other = a * d + (middle & 0xffff);
    const carry = b * d + Math.floor(middle / 65536) + Math.floor(other / 65536);
    const high = (carry + Math.imul(h, ml) + Math.imul(l, mh)) >>> 0;
    return [high, (((other & 0xffff) << 16) | (low & 0xffff)) >>> 0];
  }

  private static mix(h: number, l: number, shift: number): [number, number] {
    return [(h ^ (h >>> shift)) >>> 0, (l ^ ((l >>> shift) | (h << (32 - shift)))) >>> 0];
  }

  /** The next 32 bits. */
  bits(): number {
    const low = this.low + 0x7f4a7c15;
    this.low = low >>> 0;
    this.high = (this.high + 0x9e3779b9 + (low > 0xffffffff ? 1 : 0)) >>> 0;
    let [h, l] = Random.mix(this.high, this.low, 30);
    [h, l] = Random.multiply(h, l, 0xbf58476d, 0x1ce4e5b9);
    [h, l] = Random.mix(h, l, 27);
    [h, l] = Random.multiply(h, l, 0x94d049bb, 0x133111eb);
    return (l ^ ((l >>> 31) | (h << 1))) >>> 0;
  }

  /** A whole number of [0, n). */
  below(n: number): number {
    return Math.floor((this.bits() / 2 ** 32) * n);
  }

  /** A whole number of [least, most]. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True `percent` times out of a hundred. */
  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}
