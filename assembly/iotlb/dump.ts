/** Entries as the host reads them: records of asid, start, last, addr, perm, opaque, handle. */
import {
  find32, handleAt, handleNumber, lastOf, nodeAt, O_HANDLE, SLOT_MASK, startOf,
} from "../interval-tree/node";
import { scan } from "../interval-tree/search";
import {
  keyOf, LAST_PAGE, R_ASID, R_NEXT, R_OPAQUE, R_PERM, R_SHIFT, rowAt, T_OLDEST, tableAt, treeOf,
} from "./rows";

/** f64 each. */
const RECORD_BYTES: usize = 56;

/** The record of a row in use, to `out`. */
export function record(base: usize, row: u32, out: usize): void {
  const tree = treeOf(base);
  const leaf = nodeAt(tree, load<u32>(handleAt(tree, row)));
  const i = find32(leaf + O_HANDLE, row);
  const r = rowAt(base, row);
  const start = startOf(leaf, i) & LAST_PAGE;
  store<f64>(out, <f64>load<u16>(r, R_ASID));
  store<f64>(out, <f64>start, 8);
  store<f64>(out, <f64>(lastOf(leaf, i) & LAST_PAGE), 16);
  store<f64>(out, <f64>((load<i64>(r, R_SHIFT) + start) & LAST_PAGE), 24);
  store<f64>(out, <f64>load<u16>(r, R_PERM), 32);
  store<f64>(out, <f64>load<u32>(r, R_OPAQUE), 40);
  store<f64>(out, handleNumber(leaf, i), 48);
}

/**
 * At most `most` records of the address spaces [from, to], ascending by ASID and start, behind the
 * row `after` - 1 (0: from the beginning); how many. `handles`: room for as many f64.
 */
export function byIova(
  base: usize, from: u32, to: u32, after: u32, handles: usize, out: usize, most: u32,
): u32 {
  const found =
    scan(treeOf(base), keyOf(from, 0), keyOf(to, LAST_PAGE), after, handles, most, false);
  for (let k: u32 = 0; k < found; k++) {
    const row = <u32>(<u64>load<f64>(handles + ((<usize>k) << 3))) & SLOT_MASK;
    record(base, row, out + (<usize>k) * RECORD_BYTES);
  }
  return found;
}

/** At most `most` records of a table, oldest first, behind the row `after` - 1; how many. */
export function byInsertion(base: usize, asid: u32, after: u32, out: usize, most: u32): u32 {
  let row = after == 0
    ? load<u32>(tableAt(base, asid), T_OLDEST)
    : load<u32>(rowAt(base, after - 1), R_NEXT);
  let found: u32 = 0;
  for (; row != 0 && found < most; found++) {
    record(base, row - 1, out + (<usize>found) * RECORD_BYTES);
    row = load<u32>(rowAt(base, row - 1), R_NEXT);
  }
  return found;
}
