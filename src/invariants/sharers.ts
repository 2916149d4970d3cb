/** Invariants of policies that know who holds a translation. */
import * as abi from "../core/abi.js";
import { CPU, MM } from "../core/layout.js";
import type { Invariant, View } from "./view.js";

const HUGE = 4;
/** Of the directory's sets and entries, before what follows. */
const SET_HEAD = 8;
const ENTRY_HEAD = 16;
/** A tag holds the page from bit 12 on. */
const PAGE_TAG = 4096;

/** Is `unit` in the mask of those who are told of entry `index` of a table (id)? */
function isTracked(view: View, table: number, index: number, unit: number): boolean {
  const byEntry = (view.header(abi.H_OPTIONS) & abi.OPT_CORE_TABLES) !== 0;
  const bytes = view.header(abi.H_MASK_WORDS) * 4;
  const base = view.core.at(abi.H_OFF_SHARERS) + table * view.header(abi.H_SHARER_STRIDE);
  const mask = base + (byEntry ? index * 2 * bytes : 0);
  return ((view.word(mask + (unit >> 5) * 4) >>> (unit & 31)) & 1) === 1;
}

/** The last table on the way to `vpn`, and the place there. */
function lowest(view: View, mm: number, vpn: number): { table: number; index: number } {
  const bits = view.header(abi.H_INDEX_BITS);
  let table = view.core.read(MM, view.core.mm(mm), "root") - 1;
  for (let level = view.header(abi.H_LEVELS) - 1; ; level--) {
    const index = Math.floor(vpn / 2 ** (bits * level)) % 2 ** bits;
    const entry = view.entries(table)[index];
    const isEnd = entry === null || (entry.flags & abi.PTE_HUGE) !== 0;
    if (level === 0 || isEnd) return { table, index };
    table = entry.to;
  }
}

const sharersCoverCachers: Invariant = {
  name: "SharersCoverCachers",
  says: "With tables of its own, a CPU or its node is tracked where a translation it has is from.",
  atRest: false,
  check(view, report) {
    const options = view.header(abi.H_OPTIONS);
    if ((options & (abi.OPT_REPLICAS | abi.OPT_CORE_TABLES)) === 0) return;
    const node = (options & abi.OPT_CORE_TABLES) !== 0 ? 1 : view.header(abi.H_NODE_CPUS);
    for (let cpu = 0; cpu < view.cpus; cpu++) {
      const row = view.core.cpu(cpu);
      const loaded = view.core.read(CPU, row, "loadedMm");
      const isNone = loaded === abi.LOADED_INIT || loaded === abi.LOADED_SWITCHING;
      if (isNone || view.core.read(CPU, row, "lazy") !== 0) continue;
      const asid = view.core.read(CPU, row, "asid");
      for (const e of view.tlb(cpu)) {
        if (e.asid !== asid) continue;
        const { table, index } = lowest(view, loaded - 1, e.vpn);
        if (isTracked(view, table, index, Math.floor(cpu / node))) continue;
        const size = (e.flags & HUGE) !== 0 ? "huge page" : "page";
        report(`CPU ${cpu} caches ${size} ${e.vpn} of mm ${loaded - 1}, and is not tracked there`);
      }
    }
  },
};

/** What the directory says: "ctxId page size", with the CPUs it names. */
function named(view: View): Map<string, ReadonlySet<number>> {
  const words = view.header(abi.H_MASK_WORDS);
  const bytes = Math.ceil((ENTRY_HEAD + words * 4) / 8) * 8;
  const ways = view.header(abi.H_DIR_WAYS);
  const found = new Map<string, ReadonlySet<number>>();
  for (let i = 0; i < view.header(abi.H_DIR_SETS) * ways; i++) {
    const set = Math.floor(i / ways) * (SET_HEAD + ways * bytes);
    const p = view.core.at(abi.H_OFF_DIRECTORY) + set + SET_HEAD + (i % ways) * bytes;
    const tag = view.core.readU64(p);
    if (tag === 0) continue;
    const cpus = Array.from({ length: view.cpus }, (_, cpu) => cpu).filter(
      (cpu) => ((view.word(p + ENTRY_HEAD + (cpu >> 5) * 4) >>> (cpu & 31)) & 1) === 1,
    );
    const isHuge = (view.word(p) & HUGE) !== 0;
    found.set(`${view.word(p + 8)} ${Math.floor(tag / PAGE_TAG)} ${isHuge}`, new Set(cpus));
  }
  return found;
}

const directoryInclusive: Invariant = {
  name: "DirectoryInclusive",
  says: "With a TLB directory, a translation in a TLB is in the directory, which names its CPU.",
  atRest: false,
  check(view, report) {
    if ((view.header(abi.H_OPTIONS) & abi.OPT_DIRECTORY) === 0) return;
    const all = named(view);
    const live = new Set(
      Array.from({ length: view.mms }, (_, mm) => view.core.read(MM, view.core.mm(mm), "ctxId")),
    );
    for (let cpu = 0; cpu < view.cpus; cpu++) {
      for (const e of view.tlb(cpu)) {
        // Kernel pages are flushed for without it.
        if (e.asid >= view.header(abi.H_ASIDS)) continue;
        const { ctxId } = view.slot(cpu, e.asid);
        if (ctxId === 0 || !live.has(ctxId)) continue;
        const isHuge = (e.flags & HUGE) !== 0;
        if (all.get(`${ctxId} ${e.vpn} ${isHuge}`)?.has(cpu) === true) continue;
        report(`CPU ${cpu} caches page ${e.vpn}, and the directory does not name it`);
      }
    }
  },
};

export const SHARER_INVARIANTS: readonly Invariant[] = [sharersCoverCachers, directoryInclusive];
