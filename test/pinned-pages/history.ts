/** One long random history: the packed pages, the tree and the obvious model side by side. */
import {
  PAGE_LIMIT,
  PinnedPages,
  PinnedPagesTree,
  Random,
  validatePinnedPages,
} from "../../src/index.js";
import { same, sameList } from "../same.js";
import { EMPTY_BYTES, endMemory, FormsSeen } from "./forms.js";
import { type FrameOf, type ModelOptions, PinModel, Refusal } from "./model.js";
import { type Outcome, outcome, sameOutcome, samePages } from "./outcome.js";

const LAST_PAGE = PAGE_LIMIT - 1;

interface Shape {
  /** Pages of the part that is used, and where it begins. */
  readonly from: number;
  readonly span: number;
  /** Pages that follow each other, at most. */
  readonly run: number;
}

/** Lone pages, a few a block, runs, dense, and both ends of what a page can be. */
const SHAPES: readonly Shape[] = [
  { from: 0, span: PAGE_LIMIT, run: 1 },
  { from: 1_000_000, span: 512 * 200, run: 2 },
  { from: 2 ** 32 - 4_000, span: 512 * 40, run: 30 },
  { from: 5_000, span: 512 * 5, run: 200 },
  { from: PAGE_LIMIT - 1_500, span: 1_500, run: 120 },
  { from: 0, span: 700, run: 80 },
];

const RESERVED: readonly (readonly [number, number])[] = [
  [0, 3],
  [500, 600],
  [LAST_PAGE - 5, LAST_PAGE],
];

type Store = PinnedPages | PinnedPagesTree;

export class History {
  readonly seen = new FormsSeen();
  /** Requests for which there was no memory. */
  refused = 0;
  /** Calls compared so far; of a request, each of its pages. */
  operations = 0;
  private readonly shape: Shape;
  /** Per cent of changes that pin: it grows, shrinks, or stays. */
  private growth = 70;
  private readonly recent: number[] = [];
  private saturations = 2;

  private constructor(
    readonly packed: PinnedPages,
    private readonly tree: PinnedPagesTree,
    readonly model: PinModel,
    private readonly random: Random,
    shape: Shape,
  ) {
    this.shape = shape;
  }

  static async create(seed: bigint): Promise<History> {
    const random = new Random(seed);
    const shape = SHAPES[Number(seed % BigInt(SHAPES.length))];
    const { from, span } = shape;
    // Every third mapping ends where pages are asked for.
    const bounds =
      random.below(3) === 0
        ? { first: from + Math.floor(span / 20), last: from + span - 1 - Math.floor(span / 20) }
        : { first: 0, last: LAST_PAGE };
    const limits = [undefined, undefined, 25, 300, 2_000];
    const chargeLimit = limits[random.below(limits.length)];
    const reserved = random.below(2) === 0 ? RESERVED : undefined;
    const options: ModelOptions = {
      ...bounds,
      ...(chargeLimit === undefined ? {} : { chargeLimit }),
      ...(reserved === undefined ? {} : { reserved }),
    };
    const packed = await PinnedPages.create({ ...options, maxBytes: 1 });
    if (random.below(3) === 0) endMemory(packed, 6_000 + random.below(60_000));
    const tree = new PinnedPagesTree(options);
    return new History(packed, tree, new PinModel(options), random, shape);
  }

  private below(n: number): number {
    return this.random.below(n);
  }

  private page(): number {
    const { recent, shape } = this;
    const what = this.below(20);
    if (what < 8 && recent.length > 0) return recent[this.below(recent.length)];
    if (what === 19 && this.below(4) === 0) return shape.from + (shape.span - 1) * this.below(2);
    const { from, span } = shape;
    const page = from + Math.floor((this.below(2 ** 32) / 2 ** 32) * span);
    if (recent.length < 3_000) recent.push(page);
    else recent[this.below(3_000)] = page;
    return page;
  }

  private frame(): number {
    const what = this.below(40);
    if (what === 0) return LAST_PAGE - this.below(12);
    return what < 8 ? this.below(1_000) : this.below(2 ** 32) * 2 ** 20;
  }

  /** Runs and single pages in a list. */
  private list(): number[] {
    const pages: number[] = [];
    const length = this.below(500) === 0 ? 2_048 + this.below(300) : this.below(24);
    while (pages.length < length) {
      const page = this.page();
      const run = this.below(3) === 0 ? 1 + this.below(this.shape.run) : 1;
      for (let i = 0; i < run && page + i < PAGE_LIMIT; i++) pages.push(page + i);
    }
    return pages;
  }

