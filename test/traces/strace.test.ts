import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { TraceEvent } from "../../src/traces/events.js";
import { readTrace } from "../../src/traces/read-trace.js";
import { bytesOf, pieces, readAll, refusal } from "./helpers.js";

const SAMPLES = fileURLToPath(new URL("./samples/", import.meta.url));
const samples = readdirSync(SAMPLES).filter((name) => name.endsWith(".strace"));
const sample = (name: string): string => readFileSync(SAMPLES + name, "utf8");
const read = async (...lines: string[]): Promise<TraceEvent[]> =>
  readAll(bytesOf(lines.join("\n") + "\n"), { format: "strace" });

/** The slow, obvious reader: one regular expression per shape of a line. */
const HEAD = new RegExp(
  "^(?:\\[pid\\s+(\\d+)\\] |(\\d+) +)?" +
    "(?:(\\d{9,}\\.\\d{6,9}|\\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?| *\\d+\\.\\d{6,9}) )?(.*)$",
);
const RESULT =
  /\)\s+= (-?\d+|0x[0-9a-f]+|\?)(?: ([A-Z][A-Z0-9_]*) \(([^)]*)\))?(?: \(.*\))?(?: <(\d+\.\d+)>)?$/;
const FOLLOWED = /^(mmap|munmap|mprotect|madvise|mremap|brk|clone3?|execve|exit|exit_group)$/;

interface Said {
  readonly call: string;
  readonly args: string;
  readonly result: string;
  readonly error: string | undefined;
}

