/**
 * The core against the model where policies put flushes off: programs that unmap, free and take
 * frames most of the time, so that every micro-op of a policy is executed under it. A failure
 * prints its seed; `SHOOTDOWN_SEED` runs it alone, `SHOOTDOWN_RUNS` sets how many are run.
 */
import { expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { opName } from "../../src/program/ops.js";
import { Run } from "./generate.js";
import { canonicalSeed } from "./random.js";
import { differs } from "./side-by-side.js";
import { executed } from "./step.js";

const FILE = "test/model/deferral.test.ts";
const only = process.env["SHOOTDOWN_SEED"];
const RUNS = only === undefined ? Number(process.env["SHOOTDOWN_RUNS"] ?? 60) : 1;
const STEPS = 700;

const LUF = ["populate.read", "populate.read", "reclaim", "reclaim", "read", "write", "write.file"];
const OTHERS = ["munmap", "mmap", "mmap", "mprotect", "mprotect", "migrate", "exit"];
const OPERATIONS = [...LUF, ...LUF, ...LUF, ...OTHERS];

/** Unmappings that leave page tables in place: a page at a time. */
const FPR = ["write", "write", "write", "read", "munmap", "munmap", "mmap", "madvise", "exec"];

/** Pages that are dropped, by CPUs that have used them and by others. */
const ABIS = ["write", "write", "read", "madvise", "madvise", "age", "munmap", "mmap"];

/** Private pages of files, which are read and then written. */
const COW = [
  "read",
  "read",
  "write",
  "write",
  "fault.write",
  "mmap",
  "mprotect",
  "fork",
  "madvise",
];

const operationsOf = (policy: string): string[] => {
  if (policy.startsWith("fpr")) return FPR;
  if (policy.startsWith("cow")) return COW;
  return policy.startsWith("abis") ? ABIS : OPERATIONS;
};

/** Under which policy a program is run, and the micro-ops that it must have executed there. */
const CASES: Readonly<Record<string, readonly number[]>> = {
  luf: [
    abi.OP_DEFER_MAY,
    abi.OP_DEFER_ADD,
    abi.OP_DEFER_CLOSE,
    abi.OP_DEFER_STAMP,
    abi.OP_DEFER_PENDING,
    abi.OP_DEFER_DONE,
    abi.OP_DEFER_TAKE,
    abi.OP_DEFER_OWN,
    abi.OP_FRAME_WRITE,
  ],
  fpr: [abi.OP_DEFER_POST, abi.OP_DEFER_TAKE, abi.OP_DEFER_PENDING],
  "fpr-leaky": [abi.OP_DEFER_POST],
  "fpr-aba": [abi.OP_DEFER_POST],
  abis: [abi.OP_ACCESS_WHO, abi.OP_ACCESS_NARROW, abi.OP_ACCESS_FORGET],
  "abis-unflushed": [abi.OP_ACCESS_WHO, abi.OP_ACCESS_FORGET],
  "cow-write": [abi.OP_COW_SKIP, abi.OP_COW_DISPLACE],
  "cow-unwritten": [abi.OP_COW_SKIP],
  "luf-unflushed": [abi.OP_DEFER_ADD],
  "luf-late-stamp": [abi.OP_DEFER_OWN],
  "luf-writable": [abi.OP_DEFER_ADD],
  "pte-filter": [abi.OP_PTE_PROTECT],
  "pte-filter-gone": [abi.OP_PTE_PROTECT],
  "luf-wiped": [abi.OP_DEFER_ADD, abi.OP_DEFER_WIPE],
};

async function differ(seed: bigint, policy: string): Promise<string> {
  const run = await new Run(seed, { policy, operations: operationsOf(policy) }).open();
  return differs(run, { steps: STEPS, file: FILE });
}

for (const [policy, codes] of Object.entries(CASES)) {
  test(`core and model agree under ${policy}`, async () => {
    const before = [...executed];
    const first = canonicalSeed(only ?? 1);
    for (let i = 0; i < RUNS; i++) {
      expect(await differ(first + BigInt(i), policy)).toBe("");
    }
    const times = codes.map((code) => [opName(code), executed[code] - before[code]] as const);
    console.log(`${policy}: ${times.map(([name, n]) => `${name} ${n}`).join(", ")}`);
    if (only === undefined && RUNS >= 60) {
      expect(times.filter(([, n]) => n === 0).map(([name]) => name)).toEqual([]);
    }
  }, 120_000);
}
