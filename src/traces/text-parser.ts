/**
 * From bytes to events: lines, wherever the input is cut, the format of the recording, the clock,
 * and what happens to a line that cannot be read. How a line of one format is read is in the
 * {@link LineReader} of that format.
 *
 * Memory stays bounded whatever the size of the file: one unfinished line is held.
 */
import { TraceError } from "../errors.js";
import type { ErrorCode } from "../errors.js";
import type { SkipReason, TraceEvent, TraceStats } from "./events.js";
import { formatOf, type TraceFormat } from "./format.js";
import { type Header, newHeader, readHeader } from "./ftrace-header.js";
import { KernelLines, UnknownEvent } from "./kernel-lines.js";
import type { LineReader, LineSink } from "./line-reader.js";
import { ascii, LineScanner, Mismatch } from "./line-scanner.js";
import { StraceLines } from "./strace-lines.js";

/** A longer line is no line: the kernel's own buffer for one is 8 KiB. */
const MAX_LINE_BYTES = 1 << 16;

const NEWLINE = 10;
const RETURN = 13;
const HASH = 35;
const BOM = [0xef, 0xbb, 0xbf] as const;

const TRACER = ascii("# tracer:");

/** What `shootdown record` writes before a recording of one program's threads only. */
const ROOT = ascii("# recorded: only the threads descended from ");

const WHAT: Readonly<Record<TraceFormat, string>> = {
  ftrace: "ftrace text",
  "trace-cmd": "text of trace-cmd report",
  perf: "text of perf script",
  strace: "text of strace",
};

/** The parser behind `readTrace`, for callers that have their own source of bytes. */
export class TextParser {
  /** Counts so far. */
  readonly stats: TraceStats = {
    format: null,
    root: null,
    lines: 0,
    events: 0,
    cpus: 0,
    bytes: 0,
    lostEvents: 0,
    lostMarks: 0,
    skipped: { malformed: 0, unknownEvent: 0, clockBackwards: 0 },
    outOfOrder: 0,
  };

  /** Process of each thread, as far as lines have said so. */
  readonly processes = new Map<number, number>();

