/** Micro-ops of mappings for DMA and of pinned pages (vfio-vdpa.md 1.4 to 1.8, V1). */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { covers, dropWhere, fill, lookUp } from "./caches.js";
import { raise } from "./oracle.js";
import { covering, type DmaMapping, leak, ownOf, type Pins } from "./pins.js";
import type { Context, Model, Pte } from "./state.js";
import { has, putFrame, softWalk } from "./tables.js";

export const isPin = (op: number): boolean => op >= abi.OP_PINS_FIRST && op <= abi.OP_PINS_LAST;

const bitOf = (lock: number): number => abi.LOCK_CONTAINER << lock;

function take(pins: Pins, c: Context, lock: number): number {
  switch (lock) {
    case abi.PINS_CONTAINER:
      if (pins.container !== null) return abi.ST_WAIT;
      pins.container = c.index;
      break;
    case abi.PINS_LIST:
      if (pins.list !== null) return abi.ST_WAIT;
      pins.list = c.index;
      break;
    case abi.PINS_CHAIN:
      if (pins.writer) return abi.ST_WAIT;
      pins.readers++;
      break;
    default:
      if (pins.writer || pins.readers > 0) return abi.ST_WAIT;
      pins.writer = true;
  }
  c.locks |= bitOf(lock);
  return abi.ST_OK;
}

function giveBack(pins: Pins, c: Context, lock: number): number {
  if ((c.locks & bitOf(lock)) === 0) return abi.ST_BAD_PROGRAM;
  if (lock === abi.PINS_CONTAINER) pins.container = null;
  else if (lock === abi.PINS_LIST) pins.list = null;
  else if (lock === abi.PINS_CHAIN) pins.readers--;
  else pins.writer = false;
  c.locks &= ~bitOf(lock);
  return abi.ST_OK;
}

// ── mappings ────────────────────────────────────────────────────────────────────────────────

function add(model: Model, pins: Pins, c: Context, i: Instruction): boolean {
  const [start, end, base] = [c.r[i.a], c.r[i.b], c.r[i.c]];
  if (c.mm === null || start >= end || end > BigInt(pins.pages) || base >= 1n << 32n) return false;
  const [from, to] = [Number(start), Number(end)];
  if (pins.mappings.some((d) => d !== null && d.start < to && from < d.end)) return false;
  const row = pins.mappings.indexOf(null);
  if (row < 0) return false;
  pins.mappings[row] = {
    start: from,
    end: to,
    base: Number(base),
    mm: c.mm,
    owner: model.mm(c.mm).ctxId,
    inDomain: (i.imm & abi.MAP_DOMAIN) !== 0,
    inTree: true,
    closed: false,
  };
  return true;
}

function handleOf(pins: Pins, row: number): bigint {
  return (BigInt(pins.freed[row]) << 8n) | BigInt(row + 1);
}

function find(pins: Pins, start: bigint, end: bigint, whole: boolean): bigint {
  const hits = pins.mappings.flatMap((d, row) => {
    const isHit = d?.inTree === true && BigInt(d.start) < end && start < BigInt(d.end);
    return isHit ? [{ d, row }] : [];
  });
  if (hits.length === 0) return 0n;
  const isCut = hits.some(({ d }) => BigInt(d.start) < start || BigInt(d.end) > end);
  if (whole && isCut) return 0n;
  const lowest = hits.reduce((a, b) => (b.d.start < a.d.start ? b : a));
  return handleOf(pins, lowest.row);
}

function rowOf(pins: Pins, handle: bigint): number {
  return pins.mappings.findIndex((d, row) => d !== null && handleOf(pins, row) === handle);
}

function pagesIn({ start, end }: DmaMapping): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i);
}

function test(pins: Pins, d: DmaMapping, what: number): boolean {
  if (what === abi.TEST_DOMAIN) return d.inDomain;
  if (what === abi.TEST_PINNED) return pagesIn(d).some((page) => pins.nodes.has(page));
  return pagesIn(d).every((page) => pins.held.has(page));
}

/** True: something is left that nobody can drop. */
function remove(model: Model, pins: Pins, actor: number, row: number, how: number): boolean {
  const d = pins.mappings[row]!;
  if (how === abi.REMOVE_DETACH) {
    d.inTree = false;
    return false;
  }
  let left = false;
  for (const page of pagesIn(d)) {
    const held = pins.held.get(page);
    const node = pins.nodes.get(page);
    if (held !== undefined) leak(pins, held);
    if (node !== undefined && how === abi.REMOVE_RELEASE) putFrame(model, actor, node.pfn);
    else if (node !== undefined) leak(pins, node.pfn);
    left ||= held !== undefined || (node !== undefined && how !== abi.REMOVE_RELEASE);
    for (const map of [pins.held, pins.nodes, pins.domain]) map.delete(page);
  }
  pins.mappings[row] = null;
  pins.freed[row]++;
  return left;
}

