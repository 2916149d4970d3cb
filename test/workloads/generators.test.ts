// Parameters are checked, regions do not overlap by mistake, and rounds are what they say.

import { describe, expect, test } from "vitest";
import {
  ArgumentError,
  checkParameters,
  GENERATORS,
  generatorNamed,
  Random,
  runWorkload,
  type WorkloadGenerator,
  WORKLOAD_PARAMETERS,
  type WorkloadThread,
} from "shootdown";
import { geometryFor, Layout } from "../../src/simulation/layout.js";

function refusal(run: () => unknown): { code: string; argument: unknown } {
  try {
    run();
  } catch (error) {
    if (error instanceof ArgumentError) {
      return { code: error.code, argument: error.details["argument"] };
    }
    throw error;
  }
  throw new Error("it was not refused");
}

const pingpong = generatorNamed("madvise-pingpong");

describe("parameters", () => {
  test("every one is bounded where it says it is", () => {
    for (const { name, least, most } of WORKLOAD_PARAMETERS) {
      const rest = name === "threads" || name === "lazy" ? { cpus: 1024, threads: 1 } : {};
      const step = name === "locality" ? 0.001 : 1;
      for (const value of [least, most]) {
        expect(checkParameters(pingpong, { ...rest, [name]: value })[name]).toBe(value);
      }
      for (const value of [least - step, most + step]) {
        const got = refusal(() => checkParameters(pingpong, { ...rest, [name]: value }));
        expect(got, `${name} ${value}`).toEqual({ code: "E_LIMIT", argument: name });
      }
      for (const value of [NaN, "2", null]) {
        const given = { ...rest, [name]: value as number };
        const got = refusal(() => checkParameters(pingpong, given));
        expect(got, `${name} ${String(value)}`).toEqual({ code: "E_TYPE", argument: name });
      }
    }
  });

  test("threads and lazy CPUs are bounded by the CPUs there are", () => {
    expect(checkParameters(pingpong, { cpus: 5 }).threads).toBe(5);
    expect(refusal(() => checkParameters(pingpong, { cpus: 5, threads: 6 }))).toEqual({
      code: "E_LIMIT",
      argument: "threads",
    });
    expect(checkParameters(pingpong, { cpus: 5, threads: 2, lazy: 3 }).lazy).toBe(3);
    expect(refusal(() => checkParameters(pingpong, { cpus: 5, threads: 2, lazy: 4 }))).toEqual({
      code: "E_LIMIT",
      argument: "lazy",
    });
  });

  test("what a workload does not take is refused, not ignored", () => {
    const unknown = { colour: 3 } as object;
    expect(refusal(() => checkParameters(pingpong, unknown)).code).toBe("E_TYPE");
    expect(refusal(() => checkParameters(generatorNamed("shared"), { pages: 2 }))).toEqual({
      code: "E_TYPE",
      argument: "pages",
    });
    expect(refusal(() => generatorNamed("nope"))).toEqual({
      code: "E_NOENT",
      argument: "workload",
    });
  });

  test("runWorkload refuses bad options before it builds anything", async () => {
    const bad = [
      [{ workload: "nope" }, "E_NOENT"],
      [{ workload: "recycle", ops: 0 }, "E_LIMIT"],
      [{ workload: "recycle", seed: -1 }, "E_LIMIT"],
      [{ workload: "recycle", policy: "nope" }, "E_NOENT"],
      [{ workload: "recycle", parameters: { pages: 65 } }, "E_LIMIT"],
    ] as const;
    for (const [options, code] of bad) {
      await expect(runWorkload(options)).rejects.toMatchObject({ code });
    }
  });
});

/** The threads of a workload, as a run has them. */
function threadsOf(generator: WorkloadGenerator, pages: number, threads: number) {
  const parameters = checkParameters(generator, { cpus: threads, pages, locality: 0.5 });
  const layout = new Layout(generator, parameters, new Random(pages));
  return Array.from({ length: threads }, (_, index): WorkloadThread => ({
    index,
    parameters,
    random: new Random(index),
    own: layout.own(index),
    ownOf: (thread, area) => layout.own(thread, area),
    shared: (thread, area) => layout.shared(thread, area),
    childTask: threads,
    has: () => false,
  }));
}

