/** hmm_range_fault: what it answers in which case, and what it does about entries on their way. */
import { describe, expect, test } from "vitest";
import {
  hmmRangeFault,
  hmmRangeFaultUnlocked,
  HmmSpace,
  type HmmFound,
  type HmmRange,
  type IntervalOps,
  type Machine,
  type ThreadSteps,
  threadDoes as does,
} from "../../src/index.js";
import { AT, FILE, PAGES, R, RW, SHARED } from "./fixture.js";
import { APP, OTHER, rig, WORKER } from "./rig.js";

const END = AT + PAGES;

interface Place {
  readonly machine: Machine;
  readonly space: HmmSpace;
  readonly handle: number;
  readonly ops: IntervalOps;
}

async function place(frames = 4096): Promise<Place> {
  const { machine, mm } = await rig({ geometry: { frames } });
  const space = await HmmSpace.attach(machine, mm);
  const ops: IntervalOps = {
    invalidate(handle, _range, seq) {
      space.notifiers.setSeq(handle, seq);
      return true;
    },
  };
  machine.mapNow(mm, AT, END, RW);
  return { machine, space, handle: space.notifiers.insert(0, 2 ** 30, ops), ops };
}

/** Asks for [start, end) with mmap_lock held. */
function ask(at: Place, range: Partial<HmmRange>, when = 0): { result: HmmFound | undefined } {
  const { machine, space, handle } = at;
  return machine.startThread(
    WORKER,
    space.mm,
    function* (): ThreadSteps<HmmFound> {
      const seq = yield* space.readBegin(handle);
      yield does.lockMmap;
      const all = { start: AT, end: AT + 2, handle, seq, need: "read" as const, owner: "me" };
      const found = yield* hmmRangeFault(space, { ...all, ...range });
      yield does.unlockMmap;
      return found;
    },
    { at: when, owner: "me" },
  );
}

function outcome(at: Place, range: Partial<HmmRange>): HmmFound {
  const thread = ask(at, range);
  expect(at.machine.advance()).toBe("idle");
  return thread.result!;
}

describe("statuses", () => {
  test(
    "OK: absent pages are faulted in, for reading or for writing, and only " + "where asked",
    async () => {
      const at = await place();
      const need = (page: number) => (page === AT ? "write" : page === AT + 1 ? "read" : "none");
      const { status, pages } = outcome(at, { end: AT + 3, need });
      expect(status).toBe("OK");
      expect(pages.map(({ valid, writable }) => [valid, writable])).toEqual([
        [true, true],
        [true, false],
        [false, false],
      ]);
    },
  );

  test("EPERM: written to where the mapping does not allow it, unless the entry does", async () => {
    const at = await place();
    at.machine.mapNow(at.space.mm, AT, END, R);
    expect(outcome(at, { need: "write" }).status).toBe("EPERM");
    expect(outcome(at, { need: "read" }).status).toBe("OK");
  });

  test("EFAULT: no mapping, PROT_NONE; a snapshot marks them instead", async () => {
    const at = await place();
    at.machine.submit(APP, "mprotect", { start: AT, end: AT + 1, prot: 0 });
    at.machine.advance();
    for (const start of [AT, END]) {
      const range = { start, end: start + 1 };
      expect(outcome(at, range)).toMatchObject({ status: "EFAULT", pages: [] });
      expect(outcome(at, { ...range, need: "none" })).toMatchObject({
        status: "OK",
        pages: [{ error: true, valid: false }],
      });
    }
  });

  test.each([
    [{ end: AT }],
    [{ start: AT + 1, end: AT }],
    [{ end: 2 ** 40 }],
    [{ start: AT + 0.5 }],
    [{ start: NaN }],
  ])("EINVAL: %o", async (range) => {
    const at = await place();
    expect(outcome(at, range)).toEqual({ status: "EINVAL", pages: [] });
  });

  test("EINVAL: a subscriber that was removed", async () => {
    const at = await place();
    const gone = at.space.notifiers.insert(AT, END, at.ops);
    at.space.notifiers.remove(gone);
    expect(outcome(at, { handle: gone }).status).toBe("EINVAL");
  });

  test("ENOMEM: no frame is left; the pages before it were found", async () => {
    const at = await place(4);
    const { status, pages } = outcome(at, { end: END, need: "write" });
    expect([status, pages.length]).toEqual(["ENOMEM", 3]);
  });

  test("EBUSY: invalidated before it began, and while it waited for a fault", async () => {
    const at = await place();
    const stale = at.space.notifiers.tryReadBegin(at.handle)!;
    at.machine.submit(APP, "madvise", { start: AT, end: END });
    at.machine.advance();
    expect(outcome(at, { seq: stale })).toEqual({ status: "EBUSY", pages: [] });
    const when = at.machine.now(APP) + 10_000;
    const thread = ask(at, { end: END, need: "write" }, when);
    // madvise, too, has mmap_lock for reading only.
    at.machine.submit(OTHER, "madvise", { start: AT, end: END }, { at: when + 500 });
    at.machine.advance();
    expect(thread.result?.status).toBe("EBUSY");
    expect(thread.result!.pages.length).toBeLessThan(PAGES);
  });
});

