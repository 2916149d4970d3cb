/**
 * System calls of a recording, as jobs. An effect happens where the call is entered, unless another
 * thread holds mmapLock or waits for it: then where the call returns. Mappings appear where the
 * call returns, because only the exit line has their address.
 */
import * as abi from "../core/abi.js";
import { pagesOf } from "../core/geometry.js";
import type {
  MadviseEnter,
  MprotectEnter,
  MremapEnter,
  SyscallEnter,
  SyscallExit,
} from "../traces/events.js";
import { Advice, hasWrittenShared, noteUse, settleBatch } from "./advice.js";
import { aroundOf } from "./around.js";
import {
  type Space,
  vmaFlags,
  VMA_INFERRED,
  VMA_KNOWN,
  type VmaView,
  withRights,
} from "./spaces.js";
import type { Stage, Where } from "./stage.js";

/** `mmap` flags. */
const MAP_SHARED = 1;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_LOCKED = 0x2000;
const MAP_POPULATE = 0x8000;
const MAP_FIXED_NOREPLACE = 0x100000;
/** `mremap` flags. */
const MREMAP_FIXED = 2;
const MREMAP_DONTUNMAP = 4;

/** Pages a leaf table maps. */
const TABLE_PAGES = 512;
const PROT_DATA = 3;

/** A system call that was entered and has not returned. */
export interface OpenCall {
  readonly enter: SyscallEnter;
  readonly cause: string;
  readonly space: Space | null;
  /** It writes mmapLock. */
  readonly writer: boolean;
  /** Its effect waits for its exit, or until it has slept for the last time. */
  deferred: boolean;
  /** How often it will still be seen to sleep for a lock. */
  waits: number;
  /** It has slept for the last time: what it waited for is its own when it runs again. */
  granted: boolean;
  /** Its gather has flushed and is still open: others are nested in it. */
  held: boolean;
  /** Its effect has happened. */
  performed: boolean;
  /** exec: the new address space is in place. */
  done: boolean;
  /** It failed with part of its effect done: see {@link isPartial}. */
  partial: boolean;
}

/** What `madvise` and `mprotect` return when part of their range is not mapped. */
const ENOMEM = 12;

/**
 * Did this call have an effect although it failed? `madvise` goes on behind a hole and says so at
 * its end; `mprotect` stops at the hole, with what is before it done.
 */
export function isPartial(enter: SyscallEnter, errno: number): boolean {
  return errno === ENOMEM && (enter.call === "madvise" || enter.call === "mprotect");
}

/** Half-open range of pages a call works on, as far as its arguments say: else everything. */
export function rangeOf(enter: SyscallEnter): { start: number; end: number } {
  if (!("vpn" in enter)) return { start: 0, end: Infinity };
  const pages = "pages" in enter ? enter.pages : "oldPages" in enter ? enter.oldPages : Infinity;
  return { start: enter.vpn, end: enter.vpn + pages };
}

/** System calls on one stage. */
export class Calls {
  private tags = 0;
  private readonly advice: Advice;

  constructor(private readonly stage: Stage) {
    this.advice = new Advice(stage, (space, { start, end }, write, where) => {
      this.populate(space, start, end, write, where);
    });
  }

  /** The part of a call that does not need its result. */
  apply(call: OpenCall, space: Space, where: Where): void {
    const { enter } = call;
    switch (enter.call) {
      case "munmap":
        this.unmap(space, enter.vpn, enter.vpn + enter.pages, "munmap", where);
        return;
      case "mprotect":
        if (call.partial) this.protectToHole(space, enter, where);
        else this.protect(space, enter.vpn, enter.vpn + enter.pages, enter.prot, where);
        return;
      case "madvise":
        this.advise(space, enter, where);
        return;
      case "mmap":
        if ((enter.flags & MAP_FIXED) !== 0 && (enter.flags & MAP_FIXED_NOREPLACE) === 0) {
          this.unmap(space, enter.vpn, enter.vpn + enter.pages, "mmap.fixed", where);
        }
        return;
      case "brk": {
        const end = enter.vpn + (enter.offset === 0 ? 0 : 1);
        if (space.brk !== 0 && end !== 0 && end < space.brk) {
          this.unmap(space, end, space.brk, "brk", where);
        }
        return;
      }
      default:
        return;
    }
  }

