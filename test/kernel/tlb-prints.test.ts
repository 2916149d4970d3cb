/**
 * Prints (assembly/tlb.ts) say of most pages that a TLB does not hold them. Do flushes still drop
 * what they ask for, and nothing else? Two machines do the same, one of them without prints: behind
 * its entries there is no room for any. A failure prints its seed and the command that runs it
 * again; `SHOOTDOWN_RUNS` sets how many are tried.
 */
import { describe, expect, it } from "vitest";
import { Catalogue, Machine, op, operation, Random } from "shootdown";
import * as abi from "../../src/core/abi.js";
import { BASE } from "../../src/core/core.js";
import { ENTRY } from "../../src/core/layout.js";

const FILE = "test/kernel/tlb-prints.test.ts";
const only = process.env["SHOOTDOWN_SEED"];
const RUNS = only === undefined ? Number(process.env["SHOOTDOWN_RUNS"] ?? 24) : 1;
const PAGE = 0x1000;
const HUGE = 0x4000;
const SETS = 32;
const CPUS = 3;

const bare = operation(
  "test-bare",
  ["start", "end"],
  { summary: "a flush request", source: "test", settles: "none" },
  (kit, { start, end }) => [kit.flush(start, end)],
);
/** Two threads' requests of as many pages as the last one take a path of their own. */
const pair = operation(
  "test-pair",
  ["start", "end", "from", "to"],
  { summary: "two flush requests", source: "test", settles: "none" },
  (kit, { start, end, from, to }) => [kit.flush(from, to), kit.flush(start, end)],
);
const alone = operation(
  "test-alone",
  ["start", "end"],
  { summary: "a flush of this CPU alone", source: "test", settles: "none" },
  (_, { start, end }) => [
    op("flush.prep", { a: start, b: end }),
    op("flush.local"),
    op("flush.done"),
  ],
);
/** As after tables were freed: of huge pages, so most small ones within stay where they are. */
const strided = operation(
  "test-strided",
  ["start", "end"],
  { summary: "a flush request of huge pages", source: "test", settles: "none" },
  (kit, { start, end }) => [kit.flush(start, end, abi.INFO_HUGE)],
);
const catalogue = Catalogue.standard.with({ operations: [bare, pair, alone, strided] });

/** Tasks 0 to 2 are of one address space, 3 to 5 of another one. */
async function machineOf(ways: number, cpus: number, hasPrints: boolean): Promise<Machine> {
  const machine = await Machine.create({
    catalogue,
    policy: "concurrent",
    geometry: {
      ...{ cpus, tasks: 2 * CPUS, mms: 2, devices: 0, frames: 4096, tables: 64, vmas: 16 },
      ...{ tlbSets: SETS, tlbWays: ways, asids: 3, pwcEntries: 4 },
    },
  });
  if (!hasPrints) machine.core.header[abi.H_TLB_STRIDE] = SETS * ways * ENTRY.size;
  for (let i = 0; i < 2; i++) {
    const mm = machine.newMm();
    machine.mapNow(mm, PAGE, PAGE + 1_024, 3);
    machine.mapNow(mm, HUGE, HUGE + 512, 3);
    for (let cpu = 0; cpu < CPUS; cpu++) machine.newTask(mm);
  }
  for (let cpu = 0; cpu < cpus; cpu++) machine.place(cpu, cpu);
  return machine;
}

/** Of one CPU: its entries, and what stands behind them. */
function tlbOf({ core }: Machine, cpu: number, ways: number): { entries: Buffer; prints: Buffer } {
  const from = core.at(abi.H_OFF_TLB) + cpu * core.header[abi.H_TLB_STRIDE];
  const end = from + SETS * ways * ENTRY.size;
  const { buffer } = core.memory;
  return {
    entries: Buffer.from(buffer, from, end - from),
    prints: Buffer.from(buffer, end, SETS * abi.PRINT_BYTES),
  };
}

/** Everything that the two must have in common. */
function bytesOf(machine: Machine, ways: number, cpus: number): Buffer[] {
  const { core } = machine;
  core.x.machineSave(BASE);
  const part = (from: number, to: number): Buffer =>
    Buffer.from(core.memory.buffer, core.at(from), core.at(to) - core.at(from));
  return [
    part(abi.H_STATE_START, abi.H_OFF_TLB),
    part(abi.H_OFF_PWC, abi.H_STATE_END),
    part(abi.H_OFF_COUNTER, abi.H_OFF_VMA_TREE),
    ...Array.from({ length: cpus }, (_, cpu) => tlbOf(machine, cpu, ways).entries),
  ];
}

interface Job {
  readonly cpu: number;
  readonly name: string;
  readonly args: Readonly<Record<string, number>>;
}