describe.each(GENERATORS.map((generator) => [generator.name, generator] as const))(
  "%s",
  (_name, generator) => {
    test("own regions share no page table, parts of the shared one do not overlap", () => {
      for (const pages of [1, 64]) {
        const threads = threadsOf(generator, pages, 4);
        const size = generator.regionPages(pages);
        const areas = generator.areas ?? 1;
        const used = new Map<number, string>();
        for (const { index, ownOf, shared } of threads) {
          for (let area = 0; area < areas; area++) {
            const own = ownOf(index, area);
            for (const table of [own, own + size - 1].map((vpn) => Math.floor(vpn / 512))) {
              const by = `${index} ${area}`;
              expect(used.get(table) ?? by).toBe(by);
              used.set(table, by);
            }
            if (index > 0) expect(shared(index, area) - shared(index - 1, area)).toBe(size);
          }
        }
      }
    });

    test("calls stay within the regions, and complete as many operations as they say", () => {
      for (const pages of [1, 5, 64]) {
        const threads = threadsOf(generator, pages, 3);
        const size = generator.regionPages(pages);
        const areas = Array.from({ length: generator.areas ?? 1 }, (_, area) => area);
        const starts = threads.flatMap(({ index, ownOf, shared }) =>
          areas.flatMap((area) => [ownOf(index, area), shared(index, area)]),
        );
        let ops = 0;
        const rounds = 320;
        for (let round = 0; round < rounds; round++) {
          for (const thread of threads) {
            for (const one of generator.round(thread, round)) {
              ops += one.ops ?? 0;
              const { start, end, vpn, target } = one.args;
              const inside = (from: number, to: number): boolean =>
                starts.some((first) => from >= first && to <= first + size);
              if (vpn !== undefined) expect(inside(vpn, vpn + 1)).toBe(true);
              if (start !== undefined) expect(inside(start, end)).toBe(true);
              if (target !== undefined) {
                expect(inside(target, target + end - start)).toBe(true);
                expect(target + end - start <= start || target >= end).toBe(true);
              }
            }
          }
        }
        const expected = rounds * generator.opsPerRound(threads[0].parameters);
        expect(ops / expected).toBeGreaterThan(generator.name === "server-mix" ? 0.85 : 0.999);
        expect(ops / expected).toBeLessThan(generator.name === "server-mix" ? 1.15 : 1.001);
      }
    });

    test("says what it stands for, and where that comes from", () => {
      expect(generator.title.length).toBeGreaterThan(20);
      expect(generator.standsFor.length).toBeGreaterThan(20);
      expect(generator.source.length).toBeGreaterThan(10);
      expect(generator.scenarios.length).toBeGreaterThan(0);
    });
  },
);

test("the mixture has every part in it, and its largest machine can be built", () => {
  const mix = generatorNamed("server-mix");
  const [, thread] = threadsOf(mix, 4, 2);
  const calls = new Set<string>();
  for (let round = 0; round < 400; round++) {
    for (const { call } of mix.round(thread, round)) calls.add(call);
  }
  const wanted = ["mmap", "munmap", "madvise", "mprotect", "mremap", "migrate", "write", "read"];
  expect([...calls].sort()).toEqual([...wanted].sort());
  const largest = checkParameters(mix, { cpus: 1024, pages: 64 });
  expect(geometryFor(mix, largest).tables).toBeLessThan(1 << 18);
});

test("half of the rounds are on the shared region when locality is 0.5", () => {
  const [thread] = threadsOf(pingpong, 1, 4);
  let own = 0;
  for (let round = 0; round < 2000; round++) {
    const [{ args }] = pingpong.round(thread, round);
    if (args["vpn"] === thread.own) own++;
  }
  expect(own).toBeGreaterThan(900);
  expect(own).toBeLessThan(1100);
});
