/**
 * Lines of strace. What a replay needs is made of them as the kernel's tracepoints would have said
 * it: entries and exits of the memory system calls, births, programs executed, deaths.
 *
 * - A call that others interrupt takes two lines, `mmap(… <unfinished ...>` and
 *   `<... mmap resumed>) = …`: its entry is at the first, its exit at the second. Any other call
 *   is entered and left at its line; how long it took under strace is no guide to anything.
 * - A thread that is not its process's leader and executes a program goes on under the leader's id:
 *   `+++ superseded by execve in pid N +++`.
 * - Lines without an id are those of the only thread there is.
 */
import { exitOf } from "./call-events.js";
import type { SyscallEnter } from "./events.js";
import { exactTime, type Header } from "./ftrace-header.js";
import type { LineReader, LineSink } from "./line-reader.js";
import { ascii, type LineScanner, Mismatch } from "./line-scanner.js";
import { callNamed, StraceValues, type StraceCall } from "./strace-calls.js";
import {
  isNameByte,
  newStraceHead,
  readHead,
  StraceClock,
  type StraceHead,
} from "./strace-head.js";

const NOTE = ascii("strace: ");
const PROCESS = ascii("Process ");
const ATTACHED = ascii(" attached");
const PLUSES = ascii("+++ ");
const PLUSES_END = ascii(" +++");
const EXITED = ascii("exited with ");
const KILLED = ascii("killed by ");
const SUPERSEDED = ascii("superseded by execve in pid ");
const DASHES = ascii("--- ");
const DASHES_END = ascii(" ---");
const RESUMED = ascii("<... ");
const RESUMED_END = ascii(" resumed>");
const RESULT_FOLLOWS = ascii(" <unfinished ...>");
const DOTS_END = ascii(" ...>");
const BLANK_LESS = ascii(" <");

const SPACE = 32;
const COMMA = 44;
const GREATER = 62;
const OPEN_ROUND = 40;
const DOT = 46;

/** Stands for the first thread as long as no line gives its id. */
const MAIN = 1;
/** From one line to the next when lines have no times. */
const TICK_NS = 1000;
const DAY_NS = 86_400e9;

interface Pending {
  readonly call: StraceCall;
  /** Its arguments so far, when they could not be read without the rest. */
  readonly half: Uint8Array | null;
  /** It was carried out under the id of another thread: the new program is announced already. */
  superseded: boolean;
}

/** See the file comment. */
export class StraceLines implements LineReader {
  readonly #head: StraceHead = newStraceHead();
  readonly #values = new StraceValues();
  /** Calls that were interrupted, by thread. */
  readonly #pending = new Map<number, Pending>();
  /** Threads that strace is attached to, when lines do not all have an id. */
  readonly #live = new Set<number>();
  /** The first thread's id, if it is known; it is called {@link MAIN} all the same. */
  #mainPid = -1;
  #timeNs = 0;
  #dayNs = 0;

  line(s: LineScanner, h: Header, sink: LineSink): void {
    const { buf, pos } = s;
    // Frames of the stack, with -k.
    if (buf[pos] === GREATER || (buf[pos] === SPACE && buf[pos + 1] === GREATER)) return;
    if (s.tryLiteral(NOTE)) {
      this.#note(s);
      return;
    }
    const head = this.#head;
    readHead(s, head);
    h.cpu = 0;
    h.comm = "";
    if (s.tryLiteral(NOTE)) return;
    h.timeNs = this.#timeNs = this.#time(h, head);
    if (s.tryLiteral(DASHES)) {
      endsWith(s, DASHES_END);
      return;
    }
    if (s.tryLiteral(PLUSES)) {
      h.tid = this.#tid(head, false);
      this.#ended(s, h, sink);
    } else if (s.tryLiteral(RESUMED)) {
      h.tid = this.#tid(head, true);
      this.#resumed(s, h, sink);
    } else {
      h.tid = this.#tid(head, false);
      this.#called(s, h, sink);
    }
  }

