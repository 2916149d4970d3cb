/**
 * The core against the model where subscribers come and go: drivers that insert, move, remove and
 * look for intervals, register and put, while brackets are opened, refused and ended. A failure
 * prints its seed; `SHOOTDOWN_SEED` runs it alone, `SHOOTDOWN_RUNS` sets how many are run.
 */
import { expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { opName } from "../../src/program/ops.js";
import { Run } from "./generate.js";
import { canonicalSeed } from "./random.js";
import { differs } from "./side-by-side.js";
import { SUBSCRIBER_OPERATIONS } from "./subscriber-operations.js";
import { executed } from "./step.js";

const FILE = "test/model/subscribers.test.ts";
const only = process.env["SHOOTDOWN_SEED"];
const RUNS = only === undefined ? Number(process.env["SHOOTDOWN_RUNS"] ?? 150) : 1;
const STEPS = 600;

const KERNEL = ["read", "write", "madvise", "madvise", "munmap", "mmap", "oom.reap", "oom.reap"];
const OPERATIONS = [
  ...[...KERNEL, ...KERNEL, ...KERNEL, "exit", "exit", "exit", "reclaim", "fork"],
  ...SUBSCRIBER_OPERATIONS.flat().map(({ name }) => name),
];

async function differ(seed: bigint): Promise<string> {
  const geometry = { devices: 3, cpus: 3, tasks: 5 };
  const parts = { subscribed: true, operations: OPERATIONS, geometry, policy: "concurrent" };
  const run = await new Run(seed, parts).open();
  return differs(run, { steps: STEPS, file: FILE });
}

const CODES = Array.from(
  { length: abi.OP_RANGE_REFUSED - abi.OP_ITREE_START + 1 },
  (_, i) => abi.OP_ITREE_START + i,
);

test("core and model agree where subscribers come and go", async () => {
  const before = [...executed];
  const first = canonicalSeed(only ?? 1);
  for (let i = 0; i < RUNS; i++) expect(await differ(first + BigInt(i))).toBe("");
  const times = CODES.map((code) => [opName(code), executed[code] - before[code]] as const);
  console.log(times.map(([name, n]) => `${name} ${n}`).join(", "));
  if (only !== undefined || RUNS < 150) return;
  expect(times.filter(([, n]) => n === 0).map(([name]) => name)).toEqual([]);
}, 240_000);
