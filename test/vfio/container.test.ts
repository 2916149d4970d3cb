/** What TypeScript callers see: errors, callbacks, the ledger, limits of the two kinds of storage. */
import { describe, expect, test } from "vitest";
import {
  HostFrames,
  type PinnedPages,
  Random,
  UserMm,
  validateVfio,
  VfioContainer,
  type VfioContainerOptions,
  type VfioDevice,
  type VfioStorage,
} from "../../src/index.js";
import { endMemory } from "../pinned-pages/forms.js";

const PS = 4096;
const D1 = 0x10000;

interface World {
  readonly container: VfioContainer;
  readonly mm: UserMm;
  readonly device: VfioDevice;
}

function code(error: string): object {
  return expect.objectContaining({ code: error }) as object;
}

async function open(
  container: VfioContainer,
  name: string,
  dmaUnmap: ((iova: bigint, size: bigint) => void) | undefined = () => undefined,
): Promise<VfioDevice> {
  const outcome = await container.openDevice({ name, group: "mdev", dmaUnmap });
  if (!outcome.ok) throw new Error(outcome.message);
  return outcome.value;
}

async function world(
  options: Partial<VfioContainerOptions> = {},
  dmaUnmap?: (iova: bigint, size: bigint) => void,
): Promise<World> {
  const mm = options.mm ?? new UserMm(new HostFrames());
  mm.map({ at: 0, pages: 2 ** 22 });
  const container = await VfioContainer.create({ ...options, mm });
  container.attachGroup({ name: "mdev", kind: "emulated" });
  return { container, mm, device: await open(container, "A", dmaUnmap) };
}

describe("misuse throws, and changes nothing", () => {
  test("arguments", async () => {
    const { container, device } = await world();
    const other = await world();
    container.map({ iova: D1, vaddr: D1, size: 16 * PS });
    const before = JSON.stringify(container.state(), (_, v: unknown) => String(v));
    const misuses: readonly (readonly [() => unknown, string])[] = [
      [() => container.pinPages(device, D1 + 1, 1), "E_ALIGN"],
      [() => container.pinPages(device, -1, 1), "E_ADDR_RANGE"],
      [() => container.pinPages(device, 2n ** 64n, 1), "E_ADDR_RANGE"],
      [() => container.pinPages(device, 2 ** 53 + 2, 1), "E_TYPE"],
      [() => container.pinPages(device, "0" as unknown as number, 1), "E_TYPE"],
      [() => container.pinPages(device, D1, 1.5), "E_TYPE"],
      [() => container.pinPages(device, D1, 1, "x" as "r"), "E_TYPE"],
      [() => container.pinPages(device, D1, 2, "r", new Float64Array(1)), "E_LIMIT"],
      [() => container.pinPages(other.device, D1, 1), "E_FOREIGN"],
      [() => container.pinList(device, 5 as unknown as number[]), "E_TYPE"],
      [() => container.map({ iova: 0, vaddr: 0, size: PS, mm: other.mm }), "E_FOREIGN"],
      [() => container.attachGroup({ name: "", kind: "real" }), "E_TYPE"],
      [() => container.attachGroup({ name: "x", kind: "unreal" as "real" }), "E_TYPE"],
      [() => container.attachGroup({ name: "x", kind: "real", aperture: [PS, 0] }), "E_INVERTED"],
      [() => container.attachGroup({ name: "x", kind: "real", pageSize: 5000 }), "E_TYPE"],
      [() => container.dmaRw(device, { iova: D1, length: 0.5 }), "E_TYPE"],
    ];
    for (const [misuse, error] of misuses) expect(misuse).toThrow(code(error));
    await expect(open(container, "A")).rejects.toThrow(code("E_EXISTS"));
    await expect(VfioContainer.create({} as VfioContainerOptions)).rejects.toThrow(code("E_TYPE"));
    const after = JSON.stringify(container.state(), (_, v: unknown) => String(v));
    expect(after).toBe(before);
    expect(validateVfio(container)).toEqual([]);
  });

  test("after disposal, and after a verdict", async () => {
    const { container, device } = await world();
    container.map({ iova: D1, vaddr: D1, size: PS });
    container.pinPages(device, D1, 1);
    expect(() => container.unmap({ iova: D1, size: PS })).toThrow(code("E_FATAL"));
    expect(container.verdict).toBe("FATAL");
    expect(() => container.unpinPages(device, D1, 1)).toThrow(code("E_FATAL"));
    expect(container.state().pins).toHaveLength(1);
    container.dispose();
    container.dispose();
    expect(() => container.unpinPages(device, D1, 1)).toThrow(code("E_DISPOSED"));
  });

  test("what a callback throws leaves locks as they were", async () => {
    let throws = true;
    const { container, device } = await world({}, () => {
      if (throws) throw new Error("a bug of the caller");
      container.unpinPages(device, D1, 1);
    });
    container.map({ iova: D1, vaddr: D1, size: PS });
    container.pinPages(device, D1, 1);
    expect(() => container.unmap({ iova: D1, size: PS })).toThrow("a bug of the caller");
    expect(validateVfio(container)).toEqual([]);
    throws = false;
    expect(container.unmap({ iova: D1, size: PS })).toMatchObject({ ok: true });
    expect(validateVfio(container)).toEqual([]);
  });

  test("a callback that swallows the deadlock does not undo it", async () => {
    const { container, device } = await world({ knobs: { lockAroundCallback: "keep" } }, () => {
      try {
        container.unpinPages(device, D1, 1);
      } catch {
        // Not noticed.
      }
    });
    container.map({ iova: D1, vaddr: D1, size: PS });
    container.pinPages(device, D1, 1);
    expect(() => container.unmap({ iova: D1, size: PS })).toThrow(code("E_DEADLOCK"));
    expect(container.state()).toMatchObject({ verdict: "DEADLOCK", lockOwner: "main" });
  });

  test("another thread that would wait is told so, and nothing has changed", async () => {
    const busy: unknown[] = [];
    const { container, device } = await world({ knobs: { lockAroundCallback: "keep" } }, () => {
      try {
        container.asThread("B", () => container.map({ iova: 0, vaddr: 0, size: PS }));
      } catch (error) {
        busy.push(error);
      }
    });
    container.map({ iova: D1, vaddr: D1, size: PS });
    container.pinPages(device, D1, 1);
    expect(() => container.unmap({ iova: D1, size: PS })).toThrow(code("E_FATAL"));
    expect(busy).toHaveLength(11);
    expect(busy[0]).toEqual(code("E_BUSY"));
    expect(container.mappings).toBe(1);
  });
});

