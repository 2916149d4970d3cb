import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const dist = new URL("../../dist/index.js", import.meta.url).href;
const root = fileURLToPath(new URL("../../", import.meta.url));

/** Lines of a second, its ten digits patched as the clock goes on; each line has its own thread. */
const SECONDS = "1795217202";
/** A name for each second, patched too: no string is met for long. */
const COMM = "worker-00000";
const LINES: Readonly<Record<string, (i: number) => string>> = {
  ftrace: (i) =>
    `    ${COMM}-${16000 + i} [001] d....  ${SECONDS}.100000: page_fault_user: ` +
    `address=0x33b${(73 + i).toString(16)}008 ip=0x7f28415d6109 error_code=0x6`,
  "trace-cmd": (i) =>
    `    ${COMM}-${16000 + i} [001]  ${SECONDS}.100000: sys_enter_munmap:     ` +
    `addr: 0x7f28${(4096 + i).toString(16)}000, len: 0x2000`,
  perf: (i) =>
    `    ${COMM} ${16000 + i} [001] ${SECONDS}.100000:       sched:sched_switch: ` +
    `node:${16000 + i} [120] R ==> rcu_preempt:15 [120]`,
  strace: (i) =>
    `${16000 + i} ${SECONDS}.100000 ` +
    `munmap(0x7f28${(4096 + i).toString(16)}000, 8192) = 0 <0.000026>`,
};
const IN_BLOCK = 1000;
const COUNT = 1000;

/**
 * Run by a process of its own: reads COUNT blocks, a Buffer each, and prints how many lines and
 * events there were, and MiB of the most memory that Buffers took.
 */
const READ = `
  const { readTrace } = await import(${JSON.stringify(dist)});
  const [text, seconds, comm, count] = JSON.parse(process.argv[1]);
  const placesOf = (mark) => {
    const places = [];
    for (let at = text.indexOf(mark); at !== -1; at = text.indexOf(mark, at + 1)) places.push(at);
    return places;
  };
  const [times, names] = [placesOf(seconds), placesOf(comm)];
  async function* blocks() {
    for (let i = 0; i < count; i++) {
      const bytes = Buffer.from(text);
      for (const at of times) bytes.write(String(Number(seconds) + i), at, "latin1");
      const name = comm.slice(0, -5) + String(i).padStart(5, "0");
      for (const at of names) bytes.write(name, at, "latin1");
      yield bytes;
    }
  }
  const kept = [];
  let events = 0;
  let most = 0;
  const trace = readTrace(blocks());
  for await (const batch of trace) {
    events += batch.length;
    most = Math.max(most, process.memoryUsage().arrayBuffers);
    if (process.argv[2] === "keep") kept.push(batch);
  }
  console.log(JSON.stringify({ lines: trace.stats.lines, events, most: most / 2 ** 20 }));
`;

interface Reading {
  readonly status: number | null;
  readonly lines?: number;
  readonly events?: number;
  readonly most?: number;
}

function read(format: string, ...args: string[]): Reading {
  const block = Array.from({ length: IN_BLOCK }, (_, i) => `${LINES[format](i)}\n`).join("");
  const input = JSON.stringify([block, SECONDS, COMM, COUNT]);
  const options = ["--max-old-space-size=24", "--input-type=module", "--eval", READ];
  const { status, stdout } = spawnSync(process.execPath, [...options, input, ...args], {
    cwd: root,
    encoding: "utf8",
  });
  return { status, ...(status === 0 ? (JSON.parse(stdout) as object) : {}) };
}

describe("a million lines, in a heap of 24 MiB", () => {
  for (const [format, events] of [
    ["ftrace", 1],
    ["trace-cmd", 1],
    ["perf", 1],
    ["strace", 2],
  ] as const) {
    test(`${format} is read to its end`, () => {
      const lines = IN_BLOCK * COUNT;
      const result = read(format);
      expect(result).toMatchObject({ status: 0, lines, events: lines * events });
      // Strings that were met keep no piece of the text: all of it is 100 MiB.
      expect(result.most).toBeLessThan(48);
    }, 60_000);
  }

  test("the heap is small enough to notice: a reader that keeps its events dies of it", () => {
    expect(read("ftrace", "keep").status).not.toBe(0);
  }, 60_000);
});
