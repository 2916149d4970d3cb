/**
 * Lines of the kernel's tracepoints, as three programs print them: the kernel itself (`trace`),
 * `trace-cmd report` and `perf script`. They differ in the columns before the event, in the lines
 * between events, and in a few fields.
 */
import type { TraceFormat } from "./format.js";
import { readEvent, readKnown } from "./ftrace-events.js";
import { readHeader, type Header } from "./ftrace-header.js";
import type { LineReader, LineSink } from "./line-reader.js";
import { ascii, type LineScanner, Mismatch } from "./line-scanner.js";
import { readPerfHeader } from "./perf-header.js";

export { UnknownEvent } from "./ftrace-events.js";

const CPU_MARK = ascii("CPU");
const COLON = ascii(":");
const OPEN = ascii("[");
const LOST = ascii("LOST ");
const EVENTS_LOST = ascii("EVENTS]");
const EVENTS_DROPPED = ascii("EVENTS DROPPED]");
const IS_EMPTY = ascii("is empty");
const VERSION = ascii("version = ");
const CPUS = ascii("cpus=");
const PERF_LOST = ascii("PERF_RECORD_LOST");

const SPACE = 32;
const TAB = 9;
const C = 67;

/** See the file comment. */
export class KernelLines implements LineReader {
  readonly #isFtrace: boolean;
  readonly #isPerf: boolean;

  constructor(format: TraceFormat) {
    this.#isFtrace = format === "ftrace";
    this.#isPerf = format === "perf";
  }

  line(s: LineScanner, h: Header, sink: LineSink): void {
    if (s.buf[s.pos] === C && lostLine(s, sink)) return;
    if (this.#isFtrace) {
      readHeader(s, h);
      if (h.tgid !== 0) sink.process(h.tid, h.tgid);
      sink.event(readEvent(s, h));
      return;
    }
    if (this.#isPerf) {
      if (isStackFrame(s)) return;
      readPerfHeader(s, h);
      if (perfLost(s, h, sink)) return;
    } else {
      if (commandNote(s, sink)) return;
      skipBuffer(s);
      readHeader(s, h);
    }
    if (h.tgid !== 0) sink.process(h.tid, h.tgid);
    // Neither program can leave out single calls of raw_syscalls while it records.
    const event = readKnown(s, h);
    if (event === null) sink.passedOver();
    else sink.event(event);
  }
}

/**
 * `CPU:1 [LOST 123 EVENTS]`, without a number when the kernel does not know it; `trace-cmd report`
 * has `CPU:1 [123 EVENTS DROPPED]` and `CPU 1 is empty`.
 */
function lostLine(s: LineScanner, sink: LineSink): boolean {
  const start = s.pos;
  if (s.tryLiteral(CPU_MARK)) {
    s.tryLiteral(COLON);
    s.skipSpaces();
    const cpu = digitNext(s) ? s.decimal("a CPU number") : -1;
    s.skipSpaces();
    if (cpu >= 0 && s.tryLiteral(IS_EMPTY)) return true;
    if (cpu >= 0 && s.tryLiteral(OPEN)) {
      const isKernels = s.tryLiteral(LOST);
      const known = !s.tryLiteral(EVENTS_LOST) && !s.tryLiteral(EVENTS_DROPPED);
      const count = known ? s.decimal("how many events were lost") : 0;
      s.skipSpaces();
      if (known) s.literal(isKernels ? EVENTS_LOST : EVENTS_DROPPED);
      if (!s.atEnd()) throw new Mismatch("the end of the line");
      sink.lost(cpu, count);
      return true;
    }
  }
  s.pos = start;
  return false;
}

function digitNext(s: LineScanner): boolean {
  const c = s.buf[s.pos];
  return s.pos < s.end && c >= 48 && c <= 57;
}

/** `version = 7` and `cpus=2`, at the head of `trace-cmd report`. */
function commandNote(s: LineScanner, sink: LineSink): boolean {
  if (s.tryLiteral(VERSION)) return true;
  if (!s.tryLiteral(CPUS)) return false;
  sink.cpus(s.decimal("a number of CPUs"));
  if (!s.atEnd()) throw new Mismatch("the end of the line");
  return true;
}

/** `name: ` before the columns: events of another buffer than the main one say which. */
function skipBuffer(s: LineScanner): void {
  const { buf, pos, end } = s;
  let p = pos;
  while (p < end && buf[p] !== SPACE) p++;
  // A comm has a blank before it: it is padded to one more than it can be long.
  if (p > pos + 1 && buf[p - 1] === COLON[0]) s.pos = p;
}

/** With `perf record -g`, the frames of the stack follow: an address and a symbol each. */
function isStackFrame(s: LineScanner): boolean {
  const { buf, end } = s;
  let p = s.pos;
  if (buf[p] !== TAB && buf[p] !== SPACE) return false;
  while (p < end && (buf[p] === SPACE || buf[p] === TAB)) p++;
  const digits = p;
  while (p < end && isHexDigit(buf[p])) p++;
  // A comm of sixteen hex digits cannot be: it has room for fifteen.
  return p - digits >= 4 && p - digits <= 16 && buf[p] === SPACE && !hasPlace(s, p);
}

function isHexDigit(c: number): boolean {
  return (c >= 48 && c <= 57) || (c >= 97 && c <= 102);
}

/** Is there a `[cpu]` column? Then a comm only looks like an address. */
function hasPlace(s: LineScanner, from: number): boolean {
  const { buf, end } = s;
  for (let p = from; p + 4 < end; p++) {
    const isOpen = buf[p] === SPACE && buf[p + 1] === 91;
    if (isOpen && buf[p + 2] >= 48 && buf[p + 2] <= 57) return true;
  }
  return false;
}

/** `PERF_RECORD_LOST lost 12`, with `perf script --show-lost-events`. */
function perfLost(s: LineScanner, h: Header, sink: LineSink): boolean {
  if (!s.tryLiteral(PERF_LOST)) return false;
  while (s.pos < s.end && !digitNext(s)) s.pos++;
  sink.lost(h.cpu, digitNext(s) ? s.decimal("how many events were lost") : 0);
  return true;
}
