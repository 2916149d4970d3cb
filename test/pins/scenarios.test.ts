/**
 * Pinned pages as races: what the files of the package say holds in whole searches with and without
 * reduction, under every sound policy, and in random schedules that keep every invariant; hazards
 * are found by the fewest steps; and the converged protocol is exhausted.
 */
import { describe, expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { Catalogue, check, Machine, sample, type Scenario } from "../../src/index.js";
import { stepsOf } from "../../src/drivers/replay-file.js";
import { opName } from "../../src/program/ops.js";
import { loadScenario, shippedScenarios, writeScenario } from "../../src/scenario-files/index.js";

const files = (await shippedScenarios()).filter(({ name }) => name.startsWith("pin-"));
const expectedOf = ({ expect: expected }: Scenario): string => expected["*"]["*"];
const cases = files.map((scenario) => [scenario.name, expectedOf(scenario), scenario] as const);
const sound = cases.filter(([, verdict]) => verdict === "SAFE");
const broken = cases.filter(([, verdict]) => verdict !== "SAFE");

function named(name: string): Scenario {
  return files.find((scenario) => scenario.name === name)!;
}

/** A file with some of its text exchanged. */
function changed(name: string, ...pairs: readonly (readonly [string, string])[]): Scenario {
  const text = pairs.reduce(
    (before, [from, to]) => {
      expect(before).toContain(from);
      return before.replaceAll(from, to);
    },
    writeScenario(named(name)),
  );
  return loadScenario(text);
}

/** What each step of the shortest way to the hazard does. */
async function textsOf(scenario: Scenario): Promise<string[]> {
  const steps = await stepsOf(await check(scenario), scenario);
  return steps.map(({ text }) => text);
}

describe("whole searches", () => {
  test.each(cases)("%s is %s, whole states compared", async (name, verdict, scenario) => {
    // The largest has 700,000 states: fingerprints of them are compared.
    const isLarge = name === "pin-converged-pinner";
    const plain = await check(scenario, isLarge ? {} : { exact: true, maxStates: 200_000 });
    expect(plain.verdict).toBe(verdict);
    const reduced = await check(scenario, { reduction: "partial-order" });
    expect(reduced.verdict).toBe(verdict);
    // The reduced search says where there is something; the plain one, how near it is.
    if (verdict !== "SAFE") expect(reduced.schedule.length).toBe(plain.schedule.length);
  });

  test("no policy of flushes makes another verdict", async () => {
    const { policies } = Catalogue.standard.parts;
    for (const name of ["pin-v1-unmap-first", "pin-v1-unpin-first-munmap", "pin-munmap"]) {
      for (const { name: policy, mutant } of policies) {
        if (mutant) continue;
        const { verdict } = await check(named(name), { policy, reduction: "partial-order" });
        expect(`${name} ${policy} ${verdict}`).toBe(`${name} ${policy} ${expectedOf(named(name))}`);
      }
    }
  }, 240_000);
});

describe("shortest interleavings", () => {
  // Steps to the hazard: nothing shorter leads there, as the search is breadth first.
  test.each([
    ["pin-s1-keep-lock", 12],
    ["pin-h1-register", 12],
    ["pin-h1-two-unmaps", 13],
    ["pin-h2-reread", 21],
    ["pin-s2-remove-first", 7],
    ["pin-v1-unpin-first", 4],
    ["pin-s4-stubborn", 34],
  ])("%s: %i steps", async (name, steps) => {
    const { schedule, isShortest } = await check(named(name));
    expect(isShortest).toBe(true);
    expect(schedule).toHaveLength(steps);
  });

  test("V1: the device writes between unpin and unmap", async () => {
    const ops = await textsOf(named("pin-v1-unpin-first"));
    expect(ops.at(-2)).toContain("unpin page");
    expect(ops.at(-1)).toContain("DMA write");
  });
});

test("the converged protocol is exhausted: two threads, two devices, two mappings", async () => {
  const name = "pin-converged-2x2x2";
  const plain = await check(named(name), { exact: true, maxStates: 100_000 });
  expect([plain.verdict, plain.states]).toEqual(["SAFE", 52_443]);
  // No round is ever needed twice: a budget of 0 will do.
  expect((await check(changed(name, ["budget: 1", "budget: 0"]))).verdict).toBe("SAFE");
  const reduced = await check(named(name), { reduction: "partial-order" });
  expect(reduced.verdict).toBe("SAFE");
  expect(reduced.states).toBeLessThan(plain.states / 5);
});

describe("budgets", () => {
  /** Rounds of dma_unmap before the kernel gives up: locks taken by nobody else. */
  async function rounds(name: string, budget: number): Promise<number> {
    const scenario = changed(name, ["budget: 2", `budget: ${budget}`]);
    const steps = await textsOf(scenario);
    return steps.filter((text) => text === "notifier chain").length;
  }

  test("a driver that never unpins is told budget + 1 times; Linux: 11", async () => {
    expect(await rounds("pin-s4-stubborn", 0)).toBe(1);
    expect(await rounds("pin-s4-stubborn", 2)).toBe(3);
    expect(await rounds("pin-s4-stubborn", 10)).toBe(11);
  });

  test("one that unpins in the last round is in time", async () => {
    const scenario = changed("pin-busy", ["budget: 1", "budget: 2"]);
    expect((await check(scenario)).verdict).toBe("SAFE");
  });
});

test("H2 in the unmap of Linux 6.0: hidden behind H1, which is nearer", async () => {
  const given = await check(named("pin-h2-listed"));
  expect([given.verdict, given.interleavings]).toEqual(["UAF", "given"]);
  const every = await check(named("pin-h2-listed"), { interleavings: "all" });
  expect(every.verdict).toBe("DEADLOCK");
  expect(every.schedule.length).toBeLessThan(given.schedule.length);
});

test("what is faulted in is pinned: nobody unpins it, and the kernel gives up", async () => {
  const scenario = changed(
    "pin-fault-in",
    ["consumer: vgpu", "consumer: vgpu-stubborn"],
    ["madvise: { start: 0, end: 1 }", "dma.unmap: { start: 0, end: 1, budget: 0 }"],
  );
  expect((await check(scenario)).verdict).toBe("FATAL");
});

describe("random schedules", () => {
  test.each(sound)("%s, which is %s, keeps every invariant", async (_name, _verdict, scenario) => {
    const { found } = await sample(scenario, { schedules: 60 });
    expect(found).toBeNull();
  });

  // S11: the step is the one of the driver that has unpinned too much, not of who suffers.
  test.each([
    ["pin-s2-remove-first", "LedgersAddUp"],
    ["pin-s2-detach-first", "NodesInMapping"],
    ["pin-s11-other", "LedgersAddUp"],
    ["pin-v1-unpin-first", "TranslationsArePinned"],
    ["pin-domain-unpin-first", "TranslationsArePinned"],
    ["pin-domain-unflushed", "TranslationsArePinned"],
    ["pin-unpins-late", "DevicesUsePinned"],
    ["pin-s4-stubborn", "DriversUnpinInTime"],
    ["pin-s5-release", "NoPinLeaks"],
    ["pin-s1-keep-lock", "NoDeadlock"],
    ["pin-h2-reread", "NoUseAfterFree"],
  ])("%s breaks %s first", async (name, invariant) => {
    const { found } = await sample(named(name), { schedules: 2_000 });
    expect(found?.invariant).toBe(invariant);
  });

  test("every broken scenario is found by chance, too", async () => {
    for (const [name, , scenario] of broken) {
      const { found } = await sample({ ...scenario, interleaving: [] }, { schedules: 4_000 });
      expect(found, name).not.toBeNull();
    }
  }, 120_000);
});

test("every operation and consumer is in a scenario, and every mutant is caught", () => {
  const { operations, consumers } = Catalogue.standard.parts;
  const inFiles = (list: typeof cases) =>
    list.map(([, , scenario]) => writeScenario(scenario)).join();
  const [all, bad] = [inFiles(cases), inFiles(broken)];
  for (const { name, mutant } of operations.filter(({ pins }) => pins === true)) {
    const isThere = [`${name}:`, ` ${name} `].some((text) => (mutant ? bad : all).includes(text));
    expect(isThere, name).toBe(true);
  }
  for (const { name, mutant } of consumers.filter(({ kind }) => kind === "pinning")) {
    expect((mutant ? bad : all).includes(`consumer: ${name} `), name).toBe(true);
  }
});

test("without such steps or consumers, images and machines are as they were", async () => {
  const machine = await Machine.create({ geometry: { cpus: 1 } });
  expect(machine.core.header[abi.H_ROWS] & abi.ROW_PINS).toBe(0);
  const isPin = (op: number) => op >= abi.OP_PINS_FIRST && op <= abi.OP_PINS_LAST;
  const ops = [...machine.image.code].filter((_, i) => i % 2 === 0).map((word) => word & 0xff);
  expect(ops.filter(isPin).map(opName)).toEqual([]);
});

test("in simulated time: a machine with such a consumer maps, pins and unmaps", async () => {
  const machine = await Machine.create({
    geometry: { cpus: 1, tasks: 1, mms: 1, devices: 1, levels: 2, indexBits: 3 },
    consumers: ["vgpu"],
  });
  const mm = machine.newMm();
  machine.mapNow(mm, 0, 4, 3);
  machine.place(0, machine.newTask(mm));
  machine.attach("vgpu", mm);
  const run = (name: string, args: Readonly<Record<string, number>>): void => {
    machine.submit(0, name, args);
    machine.advance();
  };
  const pages = { start: 0, end: 4 };
  run("dma.map", pages);
  run("dma.register", { device: 0 });
  run("pin", { device: 0, vpn: 2 });
  run("munmap", pages);
  expect(machine.counters().framesFreed).toBe(0);
  run("dma.unmap", { ...pages, budget: 10 });
  expect(machine.hazard).toBeNull();
  expect(machine.counters().framesFreed).toBe(1);
  machine.dispose();
});

describe("in simulated time, what is pinned", () => {
  interface Rig {
    readonly machine: Machine;
    readonly run: (name: string, args?: Readonly<Record<string, number>>, cpu?: number) => void;
  }

  async function rig(): Promise<Rig> {
    const machine = await Machine.create({
      geometry: { cpus: 2, tasks: 2, mms: 2, devices: 1, levels: 2, indexBits: 3 },
      consumers: ["vgpu"],
    });
    const mm = machine.newMm();
    machine.mapNow(mm, 0, 4, 3);
    machine.place(0, machine.newTask(mm));
    machine.attach("vgpu", mm);
    const run: Rig["run"] = (name, args = {}, cpu = 0) => {
      machine.submit(cpu, name, args);
      machine.advance();
    };
    return { machine, run };
  }

  test("is a page of its own: the zero page is replaced first", async () => {
    const { machine, run } = await rig();
    run("dma.map", { start: 0, end: 4 });
    run("dma.register", { device: 0 });
    run("populate.read", { start: 0, end: 4 });
    expect(machine.counters().framesAllocated).toBe(0);
    run("pin", { device: 0, vpn: 1 });
    expect(machine.counters().framesAllocated).toBe(1);
    machine.dispose();
  });

  test("is nothing once the mm that was mapped is gone, whoever has its row now", async () => {
    const { machine, run } = await rig();
    run("dma.map", { start: 0, end: 4 });
    run("dma.register", { device: 0 });
    run("exit");
    const next = machine.newMm();
    expect(next).toBe(0);
    machine.mapNow(next, 0, 4, 3);
    machine.place(1, machine.newTask(next));
    run("populate.write", { start: 0, end: 4 }, 1);
    run("pin", { device: 0, vpn: 1 }, 1);
    run("munmap", { start: 0, end: 4 }, 1);
    // Nobody holds a page: all four are free.
    expect(machine.counters().framesFreed).toBe(4);
    machine.dispose();
  });
});

test("devices that are not there", () => {
  const steps = [{ call: "dma.register", args: { device: 1 } }];
  const scenario = { ...named("pin-s1"), actors: [{ name: "T0", cpu: 0, steps }] };
  return expect(check(scenario)).rejects.toMatchObject({
    code: "E_LIMIT",
    details: { argument: "scenario.actors[0].steps[0].args.device" },
  });
});
