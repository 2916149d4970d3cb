/**
 * iommufd and the slow model over long random histories, in which pages are replaced, processes
 * exit, limits are tight and allocations fail. A failure prints its seed and how to run it again.
 */
import { expect, test } from "vitest";
import { Random } from "../../src/seed.js";
import { History } from "./history.js";

const FILE = "test/iommufd/differential.test.ts";
const OPS = 400;
const only = process.env["SHOOTDOWN_SEED"];
const HISTORIES = only !== undefined ? 1 : 30;
const BASE = BigInt(only ?? 1);

test("iommufd and the model agree over random histories", { timeout: 120_000 }, () => {
  const seen = new Map<string, number>();
  for (let i = 0; i < HISTORIES; i++) {
    const seed = BASE + BigInt(i);
    const history = new History(new Random(seed));
    try {
      for (let n = 0; n < OPS; n++) history.step();
      history.end();
    } catch (error) {
      const replay = `SHOOTDOWN_SEED=${seed} npx vitest run ${FILE}`;
      const last = history.log.slice(-8).join("\n");
      const message = `seed ${seed}, ${history.log.length} steps\nreplay: ${replay}\n${last}`;
      throw new Error(message, { cause: error });
    }
    for (const [what, times] of history.seen) seen.set(what, (seen.get(what) ?? 0) + times);
  }
  if (HISTORIES < 30) return;
  console.log([...seen].map(([what, times]) => `${what} ${times}`).join(", "));
  expect(WANTED.filter((what) => (seen.get(what) ?? 0) < 5)).toEqual([]);
});

/** Outcomes that a run without them would not be worth much. */
const WANTED = [
  ...["map ok", "map EEXIST", "map EINVAL", "map EFAULT", "map ENOMEM", "copy ok", "copy ENOENT"],
  ...["unmap ok", "unmap ENOENT", "unmap EDEADLOCK", "pin ok", "pin ENOENT", "pin EPERM"],
  ...["pin EINVAL", "pin EFAULT", "pin ENOMEM", "domain ok", "domain EFAULT", "rw ok", "rw EFAULT"],
  ...["unpin ok", "unpin warned", "injected"],
];
