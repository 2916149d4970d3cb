/** Micro-ops of subscribers (notifiers.md 1.2 to 1.7) on the model's objects. */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { dropTables, dropWhere } from "./caches.js";
import { raise } from "./oracle.js";
import type { Context, Model } from "./state.js";
import * as subs from "./subscribers.js";
import type { Listener, Sub, Subs, Subscribers } from "./subscribers.js";

const PAGES = 1n << 52n;
const lastOf = (end: bigint): bigint => (end < PAGES ? end : PAGES) - 1n;

export const isSubscriber = (op: number): boolean =>
  op >= abi.OP_ITREE_START && op <= abi.OP_RANGE_REFUSED;

/** Was the subscriber of a device freed? */
export function isFreed(model: Model, device: number): boolean {
  return model.subscribers?.listeners[device].state === "freed";
}

/** May a new mm not have this row yet? */
export function keepsMm(model: Model, mm: number): boolean {
  return model.subscribers?.mms[mm].rows.some((s) => s !== null) ?? false;
}

/** A bracket of the mm has ended, or was refused. */
export function bracketIsOver(model: Model, actor: number, index: number): void {
  const mm = model.mm(index);
  if (!model.subscribers || mm.brackets > 0) return;
  for (const device of mm.subscribers) {
    if (model.devices[device].inProgress > 0) raise(model, actor, abi.HZ_UNBAL, 0n, 0);
  }
}

function readersNow({ readers }: Subscribers): Set<number> {
  return new Set(readers.flatMap(({ depth }, i) => (depth > 0 ? [i] : [])));
}

function runSrcu(all: Subscribers, c: Context, i: Instruction): number {
  const self = subs.readerOf(all, c);
  if (i.op === abi.OP_SRCU_LOCK) {
    self.depth++;
    return abi.ST_OK;
  }
  if (i.op === abi.OP_SRCU_UNLOCK) {
    if (self.depth === 0) return abi.ST_BAD_PROGRAM;
    if (--self.depth > 0) return abi.ST_OK;
    for (const { waits } of all.readers) waits.delete(c.index);
    for (const listener of all.listeners) {
      if (listener.waits.delete(c.index) && listener.waits.size === 0) listener.state = "freed";
    }
    return abi.ST_OK;
  }
  if (i.imm === abi.SYNC_BEGIN) self.waits = readersNow(all);
  else if (i.imm === abi.SYNC_WAIT) return self.waits.size > 0 ? abi.ST_WAIT : abi.ST_OK;
  else if (all.listeners.some(({ state }) => state === "freeing")) return abi.ST_WAIT;
  return abi.ST_OK;
}

/** Out of the list, and still pointing at who was behind it. */
function unlink(model: Model, device: number): boolean {
  const listener = model.subscribers!.listeners[device];
  if (listener.state !== "linked") return false;
  const list = model.mm(listener.mm!).subscribers;
  const at = list.indexOf(device);
  if (at >= 0) {
    listener.next = list[at + 1] ?? null;
    list.splice(at, 1);
  }
  listener.state = "none";
  listener.mm = null;
  listener.users = 0;
  return true;
}

function put(model: Model, c: Context, listener: Listener, now: boolean): void {
  c.flag = listener.users === 1;
  if (listener.users > 1) listener.users--;
  if (!c.flag) return;
  unlink(model, c.dev!);
  listener.state = "freeing";
  listener.waits = now ? new Set() : readersNow(model.subscribers!);
  if (listener.waits.size === 0) listener.state = "freed";
}

function stop(model: Model, actor: number, index: number): void {
  if (isFreed(model, index)) raise(model, actor, abi.HZ_UAF, 0n, 0);
  const device = model.devices[index];
  device.mm = null;
  device.seq++;
  dropWhere(device.cache, () => true);
  dropTables(device.pwc);
}

function runLink(model: Model, c: Context, listener: Listener, imm: number): number {
  const isThere = listener.state === "linked";
  if (imm === abi.LINK_GET || isThere) {
    c.flag = imm === abi.LINK_GET && isThere;
    if (c.flag) listener.users++;
    return abi.ST_OK;
  }
  const mm = model.mm(c.mm!);
  if (mm.users === 0) return abi.ST_BAD_PROGRAM;
  if (mm.brackets > 0) return abi.ST_WAIT;
  mm.subscribers.unshift(c.dev!);
  model.devices[c.dev!].mm = c.mm;
  Object.assign(listener, { state: "linked", mm: c.mm, users: 1, next: null });
  c.flag = true;
  return abi.ST_OK;
}

