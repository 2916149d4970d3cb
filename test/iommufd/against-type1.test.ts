/** What differs between VFIO's type1 and iommufd, both asked the same (vfio-vdpa.md 4.2). */
import { expect, test } from "vitest";
import {
  HostFrames,
  type IommufdAccess,
  type Outcome,
  ShootdownError,
  UserMm,
  VfioContainer,
  type VfioDevice,
} from "../../src/index.js";
import { BUFFER, Fixture, ok, PAGE } from "./fixture.js";

const IOVA = 0x1000_0000n;
const PAGES = 16;
const FIRST = 0x40000;

interface Side {
  pin(page: number, count: number): Outcome<unknown>;
  unpin(page: number, count: number): unknown;
  unmap(page: number, count: number): Outcome<unknown>;
  map(page: number, count: number): Outcome<unknown>;
  /** Calls of the driver so far, and of another one that has pinned nothing. */
  readonly told: number;
  readonly bystander: number;
  /** What the driver does when it is told. */
  onUnmap: () => void;
  readonly charge: number;
  readonly references: number;
}

/** A type1 container with one emulated group. */
async function type1(limit = Infinity): Promise<Side> {
  const mm = new UserMm(new HostFrames(), { rlimitMemlock: limit });
  mm.map({ at: FIRST, pages: 1024 });
  const box = await VfioContainer.create({ mm });
  ok(box.attachGroup({ name: "mdev", kind: "emulated" }));
  const told = [0, 0];
  const open = async (name: string, at: number): Promise<VfioDevice> =>
    ok(
      await box.openDevice({
        name,
        group: "mdev",
        dmaUnmap: () => {
          told[at]++;
          if (at === 0) side.onUnmap();
        },
      }),
    );
  const at = (page: number): bigint => IOVA + PAGE * BigInt(page);
  const side: Side = {
    pin: (page, count) => box.pinPages(device, at(page), count),
    unpin: (page, count) => box.unpinPages(device, at(page), count),
    unmap: (page, count) => box.unmap({ iova: at(page), size: PAGE * BigInt(count) }),
    map: (page, count) => {
      const vaddr = BigInt(FIRST + page) * PAGE;
      return box.map({ iova: at(page), vaddr, size: PAGE * BigInt(count) });
    },
    get told() {
      return told[0];
    },
    get bystander() {
      return told[1];
    },
    onUnmap: () => {},
    get charge() {
      return mm.lockedVm;
    },
    get references() {
      return mm.frames.held;
    },
  };
  const device = await open("driver", 0);
  await open("bystander", 1);
  return side;
}

function iommufd(limit = Infinity): Side {
  const f = new Fixture({ rlimit: limit });
  f.mm.map({ at: FIRST, pages: 1024 });
  const driver: IommufdAccess = f.access({ unmap: () => side.onUnmap() });
  const other = f.access({ unmap: "unpin" });
  const at = (page: number): bigint => IOVA + PAGE * BigInt(page);
  const side: Side = {
    pin: (page, count) => driver.pin(at(page), PAGE * BigInt(count)),
    unpin: (page, count) => driver.unpin(at(page), PAGE * BigInt(count)),
    unmap: (page, count) => f.ioas.unmap(at(page), PAGE * BigInt(count)),
    map: (page, count) => {
      const va = BUFFER + PAGE * BigInt(page);
      return f.ioas.map({ va, iova: at(page), length: PAGE * BigInt(count) });
    },
    get told() {
      return driver.notifications;
    },
    get bystander() {
      return other.notifications;
    },
    onUnmap: () => {},
    get charge() {
      return f.charged;
    },
    get references() {
      return f.frames.held;
    },
  };
  return side;
}

/** The same on both sides: what type1 gave, then what iommufd gave. */
async function both<T>(run: (side: Side) => T, limit?: number): Promise<[T, T]> {
  return [run(await type1(limit)), run(iommufd(limit))];
}

