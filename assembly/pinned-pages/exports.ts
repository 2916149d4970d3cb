/**
 * What the host calls. Pages and pfns are f64, whole and below 2^52: the host has checked them.
 * Lists are f64 each at `pages`; results go to `out`.
 */
import { fromF64 } from "../f64";
import { resetHeap } from "./heap";
import { findSlots } from "./group";
import { findWord } from "./leaf";
import { lookupGroup, pinGroup, unpinGroup } from "./lists";
import { indexOf, pfnOf, pinPage, refsOf, unpinPage } from "./pins";
import { pinsLookupRange, pinsPinRange, pinsUnpinRange } from "./ranges";
import {
  BLOCK_BITS, get32, GROUP, LEAST_LOG2, P_BYTES, P_END, P_LIMIT, P_RANGES, P_RESERVED, set32,
  SLACK, SLOT_BYTES,
} from "./rows";
import { findSlot } from "./table";

/** So many pages that follow each other are a range. */
const RUN: u32 = 8;
/** How many pages from the i-th on follow each other: found out only where it pays to know. */
// @ts-ignore: decorator
@inline
function runAt(pages: usize, i: u32, end: u32): u32 {
  const page = load<f64>(pages + ((<usize>i) << 3));
  if (i + RUN > end || load<f64>(pages + ((<usize>(i + RUN - 1)) << 3)) != page + <f64>(RUN - 1)) {
    return 1;
  }
  let run: u32 = 1;
  while (i + run < end && load<f64>(pages + ((<usize>(i + run)) << 3)) == page + <f64>run) run++;
  return run;
}

// @ts-ignore: decorator
@inline
function slotOf(t: usize, page: i64): usize {
  return findSlot(t, <u64>(page >> BLOCK_BITS));
}

// @ts-ignore: decorator
@inline
function result(out: usize, i: u32, value: f64): void {
  store<f64>(out + ((<usize>i) << 3), value);
}

/** An empty store with a heap that ends `end` bytes behind `t`. */
export function pinsInit(t: usize, end: u32, limit: f64): void {
  memory.fill(t, 0, P_BYTES);
  set32(t, P_END, end - SLACK);
  store<f64>(t + P_LIMIT, limit);
  resetHeap(t);
}

/** Bytes of an empty store: fewer cannot be initialised. */
export function pinsLeast(): u32 {
  return <u32>(P_BYTES + (SLOT_BYTES << LEAST_LOG2)) + SLACK;
}

/** There is more memory behind the heap. */
export function pinsWiden(t: usize, end: u32): void {
  set32(t, P_END, end - SLACK);
}

/** Adds a closed range of reserved pfns, of which there is room for 16. */
export function pinsReserve(t: usize, first: f64, last: f64): void {
  const range = t + P_RANGES + ((<usize>get32(t, P_RESERVED)) << 4);
  store<i64>(range, <i64>first);
  store<i64>(range, <i64>last, 8);
  set32(t, P_RESERVED, get32(t, P_RESERVED) + 1);
}

/** Most pages that may be charged from now on. */
export function pinsSetLimit(t: usize, limit: f64): void {
  store<f64>(t + P_LIMIT, limit);
}

/** Index of the first of `n` f64 that is not a whole number from `low` to `high`, or n. */
export function pinsCheck(list: usize, n: u32, low: f64, high: f64): u32 {
  const least = f64x2.splat(low);
  const most = f64x2.splat(high);
  for (let i: u32 = 0; i < n; i += 2) {
    const x = v128.load(list + ((<usize>i) << 3));
    const inside = v128.and(f64x2.ge(x, least), f64x2.le(x, most));
    const good = v128.and(inside, f64x2.eq(x, f64x2.floor(x)));
    if (i64x2.all_true(good)) continue;
    // The second may be behind the list: then this is n.
    return i64x2.extract_lane(good, 0) == 0 ? i : i + 1;
  }
  return n;
}

/** The pfn a page is pinned to, or NO_ROOM, SATURATED, OVER_LIMIT. */
export function pinsPin(t: usize, page: f64, pfn: f64): f64 {
  const at = fromF64(page);
  return pinPage(t, slotOf(t, at), at, <u64>fromF64(pfn));
}

/** How often a page is still pinned, or -1: it was not. */
export function pinsUnpin(t: usize, page: f64): i32 {
  const at = fromF64(page);
  return unpinPage(t, slotOf(t, at), at);
}

/** Address of the word of a page, or 0. */
// @ts-ignore: decorator
@inline
function find(t: usize, page: i64): usize {
  return findWord(t, slotOf(t, page), indexOf(page));
}

/** The pfn a page is pinned to, or -1. */
export function pinsLookup(t: usize, page: f64): f64 {
  const word = find(t, fromF64(page));
  return word == 0 ? -1 : pfnOf(load<u64>(word));
}

/** How often a page is pinned. */
export function pinsCount(t: usize, page: f64): u32 {
  const word = find(t, fromF64(page));
  return word == 0 ? 0 : refsOf(load<u64>(word));
}

/**
 * Pins pages one after the other until one cannot be; pfns f64 at `pfns`, those they are pinned to
 * and then perhaps a reason to `out`. How many were pinned.
 */
export function pinsPinBatch(t: usize, pages: usize, n: u32, pfns: usize, out: usize): u32 {
  for (let from: u32 = 0; from < n; ) {
    const run = runAt(pages, from, n);
    if (run >= RUN) {
      const shift = (<usize>from) << 3;
      const page = load<f64>(pages + shift);
      const done = pinsPinRange(t, page, run, pfns + shift, out + shift);
      from += done;
      if (done < run) return from;
      continue;
    }
    const end = min<u32>(from + GROUP, n);
    const shift = (<usize>from) << 3;
    result(out, from, <f64>findSlots(t, pages + shift, end - from));
    from += pinGroup(t, pages + shift, end - from, pfns + shift, out + shift);
    if (from < end) return from;
  }
  return n;
}

/** Unpins pages once each; how often each still is, or -1, to `out`. */
export function pinsUnpinBatch(t: usize, pages: usize, n: u32, out: usize): void {
  for (let from: u32 = 0; from < n; ) {
    const run = runAt(pages, from, n);
    if (run >= RUN) {
      const shift = (<usize>from) << 3;
      pinsUnpinRange(t, load<f64>(pages + shift), run, out + shift);
      from += run;
      continue;
    }
    const end = min<u32>(from + GROUP, n);
    const shift = (<usize>from) << 3;
    result(out, from, <f64>findSlots(t, pages + shift, end - from));
    unpinGroup(t, pages + shift, end - from, out + shift);
    from = end;
  }
}

/** The pfn of each page, or -1, to `out`. */
export function pinsLookupBatch(t: usize, pages: usize, n: u32, out: usize): void {
  for (let from: u32 = 0; from < n; ) {
    const run = runAt(pages, from, n);
    if (run >= RUN) {
      const shift = (<usize>from) << 3;
      pinsLookupRange(t, load<f64>(pages + shift), run, out + shift);
      from += run;
      continue;
    }
    const end = min<u32>(from + GROUP, n);
    const shift = (<usize>from) << 3;
    result(out, from, <f64>findSlots(t, pages + shift, end - from));
    lookupGroup(t, pages + shift, end - from, out + shift);
    from = end;
  }
}

export * from "./ranges";
export * from "./walk";
