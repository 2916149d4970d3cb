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
  comm: string;
  line: number;
}

/** TASK_COMM_LEN (16) without its terminator. */
const MAX_COMM_BYTES = 15;
const MAX_SECONDS = 2 ** 53 / 1e9;

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
  let digits = p;
  while (isDigit(buf[p]) && p < end) tid = tid * 10 + buf[p++] - 48;
  if (p - digits > 10) return false;
  const afterTid = p;
  while (buf[p] === SPACE && p < end) p++;
  if (buf[p] === OPEN_ROUND) {
    // Optional thread group column: a number or dashes.
    while (p < end && buf[p] !== CLOSE_ROUND && p - afterTid < 24) p++;
    if (buf[p] !== CLOSE_ROUND) return false;
    p++;
    while (buf[p] === SPACE && p < end) p++;
  }
  if (p === afterTid || buf[p] !== OPEN_SQUARE) return false;
  let cpu = 0;
  digits = ++p;
  while (isDigit(buf[p]) && p < end) cpu = cpu * 10 + buf[p++] - 48;
  if (p === digits || p - digits > 6 || buf[p] !== CLOSE_SQUARE) return false;
  p++;
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
  if (p === digits || p - digits > 9 || seconds > MAX_SECONDS || buf[p] !== DOT) return false;
  digits = ++p;
  let fraction = 0;
  while (isDigit(buf[p]) && p < end && p - digits < 9) {
    fraction = fraction * 10 + buf[p++] - 48;
  }
  const places = p - digits;
  if (places === 0 || buf[p] !== COLON || buf[p + 1] !== SPACE || p + 2 >= end) return false;
  h.tid = tid;
  h.cpu = cpu;
  h.timeNs = seconds * 1e9 + fraction * TEN_TO[9 - places];
  s.pos = p + 2;
  return true;
}