function word(outcome: Outcome<unknown>): string {
  return outcome.ok ? "ok" : outcome.errno;
}

test("a driver that does not unpin: a crash after 11 calls, or EDEADLOCK after 101", async () => {
  const stubborn = (side: Side): [string, number] => {
    ok(side.map(0, PAGES));
    ok(side.pin(0, 1));
    try {
      return [word(side.unmap(0, PAGES)), side.told];
    } catch (error) {
      return [error instanceof ShootdownError ? error.code : "?", side.told];
    }
  };
  expect(await both(stubborn)).toEqual([
    ["E_FATAL", 11],
    ["EDEADLOCK", 101],
  ]);
});

test("new pins while drivers are told: allowed, or refused", async () => {
  const pinner = (side: Side): string => {
    ok(side.map(0, PAGES));
    ok(side.pin(0, 1));
    let answer = "";
    side.onUnmap = () => {
      if (answer === "") answer = word(side.pin(4, 1));
      else side.unpin(4, 1);
      side.unpin(0, 1);
    };
    side.unmap(0, PAGES);
    return answer;
  };
  expect(await both(pinner)).toEqual(["ok", "EINVAL"]);
});

test("a pin of the same pages in two ways: one page each, or an interval each", async () => {
  const overlap = (side: Side): number[] => {
    ok(side.map(0, PAGES));
    ok(side.pin(0, 4));
    ok(side.pin(2, 4));
    const before = side.references;
    // The two last pages of the second pin.
    side.unpin(4, 2);
    return [before, side.references];
  };
  expect(await both(overlap)).toEqual([
    [6, 4],
    [6, 6],
  ]);
});

test("513 pages in one call: E2BIG, or no limit", async () => {
  const large = (side: Side): string => {
    ok(side.map(0, 1024));
    return word(side.pin(0, 513));
  };
  expect(await both(large)).toEqual(["E2BIG", "ok"]);
});

test("unmap of a part of a mapping: EINVAL, or ENOENT", async () => {
  const part = (side: Side): string[] => {
    ok(side.map(0, PAGES));
    return [word(side.unmap(0, 4)), word(side.unmap(4, 4)), word(side.unmap(12, 8))];
  };
  const [old, now] = await both(part);
  expect(old).toEqual(["EINVAL", "EINVAL", "EINVAL"]);
  expect(now).toEqual(["ENOENT", "ENOENT", "ENOENT"]);
});

test("a hole in the middle of a pin: EINVAL, or ENOENT; nothing stays pinned", async () => {
  const hole = (side: Side): [string, number, number] => {
    ok(side.map(0, 2));
    ok(side.map(3, 2));
    return [word(side.pin(0, 4)), side.references, side.charge];
  };
  expect(await both(hole)).toEqual([
    ["EINVAL", 0, 0],
    ["ENOENT", 0, 0],
  ]);
});

test("unmap of nothing: success, or ENOENT", async () => {
  expect(await both((side) => word(side.unmap(0, 4)))).toEqual(["ok", "ENOENT"]);
});

test("who is told: all that listen, on both; with nothing pinned nobody", async () => {
  const told = (side: Side): number[] => {
    ok(side.map(0, 4));
    ok(side.map(8, 4));
    ok(side.pin(0, 1));
    side.onUnmap = () => void side.unpin(0, 1);
    ok(side.unmap(0, PAGES));
    return [side.told, side.bystander];
  };
  expect(await both(told)).toEqual([
    [1, 1],
    [1, 1],
  ]);
});

test("the limit is met at the same page, and the request is taken back on both", async () => {
  const limited = (side: Side): unknown[] => {
    ok(side.map(0, PAGES));
    ok(side.pin(0, 2));
    return [word(side.pin(4, 2)), side.charge, word(side.pin(4, 1)), side.charge];
  };
  const same = ["ENOMEM", 2, "ok", 3];
  expect(await both(limited, 3)).toEqual([same, same]);
});
