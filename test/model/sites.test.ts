/**
 * The core against the model where call sites of their own meet: entries that are marked, split,
 * collapsed, merged, taken and given back, by several tasks at once; and every invariant in
 * between. A failure prints its seed; `SHOOTDOWN_SEED` runs it alone, `SHOOTDOWN_RUNS` sets how
 * many are run.
 */
import { expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { checkCore } from "../../src/invariants.js";
import { Run } from "./generate.js";
import { canonicalSeed } from "./random.js";
import { SITES } from "./site-operations.js";
import { executed } from "./step.js";

const FILE = "test/model/sites.test.ts";
const only = process.env["SHOOTDOWN_SEED"];
const RUNS = only === undefined ? Number(process.env["SHOOTDOWN_RUNS"] ?? 120) : 1;
const STEPS = 900;
const LOOK_EVERY = 23;

const TOUCH = ["write", "write", "read", "write", "fault.write", "copy.to.user", "write.file"];
const USUAL = ["mmap", "mprotect", "madvise", "madvise.free", "fork", "reclaim", "truncate"];
const OPERATIONS = [...TOUCH, ...TOUCH, ...TOUCH, ...TOUCH, ...USUAL, ...SITES];

const ERAS = ["double", "deduplicated", "coupled", "empty-table"];

interface Outcome {
  readonly problem: string;
  readonly waits: number;
}

async function differ(seed: bigint): Promise<Outcome> {
  const run = await new Run(seed, {
    era: ERAS[Number(seed % BigInt(ERAS.length))],
    policy: seed % 3n === 0n ? "sync" : "concurrent",
    operations: OPERATIONS,
    sound: true,
    geometry: { frames: 40, tables: 32, vmas: 16, levels: 2 + Number(seed % 2n), indexBits: 2 },
  }).open();
  let waits = 0;
  const outcome = (problem: string): Outcome => ({ problem: run.report(problem, FILE), waits });
  for (let steps = 0; steps < STEPS; steps++) {
    const { actor, choice } = run.next();
    const isAwait = run.instruction(actor).includes("pte.await");
    const status = run.step(actor, choice);
    if (isAwait && choice === 0 && status.core === abi.ST_WAIT) waits++;
    if (status.core !== status.model) {
      return outcome(`status: core ${status.core}, model ${status.model}`);
    }
    if (status.core === "trap") return outcome("both forms trapped");
    const difference = run.compare();
    if (difference) {
      const { path, core, model } = difference;
      return outcome(`${path}: core ${core}, model ${model}`);
    }
    if (status.core === abi.ST_BAD_PROGRAM) return outcome(`actor ${actor}: bad program`);
    // No frame, table or mm is left: who asked for it keeps its locks.
    if (run.stuck.size > 0) return { problem: "", waits };
    if (steps % LOOK_EVERY !== 0) continue;
    const [violation] = checkCore(run.core);
    if (violation) return outcome(`${violation.invariant}: ${violation.detail}`);
  }
  return { problem: "", waits };
}

test("core and model agree, and no program of a call site ends in an error", async () => {
  const first = canonicalSeed(only ?? 1);
  const before = [...executed];
  let waits = 0;
  for (let i = 0; i < RUNS; i++) {
    const outcome = await differ(first + BigInt(i));
    waits += outcome.waits;
    expect(outcome.problem).toBe("");
  }
  const times = executed[abi.OP_PTE_AWAIT] - before[abi.OP_PTE_AWAIT];
  console.log(`${RUNS} programs; pte.await went on ${times} times and waited ${waits} times`);
  if (only === undefined && RUNS >= 120) {
    expect(times).toBeGreaterThan(0);
    expect(waits).toBeGreaterThan(0);
  }
}, 300_000);
