/** Memory that runs out: a call that fails leaves everything as it was, and unpins still work. */
import { describe, expect, test } from "vitest";
import { PinnedPages, Random, validatePinnedPages } from "../../src/index.js";
import { EMPTY_BYTES, endMemory, formsOf } from "./forms.js";
import { PinModel } from "./model.js";
import { samePages } from "./outcome.js";

const WASM_PAGE = 65_536;
const NO_MEMORY = expect.objectContaining({ code: "E_NOMEM" }) as Error;

/** Everything a store tells of itself, short enough to be compared often. */
function told(pins: PinnedPages): string {
  let sum = 0;
  for (const { page, pfn, count } of pins) sum = (sum * 31 + page * 7 + pfn * 3 + count) % 2 ** 40;
  return [pins.size, pins.pins, pins.charge, sum].join();
}

function limited(pages: number): Promise<PinnedPages> {
  return PinnedPages.create({ maxBytes: pages * WASM_PAGE, chargeLimit: 2 ** 40 });
}

/** Every kind of page, in an order of its own for each limit: lone, small leaves, dense. */
function someList(random: Random): number[] {
  const base = random.below(2 ** 20) * 512;
  const n = [1, 3, 9, 40, 200][random.below(5)];
  return Array.from({ length: n }, () => base + random.below(600));
}

/** Pins lists until there is no memory for one of them; those that were pinned. */
function fill(pins: PinnedPages, random: Random): number[][] {
  const done: number[][] = [];
  const model = new PinModel({ first: 0, last: 2 ** 52 - 1 });
  for (;;) {
    const list = someList(random);
    try {
      pins.pinMany(list, list);
    } catch (error) {
      expect(error).toMatchObject({ code: "E_NOMEM" });
      samePages("what was pinned before", pins, model.walk(0, 2 ** 52));
      expect([pins.size, pins.pins, pins.charge]).toEqual([model.size, model.pins, model.charge]);
      return done;
    }
    model.pinMany(list, (page) => page);
    done.push(list);
  }
}

/** What cannot be pinned once memory has ended: new blocks, in requests of each kind. */
function expectNothing(pins: PinnedPages): number {
  const before = told(pins);
  const far = 2 ** 45;
  // The blocks of one request, more of them than there can be room for.
  const blocks = Float64Array.from({ length: 40_000 }, (_, i) => far + i * 512);
  let failures = 0;
  const calls = [
    () => pins.pinMany(blocks, blocks),
    () => pins.pinMany(blocks, (page) => page),
    () => pins.pinMany([...blocks, ...blocks], new Float64Array(80_000)),
    () => pins.pinRange(far, 3_000_000, () => 5),
    () => pins.pinRange(far, 400_000, new Float64Array(400_000)),
  ];
  for (const call of calls) {
    expect(call).toThrow(NO_MEMORY);
    failures++;
    expect(told(pins)).toBe(before);
    expect(validatePinnedPages(pins)).toEqual([]);
  }
  return failures;
}

describe("memory that ends", () => {
  for (const pages of [16, 17, 18, 20, 22, 25, 28]) {
    test(`at ${pages} pages of memory: nothing changes, and unpins work`, async () => {
      const random = new Random(BigInt(pages));
      const pins = await limited(pages);
      const lists = fill(pins, random);
      expect(pins.bytes).toBe(pages * WASM_PAGE);
      expect(lists.length).toBeGreaterThan(100);
      expect(validatePinnedPages(pins)).toEqual([]);
      if (pages < 20) expect(expectNothing(pins)).toBe(5);
      // A page that is pinned needs no memory.
      const [first] = lists[0];
      expect(pins.pin(first, 1)).toBe(first);
      pins.unpin(first);
      // Down to nothing, in another order, and never above the bound.
      let unpinned = 0;
      for (const list of lists.sort((a, b) => (a[0] % 1_009) - (b[0] % 1_009))) {
        expect(pins.unpinMany(list)).toBe(list.length);
        if (unpinned++ % 50 === 0) {
          expect(validatePinnedPages(pins)).toEqual([]);
          expect(pins.bytesUsed).toBeLessThanOrEqual(EMPTY_BYTES + 64 * pins.size);
        }
      }
      expect([pins.size, pins.pins, pins.charge, pins.bytesUsed]).toEqual([0, 0, 0, EMPTY_BYTES]);
      expect(validatePinnedPages(pins)).toEqual([]);
      // All of it can be used again, in whatever forms.
      pins.pinRange(0, 512 * 200, (page) => page);
      expect(validatePinnedPages(pins)).toEqual([]);
    });
  }
});