  #time(h: Header, head: StraceHead): number {
    switch (head.clock) {
      case StraceClock.absolute:
        return exactTime(h, head.seconds, head.ns);
      case StraceClock.relative:
        return this.#timeNs + head.seconds * 1e9 + head.ns;
      case StraceClock.timeOfDay: {
        const time = this.#dayNs + head.seconds * 1e9 + head.ns;
        if (time >= this.#timeNs - DAY_NS / 2) return time;
        this.#dayNs += DAY_NS;
        return time + DAY_NS;
      }
      default:
        return this.#timeNs + TICK_NS;
    }
  }

  /** `strace: Process 15827 attached`. */
  #note(s: LineScanner): void {
    if (!s.tryLiteral(PROCESS)) return;
    const pid = s.decimal("a thread id");
    if (s.tryLiteral(ATTACHED) && this.#live.size > 0) this.#live.add(pid);
  }

  /** The thread of a line; see the file comment for lines that do not say. */
  #tid(head: StraceHead, isResumed: boolean): number {
    const { pid, bracketed } = head;
    const live = this.#live;
    if (pid === -1) {
      if (live.size === 1) for (const only of live) return only;
      if (live.size === 0) live.add(MAIN);
      return MAIN;
    }
    if (!bracketed || live.has(pid)) return pid;
    if (pid === this.#mainPid) return MAIN;
    // Nobody announced this id. The first thread has one as well, and shows it while it has
    // company; what answers its open call is its own, what does not is another's.
    if (this.#mainPid === -1 && live.has(MAIN) && this.#pending.has(MAIN) === isResumed) {
      this.#mainPid = pid;
      return MAIN;
    }
    live.add(pid);
    return pid;
  }

  #ended(s: LineScanner, h: Header, sink: LineSink): void {
    endsWith(s, PLUSES_END);
    const { timeNs, cpu, tid, comm, line } = h;
    if (s.tryLiteral(SUPERSEDED)) {
      const oldTid = s.decimal("a thread id");
      const pending = this.#pending.get(oldTid);
      this.#pending.delete(oldTid);
      this.#pending.delete(tid);
      if (pending !== undefined) {
        pending.superseded = true;
        this.#pending.set(tid, pending);
      }
      this.#live.delete(oldTid);
      const kind = "schedProcessExec" as const;
      sink.event({ kind, timeNs, cpu, tid, comm, line, filename: "", taskTid: tid, oldTid });
      return;
    }
    if (!s.tryLiteral(EXITED) && !s.tryLiteral(KILLED)) {
      throw new Mismatch("how a thread came to its end");
    }
    this.#pending.delete(tid);
    this.#live.delete(tid);
    const kind = "schedProcessExit" as const;
    sink.event({ kind, timeNs, cpu, tid, comm, line, taskTid: tid, groupDead: null });
  }

  #called(s: LineScanner, h: Header, sink: LineSink): void {
    const name = nameAt(s);
    if (s.buf[s.pos] !== OPEN_ROUND || s.pos >= s.end) throw new Mismatch('"(" after the call');
    s.pos++;
    const call = callNamed(name);
    const interrupted = interruptedAt(s);
    if (interrupted !== -1) {
      if (call === null) this.#other(h, "unfinished", sink);
      else this.#unfinished(s, h, call, interrupted, sink);
      return;
    }
    const values = this.#values;
    values.result(s);
    if (call === null) {
      sink.passedOver();
      return;
    }
    s.end = trimmed(s, values.close);
    sink.event(values.enter(s, h, call));
    this.#exit(h, call, false, sink);
  }

  #other(h: Header, phase: "unfinished" | "resumed", sink: LineSink): void {
    const { timeNs, cpu, tid, comm, line } = h;
    sink.event({ kind: "otherCall", timeNs, cpu, tid, comm, line, phase });
  }

  #unfinished(s: LineScanner, h: Header, call: StraceCall, at: number, sink: LineSink): void {
    s.end = trimmed(s, at);
    const { pos } = s;
    let enter: SyscallEnter | null = null;
    try {
      enter = this.#values.enter(s, h, call);
    } catch (error) {
      if (!(error instanceof Mismatch)) throw error;
    }
    const half = enter === null ? s.buf.slice(pos, at) : null;
    this.#pending.set(h.tid, { call, half, superseded: false });
    if (enter !== null) sink.event(enter);
  }

  #resumed(s: LineScanner, h: Header, sink: LineSink): void {
    const name = nameAt(s);
    // strace itself says so of a call that a signal or a stop has interrupted.
    if (!s.tryLiteral(RESUMED_END)) throw new Mismatch('"resumed>" after the call');
    const call = callNamed(name);
    if (call === null) {
      this.#other(h, "resumed", sink);
      return;
    }
    const pending = this.#pending.get(h.tid);
    if (pending?.call !== call) throw new Mismatch(`the resumption of a call that ${name} began`);
    if (interruptedAt(s) !== -1) return;
    const values = this.#values;
    values.result(s);
    this.#pending.delete(h.tid);
    if (pending.half !== null) {
      // Old versions put a blank of their own between the two.
      if (pending.half.at(-1) === SPACE) s.skipSpaces();
      const rest = s.buf.subarray(s.pos, values.close);
      const joined = new Uint8Array(pending.half.length + rest.length);
      joined.set(pending.half);
      joined.set(rest, pending.half.length);
      s.reset(joined, 0, joined.length);
      sink.event(values.enter(s, h, call));
    }
    this.#exit(h, call, pending.superseded, sink);
  }

  /** The end of a call, and what it brought about, from the result that was read last. */
  #exit(h: Header, call: StraceCall, announced: boolean, sink: LineSink): void {
    const { errno, vpn, offset } = this.#values;
    // "= ?": it never returned.
    if (errno === -1) return;
    const { timeNs, cpu, tid, comm, line } = h;
    const value = vpn * 4096 + offset;
    if (errno === 0 && (call === "execve" || call === "execveat") && !announced) {
      const kind = "schedProcessExec" as const;
      sink.event({ kind, timeNs, cpu, tid, comm, line, filename: "", taskTid: tid, oldTid: tid });
    } else if (errno === 0 && value > 0 && isBirth(call)) {
      if (this.#live.size > 0) this.#live.add(value);
      const kind = "schedProcessFork" as const;
      const [parentTid, childTid] = [tid, value];
      sink.event({ kind, timeNs, cpu, tid, comm, line, parentTid, childComm: "", childTid });
    }
    sink.event(exitOf(h, call, errno, vpn, offset));
  }
}

