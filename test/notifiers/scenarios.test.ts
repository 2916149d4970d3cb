/** The races of notifiers.md section 3 that live in the notifiers themselves, step by step. */
import { beforeEach, describe, expect, test } from "vitest";
import {
  type ClassicOps,
  type IntervalOps,
  MmuNotifiers,
  type NotifierWarning,
  Random,
  validateNotifiers,
} from "../../src/index.js";

let mm: MmuNotifiers;
let calls: string[];

/** A driver that stamps what it is told about. */
function driver(name: string, more: Partial<IntervalOps> = {}): IntervalOps {
  return {
    invalidate(handle, { start, end, event }, seq) {
      calls.push(`${name} ${event} [${start}, ${end})`);
      mm.setSeq(handle, seq);
      return true;
    },
    release: () => calls.push(`${name} released`),
    ...more,
  };
}

function classic(name: string, more: Partial<ClassicOps> = {}): ClassicOps {
  return {
    rangeStart: () => {
      calls.push(`${name} start`);
      return true;
    },
    rangeEnd: () => calls.push(`${name} end`),
    release: () => calls.push(`${name} released`),
    free: () => calls.push(`${name} freed`),
    ...more,
  };
}

function code(expected: string): Error {
  return expect.objectContaining({ code: expected }) as Error;
}

beforeEach(async () => {
  mm = await MmuNotifiers.create();
  calls = [];
});

describe("a bracket and its readers", () => {
  test("nobody is hit: the sequence stays even, and readers begin at once", () => {
    const far = mm.insert(100, 199, driver("far"));
    const bracket = mm.rangeStart(0, 10);
    expect([mm.seq, mm.tryReadBegin(far)]).toEqual([2, 1]);
    mm.rangeEnd(bracket);
    expect(mm.seq).toBe(2);
  });

  test("who was hit waits until the last of the brackets has ended, others do not", async () => {
    const near = mm.insert(0, 9, driver("near"));
    const far = mm.insert(100, 199, driver("far"));
    const first = mm.rangeStart(5, 6, { event: "UNMAP" });
    const other = mm.rangeStart(50, 60);
    expect(mm.seq).toBe(3);
    expect(mm.tryReadBegin(near)).toBeUndefined();
    expect(mm.tryReadBegin(far)).toBe(1);
    let began = -1;
    const reading = mm.readBegin(near).then((stamp) => (began = stamp));
    mm.rangeEnd(first);
    await Promise.resolve();
    expect(began).toBe(-1); // the bracket that hit nobody keeps it odd
    mm.rangeEnd(other);
    await reading;
    expect([began, mm.seq, mm.readRetry(near, began)]).toEqual([3, 4, false]);
    expect(calls).toEqual(["near UNMAP [5, 6)"]);
  });

  test("an invalidation between begin and retry makes the reader start over", () => {
    const sub = mm.insert(0, 9, driver("x"));
    const stamp = mm.tryReadBegin(sub) as number;
    mm.rangeEnd(mm.rangeStart(0, 1));
    expect(mm.readRetry(sub, stamp)).toBe(true);
    expect(mm.tryReadBegin(sub)).toBe(3);
  });

  test("walks go by start, then by insertion; classic ones come after, the newest first", () => {
    mm.insert(5, 9, driver("c"));
    mm.insert(0, 9, driver("a"));
    mm.insert(5, 5, driver("d"));
    mm.insert(0, 0, driver("b"));
    mm.register(classic("old"));
    mm.register(classic("new"));
    const bracket = mm.rangeStart(0, 6);
    expect(calls.map((line) => line.split(" ")[0])).toEqual(["a", "b", "c", "d", "new", "old"]);
    mm.rangeEnd(bracket);
    expect(calls.slice(6)).toEqual(["new end", "old end"]);
  });

  test("two passes: everybody begins before anybody is waited for, also when one refuses", () => {
    const twoPass = (name: string): IntervalOps => ({
      invalidateStart: () => {
        calls.push(`${name} begins`);
        return () => calls.push(`${name} done`);
      },
    });
    mm.insert(0, 0, twoPass("a"));
    mm.insert(1, 1, twoPass("b"));
    mm.rangeEnd(mm.rangeStart(0, 9));
    expect(calls).toEqual(["a begins", "b begins", "a done", "b done"]);
    mm.insert(2, 2, { invalidate: () => false });
    calls = [];
    expect(mm.rangeStartNonblock(0, 9)).toBeUndefined();
    expect(calls).toEqual(["a begins", "b begins", "a done", "b done"]);
    expect(mm.seq % 2).toBe(0);
  });

  test("the sequence wraps without a sleeper too many", () => {
    const { u32, base } = mm.raw();
    u32[base >> 2] = 2 ** 32 - 2;
    const sub = mm.insert(0, 9, driver("x"));
    const bracket = mm.rangeStart(0, 1);
    expect(mm.seq).toBe(2 ** 32 - 1);
    expect(mm.tryReadBegin(sub)).toBeUndefined();
    mm.rangeEnd(bracket);
    expect([mm.seq, mm.tryReadBegin(sub)]).toEqual([0, 2 ** 32 - 1]);
  });
});

