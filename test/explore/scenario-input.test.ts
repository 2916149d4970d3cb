/** Scenarios as data from outside: what is wrong with one is said before anything is built. */
import { describe, expect, test } from "vitest";
import { check, checkScenario, listScenarios, sample, scenarioNamed } from "../../src/index.js";
import type { Scenario } from "../../src/index.js";

type Change = (scenario: Record<string, unknown>) => unknown;

function fields(change: object): Change {
  return (scenario) => ({ ...scenario, ...change });
}

function nested(depth: number): unknown {
  let steps: unknown = [];
  for (let i = 0; i < depth; i++) steps = [{ repeat: 1, steps }];
  return steps;
}

const BAD: readonly (readonly [string, string, string, Change])[] = [
  ["nothing", "E_TYPE", "scenario", () => null],
  ["a list", "E_TYPE", "scenario", () => []],
  ["a missing field", "E_TYPE", "scenario.title", fields({ title: undefined })],
  ["an unknown field", "E_TYPE", "scenario", fields({ extra: 1 })],
  ["a prototype in disguise", "E_TYPE", "scenario", (s) => ({ ...s, ["constructor"]: {} })],
  ["no threads", "E_TYPE", "scenario.threads", fields({ threads: [] })],
  ["a thread of no mm", "E_LIMIT", "scenario.threads[0]", fields({ threads: [9, 0] })],
  ["a device of no mm", "E_LIMIT", "scenario.devices[0]", fields({ devices: [1] })],
  ["half an mm", "E_TYPE", "scenario.devices[0]", fields({ devices: [0.5] })],
  ["an unknown size", "E_TYPE", "scenario.geometry", fields({ geometry: { cows: 1 } })],
  ["a size past its limit", "E_LIMIT", "levels", fields({ geometry: { levels: 6 } })],
  ["a page past the last", "E_ADDR_RANGE", "scenario.watch[0].vpn", fields({ watch: [at(16)] })],
  ["a watch of no mm", "E_LIMIT", "scenario.watch[0].mm", fields({ watch: [{ mm: 3, vpn: 0 }] })],
  ["an unknown verdict", "E_TYPE", "scenario.expect.a.b", fields({ expect: { a: { b: "FINE" } } })],
  ["no actors", "E_TYPE", "scenario.actors", fields({ actors: [] })],
  ["an actor nowhere", "E_TYPE", "scenario.actors[0]", actor({})],
  ["an actor in two places", "E_TYPE", "scenario.actors[0]", actor({ cpu: 0, device: 0 })],
  ["a CPU too many", "E_LIMIT", "scenario.actors[0].cpu", actor({ cpu: 2 })],
  ["a device too many", "E_LIMIT", "scenario.actors[0].device", actor({ device: 1 })],
  ["a step of no kind", "E_TYPE", "scenario.actors[0].steps[0]", steps([{ dance: 1 }])],
  ["an access past the end", "E_ADDR_RANGE", "scenario.actors[0].steps[0].vpn", steps([read(16)])],
  [
    "a range past the end",
    "E_ADDR_RANGE",
    "scenario.actors[0].steps[0].args.end",
    steps([cut(17)]),
  ],
  ["nesting without end", "E_LIMIT", "scenario", steps(nested(100_000))],
];

function at(vpn: number) {
  return { mm: 0, vpn };
}

function read(vpn: number) {
  return { device: "read", vpn };
}

function cut(end: number) {
  return { call: "munmap", args: { start: 0, end } };
}

function actor(change: object): Change {
  return fields({ actors: [{ name: "A", steps: [], ...change }] });
}

function steps(value: unknown): Change {
  return actor({ cpu: 0, steps: value });
}

describe("scenarios from outside", () => {
  test("every built-in one passes, also as JSON", () => {
    for (const scenario of listScenarios()) {
      expect(checkScenario(JSON.parse(JSON.stringify(scenario)))).toEqual(scenario);
    }
  });

  for (const [what, code, argument, change] of BAD) {
    test(`${what}: ${code}, naming ${argument}`, async () => {
      const given = change({ ...scenarioNamed("cow-order") }) as Scenario;
      const error = { code, details: { argument } };
      expect(() => checkScenario(given)).toThrow(expect.objectContaining({ code }) as Error);
      await expect(check(given)).rejects.toMatchObject(error);
      await expect(sample(given)).rejects.toMatchObject(error);
    });
  }

  test("unknown operations and arguments are named when programs are built", async () => {
    const with_ = (call: string, args: Record<string, number>) =>
      check(steps([{ call, args }])({ ...scenarioNamed("cow-order") }) as Scenario);
    await expect(with_("nope", {})).rejects.toMatchObject({ code: "E_NOENT" });
    await expect(with_("munmap", { start: 0 })).rejects.toMatchObject({ code: "E_TYPE" });
    await expect(with_("read", { vpn: 0, x: 1 })).rejects.toMatchObject({ code: "E_TYPE" });
  });

  for (const schedules of [0, -1, 1.5, NaN, Infinity, 1_000_001, "10"]) {
    test(`${String(schedules)} schedules are refused`, async () => {
      const options = { schedules: schedules as number };
      const code = Number.isInteger(schedules) ? "E_LIMIT" : "E_TYPE";
      await expect(sample("cow-order", options)).rejects.toMatchObject({ code });
    });
  }
});
