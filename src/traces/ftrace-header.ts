/**
 * The columns before the event: `comm-tid [cpu] flags seconds.fraction: `.
 *
 * A comm may hold blanks, dashes and brackets, even `-1 [0]`, so the split is found from the right;
 * but an event's own text may look like a header as well, which is why a comm is not allowed to be
 * longer than the kernel can make it.
 */
import { Mismatch, type LineScanner } from "./line-scanner.js";

/** Columns of the line at hand; one object serves a whole file. */
export interface Header {
  timeNs: number;
  cpu: number;
  tid: number;
  /** The process it is a thread of, if the line says so; else 0. */
  tgid: number;
  comm: string;
  line: number;
  /** Taken off every time: the first one's seconds if those, in ns, would not be exact; else 0. */
  baseSeconds: number;
}

/** TASK_COMM_LEN (16) without its terminator. */
export const MAX_COMM_BYTES = 15;
/** More seconds than that, as nanoseconds, are no exact number: they are those of a date. */
const EXACT_SECONDS = Math.floor(2 ** 53 / 1e9);

/** An empty header, to be filled by the readers. */
export function newHeader(): Header {
  return { timeNs: 0, cpu: 0, tid: 0, tgid: 0, comm: "", line: 0, baseSeconds: 0 };
}

const TEN_TO = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

const SPACE = 32;
const DASH = 45;
const OPEN_ROUND = 40;
const CLOSE_ROUND = 41;
const OPEN_SQUARE = 91;
const CLOSE_SQUARE = 93;
const COLON = 58;
const DOT = 46;

const isDigit = (c: number | undefined): boolean => c !== undefined && c >= 48 && c <= 57;

/**
 * Reads the header and leaves the cursor at the event's name.
 *
 * @throws Mismatch when the line has none
 */
export function readHeader(s: LineScanner, h: Header): void {
  s.skipSpaces();
  const { pos: start, buf, end } = s;
  // Real kernels pad the comm to 16 columns on the left, so leading blanks are not its own.
  const first = Math.min(end, start + MAX_COMM_BYTES);
  for (let dash = first; dash > start; dash--) {
    if (buf[dash] !== DASH || !isDigit(buf[dash + 1]) || !columnsAfter(s, h, dash)) continue;
    h.comm = s.text(start, dash);
    return;
  }
  throw new Mismatch('"comm-tid [cpu] flags seconds.fraction: event"');
}

/** Reads `-tid (tgid) [cpu] flags time: ` from the dash on; false when it is something else. */
function columnsAfter(s: LineScanner, h: Header, dash: number): boolean {
  const { buf, end } = s;
  let p = dash + 1;
  let tid = 0;
  while (isDigit(buf[p]) && p < end) tid = tid * 10 + buf[p++] - 48;
  if (p - dash > 11) return false;
  const afterTid = p;
  let tgid = 0;
  while (buf[p] === SPACE && p < end) p++;
  if (buf[p] === OPEN_ROUND) {
    // Optional thread group column: a number or dashes.
    while (p < end && buf[p] !== CLOSE_ROUND && p - afterTid < 24) {
      if (isDigit(buf[p])) tgid = tgid * 10 + buf[p] - 48;
      p++;
    }
    if (buf[p] !== CLOSE_ROUND) return false;
    p++;
    while (buf[p] === SPACE && p < end) p++;
  }
  if (p === afterTid || !placeAndTime(s, h, p)) return false;
  h.tid = tid;
  h.tgid = tgid;
  return true;
}

/**
 * Reads `[cpu] flags time: ` at `from`, the flags being optional, and leaves the cursor behind it;
 * false, and nothing changed, when it is something else. `trace-cmd report -l` writes the CPU
 * without brackets, and the flags without a blank behind it.
 */
export function placeAndTime(s: LineScanner, h: Header, from: number): boolean {
  const { buf, end } = s;
  let p = from;
  const inBrackets = buf[p] === OPEN_SQUARE;
  if (inBrackets) p++;
  let cpu = 0;
  let digits = p;
  while (isDigit(buf[p]) && p < end) cpu = cpu * 10 + buf[p++] - 48;
  if (p === digits || p - digits > 6) return false;
  if (inBrackets) {
    if (buf[p] !== CLOSE_SQUARE) return false;
    p++;
  } else if (!isFlag(buf[p]) || p >= end) {
    return false;
  }
  while (buf[p] === SPACE && p < end) p++;
  // The flags column can be switched off; what is left then is the time, which ends in a colon.
  const column = p;
  while (p < end && buf[p] !== SPACE && p - column < 40) p++;
  if (buf[p - 1] === COLON && p > column) {
    p = column;
  } else {
    while (buf[p] === SPACE && p < end) p++;
  }
  digits = p;
  let seconds = 0;
  while (isDigit(buf[p]) && p < end) seconds = seconds * 10 + buf[p++] - 48;
  if (p === digits || p - digits > 12 || buf[p] !== DOT) return false;
  digits = ++p;
  let fraction = 0;
  while (isDigit(buf[p]) && p < end && p - digits < 9) {
    fraction = fraction * 10 + buf[p++] - 48;
  }
  const places = p - digits;
  if (places === 0 || buf[p] !== COLON || buf[p + 1] !== SPACE || p + 2 >= end) return false;
  h.cpu = cpu;
  h.timeNs = exactTime(h, seconds, fraction * TEN_TO[9 - places]);
  s.pos = p + 2;
  return true;
}

/** May a column of flags begin with this byte? `d` and its like: interrupts, or `.` for neither. */
function isFlag(c: number | undefined): boolean {
  return c === DOT || c === 100 || c === 68 || c === 98 || c === 66 || c === 88;
}

/** Seconds and nanoseconds as one integer, from the first time on if that is a date. */
export function exactTime(h: Header, seconds: number, ns: number): number {
  if (h.baseSeconds === 0 && seconds >= EXACT_SECONDS) h.baseSeconds = seconds;
  return (seconds - h.baseSeconds) * 1e9 + ns;
}
