/** One long random history of an IOTLB, with the obvious model beside it. */
import { expect } from "vitest";
import {
  Iotlb,
  type IotlbLookup,
  type IotlbOptions,
  type IotlbRights,
  PAGE_LIMIT,
  Random,
  validateIotlb,
} from "../../src/index.js";
import { same, sameList } from "../same.js";
import { IotlbModel } from "./model.js";

const LAST_PAGE = PAGE_LIMIT - 1;
const ASIDS = [0, 1, 2, 511, 1023];
const CODES = { miss: -1, denied: -2 };

/** Where pages come from: dense and overlapping, address-space like, or all of it. */
const SHAPES = [
  { span: 20, long: 6 },
  { span: 300, long: 40 },
  { span: 5_000, long: 16 },
  { span: 5_000, long: 3_000 },
  { span: PAGE_LIMIT, long: 2 ** 40 },
] as const;

const OPTIONS: readonly IotlbOptions[] = [
  {},
  { limit: 10, whenFull: "ignore" },
  { limit: 1, whenFull: "retire" },
  { limit: 40, whenFull: "retire" },
  { limit: 300, whenFull: "retire" },
  { limit: 60, whenFull: "refuse" },
];

/** Runs operations on both and compares what they answer. */
export class History {
  private readonly shape: (typeof SHAPES)[number];
  private readonly asids: readonly number[];
  /** Per cent of changes that add: it grows, shrinks, or stays. */
  private growth = 70;
  /** Calls compared so far; in a batch, each of its items. */
  operations = 0;

  private constructor(
    readonly iotlb: Iotlb,
    readonly model: IotlbModel,
    private readonly random: Random,
  ) {
    this.shape = SHAPES[random.below(SHAPES.length)];
    this.asids = ASIDS.slice(0, 1 + random.below(ASIDS.length));
  }

  static async create(seed: bigint): Promise<History> {
    const random = new Random(seed);
    const options = OPTIONS[Number(seed % BigInt(OPTIONS.length))];
    const iotlb = await Iotlb.create({ ...options, capacity: 1 });
    return new History(iotlb, new IotlbModel(options), random);
  }

  private asid(): number {
    return this.asids[this.random.below(this.asids.length)];
  }

  private page(): number {
    const at = this.random.below(40);
    if (at === 0) return 0;
    if (at === 1) return this.shape.span - 1;
    return Math.floor((this.random.below(2 ** 30) / 2 ** 30) * this.shape.span);
  }

  /** A page at the edge of an entry, or any. */
  private near(): number {
    const { entries } = this.model;
    const entry = entries[this.random.below(Math.max(1, entries.length))];
    if (entry === undefined || this.random.below(2) === 0) return this.page();
    const edges = [entry.start, entry.last, Math.min(entry.last + 1, LAST_PAGE)];
    return edges[this.random.below(edges.length)];
  }

  private interval(): [number, number] {
    if (this.random.below(300) === 0) return [0, LAST_PAGE];
    const start = this.page();
    const pages = Math.floor((this.random.below(2 ** 20) / 2 ** 20) ** 4 * this.shape.long);
    return [start, Math.min(start + pages, LAST_PAGE)];
  }

  private rights(): IotlbRights {
    return (1 + this.random.below(3)) as IotlbRights;
  }

  private add(): void {
    const { iotlb, model, random } = this;
    const asid = this.asid();
    const [start, last] = this.interval();
    const addr = random.below(3) === 0 ? LAST_PAGE - random.below(9) : random.below(2 ** 30);
    const perm = this.rights();
    const opaque = random.below(2 ** 32);
    const add = () => iotlb.add(asid, start, last, addr, perm, opaque);
    const isWhole = start === 0 && last === LAST_PAGE;
    if (model.refuses(asid, isWhole)) {
      expect(add).toThrow(expect.objectContaining({ code: "E_LIMIT" }) as Error);
    } else {
      const handles = add();
      same("handles", handles.length, isWhole ? 2 : 1);
      model.add({ asid, start, last, addr, perm, opaque }, handles);
    }
  }

