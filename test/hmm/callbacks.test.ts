/** Device models of the host in the timed machine: what they are told, and what they may answer. */
import { describe, expect, test } from "vitest";
import {
  Catalogue,
  check,
  DriverLock,
  Machine,
  NOTIFIER_EVENTS,
  type NotifierRange,
  ParallelDriver,
  type ThreadSteps,
  threadDoes as does,
} from "../../src/index.js";
import * as abi from "../../src/core/abi.js";
import { BASE } from "../../src/core/core.js";
import { pagesOf } from "../../src/core/geometry.js";
import { FRAME } from "../../src/core/layout.js";
import { SiteRig } from "../../src/sites/rig.js";
import { op } from "../../src/program/notation.js";
import { SITE_RUNS } from "../../src/sites/rows.js";
import { APP, OTHER, rig, WORKER } from "./rig.js";

const RW = 3;

/** "CLEAR 100-104" and the like. */
const say = ({ event, start, end, blockable }: NotifierRange): string =>
  `${event} ${start.toString(16)}-${end.toString(16)}${blockable ? "" : " non-blocking"}`;

describe("what a device is told", () => {
  test(
    "start and end of a bracket, its event and range; pages are there at " + "start, not at end",
    async () => {
      const { machine, mm } = await rig();
      machine.mapNow(mm, 0x100, 0x110, RW);
      machine.submit(APP, "populate.write", { start: 0x100, end: 0x104 });
      machine.advance();
      const heard: string[] = [];
      const isThere = () => machine.walk(mm, 0x101) !== null;
      machine.attachDevice(mm, {
        rangeStart: (range) => {
          heard.push(`start ${say(range)} ${isThere()}`);
          return true;
        },
        rangeEnd: (range) => {
          heard.push(`end ${say(range)} ${isThere()}`);
        },
      });
      machine.submit(APP, "madvise", { start: 0x100, end: 0x104 });
      expect(machine.advance()).toBe("idle");
      expect(heard).toEqual(["start CLEAR 100-104 true", "end CLEAR 100-104 false"]);
    },
  );

  const rows = SITE_RUNS.map((run) => [`${run.row}${run.part}`, run.operation, run] as const);
  test.each(rows)("row %s, %s: every bracket, as it was opened", async (_row, operation, run) => {
    const site = await SiteRig.create("deduplicated", "concurrent", {
      hostDevices: true,
      record: [abi.EV_BRACKET],
    });
    const { machine } = site;
    run.prepare(site);
    const heard: string[] = [];
    const ended: string[] = [];
    machine.attachDevice(site.mm, {
      rangeStart: (range) => {
        heard.push(say(range));
        return true;
      },
      rangeEnd: (range) => {
        ended.push(say(range));
      },
    });
    const opened: string[] = [];
    const pages = pagesOf(machine.geometry);
    machine.submit(0, operation, run.args(site));
    machine.advance(Infinity, ({ kind, code, a, b }) => {
      if (kind !== abi.EV_BRACKET) return;
      const range = { start: a, end: Math.min(b, pages), event: NOTIFIER_EVENTS[code] };
      opened.push(say({ ...range, blockable: operation !== "oom.reap", owner: undefined }));
    });
    expect(heard).toEqual(opened);
    expect(ended).toEqual(opened);
    if (run.event === "none") expect(opened).toEqual([]);
    else expect(opened.every((one) => one.startsWith(`${run.event} `))).toBe(true);
  });

  test.each(["double", "deduplicated", "coupled"])(
    "secondary notifications: as many as a sharing device gets in the era %s",
    async (era) => {
      const counts: number[] = [];
      for (const isHost of [false, true]) {
        const { machine, mm } = await rig({ era });
        machine.mapNow(mm, 0x100, 0x110, RW);
        machine.submit(APP, "populate.write", { start: 0x100, end: 0x104 });
        machine.advance();
        let told = 0;
        if (isHost) {
          machine.attachDevice(mm, {
            secondary: () => {
              told++;
            },
          });
        } else machine.attach("sharing", mm);
        const before = machine.counters().notifySecondary;
        machine.submit(APP, "munmap", { start: 0x100, end: 0x104 });
        machine.submit(APP, "mmap", { start: 0x100, end: 0x104, prot: RW });
        machine.submit(APP, "write", { vpn: 0x100 });
        machine.advance();
        const counted = machine.counters().notifySecondary - before;
        if (isHost) expect(told).toBe(counted);
        counts.push(counted);
      }
      expect(counts[0]).toBeGreaterThan(0);
      expect(counts[1]).toBe(counts[0]);
    },
  );

  test(
    "release comes before what the teardown unmaps, and the device is told " + "of that, too",
    async () => {
      const { machine, mm } = await rig({ geometry: { cpus: 1 } });
      machine.mapNow(mm, 0x100, 0x104, RW);
      const heard: string[] = [];
      const device = machine.attachDevice(mm, {
        rangeStart: (range) => {
          heard.push(say(range));
          return true;
        },
        release: () => {
          heard.push("release");
        },
      });
      machine.submit(APP, "write", { vpn: 0x100 });
      machine.submit(APP, "exit");
      expect(machine.advance()).toBe("idle");
      expect(heard).toEqual(["release", "UNMAP 0-1000000000"]);
      expect(device.counters).toMatchObject({ releases: 1, starts: 1, ends: 1 });
      // It has no mm any more, so nothing of one is its own: not even a frame as it is now.
      const { core } = machine;
      const generation = core.read(FRAME, core.frame(1), "gen");
      expect(device.use(0x100, { frame: 1, generation, alone: true }, false)).toBe(false);
    },
  );

  test("the owner of the thread whose operation it is, at MIGRATE and EXCLUSIVE", async () => {
    const { machine, mm } = await rig();
    machine.mapNow(mm, 0x100, 0x110, RW);
    machine.submit(APP, "populate.write", { start: 0x100, end: 0x104 });
    machine.advance();
    const owners: unknown[] = [];
    machine.attachDevice(mm, {
      rangeStart: ({ event, owner }) => {
        owners.push([event, owner]);
        return true;
      },
    });
    machine.startThread(
      WORKER,
      mm,
      function* (): ThreadSteps<void> {
        yield does.migrate(0x100, 0x101);
        yield does.exclusive(0x101, 0x102);
      },
      { owner: "me" },
    );
    machine.submit(APP, "madvise", { start: 0x102, end: 0x103 }, { at: 1e6 });
    expect(machine.advance()).toBe("idle");
    expect(owners).toEqual([
      ["MIGRATE", "me"],
      ["EXCLUSIVE", "me"],
      ["CLEAR", undefined],
    ]);
  });
});

