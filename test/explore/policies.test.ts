/**
 * Verdicts of every race that the policy decides, under every policy; and what a csd that is ahead
 * of a flush does to each way of acknowledging it.
 */
import { describe, expect, test } from "vitest";
import {
  Catalogue,
  check,
  expectedVerdict,
  type FlushPolicy,
  listScenarios,
  type Scenario,
  scenarioNamed,
  transport,
  type TransportKnobs,
  type Verdict,
} from "../../src/index.js";

/**
 * There are thousands of cells. docs/verdicts.md has all with two CPUs, held to exploration by
 * verdicts.test.ts; here, and with three CPUs, one in some is explored, always the same ones.
 * SHOOTDOWN_ALL=1 explores every one of them.
 */
const ALL = process.env["SHOOTDOWN_ALL"] === "1";
let cells = 0;
const isDrawn = (oneIn: number): boolean => cells++ % oneIn === 0 || ALL;

const DECIDED = listScenarios().filter(({ expectPolicy }) => expectPolicy?.["*"] === "SAFE");
/** Broken under most policies, because what they run is. */
const BROKEN = listScenarios().filter(({ expectPolicy }) => {
  return expectPolicy?.["*"] !== undefined && expectPolicy["*"] !== "SAFE";
});
const { policies } = Catalogue.standard.parts;
const SOUND = policies.filter(({ mutant }) => !mutant);

describe("races that the policy decides", () => {
  test("are told from the others", () => {
    expect(DECIDED.length).toBeGreaterThan(5);
    for (const { expectPolicy } of DECIDED) {
      expect(expectPolicy).toHaveProperty("*", "SAFE");
      for (const name of Object.keys(expectPolicy ?? {})) {
        if (name !== "*") expect(Catalogue.standard.policy(name).mutant).toBe(true);
      }
    }
  });

  test("every broken policy of the catalogue goes wrong somewhere", () => {
    for (const { name, mutant } of policies) {
      const verdicts = listScenarios().map((s) => expectedVerdict(s, "coupled", "sharing", name));
      const isCaughtHere = verdicts.some((verdict) => verdict !== null && verdict !== "SAFE");
      // The switch race is decided by the target filter, which has a scenario of its own.
      if (mutant && name !== "skip-switching")
        expect(`${name} ${isCaughtHere}`).toBe(`${name} true`);
    }
  });

  for (const scenario of [...DECIDED, ...BROKEN]) {
    for (const { name } of policies) {
      const expected = expectedVerdict(scenario, "coupled", "sharing", name)!;
      if (!isDrawn(17)) continue;
      test(`${scenario.name}, ${name}: ${expected}`, async () => {
        const result = await check(scenario, { policy: name });
        expect(result.verdict).toBe(expected);
        expect(result.expected).toBe(expected);
        expect(result.schedule.length > 0).toBe(expected !== "SAFE");
      });
    }
  }
});

/** The same with a third CPU that runs the mm, has used what CPU 1 has, and does its last step. */
function withThreeCpus(scenario: Scenario): Scenario {
  const asCpu2 = (actors: Scenario["actors"], atMost: number): Scenario["actors"] => [
    ...actors,
    ...actors
      .filter(({ cpu }) => cpu === 1 && !actors.some((other) => other.cpu === 2))
      .map(({ name, steps }) => ({ name: `${name} too`, cpu: 2, steps: steps.slice(-atMost) })),
  ];
  return {
    ...scenario,
    name: `${scenario.name}-3`,
    threads: [0, 0, 0],
    setup: asCpu2(scenario.setup, 64),
    actors: asCpu2(scenario.actors, 1),
  };
}

/**
 * Those that need three CPUs anyway are exhausted with three above; and those that are about more
 * than one mm say themselves who runs what.
 */
const ofTwo = DECIDED.filter(
  ({ name, threads }) =>
    // Its memory is just enough for two.
    name !== "reclaimed-meanwhile" &&
    threads.filter((mm) => mm === 0).length < 3 &&
    threads.every((mm) => mm === 0 || mm === null),
);

describe("with three CPUs in the mm", () => {
  for (const scenario of ofTwo) {
    for (const { name } of SOUND) {
      if (!isDrawn(13)) continue;
      test(`${scenario.name}, ${name}: all interleavings are safe`, async () => {
        const two = await check(scenario, { policy: name });
        const three = await check(withThreeCpus(scenario), { policy: name });
        console.log(`${scenario.name} ${name}: ${two.states} and ${three.states} states`);
        if (name === SOUND[0].name) console.log(`  assumes ${three.assumptions.join("; ")}`);
        expect(three.verdict).toBe("SAFE");
        // Without interrupts the third CPU of csd-ahead does the same with and without the mm.
        // By broadcast, where there are two targets; by interrupt with one.
        if (name === "hybrid") expect(three.states).toBeGreaterThan(1);
        else if (/^broadcast|asids$|^fpr$/.test(name))
          expect(three.states).toBeGreaterThanOrEqual(two.states);
        else expect(three.states).toBeGreaterThan(two.states);
      }, 120_000);
    }
  }

  test("the third CPU is one more that a broken policy leaves behind", async () => {
    const scenario = withThreeCpus(scenarioNamed("user-in-flight"));
    for (const policy of ["no-wait", "local-only"]) {
      expect((await check(scenario, { policy })).verdict).toBe("UAF");
    }
  });
});

/**
 * shootdown.md I3. X is somebody else's csd, which reads user memory; F is the flush. An
 * acknowledgement must not overtake an earlier csd of the same drain that touches user memory; a
 * csd behind F is harmless. Acknowledged after the flush, or when F is reached, whatever was ahead
 * has run: safe. Acknowledged at entry, it matters whether X can be ahead. F is synchronous then
 * (only what is acknowledged when reached is queued as asynchronous), so:
 *
 *   fifo, X of any kind       X may have been queued first: it runs first      UAF
 *   sync first, X sync        both are of the first kind, as queued            UAF
 *   sync first, X async       F runs first, always                             safe
 */
const ACK_AT_ENTRY: readonly (readonly [string, "fifo" | "sync-first", Verdict])[] = [
  ["csd-ahead", "fifo", "UAF"],
  ["csd-ahead-async", "fifo", "UAF"],
  ["csd-ahead", "sync-first", "UAF"],
  ["csd-ahead-async", "sync-first", "SAFE"],
];

function acknowledged(ack: TransportKnobs["ack"], drain: TransportKnobs["drain"]): FlushPolicy {
  return transport(
    {
      name: `ack-${ack}-${drain}`,
      title: "for this test",
      source: "shootdown.md I3",
      mutant: false,
      completes: { data: ack === "flush" ? "G3" : "G2", tables: "G4" },
    },
    { ack, local: "after", payload: "inline", guard: "refuse", drain: drain ?? "fifo" },
  );
}

describe("a csd that shares the queue with a flush", () => {
  for (const [scenario, drain, atEntry] of ACK_AT_ENTRY) {
    for (const ack of ["entry", "reach", "flush"] as const) {
      const expected = ack === "entry" ? atEntry : "SAFE";
      test(`${scenario}, ${drain}, acknowledged at ${ack}: ${expected}`, async () => {
        const policy = acknowledged(ack, drain);
        const catalogue = Catalogue.standard.with({ policies: [policy] });
        const result = await check(scenario, { policy: policy.name, catalogue });
        expect(result.verdict).toBe(expected);
        expect(result.schedule.length > 0).toBe(expected !== "SAFE");
      });
    }
  }
});