function runLife(model: Model, actor: number, c: Context, i: Instruction): number {
  if (i.op === abi.OP_SUB_UNLINK && i.imm === abi.UNLINK_ALL) {
    for (const device of [...model.mm(c.mm!).subscribers]) {
      if (!unlink(model, device)) return abi.ST_BAD_PROGRAM;
    }
    return abi.ST_OK;
  }
  if (c.dev === null) return abi.ST_BAD_PROGRAM;
  const listener = model.subscribers!.listeners[c.dev];
  if (i.op === abi.OP_SUB_LINK) return runLink(model, c, listener, i.imm);
  switch (i.imm) {
    case abi.UNLINK_ONE:
      c.flag = unlink(model, c.dev);
      break;
    case abi.UNLINK_PUT:
    case abi.UNLINK_PUT_NOW:
      put(model, c, listener, i.imm === abi.UNLINK_PUT_NOW);
      break;
    case abi.UNLINK_STOP:
      stop(model, actor, c.dev);
      break;
    default:
      if (listener.state !== "linked") listener.state = "freed";
  }
  return abi.ST_OK;
}

function runAsk(model: Model, all: Subscribers, c: Context, i: Instruction): number {
  const { told } = subs.readerOf(all, c);
  const event = told & 0xff;
  switch (i.imm) {
    case abi.ASK_SLEEP:
      c.flag = (told & abi.START_NO_SLEEP) === 0;
      break;
    case abi.ASK_REFUSED:
      c.flag = (told & abi.TOLD_REFUSED) !== 0;
      break;
    case abi.ASK_EVENT:
      c.flag = event === i.c;
      break;
    case abi.ASK_OWN:
      c.flag = c.dev !== null && ((told >> 8) & 0xff) === c.dev + 1 && event === i.c;
      break;
    default: {
      if (c.dev === null) return abi.ST_BAD_PROGRAM;
      if (i.imm === abi.ASK_LINKED) {
        c.flag = all.listeners[c.dev].state === "linked";
        break;
      }
      const device = model.devices[c.dev];
      c.flag = device.lock === null;
      if (c.flag) {
        device.lock = c;
        c.locks |= abi.LOCK_DEV;
      }
    }
  }
  return abi.ST_OK;
}

/** What the walk of a context has told last, or, at first, is to tell. */
function cursorOf(of: Subs, c: Context): Sub | null {
  return c.cursor === 0 ? null : of.rows[c.cursor - 1];
}

function startBracket(all: Subscribers, of: Subs, c: Context, i: Instruction): void {
  if ((i.imm & abi.START_AGAIN) === 0) c.hook = { start: c.r[i.a], end: c.r[i.b] };
  subs.readerOf(all, c).told = i.imm & 0x1ffff;
  c.event = abi.HOOK_INTERVAL;
  c.cursor = 0;
  if (!of.enabled) return;
  const hit = subs.open(of, c.hook.start, lastOf(c.hook.end));
  c.cursor = hit === null ? 0 : hit.row + 1;
}

function firstPass(all: Subscribers, of: Subs, c: Context): Sub | null {
  const self = subs.readerOf(all, c);
  if (c.event === abi.HOOK_INTERVAL) {
    c.event = abi.HOOK_INTERVALS;
    return cursorOf(of, c);
  }
  const told = cursorOf(of, c);
  if (told === null || (self.told & abi.TOLD_REFUSED) !== 0) return null;
  if (all.listeners[told.device].entries[1] !== 0) self.finish.add(told.row);
  const walk = subs.hits(of, c.hook.start, lastOf(c.hook.end));
  return walk[walk.indexOf(told) + 1] ?? null;
}

/** Program of the next callback, 0 after the last. */
function nextCallback(all: Subscribers, of: Subs, c: Context): number {
  while (c.event !== abi.HOOK_FINISH) {
    const next = firstPass(all, of, c);
    if (next === null) {
      c.event = abi.HOOK_FINISH;
      break;
    }
    c.cursor = next.row + 1;
    c.dev = next.device;
    const [invalidate] = all.listeners[next.device].entries;
    if (invalidate !== 0) return invalidate;
  }
  const { finish } = subs.readerOf(all, c);
  const walk = subs.hits(of, c.hook.start, lastOf(c.hook.end));
  const next = walk.find(({ row }) => finish.has(row));
  if (next === undefined) finish.clear();
  else finish.delete(next.row);
  c.cursor = next === undefined ? 0 : next.row + 1;
  c.dev = next?.device ?? null;
  if (next !== undefined) return all.listeners[next.device].entries[1];
  c.event = 0;
  c.hook = { start: 0n, end: 0n };
  return 0;
}