  private change(): void {
    const { iotlb, model, random } = this;
    const asid = this.asid();
    const what = random.below(100);
    if (what < this.growth) {
      this.add();
    } else if (what < 97) {
      const entry = model.entries[random.below(Math.max(1, model.entries.length))];
      if (entry === undefined) return;
      iotlb.remove(entry.handle);
      model.remove(entry.handle);
      same("has", iotlb.has(entry.handle), false);
    } else if (what < 99) {
      const interval = this.interval();
      const start = interval[0];
      // A wide one would empty the table most of the time.
      const last = random.below(8) === 0 ? interval[1] : start + Math.min(interval[1] - start, 3);
      same("delete", iotlb.delete(asid, start, last), model.delete(asid, start, last));
    } else {
      const at = Math.min(this.near() + 1, LAST_PAGE);
      same("delete", iotlb.delete(asid, at, at - 1), model.delete(asid, at, at - 1));
    }
  }

  private ask(): void {
    const { iotlb, model } = this;
    const asid = this.asid();
    const page = this.near();
    const access = this.rights();
    const expected = model.lookup(asid, page, access);
    const found = iotlb.lookup(asid, page, access);
    same("outcome", found.outcome, expected.outcome);
    const handle = (lookup: IotlbLookup) => (lookup.outcome === "miss" ? 0 : lookup.handle);
    same("handle", handle(found), handle(expected));
    const translated = expected.outcome === "hit" ? expected.page : undefined;
    same("page", found.outcome === "hit" ? found.page : undefined, translated);
    same("translate", iotlb.translate(asid, page, access), translated);
    const last = Math.max(0, Math.min(LAST_PAGE, page + this.random.below(9) - 1));
    const first = model.firstIn(asid, page, last)?.handle;
    same("first", iotlb.firstIn(asid, page, last)?.handle, first);
    this.operations += 2;
  }

  private batch(): void {
    const { iotlb, model } = this;
    const n = this.random.below(70);
    const access = this.rights();
    const pages = Array.from({ length: n }, () => this.near());
    const asids = Array.from({ length: n }, () => this.asid());
    const answer = (asid: number, page: number): number => {
      const found = model.lookup(asid, page, access);
      return found.outcome === "hit" ? found.page : CODES[found.outcome];
    };
    const expected = pages.map((page, i) => answer(asids[i], page));
    sameList("translateMany", iotlb.translateMany(asids, pages, access), expected);
    const one = this.asid();
    const inOne = iotlb.translateMany(one, Float64Array.from(pages), access);
    sameList(
      "translateMany",
      inOne,
      pages.map((page) => answer(one, page)),
    );
    this.operations += 2 * n;
  }

  private checkAll(): void {
    const { iotlb, model } = this;
    expect(validateIotlb(iotlb)).toEqual([]);
    expect(iotlb.size).toBe(model.entries.length);
    expect(iotlb.asids()).toEqual(model.asids());
    expect([...iotlb]).toEqual(model.asids().flatMap((asid) => model.byIova(asid)));
    const oldestFirst = model.asids().flatMap((asid) => model.of(asid));
    expect([...iotlb.dump(undefined, "insertion")]).toEqual(oldestFirst);
    const asid = this.asid();
    expect(iotlb.sizeOf(asid)).toBe(model.of(asid).length);
    expect([...iotlb.dump(asid)]).toEqual(model.byIova(asid));
    expect([...iotlb.dump(asid, "insertion")]).toEqual(model.of(asid));
    for (const entry of model.of(asid).slice(0, 5)) {
      expect(iotlb.get(entry.handle)).toEqual(entry);
    }
  }

  run(ops: number): void {
    for (let i = 0; i < ops; i++) {
      if (i % 400 === 0) this.growth = [92, 75, 45][this.random.below(3)];
      const what = this.random.below(100);
      if (what < 60) {
        this.change();
        this.operations++;
      } else if (what < 98) this.ask();
      else if (what < 99) this.batch();
      else if (this.random.below(60) === 0) {
        this.iotlb.clear();
        this.model.clear();
      } else if (this.random.below(20) === 0) {
        const asid = this.asid();
        const whole = this.model.delete(asid, 0, LAST_PAGE);
        expect(this.iotlb.reset(asid)).toBe(whole);
      }
      if (i % 250 === 0) this.checkAll();
    }
    this.checkAll();
  }
}
