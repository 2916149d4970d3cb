/**
 * System calls as ftrace prints them, in the three forms that occur:
 *
 * - `sys_munmap(addr: 0x7f.., len: 0x2000)` and `sys_munmap -> 0x0` (kernel, syscalls subsystem);
 * - `sys_enter_munmap: addr: 0x7f.., len: 0x2000` and `sys_exit_munmap: 0x0` (trace-cmd);
 * - `sys_enter: NR 11 (7f.., 2000, 0, 0, 0, 0)` and `sys_exit: NR 11 = 0` (raw_syscalls).
 *
 * Arguments are hexadecimal with or without `0x` (kernels differ; below ten they print alike).
 */
import {
  brkEnter,
  cloneEnter,
  exitOf,
  madviseEnter,
  mmapEnter,
  mprotectEnter,
  mremapEnter,
  munmapEnter,
  plainEnter,
  processMadviseEnter,
} from "./call-events.js";
import type { SyscallEnter, SyscallExit, TracedCall } from "./events.js";
import type { Header } from "./ftrace-header.js";
import { ascii, Mismatch, type LineScanner } from "./line-scanner.js";

/** Calls that are followed, and how many leading arguments are read. */
const ARGUMENTS: Readonly<Record<TracedCall, number>> = {
  mmap: 6,
  munmap: 2,
  mprotect: 3,
  madvise: 3,
  process_madvise: 4,
  mremap: 5,
  brk: 1,
  clone: 1,
  clone3: 0,
  fork: 0,
  vfork: 0,
  execve: 0,
  execveat: 0,
  exit: 0,
  exit_group: 0,
};

/** x86-64 numbers of the same calls, for raw_syscalls. */
const BY_NUMBER: ReadonlyMap<number, TracedCall> = new Map<number, TracedCall>([
  [9, "mmap"],
  [10, "mprotect"],
  [11, "munmap"],
  [12, "brk"],
  [25, "mremap"],
  [28, "madvise"],
  [56, "clone"],
  [57, "fork"],
  [58, "vfork"],
  [59, "execve"],
  [60, "exit"],
  [231, "exit_group"],
  [322, "execveat"],
  [435, "clone3"],
  [440, "process_madvise"],
]);

const NR = ascii("NR ");
const OPEN = ascii("(");
const ARROW = ascii("-> ");
const EQUALS = ascii("= ");
const MINUS = 45;
const CLOSE_ROUND = 41;
const COMMA = 44;
const COLON = 58;
const SPACE = 32;

/** The highest page of the address space: returned values in it may be negated errnos. */
const LAST_VPN = 2 ** 52 - 1;
const MAX_ERRNO = 4095;

/** Names of the calls that are followed. */
export const TRACED_CALLS = Object.keys(ARGUMENTS) as readonly TracedCall[];

/** Arguments of the call being read, reused from line to line. */
const vpns = new Float64Array(6);
const offsets = new Float64Array(6);

/** `sys_NAME(` or `sys_NAME ->`, cursor just after the name. */
export function kernelForm(s: LineScanner, h: Header, call: TracedCall) {
  if (s.tryLiteral(OPEN)) {
    // A line cut short must not pass for a whole one.
    while (s.end > s.pos && s.buf[s.end - 1] === SPACE) s.end--;
    if (s.buf[s.end - 1] !== CLOSE_ROUND) throw new Mismatch(`")" at the end of ${call}`);
    return enter(s, h, call);
  }
  s.skipSpaces();
  if (!s.tryLiteral(ARROW)) throw new Mismatch('"(" or " -> " after the system call');
  return leave(s, h, call);
}

/** `sys_enter_NAME:`, cursor after the colon. */
export function commandEnter(s: LineScanner, h: Header, call: TracedCall): SyscallEnter {
  return enter(s, h, call);
}

/** `sys_exit_NAME:`, cursor after the colon. */
export function commandExit(s: LineScanner, h: Header, call: TracedCall): SyscallExit {
  s.skipSpaces();
  return leave(s, h, call);
}

/** `sys_enter: NR n (…)`; null for a call that is not followed. */
export function rawEnter(s: LineScanner, h: Header): SyscallEnter | null {
  s.skipSpaces();
  s.literal(NR);
  const call = BY_NUMBER.get(s.integer("a system call number"));
  if (call === undefined) return null;
  s.skipSpaces();
  s.literal(OPEN);
  return enter(s, h, call);
}

