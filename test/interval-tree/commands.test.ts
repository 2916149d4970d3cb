/** Any sequence of calls, shrunk to the shortest one that goes wrong. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { IntervalTree, validateIntervalTree } from "../../src/index.js";
import { IntervalModel } from "./model.js";

type Command = fc.Command<IntervalModel, IntervalTree>;

const page = fc.oneof(fc.nat(30), fc.constantFrom(0, 2 ** 52 - 1, 2 ** 32, 2 ** 31));
const interval = fc.tuple(page, page).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

function command(text: string, run: Command["run"], check: Command["check"] = () => true): Command {
  return { check, run, toString: () => text };
}

function pick(model: IntervalModel, at: number): number {
  return model.entries[at % model.entries.length].handle;
}

const some = (model: Readonly<IntervalModel>): boolean => model.entries.length > 0;

const commands = [
  fc.tuple(interval, fc.nat(9)).map(([[start, last], value]) =>
    command(`insert(${start}, ${last}, ${value})`, (model, tree) => {
      model.insert(start, last, value, tree.insert(start, last, value));
    }),
  ),
  fc.array(interval, { maxLength: 40 }).map((list) =>
    command(`insertMany(${JSON.stringify(list)})`, (model, tree) => {
      const handles = tree.insertMany(
        list.map(([s]) => s),
        list.map(([, l]) => l),
      );
      list.forEach(([start, last], i) => {
        model.insert(start, last, 0, handles[i]);
      });
    }),
  ),
  fc.nat().map((at) =>
    command(
      `remove(#${at})`,
      (model, tree) => {
        const handle = pick(model, at);
        tree.remove(handle);
        model.remove(handle);
        expect(tree.has(handle)).toBe(false);
      },
      some,
    ),
  ),
  fc.tuple(fc.nat(), interval).map(([at, [start, last]]) =>
    command(
      `update(#${at}, ${start}, ${last})`,
      (model, tree) => {
        const handle = pick(model, at);
        tree.update(handle, start, last);
        model.update(handle, start, last);
      },
      some,
    ),
  ),
  fc.array(fc.tuple(fc.nat(), interval), { maxLength: 40 }).map((list) =>
    command(
      `updateMany(${JSON.stringify(list)})`,
      (model, tree) => {
        const handles = list.map(([at]) => pick(model, at));
        const [starts, lasts] = [0, 1].map((k) => list.map(([, interval]) => interval[k]));
        tree.updateMany(handles, starts, lasts);
        handles.forEach((handle, i) => {
          model.update(handle, starts[i], lasts[i]);
        });
      },
      some,
    ),
  ),
  interval.map(([start, last]) =>
    command(`all(${start}, ${last})`, (model, tree) => {
      expect([...tree.overlaps(start, last)]).toEqual(model.overlaps(start, last));
      expect(tree.first(start, last)).toBe(model.overlaps(start, last)[0]?.handle);
    }),
  ),
  fc.tuple(fc.integer({ min: 1, max: 40 }), interval).map(([length, [from, to]]) =>
    command(`firstGap(${length}, ${from}, ${to})`, (model, tree) => {
      expect(tree.firstGap(length, from, to)).toBe(model.firstGap(length, from, to));
    }),
  ),
  fc.constant(
    command("compact()", (_, tree) => {
      tree.compact();
    }),
  ),
  fc.constant(
    command("clear()", (model, tree) => {
      tree.clear();
      model.clear();
    }),
  ),
];

test("any sequence of calls leaves tree and model equal", async () => {
  const seed = Number(process.env["SHOOTDOWN_SEED"] ?? 20260101);
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 80, size: "max" }), async (list) => {
      const tree = await IntervalTree.create({ capacity: 1 });
      fc.modelRun(() => ({ model: new IntervalModel(), real: tree }), list);
      expect(validateIntervalTree(tree)).toEqual([]);
    }),
    { numRuns: Number(process.env["SHOOTDOWN_RUNS"] ?? 300), seed },
  );
}, 120_000);
