/** Memory, or numbers, that run out; and arguments that are none: a failed call changes nothing. */
import { expect, test } from "vitest";
import { type IntervalOps, MmuNotifiers, PAGE_LIMIT, validateNotifiers } from "../../src/index.js";

const WASM_PAGE = 65_536;
const ops: IntervalOps = {};

function code(expected: string): Error {
  return expect.objectContaining({ code: expected }) as Error;
}

/** Whom a bracket over everything would tell, in order. */
function told(mm: MmuNotifiers, handles: readonly number[]): string {
  const rows = handles.filter((handle) => mm.has(handle)).map((handle) => mm.interval(handle));
  return `${mm.seq}: ${JSON.stringify(rows)}`;
}

const scattered = (i: number): number => (i * 7919) % 50_000;

/** Subscribes until memory ends; the handles. */
function fill(mm: MmuNotifiers, handles: number[]): void {
  for (let i = 0; i < 60_000; i++) {
    const before = handles.length;
    try {
      handles.push(mm.insert(scattered(i), 60_000, ops));
    } catch (error) {
      expect(error).toMatchObject({ code: "E_NOMEM", details: { limit: mm.bytes } });
      expect(handles).toHaveLength(before);
      return;
    }
  }
  throw new Error("memory does not end");
}

test("memory that ends at any growth: changes that wait still find room", async () => {
  const sizes = new Set<number>();
  for (let pages = 16; pages < 34; pages++) {
    using mm = await MmuNotifiers.create({ capacity: 1, maxBytes: pages * WASM_PAGE });
    const handles = [mm.insert(0, 0, ops)];
    const bracket = pages % 2 === 0 ? mm.rangeStart(0, 1) : undefined;
    fill(mm, handles);
    sizes.add(handles.length);
    expect(validateNotifiers(mm)).toEqual([]);
    const before = told(mm, handles.slice(0, 500));
    expect(() => mm.insert(0, 1, ops)).toThrow(code("E_NOMEM"));
    const parts = Array.from({ length: 70_000 }, (_, i) => ({ start: i, last: i }));
    expect(() => mm.replace(handles[0], parts)).toThrow(code("E_NOMEM"));
    expect(told(mm, handles.slice(0, 500))).toBe(before);
    if (bracket !== undefined) mm.rangeEnd(bracket);
    expect(validateNotifiers(mm)).toEqual([]);
    expect(handles.every((handle) => mm.has(handle))).toBe(true);
    // A place that was given back can be taken again.
    for (const handle of handles.slice(0, 100)) {
      mm.remove(handle);
      mm.insert(7, 9, ops);
    }
    expect(validateNotifiers(mm)).toEqual([]);
  }
  expect(sizes.size).toBeGreaterThan(12);
});

test("no more than the limit, whose last place is given back", async () => {
  using mm = await MmuNotifiers.create({ limit: 3 });
  const handles = [0, 1, 2].map((page) => mm.insert(page, page, ops));
  expect(() => mm.insert(9, 9, ops)).toThrow(code("E_LIMIT"));
  mm.remove(handles[1]);
  expect(mm.has(mm.insert(9, 9, ops))).toBe(true);
  expect(() => mm.insert(9, 9, ops)).toThrow(code("E_LIMIT"));
});

test("what is replaced by more than there may be is refused, and stays", async () => {
  using mm = await MmuNotifiers.create({ limit: 2 });
  const sub = mm.insert(0, 9, ops);
  const three = [0, 2, 4].map((start) => ({ start, last: start }));
  expect(() => mm.replace(sub, three)).toThrow(code("E_LIMIT"));
  expect(mm.interval(sub)).toEqual({ start: 0, last: 9 });
  const bracket = mm.rangeStart(0, 1);
  expect(mm.replace(sub, three.slice(1))).toHaveLength(2);
  mm.rangeEnd(bracket);
  expect(validateNotifiers(mm)).toEqual([]);
});

const BAD_PAGES: readonly [unknown, unknown, string][] = [
  [0.5, 1, "E_TYPE"],
  [NaN, 1, "E_TYPE"],
  ["0", 1, "E_TYPE"],
  [0n, 1, "E_TYPE"],
  [0, undefined, "E_TYPE"],
  [-1, 1, "E_ADDR_RANGE"],
  [0, PAGE_LIMIT, "E_ADDR_RANGE"],
  [0, Infinity, "E_TYPE"],
  [2, 1, "E_INVERTED"],
];