// ── pins ────────────────────────────────────────────────────────────────────────────────────

/** What the owner's table has for an iova page; null: its mm is gone. */
function entryFor(model: Model, d: DmaMapping, page: number): { pte: Pte | null } | null {
  const mm = model.mms[d.mm];
  if (!mm || mm.ctxId !== d.owner) return null;
  return { pte: softWalk(model, mm, BigInt(d.base + page - d.start)) };
}

const isWritable = (pte: Pte | null): pte is Pte => has(pte, abi.PTE_P) && has(pte, abi.PTE_W);

/** What has to be faulted in, into the context's own mm. */
function absent(model: Model, pins: Pins, c: Context, i: Instruction): void {
  const isPage = i.imm === abi.ABSENT_PAGE;
  const x = c.r[i.a];
  const d = isPage ? covering(pins, Number(x)) : (pins.mappings[rowOf(pins, x)] ?? null);
  const page = isPage ? Number(x) : d && pagesIn(d).find((p) => !pins.held.has(p));
  c.flag = false;
  if (d === null || page === null || page === undefined || d.closed || d.mm !== c.mm) return;
  const entry = entryFor(model, d, page);
  if (entry === null || isWritable(entry.pte)) return;
  c.r[i.b] = BigInt(d.base + page - d.start);
  c.flag = true;
}

/** The frame behind an iova page, referenced once more. */
function pinFrame(model: Model, d: DmaMapping, page: number): number | null {
  const pte = entryFor(model, d, page)?.pte ?? null;
  if (!isWritable(pte)) return null;
  model.frames[pte.to].refs++;
  return pte.to;
}

function get(model: Model, pins: Pins, c: Context, page: number): boolean {
  c.seq = 0;
  const d = covering(pins, page);
  if (pins.listed.length === 0 || d === null || d.closed) return false;
  let node = pins.nodes.get(page);
  if (node === undefined) {
    const pfn = pinFrame(model, d, page);
    if (pfn === null) return false;
    pins.nodes.set(page, (node = { pfn, count: 0 }));
  }
  node.count++;
  c.seq = node.pfn + 1;
  return true;
}

/** Pages of the notified range. */
function toldPages(pins: Pins, c: Context): number[] {
  const all = Array.from({ length: pins.pages }, (_, page) => page);
  return all.filter((page) => c.hook.start <= BigInt(page) && BigInt(page) < c.hook.end);
}

function ownPage(pins: Pins, c: Context): number | undefined {
  return toldPages(pins, c).find((page) => ownOf(pins, c.dev!, page).count > 0);
}

function put(model: Model, pins: Pins, actor: number, c: Context, page: number): boolean {
  if (page >= pins.pages) return false;
  const own = ownOf(pins, c.dev!, page);
  own.count = Math.max(0, own.count - 1);
  if (covering(pins, page) === null) return false;
  const node = pins.nodes.get(page);
  if (node !== undefined && --node.count === 0) {
    pins.nodes.delete(page);
    putFrame(model, actor, node.pfn);
  }
  return true;
}

function note(model: Model, pins: Pins, c: Context, page: number, how: number): number {
  const device = c.dev!;
  switch (how) {
    case abi.LEDGER_FIND:
      c.flag = ownPage(pins, c) !== undefined;
      break;
    case abi.LEDGER_STOP_TOLD:
      for (const told of toldPages(pins, c)) ownOf(pins, device, told).frame = null;
      break;
    case abi.LEDGER_STOP:
      if (page < pins.pages && ownOf(pins, device, page).count <= 1) {
        ownOf(pins, device, page).frame = null;
      }
      break;
    default: {
      const at = how === abi.LEDGER_ADD_TOLD ? Number(c.hook.start) : page;
      if (at >= pins.pages) break;
      if (c.seq === 0) return abi.ST_BAD_PROGRAM;
      const own = ownOf(pins, device, at);
      own.count++;
      own.frame = { pfn: c.seq - 1, gen: model.frames[c.seq - 1].gen };
      c.seq = 0;
    }
  }
  return abi.ST_OK;
}

// ── domains and DMA ─────────────────────────────────────────────────────────────────────────