/** How a run with a device ends: state, times, counters. */
async function outcome(spend: number | "generator" | "none"): Promise<[string, number[], object]> {
  const { machine, mm } = await rig({ geometry: { cpus: 3 } });
  machine.mapNow(mm, 0x100, 0x110, RW);
  const device = machine.attachDevice(
    mm,
    spend === "generator"
      ? {
          *rangeStart() {
            yield 0;
            return true;
          },
          *rangeEnd() {
            yield 0;
          },
        }
      : spend === "none"
        ? { rangeStart: () => true, rangeEnd: () => undefined }
        : {
            rangeStart: (_range, call) => {
              call.spend(spend);
              return true;
            },
          },
  );
  machine.submit(APP, "populate.write", { start: 0x100, end: 0x110 });
  machine.submit(OTHER, "write", { vpn: 0x104 }, { at: 100_000 });
  machine.submit(APP, "madvise", { start: 0x100, end: 0x108 }, { at: 200_000 });
  machine.submit(APP, "munmap", { start: 0x100, end: 0x110 }, { at: 400_000 });
  machine.advance();
  device.detach();
  const { hookStart, ...rest } = { hookStart: 0, ...machine.counters() };
  return [machine.stateHash(), [0, 1, 2].map((cpu) => machine.now(cpu) + hookStart), rest];
}

