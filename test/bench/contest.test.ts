// What the suites have in common: nothing that is wrong is timed.

import { describe, expect, test } from "vitest";
import { type Contender, rowsOf, type Work } from "../../bench/contest.js";
import { measure } from "../../bench/harness.js";

interface Input {
  readonly shape: string;
  readonly n: number;
}

const RIGHT = { checksum: 6, proof: 7 };

/** Three calls a sample that say 1, 2 and 3, unless `work` says otherwise. */
function contender(work: Partial<Work>): Contender<Input, "sum"> {
  const right: Work = { run: (call) => call + 1, proof: () => 7 };
  return { name: "one", can: ["sum"], most: 10, open: () => ({ ...right, ...work }) };
}

function rows(work: Partial<Work>, n = 10, callsApart = 3) {
  return rowsOf<Input, "sum">({
    contenders: [contender(work)],
    whats: ["sum"],
    input: { shape: "plain", n },
    seed: 1,
    model: () => () => (callsApart > 0 ? RIGHT : { ...RIGHT, checksum: 1 }),
    operations: () => 3,
    callsApart: () => callsApart,
  });
}

describe.each([3, 0])("%i calls with something to do before each", (callsApart) => {
  test("what is right is timed", async () => {
    const run = callsApart > 0 ? undefined : () => 1;
    const [row] = rows(run === undefined ? {} : { run }, 10, callsApart);
    expect(await measure(row, true)).toMatchObject({ name: "sum, plain, 10: one", seed: 1 });
  });

  test("a wrong checksum is noticed", async () => {
    const [row] = rows({ run: () => 3 }, 10, callsApart);
    await expect(measure(row, true)).rejects.toThrow(/checksum \d, the model says \d/);
  });

  test("a wrong proof is noticed", async () => {
    const run = callsApart > 0 ? (call: number) => call + 1 : () => 1;
    const [row] = rows({ run, proof: () => 8 }, 10, callsApart);
    await expect(measure(row, true)).rejects.toThrow("one, sum: proof 8, the model says 7");
  });

  test("a checksum that changes is noticed", async () => {
    let calls = 0;
    const run = (call: number) => (++calls > 3 ? 9 : callsApart > 0 ? call + 1 : 1);
    const [row] = rows({ run }, 10, callsApart);
    await expect(measure(row, true)).rejects.toThrow("checksum changed");
  });
});

test("what comes before a call is done for each; those that are too small stay out", async () => {
  const before: number[] = [];
  const [row] = rows({ before: (call) => before.push(call) });
  await measure(row, true);
  expect(before).toEqual([0, 1, 2, 0, 1, 2]);
  expect(rows({}, 11)).toEqual([]);
});