describe("S11, S12: a subscriber is added during a bracket", () => {
  test("that has hit somebody: it waits for its place, and its readers wait", () => {
    mm.insert(0, 9, driver("x"));
    const bracket = mm.rangeStart(0, 10);
    const y = mm.insert(0, 9, driver("y"));
    expect([mm.seq, mm.tryReadBegin(y)]).toEqual([3, undefined]);
    mm.rangeEnd(mm.rangeStart(0, 1)); // it is in no walk yet
    expect(calls).toEqual(["x CLEAR [0, 10)", "x CLEAR [0, 1)"]);
    mm.rangeEnd(bracket);
    expect([mm.seq, mm.tryReadBegin(y)]).toEqual([4, 3]);
    mm.rangeEnd(mm.rangeStart(0, 1));
    expect(calls.slice(2)).toEqual(["x CLEAR [0, 1)", "y CLEAR [0, 1)"]);
  });

  test("that has hit nobody: it is there at once, the sequence turns odd, readers wait", () => {
    mm.register(null);
    const bracket = mm.rangeStart(0, 10);
    const y = mm.insert(0, 9, driver("y"));
    expect([mm.seq, mm.tryReadBegin(y)]).toEqual([3, undefined]);
    mm.rangeEnd(mm.rangeStart(0, 1));
    expect(calls).toEqual(["y CLEAR [0, 1)"]);
    mm.rangeEnd(bracket);
    expect([mm.seq, mm.tryReadBegin(y)]).toEqual([4, 3]);
  });
});

describe("S13, S15: what would wait for itself", () => {
  test("remove in its own callback is a deadlock, removeDeferred is not", () => {
    let attempt: (handle: number) => unknown = (handle) => mm.remove(handle);
    const sub = mm.insert(
      0,
      9,
      driver("x", {
        invalidate: (handle) => {
          attempt(handle);
          return true;
        },
      }),
    );
    expect(() => mm.rangeStart(0, 1)).toThrow(code("E_DEADLOCK"));
    expect([mm.seq % 2, mm.has(sub)]).toEqual([0, true]);
    attempt = (handle) => mm.removeDeferred(handle);
    const bracket = mm.rangeStart(0, 1);
    expect([mm.has(sub), calls]).toEqual([false, []]);
    mm.rangeEnd(bracket);
    expect(calls).toEqual(["x released"]);
  });

  test("readBegin in a callback of the bracket it would wait for", async () => {
    let refused: unknown;
    mm.insert(
      0,
      9,
      driver("x", {
        invalidate: (handle, _range, seq) => {
          mm.setSeq(handle, seq);
          void mm.readBegin(handle).catch((error: unknown) => (refused = error));
          return true;
        },
      }),
    );
    mm.rangeEnd(mm.rangeStart(0, 1));
    await Promise.resolve();
    await Promise.resolve();
    expect(refused).toEqual(code("E_DEADLOCK"));
  });

  test("unregister in a classic callback is a deadlock, put is not", () => {
    const ops: ClassicOps = classic("p", { rangeStart: () => (mm.unregister(row), true) });
    const row = mm.register(ops);
    expect(() => mm.rangeStart(0, 1)).toThrow(code("E_DEADLOCK"));
    ops.rangeStart = (subscriber) => {
      mm.put(subscriber);
      calls.push("put");
      return true;
    };
    mm.rangeStart(0, 1);
    expect(calls).toEqual(["put", "p freed"]);
  });
});

