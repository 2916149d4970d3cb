/**
 * The columns before a system call as strace prints them: who, and when. All of them are optional.
 *
 * - who: `15799 ` (with `-f -o FILE`), `[pid 15799] ` (on a terminal, while there are several),
 *   `15799<name> ` (with `--decode-pids=comm`), or nothing;
 * - when: seconds since 1970 (`-ttt`), `12:34:56.789` (`-t`, `-tt`), seconds since the line before
 *   (`-r`, blanks in front), or nothing.
 */
import { ascii, type LineScanner, Mismatch } from "./line-scanner.js";

/** How a line says when it was. */
export const StraceClock = { none: 0, absolute: 1, timeOfDay: 2, relative: 3 } as const;

/** The columns of one line; one object serves a whole file. */
export interface StraceHead {
  /** Thread id; -1 when the line does not say. */
  pid: number;
  /** The id is the one that strace puts in brackets when it needs one. */
  bracketed: boolean;
  /** One of {@link StraceClock}. */
  clock: number;
  seconds: number;
  /** Nanoseconds beside the seconds. */
  ns: number;
}

/** No columns at all. */
export function newStraceHead(): StraceHead {
  return { pid: -1, bracketed: false, clock: StraceClock.none, seconds: 0, ns: 0 };
}

const PID = ascii("[pid ");
const BLANK_CALL_END = ascii("> ");
const NOTE = ascii("strace: ");
const PLUSES = ascii("+++ ");
const DASHES = ascii("--- ");
const RESUMED = ascii("<... ");

const SPACE = 32;
const DOT = 46;
const COLON = 58;
const LESS = 60;
const OPEN_ROUND = 40;
const CLOSE_SQUARE = 93;

/** Seconds with so many digits are a date. */
const DATE_DIGITS = 9;
const TEN_TO = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

const isDigit = (c: number | undefined): boolean => c !== undefined && c >= 48 && c <= 57;

/** Reads the columns and leaves the cursor at what was called. @throws Mismatch */
export function readHead(s: LineScanner, head: StraceHead = newStraceHead()): void {
  head.pid = -1;
  head.bracketed = false;
  head.clock = StraceClock.none;
  head.seconds = 0;
  head.ns = 0;
  if (s.tryLiteral(PID)) {
    head.bracketed = true;
    s.skipSpaces();
    head.pid = s.decimal("a thread id");
    skipName(s);
    if (s.buf[s.pos] !== CLOSE_SQUARE) throw new Mismatch('"]" after the thread id');
    s.pos++;
  }
  s.skipSpaces();
  if (!isDigit(s.buf[s.pos]) || s.pos >= s.end) return;
  if (head.pid === -1 && isPid(s)) {
    head.pid = s.decimal("a thread id");
    skipName(s);
    s.skipSpaces();
    if (!isDigit(s.buf[s.pos]) || s.pos >= s.end) return;
  }
  readTime(s, head);
  s.skipSpaces();
}

/** Few digits that a blank or a name follow are an id; a time has a dot, a colon or is a date. */
function isPid(s: LineScanner): boolean {
  const { buf, end, pos } = s;
  let p = pos;
  while (p < end && isDigit(buf[p])) p++;
  return p < end && p - pos < DATE_DIGITS && (buf[p] === SPACE || buf[p] === LESS);
}

/** `<name>` behind an id; the name may hold anything. */
function skipName(s: LineScanner): void {
  const { buf, end } = s;
  if (buf[s.pos] !== LESS || s.pos >= end) return;
  for (let p = s.pos + 1; p < end; p++) {
    if (buf[p] !== BLANK_CALL_END[0]) continue;
    if (p + 1 >= end || buf[p + 1] === SPACE || buf[p + 1] === CLOSE_SQUARE) {
      s.pos = p + 1;
      return;
    }
  }
  throw new Mismatch('">" after the name of a thread');
}

function readTime(s: LineScanner, head: StraceHead): void {
  const start = s.pos;
  let seconds = s.decimal("a time");
  const digits = s.pos - start;
  if (s.buf[s.pos] === COLON && s.pos < s.end) {
    s.pos++;
    const minutes = s.decimal("minutes");
    if (s.buf[s.pos] !== COLON) throw new Mismatch("a time of day");
    s.pos++;
    seconds = (seconds * 60 + minutes) * 60 + s.decimal("seconds");
    head.clock = StraceClock.timeOfDay;
  } else {
    head.clock = digits >= DATE_DIGITS ? StraceClock.absolute : StraceClock.relative;
    if (s.buf[s.pos] !== DOT && head.clock === StraceClock.relative) throw new Mismatch("a time");
  }
  head.seconds = seconds;
  if (s.buf[s.pos] === DOT && s.pos < s.end) {
    const from = ++s.pos;
    const fraction = s.decimal("a fraction of a second");
    const places = s.pos - from;
    if (places > 9) throw new Mismatch("at most nine digits of a second");
    head.ns = fraction * TEN_TO[9 - places];
  }
  if (s.pos < s.end && s.buf[s.pos] !== SPACE) throw new Mismatch("a blank after the time");
}

/** Is this the beginning of anything strace prints behind the columns? Moves the cursor. */
export function startsBody(s: LineScanner): boolean {
  if ([NOTE, PLUSES, DASHES, RESUMED].some((mark) => s.tryLiteral(mark))) return true;
  const { buf, pos, end } = s;
  let p = pos;
  while (p < end && isNameByte(buf[p])) p++;
  return p > pos && p < end && buf[p] === OPEN_ROUND;
}

/** May this byte be part of the name of a system call? */
export function isNameByte(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 48 && c <= 57) || c === 95;
}