describe.each<VfioStorage>(["packed", "tree"])("requests, %s", (storage) => {
  test("results go where the caller wants them; after a failure they are 0 again", async () => {
    const { container, device } = await world({ storage });
    container.map({ iova: D1, vaddr: D1, size: 16 * PS });
    const into = new Float64Array(3).fill(7);
    expect(container.pinPages(device, D1, 3, "rw", into)).toEqual({ ok: true, value: into });
    expect([...into]).toEqual([0x1010, 0x1011, 0x1012]);
    expect(container.pinPages(device, D1 + 14 * PS, 3, "rw", into)).toMatchObject({ index: 2 });
    expect([...into]).toEqual([0, 0, 0]);
    into.fill(7);
    expect(container.pinPages(device, D1 + 15 * PS, 3, "rw", into)).toMatchObject({ index: 1 });
    expect([...into]).toEqual([0, 0, 7]);
  });

  test("each allocation of a flow fails once: what failed is as if it had not been", async () => {
    let nth = 1;
    for (let failed = true; failed; nth++) {
      const { container, device, mm } = await world({ storage }, (iova, size) => {
        container.unpinPages(device, iova, Number(size) / PS);
      });
      const flow: readonly (() => { readonly ok: boolean })[] = [
        () => container.map({ iova: D1, vaddr: D1, size: 16 * PS }),
        () => container.pinPages(device, D1, 4),
        () => container.attachGroup({ name: "pci", kind: "real" }),
        () => container.pinList(device, [D1, D1 + 5 * PS, D1 + 5 * PS]),
        () => container.map({ iova: 0x100000, vaddr: 0x200000, size: 4 * PS }),
        () => container.attachGroup({ name: "nic", kind: "real", iommu: "two" }),
        () => container.startDirtyTracking(),
        () => container.pinPages(device, 0x100000, 4),
        () => container.detachGroup("nic"),
        () => container.detachGroup("pci"),
        () => container.unmap({ all: true }),
      ];
      container.allocations.failNth(nth);
      const seen = (): string =>
        JSON.stringify(
          [
            container.state().pins,
            container.state().frames,
            container.state().mappings,
            mm.lockedVm,
          ],
          (_, v: unknown) => (typeof v === "bigint" ? String(v) : v),
        );
      failed = false;
      for (const step of flow) {
        const before = seen();
        const outcome = step();
        if (!outcome.ok) {
          failed = true;
          expect(seen()).toBe(before);
          expect(outcome).toMatchObject({ errno: "ENOMEM", cause: "no-memory" });
          // And then it works.
          expect(step()).toMatchObject({ ok: true });
        }
        expect(validateVfio(container)).toEqual([]);
      }
      expect([nth, container.frames.held, mm.lockedVm]).toEqual([nth, 0, 0]);
      container.dispose();
    }
    expect(nth).toBeGreaterThan(15);
  });
});

