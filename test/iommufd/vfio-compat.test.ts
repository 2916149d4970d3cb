/** The ioctls of a VFIO container on iommufd. */
import { expect } from "vitest";
import {
  APERTURE,
  APERTURE_LAST,
  BUFFER,
  BUFFER_PAGES,
  BUFFER_SIZE,
  fails,
  type Fixture,
  HUGE,
  ok,
  ONE,
  PAGE,
  selftest,
  upTo,
} from "./fixture.js";

const MAP = { vaddr: BUFFER, iova: APERTURE, size: PAGE };
const UNMAP = { iova: APERTURE, size: PAGE };

selftest(
  "iommufd.unmap_cmd",
  "a short structure and unknown flags are EINVAL, then ENODEV",
  ({ fd: { vfio } }) => {
    expect(fails(vfio.unmapDma({ ...UNMAP, argsz: 1 }))).toBe("EINVAL bad-structure");
    expect(fails(vfio.unmapDma({ ...UNMAP, flags: 2 ** 31 }))).toBe("EINVAL bad-structure");
    expect(fails(vfio.unmapDma(UNMAP))).toBe("ENODEV no-ioas");
  },
  ONE,
);

selftest(
  "iommufd.map_cmd",
  "a short structure and unknown flags are EINVAL, then ENODEV",
  ({ fd: { vfio } }) => {
    expect(fails(vfio.mapDma({ ...MAP, argsz: 1 }))).toBe("EINVAL bad-structure");
    expect(fails(vfio.mapDma({ ...MAP, flags: 2 ** 31 }))).toBe("EINVAL bad-structure");
    expect(fails(vfio.mapDma(MAP))).toBe("ENODEV no-ioas");
  },
  ONE,
);

selftest(
  "iommufd.info_cmd",
  "a short structure is EINVAL, then ENODEV",
  ({ fd: { vfio } }) => {
    expect(fails(vfio.getInfo(1))).toBe("EINVAL bad-structure");
    expect(fails(vfio.getInfo(24))).toBe("ENODEV no-ioas");
  },
  ONE,
);

selftest(
  "iommufd.set_iommu_cmd",
  "ENODEV before an address space",
  ({ fd: { vfio } }) => {
    expect(fails(vfio.setIommu("type1v2"))).toBe("ENODEV no-ioas");
    expect(fails(vfio.setIommu("type1"))).toBe("ENODEV no-ioas");
    expect(fails(vfio.setIommu("nesting"))).toBe("EINVAL bad-type");
  },
  ONE,
);

selftest(
  "iommufd.simple_ioctls",
  "type1v2 is there, nesting is not",
  ({ fd: { vfio } }) => {
    expect([vfio.checkExtension("type1v2"), vfio.checkExtension("nesting")]).toEqual([1, 0]);
  },
  ONE,
);

selftest(
  "iommufd.vfio_ioas",
  "get, set and clear",
  ({ fd, ioas }) => {
    const { vfio } = fd;
    expect(fails(vfio.getIoas())).toBe("ENODEV no-ioas");
    const gone = ok(fd.ioasAlloc());
    ok(fd.destroy(gone));
    expect(fails(vfio.setIoas(gone))).toBe("ENOENT no-object");
    ok(vfio.setIoas(ioas));
    expect(ok(vfio.getIoas())).toBe(ioas);
    vfio.clear();
    expect(fails(vfio.getIoas())).toBe("ENODEV no-ioas");
  },
  ONE,
);

const FIXTURE = "vfio_compat_mock_domain";
const VERSIONS = ["type1", "type1v2"] as const;

/** As {@link selftest} in both versions. */
function compat(
  source: string,
  what: string,
  run: (f: Fixture, version: (typeof VERSIONS)[number]) => void,
): void {
  for (const version of VERSIONS) {
    const body = (f: Fixture): void => {
      ok(f.fd.vfio.setIoas(f.ioas));
      ok(f.fd.vfio.setIommu(version));
      run(f, version);
    };
    selftest(`${FIXTURE}.${source}`, what, body, [[version, { domains: 1 }]]);
  }
}

compat("option_huge_pages", "type1 has none, type1v2 has", ({ ioas }, version) => {
  expect(ioas.hugePages).toBe(version === "type1v2");
});

compat("map", "map and unmap, and unmapping nothing succeeds", ({ fd: { vfio } }) => {
  ok(vfio.mapDma({ ...MAP, size: BUFFER_SIZE }));
  expect(ok(vfio.unmapDma({ ...UNMAP, size: BUFFER_SIZE }))).toBe(BUFFER_SIZE);
  expect(ok(vfio.unmapDma({ ...UNMAP, size: BUFFER_SIZE }))).toBe(0n);
});

compat("map", "unmapping all needs a zero range", ({ fd: { vfio } }) => {
  ok(vfio.mapDma({ ...MAP, size: BUFFER_SIZE }));
  expect(fails(vfio.unmapDma({ ...UNMAP, flags: 2 }))).toBe("EINVAL not-zero");
  expect(ok(vfio.unmapDma({ iova: 0, size: 0, flags: 2 }))).toBe(BUFFER_SIZE);
  expect(ok(vfio.unmapDma({ iova: 0, size: 0, flags: 2 }))).toBe(0n);
});

compat("map", "mappings of a page are unmapped in any order", ({ fd: { vfio } }) => {
  const at = upTo(BUFFER_PAGES).map((i) => BigInt(i) * PAGE);
  for (const offset of at) {
    ok(vfio.mapDma({ vaddr: BUFFER + offset, iova: APERTURE + offset, size: PAGE }));
  }
  const order = at.map((_, i) => at[(i * 7) % at.length]);
  for (const offset of order) ok(vfio.unmapDma({ ...UNMAP, iova: APERTURE + offset }));
});

compat("huge_map", "type1 cuts a large mapping, type1v2 is ENOENT", (f, version) => {
  const { vfio } = f.fd;
  f.mm.map({ at: Number((BUFFER * 2n) / PAGE), pages: 1024, frames: 0x80000 });
  ok(vfio.mapDma({ vaddr: BUFFER * 2n, iova: APERTURE, size: HUGE * 2n }));
  const size = (HUGE * 2n) / 16n;
  for (const i of upTo(16)) {
    const iova = APERTURE + size * BigInt((i * 7) % 16);
    const outcome = vfio.unmapDma({ iova, size });
    if (version === "type1") expect(ok(outcome)).toBe(size);
    else expect(fails(outcome)).toBe("ENOENT partial");
  }
  expect(f.frames.held).toBe(version === "type1" ? 0 : 1024);
});

compat("get_info", "capabilities are there in full or not at all", ({ fd: { vfio } }) => {
  const { argsz: total } = ok(vfio.getInfo(16));
  for (let argsz = 16; argsz <= total; argsz++) {
    const info = ok(vfio.getInfo(argsz));
    expect([info.argsz, info.flags]).toEqual([total, 3]);
    const ranges = [{ start: APERTURE, last: APERTURE_LAST }];
    if (argsz < total) expect([info.capOffset, info.ranges]).toEqual([0, undefined]);
    else expect(info).toMatchObject({ capOffset: 24, dmaAvail: 2 ** 32 - 1, ranges });
  }
});

compat("get_info", "page sizes begin at a page", ({ fd: { vfio } }) => {
  expect(ok(vfio.getInfo(24)).pageSizes).toBe(HUGE | PAGE);
});
