/** The unmap protocol, exact intervals, and what goes wrong with drivers that break the rules. */
import { expect, test } from "vitest";
import { describeIommufd, type IommufdAccess, type IommufdEra } from "../../src/index.js";
import {
  APERTURE,
  BUFFER,
  BUFFER_PAGES,
  BUFFER_SIZE,
  fails,
  Fixture,
  ok,
  PAGE,
} from "./fixture.js";

const at = (page: number): bigint => APERTURE + PAGE * BigInt(page);

test("a driver that does not unpin is told 101 times, then EDEADLOCK, and nothing crashes", () => {
  const f = new Fixture();
  const access = f.access({ unmap: "ignore" });
  f.map(APERTURE);
  ok(access.pin(APERTURE, PAGE));
  expect(fails(f.ioas.unmap(APERTURE, BUFFER_SIZE))).toBe("EDEADLOCK driver-does-not-unpin");
  expect(access.notifications).toBe(101);
  expect(f.fd.warnings.map(({ code }) => code)).toEqual(["unmap-no-response"]);
  expect(f.describe().areas).toMatchObject([{ accesses: 1, closed: true }]);
});

test("the mapping stays closed to pins and copies after that, but unpins work", () => {
  const f = new Fixture();
  const access = f.access({ unmap: "ignore" });
  f.map(APERTURE);
  ok(access.pin(APERTURE, PAGE));
  f.ioas.unmap(APERTURE, BUFFER_SIZE);
  expect(fails(access.pin(at(4), PAGE))).toBe("EINVAL closed");
  expect(fails(access.rw(at(4), new Uint8Array(8)))).toBe("EINVAL closed");
  expect(access.unpin(APERTURE, PAGE).warnings).toEqual([]);
  expect(fails(access.pin(at(4), PAGE))).toBe("EINVAL closed");
  expect(f.unmap(APERTURE)).toBe(BUFFER_SIZE);
  f.checkClean();
});

/** Unpins when it is told for the n-th time. */
function late(n: number): { readonly unmap: (access: IommufdAccess) => void } {
  let calls = 0;
  return {
    unmap: (access) => {
      if (++calls === n) access.unpin(APERTURE, PAGE);
    },
  };
}

test("it may unpin at the 100th call; at the 101st the kernel has given up already", () => {
  for (const [n, errno] of [
    [1, ""],
    [100, ""],
    [101, "EDEADLOCK"],
  ] as const) {
    const f = new Fixture();
    const access = f.access(late(n));
    f.map(APERTURE);
    ok(access.pin(APERTURE, PAGE));
    const outcome = f.ioas.unmap(APERTURE, BUFFER_SIZE);
    expect(outcome.ok ? "" : outcome.errno).toBe(errno);
    expect([access.notifications, f.frames.held]).toEqual([n, 0]);
  }
});

test("in 6.2 there is one call, and no other chance", () => {
  for (const [n, errno] of [
    [1, ""],
    [2, "EDEADLOCK"],
  ] as const) {
    const f = new Fixture({ era: "6.2" });
    const access = f.access(late(n));
    f.map(APERTURE);
    ok(access.pin(APERTURE, PAGE));
    const outcome = f.ioas.unmap(APERTURE, BUFFER_SIZE);
    expect(outcome.ok ? "" : outcome.errno).toBe(errno);
    expect(access.notifications).toBe(1);
  }
});

test("everyone is told, with the whole area, once an area; nobody where nothing is pinned", () => {
  const f = new Fixture();
  const told: string[] = [];
  const driver = (name: string): IommufdAccess =>
    f.access({
      name,
      unmap: (access, iova, length) => {
        told.push(`${name} ${iova - APERTURE}+${length}`);
        access.unpinOverlapping(iova, length);
      },
    });
  const [a, b] = [driver("a"), driver("b")];
  driver("c");
  f.map(APERTURE, PAGE * 4n);
  f.map(at(8), PAGE * 2n);
  f.map(at(12), PAGE);
  ok(a.pin(APERTURE, PAGE));
  ok(b.pin(at(9), PAGE));
  expect(ok(f.ioas.unmap(APERTURE, PAGE * 32n))).toBe(PAGE * 7n);
  expect(told).toEqual([
    ...["a 0+16384", "b 0+16384", "c 0+16384"],
    ...["a 32768+8192", "b 32768+8192", "c 32768+8192"],
  ]);
  f.checkClean();
});