describe("what is there", () => {
  const snapshot = (at: Place) => outcome(at, { need: "none", end: AT + 1 }).pages[0];

  test("a snapshot never faults", async () => {
    const at = await place();
    expect(snapshot(at)).toMatchObject({ valid: false, error: false });
    at.space.load(APP, AT);
    expect(snapshot(at)).toMatchObject({ valid: true, writable: false, frame: 0 });
    at.space.store(APP, AT, 5);
    expect(snapshot(at)).toMatchObject({ valid: true, writable: true });
    const allocated = at.machine.counters().framesAllocated;
    expect(allocated).toBe(1);
  });

  test("shared and file pages: what faults map is what is found", async () => {
    const at = await place();
    for (const flags of [SHARED, FILE]) {
      at.machine.mapNow(at.space.mm, END, END + 1, RW | flags);
      const range = { start: END, end: END + 1, need: "write" as const };
      expect(outcome(at, range)).toMatchObject({ status: "OK", pages: [{ writable: true }] });
      at.machine.submit(APP, "munmap", { start: END, end: END + 1 });
      at.machine.advance();
    }
  });

  test("device pages: one's own are valid as they are, another's come back", async () => {
    for (const owner of ["me", "somebody else"]) {
      const at = await place();
      at.space.store(APP, AT, 5);
      at.machine.startThread(WORKER, at.space.mm, function* (): ThreadSteps<void> {
        yield does.migrate(AT, AT + 1);
        at.space.claim(AT, AT + 1, owner);
      });
      at.machine.advance();
      const before = at.space.entry(AT).flags;
      const range = { end: AT + 1, need: "write" as const };
      // Bringing it back has a bracket of its own, which hits the reader.
      if (owner !== "me") expect(outcome(at, range).status).toBe("EBUSY");
      const { status, pages } = outcome(at, range);
      expect(status).toBe("OK");
      expect(pages[0]).toMatchObject({ valid: true, device: owner === "me" });
      expect(at.space.entry(AT).flags === before).toBe(owner === "me");
      expect(at.space.content(pages[0].frame)).toBe(5);
    }
  });

  test("an exclusive page is taken back for whoever asks", async () => {
    const at = await place();
    at.space.store(APP, AT, 5);
    at.machine.submit(APP, "make.exclusive", { start: AT, end: AT + 1 });
    at.machine.advance();
    expect(outcome(at, { need: "none", end: AT + 1 }).pages[0].valid).toBe(false);
    expect(outcome(at, { end: AT + 1 })).toMatchObject({ status: "EBUSY" });
    // Its own bracket has hit the reader: the next round finds it.
    expect(outcome(at, { end: AT + 1 })).toMatchObject({ status: "OK", pages: [{ valid: true }] });
  });

  test("a page that is being migrated is waited for", async () => {
    const at = await place();
    at.space.store(APP, AT, 5);
    let waited = 0;
    for (let delay = 0; delay < 1_500; delay += 50) {
      const when = Math.max(at.machine.now(APP), at.machine.now(WORKER)) + 10_000;
      at.machine.submit(APP, "migrate.pages", { start: AT, end: AT + 1 }, { at: when });
      const thread = ask(at, { end: AT + 1 }, when + delay);
      expect(at.machine.advance()).toBe("idle");
      expect(["OK", "EBUSY"]).toContain(thread.result!.status);
      if (at.machine.now(WORKER) > when + delay + 300) waited++;
      expect(at.space.load(APP, AT)).toBe(5);
    }
    expect(waited).toBeGreaterThan(0);
  });
});

describe("the unlocked form", () => {
  const unlocked = (at: Place, timeoutNs: number, more: { isKilled?: () => boolean } = {}) =>
    at.machine.startThread(WORKER, at.space.mm, (self) =>
      hmmRangeFaultUnlocked(at.space, self, {
        ...{ start: AT, end: END, handle: at.handle, need: "write", owner: "me" },
        timeoutNs,
        ...more,
      }),
    );

  /** Brackets over the range, one after the other. */
  function storm({ machine }: Place, rounds: number): void {
    const from = machine.now(OTHER);
    for (let i = 0; i < rounds; i++) {
      machine.submit(OTHER, "madvise", { start: AT, end: END }, { at: from + i * 500 });
    }
  }

  test("it begins again by itself, and its sequence is one to ask readRetry about", async () => {
    const at = await place();
    storm(at, 10);
    const thread = unlocked(at, 0);
    at.machine.advance();
    expect(thread.result).toMatchObject({ status: "OK" });
    const { seq, pages } = thread.result!;
    expect(pages).toHaveLength(PAGES);
    expect(at.space.notifiers.readRetry(at.handle, seq)).toBe(false);
  });

  test("EBUSY after its time, and never with 0", async () => {
    const at = await place();
    storm(at, 30);
    const thread = unlocked(at, 1_000);
    at.machine.advance();
    expect(thread.result).toMatchObject({ status: "EBUSY", pages: [] });
    const patient = await place();
    storm(patient, 30);
    const other = unlocked(patient, 0);
    patient.machine.advance();
    expect(other.result?.status).toBe("OK");
  });

  test("EINTR when a fatal signal is pending", async () => {
    const at = await place();
    const thread = unlocked(at, 0, { isKilled: () => true });
    at.machine.advance();
    expect(thread.result).toMatchObject({ status: "EINTR" });
  });
});

describe("what pages contain", () => {
  test("bad input is refused", async () => {
    const at = await place();
    expect(() => at.space.setContent(1, -1)).toThrow(/word/);
    expect(() => at.space.setContent(1, 2 ** 31)).toThrow(/word/);
    expect(() => at.space.setContent(0, 1)).toThrow(/zero page/);
    expect(() => at.space.load(APP, END)).toThrow(/does not allow/);
    const none = at.machine.newTask(null);
    at.machine.place(OTHER, none);
    expect(() => at.space.load(OTHER, AT)).toThrow(/another mm/);
  });
});
