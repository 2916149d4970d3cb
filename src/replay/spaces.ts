/**
 * What a replay keeps about an address space beside the machine's own rows: which pages it has
 * seen, who it was forked from, and when pages appeared. VMAs and entries are the machine's own.
 */
import * as abi from "../core/abi.js";
import { BASE } from "../core/core.js";
import { FRAME } from "../core/layout.js";
import type { Machine } from "../machine.js";

/** VMA flags of a replay, above the machine's own: the machine passes them through. */
export const VMA_KNOWN = 32; // every VMA of a replay: a protection of 0 must still be mapped
export const VMA_INFERRED = 64; // nobody saw it being mapped
/** Mappings of files carry a number from here on, so that neighbours are not merged. */
export const VMA_TAG_SHIFT = 8;
const VMA_TAGS = 2 ** 23;

/** How long after a page appeared another thread's fault on it may be a race for it, ns. */
const RACE_NS = 50_000;
/** Appearances that are remembered per address space, at least. */
const RECENT = 512;

/** One VMA: half-open page range and flags. */
export interface VmaView {
  readonly start: number;
  readonly end: number;
  readonly prot: number;
}

/** A replayed address space. */
export class Space {
  /** Pages the replay knows about, present or not. */
  touched = new Set<number>();
  /** Pages that were probably the zero page although the machine has them writable. */
  readonly maybeZero = new Set<number>();
  /** Pages that advice has made look unused, and how: see advice.ts. */
  idle = new Map<number, number>();
  /** Live address spaces of the same family, this one included. */
  family = new Set<Space>([this]);
  /** CPUs on which it was seen running since the recording began. */
  readonly seenOn = new Set<number>();
  /** VMA flags that advice has given to pages of files: see around.ts. */
  readonly advised = new Map<number, number>();
  threads = 0;
  /** End of the heap, 0 when nobody asked yet. */
  brk = 0;
  forked = false;
  /** Reclaim has deferred flushes of it, and nobody has settled that. */
  batched = false;
  dead = false;
  private recent = new Map<number, { timeNs: number; tid: number }>();

  /**
   * @param row - the machine's mm
   * @param ordinal - how many were born before it: its identity, the same in every run
   * @param before - it was there before the recording began
   * @param settle - ends what the CPU of the line that is replayed has under way: what is read here
   * is what that CPU finds after it
   */
  constructor(
    private readonly machine: Machine,
    readonly row: number,
    readonly ordinal: number,
    readonly before: boolean,
    private readonly settle: () => void,
  ) {}

  /** PTE_* flags of a page, 0 if there is no entry. */
  entry(vpn: number): number {
    this.settle();
    return this.machine.entryFlags(this.row, vpn);
  }

  /** References to the frame that a page is mapped to, 0 for the zero page or no page. */
  refs(vpn: number): number {
    this.settle();
    const { core } = this.machine;
    const pfn = Math.floor(core.x.machineEntry(BASE, this.row, vpn) / 2 ** abi.PTE_SHIFT);
    return pfn === 0 ? 0 : core.read(FRAME, core.frame(pfn), "refs");
  }

  /** Does the cpumask hold a CPU other than `cpu`? */
  isElsewhere(cpu: number): boolean {
    this.settle();
    const { core } = this.machine;
    const words = core.header[abi.H_MASK_WORDS];
    const mask = (core.at(abi.H_OFF_MASK) >> 2) + this.row * words;
    for (let word = 0; word < words; word++) {
      const own = cpu >> 5 === word ? 1 << (cpu & 31) : 0;
      if ((core.u32[mask + word] & ~own) !== 0) return true;
    }
    return false;
  }

  /** Pages of [start, end) that may be present, in order. */
  pagesIn(start: number, end: number): number[] {
    const all = [];
    if (end - start <= this.touched.size) {
      for (let vpn = start; vpn < end; vpn++) if (this.touched.has(vpn)) all.push(vpn);
      return all;
    }
    for (const vpn of this.touched) if (vpn >= start && vpn < end) all.push(vpn);
    return all.sort((a, b) => a - b);
  }

  /** The pages of [start, end) are at `target` now. */
  moved(start: number, end: number, target: number): void {
    for (const vpn of this.pagesIn(start, end)) {
      const to = target + vpn - start;
      this.touched.add(to);
      const idle = this.idle.get(vpn);
      this.idle.delete(vpn);
      if (idle === undefined) this.idle.delete(to);
      else this.idle.set(to, idle);
    }
  }

  /** The VMA that holds `vpn`, or null. */
  vma(vpn: number): VmaView | null {
    this.settle();
    const view = this.machine.core.vmaNext(this.row, vpn);
    return view !== null && view.start <= vpn ? view : null;
  }

  /** The parts of VMAs inside [start, end). */
  vmas(start: number, end: number): VmaView[] {
    this.settle();
    const parts: VmaView[] = [];
    for (let at = start; at < end;) {
      const view = this.machine.core.vmaNext(this.row, at);
      if (view === null || view.start >= end) break;
      parts.push({
        start: Math.max(start, view.start),
        end: Math.min(end, view.end),
        prot: view.prot,
      });
      at = view.end;
    }
    return parts;
  }

  /** Pages [start, end) are mapped, and have been, although nobody saw it. */
  assume({ start, end, prot }: VmaView): void {
    this.settle();
    this.machine.mapNow(this.row, start, end, prot);
  }

  /** A page appeared now, by the fault of `tid`. */
  appeared(vpn: number, timeNs: number, tid: number): void {
    this.touched.add(vpn);
    this.idle.delete(vpn);
    this.recent.delete(vpn);
    this.recent.set(vpn, { timeNs, tid });
    if (this.recent.size > 2 * RECENT) {
      for (const [old, at] of this.recent) {
        if (timeNs - at.timeNs < RACE_NS || this.recent.size <= RECENT) break;
        this.recent.delete(old);
      }
    }
  }

  /** Did another thread make this page appear a moment ago? Then both faulted for it at once. */
  raced(vpn: number, timeNs: number, tid: number): boolean {
    const at = this.recent.get(vpn);
    return at !== undefined && at.tid !== tid && timeNs - at.timeNs < RACE_NS;
  }

  /** Anybody else it could share pages with? */
  get hasFamily(): boolean {
    return this.family.size > 1;
  }

  /** As left behind by its last thread. */
  leave(): void {
    this.dead = true;
    this.family.delete(this);
    this.touched = new Set();
    this.idle = new Map();
    this.recent = new Map();
    this.maybeZero.clear();
    this.advised.clear();
  }
}

/** Flags of a mapping: rights, and what it maps. `tag` numbers mappings of files. */
export function vmaFlags(
  prot: number,
  kind: { shared: boolean; file: boolean },
  tag: number,
): number {
  let flags = rights(prot) | VMA_KNOWN;
  if (kind.shared) flags |= abi.VMA_SHARED;
  if (kind.file && !kind.shared) flags |= abi.VMA_UNWRITTEN;
  if (kind.file) flags += abi.VMA_FILE + (1 + (tag % (VMA_TAGS - 1))) * 2 ** VMA_TAG_SHIFT;
  return flags;
}

/** PROT_* bits as the machine has them: on x86 what can be executed can be read. */
export function rights(prot: number): number {
  const all = prot & (abi.PROT_READ | abi.PROT_WRITE | abi.PROT_EXEC);
  return all === 0 ? 0 : all | abi.PROT_READ;
}

/** The same VMA with other rights. */
export function withRights(flags: number, prot: number): number {
  return flags - (flags & 7) + rights(prot);
}
