/**
 * A second-level TLB directory, shared by all CPUs (DiDi; shootdown.md P21): which first-level TLBs
 * may hold a translation. A fill makes itself known here first; an entry that has to make room
 * is invalidated in every TLB it names, so what is not here is in no TLB. A CPU leaves an entry
 * when it has applied an invalidation of it, not when that is sent: until then others that change
 * the same page must find it.
 *
 * A set is {turn u32, unused u32} and H_DIR_WAYS entries {tag u64, ctxId u32, unused u32, mask};
 * tag: valid 1, huge 4, vpn << 12. A free entry is all zero. An entry may name more CPUs than hold
 * the translation: TLBs replace theirs without a word.
 * One thread owns the whole machine: parallel drivers refuse a directory.
 * Invariant `DirectoryInclusive`: a translation in a TLB is here, with its CPU.
 */
import * as abi from "../src/core/abi";
import { Plain } from "./atomics";
import { cacheDropPages } from "./cache";
import { asidSlot, cpuAt, hdr, mmAt, tlbAt } from "./machine";
import { maskHas, maskNext, maskSet, maskUnset } from "./mask";
import { Cpu } from "./rows";

const VALID: u64 = 1;
const HUGE: u64 = 4;
const SET_HEAD: usize = 8;
const E_CTX: usize = 8;
const E_MASK: usize = 16;

// @ts-ignore: decorator
@inline
export function hasDirectory(m: usize): bool {
  return (hdr(m, abi.H_OPTIONS) & abi.OPT_DIRECTORY) != 0;
}

/** Bytes of an entry. */
// @ts-ignore: decorator
@inline
function entryBytes(m: usize): u32 {
  return (<u32>E_MASK + (hdr(m, abi.H_MASK_WORDS) << 2) + 7) & ~7;
}

/** Entry `way` of set `set`. */
function entryOf(m: usize, set: u32, way: u32): usize {
  const bytes = entryBytes(m);
  return setAt(m, set) + SET_HEAD + <usize>way * bytes;
}

function setAt(m: usize, set: u32): usize {
  const bytes = <u32>SET_HEAD + hdr(m, abi.H_DIR_WAYS) * entryBytes(m);
  return m + hdr(m, abi.H_OFF_DIRECTORY) + <usize>set * bytes;
}

// @ts-ignore: decorator
@inline
function tagOf(vpn: u64, huge: bool): u64 {
  return VALID | (huge ? HUGE : 0) | (vpn << 12);
}

/** The set of a page. */
// @ts-ignore: decorator
@inline
function setOf(m: usize, vpn: u64, huge: bool): u32 {
  return <u32>(huge ? vpn >> hdr(m, abi.H_INDEX_BITS) : vpn) & (hdr(m, abi.H_DIR_SETS) - 1);
}

/** The entry of a page, or 0. */
function find(m: usize, ctxId: u32, vpn: u64, huge: bool): usize {
  const set = setOf(m, vpn, huge);
  const tag = tagOf(vpn, huge);
  for (let way: u32 = 0; way < hdr(m, abi.H_DIR_WAYS); way++) {
    const e = entryOf(m, set, way);
    if (load<u64>(e) == tag && load<u32>(e, E_CTX) == ctxId) return e;
  }
  return 0;
}

/** The translation of an entry goes from every TLB that may hold it. */
function invalidate(m: usize, e: usize): void {
  const words = hdr(m, abi.H_MASK_WORDS);
  const vpn = load<u64>(e) >> 12;
  for (let i = maskNext<Plain>(e + E_MASK, words, 0); i >= 0;
    i = maskNext<Plain>(e + E_MASK, words, <u32>i + 1)) {
    for (let slot: u32 = 0; slot < hdr(m, abi.H_ASIDS); slot++) {
      if (load<u32>(asidSlot(cpuAt(m, i), slot)) != load<u32>(e, E_CTX)) continue;
      cacheDropPages(tlbAt(m, i), hdr(m, abi.H_TLB_SETS), hdr(m, abi.H_TLB_WAYS),
        hdr(m, abi.H_INDEX_BITS), vpn, vpn + 1, 1, slot, hdr(m, abi.H_HUGE_SEEN) != 0);
    }
  }
}