function isBirth(call: StraceCall): boolean {
  return call === "clone" || call === "clone3" || call === "fork" || call === "vfork";
}

function nameAt(s: LineScanner): string {
  const { buf, pos, end } = s;
  let p = pos;
  while (p < end && isNameByte(buf[p])) p++;
  if (p === pos || p - pos > 64) throw new Mismatch("the name of a system call");
  s.pos = p;
  return s.text(pos, p);
}

/**
 * Where `<unfinished ...>`, `<pid changed to 7 ...>` or `<detached ...>` begins that ends the line;
 * -1 for a line that has a result.
 */
function interruptedAt(s: LineScanner): number {
  const { buf, end } = s;
  if (buf[end - 1] !== GREATER || buf[end - 2] !== DOT) return -1;
  const dots = end - DOTS_END.length;
  for (let i = 0; i < DOTS_END.length; i++) if (buf[dots + i] !== DOTS_END[i]) return -1;
  const less = s.lastIndexOf(BLANK_LESS);
  return less === -1 ? Math.max(s.pos, end - RESULT_FOLLOWS.length) : less;
}

/** `at`, without the blanks, commas and half-said words that stand before it. */
function trimmed(s: LineScanner, at: number): number {
  const { buf, pos } = s;
  let p = at;
  while (p > pos && (buf[p - 1] === SPACE || buf[p - 1] === COMMA)) p--;
  return p;
}

function endsWith(s: LineScanner, literal: Uint8Array): void {
  const at = s.end - literal.length;
  if (at < s.pos || s.lastIndexOf(literal) !== at) {
    throw new Mismatch(`"${String.fromCharCode(...literal)}" at the end of the line`);
  }
}
