import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { TraceEvent } from "../../src/traces/events.js";
import { readTrace, TraceReader } from "../../src/traces/read-trace.js";
import { bytesOf, readAll, recordingBytes, refusal } from "./helpers.js";

const FTRACE = /^\s*(.+)-(\d+)\s+\[(\d+)\]\s+(\S+)\s+(\d+\.\d+): ([a-z_0-9]+)(.*)$/;
const SUBSYSTEM: Readonly<Record<string, string>> = { page: "exceptions" };

const lines = gunzipSync(recordingBytes("redis-bgsave"))
  .toString()
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

/** A line of ftrace rewritten: the columns, and the name and text of the event, may change. */
function rewritten(
  line: string,
  form: (p: { comm: string; tid: string; cpu: string; flags: string; time: string }) => string,
  event: (name: string, rest: string) => string,
): string {
  const [, comm, tid, cpu, flags, time, name, rest] = FTRACE.exec(line) ?? [];
  return form({ comm, tid, cpu, flags, time }) + event(name, rest);
}

/** `sys_munmap(…)` as tools name it that print the tracepoint's own name. */
function tool(name: string, rest: string, subsystem: boolean): string {
  const prefix = (of: string): string => (subsystem ? `${of}:` : "");
  if (!name.startsWith("sys_")) {
    const first = name.split("_")[0];
    return `${prefix(SUBSYSTEM[first] ?? first)}${name}${rest}`;
  }
  const call = name.slice(4);
  return rest.startsWith(" -> ")
    ? `${prefix("syscalls")}sys_exit_${call}: ${rest.slice(4)}`
    : `${prefix("syscalls")}sys_enter_${call}: ${rest.slice(1, -1)}`;
}

/** What the plugins of trace-cmd make of two events. */
function plugged(text: string): string {
  return text
    .replace(/tlb_flush: pages:(\S+) reason:/, "tlb_flush:            pages=$1 reason=")
    .replace(
      /prev_comm=(.*) prev_pid=(\d+) prev_prio=(\d+) prev_state=(\S+) ==> /,
      "$1:$2 [$3] $4 ==> ",
    )
    .replace(/next_comm=(.*) next_pid=(\d+) next_prio=(\d+)/, "$1:$2 [$3]");
}

const perf = lines.map((line) =>
  rewritten(
    line,
    ({ comm, tid, cpu, time }) => `${comm.padStart(16)} ${tid.padStart(7)} [${cpu}] ${time}000: `,
    (name, rest) => tool(name, rest, true),
  ),
);
const traceCmd = (withFlags: boolean): string[] =>
  lines.map((line) =>
    rewritten(
      line,
      ({ comm, tid, cpu, flags, time }) =>
        `${comm.padStart(16)}-${tid.padEnd(5)} [${cpu}] ${withFlags ? `${flags} ` : ""} ${time}: `,
      (name, rest) => plugged(tool(name, rest, false)),
    ),
  );

async function all(text: string): Promise<{ events: TraceEvent[]; trace: TraceReader }> {
  const trace = readTrace(bytesOf(text));
  const events: TraceEvent[] = [];
  for await (const batch of trace) events.push(...batch);
  return { events, trace };
}

const plain = (events: readonly TraceEvent[], shift = 0): TraceEvent[] =>
  events.map((event) => ({ ...event, line: event.line - shift }));

describe("one recording, four times", () => {
  it("perf script says the same", async () => {
    const { events, trace } = await all(perf.join("\n"));
    expect(trace.stats).toMatchObject({ format: "perf", lines: perf.length });
    expect(events).toEqual(await readAll(bytesOf(lines.join("\n"))));
  });

  for (const withFlags of [true, false]) {
    it(`trace-cmd report, ${withFlags ? "with" : "without"} flags, says the same`, async () => {
      const head = ["version = 7", "CPU 1 is empty", "cpus=2"];
      const { events, trace } = await all([...head, ...traceCmd(withFlags)].join("\n"));
      expect(trace.stats).toMatchObject({ format: "trace-cmd", cpus: 2 });
      expect(plain(events, 3)).toEqual(await readAll(bytesOf(lines.join("\n"))));
    });
  }
});

describe("perf script", () => {
  const read = async (...text: string[]): Promise<TraceEvent[]> =>
    readAll(bytesOf(text.join("\n")), { format: "perf" });
  const BODY = " [001]   815.437544:   tlb:tlb_flush: pages:1 reason:local MM shootdown (3)";

  it.each([
    ["  sd 15944", "sd", 15944],
    [" my prog-1 [2] 12", "my prog-1 [2]", 12],
    ["   a 1 2   7", "a 1 2", 7],
    [":15944 15944", ":15944", 15944],
    ["  node 15940/15944", "node", 15944],
    ["    swapper     0", "swapper", 0],
    ["    :-1    -1", ":-1", 0],
  ])("%s", async (columns, comm, tid) => {
    const [event] = await read(columns + BODY);
    expect(event).toMatchObject({
      kind: "tlbFlush",
      comm,
      tid,
      cpu: 1,
      timeNs: 815_437_544_000,
      pages: 1,
      reason: 3,
    });
  });

  it("nanoseconds, dates, and a header that knows the CPUs", async () => {
    const body = "raw_syscalls:sys_enter: NR 11 (7f2b31cf5000, 2000, 0, 0, 0, 0)";
    const text = `# ========\n# nrcpus online : 4\n#\n sd 1 [0] 1795217202.300106999: ${body}\n`;
    const { events, trace } = await all(text);
    expect(events).toMatchObject([{ call: "munmap", timeNs: 300_106_999, pages: 2 }]);
    expect(trace.stats).toMatchObject({ format: "perf", cpus: 4 });
  });

  it("stacks and lost events; calls that are not followed are no failure", async () => {
    const { events, trace } = await all(
      [
        "sd 1 [000] 1.000000001: raw_syscalls:sys_enter: NR 0 (3, 7f2b31cf5000, 100, 0, 0, 0)",
        "\t        ffffffff8106c0a1 native_flush_tlb+0x1 ([kernel.kallsyms])",
        "\t            7f1234567 [unknown] (/usr/lib/libc.so.6)",
        "",
        "sd 1 [000] 1.000000002: PERF_RECORD_LOST lost 12",
        "sd 1 [000] 1.000000003: irq_vectors:call_function_single_entry: vector=251",
      ].join("\n"),
    );
    expect(events).toMatchObject([
      { kind: "lostEvents", count: 12 },
      { kind: "callInterruptEntry", vector: 251 },
    ]);
    expect(trace.stats).toMatchObject({ lostEvents: 12, skipped: { unknownEvent: 1 } });
  });

  it("the initiator's own half has no csd, however that is printed", async () => {
    const [event] = await read(
      "sd 1 [000] 1.0: csd:csd_function_entry: func=flush_tlb_func, csd=(nil)",
    );
    expect(event).toMatchObject({ kind: "csdFunctionEntry", csd: "(nil)" });
  });

  it("other events are refused, as with ftrace", async () => {
    const text = bytesOf("sd 1 [000] 1.0: sched:sched_wakeup: comm=a pid=1\n");
    expect(await refusal(text)).toMatchObject({ code: "E_PARSE", details: { line: 1 } });
  });
});

