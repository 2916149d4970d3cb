/** Devices with more than a cache: commands, own caches, page requests, guests (notifiers 4). */
import * as abi from "../../src/core/abi.js";
import type { Instruction } from "../../src/program/disassembler.js";
import { covers, dropTables, dropWhere, fill, lookUp } from "./caches.js";
import { checkAccess, raise } from "./oracle.js";
import type { Cache, Context, Cpu, Device, Model, More } from "./state.js";
import { has } from "./tables.js";

const ALL = 2n ** 64n - 1n;

function actorOf(model: Model, device: Device): number {
  return model.geometry.cpus + device.index;
}

// ── what a notified range makes a device drop ───────────────────────────────────────────────

/** What a driver makes of [start, end): pages it invalidates, everything, or nothing. */
export function meant(how: number, start: bigint, end: bigint): "all" | [bigint, bigint] | null {
  const kind = how & abi.FLUSH_HOW;
  if (kind === abi.FLUSH_ALL || (start === 0n && end === ALL)) return "all";
  const pages = end > start ? end - start : 0n;
  if (kind === abi.FLUSH_PAGE_OR_ALL) {
    if (pages === 1n) return [start, end];
    // The gather's all-ones pair: the last page, where nothing is.
    return pages === 0n && start === ALL && (how & abi.FLUSH_EMPTY_ALL) === 0 ? null : "all";
  }
  if (pages === 0n) return (how & abi.FLUSH_EMPTY_ALL) !== 0 ? "all" : null;
  if ((how & abi.FLUSH_LARGE_ALL) !== 0 && pages >= 512n) return "all";
  if (kind === abi.FLUSH_RANGE) return [start, end];
  if (pages > 2n ** 52n) return "all";
  let block = 1n;
  while (block < pages) block *= 2n;
  return [(start / block) * block, ((end + block - 1n) / block) * block];
}

function drop(model: Model, cache: Cache, range: "all" | [bigint, bigint]): void {
  dropWhere(cache, (e) => range === "all" || covers(e, range[0], range[1], model.bits));
}

function flush(model: Model, c: Context, device: Device, how: number): void {
  const range = meant(how, c.hook.start, c.hook.end);
  model.count(actorOf(model, device), abi.CT_DEV_ZAP);
  if (range === null) return;
  const toIotlb = (how & abi.FLUSH_NOT_IOTLB) === 0;
  if (toIotlb) drop(model, device.cache, range);
  if ((how & abi.FLUSH_ATC) !== 0) drop(model, device.more.atc, range);
  if (toIotlb && (how & abi.FLUSH_NOT_WALKS) === 0) dropTables(device.pwc);
}

/** IOTLBs that hear CPUs' invalidations drop what the request names. */
export function snoop(model: Model, cpu: Cpu): void {
  const { info } = cpu;
  if (!model.moreDevices || info === null || info.mm === "kernel") return;
  for (const device of model.devices) {
    if (!device.more.snoops || device.mm === null) continue;
    if (info.mm !== "any" && info.mm !== device.mm) continue;
    const isAll = info.start === 0n && info.end === ALL;
    drop(model, device.cache, isAll ? "all" : [info.start, info.end]);
    dropTables(device.pwc);
  }
}

// ── a device's own cache ────────────────────────────────────────────────────────────────────

function atc(model: Model, device: Device, vpn: bigint, how: number): boolean {
  const write = how === abi.ATC_WRITE || how === abi.ATC_FILL_WRITE;
  const { more } = device;
  if (how >= abi.ATC_FILL_READ) {
    const entry = lookUp(device.cache, vpn, 0, model.bits);
    if (device.mm === null || !entry || (write && !entry.writable)) return false;
    const { huge, writable, frame, gen } = entry;
    fill(more.atc, { vpn, asid: 0, huge, writable, frame, gen }, model.bits);
    return true;
  }
  return use(model, device, lookUp(more.atc, vpn, 0, model.bits), vpn, write);
}

function use(
  model: Model,
  device: Device,
  hit: ReturnType<typeof lookUp>,
  vpn: bigint,
  write: boolean,
): boolean {
  const actor = actorOf(model, device);
  const isGood = device.mm !== null && hit !== null && (!write || hit.writable);
  model.count(actor, isGood ? abi.CT_DEV_HIT : abi.CT_DEV_MISS);
  if (isGood) checkAccess(model, actor, device.mm!, hit, vpn, write);
  return isGood;
}