test("no new pins while the drivers are told", () => {
  const f = new Fixture();
  const seen: string[] = [];
  const access = f.access({
    unmap: (self, iova, length) => {
      seen.push(fails(self.pin(at(2), PAGE)), fails(self.rw(at(2), new Uint8Array(1))));
      self.unpinOverlapping(iova, length);
    },
  });
  f.map(APERTURE);
  ok(access.pin(APERTURE, PAGE));
  f.unmap(APERTURE);
  expect(seen).toEqual(["EINVAL closed", "EINVAL closed"]);
  f.checkClean();
});

test("of two stubborn areas only the first is told of; what was before it is gone", () => {
  const f = new Fixture();
  const access = f.access({ unmap: "ignore" });
  for (const page of [0, 4, 8]) f.map(at(page), PAGE);
  ok(access.pin(at(4), PAGE));
  ok(access.pin(at(8), PAGE));
  expect(fails(f.ioas.unmap(APERTURE, PAGE * 16n))).toBe("EDEADLOCK driver-does-not-unpin");
  expect(f.describe().areas.map(({ closed }) => closed)).toEqual([true, false]);
  expect(access.notifications).toBe(101);
});

test("the same interval again is a user more; another one over it shares the pages", () => {
  const f = new Fixture();
  const access = f.access();
  f.map(APERTURE);
  ok(access.pin(APERTURE, PAGE * 4n));
  ok(access.pin(APERTURE, PAGE * 4n));
  ok(access.pin(at(2), PAGE * 4n));
  const [pages] = describeIommufd(f.fd).pages;
  expect(pages).toMatchObject({ pinned: 6, held: 6 });
  expect(pages.users).toEqual([
    { first: 0, last: 3, users: 2 },
    { first: 2, last: 5, users: 1 },
  ]);
  expect([f.charged, f.mm.pinnedVm, f.frames.held]).toEqual([6, 6, 6]);
  access.unpin(APERTURE, PAGE * 4n);
  access.unpin(APERTURE, PAGE * 4n);
  expect(f.frames.held).toBe(4);
  f.unmap(APERTURE);
  f.checkClean();
});

test("a pin names its interval exactly: half of it is a WARN, and stays pinned", () => {
  const f = new Fixture();
  const access = f.access();
  f.map(APERTURE);
  ok(access.pin(APERTURE, PAGE * 2n));
  for (const [page, count, word] of [
    [0, 1n, "unpin-unknown-interval"],
    [1, 1n, "unpin-unknown-interval"],
    [0, 3n, "unpin-unknown-interval"],
    [40, 1n, "unpin-hole"],
    [0, 0n, "unpin-bad-range"],
  ] as const) {
    const before = f.frames.held;
    expect(access.unpin(at(page), PAGE * count)).toEqual({ parts: 0, warnings: [word] });
    expect(f.frames.held).toBe(before);
  }
  expect(access.unpin(2n ** 64n - 1n, PAGE).warnings).toEqual(["unpin-bad-range"]);
});

test("a pin over two areas is two intervals; the parts cannot be given back elsewhere", () => {
  const f = new Fixture();
  const access = f.access();
  f.map(APERTURE, PAGE * 2n);
  f.map(at(2), PAGE * 2n, BUFFER + PAGE * 8n);
  const frames = ok(access.pin(at(1), PAGE * 2n));
  expect([...frames]).toEqual([f.frame(1), f.frame(8)]);
  expect(f.describe().areas.map(({ accesses }) => accesses)).toEqual([1, 1]);
  expect(access.unpin(at(1), PAGE * 2n)).toEqual({ parts: 2, warnings: [] });
  f.checkClean();
});

test("a hole before the end is ENOENT, and the part before it is given back", () => {
  const f = new Fixture();
  const access = f.access();
  f.map(APERTURE, PAGE * 2n);
  const before = f.state;
  const outcome = access.pin(APERTURE, PAGE * 3n);
  expect(outcome).toMatchObject({ errno: "ENOENT", cause: "hole", index: 2 });
  expect([f.state, f.charged]).toEqual([before, 0]);
});