/** `sys_exit: NR n = value`; null for a call that is not followed. */
export function rawExit(s: LineScanner, h: Header): SyscallExit | null {
  s.skipSpaces();
  s.literal(NR);
  const call = BY_NUMBER.get(s.integer("a system call number"));
  if (call === undefined) return null;
  s.skipSpaces();
  s.literal(EQUALS);
  if (s.buf[s.pos] === MINUS && s.pos < s.end) {
    s.pos++;
    const errno = s.decimal("a return value");
    finish(s);
    if (errno < 1 || errno > MAX_ERRNO) throw new Mismatch("an errno of 1 to 4095");
    return exitOf(h, call, errno, 0, 0);
  }
  const value = s.decimal("a return value");
  finish(s);
  return exitOf(h, call, 0, Math.floor(value / 4096), value % 4096);
}

function leave(s: LineScanner, h: Header, call: TracedCall): SyscallExit {
  s.hex("a return value in hex");
  finish(s);
  const { vpn, offset } = s;
  return vpn === LAST_VPN && offset >= 1
    ? exitOf(h, call, 4096 - offset, 0, 0)
    : exitOf(h, call, 0, vpn, offset);
}

function enter(s: LineScanner, h: Header, call: TracedCall): SyscallEnter {
  const wanted = ARGUMENTS[call];
  for (let i = 0; i < wanted; i++) {
    if (i > 0) nextArgument(s, call);
    skipName(s);
    s.hex(`argument ${i + 1} of ${call} in hex`);
    vpns[i] = s.vpn;
    offsets[i] = s.offset;
  }
  if (wanted > 0 && !s.atEnd()) {
    const next = s.buf[s.pos];
    if (next !== COMMA && next !== CLOSE_ROUND) throw new Mismatch(`"," or ")" in ${call}`);
  }
  return enterEvent(h, call);
}

/** From the end of one value past the comma that follows it. */
function nextArgument(s: LineScanner, call: TracedCall): void {
  const { buf, end } = s;
  let p = s.pos;
  while (p < end && buf[p] !== COMMA) p++;
  if (p >= end) throw new Mismatch(`${ARGUMENTS[call]} arguments of ${call}`);
  s.pos = p + 1;
}

/** Skips `name: ` when there is one; raw_syscalls prints none. */
function skipName(s: LineScanner): void {
  s.skipSpaces();
  const { buf, end } = s;
  for (let p = s.pos; p < end; p++) {
    const c = buf[p];
    if (c === COMMA || c === SPACE) return;
    if (c === COLON) {
      s.pos = p + 1;
      s.skipSpaces();
      return;
    }
  }
}

function finish(s: LineScanner): void {
  if (!s.atEnd()) throw new Mismatch("the end of the line after the return value");
}

const vpnAt = (i: number): number => vpns[i];
const offsetAt = (i: number): number => offsets[i];
const pagesAt = (i: number): number => vpnAt(i) + (offsetAt(i) > 0 ? 1 : 0);

/** Flags and the like: exact for every value the kernel accepts. */
const numberAt = (i: number): number => vpnAt(i) * 4096 + offsetAt(i);

/** A C int that was widened to a long before it was printed. */
const intAt = (i: number): number => ((vpnAt(i) % 2 ** 20) * 4096 + offsetAt(i)) | 0;

function enterEvent(h: Header, call: TracedCall): SyscallEnter {
  const vpn = vpnAt(0);
  const offset = offsetAt(0);
  switch (call) {
    case "mmap": {
      const [prot, flags] = [numberAt(2), numberAt(3)];
      return mmapEnter(h, vpn, offset, pagesAt(1), prot, flags, intAt(4), vpnAt(5));
    }
    case "munmap":
      return munmapEnter(h, vpn, offset, pagesAt(1));
    case "mprotect":
      return mprotectEnter(h, vpn, offset, pagesAt(1), numberAt(2));
    case "madvise":
      return madviseEnter(h, vpn, offset, pagesAt(1), intAt(2));
    case "process_madvise":
      return processMadviseEnter(h, intAt(3));
    case "mremap":
      return mremapEnter(h, vpn, offset, pagesAt(1), pagesAt(2), numberAt(3), vpnAt(4));
    case "brk":
      return brkEnter(h, vpn, offset);
    case "clone":
      return cloneEnter(h, call, numberAt(0));
    default:
      return plainEnter(h, call);
  }
}