/** What the followed calls of a text were, in the order in which they returned. */
function obvious(text: string): Said[] {
  const open = new Map<string, string>();
  const said: Said[] = [];
  for (const line of text.split("\n")) {
    const [, bracketed, plain, , body] = HEAD.exec(line) ?? [];
    if (body === undefined || body === "" || body.startsWith(" > ")) continue;
    const tid = bracketed ?? plain ?? "";
    const begun = /^([a-z_0-9]+)\((.*?),? *<unfinished \.\.\.>$/.exec(body);
    if (begun !== null) {
      open.set(tid + begun[1], begun[2]);
      continue;
    }
    const whole = /^(?:<\.\.\. )?([a-z_0-9]+)(?:\(| resumed>)(.*)$/.exec(body);
    if (whole === null || !FOLLOWED.test(whole[1])) continue;
    const [, call, rest] = whole;
    const end = RESULT.exec(rest);
    if (end === null) throw new Error(`the model cannot read: ${line}`);
    const isResumed = body.startsWith("<...");
    const args = (isResumed ? (open.get(tid + call) ?? "") : "") + rest.slice(0, end.index);
    said.push({ call, args, result: end[1], error: end[2] });
  }
  return said;
}

const bytesAt = (vpn: number, offset: number): bigint => BigInt(vpn) * 4096n + BigInt(offset);
const numberOf = (text: string): bigint => (text === "NULL" ? 0n : BigInt(text));

describe("samples", () => {
  it("there are six", () => expect(samples).toHaveLength(6));

  for (const name of samples) {
    it(`${name}: calls, first arguments and results are those of the obvious reader`, async () => {
      const trace = readTrace(bytesOf(sample(name)));
      const events: TraceEvent[] = [];
      for await (const batch of trace) events.push(...batch);
      expect(trace.stats.format).toBe("strace");
      expect(trace.stats.skipped.malformed).toBe(0);
      const model = obvious(sample(name));
      const enters = events.filter((event) => event.kind === "syscallEnter");
      const exits = events.filter((event) => event.kind === "syscallExit");
      const count = (list: { call: string }[]): Record<string, number> => {
        const counts: Record<string, number> = {};
        for (const { call } of list) counts[call] = (counts[call] ?? 0) + 1;
        return counts;
      };
      expect(count(enters)).toEqual(count(model));
      const returned = model.filter(({ result }) => result !== "?");
      expect(exits.map(({ call }) => call)).toEqual(returned.map(({ call }) => call));
      for (const [i, exit] of exits.entries()) {
        const { result, error } = returned[i];
        expect(exit.errno !== 0).toBe(error !== undefined);
        if (error === undefined) {
          expect(bytesAt(exit.vpn, exit.offset)).toBe(BigInt(result));
        }
      }
      // The first argument of each call, as a multiset: entries are not in the order of returns.
      const addressed = enters.flatMap((event) => ("vpn" in event ? [event] : []));
      const got = addressed.map((event) => `${event.call} ${bytesAt(event.vpn, event.offset)}`);
      const wanted = model
        .filter(({ call }) => !/clone|exec|exit/.test(call))
        .map(({ call, args }) => `${call} ${numberOf(args.split(",")[0])}`);
      expect(got.sort()).toEqual(wanted.sort());
    });

    it(`${name}: cut anywhere, it says the same`, async () => {
      const bytes = bytesOf(sample(name));
      const whole = await readAll(bytes);
      expect(await readAll(pieces(bytes, [1, 7, 64, 3]))).toEqual(whole);
    });
  }

  it("threads.strace: births, deaths and interrupted calls", async () => {
    const events = await readAll(bytesOf(sample("threads.strace")));
    const of = (kind: string) => events.filter((event) => event.kind === kind);
    expect(of("schedProcessFork")).toMatchObject([
      { parentTid: 15799, childTid: 15800 },
      { parentTid: 15799, childTid: 15801 },
      { parentTid: 15799, childTid: 15802 },
    ]);
    expect(of("schedProcessExit").map(({ tid }) => tid)).toEqual([15801, 15800, 15802, 15799]);
    expect(of("schedProcessExec")).toMatchObject([{ taskTid: 15799, oldTid: 15799 }]);
    // The futex that waits for a thread, and nothing else that is not followed.
    expect(of("otherCall")).toMatchObject([{ phase: "unfinished" }, { phase: "resumed" }]);
    const clone = events.find((e) => e.kind === "syscallEnter" && e.call === "clone3");
    expect(clone).toMatchObject({ flags: 0x3d0f00 });
    const wrong = events.filter((e) => e.kind === "syscallEnter" && e.call === "munmap");
    expect(wrong[1]).toMatchObject({ vpn: 2 ** 52 - 1, offset: 4095, pages: 6 });
  });

  it("terminal-raw.strace: lines without an id are the first thread's", async () => {
    const events = await readAll(bytesOf(sample("terminal-raw.strace")));
    expect([...new Set(events.map(({ tid }) => tid))]).toEqual([1, 15827, 15826, 15828]);
    const last = events.at(-1);
    expect(last).toMatchObject({ kind: "schedProcessExit", taskTid: 1 });
  });
});

describe("lines", () => {
  const T = "7 1795217202.300106 ";
  it.each([
    [
      "mmap(NULL, 40587, PROT_READ, MAP_PRIVATE, 3, 0x26000) = 0x7f0000000000 <0.000026>",
      {
        call: "mmap",
        vpn: 0,
        pages: 10,
        prot: 1,
        flags: 2,
        fd: 3,
        filePage: 0x26,
      },
    ],
    [
      "mmap(NULL, 1, PROT_READ, MAP_PRIVATE, 3</a, b) = (c>, 0x1000) = 0x7f0000000000",
      {
        call: "mmap",
        pages: 1,
        fd: 3,
        filePage: 1,
      },
    ],
    [
      "mmap(NULL, 8192, 0x3 /* PROT_READ|PROT_WRITE */, 0x22 /* MAP_PRIVATE|MAP_ANONYMOUS */, " +
        "-1, 0) = 0x7f0000000000",
      { call: "mmap", prot: 3, flags: 0x22, fd: -1 },
    ],
    ["mmap(0, 0x2000, 0x3, 0x22, 0xffffffff, 0) = 0x7f0000000000", { pages: 2, fd: -1 }],
    [
      "mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE|MAP_HUGETLB|21<<MAP_HUGE_SHIFT|0x8000000, " +
        "-1, 0) = 0x7f0000000000",
      { prot: 0, flags: 0x8040002 },
    ],
    [
      "munmap(0xffffffffffffffff, 18446744073709551615) = -1 EINVAL (Invalid argument)",
      {
        vpn: 2 ** 52 - 1,
        offset: 4095,
        pages: 2 ** 52,
      },
    ],
    ["brk(NULL)               = 0x56308358e000", { call: "brk", vpn: 0, offset: 0 }],
    [
      "mremap(0x7f0000001000, 12288, 24576, MREMAP_MAYMOVE|MREMAP_FIXED, 0x7f0000100000) = " +
        "0x7f0000100000",
      { call: "mremap", oldPages: 3, newPages: 6, flags: 3, newVpn: 0x7f0000100 },
    ],
    [
      "pkey_mprotect(0x7f0000001000, 4097, PROT_READ|PROT_EXEC, 1) = 0",
      {
        call: "mprotect",
        pages: 2,
        prot: 5,
      },
    ],
    [
      "madvise(0x7f0000001000, 4096, 0x63 /* MADV_??? */) = -1 EINVAL (Invalid argument)",
      {
        call: "madvise",
        advice: 0x63,
      },
    ],
    ["clone(child_stack=NULL, flags=CLONE_VM|CLONE_VFORK|SIGCHLD) = 8", { flags: 0x4100 }],
    ["clone(0x1200011, 0, 0, 0x7f0000001000, 0) = 8", { call: "clone", flags: 0x1200011 }],
    ["exit_group(0)                           = ?", { call: "exit_group" }],
  ])("%s", async (line, wanted) => {
    const [event] = await read(T + line);
    expect(event).toMatchObject({ kind: "syscallEnter", tid: 7, ...wanted });
  });

  it.each([
    ["= -1 ENOMEM (Cannot allocate memory) <0.000021>", 12],
    ["= -1 (errno 38)", 38],
    ["= ? ERESTARTNOINTR (To be restarted)", 513],
    ["= -1 ENEWERROR (New)", 4095],
  ])("a call that ends with %s", async (end, errno) => {
    const [, exit] = await read(`${T}munmap(0x1000, 4096) ${end}`);
    expect(exit).toMatchObject({ kind: "syscallExit", errno, value: 0, vpn: 0 });
  });

  it("a call without a result has no exit", async () => {
    const events = await read(
      `${T}mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0 <unfinished ...>) = ?`,
    );
    expect(events.map(({ kind }) => kind)).toEqual(["syscallEnter"]);
  });

  it.each(["", " "])("halves are joined when the first alone is not enough", async (blank) => {
    const events = await read(
      "7 1.000001 munmap(0x1000,  <unfinished ...>",
      "8 1.000001 brk(NULL) = 0x1000",
      `7 1.000001 <... munmap resumed>${blank}4096) = 0`,
    );
    expect(events.at(-2)).toMatchObject({ call: "munmap", tid: 7, vpn: 1, pages: 1, line: 3 });
  });

  it("a program executed by a thread that does not lead: the id changes", async () => {
    const events = await read(
      '71 execve("/bin/true", ["true"], 0x7ffd /* 1 var */ <unfinished ...>',
      "70 <... nanosleep resumed> <unfinished ...>) = ?",
      "70 +++ superseded by execve in pid 71 +++",
      "70 <... execve resumed>) = 0 <0.000300>",
      '81 execve("/bin/true", ["true"], NULL <pid changed to 80 ...>',
      "80 +++ superseded by execve in pid 81 +++",
      "80 +++ exited with 0 +++",
    );
    expect(events.filter(({ kind }) => kind === "schedProcessExec")).toMatchObject([
      { taskTid: 70, oldTid: 71, line: 3 },
      { taskTid: 80, oldTid: 81, line: 6 },
    ]);
    expect(events.filter(({ kind }) => kind === "syscallExit")).toMatchObject([
      { tid: 70, call: "execve" },
    ]);
  });

  it("a birth is announced once, before the exit of its call", async () => {
    const events = await read(
      `${T}clone3({flags=CLONE_VM, exit_signal=0} => {parent_tid=[8]}, 88) = 8`,
      `${T}vfork( <unfinished ...>`,
      `${T}<... vfork resumed>) = 9`,
      `${T}fork() = ? ERESTARTNOINTR (To be restarted)`,
    );
    expect(events.map(({ kind }) => kind)).toEqual([
      "syscallEnter",
      "schedProcessFork",
      "syscallExit",
      "syscallEnter",
      "schedProcessFork",
      "syscallExit",
      "syscallEnter",
      "syscallExit",
    ]);
  });

  it("the first thread shows its id while it has company, with and without notes", async () => {
    const noted = await read(
      "brk(NULL) = 0x1000",
      "strace: Process 8 attached",
      "[pid 8] brk(NULL) = 0x1000",
      "[pid 7] brk(NULL) = 0x1000",
      "[pid 8] +++ exited with 0 +++",
      "brk(NULL) = 0x1000",
    );
    expect(noted.filter((e) => e.kind === "syscallEnter").map(({ tid }) => tid)).toEqual([
      1, 8, 1, 1,
    ]);
    const quiet = await read(
      "brk(NULL) = 0x1000",
      "clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>",
      "[pid 8] brk(NULL) = 0x1000",
      "[pid 7] <... clone resumed>) = 8",
      "[pid 7] +++ exited with 0 +++",
      "brk(NULL) = 0x1000",
    );
    expect(quiet.map(({ tid }) => tid)).toEqual([1, 1, 1, 8, 8, 1, 1, 1, 8, 8]);
  });

  it("names behind ids are passed over", async () => {
    const [plain] = await read("20<my prog> 1795217202.300106 brk(NULL) = 0x1000");
    expect(plain).toMatchObject({ tid: 20, timeNs: 300_106_000 });
  });

  it("what is not followed is counted, and waits when it is interrupted", async () => {
    const text = [`${T}read(3, "a) = b", 5) = 5`, `${T}read(3, <unfinished ...>`];
    const trace = readTrace(bytesOf(text.join("\n")));
    const events: TraceEvent[] = [];
    for await (const batch of trace) events.push(...batch);
    expect(events).toMatchObject([{ kind: "otherCall", phase: "unfinished", tid: 7 }]);
    expect(trace.stats.skipped).toEqual({ malformed: 0, unknownEvent: 1, clockBackwards: 0 });
  });
});

describe("times", () => {
  const timesOf = async (...stamps: string[]): Promise<number[]> =>
    (await read(...stamps.map((stamp) => `${stamp}+++ exited with 0 +++`))).map((e) => e.timeNs);

  it("of day, past midnight", async () => {
    expect(await timesOf("7 23:59:59.5 ", "7 00:00:01 ")).toEqual([86_399.5e9, 86_401e9]);
  });
  it("relative to the line before, with blanks in front", async () => {
    expect(await timesOf("7      0.000000 ", "7      0.001216832 ", "7      0.5 ")).toEqual([
      0, 1_216_832, 501_216_832,
    ]);
    expect(await timesOf("     0.000001 ", "     0.000002 ")).toEqual([1000, 3000]);
  });
  it("absolute, exact to the nanosecond, from the first second on", async () => {
    expect(await timesOf("1795217202.300106999 ", "1795217203.000000001 ")).toEqual([
      300_106_999, 1_000_000_001,
    ]);
    expect(await timesOf("7 1795217202 ", "7 1795217203 ")).toEqual([0, 1e9]);
  });
  it("none: the order of lines", async () => {
    expect(await timesOf("", "")).toEqual([1000, 2000]);
  });
  it("must not go back; lenient, the order of lines counts", async () => {
    const text = bytesOf("7 1795217203.000000 brk(NULL) = 0\n7 1795217202.900000 brk(NULL) = 0\n");
    expect(await refusal(text)).toMatchObject({ code: "E_TIME", details: { line: 2 } });
    expect(await readAll(text, { lenient: true })).toHaveLength(4);
  });
});

describe("malformed lines", () => {
  it.each([
    ["a cut call", "7 munmap(0x1000, 4096"],
    ["no result", "7 munmap(0x1000, 4096)"],
    ["rubbish for a result", "7 munmap(0x1000, 4096) = abc"],
    ["rubbish after a result", "7 munmap(0x1000, 4096) = 0x10zz"],
    ["too few arguments", "7 mprotect(0x1000, 4096) = 0"],
    ["more than 64 bits", "7 munmap(0x1000, 18446744073709551616) = 0"],
    ["no number", "7 munmap(foo, 4096) = 0"],
    ["no flags", "7 mprotect(0x1000, 4096, prot read) = 0"],
    ["a resumption of nothing", "7 <... munmap resumed>) = 0"],
    ["a resumption of another call", "8 <... brk resumed>) = 0"],
    ["no end", "7 +++ exited with 0"],
    ["a strange end", "7 +++ went home +++"],
    ["text of the program", "hello world"],
    ["a torn id", "[pid 12"],
    ["a NUL byte", "7 munmap\0(0x1000, 4096) = 0"],
  ])("%s is refused with its line, or counted", async (_what, line) => {
    const text = bytesOf(`7 brk(NULL) = 0x1000\n8 munmap(0x1000, 1 <unfinished ...>\n${line}\n`);
    expect(await refusal(text)).toMatchObject({ code: "E_PARSE", details: { line: 3 } });
    const trace = readTrace(text, { lenient: true });
    for await (const _ of trace);
    expect(trace.stats.skipped.malformed).toBe(1);
  });
});
