/** iommufd broken in one place: random histories against the model must notice each. */
import { expect, test } from "vitest";
import { Areas } from "../../src/iommufd/area.js";
import { DomainSet } from "../../src/iommufd/domain-set.js";
import { IommuDomain } from "../../src/iommufd/iommu-domain.js";
import { IoptPages } from "../../src/iommufd/iopt-pages.js";
import { PfnReader } from "../../src/iommufd/pfn-reader.js";
import { Random } from "../../src/seed.js";
import { History } from "./history.js";

const OPS = 400;
const HISTORIES = 12;

/** Does a history fail? */
function isNoticed(): boolean {
  for (let seed = 1; seed <= HISTORIES; seed++) {
    try {
      const history = new History(new Random(seed));
      for (let i = 0; i < OPS; i++) history.step();
      history.end();
    } catch {
      return true;
    }
  }
  return false;
}

type Method = (...args: never[]) => unknown;

/** Breaks a method while `run` runs. */
function broken(
  of: object,
  name: string,
  make: (sound: Method) => (this: never, ...args: never[]) => unknown,
  run: () => void,
): void {
  const sound = Object.getOwnPropertyDescriptor(of, name)!;
  Object.defineProperty(of, name, { ...sound, value: make(sound.value as Method) });
  try {
    run();
  } finally {
    Object.defineProperty(of, name, sound);
  }
}

interface Pages {
  intervals: Map<number, { first: number; last: number }[]>;
  xarray: Map<number, unknown>;
  charged: number;
  pinnedNow: number;
}

const BROKEN: readonly (readonly [
  what: string,
  of: object,
  method: string,
  make: Parameters<typeof broken>[2],
])[] = [
  [
    "an overlapping interval counts as the same one",
    IoptPages.prototype,
    "exact",
    () =>
      function (this: Pages, first: number, last: number) {
        const all = [...this.intervals.values()].flat();
        return all.find((user) => user.first <= last && user.last >= first);
      },
  ],
  [
    "pages that drivers hold are unpinned with the domain",
    IoptPages.prototype,
    "isCovered",
    () =>
      function (this: { areaOver(index: number): unknown }, index: number) {
        return this.areaOver(index) !== undefined;
      },
  ],
  [
    "pages that a domain holds are pinned once more",
    IoptPages.prototype,
    "areaOver",
    () => () => undefined,
  ],
  [
    "what is unpinned stays charged",
    IoptPages.prototype,
    "settle",
    (sound) =>
      function (this: Pages) {
        if (this.pinnedNow < this.charged) return undefined;
        return sound.call(this as never);
      },
  ],
  [
    "the limit is not looked at: pages are not charged",
    IoptPages.prototype,
    "settle",
    () => () => undefined,
  ],
  [
    "a failing reader keeps what it has pinned",
    PfnReader.prototype,
    "release",
    () => () => undefined,
  ],
  [
    "a domain that goes leaves its pages pinned",
    IoptPages.prototype,
    "unstore",
    (sound) =>
      function (this: never, area: never) {
        sound.call(this, area);
        return new Map();
      },
  ],
  ["an unmap leaves translations behind", IommuDomain.prototype, "unmap", () => () => undefined],
  [
    "areas that touch are taken for a hole",
    Areas.prototype,
    "contiguous",
    (sound) =>
      function* (this: never, first: never, last: never) {
        const parts = sound.call(this, first, last) as Generator<unknown>;
        const only = parts.next();
        if (only.done !== true) yield only.value;
      },
  ],
  [
    "of two domains the one that goes stays the storage",
    DomainSet.prototype,
    "remove",
    () =>
      function (
        this: { domains: IommuDomain[]; ioas: { unreserve(of: object): void } },
        domain: never,
      ) {
        this.domains = this.domains.filter((each) => each !== domain);
        this.ioas.unreserve(domain);
      },
  ],
];

test("as it is nothing is noticed", () => {
  expect(isNoticed()).toBe(false);
});

test.each(BROKEN)("%s", (_what, of, method, make) => {
  broken(of, method, make, () => {
    expect(isNoticed()).toBe(true);
  });
  expect(Object.hasOwn(of, method)).toBe(true);
});
