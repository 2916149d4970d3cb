/** Traces of pins: the same for a seed, whole, and what measuring them finds. */
import { describe, expect, test } from "vitest";
import {
  ArgumentError,
  measurePins,
  PIN_PROFILES,
  type PinProfile,
  PinnedPages,
  PinnedPagesTree,
  pinTrace,
  type PinTrace,
  sendPins,
} from "../../src/index.js";

const PINS = 20_000;

function text({ requests, frameOf }: PinTrace): string {
  return JSON.stringify([requests, requests.slice(0, 50).map(({ page }) => frameOf(page))]);
}

describe.each(PIN_PROFILES)("%s", (profile) => {
  test("the same seed makes the same trace, another one another", () => {
    const trace = text(pinTrace(profile, { seed: 5, pins: PINS }));
    expect(text(pinTrace(profile, { seed: "0x5", pins: PINS }))).toBe(trace);
    expect(text(pinTrace(profile, { seed: 6, pins: PINS }))).not.toBe(trace);
  });

  test("what is unpinned was pinned, and in the end nothing is", () => {
    const { requests, pages } = pinTrace(profile, { pins: PINS });
    const counts = new Map<number, number>();
    let pins = 0;
    for (const { pin, page, count } of requests) {
      expect(page >= 0 && page + count <= pages && count >= 1 && count <= 512).toBe(true);
      for (let i = page; i < page + count; i++) {
        const left = (counts.get(i) ?? 0) + (pin ? 1 : -1);
        if (left < 0) throw new Error(`page ${i} is unpinned too often`);
        if (left === 0) counts.delete(i);
        else counts.set(i, left);
      }
      if (pin) pins += count;
    }
    expect(counts.size).toBe(0);
    expect(pins).toBeGreaterThanOrEqual(PINS);
  });

  test("no two guest pages have one frame", () => {
    const { requests, frameOf } = pinTrace(profile, { pins: PINS });
    const pages = new Set(
      requests.flatMap(({ page, count }) => [...Array(count).keys()].map((i) => page + i)),
    );
    expect(new Set([...pages].map(frameOf)).size).toBe(pages.size);
  });

  test("packed form and tree agree at every hundredth request", async () => {
    const trace = pinTrace(profile, { pins: PINS });
    using packed = await PinnedPages.create({ last: trace.pages - 1 });
    const tree = new PinnedPagesTree({ last: trace.pages - 1 });
    for (const [i, request] of trace.requests.entries()) {
      sendPins(packed, request, trace);
      sendPins(tree, request, trace);
      if (i % 100 === 0) expect([packed.size, packed.pins]).toEqual([tree.size, tree.pins]);
    }
    expect([...packed]).toEqual([...tree]);
  });
});

test("figures of a trace that can be counted by hand", async () => {
  const requests = [
    { pin: true, page: 0, count: 4 },
    { pin: true, page: 2, count: 2 },
    { pin: true, page: 512, count: 1 },
    { pin: false, page: 0, count: 4 },
  ];
  const trace: PinTrace = {
    profile: "ccw",
    seed: 0n,
    pages: 1024,
    requests,
    frameOf: (page) => (page < 2 ? 100 + page : 200 + 2 * page),
  };
  expect(await measurePins(trace)).toMatchObject({
    requests: 4,
    pins: 7,
    repinnedPercent: (2 / 7) * 100,
    pagesPerCall: 7 / 3,
    peak: 5,
    mean: (4 + 4 + 5 + 3) / 4,
    blocks: 2,
    blockPercent: (5 / 1024) * 100,
    pageRun: 5 / 2,
    frameRun: 5 / 4,
    treeBytes: 240,
    slabBytes: 320,
    denseBytes: 8192,
    curve: [4, 4, 5, 3],
  });
});

test("misuse throws", () => {
  expect(() => pinTrace("gpu" as PinProfile)).toThrow(ArgumentError);
  expect(() => pinTrace("ccw", { pins: 0 })).toThrow(/pins must be/);
});
