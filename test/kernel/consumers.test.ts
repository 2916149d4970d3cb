/** Consumers from parameters: what notifications cost, what guests see, what is refused. */
import { describe, expect, test } from "vitest";
import {
  Catalogue,
  type Consumer,
  isShootdownError,
  Machine,
  mirroringConsumer,
  op,
  operation,
  type Operation,
  sharingConsumer,
} from "../../src/index.js";
import { DEVICE_MORE } from "../../src/core/layout.js";

const TEXTS = { title: "for tests only", source: "for tests only" };
const catalogue = Catalogue.standard;
const { prices } = catalogue.profile("haswell-2019");

/** Two CPUs and a device; pages 16 to 31 are mapped, used by CPU 0, and read by the device. */
async function machineOf(consumer: Consumer, prot = 3): Promise<{ machine: Machine; dev: number }> {
  const isKnown = catalogue.parts.consumers.includes(consumer);
  const machine = await Machine.create({
    catalogue: isKnown ? catalogue : catalogue.with({ consumers: [consumer] }),
    consumers: [consumer.name],
    record: [],
  });
  const mm = machine.newMm();
  machine.mapNow(mm, 16, 32, prot);
  machine.place(0, machine.newTask(mm));
  machine.place(1, machine.newTask(null));
  const dev = machine.attach(consumer.name, mm);
  for (let vpn = 16; vpn < 32; vpn++) machine.submit(0, prot === 1 ? "read" : "write", { vpn });
  machine.advance();
  for (let vpn = 16; vpn < 32; vpn++) {
    machine.submitAccess(dev, consumer.name, vpn, false, machine.now(0));
  }
  machine.advance();
  return { machine, dev };
}

/** ns that one munmap of so many pages takes for the device, and for its caller. */
async function costOf(consumer: Consumer, pages: number): Promise<[number, number]> {
  const { machine } = await machineOf(consumer);
  const from = machine.now(0);
  machine.submit(0, "munmap", { start: 16, end: 16 + pages });
  machine.advance();
  expect(machine.hazard).toBe(null);
  const took = machine.now(0) - from;
  const { deviceNs } = machine.counters();
  machine.dispose();
  return [deviceNs, took];
}

const ns = (name: keyof typeof prices): number => prices[name]?.ns ?? 0;

describe("what a notification costs", () => {
  const commands = ns("iommuCommand") + ns("iommuSync");

  test.each([
    ["iommuv2", commands],
    ["sva-intel", commands + ns("atcInvalidate")],
    ["smmu", commands + ns("atcInvalidate")],
    ["ocxl", 4 * ns("mmioPage")],
    ["sharing", ns("devZap")],
  ])("%s: %d ns for four pages", async (name, expected) => {
    expect(expected).toBeGreaterThan(0);
    expect((await costOf(catalogue.consumer(name), 4))[0]).toBe(expected);
  });

  test("ocxl pays for every page, the others once", async () => {
    const one = await costOf(catalogue.consumer("ocxl"), 1);
    const eight = await costOf(catalogue.consumer("ocxl"), 8);
    expect(eight[0]).toBe(8 * one[0]);
    const other = catalogue.consumer("iommuv2");
    expect((await costOf(other, 8))[0]).toBe((await costOf(other, 1))[0]);
  });

  test("who notifies waits for it", async () => {
    const gpu = sharingConsumer({ ...TEXTS, name: "gpu", price: "gpu" });
    const zap = sharingConsumer({ ...TEXTS, name: "zap", price: "zap" });
    const [ofGpu, ofZap] = [await costOf(gpu, 4), await costOf(zap, 4)];
    expect(ofGpu[0]).toBe(ns("gpuInvalidate"));
    expect(ofZap[0]).toBe(ns("devZap"));
    expect(ofGpu[1] - ofZap[1]).toBe(ofGpu[0] - ofZap[0]);
  });

  test("everything, page by page, takes a second at most", async () => {
    const { machine } = await machineOf(catalogue.consumer("ocxl"));
    machine.submit(0, "fork", { childTask: machine.newTask(null) + 1 });
    machine.advance();
    expect(machine.counters().deviceNs).toBe(1e9);
  });
});

/** The kernel tells secondary TLBs of a range, whatever it is. */
function telling(name: string, from: number, to: number): Operation {
  const texts = { summary: "for tests only", source: "for tests only", settles: "none" } as const;
  return operation(name, [], texts, (kit) => [
    op("mmap.read.lock"),
    kit.regs.scope(["from", "to"], (start, end) => [
      kit.set(start, from),
      kit.set(end, to),
      kit.notifySecondary(start, end),
    ]),
    op("mmap.read.unlock"),
  ]);
}

