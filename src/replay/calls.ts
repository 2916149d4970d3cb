/** Memory system calls of a recording as operations of the machine. */
import * as abi from "../core/abi.js";
import { pagesOf } from "../core/geometry.js";
import type { SyscallEnter, SyscallExit, TracedCall } from "../traces/events.js";
import type { Machine } from "../machine.js";
import type { Space } from "./world.js";

/** Where a call's effects go: the replayer, as far as they need it. */
export interface CallTarget {
  readonly machine: Machine;
  readonly timeNs: number;
  run(name: string, args?: Record<string, number>): void;
  runSilently(name: string, args?: Record<string, number>): void;
}

const MADV_DONTNEED = 4;
const MADV_FREE = 8;
const MADV_DONTNEED_LOCKED = 24;
const MAP_SHARED = 1;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_POPULATE = 0x8000;
/** More than this is not populated page by page. */
const POPULATE_MOST = 1 << 16;
const PROT_MASK = 3;

/** Calls that take mmap_lock for writing. */
export function isWriter(call: TracedCall): boolean {
  return (
    call === "munmap" ||
    call === "mprotect" ||
    call === "brk" ||
    call === "mremap" ||
    call === "mmap"
  );
}

/** Pages [vpn, vpn + pages) within user space, or nothing. */
function range(
  replay: CallTarget,
  vpn: number,
  pages: number,
): { start: number; end: number } | null {
  const limit = pagesOf(replay.machine.geometry) / 2;
  const end = Math.min(vpn + pages, limit);
  if (!(pages > 0) || vpn >= limit || end <= vpn) return null;
  return { start: vpn, end };
}

/** What happens when the call is entered (or, if it had to wait for mmap_lock, when it returns). */
export function applyCall(replay: CallTarget, event: SyscallEnter, space: Space): void {
  switch (event.call) {
    case "munmap":
      unmap(replay, event.vpn, event.pages);
      return;
    case "mprotect":
      protect(replay, space, event.vpn, event.pages, event.prot & PROT_MASK);
      return;
    case "madvise": {
      const at = range(replay, event.vpn, event.pages);
      if (!at) return;
      if (event.advice === MADV_DONTNEED || event.advice === MADV_DONTNEED_LOCKED) {
        replay.run("madvise", at);
      } else if (event.advice === MADV_FREE) {
        replay.run("madvise.free", at);
      }
      return;
    }
    case "mmap":
      if ((event.flags & MAP_FIXED) !== 0) unmap(replay, event.vpn, event.pages);
      return;
    case "brk": {
      const end = event.vpn + (event.offset > 0 ? 1 : 0);
      if (space.heapEnd > 0 && event.vpn > 0 && end < space.heapEnd) {
        const at = range(replay, end, space.heapEnd - end);
        if (at) replay.run("brk", at);
      }
      return;
    }
    default:
      return;
  }
}

function unmap(replay: CallTarget, vpn: number, pages: number): void {
  const at = range(replay, vpn, pages);
  if (at) replay.run("munmap", at);
}

/** mprotect keeps what a mapping is (shared, of a file), so it goes mapping by mapping. */
function protect(replay: CallTarget, space: Space, vpn: number, pages: number, prot: number): void {
  const at = range(replay, vpn, pages);
  if (!at) return;
  const flags = replay.machine.protectionOf(space.mm, at.start) & ~PROT_MASK;
  replay.run("mprotect", { ...at, prot: prot | flags });
}

/** What is known only when the call returns: where something was mapped. */
export function applyExit(
  replay: CallTarget,
  enter: SyscallEnter,
  exit: SyscallExit,
  space: Space,
): void {
  if (enter.call === "mmap") {
    const at = range(replay, exit.vpn, enter.pages);
    if (!at) return;
    const shared = (enter.flags & MAP_SHARED) !== 0 ? abi.VMA_SHARED : 0;
    const file = (enter.flags & MAP_ANONYMOUS) === 0 ? abi.VMA_FILE : 0;
    const prot = (enter.prot & PROT_MASK) | shared | file;
    replay.run("mmap", { ...at, prot });
    if ((enter.flags & MAP_POPULATE) !== 0) populate(replay, space, at, prot);
    return;
  }
  if (enter.call === "brk") {
    const end = exit.vpn + (exit.offset > 0 ? 1 : 0);
    if (space.heapEnd > 0 && end > space.heapEnd) {
      const at = range(replay, space.heapEnd, end - space.heapEnd);
      if (at) replay.run("mmap", { ...at, prot: PROT_MASK });
    }
    space.heapEnd = end;
    return;
  }
  if (enter.call === "mremap") move(replay, space, enter, exit);
}

function populate(
  replay: CallTarget,
  space: Space,
  at: { start: number; end: number },
  prot: number,
): void {
  const end = Math.min(at.end, at.start + POPULATE_MOST);
  for (let vpn = at.start; vpn < end; vpn++) {
    replay.run((prot & abi.PROT_WRITE) !== 0 ? "fault.write" : "fault.read", { vpn });
    space.pages.set(vpn, { timeNs: replay.timeNs, tid: -1 });
  }
}

function move(
  replay: CallTarget,
  space: Space,
  enter: Extract<SyscallEnter, { call: "mremap" }>,
  exit: SyscallExit,
): void {
  const source = enter.vpn;
  const target = exit.vpn;
  const kept = Math.min(enter.oldPages, enter.newPages);
  const prot = replay.machine.protectionOf(space.mm, source) || PROT_MASK;
  if (enter.newPages < enter.oldPages) {
    unmap(replay, source + enter.newPages, enter.oldPages - enter.newPages);
  }
  const overlaps = target < source + kept && source < target + kept;
  if (target !== source && kept > 0 && !overlaps) {
    const at = range(replay, source, kept);
    if (!at || !range(replay, target, kept)) return;
    replay.runSilently("munmap", { start: target, end: target + kept });
    replay.run("mremap", { ...at, target });
    for (let vpn = source; vpn < Math.min(source + kept, source + POPULATE_MOST); vpn++) {
      const known = space.pages.get(vpn);
      if (known) space.pages.set(vpn - source + target, known);
    }
  }
  if (enter.newPages > enter.oldPages) {
    const at = range(replay, target + kept, enter.newPages - kept);
    if (at) replay.run("mmap", { ...at, prot });
  }
}