  /** A call that fails: its effect does not happen, but a gather it has opened is finished. */
  refuse(enter: SyscallEnter, where: Where): void {
    if (enter.call === "madvise") this.advice.refuse(enter.advice, where);
  }

  /** The part of a call that needs its result; it succeeded. */
  finish(enter: SyscallEnter, exit: SyscallExit, space: Space, where: Where): void {
    switch (enter.call) {
      case "mmap": {
        const shared = (enter.flags & MAP_SHARED) !== 0;
        const file = (enter.flags & MAP_ANONYMOUS) === 0;
        const end = exit.vpn + enter.pages;
        this.map(space, exit.vpn, end, vmaFlags(enter.prot, { shared, file }, this.tags++), where);
        if ((enter.flags & (MAP_POPULATE | MAP_LOCKED)) !== 0) {
          this.populate(space, exit.vpn, end, (enter.prot & abi.PROT_WRITE) !== 0, where);
        }
        return;
      }
      case "brk": {
        const end = exit.vpn + (exit.offset === 0 ? 0 : 1);
        if (space.brk !== 0 && end > space.brk) {
          const flags = vmaFlags(PROT_DATA, { shared: false, file: false }, 0);
          this.map(space, space.brk, end, flags, where);
        }
        space.brk = end;
        return;
      }
      case "process_madvise":
        this.adviseSomewhere(space, enter.advice, exit, where);
        return;
      case "mremap":
        this.move(space, enter, exit.vpn, where);
        return;
      default:
        return;
    }
  }

  private clip(start: number, end: number): [start: number, end: number] {
    return [start, Math.min(end, pagesOf(this.stage.machine.geometry))];
  }

  private unmap(space: Space, from: number, to: number, name: string, where: Where): void {
    const [start, end] = this.clip(from, to);
    if (start >= end) return;
    if (!space.before && space.vmas(start, end).length === 0) return;
    settleBatch(this.stage, space, { start, end }, where);
    const shared = name === "munmap" && hasWrittenShared(space, start, end);
    this.stage.run(shared ? "munmap.shared" : name, { start, end }, where);
  }

  private map(space: Space, from: number, to: number, prot: number, where: Where): void {
    const [start, end] = this.clip(from, to);
    if (start >= end) return;
    this.vacate(start, end, space, where);
    for (const vpn of space.advised.keys()) {
      if (vpn >= start && vpn < end) space.advised.delete(vpn);
    }
    this.stage.run("mmap", { start, end, prot }, where);
  }

  /** What the replay believed to be there cannot have been. */
  private vacate(start: number, end: number, space: Space, where: Where): void {
    if (space.vmas(start, end).length === 0) return;
    this.stage.run("infer.absent", { start, end }, where, { muted: true });
  }

  private populate(space: Space, from: number, to: number, write: boolean, where: Where): void {
    for (const part of space.vmas(...this.clip(from, to))) {
      const { start, end, prot } = part;
      noteUse(space, part);
      const file = (prot & (abi.VMA_FILE | abi.VMA_SHARED)) === abi.VMA_FILE;
      if ((prot & abi.PROT_READ) === 0) continue;
      if (file && !write) {
        this.populateFile(space, part, where);
      } else {
        const writes = write && (prot & abi.PROT_WRITE) !== 0;
        const whole = space.vma(start);
        if (writes && whole !== null) this.stage.written(whole, where);
        this.stage.run(writes ? "populate.write" : "populate.read", { start, end }, where);
      }
      for (let page = start; page < end; page++) space.touched.add(page);
    }
  }

  /** Each read fault on a private file mapping brings the pages around it. */
  private populateFile(space: Space, part: VmaView, where: Where): void {
    const whole = space.vma(part.start) ?? part;
    const prot = part.prot & (abi.PROT_READ | abi.PROT_EXEC);
    for (let at = part.start; at < part.end; at++) {
      if ((space.entry(at) & abi.PTE_P) !== 0) continue;
      const { start, end } = aroundOf(space, whole, at);
      this.stage.run("map.around", { start, end, prot }, where);
      for (let page = start; page < end; page++) space.touched.add(page);
      at = Math.max(at, end - 1);
    }
  }