describe("S16, S17: somebody refuses a bracket that may not sleep", () => {
  const refusing = (more: Partial<ClassicOps> = {}) =>
    classic("q", { rangeStart: () => false, rangeEnd: undefined, ...more });

  async function outcome(faults: "fixed" | "strict" | "strict-5.11", more?: Partial<ClassicOps>) {
    const warnings: NotifierWarning["code"][] = [];
    mm = await MmuNotifiers.create({ faults, onWarning: (warning) => warnings.push(warning.code) });
    calls = [];
    const sub = mm.insert(0, 9, driver("x"));
    mm.register(refusing(more));
    mm.register(classic("p"));
    expect(mm.rangeStartNonblock(0, 5)).toBeUndefined();
    return { calls, seq: mm.seq, waits: mm.tryReadBegin(sub) === undefined, warnings };
  }

  test("before 5.12 whoever was told never hears of the end", async () => {
    const told = ["x CLEAR [0, 5)", "p start"];
    expect((await outcome("strict-5.11")).calls).toEqual(told);
    expect((await outcome("strict")).calls).toEqual([...told, "p end"]);
    expect((await outcome("fixed")).calls).toEqual([...told, "p end"]);
  });

  test("who refuses and has an end is called without a start", async () => {
    const end = () => calls.push("q end");
    const strict = await outcome("strict", { rangeEnd: end });
    expect(strict.calls.slice(2)).toEqual(["p end", "q end"]);
    expect(strict.warnings).toEqual(["refuses-and-has-an-end"]);
    expect((await outcome("fixed", { rangeEnd: end })).calls.slice(2)).toEqual(["p end"]);
  });

  test("the kernel leaves the bracket of the intervals open: readers wait for ever", async () => {
    expect(await outcome("strict")).toMatchObject({ seq: 3, waits: true });
    expect(await outcome("strict-5.11")).toMatchObject({ seq: 3, waits: true });
    expect(await outcome("fixed")).toMatchObject({ seq: 4, waits: false });
  });

  test("where it may sleep a refusal is only warned of", async () => {
    const warnings: string[] = [];
    mm = await MmuNotifiers.create({ onWarning: ({ code: what }) => warnings.push(what) });
    mm.insert(0, 9, { invalidate: () => false });
    mm.register(refusing());
    mm.rangeEnd(mm.rangeStart(0, 1));
    expect(warnings).toEqual(["refused-while-blockable", "refused-while-blockable"]);
  });
});

describe("S18: exit and unregister", () => {
  test("whoever is first releases; the other finds it unlinked", () => {
    const row = mm.register(classic("p"));
    mm.exit();
    mm.unregister(row);
    expect(calls).toEqual(["p released"]);
  });

  test("intervals hear of the exit, stay, and hear of the unmapping that follows", () => {
    const sub = mm.insert(0, 9, driver("x"));
    mm.exit();
    mm.rangeEnd(mm.rangeStart(0, 10, { event: "UNMAP" }));
    expect(calls).toEqual([`x RELEASE [0, ${2 ** 52})`, "x UNMAP [0, 10)"]);
    expect([mm.has(sub), mm.remove(sub)]).toEqual([true, true]);
    expect(() => mm.insert(0, 1, driver("y"))).toThrow(code("E_EXITED"));
    expect(() => mm.register(classic("q"))).toThrow(code("E_EXITED"));
    expect(() => {
      mm.exit();
    }).toThrow(code("E_EXITED"));
  });

  test("an interval of the last page alone hears of the exit", () => {
    const last = 2 ** 52 - 1;
    mm.insert(last, last, driver("x"));
    mm.exit();
    expect(calls).toEqual([`x RELEASE [0, ${2 ** 52})`]);
  });

  test("a release that unregisters itself is a deadlock; one that puts is not", () => {
    const ops = classic("p");
    const row = mm.register({ ...ops, release: (subscriber) => mm.put(subscriber) });
    mm.exit();
    expect([calls, row.users]).toEqual([["p freed"], 0]);
    mm.dispose();
  });
});

