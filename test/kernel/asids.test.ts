/**
 * One ASID space for all CPUs: what it costs in simulated time, when it rolls over, and its races,
 * with three CPUs and with walks at any time as well.
 */
import { expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import {
  Catalogue,
  check,
  checkInvariants,
  type FlushPolicy,
  Machine,
  type Scenario,
  scenarioNamed,
} from "../../src/index.js";

const RW = 3;
const PAGE = 0x1000;
const RACES = [
  "asid-rollover",
  "asid-fast-path",
  "asid-twice",
  "asid-reserved",
  "asid-pinned",
  "asid-named",
];

/** CPU 0 forks `children`, one after the other; each runs there, reads a page, and exits. */
async function forks(children: number, cpus = 2): Promise<Machine> {
  const machine = await Machine.create({
    policy: "asids",
    profile: "arm-broadcast",
    geometry: { cpus, tasks: cpus + 1, mms: 8, frames: 4096, jobs: 16 },
  });
  const mm = machine.newMm();
  machine.mapNow(mm, PAGE, PAGE + 4, RW);
  for (let cpu = 0; cpu < cpus; cpu++) machine.place(cpu, machine.newTask(mm));
  const child = machine.newTask(null);
  machine.submit(0, "write", { vpn: PAGE });
  machine.submit(1, "load", { vpn: PAGE });
  for (let i = 0; i < children; i++) {
    machine.submit(0, "fork", { childTask: child + 1 });
    machine.submit(0, "run.child", { childTask: child + 1, vpn: PAGE });
    machine.advance();
  }
  expect(machine.counters().hazards).toBe(0);
  expect(checkInvariants(machine, { done: true })).toEqual([]);
  return machine;
}

test("255 processes have an ASID each, the 256th begins a new generation", async () => {
  // The parent has one as well.
  expect((await forks(254)).counters()).toMatchObject({ rollovers: 0, switchFlushes: 0 });
  const machine = await forks(255);
  const { rollovers, switchFlushes, ipis } = machine.counters();
  // The CPU that switches flushes; the other one has not switched since.
  expect({ rollovers, switchFlushes, ipis }).toEqual({ rollovers: 1, switchFlushes: 1, ipis: 0 });
  const { asidFlush, rollover } = Catalogue.standard.profile("arm-broadcast").prices;
  expect([asidFlush?.ns, rollover?.ns]).toEqual([300, 2000]);
});

test("it costs what the profile says, and the other CPU when it switches", async () => {
  const before = await forks(254);
  const after = await forks(255);
  const again = await forks(256);
  // Rounds are alike but for the rollover, the flush, and what has to be walked again.
  const round = again.now(0) - after.now(0);
  const walk = Catalogue.standard.profile("arm-broadcast").prices.walk?.ns ?? 0;
  const extra = after.now(0) - before.now(0) - round;
  expect(extra).toBeGreaterThanOrEqual(2300);
  expect(extra).toBeLessThanOrEqual(2300 + 4 * walk);
  const other = after.newMm();
  after.submit(1, "use.mm", { mm: other + 1 });
  after.advance();
  expect(after.counters()).toMatchObject({ rollovers: 1, switchFlushes: 2 });
  after.submit(1, "use.mm", { mm: 1 });
  after.submit(1, "use.mm", { mm: other + 1 });
  after.advance();
  expect(after.counters()).toMatchObject({ rollovers: 1, switchFlushes: 2 });
});

test("with more CPUs than 8 bits of ASIDs can reserve, ASIDs have 16 bits", async () => {
  const spaceOf = async (cpus: number) => {
    const machine = await Machine.create({ policy: "asids", geometry: { cpus } });
    return machine.core.header[abi.H_ASID_SPACE];
  };
  expect(await spaceOf(2)).toBe(255);
  expect(await spaceOf(254)).toBe(255);
  expect(await spaceOf(255)).toBe(65_535);
  expect(await spaceOf(1024)).toBe(65_535);
});

test("other machines have neither its rows nor its counter", async () => {
  const plain = await Machine.create({ policy: "broadcast" });
  const rolling = await Machine.create({ policy: "asids" });
  const bytes = (machine: Machine) =>
    machine.core.header[abi.H_STATE_END] - machine.core.header[abi.H_STATE_START];
  expect(plain.core.header[abi.H_ASID_SPACE]).toBe(0);
  expect(plain.core.header[abi.H_ROWS] & abi.ROW_ASIDS).toBe(0);
  expect(plain.counters().rollovers).toBe(0);
  expect(bytes(rolling)).toBeGreaterThan(bytes(plain));
});

test.each<[string, Partial<FlushPolicy>, RegExp]>([
  ["interrupts", { options: abi.OPT_TELL_ALL }, /needs broadcasts/],
  ["reclaim that batches", { batching: "checked" }, /cannot be combined/],
  ["global ASIDs", { options: abi.OPT_BROADCAST | abi.OPT_GLOBAL_ASIDS }, /cannot be combined/],
])("a policy with %s is refused", async (_what, parts, message) => {
  const policy = { ...Catalogue.standard.policy("asids"), ...parts, asids: "flushed" } as const;
  const error = await Machine.create({ policy }).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: "E_TYPE", details: { argument: "asids" } });
  expect(String(error)).toMatch(message);
});

