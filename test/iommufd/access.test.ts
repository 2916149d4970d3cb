/** Accesses: pins by exact interval, reads and writes, and unmaps while something is pinned. */
import { expect } from "vitest";
import type { UserMm } from "../../src/index.js";
import {
  APERTURE,
  BUFFER,
  BUFFER_PAGES,
  BUFFER_SIZE,
  type Fixture,
  fails,
  HUGE,
  MOCK_PAGE,
  ok,
  PAGE,
  selftest,
  upTo,
} from "./fixture.js";

const EACH_LENGTH = upTo(BUFFER_PAGES - 1).map((i) => i + 1);

selftest("iommufd_ioas.access_pin", "pins of every length give the frames", (f) => {
  const access = f.access();
  f.map(APERTURE);
  for (const pages of EACH_LENGTH) {
    const frames = ok(access.pin(APERTURE, PAGE * BigInt(pages)));
    expect([...frames]).toEqual(upTo(pages).map((i) => f.frame(i)));
    expect(access.unpin(APERTURE, PAGE * BigInt(pages))).toEqual({ parts: 1, warnings: [] });
  }
});

selftest("iommufd_ioas.access_pin", "two users of one interval pin once", (f) => {
  const access = f.access();
  f.map(APERTURE);
  for (const pages of EACH_LENGTH) {
    const length = PAGE * BigInt(pages);
    const first = ok(access.pin(APERTURE, length));
    const held = f.frames.held;
    expect([...ok(access.pin(APERTURE, length))]).toEqual([...first]);
    expect(f.frames.held).toBe(held);
    access.unpin(APERTURE, length);
    expect(f.frames.held).toBe(held);
    access.unpin(APERTURE, length);
  }
});

selftest("iommufd_ioas.access_pin", "a domain comes and goes while pages are pinned", (f) => {
  const access = f.access();
  for (const pages of EACH_LENGTH) {
    f.map(APERTURE);
    const length = PAGE * BigInt(pages);
    ok(access.pin(APERTURE, length));
    const device = f.mockDomain();
    f.checkDomains(APERTURE, BUFFER_SIZE);
    expect(f.frames.held).toBe(BUFFER_PAGES);
    ok(f.fd.destroy(device));
    expect(f.frames.held).toBe(f.devices.length > 0 ? BUFFER_PAGES : pages);
    access.unpin(APERTURE, length);
    f.unmap(APERTURE);
    expect(f.frames.held).toBe(0);
  }
});

selftest("iommufd_ioas.access_pin_unmap", "an unmap succeeds as the callback unpins", (f) => {
  const access = f.access();
  f.map(APERTURE);
  ok(access.pin(APERTURE, BUFFER_SIZE));
  expect(f.unmap(APERTURE)).toBe(BUFFER_SIZE);
  expect(access.notifications).toBe(1);
});

selftest("iommufd_ioas.access_pin_unmap", "afterwards there is nothing to unpin", (f) => {
  const access = f.access();
  f.map(APERTURE);
  ok(access.pin(APERTURE, BUFFER_SIZE));
  f.unmap(APERTURE);
  expect(access.pins).toEqual([]);
  expect(access.unpin(APERTURE, BUFFER_SIZE)).toEqual({ parts: 0, warnings: ["unpin-hole"] });
});

function hugeBuffer(mm: UserMm): void {
  mm.map({ at: Number((BUFFER * 2n) / PAGE), pages: 1024, frames: 0x80000 });
}

selftest("iommufd_ioas.access_domain_destory", "a small pin in a huge page outlives it", (f) => {
  hugeBuffer(f.mm);
  f.map(f.base, HUGE * 2n, BUFFER * 2n);
  const access = f.access();
  ok(access.pin(f.base + PAGE, PAGE));
  for (const device of f.devices) ok(f.fd.destroy(device));
  expect([...f.frames]).toEqual([[0x80001, 1]]);
  expect([f.charged, f.mm.pinnedVm]).toEqual([1, 1]);
  access.unpin(f.base + PAGE, PAGE);
  expect(f.charged).toBe(0);
});

function random(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) >> 16;
}

/** Bytes of the buffer, read from its frames. */
function bytesAt(f: Fixture, mm: UserMm, at: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const one = bytes.subarray(i, i + 1);
    f.fd.memory.read(f.frame(Math.floor((at + i) / 4096), mm), (at + i) % 4096, one);
  }
  return bytes;
}

function checkRw(f: Fixture, iova: bigint, slowPath: boolean, mm = f.mm): void {
  const access = f.access({ pins: false });
  const next = random(7);
  const offsets = slowPath ? [4046, 4090, 4095, 4096, 4145] : upTo(100).map((i) => 4046 + i);
  for (const offset of offsets) {
    for (const length of [1, 2, 31, 49, 50, 51, 63]) {
      const data = Uint8Array.from({ length }, () => next() & 255);
      ok(access.rw(iova + BigInt(offset), data, { write: true, slowPath }));
      expect(bytesAt(f, mm, offset, length)).toEqual(data);
      const back = new Uint8Array(length);
      ok(access.rw(iova + BigInt(offset), back, { slowPath }));
      expect(back).toEqual(data);
    }
  }
  const all = new Uint8Array(Number(BUFFER_SIZE));
  ok(access.rw(iova, all, { slowPath }));
  expect(all).toEqual(bytesAt(f, mm, 0, Number(BUFFER_SIZE)));
  ok(f.fd.destroy(access));
}

selftest("iommufd_ioas.access_rw", "every offset around a page boundary, fast path", (f) => {
  checkRw(f, f.map(), false);
});

selftest("iommufd_ioas.access_rw", "around a page boundary, slow path", (f) => {
  checkRw(f, f.map(), true);
  expect(f.frames.held).toBe(f.devices.length > 0 ? BUFFER_PAGES : 0);
});

selftest("iommufd_ioas.access_rw_unaligned", "an address in the middle of a page", (f) => {
  checkRw(f, f.map(f.base + MOCK_PAGE), false);
});

function forked(f: Fixture): UserMm {
  const child = f.process("child");
  const task = { mm: child, user: f.user };
  ok(f.ioas.map({ va: BUFFER, length: BUFFER_SIZE, iova: APERTURE, task }));
  return child;
}

selftest("iommufd_ioas.fork_gone", "without a domain a new one is EFAULT", (f) => {
  const child = forked(f);
  child.exit();
  const device = ok(f.fd.createDevice({ ownDomain: true }));
  const outcome = device.attach(f.ioas);
  if (f.devices.length === 0) expect(fails(outcome)).toBe("EFAULT mm-gone");
  else expect(outcome.ok).toBe(true);
});

selftest("iommufd_ioas.fork_gone", "with a domain the pages can still be read", (f) => {
  const child = forked(f);
  const wrote = Uint8Array.of(1, 2, 3);
  f.fd.memory.write(f.frame(0, child), 8, wrote);
  child.exit();
  const access = f.access({ pins: false });
  const back = new Uint8Array(3);
  const outcome = access.rw(APERTURE + 8n, back);
  if (f.devices.length === 0) expect(fails(outcome)).toBe("EFAULT mm-gone");
  else expect([outcome.ok, ...back]).toEqual([true, 1, 2, 3]);
});

selftest("iommufd_ioas.fork_present", "pages of a process that lives are read remotely", (f) => {
  const child = forked(f);
  f.mockDomain();
  f.checkDomains(APERTURE, BUFFER_SIZE, BUFFER, child);
  checkRw(f, APERTURE, false, child);
  f.unmap(APERTURE);
  expect([child.pinnedVm, f.mm.pinnedVm]).toEqual([0, 0]);
});
