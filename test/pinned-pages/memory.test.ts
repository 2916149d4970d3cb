/** What a page costs: at most 9 bytes where pages are dense, never more than 64. */
import { expect, test } from "vitest";
import { PinnedPages, Random } from "../../src/index.js";
import { EMPTY_BYTES } from "./forms.js";

const BLOCK = 512;
/** Bytes of an empty store without its table. */
const HEADER = 768;

/** Bytes a page, without what an empty store has anyway. */
function cost(pins: PinnedPages): number {
  return (pins.bytesUsed - EMPTY_BYTES) / pins.size;
}

/** Keeps the most that a page ever cost. */
class Worst {
  most = 0;

  look(pins: PinnedPages): void {
    if (pins.size > 0) this.most = Math.max(this.most, cost(pins));
  }
}

test("an empty store has its header and the least table, before and after", async () => {
  const pins = await PinnedPages.create();
  expect(pins.bytesUsed).toBe(EMPTY_BYTES);
  pins.pinRange(0, 100_000, () => 1);
  pins.unpinRange(0, 100_000);
  expect(pins.bytesUsed).toBe(EMPTY_BYTES);
});

test("dense pages cost 8 bytes and what their block has in the table", async () => {
  const pins = await PinnedPages.create();
  pins.pinRange(0, BLOCK * 2_000, () => 1);
  expect(cost(pins)).toBeLessThan(8.12);
  expect(cost(pins)).toBeGreaterThan(8);
  // And up to one block or two more or less, at any size from ten blocks on.
  pins.clear();
  const worst = new Worst();
  for (let blocks = 1; blocks <= 300; blocks++) {
    pins.pinRange(blocks * BLOCK, BLOCK, () => 1);
    worst.look(pins);
  }
  for (let blocks = 1; blocks < 300; blocks++) {
    pins.unpinRange(blocks * BLOCK, BLOCK);
    worst.look(pins);
  }
  expect(worst.most).toBeLessThan(8.12);
  // A mapping that is pinned in any order, but for a tenth.
  const sparse = await PinnedPages.create();
  for (let i = 0; i < BLOCK * 100; i++) if (i % 10 !== 0) sparse.pin((i * 7_919) % 51_200, 1);
  expect(cost(sparse)).toBeLessThan(9);
});

test("lone pages cost a slot each: 27 bytes at best, 60 at worst", async () => {
  const pins = await PinnedPages.create();
  const worst = new Worst();
  const most = 30_000;
  let least = Infinity;
  for (let i = 0; i < most; i++) {
    pins.pin(i * 1_000_003, 1);
    if (i < 100) continue;
    worst.look(pins);
    least = Math.min(least, (pins.bytesUsed - HEADER) / pins.size);
  }
  expect(least).toBeGreaterThanOrEqual(80 / 3);
  expect(least).toBeLessThan(26.68);
  expect(worst.most).toBeLessThanOrEqual(160 / 3);
  for (let i = 0; i < most - 1; i++) {
    pins.unpin(i * 1_000_003);
    worst.look(pins);
  }
  // 16 bytes a slot, and 27 % of the slots are used.
  expect(worst.most).toBeGreaterThan(59);
  expect(worst.most).toBeLessThanOrEqual(16 / 0.27);
});

test("k pages a block, for every k, filling and emptying", async () => {
  const blocks = 40;
  const pins = await PinnedPages.create();
  const worst = new Worst();
  const order = Array.from({ length: BLOCK }, (_, i) => (i * 197) % BLOCK);
  const one = (k: number, change: (page: number) => unknown): void => {
    for (let block = 0; block < blocks; block++) {
      change(block * 77_777 * BLOCK + order[k]);
      worst.look(pins);
    }
  };
  for (let k = 0; k < BLOCK; k++) one(k, (page) => pins.pin(page, page));
  expect(cost(pins)).toBeLessThan(9);
  for (let k = 0; k < BLOCK; k++) one(k, (page) => pins.unpin(page));
  expect(worst.most).toBeLessThanOrEqual(64);
});

test("k pages a block in ranges, beside pages that were there, for every k", async () => {
  const worst = new Worst();
  const pins = await PinnedPages.create();
  for (let k = 1; k < BLOCK; k++) {
    for (const beside of [0, 1, 2, 5, Math.floor(k / 2), k - 1]) {
      for (let block = 0; block < 16; block++) {
        // Some of the range are pinned already: fewer are new than one might think.
        const first = block * BLOCK;
        for (let i = 0; i < beside; i++) pins.pin(first + 1 + i, 1);
        pins.pinRange(first, k, () => 1);
      }
      worst.look(pins);
      pins.clear();
    }
  }
  expect(worst.most).toBeLessThanOrEqual(64);
});

test("ranges over pages that were there, with their frames in a list", async () => {
  const worst = new Worst();
  const frames = new Float64Array(BLOCK);
  for (let k = 1; k < BLOCK; k += k < 140 ? 1 : 13) {
    const pins = await PinnedPages.create({ chargeLimit: 16 * k });
    for (const beside of new Set([1, 4, Math.floor(k / 2), k - 1])) {
      if (beside >= k) continue;
      for (let block = 0; block < 16; block++) {
        const first = block * BLOCK;
        for (let i = 0; i < beside; i++) pins.pin(first + 1 + i, 1);
        pins.pinRange(first, k, frames.subarray(0, k));
        worst.look(pins);
      }
      // And where the limit ends a request in its midst.
      for (let block = 0; block < 16; block++) {
        expect(() => pins.pinRange(block * BLOCK, BLOCK, frames)).toThrow(/charged/);
        worst.look(pins);
        expect(() => pins.pinRange(block * BLOCK + k, BLOCK - k, frames.subarray(k))).toThrow(
          /charged/,
        );
        worst.look(pins);
      }
      for (let block = 0; block < 16; block++) {
        for (let i = 0; i < 2; i++) pins.unpinRange(block * BLOCK, k);
        worst.look(pins);
      }
      expect(pins.size).toBe(0);
    }
    pins.dispose();
  }
  expect(worst.most).toBeLessThanOrEqual(64);
});

test("random pages of every density, growing and shrinking", async () => {
  const random = new Random(11n);
  const worst = new Worst();
  for (const span of [600, 3_000, 20_000, 200_000, 3_000_000]) {
    const pins = await PinnedPages.create();
    const pages: number[] = [];
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 2_500; i++) {
        const page = random.below(span);
        if (pins.count(page) === 0) pages.push(page);
        pins.pin(page, 1);
        worst.look(pins);
      }
      while (pages.length > 40) {
        const at = random.below(pages.length);
        pins.drop(pages[at], pages[at]);
        pages[at] = pages.at(-1)!;
        pages.pop();
        worst.look(pins);
      }
    }
  }
  expect(worst.most).toBeLessThanOrEqual(64);
});
