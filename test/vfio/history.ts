/** One long random history: a packed container, one with a tree, and the model side by side. */
import { Random, VFIO_ERAS, type VfioKnobs, vfioKnobs, validateVfio } from "../../src/index.js";
import { same, sameList } from "../same.js";
import { type Answer, Stopped } from "./model-rows.js";
import { ContainerSide, END, GROUPS, ModelSide, type Seen, type Side } from "./sides.js";

const FROM = 16;
const SPAN = 400;
const ERAS = Object.keys(VFIO_ERAS);

/** Knobs that are turned now and then, whatever the era. */
const TURNED: readonly Partial<VfioKnobs>[] = [
  {},
  {},
  { notifyPolicy: "always" },
  { notifyRange: "request" },
  { notifyRange: "pinned" },
  { notifyWhen: "after-remove" },
  { pinsInWindow: "refuse" },
  { onExhausted: "error", retryBudget: 2 },
  { unmapOrder: "descending" },
  { unmapOrder: "from-root" },
  { dmaEntryLimit: 4 },

  { saturationErrno: "ENOSPC", unpinAnswer: "count" },
  { stopAtOtherMm: true, notifyOrder: "oldest-first" },
  { leakOnNodeFailure: true },
  { zeroLengthLookup: true, limitWhenNotCharging: true, shortRunAtLimit: true },
];

/** What devices have pinned by their own account, on each side. */
class Ledgers {
  private readonly rows = new Map<Side, Map<number, number>[]>();
  readonly calls = new Map<Side, number>();

  of(side: Side, device: number): Map<number, number> {
    let rows = this.rows.get(side);
    if (rows === undefined) {
      rows = [0, 1, 2].map(() => new Map<number, number>());
      this.rows.set(side, rows);
    }
    return rows[device];
  }

  add(side: Side, device: number, page: number, by: number): void {
    const row = this.of(side, device);
    const now = (row.get(page) ?? 0) + by;
    if (now <= 0) row.delete(page);
    else row.set(page, now);
  }
}

/** See {@link VfioHistory.create}. */
export interface Given {
  readonly era: string;
  readonly knobs: Partial<VfioKnobs>;
  readonly broken: Partial<VfioKnobs>;
}

/** What a call did, on one side. */
type Call = (side: Side) => Answer | undefined;

export class VfioHistory {
  operations = 0;
  /** Calls by what came of them: for who wants to know that all of it was seen. */
  readonly outcomes = new Map<string, number>();
  private readonly ledgers = new Ledgers();
  private readonly stubborn: number;
  private sides: readonly [ContainerSide, ContainerSide, ModelSide] | undefined;
  private ended = false;

  private constructor(
    private readonly random: Random,
    private readonly salt: number,
  ) {
    this.stubborn = random.below(16) === 0 ? random.below(3) : -1;
  }

  /** @param given - an era and knobs instead of random ones, and what is broken */
  static async create(seed: bigint, given?: Given): Promise<VfioHistory> {
    const random = new Random(seed);
    const history = new VfioHistory(random, random.below(2 ** 30));
    const era = given?.era ?? ERAS[random.below(ERAS.length)];
    const knobs = given?.knobs ?? {
      // What is left of a replay that is not unwound is for a test of its own.
      replayUnwinds: true,
      ...TURNED[random.below(TURNED.length)],
      ...TURNED[random.below(TURNED.length)],
      // Which ends most histories at once.
      ...(random.below(20) === 0 ? { lockAroundCallback: "keep" as const } : {}),
    };
    const told = history.told.bind(history);
    const broken = { ...knobs, ...given?.broken };
    history.sides = [
      await ContainerSide.create(era, broken, "packed", told),
      await ContainerSide.create(era, broken, "tree", told),
      new ModelSide(vfioKnobs(era, knobs), true, told),
    ];
    return history;
  }

  private below(n: number): number {
    return this.random.below(n);
  }

  /** What a device does when it is told: the same on each side, as it is the same call. */
  private told(side: Side, device: number, first: number, pages: number): void {
    const call = (this.ledgers.calls.get(side) ?? 0) + 1;
    this.ledgers.calls.set(side, call);
    const what = Math.imul(call + this.salt, 0x9e3779b1) >>> 27;
    if (device === this.stubborn || what === 0) return;
    const ledger = this.ledgers.of(side, device);
    const inside = [...ledger.keys()]
      .filter((page) => page >= first && page < first + pages)
      .sort((a, b) => a - b);
    if (what === 1) this.pin(side, device, [first + pages - 1], 1, true);
    if (what === 2) {
      const size = side.unmap(FROM + SPAN, 8, 0, false);
      if (!size.ok && size.cause !== "bisects") throw new Error(`nested: ${String(size.cause)}`);
    }
    const half = what === 3 ? Math.ceil(inside.length / 2) : inside.length;
    for (const page of inside.slice(0, half)) {
      for (let n = ledger.get(page) ?? 0; n > 0; n--) this.unpin(side, device, [page], true);
    }
  }

