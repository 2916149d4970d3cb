import { describe, expect, it } from "vitest";
import { readTrace } from "../../src/traces/read-trace.js";
import { bytesOf, readAll, refusal } from "./helpers.js";

const HEAD = "            sd-16118   [001] d..1.  4475.508053: ";
const read = async (body: string) => (await readAll(bytesOf(HEAD + body + "\n")))[0];

describe("events", () => {
  it.each([
    [
      "sys_mmap(addr: 0x7f0aca1fd000, len: 0xcf50, prot: 3, flags: 0x32, fd: 0xffffffff, off: 0)",
      {
        call: "mmap",
        vpn: 0x7f0aca1fd,
        offset: 0,
        pages: 13,
        prot: 3,
        flags: 0x32,
        fd: -1,
        filePage: 0,
      },
    ],
    ["sys_munmap(addr: 7f2b31cf5000, len: 2000)", { call: "munmap", vpn: 0x7f2b31cf5, pages: 2 }],
    ["sys_enter_munmap: addr: 0x7f2b31cf5000, len: 0x2001", { call: "munmap", pages: 3 }],
    ["sys_enter: NR 11 (7f2b31cf5000, 2000, 0, 0, 0, 0)", { call: "munmap", pages: 2 }],
    ["sys_exit: NR 11 = -12", { call: "munmap", errno: 12 }],
    ["sys_exit: NR 9 = 140737488347136", { call: "mmap", errno: 0, vpn: 0x7fffffffe }],
    ["sys_exit_munmap: 0x0", { call: "munmap", errno: 0 }],
    ["sys_exit(error_code: 0)", { kind: "syscallEnter", call: "exit" }],
    ["sys_fork()", { kind: "syscallEnter", call: "fork" }],
    ['sys_execve(filename: 0x55 "a, b", argv: 0x1, envp: 0x2)', { call: "execve" }],
    ["sys_mmap -> 0xfffffffffffffff4", { kind: "syscallExit", errno: 12, vpn: 0, value: 0 }],
    ["sys_mmap -> 0xfffffffffffff001", { errno: 4095 }],
    ["sys_mmap -> 0xfffffffffffff000", { errno: 0, vpn: 2 ** 52 - 1, offset: 0 }],
    ["sys_mmap -> 0xff12345678abcdef", { errno: 0, vpn: 0xff12345678abc, offset: 0xdef }],
    ["sys_clone -> 0x3ef6", { call: "clone", value: 16118 }],
    [
      "sys_mremap(addr: 0x7f0000000000, old_len: 0x3000, new_len: 0x6000, flags: 1, new_addr: 0)",
      { call: "mremap", oldPages: 3, newPages: 6, flags: 1, newVpn: 0 },
    ],
    ["sys_madvise(start: 0x1000, len_in: 0x4000, behavior: 4)", { advice: 4, vpn: 1, pages: 4 }],
    [
      "page_fault_user: address=0x7f0aca1fd123 ip=0x55f3d76522c3 error_code=0x7",
      { kind: "pageFaultUser", vpn: 0x7f0aca1fd, offset: 0x123, ipVpn: 0x55f3d7652, errorCode: 7 },
    ],
    [
      "page_fault_kernel: address=0x10 ip=__put_user_4 error_code=0x2",
      { kind: "pageFaultKernel", vpn: 0, offset: 16, ipSymbol: "__put_user_4", ipVpn: 0 },
    ],
    ["tlb_flush: pages:-1 reason:flush on task switch (0)", { pages: -1, reason: 0 }],
    ["tlb_flush: pages:0 reason:0x5 (5)", { pages: 0, reason: 5 }],
    [
      "sched_switch: prev_comm=a prev_pid=9 b prev_pid=7 prev_prio=120 prev_state=R+ ==> " +
        "next_comm=c next_pid=1 d next_pid=8 next_prio=-1",
      {
        prevComm: "a prev_pid=9 b",
        prevTid: 7,
        prevState: "R+",
        nextComm: "c next_pid=1 d",
        nextTid: 8,
      },
    ],
    [
      "ipi_send_cpumask: cpumask=00000003 callsite=x+0x1/0x2 callback=y",
      { kind: "ipiSendCpumask", cpumask: "00000003" },
    ],
    ["sched_process_exit: comm=a b pid=3 prio=120", { taskTid: 3, groupDead: null }],
    ["sched_process_exit: comm=a pid=3 prio=120 group_dead=true", { groupDead: true }],
    [
      "sched_process_exec: filename=/tmp/a pid=3 b pid=4 old_pid=5",
      { filename: "/tmp/a pid=3 b", taskTid: 4, oldTid: 5 },
    ],
  ])("%s", async (body, expected) => {
    expect(await read(body)).toMatchObject(expected);
  });
});

