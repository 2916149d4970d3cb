/**
 * Arguments and results of system calls as strace prints them.
 *
 * Arguments are read from the left, as many as the call has: what stands between them (a path
 * behind a file descriptor, with `-y`) may hold commas and brackets, so a list is never split.
 */
import {
  brkEnter,
  cloneEnter,
  madviseEnter,
  mmapEnter,
  mprotectEnter,
  mremapEnter,
  munmapEnter,
  plainEnter,
} from "./call-events.js";
import type { SyscallEnter, TracedCall } from "./events.js";
import type { Header } from "./ftrace-header.js";
import { ascii, type LineScanner, Mismatch } from "./line-scanner.js";
import { errnoOf, flagsOf } from "./strace-flags.js";

const NULL = ascii("NULL");
const FLAGS = ascii("flags=");
const COMMA_BLANK = ascii(", ");
const HEX = ascii("0x");
const EQUALS = ascii("= ");
const ERRNO = ascii("(errno ");
const MINUS = 45;
const SPACE = 32;
const COMMA = 44;
const CLOSE_ROUND = 41;
const CLOSE_CURLY = 125;
const LESS = 60;
const QUESTION = 63;

/** Calls whose first argument is an address. */
type MemoryCall = "mmap" | "munmap" | "mprotect" | "madvise" | "mremap" | "brk";

/** Those that are read from strace. */
export type StraceCall = Exclude<TracedCall, "process_madvise">;

/** Calls whose events are delivered; the same effect under another name is the same call. */
const CALLS: ReadonlyMap<string, StraceCall> = new Map<string, StraceCall>([
  ["mmap", "mmap"],
  ["munmap", "munmap"],
  ["mprotect", "mprotect"],
  ["pkey_mprotect", "mprotect"],
  ["madvise", "madvise"],
  ["mremap", "mremap"],
  ["brk", "brk"],
  ["clone", "clone"],
  ["clone3", "clone3"],
  ["fork", "fork"],
  ["vfork", "vfork"],
  ["execve", "execve"],
  ["execveat", "execveat"],
  ["exit", "exit"],
  ["exit_group", "exit_group"],
]);

/** The call that `name` is, or null when it is not followed. */
export function callNamed(name: string): StraceCall | null {
  return CALLS.get(name) ?? null;
}

/** Digits of a decimal number that is exact without further ado. */
const EXACT_DIGITS = 15;
const PAGE = 4096n;
const MOST = 2n ** 64n;

/** Lists of flags that were read before: there are few different ones in a recording. */
const MAX_LISTS = 4096;

/** Reads arguments and results; one instance serves a whole file. */
export class StraceValues {
  /** Result: 0 on success, else the errno; -1 when the call has no result ("?"). */
  errno = 0;
  /** Result as an address. */
  vpn = 0;
  offset = 0;
  /** Position of the ")" that ends the arguments. */
  close = 0;
  readonly #lists = new Map<string, number>();

  /** Reads `(arguments` from behind the bracket on. @throws Mismatch */
  enter(s: LineScanner, h: Header, call: StraceCall): SyscallEnter {
    switch (call) {
      case "clone":
      case "clone3":
        return cloneEnter(h, call, this.#cloneFlags(s));
      case "mmap":
      case "munmap":
      case "mprotect":
      case "madvise":
      case "mremap":
      case "brk":
        return this.#memory(s, h, call);
      default:
        return plainEnter(h, call);
    }
  }

  #memory(s: LineScanner, h: Header, call: MemoryCall): SyscallEnter {
    address(s);
    const { vpn, offset } = s;
    if (call === "brk") return brkEnter(h, vpn, offset);
    const length = pages(s);
    switch (call) {
      case "munmap":
        return munmapEnter(h, vpn, offset, length);
      case "mprotect":
        return mprotectEnter(h, vpn, offset, length, this.#flags(s));
      case "madvise":
        return madviseEnter(h, vpn, offset, length, this.#flags(s));
      case "mremap": {
        const newPages = pages(s);
        const flags = this.#flags(s);
        let newVpn = 0;
        if (s.tryLiteral(COMMA_BLANK)) {
          address(s);
          newVpn = s.vpn;
        }
        return mremapEnter(h, vpn, offset, length, newPages, flags, newVpn);
      }
      case "mmap": {
        const prot = this.#flags(s);
        const flags = this.#flags(s);
        next(s);
        const fd = descriptor(s);
        // A path behind the descriptor may hold anything: the last comma is the one before "off".
        if (s.buf[s.pos] === LESS) {
          const comma = s.lastIndexOf(COMMA_BLANK);
          if (comma === -1) throw new Mismatch("six arguments of mmap");
          s.pos = comma;
        }
        next(s);
        address(s);
        return mmapEnter(h, vpn, offset, length, prot, flags, fd, s.vpn);
      }
    }
  }

  /** Flags behind `flags=`, wherever that is; raw, they are the first argument. */
  #cloneFlags(s: LineScanner): number {
    const at = s.lastIndexOf(FLAGS);
    if (at !== -1) s.pos = at + FLAGS.length;
    return this.#list(s);
  }

  #flags(s: LineScanner): number {
    next(s);
    return this.#list(s);
  }