function nextRelease(all: Subscribers, of: Subs, c: Context): number {
  for (;;) {
    const due = of.released.shift();
    c.dev = due?.device ?? null;
    if (due === undefined) return 0;
    of.rows[due.row] = null;
    const release = all.listeners[due.device].entries[2];
    if (release !== 0) return release;
  }
}

function call(c: Context, from: number, entry: number): number {
  if (entry === 0) return abi.ST_OK;
  if (c.stack.length === 4) return abi.ST_BAD_PROGRAM;
  c.stack.push(from);
  c.pc = entry;
  return abi.ST_OK;
}

function replace(of: Subs, s: Sub, first: bigint, last: bigint): boolean {
  const pieces = [
    { start: s.start, last: first - 1n },
    { start: last + 1n, last: s.last },
  ].filter((piece) => piece.start <= piece.last);
  if (subs.freeRows(of) < pieces.length) return false;
  subs.remove(of, s, true);
  for (const piece of pieces) subs.insert(of, s.device, piece.start, piece.last);
  return true;
}

function punch(of: Subs, c: Context, i: Instruction): boolean {
  const isTold = (i.imm & abi.PUNCH_TOLD) !== 0;
  const first = isTold ? c.hook.start : c.r[i.a];
  const last = lastOf(isTold ? c.hook.end : c.r[i.b]);
  const s = isTold ? cursorOf(of, c) : subs.find(of, c.dev!, first, last, false);
  if (s === null || first > last || s.leaving) return false;
  const isLeft = (i.imm & abi.PUNCH_LEFT) !== 0;
  const isRight = (i.imm & abi.PUNCH_RIGHT) !== 0;
  const posted = (i.imm & abi.PUNCH_POSTED) !== 0;
  if (isLeft && isRight) return replace(of, s, first, last);
  if (isRight) {
    if (s.start >= first || s.last <= last) return true;
    if (subs.freeRows(of) === 0) return false;
    subs.insert(of, s.device, last + 1n, s.last);
  } else if (s.start < first) subs.update(of, s, s.start, first - 1n, posted);
  else if (s.last > last) subs.update(of, s, last + 1n, s.last, posted);
  else subs.remove(of, s, true);
  return true;
}

function take(of: Subs, c: Context, i: Instruction): boolean {
  const isTold = (i.imm & abi.REMOVE_TOLD) !== 0;
  const page = c.r[i.a];
  const s = isTold ? cursorOf(of, c) : subs.find(of, c.dev!, page, page, false);
  if (s === null || s.leaving) return true;
  const isOut = subs.remove(of, s, (i.imm & abi.REMOVE_DEFERRED) !== 0);
  c.seq = of.seq;
  return isOut;
}

function move(of: Subs, c: Context, i: Instruction): boolean {
  const s = subs.find(of, c.dev!, c.r[i.a], c.r[i.a], false);
  const [start, end] = [c.r[i.b], c.r[i.c]];
  const posted = i.imm !== 0;
  if (s === null || start >= end || (posted && start + 1n === end)) return false;
  subs.update(of, s, start, lastOf(end), posted);
  return true;
}

function retry(model: Model, actor: number, of: Subs, c: Context, i: Instruction): void {
  const s = subs.subOf(of, c.r[11]);
  c.flag = s === null || s.leaving || s.stamp !== c.seq;
  c.r[11] = 0n;
  c.seq = 0;
  if (!c.flag) return;
  c.pte = null;
  c.frameGen = 0;
  model.count(actor, abi.CT_RETRY);
  if (i.imm === 0) return;
  c.r[i.a] = BigInt.asUintN(64, c.r[i.a] - 1n);
  if (c.r[i.a] === 0n) raise(model, actor, abi.HZ_NOPROG, 0n, 0);
}

