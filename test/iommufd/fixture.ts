/** What the tests of iommufd start from: the selftests' fixture, in its variants. */
import { expect, test } from "vitest";
import {
  Allocations,
  describeIommufd,
  HostFrames,
  type Ioas,
  type IoasState,
  type IommufdAccess,
  type AccessOptions,
  type Hwpt,
  Iommufd,
  type IommufdDevice,
  type IommufdOptions,
  type Outcome,
  UserAccount,
  UserMm,
} from "../../src/index.js";

export const PAGE = 4096n;
export const MOCK_PAGE = 2048n;
export const HUGE = 2n ** 21n;
export const APERTURE = 2n ** 24n;
export const APERTURE_LAST = 2n ** 31n - 1n;
export const TOP = 2n ** 64n - 1n;
/** Virtual address and bytes of the buffer every process has. */
export const BUFFER = 0x4000_0000n;
export const BUFFER_PAGES = 16;
export const BUFFER_SIZE = PAGE * BigInt(BUFFER_PAGES);

/** A value that must be there. */
export function ok<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new Error(`${outcome.errno} ${outcome.cause}: ${outcome.message}`);
}

/** The errno and cause of a call that must fail. */
export function fails(outcome: Outcome<unknown>): string {
  expect(outcome.ok).toBe(false);
  return outcome.ok ? "ok" : `${outcome.errno} ${outcome.cause}`;
}

/** Only the errno. */
export function errno(outcome: Outcome<unknown>): string {
  return fails(outcome).split(" ")[0];
}

export interface FixtureOptions extends Omit<IommufdOptions, "task"> {
  readonly domains?: number;
  readonly rlimit?: number;
  readonly capIpcLock?: boolean;
}

/** One iommufd, one IOAS, a process with a buffer of scattered frames, and mock domains. */
export class Fixture {
  readonly frames = new HostFrames();
  readonly user = new UserAccount();
  readonly mm: UserMm;
  readonly allocations: Allocations;
  readonly fd: Iommufd;
  readonly ioas: Ioas;
  readonly devices: IommufdDevice[] = [];
  readonly base: bigint;

  constructor({ domains = 0, rlimit, capIpcLock, ...options }: FixtureOptions = {}) {
    this.mm = this.process("test", rlimit, capIpcLock);
    this.allocations = options.allocations ?? new Allocations();
    const task = { mm: this.mm, user: this.user };
    this.fd = new Iommufd({ ...options, task, allocations: this.allocations });
    this.ioas = ok(this.fd.ioasAlloc());
    for (let i = 0; i < domains; i++) this.devices.push(this.mockDomain());
    this.base = domains > 0 ? APERTURE : 0n;
  }

  process(name: string, rlimitMemlock?: number, capIpcLock = false): UserMm {
    const mm = new UserMm(this.frames, { name, rlimitMemlock, capIpcLock });
    const runs = [3, 1, 5, 2];
    mm.map({ at: Number(BUFFER / PAGE), pages: BUFFER_PAGES, shared: true, runs });
    return mm;
  }

  /** A device with a page table of its own. */
  mockDomain(to: Ioas | Hwpt = this.ioas): IommufdDevice {
    const device = ok(this.fd.createDevice({ ownDomain: true }));
    ok(device.attach(to));
    return device;
  }

  access(options: AccessOptions = {}, ioas: Ioas = this.ioas): IommufdAccess {
    const access = ok(this.fd.accessCreate(options));
    ok(access.attach(ioas));
    return access;
  }

  /** Maps a part of the buffer, all of it by default, at `iova` or anywhere. */
  map(iova?: bigint, length = BUFFER_SIZE, va = BUFFER, ioas = this.ioas): bigint {
    return ok(ioas.map({ va, length, iova }));
  }

  unmap(iova: bigint, length = BUFFER_SIZE): bigint {
    return ok(this.ioas.unmap(iova, length));
  }

  get state(): string {
    return JSON.stringify(describeIommufd(this.fd));
  }

  describe(ioas = this.ioas): IoasState {
    return describeIommufd(this.fd).ioases.find(({ id }) => id === ioas.id)!;
  }

  get charged(): number {
    return this.user.lockedVm;
  }

  /** Frame of a page of the buffer. */
  frame(index: number, mm = this.mm): number {
    const frame = mm.faultIn(Number(BUFFER / PAGE) + index, false);
    if (typeof frame !== "number") throw new Error(frame);
    return frame;
  }

  /** Does every domain translate [iova, iova + length) to the memory at `va`? */
  checkDomains(iova: bigint, length: bigint, va = BUFFER, mm = this.mm): void {
    for (const { domain } of this.fd.hwpts.filter((hwpt) => hwpt.ioas === this.ioas)) {
      for (let at = 0n; at < length; at += MOCK_PAGE) {
        const frame = mm.faultIn(Number((va + at) / PAGE), false);
        const offset = (va + at) % PAGE;
        expect(domain.translate(iova + at)).toBe(BigInt(frame as number) * PAGE + offset);
      }
    }
  }

  /** Nothing is left of what the test did. */
  checkClean(): void {
    const domains = this.fd.hwpts.map(({ domain }) => domain);
    this.fd.close();
    expect(this.frames.held).toBe(0);
    expect([...this.frames.underflows]).toEqual([]);
    expect([this.user.lockedVm, this.mm.lockedVm, this.mm.pinnedVm]).toEqual([0, 0, 0]);
    for (const { mapped, cutLeaves } of domains) expect([...mapped, ...cutLeaves]).toEqual([]);
  }
}

/** Variants of the selftests' fixture `iommufd_ioas`. */
export const VARIANTS: readonly (readonly [string, FixtureOptions])[] = [
  ["no_domain", {}],
  ["mock_domain", { domains: 1 }],
  ["two_mock_domain", { domains: 2 }],
  ["mock_domain_limit", { domains: 1, tempMemoryLimit: 16 }],
];

/** Variants with a domain: those of `iommufd_mock_domain`. */
export const DOMAINS: typeof VARIANTS = [
  ["one_domain", { domains: 1 }],
  ["two_domains", { domains: 2 }],
];

/** One variant, for what has no fixture. */
export const ONE: typeof VARIANTS = [["", {}]];

/**
 * A case of the kernel's selftests, told anew: which one, and what it holds. docs/iommufd.md lists
 * them, and a test compares the list with these calls.
 */
export function selftest(
  source: string,
  what: string,
  run: (fixture: Fixture) => void,
  variants: typeof VARIANTS = VARIANTS,
): void {
  for (const [variant, options] of variants) {
    test(`${source}: ${what}${variant === "" ? "" : ` (${variant})`}`, () => {
      const fixture = new Fixture(options);
      run(fixture);
      fixture.checkClean();
    });
  }
}

/** Numbers 0 to count - 1. */
export function upTo(count: number): number[] {
  return [...Array(count).keys()];
}
