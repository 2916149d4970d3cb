/**
 * Turns a path, a buffer or a stream into chunks of plain bytes, decompressing on the way.
 *
 * Nothing here imports a `node:` module: built-ins are asked for at run time, so a bundle for a
 * browser contains none and falls back on the web's DecompressionStream.
 */
import { ArgumentError, CapacityError, TraceError } from "../errors.js";

/** Where a recording comes from: a file's path, its bytes, or a stream of them. */
export type TraceSource = string | URL | Uint8Array | AsyncIterable<Uint8Array>;

/** Limits on what is read. */
export interface OpenOptions {
  /** Refuse (E_LIMIT) more than this many bytes after decompression. Default: no limit. */
  readonly limitBytes?: number;
}

/** Buffers are handed on in pieces of this size, so that batches stay small. */
const SLICE_BYTES = 1 << 16;

interface NodeReadable extends AsyncIterable<Uint8Array> {
  destroy(error?: Error): void;
  on(event: "error", listener: (error: Error) => void): NodeReadable;
  pipe(target: unknown): unknown;
}

interface NodeBuiltins {
  "node:fs": { createReadStream(path: string | URL): NodeReadable };
  "node:stream": {
    Readable: { from(items: AsyncIterable<Uint8Array>, options: object): NodeReadable };
  };
  "node:zlib": { createGunzip(options: object): NodeReadable };
}

interface WebReader {
  read(): Promise<{ done: boolean; value?: Uint8Array }>;
  cancel(reason?: unknown): Promise<void>;
}

interface WebStreams {
  process?: { getBuiltinModule?(name: string): unknown };
  DecompressionStream?: new (format: "gzip") => unknown;
  ReadableStream: new (source: object) => { pipeThrough(t: unknown): { getReader(): WebReader } };
}

// A cast to the few members used, so that neither DOM nor Node types are needed to compile.
const host = globalThis as unknown as WebStreams;

function builtin<K extends keyof NodeBuiltins>(name: K): NodeBuiltins[K] | undefined {
  return host.process?.getBuiltinModule?.(name) as NodeBuiltins[K] | undefined;
}

/**
 * Reads a recording as plain bytes; gzip is recognised by its first two bytes.
 *
 * @param source - path, bytes or stream
 * @param options - limits
 * @throws {@link TraceError} E_IO, E_TRUNCATED or E_CORRUPT; {@link CapacityError} E_LIMIT
 */
export async function* openTrace(
  source: TraceSource,
  options: OpenOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const limit = options.limitBytes ?? Infinity;
  if (typeof limit !== "number" || !(limit > 0)) {
    throw new ArgumentError("E_TYPE", "limitBytes must be a positive number", { limit });
  }
  const input = chunksOf(source)[Symbol.asyncIterator]();
  // Everything below drains `input`; closing it here covers every way out, early breaks included.
  try {
    const head = await readHead(input);
    const all = prepend(head, input);
    const gzip = head[0] === 0x1f && (head.length < 2 || head[1] === 0x8b);
    let total = 0;
    for await (const chunk of gzip ? gunzip(all) : all) {
      total += chunk.length;
      if (total > limit) {
        const message = `the recording holds more than limitBytes = ${limit} bytes`;
        throw new CapacityError("E_LIMIT", message, { limitBytes: limit });
      }
      yield chunk;
    }
  } finally {
    await input.return?.();
  }
}

/** The source as a stream, whatever it was. */
function chunksOf(source: TraceSource): AsyncIterable<Uint8Array> {
  if (source instanceof Uint8Array) return slices(source);
  if (typeof source === "string" || source instanceof URL) return fileChunks(source);
  const iterate = (source as { [Symbol.asyncIterator]?: unknown } | null | undefined)?.[
    Symbol.asyncIterator
  ];
  if (typeof iterate !== "function") {
    const message = "source must be a path, a Uint8Array or an AsyncIterable of Uint8Array";
    throw new ArgumentError("E_TYPE", message, { type: typeof source });
  }
  return checked(source);
}

