/**
 * The flows of the selftest iommufd_fail_nth: the 1st, 2nd, … allocation fails until none does.
 * The call that fails changes nothing, and closing gives everything back.
 */
import { expect, test } from "vitest";
import { type Outcome, SharedFile } from "../../src/index.js";
import { APERTURE, BUFFER, BUFFER_PAGES, BUFFER_SIZE, Fixture, ok, PAGE, TOP } from "./fixture.js";

type Step = (f: Fixture) => Outcome<unknown>;

interface Flow {
  readonly domains?: number;
  /** Done before failures begin. */
  readonly before?: (f: Fixture) => void;
  readonly steps: readonly Step[];
}

const map: Step = ({ ioas }) => ioas.map({ va: BUFFER, length: BUFFER_SIZE });
const mapFile: Step = (f) =>
  f.ioas.mapFile({ file: new SharedFile(f.frames, BUFFER_PAGES, 0x9000), length: BUFFER_SIZE });
const unmap: Step = ({ ioas }) => ioas.unmap(0, TOP);
/** A device comes and is attached. When attaching fails it is destroyed again. */
const attach: Step = ({ fd, ioas }) => {
  const device = fd.createDevice({ ownDomain: true });
  if (!device.ok) return device;
  const hwpt = device.value.attach(ioas);
  if (!hwpt.ok) ok(fd.destroy(device.value));
  return hwpt;
};
const detach: Step = ({ fd }) => fd.destroy(fd.devices[0]);
const create: Step = ({ fd, ioas }) => {
  const access = fd.accessCreate();
  if (!access.ok) return access;
  const attached = access.value.attach(ioas);
  if (!attached.ok) ok(fd.destroy(access.value));
  return attached;
};
const pinAll: Step = ({ fd }) => fd.accesses[0].pin(firstIova(fd.ioases[0]), BUFFER_SIZE);
const rw =
  (bytes: number, write: boolean, slowPath: boolean): Step =>
  ({ fd }) => {
    const data = new Uint8Array(bytes);
    return fd.accesses[0].rw(firstIova(fd.ioases[0]), data, { write, slowPath });
  };

function firstIova({ areas }: Fixture["ioas"]): bigint {
  const [area] = areas;
  return area.iova;
}

const FLOWS: Readonly<Record<string, Flow>> = {
  basic: {
    steps: [
      ({ fd }) => fd.ioasAlloc(),
      ({ ioas }) => ioas.iovaRanges(),
      ({ ioas }) => ioas.allowIovas([{ start: 16_384, last: 16_384 + 2 ** 24 }]),
      map,
      ({ ioas }) => ioas.copy({ from: ioas, srcIova: firstIova(ioas), length: 160, read: true }),
      unmap,
    ],
  },
  map_domain: { steps: [attach, map, detach, attach] },
  map_file_domain: { steps: [attach, mapFile, detach, attach] },
  map_two_domains: {
    before: (f) => void f.mockDomain(),
    steps: [attach, map, detach, detach, attach, attach],
  },
  access_rw: {
    before: (f) => void f.map(),
    steps: [
      create,
      rw(64, false, false),
      rw(64, true, false),
      rw(64, false, true),
      rw(64, true, true),
      rw(32_768, false, true),
      ({ fd }) => fd.destroy(fd.accesses[0]),
    ],
  },
  access_pin: {
    before: (f) => {
      f.map();
      f.access();
    },
    steps: [pinAll, pinAll, ({ fd }) => fd.destroy(fd.accesses[0])],
  },
  access_pin_domain: {
    before: (f) => {
      f.mockDomain();
      f.map();
      f.access();
    },
    steps: [pinAll, detach, attach],
  },
  device: {
    before: (f) => {
      f.map(APERTURE, PAGE);
      f.map(APERTURE, PAGE, BUFFER, ok(f.fd.ioasAlloc()));
    },
    steps: [
      attach,
      ({ fd, ioas }) => fd.hwptAlloc(fd.devices[0], ioas),
      ({ fd }) => fd.devices[0].replace(fd.ioases[1]),
      ({ fd }) => fd.devices[0].replace(fd.hwpts.find(({ auto }) => !auto)!),
    ],
  },
};

/** Runs a flow with the n-th allocation failing. @returns did that happen? */
function run(flow: Flow, n: number, tempMemoryLimit: number): boolean {
  const f = new Fixture({ domains: flow.domains, tempMemoryLimit });
  flow.before?.(f);
  f.allocations.failNth(n);
  for (const step of flow.steps) {
    const before = [f.state, f.charged, f.mm.pinnedVm, JSON.stringify([...f.frames])];
    const outcome = step(f);
    if (outcome.ok) continue;
    expect(f.allocations.hasFailed).toBe(true);
    expect(["no-memory", "injected"]).toContain(outcome.cause);
    expect([f.state, f.charged, f.mm.pinnedVm, JSON.stringify([...f.frames])]).toEqual(before);
    break;
  }
  const { hasFailed } = f.allocations;
  f.checkClean();
  return hasFailed;
}

for (const [name, flow] of Object.entries(FLOWS)) {
  for (const tempMemoryLimit of [65_536, 32, 16]) {
    test(`iommufd_fail_nth.${name} with ${tempMemoryLimit} bytes of temporary memory`, () => {
      let n = 1;
      while (run(flow, n, tempMemoryLimit)) n++;
      expect(n).toBeGreaterThan(3);
    });
  }
}
