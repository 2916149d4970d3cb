/**
 * anon_teardown as random interleavings: a device reads while half of its range is unmapped, and
 * other things happen. It reads what is right, or fails; never anything else. Mirrors that leave
 * out a step of the protocol are caught by the same runs. A failure prints its seed;
 * `SHOOTDOWN_SEED` runs it alone, `SHOOTDOWN_RUNS` sets how many are run.
 */
import { describe, expect, test } from "vitest";
import {
  HmmSpace,
  type Machine,
  type MirrorFault,
  TestHmm,
  type TestHmmOptions,
} from "../../src/index.js";
import { canonicalSeed, Random, seedText } from "../model/random.js";
import { AT, PAGES, R, RW, words } from "./fixture.js";
import { APP, OTHER, rig, WORKER } from "./rig.js";

const FILE = "test/hmm/teardown.test.ts";
const only = process.env["SHOOTDOWN_SEED"];
const RUNS = only === undefined ? Number(process.env["SHOOTDOWN_RUNS"] ?? 100) : 1;
const END = AT + PAGES;
const HALF = AT + PAGES / 2;

/** What may happen to the second half besides. */
const DISTURBANCES = ["madvise", "mprotect", "migrate.pages", "oom.reap", "munmap", "nothing"];

function disturb(machine: Machine, random: Random, at: number): string {
  const name = random.pick(DISTURBANCES);
  const start = HALF + random.below(PAGES / 2);
  const end = Math.min(END, start + random.between(1, 4));
  if (name === "nothing") return name;
  const args = { start, end, ...(name === "mprotect" ? { prot: random.pick([R, RW]) } : {}) };
  machine.submit(OTHER, name, args, { at });
  return `${name} ${start - AT}-${end - AT} at ${at}`;
}

/** One run; what was wrong, or undefined. */
async function teardown(seed: bigint, options: TestHmmOptions = {}): Promise<string | undefined> {
  const random = new Random(seed);
  const era = random.pick(["double", "deduplicated", "coupled"]);
  const { machine, mm } = await rig({ era });
  const space = await HmmSpace.attach(machine, mm);
  const device = new TestHmm(space, WORKER, {
    chunkPages: random.pick([1, 4, 64]),
    callbackCost: random.pick([0, 300, 5_000]),
    prepareCost: random.pick([0, 300, 10_000]),
    programCost: random.pick([0, 1_000, 20_000]),
    ...options,
  });
  machine.mapNow(mm, AT, END, RW);
  words().forEach((word, i) => {
    space.store(APP, AT + i, word);
  });
  const from = machine.now(APP) + 1_000;
  if (random.chance(30)) device.finish(device.migrateToDevice(AT, END));
  if (random.chance(50)) device.finish(device.read(AT, END));
  const log = [era];
  const begin = Math.max(from, machine.now(WORKER), machine.now(APP), machine.now(OTHER));
  const reading = device.read(AT, END, { at: begin + random.below(30_000) });
  const again = device.read(AT, END);
  log.push(disturb(machine, random, begin + random.below(40_000)));
  machine.submit(APP, "munmap", { start: HALF, end: END }, { at: begin + random.below(40_000) });
  const ended = machine.advance();
  // Whatever was unmapped or dropped may be used by somebody else.
  for (let page = 0x8000; page < 0x8000 + PAGES; page++) {
    machine.mapNow(mm, page, page + 1, RW);
    space.store(APP, page, 7777);
  }
  for (let page = AT; page < END; page++) device.peek(page);
  const report = (problem: string): string => {
    const replay = `SHOOTDOWN_SEED=${seedText(seed)} npx vitest run ${FILE}`;
    return `${problem}\nseed ${seedText(seed)}: ${log.join(", ")}\nreplay: ${replay}`;
  };
  if (ended !== "idle") return report(`ended: ${ended}`);
  for (const { result } of [reading, again]) {
    if (result === undefined) return report("a read did not end");
    const { status, data, cpages } = result;
    if (status === "OK" ? cpages !== PAGES : status !== "EFAULT") return report(`status ${status}`);
    // What madvise drops reads as zero: only that may be there instead.
    const isRight = data.every((word, i) => word === i + 1 || (i >= PAGES / 2 && word === 0));
    if (!isRight || data.length !== cpages) return report(`read ${data.join(" ")}`);
  }
  if (machine.hazard !== null) return report(`hazard ${JSON.stringify(machine.hazard)}`);
  if (device.lock.isHeld) return report("the lock is still held");
  return undefined;
}

const first = canonicalSeed(only ?? 1);
const seeds = Array.from({ length: RUNS }, (_, i) => first + BigInt(i));

describe("anon_teardown", () => {
  test("right data or an error, whatever comes in between", async () => {
    for (const seed of seeds) expect(await teardown(seed)).toBeUndefined();
  }, 120_000);

  test(
    "also with the driver's own quirk, and where it refuses to be called " + "without sleeping",
    async () => {
      for (const seed of seeds.slice(0, 40)) {
        expect(await teardown(seed, { strict: true })).toBeUndefined();
        expect(await teardown(seed, { nonBlock: "refuse" })).toBeUndefined();
      }
    },
    120_000,
  );

  test("same seed, same run", async () => {
    const run = async () => {
      const { machine, mm } = await rig();
      const space = await HmmSpace.attach(machine, mm);
      const device = new TestHmm(space, WORKER);
      machine.mapNow(mm, AT, END, RW);
      device.read(AT, END);
      machine.submit(APP, "munmap", { start: HALF, end: END }, { at: 2_000 });
      machine.advance();
      return [machine.stateHash(), machine.now(APP), machine.now(WORKER), device.counters];
    };
    expect(await run()).toEqual(await run());
  });

  /** How many of the runs go wrong with this left out. */
  const caught = async (broken: MirrorFault): Promise<number> => {
    let wrong = 0;
    for (let i = 0n; i < 60n; i++) if ((await teardown(1n + i, { broken })) !== undefined) wrong++;
    return wrong;
  };

  test.skipIf(only !== undefined).each(["no-retry", "late-zap"] as const)(
    "a mirror with the fault %s is caught",
    async (broken) => {
      expect(await caught(broken)).toBeGreaterThan(0);
    },
    120_000,
  );
});
