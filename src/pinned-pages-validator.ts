/** Invariants of {@link PinnedPages} by name, for those who embed it and those who change it. */
import type { PinnedPages } from "./pinned-pages.js";

/** What holds whenever no call is under way. */
export const PINNED_PAGES_INVARIANTS = {
  BlocksAreFound: "a search for a block ends at its slot",
  FormsFit: "a leaf has room for its pages, and so many that each costs less than 64 bytes",
  PagesOnce: "no page is in its block twice",
  WordsCount: "every pinned page has a count of at least one",
  InsideTheMapping: "every pinned page is in the mapping",
  CountsAddUp: "blocks, pages, pins, bytes and what is charged are what the header says",
  TableFits: "at most three fifths of the table are used, and 27 % unless it is the least",
  LeavesApart: "no two tables or leaves, used or free, share a byte",
} as const;

export type PinnedPagesInvariant = keyof typeof PINNED_PAGES_INVARIANTS;

/** An invariant that does not hold, and where. */
export interface PinnedPagesViolation {
  readonly invariant: PinnedPagesInvariant;
  readonly detail: string;
}

/** As in assembly/pinned-pages/rows.ts. */
const LONE = 0;
const DENSE = 5;
const DENSE_BYTES = 4096;
const HEADER = 768;
const BLOCK = 512n;
/** Pages at which each form is left for a smaller one. */
const LEFT_AT = [0, 1, 2, 6, 24, 96];
const roomOf = (form: number): number => (form === LONE ? 1 : 2 ** (2 * form - 1));
const wordsFrom = (form: number): number => Math.max(8, 2 * roomOf(form));
const bytesOf = (form: number): number =>
  form === DENSE ? DENSE_BYTES : wordsFrom(form) + 8 * roomOf(form);

interface Page {
  readonly page: bigint;
  readonly word: bigint;
}

class Checker {
  readonly violations: PinnedPagesViolation[] = [];
  private readonly view: DataView;
  private readonly extents: [from: number, bytes: number][] = [];

  constructor(
    private readonly pins: PinnedPages,
    u8: Uint8Array,
    private readonly at: number,
  ) {
    this.view = new DataView(u8.buffer, u8.byteOffset);
  }

  private fail(invariant: PinnedPagesInvariant, detail: string): void {
    this.violations.push({ invariant, detail });
  }

  private u32(offset: number): number {
    return this.view.getUint32(this.at + offset, true);
  }

  private u64(offset: number): bigint {
    return this.view.getBigUint64(this.at + offset, true);
  }

  private f64(offset: number): number {
    return this.view.getFloat64(this.at + offset, true);
  }

  run(): void {
    const table = this.u32(0);
    const slots = 2 ** this.u32(4);
    this.extents.push([0, HEADER], [table, slots * 16]);
    let blocks = 0;
    const pages: Page[] = [];
    for (let i = 0; i < slots; i++) {
      const key = this.u64(table + i * 16);
      if (key === 0n) continue;
      blocks++;
      this.findable(key >> 21n, i, table, slots);
      pages.push(...this.block(key, table + i * 16 + 8));
    }
    if (blocks !== this.u32(8)) {
      this.fail("CountsAddUp", `${blocks} blocks, ${this.u32(8)} told`);
    }
    if (blocks * 5 > slots * 3 || (slots > 16 && blocks * 100 < slots * 27)) {
      this.fail("TableFits", `${blocks} blocks in ${slots} slots`);
    }
    this.pages(pages);
    const used = this.extents.reduce((sum, [, bytes]) => sum + bytes, -HEADER);
    if (used !== this.f64(104)) {
      this.fail("CountsAddUp", `${used} bytes in use, ${this.f64(104)} told`);
    }
    this.free();
    this.apart();
  }

  private findable(block: bigint, at: number, table: number, slots: number): void {
    const hash = BigInt.asUintN(64, block * 0x9e3779b97f4a7c15n);
    let i = Number(hash >> (64n - BigInt(Math.log2(slots))));
    for (; i !== at; i = (i + 1) % slots) {
      const key = this.u64(table + i * 16);
      if (key !== 0n && key >> 21n !== block) continue;
      this.fail("BlocksAreFound", `block ${block} is in slot ${at}, a search ends at ${i}`);
      return;
    }
  }

