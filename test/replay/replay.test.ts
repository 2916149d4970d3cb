import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { compareTrace, replayTrace } from "../../src/index.js";

const path = (name: string): string =>
  fileURLToPath(new URL(`../../traces/${name}.ftrace.gz`, import.meta.url));

const FLOORS = { "madvise-2threads": 0.99, "node-gc": 0.96, "redis-bgsave": 0.97 };
const DEEDS =
  /: (tlb_flush|csd_queue_cpu|csd_function_(entry|exit): func=flush_tlb_func|ipi_send_cpu)/;

/** A recording of one thread on CPU 0, a line each 10 us. */
function recording(...lines: string[]): Uint8Array {
  const text = lines.map((line, i) => {
    const [cpu, rest] = /^\[(\d)\] (.*)$/.exec(line)?.slice(1) ?? ["0", line];
    const [tid, what] = /^(\d+): (.*)$/.exec(rest)?.slice(1) ?? ["500", rest];
    const time = (100 + i * 0.00001).toFixed(6);
    return `   prog-${tid}   [00${cpu}] .....  ${time}: ${what}`;
  });
  return new TextEncoder().encode(`# tracer: nop\n#\n${text.join("\n")}\n`);
}

const fault = (page: number, code: number): string =>
  `page_fault_user: address=0x${(page * 4096).toString(16)} ip=0x400000 error_code=0x${code}`;
const hex = (page: number): string => (page * 4096).toString(16);
const MMAP = [
  "sys_mmap(addr: 0, len: 10000, prot: 3, flags: 22, fd: ffffffff, off: 0)",
  `sys_mmap -> 0x${hex(0x1000)}`,
];
const madvise = (page: number, pages: number): string[] => [
  `sys_madvise(start: ${hex(page)}, len_in: ${hex(pages)}, behavior: 4)`,
  "sys_madvise -> 0x0",
];

describe("fidelity on the bundled recordings", () => {
  for (const [name, floor] of Object.entries(FLOORS)) {
    test(`${name}: f1 at least ${floor}, pages included`, async () => {
      const result = await replayTrace(path(name));
      expect(result.fidelity?.f1).toBeGreaterThanOrEqual(floor);
      expect(result.fidelity?.pagesExact).toBeGreaterThanOrEqual(0.99);
      expect(result.hazards).toBe(0);
    });
  }

  test("what the kernel did has no influence on what is predicted", async () => {
    const text = gunzipSync(readFileSync(path("madvise-2threads"))).toString();
    const causes = text
      .split("\n")
      .filter((line) => !DEEDS.test(line))
      .join("\n");
    const whole = await replayTrace(path("madvise-2threads"));
    const blind = await replayTrace(new TextEncoder().encode(causes));
    expect(blind.predicted).toEqual(whole.predicted);
    expect(blind.observed.local).toBe(0);
    expect(whole.observed.local).toBe(1572);
  });

  test("the same again", async () => {
    const one = await replayTrace(path("node-gc"));
    expect(JSON.stringify(await replayTrace(path("node-gc")))).toBe(JSON.stringify(one));
  });
});

