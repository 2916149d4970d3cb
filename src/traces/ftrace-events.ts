/**
 * The event part of a line, one reader per tracepoint.
 *
 * A new tracepoint is one function and one row of {@link READERS}.
 */
import type { TracedCall, TraceEvent } from "./events.js";
import type { Header } from "./ftrace-header.js";
import * as syscalls from "./ftrace-syscalls.js";
import { ascii, Mismatch, type LineScanner } from "./line-scanner.js";

type Reader = (s: LineScanner, h: Header) => TraceEvent | null;

const COLON = 58;
const CPU = ascii("cpu=");
const FUNC = ascii("func=");
const CSD = ascii("csd=");
const CALLSITE = ascii("callsite=");
const CALLBACK = ascii("callback=");
const CPUMASK = ascii("cpumask=");
const ADDRESS = ascii("address=");
const IP = ascii("ip=");
const ERROR_CODE = ascii("error_code=");
const PAGES = ascii("pages:");
const REASON = ascii("reason:");
const COMM = ascii("comm=");
const PREV_COMM = ascii("prev_comm=");
const PREV_PID = ascii(" prev_pid=");
const PREV_PRIO = ascii("prev_prio=");
const NEXT_PRIO = ascii("next_prio=");
const PREV_STATE = ascii("prev_state=");
const ARROW = ascii(" ==> next_comm=");
const NEXT_PID = ascii(" next_pid=");
const BLANK_PID = ascii(" pid=");
const CHILD_COMM = ascii(" child_comm=");
const CHILD_PID = ascii(" child_pid=");
const ORIG_CPU = ascii("orig_cpu=");
const DEST_CPU = ascii("dest_cpu=");
const FILENAME = ascii("filename=");
const OLD_PID = ascii("old_pid=");
const GROUP_DEAD = ascii("group_dead=");
const PRIO = ascii("prio=");
const TRUE = ascii("true");
const FALSE = ascii("false");
const COMMA_BLANK = ascii(", ");
const OPEN = ascii(" (");
const CLOSE = ascii(")");
const HEX = ascii("0x");
const PAGES_PLUGIN = ascii("pages=");
const REASON_PLUGIN = ascii("reason=");
const ARROW_ALONE = ascii(" ==> ");
const OPEN_SQUARE = ascii(" [");
const COLON_SIGN = ascii(":");
const CLOSE_SQUARE = ascii("]");
const VECTOR = ascii("vector=");

/** Name of the event at the cursor, and the cursor after its colon or at its bracket. */
function eventName(s: LineScanner): string {
  const { buf, end, pos } = s;
  let p = pos;
  while (p < end) {
    const c = buf[p];
    const letter =
      (c >= 97 && c <= 122) || (c >= 48 && c <= 57) || c === 95 || (c >= 65 && c <= 90);
    if (!letter) break;
    p++;
  }
  if (p === pos || p - pos > 64) throw new Mismatch("the name of an event");
  s.pos = p;
  return s.text(pos, p);
}

/** Raised for a well-formed line whose event is none of ours. */
export class UnknownEvent extends Mismatch {
  constructor(readonly event: string) {
    super(`one of the events ${[...READERS.keys()].join(", ")} or a memory system call`);
  }
}

/** Name of the event that was read last. */
let lastName = "";

/** Reads the event after the header. @throws UnknownEvent, also for calls that are not followed */
export function readEvent(s: LineScanner, h: Header): TraceEvent {
  const event = readKnown(s, h);
  if (event === null) throw new UnknownEvent(lastName);
  return event;
}

/** The same, but null for a system call that is not followed. */
export function readKnown(s: LineScanner, h: Header): TraceEvent | null {
  let name = eventName(s);
  let reader = READERS.get(name);
  let colon = s.pos < s.end && s.buf[s.pos] === COLON;
  if (colon && reader === undefined && isLetter(s.buf[s.pos + 1])) {
    // perf puts the subsystem before the name.
    s.pos++;
    name = eventName(s);
    reader = READERS.get(name);
    colon = s.pos < s.end && s.buf[s.pos] === COLON;
  }
  // Without a colon, `sys_exit` is not raw_syscalls but the system call exit in the kernel's form.
  if (reader !== undefined && (colon || name !== "sys_exit")) {
    if (!colon) throw new Mismatch(`":" after ${name}`);
    s.pos++;
    s.skipSpaces();
    lastName = name;
    return reader(s, h);
  }
  return syscallEvent(s, h, name);
}

