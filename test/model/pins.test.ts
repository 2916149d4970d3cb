/**
 * The core against the model where pages are mapped for DMA and pinned: drivers that pin and unpin,
 * every way of unmapping, devices that come and go and write, and what the address space does
 * meanwhile. A failure prints its seed; `SHOOTDOWN_SEED` runs it alone, `SHOOTDOWN_RUNS` sets how
 * many are run.
 */
import { expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { opName } from "../../src/program/ops.js";
import { Run } from "./generate.js";
import { PINNING_CONSUMERS } from "../../src/kernel/consumers/pinning.js";
import { PIN_NAMES } from "./pin-operations.js";
import { canonicalSeed } from "./random.js";
import { differs } from "./side-by-side.js";
import { executed } from "./step.js";

const FILE = "test/model/pins.test.ts";
const only = process.env["SHOOTDOWN_SEED"];
const RUNS = only === undefined ? Number(process.env["SHOOTDOWN_RUNS"] ?? 200) : 1;
const STEPS = 900;

const CONSUMERS = PINNING_CONSUMERS.map(({ name }) => name);

const TOUCH = [
  "write",
  "populate.read",
  "populate.write",
  "populate.write",
  "madvise",
  "munmap",
  "mmap",
];
const OFTEN = ["dma.map", "dma.register", "pin", "pin", "pin", "dma.map.domain"];
const UNMAP = ["dma.unmap", "dma.unmap.ordered", "iommufd.unmap", "unpin"];
const SOUND = [...TOUCH, ...TOUCH, ...OFTEN, ...OFTEN, ...OFTEN, ...UNMAP, "dma.unregister"];
/** Some of these end in a deadlock, after which little happens. */
const ALL = [...SOUND, ...SOUND, ...PIN_NAMES, "exit"];

async function differ(seed: bigint): Promise<string> {
  const run = await new Run(seed, {
    pinned: true,
    sound: seed % 2n === 1n,
    operations: seed % 2n === 1n ? SOUND : ALL,
    consumers: seed % 4n === 1n ? ["vgpu", "vgpu-stubborn"] : CONSUMERS,
    policy: "concurrent",
    geometry: {
      ...{ devices: 1 + Number(seed % 3n), cpus: 3, tasks: 4, vmas: 16, frames: 40, tables: 40 },
      ...{ levels: 2, indexBits: 1 + Number(seed % 2n), mms: 2 },
    },
  }).open();
  return differs(run, { steps: STEPS, file: FILE });
}

const CODES = Array.from(
  { length: abi.OP_PINS_LAST - abi.OP_PINS_FIRST + 1 },
  (_, i) => abi.OP_PINS_FIRST + i,
);

test("core and model agree where pages are mapped for DMA and pinned", async () => {
  const before = [...executed];
  const first = canonicalSeed(only ?? 1);
  for (let i = 0; i < RUNS; i++) expect(await differ(first + BigInt(i))).toBe("");
  const times = CODES.map((code) => [opName(code), executed[code] - before[code]] as const);
  console.log(times.map(([name, n]) => `${name} ${n}`).join(", "));
  if (only !== undefined || RUNS < 200) return;
  expect(times.filter(([, n]) => n === 0).map(([name]) => name)).toEqual([]);
}, 240_000);
