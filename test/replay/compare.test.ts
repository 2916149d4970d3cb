import { describe, expect, it } from "vitest";
import { compareTrace } from "../../src/replay/compare.js";
import { pieces, recordingBytes, recordingPath } from "../traces/helpers.js";

const redis = recordingPath("redis-bgsave");

describe("compare", () => {
  it("shows what an era saves", async () => {
    const { runs, attached, fidelity } = await compareTrace(redis);
    expect(runs).toHaveLength(12);
    expect(attached.events).toBeGreaterThan(1000);
    expect(fidelity?.f1).toBeGreaterThan(0.99);
    for (const run of runs) {
      expect(run.hazards).toEqual([]);
      expect(run.notifications.start).toBe(run.notifications.end);
      expect(run.device.hits).toBeGreaterThan(1000);
      expect(run.latencyNs.p50).toBeLessThanOrEqual(run.latencyNs.p99);
      expect(run.latencyNs.p99).toBeLessThanOrEqual(run.latencyNs.max);
    }
    const one = (era: string, consumer: string) => {
      const run = runs.find((r) => r.era === era && r.consumer === consumer);
      if (run === undefined) throw new Error(`no run of ${era} with ${consumer}`);
      return run;
    };
    const double = one("double", "sharing").notifications.secondary;
    const deduplicated = one("deduplicated", "sharing").notifications.secondary;
    expect(double).toBeGreaterThan(deduplicated * 1.9);
    expect(one("coupled", "sharing").latencyNs.p50).toBeGreaterThan(
      one("deduplicated", "sharing").latencyNs.p50,
    );
    expect(one("double", "mirroring").notifications.secondary).toBe(0);
  });

  it("is the same twice, and from a stream that can be read once", async () => {
    const options = { eras: ["coupled"], policies: ["concurrent"], consumers: ["sharing"] };
    const first = JSON.stringify(await compareTrace(redis, { ...options, seed: 7 }));
    const stream = pieces(recordingBytes("redis-bgsave"), [4096]);
    expect(JSON.stringify(await compareTrace(stream, { ...options, seed: 7n }))).toBe(first);
    expect(JSON.stringify(await compareTrace(redis, { ...options, seed: 8 }))).not.toBe(first);
  });

  it("notices an era that tells devices too late", async () => {
    const { runs } = await compareTrace(recordingPath("madvise-2threads"), {
      eras: ["only-end-everywhere", "deduplicated"],
      policies: ["concurrent"],
      consumers: ["sharing"],
      deviceRate: 8,
    });
    expect(runs[0].hazards.length).toBeGreaterThan(0);
    expect(runs[0].hazards[0].count).toBeGreaterThan(0);
    expect(runs[1].hazards).toEqual([]);
  });

  it("attaches to the process it is told", async () => {
    const options = { eras: ["coupled"], policies: ["concurrent"], consumers: ["sharing"] };
    const { attached } = await compareTrace(redis, { ...options, attach: 16102 });
    expect(attached.tid).toBe(16102);
    const nobody = compareTrace(redis, { ...options, attach: 1 });
    await expect(nobody).rejects.toMatchObject({ code: "E_NOENT" });
  });
});
