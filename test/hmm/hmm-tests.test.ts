/**
 * The kernel's hmm-tests (tools/testing/selftests/mm/hmm-tests.c), against the test_hmm mirror, by
 * their names: docs/devices.md says which are here, and why others are not.
 */
import { describe, expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { HmmSpace, TestHmm } from "../../src/index.js";
import {
  AT,
  FILE,
  type Fixture,
  hmm,
  hmm2,
  loaded,
  map,
  PAGES,
  R,
  run,
  RW,
  SHARED,
  words,
} from "./fixture.js";
import { APP, OTHER, WORKER } from "./rig.js";

const END = AT + PAGES;
const OK = { status: "OK", cpages: PAGES };

/** A read of the whole buffer by the device. */
const read = ({ device }: Fixture, start = AT, end = END) => device.finish(device.read(start, end));
const write = ({ device }: Fixture, data: number[], start = AT) =>
  device.finish(device.write(start, data));

describe("reading and writing", () => {
  test("open_close", async () => {
    const { device, space } = await hmm();
    expect(space.notifiers.counters().invalidations).toBe(0);
    device.close();
    expect(device.table.size).toBe(0);
  });

  test("anon_read: none, zero and normal pages, and one round of faults", async () => {
    const f = await hmm();
    map(f);
    f.space.store(APP, AT + 2, 42);
    f.space.load(APP, AT + 3); // the zero page
    run(f, "mprotect", { start: AT, end: END, prot: R });
    const data = words().map((_, i) => (i === 2 ? 42 : 0));
    expect(read(f)).toEqual({ ...OK, faults: 1, data });
    expect(loaded(f)).toEqual(data);
  });

  test("anon_read_prot: PROT_NONE is EFAULT, nothing is copied, the data stay", async () => {
    const f = await hmm();
    map(f, RW, words());
    run(f, "mprotect", { start: AT, end: END, prot: 0 });
    expect(read(f)).toEqual({ status: "EFAULT", cpages: 0, faults: 0, data: [] });
    expect(write(f, words())).toMatchObject({ status: "EFAULT", cpages: 0 });
    run(f, "mprotect", { start: AT, end: END, prot: RW });
    expect(loaded(f)).toEqual(words());
  });

  test("anon_write: the device's writes allocate pages, in one round", async () => {
    const f = await hmm();
    map(f);
    expect(write(f, words())).toMatchObject({ ...OK, faults: 1 });
    expect(loaded(f)).toEqual(words());
  });

  test(
    "anon_write_prot: read-only maps zero pages; a write is EPERM, and " +
      "replaces them after mprotect",
    async () => {
      const f = await hmm();
      map(f, R);
      expect(read(f, AT, AT + 1)).toMatchObject({ status: "OK", faults: 1, data: [0] });
      expect(write(f, words())).toMatchObject({ status: "EPERM", cpages: 0 });
      expect(loaded(f)).toEqual(words().map(() => 0));
      run(f, "mprotect", { start: AT, end: END, prot: RW });
      expect(write(f, words())).toMatchObject({ ...OK, faults: 1 });
      expect(loaded(f)).toEqual(words());
    },
  );

  /** A child with its own device file, which runs where the driver's threads do not. */
  async function child(f: Fixture): Promise<Fixture> {
    const task = f.machine.newTask(null);
    run(f, "fork", { childTask: task + 1 });
    f.machine.submit(OTHER, "switch", { next: task });
    f.machine.advance();
    const mm = f.machine.mmOf(task)!;
    const space = await HmmSpace.attach(f.machine, mm);
    return { machine: f.machine, mm, space, device: new TestHmm(space, WORKER) };
  }
  const ofChild = ({ space }: Fixture) => words().map((_, i) => space.load(OTHER, AT + i));

  test.each([
    ["pages in memory", false],
    ["pages migrated before", true],
  ])(
    "anon_write_child: the child's device breaks CoW, the parent has what it had; %s",
    async (_name, migrates) => {
      const f = await hmm();
      map(f, RW, words());
      if (migrates) {
        expect(f.device.finish(f.device.migrateToDevice(AT, END))).toMatchObject(OK);
      }
      const forked = await child(f);
      expect(ofChild(forked)).toEqual(words());
      expect(write(forked, words(PAGES, 101))).toMatchObject({ ...OK, faults: 1 });
      expect(ofChild(forked)).toEqual(words(PAGES, 101));
      expect(loaded(f)).toEqual(words());
    },
  );

  test("anon_write_child_shared: the parent sees the child's device write", async () => {
    const f = await hmm();
    map(f, RW | SHARED, words());
    const forked = await child(f);
    expect(write(forked, words(PAGES, 101))).toMatchObject(OK);
    expect(loaded(f)).toEqual(words(PAGES, 101));
  });

  test("anon_write_huge: through a huge entry", async () => {
    const f = await hmm();
    f.machine.mapNow(f.mm, AT, AT + 512, RW);
    run(f, "fault.huge", { vpn: AT });
    expect(write(f, [7])).toMatchObject({ status: "OK", faults: 1 });
    expect(f.space.load(APP, AT)).toBe(7);
  });

  test(
    "file_read, file_write: what the device writes is in the file, also " +
      "where it is mapped again",
    async () => {
      const f = await hmm();
      map(f, RW | SHARED, words());
      expect(read(f)).toMatchObject({ ...OK, faults: 1, data: words() });
      // They were writable when it asked to read.
      expect(write(f, words(PAGES, 201))).toMatchObject({ ...OK, faults: 0 });
      const frame = f.space.entry(AT).frame;
      run(f, "writeback", { start: AT, end: AT + 1 });
      expect(f.space.entry(AT)).toMatchObject({ frame });
      // Clean and read-only: the device has to ask again before it writes.
      expect(write(f, [999])).toMatchObject({ status: "OK", faults: 1 });
      expect(f.space.load(APP, AT)).toBe(999);
    },
  );

  test("anon_read_multiple: a new mapping at the same addresses, again and again", async () => {
    const f = await hmm();
    for (let round = 0; round < 20; round++) {
      map(f, RW, words(PAGES, round));
      expect(read(f)).toEqual({ ...OK, faults: 1, data: words(PAGES, round) });
      run(f, "munmap", { start: AT, end: END });
      expect(f.device.table.size).toBe(0);
    }
    expect(f.machine.counters().framesAllocated).toBe(f.machine.counters().framesFreed);
  });
});

describe("migration to the device", () => {
  const toDevice = ({ device }: Fixture, start = AT, end = END) =>
    device.finish(device.migrateToDevice(start, end));
  const isDevice = ({ space }: Fixture, page: number) =>
    (space.entry(page).flags & abi.PTE_DEVICE) !== 0;

  test("migrate: what was there is there", async () => {
    const f = await hmm();
    map(f, RW, words());
    expect(toDevice(f)).toEqual({ ...OK, faults: 0, data: words() });
    expect(isDevice(f, AT)).toBe(true);
    expect(loaded(f)).toEqual(words());
  });

  test("migrate_file_private: pages of its own of a private file mapping", async () => {
    const f = await hmm();
    map(f, RW | FILE, words());
    // A page of its own is anonymous: only what is the file's has to stay.
    expect(toDevice(f)).toEqual({ ...OK, faults: 0, data: words() });
    expect(loaded(f)).toEqual(words());
  });

  test(
    "migrate_fault: a CPU brings pages back, and they go again, some from " +
      "here, some from there",
    async () => {
      const f = await hmm();
      map(f, RW, words());
      expect(toDevice(f)).toMatchObject(OK);
      expect(loaded(f, PAGES / 2)).toEqual(words(PAGES / 2));
      expect(isDevice(f, AT)).toBe(false);
      expect(f.device.table.has(AT)).toBe(false);
      expect(isDevice(f, END - 1)).toBe(true);
      expect(toDevice(f)).toEqual({ ...OK, faults: 0, data: words() });
      expect(loaded(f)).toEqual(words());
    },
  );

  test("migrate_release: the driver withdraws its memory, and the data survive", async () => {
    const f = await hmm();
    map(f, RW, words());
    toDevice(f);
    expect(f.device.finish(f.device.release(AT, END))).toBe(PAGES);
    expect(isDevice(f, AT)).toBe(false);
    expect(loaded(f)).toEqual(words());
  });

  test("migrate_shared: shared memory cannot: ENOENT", async () => {
    const f = await hmm();
    map(f, RW | SHARED, words());
    expect(toDevice(f)).toMatchObject({ status: "ENOENT", cpages: 0 });
    expect(loaded(f)).toEqual(words());
  });

  test("migrate_multiple: 20 times, no leak", async () => {
    const f = await hmm();
    for (let round = 0; round < 20; round++) {
      map(f, RW, words(PAGES, round));
      expect(toDevice(f)).toMatchObject({ ...OK, data: words(PAGES, round) });
      expect(loaded(f)).toEqual(words(PAGES, round));
      run(f, "munmap", { start: AT, end: END });
    }
    expect(f.machine.counters().framesAllocated).toBe(f.machine.counters().framesFreed);
  });

  test(
    "migrate_mixed: PROT_NONE and holes are EINVAL; zero, ro and rw pages " + "go; another's stay",
    async () => {
      const f = await hmm2();
      const { device, other, space } = f;
      map(f);
      run(f, "mprotect", { start: AT, end: AT + 1, prot: 0 });
      run(f, "munmap", { start: AT + 1, end: AT + 2 });
      space.load(APP, AT + 2); // the zero page
      run(f, "mprotect", { start: AT + 2, end: AT + 3, prot: R });
      space.store(APP, AT + 3, 3);
      run(f, "mprotect", { start: AT + 3, end: AT + 4, prot: R });
      space.store(APP, AT + 4, 4);
      space.store(APP, AT + 5, 5);
      expect(toDevice(f, AT, AT + 2)).toMatchObject({ status: "EINVAL", cpages: 0 });
      expect(toDevice(f, AT + 1, AT + 3)).toMatchObject({ status: "EINVAL", cpages: 0 });
      expect(other.finish(other.migrateToDevice(AT + 5, AT + 6))).toMatchObject({ data: [5] });
      expect(toDevice(f, AT + 2, AT + 5)).toMatchObject({ status: "OK", data: [0, 3, 4] });
      expect(toDevice(f, AT + 5, AT + 6)).toMatchObject({ status: "ENOENT", cpages: 0 });
      expect(device.table.has(AT + 5)).toBe(false);
      expect([3, 4, 5].map((i) => space.load(APP, AT + i))).toEqual([3, 4, 5]);
    },
  );

  test("forced allocation failures: nothing goes, nothing is lost", async () => {
    const f = await hmm();
    map(f, RW, words());
    f.device.failsAllocations = true;
    expect(toDevice(f)).toMatchObject({ status: "ENOENT", cpages: 0 });
    f.device.failsAllocations = false;
    expect(toDevice(f)).toMatchObject(OK);
    expect(loaded(f)).toEqual(words());
  });

  test.each([
    ["start", AT, AT + PAGES / 2],
    ["middle", AT + PAGES / 4, AT + (3 * PAGES) / 4],
    ["end", AT + PAGES / 2, END],
  ])(
    "migrate_partial_unmap_fault: the %s of a migrated range is unmapped",
    async (_name, start, end) => {
      const f = await hmm();
      map(f, RW, words());
      toDevice(f);
      run(f, "munmap", { start, end });
      for (let page = AT; page < END; page++) {
        const isLeft = page < start || page >= end;
        expect(f.device.table.has(page)).toBe(isLeft);
        if (isLeft) expect(f.space.load(APP, page)).toBe(page - AT + 1);
        else expect(() => f.space.load(APP, page)).toThrow(/does not allow/);
      }
    },
  );

  const TO = AT + 0x400;
  test.each([
    ["mremap", "before", TO],
    ["mremap", "after", TO],
    ["mremap.keep", "before", TO],
    ["mremap.keep", "after", TO],
    ["mremap", "after", AT + PAGES],
  ])(
    "migrate_remap_fault: %s, migrated %s it: the data follow",
    async (operation, when, target) => {
      const f = await hmm();
      map(f, RW, words());
      if (when === "after") run(f, operation, { start: AT, end: END, target });
      const from = when === "after" ? target : AT;
      expect(toDevice(f, from, from + PAGES)).toEqual({ ...OK, faults: 0, data: words() });
      if (when === "before") run(f, operation, { start: AT, end: END, target });
      // The old addresses are the device's no more, whatever it had there.
      expect(f.device.table.has(AT)).toBe(false);
      expect(loaded(f, PAGES, target)).toEqual(words());
      expect(read(f, target, target + PAGES)).toMatchObject({ ...OK, data: words() });
      if (operation === "mremap.keep") expect(loaded(f)).toEqual(words().map(() => 0));
    },
  );
});

describe("snapshots", () => {
  test("snapshot: hole, none, zero, ro, rw, own device page, another's", async () => {
    const f = await hmm2();
    const { device, other, space } = f;
    map(f);
    run(f, "munmap", { start: AT, end: AT + 1 });
    run(f, "mprotect", { start: AT + 1, end: AT + 2, prot: 0 });
    space.load(APP, AT + 2);
    space.store(APP, AT + 3, 3);
    run(f, "mprotect", { start: AT + 3, end: AT + 4, prot: R });
    space.store(APP, AT + 4, 4);
    space.store(APP, AT + 5, 5);
    space.store(APP, AT + 6, 6);
    device.finish(device.migrateToDevice(AT + 5, AT + 6));
    other.finish(other.migrateToDevice(AT + 6, AT + 7));
    expect(device.finish(device.snapshot(AT, AT + 8))).toEqual([
      "ERROR",
      "ERROR",
      "ZERO READ",
      "READ",
      "WRITE",
      "DEV_PRIVATE_LOCAL WRITE",
      "NONE",
      "NONE",
    ]);
    expect(device.counters.faults).toBe(0);
  });

  test(
    "compound: all pages of a huge one at the same level, before and after " + "mprotect",
    async () => {
      const f = await hmm();
      f.machine.mapNow(f.mm, AT, AT + 512, RW);
      run(f, "fault.huge", { vpn: AT });
      const all = (what: string) => Array.from({ length: 512 }, () => what);
      const { device } = f;
      expect(device.finish(device.snapshot(AT, AT + 512))).toEqual(all("PMD WRITE"));
      run(f, "mprotect", { start: AT, end: AT + 512, prot: R });
      expect(device.finish(device.snapshot(AT, AT + 512))).toEqual(all("PMD READ"));
    },
  );
});

describe("two devices, and exclusive access", () => {
  test(
    "double_map: one migrates, the other's entries go, and it reads the " + "right data",
    async () => {
      const f = await hmm2();
      const { device, other } = f;
      map(f, RW, words());
      expect(read(f)).toMatchObject({ ...OK, data: words() });
      expect(other.finish(other.read(AT, END))).toMatchObject({ ...OK, data: words() });
      expect(other.finish(other.migrateToDevice(AT, END))).toMatchObject(OK);
      expect(device.table.size).toBe(0);
      expect(read(f)).toMatchObject({ ...OK, faults: 1, data: words() });
      expect(other.table.size).toBe(0);
      device.finish(device.migrateToDevice(AT, END));
      expect(loaded(f)).toEqual(words());
    },
  );

  test("exclusive: the CPU takes it back, and the device has noticed", async () => {
    const f = await hmm();
    const { device, space } = f;
    map(f, RW, words());
    expect(device.finish(device.exclusive(AT, END))).toMatchObject({ ...OK, data: words() });
    expect(device.isRevoked(AT, END)).toBe(false);
    expect(write(f, words(PAGES, 50))).toMatchObject({ ...OK, faults: 0 });
    expect(loaded(f)).toEqual(words(PAGES, 50));
    expect(device.isRevoked(AT, END)).toBe(true);
    space.store(APP, AT, 1);
    expect(device.counters.own).toBe(0); // EXCLUSIVE is not one that it ignores
  });

  test("exclusive_mprotect: revoked by mprotect(READ); the device's write is EPERM", async () => {
    const f = await hmm();
    map(f, RW, words());
    f.device.finish(f.device.exclusive(AT, END));
    run(f, "mprotect", { start: AT, end: END, prot: R });
    expect(f.device.isRevoked(AT, END)).toBe(true);
    expect(write(f, words())).toMatchObject({ status: "EPERM", cpages: 0 });
    expect(loaded(f)).toEqual(words());
  });

  test("exclusive_cow: pages are copied on write on both sides after a fork", async () => {
    const f = await hmm();
    map(f, RW, words());
    f.device.finish(f.device.exclusive(AT, END));
    const task = f.machine.newTask(null);
    run(f, "fork", { childTask: task + 1 });
    expect(f.device.isRevoked(AT, END)).toBe(true);
    f.machine.submit(OTHER, "switch", { next: task });
    f.machine.advance();
    const space = await HmmSpace.attach(f.machine, f.machine.mmOf(task)!);
    words().forEach((_, i) => {
      space.store(OTHER, AT + i, 500 + i);
    });
    expect(loaded(f)).toEqual(words());
    expect(write(f, words(PAGES, 900))).toMatchObject(OK);
    expect(words().map((_, i) => space.load(OTHER, AT + i))).toEqual(words(PAGES, 500));
    expect(loaded(f)).toEqual(words(PAGES, 900));
  });
});
