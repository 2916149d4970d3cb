import { describe, expect, test } from "vitest";
import { Iotlb, type IotlbEntry, PAGE_LIMIT, validateIotlb } from "../../src/index.js";

const LAST_PAGE = PAGE_LIMIT - 1;
const HALF = PAGE_LIMIT / 2;

function code(expected: string): Error {
  return expect.objectContaining({ code: expected }) as Error;
}

/** Entries of four pages every ten, from page 0 on. */
async function filled(n: number, asid = 0): Promise<{ iotlb: Iotlb; handles: number[] }> {
  const iotlb = await Iotlb.create();
  const handles = Array.from({ length: n }, (_, i) => {
    return iotlb.add(asid, i * 10, i * 10 + 3, 1_000_000 + i * 10, 3, i)[0];
  });
  return { iotlb, handles };
}

function starts(entries: Iterable<IotlbEntry>): number[] {
  return Array.from(entries, ({ start }) => start);
}

describe("entries", () => {
  test("translate pages they hold, each address space by itself", async () => {
    const iotlb = await Iotlb.create();
    const [handle] = iotlb.add(1, 0x10, 0x1f, 0x500, 3, 77);
    iotlb.add(2, 0x10, 0x1f, 0x900, 1);
    expect(iotlb.translate(1, 0x10, 3)).toBe(0x500);
    expect(iotlb.translate(1, 0x1f, 1)).toBe(0x50f);
    expect(iotlb.translate(2, 0x11, 1)).toBe(0x901);
    for (const [asid, page] of [
      [1, 0x0f],
      [1, 0x20],
      [0, 0x10],
      [3, 0x10],
      [1023, 0x10],
    ]) {
      expect(iotlb.translate(asid, page, 1)).toBeUndefined();
    }
    const entry = { asid: 1, start: 0x10, last: 0x1f, addr: 0x500, perm: 3, opaque: 77, handle };
    expect(iotlb.get(handle)).toEqual(entry);
    expect(iotlb.asids()).toEqual([1, 2]);
    expect([iotlb.size, iotlb.sizeOf(1), iotlb.sizeOf(0)]).toEqual([2, 1, 0]);
  });

  test("permit reading, writing, or both; a miss is told from a denial", async () => {
    const iotlb = await Iotlb.create();
    const allowed = [];
    for (const perm of [1, 2, 3] as const) {
      const [handle] = iotlb.add(0, perm * 10, perm * 10, 99, perm);
      for (const access of [1, 2, 3] as const) {
        const found = iotlb.lookup(0, perm * 10, access);
        if (iotlb.translate(0, perm * 10, access) === undefined) {
          expect(found).toEqual({ outcome: "denied", handle });
        } else {
          expect(found).toEqual({ outcome: "hit", page: 99, handle });
          allowed.push([perm, access]);
        }
      }
    }
    expect(allowed).toEqual([
      [1, 1],
      [2, 2],
      [3, 1],
      [3, 2],
      [3, 3],
    ]);
    expect(iotlb.lookup(0, 11, 1)).toEqual({ outcome: "miss" });
    expect([...iotlb.translateMany(0, [10, 10, 11], 2)]).toEqual([-2, -2, -1]);
    expect([...iotlb.translateMany(0, [10, 20, 30, 11], 3)]).toEqual([-2, -2, 99, -1]);
  });

  test("may overlap: the first by start, then insertion, decides", async () => {
    const iotlb = await Iotlb.create();
    const [late] = iotlb.add(0, 5, 9, 200, 3);
    const [first] = iotlb.add(0, 5, 7, 300, 3);
    expect(iotlb.translate(0, 5, 1)).toBe(200);
    iotlb.remove(late);
    expect(iotlb.translate(0, 5, 1)).toBe(300);
    const [wide] = iotlb.add(0, 0, 100, 1000, 1);
    expect(iotlb.translate(0, 5, 1)).toBe(1005);
    expect(iotlb.lookup(0, 5, 2)).toEqual({ outcome: "denied", handle: wide });
    iotlb.remove(wide);
    expect(iotlb.lookup(0, 5, 2)).toEqual({ outcome: "hit", page: 300, handle: first });
    iotlb.add(0, 5, 7, 300, 3);
    expect(iotlb.sizeOf(0)).toBe(2);
  });

  test("reach from page 0 to the last, and their addresses wrap", async () => {
    const iotlb = await Iotlb.create();
    iotlb.add(1022, LAST_PAGE, LAST_PAGE, 7, 3);
    iotlb.add(1023, 0, 0, LAST_PAGE, 3);
    iotlb.add(1023, LAST_PAGE - 3, LAST_PAGE, LAST_PAGE - 1, 3, 2 ** 32 - 1);
    expect(iotlb.translate(1022, LAST_PAGE, 3)).toBe(7);
    expect(iotlb.translate(1022, LAST_PAGE - 1, 3)).toBeUndefined();
    expect(iotlb.translate(1023, 0, 3)).toBe(LAST_PAGE);
    const pages = [0, 1, 2, 3].map((i) => LAST_PAGE - 3 + i);
    expect([...iotlb.translateMany(1023, pages, 3)]).toEqual([LAST_PAGE - 1, LAST_PAGE, 0, 1]);
    expect([...iotlb.dump(1023)].map(({ addr }) => addr)).toEqual([LAST_PAGE, LAST_PAGE - 1]);
    expect(iotlb.delete(1023, LAST_PAGE, LAST_PAGE)).toBe(1);
    expect(starts(iotlb)).toEqual([LAST_PAGE, 0]);
  });

  test("the whole space becomes its two halves", async () => {
    const iotlb = await Iotlb.create();
    const handles = iotlb.add(4, 0, LAST_PAGE, 0x1000, 3, 9);
    expect(handles).toHaveLength(2);
    const shared = { asid: 4, perm: 3, opaque: 9 };
    const lower = { ...shared, start: 0, last: HALF - 1, addr: 0x1000, handle: handles[0] };
    const upper = { ...shared, start: HALF, last: LAST_PAGE, addr: HALF + 0x1000 };
    expect([...iotlb.dump(4, "insertion")]).toEqual([lower, { ...upper, handle: handles[1] }]);
    expect(iotlb.translate(4, HALF - 1, 3)).toBe(HALF + 0xfff);
    expect(iotlb.translate(4, HALF, 3)).toBe(HALF + 0x1000);
    expect(iotlb.translate(4, LAST_PAGE, 3)).toBe(0xfff);
    iotlb.remove(handles[0]);
    expect(iotlb.translate(4, 0, 3)).toBeUndefined();
    expect(iotlb.translate(4, HALF, 3)).toBe(HALF + 0x1000);
    expect(iotlb.add(4, 1, LAST_PAGE, 0, 1)).toHaveLength(1);
    expect(iotlb.add(4, 0, LAST_PAGE - 1, 0, 1)).toHaveLength(1);
  });

  test("stale handles are noticed, also after their slot was used again", async () => {
    const iotlb = await Iotlb.create();
    const [old] = iotlb.add(0, 1, 2, 3, 3);
    iotlb.delete(0, 2, 2);
    const [again] = iotlb.add(0, 3, 4, 5, 3);
    for (const handle of [old, -1, 0, 1e300, NaN, again + 0.5, again + 2 ** 52]) {
      expect(iotlb.has(handle)).toBe(false);
      expect(() => iotlb.get(handle)).toThrow(code("E_NOENT"));
      expect(() => iotlb.remove(handle)).toThrow(code("E_NOENT"));
    }
    for (const handle of ["1", undefined, 1n] as unknown as number[]) {
      expect(iotlb.has(handle)).toBe(false);
      expect(() => iotlb.get(handle)).toThrow(code("E_TYPE"));
      expect(() => iotlb.remove(handle)).toThrow(code("E_TYPE"));
    }
    expect(iotlb.get(again).start).toBe(3);
    iotlb.clear();
    expect(iotlb.has(again)).toBe(false);
    expect([iotlb.size, iotlb.asids()]).toEqual([0, []]);
  });
});

