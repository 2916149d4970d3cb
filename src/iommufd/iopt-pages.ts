/**
 * The frames behind one mapping, each pinned and charged once, however many areas, domains and
 * drivers want it. Where a frame is known from, in this order: the xarray, which holds those that
 * drivers have pinned; a domain that maps it; its source. Giving up never needs memory.
 */
import { failed, type Failed } from "../uapi/outcome.js";
import type { IommufdEnv } from "./env.js";
import { firstIndex, iovaOf, lastIndex, type PagesSlice } from "./slice.js";
import { findFrames, type Source } from "./source.js";
import { type AccountMode, charge, type Task, uncharge } from "./task.js";

/** Drivers that have pinned exactly [first, last], pages of the object. */
export interface PagesUser {
  readonly first: number;
  readonly last: number;
  users: number;
}

interface Entry {
  readonly pfn: number;
  /** Intervals over it. */
  cover: number;
}

/** See the file comment. */
export class IoptPages {
  /** Areas that use it, and lists of a copy under way. */
  references = 1;
  private readonly xarray = new Map<number, Entry>();
  private readonly intervals = new Map<number, PagesUser[]>();
  /** Areas with a domain, in the order they got it. */
  private readonly stored = new Set<PagesSlice>();
  private pinnedNow = 0;
  private charged = 0;

  constructor(
    private readonly env: IommufdEnv,
    public source: Source,
    readonly pages: number,
    readonly write: boolean,
    readonly mode: AccountMode,
    public owner: Task,
  ) {}

  /** Pages that are pinned. */
  get pinned(): number {
    return this.pinnedNow;
  }

  /** Intervals that drivers have pinned, ascending. */
  get users(): PagesUser[] {
    const all = [...this.intervals.values()].flat();
    return all.sort((a, b) => a.first - b.first || a.last - b.last);
  }

  /** Pages in the xarray. */
  get held(): number {
    return this.xarray.size;
  }

  /** Does a domain or the xarray know the frame? */
  isCovered(index: number): boolean {
    return this.xarray.has(index) || this.areaOver(index) !== undefined;
  }

  private areaOver(index: number): PagesSlice | undefined {
    for (const area of this.stored) {
      if (index >= firstIndex(area) && index <= lastIndex(area)) return area;
    }
    return undefined;
  }

  /** The frame, if xarray or domain know it. */
  known(index: number): number | undefined {
    const entry = this.xarray.get(index);
    if (entry !== undefined) {
      this.env.counters.fromXarray++;
      return entry.pfn;
    }
    const area = this.areaOver(index);
    if (area === undefined) return undefined;
    this.env.counters.fromDomain++;
    return area.storage!.pfnAt(iovaOf(area, index))!;
  }

  /** How many pages from `index` on nobody knows, `last` at most. */
  unknownFrom(index: number, last: number): number {
    if (this.xarray.size === 0 && this.stored.size === 0) return last - index + 1;
    let end = index;
    while (end <= last && !this.isCovered(end)) end++;
    return end - index;
  }

  /** Faults in and pins pages; charging follows. What fails pins what came before it. */
  pinFromSource(index: number, count: number, into: Float64Array): number | Failed {
    if (!this.env.allocations.take("pin_user_pages")) {
      return failed("EFAULT", "injected", "pinning was made to fail");
    }
    const { done, errno } = findFrames(this.source, index, count, this.write, into);
    for (let i = 0; i < done; i++) this.env.frames.get(into[i]);
    this.pinnedNow += done;
    this.env.counters.pinned += done;
    this.env.counters.fromUser += done;
    if (done > 0) return done;
    const why = this.source.kind === "user" && !this.source.mm.alive ? "mm-gone" : "not-mapped";
    return failed(errno ?? "EFAULT", why, `page ${index} of the mapping cannot be pinned`);
  }

  /** Gives one reference back. */
  unpin(pfn: number): void {
    this.env.frames.put(pfn);
    this.pinnedNow--;
    this.env.counters.unpinned++;
  }

  /** Charges what was pinned, or gives back what was unpinned, since the last time. */
  settle(): Failed | undefined {
    const more = this.pinnedNow - this.charged;
    if (more > 0) {
      if (!this.env.allocations.take("charge")) {
        return failed("ENOMEM", "injected", "charging was made to fail");
      }
      const failure = charge(this.owner, this.mode, more);
      if (failure !== undefined) return failure;
    } else if (more < 0) uncharge(this.owner, this.mode, -more);
    this.charged = this.pinnedNow;
    return undefined;
  }

