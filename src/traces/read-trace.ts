/**
 * Reads recordings: the text of ftrace, of `trace-cmd report`, of `perf script` and of strace.
 *
 * Memory stays bounded whatever the size of the file: one input chunk, one unfinished line and one
 * batch of events are held at a time.
 */
import { ArgumentError } from "../errors.js";
import type { TraceEvent, TraceStats } from "./events.js";
import { TRACE_FORMATS, type TraceFormat } from "./format.js";
import { openTrace, type OpenOptions, type TraceSource } from "./open.js";
import { TextParser } from "./text-parser.js";

/** How to treat a recording that is not perfect. */
export interface TraceOptions extends OpenOptions {
  /**
   * Pass over lines that cannot be used and count them in {@link TraceStats.skipped}, instead of
   * throwing. A recording of which nothing can be used is refused either way.
   */
  readonly lenient?: boolean;
  /** Which format it is in; by default, that is found out from its first lines. */
  readonly format?: TraceFormat;
  /** Events per batch, about. Default 1024. */
  readonly batchSize?: number;
}

const DEFAULT_BATCH = 1024;

/**
 * Reads a recording in batches, in the order of the file.
 *
 * @param source - path, bytes or stream; plain or gzip
 * @param options - format, leniency, batch size, limits
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
  readonly #parser: TextParser;
  #started = false;

  constructor(source: TraceSource, options: TraceOptions = {}) {
    const batchSize = options.batchSize ?? DEFAULT_BATCH;
    if (!Number.isInteger(batchSize) || batchSize < 1) {
      throw new ArgumentError("E_TYPE", "batchSize must be an integer of at least 1", {
        batchSize,
      });
    }
    const { format } = options;
    if (format !== undefined && !TRACE_FORMATS.includes(format)) {
      const message = `format must be one of ${TRACE_FORMATS.join(", ")}, got ${String(format)}`;
      throw new ArgumentError("E_TYPE", message, { argument: "format", value: format });
    }
    this.#source = source;
    this.#options = options;
    this.#batchSize = batchSize;
    this.#parser = new TextParser(options);
  }

  /** Counts so far; final when the iteration has ended. */
  get stats(): Readonly<TraceStats> {
    return this.#parser.stats;
  }

  /** Process of each thread, as far as the lines read so far have said so. */
  get processes(): ReadonlyMap<number, number> {
    return this.#parser.processes;
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
