/** Tables, limits, halves, and what else vfio-vdpa.md 3.1 to 3.4 says of single calls. */
import { describe, expect, test } from "vitest";
import {
  Allocations,
  encodeMessage,
  HostFrames,
  Iotlb,
  ModelParent,
  PAGE_LIMIT,
  parentPreset,
  UserMm,
  VDPA_PARENTS,
  type VdpaParent,
  VhostVdpa,
} from "../../src/index.js";
import { inside, PAGE, rig, UA } from "./rig.js";

describe("the table (3.1)", () => {
  test("[0, 2^64 - 1] becomes two halves, the second of which goes on", async () => {
    const table = await Iotlb.create();
    table.add(0, 0, PAGE_LIMIT - 1, 7, 3);
    const halves = [...table].map(({ start, last, addr }) => [start, last, addr]);
    expect(halves).toEqual([
      [0, 2 ** 51 - 1, 7],
      [2 ** 51, PAGE_LIMIT - 1, 7 + 2 ** 51],
    ]);
  });

  test("overlaps are not looked for at this level", async () => {
    const table = await Iotlb.create();
    table.add(0, 0, 9, 100, 3);
    table.add(0, 5, 14, 200, 3);
    expect(table.sizeOf(0)).toBe(2);
    expect(table.firstIn(0, 7, 7)?.addr).toBe(100);
  });

  test.each([
    ["ignore", 4],
    ["retire", 2],
  ] as const)("a limit counts only with RETIRE: %s", async (whenFull, left) => {
    const table = await Iotlb.create({ limit: 2, whenFull });
    for (let i = 0; i < 4; i++) table.add(0, i, i, i, 3);
    expect(table.sizeOf(0)).toBe(left);
  });

  test("deletions take whole entries", async () => {
    const table = await Iotlb.create();
    table.add(0, 0, 99, 0, 3);
    expect(table.delete(0, 50, 50)).toBe(1);
    expect(table.size).toBe(0);
  });
});

describe("a request (3.2)", () => {
  test("the page count is modulo 2^64 bytes: all of the space but a byte is none", async () => {
    const made = await rig("P");
    const size = 2n ** 64n - 1n;
    const outcome = made.device.write({ type: "update", iova: 0n, size, uaddr: UA });
    expect(outcome).toMatchObject({ ok: false, errno: "EFAULT", inner: "EINVAL", cause: "wraps" });
  });

  test("pages are pinned 512 at a time, and runs go on from chunk to chunk", async () => {
    const made = await rig("D1", { runs: [700, 500] });
    expect(inside(made.update(0, 1_200))).toBe("ok");
    expect(made.device.counts()).toMatchObject({ pinCalls: 3, pins: 1_200, dmaMaps: 2 });
    expect(made.device.table().map(({ start, last }) => [start, last])).toEqual([
      [0, 699],
      [700, 1_199],
    ]);
  });

  test("an address within a page maps the whole page", async () => {
    const made = await rig("D1");
    const outcome = made.device.write({ type: "update", iova: 0x1800, size: 0x1000, uaddr: UA });
    expect(inside(outcome)).toBe("ok");
    expect(made.device.table().map(({ start, last }) => [start, last])).toEqual([[1, 2]]);
  });

  test("without batches a set_map parent is given E tables of up to E entries", async () => {
    const made = await rig("S1", { runs: [1] });
    made.update(0, 20);
    expect(made.device.counts()).toMatchObject({ setMaps: 20, pushed: 210 });
  });

  test("the same in a batch: one table", async () => {
    const made = await rig("S1", { runs: [1] });
    made.device.write({ type: "batch-begin" });
    made.update(0, 20);
    made.device.write({ type: "batch-end" });
    expect(made.device.counts()).toMatchObject({ setMaps: 1, pushed: 20 });
  });

  test("a VA mapping that fails at once at 0 wipes the address space", async () => {
    const allocations = new Allocations();
    const made = await rig("V", { allocations });
    made.update(0x100000, 4);
    allocations.failNth(1);
    const outcome = made.update(0, 4);
    expect(outcome).toMatchObject({ inner: "ENOMEM", cause: "no-memory" });
    // [0, 0 - 1] is everything.
    expect(made.device.table()).toEqual([]);
  });

  test("bytes and objects are the same message", async () => {
    const made = await rig("S1", { acks: [1, 3] });
    const message = { type: "update", iova: 0x5000, size: PAGE, uaddr: UA, asid: 1 } as const;
    expect(made.device.write(encodeMessage(message))).toMatchObject({ ok: true, value: 72 });
    expect(made.device.table(1)).toEqual([{ start: 5, last: 5, addr: 0x1000, perm: 3 }]);
    expect(inside(made.device.write(message))).toBe("EEXIST");
  });
});