describe("what is told, and what a driver makes of it", () => {
  const TOLD: readonly (readonly [string, number, number])[] = [
    ["a page", 1025, 1026],
    ["everything", 0, Infinity],
    ["the gather's pair", Infinity, Infinity],
    ["an empty range", 1025, 1025],
    ["511 pages", 1030, 1030 + 511],
    ["512 pages", 1030, 1030 + 512],
  ];
  const operations = TOLD.map(([name, from, to]) => telling(name, from, to));
  const wide = catalogue.with({
    operations,
    consumers: (["page", "page-or-all", "blocks", "all"] as const).flatMap((granularity) => [
      sharingConsumer({ ...TEXTS, name: granularity, granularity }),
      sharingConsumer({ ...TEXTS, name: `${granularity}, else`, granularity, emptyMeans: "all" }),
      sharingConsumer({
        ...TEXTS,
        name: `${granularity}, large`,
        granularity,
        largeMeansAll: true,
      }),
    ]),
  });

  /** How many of the eight pages from 1024 on are left, and whether anything was sent. */
  async function leftBehind(consumer: string, call: string): Promise<string> {
    const machine = await Machine.create({ catalogue: wide, consumers: [consumer] });
    const mm = machine.newMm();
    machine.mapNow(mm, 1024, 1032, 3);
    machine.place(0, machine.newTask(mm));
    const dev = machine.attach(consumer, mm);
    const readAll = (): void => {
      for (let vpn = 1024; vpn < 1032; vpn++) {
        machine.submitAccess(dev, consumer, vpn, false, machine.now(0));
      }
      machine.advance();
    };
    for (let vpn = 1024; vpn < 1032; vpn++) machine.submit(0, "write", { vpn });
    machine.advance();
    readAll();
    const { deviceMisses } = machine.counters();
    machine.submit(0, call, {});
    machine.advance();
    readAll();
    const left = 8 - (machine.counters().deviceMisses - deviceMisses);
    const isSent = machine.counters().deviceNs > 0;
    machine.dispose();
    return `${left}${isSent ? "" : " unsent"}`;
  }

  test.each([
    ["page", "7 0 8 unsent 8 unsent 6 6"],
    ["page, else", "7 0 0 0 6 6"],
    ["page, large", "7 0 8 unsent 8 unsent 6 0"],
    ["page-or-all", "7 0 8 unsent 0 0 0"],
    ["page-or-all, else", "7 0 0 0 0 0"],
    ["page-or-all, large", "7 0 8 unsent 0 0 0"],
    ["blocks", "7 0 8 unsent 8 unsent 0 0"],
    ["blocks, else", "7 0 0 0 0 0"],
    ["all", "0 0 0 0 0 0"],
    ["all, else", "0 0 0 0 0 0"],
    ["all, large", "0 0 0 0 0 0"],
  ])(
    "%s: %s",
    async (consumer, expected) => {
      const found: string[] = [];
      for (const [call] of TOLD) found.push(await leftBehind(consumer, call));
      expect(found.join(" ")).toBe(expected);
    },
    60_000,
  );
});

describe("what a notification drops", () => {
  /** Pages of 16 to 31 that the device has still cached behind an munmap. */
  async function kept(consumer: Consumer, start: number, end: number): Promise<number[]> {
    const { machine, dev } = await machineOf(consumer);
    machine.submit(0, "munmap", { start, end });
    machine.advance();
    const left: number[] = [];
    for (let vpn = 16; vpn < 32; vpn++) {
      const before = machine.counters().deviceMisses;
      machine.submitAccess(dev, consumer.name, vpn, false, machine.now(0));
      machine.advance();
      if (machine.counters().deviceMisses === before) left.push(vpn);
    }
    expect(machine.hazard).toBe(null);
    return left;
  }
  const span = (from: number, to: number): number[] =>
    Array.from({ length: to - from }, (_, i) => from + i);

  test("page by page: what was unmapped", async () => {
    expect(await kept(catalogue.consumer("ocxl"), 19, 21)).toEqual([
      ...span(16, 19),
      ...span(21, 32),
    ]);
  });

  test("one page or everything", async () => {
    const consumer = catalogue.consumer("iommuv2");
    expect(await kept(consumer, 19, 20)).toEqual([...span(16, 19), ...span(20, 32)]);
    expect(await kept(consumer, 19, 21)).toEqual([]);
  });

  test("blocks of 2^n pages that cover the range", async () => {
    const blocks = sharingConsumer({ ...TEXTS, name: "blocks", granularity: "blocks" });
    // Two pages that no block of two holds: both blocks. Three pages: blocks of four.
    expect(await kept(blocks, 19, 21)).toEqual([16, 17, ...span(22, 32)]);
    expect(await kept(blocks, 18, 21)).toEqual(span(24, 32));
  });
});

describe("a write to a page that is cached read-only", () => {
  /** Faults of a write behind a read, an upgrade the IOTLB has heard of, and the CPU's write. */
  async function faultsOf(atc: boolean): Promise<number> {
    const consumer = sharingConsumer({
      ...TEXTS,
      name: "read-only",
      snoops: true,
      cachesReadOnly: true,
      ...(atc ? { atc: true, tellsAtc: false } : {}),
    });
    const { machine, dev } = await machineOf(consumer, 1);
    machine.submit(0, "mprotect", { start: 16, end: 17, prot: 3 });
    machine.submit(0, "write", { vpn: 16 });
    machine.advance();
    machine.submitAccess(dev, consumer.name, 16, true, machine.now(0));
    machine.advance();
    expect(machine.hazard).toBe(null);
    return machine.counters().deviceFaults;
  }

  test("is refused by the device's own cache, whatever the IOTLB has dropped", async () => {
    expect(await faultsOf(true)).toBe(1);
    expect(await faultsOf(false)).toBe(0);
  });
});

