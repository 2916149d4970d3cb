/**
 * Recordings that are as long as wanted: a block of seeded lines, printed again and again with the
 * clock one second later each time. What a line says is drawn from the shares of a recording of
 * node's garbage collector; how it is printed is the format's.
 */
import { Random, type TraceEvent, type TraceFormat } from "shootdown";

/** Lines of a block; all its times are within one second. */
const BLOCK_LINES = 4000;
const STEP_US = Math.floor(1e6 / BLOCK_LINES / 2);

interface Moment {
  readonly comm: string;
  readonly tid: number;
  readonly cpu: number;
  /** Within the second. */
  readonly us: number;
}

/** What stands behind the time, as the four programs print it; strace prints no such events. */
interface Said {
  readonly subsystem: string;
  readonly name: string;
  readonly fields: string;
  /** Fields as trace-cmd's own plugins print them, if they do. */
  readonly plugin?: string;
  /** What {@link digestOf} adds for it. */
  readonly page: number;
}

const TASKS: readonly (readonly [string, number])[] = [
  ["node", 16132],
  ["V8 DefaultWorke", 16133],
  ["libuv-worker", 16140],
  ["redis-server", 811],
  ["kworker/1:2-mm_", 97],
];

/** A page of an address as programs have them. */
function pageOf(random: Random): number {
  return random.below(2) === 0 ? 0x33b73 + random.below(4096) : 0x7f284_15d6 + random.below(4096);
}

const hexOf = (page: number, offset = 0): string => `0x${(page * 4096 + offset).toString(16)}`;

function fault(random: Random): Said {
  const page = pageOf(random);
  const fields = `address=${hexOf(page, 8)} ip=0x7f28415d6109 error_code=0x6`;
  return { subsystem: "exceptions", name: "page_fault_user", fields, page };
}

function flush(random: Random): Said {
  const pages = 1 + random.below(33);
  return {
    subsystem: "tlb",
    name: "tlb_flush",
    fields: `pages:${pages} reason:remote shootdown (1)`,
    plugin: `pages=${pages} reason=remote shootdown (1)`,
    page: 0,
  };
}

const SITE = "on_each_cpu_cond_mask+0x20/0x60";
const csdOf = (random: Random): string => `00000000c6ef${(4096 + random.below(9)).toString(16)}`;

function csd(random: Random): Said {
  const which = random.below(4);
  const kinds: readonly Said[] = [
    { name: "csd_queue_cpu", fields: `cpu=1 callsite=${SITE} func=flush_tlb_func csd=` },
    { name: "csd_function_entry", fields: "func=flush_tlb_func, csd=" },
    { name: "csd_function_exit", fields: "func=flush_tlb_func, csd=" },
  ].map(({ name, fields }) => ({
    subsystem: "csd",
    name,
    fields: `${fields}${csdOf(random)}`,
    page: 0,
  }));
  const ipi = "callback=generic_smp_call_function_single_interrupt+0x0/0x10";
  const name = "ipi_send_cpu";
  return (
    kinds[which] ?? { subsystem: "ipi", name, fields: `cpu=1 callsite=${SITE} ${ipi}`, page: 0 }
  );
}

function switched(random: Random): Said {
  const next = 10 + random.below(99);
  return {
    subsystem: "sched",
    name: "sched_switch",
    fields:
      "prev_comm=node prev_pid=16132 prev_prio=120 prev_state=R ==> " +
      `next_comm=rcu_preempt next_pid=${next} next_prio=120`,
    plugin: `node:16132 [120] R ==> rcu_preempt:${next} [120]`,
    page: 0,
  };
}

interface Call {
  readonly name: string;
  /** As the kernel prints them. */
  readonly args: string;
  /** As strace does. */
  readonly words: string;
  readonly result: number;
  readonly page: number;
}

function memoryCall(random: Random): Call {
  const page = pageOf(random);
  const pages = 1 + random.below(64);
  const [at, length] = [hexOf(page), hexOf(pages)];
  const plain = { result: 0, page };
  switch (random.below(10)) {
    case 0:
    case 1: {
      const args = `addr: 0x0, len: ${length}, prot: 0x3, flags: 0x22, fd: 0xffffffff, off: 0x0`;
      const flags = "PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0";
      const words = `NULL, ${pages * 4096}, ${flags}`;
      return { name: "mmap", args, words, result: page, page: 0 };
    }
    case 2:
    case 3:
    case 4: {
      const args = `addr: ${at}, len: ${length}`;
      return { name: "munmap", args, words: `${at}, ${pages * 4096}`, ...plain };
    }
    case 5:
    case 6: {
      const args = `start: ${at}, len: ${length}, prot: 0x3`;
      const words = `${at}, ${pages * 4096}, PROT_READ|PROT_WRITE`;
      return { name: "mprotect", args, words, ...plain };
    }
    case 7:
      return { name: "brk", args: `brk: ${at}`, words: at, result: page, page };
    default: {
      const args = `start: ${at}, len_in: ${length}, behavior: 0x4`;
      return { name: "madvise", args, words: `${at}, ${pages * 4096}, MADV_DONTNEED`, ...plain };
    }
  }
}

function columns(format: TraceFormat, { comm, tid, cpu, us }: Moment): string {
  const place = `[${String(cpu).padStart(3, "0")}]`;
  const time = `${SECOND}.${String(us).padStart(6, "0")}`;
  if (format === "perf") return `${comm.padStart(16)} ${String(tid).padStart(7)} ${place} ${time}`;
  if (format === "trace-cmd") return `${`${comm}-${tid}`.padStart(22)} ${place} d.... ${time}`;
  return `${comm.padStart(16)}-${String(tid).padEnd(7)} ${place} d....  ${time}`;
}