  #list(s: LineScanner): number {
    const { buf, end, pos } = s;
    let p = pos;
    while (p < end && buf[p] !== COMMA && buf[p] !== CLOSE_ROUND && buf[p] !== CLOSE_CURLY) p++;
    const text = s.text(pos, p);
    let bits = this.#lists.get(text);
    if (bits === undefined) {
      bits = flagsOf(text);
      if (this.#lists.size >= MAX_LISTS) this.#lists.clear();
      this.#lists.set(text, bits);
    }
    s.pos = p;
    return bits;
  }

  /** Finds `) = result`, leaves the cursor where it was, and fills the fields. @throws Mismatch */
  result(s: LineScanner): void {
    const { pos, buf, end } = s;
    let before = end;
    for (;;) {
      const at = s.lastIndexOf(EQUALS, before);
      if (at === -1) throw new Mismatch('") = " and a result');
      let p = at - 1;
      while (p >= pos && buf[p] === SPACE) p--;
      if (p >= pos && p < at - 1 && buf[p] === CLOSE_ROUND) {
        this.close = p;
        s.pos = at + EQUALS.length;
        break;
      }
      before = at;
    }
    this.#value(s);
    s.pos = pos;
  }

  #value(s: LineScanner): void {
    const { buf, end } = s;
    this.vpn = this.offset = 0;
    this.errno = 0;
    const first = buf[s.pos];
    if (s.pos >= end) throw new Mismatch("a result");
    if (first === QUESTION) {
      s.pos++;
      s.skipSpaces();
      this.errno = s.pos < end && buf[s.pos] !== LESS ? errnoOf(s.word("an error")) : -1;
      return;
    }
    if (first === MINUS) {
      s.pos++;
      s.decimal("a result");
      s.skipSpaces();
      if (s.tryLiteral(ERRNO)) this.errno = s.decimal("an errno");
      else this.errno = s.pos < end && buf[s.pos] !== LESS ? errnoOf(s.word("an error")) : 4095;
      return;
    }
    address(s);
    this.vpn = s.vpn;
    this.offset = s.offset;
    // What follows is a comment, a name or how long it took.
    if (s.pos < end && buf[s.pos] !== SPACE && buf[s.pos] !== LESS) {
      throw new Mismatch("a blank after the result");
    }
  }
}

/** Past the comma that separates two arguments. */
function next(s: LineScanner): void {
  s.literal(COMMA_BLANK);
}

/** A length, rounded up to whole pages, after a comma. */
function pages(s: LineScanner): number {
  next(s);
  address(s);
  return s.vpn + (s.offset > 0 ? 1 : 0);
}

/** A number of 64 bits, decimal, hexadecimal or NULL, into the scanner's vpn and offset. */
function address(s: LineScanner): void {
  const { pos, buf, end } = s;
  if (s.tryLiteral(HEX)) {
    s.pos = pos;
    s.hex("a number");
    return;
  }
  if (s.tryLiteral(NULL)) {
    s.vpn = s.offset = 0;
    return;
  }
  let p = pos;
  let value = 0;
  while (p < end && buf[p] >= 48 && buf[p] <= 57) value = value * 10 + buf[p++] - 48;
  if (p === pos) throw new Mismatch("a number or NULL");
  s.pos = p;
  if (p - pos <= EXACT_DIGITS) {
    s.vpn = Math.floor(value / 4096);
    s.offset = value % 4096;
    return;
  }
  if (p - pos > 20) throw new Mismatch("a number of at most 64 bits");
  const exact = BigInt(s.text(pos, p));
  if (exact >= MOST) throw new Mismatch("a number of at most 64 bits");
  s.vpn = Number(exact / PAGE);
  s.offset = Number(exact % PAGE);
}

/** A file descriptor: raw, -1 is 0xffffffff. */
function descriptor(s: LineScanner): number {
  if (s.buf[s.pos] === MINUS) return s.integer("a file descriptor");
  address(s);
  return ((s.vpn % 2 ** 20) * 4096 + s.offset) | 0;
}
