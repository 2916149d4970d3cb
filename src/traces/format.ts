/** The formats a recording may have, and how one is recognised from a line of it. */
import { readHeader, type Header } from "./ftrace-header.js";
import { ascii, type LineScanner, Mismatch } from "./line-scanner.js";
import { readPerfHeader } from "./perf-header.js";
import { readHead, startsBody } from "./strace-head.js";

/** All of them, as `--format` takes them. */
export const TRACE_FORMATS = ["ftrace", "trace-cmd", "perf", "strace"] as const;

/**
 * - `ftrace`: what `/sys/kernel/tracing/trace` prints;
 * - `trace-cmd`: what `trace-cmd report` prints;
 * - `perf`: what `perf script` prints;
 * - `strace`: what strace prints, with or without `-f`, times and durations.
 */
export type TraceFormat = (typeof TRACE_FORMATS)[number];

const VERSION = ascii("version = ");
const CPUS = ascii("cpus=");
const CPU_MARK = ascii("CPU");
const LOST = ascii("[LOST ");
const DROPPED = ascii("EVENTS DROPPED]");
const IS_EMPTY = ascii("is empty");

/**
 * The format of which this is a line, which must not be a comment.
 *
 * @throws Mismatch for a line of none of them
 */
export function formatOf(s: LineScanner, h: Header): TraceFormat {
  const { pos } = s;
  const tried = (test: () => boolean): boolean => {
    s.pos = pos;
    const found = test();
    s.pos = pos;
    return found;
  };
  if (tried(() => s.tryLiteral(VERSION) || s.tryLiteral(CPUS))) return "trace-cmd";
  if (tried(() => s.tryLiteral(CPU_MARK))) {
    if (s.lastIndexOf(LOST) !== -1) return "ftrace";
    if (s.lastIndexOf(DROPPED) !== -1 || s.lastIndexOf(IS_EMPTY) !== -1) return "trace-cmd";
  }
  if (tried(() => matches(() => readHeader(s, h)))) return "ftrace";
  if (tried(() => matches(() => readPerfHeader(s, h)))) return "perf";
  const isStrace = tried(() =>
    matches(() => {
      readHead(s);
      if (!startsBody(s)) throw new Mismatch("a system call");
    }),
  );
  if (isStrace) return "strace";
  throw new Mismatch("a line of ftrace, trace-cmd report, perf script or strace");
}

function matches(read: () => void): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof Mismatch) return false;
    throw error;
  }
}
