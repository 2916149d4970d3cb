/**
 * Set-associative translation caches: CPU TLBs, IOTLBs and shadow tables of mirroring devices, and
 * the small fully associative paging-structure caches.
 *
 *   Entry.tag  bit 0 valid, bit 1 writable, bit 2 huge, bit 3 condemned (oracle.ts),
 *              bits 4..11 ASID slot, bits 12.. first vpn
 *   paging-structure entry: bits 1..3 level of the cached table, bits 12.. prefix of the vpn
 *
 * Invariants: `OneEntryPerTag` (a fill replaces the entry of the same page and size), and
 * `InvalidIsZero` (a dropped entry is all zero, so equal caches have equal bytes).
 */
import * as abi from "../src/core/abi";
import { Entry } from "./rows";

const VALID: u64 = 1;
const WRITABLE: u64 = 2;
const HUGE: u64 = 4;
const CONDEMNED: u64 = 8;
/** Bits of a tag that do not identify the page. */
const SOFT: u64 = WRITABLE | CONDEMNED;

// @ts-ignore: decorator
@inline
function makeTag(vpn: u64, asid: u32, huge: bool): u64 {
  return VALID | (huge ? HUGE : 0) | ((<u64>asid) << 4) | (vpn << 12);
}

// @ts-ignore: decorator
@inline
function setOf(base: usize, sets: u32, ways: u32, key: u64): usize {
  return base + <usize>(((<u32>key) & (sets - 1)) * ways) * offsetof<Entry>();
}

// @ts-ignore: decorator
@inline
export function entryWritable(e: Entry): bool {
  return (e.tag & WRITABLE) != 0;
}

// @ts-ignore: decorator
@inline
export function entryVpn(e: Entry): u64 {
  return e.tag >> 12;
}

// @ts-ignore: decorator
@inline
export function entryCondemned(e: Entry): bool {
  return (e.tag & CONDEMNED) != 0;
}

// @ts-ignore: decorator
@inline
export function condemn(e: Entry): void {
  e.tag |= CONDEMNED;
}

// @ts-ignore: decorator
@inline
export function entryAsid(e: Entry): u32 {
  return (<u32>(e.tag >> 4)) & 0xff;
}

// @ts-ignore: decorator
@inline
export function entryHuge(e: Entry): bool {
  return (e.tag & HUGE) != 0;
}

/** Which of the entries with these rows are `want`: all-ones in its lane. */
// @ts-ignore: decorator
@inline
function isPair(one: v128, other: v128, hard: v128, want: v128): v128 {
  return i64x2.eq(v128.and(v128.shuffle<u64>(one, other, 0, 2), hard), want);
}

/** Way by way. */
function findOneByOne(set: usize, ways: u32, tag: u64): usize {
  const end = set + ways * offsetof<Entry>();
  for (let p = set; p < end; p += offsetof<Entry>()) {
    if ((load<u64>(p) & ~SOFT) == tag) return p;
  }
  return 0;
}

/** Which of twelve ways are `want`: as isPair. Constant offsets are folded into the loads. */
// @ts-ignore: decorator
@inline
function hitsOf12(p: usize, hard: v128, want: v128): v128 {
  return v128.or(
    v128.or(
      v128.or(
        isPair(v128.load(p), v128.load(p, 16), hard, want),
        isPair(v128.load(p, 32), v128.load(p, 48), hard, want),
      ),
      v128.or(
        isPair(v128.load(p, 64), v128.load(p, 80), hard, want),
        isPair(v128.load(p, 96), v128.load(p, 112), hard, want),
      ),
    ),
    v128.or(
      isPair(v128.load(p, 128), v128.load(p, 144), hard, want),
      isPair(v128.load(p, 160), v128.load(p, 176), hard, want),
    ),
  );
}

/**
 * The way of `set` that holds `tag`, or 0. Misses are common: whether it is there is asked of
 * vectors first, of all twelve ways at once in the usual TLB.
 */