  readonly #lenient: boolean;
  readonly #scanner = new LineScanner();
  readonly #header: Header = newHeader();
  /** Time of the last event of each CPU. */
  readonly #cpuTimes = new Map<number, number>();
  #reader: LineReader | null = null;
  #lastTime = 0;
  #tail: Uint8Array = new Uint8Array(0);
  #sawTracer = false;
  /** Set by the first NUL byte anywhere, so that clean files pay one native scan per chunk. */
  #nulSeen = false;
  #out: TraceEvent[] = [];
  readonly #sink: LineSink = {
    event: (event) => this.#event(event),
    lost: (cpu, count) => this.#lost(cpu, count),
    passedOver: () => this.stats.skipped.unknownEvent++,
    process: (tid, tgid) => {
      if (this.processes.get(tid) !== tgid) this.processes.set(tid, tgid);
    },
    cpus: (count) => {
      if (this.stats.cpus === 0) this.stats.cpus = count;
    },
  };

  /**
   * @param options - `format`: by default, it is found out from the first lines; `lenient`: count
   * lines that cannot be read, instead of throwing
   */
  constructor(options: { lenient?: boolean; format?: TraceFormat } = {}) {
    this.#lenient = options.lenient === true;
    if (options.format !== undefined) this.#begin(options.format);
  }

  #begin(format: TraceFormat): LineReader {
    this.stats.format = format;
    const reader = format === "strace" ? new StraceLines() : new KernelLines(format);
    this.#reader = reader;
    return reader;
  }

  /**
   * Takes the next piece of the text, cut anywhere.
   *
   * @param given - bytes of uncompressed text; may be reused by the caller afterwards
   * @param out - where events are appended
   */
  push(given: Uint8Array, out: TraceEvent[]): void {
    // Node's Buffers are another class: `slice` of one is no copy, and code that meets both classes
    // is half as fast.
    const chunk = new Uint8Array(given.buffer, given.byteOffset, given.length);
    this.#out = out;
    this.stats.bytes += chunk.length;
    if (!this.#nulSeen) this.#nulSeen = chunk.includes(0);
    let start = 0;
    if (this.#tail.length > 0) {
      // Only the line that straddles the cut is copied, not the whole chunk.
      const newline = chunk.indexOf(NEWLINE);
      const head = newline === -1 ? chunk : chunk.subarray(0, newline);
      const joined = new Uint8Array(this.#tail.length + head.length);
      joined.set(this.#tail);
      joined.set(head, this.#tail.length);
      if (newline === -1) {
        this.#keepTail(joined);
        return;
      }
      this.#tail = new Uint8Array(0);
      this.#line(joined, 0, joined.length);
      start = newline + 1;
    }
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline === -1) break;
      this.#line(chunk, start, newline);
      start = newline + 1;
    }
    if (start < chunk.length) this.#keepTail(chunk.slice(start));
  }

  /**
   * Takes the last line, if it had no newline, and decides whether this was a recording at all.
   *
   * @param out - where events are appended
   */
  end(out: TraceEvent[]): void {
    this.#out = out;
    if (this.#tail.length > 0) {
      const last = this.#tail;
      this.#tail = new Uint8Array(0);
      this.#line(last, 0, last.length);
    }
    const { events, lostMarks, lines, format } = this.stats;
    if (events === 0 && lostMarks === 0 && (!this.#sawTracer || this.#skippedAny())) {
      const expected = `${WHAT[format ?? "ftrace"]} with at least one event`;
      this.#fail("E_PARSE", lines, expected, lines === 0 ? "the recording is empty" : "no event");
    }
  }

  #skippedAny(): boolean {
    const { malformed, unknownEvent, clockBackwards } = this.stats.skipped;
    return malformed + unknownEvent + clockBackwards > 0;
  }

  #keepTail(bytes: Uint8Array): void {
    if (bytes.length > MAX_LINE_BYTES) this.#tooLong(this.stats.lines + 1);
    this.#tail = bytes;
  }

  #tooLong(line: number): never {
    this.#fail("E_PARSE", line, `a line of at most ${MAX_LINE_BYTES} bytes`, "a longer one");
  }

  #line(buf: Uint8Array, from: number, to: number): void {
    const line = ++this.stats.lines;
    let start = from;
    let end = to;
    if (end > start && buf[end - 1] === RETURN) end--;
    if (line === 1 && BOM.every((byte, i) => buf[start + i] === byte)) start += BOM.length;
    if (start >= end) return;
    const s = this.#scanner;
    s.reset(buf, start, end);
    if (buf[start] === HASH && !this.#isEvent(s)) {
      this.#comment(s);
      return;
    }
    if (end - start > MAX_LINE_BYTES) this.#tooLong(line);
    const h = this.#header;
    h.line = line;
    try {
      if (this.#nulSeen && hasNul(buf, start, end)) throw new Mismatch("text without NUL bytes");
      const reader = this.#reader ?? this.#begin(formatOf(s, h));
      reader.line(s, h, this.#sink);
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      this.#mismatch(error, buf, start, end);
    }
  }

  /** A program's name may begin with "#", and its padding be lost: then it is no comment. */
  #isEvent(s: LineScanner): boolean {
    const { pos } = s;
    try {
      readHeader(s, this.#header);
      return true;
    } catch (error) {
      if (error instanceof Mismatch) return false;
      throw error;
    } finally {
      s.pos = pos;
    }
  }

  #comment(s: LineScanner): void {
    const { buf, pos, end } = s;
    if (s.tryLiteral(TRACER)) {
      this.#sawTracer = true;
      if (this.#reader === null) this.#begin("ftrace");
    } else if (s.tryLiteral(ROOT)) {
      const root = numberAfter(buf.subarray(pos, end), ROOT);
      if (root > 0) this.stats.root = root;
    } else if (this.stats.cpus === 0) {
      this.stats.cpus = cpusOf(buf.subarray(pos, end));
    }
  }

  #event(event: TraceEvent): void {
    if (!this.#inTime(event)) return;
    this.stats.events++;
    this.#out.push(event);
  }

  #lost(cpu: number, count: number): void {
    this.stats.lostMarks++;
    this.stats.lostEvents += count;
    const { line } = this.#header;
    const timeNs = this.#lastTime;
    this.#out.push({ kind: "lostEvents", timeNs, cpu, tid: 0, comm: "", line, count });
  }

  /** Checks the clock; false when a lenient reader passes the event over. */
  #inTime(event: TraceEvent): boolean {
    const { timeNs, cpu, line } = event;
    if (timeNs >= this.#lastTime) {
      this.#lastTime = timeNs;
      this.#cpuTimes.set(cpu, timeNs);
      return true;
    }
    const before = this.#cpuTimes.get(cpu) ?? 0;
    // strace has no CPUs, and its clock may be set back: there the order of lines is what counts.
    const onCpu = timeNs < before && this.stats.format !== "strace";
    if (!this.#lenient) {
      const last = onCpu ? before : this.#lastTime;
      const where = onCpu ? `of CPU ${cpu}` : "of the merged order";
      const message = `line ${line}: time ${timeNs} ns is before ${last} ns, the last ${where}`;
      throw new TraceError("E_TIME", message, { line, cpu, timeNs, lastNs: last });
    }
    if (onCpu) {
      this.stats.skipped.clockBackwards++;
      return false;
    }
    this.stats.outOfOrder++;
    this.#cpuTimes.set(cpu, timeNs);
    return true;
  }

  #mismatch(error: Mismatch, buf: Uint8Array, start: number, end: number): void {
    const reason: SkipReason = error instanceof UnknownEvent ? "unknownEvent" : "malformed";
    if (this.#lenient) {
      this.stats.skipped[reason]++;
      return;
    }
    const found =
      error instanceof UnknownEvent ? `event "${error.event}"` : excerpt(buf, start, end);
    this.#fail("E_PARSE", this.stats.lines, error.expected, found);
  }

  #fail(code: ErrorCode, line: number, expected: string, found: string): never {
    const message = `line ${line}: expected ${expected}, found ${found}`;
    throw new TraceError(code, message, { line, expected, found });
  }
}

