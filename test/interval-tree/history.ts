/** One long random history of a tree, with the obvious model beside it. */
import {
  type Interval,
  type IntervalTree,
  PAGE_LIMIT,
  Random,
  validateIntervalTree,
} from "../../src/index.js";
import { same, sameList } from "../same.js";
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
  /** Calls compared so far; in a batch, each of its items. */
  operations = 0;

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
      same("has", this.tree.has(handle), false);
    }
  }

  private batch(): void {
    const n = this.random.below(150);
    this.operations += n;
    const what = this.random.below(3);
    const list = Array.from({ length: n }, () => this.interval());
    const starts = list.map(([start]) => start);
    const lasts = list.map(([, last]) => last);
    if (what === 0) {
      const values = starts.map((_, i) => i);
      const handles = this.tree.insertMany(starts, lasts, values);
      list.forEach(([start, last], i) => {
        this.model.insert(start, last, i, handles[i]);
      });
      return;
    }
    const handles = list.map(() => this.any() ?? -1).filter((handle) => handle >= 0);
    if (what === 1) {
      const once = [...new Set(handles)];
      this.tree.removeMany(once);
      for (const handle of once) this.model.remove(handle);
    } else if (handles.length === n) {
      this.tree.updateMany(handles, starts, lasts);
      handles.forEach((handle, i) => {
        this.model.update(handle, starts[i], lasts[i]);
      });
    }
  }

  private askMany(): void {
    const { tree, model } = this;
    const list = Array.from({ length: this.random.below(40) }, () => this.interval());
    const starts = Float64Array.from(list, ([start]) => start);
    const lasts = Float64Array.from(list, ([, last]) => last);
    this.operations += 3 * list.length;
    const found = list.map(([start, last]) => model.overlaps(start, last));
    const { handles, offsets } = tree.allMany(starts, lasts);
    sameList(
      "allMany",
      handles,
      found.flat().map(({ handle }) => handle),
    );
    const ends = found.map(
      (
        (sum) => (part) =>
          (sum += part.length)
      )(0),
    );
    sameList("offsets", offsets, [0, ...ends]);
    sameList(
      "countMany",
      tree.countMany(starts, lasts),
      found.map((part) => part.length),
    );
    sameList(
      "firstMany",
      tree.firstMany(starts, lasts),
      found.map((part) => part[0]?.handle ?? -1),
    );
  }

  private ask(): void {
    const { tree, model } = this;
    const [start, last] = this.interval();
    const expected = model.overlaps(start, last);
    const handles = expected.map(({ handle }) => handle);
    sameList("all", tree.all(start, last), handles);
    same("first", tree.first(start, last), handles[0]);
    same("count", tree.count(start, last), handles.length);
    const stabbed = model.overlaps(start, start).map(({ handle }) => handle);
    sameList("stab", tree.stab(start), stabbed);
    this.operations += 4;
    if (this.random.below(8) === 0) sameEntries([...tree.overlaps(start, last)], expected);
    if (this.random.below(4) === 0) {
      const length = 1 + this.random.below(this.shape.long);
      const gap = tree.firstGap(length, start, last);
      same("firstGap", gap, model.firstGap(length, start, last));
    }
    if (this.random.below(16) === 0) this.askMany();
  }

  private checkAll(): void {
    const { tree, model } = this;
    sameList("validator", validateIntervalTree(tree).map(String), []);
    same("size", tree.size, model.entries.length);
    sameEntries([...tree], model.entries);
    const [least, most] = [tree.min(), tree.max()].map((entry) =>
      entry === undefined ? [] : [entry],
    );
    sameEntries(least, model.entries.slice(0, 1));
    sameEntries(most, model.entries.slice(-1));
    const lasts = model.entries.map(({ last }) => last);
    same("maxLast", tree.maxLast(), lasts.length === 0 ? undefined : Math.max(...lasts));
  }

  run(ops: number): void {
    for (let i = 0; i < ops; i++) {
      if (i % 400 === 0) this.growth = [85, 50, 20][this.random.below(3)] ?? 50;
      const what = this.random.below(100);
      if (what < 70) {
        this.change();
        this.operations++;
      } else if (what < 98) this.ask();
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

function sameEntries(got: readonly Interval[], expected: readonly Interval[]): void {
  const flat = (list: readonly Interval[]): number[] =>
    list.flatMap(({ start, last, value, handle }) => [start, last, value, handle]);
  sameList("entries", flat(got), flat(expected));
}
