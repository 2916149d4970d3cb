/** Kernel code as data: each step is its micro-ops, and operations written with it are the same. */
import { describe, expect, test } from "vitest";
import {
  Catalogue,
  check,
  checkScenario,
  type KernelStep,
  Machine,
  type Scenario,
  type ScriptStep,
} from "../../src/index.js";
import { nestingFault } from "../../src/kernel/kernel-steps.js";
import { decode } from "../../src/program/disassembler.js";

const ERAS = Catalogue.standard.parts.eras.map(({ name }) => name);

function scenario(steps: readonly ScriptStep[], change: Partial<Scenario> = {}): Scenario {
  return {
    name: "kernel",
    title: "kernel code of its own",
    source: "for this test",
    story: [],
    geometry: { frames: 5, tables: 3, indexBits: 1, levels: 2, gatherPages: 2 },
    mms: [{ vmas: [{ start: 0, end: 2, prot: 3 }] }],
    threads: [0, 0],
    devices: [0],
    setup: [
      { name: "T1", cpu: 1, steps: [{ call: "write", args: { vpn: 0 } }] },
      { name: "D", device: 0, steps: [{ device: "write", vpn: 0 }] },
    ],
    actors: [
      { name: "T0", cpu: 0, steps },
      { name: "T1", cpu: 1, steps: [{ call: "load", args: { vpn: 0 } }] },
      { name: "D", device: 0, steps: [{ device: "write", vpn: 0 }] },
    ],
    expect: { "*": { "*": "SAFE" } },
    ...change,
  };
}

/** Micro-ops of a script, by name. */
async function opsOf(steps: readonly ScriptStep[], era = "coupled"): Promise<string[]> {
  using machine = await Machine.create({
    era,
    scripts: [{ name: "it", steps }],
    scriptsOnly: true,
  });
  const { code, entries } = machine.image;
  const names: string[] = [];
  for (let pc = entries.get("it")!; ; pc++) {
    const { name } = decode(code, pc);
    if (name === "end") return names;
    names.push(name);
  }
}

const site = { row: 18, clearFlush: true, notifiesAtEnd: true } as const;
const range = [0, 1] as const;
const madvise: KernelStep[] = [
  {
    mmapLock: "read",
    do: [
      { split: 0 },
      { split: 1 },
      { gather: [{ bracket: "CLEAR", pages: range, site: { row: 2 }, do: [{ zap: range }] }] },
    ],
  },
];
const munmap: KernelStep[] = [
  {
    mmapLock: "write",
    do: [
      { split: 0 },
      { split: 1 },
      { vma: range, prot: 0 },
      {
        gather: [
          { bracket: "UNMAP", pages: range, site: { row: 1 }, do: [{ zap: range }] },
          { unhook: range },
        ],
      },
    ],
  },
];
const migrate: KernelStep[] = [
  {
    mmapLock: "read",
    do: [
      {
        bracket: "CLEAR",
        pages: range,
        site: { row: 31 },
        do: [{ lock: 0, do: [{ clearFlush: 0 }, { set: 0, prot: 3 }] }],
      },
      { put: true },
    ],
  },
];
const writeback: KernelStep[] = [
  {
    bracket: "PROTECTION_PAGE",
    pages: range,
    site,
    do: [{ lock: 0, do: [{ clean: 0 }, { flushLocked: range }] }],
  },
  { collect: 0 },
];

describe("operations written with kernel steps", () => {
  test.each([
    ["madvise", madvise],
    ["munmap", munmap],
    ["migrate", migrate],
    ["writeback", writeback],
  ] as const)("%s has the verdicts of the operation, in every era", async (call, kernel) => {
    const promised: KernelStep[] = [{ promise: range, do: kernel }];
    for (const era of ERAS) {
      for (const policy of ["concurrent", "no-wait", "broadcast"]) {
        for (const consumer of ["sharing", "mirroring"]) {
          const options = { era, policy, consumer };
          const built = await check(scenario([{ call, args: { start: 0, end: 1 } }]), options);
          const written = await check(scenario([{ kernel: promised }]), options);
          const where = `${era} ${policy} ${consumer}`;
          expect(`${where} ${written.verdict}`).toBe(`${where} ${built.verdict}`);
        }
      }
    }
  });

  test("what is promised is held against it: a page that stays cached is stale", async () => {
    const cleared: KernelStep[] = [{ lock: 0, do: [{ clear: 0 }] }];
    const promised = await check(scenario([{ kernel: [{ promise: range, do: cleared }] }]));
    expect(promised.verdict).toBe("STALE");
    const flushed: KernelStep[] = [{ lock: 0, do: [{ clear: 0 }] }, { flush: range }];
    const kept = await check(scenario([{ kernel: [{ promise: range, do: flushed }] }]));
    expect(kept.verdict).toBe("SAFE");
  });
});

