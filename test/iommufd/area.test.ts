/** Areas: what may be mapped where, and unmapped. */
import { expect } from "vitest";
import {
  APERTURE,
  APERTURE_LAST,
  BUFFER,
  BUFFER_SIZE,
  errno,
  fails,
  Fixture,
  MOCK_PAGE,
  ok,
  PAGE,
  selftest,
  TOP,
  upTo,
} from "./fixture.js";

const pages = (count: number): bigint => PAGE * BigInt(count);

selftest("iommufd_ioas.area", "unmapping nothing is ENOENT", ({ ioas }) => {
  for (const i of upTo(10)) {
    expect(fails(ioas.unmap(pages(i), PAGE))).toBe("ENOENT nothing-mapped");
  }
});

selftest("iommufd_ioas.area", "ten pages are mapped and unmapped one by one", (f) => {
  for (const i of upTo(10)) f.map(f.base + pages(i), PAGE);
  for (const i of upTo(10)) expect(f.unmap(f.base + pages(i), PAGE)).toBe(PAGE);
});

selftest("iommufd_ioas.area", "an area cannot be split from its start", (f) => {
  f.map(f.base + pages(16), pages(2));
  expect(fails(f.ioas.unmap(f.base + pages(16), PAGE))).toBe("ENOENT partial");
});

selftest("iommufd_ioas.area", "an area cannot be split from its end", (f) => {
  f.map(f.base + pages(16), pages(2));
  expect(fails(f.ioas.unmap(f.base + pages(17), PAGE))).toBe("ENOENT partial");
  expect(f.describe().areas).toHaveLength(1);
});

const SHAPES = { same: [16, 2], start: [16, 1], end: [17, 1], before: [15, 2], around: [15, 3] };
selftest("iommufd_ioas.area", "an overlap of any of five shapes is EEXIST", (f) => {
  f.map(f.base + pages(16), pages(2));
  const before = f.state;
  for (const [at, count] of Object.values(SHAPES)) {
    const outcome = f.ioas.map({ va: BUFFER, length: pages(count), iova: f.base + pages(at) });
    expect(fails(outcome)).toBe("EEXIST overlap");
  }
  expect(f.state).toBe(before);
});

selftest("iommufd_ioas.area", "unmapping everything works, also when there is nothing", (f) => {
  f.map(f.base, pages(2));
  f.map(f.base + pages(8), PAGE);
  expect(f.unmap(0n, TOP)).toBe(pages(3));
  expect(f.unmap(0n, TOP)).toBe(0n);
});

function fourAreas(f: Fixture): bigint {
  const base = f.base + pages(4);
  for (const i of upTo(4)) f.map(base + pages(16 * i), pages(8));
  return base;
}

selftest("iommufd_ioas.unmap_fully_contained_areas", "a cut at the first edge is ENOENT", (f) => {
  const base = fourAreas(f);
  expect(fails(f.ioas.unmap(base - pages(4), pages(8)))).toBe("ENOENT partial");
});

selftest("iommufd_ioas.unmap_fully_contained_areas", "a cut at the last edge is ENOENT", (f) => {
  const base = fourAreas(f);
  expect(fails(f.ioas.unmap(base + pages(3 * 16 + 4), pages(8)))).toBe("ENOENT partial");
});

selftest("iommufd_ioas.unmap_fully_contained_areas", "a range around four gives their sum", (f) => {
  const base = fourAreas(f);
  expect(f.unmap(base - pages(4), pages(3 * 16 + 8 + 4))).toBe(pages(32));
});

selftest("iommufd_ioas.ioas_destroy", "EBUSY while a device uses it", (f) => {
  const outcome = f.fd.destroy(f.ioas);
  if (f.devices.length > 0) expect(fails(outcome)).toBe("EBUSY in-use");
  else expect(fails(f.ioas.unmap(0n, PAGE))).toBe("ENOENT no-object");
});

selftest("iommufd_ioas.ioas_area_destroy", "an area does not change that", (f) => {
  f.map(f.base, PAGE);
  const outcome = f.fd.destroy(f.ioas);
  expect(outcome.ok).toBe(f.devices.length === 0);
});

selftest("iommufd_ioas.ioas_area_auto_destroy", "closing frees ten areas", (f) => {
  for (const i of upTo(10)) f.map(f.base + pages(i), PAGE);
});