function lacks(model: Model, device: Device, vpn: bigint): boolean {
  const own = lookUp(device.more.atc, vpn, 0, model.bits);
  const hit = own ?? lookUp(device.cache, vpn, 0, model.bits);
  return hit !== null && !hit.writable;
}

// ── page requests ───────────────────────────────────────────────────────────────────────────

function retry(model: Model, device: Device, vpn: bigint, limit: number): void {
  if (limit === 0) return;
  const actor = actorOf(model, device);
  const n = ++device.more.retries;
  const row = model.counters[actor];
  row[abi.CT_DEV_RETRIES] = Math.max(row[abi.CT_DEV_RETRIES], n);
  if (n > limit) raise(model, actor, abi.HZ_NOPROG, vpn, 0);
}

function hear(model: Model, c: Context, device: Device, vpn: bigint, limit: number): number {
  const { more } = device;
  if (more.ask !== null && more.ask.answer === null) return abi.ST_WAIT;
  c.flag = more.ask?.answer === "success";
  more.ask = null;
  if (c.flag) retry(model, device, vpn, limit);
  return abi.ST_OK;
}

function take(model: Model, c: Context, device: Device, i: Instruction): number {
  const { ask } = device.more;
  if (ask === null || ask.answer !== null) {
    const own = model.geometry.tasks + actorOf(model, device);
    if (model.contexts[own]) return abi.ST_WAIT;
    c.flag = false;
    return abi.ST_OK;
  }
  const mm = device.mm === null ? null : model.mms[device.mm];
  const isAlive = mm !== null && mm.users > 0;
  c.r[i.a] = ask.vpn;
  c.r[i.b] = BigInt(!isAlive ? 0 : ask.write ? abi.PROT_WRITE : abi.PROT_READ);
  c.flag = true;
  if (isAlive) {
    mm.users++;
    c.mm = device.mm;
  }
  return abi.ST_OK;
}

function answer({ more }: Device, code: number): number {
  if (more.ask === null || more.ask.answer !== null) return abi.ST_BAD_PROGRAM;
  more.ask.answer = code === abi.ANSWER_SUCCESS ? "success" : "invalid";
  return abi.ST_OK;
}

/** What CPUs do for devices. */
function forDevice(model: Model, actor: number, c: Context, i: Instruction): number {
  const device = model.devices.find(({ index }) => BigInt(index) === c.r[i.imm & 0xff]);
  if (!device || !model.cpus[actor]) return abi.ST_BAD_PROGRAM;
  const { more } = device;
  switch (i.op) {
    case abi.OP_REQ_TAKE:
      return take(model, c, device, i);
    case abi.OP_REQ_ANSWER:
      return answer(device, i.c);
    case abi.OP_REQ_STATE:
      if (i.c === abi.REQ_EMPTY) c.flag = device.inProgress > 0;
      else more.served = i.c === abi.REQ_BIND;
      return abi.ST_OK;
    default: {
      const [start, end, base] = [c.r[i.a], c.r[i.b], c.r[i.c]];
      if (start >= end) return abi.ST_BAD_PROGRAM;
      if ((i.imm & abi.SLOT_UNFROZEN) === 0 && more.active > 0) return abi.ST_WAIT;
      more.slot = { start, end, base };
      more.gpc = null;
      more.mark = null;
      device.seq++;
      dropWhere(device.cache, () => true);
      return abi.ST_OK;
    }
  }
}

// ── guests ──────────────────────────────────────────────────────────────────────────────────

function findSlot({ slot }: More, c: Context, i: Instruction): boolean {
  const guest = c.r[i.a];
  const page = slot === null ? guest : guest - slot.base + slot.start;
  const isIn = slot === null || (guest >= slot.base && page < slot.end);
  c.r[i.b] = isIn ? page : 0n;
  return isIn;
}

function note(more: More, c: Context, i: Instruction): number {
  switch (i.imm) {
    case abi.NOTE_DONE:
      more.retries = 0;
      return abi.ST_OK;
    case abi.NOTE_MARK:
      more.mark = c.r[i.a];
      return abi.ST_OK;
    case abi.NOTE_ACTIVE:
      more.active++;
      return abi.ST_OK;
    case abi.NOTE_FENCE:
      more.fences++;
      return abi.ST_OK;
    case abi.NOTE_INACTIVE:
      return more.active-- > 0 ? abi.ST_OK : abi.ST_BAD_PROGRAM;
    default:
      return more.fences-- > 0 ? abi.ST_OK : abi.ST_BAD_PROGRAM;
  }
}

