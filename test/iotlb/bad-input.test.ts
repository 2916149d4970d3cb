import { describe, expect, test } from "vitest";
import { Iotlb, type IotlbOptions, PAGE_LIMIT, validateIotlb } from "../../src/index.js";

const LAST_PAGE = PAGE_LIMIT - 1;

function failure(code: string, argument?: string): Error {
  const named: unknown = expect.objectContaining(argument === undefined ? {} : { argument });
  return expect.objectContaining({ code, details: named }) as Error;
}

/** Good arguments of add, and what may be wrong with one of them. */
const GOOD = { asid: 3, start: 20, last: 30, addr: 7, perm: 3, opaque: 5 };
const BAD: readonly (readonly [string, keyof typeof GOOD, readonly unknown[]])[] = [
  ["E_TYPE", "asid", [undefined, null, "1", 1n, NaN, 1.5, {}]],
  ["E_LIMIT", "asid", [-1, 1024, 2 ** 32, 2 ** 32 + 3]],
  ["E_TYPE", "start", [undefined, null, "1", 1n, NaN, 1.5, -Infinity, {}]],
  ["E_ADDR_RANGE", "start", [-1, PAGE_LIMIT, 2 ** 60, -(2 ** 60)]],
  ["E_TYPE", "last", [undefined, null, "30", 30n, NaN, 30.5, Infinity]],
  ["E_ADDR_RANGE", "last", [-1, PAGE_LIMIT, 2 ** 63, 2 ** 64]],
  ["E_INVERTED", "last", [19, 0]],
  ["E_TYPE", "addr", [undefined, null, "7", 7n, NaN, 0.5, Infinity]],
  ["E_ADDR_RANGE", "addr", [-1, PAGE_LIMIT, 2 ** 62]],
  ["E_TYPE", "perm", [undefined, null, "3", NaN, 1.5]],
  ["E_LIMIT", "perm", [0, 4, -1, 7, 2 ** 32 + 1]],
  ["E_TYPE", "opaque", [null, "5", 5n, NaN, 0.5]],
  ["E_LIMIT", "opaque", [-1, 2 ** 32]],
];

async function some(): Promise<Iotlb> {
  const iotlb = await Iotlb.create({ capacity: 1 });
  for (let i = 0; i < 40; i++) iotlb.add(i % 5, i, i + 7, i, 3, i);
  return iotlb;
}

