/** The positions of the discussion about IOTLB_PERSIST (vfio-vdpa.md 3.7), each as a question. */
import { describe, expect, test } from "vitest";
import { RESET_CLEAN_MAP, VDPA_FEATURES } from "../../src/index.js";
import { inside, rig, type Rig } from "./rig.js";

const PERSIST = VDPA_FEATURES.IOTLB_PERSIST;

/** Maps, resets; are both views the same then? */
async function survives(preset: string, acks: readonly number[] = []): Promise<boolean> {
  const made = await rig(preset, { acks });
  made.update(0, 16);
  made.device.setStatus(0);
  return made.device.consistent().consistent;
}

describe("T1: a reset must not touch the IOTLB", () => {
  test.each([
    ["P", [], true],
    ["V", [], true],
    ["S1", [PERSIST], true],
    ["D1", [PERSIST], true],
    ["M1", [], true],
    ["S0", [], false],
    ["D0", [], false],
    ["S1", [], false],
    ["D1", [], false],
    ["M0", [], false],
  ] as const)("%s, acknowledged %j: %s", async (preset, acks, holds) => {
    expect(await survives(preset, acks)).toBe(holds);
  });
});

/** A program that knows nothing of persistence, and what the device translates after each call. */
async function oldProgram(preset: string): Promise<unknown[]> {
  const made = await rig(preset, { acks: [1, 2] });
  const { device } = made;
  const seen: unknown[] = [];
  const look = (outcome: unknown): void => {
    seen.push(JSON.parse(JSON.stringify([outcome, device.translations(0)])));
  };
  look(inside(made.update(0, 16)));
  look(inside(made.update(0x100000, 8)));
  look(device.setStatus(0).ok);
  look(inside(made.update(0, 16)));
  look(inside(made.invalidate(0, 16 * 4096)));
  look(inside(device.write({ type: "batch-begin" })));
  look(inside(made.update(0x200000, 4)));
  look(inside(device.write({ type: "batch-end" })));
  look(device.setStatus(0).ok);
  look(device.close().ok);
  return seen;
}

describe("T2: old programs see what they always saw", () => {
  test.each([
    ["S1", "S0"],
    ["D1", "D0"],
    ["mlx5-6.7", "mlx5-6.6"],
  ])("%s as %s", async (now, then) => {
    const [a, b] = [await oldProgram(now), await oldProgram(then)];
    // At the close dma_map parents without reset_map are left as the last unmap left them.
    const upTo = now === "D1" ? -1 : a.length;
    expect(a.slice(0, upTo)).toEqual(b.slice(0, upTo));
  });
});

describe("T3: the quirk is for parents that had it", () => {
  test.each(["compliant-set-map", "compliant-dma-map"])("%s keeps its maps", async (preset) => {
    expect(await survives(preset)).toBe(true);
    const made = await rig(preset);
    made.device.setStatus(0);
    expect(made.device.counts()).toMatchObject({ resets: 1, compatResets: 0, clears: 0 });
  });
});

describe("T4: reset_map at the close does not ask for the acknowledgement", () => {
  test.each([
    ["S1", []],
    ["S1", [PERSIST]],
    ["D1", []],
    ["D1", [PERSIST]],
  ] as const)("%s, acknowledged %j", async (preset, acks) => {
    const made = await rig(preset, { acks: [3, ...acks] });
    made.update(0, 4, 0);
    made.update(0, 4, 1);
    made.device.close();
    expect(made.device.counts().resetMaps).toBe(2);
    expect([made.device.translations(0), made.device.translations(1)]).toEqual([
      "identity",
      "identity",
    ]);
  });
});

test("T5: nothing is promised without it; a platform's IOMMU keeps maps all the same", async () => {
  expect(await survives("P")).toBe(true);
});

describe("T6: a module parameter instead", () => {
  test.each([
    ["M1", true],
    ["M0", false],
  ])("%s", async (preset, offered) => {
    const made = await rig(preset);
    const features = made.device.getBackendFeatures();
    const mask = features.ok ? features.value : 0n;
    expect(((mask >> BigInt(PERSIST)) & 1n) === 1n).toBe(offered);
    expect(await survives(preset)).toBe(offered);
  });
});

test("T7: flags go to compat_reset alone; parents are not told features", async () => {
  const flags: (number | undefined)[] = [];
  const made = await rig("S1");
  const { parent, device } = made;
  const { compatReset } = parent;
  Object.assign(parent, {
    compatReset: (given: number) => {
      flags.push(given);
      return compatReset!(given);
    },
    reset: (...given: number[]) => {
      flags.push(given[0]);
      return undefined;
    },
  });
  device.setStatus(0);
  device.setBackendFeatures([PERSIST]);
  device.setStatus(0);
  expect(flags).toEqual([RESET_CLEAN_MAP, undefined]);
});

test("T8: an open without the acknowledgement is not refused", async () => {
  const made = await rig("S1", { acks: [] });
  expect(made.device.isOpen).toBe(true);
  expect(inside(made.update(0, 4))).toBe("ok");
});

test("T9: the reset of an open has no flags, whatever the last program did", async () => {
  const made = await rig("S1", { acks: [] });
  made.update(0, 4);
  made.device.close();
  made.device.clearTrace();
  made.device.open();
  expect(made.device.events.map(({ step }) => step)).toEqual(["reset"]);
  expect(made.device.translations(0)).toBe("identity");
});

/** All programs of up to four calls after a map of two ranges and a reset. */
const CALLS: readonly ((made: Rig) => string)[] = [
  (made) => inside(made.update(0, 4)),
  (made) => inside(made.update(0x200000, 4)),
  (made) => inside(made.invalidate(0, 4 * 4096)),
  (made) => inside(made.invalidate(0, 0)),
  (made) => inside(made.device.write({ type: "batch-begin" })),
  (made) => inside(made.device.write({ type: "batch-end" })),
  (made) => inside(made.device.setStatus(0)),
];

test("T10: no program of up to three calls gets more from a parent that clears", async () => {
  const run = async (preset: string, program: readonly number[]) => {
    const made = await rig(preset);
    made.update(0, 4);
    made.update(0x100000, 4);
    made.device.setStatus(0);
    const answers = program.map((call) => CALLS[call](made));
    const { consistent } = made.device.consistent();
    const translations = made.device.translations(0);
    made.device.dispose();
    made.parent.dispose();
    return { answers, consistent, translations };
  };
  let differing = 0;
  for (let code = 0; code < 7 ** 3; code++) {
    const program = [code % 7, Math.floor(code / 7) % 7, Math.floor(code / 49)];
    const [cleared, kept] = [await run("S0", program), await run("P", program)];
    // The same answers, whether it cleared or not; and where the views differ it is S0's loss.
    expect(cleared.answers, String(program)).toEqual(kept.answers);
    expect(kept.consistent, String(program)).toBe(true);
    if (!cleared.consistent) differing++;
  }
  expect(differing).toBeGreaterThan(50);
}, 120_000);
