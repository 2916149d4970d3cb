/**
 * A stable order of a batch by start, without branches on what is compared: blocks by counting how
 * many of their keys are less, then merges.
 */

/** Keys of a block; BLOCK_BITS bits more make them all different, in their order. */
const BLOCK: u32 = 32;
const BLOCK_BITS: i64 = 5;

// @ts-ignore: decorator
@inline
function indexAt(list: usize, i: u32): u32 {
  return load<u32>(list + ((<usize>i) << 2));
}

// @ts-ignore: decorator
@inline
function startAt(at: usize, i: u32): i64 {
  return load<i64>(at + ((<usize>i) << 3));
}

/** Order of the block of `n` starts from index `first` on. `keys`: scratch of 8 BLOCK bytes. */
function sortBlock(at: usize, first: u32, n: u32, list: usize, keys: usize): void {
  for (let i: u32 = 0; i < BLOCK; i++) {
    const key = i < n ? (startAt(at, first + i) << BLOCK_BITS) | <i64>i : i64.MAX_VALUE;
    store<i64>(keys + ((<usize>i) << 3), key);
  }
  for (let i: u32 = 0; i < n; i++) {
    const key = v128.load64_splat(keys + ((<usize>i) << 3));
    let less = i64x2.splat(0);
    for (let k: usize = 0; k < (<usize>BLOCK) << 3; k += 64) {
      less = i64x2.add(less, i64x2.gt_s(key, v128.load(keys + k)));
      less = i64x2.add(less, i64x2.gt_s(key, v128.load(keys + k, 16)));
      less = i64x2.add(less, i64x2.gt_s(key, v128.load(keys + k, 32)));
      less = i64x2.add(less, i64x2.gt_s(key, v128.load(keys + k, 48)));
    }
    const rank = <u32>-(i64x2.extract_lane(less, 0) + i64x2.extract_lane(less, 1));
    store<u32>(list + ((<usize>(first + rank)) << 2), first + i);
  }
}

/** Merges the runs [from, middle) and [middle, end) of `list` into `to`. */
function merge(at: usize, list: usize, from: u32, middle: u32, end: u32, to: usize): void {
  let a = from;
  let b = middle;
  for (let k = from; k < end; k++) {
    let fromA = a < middle;
    if (fromA && b < end) fromA = startAt(at, indexAt(list, a)) <= startAt(at, indexAt(list, b));
    store<u32>(to + ((<usize>k) << 2), indexAt(list, select<u32>(a, b, fromA)));
    a += <u32>fromA;
    b += <u32>!fromA;
  }
}

/**
 * Indices of the `n` i64 starts at `at` in ascending order, u32 each: where they are, one of the
 * two lists of 4 n bytes. `keys`: scratch of 256 bytes.
 */
export function sortStarts(at: usize, n: u32, one: usize, other: usize, keys: usize): usize {
  for (let first: u32 = 0; first < n; first += BLOCK) {
    sortBlock(at, first, min<u32>(BLOCK, n - first), one, keys);
  }
  let list = one;
  let to = other;
  for (let run = BLOCK; run < n; run <<= 1) {
    for (let from: u32 = 0; from < n; from += run << 1) {
      merge(at, list, from, min<u32>(from + run, n), min<u32>(from + (run << 1), n), to);
    }
    const swap = list;
    list = to;
    to = swap;
  }
  return list;
}