describe("rules", () => {
  const predicted = async (...lines: string[]) =>
    (await replayTrace(recording(...lines))).predicted;

  test("pages that were touched and dropped are flushed once", async () => {
    const touched = [fault(0x1000, 6), fault(0x1001, 6)];
    expect((await predicted(...MMAP, ...touched, ...madvise(0x1000, 4))).local).toBe(1);
    expect((await predicted(...MMAP, ...madvise(0x1000, 4))).local).toBe(0);
  });

  test("a call that fails has no effect", async () => {
    const drop = madvise(0x1000, 4)[0];
    const lines = [...MMAP, fault(0x1000, 6), drop, "sys_madvise -> 0xffffffffffffffea"];
    expect((await predicted(...lines)).local).toBe(0);
  });

  test("a call that is still open when the recording ends counts", async () => {
    const lines = [...MMAP, fault(0x1000, 6), madvise(0x1000, 4)[0]];
    expect((await predicted(...lines)).local).toBe(1);
  });

  test("after fork the first writer copies and flushes, the second reuses", async () => {
    const fork = [
      "sys_clone(clone_flags: 0x1200011, newsp: 0, parent_tidptr: 0, child_tidptr: 0, tls: 0)",
      "sched_process_fork: comm=prog pid=500 child_comm=prog child_pid=501",
      "sys_clone -> 0x1f5",
    ];
    const before = await predicted(...MMAP, fault(0x1000, 6), ...fork);
    const first = await predicted(...MMAP, fault(0x1000, 6), ...fork, fault(0x1000, 7));
    const both = await predicted(
      ...MMAP,
      fault(0x1000, 6),
      ...fork,
      fault(0x1000, 7),
      "sched_switch: prev_comm=prog prev_pid=500 prev_prio=120 prev_state=R ==> " +
        "next_comm=prog next_pid=501 next_prio=120",
      `501: ${fault(0x1000, 7)}`,
    );
    expect(first.local).toBe(before.local + 1);
    expect(both.local).toBe(first.local);
  });

  test("PROT_NONE flushes, and dropping the page afterwards flushes again", async () => {
    const none = [`sys_mprotect(start: ${hex(0x1000)}, len: 4000, prot: 0)`, "sys_mprotect -> 0x0"];
    const lines = [...MMAP, fault(0x1000, 6), ...none];
    expect((await predicted(...lines)).local).toBe(1);
    expect((await predicted(...lines, ...madvise(0x1000, 4))).local).toBe(2);
  });

  test("mremap flushes the old place", async () => {
    const move = [
      `sys_mremap(addr: ${hex(0x1000)}, old_len: 4000, new_len: 4000, flags: 1, new_addr: 0)`,
      `sys_mremap -> 0x${hex(0x9000)}`,
    ];
    expect((await predicted(...MMAP, fault(0x1000, 6), ...move)).local).toBeGreaterThanOrEqual(1);
  });

  test("threads of one mm on two CPUs: the other is interrupted", async () => {
    const thread = [
      "sys_clone3(uargs: 0x7ffe, size: 58)",
      "sched_process_fork: comm=prog pid=500 child_comm=prog child_pid=501",
      "sys_clone3 -> 0x1f5",
      `[1] 501: ${fault(0x1001, 6)}`,
    ];
    const lines = [...MMAP, fault(0x1000, 6), ...thread, ...madvise(0x1000, 4)];
    const { local, remote, send, csd } = await predicted(...lines);
    expect({ local, remote, send, csd }).toEqual({ local: 1, remote: 1, send: 1, csd: 1 });
  });
});

describe("compare", () => {
  test("deduplication halves what a sharing consumer is told, and nothing is unsafe", async () => {
    const { runs } = await compareTrace(path("redis-bgsave"), { policies: ["concurrent"] });
    const secondary = (era: string): number =>
      runs.find((run) => run.era === era && run.consumer === "sharing")!.notifications.secondary;
    expect(secondary("double")).toBeGreaterThan(1.9 * secondary("deduplicated"));
    // Eras take different times, so a context switch may come before or after an interrupt.
    const apart = Math.abs(secondary("coupled") - secondary("deduplicated"));
    expect(apart).toBeLessThanOrEqual(0.001 * secondary("deduplicated"));
    for (const run of runs) {
      expect(run.hazards).toEqual([]);
      expect(run.notifications.start).toBe(run.notifications.end);
      expect(run.device.hits).toBeGreaterThan(1000);
    }
  });

  test("a policy that does not tell other CPUs is caught on a recording", async () => {
    const { runs } = await compareTrace(path("madvise-2threads"), {
      eras: ["coupled"],
      policies: ["local-only", "concurrent"],
      consumers: ["sharing"],
    });
    expect(runs.map((run) => run.flushes.remote > 0)).toEqual([false, true]);
  });
});