selftest("iommufd_ioas.hwpt_attach", "a device can attach to a page table", (f) => {
  const [device] = f.devices;
  const hwpt = device?.hwpt;
  if (hwpt === undefined) return;
  const second = ok(f.fd.createDevice());
  expect(ok(second.attach(hwpt))).toBe(hwpt);
  expect(hwpt.users).toBe(2);
});

selftest("iommufd_ioas.area_auto_iova", "places are found for ten pages", (f) => {
  const iovas = upTo(10).map(() => f.map(undefined, PAGE));
  expect(new Set(iovas).size).toBe(10);
  for (const iova of iovas) f.unmap(iova, PAGE);
});

/** Largest power of two that divides. */
const alignmentOf = (value: bigint): bigint => value & -value;

selftest("iommufd_ioas.area_auto_iova", "places are aligned as lengths are", (f) => {
  for (const i of upTo(10)) {
    const iova = f.map(undefined, pages(i + 1));
    expect(iova % alignmentOf(pages(i + 1))).toBe(0n);
    expect(iova).toBeGreaterThan(0n);
  }
});

selftest("iommufd_ioas.area_auto_iova", "places avoid reserved ranges", (f) => {
  ok(f.ioas.reserve(pages(4), pages(104) - 1n));
  for (const i of upTo(10)) {
    const iova = f.map(undefined, pages(i + 1));
    expect(iova + pages(i + 1) <= pages(4) || iova >= pages(104)).toBe(true);
  }
});

selftest("iommufd_ioas.area_auto_iova", "allowing what is reserved is EADDRINUSE", (f) => {
  ok(f.ioas.reserve(pages(4), pages(104) - 1n));
  const outcome = f.ioas.allowIovas([{ start: PAGE, last: pages(600) }]);
  expect(fails(outcome)).toBe("EADDRINUSE reserved");
  expect(f.ioas.allowed).toEqual([]);
});

selftest("iommufd_ioas.area_auto_iova", "places are in allowed ranges", (f) => {
  const start = f.devices.length > 0 ? APERTURE + PAGE : pages(200);
  const last = start + pages(400) - 1n;
  ok(f.ioas.allowIovas([{ start, last }]));
  for (const i of upTo(10)) {
    const iova = f.map(undefined, pages(i + 1));
    expect(iova >= start && iova + pages(i + 1) - 1n <= last).toBe(true);
  }
  const outside = f.ioas.map({ va: BUFFER, length: PAGE, iova: start - PAGE });
  expect(outside.ok).toBe(true);
});

selftest("iommufd_ioas.area_allowed", "reserving what is allowed is EADDRINUSE", (f) => {
  ok(f.ioas.allowIovas([{ start: f.base, last: f.base + pages(600) }]));
  const outcome = f.ioas.reserve(f.base + PAGE, f.base + pages(2) - 1n);
  expect(fails(outcome)).toBe("EADDRINUSE allowed");
  ok(f.ioas.allowIovas([]));
  ok(f.ioas.reserve(f.base + PAGE, f.base + pages(2) - 1n));
  const allowed = f.ioas.allowIovas([{ start: f.base, last: f.base + pages(600) }]);
  expect(errno(allowed)).toBe("EADDRINUSE");
});

selftest("iommufd_ioas.reserved_overflow", "a range that ends at the top can be reserved", (f) => {
  if (f.devices.length > 0) return;
  ok(f.ioas.reserve(pages(6), TOP));
  expect(f.map(undefined, pages(2))).toBe(pages(2));
  const outcome = f.ioas.map({ va: BUFFER, length: pages(8) });
  expect(fails(outcome)).toBe("ENOSPC no-place");
});

selftest("iommufd_ioas.iova_ranges", "all that is not reserved is one range", (f) => {
  const { ranges, total, alignment } = ok(f.ioas.iovaRanges());
  const has = f.devices.length > 0;
  expect(total).toBe(1);
  expect(ranges).toEqual([
    has ? { start: APERTURE, last: APERTURE_LAST } : { start: 0n, last: TOP },
  ]);
  expect(alignment).toBe(has ? MOCK_PAGE : 1n);
});

selftest(
  "iommufd_ioas.iova_ranges",
  "an array that is too short is EMSGSIZE, with the count",
  (f) => {
    const outcome = f.ioas.iovaRanges(0);
    expect(outcome).toMatchObject({ ok: false, errno: "EMSGSIZE", total: 1 });
  },
);