describe("delete", () => {
  test("removes what overlaps, whole, in its own address space", async () => {
    const { iotlb, handles } = await filled(10);
    iotlb.add(1, 0, 100, 0, 3);
    expect(iotlb.delete(0, 13, 30)).toBe(3);
    expect(starts(iotlb.dump(0))).toEqual([0, 40, 50, 60, 70, 80, 90]);
    expect(iotlb.delete(0, 14, 39)).toBe(0);
    expect(iotlb.has(handles[1])).toBe(false);
    expect(iotlb.reset(0)).toBe(7);
    expect(iotlb.reset(0)).toBe(0);
    expect(iotlb.asids()).toEqual([1]);
    expect(validateIotlb(iotlb)).toEqual([]);
  });

  test("of an empty range removes what holds the pages on both its sides", async () => {
    const { iotlb } = await filled(3);
    iotlb.add(0, 11, 12, 0, 3);
    expect(iotlb.delete(0, 10, 9)).toBe(0);
    expect(iotlb.delete(0, 14, 13)).toBe(0);
    expect(iotlb.delete(0, 11, 10)).toBe(1);
    expect(starts(iotlb)).toEqual([0, 11, 20]);
    expect(iotlb.delete(0, LAST_PAGE, LAST_PAGE - 1)).toBe(0);
    expect(() => iotlb.delete(0, 0, -1)).toThrow(code("E_ADDR_RANGE"));
    expect(() => iotlb.delete(0, 12, 10)).toThrow(code("E_INVERTED"));
  });
});

