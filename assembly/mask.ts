/** CPU masks: little-endian bit sets of H_MASK_WORDS words. Atomic per word in the shared form. */
import { and32, get32, or32 } from "./atomics";

// @ts-ignore: decorator
@inline
export function maskSet<F>(mask: usize, cpu: u32): void {
  or32<F>(mask + ((cpu >> 5) << 2), 1 << (cpu & 31));
}

// @ts-ignore: decorator
@inline
export function maskUnset<F>(mask: usize, cpu: u32): void {
  and32<F>(mask + ((cpu >> 5) << 2), ~(1 << (cpu & 31)));
}

// @ts-ignore: decorator
@inline
export function maskHas<F>(mask: usize, cpu: u32): bool {
  return ((get32<F>(mask + ((cpu >> 5) << 2)) >> (cpu & 31)) & 1) != 0;
}

/** First CPU >= `from` in the mask, or -1. */
export function maskNext<F>(mask: usize, words: u32, from: u32): i32 {
  let w = from >> 5;
  if (w >= words) return -1;
  let bits = get32<F>(mask + (w << 2)) & (0xffffffff << (from & 31));
  for (;;) {
    if (bits != 0) return <i32>((w << 5) + ctz(bits));
    if (++w >= words) return -1;
    bits = get32<F>(mask + (w << 2));
  }
  return -1;
}

/** Does the mask hold a CPU other than `self`? */
export function maskHasOther<F>(mask: usize, words: u32, self: u32): bool {
  for (let w: u32 = 0; w < words; w++) {
    let bits = get32<F>(mask + (w << 2));
    if (w == self >> 5) bits &= ~(1 << (self & 31));
    if (bits != 0) return true;
  }
  return false;
}