/** Stands for the seconds: as many bytes as strace prints, patched in place. */
const SECOND = "1795217202";

function eventLine(format: TraceFormat, moment: Moment, said: Said): string {
  const { subsystem, name, fields, plugin } = said;
  const head = columns(format, moment);
  if (format === "perf") {
    return `${head}:${`${subsystem}:${name}`.padStart(30)}: ${plugin ?? fields}`;
  }
  if (format === "trace-cmd") return `${head}: ${`${name}:`.padEnd(21)} ${plugin ?? fields}`;
  return `${head}: ${name}: ${fields}`;
}

function callLines(format: TraceFormat, moment: Moment, call: Call): [string, string] {
  const { name, args } = call;
  const result = hexOf(call.result);
  if (format === "ftrace") {
    const head = columns(format, moment);
    return [`${head}: sys_${name}(${args})`, `${head}: sys_${name} -> ${result}`];
  }
  const said = (kind: string, fields: string): Said => {
    return { subsystem: "syscalls", name: `sys_${kind}_${name}`, fields, page: 0 };
  };
  return [
    eventLine(format, moment, said("enter", args)),
    eventLine(format, moment, said("exit", result)),
  ];
}

/** What an event adds to the checksum of a reading. */
export function digestOf(event: TraceEvent): number {
  const page = event.kind === "pageFaultUser" || event.kind === "syscallEnter" ? vpnOf(event) : 0;
  return event.tid + ((event.timeNs % 1e9) / 1000) * 3 + page;
}

function vpnOf(event: TraceEvent): number {
  return "vpn" in event ? event.vpn % 65536 : 0;
}

/** A block of lines, and what reading it must come to. */
export interface Block {
  readonly lines: readonly string[];
  /** Sum of {@link digestOf} over its events, and how many there are. */
  readonly sum: number;
  readonly events: number;
}

class Writer {
  readonly lines: string[] = [];
  sum = 0;
  events = 0;

  /** Its time is the line's own. */
  add(line: string, { tid, us }: Moment, pages: readonly number[]): void {
    this.lines.push(line);
    for (const page of pages) {
      this.events++;
      this.sum += tid + us * 3 + (page % 65536);
    }
  }
}

function momentOf(random: Random, us: number): Moment {
  const [comm, tid] = TASKS[random.below(TASKS.length)];
  return { comm, tid, cpu: random.below(2), us };
}

function kernelBlock(format: TraceFormat, random: Random): Writer {
  const out = new Writer();
  for (let us = 0; out.lines.length < BLOCK_LINES; us += STEP_US) {
    const moment = momentOf(random, us);
    const kind = random.below(100);
    if (kind >= 88) {
      const call = memoryCall(random);
      const [enter, exit] = callLines(format, moment, call);
      out.add(enter, moment, [call.page]);
      out.add(exit, moment, [0]);
      continue;
    }
    const draw = kind < 68 ? fault : kind < 73 ? flush : kind < 84 ? csd : switched;
    const said = draw(random);
    out.add(eventLine(format, moment, said), moment, [said.page]);
  }
  return out;
}

/** One call in eight is interrupted by that of another thread; one in four is a futex. */
function straceBlock(random: Random): Writer {
  const out = new Writer();
  const [, main] = TASKS[0];
  for (let us = 0; out.lines.length < BLOCK_LINES; us += STEP_US) {
    const one = { ...momentOf(random, us), tid: main + random.below(8) };
    const head = `${one.tid} ${SECOND}.${String(us).padStart(6, "0")} `;
    if (random.below(4) === 0) {
      const words = `${hexOf(pageOf(random), 16)}, FUTEX_WAKE_PRIVATE, 1`;
      out.add(`${head}futex(${words}) = 1 <0.000014>`, one, []);
      continue;
    }
    const { name, words, result, page } = memoryCall(random);
    const value = result === 0 ? "0" : hexOf(result);
    if (random.below(8) > 0) {
      const call = `${name}(${words})`.padEnd(24);
      out.add(`${head}${call} = ${value} <0.000026>`, one, [page, 0]);
      continue;
    }
    out.add(`${head}${name}(${words} <unfinished ...>`, one, [page]);
    us += STEP_US;
    const later = { ...one, us };
    const again = `${one.tid} ${SECOND}.${String(us).padStart(6, "0")} `;
    out.add(`${again}<... ${name} resumed>) = ${value} <0.000087>`, later, [0]);
  }
  return out;
}

/** The same lines for the same seed. */
export function blockOf(format: TraceFormat, seed: number): Block {
  const random = new Random(seed);
  return format === "strace" ? straceBlock(random) : kernelBlock(format, random);
}

/** `count` blocks, each a second after the other. The bytes of one are overwritten by the next. */
export async function* blocks(
  { lines }: Block,
  count: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const text = `${lines.join("\n")}\n`;
  const bytes = new TextEncoder().encode(text);
  const places: number[] = [];
  for (let at = text.indexOf(SECOND); at !== -1; at = text.indexOf(SECOND, at + 1)) places.push(at);
  for (let i = 0; i < count; i++) {
    const digits = String(Number(SECOND) + i);
    for (const at of places) {
      for (let d = 0; d < digits.length; d++) bytes[at + d] = digits.charCodeAt(d);
    }
    yield bytes;
  }
}
