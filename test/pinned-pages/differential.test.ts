/**
 * Packed pages, tree and model, side by side over long random histories of several shapes. A
 * failure prints its seed and the command that runs it again. `npm run soak` runs as many as asked.
 */
import { expect, test } from "vitest";
import { FormsSeen } from "./forms.js";
import { History } from "./history.js";

const FILE = "test/pinned-pages/differential.test.ts";
const OPS = 4_000;
const only = process.env["SHOOTDOWN_SEED"];
const soak = Number(process.env["SHOOTDOWN_SOAK_OPS"] ?? 0);
const HISTORIES = only !== undefined ? 1 : soak > 0 ? Infinity : 60;
const BASE = BigInt(only ?? process.env["SHOOTDOWN_SOAK_SEED"] ?? 1);

test("pages, tree and model agree over random histories", { timeout: 2 ** 31 - 1 }, async () => {
  const from = performance.now();
  const seen = new FormsSeen();
  let left = 0;
  let refused = 0;
  let operations = 0;
  let histories = 0;
  for (let i = 0; i < HISTORIES && (soak === 0 || operations < soak); i++) {
    const seed = BASE + BigInt(i);
    const history = await History.create(seed);
    using packed = history.packed;
    try {
      history.run(OPS);
    } catch (error) {
      const replay = `SHOOTDOWN_SEED=${seed} npx vitest run ${FILE}`;
      throw new Error(`seed ${seed}\nreplay: ${replay}`, { cause: error });
    }
    seen.add(history.seen);
    left += packed.size;
    refused += history.refused;
    operations += history.operations;
    histories++;
    if (soak > 0 && i % 500 === 499) {
      const seconds = Math.round((performance.now() - from) / 1000);
      console.log(`pinned-pages: ${operations} operations, ${seconds} s, no divergence`);
    }
  }
  const seeds = `seeds ${BASE} to ${BASE + BigInt(histories - 1)}`;
  const forms = `forms grown into ${seen.grown.join(", ")}, shrunk into ${seen.shrunk.join(", ")}`;
  const pages = `${left} pages left`;
  console.log(`pinned-pages: ${operations} operations, ${seeds}, ${pages}, no divergence`);
  console.log(`${forms}; ${refused} times no memory`);
  if (histories < 60) return;
  expect(refused).toBeGreaterThan(500);
  for (const times of [...seen.grown, ...seen.shrunk.slice(0, -1)]) {
    expect(times).toBeGreaterThan(100);
  }
});
