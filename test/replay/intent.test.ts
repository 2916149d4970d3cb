// strace as input: what is modelled, and what follows from it.

import { expect, describe, it } from "vitest";
import type { Flush } from "../../src/replay/flushes.js";
import { Placement } from "../../src/replay/placement.js";
import { type ReplayOptions, type ReplayResult, replayTrace } from "../../src/replay/replay.js";
import type { TraceEvent } from "../../src/traces/events.js";
import { bytesOf, readAll } from "../traces/helpers.js";
import { SMALL } from "./helpers.js";

const EXEC = '7 execve("/bin/app", ["app"], 0x7ffd /* 1 var */) = 0';
const A = "0x7f0000000000";
const MAP = `7 mmap(NULL, 65536, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = ${A}`;
const THREAD = "7 clone3({flags=CLONE_VM|CLONE_THREAD} => {parent_tid=[8]}, 88) = 8";
const FORK = "7 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x1) = 8";

interface Predicted {
  /** `kind pages` of what the lines behind the bar caused. */
  readonly flushes: string[];
  readonly result: ReplayResult;
}

/** Replays; what lines from `from` on (from 1) caused, exits and switches left out. */
async function predict(
  lines: readonly string[],
  from: number,
  options: ReplayOptions = {},
): Promise<Predicted> {
  const flushes: string[] = [];
  const onPrediction = ({ kind, pages, cause }: Flush): void => {
    if (/^\d+$/.test(cause) && Number(cause) >= from) flushes.push(`${kind} ${pages}`);
  };
  const text = bytesOf(lines.join("\n") + "\n");
  const result = await replayTrace(text, { geometry: SMALL, ...options, onPrediction });
  return { flushes, result };
}

describe("what is known of a replay of strace", () => {
  it("says that it is inferred, and compares with nothing", async () => {
    const { result } = await predict([EXEC, MAP, `7 munmap(${A}, 65536) = 0`], 3);
    expect(result).toMatchObject({
      trace: { format: "strace", residency: "inferred", cpus: 8 },
      fidelity: null,
      model: { residentPages: 16, touched: 16, guessedThreads: 0 },
      byCause: { munmap: { local: 1, send: 0 } },
    });
  });

  it("the parts by cause add up to the whole, whatever the recording", async () => {
    const lines = [
      EXEC,
      MAP,
      THREAD,
      `8 munmap(${A}, 65536) = 0`,
      "8 exit(0) = ?",
      "8 +++ exited with 0 +++",
    ];
    const { result } = await predict(lines, 1);
    for (const key of ["local", "remote", "send", "csd", "ipis"] as const) {
      const sum = Object.values(result.byCause).reduce((all, counts) => all + counts[key], 0);
      expect(sum, key).toBe(result.predicted[key]);
    }
  });

  it("more pages can be taken to be present, or none", async () => {
    const lines = [EXEC, MAP, `7 madvise(${A}, 65536, MADV_DONTNEED) = 0`];
    const at = async (residentPages: number) =>
      (await predict(lines, 3, { residentPages })).flushes;
    expect(await at(0)).toEqual([]);
    expect(await at(2)).toEqual(["local 2"]);
    expect(await at(100)).toEqual(["local 16"]);
    await expect(at(-1)).rejects.toMatchObject({ code: "E_LIMIT" });
    await expect(at(1.5)).rejects.toMatchObject({ code: "E_LIMIT" });
  });

  it("a stack is used from its end on, and hardly", async () => {
    const stack = MAP.replace("MAP_ANONYMOUS", "MAP_ANONYMOUS|MAP_STACK");
    const drop = async (pages: number) =>
      (await predict([EXEC, stack, `7 madvise(${A}, ${pages * 4096}, MADV_DONTNEED) = 0`], 3))
        .flushes;
    expect(await drop(12)).toEqual([]);
    expect(await drop(13)).toEqual(["local 1"]);
  });
});