  private pin(side: Side, device: number, pages: number[], prot: number, range: boolean): Answer {
    const answer = range
      ? side.pinRange(device, pages[0], pages.length, prot)
      : side.pinList(device, pages, prot);
    if (answer.ok) for (const page of pages) this.ledgers.add(side, device, page, 1);
    return answer;
  }

  private unpin(side: Side, device: number, pages: number[], range: boolean): Answer {
    const answer = range
      ? side.unpinRange(device, pages[0], pages.length)
      : side.unpinList(device, pages);
    const processed = answer.ok ? (answer.value ?? 0) : 0;
    for (const page of pages.slice(0, processed)) this.ledgers.add(side, device, page, -1);
    return answer;
  }

  /** A page, more often than not where something is mapped. */
  private page(): number {
    const { dmas } = this.sides![2].model;
    if (dmas.length > 0 && this.below(8) > 0) {
      const { first, last } = dmas[this.below(dmas.length)];
      return first + this.below(last - first + 2);
    }
    return FROM + this.below(SPAN);
  }

  private pages(): { pages: number[]; isRange: boolean } {
    const isRange = this.below(3) > 0;
    if (isRange) {
      const page = this.page();
      const most = this.below(40) === 0 ? 512 + this.below(2) : 1 + this.below(24);
      return { pages: Array.from({ length: most }, (_, i) => page + i), isRange };
    }
    return { pages: Array.from({ length: this.below(12) }, () => this.page()), isRange };
  }

  /** The next call, and how many pages it is about. */
  private next(): { what: string; call: Call; pages: number } {
    const what = this.below(100);
    const device = this.below(3);
    if (what < 38) {
      const { pages, isRange } = this.pages();
      if (pages.length === 0 && isRange) pages.push(this.page());
      const prot = [0, 1, 1, 3, 3, 3][this.below(6)];
      const call: Call = (side) => this.pin(side, device, pages, prot, isRange);
      return { what: "pin", call, pages: pages.length };
    }
    if (what < 66) {
      const { pages, isRange } = this.ownPages(device);
      const call: Call = (side) => this.unpin(side, device, pages, isRange);
      return { what: "unpin", call, pages: pages.length };
    }
    return { ...this.rarer(what), pages: 1 };
  }

  /** Mostly what the device has pinned. */
  private ownPages(device: number): { pages: number[]; isRange: boolean } {
    const own = [...this.ledgers.of(this.sides![2], device).keys()];
    if (own.length === 0 || this.below(6) === 0) return this.pages();
    const from = own[this.below(own.length)];
    if (this.below(2) === 0) {
      const length = 1 + this.below(16);
      return { pages: Array.from({ length }, (_, i) => from + i), isRange: true };
    }
    const length = 1 + this.below(8);
    const pages = Array.from({ length }, () => own[this.below(own.length)]);
    return { pages, isRange: false };
  }

  private rarer(what: number): { what: string; call: Call } {
    const mm = this.below(8) === 0 ? 1 : 0;
    if (what < 76) {
      const page = FROM + this.below(SPAN);
      const count = 1 + this.below(40);
      const vpn = this.below(this.below(8) === 0 ? END : 160);
      const prot = [1, 2, 3, 3, 3][this.below(5)];
      return { what: "map", call: (side) => side.map(page, count, vpn, prot, mm) };
    }
    if (what < 84) {
      const [page, count] = this.range();
      const dirty = this.below(6) === 0;
      return { what: "unmap", call: (side) => side.unmap(page, count, mm, dirty) };
    }
    if (what === 84 && this.below(3) === 0) {
      return { what: "unmapAll", call: (side) => side.unmapAll(mm) };
    }
    if (what < 90) {
      const group = this.below(GROUPS.length);
      if (this.below(2) === 0) return { what: "attach", call: (side) => side.attach(group) };
      if (group === 0 && this.below(4) > 0) return this.event();
      return { what: "detach", call: (side) => side.detach(group) };
    }
    return what < 95 ? this.tracking(mm) : this.event();
  }

  /** A range that cuts no mapping, more often than not. */
  private range(): [page: number, count: number] {
    const { dmas } = this.sides![2].model;
    if (dmas.length === 0 || this.below(6) === 0) return [this.page(), 1 + this.below(60)];
    const from = this.below(dmas.length);
    const to = Math.min(dmas.length - 1, from + this.below(3));
    return [dmas[from].first, dmas[to].last - dmas[from].first + 1];
  }

  private tracking(mm: number): { what: string; call: Call } {
    const [page, count] = this.range();
    const device = this.below(3);
    const { dmas } = this.sides![2].model;
    const invalid = dmas.find((dma) => dma.invalid);
    // The same place of another process, so that reserved frames stay where they are.
    const vpn = invalid?.vpn ?? this.below(160);
    const there = dmas.find((dma) => dma.first === page)?.vpn ?? vpn;
    const { first, last } = invalid ?? { first: page, last: page + count - 1 };
    const heir = this.below(2);
    const write = this.below(2) === 0;
    const calls: readonly (readonly [string, Call])[] = [
      ["start", (side) => side.start()],
      ["stop", (side) => side.stop()],
      ["getDirty", (side) => side.getDirty(page, count)],
      ["getDirty", (side) => side.getDirty(page, count)],
      ["invalidate", (side) => side.invalidate(page, count, mm)],
      ["restore", (side) => side.restore(first, last - first + 1, vpn, heir)],
      ["restore", (side) => side.restore(first, last - first + 1, vpn, heir)],
      ["restore", (side) => side.restore(page, count, there, mm)],
      ["rw", (side) => side.rw(device, page, Math.min(count, 9), write)],
    ];
    const [what, call] = calls[this.below(calls.length)];
    return { what, call };
  }

