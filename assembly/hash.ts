/**
 * 64-bit fingerprints of the explored state: four lanes of multiply-rotate over 32 bytes a round
 * (after the published xxHash64 round), finalised with avalanche shifts. The region's length is a
 * multiple of 32: its ends are aligned to 64.
 */
const P1: u64 = 0x9e3779b185ebca87;
const P2: u64 = 0xc2b2ae3d27d4eb4f;
const P3: u64 = 0x165667b19e3779f9;
const P4: u64 = 0x85ebca77c2b2ae63;

// @ts-ignore: decorator
@inline
function round(acc: u64, word: u64): u64 {
  return rotl<u64>(acc + word * P2, 31) * P1;
}

// @ts-ignore: decorator
@inline
function merge(hash: u64, acc: u64): u64 {
  return (hash ^ round(0, acc)) * P1 + P4;
}

/** Fingerprint of [start, end); never 0, which marks an empty slot. */
export function hashBytes(start: usize, end: usize, seed: u64): u64 {
  let a = seed + P1 + P2;
  let b = seed + P2;
  let c = seed;
  let d = seed - P1;
  for (let p = start; p < end; p += 32) {
    a = round(a, load<u64>(p));
    b = round(b, load<u64>(p, 8));
    c = round(c, load<u64>(p, 16));
    d = round(d, load<u64>(p, 24));
  }
  let h = rotl<u64>(a, 1) + rotl<u64>(b, 7) + rotl<u64>(c, 12) + rotl<u64>(d, 18);
  h = merge(merge(merge(merge(h, a), b), c), d) + (end - start);
  h = (h ^ (h >> 33)) * P2;
  h = (h ^ (h >> 29)) * P3;
  h ^= h >> 32;
  return h == 0 ? 1 : h;
}
