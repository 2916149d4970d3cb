/**
 * Pins of pages, under the container lock: nodes of type1 (a reference and a count), what drivers
 * believe to have pinned, and what a mapping holds by itself while a domain translates it
 * (vfio-vdpa.md 1.2, 1.7, 1.8).
 */
import * as abi from "../../src/core/abi";
import { cacheDropRange } from "../cache";
import { putFrame } from "../pools";
import { Plain } from "../atomics";
import { frameAt, hdr, iotlbAt, mmAt } from "../machine";
import { Ctx } from "../rows";
import { softWalk } from "../walk";
import { covering } from "./mappings";
import { ledgerAt, listOf, Mapping, Page, pageAt, pagesOf } from "./rows";

/** The page of the owner's mm that page `page` of a mapping stands for. */
function vpnOf(mapping: Mapping, page: u32): u64 {
  return <u64>(mapping.base + (page - mapping.start));
}

/** The owner's entry for page `page` of a mapping if it can be pinned as it is, or 0. */
function entryOf(m: usize, mapping: Mapping, page: u32): u64 {
  const owner = mmAt(m, mapping.mm - 1);
  if (owner.ctxId != mapping.owner || owner.root == 0) return 0;
  const pte = softWalk<Plain>(m, mapping.mm - 1, vpnOf(mapping, page));
  return (pte & (abi.PTE_P | abi.PTE_W)) == (abi.PTE_P | abi.PTE_W) ? pte : 0;
}

/**
 * OP_PIN_ABSENT: the page that must be faulted in before page `page` of the mapping can be pinned.
 * All-ones: none, or not by this context, which has another mm.
 */
export function absentPage(m: usize, ctx: Ctx, mapping: Mapping, page: u32): u64 {
  if (ctx.mm != mapping.mm || mmAt(m, mapping.mm - 1).ctxId != mapping.owner) return u64.MAX_VALUE;
  if ((mapping.flags & abi.MAP_CLOSED) != 0 || entryOf(m, mapping, page) != 0) return u64.MAX_VALUE;
  return vpnOf(mapping, page);
}

/** The first page of a mapping that it does not hold, or the one behind its last. */
export function firstUnheld(m: usize, mapping: Mapping): u32 {
  let page = mapping.start;
  while (page < mapping.end && pageAt(m, page).held != 0) page++;
  return page;
}

/** The frame behind page `page` of a mapping, with a new reference; -1: it is not present. */
function pinFrame(m: usize, mapping: Mapping, page: u32): i32 {
  const pte = entryOf(m, mapping, page);
  if (pte == 0) return -1;
  const pfn = <u32>(pte >> abi.PTE_SHIFT);
  frameAt(m, pfn).refs++;
  return <i32>pfn;
}

/** OP_PIN_GET. True: the page is pinned once more; ctx.seq says which frame it is, + 1. */
export function pinGet(m: usize, ctx: Ctx, page: u64): bool {
  ctx.seq = 0;
  if (listOf(m) == 0) return false;
  const mapping = covering(m, page);
  if (mapping == null || (mapping.flags & abi.MAP_CLOSED) != 0) return false;
  const row = pageAt(m, <u32>page);
  if (row.pin == 0) {
    const pfn = pinFrame(m, mapping, <u32>page);
    if (pfn < 0) return false;
    row.pin = <u32>pfn + 1;
  }
  row.pins++;
  ctx.seq = row.pin;
  return true;
}

/** One pin of the page less; the last one takes the node and its reference. */
function dropPin<F>(m: usize, actor: u32, row: Page): void {
  if (--row.pins != 0) return;
  const pfn = row.pin - 1;
  row.pin = 0;
  putFrame<F>(m, actor, pfn);
}

/** The first page of the notified range that the driver still has pins of, or all-ones. */
function ownPage(m: usize, ctx: Ctx): u64 {
  const end = min<u64>(ctx.hEnd, pagesOf(m));
  for (let page = ctx.hStart; page < end; page++) {
    if (ledgerAt(m, ctx.dev - 1, <u32>page).count != 0) return page;
  }
  return u64.MAX_VALUE;
}