async function* slices(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    yield bytes.subarray(at, at + SLICE_BYTES);
  }
}

async function* checked(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of source) {
    if (!(chunk instanceof Uint8Array)) {
      const message = "source must yield Uint8Array chunks";
      throw new ArgumentError("E_TYPE", message, { type: typeof chunk });
    }
    yield* slices(chunk);
  }
}

async function* fileChunks(path: string | URL): AsyncGenerator<Uint8Array, void, undefined> {
  const fs = builtin("node:fs");
  if (fs === undefined) {
    const message = "source: paths need Node.js; pass the bytes or a stream instead";
    throw new TraceError("E_ENV", message, { path: String(path) });
  }
  try {
    yield* fs.createReadStream(path);
  } catch (cause) {
    const message = `source: cannot read ${String(path)}: ${messageOf(cause)}`;
    throw new TraceError("E_IO", message, { path: String(path) }, { cause });
  }
}

/** Reads until two bytes are there (the gzip magic) or the input ends. */
async function readHead(input: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 2) {
    const next = await input.next();
    if (next.done === true) break;
    if (head.length === 0) {
      head = next.value;
    } else {
      const joined = new Uint8Array(head.length + next.value.length);
      joined.set(head);
      joined.set(next.value, head.length);
      head = joined;
    }
  }
  return head;
}

async function* prepend(
  head: Uint8Array,
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (head.length > 0) yield head;
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
    yield next.value;
  }
}

async function* gunzip(
  compressed: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const seen = { bytes: 0, failure: undefined as unknown };
  // Failures of the input itself are kept aside: they are not gzip's, and must stay what they are.
  const counted = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of compressed) {
        seen.bytes += chunk.length;
        yield chunk;
      }
    } catch (error) {
      seen.failure = error;
      throw error;
    }
  };
  try {
    yield* builtin("node:zlib") === undefined ? webInflate(counted()) : nodeInflate(counted());
  } catch (cause) {
    if (seen.failure !== undefined) throw seen.failure as Error;
    throw gzipError(cause, seen.bytes);
  }
}

async function* nodeInflate(
  compressed: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const zlib = builtin("node:zlib") as NodeBuiltins["node:zlib"];
  const stream = builtin("node:stream") as NodeBuiltins["node:stream"];
  const inflate = zlib.createGunzip({ chunkSize: SLICE_BYTES });
  const input = stream.Readable.from(compressed, { objectMode: false });
  input.on("error", (error) => inflate.destroy(error));
  input.pipe(inflate);
  try {
    yield* inflate;
  } finally {
    input.destroy();
    inflate.destroy();
  }
}

async function* webInflate(
  compressed: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (host.DecompressionStream === undefined) {
    throw new TraceError("E_ENV", "source: this runtime cannot decompress gzip", {});
  }
  const input = compressed[Symbol.asyncIterator]();
  const stream = new host.ReadableStream({
    async pull(controller: { enqueue(chunk: Uint8Array): void; close(): void }) {
      const next = await input.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      await input.return?.();
    },
  });
  const reader = stream.pipeThrough(new host.DecompressionStream("gzip")).getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      if (next.value !== undefined) yield next.value;
    }
  } finally {
    // A reader whose stream has failed rejects the cancel with the same error: already reported.
    await reader.cancel().catch(() => undefined);
  }
}

/** zlib's codes tell the two cases apart; the web's errors only do so in their wording. */
function gzipError(cause: unknown, offset: number): Error {
  if (cause instanceof TraceError) return cause;
  const { code } = cause as { code?: unknown };
  const text = messageOf(cause);
  const truncated = code === "Z_BUF_ERROR" || /unexpected end|truncated|premature/i.test(text);
  return truncated
    ? new TraceError(
        "E_TRUNCATED",
        `gzip: the data ends early, at byte ${offset}`,
        { offset },
        {
          cause,
        },
      )
    : new TraceError(
        "E_CORRUPT",
        `gzip: damaged data within the first ${offset} bytes: ${text}`,
        { offset },
        { cause },
      );
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
