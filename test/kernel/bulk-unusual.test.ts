/**
 * Shootdowns in one go (assembly/bulk.ts) against the same ones decoded, in what random loads
 * hardly ever come to: a CPU that is not as usual as it looks.
 */
import { describe, expect, it } from "vitest";
import { Catalogue, type CostProfile, Machine, op, operation, when, whilst } from "shootdown";
import * as abi from "../../src/core/abi.js";
import { CPU } from "../../src/core/layout.js";
import { compare, type Slice } from "./bulk-compare.js";

describe("a request is decoded when a CPU", () => {
  const PAGE = 0x1000;
  const { profiles } = Catalogue.standard.parts;
  const [haswell] = profiles.filter(({ name }) => name === "haswell-2019");
  /** As memory reclaim does: for the first mm, on a CPU that may run another one. */
  const reclaim = operation(
    "test-reclaim",
    ["start", "end", "ns"],
    { summary: "flushes, `ns` after it began the request", source: "test", settles: "none" },
    (kit, { start, end, ns }) => [
      kit.regs.scope(["mm"], (mm) => [kit.set(mm, 1), op("ctx.mm", { a: mm })]),
      op("flush.prep", { a: start, b: end }),
      op("delay", { a: ns }),
      when(op("flush.others"), kit.policy.shootdown),
      op("flush.done"),
    ],
  );
  const reclaimAtOnce = operation(
    "test-reclaim-at-once",
    ["start", "end"],
    { summary: "flushes the first mm", source: "test", settles: "none" },
    (kit, { start, end }) => [
      kit.regs.scope(["mm"], (mm) => [kit.set(mm, 1), op("ctx.mm", { a: mm })]),
      kit.flush(start, end),
    ],
  );
  /** A request that nobody waits for. */
  const unwaited = operation(
    "test-unwaited",
    ["start", "end"],
    { summary: "sends, and goes on", source: "test", settles: "none" },
    (_, { start, end }) => [
      op("flush.prep", { a: start, b: end }),
      when(op("flush.others"), [whilst(op("csd.send"), []), op("ipi.send"), op("flush.local")]),
      op("flush.done"),
    ],
  );
  const nested = operation(
    "test-nested",
    ["start", "end"],
    { summary: "a request within another one", source: "test", settles: "none" },
    (kit, { start, end }) => [op("flush.prep", { a: start, b: end }), kit.flush(start, end)],
  );
  const nestedLater = operation(
    "test-nested-later",
    ["start", "end"],
    { summary: "the same when all have flushed", source: "test", settles: "none" },
    (kit, { start, end }) => [
      op("flush.prep", { a: start, b: end }),
      when(op("flush.others"), kit.policy.shootdown),
      kit.flush(start, end),
    ],
  );
  const bare = operation(
    "test-bare",
    ["start", "end"],
    { summary: "a request", source: "test", settles: "none" },
    (kit, { start, end }) => [kit.flush(start, end)],
  );
  const shut = operation(
    "test-shut",
    [],
    { summary: "waits for a signal with interrupts off", source: "test", settles: "none" },
    () => [op("irq.off"), op("await", { imm: 1, slot: 1 }), op("irq.on")],
  );
  const signal = operation(
    "test-signal",
    [],
    { summary: "lets it go on", source: "test", settles: "none" },
    () => [op("signal", { imm: 1 })],
  );
  const nests = [nested, nestedLater];
  const operations = [reclaim, reclaimAtOnce, unwaited, ...nests, bare, shut, signal];
  const catalogue = Catalogue.standard.with({ operations });

  /** CPU 1 ran the first mm once, and runs the second one now. */
  function sendElsewhere(machine: Machine): void {
    machine.bindTask(4, machine.newMm());
    machine.place(1, 4);
  }

  /** Of the first mm; CPU 0 is one of them. */
  async function machineOf(
    cpus: number,
    prices: Record<string, number>,
    policy: string,
  ): Promise<Machine> {
    const priced: CostProfile["prices"] = Object.fromEntries(
      Object.entries(prices).map(([name, ns]) => [name, { ns, source: "test" }]),
    );
    const profile = { ...haswell, prices: { ...haswell.prices, ...priced } };
    const machine = await Machine.create({
      catalogue,
      policy,
      profile,
      geometry: { cpus, tasks: 6, mms: 2, devices: 0, frames: 256, tables: 16, vmas: 8 },
    });
    const mm = machine.newMm();
    machine.mapNow(mm, PAGE, PAGE + 8, 3);
    for (let cpu = 0; cpu < cpus; cpu++) machine.place(cpu, machine.newTask(mm));
    for (let cpu = 0; cpu < cpus; cpu++) machine.newTask(null);
    return machine;
  }

  interface Compared {
    readonly again: boolean;
    readonly cpus: number;
    readonly policy: string;
    readonly slice: Slice;
  }

  /** `isQueued`: the last job of CPU 0 is queued while the others are done, not after them. */
  async function differenceOf(
    prices: Record<string, number>,
    prepare: (machine: Machine) => void,
    { again, cpus, policy, slice }: Compared,
    isQueued: boolean,
  ): Promise<string> {
    const machines = [await machineOf(cpus, prices, policy), await machineOf(cpus, prices, policy)];
    const [whole, decoded] = machines;
    decoded.core.header[abi.H_SHORTCUTS] = 0;
    const range = { start: PAGE, end: PAGE + 1 };
    const submitLast = (machine: Machine): void => {
      machine.submit(0, "madvise", range, { at: 100_000, task: 0 });
    };
    for (const machine of machines) {
      machine.submit(0, "write", { vpn: PAGE });
      prepare(machine);
      if (isQueued) submitLast(machine);
    }
    const first = compare(whole, decoded, slice);
    if (first !== "") return first;
    if (!isQueued) {
      machines.forEach(submitLast);
      const last = compare(whole, decoded, slice);
      if (last !== "") return `last job: ${last}`;
    }
    for (const machine of again ? machines : []) {
      machine.submit(0, "write", { vpn: PAGE }, { at: 9_000_000, task: 0 });
      machine.submit(0, "madvise", range, { at: 9_000_000, task: 0 });
    }
    return compare(whole, decoded, [Infinity, Infinity]);
  }

  /**
   * `again`: two more jobs when all of that is over. An initiator that has more to do is not taken
   * for one of two threads that only shoot, so all of that comes twice.
   */
  async function expectSame(
    prices: Record<string, number>,
    prepare: (machine: Machine) => void,
    again = true,
    cpus = 3,
    policy = "concurrent",
    slice: Slice = [Infinity, Infinity],
  ): Promise<void> {
    for (const isQueued of [true, false]) {
      const compared = { again, cpus, policy, slice };
      const difference = await differenceOf(prices, prepare, compared, isQueued);
      expect(difference, isQueued ? "queued" : "not queued").toBe("");
    }
  }

  it("is in the middle of a context switch", async () => {
    await expectSame({ "sw.unlazy": 1_000_000 }, (machine) => {
      machine.submit(2, "switch", { next: 5 });
      machine.submit(2, "switch", { next: 2 }, { at: 10_000 });
    });
  });

  it("is between two address spaces", async () => {
    await expectSame({ "sw.gen": 1_000_000 }, (machine) => {
      const other = machine.newMm();
      machine.bindTask(5, other);
      machine.submit(2, "switch", { next: 5 }, { at: 10_000 });
    });
  });

  it("was not told yet of a request that its initiator has caught up with", async () => {
    await expectSame({}, (machine) => {
      sendElsewhere(machine);
      const range = { start: PAGE, end: PAGE + 1, ns: 1_000_000 };
      machine.submit(1, "test-reclaim", range, { at: 5_000 });
      machine.submit(0, "switch", { next: 3 }, { at: 10_000 });
      machine.submit(0, "switch", { next: 0 }, { at: 20_000 });
    });
  });

  it("initiates it for an address space it does not run", async () => {
    await expectSame({}, (machine) => {
      sendElsewhere(machine);
      // The generations of both are the same now, so that it could be mistaken.
      const range = { start: PAGE, end: PAGE + 1 };
      machine.submit(1, "test-reclaim-at-once", range, { at: 50_000 });
    });
  });

  it("has done work that ends after the interrupt arrives", async () => {
    await expectSame({ walk: 200_000 }, (machine) => {
      for (let page = 1; page < 5; page++) {
        machine.submit(2, "write", { vpn: PAGE + page }, { at: 10_000 });
      }
    });
  });

  it("has interrupts off", async () => {
    await expectSame({}, (machine) => {
      machine.submit(2, "test-shut", {}, { at: 10_000 });
      machine.submit(1, "test-signal", {}, { at: 900_000 });
    });
  });

  it.each([
    ["test-nested", 2],
    ["test-nested", 3],
    ["test-nested-later", 2],
    ["test-nested-later", 3],
  ])("has a request already: %s, %i CPUs", async (name, cpus) => {
    const prepare = (machine: Machine): void => {
      machine.submit(0, name, { start: PAGE, end: PAGE + 1 }, { at: 50_000 });
    };
    await expectSame({}, prepare, false, cpus);
  });

  it.each([2, 3])("initiates it while a context switch is to come, of %i", async (cpus) => {
    for (let ahead = 0; ahead < 1_000; ahead += 100) {
      const prepare = (machine: Machine): void => {
        machine.submit(0, "test-bare", { start: PAGE, end: PAGE + 1 }, { at: 50_000 });
        machine.submit(0, "switch", { next: cpus }, { at: 50_000 + ahead });
        machine.submit(0, "switch", { next: 0 }, { at: 60_000 });
      };
      await expectSame({}, prepare, true, cpus);
    }
  });

  it.each([2, 3])("is stopped in the middle of it, of %i", async (cpus) => {
    const prepare = (machine: Machine): void => {
      for (let n = 0; n < 2; n++) {
        machine.submit(0, "test-bare", { start: PAGE, end: PAGE + 1 }, { at: 50_000 });
      }
    };
    const priced: readonly Record<string, number>[] = [{}, { end: 300 }, { ack: 300 }];
    for (const prices of priced) {
      for (let k = 1; k < 24; k++) {
        for (const slice of [[Infinity, k] as const, [50_000 + k * 61, Infinity] as const]) {
          await expectSame(prices, prepare, false, cpus, "concurrent", slice);
        }
      }
    }
  });

  it.each([2, 3])("has a huge page, of %i", async (cpus) => {
    const prepare = (machine: Machine): void => {
      const huge = 0x4000;
      machine.mapNow(0, huge, huge + 512, 3);
      machine.submit(0, "fault.huge", { vpn: huge }, { at: 20_000 });
      for (let cpu = 0; cpu < cpus; cpu++) {
        machine.submit(cpu, "load", { vpn: huge + 5 }, { at: 40_000 });
      }
      machine.submit(0, "test-bare", { start: huge + 5, end: huge + 6 }, { at: 70_000 });
    };
    await expectSame({}, prepare, true, cpus);
  });

  it.each([2, 3])("has been asked for other ranges, of %i", async (cpus) => {
    for (const pages of [2, 3, 33, 34]) {
      const prepare = (machine: Machine): void => {
        machine.submit(1, "write", { vpn: PAGE + 1 }, { at: 20_000 });
        for (const end of [1, pages, 1, pages]) {
          machine.submit(0, "test-bare", { start: PAGE, end: PAGE + end }, { at: 50_000 });
        }
      };
      await expectSame({}, prepare, true, cpus);
    }
  });

  it.each([2, 3])("is asked for everything, or to forget a table, of %i", async (cpus) => {
    const prepare = (machine: Machine): void => {
      const range = { start: PAGE + 512, end: PAGE + 513 };
      machine.mapNow(0, range.start, range.end, 3);
      for (let cpu = 0; cpu < cpus; cpu++) {
        machine.submit(cpu, "write", { vpn: range.start }, { at: 20_000 });
      }
      machine.submit(0, "madvise", range, { at: 70_000 });
      machine.submit(0, "munmap", range, { at: 80_000 });
    };
    for (const policy of ["concurrent", "full-only"]) {
      await expectSame({}, prepare, true, cpus, policy);
    }
  });

  it.each([2, 3])("is offline, although it is in the mask, of %i", async (cpus) => {
    const prepare = ({ core }: Machine): void => core.write(CPU, core.cpu(1), "online", 0);
    await expectSame({}, prepare, true, cpus);
  });

  it.each([
    ["tell-lazy", 2],
    ["tell-lazy", 3],
    ["tell-all", 3],
    ["concurrent", 2],
    ["concurrent", 3],
  ])("is lazy: %s, %i CPUs", async (policy, cpus) => {
    const prepare = (machine: Machine): void => machine.submit(1, "idle", {}, { at: 10_000 });
    await expectSame({}, prepare, true, cpus, policy);
  });

  it("runs something else, and is told all the same", async () => {
    await expectSame({}, sendElsewhere, true, 3, "tell-all");
  });

  it.each([2, 3])(
    "initiates it before an earlier one is acknowledged, of %i CPUs",
    async (cpus) => {
      const prepare = (machine: Machine): void => {
        const range = { start: PAGE, end: PAGE + 1 };
        machine.submit(0, "test-unwaited", range, { at: 50_000 });
      };
      await expectSame({ ack: 5_000_000 }, prepare, true, cpus);
    },
  );

  it.each([2, 3])("initiates it where prices are too high to be added up, of %i", async (cpus) => {
    const high = ["flush.prep", "flush.others", "ipi.send", "deliver", "csq.take"];
    await expectSame(Object.fromEntries(high.map((name) => [name, 1e9])), () => {}, true, cpus);
  });

  it("has other prices than the last time", async () => {
    const prepare = (machine: Machine): void => {
      machine.submit(0, "madvise", { start: PAGE, end: PAGE + 1 }, { at: 10_000 });
      machine.advance();
      const costs = machine.core.at(abi.H_OFF_COST) / 4;
      machine.core.u32[costs + abi.COST_DELIVER] += 1_000;
      machine.core.u32[costs + abi.OP_CSD_RUN] += 100;
    };
    await expectSame({}, prepare, true, 2);
  });

  it("initiates it in lazy mode", async () => {
    const prepare = (machine: Machine): void => {
      machine.submit(0, "idle", {}, { at: 50_000 });
      machine.submit(1, "write", { vpn: PAGE + 1 }, { at: 120_000 });
      const range = { start: PAGE + 1, end: PAGE + 2 };
      machine.submit(1, "madvise", range, { at: 160_000 });
    };
    await expectSame({}, prepare, false);
  });
});