  /** A range as a list, perhaps beyond the end of the mapping, but not of what a page can be. */
  private range(): number[] {
    const page = this.page();
    const { run } = this.shape;
    const long = this.below(12) === 0 ? run * 4 : run;
    const n = Math.min(1 + this.below(long), PAGE_LIMIT - page);
    return Array.from({ length: n }, (_, i) => page + i);
  }

  /** A fault for each who is asked: they go wrong at the same page. */
  private faults(): () => FrameOf {
    const wrong = this.below(3) === 0 ? this.below(12) : -1;
    const how = this.below(3);
    const shift = this.frame();
    return () => {
      let calls = 0;
      return (page) => {
        if (calls++ !== wrong) return (page * 7 + shift) % PAGE_LIMIT;
        if (how === 0) throw new Refusal("E_FAULT");
        throw new Refusal(how === 1 ? "E_TYPE" : "E_LIMIT");
      };
    };
  }

  /**
   * Calls all three. A count that is full in the packed form is not in the tree; and where the
   * packed form has no memory nothing must have changed, so the others are not asked.
   */
  private all(
    what: string,
    ofModel: () => Outcome | void,
    ofPacked: () => Outcome | void,
    ofTree: () => Outcome | void,
  ): void {
    const got = outcome(ofPacked);
    if (typeof got === "string" && got.startsWith("E_NOMEM")) {
      this.refused++;
      return;
    }
    const expected = outcome(ofModel);
    sameOutcome(what, got, expected);
    if (typeof expected === "string" && expected.startsWith("E_OVERFLOW")) return;
    sameOutcome(`${what} of the tree`, outcome(ofTree), expected);
  }

  private pinOne(): void {
    const page = this.page();
    const { model, packed, tree } = this;
    if (this.below(4) === 0) {
      const make = this.faults();
      this.all(
        `pin(${page}, fault)`,
        () => model.pin(page, make()),
        () => packed.pin(page, asFault(make())),
        () => tree.pin(page, asFault(make())),
      );
      return;
    }
    const frame = this.frame();
    this.all(
      `pin(${page}, ${frame})`,
      () => model.pin(page, () => frame),
      () => packed.pin(page, frame),
      () => tree.pin(page, frame),
    );
  }

  private request(pages: readonly number[], isRange: boolean): void {
    const { model, packed, tree } = this;
    this.operations += pages.length;
    const [page] = pages;
    const name = isRange ? `pinRange(${page}, ${pages.length})` : `pinMany(${pages.length})`;
    if (this.below(4) === 0) {
      const make = this.faults();
      const call = (store: Store) => (): Outcome =>
        isRange
          ? store.pinRange(page, pages.length, asFault(make()))
          : store.pinMany(pages, asFault(make()));
      this.all(name, () => model.pinMany(pages, make()), call(packed), call(tree));
      return;
    }
    const from = this.frame();
    const frames = Float64Array.from(pages, (_, i) => (from + i * 3) % PAGE_LIMIT);
    const into = this.below(2) === 0 ? new Float64Array(pages.length) : undefined;
    const call = (store: Store) => (): Outcome =>
      isRange
        ? store.pinRange(page, pages.length, frames, into)
        : store.pinMany(pages, frames, into);
    this.all(name, () => model.pinMany(pages, (_, i) => frames[i]), call(packed), call(tree));
  }

  private pin(): void {
    const what = this.below(10);
    if (what < 5) {
      this.pinOne();
      this.operations++;
    } else if (what < 8) this.request(this.list(), false);
    else this.request(this.range(), true);
  }

  /** A page that is pinned nearly as often as can be. */
  private saturate(): void {
    const page = this.page();
    this.saturations--;
    this.request(new Array<number>(4_088).fill(page), false);
    for (let i = 0; i < 6; i++) this.recent.push(page);
  }

  private unpin(): void {
    const { model, packed, tree } = this;
    const what = this.below(10);
    if (what < 4) {
      this.operations++;
      const page = this.page();
      const call = (store: Store) => () => store.unpin(page);
      this.all(`unpin(${page})`, () => model.unpin(page), call(packed), call(tree));
      return;
    }
    const isRange = what >= 7;
    const pages = isRange ? this.range() : this.list();
    this.operations += pages.length;
    const [page] = pages;
    const call = (store: Store) => (): Outcome => {
      const into = new Float64Array(pages.length);
      const n = isRange ? store.unpinRange(page, pages.length, into) : store.unpinMany(pages, into);
      return into.subarray(0, n);
    };
    const name = isRange ? `unpinRange(${page}, ${pages.length})` : `unpinMany(${pages.length})`;
    this.all(name, () => model.unpinMany(pages), call(packed), call(tree));
  }