describe("effects", () => {
  const touched = [EXEC, MAP];
  it.each([
    ["munmap", `7 munmap(${A}, 65536) = 0`, ["local 16"]],
    ["a length is rounded up", `7 munmap(${A}, 40587) = 0`, ["local 10"]],
    [
      "brk that shrinks",
      "7 brk(NULL) = 0x1000000\n7 brk(0x1004000) = 0x1004000\n" + "7 brk(0x1001000) = 0x1001000",
      ["local 3"],
    ],
    [
      "MAP_FIXED over a mapping",
      `7 mmap(${A}, 8192, PROT_READ, MAP_PRIVATE|MAP_FIXED|` + `MAP_ANONYMOUS, -1, 0) = ${A}`,
      ["local 2"],
    ],
    [
      "MAP_FIXED_NOREPLACE that fails",
      `7 mmap(${A}, 8192, PROT_READ, MAP_PRIVATE|` +
        `MAP_FIXED_NOREPLACE|MAP_ANONYMOUS, -1, 0) = -1 EEXIST (File exists)`,
      [],
    ],
    ["mprotect that tightens", `7 mprotect(${A}, 8192, PROT_READ) = 0`, ["local 2"]],
    ["mprotect that changes nothing", `7 mprotect(${A}, 8192, PROT_READ|PROT_WRITE) = 0`, []],
    [
      "mprotect that widens what is not accessible",
      "7 mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE|" +
        "MAP_ANONYMOUS, -1, 0) = 0x7f0000100000\n7 mprotect(0x7f0000100000, 8192, PROT_READ) = 0",
      [],
    ],
    [
      "mremap that moves",
      `7 mremap(${A}, 65536, 131072, MREMAP_MAYMOVE) = 0x7f0000100000`,
      ["local 16"],
    ],
    ["mremap that grows where it is", `7 mremap(${A}, 65536, 131072, 0) = ${A}`, []],
    ["mremap that shrinks", `7 mremap(${A}, 65536, 57344, 0) = ${A}`, ["local 2"]],
    ["a failed call", `7 munmap(${A}, 65536) = -1 EINVAL (Invalid argument)`, []],
    ["a failed call beyond 2^63", "7 munmap(0xffffffffffffffff, 24576) = -1 EINVAL (Invalid)", []],
    [
      "a call that will be made again",
      `7 munmap(${A}, 65536) = ? ERESTARTSYS (To be restarted)`,
      [],
    ],
  ])("%s", async (_what, line, flushes) => {
    expect((await predict([...touched, line], 3)).flushes).toEqual(flushes);
  });

  it("madvise over a hole has its effect and fails", async () => {
    const lines = [
      ...touched,
      `7 madvise(${A}, 131072, MADV_DONTNEED) = -1 ENOMEM (Cannot allocate)`,
    ];
    expect((await predict(lines, 3)).flushes).toEqual(["local 16"]);
  });

  it("mprotect stops at a hole, with what is before it done", async () => {
    const lines = [
      ...touched,
      `7 munmap(0x7f0000004000, 4096) = 0`,
      `7 mprotect(${A}, 65536, PROT_READ) = -1 ENOMEM (Cannot allocate memory)`,
      `7 mprotect(${A}, 16384, PROT_READ) = 0`,
      `7 mprotect(0x7f0000005000, 4096, PROT_READ) = 0`,
    ];
    // Four pages before the hole at once; afterwards they are read-only already, the rest is not.
    expect((await predict(lines, 4)).flushes).toEqual(["local 4", "local 1"]);
  });

  it("without a hole, a failed mprotect has done nothing", async () => {
    const lines = [...touched, `7 mprotect(${A}, 65536, PROT_READ) = -1 ENOMEM (Cannot allocate)`];
    expect((await predict(lines, 3)).flushes).toEqual([]);
  });
});

// "send" is traced before CPUs that are lazy are left out: what arrives is "remote".
describe("shared memory that was written", () => {
  const shared = MAP.replace("65536", "4194304").replace("MAP_PRIVATE", "MAP_SHARED");
  const drop = `7 madvise(${A}, 4194304, MADV_DONTNEED) = 0`;
  it("is flushed at the end of each page table, private memory at the end of all", async () => {
    const all = { residentPages: 1024 };
    const both = async (map: string) => (await predict([EXEC, map, drop], 3, all)).flushes;
    expect((await both(shared)).filter((flush) => flush === "local -1")).toHaveLength(2);
    const own = await both(shared.replace("MAP_SHARED", "MAP_PRIVATE"));
    expect(own.filter((flush) => flush === "local -1")).toHaveLength(1);
  });
});