test("each check of pin has its errno, in the order of the kernel", () => {
  const f = new Fixture();
  const access = ok(f.fd.accessCreate());
  expect(fails(access.pin(APERTURE, 0))).toBe("EINVAL empty");
  expect(fails(access.pin(2n ** 64n - PAGE, PAGE * 2n))).toBe("EOVERFLOW wraps");
  expect(fails(access.pin(APERTURE, PAGE))).toBe("ENOENT not-attached");
  ok(access.attach(f.ioas));
  expect(fails(access.pin(APERTURE, PAGE))).toBe("ENOENT hole");
  ok(f.ioas.map({ va: BUFFER, length: PAGE, iova: APERTURE, write: false }));
  ok(f.ioas.map({ va: BUFFER, length: PAGE, iova: at(1), read: false }));
  expect(fails(access.pin(APERTURE + 8n, PAGE))).toBe("EINVAL misaligned");
  expect(fails(access.pin(APERTURE, PAGE, { write: true }))).toBe("EPERM protection");
  expect(fails(access.pin(at(1), PAGE))).toBe("EPERM protection");
  ok(f.ioas.map({ va: 0x1000, length: PAGE, iova: at(2) }));
  expect(fails(access.pin(at(2), PAGE))).toBe("EFAULT not-mapped");
  const reader = f.access({ pins: false });
  expect(fails(reader.pin(APERTURE, PAGE))).toBe("EINVAL may-not-pin");
  const mute = f.access({ unmap: "none" });
  expect(fails(mute.pin(APERTURE, PAGE))).toBe("EINVAL may-not-pin");
});

test("more than 512 pages in one call, and vfio_pin_pages rounds down and counts", () => {
  const f = new Fixture();
  f.mm.map({ at: 0x10_0000, pages: 2000 });
  f.map(APERTURE, PAGE * 2000n, 0x1_0000_0000n);
  const access = f.access();
  expect(ok(access.pin(APERTURE, PAGE * 2000n))).toHaveLength(2000);
  expect(access.vfioPinPages(APERTURE + 5n, 700)).toEqual({ ok: true, value: 700 });
  expect(f.charged).toBe(2000);
  expect(access.vfioUnpinPages(APERTURE + 9n, 700).warnings).toEqual([]);
  expect(fails(access.vfioPinPages(APERTURE, 0))).toBe("EINVAL empty");
  f.unmap(APERTURE, PAGE * 2000n);
  f.checkClean();
});

test("RLIMIT: the request that passes it is ENOMEM, and nothing is pinned or charged", () => {
  const f = new Fixture({ rlimit: 3 });
  f.map(APERTURE);
  const access = f.access();
  ok(access.pin(APERTURE, PAGE * 2n));
  const before = f.state;
  expect(fails(access.pin(at(1), PAGE * 4n))).toBe("ENOMEM over-rlimit");
  expect([f.state, f.charged]).toEqual([before, 2]);
  ok(access.pin(at(1), PAGE * 2n));
  expect(f.charged).toBe(3);
});

test("one frame through two mappings is charged twice, through a copy once", () => {
  const f = new Fixture({ domains: 1 });
  f.map(APERTURE, PAGE);
  f.map(at(1), PAGE);
  expect([f.charged, f.frames.refs(f.frame(0))]).toEqual([2, 2]);
  ok(f.ioas.copy({ from: f.ioas, srcIova: APERTURE, length: PAGE, iova: at(2) }));
  expect([f.charged, f.frames.refs(f.frame(0))]).toEqual([2, 2]);
  f.unmap(APERTURE, PAGE);
  expect([f.charged, f.frames.refs(f.frame(0))]).toEqual([2, 2]);
  f.checkDomains(at(2), PAGE);
  f.checkClean();
});

test("what a domain holds is read back from it, and pinned no second time", () => {
  const f = new Fixture({ domains: 1 });
  f.map(APERTURE);
  const access = f.access();
  const { fromUser } = f.fd.counters;
  f.mm.replace(Number(BUFFER / PAGE));
  ok(access.pin(APERTURE, PAGE * 4n));
  expect(f.fd.counters).toMatchObject({ fromUser, fromDomain: 4 });
  expect(f.charged).toBe(BUFFER_PAGES);
  f.unmap(APERTURE);
  f.checkClean();
});

test("MMIO has no pages to pin: type1 maps it, iommufd does not", () => {
  const f = new Fixture({ domains: 1 });
  f.mm.map({ at: 0x10_0000, pages: 4, kind: "pfnmap", frames: 0x9_0000 });
  const outcome = f.ioas.map({ va: 0x1_0000_0000n, length: PAGE * 4n });
  expect(fails(outcome)).toBe("EFAULT not-mapped");
});

test("a mapping that is being made is EBUSY to unmap, and nobody can use it", () => {
  const f = new Fixture({ domains: 1 });
  const pending = ok(f.ioas.mapBegin({ va: BUFFER, length: PAGE, iova: APERTURE }));
  expect(fails(f.ioas.unmap(APERTURE, PAGE))).toBe("EBUSY area-changing");
  expect(fails(f.access().pin(APERTURE, PAGE))).toBe("ENOENT hole");
  expect(fails(f.ioas.map({ va: BUFFER, length: PAGE, iova: APERTURE }))).toBe("EEXIST overlap");
  expect(ok(pending.finish())).toBe(APERTURE);
  expect(f.unmap(APERTURE, PAGE)).toBe(PAGE);
  f.checkClean();
});

