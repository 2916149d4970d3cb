/**
 * What is written out (FRAME_COLLECTED) is what nobody can write any more without a fault: a frame
 * that reclaim has taken from its last mm, or one that is mapped read-only.
 */
import { describe, expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { BASE } from "../../src/core/core.js";
import { check, Catalogue, type Machine, type Scenario } from "../../src/index.js";
import { exploredMachine } from "../../src/drivers/explored-machine.js";
import type { ScriptStep } from "../../src/kernel/image.js";
import { View } from "../../src/invariants/view.js";

const PARTS = { era: "coupled", policy: "concurrent", consumer: "sharing" };
const range = { start: 0, end: 1 };
const write: ScriptStep = { call: "write", args: { vpn: 0 } };

function onePage(...steps: ScriptStep[]): Scenario {
  return {
    name: "write-out-test",
    title: "for this test",
    source: "shootdown.md I5",
    story: [],
    geometry: { frames: 4, tables: 4, mms: 2, tasks: 3, indexBits: 1, gatherPages: 2 },
    mms: [{ vmas: [{ ...range, prot: 3 }] }],
    threads: [0, 0],
    devices: [],
    setup: [],
    actors: [{ name: "T0", cpu: 0, steps }],
    expect: { "*": { "*": "SAFE" } },
  };
}

/** Frame of page 0 in an mm, and whether it is marked. */
function mapped(machine: Machine, mm: number): { pfn: number; isMarked: boolean } {
  const view = new View(machine.core);
  const { to } = view.walk(mm, 0)!;
  return { pfn: to, isMarked: (view.frame(to, "value") & abi.FRAME_COLLECTED) !== 0 };
}

describe("reclaim", () => {
  test("does not mark a frame that the child still maps", async () => {
    const scenario = onePage(
      write,
      { call: "fork", args: { childTask: 3 } },
      { call: "reclaim", args: range },
    );
    const machine = await exploredMachine(scenario, PARTS, Catalogue.standard, 0);
    machine.settle();
    const view = new View(machine.core);
    expect(machine.core.x.machineWalk(BASE, 0, 0)).toBe(0);
    const { pfn, isMarked } = mapped(machine, 1);
    expect(view.frame(pfn, "refs")).toBe(1);
    expect(isMarked).toBe(false);
    machine.dispose();
  });

  /**
   * The other mm is the only one that maps the frame by then, and may write it. When it makes the
   * page read-only, a store that is under way reaches it: that is tolerated, and nothing is lost.
   */
  test("stores of another mm to such a frame are not called lost", async () => {
    const base = onePage();
    const vmas = [{ ...range, prot: 3 }];
    const share: ScriptStep = { call: "infer.share", args: { vpn: 0, mm: 2 } };
    const result = await check({
      ...base,
      mms: [{ vmas }, { vmas }],
      threads: [0, 1, 1],
      setup: [
        { name: "mm 0", cpu: 0, steps: [write, share, { call: "reclaim", args: range }] },
        { name: "mm 1", cpu: 1, steps: [write] },
        { name: "mm 1", cpu: 2, steps: [write] },
      ],
      actors: [
        { name: "T1", cpu: 1, steps: [{ call: "mprotect", args: { ...range, prot: 1 } }] },
        { name: "T2", cpu: 2, steps: [{ call: "store", args: { vpn: 0 } }] },
      ],
    });
    expect(result.verdict).toBe("SAFE");
    expect(result.states).toBeGreaterThan(20);
  });
});

describe("writeback", () => {
  test("marks the page, until a store that a fault has allowed", async () => {
    const clean = onePage(write, { call: "writeback", args: range });
    for (const [steps, isMarked] of [
      [[], true],
      [[write], false],
      [[{ call: "read", args: { vpn: 0 } }], true],
    ] as const) {
      const [actor] = clean.actors;
      const scenario = { ...clean, actors: [{ ...actor, steps: [...actor.steps, ...steps] }] };
      const machine = await exploredMachine(scenario, PARTS, Catalogue.standard, 0);
      machine.settle();
      expect(mapped(machine, 0).isMarked).toBe(isMarked);
      machine.dispose();
    }
  });

  test("does not mark a page that is writable again by the time it is written out", async () => {
    // T1's store between the flush and the write makes the page dirty once more: no store is lost
    // when it is made read-only later on.
    const scenario: Scenario = {
      ...onePage({ call: "writeback", args: range }, { signal: 0 }),
      setup: [{ name: "T1", cpu: 1, steps: [write] }],
    };
    const [first] = scenario.actors;
    const result = await check({
      ...scenario,
      actors: [
        first,
        {
          name: "T1",
          cpu: 1,
          steps: [write, write, { await: 0, count: 1 }, write],
        },
      ],
    });
    expect(result.verdict).toBe("SAFE");
  });
});
