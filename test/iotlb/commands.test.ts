/** Any sequence of calls, shrunk to the shortest one that goes wrong. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Iotlb, type IotlbRights, validateIotlb } from "../../src/index.js";
import { IotlbModel } from "./model.js";

type Command = fc.Command<IotlbModel, Iotlb>;

const LAST_PAGE = 2 ** 52 - 1;
const asid = fc.constantFrom(0, 1, 1023);
const page = fc.oneof(fc.nat(30), fc.constantFrom(0, LAST_PAGE, 2 ** 51 - 1, 2 ** 51));
const interval = fc.oneof(
  { weight: 9, arbitrary: fc.tuple(page, page) },
  { weight: 1, arbitrary: fc.constant([0, LAST_PAGE] as [number, number]) },
);
const rights = fc.constantFrom<IotlbRights[]>(1, 2, 3);

function command(text: string, run: Command["run"], check: Command["check"] = () => true): Command {
  return { check, run, toString: () => text };
}

function inOrder([a, b]: readonly [number, number]): [number, number] {
  return [Math.min(a, b), Math.max(a, b)];
}

const commands = [
  fc.tuple(asid, interval, page, rights, fc.nat(9)).map(([asid, pages, addr, perm, opaque]) => {
    const [start, last] = inOrder(pages);
    return command(`add(${[asid, start, last, addr, perm, opaque].join()})`, (model, iotlb) => {
      const add = () => iotlb.add(asid, start, last, addr, perm, opaque);
      const entry = { asid, start, last, addr, perm, opaque };
      if (model.refuses(asid, start === 0 && last === LAST_PAGE)) expect(add).toThrow(/limit/);
      else model.add(entry, add());
    });
  }),
  fc.nat().map((at) =>
    command(
      `remove(#${at})`,
      (model, iotlb) => {
        const { handle } = model.entries[at % model.entries.length];
        iotlb.remove(handle);
        model.remove(handle);
        expect(iotlb.has(handle)).toBe(false);
      },
      (model) => model.entries.length > 0,
    ),
  ),
  fc.tuple(asid, interval).map(([asid, pages]) => {
    const [start, last] = inOrder(pages);
    return command(`delete(${[asid, start, last].join()})`, (model, iotlb) => {
      expect(iotlb.delete(asid, start, last)).toBe(model.delete(asid, start, last));
    });
  }),
  fc.tuple(asid, page).map(([asid, at]) => {
    const start = Math.max(1, at);
    return command(`delete(${[asid, start, start - 1].join()})`, (model, iotlb) => {
      expect(iotlb.delete(asid, start, start - 1)).toBe(model.delete(asid, start, start - 1));
    });
  }),
  fc.tuple(asid, page, rights).map(([asid, page, access]) =>
    command(`lookup(${[asid, page, access].join()})`, (model, iotlb) => {
      expect(iotlb.lookup(asid, page, access)).toEqual(model.lookup(asid, page, access));
    }),
  ),
  asid.map((asid) =>
    command(`dump(${asid})`, (model, iotlb) => {
      expect([...iotlb.dump(asid)]).toEqual(model.byIova(asid));
      expect([...iotlb.dump(asid, "insertion")]).toEqual(model.of(asid));
    }),
  ),
  fc.constant(
    command("clear()", (model, iotlb) => {
      iotlb.clear();
      model.clear();
    }),
  ),
];

for (const whenFull of ["ignore", "retire", "refuse"] as const) {
  test(`any sequence of calls leaves IOTLB and model equal: ${whenFull}`, async () => {
    const seed = Number(process.env["SHOOTDOWN_SEED"] ?? 20260101);
    const list = fc.commands(commands, { maxCommands: 80, size: "max" });
    await fc.assert(
      fc.asyncProperty(list, fc.constantFrom(1, 2, 20), async (list, limit) => {
        using iotlb = await Iotlb.create({ capacity: 1, limit, whenFull });
        fc.modelRun(() => ({ model: new IotlbModel({ limit, whenFull }), real: iotlb }), list);
        expect(validateIotlb(iotlb)).toEqual([]);
      }),
      { numRuns: Number(process.env["SHOOTDOWN_RUNS"] ?? 100), seed },
    );
  }, 120_000);
}
