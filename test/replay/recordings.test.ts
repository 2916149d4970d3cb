import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Flush } from "../../src/replay/flushes.js";
import { replayTrace } from "../../src/replay/replay.js";
import { bytesOf, pieces, recordingBytes, recordingPath, RECORDINGS } from "../traces/helpers.js";

/** What is reached, less a little: docs/fidelity.md has the figures. */
const FLOOR = { "madvise-2threads": 0.997, "node-gc": 0.975, "redis-bgsave": 0.998 };

describe.each(RECORDINGS)("recording %s", (name) => {
  it("is predicted well, pages included", async () => {
    const { fidelity } = await replayTrace(recordingPath(name));
    expect(fidelity?.f1).toBeGreaterThan(0.9);
    expect(fidelity?.f1).toBeGreaterThan(FLOOR[name]);
    expect(fidelity?.byKind.local.f1).toBeGreaterThan(0.99);
    expect(fidelity?.byKind.send.f1).toBeGreaterThan(0.99);
    expect(fidelity?.byKind.remote.f1).toBeGreaterThan(0.95);
    expect(fidelity?.pagesExact).toBeGreaterThan(0.99);
  });

  it("gives nearly the observed counts", async () => {
    const { predicted, observed } = await replayTrace(recordingPath(name));
    for (const kind of ["local", "remote", "full", "send", "switch", "csd"] as const) {
      const allowed = Math.max(3, observed[kind] * 0.02);
      expect(Math.abs(predicted[kind] - observed[kind]), kind).toBeLessThanOrEqual(allowed);
    }
    // A flush queued behind a wake-up needs no interrupt: that is not modelled.
    expect(Math.abs(predicted.ipis - observed.ipis)).toBeLessThanOrEqual(observed.ipis * 0.04);
  });

  it("is the same twice, from a stream, and in any era and policy", async () => {
    const first = await replayTrace(recordingPath(name));
    const stream = pieces(recordingBytes(name), [1, 999, 65_536]);
    expect(JSON.stringify(await replayTrace(stream))).toBe(JSON.stringify(first));
    for (const era of ["double", "deduplicated"]) {
      const other = await replayTrace(recordingPath(name), { era, policy: "sync" });
      expect(other.fidelity?.f1).toBe(first.fidelity?.f1);
    }
  });

  it("is predicted from causes alone: without the kernel's deeds nothing changes", async () => {
    const text = new TextDecoder().decode(gunzipSync(recordingBytes(name)));
    // The call that hands a CPU woken threads is a cause: of the switch that follows.
    const deed =
      /: (tlb_flush|csd_queue_cpu|csd_function_\w+: func=flush_tlb_func|ipi_send_cpu(mask)?)\b/;
    const causes = text.split("\n").filter((line) => !deed.test(line));
    const heard = async (source: string): Promise<[string[], unknown]> => {
      const flushes: string[] = [];
      const onPrediction = ({ kind, tid, pages }: Flush): void => {
        flushes.push(`${kind} ${tid} ${pages}`);
      };
      const result = await replayTrace(bytesOf(source), { onPrediction });
      return [flushes, result];
    };
    const [all] = await heard(text);
    const [bare, result] = await heard(causes.join("\n"));
    expect(bare).toEqual(all);
    expect(result).toMatchObject({ fidelity: null, observed: { local: 0, csd: 0 } });
  });
});

it("names the size to raise when the machine is too small", async () => {
  const replay = replayTrace(recordingPath("node-gc"), { geometry: { frames: 2000 } });
  await expect(replay).rejects.toMatchObject({
    code: "E_NOMEM",
    details: { argument: "frames", limit: 2000 },
  });
  const tables = replayTrace(recordingPath("node-gc"), { geometry: { tables: 128, mms: 8 } });
  await expect(tables).rejects.toMatchObject({ code: "E_NOMEM", details: { argument: "tables" } });
});

it("refuses an empty recording, and a CPU that the recording does not have", async () => {
  await expect(replayTrace(bytesOf("# tracer: nop\n"))).resolves.toMatchObject({ fidelity: null });
  const replay = replayTrace(recordingPath("node-gc"), { cpus: 1 });
  await expect(replay).rejects.toMatchObject({ code: "E_LIMIT", details: { argument: "cpus" } });
});