selftest("iommufd_ioas.iova_ranges", "a reserved page makes two ranges of one", (f) => {
  ok(f.ioas.reserve(PAGE, pages(2) - 1n));
  const has = f.devices.length > 0;
  const { ranges } = ok(f.ioas.iovaRanges());
  if (has) expect(ranges).toEqual([{ start: APERTURE, last: APERTURE_LAST }]);
  else expect(ranges.map(({ start }) => start)).toEqual([0n, pages(2)]);
  expect(f.ioas.iovaRanges(1).ok).toBe(has);
});

selftest("iommufd_ioas.ioas_iova_alloc", "any length without domains, else whole pages", (f) => {
  for (let length = 1n; length < PAGE * 2n; length += length < 40n ? 1n : 61n) {
    const outcome = f.ioas.map({ va: BUFFER, length });
    if (f.devices.length > 0 && length % MOCK_PAGE !== 0n) {
      expect(fails(outcome)).toBe("EINVAL misaligned");
    } else f.unmap(ok(outcome), length);
  }
  for (const length of [MOCK_PAGE, PAGE, MOCK_PAGE * 3n]) f.unmap(f.map(undefined, length), length);
});

selftest("iommufd_ioas.ioas_align_change", "huge pages are given up where all is aligned", (f) => {
  f.map(f.base, PAGE);
  const outcome = f.ioas.setHugePages(false);
  if (f.devices.length > 0) {
    expect(fails(outcome)).toBe("EINVAL pages-in-domains");
    return;
  }
  ok(outcome);
  expect(f.ioas.alignment).toBe(PAGE);
  ok(f.ioas.setHugePages(false));
});

selftest("iommufd_ioas.ioas_align_change", "then a misaligned mapping is EINVAL", (f) => {
  ok(f.ioas.setHugePages(false));
  const outcome = f.ioas.map({ va: BUFFER + MOCK_PAGE, length: PAGE, iova: APERTURE + PAGE });
  expect(fails(outcome)).toBe("EINVAL misaligned");
});

selftest("iommufd_ioas.ioas_align_change", "a misaligned area makes it EADDRINUSE", (f) => {
  if (f.devices.length > 0) return;
  f.map(APERTURE, PAGE, BUFFER + MOCK_PAGE);
  expect(fails(f.ioas.setHugePages(false))).toBe("EADDRINUSE misaligned-area");
  expect(f.ioas.hugePages).toBe(true);
  f.unmap(APERTURE, PAGE);
  ok(f.ioas.setHugePages(false));
});

selftest("iommufd_ioas.ioas_option_huge_pages", "the option can be read and written", (f) => {
  expect(f.ioas.hugePages).toBe(true);
  ok(f.ioas.setHugePages(false));
  expect(f.ioas.hugePages).toBe(false);
  ok(f.ioas.setHugePages(true));
});

selftest("iommufd_ioas.copy_area", "pages are mapped once more in the same space", (f) => {
  f.map(f.base, PAGE);
  const iova = ok(
    f.ioas.copy({ from: f.ioas, srcIova: f.base, length: PAGE, iova: f.base + PAGE }),
  );
  f.checkDomains(iova, PAGE);
  expect(f.frames.held).toBe(f.devices.length > 0 ? 1 : 0);
});

selftest("iommufd_ioas.copy_area", "pages are mapped in another space", (f) => {
  f.map(f.base, PAGE);
  const other = ok(f.fd.ioasAlloc());
  ok(other.copy({ from: f.ioas, srcIova: f.base, length: PAGE, iova: 0 }));
  expect(f.describe(other).areas[0].pages).toBe(f.describe().areas[0].pages);
});

selftest("iommufd_ioas.copy_sweep", "a source that is not wholly mapped is ENOENT", (f) => {
  const last = APERTURE + BUFFER_SIZE - (f.devices.length > 0 ? 1n : 2n);
  f.map(APERTURE, last - APERTURE + 1n);
  const to = ok(f.fd.ioasAlloc());
  for (let srcIova = APERTURE - PAGE; srcIova <= last; srcIova += 511n) {
    const copied = to.copy({ from: f.ioas, srcIova, length: MOCK_PAGE, iova: APERTURE });
    if (srcIova < APERTURE || srcIova + MOCK_PAGE - 1n > last) {
      expect(fails(copied)).toBe("ENOENT hole");
    } else expect(ok(to.unmap(ok(copied), MOCK_PAGE))).toBe(MOCK_PAGE);
  }
  ok(f.fd.destroy(to));
});