test("an internal user locks the area: EBUSY, and nobody is told", () => {
  const f = new Fixture();
  f.map(APERTURE);
  const [queue, driver] = [f.access({ internal: true }), f.access()];
  ok(queue.pin(APERTURE, PAGE));
  ok(driver.pin(APERTURE, PAGE));
  expect(fails(f.ioas.unmap(APERTURE, BUFFER_SIZE))).toBe("EBUSY area-locked");
  expect(driver.notifications).toBe(0);
  queue.unpin(APERTURE, PAGE);
  f.unmap(APERTURE);
  f.checkClean();
});

test("unmaps of areas that another one waits for, from within a callback", () => {
  const f = new Fixture();
  const access = f.access({
    unmap: (self, iova, length) => {
      self.unpinOverlapping(iova, length);
      if (iova === APERTURE) expect(f.unmap(at(8), PAGE)).toBe(PAGE);
    },
  });
  f.map(APERTURE, PAGE);
  f.map(at(8), PAGE);
  ok(access.pin(APERTURE, PAGE));
  ok(access.pin(at(8), PAGE));
  expect(f.unmap(APERTURE, PAGE * 16n)).toBe(PAGE);
  f.checkClean();
});

test("destroying an access from its own callback would wait forever", () => {
  const f = new Fixture();
  let found = "";
  const access = f.access({
    unmap: (self, iova, length) => {
      found = fails(f.fd.destroy(self));
      self.unpinOverlapping(iova, length);
    },
  });
  f.map(APERTURE);
  ok(access.pin(APERTURE, PAGE));
  f.unmap(APERTURE);
  expect(found).toBe("EDEADLOCK destroy-waits-for-callback");
  ok(f.fd.destroy(access));
  f.checkClean();
});

test("a driver that leaves with pins makes its address space unmappable for good", () => {
  const f = new Fixture();
  const access = f.access({ unmap: "ignore" });
  f.map(APERTURE);
  ok(access.pin(APERTURE, PAGE));
  ok(access.detach());
  expect(access.unpin(APERTURE, PAGE).warnings).toEqual(["unpin-detached"]);
  expect(fails(f.ioas.unmap(APERTURE, BUFFER_SIZE))).toBe("EDEADLOCK driver-does-not-unpin");
  f.fd.close();
  expect(f.fd.warnings.map(({ code }) => code)).toContain("destroy-leaves-areas");
  expect([f.frames.held, f.charged]).toEqual([1, 1]);
});

test("while it changes its address space it cannot pin, only unpin", () => {
  const f = new Fixture();
  const other = ok(f.fd.ioasAlloc());
  const seen: string[] = [];
  const access = f.access({
    unmap: (self, iova, length) => {
      seen.push(`${iova} ${length} ${fails(self.pin(APERTURE, PAGE))}`);
      seen.push(fails(self.replace(other)));
      self.unpinOverlapping(iova, length);
    },
  });
  f.map(APERTURE);
  ok(access.pin(APERTURE, PAGE));
  ok(access.replace(other));
  const all = `0 ${2n ** 64n - 1n}`;
  expect(seen).toEqual([`${all} ENOENT not-attached`, "ENOENT not-attached"]);
  expect(f.frames.held).toBe(0);
  f.checkClean();
});

test("a driver can give back what another one has pinned: nobody notices but the ledger", () => {
  const f = new Fixture();
  const [a, b] = [f.access({ name: "a" }), f.access({ name: "b" })];
  f.map(APERTURE);
  ok(a.pin(APERTURE, PAGE));
  expect(b.unpin(APERTURE, PAGE).warnings).toEqual([]);
  expect(f.frames.held).toBe(0);
  expect(f.fd.violations).toMatchObject([{ code: "foreign-unpin" }]);
  expect(f.fd.violations[0].message).toContain("b gave back");
});

test("an unpin by the address of a copy wraps a count: that area is never unmapped again", () => {
  const f = new Fixture();
  const access = f.access();
  f.map(APERTURE, PAGE);
  ok(f.ioas.copy({ from: f.ioas, srcIova: APERTURE, length: PAGE, iova: at(4) }));
  ok(access.pin(APERTURE, PAGE));
  expect(access.unpin(at(4), PAGE).warnings).toEqual(["unpin-other-area"]);
  expect(f.frames.held).toBe(0);
  expect(fails(f.ioas.unmap(at(4), PAGE))).toBe("EDEADLOCK driver-does-not-unpin");
});