describe("each step", () => {
  const inGather = (...steps: KernelStep[]): KernelStep[] => [{ gather: steps }];
  const inLock = (...steps: KernelStep[]): KernelStep[] => [{ lock: 0, do: steps }];
  test.each([
    ["mmap.write.lock", [{ mmapLock: "write", do: [] }]],
    ["range.begin", [{ bracket: "RELEASE", pages: range, do: [] }]],
    ["ptl.lock", [{ lock: 0, second: 2, do: [] }]],
    ["gather.begin", inGather()],
    ["pte.clear", inLock({ clear: 0 })],
    ["gather.add", [{ gather: inLock({ gatherPage: 0 }, { gatherPage: 1 }, { gatherPage: 1 }) }]],
    ["pte.next", inGather({ zap: range })],
    ["table.unhook", inGather({ unhook: [0, 2], mode: "inside" })],
    ["flush.prep", [{ flush: range, freed: true }]],
    ["notify.begin", [{ notify: range }]],
    ["pte.set.vma", inLock({ clear: 0 }, { set: 0, prot: 3 }, { put: true })],
    ["pte.protect", inLock({ protect: 0, prot: 1 })],
    ["pte.clean", inLock({ clean: 0 })],
    ["pte.put", [{ lock: 0, second: 2, do: [{ move: 0, to: 2 }] }]],
    ["pte.split", [{ split: 0 }]],
    ["table.alloc", [{ table: 2 }]],
    ["vma.set", [{ mmapLock: "write", do: [{ vma: [2, 3], prot: 3 }] }]],
    ["pte.collect", [{ collect: 0 }]],
    ["frame.put", inLock({ clear: 0 }, { put: true })],
    ["gather.free", inGather({ free: "gathered" })],
    ["table.free", inGather({ free: "tables" })],
  ] as const)("%s", async (wanted, steps) => {
    const list = steps as readonly KernelStep[];
    expect(await opsOf([{ kernel: list }])).toContain(wanted);
    // It runs to its end, alone: whatever it does, nothing is left locked, open or gathered.
    const alone = { actors: [{ name: "T0", cpu: 0, steps: [{ kernel: list }] }] };
    expect((await check(checkScenario(scenario([], alone)))).verdict).toBe("SAFE");
  });

  test("setHuge maps a page that a device caches whole", async () => {
    const empty = { mms: [{ vmas: [{ start: 0, end: 4, prot: 3 }] }] };
    const steps = [{ kernel: [{ setHuge: 2 }] }, { signal: 0 }];
    const actors = [
      { name: "T0", cpu: 0, steps },
      {
        name: "D",
        device: 0,
        steps: [
          { await: 0, count: 1 },
          { device: "write" as const, vpn: 3 },
        ],
      },
    ];
    expect((await check(scenario([], { ...empty, actors }))).verdict).toBe("SAFE");
  });

  test("eras decide where a bracket and a flush under the lock notify", async () => {
    const kept = { row: 18, clearFlush: true, keepsLocked: false, notifiesAtEnd: true };
    const tells = async (era: string, given: typeof kept | { row: number }): Promise<number> => {
      const steps: KernelStep[] = [
        {
          bracket: "CLEAR",
          pages: range,
          site: given,
          do: [{ lock: 0, do: [{ flushLocked: range }] }],
        },
      ];
      const names = await opsOf([{ kernel: steps }], era);
      // range_start and range_end always tell.
      return names.filter((name) => name === "notify.begin").length - 2;
    };
    expect(await tells("double", kept)).toBe(2);
    expect(await tells("deduplicated", kept)).toBe(1);
    expect(await tells("coupled", kept)).toBe(1);
    expect(await tells("only-end-everywhere", kept)).toBe(0);
    expect(await tells("deduplicated", { row: 9 })).toBe(1);
    expect(await tells("deduplicated", { row: 2 })).toBe(1);
  });
});

describe("nesting", () => {
  test.each([
    [[{ clear: 0 }], [0, "clear"], "clear stands outside of lock"],
    [[{ lock: 0, do: [{ clearFlush: 0 }] }], [0, "do", 0, "clearFlush"], "outside of bracket"],
    [[{ lock: 0, do: [{ gatherPage: 0 }] }], [0, "do", 0, "gatherPage"], "outside of gather"],
    [[{ gather: [{ gather: [] }] }], [0, "gather", 0, "gather"], "inside of gather"],
    [[{ lock: 0, do: [{ lock: 1, do: [] }] }], [0, "do", 0, "lock"], "inside of lock"],
    [[{ lock: 0, do: [{ gather: [] }] }], [0, "do", 0, "gather"], "inside of lock"],
    [[{ vma: [0, 1], prot: 3 }], [0, "vma"], "outside of mmapLock"],
    [[{ free: "gathered" }], [0, "free"], "outside of gather"],
  ] as const)("%j", (steps, path, says) => {
    const fault = nestingFault(steps);
    expect(fault?.path).toEqual(path);
    expect(fault?.says).toContain(says);
  });

  test("what is right is not refused", () => {
    for (const steps of [madvise, munmap, migrate, writeback])
      expect(nestingFault(steps)).toBe(null);
  });

  test("pages and nesting of a scenario given as data are checked", () => {
    const bad = (steps: unknown): unknown => scenario([{ kernel: steps } as unknown as ScriptStep]);
    const codeOf = (steps: unknown): unknown => {
      try {
        checkScenario(bad(steps));
      } catch (error) {
        return [
          (error as { code: string }).code,
          (error as { details: { argument: string } }).details.argument,
        ];
      }
      return null;
    };
    const at = "scenario.actors[0].steps[0].kernel";
    expect(codeOf([{ clear: 0 }])).toEqual(["E_TYPE", `${at}[0].clear`]);
    expect(codeOf([{ lock: 0, do: [{ clear: 4 }] }])).toEqual([
      "E_ADDR_RANGE",
      `${at}[0].do[0].clear`,
    ]);
    expect(codeOf([{ flush: [0, 5] }])).toEqual(["E_ADDR_RANGE", `${at}[0].flush[1]`]);
    expect(codeOf([{ flush: [0, 4] }])).toBe(null);
    expect(codeOf([{ dance: 1 }])).toEqual(["E_TYPE", "scenario.actors[0].steps[0]"]);
  });
});