test("as many ASIDs can be pinned as leave one for each CPU, and one more", async () => {
  const machine = await Machine.create({
    policy: "asids",
    geometry: { cpus: 2, tasks: 300, mms: 300, tables: 1024 },
  });
  const pinned = () => machine.core.u32[(machine.core.at(abi.H_OFF_ASIDS) >> 2) + 2];
  for (let i = 0; i < 300; i++) {
    machine.place(0, machine.newTask(machine.newMm()));
    machine.submit(0, "asid.pin");
    machine.advance();
  }
  expect(pinned()).toBe(255 - 2 - 1);
  expect(checkInvariants(machine, { done: true })).toEqual([]);
});

/** The same with a third CPU, which has used A, runs a process of its own, and comes back. */
function withThreeCpus(scenario: Scenario): Scenario {
  const { geometry, mms, setup, actors } = scenario;
  const n = mms.length;
  const use = (mm: number) => ({ call: "use.mm", args: { mm } });
  const load = { call: "load", args: { vpn: 0 } };
  return {
    ...scenario,
    name: `${scenario.name}-3`,
    geometry: {
      ...geometry,
      mms: n + 1,
      asids: (geometry.asids ?? 0) + 1,
      tables: (geometry.tables ?? 0) + 1,
    },
    mms: [...mms, mms[0]],
    threads: [0, 0, 0],
    setup: [...setup, { name: "CPU2", cpu: 2, steps: [load, use(n + 1)] }],
    actors: [...actors, { name: "CPU2 to A", cpu: 2, steps: [use(1), load] }],
  };
}

function withWalks(scenario: Scenario): Scenario {
  return {
    ...scenario,
    name: `${scenario.name}-walks`,
    geometry: { ...scenario.geometry, pwcEntries: 1 },
    watch: [{ mm: 0, vpn: 0 }],
    assume: { speculativeWalks: true },
  };
}

/** Its broken variants, and what they lead to. */
function brokenIn(scenario: Scenario): [string, string][] {
  return Object.entries(scenario.expectPolicy ?? {}).filter(([name]) => name.startsWith("asids-"));
}

test.each(RACES)("%s: safe with three CPUs, and with walks at any time", async (name) => {
  const scenario = scenarioNamed(name);
  const three = withThreeCpus(scenario);
  for (const policy of ["asids", "riscv-asids"]) {
    for (const one of [three, withWalks(scenario)]) {
      const { verdict, states } = await check(one, { policy });
      console.log(`${one.name} ${policy}: ${states} states`);
      expect(`${one.name} ${policy} ${verdict}`).toBe(`${one.name} ${policy} SAFE`);
    }
  }
  expect(brokenIn(scenario).length).toBeGreaterThan(0);
  for (const [policy, expected] of brokenIn(scenario)) {
    const { schedule, verdict } = await check(three, { policy });
    expect(`${policy} ${verdict}`).toBe(`${policy} ${expected}`);
    expect(schedule.length).toBeGreaterThan(0);
  }
});

test.each(RACES)("%s: a reduced search finds what the plain one finds", async (name) => {
  const scenario = scenarioNamed(name);
  for (const policy of ["asids", ...brokenIn(scenario).map(([broken]) => broken)]) {
    const plain = await check(scenario, { policy });
    const reduced = await check(scenario, { policy, reduction: "partial-order" });
    expect(`${policy} ${reduced.verdict}`).toBe(`${policy} ${plain.verdict}`);
    expect(reduced.schedule.length).toBeGreaterThanOrEqual(plain.schedule.length);
  }
});