describe("bad input", () => {
  for (const [code, argument, values] of BAD) {
    for (const value of values) {
      test(`add with ${argument} ${String(value)} is ${code}; nothing changes`, async () => {
        const iotlb = await some();
        const before = [...iotlb];
        const all = { ...GOOD, [argument]: value };
        const { asid, start, last, addr, opaque } = all;
        const perm = all.perm as 1;
        const fails = failure(code, argument);
        expect(() => iotlb.add(asid, start, last, addr, perm, opaque)).toThrow(fails);
        // One that is one too low is the empty range.
        if (["asid", "start", "last"].includes(argument) && value !== 19) {
          expect(() => iotlb.delete(asid, start, last)).toThrow(fails);
        }
        if (argument === "asid") {
          const rest = [() => iotlb.reset(asid), () => iotlb.sizeOf(asid)];
          const asks = [() => iotlb.translate(asid, 1, 1), () => iotlb.lookup(asid, 1, 1)];
          for (const call of [...rest, ...asks]) expect(call).toThrow(fails);
          if (value !== undefined) expect(() => iotlb.dump(asid)).toThrow(fails);
          const many = () => iotlb.translateMany([0, asid], [1, 1], 1);
          expect(many).toThrow(failure(code, "asids[1]"));
        }
        if (argument === "start") {
          const ask = failure(code, "page");
          expect(() => iotlb.translate(0, start, 1)).toThrow(ask);
          expect(() => iotlb.lookup(0, start, 1)).toThrow(ask);
          const many = failure(code, "pages[3]");
          expect(() => iotlb.translateMany(0, [1, 2, 3, start], 1)).toThrow(many);
        }
        if (argument === "perm") {
          const ask = failure(code, "access");
          expect(() => iotlb.translate(0, 1, perm)).toThrow(ask);
          expect(() => iotlb.lookup(0, 1, perm)).toThrow(ask);
          expect(() => iotlb.translateMany(0, [], perm)).toThrow(ask);
        }
        expect([...iotlb]).toEqual(before);
        expect(validateIotlb(iotlb)).toEqual([]);
      });
    }
  }

  test("a page that is wrong far into a batch is named by its place", async () => {
    const iotlb = await some();
    const pages = new Float64Array(5_000);
    pages[4_097] = PAGE_LIMIT;
    const fails = failure("E_ADDR_RANGE", "pages[4097]");
    expect(() => iotlb.translateMany(0, pages, 1)).toThrow(fails);
    expect(() => iotlb.translateMany(0, [0, LAST_PAGE], 1)).not.toThrow();
  });

  test("lists that are none, or differ in length", async () => {
    const iotlb = await some();
    expect(() => iotlb.translateMany([0], [1, 2], 1)).toThrow(failure("E_LIMIT", "asids"));
    for (const list of [undefined, null, "12", 5, {}, { length: -1 }] as unknown as number[][]) {
      expect(() => iotlb.translateMany(0, list, 1)).toThrow(failure("E_TYPE", "pages"));
    }
    for (const list of [undefined, null, "1", {}] as unknown as number[][]) {
      expect(() => iotlb.translateMany(list, [1], 1)).toThrow(failure("E_TYPE", "asids"));
    }
  });

  test("an order that is none", async () => {
    const iotlb = await some();
    for (const order of ["start", "", null, 1, "__proto__"] as unknown as "iova"[]) {
      expect(() => iotlb.dump(0, order)).toThrow(failure("E_TYPE", "order"));
    }
  });

  const options: readonly (readonly [string, string, readonly unknown[]])[] = [
    ["E_LIMIT", "limit", [-1, 2 ** 25 + 1]],
    ["E_TYPE", "limit", ["9", 1.5, NaN]],
    ["E_LIMIT", "maxEntries", [0, 2 ** 25 + 1]],
    ["E_LIMIT", "capacity", [0, 2 ** 24 + 1]],
    ["E_LIMIT", "maxBytes", [0, 2 ** 32 + 1]],
    ["E_TYPE", "maxBytes", ["1", {}]],
    ["E_TYPE", "whenFull", ["", "evict", 1, "toString"]],
  ];
  for (const [code, argument, values] of options) {
    test(`options: ${argument} that is ${values.map(String).join(" or ")}`, async () => {
      for (const value of values) {
        const bad = { [argument]: value } as IotlbOptions;
        await expect(Iotlb.create(bad)).rejects.toThrow(failure(code, argument));
      }
    });
  }

  test("every call after dispose, which may be repeated", async () => {
    const iotlb = await some();
    const { handle } = [...iotlb][0];
    const running = iotlb.dump();
    running.next();
    iotlb.dispose();
    iotlb[Symbol.dispose]();
    const calls = [
      () => iotlb.size,
      () => iotlb.sizeOf(0),
      () => iotlb.asids(),
      () => iotlb.add(0, 1, 1, 1, 3),
      () => iotlb.delete(0, 1, 1),
      () => iotlb.reset(0),
      () => iotlb.clear(),
      () => iotlb.translate(0, 1, 1),
      () => iotlb.lookup(0, 1, 1),
      () => iotlb.translateMany(0, [], 1),
      () => iotlb.has(handle),
      () => iotlb.get(handle),
      () => iotlb.remove(handle),
      () => iotlb.dump(),
      () => running.next(),
      () => validateIotlb(iotlb),
    ];
    for (const call of calls) expect(call).toThrow(failure("E_DISPOSED"));
    await expect(iotlb.clone()).rejects.toThrow(failure("E_DISPOSED"));
  });
});
