/**
 * The core against the model where there is one ASID space for all CPUs: programs in which
 * processes come and go until it rolls over, again and again. A failure prints its seed;
 * `SHOOTDOWN_SEED` runs it alone, `SHOOTDOWN_RUNS` sets how many are run.
 */
import { expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { Catalogue } from "../../src/kernel/catalogue.js";
import { Run } from "./generate.js";
import { canonicalSeed } from "./random.js";

const FILE = "test/model/asids.test.ts";
const only = process.env["SHOOTDOWN_SEED"];
const RUNS = only === undefined ? Number(process.env["SHOOTDOWN_RUNS"] ?? 40) : 1;
const STEPS = 1000;

/** What a program went through: rollovers, and most ASIDs that were pinned when it rolled over. */
interface Course {
  readonly problem: string;
  readonly rollovers: number;
  readonly pinned: number;
}

async function differ(seed: bigint, policy: string): Promise<Course> {
  const geometry = { cpus: 2 + Number(seed % 3n), frames: 40, vmas: 16 };
  const run = await new Run(seed, { policy, geometry }).open();
  let rollovers = 0;
  let pinned = 0;
  let patience = 60;
  const fail = (problem: string) => ({ problem: run.report(problem, FILE), rollovers, pinned });
  for (let steps = 0; steps < STEPS; steps++) {
    const { actor, choice } = run.next();
    const status = run.step(actor, choice);
    if (status.core !== status.model) {
      return fail(`status: core ${status.core}, model ${status.model}`);
    }
    if (status.core === "trap") return fail("both forms trapped");
    const difference = run.compare();
    if (difference) {
      const { path, core, model } = difference;
      return fail(`${path}: core ${core}, model ${model}`);
    }
    const now = run.model.counters.reduce((n, row) => n + row[abi.CT_ROLLOVER], 0);
    if (now > rollovers) pinned = Math.max(pinned, run.model.asids!.pinned.size);
    rollovers = now;
    if (run.stuck.size > 0 && patience-- === 0) break;
  }
  return { problem: "", rollovers, pinned };
}

const POLICIES = Catalogue.standard.parts.policies.filter(({ asids }) => asids !== undefined);

test.each(POLICIES.map(({ name }) => name))(
  "core and model agree under %s",
  async (policy) => {
    const first = canonicalSeed(only ?? 1);
    const courses: Course[] = [];
    for (let i = 0; i < RUNS; i++) {
      const course = await differ(first + BigInt(i), policy);
      expect(course.problem).toBe("");
      courses.push(course);
    }
    const often = courses.filter(({ rollovers }) => rollovers > 1).length;
    const pinned = courses.filter((course) => course.pinned > 0).length;
    console.log(`${policy}: ${often} programs roll over more than once, ${pinned} with pins`);
    if (only !== undefined || RUNS < 40) return;
    expect(often).toBeGreaterThan(2);
    expect(pinned).toBeGreaterThan(0);
  },
  120_000,
);