describe("memory that ends at any byte", () => {
  const random = new Random(17n);
  const scattered = Array.from({ length: 900 }, (_, i) => (i % 7) * 5_120 + random.below(600));
  const frames = new Float64Array(1_500).fill(9);
  const requests: readonly (readonly [string, (pins: PinnedPages) => unknown])[] = [
    ["pin, a new block", (pins) => pins.pin(2 ** 40, 9)],
    ["pin, a block that grows", (pins) => pins.pin(2 ** 30 + 1, 9)],
    ["pin, with a fault", (pins) => pins.pin(2 ** 40, () => 9)],
    ["pinMany", (pins) => pins.pinMany(scattered, frames.subarray(0, 900))],
    ["pinMany, with a fault", (pins) => pins.pinMany(scattered, () => 9)],
    ["pinRange", (pins) => pins.pinRange(2 ** 30 - 700, 1_500, frames)],
    ["pinRange, with a fault", (pins) => pins.pinRange(2 ** 30 - 700, 1_500, () => 9)],
  ];
  for (const [name, request] of requests) {
    test(name, async () => {
      const pins = await PinnedPages.create({ maxBytes: 1 });
      // Nine blocks: with one more, the table must grow.
      for (let i = 0; i < 9; i++) pins.pinMany([2 ** 30 + i * 512, 2 ** 30 + i * 512], [1, 2]);
      const before = told(pins);
      let failures = 0;
      for (let end = EMPTY_BYTES; ; end += 8) {
        endMemory(pins, end);
        try {
          request(pins);
          break;
        } catch (error) {
          expect(error).toMatchObject({ code: "E_NOMEM" });
          failures++;
          expect(told(pins)).toBe(before);
          expect(validatePinnedPages(pins)).toEqual([]);
        }
      }
      expect(failures).toBeGreaterThan(2);
      expect(pins.size).toBeGreaterThan(9);
      expect(validatePinnedPages(pins)).toEqual([]);
      pins.clear();
      expect(pins.bytesUsed).toBe(EMPTY_BYTES);
    });
  }
});

/** Memory that is full of dense blocks to the last one, and has some of two pages. */
async function fullOfDense(): Promise<{ pins: PinnedPages; blocks: number }> {
  const pins = await limited(16);
  const pairs = 350;
  for (let i = 0; i < pairs; i++) pins.pinRange(2 ** 30 + i * 512, 2, () => 1);
  let blocks = 0;
  try {
    for (; ; blocks++) pins.pinRange(blocks * 512, 512, () => blocks);
  } catch (error) {
    expect(error).toMatchObject({ code: "E_NOMEM" });
  }
  expect(pins.size).toBe(blocks * 512 + 2 * pairs);
  // And the rest of it full of lone pages, which need slots, and more pairs.
  try {
    for (let page = 2 ** 30 + pairs * 512; ; page += 512) pins.pinRange(page, 2, () => 1);
  } catch (error) {
    expect(error).toMatchObject({ code: "E_NOMEM" });
  }
  return { pins, blocks };
}

describe("leaves shrink where there is no memory for smaller ones", () => {
  for (const [what, give] of [
    ["page by page", (pins: PinnedPages, page: number) => pins.unpin(page)],
    ["in ranges", (pins: PinnedPages, page: number) => pins.unpinRange(page, 1)],
    ["dropped", (pins: PinnedPages, page: number) => pins.drop(page, page)],
  ] as const) {
    test(what, async () => {
      const { pins, blocks } = await fullOfDense();
      expect(blocks).toBeGreaterThan(200);
      // All blocks lose a page a round, so that none of them frees its memory for another.
      for (let left = 511; left >= 1; left--) {
        for (let block = 0; block < blocks; block++) give(pins, block * 512 + left);
        if (left % 16 === 0 || left < 12) {
          expect(validatePinnedPages(pins)).toEqual([]);
          expect(pins.bytesUsed).toBeLessThanOrEqual(EMPTY_BYTES + 64 * pins.size);
        }
      }
      for (let block = 0; block < blocks; block++) {
        expect([pins.lookup(block * 512), pins.count(block * 512)]).toEqual([block, 1]);
      }
      pins.clear();
      expect(pins.bytesUsed).toBe(EMPTY_BYTES);
    });
  }

  test("from the far end of a block", async () => {
    const { pins, blocks } = await fullOfDense();
    for (let k = 0; k < 511; k++) {
      for (let block = 0; block < blocks; block++) pins.unpin(block * 512 + k);
    }
    expect(new Set(formsOf(pins).values())).toEqual(new Set([0, 1]));
    for (let block = 0; block < blocks; block++) {
      expect(pins.lookup(block * 512 + 511)).toBe(block);
    }
    expect(validatePinnedPages(pins)).toEqual([]);
  });

  /** Blocks of two get four pages, for which they need another leaf: how many do. */
  function pinPairs(pins: PinnedPages): number {
    let pairs = 0;
    try {
      for (let page = 2 ** 30; pairs < 2_000; page += 512) {
        if (pins.count(page + 2) > 0) continue;
        pins.pinMany([page + 2, page + 3], [1, 1]);
        pairs++;
      }
    } catch (error) {
      expect(error).toMatchObject({ code: "E_NOMEM" });
    }
    expect(validatePinnedPages(pins)).toEqual([]);
    return pairs;
  }

  test("what is cut from larger leaves can be used", async () => {
    const { pins, blocks } = await fullOfDense();
    pinPairs(pins);
    // One freed dense leaf has room for 51 of them.
    pins.unpinRange(0, 512);
    const pairs = pinPairs(pins);
    expect(pairs).toBeGreaterThan(45);
    expect(pairs).toBeLessThan(60);
    for (let block = 1; block < blocks; block++) expect(pins.lookup(block * 512)).toBe(block);
  });

  test("what leaves lose when they shrink can be used", async () => {
    const { pins } = await fullOfDense();
    pinPairs(pins);
    // Room for 128 pages is left of room for 512: 35 pairs fit into the rest.
    pins.unpinRange(60, 452);
    const pairs = pinPairs(pins);
    expect(pairs).toBeGreaterThan(30);
    expect(pairs).toBeLessThan(60);
  });
});