describe("what a callback may answer", () => {
  test(
    "same bytes and times with callbacks that do nothing, by value or as a " + "generator",
    async () => {
      const plain = await outcome("none");
      expect(await outcome(0)).toEqual(plain);
      const [state, times, { steps, ...counters }] = (await outcome("generator")) as [
        string,
        number[],
        Record<string, number>,
      ];
      // A generator is asked once more per yield.
      expect([state, times]).toEqual(plain.slice(0, 2));
      expect(plain[2]).toMatchObject(counters);
      expect(steps).toBeGreaterThanOrEqual(0);
    },
  );

  test("the time it takes is the initiator's, once per bracket", async () => {
    const [state, times] = await outcome(0);
    const [slowState, slow] = await outcome(1_000);
    expect(slowState).toBe(state);
    // The last operation alone: those before it end before the next one's start.
    expect(slow[APP] - times[APP]).toBe(1_000);
  });

  test("a machine without a device takes no other time for it", async () => {
    const [, times] = await outcome("none");
    const { machine, mm } = await rig();
    machine.mapNow(mm, 0x100, 0x110, RW);
    machine.submit(APP, "populate.write", { start: 0x100, end: 0x110 });
    machine.submit(OTHER, "write", { vpn: 0x104 }, { at: 100_000 });
    machine.submit(APP, "madvise", { start: 0x100, end: 0x108 }, { at: 200_000 });
    machine.submit(APP, "munmap", { start: 0x100, end: 0x110 }, { at: 400_000 });
    machine.advance();
    expect(machine.now(APP)).toBe(times[APP]);
  });

  test(
    "a non-blocking bracket can be refused: nothing is dropped, who was " + "told hears of the end",
    async () => {
      const { machine, mm } = await rig();
      machine.mapNow(mm, 0x100, 0x110, RW);
      machine.submit(APP, "populate.write", { start: 0x100, end: 0x104 });
      machine.advance();
      const ends: string[] = [];
      const willing = machine.attachDevice(mm, {
        rangeStart: () => true,
        rangeEnd: (range) => {
          ends.push(`willing ${say(range)}`);
        },
      });
      const refusing = machine.attachDevice(mm, {
        rangeStart: ({ blockable }) => blockable,
        rangeEnd: (range) => {
          ends.push(`refusing ${say(range)}`);
        },
      });
      const mirror = machine.attach("mirroring", mm);
      machine.submit(APP, "oom.reap", { start: 0x100, end: 0x104 });
      expect(machine.advance()).toBe("idle");
      expect(machine.walk(mm, 0x100)).not.toBeNull();
      expect(ends).toEqual(["willing CLEAR 100-104 non-blocking"]);
      expect([willing.counters.refused, refusing.counters.refused]).toEqual([0, 1]);
      // The next bracket is like any other: the mirror's count is back at 0, so it can be filled.
      refusing.detach();
      machine.submitAccess(mirror, "mirroring", 0x100, false);
      machine.submit(APP, "oom.reap", { start: 0x100, end: 0x104 }, { at: machine.now(APP) + 1e6 });
      expect(machine.advance()).toBe("idle");
      expect(machine.walk(mm, 0x100)).toBeNull();
      expect(machine.hazard).toBeNull();
    },
  );

  test("refusing a blockable one is counted, and has no effect", async () => {
    const { machine, mm } = await rig();
    machine.mapNow(mm, 0x100, 0x110, RW);
    machine.submit(APP, "write", { vpn: 0x100 });
    machine.advance();
    const device = machine.attachDevice(mm, { rangeStart: () => false });
    machine.submit(APP, "madvise", { start: 0x100, end: 0x104 });
    machine.advance();
    expect(machine.walk(mm, 0x100)).toBeNull();
    expect(device.counters).toMatchObject({ ignored: 1, refused: 0, ends: 1 });
  });

  test("it may submit jobs, and must not advance", async () => {
    const { machine, mm } = await rig();
    machine.mapNow(mm, 0x100, 0x110, RW);
    machine.submit(APP, "write", { vpn: 0x100 });
    machine.advance();
    const thrown: unknown[] = [];
    machine.attachDevice(mm, {
      rangeStart: (range) => {
        if (range.start !== 0x100) return true;
        for (const call of [() => machine.advance(), () => machine.step(0)]) {
          try {
            call();
          } catch (error) {
            thrown.push((error as { code: string }).code);
          }
        }
        machine.submit(OTHER, "madvise", { start: 0x108, end: 0x109 });
        return true;
      },
    });
    const before = machine.counters().notifyStart;
    machine.submit(APP, "madvise", { start: 0x100, end: 0x101 });
    expect(machine.advance()).toBe("idle");
    expect(thrown).toEqual(["E_BUSY", "E_BUSY"]);
    expect(machine.counters().notifyStart - before).toBe(2);
  });

  test("what it throws comes out of advance, before the step; advance asks again", async () => {
    const { machine, mm } = await rig();
    machine.mapNow(mm, 0x100, 0x110, RW);
    machine.submit(APP, "write", { vpn: 0x100 });
    machine.advance();
    let asked = 0;
    machine.attachDevice(mm, {
      rangeStart: () => {
        if (++asked < 3) throw new Error(`no ${asked}`);
        return true;
      },
    });
    machine.submit(APP, "munmap", { start: 0x100, end: 0x110 });
    expect(() => machine.advance()).toThrow("no 1");
    const state = machine.stateHash();
    const now = machine.now(APP);
    expect(() => machine.advance()).toThrow("no 2");
    expect([machine.stateHash(), machine.now(APP)]).toEqual([state, now]);
    expect(machine.advance()).toBe("idle");
    expect([asked, machine.walk(mm, 0x100)]).toEqual([3, null]);
  });

  test("a budget counts a step that asks once", async () => {
    const run = async (attach: boolean): Promise<number> => {
      const { machine, mm } = await rig();
      machine.mapNow(mm, 0x100, 0x110, RW);
      machine.attachDevice(mm, attach ? { rangeStart: () => true } : {});
      machine.submit(APP, "write", { vpn: 0x100 });
      machine.submit(APP, "madvise", { start: 0x100, end: 0x110 });
      let calls = 1;
      while (machine.advance(Infinity, undefined, 1) === "budget") calls++;
      return calls;
    };
    // range_start and range_end, and what calls them once more for it.
    expect((await run(true)) - (await run(false))).toBe(4);
  });

  test(
    "a callback that waits for a lock of the driver goes on when the " + "thread lets it go",
    async () => {
      const { machine, mm } = await rig();
      machine.mapNow(mm, 0x100, 0x110, RW);
      machine.submit(APP, "write", { vpn: 0x100 });
      machine.advance();
      const lock: DriverLock = machine.hosts.lock("user");
      const order: string[] = [];
      machine.attachDevice(mm, {
        *rangeStart() {
          order.push("callback");
          yield* lock.acquire();
          order.push("callback has it");
          lock.release();
          return true;
        },
      });
      const from = machine.now(APP);
      const thread = machine.startThread(WORKER, mm, function* (): ThreadSteps<string> {
        yield* lock.acquire();
        yield 50_000;
        order.push("thread lets it go");
        lock.release();
        return "done";
      });
      machine.submit(APP, "munmap", { start: 0x100, end: 0x101 }, { at: from + 1_000 });
      expect(machine.advance()).toBe("idle");
      expect(order).toEqual(["callback", "thread lets it go", "callback has it"]);
      expect([thread.isDone, thread.result]).toEqual([true, "done"]);
      expect(machine.now(APP)).toBeGreaterThanOrEqual(thread.doneAt!);
      expect([lock.isHeld, lock.contended]).toEqual([false, 1]);
    },
  );

  test("who is never woken is part of a deadlock", async () => {
    const { machine, mm } = await rig();
    machine.mapNow(mm, 0x100, 0x110, RW);
    const queue = machine.hosts.queue();
    machine.attachDevice(mm, {
      *rangeStart() {
        yield queue;
        return true;
      },
    });
    machine.submit(APP, "munmap", { start: 0x100, end: 0x101 });
    expect(machine.advance()).toBe("deadlock");
    queue.wake();
    expect(machine.advance()).toBe("idle");
  });

  test("who is woken before it sleeps does not sleep", async () => {
    const { machine, mm } = await rig();
    machine.mapNow(mm, 0x100, 0x110, RW);
    const queue = machine.hosts.queue();
    let begun = 0;
    machine.attachDevice(mm, {
      *rangeStart() {
        begun++;
        // Its CPU is behind: the thread comes before the answer is taken.
        machine.startThread(APP, mm, function* (): ThreadSteps<void> {
          queue.wake();
          yield 0;
        });
        yield queue;
        return true;
      },
    });
    machine.submit(OTHER, "munmap", { start: 0x100, end: 0x101 }, { at: 1_000_000 });
    expect(machine.advance()).toBe("idle");
    expect(begun).toBe(1);
  });

  test("what a device uses is judged like any device's", async () => {
    const { machine, mm } = await rig();
    machine.mapNow(mm, 0x100, 0x110, RW);
    machine.submit(APP, "write", { vpn: 0x100 });
    machine.advance();
    const device = machine.attachDevice(mm, {});
    const { frame } = machine.walk(mm, 0x100)!;
    const through = { frame, generation: 0 };
    expect(device.use(0x100, through, false)).toBe(true);
    expect(device.use(0x100, through, true)).toBe(true);
    expect(device.use(0x100, { ...through, alone: true }, true)).toBe(true);
    expect(machine.hazard).toBeNull();
    machine.submit(APP, "madvise", { start: 0x100, end: 0x101 });
    machine.advance();
    expect(device.use(0x100, { ...through, alone: true }, true)).toBe(false);
    expect(machine.hazard).toMatchObject({ code: abi.HZ_UAF, vpn: 0x100, frame });
    expect(device.use(0x100, through, false)).toBe(false);
  });

  test("a thread that throws gives back mmap_lock, and is over", async () => {
    const { machine, mm } = await rig();
    machine.mapNow(mm, 0x100, 0x110, RW);
    const thread = machine.startThread(WORKER, mm, function* (): ThreadSteps<void> {
      yield does.lockMmap;
      throw new Error("broken driver");
    });
    expect(() => machine.advance()).toThrow("broken driver");
    machine.submit(APP, "munmap", { start: 0x100, end: 0x101 });
    expect(machine.advance()).toBe("idle");
    expect([thread.isDone, thread.result]).toEqual([true, undefined]);
  });

  test("threads fault pages in, with the kernel's own code and time", async () => {
    const { machine, mm } = await rig();
    machine.mapNow(mm, 0x100, 0x110, RW);
    machine.startThread(WORKER, mm, function* (): ThreadSteps<void> {
      yield does.lockMmap;
      yield does.fault(0x100, true);
      yield does.fault(0x101, false);
      yield does.unlockMmap;
    });
    expect(machine.advance()).toBe("idle");
    expect(machine.walk(mm, 0x100)).toMatchObject({ writable: true });
    expect(machine.walk(mm, 0x101)).toMatchObject({ writable: false, frame: 0 });
    expect(machine.now(WORKER)).toBeGreaterThan(100);
  });
});

