/**
 * Which pages are present is what strace cannot see: it shows no faults. The model here is
 * *touched before use*: when a call takes pages away or restricts them (munmap, MAP_FIXED over a
 * mapping, brk that shrinks, mprotect, madvise, mremap), the first pages of each accessible mapping
 * in its range, up to a limit, have been touched by the calling thread a moment ago: written where
 * that is allowed, else read. Of a thread's stack (MAP_STACK) it is the last pages, and few: stacks
 * grow down, and an 8 MiB one is mostly never used.
 */
import * as abi from "../core/abi.js";
import { pagesOf } from "../core/geometry.js";
import type { PageFault, SyscallEnter } from "../traces/events.js";
import type { Where } from "./stage.js";
import { replayFault } from "./faults.js";
import { type Space, VMA_INFERRED, VMA_KNOWN } from "./spaces.js";
import type { Stage, Thread } from "./stage.js";

const MAP_FIXED = 0x10;
const MAP_STACK = 0x20000;
/** `madvise` advice that takes pages away. */
const TAKING = new Set([4, 8, 21, 24]);

/** Calls that fail where nothing is mapped: munmap does not. */
const NEEDS_MAPPING = new Set<string>(["mprotect", "madvise"]);

/** Pages of a stack that are in use, at most. */
const STACK_PAGES = 4;
/** Stacks that are remembered per address space. */
const MOST_STACKS = 4096;

/** x86 page-fault error codes: user reads, user writes. */
const READ = 4;
const WRITE = 6;

interface Range {
  readonly start: number;
  readonly end: number;
}

/** See the file comment. */
export class Residency {
  /** Pages that were taken to be present. */
  touched = 0;
  private readonly stacks = new WeakMap<Space, Range[]>();

  /** @param pages - at most so many of each mapping and call */
  constructor(
    private readonly stage: Stage,
    private readonly pages: number,
  ) {}

  /** A call is about to have its effect; `isWhole`: it will succeed. */
  before(
    enter: SyscallEnter,
    isWhole: boolean,
    thread: Thread & { space: Space },
    where: Where,
  ): void {
    const { space } = thread;
    const range = affected(enter, space);
    if (range === null) return;
    const start = range.start;
    const end = Math.min(range.end, pagesOf(this.stage.machine.geometry));
    if (start >= end) return;
    if (isWhole && NEEDS_MAPPING.has(enter.call)) this.infer(space, start, end);
    for (const part of space.vmas(start, end)) {
      if ((part.prot & abi.PROT_READ) === 0) continue;
      const [from, to] = this.used(space, part);
      const write = (part.prot & abi.PROT_WRITE) !== 0;
      for (let vpn = from; vpn < to; vpn++) {
        if ((space.entry(vpn) & abi.PTE_P) !== 0) continue;
        this.touched++;
        this.touch(thread, vpn, write, enter, where);
      }
    }
  }

  /** A mapping appeared. */
  mapped(enter: SyscallEnter, space: Space, vpn: number): void {
    if (enter.call !== "mmap" || (enter.flags & MAP_STACK) === 0) return;
    const stacks = this.stacks.get(space) ?? [];
    if (stacks.length >= MOST_STACKS) stacks.shift();
    const end = vpn + enter.pages;
    const others = stacks.filter((known) => known.end <= vpn || known.start >= end);
    this.stacks.set(space, [...others, { start: vpn, end }]);
  }

  /** What no call has mapped: a program's own segments, or what was there before the recording. */
  private infer(space: Space, start: number, end: number): void {
    if (space.vmas(start, end).length > 0) return;
    this.stage.inferred.vmas++;
    const prot = abi.PROT_READ | abi.PROT_WRITE | VMA_KNOWN | VMA_INFERRED;
    space.assume({ start, end, prot });
  }

  /** The part of a mapping that is in use: half-open. */
  private used(space: Space, part: Range): [from: number, to: number] {
    const stack = this.stacks
      .get(space)
      ?.find((known) => known.start <= part.start && part.end <= known.end);
    if (stack === undefined) return [part.start, Math.min(part.end, part.start + this.pages)];
    const pages = Math.min(this.pages, STACK_PAGES);
    return [Math.max(part.start, stack.end - pages), part.end];
  }

  private touch(
    thread: Thread & { space: Space },
    vpn: number,
    write: boolean,
    enter: SyscallEnter,
    where: Where,
  ): void {
    const { cpu, tid, timeNs } = where;
    const fault: PageFault = {
      kind: "pageFaultUser",
      timeNs,
      cpu,
      tid,
      comm: enter.comm,
      line: enter.line,
      vpn,
      offset: 0,
      ipVpn: 0,
      ipOffset: 0,
      ipSymbol: null,
      errorCode: write ? WRITE : READ,
    };
    replayFault(this.stage, thread, fault, `touch${enter.line}`);
  }
}

/** The pages a call is about to take away or restrict; null if none. */
function affected(enter: SyscallEnter, space: Space): Range | null {
  switch (enter.call) {
    case "munmap":
    case "mprotect":
      return { start: enter.vpn, end: enter.vpn + enter.pages };
    case "madvise":
      return TAKING.has(enter.advice) ? { start: enter.vpn, end: enter.vpn + enter.pages } : null;
    case "mmap":
      return (enter.flags & MAP_FIXED) === 0
        ? null
        : { start: enter.vpn, end: enter.vpn + enter.pages };
    case "brk": {
      const end = enter.vpn + (enter.offset === 0 ? 0 : 1);
      return end !== 0 && end < space.brk ? { start: end, end: space.brk } : null;
    }
    case "mremap":
      return { start: enter.vpn, end: enter.vpn + enter.oldPages };
    default:
      return null;
  }
}