function runs(device: Device, vpn: bigint): boolean {
  const { start, end } = device.range;
  return device.inProgress > 0 && start <= vpn && vpn < end;
}

function commit(model: Model, c: Context, device: Device, i: Instruction): void {
  const { more } = device;
  const vpn = c.r[i.a];
  const moved = device.seq !== c.seq;
  const refused: Record<number, boolean> = {
    [abi.COMMIT_ACTIVE]: more.active > 0 || moved,
    [abi.COMMIT_MARKED]: more.mark !== vpn,
    [abi.COMMIT_IN_PROGRESS]: runs(device, vpn) || moved,
  };
  c.flag = device.mm !== null && !refused[i.c];
  if (c.flag) {
    const writable = has(c.pte, abi.PTE_W);
    more.gpc = { vpn, asid: 0, huge: false, writable, frame: c.pte!.to, gen: c.frameGen };
    more.mark = null;
  } else {
    model.count(actorOf(model, device), abi.CT_RETRY);
    retry(model, device, vpn, i.imm);
  }
  c.pte = null;
  c.frameGen = 0;
}

function dropPfnCache({ more }: Device, { start, end }: Context["hook"]): void {
  if (more.gpc && start <= more.gpc.vpn && more.gpc.vpn < end) more.gpc = null;
  if (more.mark !== null && start <= more.mark && more.mark < end) more.mark = null;
}

/** What they drop when the mm is torn down; false: they are not told. */
export function forgetMore(device: Device): boolean {
  if (device.more.keepsRoot) return false;
  dropWhere(device.more.atc, () => true);
  device.more.gpc = null;
  device.more.mark = null;
  return true;
}

const FOR_DEVICES: readonly number[] = [
  abi.OP_REQ_TAKE,
  abi.OP_REQ_ANSWER,
  abi.OP_REQ_STATE,
  abi.OP_SLOT_SET,
];

/** OP_DEVICES_FIRST … OP_DEVICES_LAST. */
export function runDevices(model: Model, actor: number, c: Context, i: Instruction): number {
  if (!model.moreDevices) return abi.ST_BAD_PROGRAM;
  if (FOR_DEVICES.includes(i.op)) return forDevice(model, actor, c, i);
  if (c.dev === null) return abi.ST_BAD_PROGRAM;
  const device = model.devices[c.dev];
  const { more } = device;
  const vpn = c.r[i.a];
  switch (i.op) {
    case abi.OP_DEV_FLUSH:
      flush(model, c, device, i.imm);
      return abi.ST_OK;
    case abi.OP_DEV_AWAIT: {
      const left = i.imm === abi.NOTE_FENCE ? more.fences : more.active;
      return left === 0 ? abi.ST_OK : abi.ST_WAIT;
    }
    case abi.OP_DEV_HEAR:
      return hear(model, c, device, vpn, i.imm);
    case abi.OP_DEV_NOTE:
      return note(more, c, i);
    case abi.OP_GPC_DROP:
      dropPfnCache(device, c.hook);
      return abi.ST_OK;
    case abi.OP_GPC_COMMIT:
      commit(model, c, device, i);
      return abi.ST_OK;
    case abi.OP_ATC:
      c.flag = atc(model, device, vpn, i.imm);
      return abi.ST_OK;
    case abi.OP_DEV_LACKS:
      c.flag = lacks(model, device, vpn);
      return abi.ST_OK;
    case abi.OP_DEV_ASK:
      c.flag = more.served && device.mm !== null;
      if (c.flag) more.ask = { vpn, write: i.imm !== 0, answer: null };
      return abi.ST_OK;
    case abi.OP_DEV_HITS: {
      const { slot } = more;
      const { start, end } = c.hook;
      if (i.imm === abi.HITS_GUEST) c.flag = findSlot(more, c, i);
      else c.flag = slot === null || (start < slot.end && slot.start < end);
      return abi.ST_OK;
    }
    case abi.OP_DEV_TEST:
      c.flag = i.imm === abi.TEST_SEQ ? device.seq !== c.seq : runs(device, vpn);
      return abi.ST_OK;
    case abi.OP_GPC_ACCESS: {
      const hit = more.gpc?.vpn === vpn ? more.gpc : null;
      c.flag = use(model, device, hit, vpn, i.imm !== 0);
      return abi.ST_OK;
    }
    default:
      throw new Error(`the model has no micro-op ${i.name}`);
  }
}