  /** From now on a domain keeps the frames of `area`. */
  store(area: PagesSlice): void {
    this.stored.add(area);
  }

  /** No domain keeps the frames of `area` any more; those nobody else wants, with their frames. */
  unstore(area: PagesSlice): Map<number, number> {
    this.stored.delete(area);
    const free = new Map<number, number>();
    for (let index = firstIndex(area); index <= lastIndex(area); index++) {
      if (!this.isCovered(index)) free.set(index, area.storage!.pfnAt(iovaOf(area, index))!);
    }
    return free;
  }

  /** One area became others over the same pages. */
  split(area: PagesSlice, parts: readonly PagesSlice[]): void {
    if (!this.stored.delete(area)) return;
    for (const part of parts) this.stored.add(part);
  }

  /** Drivers that hold exactly this interval. */
  exact(first: number, last: number): PagesUser | undefined {
    return this.intervals.get(first)?.find((user) => user.last === last);
  }

  /**
   * One more driver holds [first, last]; frames to `into` from `at` on. Nothing has changed when
   * it fails.
   */
  addUser(first: number, last: number, into: Float64Array, at: number): Failed | undefined {
    const there = this.exact(first, last);
    if (there !== undefined) {
      for (let i = first; i <= last; i++) into[at + i - first] = this.known(i)!;
      there.users++;
      return undefined;
    }
    if (!this.env.allocations.take("iopt_pages_access")) return noMemory("iopt_pages_access");
    const added: number[] = [];
    const pinned: number[] = [];
    const failure = this.fill(first, last, added, pinned) ?? this.settle();
    if (failure !== undefined) {
      for (const index of pinned) this.unpin(this.xarray.get(index)!.pfn);
      for (const index of added) this.xarray.delete(index);
      return failure;
    }
    for (let i = first; i <= last; i++) {
      const entry = this.xarray.get(i)!;
      entry.cover++;
      into[at + i - first] = entry.pfn;
    }
    const same = this.intervals.get(first) ?? [];
    this.intervals.set(first, [...same, { first, last, users: 1 }]);
    return undefined;
  }

  /** Puts the frames of [first, last] into the xarray that are not there. */
  private fill(first: number, last: number, added: number[], pinned: number[]): Failed | undefined {
    const put = (index: number, pfn: number): void => {
      this.xarray.set(index, { pfn, cover: 0 });
      added.push(index);
    };
    for (let index = first; index <= last;) {
      if (this.xarray.has(index)) {
        this.env.counters.fromXarray++;
        index++;
        continue;
      }
      const count = this.unknownFrom(index, last);
      if (count === 0) {
        if (!this.env.allocations.take("xarray")) return noMemory("xarray");
        for (; index <= last && !this.xarray.has(index); index++) {
          const pfn = this.known(index);
          if (pfn === undefined) break;
          put(index, pfn);
        }
        continue;
      }
      const frames = new Float64Array(count);
      const done = this.pinFromSource(index, count, frames);
      if (typeof done !== "number") return done;
      if (!this.env.allocations.take("xarray")) {
        for (let i = 0; i < done; i++) this.unpin(frames[i]);
        return noMemory("xarray");
      }
      for (let i = 0; i < done; i++) {
        put(index + i, frames[i]);
        pinned.push(index + i);
      }
      index += done;
    }
    return undefined;
  }

  /** One driver less holds [first, last]. False: none held exactly this. */
  removeUser(first: number, last: number): boolean {
    const user = this.exact(first, last);
    if (user === undefined) return false;
    if (--user.users > 0) return true;
    const rest = this.intervals.get(first)!.filter((each) => each !== user);
    if (rest.length > 0) this.intervals.set(first, rest);
    else this.intervals.delete(first);
    for (let i = first; i <= last; i++) {
      const entry = this.xarray.get(i)!;
      if (--entry.cover > 0) continue;
      this.xarray.delete(i);
      if (this.areaOver(i) === undefined) this.unpin(entry.pfn);
    }
    this.settle();
    return true;
  }

  /** Pages charged, and to whom they are when the process changes. */
  moveTo(source: Source, owner: Task, charge: boolean): void {
    if (charge) uncharge(this.owner, this.mode, this.charged);
    this.source = source;
    this.owner = owner;
  }

  /** Pages that are charged. */
  get chargedPages(): number {
    return this.charged;
  }
}

export function noMemory(what: string): Failed {
  return failed("ENOMEM", "no-memory", `there was no memory for ${what}`);
}
