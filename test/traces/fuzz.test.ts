import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { ShootdownError } from "../../src/errors.js";
import { readTrace } from "../../src/traces/read-trace.js";
import { pieces, random, recordingBytes, RECORDINGS } from "./helpers.js";

const SEED = Number(process.env["TRACE_FUZZ_SEED"] ?? 20_260_101);
const RUNS = Number(process.env["TRACE_FUZZ_RUNS"] ?? 400);

const STRACE = fileURLToPath(new URL("./samples/", import.meta.url));

/** 16 KiB from somewhere in each recording, whole lines. */
const recorded = RECORDINGS.map((name) => {
  const text = gunzipSync(recordingBytes(name));
  const from = text.indexOf(10, Math.floor(text.length / 3)) + 1;
  return new Uint8Array(text.subarray(from, text.lastIndexOf(10, from + 16_384) + 1));
});

/** The same as perf would print it, near enough: other columns, and the subsystem. */
const perf = recorded.map((bytes) =>
  new TextEncoder().encode(
    new TextDecoder()
      .decode(bytes)
      .replace(/^(.{16})-(\d+) .*?(\[\d+\]) \S+ /gm, "$1 $2 $3 ")
      .replace(/: (tlb|csd|ipi|sched)_/g, ": $1:$1_"),
  ),
);
const strace = readdirSync(STRACE).map((name) => new Uint8Array(readFileSync(STRACE + name)));
const samples = [...recorded, ...perf, ...strace];

/** Bytes with a meaning somewhere in the format. */
const TOKENS = "-[]():,=#<>+|?. \t\r\n\0\xff\x1f\x8b0x9afNRCPU"
  .split("")
  .map((c) => c.charCodeAt(0));

function mutate(sample: Uint8Array, below: (n: number) => number): Uint8Array {
  let bytes = sample.slice();
  for (let n = 1 + below(6); n > 0; n--) {
    const at = below(bytes.length);
    const end = Math.min(bytes.length, at + 1 + below(200));
    const kind = below(6);
    if (kind === 0) bytes[at] = bytes[at] ^ (1 << below(8));
    else if (kind === 1) bytes[at] = TOKENS[below(TOKENS.length)];
    else if (kind === 2) bytes.copyWithin(at, below(bytes.length), below(bytes.length));
    else if (kind === 3)
      bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(end)]);
    else if (kind === 4) bytes = bytes.slice(0, at + 1);
    else bytes = Uint8Array.from([...bytes.subarray(0, end), ...bytes.subarray(at)]);
  }
  return bytes;
}

it(`gives events or a typed error, whatever is done to a recording (seed ${SEED})`, async () => {
  for (let run = 0; run < RUNS; run++) {
    const seed = SEED + run;
    const settings = `TRACE_FUZZ_SEED=${seed} TRACE_FUZZ_RUNS=1`;
    const replay = `${settings} npx vitest run test/traces/fuzz.test.ts`;
    const below = random(seed);
    const bytes = mutate(samples[below(samples.length)], below);
    const source = pieces(bytes, [1 + below(300), 1 + below(5000)]);
    const trace = readTrace(source, { lenient: below(2) === 0 });
    try {
      let last = 0;
      for await (const batch of trace) {
        for (const event of batch) {
          if (event.line < last) throw new Error("lines out of order");
          last = event.line;
          if (!Number.isSafeInteger(event.timeNs)) throw new Error("time is not an integer");
        }
      }
    } catch (error) {
      if (error instanceof ShootdownError && error.name === "TraceError") continue;
      console.error(`replay: ${replay}`);
      throw error;
    }
  }
  expect(RUNS).toBeGreaterThan(0);
});
