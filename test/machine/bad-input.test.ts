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

const EVERY_KIND = Array.from({ length: 32 }, (_, kind) => kind);

async function ready(geometry: Partial<Geometry> = {}, record: number[] = []) {
  const machine = await Machine.create({ geometry: { ...GEOMETRY, ...geometry }, record });
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
  ["a BigInt page", "E_TYPE", (m) => m.submit(0, "write", { vpn: 16n as unknown as number })],
  ["a page as text", "E_TYPE", (m) => m.submit(0, "write", { vpn: "0x10" as unknown as number })],
  ["a page past 2^53", "E_ADDR_RANGE", (m) => m.submit(0, "write", { vpn: 2 ** 53 + 2 })],
  ["an inherited argument", "E_TYPE", (m) => m.submit(0, "write", inherited({ vpn: 16 }))],
  ["a protection with unknown bits", "E_LIMIT", (m) => m.mapNow(0, 40, 41, 256)],
  ["a step of no actor", "E_LIMIT", (m) => m.step(3)],
  ["a choice there is not", "E_LIMIT", (m) => m.step(0, 4)],
  ["the clock of no actor", "E_LIMIT", (m) => m.now(3)],
  ["an end of time that is none", "E_TIME", (m) => m.advance(NaN)],
  ["time running backwards", "E_TIME", (m) => m.advance(-1)],
  ["no budget", "E_LIMIT", (m) => m.advance(Infinity, undefined, 0)],
  ["half a budget", "E_LIMIT", (m) => m.advance(Infinity, undefined, 1.5)],
];

function inherited(args: Record<string, number>): Record<string, number> {
  return Object.create(args) as Record<string, number>;
}

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

  test("a callback may queue jobs, but not advance, step or dispose: E_BUSY", async () => {
    const { machine } = await ready({}, EVERY_KIND);
    machine.submit(0, "write", { vpn: 16 });
    const codes: unknown[] = [];
    const attempt = (call: () => unknown): void => {
      try {
        call();
      } catch (error) {
        codes.push((error as { code?: unknown }).code);
      }
    };
    machine.advance(Infinity, () => {
      if (codes.length > 0) return;
      attempt(() => machine.advance());
      attempt(() => machine.step(0));
      attempt(() => {
        machine.dispose();
      });
      machine.submit(0, "write", { vpn: 17 });
    });
    expect(codes).toEqual(["E_BUSY", "E_BUSY", "E_BUSY"]);
    expect(machine.walk(0, 17)).not.toBeNull();
  });

  test("events that a throwing callback was not given come first the next time", async () => {
    const told = async (breakAt: number): Promise<string[]> => {
      const { machine } = await ready({}, EVERY_KIND);
      const events: string[] = [];
      for (const vpn of [16, 17]) machine.submit(0, "write", { vpn });
      const take = (event: object): void => {
        events.push(JSON.stringify(event));
        if (events.length === breakAt) throw new Error("enough");
      };
      if (breakAt > 0) expect(() => machine.advance(Infinity, take)).toThrow("enough");
      expect(machine.advance(Infinity, take)).toBe("idle");
      return events;
    };
    const all = await told(0);
    expect(all.length).toBeGreaterThan(3);
    for (let at = 1; at <= all.length; at++) expect(await told(at)).toEqual(all);
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

  test("a machine past 4 GiB is E_NOMEM, before anything is allocated", async () => {
    const geometry = { cpus: 1024, tlbSets: 4096, tlbWays: 16, tables: 1 << 18, frames: 1 << 22 };
    const most = {
      ...geometry,
      devices: 64,
      iotlbSets: 65_536,
      iotlbWays: 16,
      vmas: 65_530,
      mms: 1024,
    };
    await expect(Machine.create({ geometry: most })).rejects.toMatchObject({
      code: "E_NOMEM",
      details: { limit: 2 ** 32 },
    });
  });

  test("a core that is none: E_CORRUPT for rubbish, E_VERSION for another module", async () => {
    const rubbish = new Uint8Array([0, 1, 2, 3]);
    const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    await expect(Machine.create({ wasm: rubbish })).rejects.toMatchObject({ code: "E_CORRUPT" });
    await expect(Machine.create({ wasm: empty })).rejects.toMatchObject({ code: "E_VERSION" });
  });

  test("a consumer that the machine was not built with is refused, not silently deaf", async () => {
    const machine = await Machine.create({ geometry: GEOMETRY, consumers: ["sharing"] });
    const mm = machine.newMm();
    expect(() => machine.attach("mirroring", mm)).toThrow(
      expect.objectContaining({ code: "E_NOENT" }) as Error,
    );
    expect(machine.attach("sharing", mm)).toBe(0);
  });

  test("a machine without a log has no simulated time", async () => {
    const machine = await Machine.create({ geometry: { ...GEOMETRY, logRecords: 0 } });
    expect(() => machine.advance()).toThrow(expect.objectContaining({ code: "E_LIMIT" }) as Error);
  });

  test("names of parts: unknown and taken", async () => {
    await expect(Machine.create({ era: "nope" })).rejects.toMatchObject({ code: "E_NOENT" });
    const era = Catalogue.standard.era("double");
    expect(() => Catalogue.standard.with({ eras: [era] })).toThrow(
      expect.objectContaining({ code: "E_DUP" }) as Error,
    );
  });
});

describe("exhausted pools, at every size until it succeeds", () => {
  test("mms and VMAs: E_NOMEM, nothing half done, and room that is freed can be used", async () => {
    const { machine, mm } = await ready({ vmas: 2 });
    machine.newMm();
    const full = expect.objectContaining({ code: "E_NOMEM" }) as Error;
    const before = machine.stateHash();
    expect(() => machine.newMm()).toThrow(full);
    machine.mapNow(mm, 40, 48, 3);
    const two = machine.stateHash();
    expect(two).not.toBe(before);
    // A third one, and a hole in the middle of one, which would be two.
    for (const [start, end] of [
      [60, 61],
      [20, 21],
    ] as const) {
      expect(() => {
        machine.mapNow(mm, start, end, 1);
      }).toThrow(full);
      expect(machine.stateHash()).toBe(two);
    }
    machine.mapNow(mm, 16, 48, 3);
    machine.mapNow(mm, 60, 61, 3);
    expect(machine.protectionOf(mm, 60)).toBe(3);
  });

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