describe("get and put", () => {
  test("one subscriber for all who get it; freed with its last user, without a release", () => {
    const ops = classic("p");
    const row = mm.get(ops);
    expect(mm.get(ops)).toBe(row);
    expect(row.users).toBe(2);
    mm.put(row);
    mm.rangeEnd(mm.rangeStart(0, 1));
    mm.put(row);
    mm.rangeEnd(mm.rangeStart(0, 1));
    expect(calls).toEqual(["p start", "p end", "p freed"]);
    const warnings: string[] = [];
    mm.put(row); // warned of, nothing else
    expect([row.users, warnings]).toEqual([0, []]);
  });
});

describe("secondary TLBs", () => {
  const told = (era: "double" | "deduplicated" | "coupled", only: boolean) =>
    MmuNotifiers.create({ era }).then((one) => {
      const ranges: number[][] = [];
      one.register({ invalidateSecondary: (_row, start, end) => ranges.push([start, end]) });
      const bracket = one.rangeStart(3, 7);
      one.invalidateSecondary(4, 5);
      if (only) one.rangeOnlyEnd(bracket);
      else one.rangeEnd(bracket);
      return ranges;
    });

  test("range_end tells them until 6.5, only_end never; since 6.6 flushes do", async () => {
    const both = [
      [4, 5],
      [3, 7],
    ];
    expect(await told("double", false)).toEqual(both);
    expect(await told("deduplicated", false)).toEqual(both);
    expect(await told("deduplicated", true)).toEqual([[4, 5]]);
    expect(await told("coupled", false)).toEqual([[4, 5]]);
  });

  test("6.6 refuses who wants to be told both ways", async () => {
    const ops: ClassicOps = { invalidateSecondary: () => undefined, rangeEnd: () => undefined };
    expect(() => mm.register(ops)).toThrow(code("E_POLICY"));
    const before = await MmuNotifiers.create({ era: "deduplicated" });
    expect(before.register(ops).users).toBe(1);
  });

  test("young: everybody is asked and forgets; the test stops at the first yes", () => {
    const young = (name: string, answer: boolean): ClassicOps => ({
      clearFlushYoung: () => (calls.push(`${name} flush`), answer),
      clearYoung: () => (calls.push(`${name} clear`), answer),
      testYoung: () => (calls.push(`${name} test`), answer),
    });
    mm.register(young("old", true));
    mm.register(young("new", true));
    expect([mm.clearFlushYoung(0, 1), mm.clearYoung(0, 1), mm.testYoung(0)]).toEqual([
      true,
      true,
      true,
    ]);
    expect(calls).toEqual(["new flush", "old flush", "new clear", "old clear", "new test"]);
  });
});

describe("S24: an interval grows while a bracket is open", () => {
  /** A reader of the grown part that began during the bracket: does it know that it must wait? */
  function readerAfterGrowth(posted: boolean, hit: boolean) {
    const sub = mm.insert(0, 9, driver("x"));
    if (hit) mm.insert(50, 59, driver("other"));
    const bracket = mm.rangeStart(hit ? 50 : 30, 60);
    if (posted) mm.posted.update(sub, 0, 39);
    else mm.update(sub, 0, 39);
    const stamp = mm.tryReadBegin(sub);
    calls = [];
    mm.rangeEnd(mm.rangeStart(30, 31)); // an invalidation of what has been added
    const missed = !calls.includes("x CLEAR [30, 31)");
    const retries = stamp !== undefined && mm.readRetry(sub, stamp);
    mm.rangeEnd(bracket);
    expect(validateNotifiers(mm)).toEqual([]);
    return { waits: stamp === undefined, missed, retries };
  }

  test("as posted: the reader goes on, and nobody tells it of an invalidation", () => {
    expect(readerAfterGrowth(true, true)).toEqual({ waits: false, missed: true, retries: false });
  });

  test("mended: the reader waits", () => {
    expect(readerAfterGrowth(false, true)).toEqual({ waits: true, missed: true, retries: false });
  });

  test("a bracket that has hit nobody: as posted its own range is missed", () => {
    expect(readerAfterGrowth(true, false).waits).toBe(false);
    mm.dispose();
  });

  test("the same, mended", () => {
    expect(readerAfterGrowth(false, false).waits).toBe(true);
  });
});

