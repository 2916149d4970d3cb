/** What the invariants look at: rows of the core, decoded just enough. */
import * as abi from "../core/abi.js";
import type { Core } from "../core/core.js";
import { CPU, CTX, ENTRY, FRAME, TABLE } from "../core/layout.js";

/** Says that a row breaks the invariant under way. */
export type Report = (detail: string) => void;

/** One thing that is always true of a machine, or true whenever nothing runs. */
export interface Invariant {
  readonly name: string;
  /** What it says, in one sentence. */
  readonly says: string;
  /** Holds only while no program runs and no interrupt is pending. */
  readonly atRest: boolean;
  check(view: View, report: Report): void;
}

/** A page-table entry. */
export interface Leaf {
  readonly to: number;
  readonly flags: number;
}

/** A cached translation: page, size, rights and what it points at. */
export interface CachedEntry {
  readonly slot: number;
  readonly tag: number;
  readonly flags: number;
  readonly asid: number;
  readonly vpn: number;
  readonly frame: number;
  readonly gen: number;
}

const LOW = 4096;

/** Rows of one core, as they are while it is looked at: nothing may run meanwhile. */
export class View {
  private inProgram: number[] | undefined;

  constructor(readonly core: Core) {}

  header(word: number): number {
    return this.core.header[word];
  }

  get cpus(): number {
    return this.header(abi.H_CPUS);
  }

  get mms(): number {
    return this.header(abi.H_MMS);
  }

  get devices(): number {
    return this.header(abi.H_DEVICES);
  }

  get frames(): number {
    return this.header(abi.H_FRAMES);
  }

  get tables(): number {
    return this.header(abi.H_TABLES);
  }

  word(address: number): number {
    return this.core.u32[address >> 2];
  }

  /** Contexts in the middle of a program. */
  running(): readonly number[] {
    if (this.inProgram === undefined) {
      const all = Array.from({ length: this.header(abi.H_CONTEXTS) }, (_, i) => i);
      this.inProgram = all.filter((i) => this.ctx(i, "running") !== 0);
    }
    return this.inProgram;
  }

  ctx(index: number, field: keyof typeof CTX.fields): number {
    return this.core.read(CTX, this.core.ctx(index), field);
  }

  /** Frames in the open batch of a context. */
  batch(context: number): number[] {
    const base = this.core.at(abi.H_OFF_BATCH) + context * this.header(abi.H_GATHER_PAGES) * 4;
    return Array.from({ length: this.ctx(context, "gCount") }, (_, i) => this.word(base + i * 4));
  }

  frame(pfn: number, field: keyof typeof FRAME.fields): number {
    return this.core.read(FRAME, this.core.frame(pfn), field);
  }

  table(id: number, field: keyof typeof TABLE.fields): number {
    return this.core.read(TABLE, this.core.table(id), field);
  }

  private leafAt(address: number): Leaf | null {
    const low = this.word(address);
    const high = this.word(address + 4);
    if (low === 0 && high === 0) return null;
    return { to: high * 2 ** 20 + (low >>> abi.PTE_SHIFT), flags: low % LOW };
  }

  /** Entries of a table; null where there is none. */
  entries(id: number): (Leaf | null)[] {
    const base = this.core.table(id) + TABLE.size;
    const n = 2 ** this.header(abi.H_INDEX_BITS);
    return Array.from({ length: n }, (_, i) => this.leafAt(base + i * 8));
  }

  /** The present entry that maps `vpn` in mm `mm`, as a hardware walk would find it. */
  walk(mm: number, vpn: number): Leaf | null {
    const found = this.core.x.machineWalk(this.core.header.byteOffset, mm, vpn);
    return found === 0 ? null : { to: Math.floor(found / 32), flags: found % 32 };
  }

  private cached(base: number, entries: number): CachedEntry[] {
    const list: CachedEntry[] = [];
    for (let slot = 0; slot < entries; slot++) {
      const p = base + slot * ENTRY.size;
      const low = this.word(p);
      const tag = this.core.readU64(p);
      const frame = this.word(p + 8);
      // A TLB keeps there, too, whether it has seen the page dirty, and whether it is old.
      const gen = (this.word(p + 12) & ~abi.ENTRY_SOFT) >>> 0;
      if (tag === 0 && frame === 0 && gen === 0) continue;
      const vpn = Math.floor(tag / LOW);
      list.push({ slot, tag, flags: low & 15, asid: (low >>> 4) & 0xff, vpn, frame, gen });
    }
    return list;
  }

  tlb(cpu: number): CachedEntry[] {
    const base = this.core.at(abi.H_OFF_TLB) + cpu * this.header(abi.H_TLB_STRIDE);
    return this.cached(base, this.header(abi.H_TLB_SETS) * this.header(abi.H_TLB_WAYS));
  }