describe("threads and processes", () => {
  const drop = `7 madvise(${A}, 4096, MADV_DONTNEED) = 0`;
  it.each([
    ["a thread", [EXEC, MAP, THREAD, drop], ["send 1", "local 1", "remote 1"]],
    [
      "a thread that waits",
      [EXEC, MAP, THREAD, "8 futex(0x1, FUTEX_WAIT <unfinished ...>", drop],
      ["send 1", "local 1"],
    ],
    [
      "a thread that waited",
      [
        EXEC,
        MAP,
        THREAD,
        "8 futex(0x1, FUTEX_WAIT <unfinished ...>",
        "8 <... futex resumed>) = 0",
        drop,
      ],
      ["send 1", "local 1", "remote 1"],
    ],
    [
      "a thread that is no more",
      [EXEC, MAP, THREAD, "8 exit(0) = ?", "8 +++ exited with 0 +++", drop],
      ["send 1", "local 1"],
    ],
    ["a fork", [EXEC, MAP, FORK, drop], ["local 1"]],
    [
      "a child of vfork, before it executes: the parent waits",
      [EXEC, MAP, "7 vfork( <unfinished ...>", `8 madvise(${A}, 4096, MADV_DONTNEED) = 0`],
      ["send 1", "local 1"],
    ],
    [
      "a thread that executed another program",
      [
        EXEC,
        MAP,
        "7 vfork( <unfinished ...>",
        EXEC.replace("7", "8"),
        "7 <... vfork resumed>) = 8",
        drop,
      ],
      ["send 1", "local 1"],
    ],
  ])("%s", async (_what, lines, flushes) => {
    const last = lines.length;
    const got = (await predict(lines, last)).flushes;
    expect(got.sort()).toEqual([...flushes].sort());
  });

  it("a thread that does not lead executes a program: the others' memory is gone", async () => {
    const lines = [
      EXEC,
      MAP,
      THREAD,
      EXEC.replace("7", "8").replace(") = 0", " <unfinished ...>"),
      "7 +++ superseded by execve in pid 8 +++",
      "7 <... execve resumed>) = 0",
      MAP,
      `7 madvise(${A}, 4096, MADV_DONTNEED) = 0`,
    ];
    expect((await predict(lines, 8)).flushes).toEqual(["local 1"]);
  });

  it("CPUs that are fewer than threads are shared", async () => {
    const { flushes, result } = await predict([EXEC, MAP, THREAD, drop], 4, { cpus: 1 });
    expect(flushes).toEqual(["local 1"]);
    expect(result.trace.cpus).toBe(1);
  });

  it("threads without a birth are the first process's if births were not asked for", async () => {
    const { flushes, result } = await predict([MAP, "8 brk(NULL) = 0x1000", drop], 3);
    expect(flushes.sort()).toEqual(["local 1", "remote 1", "send 1"]);
    expect(result.model?.guessedThreads).toBe(1);
  });
});

describe("placement", () => {
  const placed = async (...lines: string[]): Promise<TraceEvent[]> => {
    const placement = new Placement(2);
    const events = placement.take(await readAll(bytesOf(lines.join("\n"))));
    return [...events, ...placement.finish()];
  };
  const births = (events: TraceEvent[]) => events.filter((e) => e.kind === "schedProcessFork");

  it("a child that appears before its birth is born where it appears, once", async () => {
    const events = await placed(
      "7 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>",
      "8 brk(NULL) = 0x1000",
      "7 <... clone resumed>) = 8",
      "8 brk(NULL) = 0x1000",
    );
    expect(births(events)).toMatchObject([{ parentTid: 7, childTid: 8, line: 2 }]);
    const calls = events.filter((e) => e.kind === "syscallEnter" && e.call === "brk");
    expect(calls.map(({ cpu }) => cpu)).toEqual([1, 1]);
  });

  it("every event is on the CPU where its thread runs, and lines do not go back", async () => {
    const lines = ["7 brk(NULL) = 0x1000"];
    for (let tid = 8; tid < 14; tid++) {
      lines.push(`7 clone3({flags=CLONE_VM}, 88) = ${tid}`, `${tid} brk(NULL) = 0x1000`);
      if (tid % 2 === 0) lines.push(`${tid} read(0,  <unfinished ...>`, "7 brk(NULL) = 0x1000");
      if (tid % 3 === 0) lines.push(`${tid} +++ exited with 0 +++`);
    }
    const running = [0, 0];
    let first = true;
    let line = 0;
    for (const event of await placed(...lines)) {
      expect(event.line).toBeGreaterThanOrEqual(line);
      line = event.line;
      if (event.kind === "schedSwitch") {
        expect(event.prevTid).toBe(running[event.cpu]);
        running[event.cpu] = event.nextTid;
        continue;
      }
      if (first) running[event.cpu] = event.tid;
      first = false;
      expect(running[event.cpu]).toBe(event.tid);
    }
  });

  it("ends with strange recordings too: a thread that is its own grandparent", async () => {
    const clone = (parent: number, child: number) =>
      `${parent} clone(child_stack=NULL, flags=SIGCHLD) = ${child}`;
    const events = await placed(
      clone(7, 8),
      clone(8, 9),
      clone(9, 7),
      clone(10, 11),
      clone(11, 10),
    );
    expect(births(events).length).toBeGreaterThan(3);
    await expect(placed("8 +++ exited with 0 +++", "9 brk(NULL) = 0x1000")).resolves.toBeDefined();
  });
});