describe("S25: find and a removal that waits", () => {
  test("as posted it finds what is about to be released, mended it does not", () => {
    const ops = driver("x");
    const sub = mm.insert(0, 9, ops);
    const bracket = mm.rangeStart(0, 1);
    mm.removeDeferred(sub);
    expect([mm.posted.find(ops, 5), mm.find(ops, 5)]).toEqual([sub, undefined]);
    const next = mm.insert(5, 20, ops);
    expect([mm.posted.find(ops, 5), mm.find(ops, 5)]).toEqual([sub, next]);
    mm.rangeEnd(bracket);
    expect(() => mm.interval(sub)).toThrow(code("E_NOENT"));
    expect([mm.posted.find(ops, 5), mm.find(ops, 5)]).toEqual([next, next]);
    expect(mm.find(driver("y"), 5)).toBeUndefined();
  });

  test("it goes by what a move will come to", () => {
    const ops = driver("x");
    const sub = mm.insert(0, 9, ops);
    const bracket = mm.rangeStart(0, 1);
    mm.update(sub, 100, 109);
    expect([mm.find(ops, 5), mm.find(ops, 105)]).toEqual([undefined, sub]);
    mm.rangeEnd(bracket);
    expect([mm.find(ops, 5), mm.find(ops, 105)]).toEqual([undefined, sub]);
  });
});

describe("S26: a hole is unmapped", () => {
  const intervals = (handles: readonly number[]) => handles.map((handle) => mm.interval(handle));

  test("one subscriber becomes two, in one step, from within its callback", () => {
    let parts: number[] = [];
    const ops = driver("x", {
      invalidate(handle, { start, end }, seq) {
        mm.setSeq(handle, seq);
        const { start: from, last } = mm.interval(handle);
        parts = mm.replace(handle, [
          { start: from, last: start - 1 },
          { start: end, last },
        ]);
        return true;
      },
    });
    mm.insert(0, 99, ops);
    const bracket = mm.rangeStart(40, 60, { event: "UNMAP" });
    expect(parts.map((part) => mm.tryReadBegin(part))).toEqual([undefined, undefined]);
    expect(calls).toEqual([]);
    mm.rangeEnd(bracket);
    expect(calls).toEqual(["x released"]);
    expect(intervals(parts)).toEqual([
      { start: 0, last: 39 },
      { start: 60, last: 99 },
    ]);
    expect(validateNotifiers(mm)).toEqual([]);
  });

  test("as posted: update and insertSafe, in nouveau's way", () => {
    const added: number[] = [];
    const ops = driver("x", {
      invalidate(handle, { start, end }, seq) {
        mm.setSeq(handle, seq);
        const { last } = mm.interval(handle);
        mm.posted.update(handle, 0, start - 1);
        added.push(mm.posted.insertSafe(end, last, ops));
        return true;
      },
    });
    const sub = mm.insert(0, 99, ops);
    mm.rangeEnd(mm.rangeStart(40, 60, { event: "UNMAP" }));
    expect(intervals([sub, ...added])).toEqual([
      { start: 0, last: 39 },
      { start: 60, last: 99 },
    ]);
    expect(mm.posted.update(sub, 7, 7)).toBe(false);
    expect(mm.interval(sub)).toEqual({ start: 0, last: 39 });
  });

  test("parts that are none leave everything as it was", () => {
    const sub = mm.insert(0, 99, driver("x"));
    expect(() =>
      mm.replace(sub, [
        { start: 0, last: 3 },
        { start: 9, last: 8 },
      ]),
    ).toThrow(code("E_INVERTED"));
    expect([mm.has(sub), mm.find(driver("x"), 0)]).toEqual([true, undefined]);
    expect(mm.interval(sub)).toEqual({ start: 0, last: 99 });
  });
});

