/** Misuse of the library throws before anything has changed. */
import { expect, test } from "vitest";
import { IommuDomain, Iommufd, ShootdownError } from "../../src/index.js";
import { BUFFER, Fixture, PAGE } from "./fixture.js";

/** What code a call throws. */
function code(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ShootdownError) return `${error.code} ${String(error.details.argument)}`;
    throw error;
  }
  return "nothing";
}

const any = (value: unknown): never => value as never;

test("addresses and lengths", () => {
  const f = new Fixture();
  const access = f.access();
  const before = f.state;
  const cases: [string, () => unknown][] = [
    ["E_TYPE va", () => f.ioas.map({ va: any("0"), length: PAGE })],
    ["E_TYPE va", () => f.ioas.map({ va: 1.5, length: PAGE })],
    ["E_TYPE va", () => f.ioas.map({ va: NaN, length: PAGE })],
    ["E_TYPE va", () => f.ioas.map({ va: 2 ** 53 + 2, length: PAGE })],
    ["E_ADDR_RANGE va", () => f.ioas.map({ va: -1, length: PAGE })],
    ["E_ADDR_RANGE length", () => f.ioas.map({ va: BUFFER, length: 2n ** 64n })],
    ["E_TYPE iova", () => f.ioas.map({ va: BUFFER, length: PAGE, iova: any(null) })],
    ["E_TYPE length", () => f.ioas.unmap(0, any(undefined))],
    ["E_ADDR_RANGE iova", () => access.pin(-1n, PAGE)],
    ["E_TYPE length", () => access.unpin(0, any({}))],
    ["E_TYPE data", () => access.rw(0, any([1, 2]))],
    ["E_TYPE start", () => f.ioas.reserve(any("x"), 1)],
    ["E_TYPE pages", () => access.vfioPinPages(0, 0.5)],
  ];
  for (const [expected, run] of cases) expect(code(run)).toBe(expected);
  expect(f.state).toBe(before);
});

test("options", () => {
  expect(code(() => new Iommufd({ era: any("5.0") }))).toBe("E_TYPE era");
  expect(code(() => new Iommufd({ tempMemoryLimit: 8 }))).toBe("E_LIMIT tempMemoryLimit");
  expect(code(() => new IommuDomain({ pageSizes: [3000] }))).toBe("E_ALIGN pageSizes");
  expect(code(() => new IommuDomain({ pageSizes: [] }))).toBe("E_EMPTY pageSizes");
  const aperture = { start: 8, last: 7 };
  expect(code(() => new IommuDomain({ aperture }))).toBe("E_INVERTED aperture.last");
  expect(code(() => new IommuDomain({ pageSizes: [0] }))).toBe("E_ALIGN pageSizes");
});
