import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { TraceEvent } from "../../src/traces/events.js";
import { readTrace } from "../../src/traces/read-trace.js";
import { pieces, readAll, recordingBytes, recordingPath, RECORDINGS } from "./helpers.js";

const LINES = { "madvise-2threads": 17_952, "node-gc": 43_223, "redis-bgsave": 11_065 };

/** Local, sent and remote flushes. */
const FLUSHES = {
  "madvise-2threads": [1572, 1531, 1410],
  "node-gc": [1065, 537, 387],
  "redis-bgsave": [3778, 6, 0],
};

describe.each(RECORDINGS)("recording %s", (name) => {
  it("parses every line", async () => {
    const trace = readTrace(recordingPath(name));
    const byReason = [0, 0, 0, 0, 0, 0];
    let events = 0;
    let lastLine = 0;
    for await (const batch of trace) {
      for (const event of batch) {
        events++;
        expect(event.line).toBeGreaterThan(lastLine);
        lastLine = event.line;
        if (event.kind === "tlbFlush") byReason[event.reason] = (byReason[event.reason] ?? 0) + 1;
      }
    }
    expect(trace.stats.lines).toBe(LINES[name]);
    // 12 lines of each file are the comment block at its top.
    expect(events).toBe(LINES[name] - 12);
    expect([byReason[3], byReason[4], byReason[1]]).toEqual(FLUSHES[name]);
    expect(trace.stats).toMatchObject({ events, lostEvents: 0, outOfOrder: 0 });
  });

  it("gives what a regular expression gives", async () => {
    const text = new TextDecoder().decode(gunzipSync(recordingBytes(name)));
    const head = /^\s*(.+)-(\d+)\s+\[(\d+)\]\s+\S+\s+(\d+)\.(\d+): ([a-z_0-9]+)/;
    const expected = text
      .split("\n")
      .map((line, i) => [head.exec(line), i + 1] as const)
      .filter(([m]) => m !== null)
      .map(([m, line]) => {
        const [, comm, tid, cpu, s, us] = m as RegExpExecArray;
        return [comm, Number(tid), Number(cpu), Number(s) * 1e9 + Number(us) * 1e3, line];
      });
    const events = await readAll(recordingPath(name));
    expect(events.map((e) => [e.comm, e.tid, e.cpu, e.timeNs, e.line])).toEqual(expected);
  });

  it("gives the same events whatever the chunk sizes, plain or gzip", async () => {
    const gz = recordingBytes(name);
    const plain = new Uint8Array(gunzipSync(gz));
    const whole = await readAll(gz);
    const same = (events: TraceEvent[]) => expect(events).toEqual(whole);
    same(await readAll(plain));
    same(await readAll(pieces(gz, [1, 2, 3, 5, 7, 4096])));
    same(await readAll(pieces(plain, [1, 113, 64, 65_537, 2, 10_000])));
  });
});

it("reads byte by byte", async () => {
  const text = new Uint8Array(gunzipSync(recordingBytes("redis-bgsave"))).subarray(0, 20_000);
  const cut = text.subarray(0, text.lastIndexOf(10) + 1);
  expect(await readAll(pieces(cut, [1]))).toEqual(await readAll(cut));
});

it("delivers batches of about the wanted size", async () => {
  const sizes: number[] = [];
  for await (const batch of readTrace(recordingPath("node-gc"), { batchSize: 5000 })) {
    sizes.push(batch.length);
  }
  expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThanOrEqual(5000);
  expect(Math.max(...sizes)).toBeLessThan(6500);
});

it("closes its source when the reader stops early", async () => {
  let closed = false;
  const source = async function* () {
    try {
      for (;;) yield new TextEncoder().encode(LINE);
    } finally {
      closed = true;
    }
  };
  const LINE = "  a-1 [000] ..... 1.000000: sys_munmap -> 0x0\n";
  for await (const batch of readTrace(source(), { batchSize: 1 })) {
    expect(batch).toHaveLength(1);
    break;
  }
  expect(closed).toBe(true);
});
