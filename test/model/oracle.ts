/** The model's oracle: hazards of notifiers 0.5, noticed where they are committed. */
import * as abi from "../../src/core/abi.js";
import { isWithdrawn, mayReadStale } from "./ops-deferral.js";
import { globalOf } from "./ops-global.js";
import { isParked } from "./ops-latr.js";
import { type Cache, type Cached, type Context, type Model, ModelTrap, type Pte } from "./state.js";
import { has, softWalk } from "./tables.js";

/** Counts a hazard and keeps the first. True if it was the first. */
export function raise(
  model: Model,
  actor: number,
  code: number,
  vpn: bigint,
  pfn: number,
): boolean {
  model.count(actor, abi.CT_HAZARDS);
  if (model.hazard) return false;
  model.hazard = { code, actor, vpn, pfn };
  return true;
}

/** Is the page inside the range of an operation that has not returned? */
function isTolerated(model: Model, mm: number, vpn: bigint): boolean {
  return model.contexts.some(
    (c) => c !== null && c.op !== 0 && c.mm === mm && c.opStart <= vpn && vpn < c.opEnd,
  );
}

function observe(
  model: Model,
  actor: number,
  k: number,
  entry: Pick<Cached, "frame">,
  vpn: bigint,
  write: boolean,
) {
  const page = model.watched[k];
  const floor = model.floors[actor];
  const frame = model.frames[entry.frame];
  if (write) {
    page.version = (page.version + 1) & 0xff;
    frame.value = page.version;
    page.at = model.watched.map((other) => other.version);
    floor[k] = page.version;
    return;
  }
  const seen = frame.value & 0xff;
  if (seen < floor[k]) {
    raise(model, actor, abi.HZ_ORDER, vpn, entry.frame);
    return;
  }
  floor[k] = seen;
  if (seen !== page.version) return;
  page.at.forEach((version, j) => (floor[j] = Math.max(floor[j], version)));
}

/** The caller of `c`'s operation may rely on its range from now on: what is stale is condemned. */
export function condemn(model: Model, c: Context): void {
  if (c.mm === null) return;
  const mm = model.mms[c.mm];
  if (!mm) return;
  const sweep = (cache: Cache, asid: number): void => {
    for (const set of cache.sets) {
      set.forEach((entry, way) => {
        // Of either half.
        if (entry === null || entry.asid % abi.ASID_USER !== asid) return;
        if (entry.vpn < c.opStart || entry.vpn >= c.opEnd) return;
        const pte = softWalk(model, mm, entry.vpn);
        const same = pte !== null && pte.to === entry.frame;
        const misses = entry.dirty === true && !has(pte, abi.PTE_DIRTY);
        if (same && !misses && (!entry.writable || has(pte, abi.PTE_W))) return;
        set[way] = { ...entry, condemned: true };
      });
    }
  };
  for (const cpu of model.cpus) {
    const global = globalOf(mm);
    if (global !== null) sweep(cpu.tlb, global);
    cpu.slots.forEach((slot, asid) => {
      const name = model.asids ? (mm.asid?.number ?? 0) : mm.ctxId;
      if (slot.ctxId === name && name !== 0) sweep(cpu.tlb, asid);
    });
  }
  for (const device of model.devices) {
    if (device.mm !== c.mm) continue;
    const { more } = device;
    const pfnCache: Cache = { sets: [[more.gpc]], turn: 0 };
    for (const cache of [device.cache, more.atc, pfnCache]) sweep(cache, 0);
    more.gpc = pfnCache.sets[0][0];
  }
}

/** A store that the page table grants: the page is written out again, if anybody can tell. */
function judgeStore(
  model: Model,
  actor: number,
  mm: number,
  entry: Cached,
  vpn: bigint,
  pte: Pte,
): boolean {
  const leavesNoTrace = entry.dirty === true && !has(pte, abi.PTE_DIRTY);
  if (leavesNoTrace && (entry.condemned === true || !isTolerated(model, mm, vpn))) {
    raise(model, actor, abi.HZ_LOSTW, vpn, entry.frame);
    return false;
  }
  model.frames[entry.frame].value &= ~abi.FRAME_COLLECTED;
  return true;
}

/** May a cached translation still be used? If not, that is a hazard. */
export function judge(
  model: Model,
  actor: number,
  mm: number,
  entry: Cached,
  vpn: bigint,
  write: boolean,
): boolean {
  if (model.frames[entry.frame].gen !== entry.gen) {
    raise(model, actor, abi.HZ_UAF, vpn, entry.frame);
    return false;
  }
  const row = model.mms[mm];
  const pte = row ? softWalk(model, row, vpn) : null;
  const same = pte !== null && pte.to === entry.frame;
  const granted = same && (!write || has(pte, abi.PTE_W));
  if (granted) return !write || judgeStore(model, actor, mm, entry, vpn, pte);
  // Its content was written out already, and nobody will do so again.
  if (write && (model.frames[entry.frame].value & abi.FRAME_COLLECTED) !== 0) {
    raise(model, actor, abi.HZ_LOSTW, vpn, entry.frame);
    return false;
  }
  if (pte === null && isWithdrawn(model, mm, vpn)) return true;
  if (!write && mayReadStale(model, mm, entry.frame, pte)) return true;
  // Put off, and the address is not given out again: the frame is parked.
  const mapping = row?.vmas.find(({ start, end }) => start <= vpn && vpn < end);
  const mayStore = mapping === undefined || (mapping.prot & BigInt(abi.PROT_WRITE)) !== 0n;
  const isAllowed = !write || mayStore;
  const isHarmless = pte === null && isAllowed && isParked(model, mm, vpn, entry.frame);
  if ((entry.condemned || !isTolerated(model, mm, vpn)) && !isHarmless) {
    const shared = same && entry.frame !== 0 && model.frames[entry.frame].refs > 1;
    raise(model, actor, shared ? abi.HZ_LOSTW : abi.HZ_STALE, vpn, entry.frame);
    return false;
  }
  return true;
}

/** The kernel writes a page in `pfn`, through a mapping of its own. */
export function writeFromKernel(
  model: Model,
  actor: number,
  mm: number,
  vpn: bigint,
  pfn: number,
): void {
  const k = model.watched.findIndex((page) => page.vpn === vpn && page.mm === mm);
  if (k >= 0 && pfn !== 0) observe(model, actor, k, { frame: pfn }, vpn, true);
}

/** An actor uses a cached translation. */
export function checkAccess(
  model: Model,
  actor: number,
  mm: number,
  entry: Cached,
  vpn: bigint,
  write: boolean,
): void {
  if (!judge(model, actor, mm, entry, vpn, write)) return;
  if (write && !entry.writable) throw new ModelTrap("a write through a read-only translation");
  const k = model.watched.findIndex((page) => page.vpn === vpn && page.mm === mm);
  if (k >= 0) observe(model, actor, k, entry, vpn, write);
}
