/** The drivers' mirrors: each does what it is known for, and none has a hazard. */
import { describe, expect, test } from "vitest";
import {
  AmdgpuGfx,
  AmdgpuHsa,
  AmdgpuOld,
  HmmSpace,
  type HmmSpaceOptions,
  type Machine,
  type Mirror,
  Mlx5Odp,
  Nouveau,
  TestHmm,
  Xe,
} from "../../src/index.js";
import { canonicalSeed, Random, seedText } from "../model/random.js";
import { AT, PAGES, R, RW, words } from "./fixture.js";
import { APP, OTHER, rig, WORKER } from "./rig.js";

const FILE = "test/hmm/mirrors.test.ts";
const only = process.env["SHOOTDOWN_SEED"];
const END = AT + PAGES;

interface Place {
  readonly machine: Machine;
  readonly space: HmmSpace;
}

async function place(options: HmmSpaceOptions = {}): Promise<Place> {
  const { machine, mm } = await rig();
  const space = await HmmSpace.attach(machine, mm, options);
  machine.mapNow(mm, AT, END, RW);
  words().forEach((word, i) => {
    space.store(APP, AT + i, word);
  });
  return { machine, space };
}

function withRegion<M extends Mirror>(mirror: M): M {
  mirror.addRegion(AT, END - 1);
  return mirror;
}

type Make = (space: HmmSpace) => Mirror | Promise<Mirror>;

const MIRRORS: readonly (readonly [string, Make])[] = [
  ["test_hmm", (space) => new TestHmm(space, WORKER)],
  ["nouveau", (space) => new Nouveau(space, WORKER)],
  ["amdgpu gfx", (space) => withRegion(new AmdgpuGfx(space, WORKER))],
  ["amdgpu hsa", (space) => withRegion(new AmdgpuHsa(space, WORKER))],
  [
    "amdgpu old",
    async (space) => {
      const old = await AmdgpuOld.create(space, WORKER);
      old.addBuffer(AT, END - 1);
      return old;
    },
  ],
  ["mlx5 odp", (space) => withRegion(new Mlx5Odp(space, WORKER))],
  ["mlx5 odp, implicit", (space) => new Mlx5Odp(space, WORKER, { implicitChunk: 4 })],
  ["xe", (space) => withRegion(new Xe(space, WORKER))],
  ["xe, one pass", (space) => withRegion(new Xe(space, WORKER, { twoPass: false }))],
];

/** Latest clock of all CPUs. */
const now = ({ machine }: Place): number => Math.max(...[0, 1, 2].map((cpu) => machine.now(cpu)));

function run(at: Place, name: string, args: Record<string, number>, when = now(at)): void {
  at.machine.submit(OTHER, name, args, { at: when });
  at.machine.advance();
}

