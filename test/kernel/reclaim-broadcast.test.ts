/**
 * A reclaim batch on hardware that broadcasts is one request for whatever mm a CPU holds, loaded or
 * not (shootdown.md 1.8): it names no mm, so none may be looked up for it.
 */
import { describe, expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { BASE } from "../../src/core/core.js";
import { MM } from "../../src/core/layout.js";
import {
  Catalogue,
  check,
  type FlushPolicy,
  Machine,
  type Scenario,
  scenarioNamed,
} from "../../src/index.js";
import { exploredMachine } from "../../src/drivers/explored-machine.js";
import { View } from "../../src/invariants/view.js";

/** CPU1 holds A under a slot that is not loaded, and runs another mm. */
const switchedAway: Scenario = {
  name: "switched-away",
  title: "a page is reclaimed that a CPU holds under a slot which is not loaded",
  source: "shootdown.md 1.8",
  story: ["CPU1 has used A and runs another mm", "T0 reclaims A", "CPU1 comes back and reads A"],
  geometry: { frames: 4, tables: 4, mms: 2, indexBits: 1, asids: 3, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 1, prot: 3 }] }, { vmas: [] }],
  threads: [0, 0],
  devices: [],
  setup: [
    { name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] },
    {
      name: "T1",
      cpu: 1,
      steps: [
        { call: "read", args: { vpn: 0 } },
        { call: "use.mm", args: { mm: 2 } },
      ],
    },
  ],
  actors: [
    { name: "T0 reclaims A", cpu: 0, steps: [{ call: "reclaim", args: { start: 0, end: 1 } }] },
    {
      name: "T1 comes back",
      cpu: 1,
      steps: [
        { call: "use.mm", args: { mm: 1 } },
        { call: "load", args: { vpn: 0 } },
      ],
    },
  ],
  expect: { "*": { "*": "SAFE" } },
};

const BATCHING = Catalogue.standard.parts.policies.filter(
  ({ batching, mutant }) => batching !== undefined && !mutant,
);

describe("a reclaim batch", () => {
  test.each(BATCHING.map(({ name }) => name))("%s: every interleaving is safe", async (policy) => {
    for (const scenario of [switchedAway, scenarioNamed("write-out")]) {
      const { verdict, states } = await check(scenario, { policy });
      console.log(`${scenario.name} ${policy}: ${states} states`);
      expect(`${scenario.name} ${verdict}`).toBe(`${scenario.name} SAFE`);
    }
  });

  test("that nobody waits for is caught", async () => {
    const policy: FlushPolicy = {
      ...Catalogue.standard.policy("broadcast-no-sync"),
      name: "batched-no-sync",
      batching: "checked",
      options: abi.OPT_BROADCAST | abi.OPT_BATCH,
    };
    const catalogue = Catalogue.standard.with({ policies: [policy] });
    const result = await check("write-out", { policy: policy.name, catalogue });
    expect(result.verdict).toBe("UAF");
  });

  test("drops what a slot holds that is not loaded, and the slot catches up", async () => {
    const parts = { era: "coupled", policy: "broadcast-batched", consumer: "sharing" };
    const machine = await exploredMachine(switchedAway, parts, Catalogue.standard, 0);
    const view = new View(machine.core);
    const row = machine.core.mm(0);
    const ctxId = machine.core.read(MM, row, "ctxId");
    const held = () => [0, 1].map((cpu) => view.tlb(cpu).length);
    const slot = () => [0, 1, 2].map((i) => view.slot(1, i)).find((one) => one.ctxId === ctxId);
    expect(held()).toEqual([1, 1]);
    const before = slot()!.tlbGen;
    // Only T0 runs; between its steps each CPU applies what is broadcast.
    const applies = 2 + 2 * machine.geometry.watch;
    for (let steps = 0; machine.core.x.machineStep(BASE, 0, 0) !== abi.ST_IDLE; steps++) {
      for (const cpu of [0, 1]) machine.core.x.machineStep(BASE, cpu, applies);
      expect(steps).toBeLessThan(200);
    }
    expect(held()).toEqual([0, 0]);
    expect(slot()!.tlbGen).toBe(machine.core.read(MM, row, "tlbGen"));
    expect(slot()!.tlbGen).toBe(before + 1);
    machine.dispose();
  });

  test("costs one broadcast, however many pages", async () => {
    const broadcasts = async (policy: string, pages: number): Promise<number> => {
      const machine = await Machine.create({
        policy,
        profile: "arm-broadcast",
        geometry: { cpus: 2, tasks: 2, mms: 1, devices: 0 },
      });
      const mm = machine.newMm();
      machine.mapNow(mm, 0x1000, 0x1000 + pages, 3);
      for (const cpu of [0, 1]) machine.place(cpu, machine.newTask(mm));
      machine.submit(1, "populate.write", { start: 0x1000, end: 0x1000 + pages });
      machine.submit(0, "populate.write", { start: 0x1000, end: 0x1000 + pages });
      machine.submit(0, "reclaim", { start: 0x1000, end: 0x1000 + pages }, { at: 10_000_000 });
      expect(machine.advance()).toBe("idle");
      expect(machine.counters().hazards).toBe(0);
      const base = machine.core.at(abi.H_OFF_COUNTER) + abi.CT_WORDS * 8;
      return machine.core.readU64(base + abi.CT_BROADCAST * 8);
    };
    expect(await broadcasts("broadcast-batched", 8)).toBe(1);
    expect(await broadcasts("broadcast-issued", 8)).toBe(8);
    expect(await broadcasts("broadcast", 8)).toBe(8);
  });
});