/** Calls by the names of their events: slicing the name of every event costs more than this. */
function callsNamed(prefix: string): ReadonlyMap<string, TracedCall> {
  return new Map(syscalls.TRACED_CALLS.map((call) => [`${prefix}${call}`, call]));
}

const KERNEL_FORMS = callsNamed("sys_");
const ENTRIES = callsNamed("sys_enter_");
const EXITS = callsNamed("sys_exit_");

function syscallEvent(s: LineScanner, h: Header, name: string): TraceEvent | null {
  if (!name.startsWith("sys_")) throw new UnknownEvent(name);
  const call = KERNEL_FORMS.get(name);
  if (call !== undefined) return syscalls.kernelForm(s, h, call);
  if (s.buf[s.pos] === COLON) {
    s.pos++;
    const entered = ENTRIES.get(name);
    if (entered !== undefined) return syscalls.commandEnter(s, h, entered);
    const left = EXITS.get(name);
    if (left !== undefined) return syscalls.commandExit(s, h, left);
  }
  lastName = name;
  return null;
}

function isLetter(c: number | undefined): boolean {
  return c !== undefined && c >= 97 && c <= 122;
}

function field(s: LineScanner, label: Uint8Array): void {
  s.skipSpaces();
  s.literal(label);
}

/** Position of a label, searched from the right because what precedes it is free text. */
function labelFromRight(s: LineScanner, label: Uint8Array, before: number, what: string): number {
  const at = s.lastIndexOf(label, before);
  if (at === -1) throw new Mismatch(what);
  return at;
}

function done(s: LineScanner): void {
  if (!s.atEnd()) throw new Mismatch("the end of the line");
}

const pageFault =
  (kind: "pageFaultUser" | "pageFaultKernel"): Reader =>
  (s, h) => {
    field(s, ADDRESS);
    s.hex("address in hex");
    const { vpn, offset } = s;
    field(s, IP);
    let ipSymbol: string | null = null;
    let ipVpn = 0;
    let ipOffset = 0;
    const at = s.pos;
    if (s.tryLiteral(HEX)) {
      s.pos = at;
      s.hex("ip in hex");
      ipVpn = s.vpn;
      ipOffset = s.offset;
    } else {
      ipSymbol = s.word("ip as an address or a symbol");
    }
    field(s, ERROR_CODE);
    const errorCode = s.hexNumber("error_code in hex");
    done(s);
    const { timeNs, cpu, tid, comm, line } = h;
    return {
      kind,
      timeNs,
      cpu,
      tid,
      comm,
      line,
      vpn,
      offset,
      ipVpn,
      ipOffset,
      ipSymbol,
      errorCode,
    };
  };

const tlbFlush: Reader = (s, h) => {
  // The plugin that trace-cmd and perf bring along writes "=".
  if (!s.tryLiteral(PAGES_PLUGIN)) s.literal(PAGES);
  const pages = s.integer("a number of pages");
  s.skipSpaces();
  if (!s.tryLiteral(REASON_PLUGIN)) s.literal(REASON);
  // Older kernels print some reasons without a name: only the number in brackets is the same.
  s.pos = labelFromRight(s, OPEN, s.end, "a reason number in brackets") + 2;
  const reason = s.decimal("a reason number");
  s.literal(CLOSE);
  done(s);
  const { timeNs, cpu, tid, comm, line } = h;
  return { kind: "tlbFlush", timeNs, cpu, tid, comm, line, pages, reason };
};

const csdQueueCpu: Reader = (s, h) => {
  s.literal(CPU);
  const targetCpu = s.decimal("a CPU number");
  field(s, CALLSITE);
  const callsite = s.word("a call site");
  field(s, FUNC);
  const func = s.word("a function");
  field(s, CSD);
  const csd = s.word("a csd");
  done(s);
  const { timeNs, cpu, tid, comm, line } = h;
  const kind = "csdQueueCpu" as const;
  return { kind, timeNs, cpu, tid, comm, line, targetCpu, callsite, func, csd };
};

const csdFunction =
  (kind: "csdFunctionEntry" | "csdFunctionExit"): Reader =>
  (s, h) => {
    s.literal(FUNC);
    const start = s.pos;
    const comma = labelFromRight(s, COMMA_BLANK, s.end, '", csd=" after the function');
    const func = s.text(start, comma);
    s.pos = comma + 2;
    s.literal(CSD);
    const csd = s.word("a csd");
    done(s);
    const { timeNs, cpu, tid, comm, line } = h;
    return { kind, timeNs, cpu, tid, comm, line, func, csd };
  };

