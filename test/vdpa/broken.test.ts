/** Devices and parents with one deliberate fault each: random histories must find all of them. */
import { expect, test } from "vitest";
import type { VhostVdpa } from "../../src/index.js";
import { VdpaHistory } from "./history.js";

/** What a fault is planted in: parts of the device that are nobody else's. */
interface Inside {
  core: {
    inBatch: boolean;
    isLive: boolean;
    spaces: Set<number>;
    mm: { pinnedVm: number } | undefined;
    push(asid: number): unknown;
    firstIn(asid: number, first: number, last: number): unknown;
    unpin(entry: unknown): void;
    put(addr: number, pages: number, of: { start?: number }): void;
    removeSpace(asid: number): void;
    removeEntries(asid: number, first: number, last: number, tells: boolean): void;
    iotlb: { reset(asid: number): void };
  };
  parent: Record<string, unknown>;
  reset(): unknown;
  acked: bigint;
  hasQueues: boolean;
  options: { failedRun: string };
}

type Break = (inside: Inside) => void;

const BROKEN: readonly (readonly [name: string, breaks: Break])[] = [
  [
    "the parent forgets reset_map",
    ({ parent }) => {
      if (parent["resetMap"] !== undefined) parent["resetMap"] = () => undefined;
    },
  ],
  [
    "the parent clears in every reset",
    ({ parent }) => {
      const { compatReset } = parent as { compatReset?: (flags: number) => unknown };
      if (compatReset !== undefined) parent["reset"] = () => compatReset(1);
    },
  ],
  [
    "the parent drops an unmapping",
    ({ parent }) => {
      if (parent["dmaUnmap"] !== undefined) parent["dmaUnmap"] = () => undefined;
    },
  ],
  [
    "pages of a failed run stay pinned",
    (inside) => {
      inside.options = { ...inside.options, failedRun: "leaked" };
    },
  ],
  [
    "no push at BATCH_END",
    ({ core }) => {
      const push = core.push.bind(core);
      core.push = (asid) => (core.inBatch ? undefined : push(asid));
    },
  ],
  [
    "a reset ends the batch",
    (inside) => {
      const reset = inside.reset.bind(inside);
      inside.reset = () => {
        inside.core.inBatch = false;
        return reset();
      };
    },
  ],
  [
    "a reset takes the acknowledged features away",
    (inside) => {
      const reset = inside.reset.bind(inside);
      inside.reset = () => {
        const result = reset();
        inside.acked = 0n;
        return result;
      };
    },
  ],
  [
    "the reset of the open cleans, too",
    (inside) => {
      const reset = inside.reset.bind(inside);
      inside.reset = () => {
        inside.hasQueues = true;
        return reset();
      };
    },
  ],
  [
    "overlaps are not looked for",
    ({ core }) => {
      let inRemoval = false;
      const firstIn = core.firstIn.bind(core);
      const removeEntries = core.removeEntries.bind(core);
      core.removeEntries = (...args) => {
        inRemoval = true;
        removeEntries(...args);
        inRemoval = false;
      };
      core.firstIn = (...args) => (inRemoval ? firstIn(...args) : undefined);
    },
  ],
  [
    "pinned_vm is not given back",
    ({ core }) => {
      const unpin = core.unpin.bind(core);
      core.unpin = (entry) => {
        const before = core.mm!.pinnedVm;
        unpin(entry);
        core.mm!.pinnedVm = before;
      };
    },
  ],
  [
    "pages stay pinned after the close",
    ({ core }) => {
      core.removeSpace = (asid) => {
        core.iotlb.reset(asid);
        core.spaces.delete(asid);
      };
    },
  ],
  [
    "address spaces that failed are not kept",
    ({ core }) => {
      const add = core.spaces.add.bind(core.spaces);
      core.spaces.add = (asid) => (core.inBatch ? core.spaces : add(asid));
    },
  ],
];

async function isCaught(seed: bigint, breaks: Break): Promise<boolean> {
  const plant = (device: VhostVdpa): void => breaks(device as unknown as Inside);
  const history = await VdpaHistory.create(seed, plant);
  try {
    history.run(250);
    return false;
  } catch {
    return true;
  } finally {
    history.dispose();
  }
}

test.each(BROKEN)("%s: is found", { timeout: 120_000 }, async (_, breaks) => {
  let seeds = 0n;
  while (seeds < 60n && !(await isCaught(1_000n + seeds, breaks))) seeds++;
  expect(seeds).toBeLessThan(60n);
});

test("with nothing planted nothing is found", { timeout: 120_000 }, async () => {
  for (let seed = 1_000n; seed < 1_020n; seed++) {
    expect(await isCaught(seed, () => undefined), `seed ${seed}`).toBe(false);
  }
});