test("S28: who leaves its own operation out is not invalidated by it", () => {
  const me = {};
  const sub = mm.insert(0, 9, {
    invalidate(handle, { event, owner }, seq) {
      if (event === "EXCLUSIVE" && owner === me) return true; // and no setSeq
      mm.setSeq(handle, seq);
      return true;
    },
  });
  const retries = (owner: unknown) => {
    const stamp = mm.tryReadBegin(sub) as number;
    mm.rangeEnd(mm.rangeStart(0, 1, { event: "EXCLUSIVE", owner }));
    return mm.readRetry(sub, stamp);
  };
  expect([retries(me), retries({})]).toEqual([false, true]);
});

describe("many brackets in one call", () => {
  test("tell whom they hit, in turn, also whom a callback has just added", () => {
    const ops = driver("y");
    mm.insert(
      0,
      9,
      driver("x", {
        invalidate(handle, { start, end }, seq) {
          calls.push(`x [${start}, ${end})`);
          mm.setSeq(handle, seq);
          if (start === 5) mm.insert(50, 59, ops);
          return true;
        },
      }),
    );
    const starts = [100, 5, 55, 20, 9, 200];
    const told = mm.invalidateMany(
      starts,
      starts.map((start) => start + 1),
      { event: "UNMAP" },
    );
    expect([told, mm.counters().brackets]).toEqual([3, 6]);
    expect(calls).toEqual(["x [5, 6)", "y UNMAP [55, 56)", "x [9, 10)"]);
  });

  test("classic subscribers hear of all of them", () => {
    mm.register(classic("p"));
    expect(mm.invalidateMany([1, 2], [2, 3])).toBe(2);
    expect(calls).toEqual(["p start", "p end", "p start", "p end"]);
  });

  test.each([{ open: false }, { open: true }])(
    "without callbacks they do what one by one does, another bracket open: $open",
    async ({ open }) => {
      const random = new Random(31);
      const other = await MmuNotifiers.create();
      const both = [mm, other];
      const silent = [{}, { release: () => undefined }];
      for (let i = 0; i < 300; i++) {
        const start = random.below(400);
        const last = start + random.below(20);
        for (const one of both) one.insert(start, last, silent[i % 2]);
      }
      const rivals = both.map((one) => (open ? one.rangeStart(390, 400) : null));
      const added = both.map((one) => one.insert(1000, 1010, silent[0]));
      const starts = Array.from({ length: 500 }, () => random.below(600));
      const ends = starts.map((start) => start + 1 + random.below(30));
      const told = mm.invalidateMany(starts, ends);
      let hits = 0;
      for (const [i, start] of starts.entries()) {
        const before = other.counters().invalidations;
        other.rangeEnd(other.rangeStart(start, ends[i]));
        if (other.counters().invalidations > before) hits++;
      }
      expect(told).toBe(hits);
      expect(hits).toBeGreaterThan(100);
      expect(hits).toBeLessThan(500);
      expect(mm.seq).toBe(other.seq);
      expect(mm.counters()).toEqual(other.counters());
      expect(mm.tryReadBegin(added[0])).toBe(other.tryReadBegin(added[1]));
      for (const [k, one] of both.entries()) {
        const rival = rivals[k];
        if (rival !== null) one.rangeEnd(rival);
        validateNotifiers(one);
      }
      expect(mm.seq).toBe(other.seq);
    },
  );

  test("who gets a callback after it was added is told", () => {
    const ops: IntervalOps = {};
    mm.insert(0, 9, ops);
    expect(mm.invalidateMany([5], [6])).toBe(1);
    let count = 0;
    ops.invalidate = () => ++count > 0;
    expect(mm.invalidateMany([5, 7], [6, 8])).toBe(2);
    expect(count).toBe(2);
  });

  test("one that is none: nobody is told of any", () => {
    mm.insert(0, 9, driver("x"));
    expect(() => mm.invalidateMany([0, 4], [1, 4])).toThrow(code("E_EMPTY"));
    expect(() => mm.invalidateMany([0], [1, 2])).toThrow(code("E_LIMIT"));
    const event = "NONE" as never;
    expect(() => mm.invalidateMany([0], [1], { event })).toThrow(code("E_TYPE"));
    expect([calls, mm.counters().brackets]).toEqual([[], 0]);
  });
});
