/**
 * The device and the plain model side by side over random histories: every kind of parent, kernel
 * and order, with callbacks, allocations and faults that fail. A failure prints its seed and the
 * command that runs it again.
 */
import { expect, test } from "vitest";
import { VdpaHistory } from "./history.js";

const FILE = "test/vdpa/differential.test.ts";
const OPS = 250;
const only = process.env["SHOOTDOWN_SEED"];
const HISTORIES = only === undefined ? Number(process.env["SHOOTDOWN_HISTORIES"] ?? 120) : 1;
const BASE = BigInt(only ?? 1);

test("device and model agree over random histories", { timeout: 2 ** 31 - 1 }, async () => {
  const seen = new Map<string, number>();
  let operations = 0;
  for (let i = 0; i < HISTORIES; i++) {
    const seed = BASE + BigInt(i);
    const history = await VdpaHistory.create(seed);
    try {
      history.run(OPS);
    } catch (error) {
      const replay = `SHOOTDOWN_SEED=${seed} npx vitest run ${FILE}`;
      const at = `seed ${seed}, operation ${history.operations}\nreplay: ${replay}`;
      throw new Error(`${at}\n${String(error)}`, { cause: error });
    }
    for (const [word, count] of history.seen) seen.set(word, (seen.get(word) ?? 0) + count);
    operations += history.operations;
    history.dispose();
  }
  const words = [...seen].sort().map(([word, count]) => `${word} ${count}`);
  console.log(`vdpa: ${operations} operations, no divergence; ${words.join(", ")}`);
  if (only !== undefined) return;
  for (const word of ["EEXIST", "ENOMEM", "EINVAL", "EPERM", "EFAULT", "EIO", "exposed"]) {
    expect(seen.get(word) ?? 0, word).toBeGreaterThan(5);
  }
});
