/** Domains: what they translate, and who holds the frames. */
import { expect } from "vitest";
import { SharedFile } from "../../src/index.js";
import {
  APERTURE,
  BUFFER,
  BUFFER_PAGES,
  BUFFER_SIZE,
  DOMAINS,
  fails,
  type Fixture,
  HUGE,
  MOCK_PAGE,
  ok,
  PAGE,
  selftest,
  upTo,
} from "./fixture.js";

const SMALL = 8;

function checkRefs(f: Fixture, from: bigint, to: bigint, refs: number): void {
  for (let at = from / PAGE; at < to / PAGE; at++) {
    expect(f.frames.refs(f.frame(Number(at)))).toBe(refs);
  }
}

function* combinations(): Generator<[start: bigint, length: bigint]> {
  const size = PAGE * BigInt(SMALL);
  for (let start = 0n; start < size; start += MOCK_PAGE) {
    for (let end = start + MOCK_PAGE; end < size; end += MOCK_PAGE) yield [start, end - start];
  }
}

selftest(
  "iommufd_mock_domain.basic",
  "a page is translated",
  (f) => {
    f.checkDomains(f.map(undefined, PAGE), PAGE);
  },
  DOMAINS,
);

selftest(
  "iommufd_mock_domain.basic",
  "EFAULT half way leaves nothing",
  (f) => {
    f.mm.unmap(Number(BUFFER / PAGE) + BUFFER_PAGES / 2, BUFFER_PAGES / 2);
    const before = f.state;
    expect(fails(f.ioas.map({ va: BUFFER, length: BUFFER_SIZE }))).toBe("EFAULT not-mapped");
    expect(f.state).toBe(before);
  },
  DOMAINS,
);

selftest(
  "iommufd_mock_domain.basic",
  "EFAULT on the first page leaves nothing",
  (f) => {
    f.mm.unmap(Number(BUFFER / PAGE), BUFFER_PAGES);
    expect(fails(f.ioas.map({ va: BUFFER, length: BUFFER_SIZE }))).toBe("EFAULT not-mapped");
    expect(f.frames.held).toBe(0);
  },
  DOMAINS,
);

selftest(
  "iommufd_mock_domain.ro_unshare",
  "a page that is replaced later keeps its frame in the domain",
  (f) => {
    const iova = ok(f.ioas.map({ va: BUFFER, length: PAGE, write: false }));
    const frame = f.frame(0);
    f.mm.replace(Number(BUFFER / PAGE));
    expect(f.frame(0)).not.toBe(frame);
    for (const { domain } of f.fd.hwpts) expect(domain.pfnAt(iova)).toBe(frame);
    f.unmap(iova, PAGE);
    expect(f.frames.refs(frame)).toBe(0);
  },
  DOMAINS,
);

selftest(
  "iommufd_mock_domain.all_aligns",
  "every start and length is translated, with one reference a page",
  (f) => {
    for (const [start, length] of combinations()) {
      const iova = f.map(undefined, length, BUFFER + start);
      f.checkDomains(iova, length, BUFFER + start);
      checkRefs(f, start - (start % PAGE), start + length, 1);
      f.unmap(iova, length);
      expect(f.frames.held).toBe(0);
    }
  },
  DOMAINS,
);

selftest(
  "iommufd_mock_domain.all_aligns_copy",
  "a domain that comes and goes takes no references of its own",
  (f) => {
    for (const [start, length] of combinations()) {
      const iova = f.map(undefined, length, BUFFER + start);
      const device = f.mockDomain();
      f.checkDomains(iova, length, BUFFER + start);
      checkRefs(f, start - (start % PAGE), start + length, 1);
      ok(f.fd.destroy(device));
      f.unmap(iova, length);
      expect(f.frames.held).toBe(0);
    }
  },
  DOMAINS,
);

selftest(
  "iommufd_mock_domain.all_aligns (hugepages)",
  "two huge pages at every step of a sixteenth",
  (f) => {
    f.mm.map({ at: Number((BUFFER * 2n) / PAGE), pages: 1024, frames: 0x80000 });
    const step = (HUGE * 2n) / 16n;
    for (let start = 0n; start < HUGE * 2n; start += step) {
      const length = HUGE * 2n - start;
      const iova = f.map(undefined, length, BUFFER * 2n + start);
      for (const { domain } of f.fd.hwpts) {
        expect(domain.translate(iova)).toBe(0x80000n * PAGE + start);
        expect(domain.bytes).toBe(length);
        if (start === 0n) expect(domain.leaves()).toEqual(new Map([[HUGE, 2]]));
      }
      f.unmap(iova, length);
    }
  },
  DOMAINS,
);

