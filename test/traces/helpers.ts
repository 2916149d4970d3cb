import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { TraceError, isShootdownError } from "../../src/errors.js";
import type { TraceEvent } from "../../src/traces/events.js";
import { readTrace, type TraceOptions } from "../../src/traces/read-trace.js";
import type { TraceSource } from "../../src/traces/open.js";

export const RECORDINGS = ["madvise-2threads", "node-gc", "redis-bgsave"] as const;

export function recordingPath(name: string): string {
  return fileURLToPath(new URL(`../../traces/${name}.ftrace.gz`, import.meta.url));
}

export function recordingBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(recordingPath(name)));
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** All events of a source, in order. */
export async function readAll(source: TraceSource, options?: TraceOptions): Promise<TraceEvent[]> {
  const events: TraceEvent[] = [];
  for await (const batch of readTrace(source, options)) events.push(...batch);
  return events;
}

/** The error a source is refused with; fails the test when it is not one of ours. */
export async function refusal(source: TraceSource, options?: TraceOptions) {
  try {
    await readAll(source, options);
  } catch (error) {
    if (isShootdownError(error)) return error;
    throw error;
  }
  throw new Error("expected the source to be refused");
}

/** Bytes in pieces whose sizes follow a fixed irregular pattern. */
export async function* pieces(bytes: Uint8Array, sizes: readonly number[]) {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length];
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** A small generator with a printable seed (mulberry32). */
export function random(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export { TraceError };
