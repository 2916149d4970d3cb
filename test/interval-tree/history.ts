/** One long random history of a tree, with the obvious model beside it. */
import { expect } from "vitest";
import { type IntervalTree, PAGE_LIMIT, Random, validateIntervalTree } from "../../src/index.js";
import { IntervalModel } from "./model.js";

/** Where pages come from: dense and overlapping, address-space like, or all of it. */
const SHAPES = [
  { span: 20, long: 6 },
  { span: 300, long: 40 },
  { span: 5_000, long: 16 },
  { span: 5_000, long: 3_000 },
  { span: PAGE_LIMIT, long: 2 ** 40 },
] as const;

/** Runs operations on both and compares what they answer. */
export class History {
  readonly model = new IntervalModel();
  private readonly random: Random;
  private readonly shape: (typeof SHAPES)[number];
  /** Per cent of changes that insert: it grows, shrinks, or stays. */
  private growth = 70;

  constructor(
    readonly tree: IntervalTree,
    seed: bigint,
  ) {
    this.random = new Random(seed);
    this.shape = SHAPES[this.random.below(SHAPES.length)];
  }

  private page(): number {
    const at = this.random.below(40);
    if (at === 0) return 0;
    if (at === 1) return this.shape.span - 1;
    return Math.floor((this.random.below(2 ** 30) / 2 ** 30) * this.shape.span);
  }

  private interval(): [number, number] {
    const start = this.page();
    const pages = Math.floor((this.random.below(2 ** 20) / 2 ** 20) ** 4 * this.shape.long);
    return [start, Math.min(start + pages, PAGE_LIMIT - 1)];
  }

  private any(): number | undefined {
    const { entries } = this.model;
    return entries[this.random.below(Math.max(1, entries.length))]?.handle;
  }

  private insert(): void {
    const [start, last] = this.interval();
    const value = this.random.below(2 ** 32);
    this.model.insert(start, last, value, this.tree.insert(start, last, value));
  }

  private change(): void {
    if (this.random.below(100) < this.growth) {
      this.insert();
      return;
    }
    const handle = this.any();
    if (handle === undefined) return;
    const what = this.random.below(6);
    if (what === 0) {
      const [start, last] = this.interval();
      this.tree.update(handle, start, last);
      this.model.update(handle, start, last);
    } else if (what === 1) {
      this.tree.setValue(handle, 7);
      this.model.setValue(handle, 7);
    } else {
      this.tree.remove(handle);
      this.model.remove(handle);
      expect(this.tree.has(handle)).toBe(false);
    }
  }

  private batch(): void {
    const n = this.random.below(60);
    if (this.random.below(2) === 0) {
      const list = Array.from({ length: n }, () => this.interval());
      const starts = list.map(([start]) => start);
      const lasts = list.map(([, last]) => last);
      const handles = this.tree.insertMany(
        starts,
        lasts,
        starts.map((_, i) => i),
      );
      list.forEach(([start, last], i) => {
        this.model.insert(start, last, i, handles[i]);
      });
    } else {
      const handles = new Set(Array.from({ length: n }, () => this.any() ?? -1));
      handles.delete(-1);
      this.tree.removeMany([...handles]);
      for (const handle of handles) this.model.remove(handle);
    }
  }

  private ask(): void {
    const { tree, model } = this;
    const [start, last] = this.interval();
    const expected = model.overlaps(start, last);
    const handles = expected.map(({ handle }) => handle);
    expect([...tree.all(start, last)]).toEqual(handles);
    expect(tree.first(start, last)).toBe(handles[0]);
    expect(tree.count(start, last)).toBe(handles.length);
    expect([...tree.stab(start)]).toEqual(model.overlaps(start, start).map((e) => e.handle));
    if (this.random.below(8) === 0) expect([...tree.overlaps(start, last)]).toEqual(expected);
    if (this.random.below(4) === 0) {
      const length = 1 + this.random.below(this.shape.long);
      expect(tree.firstGap(length, start, last)).toBe(model.firstGap(length, start, last));
    }
  }

  private checkAll(): void {
    const { tree, model } = this;
    expect(validateIntervalTree(tree)).toEqual([]);
    expect(tree.size).toBe(model.entries.length);
    expect([...tree]).toEqual(model.entries);
    expect(tree.min()).toEqual(model.entries[0]);
    expect(tree.max()).toEqual(model.entries.at(-1));
    const lasts = model.entries.map(({ last }) => last);
    expect(tree.maxLast()).toBe(lasts.length === 0 ? undefined : Math.max(...lasts));
  }

  run(ops: number): void {
    for (let i = 0; i < ops; i++) {
      if (i % 400 === 0) this.growth = [85, 50, 20][this.random.below(3)] ?? 50;
      const what = this.random.below(100);
      if (what < 70) this.change();
      else if (what < 98) this.ask();
      else if (what < 99) this.batch();
      else if (this.random.below(4) === 0) this.tree.compact();
      else if (this.random.below(20) === 0) {
        this.tree.clear();
        this.model.clear();
      }
      if (i % 250 === 0) this.checkAll();
    }
    this.checkAll();
  }
}