selftest(
  "iommufd_mock_domain.user_copy",
  "pinned in a space without domains, copied to one with",
  (f) => {
    const source = ok(f.fd.ioasAlloc());
    const iova = f.map(undefined, BUFFER_SIZE, BUFFER, source);
    const access = f.access({}, source);
    ok(access.pin(iova, BUFFER_SIZE));
    const copy = { from: source, srcIova: iova, length: BUFFER_SIZE, iova: APERTURE };
    ok(f.ioas.copy(copy));
    f.checkDomains(APERTURE, BUFFER_SIZE);
    expect([f.frames.held, f.charged]).toEqual([BUFFER_PAGES, BUFFER_PAGES]);
  },
  DOMAINS,
);

selftest(
  "iommufd_mock_domain.user_copy",
  "the space under an access is replaced while it has pins",
  (f) => {
    const [source, next] = [ok(f.fd.ioasAlloc()), ok(f.fd.ioasAlloc())];
    const iova = f.map(undefined, BUFFER_SIZE, BUFFER, source);
    f.map(iova, BUFFER_SIZE, BUFFER, next);
    const access = f.access({}, source);
    ok(access.pin(iova, BUFFER_SIZE));
    ok(access.replace(next));
    expect(access.pins).toEqual([]);
    expect(f.frames.held).toBe(0);
    ok(f.fd.destroy(source));
    ok(access.pin(iova, BUFFER_SIZE));
    ok(f.ioas.copy({ from: next, srcIova: iova, length: BUFFER_SIZE, iova: APERTURE }));
    f.checkDomains(APERTURE, BUFFER_SIZE);
    expect(access.unpin(iova, BUFFER_SIZE).parts).toBe(1);
  },
  DOMAINS,
);

selftest(
  "iommufd_mock_domain.replace",
  "another space under a device, its automatic page table goes with it",
  (f) => {
    const other = ok(f.fd.ioasAlloc());
    const [device] = f.devices;
    const before = device.hwpt!;
    ok(device.replace(other));
    expect(before.destroyed).toBe(true);
    expect(fails(device.replace(before))).toBe("ENOENT no-object");
    ok(device.replace(other));
    ok(device.replace(f.ioas));
    ok(f.fd.destroy(other));
  },
  DOMAINS,
);

selftest(
  "iommufd_mock_domain.alloc_hwpt",
  "a page table that is in use cannot be destroyed",
  (f) => {
    const [device] = f.devices;
    const [first, second] = [
      ok(f.fd.hwptAlloc(device, f.ioas)),
      ok(f.fd.hwptAlloc(device, f.ioas)),
    ];
    ok(device.replace(first));
    expect(fails(f.fd.destroy(first))).toBe("EBUSY in-use");
    ok(device.replace(second));
    expect(fails(f.fd.destroy(second))).toBe("EBUSY in-use");
    ok(device.replace(f.ioas));
    ok(f.fd.destroy(second));
    const other = f.mockDomain(first);
    ok(f.fd.destroy(other));
    ok(f.fd.destroy(first));
  },
  DOMAINS,
);

selftest(
  "iommufd_mock_domain.map_file",
  "a file is mapped, and outlives the process that mapped it",
  (f) => {
    const file = new SharedFile(f.frames, BUFFER_PAGES);
    const iova = ok(f.ioas.mapFile({ file, start: PAGE, length: PAGE * 4n }));
    for (const { domain } of f.fd.hwpts) expect(domain.pfnAt(iova)).toBe(file.first + 1);
    f.mm.exit();
    f.mockDomain();
    expect([...f.frames].map(([, refs]) => refs)).toEqual(upTo(4).map(() => 1));
  },
  DOMAINS,
);

selftest(
  "iommufd_mock_domain.map_file",
  "beyond the end of the file is EINVAL",
  (f) => {
    const file = new SharedFile(f.frames, 4);
    const before = f.state;
    expect(fails(f.ioas.mapFile({ file, length: PAGE * 5n }))).toBe("EINVAL not-mapped");
    expect(f.state).toBe(before);
  },
  DOMAINS,
);
