/** Translation: of all entries that hold a page the first by start, then insertion, decides. */
import { maskAbove, O_REF, refOf, startOf } from "../interval-tree/node";
import { first, leavesOf } from "../interval-tree/search";
import { ASIDS, keyOf, LAST_PAGE, R_PERM, R_SHIFT, rowAt, treeOf } from "./rows";

/** No entry holds the page. */
export const MISS: f64 = -1;
/** The entry that does lacks the permission. */
export const DENIED: f64 = -2;

/** What `key` becomes under a row. */
// @ts-ignore: decorator
@inline
function resolve(base: usize, row: u32, key: i64, access: u32): f64 {
  const r = rowAt(base, row);
  if ((load<u16>(r, R_PERM) & access) != access) return DENIED;
  return <f64>((key + load<i64>(r, R_SHIFT)) & LAST_PAGE);
}

/** Row of the entry that decides on a page, + 1, or 0. */
export function rowFor(base: usize, asid: u32, page: i64): u32 {
  const key = keyOf(asid, page);
  const hit = first(treeOf(base), key, key);
  return hit == 0 ? 0 : load<u32>(hit, O_REF) + 1;
}

export function translate(base: usize, asid: u32, page: i64, access: u32): f64 {
  const row = rowFor(base, asid, page);
  return row == 0 ? MISS : resolve(base, row - 1, page, access);
}

/**
 * The f64 pages of `n` queries at `at` become keys, i64, in place; u32 ASIDs at `asids`, or all of
 * them `asid` if that is 0. Index of the first that is no page or no ASID, or n.
 */
export function toKeys(at: usize, n: u32, asids: usize, asid: u32): u32 {
  let space = asid;
  for (let k: u32 = 0; k < n; k++) {
    const p = at + ((<usize>k) << 3);
    const value = load<f64>(p);
    const page = <i64>value;
    if (asids != 0) space = load<u32>(asids + ((<usize>k) << 2));
    if (<f64>page != value || page < 0 || page > LAST_PAGE || space >= ASIDS) return k;
    store<i64>(p, keyOf(space, page));
  }
  return n;
}

/**
 * Translates `n` keys at `at`; f64 results to `out`. Level by level for all of them (see leavesOf),
 * down to the rows.
 */
export function translateKeys(base: usize, at: usize, n: u32, access: u32, out: usize): void {
  leavesOf(treeOf(base), at, n, out);
  for (let k: u32 = 0; k < n; k++) {
    const p = out + ((<usize>k) << 3);
    const leaf = <usize>load<u32>(p);
    if (leaf == 0) continue;
    const key = load<i64>(at + ((<usize>k) << 3));
    const i = ctz<u32>(maskAbove(leaf, i64x2.splat(key - 1)));
    store<u32>(p, startOf(leaf, i) <= key ? refOf(leaf, i) + 1 : 0);
  }
  for (let k: u32 = 0; k < n; k++) {
    const p = out + ((<usize>k) << 3);
    const row = load<u32>(p);
    const key = load<i64>(at + ((<usize>k) << 3));
    store<f64>(p, row == 0 ? MISS : resolve(base, row - 1, key, access));
  }
}
