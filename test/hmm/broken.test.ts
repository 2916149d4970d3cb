/** Mirrors that leave out a step of the protocol, each in the interleaving that shows it. */
import { describe, expect, test } from "vitest";
import {
  HmmSpace,
  type Machine,
  type MirrorFault,
  TestHmm,
  type TestHmmOptions,
} from "../../src/index.js";
import { HZ_UAF } from "../../src/core/abi.js";
import { AT, PAGES, RW, words } from "./fixture.js";
import { APP, OTHER, rig, WORKER } from "./rig.js";

const END = AT + PAGES;
const UAF = expect.objectContaining({ code: HZ_UAF }) as object;

interface Scene {
  readonly machine: Machine;
  readonly space: HmmSpace;
  readonly device: TestHmm;
  /** All CPUs are idle from here on. */
  readonly from: number;
}

async function scene(options: TestHmmOptions, broken?: MirrorFault): Promise<Scene> {
  const { machine, mm } = await rig();
  const space = await HmmSpace.attach(machine, mm);
  const device = new TestHmm(space, WORKER, {
    ...options,
    ...(broken === undefined ? {} : { broken }),
  });
  machine.mapNow(mm, AT, END, RW);
  words().forEach((word, i) => {
    space.store(APP, AT + i, word);
  });
  return { machine, space, device, from: machine.now(APP) + 10_000 };
}

const both = (broken: MirrorFault) => [undefined, broken] as const;

describe("what broken mirrors do", () => {
  test.each(both("no-retry"))("madvise between the look and the lock: %s", async (broken) => {
    const { machine, device, from } = await scene({ prepareCost: 100_000 }, broken);
    device.read(AT, AT + 4, { at: from });
    machine.submit(OTHER, "madvise", { start: AT, end: AT + 4 }, { at: from + 50_000 });
    machine.advance();
    expect(machine.hazard).toEqual(broken === undefined ? null : UAF);
    expect(device.counters.retries).toBe(broken === undefined ? 1 : 0);
  });

  test.each(both("late-zap"))("use after range_start has returned: %s", async (broken) => {
    const { machine, device, from } = await scene({}, broken);
    device.finish(device.read(AT, AT + 4));
    machine.submit(OTHER, "madvise", { start: AT, end: AT + 4 }, { at: from });
    machine.finish(OTHER);
    device.peek(AT);
    expect(machine.hazard).toEqual(broken === undefined ? null : UAF);
    machine.advance();
    expect(device.table.size).toBe(0);
  });

  test.each(both("non-blocking-ignored"))(
    "the OOM reaper, while the lock is taken: %s",
    async (broken) => {
      const { machine, space, device, from } = await scene({ programCost: 200_000 }, broken);
      device.read(AT, AT + 4, { at: from });
      machine.submit(OTHER, "oom.reap", { start: AT, end: AT + 4 }, { at: from + 100_000 });
      machine.advance();
      // Refused, the pages stay; granted, they are gone, and the device still has them.
      expect(space.entry(AT).flags === 0).toBe(broken !== undefined);
      device.peek(AT);
      expect(machine.hazard).toEqual(broken === undefined ? null : UAF);
      expect(device.counters.refused).toBe(broken === undefined ? 1 : 0);
    },
  );

  test("a mirror that refuses what may not sleep does so with its lock free, too", async () => {
    const { machine, space, device, from } = await scene({ nonBlock: "refuse" });
    machine.submit(OTHER, "oom.reap", { start: AT, end: AT + 4 }, { at: from });
    machine.advance();
    expect([space.entry(AT).flags === 0, device.counters.refused]).toEqual([false, 1]);
  });

  test.each(both("set-seq-on-own"))("exclusive access, by its own event: %s", async (broken) => {
    const { machine, device } = await scene({ timeout: 1e6 }, broken);
    const result = device.finish(device.exclusive(AT, AT + 2));
    // It invalidates itself for ever: no progress.
    expect(result.status).toBe(broken === undefined ? "OK" : "EBUSY");
    expect(machine.hazard).toBeNull();
  });

  test(
    "the quirk: a page behind the range is dropped as well, and only " + "faulted in again",
    async () => {
      for (const strict of [false, true]) {
        const { machine, device, from } = await scene({ strict });
        device.finish(device.read(AT, END));
        machine.submit(OTHER, "madvise", { start: AT, end: AT + 4 }, { at: from });
        machine.advance();
        expect(device.table.has(AT + 4)).toBe(!strict);
        expect(device.finish(device.read(AT + 4, END))).toMatchObject({ faults: strict ? 1 : 0 });
        expect(machine.hazard).toBeNull();
      }
    },
  );

  test("exit waits for a driver that has its lock; later threads find no users (S30)", async () => {
    const { machine, device, from } = await scene({});
    device.finish(device.read(AT, END));
    // The driver's threads are nobody's of the process.
    machine.submit(WORKER, "exit", {}, { at: from });
    const holder = device.run(
      function* () {
        yield* device.lock.acquire();
        yield 500_000;
        device.lock.release();
      },
      { at: from + 2_000 },
    );
    for (const cpu of [APP, OTHER]) machine.submit(cpu, "exit", {}, { at: from + 10_000 });
    const late = device.read(AT, END, { at: from + 5_000_000 });
    machine.advance();
    expect(holder.isDone).toBe(true);
    expect(device.table.size).toBe(0);
    expect(late.result).toMatchObject({ status: "EINVAL", cpages: 0 });
    expect(machine.hazard).toBeNull();
  });
});
