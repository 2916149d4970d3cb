/**
 * Reads recordings in ftrace's text format, as `/sys/kernel/tracing/trace` prints them.
 *
 * Memory stays bounded whatever the size of the file: one input chunk, one unfinished line and one
 * batch of events are held at a time.
 */
import { ArgumentError, TraceError } from "../errors.js";
import type { ErrorCode } from "../errors.js";
import type { LostEvents, SkipReason, TraceEvent, TraceStats } from "./events.js";
import { readEvent, UnknownEvent } from "./ftrace-events.js";
import { readHeader, type Header } from "./ftrace-header.js";
import { ascii, LineScanner, Mismatch } from "./line-scanner.js";
import { openTrace, type OpenOptions, type TraceSource } from "./open.js";

/** How to treat a recording that is not perfect. */
export interface TraceOptions extends OpenOptions {
  /**
   * Pass over lines that cannot be used and count them in {@link TraceStats.skipped}, instead of
   * throwing. A recording of which nothing can be used is refused either way.
   */
  readonly lenient?: boolean;
  /** Events per batch, about. Default 1024. */
  readonly batchSize?: number;
}

/** A longer line is no line: the kernel's own buffer for one is 8 KiB. */
const MAX_LINE_BYTES = 1 << 16;
const DEFAULT_BATCH = 1024;

const NEWLINE = 10;
const RETURN = 13;
const HASH = 35;
const BOM = [0xef, 0xbb, 0xbf] as const;

const CPU_MARK = ascii("CPU:");
const CPU_BLANK = ascii("CPU ");
const LOST = ascii("[LOST ");
const EVENTS = ascii("EVENTS]");
const TRACER = ascii("# tracer:");

/**
 * Reads a recording in batches, in the order of the file.
 *
 * @param source - path, bytes or stream; plain or gzip
 * @param options - leniency, batch size, limits
 * @returns an iterable of batches, whose `stats` fill up while it is read; it can be read once
 * @throws {@link TraceError} while iterating: E_PARSE, E_TIME, E_TRUNCATED, E_CORRUPT, E_IO
 *
 * @example
 * ```ts
 * const trace = readTrace('node-gc.ftrace.gz');
 * for await (const batch of trace) for (const event of batch) replay(event);
 * console.log(trace.stats.lostEvents);
 * ```
 */
export function readTrace(source: TraceSource, options: TraceOptions = {}): TraceReader {
  return new TraceReader(source, options);
}

/** What {@link readTrace} returns. */
export class TraceReader implements AsyncIterable<TraceEvent[]> {
  readonly #source: TraceSource;
  readonly #options: TraceOptions;
  readonly #batchSize: number;
  readonly #parser: FtraceParser;
  #started = false;

  constructor(source: TraceSource, options: TraceOptions = {}) {
    const batchSize = options.batchSize ?? DEFAULT_BATCH;
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new ArgumentError("E_TYPE", "batchSize must be an integer of at least 1", {
        batchSize,
      });
    }
    this.#source = source;
    this.#options = options;
    this.#batchSize = batchSize;
    this.#parser = new FtraceParser(options);
  }

  /** Counts so far; final when the iteration has ended. */
  get stats(): Readonly<TraceStats> {
    return this.#parser.stats;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TraceEvent[], void, undefined> {
    if (this.#started) {
      throw new ArgumentError("E_BUSY", "a trace can be read once; call readTrace again", {});
    }
    this.#started = true;
    let batch: TraceEvent[] = [];
    for await (const chunk of openTrace(this.#source, this.#options)) {
      this.#parser.push(chunk, batch);
      if (batch.length >= this.#batchSize) {
        yield batch;
        batch = [];
      }
    }
    this.#parser.end(batch);
    if (batch.length > 0) yield batch;
  }
}

/** The parser behind {@link readTrace}, for callers that have their own source of bytes. */
export class FtraceParser {
  /** Counts so far. */
  readonly stats: TraceStats = {
    lines: 0,
    events: 0,
    cpus: 0,
    bytes: 0,
    lostEvents: 0,
    lostMarks: 0,
    skipped: { malformed: 0, unknownEvent: 0, clockBackwards: 0 },
    outOfOrder: 0,
  };

  readonly #lenient: boolean;
  readonly #scanner = new LineScanner();
  readonly #header: Header = { timeNs: 0, cpu: 0, tid: 0, comm: "", line: 0 };
  /** Time of the last event of each CPU. */
  readonly #cpuTimes = new Map<number, number>();
  #lastTime = 0;
  #tail: Uint8Array = new Uint8Array(0);
  #sawTracer = false;
  /** Set by the first NUL byte anywhere, so that clean files pay one native scan per chunk. */
  #nulSeen = false;