test("searches of 64 bytes at once stay in memory, also when it has grown", async () => {
  for (const pages of [16, 17, 20]) {
    const pins = await limited(pages);
    fill(pins, new Random(BigInt(pages)));
    const { u8, at } = pins.raw();
    expect(u8.buffer.byteLength).toBe(pages * WASM_PAGE);
    const end = at + new DataView(u8.buffer).getUint32(at + 16, true);
    expect(end).toBe(pages * WASM_PAGE - 64);
  }
});

test("a table shrinks where there is no memory for a smaller one", async () => {
  const pins = await limited(16);
  const pages: number[] = [];
  const pinUntilFull = (add: (i: number) => number): void => {
    try {
      for (let i = 0; ; i++) {
        pages.push(add(i));
        pins.pin(pages.at(-1)!, 5);
      }
    } catch (error) {
      expect(error).toMatchObject({ code: "E_NOMEM" });
      pages.pop();
    }
  };
  // The table is as large as it can be; outgrown tables are cut up for leaves.
  const blocks = 9_800;
  for (let i = 0; i < blocks; i++) pins.pin(i * 512, 1);
  pinUntilFull((i) => (i % blocks) * 512 + 1 + Math.floor(i / blocks));
  expect(validatePinnedPages(pins)).toEqual([]);
  let halved = 0;
  let slots = pins.raw().u8.length;
  for (let i = 0; i < blocks; i++) {
    pins.drop(i * 512, i * 512 + 511);
    const { u8, at } = pins.raw();
    const log2 = new DataView(u8.buffer, at).getUint32(4, true);
    if (log2 < slots) halved++;
    slots = log2;
    if (i % 500 === 0 || i > blocks - 40) {
      expect(validatePinnedPages(pins)).toEqual([]);
      expect(pins.bytesUsed).toBeLessThanOrEqual(EMPTY_BYTES + 64 * pins.size);
    }
    if (i % 97 === 0 && i + 1 < blocks) expect(pins.lookup((i + 1) * 512)).toBe(1);
  }
  expect(halved).toBeGreaterThan(8);
  expect([pins.size, pins.bytesUsed]).toEqual([0, EMPTY_BYTES]);
});

test("the same pages again and again need no more memory", async () => {
  const pins = await PinnedPages.create();
  const random = new Random(3n);
  const before = pins.bytes;
  pins.pin(2 ** 40, 1);
  for (let round = 0; round < 200; round++) {
    const lists = Array.from({ length: 20 }, () => someList(random));
    for (const list of lists) pins.pinMany(list, list);
    for (const list of lists) pins.unpinMany(list);
    expect(pins.size).toBe(1);
  }
  expect(pins.bytes).toBe(before);
  expect(validatePinnedPages(pins)).toEqual([]);
});

test("the limit of memory is that of the first megabyte at least", async () => {
  const pins = await PinnedPages.create({ maxBytes: 1 });
  expect(pins.bytes).toBe(16 * WASM_PAGE);
  pins.pinRange(0, 100_000, () => 1);
  expect(() => pins.pinRange(100_000, 100_000, () => 1)).toThrow(NO_MEMORY);
  expect([pins.size, pins.bytes]).toEqual([100_000, 16 * WASM_PAGE]);
});

test("results that no memory can hold", async () => {
  const pins = await PinnedPages.create();
  expect(() => pins.pinRange(0, 2 ** 51, () => 1)).toThrow(NO_MEMORY);
  expect(() => pins.lookupRange(0, 2 ** 51)).toThrow(NO_MEMORY);
  expect(pins.size).toBe(0);
});
