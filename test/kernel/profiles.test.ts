import { describe, expect, test } from "vitest";
import {
  Catalogue,
  checkProfile,
  type CostProfile,
  isShootdownError,
  Machine,
} from "../../src/index.js";

const PROFILES = Catalogue.standard.parts.profiles;
const PAGE = 0x1000;

describe("the profiles that come with the library", () => {
  test("are these", () => {
    expect(PROFILES.map(({ name }) => name)).toEqual([
      "haswell-2019",
      "guest-kvm",
      "skylake-2017",
      "skylake-2017-pti",
      "numa-2s",
      "arm-broadcast",
      "riscv-hart",
    ]);
  });

  for (const profile of PROFILES) {
    test(`${profile.name}: every price has a source, and says so if it is assumed`, async () => {
      expect(profile.source).not.toBe("");
      for (const [name, price] of Object.entries(profile.prices)) {
        expect(Number.isInteger(price.ns), name).toBe(true);
        expect(price.source, name).toMatch(/^(assumed: |(shootdown|notifiers)\.md )/);
      }
      // It is data: what comes back from a file is the same profile, and a machine takes it.
      const copy = checkProfile(JSON.parse(JSON.stringify(profile)));
      expect(copy).toEqual(profile);
      using machine = await Machine.create({ profile: copy });
      expect(machine.profile.name).toBe(profile.name);
    });
  }
});

const sound: CostProfile = { name: "mine", title: "mine", source: "me", prices: {} };
const price = { ns: 1, source: "me" };

async function refusal(call: () => unknown) {
  try {
    await call();
  } catch (error) {
    if (isShootdownError(error)) return { code: error.code, ...error.details };
    throw error;
  }
  throw new Error("expected a refusal");
}

describe("a profile is refused", () => {
  const machines: readonly (readonly [string, Partial<CostProfile>, object])[] = [
    [
      "an unknown price",
      { prices: { nope: price } as object },
      { code: "E_TYPE", argument: "nope" },
    ],
    [
      "an inherited name",
      { prices: { toString: price } as object },
      { code: "E_TYPE", argument: "toString" },
    ],
    ["a negative price", { prices: { ipi: { ...price, ns: -1 } } }, { code: "E_LIMIT" }],
    ["half a ns", { prices: { ipi: { ...price, ns: 0.5 } } }, { code: "E_LIMIT" }],
    ["more than a second", { prices: { ipi: { ...price, ns: 1e9 + 1 } } }, { code: "E_LIMIT" }],
    [
      "a remote price without sockets",
      { prices: { ackRemote: price } },
      { code: "E_TYPE", argument: "cpusPerSocket" },
    ],
    ["a socket of none", { cpusPerSocket: 0 }, { code: "E_LIMIT", argument: "cpusPerSocket" }],
    ["too large a socket", { cpusPerSocket: 1025 }, { code: "E_LIMIT", most: 1024 }],
  ];
  for (const [what, wrong, expected] of machines) {
    test(`${what}, by the machine`, async () => {
      const found = await refusal(() => Machine.create({ profile: { ...sound, ...wrong } }));
      expect(found).toMatchObject(expected);
    });
  }

  const documents: readonly (readonly [string, unknown, string])[] = [
    ["not an object", 1, "profile"],
    ["nothing", null, "profile"],
    ["a field too many", { ...sound, more: 1 }, "profile"],
    ["no name", { ...sound, name: "" }, "profile.name"],
    ["a name that is a path", { ...sound, name: "../x" }, "profile.name"],
    ["no source", { ...sound, prices: { ipi: { ns: 1 } } }, "profile.prices.ipi.source"],
    [
      "an empty source",
      { ...sound, prices: { ipi: { ns: 1, source: "" } } },
      "profile.prices.ipi.source",
    ],
    [
      "a price as text",
      { ...sound, prices: { ipi: { ns: "1", source: "x" } } },
      "profile.prices.ipi.ns",
    ],
    ["an unknown price", { ...sound, prices: { nope: price } }, "profile.prices.nope"],
    ["an inherited name", { ...sound, prices: { valueOf: price } }, "profile.prices.valueOf"],
    ["distance without sockets", { ...sound, prices: { ackRemote: price } }, "cpusPerSocket"],
  ];
  for (const [what, value, argument] of documents) {
    test(`${what}, as a document`, async () => {
      expect(await refusal(() => checkProfile(value))).toEqual({ code: "E_TYPE", argument });
    });
  }
});

/** ns of one shootdown of CPU 0 with CPU `other` as its only target, of four CPUs. */
async function shootdownNs(profile: CostProfile, policy: string, others: readonly number[]) {
  using machine = await Machine.create({ policy, profile, geometry: { cpus: 4, tasks: 4 } });
  const mm = machine.newMm();
  machine.mapNow(mm, PAGE, PAGE + 8, 3);
  for (const cpu of [0, ...others]) machine.place(cpu, machine.newTask(mm));
  machine.submit(0, "write", { vpn: PAGE });
  machine.submit(0, "madvise", { start: PAGE, end: PAGE + 1 });
  expect(machine.advance()).toBe("idle");
  const { latencyNs, messages, hazards } = machine.counters();
  expect([messages, hazards]).toEqual([others.length, 0]);
  return { latencyNs, hash: machine.stateHash(), now: [0, 1, 2, 3].map((cpu) => machine.now(cpu)) };
}

describe("distance between sockets", () => {
  const numa = Catalogue.standard.profile("numa-2s");
  const two: CostProfile = { ...numa, cpusPerSocket: 2 };
  const remote = (name: "csdRemote" | "deliverRemote" | "ackRemote"): number =>
    two.prices[name]?.ns ?? NaN;

  for (const policy of ["sync", "concurrent"]) {
    test(`${policy}: a target across costs the three surcharges, one within none`, async () => {
      const near = await shootdownNs(two, policy, [1]);
      const far = await shootdownNs(two, policy, [2]);
      const all = remote("csdRemote") + remote("deliverRemote") + remote("ackRemote");
      expect(far.latencyNs - near.latencyNs).toBe(all);
    });

    test(`${policy}: near targets do not make a far one dearer than their csd`, async () => {
      const far = await shootdownNs(two, policy, [3]);
      const both = await shootdownNs(two, policy, [1, 3]);
      expect(both.latencyNs - far.latencyNs).toBe(two.prices.csd?.ns);
    });

    test(`${policy}: sockets without surcharges change nothing`, async () => {
      const { csdRemote: _c, deliverRemote: _d, ackRemote: _a, ...rest } = numa.prices;
      const { infoLineRemote: _i, ...prices } = rest;
      const flat: CostProfile = { ...numa, prices };
      const { cpusPerSocket: _s, ...none } = flat;
      const others = [1, 2, 3];
      const plain = await shootdownNs(none, policy, others);
      expect(await shootdownNs({ ...flat, cpusPerSocket: 2 }, policy, others)).toEqual(plain);
    });
  }
});
