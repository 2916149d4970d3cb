/** Frames and the address space that pinning drivers see, against a map of pages. */
import { describe, expect, test } from "vitest";
import { Random } from "../../src/index.js";
import { HostFrames } from "../../dist/mm/frames.js";
import { UserMm } from "../../dist/mm/user-mm.js";
import { Allocations } from "../../dist/uapi/allocations.js";

describe("HostFrames", () => {
  test("references of runs, across the pieces that counts are kept in", () => {
    const frames = new HostFrames();
    frames.get(4_090, 10);
    frames.get(4_095);
    expect([4_089, 4_090, 4_095, 4_099, 4_100].map((pfn) => frames.refs(pfn))).toEqual([
      0, 1, 2, 1, 0,
    ]);
    expect(frames.held).toBe(11);
    expect(frames.put(4_090, 10)).toBe(0);
    expect([...frames]).toEqual([[4_095, 1]]);
    expect([frames.put(4_095), frames.held, [...frames]]).toEqual([0, 0, []]);
  });

  test("what was not held is told, and nothing goes below zero", () => {
    const frames = new HostFrames();
    frames.get(7);
    expect(frames.put(6, 3)).toBe(2);
    expect([frames.underflows, frames.held, frames.refs(6)]).toEqual([[6, 8], 0, 0]);
  });

  test("random runs, against a map", () => {
    const random = new Random(5n);
    const frames = new HostFrames();
    const model = new Map<number, number>();
    let missing = 0;
    for (let i = 0; i < 2_000; i++) {
      const pfn = random.below(12_000);
      const count = 1 + random.below(200);
      const isGet = random.below(2) === 0;
      if (isGet) frames.get(pfn, count);
      else missing += frames.put(pfn, count);
      for (let at = pfn; at < pfn + count; at++) {
        const refs = model.get(at) ?? 0;
        if (isGet) model.set(at, refs + 1);
        else if (refs === 0) missing--;
        else model.set(at, refs - 1);
      }
    }
    const held = [...model].filter(([, refs]) => refs > 0).sort(([a], [b]) => a - b);
    expect([[...frames], missing]).toEqual([held, 0]);
    expect(frames.held).toBe(held.reduce((sum, [, refs]) => sum + refs, 0));
  });
});

describe("UserMm", () => {
  function space(): UserMm {
    return new UserMm(new HostFrames(0x100));
  }

  test("pages in a run, scattered, given one by one, and one by one in a list", () => {
    const mm = space();
    mm.map({ at: 10, pages: 3 });
    mm.map({ at: 20, pages: 3, runs: [1] });
    mm.map({ at: 30, pages: 2, frames: 7 });
    mm.map({ at: 40, pages: 2, frames: [9, 5] });
    mm.map({ at: 50, pages: 7, runs: [2, 3] });
    const into = new Float64Array(7);
    const faulted = (vpn: number, count: number): number[] => {
      expect(mm.faultInRange(vpn, count, true, into)).toBe(count);
      const one = Array.from({ length: count }, (_, i) => mm.faultIn(vpn + i, true));
      expect([...into.subarray(0, count)]).toEqual(one);
      return [...into.subarray(0, count)];
    };
    expect(faulted(10, 3)).toEqual([0x100, 0x101, 0x102]);
    const apart = faulted(20, 3);
    expect([apart[1] - apart[0], apart[2] - apart[1]]).toEqual([2, 2]);
    expect([faulted(30, 2), faulted(40, 2)]).toEqual([
      [7, 8],
      [9, 5],
    ]);
    const runs = faulted(50, 7);
    expect(runs.map((pfn) => pfn - runs[0])).toEqual([0, 1, 3, 4, 5, 7, 8]);
  });

  test("holes, rights, faults that fail once, an owner that is gone", () => {
    const mm = space();
    mm.map({ at: 10, pages: 4, write: false });
    const into = new Float64Array(8);
    expect([mm.faultIn(9, false), mm.faultIn(10, true), mm.faultIn(10, false)]).toEqual([
      "EFAULT",
      "EFAULT",
      0x100,
    ]);
    expect([mm.faultInRange(10, 4, true, into), mm.faultInRange(12, 8, false, into)]).toEqual([
      0, 2,
    ]);
    mm.failNextFault(11, "EINTR");
    expect([mm.faultInRange(10, 4, false, into), mm.faultIn(11, false)]).toEqual([1, "EINTR"]);
    expect([mm.faultInRange(10, 4, false, into), mm.faultIn(11, false)]).toEqual([4, 0x101]);
    mm.exit();
    expect([mm.faultInRange(10, 4, false, into), mm.faultIn(11, false)]).toEqual([0, "EFAULT"]);
  });

  test("cut, covered and replaced pages keep their frames, or get others", () => {
    const mm = space();
    mm.map({ at: 10, pages: 10, frames: 1_000 });
    expect(mm.replace(13)).toBe(0x100);
    mm.unmap(14, 2);
    mm.map({ at: 18, pages: 4, frames: 2_000, kind: "pfnmap" });
    const all = Array.from({ length: 13 }, (_, i) => mm.faultIn(10 + i, false));
    const holes = ["EFAULT", "EFAULT"];
    const [cut, covered] = [
      [1_000, 1_001, 1_002, 0x100, ...holes, 1_006, 1_007],
      [2_000, 2_001, 2_002, 2_003, "EFAULT"],
    ];
    expect(all).toEqual([...cut, ...covered]);
    expect(mm.vmasIn(0, 99).map(({ first, last }) => [first, last])).toEqual([
      [10, 13],
      [16, 17],
      [18, 21],
    ]);
    expect([mm.frames.isReserved(2_003), mm.frames.isReserved(2_004)]).toEqual([true, false]);
    expect(() => mm.replace(14)).toThrow(expect.objectContaining({ code: "E_NOENT" }) as Error);
  });

  test.each([
    [{ at: -1, pages: 1 }, "E_LIMIT"],
    [{ at: 1, pages: 0 }, "E_LIMIT"],
    [{ at: 1, pages: 2, frames: [1] }, "E_LIMIT"],
    [{ at: 1, pages: 2, runs: [0] }, "E_LIMIT"],
    [{ at: 2 ** 52 - 1, pages: 2 }, "E_LIMIT"],
    [{ at: 0.5, pages: 2 }, "E_TYPE"],
  ])("%j is %s", (options, code) => {
    const mm = space();
    expect(() => mm.map(options)).toThrow(expect.objectContaining({ code }) as Error);
    expect(mm.vmasIn(0, 2 ** 52 - 1)).toEqual([]);
  });
});

test("the n-th allocation fails, once", () => {
  const allocations = new Allocations();
  const take = (): boolean => allocations.take("node");
  expect([take(), take()]).toEqual([true, true]);
  allocations.failNth(2);
  expect([take(), allocations.hasFailed, take(), allocations.hasFailed, take()]).toEqual([
    true,
    false,
    false,
    true,
    true,
  ]);
  expect([allocations.asked, allocations.askedFor("node"), allocations.askedFor("leaf")]).toEqual([
    5, 5, 0,
  ]);
  allocations.failNth(0);
  expect(take()).toBe(true);
});