/** Fails the 1st, 2nd, … allocation of a flow until none fails. */
describe("fail-nth", () => {
  test.each(["P", "S1", "D1", "V"])("%s: what a failed request leaves is nothing", async (name) => {
    for (let nth = 1; ; nth++) {
      const allocations = new Allocations();
      const made = await rig(name, { allocations, runs: [2], acks: name === "V" ? [] : [8] });
      made.update(0x800000, 2);
      const before = made.device.table();
      const held = made.frames.held;
      allocations.failNth(nth);
      const outcome = made.update(0x1000, 8);
      expect(made.device.consistent().consistent).toBe(true);
      expect(made.device.leakedPages()).toBe(0);
      if (outcome.ok) {
        expect(allocations.hasFailed).toBe(false);
        expect(nth).toBeGreaterThan(2);
        return;
      }
      expect(outcome).toMatchObject({ errno: "EFAULT", inner: "ENOMEM", cause: "no-memory" });
      expect(made.device.table()).toEqual(before);
      expect(made.frames.held).toBe(held);
      expect(made.mm.pinnedVm).toBe(held);
    }
  });

  test("the open", async () => {
    const parent = await ModelParent.create(parentPreset("P")!);
    const errnos: string[] = [];
    for (let nth = 1; nth < 4; nth++) {
      const allocations = new Allocations();
      const device = await VhostVdpa.create({ parent, allocations });
      allocations.failNth(nth);
      const opened = device.open();
      errnos.push(opened.ok ? "ok" : opened.errno);
      expect(device.isOpen).toBe(opened.ok);
    }
    expect(errnos).toEqual(["ENOMEM", "EIO", "ok"]);
  });
});

describe("parents", () => {
  test.each([...VDPA_PARENTS.keys()])(
    "%s can be opened, mapped, reset and closed",
    async (name) => {
      const { era } = parentPreset(name)!;
      const made = await rig(name, { era });
      expect(inside(made.update(0, 4))).toBe("ok");
      expect(made.device.consistent()).toEqual({ consistent: true });
      expect(made.device.setStatus(0).ok).toBe(true);
      expect(made.device.close().ok).toBe(true);
      expect(made.frames.held).toBe(0);
      expect(made.mm.pinnedVm).toBe(0);
    },
  );

  test("behind the platform's IOMMU there is one address space", async () => {
    const parent = await ModelParent.create({ mapping: "platform", addressSpaces: 2 });
    expect(await VhostVdpa.probe({ parent })).toMatchObject({ ok: false, errno: "EOPNOTSUPP" });
    await expect(VhostVdpa.create({ parent })).rejects.toMatchObject({ code: "E_LIMIT" });
  });

  test("and it must be cache coherent", async () => {
    const parent = await ModelParent.create({ mapping: "platform" });
    const device = await VhostVdpa.create({ parent, coherentIommu: false });
    expect(device.open()).toMatchObject({ ok: false, errno: "ENOTSUPP" });
    expect(device.isOpen).toBe(false);
  });

  test("a callback that calls its own device would wait for ever", async () => {
    const frames = new HostFrames();
    const made: { device?: VhostVdpa } = {};
    const parent: VdpaParent = {
      name: "own",
      reset: () => undefined,
      setMap: () => {
        made.device!.close();
        return undefined;
      },
    };
    made.device = await VhostVdpa.create({ parent, frames });
    const mm = new UserMm(frames);
    mm.map({ at: 1, pages: 1 });
    made.device.open();
    made.device.setOwner(mm);
    const update = { type: "update", iova: 0, size: PAGE, uaddr: PAGE } as const;
    expect(() => made.device!.write(update)).toThrow(
      expect.objectContaining({ code: "E_DEADLOCK" }) as Error,
    );
  });
});

describe("misuse", () => {
  test.each([
    ["E_TYPE", "type", { type: "map" }],
    ["E_LIMIT", "type", { type: 256 }],
    ["E_ADDR_RANGE", "iova", { type: "update", iova: -1 }],
    ["E_TYPE", "iova", { type: "update", iova: 2 ** 53 + 2 }],
    ["E_TYPE", "size", { type: "update", size: 1.5 }],
    ["E_TYPE", "uaddr", { type: "update", uaddr: "0" }],
    ["E_LIMIT", "perm", { type: "update", perm: 4 }],
    ["E_TYPE", "perm", { type: "update", perm: "x" }],
    ["E_LIMIT", "asid", { type: "update", asid: -1 }],
    ["E_TYPE", "message", null],
  ])("%s: %s of %j", async (code, argument, message) => {
    const made = await rig("S1");
    const details = expect.objectContaining({ argument }) as unknown;
    const error = expect.objectContaining({ code, details }) as Error;
    expect(() => made.device.write(message as never)).toThrow(error);
    expect(made.device.counts().messages).toBe(0);
  });

  test("more than 64 bits", async () => {
    const made = await rig("S1");
    expect(() => made.device.write({ type: "update", iova: 2n ** 64n })).toThrow(
      expect.objectContaining({ code: "E_ADDR_RANGE" }) as Error,
    );
  });

  test("in VA mode addresses are whole pages", async () => {
    const made = await rig("V");
    const update = { type: "update", iova: 0x800, size: PAGE, uaddr: UA } as const;
    expect(() => made.device.write(update)).toThrow(
      expect.objectContaining({ code: "E_ALIGN" }) as Error,
    );
    expect(made.device.table()).toEqual([]);
  });

  test("an owner of another host", async () => {
    const made = await rig("S1");
    made.device.close();
    made.device.open();
    expect(() => made.device.setOwner(new UserMm(new HostFrames()))).toThrow(
      expect.objectContaining({ code: "E_FOREIGN" }) as Error,
    );
  });
});
