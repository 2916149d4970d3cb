import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readTrace } from "../../src/traces/read-trace.js";
import type { TraceSource } from "../../src/traces/open.js";
import { bytesOf, pieces, readAll, recordingBytes, refusal } from "./helpers.js";

const LINE = "  a-1 [000] ..... 1.000000: sys_munmap -> 0x0\n";
const gz = recordingBytes("redis-bgsave");

function withoutNode<T>(body: () => Promise<T>): Promise<T> {
  const original = process.getBuiltinModule.bind(process);
  Object.defineProperty(process, "getBuiltinModule", { value: undefined, configurable: true });
  return body().finally(() => {
    Object.defineProperty(process, "getBuiltinModule", { value: original, configurable: true });
  });
}

describe("damaged gzip", () => {
  it.each([1, 2, 5, 10, 11, 100, 4096, 40_000, gz.length - 9, gz.length - 8, gz.length - 1])(
    "cut after %i bytes is E_TRUNCATED",
    async (length) => {
      const error = await refusal(gz.subarray(0, length));
      expect(error).toMatchObject({ name: "TraceError", code: "E_TRUNCATED" });
      expect(error.details["offset"]).toBe(length);
    },
  );

  it.each([2, 3, 100, 5000, 40_000, gz.length - 20, gz.length - 7, gz.length - 2])(
    "with byte %i inverted is never read to its end",
    async (at) => {
      const bad = gz.slice();
      bad[at] = bad[at] ^ 0xff;
      const error = await refusal(bad);
      expect(["E_CORRUPT", "E_TRUNCATED", "E_PARSE", "E_TIME"]).toContain(error.code);
    },
  );

  it("with a wrong checksum is E_CORRUPT", async () => {
    const bad = gz.slice();
    bad[gz.length - 6] = bad[gz.length - 6] ^ 1;
    expect(await refusal(bad)).toMatchObject({ code: "E_CORRUPT" });
  });

  it.each([[[1]], [[7, 4096]], [[65_536]]])(
    "with rubbish after it is E_CORRUPT, in chunks of %o",
    async (sizes) => {
      const bad = new Uint8Array([...gzipSync(LINE), ...bytesOf("rubbish, quite a lot of it")]);
      expect(await refusal(pieces(bad, sizes))).toMatchObject({ code: "E_CORRUPT" });
    },
  );

  it("still hands out the batches that came before the damage", async () => {
    let events = 0;
    await expect(async () => {
      for await (const batch of readTrace(gz.subarray(0, 40_000), { batchSize: 1 })) {
        events += batch.length;
      }
    }).rejects.toMatchObject({ code: "E_TRUNCATED" });
    expect(events).toBeGreaterThan(1000);
  });
});

describe("gzip", () => {
  it.each([[[1]], [[7, 4096]], [[65_536]]])(
    "members in a row are one text, chunks %o",
    async (n) => {
      const two = new Uint8Array([...gzipSync(LINE), ...gzipSync(LINE)]);
      expect(await readAll(pieces(two, n))).toHaveLength(2);
    },
  );

  it("is read without Node's modules, as in a browser", async () => {
    const expected = await readAll(gz);
    await withoutNode(async () => {
      expect(await readAll(gz)).toEqual(expected);
      expect(await refusal(gz.subarray(0, 40_000))).toMatchObject({ code: "E_TRUNCATED" });
      const bad = gz.slice();
      bad[gz.length - 6] = bad[gz.length - 6] ^ 1;
      expect(await refusal(bad)).toMatchObject({ code: "E_CORRUPT" });
      expect(await refusal("trace.txt")).toMatchObject({ code: "E_ENV" });
    });
  });

  it("stops at limitBytes", async () => {
    const bomb = gzipSync(LINE.repeat(100_000));
    const error = await refusal(new Uint8Array(bomb), { limitBytes: 1 << 20 });
    expect(error).toMatchObject({ name: "CapacityError", code: "E_LIMIT" });
  });

  it("a bomb of one endless line is refused in bounded memory", async () => {
    const bomb = gzipSync(new Uint8Array(50_000_000));
    expect(await refusal(new Uint8Array(bomb))).toMatchObject({ code: "E_PARSE" });
  });
});

describe("sources", () => {
  it.each([1, 7, 30, 64])("a Buffer of %i bytes, filled again and again", async (n) => {
    const text = LINE + LINE.replace("1.000000", "1.000007").replace("a-1", "b-2");
    const source = (async function* () {
      const buffer = Buffer.alloc(n);
      for (let at = 0; at < text.length; at += n) {
        yield buffer.subarray(0, buffer.write(text.slice(at, at + n), "latin1"));
      }
    })();
    const events = await readAll(source);
    expect(events.map(({ comm, timeNs }) => [comm, timeNs])).toEqual([
      ["a", 1e9],
      ["b", 1e9 + 7000],
    ]);
  });

  it("a file that is not there is E_IO", async () => {
    const error = await refusal("/nonexistent/trace.txt");
    expect(error).toMatchObject({ name: "TraceError", code: "E_IO" });
  });

  it.each([[undefined], [null], [42], [{}], [[1, 2]]])("%s is E_TYPE", async (source) => {
    const error = await refusal(source as unknown as TraceSource);
    expect(error).toMatchObject({ name: "ArgumentError", code: "E_TYPE" });
  });

  it("a stream of something else is E_TYPE", async () => {
    const source = (async function* () {
      yield LINE as unknown as Uint8Array;
    })();
    expect(await refusal(source)).toMatchObject({ code: "E_TYPE" });
  });

  it("errors of a caller's stream come through as they are, also inside gzip", async () => {
    const mine = new Error("mine");
    const source = async function* () {
      yield gz.subarray(0, 5000);
      throw mine;
    };
    await expect(readAll(source())).rejects.toBe(mine);
  });

  it("a trace is read once", async () => {
    const trace = readTrace(bytesOf(LINE));
    for await (const batch of trace) expect(batch).toHaveLength(1);
    await expect(async () => {
      for await (const batch of trace) expect(batch).toBeDefined();
    }).rejects.toMatchObject({ code: "E_BUSY" });
  });

  it.each([0, -1, Number.NaN])("limitBytes %s and batchSize %s are refused", async (n) => {
    expect(await refusal(bytesOf(LINE), { limitBytes: n })).toMatchObject({ code: "E_TYPE" });
    expect(() => readTrace(bytesOf(LINE), { batchSize: n })).toThrow(/batchSize/);
  });
});