const ipiSendCpu: Reader = (s, h) => {
  s.literal(CPU);
  const targetCpu = s.decimal("a CPU number");
  field(s, CALLSITE);
  const callsite = s.word("a call site");
  field(s, CALLBACK);
  const callback = s.word("a callback");
  done(s);
  const { timeNs, cpu, tid, comm, line } = h;
  return { kind: "ipiSendCpu", timeNs, cpu, tid, comm, line, targetCpu, callsite, callback };
};

const ipiSendCpumask: Reader = (s, h) => {
  s.literal(CPUMASK);
  const cpumask = s.word("a CPU mask");
  field(s, CALLSITE);
  const callsite = s.word("a call site");
  field(s, CALLBACK);
  const callback = s.word("a callback");
  done(s);
  const { timeNs, cpu, tid, comm, line } = h;
  return { kind: "ipiSendCpumask", timeNs, cpu, tid, comm, line, cpumask, callsite, callback };
};

const schedSwitch: Reader = (s, h) => {
  if (!s.tryLiteral(PREV_COMM)) return pluginSwitch(s, h);
  const prevStart = s.pos;
  // 16 bytes long, the arrow cannot be part of a comm; the labels before it can.
  const arrow = labelFromRight(s, ARROW, s.end, '" ==> next_comm="');
  const prevPid = labelFromRight(s, PREV_PID, arrow, '"prev_pid=" before " ==> "');
  const nextPid = labelFromRight(s, NEXT_PID, s.end, '"next_pid=" after " ==> "');
  const prevComm = s.text(prevStart, prevPid);
  s.pos = prevPid + PREV_PID.length;
  const prevTid = s.decimal("a thread id");
  field(s, PREV_PRIO);
  s.integer("a priority");
  field(s, PREV_STATE);
  const prevState = s.word("a task state");
  const nextStart = arrow + ARROW.length;
  if (nextPid < nextStart || s.pos > arrow) throw new Mismatch("next_comm= before next_pid=");
  const nextComm = s.text(nextStart, nextPid);
  s.pos = nextPid + NEXT_PID.length;
  const nextTid = s.decimal("a thread id");
  field(s, NEXT_PRIO);
  s.integer("a priority");
  done(s);
  const { timeNs, cpu, tid, comm, line } = h;
  return {
    kind: "schedSwitch",
    timeNs,
    cpu,
    tid,
    comm,
    line,
    prevComm,
    prevTid,
    prevState,
    nextComm,
    nextTid,
  };
};

/** `prev:tid [prio] S ==> next:tid [prio]`, as the plugin of trace-cmd and perf writes it. */
function pluginSwitch(s: LineScanner, h: Header): TraceEvent {
  const start = s.pos;
  const what = '"comm:tid [priority] state ==> comm:tid [priority]"';
  const arrow = labelFromRight(s, ARROW_ALONE, s.end, what);
  const prev = pluginTask(s, start, arrow, what);
  const prevState = s.pos < arrow ? s.word(what) : "";
  const next = pluginTask(s, arrow + ARROW_ALONE.length, s.end, what);
  done(s);
  const { timeNs, cpu, tid, comm, line } = h;
  return {
    kind: "schedSwitch",
    timeNs,
    cpu,
    tid,
    comm,
    line,
    prevComm: prev.comm,
    prevTid: prev.tid,
    prevState,
    nextComm: next.comm,
    nextTid: next.tid,
  };
}

/** `comm:tid [prio] ` between two positions; the cursor is left behind it. */
function pluginTask(s: LineScanner, start: number, end: number, what: string) {
  s.pos = start;
  const open = labelFromRight(s, OPEN_SQUARE, end, what);
  const colon = labelFromRight(s, COLON_SIGN, open, what);
  const comm = s.text(start, colon);
  s.pos = colon + 1;
  const tid = s.decimal("a thread id");
  s.literal(OPEN_SQUARE);
  s.integer("a priority");
  s.literal(CLOSE_SQUARE);
  s.skipSpaces();
  return { comm, tid };
}

const callInterrupt =
  (kind: "callInterruptEntry" | "callInterruptExit"): Reader =>
  (s, h) => {
    s.literal(VECTOR);
    const vector = s.decimal("a vector");
    done(s);
    const { timeNs, cpu, tid, comm, line } = h;
    return { kind, timeNs, cpu, tid, comm, line, vector };
  };