describe.each(MIRRORS)("%s", (_name, make) => {
  test(
    "reads and writes what the process has; entries go with a bracket, and " + "come back",
    async () => {
      const at = await place();
      const mirror = await make(at.space);
      expect(mirror.finish(mirror.read(AT, END))).toMatchObject({ status: "OK", data: words() });
      const { counters } = mirror;
      expect(counters.rounds).toBeGreaterThan(0);
      mirror.finish(mirror.write(AT, [70, 71]));
      expect([0, 1].map((i) => at.space.load(APP, AT + i))).toEqual([70, 71]);
      at.machine.submit(OTHER, "madvise", { start: AT, end: AT + 2 }, { at: now(at) });
      at.machine.finish(OTHER);
      expect(mirror.table.has(AT)).toBe(false);
      expect(counters.callbacks).toBeGreaterThan(0);
      at.machine.advance();
      const after = mirror.finish(mirror.read(AT, END));
      expect(after).toMatchObject({ status: "OK", data: [0, 0, ...words().slice(2)] });
      run(at, "munmap", { start: AT, end: END });
      expect(mirror.finish(mirror.read(AT, END))).toMatchObject({ status: "EFAULT", cpages: 0 });
      at.machine.advance();
      mirror.close();
      expect(at.machine.hazard).toBeNull();
    },
  );

  test(
    "random operations of the process while it reads and writes: no " + "hazard, and an end",
    async () => {
      const first = canonicalSeed(only ?? 1);
      for (let i = 0n; i < (only === undefined ? 15n : 1n); i++) {
        const random = new Random(first + i);
        const at = await place();
        const mirror = await make(at.space);
        const from = now(at);
        for (let k = 0; k < 6; k++) {
          const start = AT + random.below(PAGES);
          const end = Math.min(END, start + random.between(1, 8));
          const when = from + random.below(60_000);
          const operations = ["madvise", "mprotect", "migrate.pages", "oom.reap", "make.exclusive"];
          const name = random.pick(operations);
          const args: Record<string, number> = { start, end };
          if (name === "mprotect") args["prot"] = random.pick([R, RW]);
          at.machine.submit(OTHER, name, args, { at: when });
          if (random.chance(50)) mirror.read(start, end, { at: when });
          else mirror.write(start, words(end - start), { at: when });
          at.machine.submit(APP, "write", { vpn: start }, { at: when });
        }
        const seed = `seed ${seedText(first + i)}; SHOOTDOWN_SEED=… npx vitest run ${FILE}`;
        expect(at.machine.advance(), seed).toBe("idle");
        for (let page = AT; page < END; page++) mirror.peek(page);
        expect(at.machine.hazard, seed).toBeNull();
        expect(mirror.lock.isHeld, seed).toBe(false);
      }
    },
  );
});

describe("nouveau", () => {
  test("a window for every fault, and none that stays", async () => {
    const at = await place();
    const mirror = new Nouveau(at.space, WORKER, { chunkPages: 4 });
    mirror.finish(mirror.read(AT, END));
    const before = mirror.counters.callbacks;
    run(at, "madvise", { start: AT, end: END });
    // The classic callback alone: there is no interval.
    expect(mirror.counters.callbacks - before).toBe(1);
    expect(at.space.notifiers.counters().invalidations).toBe(0);
  });

  test("a range that may not sleep is refused", async () => {
    const at = await place();
    const mirror = new Nouveau(at.space, WORKER);
    run(at, "oom.reap", { start: AT, end: END });
    expect([mirror.counters.refused, at.space.load(APP, AT)]).toEqual([1, 1]);
  });
});

describe("amdgpu gfx", () => {
  test("reclaim waits until the GPU is done with the buffer, and with no other one", async () => {
    for (const start of [AT, AT + 8]) {
      const at = await place();
      const mirror = new AmdgpuGfx(at.space, WORKER);
      mirror.addRegion(AT, AT + 7);
      mirror.addRegion(AT + 8, END - 1);
      const from = now(at) + 1_000;
      mirror.submit(AT, AT + 8, 300_000, WORKER, { at: from });
      at.machine.submit(OTHER, "madvise", { start, end: start + 1 }, { at: from + 50_000 });
      at.machine.advance();
      const waited = at.machine.now(OTHER) - from >= 300_000;
      expect([waited, mirror.fenceNs > 0]).toEqual([start === AT, start === AT]);
      expect(at.machine.hazard).toBeNull();
    }
  });

  test(
    "buffers of one device share a lock; pages that cannot be had in time " + "are EAGAIN",
    async () => {
      const at = await place();
      const lock = at.machine.hosts.lock("device");
      const one = withRegion(new AmdgpuGfx(at.space, WORKER, { userLock: lock, timeout: 1_000 }));
      const two = withRegion(new AmdgpuGfx(at.space, APP, { userLock: lock }));
      expect(one.lock).toBe(two.lock);
      // Somebody invalidates it all the time.
      for (let i = 0; i < 20; i++) {
        at.machine.submit(OTHER, "madvise", { start: AT, end: END }, { at: now(at) });
      }
      const thread = one.submit(AT, END, 1_000, WORKER, { at: now(at) + 5_000 });
      at.machine.advance();
      expect(thread.result).toBe("EAGAIN");
    },
  );
});

