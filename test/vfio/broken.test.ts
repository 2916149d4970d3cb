/** Containers that are broken on purpose: random histories, or the invariants, notice each. */
import { expect, test } from "vitest";
import { type VfioKnobs, vfioKnobs } from "../../src/index.js";
import { VfioHistory } from "./history.js";

/** One knob of the containers turned, the model as the era says. */
const BROKEN: readonly Partial<VfioKnobs>[] = [
  { leakOnNodeFailure: true },
  { limitWhenNotCharging: true },
  { zeroLengthLookup: true },
  { notifyRange: "request" },
  { notifyRange: "pinned" },
  { notifyOrder: "oldest-first" },
  { notifyPolicy: "always" },
  { notifyWhen: "after-remove" },
  { lockAroundCallback: "keep" },
  { pinsInWindow: "refuse" },
  { retryBudget: 9 },
  { onExhausted: "error" },
  { unmapOrder: "descending" },
  { stopAtOtherMm: true },
  { pinMost: 511 },
  { dmaEntryLimit: 3 },
  { replayUnwinds: false },
  { unpinAnswer: "count" },
  { pinnerListens: false },
  { pinsNeedStructPage: false },
  { freeWithPins: "silent" },
  { vaddrUpdate: "sleep" },
  { vaddrMovesCharge: false },
];

test.each(BROKEN)("%o is noticed", async (knob) => {
  let found: unknown;
  for (let seed = 1n; seed < 120n && found === undefined; seed++) {
    const history = await VfioHistory.create(seed, { era: "7.0", knobs: {}, broken: knob });
    try {
      history.run(2_000);
    } catch (error) {
      found = error;
    }
  }
  expect(found).toBeInstanceOf(Error);
});

test("and the era as it is, is not", async () => {
  for (let seed = 1n; seed < 12n; seed++) {
    const history = await VfioHistory.create(seed, { era: "7.0", knobs: {}, broken: {} });
    history.run(2_000);
  }
  expect(vfioKnobs("7.0")).toEqual(vfioKnobs());
});
