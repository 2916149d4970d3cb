/** Sets of cells: bit maps of `words` u64, an even number of them. */

// @ts-ignore: decorator
@inline
export function mapClear(a: usize, words: u32): void {
  const zero = i64x2.splat(0);
  for (let p = a, end = a + (words << 3); p < end; p += 16) v128.store(p, zero);
}

/** a |= b */
// @ts-ignore: decorator
@inline
export function mapAdd(a: usize, b: usize, words: u32): void {
  for (let i: usize = 0; i < words << 3; i += 16) {
    v128.store(a + i, v128.or(v128.load(a + i), v128.load(b + i)));
  }
}

/** a &= ~b */
// @ts-ignore: decorator
@inline
export function mapRemove(a: usize, b: usize, words: u32): void {
  for (let i: usize = 0; i < words << 3; i += 16) {
    v128.store(a + i, v128.andnot(v128.load(a + i), v128.load(b + i)));
  }
}

/** Do they share a cell? */
// @ts-ignore: decorator
@inline
export function mapMeets(a: usize, b: usize, words: u32): bool {
  for (let i: usize = 0; i < words << 3; i += 16) {
    if (v128.any_true(v128.and(v128.load(a + i), v128.load(b + i)))) return true;
  }
  return false;
}

/** a |= b. True: that was more than a. */
// @ts-ignore: decorator
@inline
export function mapGrow(a: usize, b: usize, words: u32): bool {
  let grew = false;
  for (let i: usize = 0; i < words << 3; i += 16) {
    const more = v128.andnot(v128.load(b + i), v128.load(a + i));
    if (!v128.any_true(more)) continue;
    grew = true;
    v128.store(a + i, v128.or(v128.load(a + i), more));
  }
  return grew;
}

// @ts-ignore: decorator
@inline
export function mapHas(a: usize, cell: u32): bool {
  return ((load<u64>(a + ((<usize>(cell >> 6)) << 3)) >> (cell & 63)) & 1) != 0;
}

// @ts-ignore: decorator
@inline
export function mapPut(a: usize, cell: u32): void {
  const p = a + ((<usize>(cell >> 6)) << 3);
  store<u64>(p, load<u64>(p) | ((<u64>1) << (cell & 63)));
}
