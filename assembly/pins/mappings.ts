/**
 * Mappings of a container, each a vfio_dma, an area of iommufd or an entry of vhost-vdpa: found by
 * iova, under the container lock. A handle (row + 1, generation << 8) outlives the row: who uses it
 * after the row was freed has used freed memory.
 */
import * as abi from "../../src/core/abi";
import { mmAt } from "../machine";
import { putFrame } from "../pools";
import { Ctx } from "../rows";
import { leak, Mapping, mappingAt, mappingsOf, Page, pageAt, pagesOf } from "./rows";

/** The mapping in the tree that covers a page. */
export function covering(m: usize, page: u64): Mapping | null {
  for (let row: u32 = 0; row < mappingsOf(m); row++) {
    const mapping = mappingAt(m, row);
    if ((mapping.flags & abi.MAP_TREE) == 0) continue;
    if (<u64>mapping.start <= page && page < <u64>mapping.end) return mapping;
  }
  return null;
}

/** Overlaps [start, end), in the tree or just taken out of it? */
function overlaps(m: usize, start: u64, end: u64): bool {
  for (let row: u32 = 0; row < mappingsOf(m); row++) {
    const mapping = mappingAt(m, row);
    if (mapping.flags == 0) continue;
    if (<u64>mapping.start < end && start < <u64>mapping.end) return true;
  }
  return false;
}

/** OP_DMA_ADD. True: it is mapped. False: empty, out of range, overlapping, or no row is free. */
export function addMapping(m: usize, ctx: Ctx, start: u64, end: u64, base: u64, imm: u32): bool {
  if (ctx.mm == 0 || start >= end || end > <u64>pagesOf(m) || base > 0xffffffff) return false;
  if (overlaps(m, start, end)) return false;
  for (let row: u32 = 0; row < mappingsOf(m); row++) {
    const mapping = mappingAt(m, row);
    if (mapping.flags != 0) continue;
    mapping.start = <u32>start;
    mapping.end = <u32>end;
    mapping.base = <u32>base;
    mapping.mm = ctx.mm;
    mapping.owner = mmAt(m, ctx.mm - 1).ctxId;
    mapping.flags = abi.MAP_USED | abi.MAP_TREE | (imm & abi.MAP_DOMAIN);
    return true;
  }
  return false;
}

/** OP_DMA_FIND: handle of the lowest mapping that overlaps [start, end), or 0. */
export function findMapping(m: usize, start: u64, end: u64, whole: bool): u64 {
  let found: i32 = -1;
  for (let row: u32 = 0; row < mappingsOf(m); row++) {
    const mapping = mappingAt(m, row);
    if ((mapping.flags & abi.MAP_TREE) == 0) continue;
    if (<u64>mapping.start >= end || start >= <u64>mapping.end) continue;
    if (found < 0 || mapping.start < mappingAt(m, found).start) found = <i32>row;
  }
  if (found < 0) return 0;
  const first = mappingAt(m, found);
  if (whole && isCut(m, start, end)) return 0;
  return (<u64>first.gen << 8) | <u64>(found + 1);
}

/** Does an edge of [start, end) lie inside a mapping? */
function isCut(m: usize, start: u64, end: u64): bool {
  const first = covering(m, start);
  if (first != null && <u64>first.start != start) return true;
  const last = covering(m, end - 1);
  return last != null && <u64>last.end != end;
}

/** The row of a handle; null: it was freed since. */
export function mappingOf(m: usize, handle: u64): Mapping | null {
  const row = <u32>(handle & 0xff);
  if (row == 0 || row > mappingsOf(m)) return null;
  const mapping = mappingAt(m, row - 1);
  if (mapping.flags == 0 || mapping.gen != <u32>(handle >> 8)) return null;
  return mapping;
}

/** OP_DMA_TEST. */
export function testMapping(m: usize, mapping: Mapping, what: u32): bool {
  if (what == abi.TEST_DOMAIN) return (mapping.flags & abi.MAP_DOMAIN) != 0;
  let any = false;
  let all = true;
  for (let page = mapping.start; page < mapping.end; page++) {
    any = any || pageAt(m, page).pin != 0;
    all = all && pageAt(m, page).held != 0;
  }
  return what == abi.TEST_PINNED ? any : all;
}

/** A node goes with its mapping: its reference is dropped, or nobody can any more. */
function losePin<F>(m: usize, actor: u32, row: Page, release: bool): void {
  const pfn = row.pin - 1;
  row.pin = 0;
  row.pins = 0;
  if (release) putFrame<F>(m, actor, pfn);
  else leak(m, pfn);
}

/** OP_DMA_REMOVE. True: pins, or pages that it held itself, were left behind: nobody knows them. */
export function removeMapping<F>(m: usize, actor: u32, mapping: Mapping, how: u32): bool {
  if (how == abi.REMOVE_DETACH) {
    mapping.flags &= ~abi.MAP_TREE;
    return false;
  }
  let left = false;
  for (let page = mapping.start; page < mapping.end; page++) {
    const row = pageAt(m, page);
    if (row.held != 0) {
      leak(m, row.held - 1);
      row.held = 0;
      left = true;
    }
    row.to = 0;
    row.toGen = 0;
    if (row.pin == 0) continue;
    left = left || how != abi.REMOVE_RELEASE;
    losePin<F>(m, actor, row, how == abi.REMOVE_RELEASE);
  }
  const gen = mapping.gen + 1;
  memory.fill(changetype<usize>(mapping), 0, offsetof<Mapping>());
  mapping.gen = gen;
  return left;
}