/** A free entry of the set: an empty one, or the one whose turn it is, which is invalidated. */
function makeRoom(m: usize, set: u32): usize {
  const ways = hdr(m, abi.H_DIR_WAYS);
  for (let way: u32 = 0; way < ways; way++) {
    if (load<u64>(entryOf(m, set, way)) == 0) return entryOf(m, set, way);
  }
  const turn = load<u32>(setAt(m, set));
  store<u32>(setAt(m, set), turn + 1 == ways ? 0 : turn + 1);
  const e = entryOf(m, set, turn);
  // A mutant's directory forgets whom it should have told.
  if (hdr(m, abi.H_DIR_SILENT) == 0) invalidate(m, e);
  memory.fill(e, 0, entryBytes(m));
  return e;
}

/** CPU `cpu` is about to cache `vpn` of `mm` (index). */
export function directoryFill(m: usize, cpu: u32, mm: u32, vpn: u64, huge: bool): void {
  const bits = hdr(m, abi.H_INDEX_BITS);
  const first = huge ? (vpn >> bits) << bits : vpn;
  const ctxId = mmAt(m, mm).ctxId;
  let e = find(m, ctxId, first, huge);
  if (e == 0) {
    e = makeRoom(m, setOf(m, first, huge));
    store<u64>(e, tagOf(first, huge));
    store<u32>(e, ctxId, E_CTX);
  }
  maskSet<Plain>(e + E_MASK, cpu);
}

function addMask(m: usize, to: usize, e: usize): void {
  const words = hdr(m, abi.H_MASK_WORDS);
  for (let w: u32 = 0; w < words; w++) {
    store<u32>(to + (w << 2), load<u32>(to + (w << 2)) | load<u32>(e + E_MASK + (w << 2)));
  }
}

function leave(m: usize, cpu: u32, e: usize): void {
  if (!maskHas<Plain>(e + E_MASK, cpu)) return;
  maskUnset<Plain>(e + E_MASK, cpu);
  const rest = maskNext<Plain>(e + E_MASK, hdr(m, abi.H_MASK_WORDS), 0);
  if (rest < 0) memory.fill(e, 0, entryBytes(m));
}

/** An entry that a request names: its holders are added to `to`, or `cpu` leaves it (`to` 0). */
// @ts-ignore: decorator
@inline
function visit(m: usize, e: usize, to: usize, cpu: u32): void {
  if (to != 0) addMask(m, to, e);
  else leave(m, cpu, e);
}

function visitAll(m: usize, ctxId: u32, to: usize, cpu: u32): void {
  for (let set: u32 = 0; set < hdr(m, abi.H_DIR_SETS); set++) {
    for (let way: u32 = 0; way < hdr(m, abi.H_DIR_WAYS); way++) {
      const e = entryOf(m, set, way);
      if (load<u64>(e) != 0 && load<u32>(e, E_CTX) == ctxId) visit(m, e, to, cpu);
    }
  }
}

/** Every `stride`-th page of a range, and the huge ones around them. */
function visitRange(
  m: usize, ctxId: u32, start: u64, end: u64, stride: u64, to: usize, cpu: u32,
): void {
  for (let vpn = start; vpn < end; vpn += stride) {
    const e = find(m, ctxId, vpn, false);
    if (e != 0) visit(m, e, to, cpu);
  }
  const bits = hdr(m, abi.H_INDEX_BITS);
  for (let vpn = (start >> bits) << bits; vpn < end; vpn += (<u64>1) << bits) {
    const e = find(m, ctxId, vpn, true);
    if (e != 0) visit(m, e, to, cpu);
  }
}

function visitRequest(m: usize, info: Cpu, to: usize, cpu: u32): void {
  const ctxId = mmAt(m, info.infoMm - 1).ctxId;
  const bits = (info.infoFlags & abi.INFO_HUGE) != 0 ? hdr(m, abi.H_INDEX_BITS) : 0;
  if ((info.infoFlags & abi.INFO_FULL) != 0) visitAll(m, ctxId, to, cpu);
  else visitRange(m, ctxId, info.infoStart, info.infoEnd, (<u64>1) << bits, to, cpu);
}

/** Adds to mask `to` whoever may hold what the request in `info` is about. */
export function directoryHolders(m: usize, info: Cpu, to: usize): void {
  visitRequest(m, info, to, 0);
}

/** CPU `cpu` has applied the request. */
export function directoryLeave(m: usize, info: Cpu, cpu: u32): void {
  visitRequest(m, info, 0, cpu);
}
