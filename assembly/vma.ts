/**
 * The VMAs of one mm: half-open page ranges, sorted, disjoint, in a packed row of H_VMAS slots.
 *
 * Written under mmapLock(write). Invariant `VmasAscend`: start < end <= next start. Adjacent ranges
 * of equal protection are merged, as the kernel does.
 */
import * as abi from "../src/core/abi";
import { hdr, mmAt, vmasAt } from "./machine";
import { Vma } from "./rows";

// @ts-ignore: decorator
@inline
function at(base: usize, i: u32): Vma {
  return changetype<Vma>(base + (<usize>i) * offsetof<Vma>());
}

/** Index of the first VMA that ends after `vpn`; nVmas if there is none. O(log n). */
export function vmaLowerBound(m: usize, mm: u32, vpn: u64): u32 {
  const base = vmasAt(m, mm);
  let lo: u32 = 0;
  let hi = mmAt(m, mm).nVmas;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (at(base, mid).end <= vpn) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** VMA row `i` of an mm. */
// @ts-ignore: decorator
@inline
export function vmaRow(m: usize, mm: u32, i: u32): Vma {
  return at(vmasAt(m, mm), i);
}

/** Protection and flags of `vpn`, or 0 when nothing is mapped there. */
export function vmaFind(m: usize, mm: u32, vpn: u64): u64 {
  const i = vmaLowerBound(m, mm, vpn);
  if (i == mmAt(m, mm).nVmas) return 0;
  const v = at(vmasAt(m, mm), i);
  return v.start <= vpn ? v.prot : 0;
}

/** Is any page of [start, end) mapped? */
export function vmaAny(m: usize, mm: u32, start: u64, end: u64): bool {
  const i = vmaLowerBound(m, mm, start);
  return i < mmAt(m, mm).nVmas && at(vmasAt(m, mm), i).start < end;
}

function move(base: usize, from: u32, to: u32, n: u32): void {
  memory.copy(
    changetype<usize>(at(base, to)), changetype<usize>(at(base, from)), n * offsetof<Vma>(),
  );
}

/** Unmaps [start, end). False when a split would need a row that is not there. */
export function vmaClear(m: usize, mm: u32, start: u64, end: u64): bool {
  const row = mmAt(m, mm);
  const base = vmasAt(m, mm);
  const i = vmaLowerBound(m, mm, start);
  if (i == row.nVmas || at(base, i).start >= end) return true;
  const first = at(base, i);
  if (first.start < start && first.end > end) {
    if (row.nVmas == hdr(m, abi.H_VMAS)) return false;
    move(base, i, i + 1, row.nVmas - i);
    row.nVmas++;
    at(base, i).end = start;
    at(base, i + 1).start = end;
    return true;
  }
  let keep = i;
  if (first.start < start) {
    first.end = start;
    keep = i + 1;
  }
  let j = keep;
  while (j < row.nVmas && at(base, j).end <= end) j++;
  if (j < row.nVmas && at(base, j).start < end) at(base, j).start = end;
  if (j > keep) {
    move(base, j, keep, row.nVmas - j);
    const gone = j - keep;
    row.nVmas -= gone;
    memory.fill(changetype<usize>(at(base, row.nVmas)), 0, gone * offsetof<Vma>());
  }
  return true;
}

/** How many VMAs there will be once [start, end) has `prot`; `k`: the first that ends after it. */
function rowsAfterSet(m: usize, mm: u32, k: u32, start: u64, end: u64, prot: u64): u32 {
  const n = mmAt(m, mm).nVmas;
  const base = vmasAt(m, mm);
  const cutsLeft = k < n && at(base, k).start < start;
  if (cutsLeft && at(base, k).end > end) return n + 2;
  const keep = cutsLeft ? k + 1 : k;
  let j = keep;
  while (j < n && at(base, j).end <= end) j++;
  let rows = n - (j - keep) + 1;
  const endsAtStart = keep > 0 && (cutsLeft || at(base, keep - 1).end == start);
  if (endsAtStart && at(base, keep - 1).prot == prot) rows--;
  if (j < n && at(base, j).start <= end && at(base, j).prot == prot) rows--;
  return rows;
}

/** Maps [start, end) with `prot`, replacing what overlaps. False: no row left, nothing changed. */
export function vmaSet(m: usize, mm: u32, start: u64, end: u64, prot: u64): bool {
  const row = mmAt(m, mm);
  const base = vmasAt(m, mm);
  const k = vmaLowerBound(m, mm, start);
  const inside = k < row.nVmas && at(base, k).start < start && at(base, k).end > end;
  if (inside && at(base, k).prot == prot) return true;
  if (rowsAfterSet(m, mm, k, start, end, prot) > hdr(m, abi.H_VMAS)) return false;
  vmaClear(m, mm, start, end);
  const i = vmaLowerBound(m, mm, start);
  const joinsLeft = i > 0 && at(base, i - 1).end == start && at(base, i - 1).prot == prot;
  const joinsRight = i < row.nVmas && at(base, i).start == end && at(base, i).prot == prot;
  if (joinsLeft && joinsRight) {
    at(base, i - 1).end = at(base, i).end;
    move(base, i + 1, i, row.nVmas - i - 1);
    row.nVmas--;
    memory.fill(changetype<usize>(at(base, row.nVmas)), 0, offsetof<Vma>());
  } else if (joinsLeft) {
    at(base, i - 1).end = end;
  } else if (joinsRight) {
    at(base, i).start = start;
  } else {
    move(base, i, i + 1, row.nVmas - i);
    row.nVmas++;
    const v = at(base, i);
    v.start = start;
    v.end = end;
    v.prot = prot;
  }
  return true;
}

/** Copies all VMAs of `from` to `to`. */
export function vmaCopy(m: usize, from: u32, to: u32): void {
  const n = mmAt(m, from).nVmas;
  memory.copy(vmasAt(m, to), vmasAt(m, from), n * offsetof<Vma>());
  mmAt(m, to).nVmas = n;
}