// @ts-ignore: decorator
@inline
function find(set: usize, ways: u32, tag: u64): usize {
  const hard = i64x2.splat(~SOFT);
  const want = i64x2.splat(tag);
  let hits = i64x2.splat(0);
  let p = set;
  let left = ways;
  if (left >= 12) {
    hits = hitsOf12(p, hard, want);
    p += 192;
    left -= 12;
  }
  for (; left >= 2; left -= 2) {
    hits = v128.or(hits, isPair(v128.load(p), v128.load(p, 16), hard, want));
    p += 32;
  }
  if (!v128.any_true(hits) && (left == 0 || (load<u64>(p) & ~SOFT) != tag)) return 0;
  return findOneByOne(set, ways, tag);
}

/** The entry that translates `vpn`, of either size, or 0. `bits`: log2 pages of a huge one. */
export function cacheFind(
  base: usize, sets: u32, ways: u32, bits: u32, vpn: u64, asid: u32,
): usize {
  const hit = find(setOf(base, sets, ways, vpn), ways, makeTag(vpn, asid, false));
  if (hit != 0) return hit;
  const first = (vpn >> bits) << bits;
  return find(setOf(base, sets, ways, vpn >> bits), ways, makeTag(first, asid, true));
}

/**
 * Fills; the victim is the first free way, else round robin by the word at `clock`. Where the entry
 * is now.
 */
export function cacheFill(
  base: usize, sets: u32, ways: u32, bits: u32, clock: usize,
  vpn: u64, asid: u32, huge: bool, writable: bool, frame: u32, gen: u32,
): usize {
  const first = huge ? (vpn >> bits) << bits : vpn;
  const tag = makeTag(first, asid, huge);
  const set = setOf(base, sets, ways, huge ? vpn >> bits : vpn);
  let slot = find(set, ways, tag);
  if (slot == 0) {
    const end = set + ways * offsetof<Entry>();
    for (let p = set; p < end; p += offsetof<Entry>()) {
      if (load<u64>(p) == 0) {
        slot = p;
        break;
      }
    }
    if (slot == 0) {
      const turn = load<u32>(clock) % ways;
      store<u32>(clock, turn + 1 == ways ? 0 : turn + 1);
      slot = set + turn * offsetof<Entry>();
    }
  }
  const e = changetype<Entry>(slot);
  e.tag = tag | (writable ? WRITABLE : 0);
  e.frame = frame;
  e.gen = gen;
  return slot;
}

// @ts-ignore: decorator
@inline
function drop(p: usize): void {
  store<u64>(p, 0);
  store<u64>(p, 0, 8);
}

/** Drops what holds `tag`, in a set of any size. */
function dropAny(set: usize, ways: u32, tag: u64): void {
  const hit = find(set, ways, tag);
  if (hit != 0) drop(hit);
}

/** INVLPG: drops what translates `vpn` under `asid`, of either size if `huge` ones exist. */
// @ts-ignore: decorator
@inline
function dropPage(
  base: usize, sets: u32, ways: u32, bits: u32, vpn: u64, asid: u32, huge: bool,
): void {
  dropAny(setOf(base, sets, ways, vpn), ways, makeTag(vpn, asid, false));
  if (huge) dropHuge(base, sets, ways, bits, vpn, asid);
}

function dropHuge(base: usize, sets: u32, ways: u32, bits: u32, vpn: u64, asid: u32): void {
  const first = (vpn >> bits) << bits;
  dropAny(setOf(base, sets, ways, vpn >> bits), ways, makeTag(first, asid, true));
}

/** INVLPG for each page of [start, end), `stride` pages apart. */
// @ts-ignore: decorator
@inline
export function cacheDropPages(
  base: usize, sets: u32, ways: u32, bits: u32, start: u64, end: u64, stride: u64, asid: u32,
  huge: bool,
): void {
  for (let vpn = start; vpn < end; vpn += stride) {
    dropPage(base, sets, ways, bits, vpn, asid, huge);
  }
}

/** Of the same pages, only what huge entries translate. */
export function cacheDropHuge(
  base: usize, sets: u32, ways: u32, bits: u32, start: u64, end: u64, asid: u32,
): void {
  for (let vpn = start; vpn < end; vpn++) dropHuge(base, sets, ways, bits, vpn, asid);
}