/** OP_PIN_PUT. True: the page is part of a mapping, whether or not it was pinned. */
export function pinPut<F>(m: usize, actor: u32, ctx: Ctx, given: u64, told: bool): bool {
  const page = told ? ownPage(m, ctx) : given;
  if (page >= <u64>pagesOf(m)) return false;
  const own = ledgerAt(m, ctx.dev - 1, <u32>page);
  if (own.count != 0) own.count--;
  if (covering(m, page) == null) return false;
  const row = pageAt(m, <u32>page);
  if (row.pin != 0) dropPin<F>(m, actor, row);
  return true;
}

/** OP_PIN_NOTE: the driver's ledger. */
export function pinNote(m: usize, ctx: Ctx, page: u64, how: u32): i32 {
  const dev: u32 = ctx.dev - 1;
  if (how == abi.LEDGER_FIND) {
    ctx.flag = ownPage(m, ctx) != u64.MAX_VALUE ? 1 : 0;
    return abi.ST_OK;
  }
  if (how == abi.LEDGER_STOP_TOLD) {
    const end = min<u64>(ctx.hEnd, pagesOf(m));
    for (let i = ctx.hStart; i < end; i++) stop(m, dev, <u32>i);
    return abi.ST_OK;
  }
  const at = how == abi.LEDGER_ADD_TOLD ? ctx.hStart : page;
  if (at >= <u64>pagesOf(m)) return abi.ST_OK;
  const own = ledgerAt(m, dev, <u32>at);
  if (how == abi.LEDGER_STOP) {
    if (own.count <= 1) stop(m, dev, <u32>at);
    return abi.ST_OK;
  }
  if (how != abi.LEDGER_ADD && how != abi.LEDGER_ADD_TOLD) return abi.ST_BAD_PROGRAM;
  if (ctx.seq == 0) return abi.ST_BAD_PROGRAM;
  own.count++;
  own.frame = ctx.seq;
  own.gen = frameAt(m, ctx.seq - 1).gen;
  ctx.seq = 0;
  return abi.ST_OK;
}

function stop(m: usize, dev: u32, page: u32): void {
  const own = ledgerAt(m, dev, page);
  own.frame = 0;
  own.gen = 0;
}

/** Is the page in want of this step of OP_DOMAIN? */
function wants(row: Page, how: u32): bool {
  switch (how) {
    case abi.DOMAIN_PIN: return row.held == 0;
    case abi.DOMAIN_MAP: return row.held != 0 && row.to == 0;
    case abi.DOMAIN_UNMAP: return row.to != 0;
    default: return row.held != 0;
  }
}

/** OP_DOMAIN: the next page of the mapping, in ascending order. True: there was one, it is done. */
export function domain<F>(m: usize, actor: u32, mapping: Mapping, how: u32): bool {
  for (let page = mapping.start; page < mapping.end; page++) {
    const row = pageAt(m, page);
    if (!wants(row, how)) continue;
    switch (how) {
      case abi.DOMAIN_PIN: {
        const pfn = pinFrame(m, mapping, page);
        if (pfn < 0) return false;
        row.held = <u32>pfn + 1;
        return true;
      }
      case abi.DOMAIN_MAP: {
        row.to = row.held;
        row.toGen = frameAt(m, row.held - 1).gen;
        return true;
      }
      case abi.DOMAIN_UNMAP: {
        row.to = 0;
        row.toGen = 0;
        return true;
      }
      default: {
        const pfn = row.held - 1;
        row.held = 0;
        putFrame<F>(m, actor, pfn);
        return true;
      }
    }
  }
  return false;
}

/** OP_DOMAIN, DOMAIN_FLUSH: no device's IOTLB has anything of the mapping any more. */
export function flushIotlbs(m: usize, mapping: Mapping): void {
  for (let dev: u32 = 0; dev < hdr(m, abi.H_DEVICES); dev++) {
    cacheDropRange(iotlbAt(m, dev), hdr(m, abi.H_IOTLB_SETS), hdr(m, abi.H_IOTLB_WAYS),
      hdr(m, abi.H_INDEX_BITS), mapping.start, mapping.end);
  }
}
