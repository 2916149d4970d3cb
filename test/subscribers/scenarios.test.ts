/**
 * Subscriptions as races: what the files of the package say of them holds in whole searches with
 * and without reduction, in random schedules that keep every invariant, and in simulated time.
 */
import { describe, expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import {
  Catalogue,
  check,
  expectedVerdict,
  Machine,
  sample,
  type Scenario,
  ShootdownError,
} from "../../src/index.js";
import { checkInvariants } from "../../src/invariants.js";
import { contextOf, nextOp } from "../../src/drivers/next-op.js";
import { exploredMachine } from "../../src/drivers/explored-machine.js";
import { loadScenario, shippedScenarios, writeScenario } from "../../src/scenario-files/index.js";

const files = (await shippedScenarios()).filter(({ name }) => /^(s\d\d-|put)/.test(name));
const cases = files.flatMap((scenario) => {
  const named = Object.keys(scenario.expect).filter((name) => name !== "*");
  const consumers = named.length === 0 ? ["interval"] : named;
  return consumers.map((consumer) => [scenario.name, consumer, scenario] as const);
});
const sound = cases.filter(
  ([, consumer, scenario]) => expectedVerdict(scenario, "coupled", consumer) === "SAFE",
);

test("every hazard has its sound form", () => {
  const broken = cases.filter((each) => !sound.includes(each));
  expect(broken.length).toBeGreaterThan(14);
  const groups = (list: typeof cases) => new Set(list.map(([name]) => name.slice(0, 3)));
  expect([...groups(broken)].filter((group) => !groups(sound).has(group))).toEqual([]);
});

describe("whole searches", () => {
  test.each(cases)(
    "%s under %s is what it says without reduction, too",
    async (_n, consumer, s) => {
      // One has too many states to keep them whole.
      const exact = s.name !== "s24-update-odd";
      const plain = await check(s, { consumer, exact, maxStates: 400_000 });
      expect(plain.verdict).toBe(expectedVerdict(s, "coupled", consumer));
    },
  );
});

describe("random schedules", () => {
  test.each(sound)("%s under %s keeps every invariant", async (_n, consumer, scenario) => {
    for (const era of ["double", "coupled"]) {
      const { found } = await sample(scenario, { consumer, era, schedules: 40 });
      expect(found).toBeNull();
    }
  });
});

test("without interval consumers or such steps, images and machines are as they were", async () => {
  const machine = await Machine.create({ geometry: { cpus: 1 } });
  expect(machine.core.header[abi.H_ROWS] & abi.ROW_NOTIFIERS).toBe(0);
  expect(machine.image.code.some((_, i) => isSubscriberOp(machine.image.code, i))).toBe(false);
});

function isSubscriberOp(code: Uint32Array, index: number): boolean {
  const op = code[index] & 0xff;
  return index % 2 === 0 && op >= abi.OP_ITREE_START && op <= abi.OP_RANGE_REFUSED;
}

describe("one order", () => {
  test("a walk that has found nobody tells nobody who came since", async () => {
    const scenario = files.find(({ name }) => name === "s12-insert-unhit")!;
    const parts = { era: "coupled", policy: "concurrent", consumer: "interval" };
    const machine = await exploredMachine(scenario, parts, Catalogue.standard, 0);
    const [t0, t1] = [0, 1];
    const next = (): number => nextOp(machine, contextOf(machine, t0)).op;
    while (next() !== abi.OP_ITREE_NEXT) expect(machine.step(t0, 0)).toBe(abi.ST_OK);
    while (machine.step(t1, 0) === abi.ST_OK);
    expect(machine.step(t0, 0)).toBe(abi.ST_OK);
    expect(next()).toBe(abi.OP_SRCU_LOCK);
    machine.dispose();
  });
});

describe("files", () => {
  const base = files.find(({ name }) => name === "s13-remove-in-callback")!;
  const text = (step: string): string =>
    writeScenario(base).replace(
      /^programs:\n/m,
      `programs:\n  - { actor: T0, steps: [${step}] }\n`,
    );

  test.each([
    ["{ insert: NOBODY, pages: [0, 1] }", "E_NOENT", /no device is called NOBODY/],
    ["{ remove: D, page: 0, lock: true }", "E_TYPE", /unknown key lock/],
    ["{ update: D, page: 0, pages: [1, 0] }", "E_INVERTED", /starts at 1, behind its end 0/],
  ])("%s has its fault told with its place", (step, code, says) => {
    let problem: unknown = null;
    try {
      loadScenario(text(step));
    } catch (error) {
      problem = error;
    }
    if (!(problem instanceof ShootdownError)) throw new Error("it was not refused");
    expect(problem.code).toBe(code);
    expect(problem.message).toMatch(says);
    expect(problem.details["line"]).toBeGreaterThan(1);
  });
});

describe("simulated time", () => {
  test("a driver with an interval subscriber follows what CPUs unmap", async () => {
    const machine = await Machine.create({
      consumers: ["interval", "interval-hole", "mirroring"],
      geometry: { cpus: 2, devices: 3, tasks: 4, mms: 2, frames: 64, tables: 64, vmas: 32 },
    });
    const mm = machine.newMm();
    for (const cpu of [0, 1]) machine.place(cpu, machine.newTask(mm));
    const devices = ["interval", "interval-hole", "mirroring"] as const;
    for (const name of devices) machine.attach(name, mm);
    machine.mapNow(mm, 0, 16, 3);
    for (let page = 0; page < 16; page++) machine.submit(0, "write", { vpn: page });
    machine.advance();
    for (let round = 0; round < 20; round++) {
      const page = round % 12;
      devices.forEach((name, device) => machine.submitAccess(device, name, page, true));
      machine.submit(0, "madvise", { start: page, end: page + 2 });
      machine.submit(1, "write", { vpn: page });
      machine.submit(1, "oom.reap", { start: page + 1, end: page + 3 });
      expect(machine.advance()).toBe("idle");
      expect(checkInvariants(machine, { done: true })).toEqual([]);
    }
    machine.submit(0, "munmap", { start: 4, end: 6 });
    expect(machine.advance()).toBe("idle");
    expect(machine.counters().hazards).toBe(0);
    for (const cpu of [0, 1]) machine.submit(cpu, "exit");
    expect(machine.advance()).toBe("idle");
    expect(checkInvariants(machine, { done: true })).toEqual([]);
    // Intervals stay, and keep the row, until their owner removes them; nobody looks for them.
    const head = machine.core.at(abi.H_OFF_SUBSCRIBERS);
    const table = head + machine.core.u32[(head + 20) >> 2];
    expect(machine.core.u32[(table + 44) >> 2]).toBe(0);
    expect(machine.newMm()).toBe(1);
    machine.dispose();
  });

  test("the second pass is over all whom the first has told", async () => {
    const geometry = { cpus: 1, devices: 3, frames: 64, tables: 64, vmas: 32 };
    const machine = await Machine.create({ consumers: ["interval-two-pass"], geometry });
    const mm = machine.newMm();
    machine.place(0, machine.newTask(mm));
    for (let device = 0; device < 3; device++) machine.attach("interval-two-pass", mm);
    machine.mapNow(mm, 0, 4, 3);
    machine.submit(0, "write", { vpn: 1 });
    machine.advance();
    for (let device = 0; device < 3; device++) {
      machine.submitAccess(device, "interval-two-pass", 1, true);
    }
    expect(machine.advance()).toBe("idle");
    machine.submit(0, "madvise", { start: 0, end: 4 });
    expect(machine.advance()).toBe("idle");
    expect(checkInvariants(machine, { done: true })).toEqual([]);
    machine.dispose();
  });

  test("an mm has room for so many interval subscribers", async () => {
    const machine = await Machine.create({ consumers: ["interval"], geometry: { devices: 33 } });
    const mm = machine.newMm();
    for (let device = 0; device < 32; device++) machine.attach("interval", mm);
    expect(() => machine.attach("interval", mm)).toThrow(/no room for another interval subscriber/);
    machine.dispose();
  });
});

/** Why a scenario, well formed or not, is refused. */
async function problemOf(scenario: unknown): Promise<ShootdownError> {
  try {
    await check(scenario as Scenario, { consumer: "interval" });
  } catch (error) {
    if (error instanceof ShootdownError) return error;
    throw error;
  }
  throw new Error("it was not refused");
}

describe("faults of scenarios", () => {
  const [base] = files.filter(({ name }) => name === "s11-insert-in-bracket");
  const withStep = (step: object) => ({
    ...base,
    actors: [{ ...base.actors[0], steps: [step] }, ...base.actors.slice(1)],
  });

  test.each([
    [{ insert: 2, pages: [0, 1] }, "E_LIMIT", "scenario.actors[0].steps[0].insert"],
    [{ insert: 1, pages: [1, 1] }, "E_EMPTY", "scenario.actors[0].steps[0].pages"],
    [{ insert: 1, pages: [0, 9] }, "E_ADDR_RANGE", "scenario.actors[0].steps[0].pages[1]"],
    [{ remove: 1, page: 8 }, "E_ADDR_RANGE", "scenario.actors[0].steps[0].page"],
    [{ claim: 0, event: "UNMAP", page: 0 }, "E_TYPE", "scenario.actors[0].steps[0]"],
  ])("%j is refused", async (step, code, argument) => {
    const problem = await problemOf(withStep(step));
    expect(problem.code).toBe(code);
    expect(problem.details["argument"]).toBe(argument);
  });

  test("a device changes no subscriptions; who is unsubscribed is there", async () => {
    const [, , device] = base.actors;
    const actors = [...base.actors.slice(0, 2), { ...device, steps: [{ register: 0 }] }];
    const problem = await problemOf({ ...base, actors });
    expect(problem.code).toBe("E_TYPE");
    const other = await problemOf({ ...base, unsubscribed: [2] });
    expect(other.details["argument"]).toBe("scenario.unsubscribed[0]");
  });
});

test("consumers with interval callbacks say so in the catalogue", () => {
  const named = Catalogue.standard.parts.consumers.filter(({ interval }) => interval !== undefined);
  expect(named.length).toBeGreaterThan(8);
  for (const { name } of named) expect(name).toMatch(/^interval/);
});
