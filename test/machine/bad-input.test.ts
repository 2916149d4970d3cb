import { describe, expect, test } from "vitest";
import { Catalogue, type Geometry, Machine } from "../../src/index.js";

const GEOMETRY = {
  cpus: 2,
  tasks: 4,
  mms: 2,
  devices: 1,
  frames: 64,
  tables: 16,
  vmas: 8,
  jobs: 2,
};

async function ready(geometry: Partial<Geometry> = {}) {
  const machine = await Machine.create({ geometry: { ...GEOMETRY, ...geometry } });
  const mm = machine.newMm();
  machine.mapNow(mm, 16, 32, 3);
  machine.place(0, machine.newTask(mm));
  return { machine, mm };
}

const PAGES = 2 ** 36;

/** What is called, and the code it must fail with. */
const CALLS: readonly (readonly [string, string, (m: Machine) => void])[] = [
  ["a page beyond the geometry", "E_ADDR_RANGE", (m) => m.submit(0, "write", { vpn: PAGES })],
  ["an end beyond it", "E_ADDR_RANGE", (m) => m.submit(0, "munmap", { start: 1, end: PAGES + 1 })],
  ["a negative page", "E_ADDR_RANGE", (m) => m.submit(0, "write", { vpn: -1 })],
  ["NaN", "E_TYPE", (m) => m.submit(0, "write", { vpn: NaN })],
  ["infinity", "E_TYPE", (m) => m.submit(0, "write", { vpn: Infinity })],
  ["half a page", "E_TYPE", (m) => m.submit(0, "write", { vpn: 1.5 })],
  ["a missing argument", "E_TYPE", (m) => m.submit(0, "munmap", { start: 1 })],
  ["an argument too many", "E_TYPE", (m) => m.submit(0, "write", { vpn: 1, end: 2 })],
  ["an empty range", "E_EMPTY", (m) => m.submit(0, "munmap", { start: 16, end: 16 })],
  ["an inverted range", "E_INVERTED", (m) => m.submit(0, "munmap", { start: 17, end: 16 })],
  ["an unknown operation", "E_NOENT", (m) => m.submit(0, "nope")],
  ["a CPU too many", "E_LIMIT", (m) => m.submit(2, "write", { vpn: 16 })],
  ["an unknown task", "E_LIMIT", (m) => m.submit(0, "write", { vpn: 16 }, { task: 1 })],
  ["a time below zero", "E_TIME", (m) => m.submit(0, "write", { vpn: 16 }, { at: -1 })],
  ["a time past 2^52", "E_TIME", (m) => m.submit(0, "write", { vpn: 16 }, { at: 2 ** 53 })],
  ["an unknown mm", "E_NOENT", (m) => m.newTask(1)],
  ["an mm beyond the rows", "E_LIMIT", (m) => m.walk(2, 16)],
  ["an unknown consumer", "E_NOENT", (m) => m.attach("nope", 0)],
  ["an access of no device", "E_LIMIT", (m) => m.submitAccess(0, "sharing", 16, false)],
  ["an empty mapping", "E_EMPTY", (m) => m.mapNow(0, 40, 40, 3)],
  ["an unknown script", "E_NOENT", (m) => m.startScript(0, "nope")],
];

describe("bad input", () => {
  for (const [what, code, call] of CALLS) {
    test(`${what} is ${code}; the state stays, the next call works`, async () => {
      const { machine } = await ready();
      const before = machine.stateHash();
      let thrown: unknown;
      try {
        call(machine);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toMatchObject({ code });
      expect(machine.stateHash()).toBe(before);
      machine.submit(0, "write", { vpn: 16 });
      expect(machine.advance()).toBe("idle");
      expect(machine.walk(0, 16)).toMatchObject({ writable: true });
    });
  }

  test("a full job ring is E_LIMIT and keeps what was queued", async () => {
    const { machine } = await ready();
    machine.submit(0, "write", { vpn: 16 });
    machine.submit(0, "write", { vpn: 17 });
    expect(() => {
      machine.submit(0, "write", { vpn: 18 });
    }).toThrow(expect.objectContaining({ code: "E_LIMIT" }) as Error);
    machine.advance();
    expect([16, 17, 18].map((vpn) => machine.walk(0, vpn) !== null)).toEqual([true, true, false]);
  });

  test("after dispose everything is E_DISPOSED, and disposing again is nothing", async () => {
    const { machine } = await ready();
    machine.dispose();
    machine.dispose();
    expect(() => machine.newMm()).toThrow(expect.objectContaining({ code: "E_DISPOSED" }) as Error);
    expect(() => machine.advance()).toThrow(
      expect.objectContaining({ code: "E_DISPOSED" }) as Error,
    );
  });

  for (const [field, value, code] of [
    ["cpus", 0, "E_LIMIT"],
    ["cpus", 1025, "E_LIMIT"],
    ["cpus", 1.5, "E_TYPE"],
    ["cpus", NaN, "E_TYPE"],
    ["levels", 6, "E_LIMIT"],
    ["indexBits", 10, "E_LIMIT"],
    ["tlbSets", 3, "E_LIMIT"],
    ["frames", 1, "E_LIMIT"],
    ["logRecords", 255, "E_LIMIT"],
    ["nonsense", 1, "E_TYPE"],
  ] as const) {
    test(`geometry.${field} = ${value} is ${code}`, async () => {
      await expect(Machine.create({ geometry: { [field]: value } })).rejects.toMatchObject({
        code,
      });
    });
  }

  test("names of parts: unknown and taken", async () => {
    await expect(Machine.create({ era: "nope" })).rejects.toMatchObject({ code: "E_NOENT" });
    const era = Catalogue.standard.era("double");
    expect(() => Catalogue.standard.with({ eras: [era] })).toThrow(
      expect.objectContaining({ code: "E_DUP" }) as Error,
    );
  });
});

describe("exhausted pools, at every size until it succeeds", () => {
  for (const field of ["frames", "tables"] as const) {
    test(`${field}: CapacityError, the state stays as it was before the step`, async () => {
      let failures = 0;
      for (let size = 2; ; size++) {
        const { machine } = await ready({ [field]: size, jobs: 16 });
        for (const vpn of [16, 17, 18, 19]) machine.submit(0, "write", { vpn });
        try {
          expect(machine.advance()).toBe("idle");
          break;
        } catch (error) {
          failures++;
          expect(error).toMatchObject({ code: "E_NOMEM", details: { argument: field } });
          const before = machine.stateHash();
          // It cannot go on, says so again, and has not changed.
          expect(() => machine.advance()).toThrow(
            expect.objectContaining({ code: "E_NOMEM" }) as Error,
          );
          expect(machine.stateHash()).toBe(before);
        }
      }
      expect(failures).toBeGreaterThan(1);
    });
  }
});
