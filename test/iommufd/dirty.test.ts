/** What devices write is told by page tables that were made for it. */
import { expect } from "vitest";
import type { Hwpt, IommufdDevice } from "../../src/index.js";
import {
  APERTURE,
  BUFFER,
  fails,
  type Fixture,
  MOCK_PAGE,
  ok,
  ONE,
  PAGE,
  selftest,
} from "./fixture.js";

const SIZES = [128n, 256n, 640n, 128n * 1024n].map((kib) => kib * 1024n);

interface Tracking {
  readonly device: IommufdDevice;
  readonly hwpt: Hwpt;
}

function tracking(f: Fixture, size: bigint): Tracking {
  f.mm.map({ at: Number((BUFFER * 2n) / PAGE), pages: Number(size / PAGE) });
  const ioas = ok(f.fd.ioasAlloc());
  f.map(APERTURE, size, BUFFER * 2n, ioas);
  const device = ok(f.fd.createDevice());
  const hwpt = ok(f.fd.hwptAlloc(device, ioas, { dirtyTracking: true }));
  ok(device.attach(hwpt));
  ok(hwpt.setDirtyTracking(true));
  return { device, hwpt };
}

function tidy(f: Fixture, { device, hwpt }: Tracking): void {
  const { ioas } = hwpt;
  ok(f.fd.destroy(device));
  ok(f.fd.destroy(hwpt));
  ok(f.fd.destroy(ioas));
}

selftest(
  "iommufd_dirty_tracking.enforce_dirty",
  "a page table that tracks refuses a device that cannot",
  (f) => {
    const device = ok(f.fd.createDevice());
    const hwpt = ok(f.fd.hwptAlloc(device, f.ioas, { dirtyTracking: true }));
    const blind = ok(f.fd.createDevice({ iommu: { dirtyTracking: false } }));
    expect(fails(blind.attach(hwpt))).toBe("EINVAL no-dirty-tracking");
    expect(fails(f.fd.hwptAlloc(blind, f.ioas, { dirtyTracking: true }))).toBe(
      "EOPNOTSUPP no-dirty-tracking",
    );
  },
  ONE,
);

selftest(
  "iommufd_dirty_tracking.set_dirty_tracking",
  "tracking is set and cleared, only where it was asked for",
  (f) => {
    const device = ok(f.fd.createDevice());
    const hwpt = ok(f.fd.hwptAlloc(device, f.ioas, { dirtyTracking: true }));
    ok(hwpt.setDirtyTracking(true));
    ok(hwpt.setDirtyTracking(false));
    const plain = ok(f.fd.hwptAlloc(device, f.ioas));
    expect(fails(plain.setDirtyTracking(true))).toBe("EOPNOTSUPP no-dirty-tracking");
  },
  ONE,
);

selftest(
  "iommufd_dirty_tracking.get_dirty_bitmap",
  "every second page is read once, at four sizes",
  (f) => {
    for (const size of SIZES) {
      const each = tracking(f, size);
      for (let at = 0n; at < size; at += MOCK_PAGE * 2n) {
        expect(each.device.dma(APERTURE + at, 1, true)).toBeUndefined();
      }
      const ask = { iova: APERTURE, length: size, pageSize: MOCK_PAGE };
      const { bits, dirty } = ok(each.hwpt.dirtyBitmap(ask));
      expect(dirty).toBe(Number(size / MOCK_PAGE / 2n));
      expect(bits.every((byte) => byte === 0x55)).toBe(true);
      expect(ok(each.hwpt.dirtyBitmap(ask)).dirty).toBe(0);
      tidy(f, each);
    }
  },
  ONE,
);

selftest(
  "iommufd_dirty_tracking.get_dirty_bitmap_no_clear",
  "reading without clearing gives the same again",
  (f) => {
    const each = tracking(f, SIZES[0]);
    each.device.dma(APERTURE + PAGE, PAGE, true);
    const ask = { iova: APERTURE, length: SIZES[0], pageSize: MOCK_PAGE, noClear: true };
    expect(ok(each.hwpt.dirtyBitmap(ask)).dirty).toBe(2);
    expect(ok(each.hwpt.dirtyBitmap(ask)).dirty).toBe(2);
    expect(ok(each.hwpt.dirtyBitmap({ ...ask, pageSize: PAGE })).bits[0]).toBe(2);
    tidy(f, each);
  },
  ONE,
);

selftest(
  "iommufd_dirty_tracking.get_dirty_bitmap",
  "misaligned, a hole, and tracking that is off are EINVAL",
  (f) => {
    const each = tracking(f, SIZES[0]);
    const { hwpt } = each;
    const ask = { iova: APERTURE, length: SIZES[0] };
    expect(fails(hwpt.dirtyBitmap({ ...ask, iova: APERTURE + 1n }))).toBe("EINVAL misaligned");
    expect(fails(hwpt.dirtyBitmap({ ...ask, length: SIZES[0] + PAGE }))).toBe("EINVAL hole");
    ok(hwpt.setDirtyTracking(false));
    expect(fails(hwpt.dirtyBitmap(ask))).toBe("EINVAL not-tracking");
    tidy(f, each);
  },
  ONE,
);

selftest(
  "iommufd_dirty_tracking.set_dirty_tracking",
  "switching it on forgets what was dirty",
  (f) => {
    const each = tracking(f, SIZES[0]);
    each.device.dma(APERTURE, PAGE, true);
    ok(each.hwpt.setDirtyTracking(true));
    expect(ok(each.hwpt.dirtyBitmap({ iova: APERTURE, length: SIZES[0] })).dirty).toBe(0);
    tidy(f, each);
  },
  ONE,
);