describe("who cannot have them", () => {
  const ops = { rangeStart: () => true };

  test("a machine created without hostDevices, worker threads, steps by hand", async () => {
    using plain = await Machine.create();
    const mm = plain.newMm();
    expect(() => plain.attachDevice(mm, ops)).toThrow(
      expect.objectContaining({ code: "E_POLICY" }) as Error,
    );
    const { machine, mm: own } = await rig();
    machine.attachDevice(own, ops);
    await expect(ParallelDriver.create(machine)).rejects.toMatchObject({ code: "E_POLICY" });
    machine.mapNow(own, 0, 1, RW);
    const pc = machine.image.entries.get("munmap")!;
    machine.core.x.machineStart(BASE, APP, pc);
    const state = machine.stateHash();
    for (;;) {
      const before = machine.stateHash();
      try {
        machine.step(APP);
      } catch (error) {
        expect(error).toMatchObject({ code: "E_POLICY" });
        expect(machine.stateHash()).toBe(before);
        break;
      }
    }
    expect(machine.stateHash()).not.toBe(state);
  });

  test("explored machines: no scenario names one, and the catalogue has none", async () => {
    expect(Catalogue.standard.parts.consumers.some(({ kind }) => kind === "host")).toBe(false);
    await expect(check("munmap-user", { consumer: "host" })).rejects.toMatchObject({
      code: "E_NOENT",
    });
  });

  test("nor one that an embedder has made of its own programs", async () => {
    const consumer = Catalogue.standard.consumer("mirroring");
    const asking = { ...consumer, name: "asking", hooks: { start: [op("host.call")] } };
    const catalogue = Catalogue.standard.with({ consumers: [asking] });
    const options = { consumer: "asking", catalogue };
    await expect(check("fault-race", options)).rejects.toMatchObject({ code: "E_POLICY" });
  });

  test("bad input changes nothing", async () => {
    const { machine, mm } = await rig({ geometry: { devices: 1 } });
    const state = machine.stateHash();
    expect(() => machine.attachDevice(3, ops)).toThrow(/mm 3/);
    expect(() => machine.startThread(9, mm, function* () {})).toThrow(/cpu/);
    expect(() => machine.startThread(0, 3, function* () {})).toThrow(/mm 3/);
    expect(machine.stateHash()).toBe(state);
    const device = machine.attachDevice(mm, ops);
    expect(() => machine.attachDevice(mm, ops)).toThrow(/device/);
    const at = { frame: 1, generation: 0 };
    expect(() => device.use(-1, at, false)).toThrow(/page/);
    expect(() => device.use(1, { ...at, frame: 1e9 }, false)).toThrow(/frame/);
    expect(() => device.use(1, { ...at, generation: -1 }, false)).toThrow(/generation/);
  });

  test.each([-1, 0.5, NaN, 2 ** 32])("ns that a callback may not take: %s", async (ns) => {
    const { machine, mm } = await rig();
    machine.attachDevice(mm, {
      rangeStart: (_range, call) => {
        call.spend(ns);
        return true;
      },
    });
    machine.mapNow(mm, 0, 1, RW);
    machine.submit(APP, "munmap", { start: 0, end: 1 });
    expect(() => machine.advance()).toThrow(/ns must be 0 to/);
  });
});
