/**
 * Rows of pinned pages (ROW_PINS): one container of VFIO, one IOAS of iommufd or one vhost-vdpa
 * device, in machines whose programs use it (vfio-vdpa.md 1.1).
 *
 *   at H_OFF_PINS   u32: pages · mappings · container lock · list lock · chain lock · head of the
 *                   list · offset of the pages' rows · of the devices' · of the leaks · bytes of a
 *                   device's row
 *   mapping         a vfio_dma: see Mapping. A free row is zero but for its generation
 *   page            of iova space: see Page
 *   device          entry of its dma_unmap u16, PIN_LISTED u16, next of the list u32, then what the
 *                   driver believes, page by page: see Ledger
 *   leaks           per frame u32: references that nobody can drop any more
 *
 * Locks hold context + 1, or 0; the chain lock counts readers, or is -1 for a writer. Pages of iova
 * space are few: a container refuses to map what is beyond them, as outside its allowed range.
 * Device rows are plain, as everywhere.
 */
import * as abi from "../../src/core/abi";
import { word, setWord } from "../interval-tree/node";
import { hdr } from "../machine";

@unmanaged
export class Mapping {
  start: u32; // iova, half-open, pages
  end: u32;
  base: u32; // page of the mm that `start` stands for
  mm: u32; // mm + 1
  owner: u32; // that mm's ctxId when it was mapped
  flags: u32; // MAP_*
  gen: u32; // + 1 when it is freed
  pad: u32;
}

@unmanaged
export class Page {
  pin: u32; // node: frame + 1; the node holds one reference
  pins: u32; // its count
  held: u32; // frame + 1 that the mapping itself holds a reference of
  to: u32; // what the domain translates it to, frame + 1
  toGen: u32; // that frame's generation then
  pad: u32;
}

@unmanaged
export class Ledger {
  frame: u32; // what the device writes to, frame + 1; 0: it was stopped
  gen: u32; // the frame's generation when it was pinned
  count: u32; // pins that the driver has and has not given back
  pad: u32;
}

const HEAD_BYTES: u32 = 40;
const W_PAGES: i32 = 0;
const W_MAPPINGS: i32 = 1;
const W_LOCKS: i32 = 2;
const W_LIST: i32 = 5;
const W_PAGE_ROWS: i32 = 6;
const W_DEVICE_ROWS: i32 = 7;
const W_LEAKS: i32 = 8;
const W_STRIDE: i32 = 9;
const D_LISTED: usize = 2;
const D_NEXT: usize = 4;
const D_LEDGER: usize = 8;

// @ts-ignore: decorator
@inline
export function hasPins(m: usize): bool {
  return (hdr(m, abi.H_ROWS) & abi.ROW_PINS) != 0;
}

// @ts-ignore: decorator
@inline
function headAt(m: usize): usize {
  return m + hdr(m, abi.H_OFF_PINS);
}

/** Nothing is mapped. The region is zero. */
export function initPins(m: usize): void {
  if (!hasPins(m)) return;
  const head = headAt(m);
  const isTimed = hdr(m, abi.H_LOG_CAP) != 0;
  const bits = min<u32>(6, hdr(m, abi.H_LEVELS) * hdr(m, abi.H_INDEX_BITS));
  const pages: u32 = (<u32>1) << bits;
  const mappings: u32 = isTimed ? 16 : 4;
  const stride = <u32>D_LEDGER + pages * <u32>offsetof<Ledger>();
  setWord(head, W_PAGES, pages);
  setWord(head, W_MAPPINGS, mappings);
  const pageRows = HEAD_BYTES + mappings * <u32>offsetof<Mapping>();
  const deviceRows = pageRows + pages * <u32>offsetof<Page>();
  setWord(head, W_PAGE_ROWS, pageRows);
  setWord(head, W_DEVICE_ROWS, deviceRows);
  setWord(head, W_LEAKS, deviceRows + hdr(m, abi.H_DEVICES) * stride);
  setWord(head, W_STRIDE, stride);
}

/** Pages of iova space. */
export function pagesOf(m: usize): u32 {
  return word(headAt(m), W_PAGES);
}

export function mappingsOf(m: usize): u32 {
  return word(headAt(m), W_MAPPINGS);
}

/** Word of a lock: PINS_CONTAINER, PINS_LIST, PINS_CHAIN. */
export function lockAt(m: usize, lock: u32): usize {
  return headAt(m) + ((W_LOCKS + lock) << 2);
}

/** First device of the list, index + 1; the newest comes first. */
export function listOf(m: usize): u32 {
  return word(headAt(m), W_LIST);
}

export function setList(m: usize, device: u32): void {
  setWord(headAt(m), W_LIST, device);
}

export function mappingAt(m: usize, row: u32): Mapping {
  return changetype<Mapping>(headAt(m) + HEAD_BYTES + row * <u32>offsetof<Mapping>());
}

export function pageAt(m: usize, page: u32): Page {
  const head = headAt(m);
  return changetype<Page>(head + word(head, W_PAGE_ROWS) + page * <u32>offsetof<Page>());
}

function deviceRow(m: usize, dev: u32): usize {
  const head = headAt(m);
  return head + word(head, W_DEVICE_ROWS) + dev * word(head, W_STRIDE);
}

/** Program of the device's dma_unmap, 0: it has none. */
export function callbackOf(m: usize, dev: u32): u32 {
  return load<u16>(deviceRow(m, dev));
}

export function setCallback(m: usize, dev: u32, pc: u32): void {
  store<u16>(deviceRow(m, dev), <u16>pc);
}

export function isListed(m: usize, dev: u32): bool {
  return load<u16>(deviceRow(m, dev), D_LISTED) != 0;
}

export function setListed(m: usize, dev: u32, listed: bool): void {
  store<u16>(deviceRow(m, dev), listed ? <u16>abi.PIN_LISTED : 0, D_LISTED);
}

/** The device behind it in the list, index + 1. */
export function nextOf(m: usize, dev: u32): u32 {
  return load<u32>(deviceRow(m, dev), D_NEXT);
}

export function setNext(m: usize, dev: u32, next: u32): void {
  store<u32>(deviceRow(m, dev), next, D_NEXT);
}

export function ledgerAt(m: usize, dev: u32, page: u32): Ledger {
  return changetype<Ledger>(deviceRow(m, dev) + D_LEDGER + page * <u32>offsetof<Ledger>());
}

/** One more reference of the frame is lost for good. */
export function leak(m: usize, pfn: u32): void {
  const head = headAt(m);
  const p = head + word(head, W_LEAKS) + (pfn << 2);
  store<u32>(p, load<u32>(p) + 1);
}