/** Mostly pages of few sets: those that are flushed, and others that are not. */
function randomJob(random: Random, cpus: number, hasHuge: boolean): Job {
  const cpu = random.below(cpus);
  const kind = random.below(16);
  const start = PAGE + random.below(16) * (random.below(2) === 0 ? 1 : 37);
  const pages = random.below(2) === 0 ? 1 : 1 + random.below(40);
  if (kind === 0) return { cpu, name: "switch", args: { next: cpu + CPUS * random.below(2) } };
  if (kind === 1 && hasHuge) return { cpu, name: "fault.huge", args: { vpn: HUGE } };
  if (kind === 2 && hasHuge) return { cpu, name: "load", args: { vpn: HUGE + 5 } };
  if (kind === 3 && hasHuge) {
    return { cpu, name: "test-bare", args: { start: HUGE + 2, end: HUGE + 2 + pages } };
  }
  if (kind === 4) return { cpu, name: "test-alone", args: { start, end: start + pages } };
  if (kind === 5) return { cpu, name: "test-strided", args: { start, end: start + 1_024 } };
  if (kind === 6) {
    const [from, to] = [start + 200, start + pages + 200];
    return { cpu, name: "test-pair", args: { start, end: start + pages, from, to } };
  }
  if (kind < 8) return { cpu, name: "test-bare", args: { start, end: start + pages } };
  if (kind < 9) return { cpu, name: "madvise", args: { start, end: start + pages } };
  return { cpu, name: "write", args: { vpn: start + random.below(40) } };
}

/** Where machines with and without prints differ, or "". `spoil`: before each job. */
async function run(seed: bigint, spoil?: (prints: Buffer) => void): Promise<string> {
  const random = new Random(seed);
  const ways = [12, 12, 12, 1, 4, 13, 16][random.below(7)];
  const cpus = 2 + random.below(CPUS - 1);
  const hasHuge = random.below(3) === 0;
  const isDecoded = random.below(3) === 0;
  const machines = [await machineOf(ways, cpus, true), await machineOf(ways, cpus, false)];
  if (isDecoded) for (const { core } of machines) core.header[abi.H_SHORTCUTS] = 0;
  for (let n = 0; n < 200; n++) {
    const { cpu, name, args } = randomJob(random, cpus, hasHuge);
    if (spoil) for (let i = 0; i < cpus; i++) spoil(tlbOf(machines[0], i, ways).prints);
    for (const machine of machines) {
      machine.submit(cpu, name, args);
      machine.advance();
    }
    const [mine, theirs] = machines.map((machine) => bytesOf(machine, ways, cpus));
    const part = mine.findIndex((bytes, i) => !bytes.equals(theirs[i]));
    if (part < 0) continue;
    const what = `${name} ${JSON.stringify(args)} on CPU ${cpu}`;
    return `part ${part} after job ${n}, ${what}, ${cpus} CPUs, ${ways} ways`;
  }
  return "";
}

describe("TLBs with prints", () => {
  it("drop what those without drop", { timeout: 120_000 }, async () => {
    for (let i = 0; i < RUNS; i++) {
      const seed = only === undefined ? BigInt(i + 1) : BigInt(only);
      const problem = await run(seed);
      const replay = `SHOOTDOWN_SEED=${seed} npx vitest run ${FILE}`;
      if (problem !== "") throw new Error(`${problem}\nseed ${seed}\n${replay}`);
    }
  });

  it("need not be told of entries that went some other way", async () => {
    // A print of nothing, as a full flush leaves it behind, whatever it is of.
    const spoil = (prints: Buffer): void => {
      prints.forEach((byte, i) => {
        if (byte === 0 && i % abi.PRINT_BYTES < 1) prints[i] = 0x80 + (i & 127);
      });
    };
    for (let seed = 1n; seed <= 4n; seed++) expect(await run(seed, spoil)).toBe("");
  });

  it("keep what they hold if its print is gone", async () => {
    for (let seed = 1n; seed <= 4n; seed++) {
      expect(await run(seed, (prints) => prints.fill(0))).not.toBe("");
    }
  });

  it("have as many prints of other pages as there are pages, nearly", async () => {
    const machine = await machineOf(16, 2, true);
    for (let i = 0; i < 16; i++) machine.submit(0, "write", { vpn: PAGE + i * SETS });
    machine.advance();
    const first = tlbOf(machine, 0, 16).prints.subarray(0, 16);
    expect(new Set(first).size).toBeGreaterThan(12);
    expect(first.every((print) => print >= 0x80)).toBe(true);
  });

  it.each([1, 2])("forget prints with their pages: requests of CPU %i of 2", async (n) => {
    const machine = await machineOf(12, 2, true);
    for (const cpu of [0, 1]) {
      for (let i = 0; i < 40; i++) machine.submit(cpu, "write", { vpn: PAGE + i });
    }
    machine.advance();
    machine.submit(n - 1, "test-bare", { start: PAGE + 3, end: PAGE + 20 });
    machine.advance();
    for (const cpu of [0, 1]) {
      const { prints } = tlbOf(machine, cpu, 12);
      const left = [...prints.keys()].filter((i) => prints[i] !== 0);
      // Pages 32 to 39 are in sets 0 to 7, too: second ways.
      const pages = Array.from({ length: 40 }, (_, i) => i).filter((i) => i < 3 || i >= 20);
      expect(left.length).toBe(pages.length);
    }
  });
});