  iotlb(device: number): CachedEntry[] {
    const n = this.header(abi.H_IOTLB_SETS) * this.header(abi.H_IOTLB_WAYS);
    return this.cached(this.core.at(abi.H_OFF_IOTLB) + device * n * ENTRY.size, n);
  }

  /** Is CPU `cpu` in the cpumask of mm `mm`? */
  inMask(mm: number, cpu: number): boolean {
    const words = this.header(abi.H_MASK_WORDS);
    const base = this.core.at(abi.H_OFF_MASK) + mm * words * 4;
    return ((this.word(base + (cpu >> 5) * 4) >>> (cpu & 31)) & 1) === 1;
  }

  /** Paging-structure entries of a CPU: `frame` is the table. */
  walkCache(cpu: number): CachedEntry[] {
    const n = this.header(abi.H_PWC_ENTRIES);
    return this.cached(this.core.at(abi.H_OFF_PWC) + cpu * n * ENTRY.size, n);
  }

  /** ASID slot of a CPU. */
  slot(cpu: number, slot: number): { ctxId: number; tlbGen: number } {
    const p = this.core.cpu(cpu) + CPU.size + slot * 8;
    return { ctxId: this.word(p), tlbGen: this.word(p + 4) };
  }

  /**
   * Slots of a CPU whose user half is flushed before user code runs in it; with page-table
   * isolation. A slot is a bit, 2^slot.
   */
  marks(cpu: number): bigint {
    if ((this.header(abi.H_OPTIONS) & abi.OPT_PTI) === 0) return 0n;
    const p = this.core.at(abi.H_OFF_PTI) + cpu * abi.PTI_BYTES;
    return (BigInt(this.word(p + 4)) << 32n) | BigInt(this.word(p));
  }

  /** Does the CPU see in its idle loop that it is wanted, or leave the loop because of it? */
  isWanted(cpu: number): boolean {
    if ((this.header(abi.H_OPTIONS) & abi.OPT_POLL) === 0) return false;
    if (this.word(this.core.at(abi.H_OFF_POLL) + cpu * 4) === 2) return true;
    const task = this.core.read(CPU, this.core.cpu(cpu), "task");
    return task !== 0 && this.ctx(task - 1, "irqOff") !== 0;
  }

  /** First frames (id + 1) of the lists of those that are free, but not flushed for; by mm. */
  deferredHeads(): number[] {
    if ((this.header(abi.H_OPTIONS) & abi.OPT_DEFER) === 0) return [];
    const lists = this.core.at(abi.H_OFF_DEFER_LIST);
    return Array.from({ length: this.mms }, (_, mm) => this.word(lists + mm * 8));
  }

  /** Has a flush of this mm been put off that is not done yet? */
  isDeferred(mm: number): boolean {
    const n = this.header(abi.H_DEFER_RING);
    const ring = this.core.at(abi.H_OFF_DEFER_RING);
    for (let i = 0; i < n; i++) {
      const p = ring + i * this.header(abi.H_DEFER_STRIDE);
      if (this.word(p) !== 0 && this.word(p + 8) === mm + 1) return true;
    }
    return false;
  }

  /** ASID of an mm that is the same on every CPU, as tags have it; null: it has none. */
  globalAsid(mm: number): number | null {
    if ((this.header(abi.H_OPTIONS) & abi.OPT_GLOBAL_ASIDS) === 0) return null;
    const asid = this.word(this.core.at(abi.H_OFF_GLOBAL) + 16 + mm * 12);
    return asid === 0 ? null : abi.ASID_GLOBAL + asid - 1;
  }

  /** csd of a pair: the next one in its list (id + 1), who locked it (index + 1), acknowledged. */
  csd(id: number): { next: number; locked: number; acked: boolean; waits: boolean } {
    const p = this.core.at(abi.H_OFF_CSD) + id * this.header(abi.H_CSD_STRIDE);
    const owner = this.word(p + 4);
    const acked = (owner & abi.CSD_ACKED) !== 0;
    // A leader's message, while those that it has told have not answered.
    const waits = (owner & abi.CSD_FORWARD) !== 0 && owner >>> 0 >= abi.CSD_OPEN;
    return { next: this.word(p), locked: owner & abi.CSD_OWNER, acked, waits };
  }
}

/** A linked list of ids + 1, or null when it does not end within `limit` or leaves [0, limit). */
export function listOf(head: number, limit: number, next: (id: number) => number): number[] | null {
  const list: number[] = [];
  for (let id = head; id !== 0; id = next(id - 1)) {
    if (id > limit || list.length === limit) return null;
    list.push(id - 1);
  }
  return list;
}