test.each(BAD_PAGES)("an interval from %s to %s is %s", async (start, last, expected) => {
  using mm = await MmuNotifiers.create();
  const sub = mm.insert(3, 4, ops);
  const pages = [start, last] as [number, number];
  expect(() => mm.insert(...pages, ops)).toThrow(code(expected));
  expect(() => mm.update(sub, ...pages)).toThrow(code(expected));
  if (last !== undefined) expect(() => mm.find(ops, ...pages)).toThrow(code(expected));
  expect(() => mm.replace(sub, [{ start: pages[0], last: pages[1] }])).toThrow(code(expected));
  expect(mm.interval(sub)).toEqual({ start: 3, last: 4 });
  expect([mm.seq, validateNotifiers(mm)]).toEqual([2, []]);
});

test.each([
  [0, 0, "E_EMPTY"],
  [5, 4, "E_INVERTED"],
  [0.5, 4, "E_TYPE"],
  [0, NaN, "E_TYPE"],
  [-1, 4, "E_ADDR_RANGE"],
  [0, PAGE_LIMIT + 1, "E_ADDR_RANGE"],
])("a bracket over [%s, %s) is %s", async (start, end, expected) => {
  using mm = await MmuNotifiers.create();
  mm.insert(0, 9, ops);
  expect(() => mm.rangeStart(start, end)).toThrow(code(expected));
  expect(() => mm.rangeStartNonblock(start, end)).toThrow(code(expected));
  expect([mm.seq, mm.counters().brackets]).toEqual([2, 0]);
});

test("handles, brackets, subscribers and words that are none", async () => {
  using mm = await MmuNotifiers.create();
  using other = await MmuNotifiers.create();
  const sub = mm.insert(0, 9, ops);
  for (const handle of [sub + 1, -1, 2 ** 60, NaN, sub + 2 ** 27]) {
    expect(() => mm.remove(handle)).toThrow(code("E_NOENT"));
    expect(() => mm.interval(handle)).toThrow(code("E_NOENT"));
    expect(mm.has(handle)).toBe(false);
  }
  expect(() => mm.remove("1" as never)).toThrow(code("E_TYPE"));
  const foreign = other.rangeStart(0, 1);
  expect(() => mm.rangeEnd(foreign)).toThrow(code("E_FOREIGN"));
  other.rangeEnd(foreign);
  expect(() => other.rangeEnd(foreign)).toThrow(code("E_UNBALANCED"));
  expect(() => mm.rangeEnd({ ...foreign, open: true })).toThrow(code("E_UNBALANCED"));
  expect(() => mm.put({ ops: {}, users: 1 })).toThrow(code("E_TYPE"));
  expect(() => mm.rangeStart(0, 1, { event: "NONE" as never })).toThrow(code("E_TYPE"));
  for (const seq of [2, 0, -1, 2 ** 32 + 1, 1.5]) {
    expect(() => mm.setSeq(sub, seq)).toThrow(code(seq === 1.5 ? "E_TYPE" : "E_LIMIT"));
  }
  expect(() => mm.insert(0, 1, null as never)).toThrow(code("E_TYPE"));
  const bracket = mm.rangeStart(0, 1);
  expect(() => mm.register({})).toThrow(code("E_BUSY"));
  mm.rangeEnd(bracket);
  mm.remove(sub);
  expect(() => mm.tryReadBegin(sub)).toThrow(code("E_NOENT"));
});

test("a callback that throws: it comes through, and the bracket is not open", async () => {
  using mm = await MmuNotifiers.create();
  const log: string[] = [];
  mm.insert(0, 9, { invalidateStart: () => () => log.push("waited") });
  mm.insert(1, 9, {
    invalidate: () => {
      throw new RangeError("mine");
    },
  });
  expect(() => mm.rangeStart(0, 5)).toThrow(RangeError);
  expect([mm.seq, log, validateNotifiers(mm)]).toEqual([4, ["waited"], []]);
  mm.rangeEnd(mm.rangeStart(0, 1));
});

test("after dispose every call is refused", async () => {
  const mm = await MmuNotifiers.create();
  const sub = mm.insert(0, 9, ops);
  mm.dispose();
  mm.dispose();
  for (const call of [() => mm.insert(0, 1, ops), () => mm.has(sub), () => mm.rangeStart(0, 1)]) {
    expect(call).toThrow(code("E_DISPOSED"));
  }
  expect(() => mm.posted.put(sub)).toThrow(code("E_DISPOSED"));
});
