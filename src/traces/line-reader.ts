/** What the parser of a recording asks of the reader of one format's lines. */
import type { TraceEvent } from "./events.js";
import type { Header } from "./ftrace-header.js";
import type { LineScanner } from "./line-scanner.js";

/** Where a line reader puts what it finds. */
export interface LineSink {
  /** An event, in the order of the file. */
  event(event: TraceEvent): void;
  /** `count` events were lost here; 0 when nobody knows how many. */
  lost(cpu: number, count: number): void;
  /** A line about something that is not followed, which is no failure. */
  passedOver(): void;
  /** `tid` is a thread of process `tgid`. */
  process(tid: number, tgid: number): void;
  /** The recorded machine has so many CPUs. */
  cpus(count: number): void;
}

/** Reads the lines of one format. */
export interface LineReader {
  /** Reads the line at the scanner's cursor. @throws Mismatch when it cannot be read */
  line(s: LineScanner, h: Header, sink: LineSink): void;
}