  private block(key: bigint, content: number): Page[] {
    const base = (key >> 21n) * BLOCK;
    const field = Number((key >> 12n) & 511n);
    const form = Number(key & 15n);
    if (form === LONE) return [{ page: base + BigInt(field), word: this.u64(content) }];
    const leaf = Number(this.u64(content));
    const count = field + 1;
    if (form > DENSE || leaf + bytesOf(form) > this.u32(12)) {
      this.fail("FormsFit", `block ${base / BLOCK}: form ${form}, leaf at ${leaf}`);
      return [];
    }
    this.extents.push([leaf, bytesOf(form)]);
    const pages: Page[] = [];
    if (form === DENSE) {
      for (let i = 0; i < Number(BLOCK); i++) {
        const word = this.u64(leaf + 8 * i);
        if (word !== 0n) pages.push({ page: base + BigInt(i), word });
      }
      if (pages.length !== count || count <= LEFT_AT[form]) {
        this.fail("FormsFit", `dense block ${base / BLOCK}: ${pages.length} pages of ${count}`);
      }
      return pages;
    }
    if (count > roomOf(form) || count <= LEFT_AT[form]) {
      this.fail("FormsFit", `block ${base / BLOCK}: ${count} pages in form ${form}`);
    }
    const seen = new Set<number>();
    for (let k = 0; k < Math.min(count, roomOf(form)); k++) {
      const index = this.view.getUint16(this.at + leaf + 2 * k, true);
      if (seen.has(index) || index > 511) {
        this.fail("PagesOnce", `block ${base / BLOCK}: index ${index}`);
      }
      seen.add(index);
      pages.push({ page: base + BigInt(index), word: this.u64(leaf + wordsFrom(form) + 8 * k) });
    }
    return pages;
  }

  private pages(pages: readonly Page[]): void {
    let refs = 0;
    for (const { page, word } of pages) {
      refs += Number(word & 4095n);
      if ((word & 4095n) === 0n) this.fail("WordsCount", `page ${page} has count 0`);
      if (page < this.pins.first || page > this.pins.last) {
        this.fail("InsideTheMapping", `page ${page}`);
      }
    }
    const ranges = Array.from({ length: this.u32(68) }, (_, i) => [
      this.u64(112 + 16 * i),
      this.u64(120 + 16 * i),
    ]);
    const charged = pages.filter(
      ({ word }) => !ranges.some(([low, high]) => word >> 12n >= low && word >> 12n <= high),
    ).length;
    for (const [what, told, found] of [
      ["pages", this.f64(72), pages.length],
      ["pins", this.f64(80), refs],
      ["charged", this.f64(88), charged],
    ] as const) {
      if (told !== found) this.fail("CountsAddUp", `${found} ${what}, ${told} told`);
    }
  }

  private free(): void {
    for (let form = 1; form <= DENSE; form++) this.list(32 + 4 * form, bytesOf(form));
    for (let log2 = 0; log2 < 28; log2++) this.list(368 + 4 * log2, 16 * 2 ** log2);
    this.extents.push([this.u32(20), this.u32(24) - this.u32(20)]);
  }

  private list(head: number, bytes: number): void {
    const top = this.u32(12);
    let most = top / bytes;
    for (let at = this.u32(head); at !== 0; at = this.u32(at)) {
      if (at + bytes > top || most-- < 0) {
        this.fail("LeavesApart", `a list of free leaves or tables goes to ${at}`);
        return;
      }
      this.extents.push([at, bytes]);
    }
  }

  private apart(): void {
    const sorted = this.extents.filter(([, bytes]) => bytes > 0).sort(([a], [b]) => a - b);
    let end = 0;
    for (const [from, bytes] of sorted) {
      if (from < end) this.fail("LeavesApart", `${bytes} bytes at ${from} begin before ${end}`);
      end = from + bytes;
    }
    if (end > this.u32(12)) this.fail("LeavesApart", `something ends at ${end}, behind the heap`);
  }
}

/** Every invariant that does not hold; none in a healthy store. */
export function validatePinnedPages(pins: PinnedPages): PinnedPagesViolation[] {
  const { u8, at } = pins.raw();
  const checker = new Checker(pins, u8, at);
  checker.run();
  return checker.violations;
}