/**
 * Drops the entry at `p` if it translates the small page `vpn` under `asid`. True: nothing is there
 * (any more).
 */
// @ts-ignore: decorator
@inline
export function cacheDropAt(p: usize, vpn: u64, asid: u32): bool {
  const tag = load<u64>(p);
  if (tag == 0) return true;
  if ((tag & ~SOFT) != makeTag(vpn, asid, false)) return false;
  drop(p);
  return true;
}

/** Drops the entry at `p` if it is of `asid`. True: it is of another one. */
// @ts-ignore: decorator
@inline
function dropOf(p: usize, asid: u32): bool {
  const tag = load<u64>(p);
  if (tag == 0) return false;
  if (((<u32>(tag >> 4)) & 0xff) != asid) return true;
  drop(p);
  return false;
}

/** Drops everything of `asid`. True: entries of other ASIDs are left. Most entries are empty. */
export function cacheDropAsid(base: usize, entries: u32, asid: u32): bool {
  const end = base + entries * offsetof<Entry>();
  let left = false;
  let p = base;
  for (; p + 64 <= end; p += 64) {
    const any = v128.or(
      v128.or(v128.load(p), v128.load(p, 16)),
      v128.or(v128.load(p, 32), v128.load(p, 48)),
    );
    if (!v128.any_true(any)) continue;
    for (let q = p; q < p + 64; q += offsetof<Entry>()) {
      if (dropOf(q, asid)) left = true;
    }
  }
  for (; p < end; p += offsetof<Entry>()) {
    if (dropOf(p, asid)) left = true;
  }
  return left;
}

/** Drops every entry, of either size and any ASID, that overlaps [start, end). */
export function cacheDropRange(
  base: usize, sets: u32, ways: u32, bits: u32, start: u64, end: u64,
): void {
  if (start >= end) return;
  if (end - start == 1) {
    dropPage(base, sets, ways, bits, start, 0, true);
    return;
  }
  const stop = base + sets * ways * offsetof<Entry>();
  for (let p = base; p < stop; p += offsetof<Entry>()) {
    const e = changetype<Entry>(p);
    if (e.tag == 0) continue;
    const first = entryVpn(e);
    const last = first + (entryHuge(e) ? (<u64>1) << bits : 1);
    if (first < end && start < last) drop(p);
  }
}

/** Drops everything. */
export function cacheDropAll(base: usize, entries: u32): void {
  memory.fill(base, 0, entries * offsetof<Entry>());
}

// ── paging-structure caches ─────────────────────────────────────────────────────────────────

// @ts-ignore: decorator
@inline
function walkTag(prefix: u64, level: u32, asid: u32): u64 {
  return VALID | ((<u64>level) << 1) | ((<u64>asid) << 4) | (prefix << 12);
}

/** The cached table of `level` for `prefix`, or 0. */
export function walkFind(base: usize, entries: u32, prefix: u64, level: u32, asid: u32): usize {
  const tag = walkTag(prefix, level, asid);
  const end = base + entries * offsetof<Entry>();
  for (let p = base; p < end; p += offsetof<Entry>()) {
    if (load<u64>(p) == tag) return p;
  }
  return 0;
}

export function walkFill(
  base: usize, entries: u32, clock: usize,
  prefix: u64, level: u32, asid: u32, table: u32, gen: u32,
): void {
  if (entries == 0) return;
  let slot = walkFind(base, entries, prefix, level, asid);
  if (slot == 0) {
    const turn = load<u32>(clock) % entries;
    store<u32>(clock, turn + 1 == entries ? 0 : turn + 1);
    slot = base + turn * offsetof<Entry>();
  }
  const e = changetype<Entry>(slot);
  e.tag = walkTag(prefix, level, asid);
  e.frame = table;
  e.gen = gen;
}

/** A number that is another one, as good as certainly, when the entries are. */
export function walkSum(base: usize, entries: u32): u64 {
  const end = base + entries * offsetof<Entry>();
  let sum: u64 = 0;
  for (let p = base; p < end; p += sizeof<u64>()) {
    sum = rotl<u64>((sum ^ load<u64>(p)) * 0x9e3779b185ebca87, 29);
  }
  return sum;
}
