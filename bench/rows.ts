/** What is measured, each with its plain model. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { Catalogue, check, Machine, op, operation, Random, readTrace, times } from "shootdown";
import type { Row } from "./harness.js";

const SEED = 1;
const PAGE = 0x1000;

/** Requests a flush of [start, end) `count` times. */
const storm = operation(
  "flush.storm",
  ["start", "end", "count"],
  { summary: "flush requests, one after the other", source: "bench", settles: "none" },
  (kit, { start, end, count }) => [times(count, [kit.flush(start, end), op("nop")])],
);

/** haswell-2019, concurrent: what a shootdown of `pages` to `targets` CPUs costs its initiator. */
function stormClock(shootdowns: number, targets: number, pages: number): number {
  const flush = 2 + 209 * pages;
  const send = 82 * targets + 178;
  return shootdowns * (send + Math.max(flush, 160 + 60 + flush + 22 + 60));
}

export function shootdownRow(cpus: number, pages: number, quick: boolean): Row {
  const targets = cpus - 1;
  const shootdowns = Math.max(1, Math.round((quick ? 2_000 : 400_000) / targets));
  const catalogue = Catalogue.standard.with({ operations: [storm] });
  let machine: Machine | undefined;
  let before = 0;
  const work = async (): Promise<number> => {
    if (!machine) {
      machine = await Machine.create({
        catalogue,
        policy: "concurrent",
        geometry: { cpus, tasks: cpus, mms: 1, devices: 0, frames: 4096, tables: 64, vmas: 64 },
      });
      const mm = machine.newMm();
      machine.mapNow(mm, PAGE, PAGE + 512, 3);
      // Warm TLBs: every CPU has the pages, and others, before the first flush.
      for (let cpu = 0; cpu < cpus; cpu++) {
        machine.place(cpu, machine.newTask(mm));
        for (let i = 0; i < 48; i++) machine.submit(cpu, "write", { vpn: PAGE + i });
        machine.advance();
      }
    }
    // All CPUs are idle by now; the latest clock is when the storm can begin to be seen by all.
    for (let cpu = 0; cpu < cpus; cpu++) before = Math.max(before, machine.now(cpu));
    const messages = machine.counters().messages;
    machine.submit(
      0,
      "flush.storm",
      { start: PAGE, end: PAGE + pages, count: shootdowns },
      {
        at: before,
      },
    );
    machine.advance();
    const after = machine.now(0);
    const sent = machine.counters().messages - messages;
    const took = after - before;
    before = after;
    return took + sent;
  };
  return {
    name: `shootdown ${cpus} CPUs, ${pages} page(s)`,
    unit: "messages",
    seed: SEED,
    perCall: shootdowns * targets,
    work,
    model: () => stormClock(shootdowns, targets, pages) + shootdowns * targets,
  };
}

/** A bare loop over TLB arrays: what the figures are to be compared with. */
export function referenceRow(cpus: number, quick: boolean): Row {
  const sets = 128;
  const ways = 12;
  const tags = new Float64Array(cpus * sets * ways);
  const rounds = quick ? 100 : 20_000;
  const loop = (): number => {
    let n = 0;
    for (let r = 0; r < rounds; r++) {
      const vpn = PAGE + (r & 63);
      for (let cpu = 1; cpu < cpus; cpu++) {
        const set = (cpu * sets + (vpn & (sets - 1))) * ways;
        for (let w = 0; w < ways; w++) if (tags[set + w] === vpn) tags[set + w] = 0;
        n++;
      }
    }
    return n;
  };
  return {
    name: `reference: bare TLB loop, ${cpus} CPUs`,
    unit: "messages",
    seed: SEED,
    perCall: rounds * (cpus - 1),
    work: loop,
    model: () => rounds * (cpus - 1),
  };
}

export function intervalRow(n: number, quick: boolean): Row {
  const lookups = quick ? 200 : 20_000;
  const random = new Random(SEED);
  const starts = Array.from({ length: n }, (_, i) => 1000 + i * 16 + random.below(4));
  const pages = Array.from({ length: lookups }, () => 1000 + random.below(n * 16));
  let machine: Machine | undefined;
  let mm = 0;
  const work = async (): Promise<number> => {
    if (!machine) {
      machine = await Machine.create({ geometry: { vmas: n + 1, mms: 1, devices: 0 } });
      mm = machine.newMm();
      for (const start of starts) machine.mapNow(mm, start, start + 8, 1 + (start % 3));
    }
    let sum = 0;
    for (const page of pages) sum += machine.protectionOf(mm, page);
    return sum;
  };
  const model = (): number => {
    let sum = 0;
    for (const page of pages) {
      const i = starts.findLastIndex((start) => start <= page);
      const start = starts[i];
      if (start !== undefined && page < start + 8) sum += 1 + (start % 3);
    }
    return sum;
  };
  return {
    name: `interval lookup, ${n}`,
    unit: "lookups",
    seed: SEED,
    perCall: lookups,
    work,
    model,
  };
}

export function exploreRow(quick: boolean): Row {
  const scenario = quick ? "munmap-user" : "mremap";
  const consumer = quick ? "sharing" : "mirroring";
  const states = quick ? 202 : 579_023;
  return {
    name: `explore ${scenario}, ${consumer}`,
    unit: "states",
    seed: SEED,
    perCall: states,
    work: async () => (await check(scenario, { consumer, seed: SEED })).states,
    // Whole states compared instead of fingerprints: the slow, obvious way to count them.
    model: async () =>
      (await check(scenario, { consumer, exact: true, maxStates: 600_000 })).states,
  };
}

/** Scenarios of notifiers and of three CPUs, and the states of the whole space. */
const DECIDED: readonly (readonly [string, number])[] = [
  ["munmap-user", 202],
  ["nested-gather-return", 21_360],
  ["nested-gather", 59_582],
  ["cow-order", 100_409],
  ["mremap", 157_149],
  ["two-roads", 251_737],
  ["mremap-cpu", 661_905],
];

/**
 * Time to a verdict, by the plain search and by the reduced one, in states of the whole space that
 * are decided a second: what a reduction costs is in its rows.
 */
export function decidedRows(quick: boolean): Row[] {
  const rows = quick ? DECIDED.slice(0, 1) : DECIDED;
  const plain = async (scenario: string): Promise<number> => {
    const { verdict, states } = await check(scenario, { seed: SEED });
    return verdict === "SAFE" ? states : 0;
  };
  return rows.flatMap(([scenario, states]) => {
    const row = { unit: "states", seed: SEED, perCall: states, model: () => plain(scenario) };
    const reduced = async (): Promise<number> => {
      const options = { seed: SEED, reduction: "partial-order" } as const;
      return (await check(scenario, options)).verdict === "SAFE" ? states : 0;
    };
    return [
      { ...row, name: `decide ${scenario}, plain`, work: () => plain(scenario) },
      { ...row, name: `decide ${scenario}, partial-order`, work: reduced },
    ];
  });
}

export function traceRow(quick: boolean): Row {
  const packed = readFileSync(new URL("../../traces/node-gc.ftrace.gz", import.meta.url));
  const text = gunzipSync(packed).toString();
  const lines = text.split("\n").slice(0, quick ? 2_000 : undefined);
  const bytes = new TextEncoder().encode(lines.join("\n"));
  const work = async (): Promise<number> => {
    let n = 0;
    for await (const batch of readTrace(bytes)) n += batch.length;
    return n;
  };
  const model = (): number => lines.filter((line) => line !== "" && !line.startsWith("#")).length;
  return { name: "read trace", unit: "lines", seed: SEED, perCall: lines.length, work, model };
}
