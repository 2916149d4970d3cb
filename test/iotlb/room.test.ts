/** Memory, or numbers, that run out: a call that fails leaves everything as it was. */
import { expect, test } from "vitest";
import { Iotlb, type IotlbOptions, validateIotlb } from "../../src/index.js";

const LAST_PAGE = 2 ** 52 - 1;
const WASM_PAGE = 65_536;

function code(expected: string): Error {
  return expect.objectContaining({ code: expected }) as Error;
}

/** Everything an IOTLB tells of itself. */
function told(iotlb: Iotlb): string {
  const entries = [...iotlb, ...iotlb.dump(undefined, "insertion")];
  return entries.map((entry) => Object.values(entry).join()).join("\n");
}

/** Adds until memory ends, and checks that the last call changed nothing; how many there were. */
function fill(iotlb: Iotlb, add: (i: number) => void, most: number): number | undefined {
  let before = 0;
  try {
    for (let i = 0; i < most; i++) {
      before = iotlb.size;
      add(i);
    }
  } catch (error) {
    expect(error).toMatchObject({ code: "E_NOMEM", details: { limit: iotlb.bytes } });
    expect(iotlb.size).toBe(before);
    expect(validateIotlb(iotlb)).toEqual([]);
    return before;
  }
  return undefined;
}

const scattered = (i: number): number => (i * 7919) % 50_000;

async function limited(pages: number, options: IotlbOptions = {}): Promise<Iotlb> {
  return Iotlb.create({ capacity: 1, maxBytes: pages * WASM_PAGE, ...options });
}

test("memory that ends at any growth leaves everything as it was", async () => {
  const sizes = new Set<number>();
  for (let pages = 16; pages < 40; pages++) {
    using iotlb = await limited(pages);
    const handles: number[] = [];
    const add = (i: number): void => {
      handles.push(iotlb.add(i % 3, scattered(i), 60_000, i, 3, i)[0]);
    };
    const size = fill(iotlb, add, 40_000);
    expect(size).toBeDefined();
    sizes.add(size!);
    expect(handles.every((handle, i) => iotlb.get(handle).opaque === i)).toBe(true);
    const before = told(iotlb);
    expect(() => iotlb.add(0, 0, LAST_PAGE, 0, 3)).toThrow(code("E_NOMEM"));
    expect(() => iotlb.add(7, 0, LAST_PAGE, 0, 3)).toThrow(code("E_NOMEM"));
    expect(told(iotlb)).toBe(before);
    // A place that was given back can be taken again.
    for (const handle of handles.slice(0, 100)) {
      const { asid, start, last } = iotlb.get(handle);
      iotlb.remove(handle);
      iotlb.add(asid, start, last, 0, 3);
    }
    expect(validateIotlb(iotlb)).toEqual([]);
    iotlb.clear();
    expect(iotlb.add(0, 0, LAST_PAGE, 0, 3)).toHaveLength(2);
  }
  expect(sizes.size).toBeGreaterThan(20);
});

test("a whole space is added in both halves, or not at all", async () => {
  let odd = 0;
  for (let pages = 16; pages < 28; pages++) {
    for (const extra of [0, 1]) {
      using iotlb = await limited(pages);
      if (extra === 1) iotlb.add(1, 5, 5, 5, 3);
      const size = fill(iotlb, (i) => iotlb.add(i % 1024, 0, LAST_PAGE, i, 3), 30_000);
      expect(size! % 2).toBe(extra);
      odd += size! % 2;
      // Where two find no room, one may.
      const before = told(iotlb);
      expect(() => iotlb.add(0, 0, LAST_PAGE, 0, 3)).toThrow(code("E_NOMEM"));
      expect(told(iotlb)).toBe(before);
    }
  }
  expect(odd).toBe(12);
});

test("an insertion that would evict evicts nothing when there is no room for it", async () => {
  let failures = 0;
  // Room for many entries, but only if they are packed densely: nodes run out first.
  for (let capacity = 9_000; capacity < 12_000; capacity += 500) {
    using iotlb = await limited(16, { limit: 40, whenFull: "retire", capacity });
    // One table is full, and all memory taken by others.
    for (let i = 0; i < 40; i++) iotlb.add(0, i * 100, i * 100, i, 3);
    fill(iotlb, (i) => iotlb.add(1 + (scattered(i) % 1000), scattered(i), 60_000, i, 3), 30_000);
    const before = told(iotlb);
    for (const [start, last] of [
      [50, 50],
      [3_950, 4_000],
      [0, LAST_PAGE],
    ]) {
      try {
        iotlb.add(0, start, last, 0, 3);
        expect(iotlb.sizeOf(0)).toBe(40);
        break;
      } catch (error) {
        failures++;
        expect(error).toMatchObject({ code: "E_NOMEM" });
        expect(told(iotlb)).toBe(before);
      }
    }
    expect(validateIotlb(iotlb)).toEqual([]);
  }
  expect(failures).toBeGreaterThan(0);
});

