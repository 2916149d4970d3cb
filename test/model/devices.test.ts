/**
 * The core against the model where devices have more than a cache: commands of several kinds, own
 * caches, page requests that CPUs answer, memslots and pfn caches; and the invariants in between. A
 * failure prints its seed; `SHOOTDOWN_SEED` runs it alone, `SHOOTDOWN_RUNS` sets how many are run.
 */
import { expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { OP_NAMES } from "../../src/program/ops.js";
import { Run } from "./generate.js";
import { canonicalSeed } from "./random.js";
import { differs } from "./side-by-side.js";
import { executed } from "./step.js";

const FILE = "test/model/devices.test.ts";
const only = process.env["SHOOTDOWN_SEED"];
const RUNS = only === undefined ? Number(process.env["SHOOTDOWN_RUNS"] ?? 240) : 1;
const STEPS = 500;

const TOUCH = ["write", "write", "read", "write", "fault.write", "mprotect", "fault.upgrade"];
const USUAL = ["mmap", "mprotect", "madvise", "fork", "reclaim", "truncate", "munmap", "exit"];
const SERVE = ["device.serve", "device.serve", "device.serve.arm64", "device.bind", "device.bind"];
const RARE = ["device.unbind", "memslot.set", "memslot.set", "memslot.set-unfrozen"];
const OPERATIONS = [...TOUCH, ...TOUCH, ...USUAL, ...SERVE, ...RARE];

const ERAS = ["double", "deduplicated", "coupled", "empty-table", "only-end-everywhere"];
const POLICIES = ["concurrent", "sync", "broadcast", "batched"];

async function differ(seed: bigint): Promise<string> {
  const run = await new Run(seed, {
    era: ERAS[Number(seed % 5n)],
    policy: POLICIES[Number(seed % 4n)],
    operations: OPERATIONS,
    devices: true,
    geometry: { cpus: 2 + Number(seed % 2n), devices: 2, frames: 40, vmas: 16 },
  }).open();
  return differs(run, { steps: STEPS, file: FILE });
}

test("core and model agree after every step of programs with such devices", async () => {
  const first = canonicalSeed(only ?? 1);
  const before = [...executed];
  for (let i = 0; i < RUNS; i++) expect(await differ(first + BigInt(i))).toBe("");
  if (only !== undefined || RUNS < 240) return;
  const isOurs = (code: number) => code >= abi.OP_DEVICES_FIRST && code <= abi.OP_DEVICES_LAST;
  const missing = Object.entries(OP_NAMES).filter(
    ([, code]) => isOurs(code) && executed[code] === before[code],
  );
  expect(missing).toEqual([]);
}, 300_000);