describe("headers", () => {
  const BODY = " 12.000001: sys_munmap -> 0x0";
  it.each([
    ["a b-c [1]-77 [003] d..1." + BODY, "a b-c [1]", 77, 3],
    ["x-1 [0]-9 [001] ....." + BODY, "x-1 [0]", 9, 1],
    ["-5-6 [001] ....." + BODY, "-5", 6, 1],
    ["          <idle>-0       [000] d..2." + BODY, "<idle>", 0, 0],
    ["  bash-12  (    12) [001] d..1." + BODY, "bash", 12, 1],
    ["  bash-12  (-------) [001] d..1." + BODY, "bash", 12, 1],
    ["  bash-12  [001]" + BODY, "bash", 12, 1],
    ["  ünïcödé-12  [001] ....." + BODY, "ünïcödé", 12, 1],
  ])("%s", async (line, comm, tid, cpu) => {
    const [event] = await readAll(bytesOf(line));
    expect(event).toMatchObject({ comm, tid, cpu, timeNs: 12_000_001_000, call: "munmap" });
  });

  it("does not take a header inside an event for the line's own", async () => {
    const body = "sched_migrate_task: comm=-1 [0] d 1.2: s pid=4 prio=1 orig_cpu=0 dest_cpu=1";
    const [event] = await readAll(bytesOf(`a-3 [001] ..... 5.000000: ${body}`));
    expect(event).toMatchObject({ comm: "a", tid: 3, taskComm: "-1 [0] d 1.2: s", taskTid: 4 });
  });

  it("keeps nanoseconds", async () => {
    const [event] = await readAll(bytesOf("a-3 [001] ..... 5.123456789: sys_munmap -> 0x0"));
    expect(event?.timeNs).toBe(5_123_456_789);
  });
});

describe("malformed lines", () => {
  it.each([
    ["no header", "hello world"],
    ["a time without a fraction", "a-1 [000] ..... 12: sys_munmap -> 0x0"],
    ["no event", "a-1 [000] ..... 12.000000: "],
    ["a cut time", "a-1 [000] ..... 12.00"],
    ["a tid that is too long", "a-99999999999 [000] ..... 12.000000: sys_munmap -> 0x0"],
    ["an unknown event", HEAD + "sched_wakeup: comm=a pid=1"],
    ["a call that is not followed", HEAD + "sys_read(fd: 3)"],
    ["a raw call that is not followed", HEAD + "sys_enter: NR 0 (1, 2, 3, 0, 0, 0)"],
    ["a cut call", HEAD + "sys_mprotect(start: 0x7f0aca1f7000, len: 0x40"],
    ["too few arguments", HEAD + "sys_mprotect(start: 0x7f0aca1f7000, len: 0x4000)"],
    ["an address of more than 64 bits", HEAD + "sys_brk(brk: 0x12345678123456789)"],
    ["no hex", HEAD + "sys_brk(brk: xyz)"],
    ["rubbish after a value", HEAD + "sys_munmap -> 0x0 x"],
    ["a fault without a code", HEAD + "page_fault_user: address=0x1 ip=0x2"],
    ["a fault with words", HEAD + "page_fault_user: address=foo ip=0x2 error_code=0x7"],
    ["a flush without a reason number", HEAD + "tlb_flush: pages:1 reason:local"],
    ["a flush with a huge count", HEAD + "tlb_flush: pages:123456789012345678901 reason:x (3)"],
    ["a switch without an arrow", HEAD + "sched_switch: prev_comm=a prev_pid=1 prev_prio=1"],
    [
      "a switch back to front",
      HEAD + "sched_switch: prev_comm=a next_pid=3 ==> next_comm=b prev_pid=1",
    ],
    ["a NUL byte", HEAD + "sys_munmap\0 -> 0x0"],
    ["a NUL byte in the comm", "a\0b-1 [000] ..... 12.000000: sys_munmap -> 0x0"],
    ["a half lost mark", "CPU:1 [LOST x EVENTS]"],
    ["a very long line", HEAD + "sys_munmap -> 0x0" + " ".repeat(1 << 17)],
  ])("%s is refused with its line", async (_what, line) => {
    const good = HEAD + "sys_munmap -> 0x0\n";
    const error = await refusal(bytesOf(good + line + "\n"));
    expect(error).toMatchObject({ name: "TraceError", code: "E_PARSE", details: { line: 2 } });
    expect(error.message).toMatch(/^line 2: expected .+, found /);
  });

  it("are counted by reason when lenient", async () => {
    const text = `${HEAD}sys_munmap -> 0x0\nrubbish\n${HEAD}sched_wakeup: x\n${HEAD}sys_brk(\n`;
    const trace = readTrace(bytesOf(text), { lenient: true });
    let events = 0;
    for await (const batch of trace) events += batch.length;
    expect(events).toBe(1);
    expect(trace.stats.skipped).toEqual({ malformed: 2, unknownEvent: 1, clockBackwards: 0 });
  });

  it("never reach a terminal raw", async () => {
    const error = await refusal(bytesOf("\u001b[31mred\u0007"));
    expect(error.message).toMatch(/^[\x20-\x7e…]*$/);
  });
});