/** One page of a mapping. True: there was one to do, and it is done. */
function domain(model: Model, pins: Pins, actor: number, d: DmaMapping, how: number): boolean {
  const { held, domain: to } = pins;
  const pages = pagesIn(d);
  const first = (isDue: (page: number) => boolean): number | undefined => pages.find(isDue);
  if (how === abi.DOMAIN_PIN) {
    const page = first((p) => !held.has(p));
    const pfn = page === undefined ? null : pinFrame(model, d, page);
    if (page === undefined || pfn === null) return false;
    held.set(page, pfn);
    return true;
  }
  if (how === abi.DOMAIN_MAP) {
    const page = first((p) => held.has(p) && !to.has(p));
    if (page === undefined) return false;
    const pfn = held.get(page)!;
    to.set(page, { pfn, gen: model.frames[pfn].gen });
    return true;
  }
  const page = first((p) => (how === abi.DOMAIN_UNMAP ? to : held).has(p));
  if (page === undefined) return false;
  if (how === abi.DOMAIN_UNMAP) return to.delete(page);
  const pfn = held.get(page)!;
  held.delete(page);
  putFrame(model, actor, pfn);
  return true;
}

function flush(model: Model, { start, end }: DmaMapping): void {
  for (const { cache } of model.devices) {
    dropWhere(cache, (e) => covers(e, BigInt(start), BigInt(end), model.bits));
  }
}

function access(model: Model, pins: Pins, device: number, vpn: bigint, how: number): boolean {
  const actor = model.geometry.cpus + device;
  const page = Number(vpn);
  let frame: { pfn: number; gen: number } | null = null;
  if (vpn < BigInt(pins.pages)) {
    if ((how & abi.DMA_TRANSLATED) === 0) {
      ({ frame } = ownOf(pins, device, page));
    } else {
      const hit = lookUp(model.devices[device].cache, vpn, 0, model.bits);
      frame = hit && { pfn: hit.frame, gen: hit.gen };
    }
  }
  model.count(actor, frame ? abi.CT_DEV_HIT : abi.CT_DEV_MISS);
  if (!frame) return false;
  const { pfn, gen } = frame;
  const isHeld = pins.held.get(page) === pfn || pins.nodes.get(page)?.pfn === pfn;
  if (model.frames[pfn].gen !== gen) raise(model, actor, abi.HZ_UAF, vpn, pfn);
  else if (!isHeld || covering(pins, page) === null) raise(model, actor, abi.HZ_UNPINNED, vpn, pfn);
  return true;
}

function walk(model: Model, pins: Pins, device: number, vpn: bigint): boolean {
  const to = vpn < BigInt(pins.pages) ? pins.domain.get(Number(vpn)) : undefined;
  if (to === undefined) return false;
  const entry = { vpn, asid: 0, huge: false, writable: true, frame: to.pfn, gen: to.gen };
  fill(model.devices[device].cache, entry, model.bits);
  return true;
}

// ── who is told ─────────────────────────────────────────────────────────────────────────────

function tell(model: Model, pins: Pins, actor: number, c: Context, handle: bigint): void {
  const d = pins.mappings[rowOf(pins, handle)];
  if (!d) raise(model, actor, abi.HZ_UAF, 0n, 0);
  else c.hook = { start: BigInt(d.start), end: BigInt(d.end) };
}

function next(model: Model, pins: Pins, actor: number, c: Context, i: Instruction, from: number) {
  while (c.cursor !== 0) {
    const device = c.cursor - 1;
    const place = pins.listed.indexOf(device);
    c.cursor = place < 0 ? 0 : (pins.listed[place + 1] ?? -1) + 1;
    const { callback } = pins.devices[device];
    if (callback === 0) continue;
    if (i.imm === abi.NEXT_REREAD) tell(model, pins, actor, c, c.r[i.a]);
    c.dev = device;
    if (c.stack.length === 4) return abi.ST_BAD_PROGRAM;
    c.stack.push(from);
    c.pc = callback;
    return abi.ST_OK;
  }
  c.dev = null;
  c.hook = { start: 0n, end: 0n };
  return abi.ST_OK;
}

function list(pins: Pins, device: number, how: number): void {
  const { listed } = pins;
  if (how === abi.LIST_LEAVE) pins.listed = listed.filter((other) => other !== device);
  else if (!listed.includes(device)) listed.unshift(device);
}

// ── by code ─────────────────────────────────────────────────────────────────────────────────

