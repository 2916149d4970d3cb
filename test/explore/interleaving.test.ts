/** Exact interleavings: whose turn it is, how far it goes, and what comes of it. */
import { describe, expect, test } from "vitest";
import {
  check,
  checkScenario,
  type Interleavings,
  makeReplayFile,
  replay,
  type Scenario,
  scenarioNamed,
  stepsOf,
  type Turn,
} from "../../src/index.js";

const base: Scenario = {
  name: "turns",
  title: "two CPUs and a device on two pages",
  source: "for this test",
  story: [],
  geometry: { frames: 5, tables: 2, indexBits: 2, gatherPages: 2 },
  mms: [{ vmas: [{ start: 0, end: 2, prot: 3 }] }],
  threads: [0, 0],
  devices: [0],
  setup: [
    { name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 0 } }] },
    { name: "T1", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }] },
    { name: "D", device: 0, steps: [{ device: "write", vpn: 0 }] },
  ],
  actors: [
    { name: "T0", cpu: 0, steps: [{ call: "madvise", args: { start: 0, end: 1 } }] },
    { name: "T1", cpu: 1, steps: [{ call: "load", args: { vpn: 0 } }] },
    {
      name: "D",
      device: 0,
      steps: [
        { device: "read", vpn: 0 },
        { device: "read", vpn: 1 },
      ],
    },
  ],
  expect: { "*": { "*": "SAFE" } },
};

function following(interleaving: readonly Turn[], change: Partial<Scenario> = {}): Scenario {
  return { ...base, ...change, interleaving };
}

/** Who did what, in order, as `actor text`. */
async function told(scenario: Scenario, options = {}): Promise<string[]> {
  const result = await check(scenario, options);
  const steps = await stepsOf(result, scenario);
  return steps.map(({ actor, text }) => `${actor} ${text}`);
}

/** What the actor did last before somebody else did something. */
async function lastOf(actor: number, to: string, options = {}): Promise<string> {
  const name = base.actors[actor].name;
  const steps = await told(
    following([
      [name, to],
      ["T1", "end"],
    ]),
    options,
  );
  const other = steps.findIndex((text) => text.startsWith("1 ") && text.includes("cpu.access"));
  return steps[other - 1];
}

describe("a turn goes", () => {
  test("through a micro-op, up to it, and to one of a page", async () => {
    expect(await lastOf(0, "clear")).toBe("0 clear PTE [page 0]");
    expect(await lastOf(0, "clear 0")).toBe("0 clear PTE [page 0]");
    expect(await lastOf(0, "pte.clear")).toBe("0 clear PTE [page 0]");
    expect(await lastOf(0, "before gather.add")).toBe("0 clear PTE [page 0]");
    // No such page: it goes on to its end, past what others would have seen.
    expect(await lastOf(0, "clear 1")).toBe(await lastOf(0, "end"));
  });

  test("through what a bracket tells, and not into what its end tells", async () => {
    expect(await lastOf(0, "range_start")).toMatch(/notify/);
    expect(await lastOf(0, "range_start", { consumer: "mirroring" })).toMatch(/dev\.unlock|notify/);
    for (const era of ["double", "coupled"]) {
      // Behind the unlock comes the end of the extent, and then range_end.
      expect(await lastOf(0, "before range_end", { era })).toMatch(/table\.next/);
      expect(await lastOf(0, "unlock", { era })).toMatch(/ptl\.unlock/);
      expect(await lastOf(0, "range_end", { era })).toBe("0 range_end");
    }
  });

  test("through one step of a program", async () => {
    const order = async (turns: readonly Turn[]): Promise<string[]> => {
      const steps = await told(following([...turns, ["T1", "end"]]));
      const read = steps.filter(
        (text) => text.includes("dev.access") || text.includes("cpu.access"),
      );
      return read.map((text) => text.replace(/dev.access|cpu.access|r0|read|0x/g, "").trim());
    };
    const one = await order([["D", "step"]]);
    expect(one.map((text) => text[0])).toEqual(["2", "1", "2"]);
    const two = await order([
      ["D", "step"],
      ["D", "step"],
    ]);
    expect(two.map((text) => text[0])).toEqual(["2", "2", "1"]);
  });

  test("to a pending interrupt, and nowhere if there is none", async () => {
    const turns: Turn[] = [
      ["T0", "ipi.send"],
      ["T1", "irq"],
      ["T0", "end"],
    ];
    const steps = await told(following(turns));
    const sent = steps.findIndex((text) => text.includes("send IPI"));
    expect(steps[sent + 1]).toMatch(/^1 IRQ/);
    expect(
      (
        await check(
          following([
            ["T1", "irq"],
            ["T1", "irq"],
          ]),
        )
      ).verdict,
    ).toBe("SAFE");
  });

  test("to a walk, an NMI, and a hypervisor's turn", async () => {
    const more = {
      setup: [{ name: "T0", cpu: 0, steps: [{ call: "write", args: { vpn: 1 } }] }],
      watch: [{ mm: 0, vpn: 1 }],
      assume: { speculativeWalks: true, nmi: true, preempt: true },
    };
    // Whichever of the two comes first fills the TLB; the other one changes nothing then.
    for (const [word, text] of [
      ["walk", "1 speculative walk of watched page 0"],
      ["nmi", "1 NMI reads watched page 0"],
    ]) {
      const preempt: Turn = ["T1", "preempt"];
      const steps = await told(following([["T1", `${word} 1`], preempt, preempt], more));
      const hypervisor = "1 hypervisor preempts or resumes it";
      expect(steps.slice(0, 3)).toEqual([text, hypervisor, hypervisor]);
    }
  });
});