describe("trace-cmd report", () => {
  it("knows of lost events", async () => {
    const line =
      "           <...>-3979  [007]   217.975284: tlb_flush:            pages=-1 reason= (4)";
    const text = `cpus=8\nCPU:7 [204600 EVENTS DROPPED]\nCPU:6 [EVENTS DROPPED]\n${line}\n`;
    const { events, trace } = await all(text);
    expect(events.at(-1)).toMatchObject({ comm: "<...>", cpu: 7, pages: -1, reason: 4 });
    expect(trace.stats).toMatchObject({ cpus: 8, lostEvents: 204_600, lostMarks: 2 });
  });

  it.each([
    ["buffer: ", "[001]"],
    ["", "  1d..1."],
    ["buffer: ", "  1...1."],
  ])("names the buffer, has columns for latency: %s%s", async (buffer, place) => {
    const line = `${buffer}            a: b-3979  ${place} 5.000001481: sys_exit_munmap:      0x0`;
    const { events } = await all(`cpus=8\n${line}\n`);
    expect(events).toMatchObject([{ comm: "a: b", tid: 3979, cpu: 1, timeNs: 5_000_001_481 }]);
  });

  it("prints switches in two forms", async () => {
    const head = "cpus=2\n sd-1 [000] 1.000001: sched_switch:         ";
    const { events } = await all(`${head}a:b [1:7 [120] S|K ==> swapper/0:0 [120]\n`);
    expect(events).toMatchObject([
      { prevComm: "a:b [1", prevTid: 7, prevState: "S|K", nextComm: "swapper/0", nextTid: 0 },
    ]);
  });
});

describe("whose recording it is", () => {
  it("is in a line of its own, and processes are in a column or before a slash", async () => {
    const text =
      "# recorded: only the threads descended from 27201\n# tracer: nop\n" +
      " a-7  (      5) [000] ..... 1.000001: sys_munmap -> 0x0\n" +
      " b-8  (-------) [000] ..... 1.000002: sys_munmap -> 0x0\n";
    const { trace } = await all(text);
    expect(trace.stats.root).toBe(27_201);
    expect([...trace.processes]).toEqual([[7, 5]]);
    const perfs = await all(" a 5/7 [000] 1.000001: syscalls:sys_exit_munmap: 0x0\n");
    expect([...perfs.trace.processes]).toEqual([[7, 5]]);
    expect(perfs.trace.stats.root).toBeNull();
  });
});

describe("the format", () => {
  it.each([
    ["ftrace", "# tracer: nop\n"],
    ["ftrace", "CPU:1 [LOST 12 EVENTS]\n"],
    ["ftrace", "  CPU 0/KVM-12 [000] d..1. 1.000001: sys_munmap -> 0x0\n"],
    ["trace-cmd", "cpus=2\n sd-1 [000] 1.0: sys_exit_munmap: 0x0\n"],
    ["perf", "sd 1 [000] 1.0: syscalls:sys_exit_munmap: 0x0\n"],
    ["strace", "--- SIGCHLD {si_signo=SIGCHLD} ---\nbrk(NULL) = 0x1000\n"],
    ["strace", "strace: Process 7 attached\n[pid 7] brk(NULL) = 0x1000\n"],
    ["strace", "7 <... futex resumed>) = 0\n"],
  ])("%s is recognised: %s", async (format, text) => {
    const { trace } = await all(text);
    expect(trace.stats.format).toBe(format);
  });

  it("can be named, and then nothing else will do", async () => {
    const text = bytesOf("7 brk(NULL) = 0x1000\n");
    expect(await refusal(text, { format: "ftrace" })).toMatchObject({ code: "E_PARSE" });
    expect(await readAll(text, { format: "strace" })).toHaveLength(2);
    expect(() => readTrace(text, { format: "etrace" as "ftrace" })).toThrow(
      /format must be one of/,
    );
  });

  it("is looked for further on when the first lines cannot be read, if lenient", async () => {
    const trace = readTrace(bytesOf("hello\nworld\n7 brk(NULL) = 0x1000\n"), { lenient: true });
    for await (const _ of trace);
    expect(trace.stats).toMatchObject({ format: "strace", events: 2, skipped: { malformed: 2 } });
  });
});
