/**
 * A CPU's TLB: a cache (cache.ts) that in machines of the timed driver says quickly what it does
 * not hold. Behind its entries stands a row of prints for each set, PRINT_BYTES long:
 *
 *   byte w   print of way w: bit 7, and seven bits that are made of the page's number and the ASID
 *
 * Most pages that are flushed are in no TLB. One comparison of a row says so, instead of one for
 * each way, and rows are contiguous: a flush of many pages on many CPUs reads a twelfth of the
 * memory. All pages of an aligned block of PRINT_PAGES have the same print under an ASID.
 *
 * Who writes: tlbFill; tlbDropPages clears prints that it finds to be of nothing. Others that drop
 * entries leave their prints where they are.
 * Invariant `PrintOfEveryEntry`: a way that holds a small page's entry has its print; other prints
 * may be anything, and so may those of huge ones: they are looked up without them.
 */
import * as abi from "../src/core/abi";
import { cacheDropAt, cacheDropHuge, cacheDropPages, cacheFill } from "./cache";
import { cpuAt, hdr, tlbAt } from "./machine";
import { Cpu, Entry } from "./rows";

/** log2 of the pages that share a print. Sets are at least as many (block.ts). */
const PRINT_BITS: u64 = 4;
/** log2 of PRINT_BYTES, and of the bytes of an entry. */
const ROW_BITS: usize = 4;

/** From a TLB to its prints. */
// @ts-ignore: decorator
@inline
export function printsOffset(m: usize): usize {
  return <usize>(hdr(m, abi.H_TLB_SETS) * hdr(m, abi.H_TLB_WAYS)) << ROW_BITS;
}

/** Is there room for prints behind the entries? */
// @ts-ignore: decorator
@inline
export function hasPrints(m: usize): bool {
  const bytes = hdr(m, abi.H_TLB_SETS) << <u32>ROW_BITS;
  return hdr(m, abi.H_TLB_STRIDE) >= <u32>printsOffset(m) + bytes;
}

// @ts-ignore: decorator
@inline
function printOf(vpn: u64, asid: u32): u8 {
  const x = (<u32>(vpn >> PRINT_BITS) + asid * 0x85ebca6b) * 0x9e3779b1;
  return <u8>((x >> 25) | 0x80);
}

/** Where the page's row is among the prints. */
// @ts-ignore: decorator
@inline
function rowOffset(sets: u32, vpn: u64): usize {
  return <usize>(<u32>vpn & (sets - 1)) << ROW_BITS;
}

/** Fills, as cacheFill does. */
export function tlbFill(
  m: usize, cpu: u32, vpn: u64, asid: u32, huge: bool, writable: bool, frame: u32, gen: u32,
): void {
  const ways = hdr(m, abi.H_TLB_WAYS);
  const tlb = tlbAt(m, cpu);
  const clock = changetype<usize>(cpuAt(m, cpu)) + offsetof<Cpu>("tlbClock");
  const p = cacheFill(tlb, hdr(m, abi.H_TLB_SETS), ways, hdr(m, abi.H_INDEX_BITS), clock, vpn, asid,
    huge, writable, frame, gen);
  if (!hasPrints(m)) return;
  const index = <u32>(p - tlb) >> <u32>ROW_BITS;
  const row = tlb + printsOffset(m) + (<usize>(index / ways) << ROW_BITS);
  store<u8>(row + index % ways, printOf(vpn, asid));
}

/** INVLPG of small pages [vpn, stop) of one block, some of which may be here. */
function dropBlock(
  tlb: usize, prints: usize, sets: u32, ways: u32, vpn: u64, stop: u64, asid: u32,
): void {
  const want = i8x16.splat(printOf(vpn, asid));
  for (; vpn < stop; vpn++) {
    const row = prints + rowOffset(sets, vpn);
    const set = tlb + rowOffset(sets, vpn) * ways;
    let hits = i8x16.bitmask(i8x16.eq(v128.load(row), want));
    for (; hits != 0; hits &= hits - 1) {
      const way: usize = ctz(hits);
      if (cacheDropAt(set + (way << ROW_BITS), vpn, asid)) store<u8>(row + way, 0);
    }
  }
}

/** All-ones where one of `rows` rows from `row` on has the print `want`. */
// @ts-ignore: decorator
@inline
function printsIn(row: usize, rows: u64, want: v128): v128 {
  const end = row + (<usize>rows << ROW_BITS);
  let any = i8x16.splat(0);
  for (; row < end; row += abi.PRINT_BYTES) {
    any = v128.or(any, i8x16.eq(v128.load(row), want));
  }
  return any;
}

/** INVLPG for each small page of [start, end), in a TLB with prints. */
// @ts-ignore: decorator
@inline
export function tlbDropSmall(
  tlb: usize, prints: usize, sets: u32, ways: u32, start: u64, end: u64, asid: u32,
): void {
  for (let vpn = start; vpn < end;) {
    const stop = min<u64>(end, ((vpn >> PRINT_BITS) + 1) << PRINT_BITS);
    const want = i8x16.splat(printOf(vpn, asid));
    if (v128.any_true(printsIn(prints + rowOffset(sets, vpn), stop - vpn, want))) {
      dropBlock(tlb, prints, sets, ways, vpn, stop, asid);
    }
    vpn = stop;
  }
}

/** The same in the TLBs of two CPUs. */
// @ts-ignore: decorator
@inline
export function tlbDropTwo(
  m: usize, one: usize, asid: u32, other: usize, otherAsid: u32, start: u64, end: u64,
): void {
  const sets = hdr(m, abi.H_TLB_SETS);
  const prints = printsOffset(m);
  for (let vpn = start; vpn < end;) {
    const stop = min<u64>(end, ((vpn >> PRINT_BITS) + 1) << PRINT_BITS);
    const want = i8x16.splat(printOf(vpn, asid));
    const otherWant = i8x16.splat(printOf(vpn, otherAsid));
    let row = prints + rowOffset(sets, vpn);
    const last = row + (<usize>(stop - vpn) << ROW_BITS);
    let any = i8x16.splat(0);
    for (; row < last; row += abi.PRINT_BYTES) {
      any = v128.or(any, v128.or(i8x16.eq(v128.load(one + row), want),
        i8x16.eq(v128.load(other + row), otherWant)));
    }
    if (v128.any_true(any)) {
      const ways = hdr(m, abi.H_TLB_WAYS);
      dropBlock(one, one + prints, sets, ways, vpn, stop, asid);
      dropBlock(other, other + prints, sets, ways, vpn, stop, otherAsid);
    }
    vpn = stop;
  }
}

/** INVLPG for each page of [start, end), `stride` pages apart, on one CPU. */
export function tlbDropPages(
  m: usize, cpu: u32, start: u64, end: u64, stride: u64, asid: u32,
): void {
  const tlb = tlbAt(m, cpu);
  const sets = hdr(m, abi.H_TLB_SETS);
  const ways = hdr(m, abi.H_TLB_WAYS);
  const bits = hdr(m, abi.H_INDEX_BITS);
  const huge = hdr(m, abi.H_HUGE_SEEN) != 0;
  if (stride != 1 || !hasPrints(m)) {
    cacheDropPages(tlb, sets, ways, bits, start, end, stride, asid, huge);
    return;
  }
  tlbDropSmall(tlb, tlb + printsOffset(m), sets, ways, start, end, asid);
  if (huge) cacheDropHuge(tlb, sets, ways, bits, start, end, asid);
}
