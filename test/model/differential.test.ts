/**
 * The core against a plain model of it, after every step of random programs. Failures print their
 * seed; `SHOOTDOWN_SEED` runs it alone, `SHOOTDOWN_RUNS` sets how many programs are run.
 */
import { expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { Catalogue } from "../../src/kernel/catalogue.js";
import { OP_NAMES } from "../../src/program/ops.js";
import { type Parts, Run } from "./generate.js";
import { canonicalSeed } from "./random.js";
import { executed } from "./step.js";

const FILE = "test/model/differential.test.ts";
const only = process.env["SHOOTDOWN_SEED"];
const RUNS = only === undefined ? Number(process.env["SHOOTDOWN_RUNS"] ?? 1000) : 1;
const STEPS = 300;

/** What is wrong with this seed, if anything; and how many steps were compared. */
async function differ(
  seed: bigint,
  parts: Parts = {},
): Promise<{ problem: string | null; steps: number }> {
  const run = await new Run(seed, parts).open();
  const fail = (problem: string) => ({ problem: run.report(problem, FILE), steps: 0 });
  const check = (): string | null => {
    const difference = run.compare();
    if (!difference) return null;
    return `${difference.path}: core ${difference.core}, model ${difference.model}`;
  };
  let patience = 20;
  const before = check();
  if (before !== null) return fail(`after set-up: ${before}`);
  for (let steps = 0; steps < STEPS; steps++) {
    const { actor, choice } = run.next();
    const status = run.step(actor, choice);
    if (status.core !== status.model) {
      return fail(`status: core ${status.core}, model ${status.model}`);
    }
    if (status.core === "trap") return fail("both forms trapped");
    const problem = check();
    if (problem !== null) return fail(problem);
    // Whoever ran into an error keeps its locks: little happens from here on.
    if (run.stuck.size > 0 && patience-- === 0) return { problem: null, steps };
  }
  return { problem: null, steps: STEPS };
}

test("core and model agree after every step of random programs", async () => {
  const first = canonicalSeed(only ?? 1);
  const problems: string[] = [];
  let steps = 0;
  for (let i = 0; i < RUNS && problems.length < 3; i++) {
    const result = await differ(first + BigInt(i));
    steps += result.steps;
    if (result.problem !== null) problems.push(result.problem);
  }
  expect(problems.join("\n\n")).toBe("");
  console.log(`${RUNS} programs, ${steps} compared steps`);
}, 600_000);

/** Few programs draw one of these, and what they do depends on all that went before. */
const CHOOSY =
  /^(self|eco|batched|hybrid|replicas|core-tables|directory|messages|luf|fpr|idle|pv-flush-blind)/;
const names = Catalogue.standard.parts.policies.map(({ name }) => name);

test.each(names.filter((name) => CHOOSY.test(name)))(
  "and under %s",
  async (policy) => {
    const first = canonicalSeed(only ?? 1);
    const runs = only === undefined ? Math.ceil(RUNS / 20) : 1;
    for (let i = 0; i < runs; i++) {
      const geometry = { cpus: 2 + (i % 4), frames: 40, vmas: 16 };
      const { problem } = await differ(first + BigInt(i), { policy, geometry });
      expect(problem).toBeNull();
    }
  },
  120_000,
);

test.skipIf(only !== undefined || RUNS < 1000)("together they execute every micro-op", () => {
  // Those of deferrals, subscribers, devices and the host have programs of their own:
  // deferral.test.ts, subscribers.test.ts, devices.test.ts, host.test.ts; and sites.test.ts counts
  // who waits for a migration.
  const isDeferral = (code: number) => code >= abi.OP_DEFER_MAY && code < abi.OP_TOPOLOGY_FIRST;
  const isCommon = (code: number) =>
    !isDeferral(code) && code !== abi.OP_PTE_AWAIT && code < abi.OP_ITREE_START;
  const missing = Object.entries(OP_NAMES).filter(
    ([, code]) => executed[code] === 0 && isCommon(code),
  );
  expect(missing).toEqual([]);
});
