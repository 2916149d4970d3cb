// The parts of the benchmark of pinned pages.

import { describe, expect, test } from "vitest";
import {
  contender,
  type Contender,
  type Outsider,
  type Peer,
} from "../../bench/pinned-pages/contender.js";
import { type What, WHATS } from "../../bench/pinned-pages/whats.js";
import { contenders } from "../../bench/pinned-pages/contenders.js";
import {
  cutOf,
  type Input,
  inputOf,
  leavingOf,
  RUN_SHAPES,
  SHAPE_NAMES,
  SMALL_POOL,
} from "../../bench/pinned-pages/inputs.js";
import { modelOf } from "../../bench/pinned-pages/model.js";
import { takesPart } from "../../bench/contest.js";

const SEED = 7;

function bytes(list: Float64Array): string {
  return Buffer.from(list.buffer, list.byteOffset, list.byteLength).toString("base64");
}

function ascending(list: Float64Array): Float64Array {
  return list.slice().sort();
}

describe("inputs", () => {
  test.each(SHAPE_NAMES)("%s: the same each time, whichever part is asked for first", (shape) => {
    const a = inputOf(shape, 700, SEED, SMALL_POOL);
    const b = inputOf(shape, 700, SEED, SMALL_POOL);
    const parts = [a.pool().pages, a.pool().frames, a.leaving(), a.queries().pages, a.probes(1)];
    const late = [b.probes(1), b.queries().pages, b.leaving(), b.pool().frames, b.pool().pages];
    expect(parts.map(bytes)).toEqual(late.map(bytes).reverse());
    const other = inputOf(shape, 700, SEED + 1, SMALL_POOL);
    expect(bytes(other.pool().frames)).not.toBe(bytes(a.pool().frames));
  });

  test.each(SHAPE_NAMES)("%s: pages are distinct, and all of them leave", (shape) => {
    const input = inputOf(shape, 700, SEED, SMALL_POOL);
    for (let cut = 0; cut < 5; cut++) {
      const { pages } = cutOf(input, cut);
      expect(new Set(pages).size).toBe(700);
      expect(ascending(leavingOf(input, cut))).toEqual(ascending(pages));
    }
    const standing = new Set(cutOf(input, 0).pages);
    expect(input.queries().pages.every((page) => standing.has(page))).toBe(true);
  });

  test.each(RUN_SHAPES)("%s: pages come and go in runs", (shape) => {
    const input = inputOf(shape, 1_000, SEED, SMALL_POOL);
    for (const list of [cutOf(input, 0).pages, leavingOf(input, 0), input.queries().pages]) {
      const breaks = list.filter((page, i) => i > 0 && page !== list[i - 1] + 1);
      expect(breaks.length).toBeLessThan(list.length / 100);
    }
  });
});

async function answersOf(one: Contender | Outsider, input: Input, what: What) {
  if ("measure" in one) {
    const { checksum, proof } = await one.measure(input, what, true);
    return { checksum, proof };
  }
  const work = await one.open(input, what);
  let checksum = 0;
  const calls = what === "lookup" || what === "repin" ? 1 : input.cuts;
  for (let call = 0; call < calls; call++) {
    work.before?.(call);
    checksum += work.run(call);
  }
  return { checksum, proof: work.proof() };
}

test.each(SHAPE_NAMES)("%s: every contender is right", async (shape) => {
  const input = inputOf(shape, 1_000, SEED, SMALL_POOL);
  const model = modelOf(input);
  for (const what of WHATS) {
    const right = model(what);
    for (const one of contenders()) {
      if (!takesPart(one, what, shape, input.n)) continue;
      const label = `${one.name}, ${what}`;
      expect({ label, ...(await answersOf(one, input, what)) }).toEqual({ label, ...right });
    }
  }
});

/** A store that is right; each of those below breaks one thing. */
class ByPage implements Peer {
  protected readonly store = new Map<number, { pfn: number; count: number }>();

  get size(): number {
    return this.store.size;
  }

  pin(page: number, frame: number): number {
    const count = this.count(page);
    const pfn = this.lookup(page) ?? frame;
    this.store.set(page, { pfn, count: count + 1 });
    return pfn;
  }

  unpin(page: number): number {
    const left = this.count(page) - 1;
    if (left === 0) this.store.delete(page);
    else if (left > 0) this.store.set(page, { pfn: this.lookup(page) ?? 0, count: left });
    return left;
  }

  lookup(page: number): number | undefined {
    return this.store.get(page)?.pfn;
  }

  count(page: number): number {
    return this.store.get(page)?.count ?? 0;
  }

  clear(): void {
    this.store.clear();
  }

  all() {
    const pages = [...this.store.keys()].sort((a, b) => a - b);
    return pages.map((page) => ({ page, pfn: 0, count: 1, ...this.store.get(page) }));
  }
}

class LastFrame extends ByPage {
  override pin(page: number, frame: number): number {
    this.store.set(page, { pfn: frame, count: this.count(page) + 1 });
    return frame;
  }
}

class Uncounted extends ByPage {
  override count(): number {
    return 1;
  }
}

class Forgetful extends ByPage {
  override pin(page: number, frame: number): number {
    return page % 97 === 0 ? frame : super.pin(page, frame);
  }
}

class Keeper extends ByPage {
  override unpin(page: number): number {
    return page % 97 === 0 ? 0 : super.unpin(page);
  }
}

class Unordered extends ByPage {
  override all() {
    return super.all().reverse();
  }
}

describe("a contender that is wrong does not pass", () => {
  const differs = async (peer: Peer, what: What): Promise<boolean> => {
    const input = inputOf("random", 500, SEED, SMALL_POOL);
    const one = contender({ name: "wrong", can: WHATS }, () => peer);
    const right = modelOf(input)(what);
    const { checksum, proof } = await answersOf(one, input, what);
    return checksum !== right.checksum || proof !== right.proof;
  };

  test("but the one the others are made of is right", async () => {
    for (const what of WHATS)
      expect([what, await differs(new ByPage(), what)]).toEqual([what, false]);
  });

  test.each([
    ["the frame of a later pin", new LastFrame(), "repin"],
    ["pins are not counted", new Uncounted(), "repin"],
    ["pages are left out", new Forgetful(), "pin"],
    ["pages are left out of lookups", new Forgetful(), "lookup"],
    ["pages are left out of walks", new Forgetful(), "walk"],
    ["pages stay", new Keeper(), "unpin"],
    ["in the wrong order", new Unordered(), "walk"],
  ] as const)("%s", async (_, peer, what) => {
    expect(await differs(peer, what)).toBe(true);
  });
});
