/** The entries of each table in the order of insertion: eviction starts at the oldest. */
import {
  R_NEXT, R_PREV, rowAt, T_ENTRIES, T_NEWEST, T_OLDEST, tableAt,
} from "./rows";

/** Makes `row` the newest of a table; counts it in. */
export function append(base: usize, asid: u32, row: u32): void {
  const table = tableAt(base, asid);
  const newest = load<u32>(table, T_NEWEST);
  const r = rowAt(base, row);
  store<u32>(r, newest, R_PREV);
  store<u32>(r, 0, R_NEXT);
  if (newest == 0) store<u32>(table, row + 1, T_OLDEST);
  else store<u32>(rowAt(base, newest - 1), row + 1, R_NEXT);
  store<u32>(table, row + 1, T_NEWEST);
  store<u32>(table, load<u32>(table, T_ENTRIES) + 1, T_ENTRIES);
}

/** Takes `row` out of its table's list. */
export function unlink(base: usize, asid: u32, row: u32): void {
  const table = tableAt(base, asid);
  const r = rowAt(base, row);
  const prev = load<u32>(r, R_PREV);
  const next = load<u32>(r, R_NEXT);
  if (prev == 0) store<u32>(table, next, T_OLDEST);
  else store<u32>(rowAt(base, prev - 1), next, R_NEXT);
  if (next == 0) store<u32>(table, prev, T_NEWEST);
  else store<u32>(rowAt(base, next - 1), prev, R_PREV);
  store<u32>(table, load<u32>(table, T_ENTRIES) - 1, T_ENTRIES);
}