  constructor(options: Pick<TraceOptions, "lenient"> = {}) {
    this.#lenient = options.lenient === true;
  }

  /**
   * Takes the next piece of the text, cut anywhere.
   *
   * @param chunk - bytes of uncompressed text; may be reused by the caller afterwards
   * @param out - where events are appended
   */
  push(chunk: Uint8Array, out: TraceEvent[]): void {
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
      this.#line(joined, 0, joined.length, out);
      start = newline + 1;
    }
    for (;;) {
      const newline = chunk.indexOf(NEWLINE, start);
      if (newline === -1) break;
      this.#line(chunk, start, newline, out);
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
    if (this.#tail.length > 0) {
      const last = this.#tail;
      this.#tail = new Uint8Array(0);
      this.#line(last, 0, last.length, out);
    }
    const { events, lostMarks, lines } = this.stats;
    if (events === 0 && lostMarks === 0 && (!this.#sawTracer || this.#skippedAny())) {
      const expected = "ftrace text with at least one event";
      this.#fail("E_PARSE", lines, expected, lines === 0 ? "the recording is empty" : "no event");
    }
  }

  #skippedAny(): boolean {
    const { malformed, unknownEvent, clockBackwards } = this.stats.skipped;
    return malformed + unknownEvent + clockBackwards > 0;
  }

  #keepTail(bytes: Uint8Array): void {
    if (bytes.length > MAX_LINE_BYTES) {
      const line = this.stats.lines + 1;
      this.#fail("E_PARSE", line, `a line of at most ${MAX_LINE_BYTES} bytes`, "a longer one");
    }
    this.#tail = bytes;
  }

  #line(buf: Uint8Array, from: number, to: number, out: TraceEvent[]): void {
    const line = ++this.stats.lines;
    let start = from;
    let end = to;
    if (end > start && buf[end - 1] === RETURN) end--;
    if (line === 1 && BOM.every((byte, i) => buf[start + i] === byte)) start += BOM.length;
    if (start >= end) return;
    const s = this.#scanner;
    s.reset(buf, start, end);
    if (buf[start] === HASH) {
      if (s.tryLiteral(TRACER)) this.#sawTracer = true;
      else if (this.stats.cpus === 0) this.stats.cpus = cpusOf(buf.subarray(start, end));
      return;
    }
    if (end - start > MAX_LINE_BYTES) {
      this.#fail("E_PARSE", line, `a line of at most ${MAX_LINE_BYTES} bytes`, "a longer one");
    }
    const h = this.#header;
    h.line = line;
    try {
      if (buf[start] === CPU_MARK[0] && this.#lostLine(s, out)) return;
      if (this.#nulSeen && hasNul(buf, start, end)) throw new Mismatch("text without NUL bytes");
      readHeader(s, h);
      const event = readEvent(s, h);
      if (!this.#inTime(event)) return;
      this.stats.events++;
      out.push(event);
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
      this.#mismatch(error, buf, start, end);
    }
  }

  /** `CPU:1 [LOST 123 EVENTS]`, or without a number when the kernel does not know it. */
  #lostLine(s: LineScanner, out: TraceEvent[]): boolean {
    const start = s.pos;
    if (s.tryLiteral(CPU_MARK) || s.tryLiteral(CPU_BLANK)) {
      s.skipSpaces();
      const cpu = s.decimal("a CPU number");
      s.skipSpaces();
      if (s.tryLiteral(LOST)) {
        const known = !s.tryLiteral(EVENTS);
        const count = known ? s.decimal("how many events were lost") : 0;
        s.skipSpaces();
        if (known) s.literal(EVENTS);
        if (!s.atEnd()) throw new Mismatch("the end of the line");
        this.stats.lostMarks++;
        this.stats.lostEvents += count;
        out.push(this.#lost(cpu, count));
        return true;
      }
    }
    s.pos = start;
    return false;
  }

  #lost(cpu: number, count: number): LostEvents {
    const { line } = this.#header;
    const timeNs = this.#lastTime;
    return { kind: "lostEvents", timeNs, cpu, tid: 0, comm: "", line, count };
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
    const onCpu = timeNs < before;
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
  const mark = ascii("#P:");
  let p = line.length;
  let value = 0;
  for (let unit = 1; p > 0 && unit < 1e5; unit *= 10) {
    const digit = line[p - 1] - 48;
    if (digit < 0 || digit > 9) break;
    value += digit * unit;
    p--;
  }
  const at = p - mark.length;
  return at > 0 && mark.every((byte, i) => line[at + i] === byte) ? value : 0;
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