  /** Two pages of the mapping, in order. */
  private part(): [number, number] {
    const { first, last } = this.model.options;
    const [a, b] = [this.page(), this.page()].map((page) => Math.min(last, Math.max(first, page)));
    return a <= b ? [a, b] : [b, a];
  }

  private drop(): void {
    const { model, packed, tree } = this;
    const [first, far] = this.part();
    const last = this.below(3) === 0 ? far : Math.min(far, first + 40);
    const call = (store: Store) => () => store.drop(first, last);
    this.all(`drop(${first}, ${last})`, () => model.drop(first, last), call(packed), call(tree));
  }

  private map(): void {
    const { model, packed, tree } = this;
    const call = this.below(2) === 0;
    for (const store of [packed, tree]) {
      if (!call) store.unmapAll();
    }
    if (!call) model.unmapAll();
    else {
      const reserved = this.below(3);
      this.all(
        "mapAll",
        () => model.mapAll(reserved),
        () => packed.mapAll(reserved),
        () => tree.mapAll(reserved),
      );
    }
  }

  private ask(): void {
    const { model, packed, tree } = this;
    const [first, last] = this.part();
    this.operations += 4;
    for (const page of [first, last]) {
      same("lookup", packed.lookup(page), model.lookup(page));
      same("lookup of the tree", tree.lookup(page), model.lookup(page));
      same("count", packed.count(page), model.count(page));
      same("count of the tree", tree.count(page), model.count(page));
    }
    const what = this.below(16);
    if (what < 3) {
      const lowest = model.firstIn(first, last);
      same("firstIn", packed.firstIn(first, last), lowest);
      same("anyIn", packed.anyIn(first, last), lowest !== undefined);
      same("anyIn of the tree", tree.anyIn(first, last), lowest !== undefined);
    } else if (what === 3) {
      const expected = model.walk(first, last);
      samePages("walk", packed.walk(first, last), expected);
      samePages("walk of the tree", tree.walk(first, last), expected);
      const { pages, frames, counts } = packed.list(first, last);
      sameList(
        "pages",
        pages,
        Array.from(expected, ({ page }) => page),
      );
      sameList(
        "frames",
        frames,
        Array.from(expected, ({ pfn }) => pfn),
      );
      sameList(
        "counts",
        counts,
        Array.from(expected, ({ count }) => count),
      );
    } else if (what < 7) {
      const { options } = model;
      const pages = this.list().filter((page) => page >= options.first && page <= options.last);
      const frames = pages.map((page) => model.lookup(page) ?? -1);
      sameOutcome("lookupMany", packed.lookupMany(pages), frames);
      const n = Math.min(1 + this.below(60), options.last - first + 1);
      const range = Array.from({ length: n }, (_, i) => model.lookup(first + i) ?? -1);
      sameOutcome("lookupRange", packed.lookupRange(first, n), range);
    }
  }

  private checkAll(): void {
    const { model, packed, tree } = this;
    same(
      "violations",
      validatePinnedPages(packed)
        .map((v) => v.detail)
        .join(),
      "",
    );
    const expected = model.walk(0, LAST_PAGE);
    samePages("all", packed, expected);
    samePages("all of the tree", tree, expected);
    const most = EMPTY_BYTES + 64 * model.size;
    same("at most 64 bytes a page", packed.bytesUsed <= most, true);
  }

  private step(): void {
    const what = this.below(100);
    if (what < 70) {
      if (this.below(100) < this.growth) this.pin();
      else this.unpin();
    } else if (what < 96) this.ask();
    else if (what < 98) this.drop();
    else if (what < 99) this.map();
    else if (this.saturations > 0 && this.below(8) === 0) this.saturate();
    else if (this.below(40) === 0) {
      this.packed.clear();
      this.tree.drop();
      this.model.drop(0, LAST_PAGE);
    }
  }

  run(ops: number): void {
    const { model, packed, tree } = this;
    for (let i = 0; i < ops; i++) {
      if (i % 200 === 0) this.growth = [80, 50, 15, 10][this.below(4)];
      this.step();
      for (const store of [packed, tree]) {
        same("size", store.size, model.size);
        same("pins", store.pins, model.pins);
        same("charge", store.charge, model.charge);
      }
      if (i % 20 === 0) this.seen.look(packed);
      if (i % 250 === 0) this.checkAll();
    }
    this.checkAll();
  }
}

function asFault(frameOf: FrameOf): (page: number) => number {
  return (page) => frameOf(page, 0);
}