describe("the limit of a table", () => {
  test("is not looked at without retirement", async () => {
    const iotlb = await Iotlb.create({ limit: 2 });
    expect(iotlb.whenFull).toBe("ignore");
    for (let i = 0; i < 5; i++) iotlb.add(0, i, i, i, 3);
    expect(iotlb.sizeOf(0)).toBe(5);
    expect(validateIotlb(iotlb)).toEqual([]);
  });

  test("of 0 is none, whatever is to happen at it", async () => {
    for (const whenFull of ["retire", "refuse"] as const) {
      const iotlb = await Iotlb.create({ whenFull });
      iotlb.add(0, 0, LAST_PAGE, 0, 3);
      for (let i = 0; i < 5; i++) iotlb.add(0, i, i, i, 3);
      expect(iotlb.size).toBe(7);
      expect(validateIotlb(iotlb)).toEqual([]);
    }
  });

  test("retires the oldest entry of the same address space", async () => {
    const iotlb = await Iotlb.create({ limit: 3, whenFull: "retire" });
    iotlb.add(1, 0, 0, 0, 3);
    const [oldest] = iotlb.add(0, 50, 50, 0, 3);
    const [second] = iotlb.add(0, 10, 10, 0, 3);
    iotlb.add(0, 30, 30, 0, 3);
    iotlb.add(0, 20, 20, 0, 3);
    expect(iotlb.has(oldest)).toBe(false);
    iotlb.remove(second);
    iotlb.add(0, 40, 40, 0, 3);
    expect(starts(iotlb.dump(0, "insertion"))).toEqual([30, 20, 40]);
    iotlb.add(0, 40, 40, 0, 3);
    expect(starts(iotlb.dump(0, "insertion"))).toEqual([20, 40, 40]);
    expect(iotlb.sizeOf(1)).toBe(1);
    iotlb.add(0, 0, LAST_PAGE, 0, 3);
    expect(starts(iotlb.dump(0, "insertion"))).toEqual([40, 0, HALF]);
  });

  test("of one entry retires the first half of a whole space", async () => {
    const iotlb = await Iotlb.create({ limit: 1, whenFull: "retire" });
    iotlb.add(0, 1, 1, 1, 3);
    const [lower, upper] = iotlb.add(0, 0, LAST_PAGE, 0, 3);
    expect([iotlb.has(lower), iotlb.has(upper)]).toEqual([false, true]);
    expect(starts(iotlb)).toEqual([HALF]);
  });

  test("refuses when it is to, and nothing changes", async () => {
    const iotlb = await Iotlb.create({ limit: 2, whenFull: "refuse" });
    iotlb.add(0, 1, 1, 1, 3);
    const before = [...iotlb];
    expect(() => iotlb.add(0, 0, LAST_PAGE, 0, 3)).toThrow(code("E_LIMIT"));
    expect([...iotlb]).toEqual(before);
    iotlb.add(0, 2, 2, 1, 3);
    expect(() => iotlb.add(0, 3, 3, 0, 3)).toThrow(/limit.*ASID 0.* 2 entries/);
    expect(iotlb.add(1, 0, LAST_PAGE, 0, 3)).toHaveLength(2);
    expect(iotlb.size).toBe(4);
  });
});

