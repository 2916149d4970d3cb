/**
 * Tree and model, side by side over long random histories of several shapes. A failure prints its
 * seed and the command that runs it again. `npm run soak` runs as many as asked.
 */
import { test } from "vitest";
import { IntervalTree } from "../../src/index.js";
import { History } from "./history.js";

const FILE = "test/interval-tree/differential.test.ts";
const OPS = 4_000;
const only = process.env["SHOOTDOWN_SEED"];
const soak = Number(process.env["SHOOTDOWN_SOAK_OPS"] ?? 0);
const HISTORIES = only !== undefined ? 1 : soak > 0 ? Infinity : 48;
const BASE = BigInt(only ?? process.env["SHOOTDOWN_SOAK_SEED"] ?? 1);

test("tree and model agree over random histories", { timeout: 2 ** 31 - 1 }, async () => {
  const from = performance.now();
  let entries = 0;
  let operations = 0;
  let histories = 0;
  for (let i = 0; i < HISTORIES && (soak === 0 || operations < soak); i++) {
    const seed = BASE + BigInt(i);
    using tree = await IntervalTree.create();
    const history = new History(tree, seed);
    try {
      history.run(OPS);
    } catch (error) {
      const replay = `SHOOTDOWN_SEED=${seed} npx vitest run ${FILE}`;
      throw new Error(`seed ${seed}\nreplay: ${replay}`, { cause: error });
    }
    entries += tree.size;
    operations += history.operations;
    histories++;
    if (soak > 0 && i % 500 === 499) {
      const seconds = Math.round((performance.now() - from) / 1000);
      console.log(`interval-tree: ${operations} operations, ${seconds} s, no divergence`);
    }
  }
  const seeds = `seeds ${BASE} to ${BASE + BigInt(histories - 1)}`;
  const left = `${entries} entries left`;
  console.log(`interval-tree: ${operations} operations, ${seeds}, ${left}, no divergence`);
});
