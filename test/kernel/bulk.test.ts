/**
 * Shootdowns that are carried out in one go (assembly/bulk.ts) against the same ones decoded
 * micro-op by micro-op: two machines with the same random load advance side by side, and at every
 * moment somebody looks they hold the same bytes: state, clocks, counters. A failure prints its
 * seed and the command that runs it again; `SHOOTDOWN_RUNS` sets how many loads are tried.
 */
import { describe, expect, it, test } from "vitest";
import { Catalogue, type FlushPolicy, Machine, type MachineEvent, op, whilst } from "shootdown";
import * as abi from "../../src/core/abi.js";
import { codeWithBulk } from "../../src/kernel/bulk.js";
import { buildImage } from "../../src/kernel/image.js";
import { advance, compare, differenceOf } from "./bulk-compare.js";
import { BULK_POLICIES, RandomLoad } from "./random-load.js";

const FILE = "test/kernel/bulk.test.ts";
const only = process.env["SHOOTDOWN_SEED"];
const RUNS = only === undefined ? Number(process.env["SHOOTDOWN_RUNS"] ?? 150) : 1;
const EVERY_KIND = Array.from({ length: 32 }, (_, kind) => kind);

async function decoded(load: RandomLoad, record: readonly number[] = []): Promise<Machine> {
  const machine = await load.machine(record);
  machine.core.header[abi.H_SHORTCUTS] = 0;
  return machine;
}

/** Takes each recognised request for the other kind: it ends at another time if carried out. */
function mistake({ core }: Machine): void {
  const code = core.at(abi.H_OFF_CODE);
  for (let pc = 0; pc < core.header[abi.H_CODE_LEN]; pc++) {
    if (core.u8[code + pc * 8] !== abi.OP_FLUSH_PREP) continue;
    const kind = core.u8[code + pc * 8 + 3];
    if (kind !== 0) core.u8[code + pc * 8 + 3] ^= abi.BULK_SEND_FIRST | abi.BULK_LOCAL_FIRST;
  }
}

async function eventsOf(machine: Machine): Promise<MachineEvent[]> {
  const events: MachineEvent[] = [];
  try {
    machine.advance(Infinity, (event) => events.push({ ...event }));
  } catch {
    // As the other machine's, or what it left behind differs.
  }
  return events;
}

async function checkLoad(load: RandomLoad): Promise<string> {
  for (const slice of [
    [Infinity, Infinity],
    [1_777, Infinity],
    [Infinity, 11],
    [40_009, 333],
  ] as const) {
    const problem = compare(await load.machine(), await decoded(load), slice);
    if (problem !== "") return problem;
  }
  const recorded = await load.machine(EVERY_KIND);
  const reference = await decoded(load, EVERY_KIND);
  expect(await eventsOf(recorded)).toEqual(await eventsOf(reference));
  const whole = await load.machine();
  advance(whole, [Infinity, Infinity]);
  const difference = differenceOf(whole, recorded);
  return difference === "" ? "" : `recorded: ${difference}`;
}

test("bulk and decoded shootdowns leave the same bytes", { timeout: 600_000 }, async () => {
  let noticed = 0;
  for (let run = 0; run < RUNS; run++) {
    const seed = only === undefined ? BigInt(run + 1) : BigInt(only);
    const load = new RandomLoad(seed);
    const problem = await checkLoad(load).catch((error: unknown) => String(error));
    const replay = `SHOOTDOWN_SEED=${seed} npx vitest run ${FILE}`;
    if (problem !== "") throw new Error(`${problem}\nseed ${seed}: ${load.summary}\n${replay}`);
    const wrong = await load.machine();
    mistake(wrong);
    if (compare(wrong, await decoded(load), [Infinity, Infinity]) !== "") noticed++;
  }
  console.log(`bulk: ${RUNS} loads, ${noticed} of them with requests carried out in one go`);
  if (only === undefined) expect(noticed).toBeGreaterThan(RUNS / 3);
});

/** BULK_* of every flush request of the catalogue's operations, as a set. */
function kindsOf(policy: FlushPolicy, era = "coupled"): number[] {
  const catalogue = Catalogue.standard;
  const image = buildImage({ catalogue, era: catalogue.era(era), policy, consumers: [] });
  const code = codeWithBulk(image);
  const preps = [...code.keys()].filter(
    (at) => at % 2 === 0 && (code[at] & 0xff) === abi.OP_FLUSH_PREP,
  );
  // Not those of the kernel's own pages, which are for every CPU.
  const ofMms = preps.filter((at) => (code[at + 1] & abi.INFO_KERNEL) === 0);
  expect(ofMms.length).toBeGreaterThan(3);
  return [...new Set(ofMms.map((at) => code[at] >>> 24))];
}

