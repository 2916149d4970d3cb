/** Any sequence of calls, shrunk to the shortest one that goes wrong. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { PinnedPages, validatePinnedPages } from "../../src/index.js";
import { EMPTY_BYTES } from "./forms.js";
import { PinModel, Refusal } from "./model.js";
import { type Outcome, outcome, sameOutcome, samePages } from "./outcome.js";

type Command = fc.Command<PinModel, PinnedPages>;

const FIRST = 100;
const LAST = 2 ** 52 - 4;
const OPTIONS = { first: FIRST, last: LAST, chargeLimit: 900, reserved: [[0, 9]] as const };

/** Pages of a few blocks, and of the ends of the mapping. */
const page = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 98, max: 1_200 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1_020, max: 1_030 }) },
  { weight: 1, arbitrary: fc.constantFrom(LAST - 3, LAST, LAST + 1, 2 ** 32, 2 ** 31 - 1) },
);
const frame = fc.oneof(fc.nat(20), fc.constantFrom(2 ** 52 - 1, 2 ** 32));
const part = fc
  .tuple(page, page)
  .map((pages) => pages.map((one) => Math.min(LAST, Math.max(FIRST, one))).sort((a, b) => a - b));

function command(
  text: string,
  ofModel: (model: PinModel) => Outcome | void,
  ofPins: (pins: PinnedPages) => Outcome | void,
): Command {
  const run = (model: PinModel, pins: PinnedPages): void => {
    sameOutcome(
      text,
      outcome(() => ofPins(pins)),
      outcome(() => ofModel(model)),
    );
    expect([pins.size, pins.pins, pins.charge]).toEqual([model.size, model.pins, model.charge]);
    samePages(text, pins, model.walk(0, 2 ** 52));
    expect(validatePinnedPages(pins)).toEqual([]);
    expect(pins.bytesUsed).toBeLessThanOrEqual(EMPTY_BYTES + 64 * model.size);
  };
  return { check: () => true, run, toString: () => text };
}

function rangeOf(page: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => page + i);
}

const length = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 700 }));

const commands = [
  fc.tuple(page, frame).map(([page, frame]) =>
    command(
      `pin(${page}, ${frame})`,
      (model) => model.pin(page, () => frame),
      (pins) => pins.pin(page, frame),
    ),
  ),
  fc.tuple(fc.array(page, { maxLength: 30 }), frame).map(([pages, frame]) =>
    command(
      `pinMany([${pages.join()}], ${frame})`,
      (model) => model.pinMany(pages, () => frame),
      (pins) => pins.pinMany(pages, new Float64Array(pages.length).fill(frame)),
    ),
  ),
  fc.tuple(page, length, frame).map(([page, count, frame]) =>
    command(
      `pinRange(${page}, ${count}, ${frame})`,
      (model) => model.pinMany(rangeOf(page, count), () => frame),
      (pins) => pins.pinRange(page, count, new Float64Array(count).fill(frame)),
    ),
  ),
  fc.tuple(page, length, fc.nat(30)).map(([page, count, good]) => {
    const make = () => {
      let calls = 0;
      return (page: number): number => {
        if (calls++ === good) throw new Refusal("E_FAULT");
        return page - 90;
      };
    };
    return command(
      `pinRange(${page}, ${count}, a fault that throws at call ${good})`,
      (model) => model.pinMany(rangeOf(page, count), make()),
      (pins) => pins.pinRange(page, count, make()),
    );
  }),
  fc.tuple(page, fc.integer({ min: 4_080, max: 4_096 })).map(([page, count]) =>
    command(
      `pinMany(${count} times ${page})`,
      (model) => model.pinMany(new Array<number>(count).fill(page), () => 50),
      (pins) => pins.pinMany(new Array<number>(count).fill(page), new Float64Array(count).fill(50)),
    ),
  ),
  page.map((page) =>
    command(
      `unpin(${page})`,
      (model) => model.unpin(page),
      (pins) => pins.unpin(page),
    ),
  ),
  fc.array(page, { minLength: 1, maxLength: 30 }).map((pages) =>
    command(
      `unpinMany([${pages.join()}])`,
      (model) => model.unpinMany(pages),
      (pins) => {
        const into = new Float64Array(pages.length);
        return into.subarray(0, pins.unpinMany(pages, into));
      },
    ),
  ),
  fc.tuple(page, length).map(([page, count]) =>
    command(
      `unpinRange(${page}, ${count})`,
      (model) => model.unpinMany(rangeOf(page, count)),
      (pins) => {
        const into = new Float64Array(count);
        return into.subarray(0, pins.unpinRange(page, count, into));
      },
    ),
  ),
  part.map(([first, last]) =>
    command(
      `drop(${first}, ${last})`,
      (model) => model.drop(first, last),
      (pins) => pins.drop(first, last),
    ),
  ),
  part.map(([first, last]) =>
    command(
      `firstIn(${first}, ${last})`,
      (model) => model.firstIn(first, last),
      (pins) => pins.firstIn(first, last),
    ),
  ),
  fc.nat(3).map((reserved) =>
    command(
      `mapAll(${reserved})`,
      (model) => model.mapAll(reserved),
      (pins) => pins.mapAll(reserved),
    ),
  ),
  fc.constant(
    command(
      "unmapAll()",
      (model) => model.unmapAll(),
      (pins) => pins.unmapAll(),
    ),
  ),
];

test("any sequence of calls leaves pages and model equal", async () => {
  const seed = Number(process.env["SHOOTDOWN_SEED"] ?? 20260101);
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 40, size: "max" }), async (list) => {
      using pins = await PinnedPages.create(OPTIONS);
      fc.modelRun(() => ({ model: new PinModel(OPTIONS), real: pins }), list);
    }),
    { numRuns: Number(process.env["SHOOTDOWN_RUNS"] ?? 400), seed },
  );
}, 120_000);