describe("not a recording", () => {
  const PNG = Uint8Array.from([
    0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82,
  ]);
  it.each([
    ["an empty file", new Uint8Array(0)],
    ["a PNG", PNG],
    ["C", bytesOf("int main(void) { return 0; }\n")],
    ["JSON", bytesOf('{"version":1}')],
    ["blank lines", bytesOf("\n\r\n\n")],
    ["only comments of something else", bytesOf("# hello\n")],
    ["UTF-16", Uint8Array.from([0xff, 0xfe, 0x61, 0, 0x2d, 0, 0x31, 0])],
  ])("%s is refused, lenient or not", async (_what, bytes) => {
    expect(await refusal(bytes)).toMatchObject({ code: "E_PARSE" });
    expect(await refusal(bytes, { lenient: true })).toMatchObject({ code: "E_PARSE" });
  });

  it("but a recording in which nothing happened is one", async () => {
    expect(await readAll(bytesOf("# tracer: nop\n#\n"))).toEqual([]);
  });
});

describe("odds and ends of text files", () => {
  const text = `# tracer: nop\n${HEAD}sys_munmap -> 0x0\n${HEAD}sys_brk -> 0x1000`;
  it("CRLF, BOM, blank lines and a missing last newline change nothing", async () => {
    const expected = await readAll(bytesOf(text));
    expect(expected).toHaveLength(2);
    const crlf = bytesOf("\ufeff" + text.replaceAll("\n", "\r\n"));
    expect(await readAll(crlf)).toEqual(expected);
    expect(await readAll(bytesOf(text + "\n\n\n"))).toEqual(expected);
  });

  it("counts lost events", async () => {
    const lost = `CPU:1 [LOST 123 EVENTS]\nCPU:0 [LOST EVENTS]\n##### CPU 1 buffer started ####\n`;
    const trace = readTrace(bytesOf(lost + text));
    const kinds: string[] = [];
    for await (const batch of trace) kinds.push(...batch.map((e) => e.kind));
    expect(kinds).toEqual(["lostEvents", "lostEvents", "syscallExit", "syscallExit"]);
    expect(trace.stats).toMatchObject({ lostEvents: 123, lostMarks: 2 });
  });
});

describe("time", () => {
  const at = (cpu: number, time: string) => `a-1 [00${cpu}] ..... ${time}: sys_munmap -> 0x0\n`;
  const backOnCpu = bytesOf(at(0, "2.000000") + at(0, "1.000000") + at(0, "3.000000"));
  const backBetween = bytesOf(at(0, "2.000000") + at(1, "1.000000") + at(1, "1.500000"));

  it("must not go back on a CPU, nor between CPUs", async () => {
    const details = { line: 2 };
    expect(await refusal(backOnCpu)).toMatchObject({ code: "E_TIME", details });
    expect(await refusal(backBetween)).toMatchObject({ code: "E_TIME", details });
  });

  it("lenient: a line that cannot be placed is skipped, one that can is kept", async () => {
    const one = readTrace(backOnCpu, { lenient: true });
    let events = 0;
    for await (const batch of one) events += batch.length;
    expect(events).toBe(2);
    expect(one.stats.skipped.clockBackwards).toBe(1);
    const two = readTrace(backBetween, { lenient: true });
    events = 0;
    for await (const batch of two) events += batch.length;
    expect(events).toBe(3);
    expect(two.stats.outOfOrder).toBe(2);
  });
});