describe("dump", () => {
  test("goes by I/O address or the oldest first, over many batches", async () => {
    const iotlb = await Iotlb.create();
    const n = 5_000;
    const scattered = Array.from({ length: n }, (_, i) => (i * 7919) % n);
    for (const at of scattered) iotlb.add(at % 2 === 0 ? 9 : 3, at, at + 1, at, 3);
    const ascending = [...scattered].sort((a, b) => a - b);
    const of = (list: number[], rest: number): number[] => list.filter((at) => at % 2 === rest);
    expect(starts(iotlb)).toEqual([...of(ascending, 1), ...of(ascending, 0)]);
    expect(starts(iotlb.dump(9))).toEqual(of(ascending, 0));
    expect(starts(iotlb.dump(9, "insertion"))).toEqual(of(scattered, 0));
    const both = [...of(scattered, 1), ...of(scattered, 0)];
    expect(starts(iotlb.dump(undefined, "insertion"))).toEqual(both);
    expect([...iotlb.dump(4)]).toEqual([]);
  });

  const changes: readonly (readonly [string, (iotlb: Iotlb, handle: number) => void])[] = [
    ["add", (iotlb) => iotlb.add(5, 1, 1, 1, 3)],
    ["remove", (iotlb, handle) => iotlb.remove(handle)],
    ["delete", (iotlb) => iotlb.delete(0, 0, 0)],
    ["clear", (iotlb) => iotlb.clear()],
  ];
  for (const [name, change] of changes) {
    test(`${name} ends an iteration: E_BUSY`, async () => {
      const { iotlb, handles } = await filled(10);
      const running = [iotlb.dump(), iotlb.dump(0, "insertion")];
      for (const iterator of running) iterator.next();
      const fresh = iotlb.dump();
      change(iotlb, handles[9]);
      for (const iterator of [...running, fresh]) {
        expect(() => iterator.next()).toThrow(code("E_BUSY"));
      }
    });
  }

  test("two at once, and other questions meanwhile, do not disturb each other", async () => {
    const { iotlb } = await filled(30);
    const inner = [...iotlb.dump(0, "insertion")];
    for (const entry of iotlb) {
      expect([...iotlb.dump(0, "insertion")]).toEqual(inner);
      expect(iotlb.translate(0, entry.start, 1)).toBe(entry.addr);
    }
  });
});

describe("translateMany", () => {
  test("says what single calls say", async () => {
    const { iotlb } = await filled(3_000, 7);
    for (let i = 0; i < 500; i++)
      iotlb.add(i % 5, i * 3, i * 3 + 200, i, (1 + (i % 3)) as 1 | 2 | 3);
    const pages = Float64Array.from({ length: 5_001 }, (_, i) => (i * 7919) % 31_000);
    const asids = Uint32Array.from(pages, (_, i) => i % 8);
    for (const access of [1, 2, 3] as const) {
      const answer = (asid: number, page: number): number => {
        const found = iotlb.lookup(asid, page, access);
        return found.outcome === "hit" ? found.page : found.outcome === "miss" ? -1 : -2;
      };
      const each = Array.from(pages, (page, i) => answer(asids[i], page));
      expect(new Set(each.map((page) => Math.min(page, 0))).size).toBe(3);
      expect([...iotlb.translateMany(asids, pages, access)]).toEqual(each);
      const inSeven = Array.from(pages, (page) => answer(7, page));
      expect([...iotlb.translateMany(7, [...pages], access)]).toEqual(inSeven);
    }
    expect(iotlb.translateMany(7, [], 1)).toHaveLength(0);
  });
});

describe("a clone", () => {
  test("is of its own, under the same handles and limits", async () => {
    const iotlb = await Iotlb.create({ limit: 2, whenFull: "retire" });
    const [handle] = iotlb.add(0, 1, 1, 5, 3);
    iotlb.add(0, 2, 2, 6, 3);
    const clone = await iotlb.clone();
    iotlb.add(0, 3, 3, 7, 3);
    expect(iotlb.has(handle)).toBe(false);
    expect(clone.get(handle).addr).toBe(5);
    clone.add(0, 4, 4, 8, 3);
    expect([starts(iotlb), starts(clone)]).toEqual([
      [2, 3],
      [2, 4],
    ]);
    expect([...validateIotlb(iotlb), ...validateIotlb(clone)]).toEqual([]);
  });
});
