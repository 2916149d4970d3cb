// The parts of the benchmark of the IOTLB.

import { describe, expect, test } from "vitest";
import { takesPart } from "../../bench/contest.js";
import {
  contender,
  type Contender,
  type Outsider,
  type Peer,
} from "../../bench/iotlb/contender.js";
import { type What, WHATS } from "../../bench/iotlb/whats.js";
import { contenders } from "../../bench/iotlb/contenders.js";
import {
  cutOf,
  type Input,
  inputOf,
  type Queries,
  SHAPE_NAMES,
  SMALL_POOL,
} from "../../bench/iotlb/inputs.js";
import { modelOf } from "../../bench/iotlb/model.js";
import { SortedTables } from "../../bench/iotlb/tables.js";

const SEED = 7;

function bytes(list: Float64Array | Uint32Array): string {
  return Buffer.from(list.buffer, list.byteOffset, list.byteLength).toString("base64");
}

describe.each(SHAPE_NAMES)("%s", (shape) => {
  test("the same each time, whichever part is asked for first", () => {
    const a = inputOf(shape, 70, SEED, SMALL_POOL);
    const b = inputOf(shape, 70, SEED, SMALL_POOL);
    const parts = [a.pool().starts, a.removals(), a.hits().pages, a.misses().asids];
    const late = [b.misses().asids, b.hits().pages, b.removals(), b.pool().starts];
    expect(parts.map(bytes)).toEqual(late.map(bytes).reverse());
    expect(bytes(inputOf(shape, 70, SEED + 1, SMALL_POOL).removals())).not.toBe(
      bytes(a.removals()),
    );
  });

  test("nothing overlaps, hits hit and misses miss", () => {
    const input = inputOf(shape, 70, SEED, SMALL_POOL);
    const { asids, starts, lasts } = cutOf(input, 0);
    const holders = (asid: number, from: number, to: number): number => {
      return starts.filter((start, i) => asids[i] === asid && start <= to && lasts[i] >= from)
        .length;
    };
    starts.forEach((start, i) => expect(holders(asids[i], start, lasts[i])).toBe(1));
    const all = ({ asids: spaces, pages }: Queries): Set<number> => {
      return new Set(pages.subarray(0, 2_000).map((page, i) => holders(spaces[i], page, page)));
    };
    expect([all(input.hits()), all(input.misses())]).toEqual([new Set([1]), new Set([0])]);
    expect(all(input.probes(0))).toEqual(new Set([0, 1]));
    expect(new Set(asids).size).toBe(input.spaces);
  });

  test("every contender is right", async () => {
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
});

async function answersOf(one: Contender | Outsider, input: Input, what: What) {
  if ("measure" in one) {
    const { checksum, proof } = await one.measure(input, what, true);
    return { checksum, proof };
  }
  const work = await one.open(input, what);
  let checksum = 0;
  const calls = what === "add" || what === "delete" ? input.cuts : 1;
  for (let call = 0; call < calls; call++) {
    work.before?.(call);
    checksum += work.run(call);
  }
  return { checksum, proof: work.proof() };
}

class OneSpace extends SortedTables {
  override translate(_: number, page: number): number {
    return super.translate(0, page);
  }
}

class Keeper extends SortedTables {
  override delete(asid: number, start: number, last: number): number {
    return start % 97 === 0 ? 1 : super.delete(asid, start, last);
  }
}

class Narrow extends SortedTables {
  override add(asid: number, start: number, last: number, addr: number): number {
    return super.add(asid, start, last - (start % 97 === 0 ? 1 : 0), addr);
  }
}

class Finder extends SortedTables {
  override translate(asid: number, page: number): number {
    return page % 97 === 0 ? page : super.translate(asid, page);
  }
}

test.each([
  ["all address spaces are one", new OneSpace(), "translate"],
  ["entries stay", new Keeper(), "delete"],
  ["entries are too short", new Narrow(), "add"],
  ["something is found between entries", new Finder(), "miss"],
] as const)("a contender that is wrong does not pass: %s", async (_, peer: Peer, what) => {
  const input = inputOf("disjoint in 16 ASIDs", 1_000, SEED, SMALL_POOL);
  const one = contender({ name: "wrong", can: WHATS }, () => peer);
  expect(await answersOf(one, input, what)).not.toEqual(modelOf(input)(what));
});