describe("what comes of an interleaving", () => {
  test("who waits for other CPUs lets them take their interrupts", async () => {
    const result = await check(following([["T0", "end"]]));
    expect(result).toMatchObject({ verdict: "SAFE", interleavings: "given", isShortest: false });
    expect(result.states).toBe(result.schedule.length + 1);
    expect(result.assumptions[0]).toMatch(/^one interleaving/);
    const steps = await told(following([["T0", "end"]]));
    expect(steps.some((text) => text.startsWith("1 IRQ"))).toBe(true);
  });

  test("a hazard ends it", async () => {
    const turns: Turn[] = [
      ["T0", "end"],
      ["T1", "end"],
    ];
    const result = await check(following(turns), { policy: "no-wait" });
    const [last] = (await stepsOf(result, following(turns))).slice(-1);
    expect(result.verdict).toBe("UAF");
    expect(last.hazard).toMatch(/^UAF: T1 uses frame/);
  });

  test("nobody comes to wake it: DEADLOCK", async () => {
    const actors = [{ name: "T0", cpu: 0, steps: [{ await: 0, count: 1 }] }];
    expect((await check(following([["T0", "end"]], { actors }))).verdict).toBe("DEADLOCK");
    const { verdict } = await check(following([["T0", "end"]]), { policy: "no-ipi" });
    expect(verdict).toBe("DEADLOCK");
  });

  test("a device that retries for a bracket that never ends: NOPROG", async () => {
    const actors: Scenario["actors"] = [
      {
        name: "T0",
        cpu: 0,
        steps: [{ kernel: [{ bracket: "CLEAR", pages: [0, 1], do: [{ flush: [0, 1] }] }] }],
      },
      base.actors[2],
    ];
    const stuck = following(
      [
        ["T0", "flush.prep"],
        ["D", "end"],
      ],
      { actors },
    );
    const options = { policy: "no-ipi", consumer: "mirroring" };
    const result = await check(stuck, options);
    expect(result.verdict).toBe("NOPROG");
    const file = await makeReplayFile(result, stuck);
    expect((await replay(JSON.parse(JSON.stringify(file)))).verdict).toBe("NOPROG");
    expect((await check(stuck, { consumer: "mirroring" })).verdict).toBe("SAFE");
  });

  test("it can be replayed, and all orders be explored instead", async () => {
    const turns: Turn[] = [["T0", "end"]];
    const result = await check(following(turns), { policy: "no-wait" });
    const file = await makeReplayFile(result, following(turns));
    const again = await replay(JSON.parse(JSON.stringify(file)));
    expect(again.verdict).toBe("UAF");
    const every = await check(following(turns), { interleavings: "all" });
    const plain = await check(base);
    expect(every).toMatchObject({ states: plain.states, verdict: plain.verdict, expected: null });
    expect(every.interleavings).toBe("all");
  });

  test("set-up may wait for other CPUs by any road, broadcasts included", async () => {
    const more = { name: "T0", cpu: 0, steps: [{ call: "madvise", args: { start: 0, end: 1 } }] };
    const dropped = { ...base, setup: [...base.setup, more] };
    for (const policy of ["concurrent", "broadcast", "directory", "riscv-sbi"]) {
      expect((await check(dropped, { policy })).verdict).toBe("SAFE");
    }
  });

  test("a consumer of its own goes before the one that is chosen", async () => {
    const fixed: Scenario = { ...base, consumers: ["mirroring"] };
    const one = await check(fixed, { consumer: "sharing" });
    const two = await check(base, { consumer: "mirroring" });
    expect(one.states).toBe(two.states);
    expect(one.states).not.toBe((await check(base, { consumer: "sharing" })).states);
  });
});

describe("what is refused", () => {
  test.each([
    ["E_NOENT", "scenario.interleaving[0][0]", [["T9", "end"]]],
    [
      "E_NOENT",
      "scenario.interleaving[1][1]",
      [
        ["T0", "end"],
        ["T0", "jump"],
      ],
    ],
    ["E_NOENT", "scenario.interleaving[0][1]", [["T0", "walk 0"]]],
    ["E_TYPE", "scenario.interleaving[0]", [["T0"]]],
  ])("%s %s", (code, argument, turns) => {
    const bad = following(turns as unknown as Turn[]);
    const error = expect.objectContaining({ code }) as Error;
    expect(() => checkScenario(bad)).toThrow(error);
    try {
      checkScenario(bad);
    } catch (caught) {
      expect((caught as { details: { argument: string } }).details.argument).toContain(argument);
    }
  });

  test("two actors of one name, too many consumers, an unknown choice", async () => {
    const twice = following([["T0", "end"]], {
      actors: [base.actors[0], { ...base.actors[1], name: "T0" }],
    });
    await expect(check(twice)).rejects.toMatchObject({ code: "E_DUP" });
    await expect(check({ ...base, consumers: ["sharing", null] })).rejects.toMatchObject({
      code: "E_LIMIT",
    });
    await expect(check({ ...base, consumers: ["tpu"] })).rejects.toMatchObject({ code: "E_NOENT" });
    const interleavings = "some" as Interleavings;
    await expect(check(scenarioNamed("mremap"), { interleavings })).rejects.toMatchObject({
      code: "E_TYPE",
      details: { argument: "interleavings" },
    });
  });
});