  /** `mprotect` that failed at a hole: everything before it is done. */
  private protectToHole(space: Space, enter: MprotectEnter, where: Where): void {
    const [start, end] = this.clip(enter.vpn, enter.vpn + enter.pages);
    let at = start;
    for (const part of space.vmas(start, end)) {
      if (part.start > at) break;
      at = part.end;
    }
    // Without a hole it was something else that failed, before anything was done.
    if (at > start && at < end) this.protect(space, start, at, enter.prot, where);
  }

  private protect(space: Space, from: number, to: number, prot: number, where: Where): void {
    const [first, last] = this.clip(from, to);
    if (first >= last) return;
    let parts = space.vmas(first, last);
    if (parts.length === 0) {
      if (!space.before) return;
      // It must have been mapped, or the call would have failed.
      this.stage.inferred.vmas++;
      const flags = PROT_DATA | VMA_KNOWN | VMA_INFERRED;
      space.assume({ start: first, end: last, prot: flags });
      parts = [{ start: first, end: last, prot: flags }];
    }
    // VMAs that have these rights already are passed over.
    const changes = parts.filter(
      (part) => withRights(part.prot, prot) !== part.prot || (part.prot & VMA_INFERRED) !== 0,
    );
    if (changes.length === 0) return;
    const start = changes[0].start;
    const end = changes[changes.length - 1].end;
    settleBatch(this.stage, space, { start, end }, where);
    this.stage.run("mprotect", { start, end, prot: withRights(changes[0].prot, prot) }, where);
    if (parts.length === 1) return;
    for (const part of parts) {
      this.stage.revise({ ...part, prot: withRights(part.prot, prot) }, where);
    }
    // Holes between them are holes again.
    let at = start;
    for (const part of parts) {
      if (part.start > at && part.start <= end) this.hole(at, part.start, where);
      at = Math.max(at, part.end);
    }
  }

  private hole(start: number, end: number, where: Where): void {
    this.stage.run("munmap", { start, end }, where, { muted: true });
  }

  private advise(space: Space, enter: MadviseEnter, where: Where): void {
    const [start, end] = this.clip(enter.vpn, enter.vpn + enter.pages);
    if (start < end) this.advice.give(space, { start, end }, enter.advice, where);
  }

  /** Where is not recorded, but how much is: if only one mapping is so long, it is that one. */
  private adviseSomewhere(space: Space, advice: number, exit: SyscallExit, where: Where): void {
    const [start, end] = this.clip(0, Infinity);
    const same = space.vmas(start, end).filter((vma) => vma.end - vma.start === exit.vpn);
    if (same.length !== 1 || exit.offset !== 0) return;
    this.stage.inferred.vmas++;
    this.advice.give(space, same[0], advice, where);
  }

  private move(space: Space, enter: MremapEnter, target: number, where: Where): void {
    const { vpn: start, oldPages, newPages, flags } = enter;
    const kept = Math.min(oldPages, newPages);
    if (newPages < oldPages) {
      this.unmap(space, start + newPages, start + oldPages, "munmap", where);
    }
    const old = space.vma(start);
    const prot = old?.prot ?? PROT_DATA | VMA_KNOWN | VMA_INFERRED;
    if (target !== start) {
      if ((flags & MREMAP_FIXED) !== 0) {
        this.unmap(space, target, target + newPages, "munmap", where);
      } else {
        this.vacate(target, target + newPages, space, where);
      }
      if (kept > 0) {
        if (old === null) space.assume({ start, end: start + kept, prot });
        settleBatch(this.stage, space, { start, end: start + kept }, where);
        const keeps = (flags & MREMAP_DONTUNMAP) !== 0;
        const end = start + kept;
        // Where both places begin alike in their tables, whole tables are moved.
        const aligned = (target - start) % TABLE_PAGES === 0;
        this.stage.run(keeps || aligned ? "mremap.keep" : "mremap", { start, end, target }, where);
        if (aligned) this.stage.run("infer.tables", { start, end }, where, { muted: true });
        if (aligned && !keeps) this.stage.run("munmap", { start, end }, where);
        space.moved(start, start + kept, target);
      }
    }
    if (newPages > oldPages || target !== start) {
      const end = target + newPages;
      const from = target + (target === start ? oldPages : kept);
      if (from < end) this.map(space, from, end, prot, where);
    }
  }
}