function runOwn(model: Model, actor: number, of: Subs, c: Context, i: Instruction): number {
  if (c.dev === null) return abi.ST_BAD_PROGRAM;
  const [x, y] = [c.r[i.a], c.r[i.b]];
  switch (i.op) {
    case abi.OP_ITREE_INSERT:
      c.flag = model.mm(c.mm!).users > 0 && x < y && of.enabled && subs.freeRows(of) > 0;
      if (c.flag) subs.insert(of, c.dev, x, lastOf(y), i.imm !== 0);
      break;
    case abi.OP_ITREE_REMOVE:
      c.flag = take(of, c, i);
      break;
    case abi.OP_ITREE_UPDATE:
      c.flag = move(of, c, i);
      break;
    case abi.OP_ITREE_PUNCH:
      c.flag = punch(of, c, i);
      break;
    case abi.OP_ITREE_FIND: {
      const s = subs.find(of, c.dev, x, x, i.imm !== 0);
      c.r[i.b] = s === null ? 0n : subs.handleOf(s);
      c.flag = s !== null;
      break;
    }
    case abi.OP_READ_BEGIN: {
      const s = subs.find(of, c.dev, x, x, false);
      c.r[11] = s === null ? 0n : subs.handleOf(s);
      c.seq = s?.stamp ?? 0;
      c.flag = s !== null;
      break;
    }
    case abi.OP_READ_RETRY:
      retry(model, actor, of, c, i);
      break;
    default: {
      const told = cursorOf(of, c);
      if (told === null) return abi.ST_BAD_PROGRAM;
      told.stamp = of.seq;
    }
  }
  return abi.ST_OK;
}

/** OP_ITREE_START … OP_RANGE_REFUSED; `from` is where this micro-op stands. */
export function runSubscribers(
  model: Model,
  actor: number,
  c: Context,
  i: Instruction,
  from: number,
): number {
  const all = model.subscribers;
  if (!all) return abi.ST_BAD_PROGRAM;
  if (i.op >= abi.OP_SRCU_LOCK && i.op <= abi.OP_SRCU_SYNC) return runSrcu(all, c, i);
  if (i.op === abi.OP_SUB_PICK) {
    c.dev = i.imm === 0 ? null : i.imm - 1;
    return i.imm > model.devices.length ? abi.ST_BAD_PROGRAM : abi.ST_OK;
  }
  if (i.op === abi.OP_HOOK_ASK) return runAsk(model, all, c, i);
  const self = subs.readerOf(all, c);
  if (i.op === abi.OP_HOOK_REFUSE) {
    if ((self.told & abi.START_NO_SLEEP) !== 0) self.told |= abi.TOLD_REFUSED;
    return abi.ST_OK;
  }
  if (c.mm === null) {
    c.flag = false;
    return i.op === abi.OP_READ_BEGIN ? abi.ST_OK : abi.ST_BAD_PROGRAM;
  }
  const of = all.mms[c.mm];
  switch (i.op) {
    case abi.OP_ITREE_START:
      startBracket(all, of, c, i);
      return abi.ST_OK;
    case abi.OP_ITREE_NEXT:
      return call(c, from, nextCallback(all, of, c));
    case abi.OP_ITREE_END:
      self.told = 0;
      if (of.enabled && !subs.close(of)) raise(model, actor, abi.HZ_UNBAL, 0n, 0);
      return abi.ST_OK;
    case abi.OP_ITREE_RELEASE:
      return call(c, from, nextRelease(all, of, c));
    case abi.OP_ITREE_ENABLE:
      if (model.mm(c.mm).brackets > 0) return abi.ST_WAIT;
      of.enabled = true;
      return abi.ST_OK;
    case abi.OP_SUB_USE:
      if (subs.subOf(of, c.r[i.a]) === null) raise(model, actor, abi.HZ_UAF, 0n, 0);
      return abi.ST_OK;
    case abi.OP_SEQ_WAIT:
      return of.seq === c.seq ? abi.ST_WAIT : abi.ST_OK;
    case abi.OP_SUB_LINK:
    case abi.OP_SUB_UNLINK:
      return runLife(model, actor, c, i);
    case abi.OP_RANGE_REFUSED: {
      if (c.brackets === 0) return abi.ST_BAD_PROGRAM;
      self.told = 0;
      c.brackets--;
      model.mm(c.mm).brackets--;
      bracketIsOver(model, actor, c.mm);
      return abi.ST_OK;
    }
    default:
      return runOwn(model, actor, of, c, i);
  }
}
