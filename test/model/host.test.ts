/**
 * The core against the model where devices and threads are the host's, and the host answers at
 * random: with time, without, with things to wait for, or not at all for a while. A failure prints
 * its seed; `SHOOTDOWN_SEED` runs it alone, `SHOOTDOWN_RUNS` sets how many programs are run.
 */
import { expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { CLOCK } from "../../src/core/layout.js";
import { Run } from "./generate.js";
import { canonicalSeed } from "./random.js";
import { differs } from "./side-by-side.js";
import { executed } from "./step.js";

const FILE = "test/model/host.test.ts";
const only = process.env["SHOOTDOWN_SEED"];
const RUNS = only === undefined ? Number(process.env["SHOOTDOWN_RUNS"] ?? 150) : 1;
const STEPS = 500;

const OPERATIONS = [
  ...["host.thread", "host.thread", "host.thread", "oom.reap", "munmap", "mmap", "madvise"],
  ...["write", "write", "write", "read", "mprotect", "migrate.pages", "make.exclusive", "exit"],
];
const DOES = [
  0,
  abi.HOST_DO_READ,
  abi.HOST_DO_WRITE,
  abi.HOST_DO_AWAIT,
  abi.HOST_DO_MIGRATE,
  abi.HOST_DO_EXCLUSIVE,
  abi.HOST_DO_INSERT,
];

/** The same answer in both; the last argument of what a thread does is a page behind the first. */
function answer(run: Run, actor: number): void {
  const { core, model, random } = run;
  const waits = random.chance(15);
  const flag = random.chance(55);
  const does = random.pick(DOES);
  const x = random.below(3);
  const y = x + random.between(1, 2);
  const row = core.clock(actor);
  const bits = (waits ? abi.HOST_WAIT : 0) | (flag ? abi.HOST_FLAG : 0);
  const word = abi.HOST_ANSWERED | bits | (does << abi.HOST_DO_SHIFT);
  core.write(CLOCK, row, "hostAnswer", word);
  core.write(CLOCK, row, "hostNs", random.below(100));
  core.write(CLOCK, row, "hostX", x);
  core.write(CLOCK, row, "hostY", y);
  model.answers.set(actor, { waits, flag, does, x: BigInt(x), y: BigInt(y) });
}

async function differ(seed: bigint): Promise<string> {
  const geometry = {
    cpus: 2,
    devices: 2,
    levels: 2,
    indexBits: 3,
    frames: 40,
    tables: 40,
    vmas: 16,
  };
  const run = await new Run(seed, {
    operations: OPERATIONS,
    hosts: true,
    sound: true,
    policy: "concurrent",
    geometry,
  }).open();
  return differs(run, {
    steps: STEPS,
    file: FILE,
    onStep: (actor, status) => {
      if (status === abi.ST_HOST && run.random.chance(80)) answer(run, actor);
    },
  });
}

test("core and model agree on what the host is asked, and on what it answers", async () => {
  const first = canonicalSeed(only ?? 1);
  for (let i = 0; i < RUNS; i++) expect(await differ(first + BigInt(i))).toBe("");
  if (only !== undefined) return;
  for (const code of [abi.OP_HOST_CALL, abi.OP_HOST_NEXT, abi.OP_HOST_REFUSED]) {
    expect(executed[code], `micro-op ${code}`).toBeGreaterThan(20);
  }
}, 120_000);