  /** Something happens to a process, or is to go wrong. */
  private event(): { what: string; call: Call } {
    const mm = this.below(2);
    const what = this.below(12);
    // Reserved frames stay where they are: see scenarios/vfio/charge-drifts.yaml.
    const vpn = 0x21 + this.below(200 - 0x21);
    const frame = 0x1100 + this.below(200) + (this.below(4) === 0 ? 0x1000 : 0);
    const pages = this.below(3) === 0 ? 2 ** 30 : 10 + this.below(200);
    const cap = this.below(5) === 0;
    const nth = 1 + this.below(12);
    const device = this.below(3);
    const listens = this.below(3) > 0;
    const act = (name: string, run: (side: Side) => void): { what: string; call: Call } => ({
      what: name,
      call: (side) => {
        run(side);
        return undefined;
      },
    });
    if (what < 3)
      return act("replace", (side) => {
        side.replace(mm, vpn, frame);
      });
    if (what < 5)
      return act("failFault", (side) => {
        side.failFault(mm, vpn);
      });
    if (what < 8)
      return act("failNth", (side) => {
        side.failNth(nth);
      });
    if (what < 9)
      return act("limit", (side) => {
        side.limit(mm, pages, cap);
      });
    if (what < 10)
      return act("interrupt", (side) => {
        side.interrupt(mm);
      });
    if (what < 11 || this.below(60) > 0) {
      return act("register", (side) => {
        side.register(device, listens);
      });
    }
    return act("exit", (side) => {
      side.exit(mm);
    });
  }

  run(operations: number): void {
    for (let i = 0; i < operations && !this.ended; i++) {
      this.step();
      if (i % 400 === 399) this.compareAll();
    }
    this.compareAll();
    for (const side of this.sides!) if (side instanceof ContainerSide) side.container.dispose();
  }

  private step(): void {
    const { what, call, pages } = this.next();
    const answers = this.sides!.map((side) => {
      try {
        return call(side);
      } catch (error) {
        if (!(error instanceof Stopped)) throw error;
        this.ended = true;
        return { ok: false, errno: error.verdict };
      }
    });
    this.operations += pages;
    const [packed, tree, model] = answers;
    compare(`${what}, packed`, packed, model);
    compare(`${what}, tree`, tree, model);
    const word = model === undefined ? what : `${what} ${model.ok ? "ok" : String(model.cause)}`;
    this.outcomes.set(word, (this.outcomes.get(word) ?? 0) + 1);
    this.compareFew(what);
  }

  /** What is cheap to compare, after every call. */
  private compareFew(what: string): void {
    const [packed, tree, { model, processes }] = this.sides!;
    let refs = 0;
    for (const count of model.refs.values()) refs += count;
    for (const side of [packed, tree]) {
      for (const [i, mm] of side.processes.entries()) {
        same(`${what}, charge`, mm.lockedVm, processes[i].locked);
      }
      same(`${what}, references`, side.container.frames.held, refs);
      same(`${what}, mappings`, side.container.mappings, model.dmas.length);
      same(`${what}, rounds`, side.container.records.notifications.length, model.told.length);
      same(`${what}, lock`, side.container.lockOwner === null, model.isFree);
    }
  }

  private compareAll(): void {
    const [packed, tree, model] = this.sides!;
    const expected = model.seen();
    for (const side of [packed, tree]) {
      const seen = side.seen();
      for (const key of Object.keys(expected) as (keyof Seen)[]) {
        const [got, wanted] = [seen[key], expected[key]];
        if (Array.isArray(wanted)) sameList(key, got as unknown[], wanted as unknown[]);
        else same(key, got, wanted);
      }
      if (this.ended) continue;
      const broken = validateVfio(side.container).filter(
        ({ invariant }) => invariant !== "NothingLeaks",
      );
      if (broken.length > 0) throw new Error(`${broken[0].invariant}: ${broken[0].detail}`);
    }
  }
}

function compare(what: string, got: Answer | undefined, model: Answer | undefined): void {
  same(`${what}: ok`, got?.ok, model?.ok);
  same(`${what}: errno`, got?.errno, model?.errno);
  same(`${what}: cause`, got?.cause, model?.cause);
  same(`${what}: index`, got?.index, model?.index);
  same(`${what}: value`, got?.value, model?.value);
  same(`${what}: rounds`, got?.rounds, model?.rounds);
  same(`${what}: retries`, got?.retries, model?.retries);
  if (model?.out !== undefined) sameList(`${what}: out`, got?.out ?? [], model.out);
  if (model?.dirty !== undefined) sameList(`${what}: dirty`, got?.dirty ?? [], model.dirty);
}