describe("amdgpu hsa", () => {
  test("one eviction for many invalidations, until the buffers are validated", async () => {
    const at = await place();
    const mirror = withRegion(new AmdgpuHsa(at.space, WORKER));
    mirror.finish(mirror.read(AT, END));
    const from = now(at);
    for (let i = 0; i < 5; i++) {
      at.machine.submit(OTHER, "madvise", { start: AT + i, end: AT + i + 1 }, { at: from });
    }
    at.machine.finish(OTHER);
    expect([mirror.evictions, mirror.isEvicted, mirror.table.size]).toEqual([1, true, 0]);
    at.machine.advance();
    expect([mirror.restores, mirror.isEvicted, mirror.table.size]).toEqual([1, false, PAGES]);
  });
});

describe("amdgpu old", () => {
  const reap = async (options: HmmSpaceOptions) => {
    const at = await place(options);
    const old = await AmdgpuOld.create(at.space, WORKER);
    old.addBuffer(AT, END - 1);
    run(at, "oom.reap", { start: AT, end: END });
    const thread = old.submit(AT, END, { at: now(at) });
    const ended = at.machine.advance();
    return { unbalanced: old.unbalanced, ended, result: thread.result };
  };

  test(
    "S16: it refuses and is told of the end: its lock is unbalanced, and " +
      "submissions wait for ever",
    async () => {
      expect(await reap({ faults: "strict" })).toEqual({
        unbalanced: 1,
        ended: "deadlock",
        result: undefined,
      });
    },
  );

  test("it is not told where the notifiers are mended", async () => {
    expect(await reap({ faults: "fixed" })).toEqual({
      unbalanced: 0,
      ended: "idle",
      result: "OK",
    });
  });

  test("a submission waits for brackets, and they for it", async () => {
    const at = await place();
    const old = await AmdgpuOld.create(at.space, WORKER, { callbackCost: 100_000 });
    old.addBuffer(AT, END - 1);
    const from = now(at);
    at.machine.submit(OTHER, "madvise", { start: AT, end: AT + 1 }, { at: from });
    const thread = old.submit(AT, END, { at: from + 10_000 });
    at.machine.advance();
    expect(thread.result).toBe("OK");
    expect(thread.doneAt).toBeGreaterThan(from + 100_000);
  });
});

describe("mlx5 odp", () => {
  test(
    "children of an implicit region come with faults, and go when nothing " + "of them is left",
    async () => {
      const at = await place();
      const mirror = new Mlx5Odp(at.space, WORKER, { implicitChunk: 4 });
      expect(mirror.finish(mirror.read(AT, AT + 8))).toMatchObject({ status: "OK" });
      expect(mirror.children).toEqual({ made: 2, destroyed: 0 });
      run(at, "madvise", { start: AT, end: AT + 2 });
      expect(mirror.children).toEqual({ made: 2, destroyed: 0 });
      run(at, "madvise", { start: AT + 2, end: AT + 4 });
      expect(mirror.children).toEqual({ made: 2, destroyed: 1 });
      expect(mirror.finish(mirror.read(AT, AT + 8))).toMatchObject({ status: "OK" });
      expect(mirror.children.made).toBe(3);
    },
  );

  test("a region that is revoked is not mapped again", async () => {
    const at = await place();
    const mirror = new Mlx5Odp(at.space, WORKER);
    const handle = mirror.addRegion(AT, END - 1);
    mirror.finish(mirror.read(AT, END));
    mirror.revoke(handle);
    expect(mirror.finish(mirror.read(AT, END))).toMatchObject({ status: "EINVAL" });
  });
});

describe("xe", () => {
  /** How long a madvise takes with two GPUs that each need 100 us to flush. */
  const took = async (twoPass: boolean): Promise<number> => {
    const at = await place();
    for (const cpu of [WORKER, APP]) {
      withRegion(new Xe(at.space, cpu, { flushNs: 100_000, twoPass, callbackCost: 0 }));
    }
    const from = now(at);
    run(at, "madvise", { start: AT, end: AT + 1 }, from);
    return at.machine.now(OTHER) - from;
  };

  test("two passes: the flushes of two GPUs go on side by side", async () => {
    const [one, two] = [await took(false), await took(true)];
    expect(one - two).toBe(100_000);
    expect(two).toBeGreaterThan(100_000);
  });
});
