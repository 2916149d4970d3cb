/**
 * Containers with packed pins and with a tree, and the model, side by side over long random
 * histories of all eras. A failure prints its seed and the command that runs it again. `npm run
 * soak` runs as many as asked.
 */
import { expect, test } from "vitest";
import { VfioHistory } from "./history.js";

const FILE = "test/vfio/differential.test.ts";
const OPS = 8_000;
const only = process.env["SHOOTDOWN_SEED"];
const soak = Number(process.env["SHOOTDOWN_SOAK_OPS"] ?? 0);
const HISTORIES = only !== undefined ? 1 : soak > 0 ? Infinity : 40;
const BASE = BigInt(only ?? process.env["SHOOTDOWN_SOAK_SEED"] ?? 1);

test("containers and model agree over random histories", { timeout: 2 ** 31 - 1 }, async () => {
  const from = performance.now();
  const outcomes = new Map<string, number>();
  let operations = 0;
  let histories = 0;
  for (let i = 0; i < HISTORIES && (soak === 0 || operations < soak); i++) {
    const seed = BASE + BigInt(i);
    const history = await VfioHistory.create(seed);
    try {
      history.run(OPS);
    } catch (error) {
      const replay = `SHOOTDOWN_SEED=${seed} npx vitest run ${FILE}`;
      throw new Error(`seed ${seed}\nreplay: ${replay}`, { cause: error });
    }
    for (const [word, n] of history.outcomes) outcomes.set(word, (outcomes.get(word) ?? 0) + n);
    operations += history.operations;
    histories++;
    if (soak > 0 && i % 200 === 199) {
      const seconds = Math.round((performance.now() - from) / 1000);
      console.log(`vfio: ${operations} operations, ${seconds} s, no divergence`);
    }
  }
  const seconds = (performance.now() - from) / 1000;
  const seeds = `seeds ${BASE} to ${BASE + BigInt(histories - 1)}`;
  const rate = Math.round(operations / seconds / 1000);
  console.log(`vfio: ${operations} operations, ${seeds}, ${rate}k a second, no divergence`);
  if (histories < 40) return;
  // All of it was seen, and often enough to mean something.
  for (const word of SEEN)
    expect([word, outcomes.get(word) ?? 0]).toEqual([word, expect.toSatisfy((n: number) => n > 0)]);
});

const SEEN = [
  ...["pin ok", "pin no-mapping", "pin protection", "pin over-rlimit", "pin fault"],
  ...[
    "pin no-memory",
    "pin no-listener",
    "pin too-many",
    "pin no-struct-page",
    "pin vaddr-invalid",
  ],
  ...["pin owner-exited", "pin no-pages", "pin no-group", "pin no-container"],
  ...["unpin ok", "unpin no-mapping", "map ok", "map overlap", "map over-rlimit", "map fault"],
  ...["map entry-limit", "map no-memory", "unmap ok", "unmap bisects", "unmapAll ok"],
  ...["attach ok", "attach over-rlimit", "attach no-memory", "detach ok", "getDirty ok"],
  ...["invalidate ok", "restore ok", "rw ok", "unmap retries-exhausted"],
];