/** `# entries-in-buffer/entries-written: 5/5   #P:2`: the number of CPUs, or 0. */
function cpusOf(line: Uint8Array): number {
  return numberAfter(line, PROCESSORS) || numberAfter(line, NRCPUS);
}

const PROCESSORS = ascii("#P:");
/** In the header that `perf script --header` prints. */
const NRCPUS = ascii("# nrcpus online : ");

/** The number at the end of a line that `mark` precedes, or 0. */
function numberAfter(line: Uint8Array, mark: Uint8Array): number {
  let p = line.length;
  let value = 0;
  for (let unit = 1; p > 0 && unit < 1e10; unit *= 10) {
    const digit = line[p - 1] - 48;
    if (!(digit >= 0 && digit <= 9)) break;
    value += digit * unit;
    p--;
  }
  const at = p - mark.length;
  return at >= 0 && mark.every((byte, i) => line[at + i] === byte) ? value : 0;
}

function hasNul(buf: Uint8Array, start: number, end: number): boolean {
  for (let p = start; p < end; p++) if (buf[p] === 0) return true;
  return false;
}

/** The start of a line, printable: recordings are untrusted, and terminals obey what they print. */
function excerpt(buf: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let p = start; p < end && p < start + 60; p++) {
    const c = buf[p];
    text += c >= 32 && c < 127 ? String.fromCharCode(c) : ".";
  }
  return `"${text}${end > start + 60 ? "…" : ""}"`;
}