const schedMigrateTask: Reader = (s, h) => {
  s.literal(COMM);
  const start = s.pos;
  const at = labelFromRight(s, BLANK_PID, s.end, '"pid=" after comm');
  const taskComm = s.text(start, at);
  s.pos = at + BLANK_PID.length;
  const taskTid = s.decimal("a thread id");
  field(s, PRIO);
  s.integer("a priority");
  field(s, ORIG_CPU);
  const fromCpu = s.decimal("a CPU number");
  field(s, DEST_CPU);
  const toCpu = s.decimal("a CPU number");
  done(s);
  const { timeNs, cpu, tid, comm, line } = h;
  return {
    kind: "schedMigrateTask",
    timeNs,
    cpu,
    tid,
    comm,
    line,
    taskComm,
    taskTid,
    fromCpu,
    toCpu,
  };
};

const schedProcessFork: Reader = (s, h) => {
  s.literal(COMM);
  const childComm = labelFromRight(s, CHILD_COMM, s.end, '"child_comm="');
  const parentPid = labelFromRight(s, BLANK_PID, childComm, '"pid=" before child_comm');
  const childPid = labelFromRight(s, CHILD_PID, s.end, '"child_pid=" after child_comm');
  s.pos = parentPid + BLANK_PID.length;
  const parentTid = s.decimal("a thread id");
  const start = childComm + CHILD_COMM.length;
  if (childPid < start) throw new Mismatch("child_comm= before child_pid=");
  const name = s.text(start, childPid);
  s.pos = childPid + CHILD_PID.length;
  const childTid = s.decimal("a thread id");
  done(s);
  const { timeNs, cpu, tid, comm, line } = h;
  const kind = "schedProcessFork" as const;
  return { kind, timeNs, cpu, tid, comm, line, parentTid, childComm: name, childTid };
};

const schedProcessExec: Reader = (s, h) => {
  s.literal(FILENAME);
  const start = s.pos;
  const at = labelFromRight(s, BLANK_PID, s.end, '"pid=" after filename');
  const filename = s.text(start, at);
  s.pos = at + BLANK_PID.length;
  const taskTid = s.decimal("a thread id");
  field(s, OLD_PID);
  const oldTid = s.decimal("a thread id");
  done(s);
  const { timeNs, cpu, tid, comm, line } = h;
  return { kind: "schedProcessExec", timeNs, cpu, tid, comm, line, filename, taskTid, oldTid };
};

const schedProcessExit: Reader = (s, h) => {
  s.literal(COMM);
  const at = labelFromRight(s, BLANK_PID, s.end, '"pid=" after comm');
  s.pos = at + BLANK_PID.length;
  const taskTid = s.decimal("a thread id");
  field(s, PRIO);
  s.integer("a priority");
  s.skipSpaces();
  let groupDead: boolean | null = null;
  // Printed since 6.16 or so.
  if (s.tryLiteral(GROUP_DEAD)) {
    groupDead = s.tryLiteral(TRUE);
    if (!groupDead) s.literal(FALSE);
  }
  done(s);
  const { timeNs, cpu, tid, comm, line } = h;
  return { kind: "schedProcessExit", timeNs, cpu, tid, comm, line, taskTid, groupDead };
};

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ["page_fault_user", pageFault("pageFaultUser")],
  ["page_fault_kernel", pageFault("pageFaultKernel")],
  ["tlb_flush", tlbFlush],
  ["csd_queue_cpu", csdQueueCpu],
  ["csd_function_entry", csdFunction("csdFunctionEntry")],
  ["csd_function_exit", csdFunction("csdFunctionExit")],
  ["ipi_send_cpu", ipiSendCpu],
  ["ipi_send_cpumask", ipiSendCpumask],
  ["sched_switch", schedSwitch],
  ["sched_migrate_task", schedMigrateTask],
  ["sched_process_fork", schedProcessFork],
  ["sched_process_exec", schedProcessExec],
  ["sched_process_exit", schedProcessExit],
  ["call_function_entry", callInterrupt("callInterruptEntry")],
  ["call_function_exit", callInterrupt("callInterruptExit")],
  ["call_function_single_entry", callInterrupt("callInterruptEntry")],
  ["call_function_single_exit", callInterrupt("callInterruptExit")],
  ["sys_enter", syscalls.rawEnter],
  ["sys_exit", syscalls.rawExit],
]);
