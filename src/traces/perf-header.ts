/**
 * The columns before the event as `perf script` prints them: `comm tid [cpu] seconds.fraction: `.
 *
 * Only blanks separate the comm, which may hold blanks and digits itself, from the thread id, so
 * the split is found from the right, within the 15 bytes a comm can have.
 */
import { type Header, MAX_COMM_BYTES, placeAndTime } from "./ftrace-header.js";
import { type LineScanner, Mismatch } from "./line-scanner.js";

const SPACE = 32;
const DASH = 45;
const SLASH = 47;

const isDigit = (c: number | undefined): boolean => c !== undefined && c >= 48 && c <= 57;

/**
 * Reads the header and leaves the cursor at the event's name.
 *
 * @throws Mismatch when the line has none
 */
export function readPerfHeader(s: LineScanner, h: Header): void {
  s.skipSpaces();
  const { pos: start, buf, end } = s;
  const first = Math.min(end, start + MAX_COMM_BYTES);
  for (let blank = first; blank > start; blank--) {
    if (buf[blank] !== SPACE || buf[blank - 1] === SPACE || !columnsAfter(s, h, blank)) continue;
    h.comm = s.text(start, blank);
    s.skipSpaces();
    return;
  }
  throw new Mismatch('"comm tid [cpu] seconds.fraction: event"');
}

/** Reads `tid [cpu] time: ` or `pid/tid [cpu] time: `; false when it is something else. */
function columnsAfter(s: LineScanner, h: Header, blank: number): boolean {
  const { buf, end } = s;
  let p = blank;
  while (buf[p] === SPACE && p < end) p++;
  // A thread that perf did not know has the id -1.
  const unknown = buf[p] === DASH;
  if (unknown) p++;
  let digits = p;
  let tid = 0;
  while (isDigit(buf[p]) && p < end) tid = tid * 10 + buf[p++] - 48;
  if (p === digits || p - digits > 10) return false;
  let tgid = 0;
  if (buf[p] === SLASH) {
    tgid = tid;
    digits = ++p;
    tid = 0;
    while (isDigit(buf[p]) && p < end) tid = tid * 10 + buf[p++] - 48;
    if (p === digits || p - digits > 10) return false;
  }
  const afterTid = p;
  while (buf[p] === SPACE && p < end) p++;
  if (p === afterTid || !placeAndTime(s, h, p)) return false;
  h.tid = unknown ? 0 : tid;
  h.tgid = unknown ? 0 : tgid;
  return true;
}
