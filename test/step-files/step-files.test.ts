/** Step files: what they may say, what is compared, and what is said of those that are wrong. */
import { describe, expect, test } from "vitest";
import {
  formatSteps,
  loadSteps,
  resolve,
  runSteps,
  amountOf,
} from "../../dist/step-files/index.js";
import { closed, counter, type World } from "./counter.js";

const HEAD = `
format: shootdown-scenario
version: 1
system: counter
name: counting
title: counters count
source: an example
`;

function run(text: string, wanted: Record<string, string[]> = {}) {
  return runSteps(loadSteps(HEAD + text, [counter], "it.yaml"), wanted);
}

async function whyOf(text: string): Promise<{ code?: unknown; message: string }> {
  try {
    await run(text);
  } catch (error) {
    return error as { code?: unknown; message: string };
  }
  throw new Error("nothing was wrong");
}

describe("numbers", () => {
  const names = new Map<string, number | bigint>([
    ["PS", 4_096],
    ["D1", 0x10000],
    ["TOP", 2n ** 64n - 1n],
  ]);
  test.each([
    ["12", 12],
    ["0x1_000", 4_096],
    ["4K", 4_096],
    ["128G", 2 ** 37],
    ["D1+0x3000", 0x13000],
    ["D1+3*PS-1", 0x12fff],
    ["TOP", 2n ** 64n - 1n],
    ["0x1_0000_0000_0000_0000", 2n ** 64n],
    ["0x1_0000_0000_0000_0000+1", undefined],
    ["1-2", undefined],
    ["D2", undefined],
    ["D1+", undefined],
    ["two words", undefined],
  ])("%s", (text, value) => {
    expect(amountOf(text, names)).toEqual(value);
  });

  test("also in lists, and in keys, where they become addresses", () => {
    const value = { D1: ["D1+1", "other"], "0x20": 1, 3: "x" };
    expect(resolve(value, names)).toEqual({ "0x10000": [0x10001, "other"], "0x20": 1, 3: "x" });
  });
});

describe("expectations", () => {
  test("the short forms: ok, an errno, a number", async () => {
    const result = await run(`
names: { FIVE: 5 }
steps:
  - add: { to: a, by: FIVE }
    expect: 5
  - add: { to: a, by: 1 }
    expect: ok
  - add: { to: a, by: 100 }
    expect: ENOSPC
  - add: { to: a, by: 100 }
    expect: { errno: ENOSPC, cause: over-limit }
    state: { counts: { a: 6 }, isBroken: false }
`);
    expect(result.runs.map(({ cell }) => cell)).toEqual([
      { era: "old", size: "small" },
      { era: "new", size: "small" },
    ]);
    expect(result.asExpected).toBe(true);
    expect(formatSteps(result)).toContain("the same: new small");
  });

  test("what differs is named", async () => {
    const result = await run(`
steps:
  - add: { to: a, by: 4 }
    expect: 5
    state: { counts: { a: 5, b: 1 } }
  - at: { address: 0x20 }
    expect: { "0x20": 33 }
`);
    expect(result.asExpected).toBe(false);
    expect(result.runs[0].steps.map(({ mismatches }) => mismatches)).toEqual([
      [
        { path: "result.value", expected: 5, got: 4 },
        { path: "state.counts.a", expected: 5, got: 4 },
        { path: "state.counts.b", expected: 1, got: null },
      ],
      [{ path: "result.0x20", expected: 33, got: 32 }],
    ]);
    expect(formatSteps(result)).toContain("✗ state.counts.b is null, expected 1");
  });

  test("by cell: the first key that fits decides", async () => {
    const text = `
for: { size: [small, large] }
setup: { most: 10 }
steps:
  - add: { to: a, by: 11 }
    expect: ok
    expectIn: { old+small: ENOSPC, large: 11 }
    stateIn: { old+small: { counts: {} }, "*": { counts: { a: 11 } } }
  - break: {}
    in: [old]
expect: { old: BROKEN, "*": SAFE }
`;
    const result = await run(text);
    expect(result.runs).toHaveLength(4);
    expect([result.asExpected, result.runs.map(({ steps }) => steps.length)]).toEqual([
      true,
      [2, 2, 1, 1],
    ]);
    const some = await run(text, { era: ["new"], size: ["large"] });
    expect(some.runs.map(({ cell }) => cell)).toEqual([{ era: "new", size: "large" }]);
  });

  test("a key that no state has is a fault of the file", async () => {
    const why = await whyOf("steps: [{ break: {}, state: { count: null } }]");
    expect(why.code).toBe("E_NOENT");
    expect(why.message).toMatch(/^line 8: state has no count; there are counts, isBroken$/);
  });

  test("a verdict that nobody expected", async () => {
    const result = await run("steps: [{ break: {} }]");
    expect([result.asExpected, result.runs[0].verdict]).toEqual([false, "BROKEN"]);
    expect(formatSteps(result)).toContain("BROKEN (expected SAFE), NOT as expected");
  });

  test("worlds are closed, also when a step throws", async () => {
    closed.length = 0;
    const why = await whyOf("steps: [{ add: { to: a, by: 1 } }, { misuse: {} }]");
    expect(why).toMatchObject({ code: "E_LIMIT" });
    expect(why.message).toMatch(/counting, line 8: misuse.*too much/);
    expect(closed.map(({ counts }: World) => counts.get("a"))).toEqual([1]);
  });
});

describe("files that are wrong", () => {
  test.each([
    ["steps: []", "E_LIMIT", /it\.yaml:8:\d+: steps/],
    ["steps: [{ jump: {} }]", "E_NOENT", /no step is called jump/],
    ["steps: [{ add: { to: a } }]", "E_TYPE", /steps\[0\]\.add\.by: is missing/],
    ["steps: [{ add: { to: a, by: FIVE } }]", "E_TYPE", /steps\[0\]\.add\.by.*name of `names`/],
    ["names: { A: B }\nsteps: [{ break: {} }]", "E_NOENT", /names\.A/],
    ["steps: [{ break: {}, expectIn: { older: ok } }]", "E_NOENT", /older is none of/],
    ["steps: [{ break: {}, in: [older] }]", "E_NOENT", /older is none of/],
    ["for: { era: [older] }\nsteps: [{ break: {} }]", "E_TYPE", /for\.era\[0\]/],
    ["setup: { most: TEN }\nsteps: [{ break: {} }]", "E_TYPE", /setup\.most/],
    ["setup: { least: 1 }\nsteps: [{ break: {} }]", "E_TYPE", /unknown key least/],
    ["expect: WRONG\nsteps: [{ break: {} }]", "E_TYPE", /expect/],
    ["steps: [{ break: {} }", "E_PARSE", /it\.yaml:/],
  ])("%s", async (text, code, message) => {
    const why = await whyOf(text);
    expect(why.message).toMatch(message);
    expect(why.code).toBe(code);
  });

  test("a system that nobody knows", () => {
    const text = HEAD.replace("counter", "counters") + "steps: [{ break: {} }]";
    expect(() => loadSteps(text, [counter])).toThrow(/system: must be one of counter/);
  });
});