function runMapping(model: Model, pins: Pins, actor: number, c: Context, i: Instruction): number {
  if ((c.locks & abi.LOCK_CONTAINER) === 0) return abi.ST_BAD_PROGRAM;
  if (i.op === abi.OP_PIN_ABSENT) {
    absent(model, pins, c, i);
    return abi.ST_OK;
  }
  if (i.op === abi.OP_DMA_ADD) {
    c.flag = add(model, pins, c, i);
    return abi.ST_OK;
  }
  if (i.op === abi.OP_DMA_FIND) {
    c.r[i.a] = find(pins, c.r[i.b], c.r[i.c], i.imm === abi.FIND_WHOLE);
    c.flag = c.r[i.a] !== 0n;
    return abi.ST_OK;
  }
  const row = rowOf(pins, c.r[i.a]);
  const d = pins.mappings[row];
  if (!d) {
    raise(model, actor, abi.HZ_UAF, 0n, 0);
    c.flag = false;
    return abi.ST_OK;
  }
  if (i.op === abi.OP_DMA_TEST) c.flag = test(pins, d, i.imm);
  else if (i.op === abi.OP_DMA_CLOSE) d.closed = true;
  else if (i.op === abi.OP_DMA_REMOVE) {
    const left = remove(model, pins, actor, row, i.imm);
    if (left) raise(model, actor, abi.HZ_LEAK, BigInt(d.start), 0);
  } else if (i.imm === abi.DOMAIN_FLUSH) flush(model, d);
  else c.flag = domain(model, pins, actor, d, i.imm);
  return abi.ST_OK;
}

function runDevice(model: Model, pins: Pins, actor: number, c: Context, i: Instruction): number {
  if (c.dev === null) return abi.ST_BAD_PROGRAM;
  const isLocked = (c.locks & abi.LOCK_CONTAINER) !== 0;
  const vpn = c.r[i.a];
  const isTold = i.imm === abi.PIN_TOLD;
  switch (i.op) {
    case abi.OP_PIN_GET:
      if (!isLocked) return abi.ST_BAD_PROGRAM;
      c.flag = get(model, pins, c, Number(isTold ? c.hook.start : vpn));
      return abi.ST_OK;
    case abi.OP_PIN_PUT: {
      if (!isLocked) return abi.ST_BAD_PROGRAM;
      const page = isTold ? (ownPage(pins, c) ?? Infinity) : Number(vpn);
      c.flag = put(model, pins, actor, c, page);
      return abi.ST_OK;
    }
    case abi.OP_PIN_NOTE:
      return note(model, pins, c, Number(vpn), i.imm);
    case abi.OP_PIN_LIST:
      list(pins, c.dev, i.imm);
      return abi.ST_OK;
    case abi.OP_DMA_ACCESS:
      c.flag = access(model, pins, c.dev, vpn, i.imm);
      return abi.ST_OK;
    default:
      c.flag = walk(model, pins, c.dev, vpn);
      return abi.ST_OK;
  }
}

/** OP_PINS_LOCK … OP_PIN_PICK; `from` is where a callback comes back to. */
export function runPins(
  model: Model,
  actor: number,
  c: Context,
  i: Instruction,
  from: number,
): number {
  const { pins } = model;
  if (!pins) return abi.ST_BAD_PROGRAM;
  const x = c.r[i.a];
  switch (i.op) {
    case abi.OP_PINS_LOCK:
      return take(pins, c, i.imm);
    case abi.OP_PINS_UNLOCK:
      return giveBack(pins, c, i.imm);
    case abi.OP_PIN_PICK:
      if (i.imm !== abi.PICK_NONE && x >= BigInt(model.geometry.devices)) {
        return abi.ST_BAD_PROGRAM;
      }
      c.dev = i.imm === abi.PICK_NONE ? null : Number(x);
      return abi.ST_OK;
    case abi.OP_DMA_FATAL:
      raise(model, actor, abi.HZ_FATAL, x, 0);
      return abi.ST_OK;
    case abi.OP_DMA_TELL:
      if (i.imm === abi.TELL_LIST) c.cursor = (pins.listed[0] ?? -1) + 1;
      else tell(model, pins, actor, c, x);
      return abi.ST_OK;
    case abi.OP_DMA_NEXT:
      return next(model, pins, actor, c, i, from);
    case abi.OP_PIN_ABSENT:
    case abi.OP_DMA_ADD:
    case abi.OP_DMA_FIND:
    case abi.OP_DMA_TEST:
    case abi.OP_DMA_CLOSE:
    case abi.OP_DMA_REMOVE:
    case abi.OP_DOMAIN:
      return runMapping(model, pins, actor, c, i);
    default:
      return runDevice(model, pins, actor, c, i);
  }
}