/** Descending insertion leaves eight entries in each leaf but the first. */
function descend(iotlb: Iotlb, asid: number, from: number, pages: number): number[] {
  const starts = Array.from({ length: pages }, (_, i) => from + (pages - i) * 1000);
  return starts.map((start) => iotlb.add(asid, start, start, 0, 3)[0]);
}

test("a whole space has room where it splits the root and two leaves", async () => {
  using iotlb = await Iotlb.create({ capacity: 154 });
  descend(iotlb, 5, 2 ** 51, 64);
  descend(iotlb, 5, 0, 64);
  // Full now: the first leaf, and with these the one below the middle, and the last, which splits
  // and fills the root. Three nodes are left, enough for one half.
  for (let i = 0; i < 8; i++) iotlb.add(5, 2 ** 51 - 1, 2 ** 51 - 1, 0, 3);
  for (let i = 0; i < 9; i++) iotlb.add(5, LAST_PAGE, LAST_PAGE, 0, 3);
  expect(iotlb.add(5, 0, LAST_PAGE, 0, 3)).toHaveLength(2);
  expect(iotlb.size).toBe(147);
  expect(validateIotlb(iotlb)).toEqual([]);
});

test("an eviction may free the very leaf that had room", async () => {
  // Two nodes are left: the new entry fits into its leaf, or else must be made room for.
  using iotlb = await Iotlb.create({ capacity: 140, limit: 137, whenFull: "retire" });
  const [oldest, ...others] = descend(iotlb, 0, 0, 129);
  for (let i = 0; i < 8; i++) iotlb.add(0, 121_001, 121_001, 0, 3);
  for (const handle of others.slice(0, 7)) iotlb.remove(handle);
  for (let i = 0; i < 7; i++) iotlb.add(0, 60_001, 60_001, 0, 3);
  expect([iotlb.size, iotlb.has(oldest)]).toEqual([137, true]);
  iotlb.add(0, 128_000, 128_000, 0, 3);
  expect([iotlb.size, iotlb.has(oldest)]).toEqual([137, false]);
  expect(validateIotlb(iotlb)).toEqual([]);
});

test("a table that retires needs no more memory however long it is used", async () => {
  using iotlb = await limited(17, { limit: 500, whenFull: "retire" });
  for (let i = 0; i < 20_000; i++) iotlb.add(i % 4, scattered(i), 60_000, i, 3);
  expect([iotlb.size, iotlb.bytes]).toEqual([2_000, 16 * WASM_PAGE]);
  expect(validateIotlb(iotlb)).toEqual([]);
});

test("as many entries as there may be in all", async () => {
  using iotlb = await Iotlb.create({ maxEntries: 5, limit: 2, whenFull: "retire" });
  for (const asid of [0, 1]) iotlb.add(asid, 0, LAST_PAGE, 0, 3);
  const before = told(iotlb);
  expect(() => iotlb.add(2, 0, LAST_PAGE, 0, 3)).toThrow(code("E_LIMIT"));
  expect(told(iotlb)).toBe(before);
  iotlb.add(2, 1, 1, 1, 3);
  expect(() => iotlb.add(3, 1, 1, 1, 3)).toThrow(/maxEntries.* 5 entries/);
  // One of its own goes, so there is room for it.
  expect(iotlb.add(0, 0, LAST_PAGE, 0, 3)).toHaveLength(2);
  expect(iotlb.size).toBe(5);
  expect(validateIotlb(iotlb)).toEqual([]);
});

test("the limit of memory is that of the first megabyte at least", async () => {
  await expect(Iotlb.create({ capacity: 2 ** 20, maxBytes: 1 })).rejects.toThrow(code("E_NOMEM"));
  using iotlb = await Iotlb.create({ maxBytes: 1 });
  expect(iotlb.bytes).toBe(16 * WASM_PAGE);
});