test("attaching twice is EINVAL and a WARN; a misaligned area keeps drivers that pin away", () => {
  const f = new Fixture();
  const access = f.access();
  expect(fails(access.attach(f.ioas))).toBe("EINVAL attached");
  expect(f.fd.warnings.map(({ code }) => code)).toEqual(["attach-attached"]);
  ok(access.detach());
  f.map(APERTURE + 512n, 100n, BUFFER + 4n);
  expect(fails(access.attach(f.ioas))).toBe("EADDRINUSE misaligned-area");
  expect(access.ioas).toBeUndefined();
  const reader = f.access({ pins: false });
  ok(reader.rw(APERTURE + 512n, new Uint8Array(100)));
});

test("a domain whose smallest page is larger than a page is refused", () => {
  const f = new Fixture();
  const device = ok(f.fd.createDevice({ iommu: { pageSizes: [65_536] } }));
  expect(fails(device.attach(f.ioas))).toBe("EINVAL large-pages-only");
});

test("a device's reserved range keeps it away from a mapping, and goes with it", () => {
  const f = new Fixture();
  f.map(APERTURE);
  const reserved = [{ start: APERTURE, last: APERTURE + 5n }];
  const device = ok(f.fd.createDevice({ reserved }));
  expect(fails(device.attach(f.ioas))).toBe("EADDRINUSE mapped");
  f.unmap(APERTURE);
  ok(device.attach(f.ioas));
  expect(fails(f.ioas.map({ va: BUFFER, length: PAGE, iova: APERTURE }))).toBe("EINVAL reserved");
  device.detach();
  expect(f.ioas.reserved).toEqual([]);
});

test("what eras answer", () => {
  const answer = (era: IommufdEra): (string | boolean)[] => {
    const f = new Fixture({ era });
    ok(f.fd.vfio.setIoas(f.ioas));
    const empty = f.fd.vfio.unmapDma({ iova: APERTURE, size: PAGE });
    const blind = f.ioas.map({ va: BUFFER, length: PAGE, read: false, write: false });
    const moved = f.fd.changeProcess({ mm: f.mm, user: f.user });
    return [empty, blind, moved].map((outcome) => (outcome.ok ? true : outcome.errno));
  };
  expect(answer("6.2")).toEqual(["ENOENT", true, "EOPNOTSUPP"]);
  expect(answer("6.6")).toEqual(["ENOENT", "EINVAL", "EOPNOTSUPP"]);
  expect(answer("7.0")).toEqual([true, "EINVAL", true]);
});

test("a process that has exited: pinned pages can be pinned again, others not", () => {
  const f = new Fixture({ openedAs: "vfio" });
  f.map(APERTURE);
  const access = f.access();
  ok(access.pin(APERTURE, PAGE));
  f.mm.exit();
  ok(access.pin(APERTURE, PAGE));
  expect(fails(access.pin(at(1), PAGE))).toBe("EFAULT mm-gone");
  access.unpin(APERTURE, PAGE);
  access.unpin(APERTURE, PAGE);
  expect(f.frames.held).toBe(0);
});

test("the last page of the address space can be mapped, two there cannot", () => {
  const f = new Fixture();
  const last = 2n ** 64n - PAGE;
  f.map(last, PAGE);
  const two = f.ioas.map({ va: BUFFER, length: PAGE * 2n, iova: last });
  expect(fails(two)).toBe("EOVERFLOW wraps");
  expect(fails(f.ioas.unmap(last, PAGE * 2n))).toBe("EOVERFLOW wraps");
  expect(f.unmap(last, PAGE)).toBe(PAGE);
  f.map(last, PAGE);
  expect(f.unmap(0n, 2n ** 64n - 1n)).toBe(PAGE);
});

test("leaves: as large as alignment of both sides allows; cut only between them", () => {
  const f = new Fixture({ domains: 1 });
  f.mm.map({ at: 0x20_0000, pages: 1024, frames: 0x8_0001 });
  f.map(APERTURE, PAGE * 1024n, 0x2_0000_0000n);
  const [{ domain }] = f.fd.hwpts;
  expect(domain.leaves()).toEqual(new Map([[4096n, 1024]]));
  expect(domain.leafSize(APERTURE)).toBe(4096n);
  f.checkClean();
});