describe("the two kinds of storage differ where it is said", () => {
  test("L1: 4095 pins of a page, and what is said above", async () => {
    const { container, device } = await world({ knobs: { saturationErrno: "ENOSPC" } });
    const tree = await world({ storage: "tree" });
    for (const each of [container, tree.container]) {
      each.map({ iova: D1, vaddr: D1, size: 2 * PS });
    }
    for (let i = 0; i < 4095; i++) {
      expect(container.pinPages(device, D1, 1).ok).toBe(true);
      expect(tree.container.pinPages(tree.device, D1, 1).ok).toBe(true);
    }
    const request = [D1 + PS, D1];
    expect(container.pinList(device, request)).toMatchObject({ errno: "ENOSPC", index: 1 });
    expect(container.pinnedPages).toBe(1);
    expect(tree.container.pinList(tree.device, request)).toMatchObject({ ok: true });
    expect([container, tree.container].flatMap((each) => validateVfio(each))).toEqual([]);
  });

  test("L2: frames that do not fit 52 bits are no frames of a host", async () => {
    const { mm } = await world();
    expect(() => mm.map({ at: 0, pages: 1, frames: 2 ** 52 })).toThrow(code("E_LIMIT"));
  });

  test("L3: where there is no memory differs, what is left does not", async () => {
    const packed = await world({ maxBytes: 1 });
    endMemory(packed.container.raw.store as PinnedPages, 2_500);
    const tree = await world({ storage: "tree", maxNodes: 40 });
    for (const { container, device } of [packed, tree]) {
      container.map({ iova: 0, vaddr: 0, size: 2 ** 30 });
      const random = new Random(3n);
      let failed = 0;
      for (let i = 0; i < 3_000; i++) {
        const pages = Array.from({ length: 1 + random.below(9) }, () => random.below(2 ** 18) * PS);
        const before = [...container.raw.store].flatMap(({ page, count }) => [page, count]);
        const outcome = container.pinList(device, pages);
        if (!outcome.ok) {
          failed++;
          expect(outcome).toMatchObject({ errno: "ENOMEM", cause: "no-memory" });
          const after = [...container.raw.store].flatMap(({ page, count }) => [page, count]);
          expect(after).toEqual(before);
          if (failed % 20 === 0) expect(validateVfio(container)).toEqual([]);
          container.unpinList(
            device,
            before.filter((_, k) => k % 6 === 0).map((page) => page * PS),
          );
        }
      }
      expect(failed).toBeGreaterThan(50);
    }
  });

  test("L4: both tell their pins ascending", async () => {
    for (const storage of ["packed", "tree"] as const) {
      const { container, device } = await world({ storage });
      container.map({ iova: 0, vaddr: 0, size: 2 ** 24 });
      container.pinList(
        device,
        [9, 3, 4_000, 5, 700].map((page) => page * PS),
      );
      expect(container.state().pins.map(({ iova }) => Number(iova) / PS)).toEqual([
        3, 5, 9, 700, 4_000,
      ]);
    }
  });

  test("L5: reserved frames are kept in both, without reference and charge", async () => {
    for (const storage of ["packed", "tree"] as const) {
      const frames = new HostFrames();
      frames.reserve(0x1010, 0x1011);
      const { container, device, mm } = await world({ storage, mm: new UserMm(frames) });
      container.map({ iova: D1, vaddr: D1, size: 16 * PS });
      container.pinPages(device, D1, 3);
      container.pinPages(device, D1, 3);
      expect([container.pinnedPages, frames.held, mm.lockedVm]).toEqual([3, 1, 1]);
      container.unpinPages(device, D1, 3);
      expect([container.pinnedPages, frames.held, mm.lockedVm]).toEqual([3, 1, 1]);
      container.unpinPages(device, D1, 3);
      expect([container.pinnedPages, frames.held, frames.underflows]).toEqual([0, 0, []]);
    }
  });
});