describe("guests", () => {
  test("have no pfn cache any more when their mm is gone", async () => {
    const consumer = catalogue.consumer("kvm-pfn-cache");
    const { machine, dev } = await machineOf(consumer);
    const { core } = machine;
    const cache = () => core.read(DEVICE_MORE, core.deviceMore(dev), "gpcTag");
    expect(cache()).not.toBe(0);
    machine.submit(0, "exit");
    machine.advance();
    expect(cache()).toBe(0);
    expect(machine.hazard).toBe(null);
  });

  test("see the pages of their memslot, and no others", async () => {
    const kvm = catalogue.consumer("kvm");
    const { machine, dev } = await machineOf(kvm);
    machine.submit(0, "memslot.set", { start: 20, end: 24, guest: 2, device: dev });
    machine.advance();
    for (const [guest, faults] of [
      [1, 1],
      [2, 1],
      [5, 1],
      [6, 2],
    ]) {
      machine.submitAccess(dev, kvm.name, guest, true, machine.now(0));
      machine.advance();
      expect(machine.counters().deviceFaults, `guest page ${guest}`).toBe(faults);
    }
    // A bracket that hits no slot zaps nothing, one that does zaps what it names.
    const { deviceZaps } = machine.counters();
    machine.submit(0, "madvise", { start: 28, end: 30 });
    machine.advance();
    expect(machine.counters().deviceZaps).toBe(deviceZaps);
    machine.submit(0, "madvise", { start: 23, end: 30 });
    machine.advance();
    expect(machine.counters().deviceZaps).toBe(deviceZaps + 1);
    expect(machine.hazard).toBe(null);
  });

  test("without parameters a mirroring consumer is the one of the library", () => {
    const { title, source } = catalogue.consumer("mirroring");
    const own = mirroringConsumer({ name: "mirroring", title, source });
    expect(own.hooks).toEqual(catalogue.consumer("mirroring").hooks);
  });
});

describe("parameters that are refused", () => {
  function refusal(call: () => unknown): object {
    try {
      call();
    } catch (error) {
      if (isShootdownError(error)) return { code: error.code, ...error.details };
      throw error;
    }
    throw new Error("expected a refusal");
  }
  const sharing = (more: object) => () => sharingConsumer({ ...TEXTS, name: "wrong", ...more });

  test.each([
    ["a granularity", { granularity: "toString" }, "E_TYPE", "granularity"],
    ["what empty means", { emptyMeans: "maybe" }, "E_TYPE", "emptyMeans"],
    ["a price", { price: 5 }, "E_TYPE", "price"],
    ["messages to no cache", { tellsAtc: false }, "E_TYPE", "tellsAtc"],
    ["no retries at all", { retriesMost: 0 }, "E_LIMIT", "retriesMost"],
    ["half a retry", { retriesMost: 0.5 }, "E_LIMIT", "retriesMost"],
    ["too many retries", { retriesMost: 2 ** 32 }, "E_LIMIT", "retriesMost"],
  ])("%s", (_what, more, code, argument) => {
    expect(refusal(sharing(more))).toMatchObject({ code, argument });
  });

  test.each([
    [{ check: "later" }, "check"],
    [{ snapshot: "never" }, "snapshot"],
    [{ zaps: "" }, "zaps"],
    [{ endsWith: "lock" }, "endsWith"],
    [{ looksAt: "clock" }, "looksAt"],
    [{ pfnCache: { key: "any" } }, "pfnCache.key"],
  ])("%j", (more, argument) => {
    const call = () => mirroringConsumer({ ...TEXTS, name: "wrong", ...(more as object) });
    expect(refusal(call)).toMatchObject({ code: "E_TYPE", argument });
  });

  test("retries of a pfn cache", () => {
    const pfnCache = { key: "active", retriesMost: -1 } as const;
    const call = () => mirroringConsumer({ ...TEXTS, name: "wrong", pfnCache });
    expect(refusal(call)).toMatchObject({ code: "E_LIMIT", argument: "retriesMost" });
  });
});

test.each(["device.bind", "device.unbind"])("%s of a device that is not there", async (name) => {
  const geometry = { cpus: 2, devices: 1 };
  using machine = await Machine.create({ consumers: ["iommuv2"], geometry });
  const mm = machine.newMm();
  machine.place(0, machine.newTask(mm));
  machine.attach("iommuv2", mm);
  machine.submit(0, name, { device: 1 });
  expect(() => machine.advance()).toThrow(expect.objectContaining({ code: "E_PROGRAM" }) as Error);
});
