/** Accounting, its options, and the move of file mappings to another process. */
import { expect, test } from "vitest";
import { SharedFile, type Task, UserAccount } from "../../src/index.js";
import {
  BUFFER,
  BUFFER_PAGES,
  BUFFER_SIZE,
  fails,
  Fixture,
  ok,
  PAGE,
  selftest,
} from "./fixture.js";

const MODES: readonly (readonly ["none" | "user" | "mm", object])[] = [
  ["none", { domains: 1, capIpcLock: true }],
  ["user", { domains: 1 }],
  ["mm", { domains: 1, openedAs: "vfio" }],
];

function counters({ mm, user }: Task): number[] {
  return [mm.pinnedVm, mm.lockedVm, user.lockedVm];
}

for (const [mode, options] of MODES) {
  const charge = mode === "user" ? [0, BUFFER_PAGES] : mode === "mm" ? [BUFFER_PAGES, 0] : [0, 0];

  selftest(
    "change_process.basic",
    "pinned and locked pages move to the new process, exactly",
    (f) => {
      const file = new SharedFile(f.frames, BUFFER_PAGES);
      ok(f.ioas.mapFile({ file, length: BUFFER_SIZE }));
      const old = { mm: f.mm, user: f.user };
      expect(counters(old)).toEqual([BUFFER_PAGES, ...charge]);
      const next = { mm: f.process("next"), user: new UserAccount("other") };
      ok(f.fd.changeProcess(next));
      expect(counters(next)).toEqual([BUFFER_PAGES, ...charge]);
      expect(counters(old)).toEqual([0, 0, 0]);
      f.unmap(0n, 2n ** 64n - 1n);
      expect(counters(next)).toEqual([0, 0, 0]);
    },
    [[mode, options]],
  );

  selftest(
    "change_process.basic",
    "a mapping of memory cannot move",
    (f) => {
      f.map();
      const next = { mm: f.process("next"), user: new UserAccount("other") };
      const before = f.state;
      expect(fails(f.fd.changeProcess(next))).toBe("EINVAL not-a-file");
      expect([f.state, counters(next)]).toEqual([before, [0, 0, 0]]);
    },
    [[mode, options]],
  );
}

test("a process that may not pin so much does not get the mappings", () => {
  const f = new Fixture({ domains: 1 });
  ok(f.ioas.mapFile({ file: new SharedFile(f.frames, 4), length: PAGE * 4n }));
  const next = { mm: f.process("next", 3), user: new UserAccount("other") };
  expect(fails(f.fd.changeProcess(next))).toBe("ENOMEM over-rlimit");
  expect(counters(next)).toEqual([0, 0, 0]);
  f.checkClean();
});

test("processes of a user share the counter of its locked pages, not the limit", () => {
  const f = new Fixture({ domains: 1, rlimit: 24 });
  f.map(undefined, PAGE * 16n);
  const second = { mm: f.process("second", 24), user: f.user };
  const outcome = f.ioas.map({ va: BUFFER, length: PAGE * 16n, task: second });
  expect(fails(outcome)).toBe("ENOMEM over-rlimit");
  expect([f.user.lockedVm, second.mm.pinnedVm]).toEqual([16, 0]);
  f.checkClean();
});

test("opened as /dev/vfio/vfio each process is charged by itself", () => {
  const f = new Fixture({ domains: 1, rlimit: 24, openedAs: "vfio" });
  f.map(undefined, PAGE * 16n);
  const second = { mm: f.process("second", 24), user: f.user };
  ok(f.ioas.map({ va: BUFFER, length: PAGE * 16n, task: second }));
  expect([f.mm.lockedVm, second.mm.lockedVm, f.user.lockedVm]).toEqual([16, 16, 0]);
  f.checkClean();
});

test("CAP_IPC_LOCK charges nobody, and counts in pinned_vm", () => {
  const f = new Fixture({ domains: 1, rlimit: 0, capIpcLock: true, openedAs: "vfio" });
  f.map();
  expect([f.mm.pinnedVm, f.mm.lockedVm, f.user.lockedVm]).toEqual([BUFFER_PAGES, 0, 0]);
  f.checkClean();
});

selftest(
  "iommufd.global_options",
  "the mode of accounting needs CAP_SYS_RESOURCE, no objects, and is 0 or 1",
  (f) => {
    const able = { mm: f.mm, user: f.user, capSysResource: true };
    expect(fails(f.fd.setRlimitMode(1))).toBe("EPERM no-capability");
    expect(fails(f.fd.setRlimitMode(1, able))).toBe("EBUSY objects");
    ok(f.fd.destroy(f.ioas));
    expect(fails(f.fd.setRlimitMode(2, able))).toBe("EINVAL bad-mode");
    ok(f.fd.setRlimitMode(1, able));
    expect(f.fd.rlimitMode).toBe(1);
    const ioas = ok(f.fd.ioasAlloc());
    expect(ioas.mode).toBe("mm");
  },
  [["", {}]],
);