describe("the ledger", () => {
  test("names who gave back too much, also where many pages are given back at once", async () => {
    const { container, device: a } = await world();
    const b = await open(container, "B");
    container.map({ iova: 0, vaddr: 0, size: 2 ** 24 });
    container.pinPages(a, 0, 100);
    container.pinPages(b, 0, 100);
    container.unpinPages(b, 0, 100);
    expect(container.records.misuses).toEqual([]);
    container.unpinPages(b, 50 * PS, 20);
    expect(container.records.misuses).toHaveLength(20);
    expect(container.records.misuses[0]).toEqual({
      kind: "foreign-unpin",
      device: "B",
      iova: BigInt(50 * PS),
      owners: ["A"],
    });
    expect(container.dma(a, 49 * PS, { write: true })).toMatchObject({ ok: true });
    expect(container.dma(a, 50 * PS, { write: true })).toMatchObject({
      violation: { kind: "released-page", device: "A", culprit: "B", pfn: 0x1032 },
    });
    expect(container.dma(b, 0)).toMatchObject({
      violation: { kind: "never-pinned", culprit: "B" },
    });
    expect([a.pins, b.pins, container.pinnedPages]).toEqual([100, 0, 80]);
  });

  test("the owner gives back its last, and has a pin left that another gave back", async () => {
    const { container, device: a } = await world();
    const b = await open(container, "B");
    container.map({ iova: 0, vaddr: 0, size: 2 ** 24 });
    container.pinPages(a, 0, 1);
    container.pinPages(a, 0, 1);
    container.unpinPages(b, 0, 1);
    container.unpinPages(a, 0, 1);
    expect(container.dma(a, 0)).toMatchObject({ violation: { culprit: "B" } });
  });

  test("may be left out", async () => {
    const { container, device } = await world({ ledger: false });
    container.map({ iova: 0, vaddr: 0, size: 2 ** 24 });
    container.pinPages(device, 0, 10);
    container.unpinPages(device, 5 * PS, 10);
    expect([device.pins, container.pinnedPages, container.records.misuses]).toEqual([0, 5, []]);
    expect(validateVfio(container)).toEqual([]);
  });
});

test("a guest of 1 TiB takes memory for what is pinned, not for what is mapped", async () => {
  const mm = new UserMm(new HostFrames());
  mm.map({ at: 0, pages: 2 ** 28 });
  const container = await VfioContainer.create({ mm });
  container.attachGroup({ name: "mdev", kind: "emulated" });
  const device = await open(container, "A");
  expect(container.map({ iova: 0, vaddr: 0, size: 2 ** 40 })).toMatchObject({ ok: true });
  expect(container.attachGroup({ name: "pci", kind: "real" })).toMatchObject({ ok: true });
  expect([container.chargedTo(), mm.lockedVm, container.frames.held]).toEqual([
    2 ** 28,
    2 ** 28,
    2 ** 28,
  ]);
  for (let i = 0; i < 1_000; i++) {
    const iova = i * 268_435 * PS;
    expect(container.pinPages(device, iova, 100).ok).toBe(true);
  }
  expect(container.frames.refs(0x1000 + 268_435)).toBe(2);
  expect(container.detachGroup("pci")).toMatchObject({ ok: true });
  expect([container.chargedTo(), container.frames.held]).toEqual([100_000, 100_000]);
  const store = container.raw.store as PinnedPages;
  expect(store.bytesUsed).toBeLessThan(100_000 * 64);
});