describe("a flush request is carried out in one go", () => {
  const { policies } = Catalogue.standard.parts;
  const [concurrent] = policies.filter(({ name }) => name === "concurrent");
  // Those of other programs. Of the others some have handlers, options or requests that the core
  // refuses: see below.
  const ofNone = /^(no-|local-only|broadcast|latr|self-|eco-|pv-flush-blind|hybrid|directory)/;
  const others =
    /^(messages|asids|riscv-asids|fpr|cleared-|newest-|in-context|invlpgb|riscv|idle-poll-stale)/;
  // Some requests of theirs have a program of their own.
  const partly = /^(abis|cow-)/;
  const decoded = (name: string) => ofNone.test(name) || others.test(name);
  const kindOf = (name: string): number => {
    if (decoded(name)) return 0;
    return name === "sync" ? abi.BULK_LOCAL_FIRST : abi.BULK_SEND_FIRST;
  };

  it("if its program is, word for word, one that the core knows", () => {
    for (const policy of policies) {
      const kind = kindOf(policy.name);
      const besides = partly.test(policy.name) ? [0] : [];
      const kinds = (era: string) => [policy.name, kindsOf(policy, era).sort()];
      expect(kinds("deduplicated")).toEqual([policy.name, [...besides, kind]]);
      const notified = kind === 0 ? 0 : kind | abi.BULK_NOTIFY;
      expect(kinds("coupled")).toEqual([policy.name, [...besides, notified]]);
    }
  });

  it("and not if an instruction or an operand is another one", () => {
    const send = [whilst(op("csd.send"), []), op("ipi.send")];
    const [local, wait] = [op("flush.local"), op("csd.wait")];
    const usual = { ...concurrent, shootdown: [...send, local, wait] };
    expect(kindsOf(usual)).toEqual([abi.BULK_SEND_FIRST | abi.BULK_NOTIFY]);
    for (const shootdown of [
      [...send, wait, local],
      [...send, local, wait, op("nop")],
      [...send, local, local],
      [whilst(op("csd.send", { imm: 1 }), []), op("ipi.send"), local, wait],
      [whilst(op("csd.send"), []), op("ipi.send", { imm: 1 }), local, wait],
      [whilst(op("csd.send", { slot: 1 }), []), op("ipi.send"), local, wait],
      [...send, op("flush.local", { imm: 1 }), wait],
      [...send, local, op("csd.wait", { imm: 1 })],
    ]) {
      expect(kindsOf({ ...concurrent, shootdown })).toEqual([0]);
    }
  });

  interface Changed {
    readonly cpus?: number;
    readonly policy?: string;
    readonly record?: readonly number[];
  }
  const cases: readonly (readonly [string, Changed, number, boolean])[] = [
    ["everything is usual", {}, 0, true],
    ["there are two CPUs", { cpus: 2 }, 0, true],
    ["there are many CPUs", { cpus: 33 }, 0, true],
    ...BULK_POLICIES.map((policy) => [policy, { policy }, 0, true] as const),
    ["CPUs may be preempted", { policy: "concurrent" }, abi.OPT_PREEMPT, false],
    ["the handler is not the standard one", { policy: "ack-first" }, 0, false],
    ["an option is set that it does not know", {}, abi.OPT_DIRTY, false],
    ["events are recorded", { record: EVERY_KIND }, 0, false],
  ];
  it.each(cases)("only if nobody could tell: %s", async (_, changed, option, isTaken) => {
    const { record = [], ...fixed } = changed;
    let noticed = 0;
    for (let seed = 1n; seed <= 12n; seed++) {
      const load = new RandomLoad(seed, { cpus: 8, policy: "concurrent", ...fixed });
      const machines = [];
      for (const isMistaken of [false, true]) {
        const machine = await load.machine(record);
        machine.core.header[abi.H_OPTIONS] |= option;
        if (isMistaken) mistake(machine);
        machines.push(machine);
      }
      if (compare(machines[0], machines[1], [Infinity, Infinity]) !== "") noticed++;
    }
    expect(noticed > 0).toBe(isTaken);
  });
});
